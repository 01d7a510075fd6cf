#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against OpenCV and SciPy: the same two-parameter CFAR, file to file, whole processes, in one go.

usage: peers/cfar.py FULMAR [--size 10980] [--runs 3] [--peers opencv,scipy] [--folder DIR] [--threads N]

Every answer is compared with Fulmar's first; then the processes run in turn (A B A B ...) with a warm page cache, and
medians are printed with their ratios and the peak memory of each.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from race import timed

here = os.path.dirname(os.path.abspath(__file__))


def differences(a, b):
    """Cells that differ, counted in a process of its own: a child's peak memory includes what its parent held."""
    code = ("import sys; from osgeo import gdal; a, b = (gdal.Open(p).ReadAsArray() for p in sys.argv[1:]); "
            "print((a != b).sum(), a.size)")
    wrong, cells = subprocess.check_output(["/usr/bin/python3", "-c", code, a, b]).split()
    return int(wrong), int(cells)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--size", type=int, default=10980)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--peers", default="opencv,scipy")
    p.add_argument("--folder", default=None)
    p.add_argument("--threads", default=str(os.cpu_count()))
    a = p.parse_args()
    folder = a.folder or tempfile.mkdtemp()
    scene = os.path.join(folder, f"clutter_{a.size}.tif")
    if not os.path.exists(scene):
        subprocess.check_call([os.path.join(here, "..", "make_scene.py"), scene, "--width", str(a.size), "--height",
                               str(a.size), "--compress", "NONE"])
    out = {name: os.path.join(folder, f"{name}.tif") for name in ["fulmar"] + a.peers.split(",")}
    commands = {"fulmar": [a.fulmar, "run", "-q", "--overwrite", "--threads", a.threads,
                           f"{scene} --unit 1 ! cfar --guard 7px --background 31px --pfa 1e-6 ! {out['fulmar']} --co COMPRESS=NONE"]}
    for peer in a.peers.split(","):
        commands[peer] = ["/usr/bin/python3", os.path.join(here, "cfar_peer.py"), peer, scene, out[peer], "7", "31", "1e-6"]
    seconds, memory = {k: [] for k in commands}, {}
    for name, command in commands.items():  # warm the cache and check the answer
        _, memory[name] = timed(command)
        if name != "fulmar":
            wrong, cells = differences(out["fulmar"], out[name])
            print(f"{name}: {wrong} of {cells} cells differ from fulmar")
            if wrong > cells * 1e-6:
                sys.exit("the answers differ; nothing is timed")
    for _ in range(a.runs):
        for name, command in commands.items():
            s, m = timed(command)
            seconds[name].append(s)
            memory[name] = max(memory[name], m)
    base = statistics.median(seconds["fulmar"])
    print(f"{'':8} {'seconds':>8} {'ratio':>7} {'peak MiB':>9}")
    for name in commands:
        median = statistics.median(seconds[name])
        print(f"{name:8} {median:8.2f} {median / base:7.1f} {memory[name]:9.0f}")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ships (u16, CFAR, objects) from plain scenes of growing size, file to file: CPU per cell and peak memory.

usage: peers/scaling.py FULMAR [--sides 2048,4096,8192,16384] [--runs 3] [--folder DIR] [--threads N] [--record FILE.csv]

A cell costs what a scene takes more CPU than the next smaller one, in the cheapest run of each, over the cells that it has more:
the start and the first touch of buffers cancel. The dearest cell should cost at most 1.1 times the cheapest, and memory stay
within the default budget of 512 MiB, whatever the size. Smaller scenes are in `pipelines.cpp`, in memory.
"""
import argparse
import os
import statistics
import subprocess
import tempfile

from race import record, spent


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--sides", default="2048,4096,8192,16384")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--folder")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--record", help="appends every row to this CSV file")
    a = p.parse_args()
    temporary = None if a.folder else tempfile.TemporaryDirectory()
    folder, product = a.folder or temporary.name, "scaling.csv"
    commands = {}
    for side in sorted(map(int, a.sides.split(","))):
        scene = os.path.join(folder, f"clutter_{side}.tif")
        if not os.path.exists(scene):
            subprocess.check_call([os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "make_scene.py"), scene, "--width",
                                   str(side), "--height", str(side), "--compress", "NONE", "--targets", str(max(1, side * side // 60000))])
        commands[side] = [a.fulmar, "run", "-q", "--overwrite", "--threads", str(a.threads),
                          f"{scene} --unit 1 ! cfar --guard 7px --background 31px ! objects ! {os.path.join(folder, product)}"]
        spent(commands[side])
    runs = {side: [] for side in commands}
    for _ in range(a.runs):
        for side, command in commands.items():
            runs[side].append(spent(command))
    median = {side: [statistics.median(r[i] for r in runs[side]) for i in range(3)] for side in runs}
    cheapest = {side: min(r[1] for r in runs[side]) for side in runs}
    sides = list(median)
    cost = {b: 1e9 * (cheapest[b] - cheapest[a]) / (b ** 2 - a ** 2) for a, b in zip(sides, sides[1:])}
    for side, (wall, cpu, peak) in median.items():
        print(f"{side:6} {wall:8.2f} s  CPU {cpu:6.2f} s  {peak:5.0f} MiB" + (f"  {cost[side]:5.2f} ns a further cell" if side in cost else ""))
    spread = max(cost.values()) / min(cost.values())
    print(f"the dearest cell costs {spread:.2f} times the cheapest", flush=True)
    for side, m in median.items():
        record(a.record, f"scaling {side}", "pipeline", side, "fulmar", a.threads, m, "512 MiB", f"{cost[side]:.3f} ns a cell" if side in cost else "")


if __name__ == "__main__":
    main()

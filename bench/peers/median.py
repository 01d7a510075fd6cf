#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against OpenCV and SciPy: the same median of a window, file to file, whole processes, in one go.

usage: peers/median.py FULMAR [--size 4096] [--runs 3] [--widths 3,7,31] [--types uint16,float32] [--folder DIR]
                       [--threads N] [--limit 30]

OpenCV has f32 and u16 up to 5 x 5 only, so it stands beside the windows it can do. Every answer is compared with
Fulmar's first, cell for cell away from the edges (each has its own); then the processes run in turn (A B A B ...) with a
warm page cache, and medians are printed with their ratios and the peak memory of each. Where SciPy would
take longer than the limit, in seconds, it is given a strip of the scene and one half as high; what the difference tells
of a row is taken for the rest of the scene: marked with *.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from osgeo import gdal

from race import timed

gdal.UseExceptions()
PEER = """
import sys
import numpy as np
from osgeo import gdal
how, source, target, width, rows = sys.argv[1:]
width = int(width)
dataset = gdal.Open(source)
cells = dataset.ReadAsArray(0, 0, dataset.RasterXSize, int(rows))
if how == "opencv":
    import cv2
    result = cv2.medianBlur(cells, width)
else:
    from scipy import ndimage
    result = ndimage.median_filter(cells, width)
out = gdal.GetDriverByName("GTiff").Create(target, *cells.shape[::-1], 1, dataset.GetRasterBand(1).DataType)
out.GetRasterBand(1).WriteArray(result)
"""


def make(path, size, kind):
    """Speckle of 4.4 looks, as counts or as numbers."""
    rng = np.random.default_rng(20260101)
    scale = 1000 if kind == "uint16" else 0.02
    dataset = gdal.GetDriverByName("GTiff").Create(
        path, size, size, 1, gdal.GDT_UInt16 if kind == "uint16" else gdal.GDT_Float32)
    for y in range(0, size, 512):
        rows = min(512, size - y)
        dataset.GetRasterBand(1).WriteArray(rng.gamma(4.4, scale / 4.4, (rows, size)).astype(kind), 0, y)


def differences(a, b, width, rows):
    """Cells that differ, and how many were compared."""
    half = width // 2
    x, y = (gdal.Open(p).ReadAsArray(0, 0, gdal.Open(a).RasterXSize, rows) for p in (a, b))
    inside = slice(half, rows - half), slice(half, -half)
    return int((x[inside] != y[inside]).sum()), x[inside].size


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--size", type=int, default=4096)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--widths", default="3,5,7,31")
    p.add_argument("--types", default="uint16,float32")
    p.add_argument("--folder", default=None)
    p.add_argument("--threads", default=str(os.cpu_count()))
    p.add_argument("--limit", type=float, default=30)
    a = p.parse_args()
    folder = a.folder or tempfile.mkdtemp()
    print(f"{'':8} {'type':>8} {'width':>5} {'seconds':>9} {'ratio':>7} {'peak MiB':>9}")
    for kind in a.types.split(","):
        scene = os.path.join(folder, f"speckle_{kind}_{a.size}.tif")
        if not os.path.exists(scene):
            make(scene, a.size, kind)
        for width in (int(w) for w in a.widths.split(",")):
            out = {name: os.path.join(folder, f"median_{name}.tif") for name in ("fulmar", "opencv", "scipy")}
            peers = ["scipy"] + (["opencv"] if width <= 5 else [])
            # SciPy selects anew in every window: about 25 ns for each of its cells.
            rows = {"fulmar": a.size, "opencv": a.size,
                    "scipy": min(a.size, max(2 * width, int(a.limit / (25e-9 * width * width * a.size))))}
            commands = {"fulmar": [a.fulmar, "run", "-q", "--overwrite", "--threads", a.threads,
                                   f"{scene} ! median --window {width}px ! {out['fulmar']} --co COMPRESS=NONE"]}
            for peer in peers:
                commands[peer] = ["/usr/bin/python3", "-c", PEER, peer, scene, out[peer], str(width), str(rows[peer])]
            seconds, memory = {name: [] for name in commands}, {}
            for name, command in commands.items():  # warm the cache and check the answer
                _, memory[name] = timed(command)
                if name != "fulmar":
                    wrong, cells = differences(out["fulmar"], out[name], width, rows[name])
                    if wrong > 0:
                        sys.exit(f"{name}: {wrong} of {cells} cells differ from fulmar; nothing is timed")
            for _ in range(a.runs):
                for name, command in commands.items():
                    s, m = timed(command)
                    if rows[name] < a.size:
                        half = max(width, rows[name] // 2)
                        row = (s - timed(command[:-1] + [str(half)])[0]) / (rows[name] - half)
                        s += row * (a.size - rows[name])
                    seconds[name].append(s)
                    memory[name] = max(memory[name], m)
            base = statistics.median(seconds["fulmar"])
            for name in commands:
                median = statistics.median(seconds[name])
                mark = "*" if rows[name] < a.size else " "
                print(f"{name:8} {kind:>8} {width:5} {median:8.2f}{mark} {median / base:7.1f} {memory[name]:9.0f}", flush=True)


if __name__ == "__main__":
    main()

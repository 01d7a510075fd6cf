#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ships from a scene as large as a Sentinel-1 GRD product, file to file, against decoding that file and nothing else.

usage: peers/full_scene.py FULMAR [--folder DIR] [--runs 5] [--threads N] [--compress ZSTD,DEFLATE]
                           [--width 25847] [--height 16731] [--targets 2000]

The scenes are made once in the folder (a temporary one if none is given): u16 clutter with planted targets and the
look-up table of tests/data. The objects found are compared with the targets planted before anything is timed. Then both
processes run in turn (A B A B ...) with a warm page cache. What decoding alone takes, no pipeline can beat.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from race import record, spent

# No library larger than these: a child's peak memory includes what its parent held when it started it.
here = os.path.dirname(os.path.abspath(__file__))
calibration = os.path.join(here, "..", "..", "tests", "data", "s1b_grd_20211223_rome_calibration_vv.xml.gz")
python = "/usr/bin/python3"

# Run in a process of its own. Targets are planted by make_scene.py: 3 rows x 8 columns, the first cell from its seed.
# An object belongs to a target if its middle lies in it or within two cells of it; targets that touch are one.
check = """
import sys
import numpy as np
from osgeo import gdal, ogr
scene, product = sys.argv[1:3]
width, height, targets = (int(v) for v in sys.argv[3:6])
rng = np.random.default_rng(1)
margin = min(40, width // 20)
rows = rng.integers(20, max(21, height - 20), targets)
columns = rng.integers(margin + 20, max(margin + 21, width - margin - 20), targets)
near = lambda a, b, reach: np.abs(a[:, None] - b[None, :]) <= reach
touch = near(rows, rows, 3) & near(columns, columns, 8)
planted = int(targets - (np.tril(touch, -1).any(axis=1)).sum())
raster, vector = gdal.Open(scene), ogr.Open(product)
x0, dx, _, y0, _, dy = raster.GetGeoTransform()
found = []
for feature in vector.GetLayer(0):
    west, east, south, north = feature.GetGeometryRef().GetEnvelope()
    found.append((((south + north) / 2 - y0) / dy - 1.5, ((west + east) / 2 - x0) / dx - 4))
found = np.array(found).reshape(-1, 2)
hit = near(found[:, 0], rows, 2 + 1.5) & near(found[:, 1], columns, 2 + 4)
print(len(found), planted, int(hit.any(axis=0).sum()), int((~hit.any(axis=1)).sum()))
"""


def make(folder, compress, a):
    """The scene in that compression; only the first is computed, the others are copies of it."""
    name = os.path.join(folder, f"ships_{a.width}x{a.height}_{{}}.tif")
    first, scene = name.format("zstd"), name.format(compress.lower())
    if not os.path.exists(first):
        print("making the scene; this takes a minute or two", flush=True)
        subprocess.check_call([python, os.path.join(here, "..", "make_scene.py"), first + ".part.tif",
                               "--compress", "ZSTD", "--calibration", calibration,
                               "--width", str(a.width), "--height", str(a.height), "--targets", str(a.targets)])
        os.rename(first + ".part.tif", first)
    if not os.path.exists(scene):
        options = [f"COMPRESS={compress}", "TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "NUM_THREADS=ALL_CPUS"]
        subprocess.check_call(["gdal_translate", "-q"] + [w for o in options for w in ("-co", o)] +
                              [first, scene + ".part.tif"])
        os.rename(scene + ".part.tif", scene)
    return scene


def compare(a, scene, product):
    found, planted, hit, false = (int(v) for v in subprocess.check_output(
        [python, "-c", check, scene, product, str(a.width), str(a.height), str(a.targets)]).split())
    print(f"{found} objects; {a.targets} targets planted ({planted} apart), {hit} of them found, {false} false alarms")
    if hit < 0.98 * a.targets or abs(found - planted) > 0.02 * planted + 2:
        sys.exit("the answer is wrong; nothing is timed")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--folder")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--threads", default=str(os.cpu_count()))
    p.add_argument("--compress", default="ZSTD,DEFLATE")
    p.add_argument("--width", type=int, default=25847)
    p.add_argument("--height", type=int, default=16731)
    p.add_argument("--targets", type=int, default=2000)
    p.add_argument("--record", help="appends every row to this CSV file")
    a = p.parse_args()
    folder = a.folder or tempfile.mkdtemp()
    for compress in a.compress.split(","):
        scene, product = make(folder, compress, a), os.path.join(folder, "ships.gpkg")
        commands = {
            "decode": [python, os.path.join(here, "decode.py"), scene, a.threads],
            "fulmar": [a.fulmar, "run", "-q", "--overwrite", "--threads", a.threads,
                       f"{scene} ! calibrate --with {calibration} ! cfar --guard 7px --background 31px ! "
                       f"objects --min-area 300 ! {product}"],
        }
        size = os.path.getsize(scene) / 2**20
        print(f"\n{compress}: {a.width} x {a.height}, {size:.0f} MiB, {a.threads} threads", flush=True)
        for command in commands.values():  # warm the cache
            spent(command)
        compare(a, scene, product)
        runs = {name: [] for name in commands}
        for _ in range(a.runs):
            for name, command in commands.items():
                runs[name].append(spent(command))
        wall, cpu, peak = ({name: statistics.median(r[i] for r in runs[name]) for name in runs} for i in range(3))
        paired = sorted(f[0] / d[0] for f, d in zip(runs["fulmar"], runs["decode"]))
        print(f"{'':8} {'seconds':>8} {'CPU s':>8} {'peak MiB':>9} {'Mpx/s':>7}")
        for name in runs:
            speed = a.width * a.height / wall[name] / 1e6
            print(f"{name:8} {wall[name]:8.2f} {cpu[name]:8.2f} {peak[name]:9.0f} {speed:7.0f}")
            ratios = [wall[name] / wall["fulmar"]] * 2 + [cpu[name] / cpu["fulmar"]]
            record(a.record, f"ships {compress}", "pipeline", a.width, "decoding alone" if name == "decode" else name, a.threads,
                   [wall[name], cpu[name], peak[name], *(ratios if name == "decode" else [])], "8 s" if name == "fulmar" else f"{1 / 1.15:.2f}")
        print(f"fulmar over decode: wall {wall['fulmar'] / wall['decode']:.2f} (pairs {paired[0]:.2f} to "
              f"{paired[-1]:.2f}), CPU {cpu['fulmar'] / cpu['decode']:.2f}", flush=True)


if __name__ == "__main__":
    main()

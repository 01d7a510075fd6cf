#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdalwarp: the same image to another grid, file to file, whole processes, in one go.

usage: peers/warp.py FULMAR [--size 10980] [--runs 3] [--folder DIR] [--threads N] [--only cubic,average]

Both get the same threads and the same 512 MiB; gdalwarp its default approximation of coordinates (an eighth of a cell),
ours being good to a hundred-thousandth. Answers are compared first, away from edges and by what that approximation can
make of a smooth image; then the processes run in turn with a warm page cache, and medians are printed with their ratio
and the peak memory of each.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from osgeo import gdal, osr

from race import timed

gdal.UseExceptions()

# What, our resampling, gdalwarp's, target CRS, resolution.
JOBS = {
    "nearest": ("near", "EPSG:32632", 10.0),
    "bilinear": ("bilinear", "EPSG:32632", 10.0),
    "cubic": ("cubic", "EPSG:32632", 10.0),
    "lanczos": ("lanczos", "EPSG:32632", 10.0),
    "average": ("average", "EPSG:32631", 60.0),
}


def make_image(path, size):
    """A smooth u16 image in UTM 31, tiles of DEFLATE: what the approximation of coordinates does to it is small."""
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32631)
    made = gdal.GetDriverByName("GTiff").Create(path, size, size, 1, gdal.GDT_UInt16,
                                                ["TILED=YES", "COMPRESS=DEFLATE", "PREDICTOR=2", "ZLEVEL=1"])
    made.SetGeoTransform((600000, 10, 0, 5300040, 0, -10))
    made.SetProjection(reference.ExportToWkt())
    x = np.arange(size)
    rng = np.random.default_rng(1)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        cells = 5000 + 2000 * np.sin(x / 97) * np.cos(rows / 131) + rng.integers(0, 8, (len(rows), size))
        made.GetRasterBand(1).WriteArray(cells.astype(np.uint16), 0, y)
    made = None


def check(job, ours, theirs):
    """In strips: the largest difference of cells that both have, over a margin that leaves edges out."""
    a, b = gdal.Open(ours), gdal.Open(theirs)
    if (a.RasterXSize, a.RasterYSize) != (b.RasterXSize, b.RasterYSize):
        sys.exit(f"{job}: the grids differ")
    worst, both = 0.0, 0
    for y in range(0, a.RasterYSize, 512):
        rows = min(512, a.RasterYSize - y)
        p = a.ReadAsArray(0, y, a.RasterXSize, rows).astype(np.float64)
        q = b.ReadAsArray(0, y, b.RasterXSize, rows).astype(np.float64)
        known = ~np.isnan(p) & ~np.isnan(q)
        # Edges: kernels are cut off there in different ways.
        for shift in (-8, 8):
            known &= np.roll(known, shift, axis=1)
        known[:8] = known[-8:] = False
        both += known.sum()
        if known.any():
            worst = max(worst, np.abs(p - q)[known].max())
    if both < a.RasterXSize * a.RasterYSize // 3:
        sys.exit(f"{job}: too few cells in common")
    print(worst)
    # An eighth of a cell of a slope of 21 a cell, and the noise of 7 that lies upon it: neighbours, for nearest.
    if worst > (60 if job == "nearest" else 12):
        sys.exit(f"{job}: answers differ by {worst}")


def main():
    if sys.argv[1:2] == ["--check"]:  # in a process of its own: a child's peak memory includes what its parent held
        return check(*sys.argv[2:])
    if sys.argv[1:2] == ["--make"]:
        return make_image(sys.argv[2], int(sys.argv[3]))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--size", type=int, default=10980)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--folder", default=None)
    p.add_argument("--threads", default=str(os.cpu_count()))
    p.add_argument("--only", default=",".join(JOBS))
    a = p.parse_args()
    folder = a.folder or tempfile.mkdtemp()
    image = os.path.join(folder, f"image_{a.size}.tif")
    if not os.path.exists(image):
        subprocess.check_call([sys.executable, __file__, "--make", image, str(a.size)])
    print(f"{a.size} x {a.size} u16, {a.threads} threads, median of {a.runs} runs")
    for job in a.only.split(","):
        theirs, crs, resolution = JOBS[job]
        out = {name: os.path.join(folder, f"warp_{name}.tif") for name in ("fulmar", "gdalwarp")}
        ours = [a.fulmar, "run", "-q", "--overwrite", "--threads", a.threads,
                f"{image} ! warp --crs {crs} --resolution {resolution} --resample {job} ! {out['fulmar']} --co COMPRESS=NONE"]
        timed(ours)
        made = gdal.Open(out["fulmar"])
        x, dx, _, y, _, dy = made.GetGeoTransform()
        box = [x, y + dy * made.RasterYSize, x + dx * made.RasterXSize, y]
        made = None
        commands = {"fulmar": ours, "gdalwarp": [
            "gdalwarp", "-q", "-overwrite", "-t_srs", crs, "-te", *map(str, box), "-tr", str(resolution), str(resolution),
            "-r", theirs, "-ot", "Float32", "-dstnodata", "nan", "-multi", "-wo", f"NUM_THREADS={a.threads}", "-wm", "256",
            "--config", "GDAL_CACHEMAX", "256", "-co", "TILED=YES", image, out["gdalwarp"]]}
        if job != "average":  # else it takes turned windows for coarser cells, and widens its kernels
            commands["gdalwarp"][1:1] = ["-wo", "XSCALE=1", "-wo", "YSCALE=1"]
        timed(commands["gdalwarp"])
        worst = float(subprocess.check_output([sys.executable, __file__, "--check", job, out["fulmar"], out["gdalwarp"]]))
        seconds, memory = {k: [] for k in commands}, {k: 0 for k in commands}
        for _ in range(a.runs):
            for name, command in commands.items():
                took, peak = timed(command)
                seconds[name].append(took)
                memory[name] = max(memory[name], peak)
        median = {k: statistics.median(v) for k, v in seconds.items()}
        print(f"{job:9} fulmar {median['fulmar']:6.2f} s {memory['fulmar']:5.0f} MiB   "
              f"gdalwarp {median['gdalwarp']:6.2f} s {memory['gdalwarp']:5.0f} MiB   "
              f"ratio {median['gdalwarp'] / median['fulmar']:.2f}   differ by at most {worst:.2g}", flush=True)


if __name__ == "__main__":
    main()

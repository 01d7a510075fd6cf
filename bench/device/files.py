#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A card against the processor, file to file: whole runs of `fulmar run`, decoding and encoding included.

usage: device/files.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only NAME,NAME]

A scene of plain u16 and one of f32 in another coordinate system are made in DIR (a temporary folder otherwise). For every
pipeline both backends run once, and their products are compared cell for cell, to the bit; then they run in turn. A
difference is told in place of figures, with exit code 1; without a card it says why, with exit code 5.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
from race import aside, create  # noqa: E402

PIPELINES = {  # what stays on the card from the scene to the product
    "linear": "{scene} ! decibel ! linear ! {out}",
    "cfar": "{scene} ! cfar ! {out}",
    "median": "{scene} ! median --window 5 ! {out}",
    "warp": "{other} ! warp --crs EPSG:3035 --resample cubic ! {out}",
    "align": "{other} ! align --to {scene} ! decibel ! {out}",
    "stats": "{scene} ! stats ! {out}",
}
PRODUCTS = {"stats": "csv"}


def make(scene, other, size):
    import numpy as np
    from osgeo import gdal, osr
    random = np.random.default_rng(20260101)
    made = create(scene, size, size, gdal.GDT_UInt16, nodata=0)
    beside = create(other, size, size, gdal.GDT_Float32, nodata=float("nan"), cell=11.3)
    zone = osr.SpatialReference()
    zone.ImportFromEPSG(32632)  # one zone on: the ways are bent
    beside.SetProjection(zone.ExportToWkt())
    # The scene's middle, 8.5 degrees east of the meridian of its zone's neighbour.
    here = osr.SpatialReference()
    here.ImportFromEPSG(32631)
    x, y, _ = osr.CoordinateTransformation(here, zone).TransformPoint(500000 + 5.0 * size, 5300000 - 5.0 * size)
    beside.SetGeoTransform((x - 5.65 * size, 11.3, 0, y + 5.65 * size, 0, -11.3))
    for y in range(0, size, 512):
        rows = min(512, size - y)
        cells = random.gamma(4.4, 0.02 / 4.4, (rows, size)) * 20000 + 1
        made.GetRasterBand(1).WriteArray(cells.astype(np.uint16), 0, y)
        beside.GetRasterBand(1).WriteArray((cells / 20000).astype(np.float32), 0, y)


def same(one, other):
    """Empty where two products hold the same bits, else what differs."""
    if one.endswith(".csv"):
        return "" if pathlib.Path(one).read_text() == pathlib.Path(other).read_text() else "the tables differ"
    import numpy as np
    from osgeo import gdal
    gdal.UseExceptions()
    a, b = gdal.Open(one), gdal.Open(other)
    if (a.RasterXSize, a.RasterYSize, a.RasterCount) != (b.RasterXSize, b.RasterYSize, b.RasterCount):
        return "the sizes differ"
    wrong = there = 0
    for y in range(0, a.RasterYSize, 512):
        p, q = (d.ReadAsArray(0, y, d.RasterXSize, min(512, d.RasterYSize - y)) for d in (a, b))
        kind = np.dtype(f"u{p.dtype.itemsize}")
        wrong += int((p.view(kind) != q.view(kind)).sum())
        there += int((~np.isnan(p)).sum()) if p.dtype.kind == "f" else p.size
    return f"{wrong} cells differ" if wrong else "" if there else "no cell has a value"


def run(fulmar, backend, text, threads):
    """Wall and CPU seconds of one run."""
    start = time.monotonic()
    process = subprocess.Popen([fulmar, "run", "-q", "--overwrite", "--backend", backend, "--threads", str(threads), text])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(os.waitstatus_to_exitcode(status))  # the program has said why: 5 without a card
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--size", type=int, default=8192)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--folder")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--only", default=",".join(PIPELINES))
    options = p.parse_args()
    names = options.only.split(",")
    if unknown := [n for n in names if n not in PIPELINES]:
        p.error(f"no such pipeline: {unknown[0]}; there are {', '.join(PIPELINES)}")
    found = subprocess.run([options.fulmar, "devices"], capture_output=True, text=True)
    said = found.stdout.strip()
    if found.returncode == 5:
        print(f"there is no card to measure: {found.stderr.strip()}", file=sys.stderr)
        sys.exit(5)
    print(f"{said.splitlines()[0]}\n{options.size} x {options.size}, {options.threads} threads, median of {options.runs} runs; "
          f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    if "libfulmar_ptx_runtime" in os.environ.get("LD_PRELOAD", ""):
        print("THE CARD IS AN INTERPRETER: its times mean nothing. Answers are checked all the same.")
    temporary = None if options.folder else tempfile.TemporaryDirectory()
    folder = pathlib.Path(options.folder or temporary.name)
    scene, other = (str(folder / f"{name}_{options.size}.tif") for name in ("scene", "other"))
    if not os.path.exists(other):
        aside(make, scene, other, options.size)
    wrong = False
    print(f"\n{'file to file':12} {'card s':>8} {'CPU s':>7} {'proc. s':>8} {'CPU s':>7} {'times':>7}")
    for name in names:
        out = {b: str(folder / f"{name}_{b}.{PRODUCTS.get(name, 'tif')}") for b in ("cuda", "cpu")}
        text = {b: PIPELINES[name].format(scene=scene, other=other, out=out[b]) for b in out}
        for b in out:  # warms the cache
            run(options.fulmar, b, text[b], options.threads)
        if difference := aside(same, out["cuda"], out["cpu"]):
            print(f"{name:12} WRONG, not timed: {difference}", flush=True)
            wrong = True
            continue
        spent = {b: [] for b in out}
        for _ in range(options.runs):
            for b in out:
                spent[b].append(run(options.fulmar, b, text[b], options.threads))
        card, processor = ([statistics.median(r[i] for r in spent[b]) for i in range(2)] for b in ("cuda", "cpu"))
        print(f"{name:12} {card[0]:8.2f} {card[1]:7.2f} {processor[0]:8.2f} {processor[1]:7.2f} {processor[0] / card[0]:7.2f}",
              flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

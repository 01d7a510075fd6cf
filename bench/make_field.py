#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a field of 200,000 bars of all sizes, directions and brightnesses, one of which has a given signature.

usage: make_field.py OUT.tif [--side 20000] [--objects 200000] [--compress ZSTD] [--seed 1]

Cells are u8: noise of mean 60 and deviation 6, cut at 90; bars from 110 to 250. A bar lies within its own square of a
lattice and reaches no other's, so that every bar is one object. Each is a rectangle of length 8 to 30 and width 2 to 7
cells, turned by 0 to 180 degrees; a cell belongs to it if its centre does. Exactly one, planted somewhere, has length 24,
width 5, heading 37 degrees and brightness 203; all others differ from that by more than a tenth in length, in width, by
more than 10 degrees or by more than 12 in brightness. Beside OUT.tif come OUT.csv, the truth of each bar, and
OUT.signature.csv, the planted one's.
"""
import argparse
from pathlib import Path

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()

SIGNATURE = {"length": 24.0, "width": 5.0, "heading": 37.0, "brightness": 203.0}
TOLERANCE = {"length": 2.4, "width": 0.5, "heading": 10.0, "brightness": 12.0}
REACH = 17  # of half a bar, in cells
CELL = 10.0  # metres


def like_the_signature(bars):
    """True for bars that differ too little in everything."""
    same = np.ones(len(bars["length"]), bool)
    for key, value in SIGNATURE.items():
        off = np.abs(bars[key] - value)
        same &= (np.minimum(off, 180 - off) if key == "heading" else off) <= TOLERANCE[key]
    return same


def make_bars(rng, count):
    bars = {}
    again = np.ones(count, bool)
    while again.any():
        n = int(again.sum())
        length = rng.uniform(8, 30, n)
        fresh = {"length": length, "width": np.minimum(rng.uniform(2, 7, n), length / 1.5),
                 "heading": rng.uniform(0, 180, n), "brightness": np.rint(rng.uniform(110, 250, n))}
        for key, values in fresh.items():
            bars.setdefault(key, np.zeros(count))[again] = values
        again = like_the_signature(bars)
    planted = int(rng.integers(count))
    for key, value in SIGNATURE.items():
        bars[key][planted] = value
    return bars, planted


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path)
    p.add_argument("--side", type=int, default=20000)
    p.add_argument("--objects", type=int, default=200000)
    p.add_argument("--compress", default="ZSTD")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()

    rng = np.random.default_rng(a.seed)
    across = int(np.ceil(np.sqrt(a.objects)))
    pitch = a.side / across
    if pitch < 2 * REACH + 6:
        p.error(f"--objects {a.objects} do not fit into --side {a.side} without touching")
    bars, planted = make_bars(rng, a.objects)
    slack = (pitch - 2 * REACH - 4) / 2
    place = np.sort(rng.choice(across * across, a.objects, replace=False))
    column = (place % across + 0.5) * pitch + rng.uniform(-slack, slack, a.objects)
    row = (place // across + 0.5) * pitch + rng.uniform(-slack, slack, a.objects)
    cells = np.zeros(a.objects, np.int64)

    options = ["BIGTIFF=IF_SAFER"]
    if a.compress.upper() != "NONE":
        options += [f"COMPRESS={a.compress}", "TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "NUM_THREADS=ALL_CPUS"]
        options += ["ZSTD_LEVEL=1"] if a.compress.upper() == "ZSTD" else []
    out = gdal.GetDriverByName("GTiff").Create(str(a.out), a.side, a.side, 1, gdal.GDT_Byte, options)
    out.SetGeoTransform([500000, CELL, 0, 4000000, 0, -CELL])
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(32651)
    out.SetSpatialRef(srs)
    band = out.GetRasterBand(1)

    heading = np.radians(bars["heading"])
    along_x, along_y = np.sin(heading), -np.cos(heading)  # rows grow to the south
    offsets = np.arange(-REACH, REACH + 1)
    first, done = 0, 0  # rows and bars that are drawn
    for line in range(across):
        # The bars of a line of the lattice reach no other line's rows.
        end = min(a.side, int(np.floor((line + 1) * pitch)))
        noise = rng.standard_normal((end - first, a.side), np.float32) * np.float32(6) + np.float32(60)
        rows = np.clip(np.rint(noise), 1, 90).astype(np.uint8)
        here = np.arange(done, np.searchsorted(place, (line + 1) * across))
        done += len(here)
        x = np.floor(column[here]).astype(np.int64)[:, None, None] + offsets[None, None, :]
        y = np.floor(row[here]).astype(np.int64)[:, None, None] + offsets[None, :, None]
        dx, dy = x + 0.5 - column[here, None, None], y + 0.5 - row[here, None, None]
        ux, uy = along_x[here, None, None], along_y[here, None, None]
        inside = (np.abs(dx * ux + dy * uy) <= bars["length"][here, None, None] / 2) & (
            np.abs(dx * uy - dy * ux) <= bars["width"][here, None, None] / 2)
        cells[here] = inside.sum((1, 2))
        which, iy, ix = np.nonzero(inside)
        rows[y[which, iy, 0] - first, x[which, 0, ix]] = bars["brightness"][here][which]
        band.WriteArray(rows, 0, first)
        first = end
    out = None

    header = "column,row,cells," + ",".join(SIGNATURE)
    table = np.column_stack([column, row, cells, *(bars[key] for key in SIGNATURE)])
    form = ["%.3f", "%.3f", "%d", "%.4f", "%.4f", "%.4f", "%d"]
    np.savetxt(a.out.with_suffix(".csv"), table, form, ",", header=header, comments="")
    np.savetxt(a.out.with_suffix(".signature.csv"), table[planted:planted + 1], form, ",", header=header, comments="")


if __name__ == "__main__":
    main()

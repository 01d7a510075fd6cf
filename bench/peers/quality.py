#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against NumPy: how near four u16 bands are to a reference (ERGAS, SAM, UIQI, RMSE), to a table.

usage: peers/quality.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N]

The size is a multiple of 32, so that no block of UIQI is cut. NumPy (one thread) goes in strips of 256 rows.
"""
import json
import math
import os

from race import aside, create, start

BANDS, RATIO, BLOCK = 4, 2, 32


def make(reference, scene, size):
    import numpy as np
    from osgeo import gdal
    files = [create(path, size, size, gdal.GDT_UInt16, BANDS, options=["INTERLEAVE=BAND"]) for path in (reference, scene)]
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        for b in range(BANDS):
            base = 3000 + 800 * np.sin(x / 31 + b) * np.cos(rows / 47) + rng.integers(0, 200, (len(rows), size))
            files[0].GetRasterBand(b + 1).WriteArray(base.astype(np.uint16), 0, y)
            files[1].GetRasterBand(b + 1).WriteArray((base + rng.normal(0, 40, base.shape)).astype(np.uint16), 0, y)


def by_numpy(reference, scene, target):
    import numpy as np
    from osgeo import gdal
    files = [gdal.Open(p) for p in (reference, scene)]
    width, height = files[0].RasterXSize, files[0].RasterYSize
    squares, values, angles, indices = np.zeros(BANDS), np.zeros(BANDS), 0.0, np.zeros(BANDS)
    for y in range(0, height, 256):
        rows = min(256, height - y)
        r, f = (d.ReadAsArray(0, y, width, rows).astype(np.float64) for d in files)
        squares += ((f - r) ** 2).sum(axis=(1, 2))
        values += r.sum(axis=(1, 2))
        cosine = (r * f).sum(axis=0) / np.sqrt((r * r).sum(axis=0) * (f * f).sum(axis=0))
        angles += np.arccos(np.minimum(cosine, 1)).sum()

        def blocks(cells):
            return cells.reshape(BANDS, rows // BLOCK, BLOCK, width // BLOCK, BLOCK).mean(axis=(2, 4))
        a, b = blocks(r), blocks(f)
        aa, bb, ab = blocks(r * r) - a * a, blocks(f * f) - b * b, blocks(r * f) - a * b
        indices += (4 * ab * a * b / ((aa + bb) * (a * a + b * b))).sum(axis=(1, 2))
    n = width * height
    with open(target, "w") as out:
        json.dump({"n": n, "ergas": 100 / RATIO * math.sqrt(float((squares / n / (values / n) ** 2).mean())),
                   "sam": math.degrees(angles / n), "uiqi": float((indices / (n / BLOCK ** 2)).mean()),
                   "rmse": math.sqrt(squares.sum() / (n * BANDS))}, out)


def check(ours, theirs):
    import csv
    row, expected = next(csv.DictReader(open(ours))), json.load(open(theirs))
    off = max(abs(float(row[k]) / v - 1) for k, v in expected.items())
    if off > 1e-6:
        raise SystemExit(f"{row} here, {expected} there; nothing is timed")
    return f"five numbers within {off:.1g} of them"


def quality(options, folder, race):
    if options.size % BLOCK != 0:
        raise SystemExit(f"--size: give a multiple of {BLOCK}, so that no block is cut")
    pair = [os.path.join(folder, f"pair_{options.size}_{what}.tif") for what in ("a_reference", "b_scene")]
    if not os.path.exists(pair[1]):
        aside(make, *pair, options.size)
    ours, theirs = os.path.join(folder, "quality.csv"), os.path.join(folder, "quality_numpy.json")
    race.run("quality", f"'{folder}/pair_{options.size}_*.tif' ! quality --ratio {RATIO} ! {ours}",
             {"numpy": race.peer("by_numpy", *pair, theirs)}, lambda who: check(ours, theirs))


if __name__ == "__main__":
    start(__doc__, {"quality": quality}, {"by_numpy": by_numpy}, 4096)

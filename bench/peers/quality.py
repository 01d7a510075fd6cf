#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against NumPy: how near four u16 bands are to a reference (ERGAS, SAM, UIQI, RMSE), or without one (QNR), to a table.

usage: peers/quality.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N] [--only quality,qnr]

The size is a multiple of 32, so that no block of UIQI is cut. NumPy (one thread) goes in strips of 256 rows.
"""
import json
import math
import os

from race import aside, create, needs, scene, start

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
        raise SystemExit(f"{row} here, {expected} there")
    return f"{len(expected)} numbers within {off:.1g} of them"


def files(options, folder):
    """The two, whose names say which comes first."""
    if options.size % BLOCK != 0:
        raise SystemExit(f"--size: give a multiple of {BLOCK}, so that no block is cut")
    pair = [os.path.join(folder, f"pair_{options.size}_{what}.tif") for what in ("a_reference", "b_scene")]
    if not os.path.exists(pair[1]):
        aside(make, *pair, options.size)
    return pair, f"'{folder}/pair_{options.size}_*.tif'"


def quality(options, folder, race):
    pair, both = files(options, folder)
    ours, theirs = os.path.join(folder, "quality.csv"), os.path.join(folder, "quality_numpy.json")
    race.run("quality", f"{both} ! quality --ratio {RATIO} ! {ours}",
             {"numpy": race.peer("by_numpy", *pair, theirs)}, lambda who: check(ours, theirs))


def make_pan(path, size, sharp):
    import numpy as np
    from osgeo import gdal
    made, source, rng = create(path, size, size, gdal.GDT_UInt16), gdal.Open(sharp), np.random.default_rng(3)
    for y in range(0, size, 512):
        cells = source.ReadAsArray(0, y, size, min(512, size - y)).mean(axis=0)
        made.GetRasterBand(1).WriteArray((cells + rng.normal(0, 60, cells.shape)).astype(np.uint16), 0, y)


@needs("scipy.ndimage")
def qnr_numpy(bands, sharp, pan, target):
    import numpy as np
    from osgeo import gdal
    from scipy.ndimage import uniform_filter
    files = [gdal.Open(p) for p in (bands, sharp, pan)]
    width, height = files[0].RasterXSize, files[0].RasterYSize
    pairs = [(i, j) for i in range(BANDS) for j in range(i)]
    spectral, spatial = np.zeros((2, len(pairs))), np.zeros((2, BANDS))
    for y in range(0, height, 256):
        rows, above = min(256, height - y), min(y, 2)
        m, f = (d.ReadAsArray(0, y, width, rows).astype(np.float64) for d in files[:2])
        p = files[2].ReadAsArray(0, y - above, width, min(height - y, rows + 2) + above).astype(np.float64)
        ones = [uniform_filter(np.ones(n), 2 * RATIO + 1, mode="constant") for n in p.shape]
        low = uniform_filter(p, 2 * RATIO + 1, mode="constant") / np.outer(*ones)

        def blocks(cells):
            return cells.reshape(rows // BLOCK, BLOCK, width // BLOCK, BLOCK).mean(axis=(1, 3))

        def moments(cells):
            mean = blocks(cells)
            return cells, mean, blocks(cells * cells) - mean * mean

        def index(a, b):
            covariance = blocks(a[0] * b[0]) - a[1] * b[1]
            return (4 * covariance * a[1] * b[1] / ((a[2] + b[2]) * (a[1] ** 2 + b[1] ** 2))).sum()
        for k, (cells, other) in enumerate(((f, p[above:above + rows]), (m, low[above:above + rows]))):
            of, other = [moments(c) for c in cells], moments(other)
            spectral[k] += [index(of[i], of[j]) for i, j in pairs]
            spatial[k] += [index(a, other) for a in of]
    n = width * height / BLOCK ** 2
    d_lambda, d_s = (float(np.abs(np.subtract(*q)).mean() / n) for q in (spectral, spatial))
    with open(target, "w") as out:
        json.dump({"d_lambda": d_lambda, "d_s": d_s, "qnr": (1 - d_lambda) * (1 - d_s)}, out)


def qnr(options, folder, race):
    pair, both = files(options, folder)
    pan = scene(options, folder, "panchromatic", make_pan, pair[1])
    ours, theirs = os.path.join(folder, "qnr.csv"), os.path.join(folder, "qnr_numpy.json")
    race.run("qnr", f"{both} ! qnr --pan [ {pan} ] --ratio {RATIO} ! {ours}",
             {"numpy": race.peer("qnr_numpy", *pair, pan, theirs)}, lambda who: check(ours, theirs))


if __name__ == "__main__":
    start(__doc__, {"quality": {"quality": quality}, "qnr": {"qnr": qnr}}, [by_numpy, qnr_numpy], 4096)

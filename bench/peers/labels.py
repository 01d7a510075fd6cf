#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against SciPy and OpenCV: the objects of a mask with their cells, middle and mean intensity, to a table.

usage: peers/labels.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N]

SciPy labels and counts, sums and finds middles over the labels; OpenCV labels and has cells and middles at once, and the
means by bincount. Both write the same rows as plain text. Fulmar's rows have length, width, heading and more besides.
"""
import os

from race import aside, create, needs, products, start

CELL = 10.0


def make(mask, intensity, size):
    """Ships: bars of 3 to 9 by 8 to 40 cells, one in 40 by 40 cells on average, some touching."""
    import numpy as np
    from osgeo import gdal
    rng = np.random.default_rng(1)
    cells = np.zeros((size, size), np.uint8)
    for _ in range(size * size // 1600):
        h, w = sorted((rng.integers(3, 10), rng.integers(8, 41)), reverse=bool(rng.integers(2)))
        y, x = rng.integers(0, size - h), rng.integers(0, size - w)
        cells[y:y + h, x:x + w] = 1
    made = create(mask, size, size, gdal.GDT_Byte, cell=CELL)
    made.GetRasterBand(1).WriteArray(cells)
    made = create(intensity, size, size, gdal.GDT_Float32, cell=CELL)
    for y in range(0, size, 512):
        made.GetRasterBand(1).WriteArray(rng.gamma(4.4, 1 / 4.4, (min(512, size - y), size)).astype(np.float32), 0, y)


def read(mask, intensity):
    from osgeo import gdal
    return gdal.Open(mask).ReadAsArray(), gdal.Open(intensity).ReadAsArray()


def write(path, cells, columns, rows, means):
    import numpy as np
    np.savetxt(path, np.c_[cells, columns + 0.5, rows + 0.5, means], "%d,%.6f,%.6f,%.9g", header="cells,column,row,mean", comments="")


@needs("scipy.ndimage")
def scipy(mask, intensity, target):
    import numpy as np
    from scipy import ndimage
    flags, values = read(mask, intensity)
    labels, n = ndimage.label(flags, np.ones((3, 3)))
    at = np.arange(1, n + 1)
    middles = np.array(ndimage.center_of_mass(flags, labels, at))
    write(target, ndimage.sum_labels(flags, labels, at), middles[:, 1], middles[:, 0], ndimage.mean(values, labels, at))


@needs("cv2")
def opencv(mask, intensity, target):
    import cv2
    import numpy as np
    flags, values = read(mask, intensity)
    n, labels, numbers, middles = cv2.connectedComponentsWithStats(flags, connectivity=8)
    sums = np.bincount(labels.ravel(), values.ravel(), n)
    cells = numbers[:, cv2.CC_STAT_AREA]
    write(target, cells[1:], middles[1:, 0], middles[1:, 1], (sums / cells)[1:])


def check(ours, theirs):
    import numpy as np
    a, b = (np.genfromtxt(p, delimiter=",", names=True) for p in (ours, theirs))
    names = "row", "column", "cells", "mean"
    a, b = (np.stack([t[n] for n in names], 1) for t in (a, b))
    if len(a) != len(b):
        raise SystemExit(f"{len(a)} objects here, {len(b)} there")
    from scipy.spatial import cKDTree
    far, which = cKDTree(b[:, :3]).query(a[:, :3])
    off = np.abs(a[:, 3] / b[which, 3] - 1).max()
    if len(set(which)) != len(a) or far.max() > 1e-3 or off > 1e-5:
        raise SystemExit(f"objects differ: middles by {far.max()}, means by {off}")
    return f"{len(a)} objects alike"


def objects(options, folder, race):
    mask, intensity = (os.path.join(folder, f"{what}_{options.size}.tif") for what in ("mask", "intensity"))
    if not os.path.exists(intensity):
        aside(make, mask, intensity, options.size)
    out = products(folder, "objects", "scipy", "opencv", kind="csv")
    race.run("objects", f"{mask} ! objects --intensity [ {intensity} ] ! {out['fulmar']}",
             {who: race.peer(who, mask, intensity, out[who]) for who in ("scipy", "opencv")},
             lambda who: check(out["fulmar"], out[who]))


if __name__ == "__main__":
    start(__doc__, {"objects": {"objects": objects}}, [scipy, opencv])

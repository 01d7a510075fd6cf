#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against SciPy: the strength of fronts, Sobel's gradient per kilometre, file to file.

usage: peers/front.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N]

A field of f32 with gaps, which both hand on: a cell is missing where any of the nine is. SciPy (scipy.ndimage.sobel, one
thread) holds all of it in memory, as f32. Our cells are as large as on the ground, SciPy's as the projection says: 4e-4 of
a gradient that is below 2 a kilometre.
"""
import os

from race import aside, copy_of, create, differ, needs, start

CELL = 10.0


def make(path, size):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32, nodata=float("nan"), cell=CELL)
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        cells = 0.05 * np.tanh(8 * np.sin(x / 97 + rows / 61)) + rng.normal(0, 0.001, (len(rows), size))
        cells[rng.random(cells.shape) < 1e-3] = np.nan
        made.GetRasterBand(1).WriteArray(cells.astype(np.float32), 0, y)


@needs("scipy.ndimage")
def sobel(path, target):
    import numpy as np
    from osgeo import gdal
    from scipy import ndimage
    source = gdal.Open(path)
    field = source.ReadAsArray()
    east, north = (ndimage.sobel(field, axis, mode="constant", cval=np.nan) for axis in (1, 0))
    copy_of(source, target, np.hypot(east, north) * np.float32(1000 / (8 * CELL)), gdal.GDT_Float32, float("nan"))


def front(options, folder, race):
    path = os.path.join(folder, f"field_{options.size}.tif")
    if not os.path.exists(path):
        aside(make, path, options.size)
    ours, theirs = (os.path.join(folder, f"front_{who}.tif") for who in ("fulmar", "scipy"))
    race.run("front sobel", f"{path} ! front ! {ours} --co COMPRESS=NONE", {"scipy": race.peer("sobel", path, theirs)},
             lambda who: differ(ours, theirs, 1e-3))


if __name__ == "__main__":
    start(__doc__, {"front": front}, {"sobel": sobel})

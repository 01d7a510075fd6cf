#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against SciPy and NumPy: the strength of fronts, the gradient per kilometre, file to file.

usage: peers/front.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only sobel,gradient,belkin_oreilly]

A field of f32 with gaps, which both hand on: a cell is missing where any of its neighbours is. SciPy (scipy.ndimage.sobel) and
NumPy (numpy.gradient) hold all of it in memory, as f32, on one thread; Belkin's and O'Reilly's filter is NumPy's from its text,
on shifted copies of the field, half of a side. Our cells are as large as on the ground, SciPy's as the projection says: 4e-4 of
a gradient that is below 2 a kilometre.
"""
from race import copy_of, create, differ, needs, products, scene, smaller, start

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


def sobel_of(field):
    import numpy as np
    from scipy import ndimage
    east, north = (ndimage.sobel(field, axis, mode="constant", cval=np.nan) for axis in (1, 0))
    return np.hypot(east, north) * np.float32(1000 / (8 * CELL))


def written(path, target, work):
    from osgeo import gdal
    source = gdal.Open(path)
    copy_of(source, target, work(source.ReadAsArray()), gdal.GDT_Float32, float("nan"))


@needs("scipy.ndimage")
def sobel(path, target):
    written(path, target, sobel_of)


def gradient(path, target):
    import numpy as np

    def work(field):
        north, east = np.gradient(field, np.float32(CELL / 1000))
        found = np.hypot(east, north)
        found[np.isnan(field)] = np.nan
        found[[0, -1]] = found[:, [0, -1]] = np.nan
        return found
    written(path, target, work)


@needs("scipy.ndimage")
def belkin_oreilly(path, target):
    """A cell that is the most or the least of its 3 x 3, but not of the four lines of five cells, becomes their median."""
    import warnings

    import numpy as np

    def median_3_in_5(field):
        warnings.simplefilter("ignore")
        (height, width), padded = field.shape, np.pad(field, 2, constant_values=np.nan)

        def around(dx, dy):
            return padded[2 + dy:2 + dy + height, 2 + dx:2 + dx + width]
        box = np.stack([around(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
        change = np.zeros(field.shape, bool)
        for sign in (1, -1):
            three, five = np.ones((2, height, width), bool)
            for k in (0, 1, 2, 3, 5, 6, 7, 8):
                three &= ~(sign * box[k] >= sign * field)
            for px, py in ((1, 0), (0, 1), (1, 1), (1, -1)):
                for k in (-2, -1, 1, 2):
                    five &= ~(sign * around(k * px, k * py) >= sign * field)
            change |= three
            keep = five if sign == 1 else keep | five
        change &= ~keep & ~np.isnan(field)
        out = field.copy()
        out[change] = np.nanmedian(box[:, change].astype(np.float64), axis=0)
        return out
    written(path, target, lambda field: sobel_of(median_3_in_5(field)))


def job(method, who, function, tolerance=1e-3):
    def work(options, folder, race):
        path, out = scene(options, folder, "field", make), products(folder, "front", who)
        race.run(f"front {method}", f"{path} ! front --method {method} ! {out['fulmar']} --co COMPRESS=NONE",
                 {who: race.peer(function.__name__, path, out[who])}, lambda who: differ(out["fulmar"], out[who], tolerance))
    return work


JOBS = {"sobel": job("sobel", "scipy", sobel), "gradient": job("gradient", "numpy", gradient, 2e-3),
        "belkin_oreilly": smaller(2, job("belkin_oreilly", "numpy", belkin_oreilly))}

if __name__ == "__main__":
    start(__doc__, {"front": JOBS}, [sobel, gradient, belkin_oreilly])

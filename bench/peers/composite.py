#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against NumPy: the median of ten dates with gaps, file to file.

usage: peers/composite.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N]

NumPy twice, each in strips of 256 rows, as one writes it for scenes that are larger than memory: nanmedian, and by hand
with what it is made of (sort, gaps last, and the middle of what is there), the fastest that we found.
"""
import os

from race import aside, copy_of, create, differ, start

DATES = 10


def make(path, size, date):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32, nodata=float("nan"))
    rng = np.random.default_rng(date)
    for y in range(0, size, 512):
        cells = rng.gamma(4.4, 0.02 / 4.4, (min(512, size - y), size)).astype(np.float32)
        cells[rng.random(cells.shape, np.float32) < 0.2] = np.nan
        made.GetRasterBand(1).WriteArray(cells, 0, y)


def strips(target, middle, paths):
    import warnings

    import numpy as np
    from osgeo import gdal
    warnings.simplefilter("ignore")  # cells without any date
    scenes = [gdal.Open(p) for p in paths]
    width, height = scenes[0].RasterXSize, scenes[0].RasterYSize
    out = np.empty((height, width), np.float32)
    stack = np.empty((len(scenes), 256, width), np.float32)
    for y in range(0, height, 256):
        rows = min(256, height - y)
        for k, scene in enumerate(scenes):
            scene.ReadAsArray(0, y, width, rows, buf_obj=stack[k, :rows])
        out[y:y + rows] = middle(stack[:, :rows])
    copy_of(scenes[0], target, out, gdal.GDT_Float32, float("nan"))


def nanmedian(target, *paths):
    import numpy as np
    strips(target, lambda stack: np.nanmedian(stack, axis=0), paths)


def by_sort(target, *paths):
    import numpy as np

    def middle(stack):
        there = np.count_nonzero(~np.isnan(stack), axis=0)
        stack = np.sort(stack, axis=0)
        # All missing: the first after sorting, which is missing.
        pick = lambda at: np.take_along_axis(stack, np.maximum(at, 0)[None], 0)[0]
        return 0.5 * (pick((there - 1) // 2) + pick(there // 2))
    strips(target, middle, paths)


def median(options, folder, race):
    paths = [os.path.join(folder, f"date_{options.size}_2026010{d}.tif") for d in range(DATES)]
    for date, path in enumerate(paths):
        if not os.path.exists(path):
            aside(make, path, options.size, date)
    out = {who: os.path.join(folder, f"composite_{who}.tif") for who in ("fulmar", "nanmedian", "sort")}
    race.run("composite median", f"'{folder}/date_{options.size}_*.tif' ! composite median ! {out['fulmar']} --co COMPRESS=NONE",
             {who: race.peer(who, out[who], *paths) for who in ("nanmedian", "sort")},
             lambda who: differ(out["fulmar"], out[who], 1e-8))


if __name__ == "__main__":
    start(__doc__, {"median": median}, {"nanmedian": nanmedian, "sort": by_sort}, 4096)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdal_merge.py and gdalwarp: four overlapping f32 tiles side by side, file to file.

usage: peers/mosaic.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N]

The tiles lie on one lattice, so no value changes; they overlap by 64 cells in which they agree. All write plain f32.
gdalwarp gets the same threads, gdal_merge.py knows one. Python's start counts for gdal_merge.py, as it is part of the tool.
"""
import os
import shlex

from race import aside, create, differ, products, start

OVERLAP = 32


def make(folder, size):
    import numpy as np
    from osgeo import gdal
    half = size // 2
    for j in range(2):
        for i in range(2):
            x0, y0 = (0 if k == 0 else half - OVERLAP for k in (i, j))
            side = half + OVERLAP
            made = create(tile(folder, size, i, j), side, side, gdal.GDT_Float32, nodata=float("nan"))
            made.SetGeoTransform((500000 + 10 * x0, 10, 0, 5300000 - 10 * y0, 0, -10))
            x = np.arange(x0, x0 + side)
            for y in range(0, side, 512):
                rows = np.arange(y0 + y, y0 + min(side, y + 512))[:, None]
                made.GetRasterBand(1).WriteArray((x * 0.25 + rows * 7 + np.sin(x * rows)).astype(np.float32), 0, y)


def tile(folder, size, i, j):
    return os.path.join(folder, f"tile_{size}_{j}{i}.tif")


def mosaic(options, folder, race):
    tiles = [tile(folder, options.size, i, j) for j in range(2) for i in range(2)]
    if not os.path.exists(tiles[-1]):
        aside(make, folder, options.size)
    out = products(folder, "mosaic", "gdal_merge.py", "gdalwarp")
    others = " ".join(f"--with [ {t} ]" for t in tiles[1:])
    merged = shlex.quote(out["gdal_merge.py"])
    merge = ["gdal_merge.py", "-q", "-n", "nan", "-a_nodata", "nan", "-o", out["gdal_merge.py"], *tiles]
    race.run("mosaic", f"{tiles[0]} ! mosaic {others} ! {out['fulmar']} --co COMPRESS=NONE",
             # gdal_merge.py draws into a file that is there, whatever its size.
             {"gdal_merge.py": ["sh", "-c", f"rm -f {merged} && {shlex.join(merge)}"],
              "gdalwarp": ["gdalwarp", "-q", "-overwrite", "-multi", "-wo", f"NUM_THREADS={options.threads}", *tiles,
                           out["gdalwarp"]]},
             lambda who: differ(out["fulmar"], out[who], 0))


if __name__ == "__main__":
    start(__doc__, {"mosaic": {"mosaic": mosaic}})

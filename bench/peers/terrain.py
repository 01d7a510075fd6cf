#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdaldem: slope and hillshade of the same terrain model, file to file.

usage: peers/terrain.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only slope,hillshade]

gdaldem knows one thread, and writes hillshades as bytes where we write f32: four times the bytes, against us.
"""
import os

from race import aside, create, differ, start


def make(path, size):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32, nodata=-9999, cell=30.0)
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        cells = 1500 + 900 * np.sin(x / 61) * np.cos(rows / 83) + 40 * np.sin(x / 5 + rows / 7)
        cells += rng.normal(0, 1, cells.shape)
        cells[rng.random(cells.shape) < 1e-4] = -9999
        made.GetRasterBand(1).WriteArray(cells.astype(np.float32), 0, y)


def dem(options, folder):
    path = os.path.join(folder, f"dem_{options.size}.tif")
    if not os.path.exists(path):
        aside(make, path, options.size)
    return path


def job(measure, tolerance, allowed, gap):
    def work(options, folder, race):
        scene = dem(options, folder)
        ours, theirs = (os.path.join(folder, f"{measure}_{who}.tif") for who in ("fulmar", "gdaldem"))
        race.run(measure, f"{scene} ! terrain --measure {measure} ! {ours} --co COMPRESS=NONE",
                 {"gdaldem": ["gdaldem", measure, scene, theirs, "-q"]},
                 lambda name: differ(ours, theirs, tolerance, 1, allowed, gap))
    return work


# gdaldem divides differences in f32: an angle is good to 1e-3 degrees, a grey level to one, in few cells.
JOBS = {"slope": job("slope", 1e-3, 0, -9999), "hillshade": job("hillshade", 0, 1e-4, 0)}

if __name__ == "__main__":
    start(__doc__, JOBS)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdal_rasterize: 961 polygons drawn on the cells of a scene, and a scene masked by them, file to file.

usage: peers/vectors.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only rasterize,mask]

All write plain f32; gdal_rasterize knows one thread, and is told the grid where we read that of a scene of bytes. It draws into a raster that is there: to mask, a copy made by
gdal_translate, and both are timed. A cell belongs to the polygon that its centre lies in, but where an edge crosses the
centre to a hair: those cells may differ, one in a million at most.
"""
import os

from race import aside, create, differ, start
from zonal import make


def scenes(options, folder):
    scene, zones = os.path.join(folder, f"values_{options.size}.tif"), os.path.join(folder, f"zones_{options.size}.gpkg")
    if not os.path.exists(zones):
        aside(make, scene, zones, options.size)
    return scene, zones


def make_like(path, size):
    from osgeo import gdal
    create(path, size, size, gdal.GDT_Byte).GetRasterBand(1).Fill(1)


def rasterize(options, folder, race):
    _, zones = scenes(options, folder)
    like = os.path.join(folder, f"like_{options.size}.tif")
    if not os.path.exists(like):
        aside(make_like, like, options.size)
    ours, theirs = (os.path.join(folder, f"drawn_{who}.tif") for who in ("fulmar", "gdal"))
    x, y, side = 500000, 5300000, 10 * options.size
    race.run("rasterize", f"{like} ! rasterize --shapes {zones} --column zone_id ! {ours} --co COMPRESS=NONE",
             {"gdal_rasterize": ["gdal_rasterize", "-q", "-a", "zone_id", "-ot", "Float32", "-init", "nan", "-a_nodata", "nan",
                                 "-te", *map(str, (x, y - side, x + side, y)), "-tr", "10", "10", zones, theirs]},
             lambda who: differ(ours, theirs, 0, 0, 1e-6))


def mask(options, folder, race):
    scene, zones = scenes(options, folder)
    ours, theirs = (os.path.join(folder, f"masked_{who}.tif") for who in ("fulmar", "gdal"))
    both = f"gdal_translate -q {scene} {theirs} && gdal_rasterize -q -burn nan {zones} {theirs}"
    race.run("mask", f"{scene} ! mask --with {zones} ! {ours} --co COMPRESS=NONE",
             {"gdal_rasterize": ["sh", "-c", both]}, lambda who: differ(ours, theirs, 0, 0, 1e-6))


if __name__ == "__main__":
    start(__doc__, {"rasterize": rasterize, "mask": mask})

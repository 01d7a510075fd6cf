#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdal_rasterize and SciPy: polygons drawn as numbers, a scene masked by them, or by a coast and what is near.

usage: peers/vectors.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only rasterize,mask,buffer]

All write plain f32; gdal_rasterize knows one thread, and is told the grid where we read that of a scene of bytes. It draws
into a raster that is there: to mask, a copy made by gdal_translate, and both are timed. A cell belongs to the polygon that
its centre lies in, but where an edge crosses the centre to a hair: those cells may differ, one in a million at most.
buffer: 250 m about a raster of land, by SciPy's distance transform, and by gdal_proximity.py with NumPy for the rest.
"""
import shlex

from race import copy_of, create, differ, needs, products, python, scene, start, tool
from zonal import make_values, make_zones


def make_like(path, size):
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Byte)
    made.GetRasterBand(1).Fill(1)


def make_land(path, size):
    """Islands, some of one cell."""
    import numpy as np
    from osgeo import gdal
    made, rng, x = create(path, size, size, gdal.GDT_Byte), np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        land = (np.sin(x / 173) * np.sin(rows / 211) > 0.8) | (rng.random((len(rows), size)) < 1e-5)
        made.GetRasterBand(1).WriteArray(land.astype(np.uint8), 0, y)


def rasterize(options, folder, race):
    zones, like = scene(options, folder, "zones", make_zones, kind="gpkg"), scene(options, folder, "like", make_like)
    out, (x, y, side) = products(folder, "drawn", "gdal_rasterize"), (500000, 5300000, 10 * options.size)
    race.run("rasterize", f"{like} ! rasterize --shapes {zones} --column zone_id ! {out['fulmar']} --co COMPRESS=NONE",
             {"gdal_rasterize": ["gdal_rasterize", "-q", "-a", "zone_id", "-ot", "Float32", "-init", "nan", "-a_nodata", "nan",
                                 "-te", *map(str, (x, y - side, x + side, y)), "-tr", "10", "10", zones, out["gdal_rasterize"]]},
             lambda who: differ(out["fulmar"], out[who], 0, 0, 1e-6))


def mask(options, folder, race):
    values, zones = scene(options, folder, "values", make_values), scene(options, folder, "zones", make_zones, kind="gpkg")
    out = products(folder, "masked", "gdal_rasterize")
    theirs = out["gdal_rasterize"]
    both = f"gdal_translate -q {values} {theirs} && gdal_rasterize -q -burn nan {zones} {theirs}"
    race.run("mask", f"{values} ! mask --with {zones} ! {out['fulmar']} --co COMPRESS=NONE",
             {"gdal_rasterize": ["sh", "-c", both]}, lambda who: differ(out["fulmar"], theirs, 0, 0, 1e-6, -9999))


def kept(values, target, near):
    """The scene without what is near."""
    import numpy as np
    from osgeo import gdal
    source = gdal.Open(values)
    cells = source.ReadAsArray()
    cells[near | (cells == -9999)] = np.nan
    copy_of(source, target, cells, gdal.GDT_Float32, float("nan"))


@needs("scipy.ndimage")
def distances(values, land, target):
    from osgeo import gdal
    from scipy.ndimage import distance_transform_edt
    kept(values, target, distance_transform_edt(gdal.Open(land).ReadAsArray() == 0, sampling=10) <= 250)


def proximities(values, proximity, target):
    from osgeo import gdal
    kept(values, target, gdal.Open(proximity).ReadAsArray() <= 250)


def buffer(options, folder, race):
    values, land = scene(options, folder, "values", make_values), scene(options, folder, "land", make_land)
    out = products(folder, "buffered", "scipy", "gdal_proximity.py")
    near = products(folder, "proximity", "gdal")["gdal"]
    commands = [["rm", "-f", near], ["gdal_proximity.py", land, near, "-q", "-distunits", "GEO", "-maxdist", "300", "-ot", "Float32"],
                [python, __file__, "--peer", "proximities", values, near, out["gdal_proximity.py"]]]
    both = " && ".join(map(shlex.join, commands)) + " > /dev/null"
    race.run("mask, 250 m", f"{values} ! mask --with {land} --buffer 250 ! {out['fulmar']} --co COMPRESS=NONE",
             {"scipy": race.peer("distances", values, land, out["scipy"]),
              "gdal_proximity.py": tool("gdal_proximity.py", ["sh", "-c", both])},
             # gdal_proximity.py propagates the nearest cell: a distance is not always the least.
             lambda who: differ(out["fulmar"], out[who], 0, 0, 0 if who == "scipy" else 1e-3))


if __name__ == "__main__":
    start(__doc__, {"rasterize": {"rasterize": rasterize}, "mask": {"mask": mask, "buffer": buffer}}, [distances, proximities])

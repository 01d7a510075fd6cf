#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdaldem, GRASS and SAGA: slope, hillshade and more of the same terrain model, file to file.

usage: peers/terrain.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N]
                        [--only slope,hillshade,aspect,tri,tpi,roughness]

gdaldem knows one thread, and writes hillshades as bytes where we write f32: four times the bytes, against us. GRASS (apt-get
install grass-core) and SAGA (apt-get install saga) are compared where they are installed, slope only: GRASS in a location of
its own for the time of the run, r.external to r.out.gdal, its start counted; SAGA's product is LZW, all others are plain, and
it makes a slope of what is left beside a gap, so that one cell in a thousand differs.
"""
from race import create, differ, products, scene, start, tool


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


def others(measure, dem, out, threads):
    """Whole toolboxes."""
    if measure != "slope":
        return {}
    script = (f"r.external -o --q input={dem} output=dem && g.region raster=dem && "
              "r.slope.aspect --q elevation=dem slope=slope format=degrees && "
              f"r.out.gdal -c --q --overwrite input=slope output={out['grass']} format=GTiff type=Float32 nodata=-9999")
    return {"grass": tool("grass", ["sh", "-c", f"grass --tmp-location {dem} --exec sh -c '{script}'"]),
            "saga_cmd": tool("saga_cmd", ["saga_cmd", "-f=s", f"--cores={threads}", "ta_morphometry", "0", "-ELEVATION", dem,
                                          "-SLOPE", out["saga_cmd"], "-METHOD", "2", "-UNIT_SLOPE", "1"])}


def job(measure, tolerance, allowed, gap, mode=None):
    def work(options, folder, race):
        dem = scene(options, folder, "dem", make)
        out = products(folder, measure, "gdaldem", "grass", "saga_cmd")
        race.run(measure, f"{dem} ! terrain --measure {measure} ! {out['fulmar']} --co COMPRESS=NONE",
                 {"gdaldem": ["gdaldem", *(mode or measure).split(), dem, out["gdaldem"], "-q"],
                  **others(measure, dem, out, options.threads)},
                 lambda name: differ(out["fulmar"], out[name], tolerance, 1, 1e-3 if name == "saga_cmd" else allowed,
                                     -99999 if name == "saga_cmd" else gap, 360 if measure == "aspect" else None))
    return work


# gdaldem divides differences in f32: an angle is good to 1e-3 degrees, a grey level to one, in few cells; an aspect to
# less where it is hardly steep.
JOBS = {"slope": job("slope", 1e-3, 0, -9999), "hillshade": job("hillshade", 0, 1e-4, 0),
        "aspect": job("aspect", 1e-2, 1e-3, -9999), "tri": job("tri", 2e-3, 0, -9999, "TRI -alg Riley"),
        "tpi": job("tpi", 2e-3, 0, -9999, "TPI"), "roughness": job("roughness", 1e-3, 0, -9999)}

if __name__ == "__main__":
    start(__doc__, {"terrain": JOBS})

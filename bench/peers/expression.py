#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdal_calc.py, Orfeo ToolBox and NumPy: the vegetation index of two u16 bands, file to file.

usage: peers/expression.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N]

NumPy in strips of 256 rows in f32, as GDAL's Python is used best; gdal_calc.py as it comes; otbcli_BandMath, with the same
threads, where it is installed (apt-get install otb-bin), its start counted. All write plain f32.
"""
from race import create, differ, products, scene, start, tool


def make(path, size, seed):
    import numpy as np
    from osgeo import gdal
    made, rng = create(path, size, size, gdal.GDT_UInt16), np.random.default_rng(seed)
    for y in range(0, size, 512):
        made.GetRasterBand(1).WriteArray(rng.integers(1, 5000, (min(512, size - y), size), np.uint16), 0, y)


def by_numpy(red, nir, target):
    import numpy as np
    from osgeo import gdal
    a, b = gdal.Open(red), gdal.Open(nir)
    width, height = a.RasterXSize, a.RasterYSize
    made = create(target, width, height, gdal.GDT_Float32)
    for y in range(0, height, 256):
        r, n = (d.ReadAsArray(0, y, width, min(256, height - y)).astype(np.float32) for d in (a, b))
        made.GetRasterBand(1).WriteArray((n - r) / (n + r), 0, y)
    made.FlushCache()


def ndvi(options, folder, race):
    red, nir = (scene(options, folder, what, make, seed) for seed, what in enumerate(("red", "nir")))
    out = products(folder, "ndvi", "gdal_calc.py", "numpy", "otb")
    calc = ["gdal_calc.py", "--quiet", "--overwrite", "-A", nir, "-B", red, "--type", "Float32", "--outfile", out["gdal_calc.py"],
            "--calc", "(A.astype(numpy.float32)-B)/(A.astype(numpy.float32)+B)"]
    otb = ["env", f"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS={options.threads}", "otbcli_BandMath", "-il", red, nir,
           "-exp", "(im2b1 - im1b1) / (im2b1 + im1b1)", "-out", out["otb"], "float", "-progress", "0"]
    race.run("expression ndvi", f"{red} --with {nir} ! expression '(b2 - b1) / (b2 + b1)' ! {out['fulmar']} --co COMPRESS=NONE",
             {"gdal_calc.py": calc, "numpy": race.peer("by_numpy", red, nir, out["numpy"]), "otb": tool("otbcli_BandMath", otb)},
             lambda who: differ(out["fulmar"], out[who], 2e-7))


if __name__ == "__main__":
    start(__doc__, {"expression": {"ndvi": ndvi}}, [by_numpy])

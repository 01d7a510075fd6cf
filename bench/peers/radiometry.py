#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against xarray-sentinel, NumPy and gdal_calc.py: counts to backscatter, to decibels and back, file to file.

usage: peers/radiometry.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only calibrate,decibel,linear]

The table is of a real Sentinel-1 product. NumPy in strips of 256 rows, where the table is bilinear in f64: its rows are
brought to all columns once. xarray-sentinel (python3-xarray-sentinel) holds the scene in memory. Whole numbers of u16 are
calibrated, 0 being missing; f32 is converted.
"""
import os

from race import copy_of, create, differ, needs, products, scene, start

TABLE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "tests", "data",
                                     "s1b_grd_20211223_rome_calibration_vv.xml.gz"))


def make_counts(path, size):
    import numpy as np
    from osgeo import gdal
    made, rng = create(path, size, size, gdal.GDT_UInt16, nodata=0), np.random.default_rng(1)
    for y in range(0, size, 512):
        made.GetRasterBand(1).WriteArray(rng.integers(0, 2000, (min(512, size - y), size), np.uint16), 0, y)


def make_table(path, _):
    import gzip
    with open(path, "wb") as out:
        out.write(gzip.open(TABLE).read())


def make_values(path, size, unit):
    import numpy as np
    from osgeo import gdal
    made, rng = create(path, size, size, gdal.GDT_Float32, nodata=float("nan")), np.random.default_rng(1)
    made.GetRasterBand(1).SetUnitType(unit)
    for y in range(0, size, 512):
        cells = rng.gamma(4.4, 0.02 / 4.4, (min(512, size - y), size))
        cells = 10 * np.log10(cells) if unit == "dB" else cells
        cells[rng.random(cells.shape) < 0.01] = np.nan
        made.GetRasterBand(1).WriteArray(cells.astype(np.float32), 0, y)


def by_strips(path, target, work):
    from osgeo import gdal
    source = gdal.Open(path)
    made = create(target, source.RasterXSize, source.RasterYSize, gdal.GDT_Float32, nodata=float("nan"))
    for y in range(0, source.RasterYSize, 256):
        rows = min(256, source.RasterYSize - y)
        made.GetRasterBand(1).WriteArray(work(source.ReadAsArray(0, y, source.RasterXSize, rows), y), 0, y)
    made.FlushCache()


@needs("xml.etree.ElementTree")
def calibrate_numpy(path, table, target):
    import xml.etree.ElementTree as tree

    import numpy as np
    from osgeo import gdal
    columns = np.arange(gdal.Open(path).RasterXSize)
    vectors = list(tree.parse(table).getroot().iter("calibrationVector"))
    lines = np.array([float(v.find("line").text) for v in vectors])
    rows = [np.interp(columns, np.array(v.find("pixel").text.split(), float), np.array(v.find("sigmaNought").text.split(), float))
            for v in vectors]

    def work(counts, y):
        at = np.arange(y, y + len(counts))
        k = np.clip(np.searchsorted(lines, at, "right") - 1, 0, len(lines) - 2)
        share = (at - lines[k]) / (lines[k + 1] - lines[k])
        out = np.empty(counts.shape, np.float32)
        for j in range(len(counts)):
            gain = rows[k[j]] + share[j] * (rows[k[j] + 1] - rows[k[j]])
            out[j] = (counts[j] / gain) ** 2
        out[counts == 0] = np.nan
        return out
    by_strips(path, target, work)


@needs("xarray", "xarray_sentinel.sentinel1")
def calibrate_xarray(path, table, target):
    import warnings

    import numpy as np
    import xarray
    from osgeo import gdal
    from xarray_sentinel import sentinel1
    warnings.simplefilter("ignore")
    source, vectors = gdal.Open(path), sentinel1.open_calibration_dataset(table)
    counts = source.ReadAsArray()
    rows, columns = counts.shape
    cells = xarray.DataArray(counts.astype(np.float32), dims=("line", "pixel"),
                             coords={"line": np.arange(rows), "pixel": np.arange(columns)})
    out = sentinel1.calibrate_intensity(cells, vectors["sigmaNought"], rtol=0, atol=0).values.astype(np.float32)
    out[counts == 0] = np.nan
    copy_of(source, target, out, gdal.GDT_Float32, float("nan"))


def decibel_numpy(path, target):
    import numpy as np
    by_strips(path, target, lambda cells, _: 10 * np.log10(cells))


def linear_numpy(path, target):
    import numpy as np
    by_strips(path, target, lambda cells, _: np.float32(10) ** (cells * np.float32(0.1)))


def calibrate(options, folder, race):
    path, table = scene(options, folder, "counts", make_counts), scene(options, folder, "table", make_table, kind="xml")
    out = products(folder, "calibrated", "numpy", "xarray-sentinel")
    # Intensities are up to 25; xarray-sentinel divides in f32.
    race.run("calibrate", f"{path} ! calibrate --with {table} ! {out['fulmar']} --co COMPRESS=NONE",
             {"numpy": race.peer("calibrate_numpy", path, table, out["numpy"]),
              "xarray-sentinel": race.peer("calibrate_xarray", path, table, out["xarray-sentinel"])},
             lambda who: differ(out["fulmar"], out[who], 2e-5 if who == "xarray-sentinel" else 4e-6))


def job(operator, unit, formula, tolerance):
    def work(options, folder, race):
        path, out = scene(options, folder, f"for_{operator}", make_values, unit), products(folder, operator, "numpy", "gdal_calc.py")
        calc = ["gdal_calc.py", "--quiet", "--overwrite", "-A", path, "--type", "Float32", "--hideNoData", "--outfile",
                out["gdal_calc.py"], "--calc", formula]
        race.run(operator, f"{path} ! {operator} ! {out['fulmar']} --co COMPRESS=NONE",
                 {"numpy": race.peer(f"{operator}_numpy", path, out["numpy"]), "gdal_calc.py": calc},
                 lambda who: differ(out["fulmar"], out[who], tolerance))
    return work


# f32 logarithms and powers: 4e-6 of 30 dB, 2e-7 of an intensity below 0.3.
JOBS = {"calibrate": {"calibrate": calibrate}, "decibel": {"decibel": job("decibel", "1", "10*log10(A)", 8e-6)},
        "linear": {"linear": job("linear", "dB", "numpy.float32(10)**(A*numpy.float32(0.1))", 2e-7)}}

if __name__ == "__main__":
    start(__doc__, JOBS, [calibrate_numpy, calibrate_xarray, decibel_numpy, linear_numpy])

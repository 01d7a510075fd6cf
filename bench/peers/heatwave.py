#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against NumPy: marine heatwaves of ten years of days (Hobday et al. 2016), a netCDF cube to six bands.

usage: peers/heatwave.py FULMAR [--size 96] [--runs 3] [--folder DIR] [--threads N]

A plain cube of f32 without gaps, a day after the other. NumPy is written by the text of the paper over all places at once,
as marineHeatWaves.py, which takes one series at a time, would need hours; it holds the cube in memory, on one thread.
"""
import os

from race import aside, differ, needs, start

FIRST, LAST = 2001, 2010


def days():
    import datetime
    first = datetime.date(FIRST, 1, 1)
    return [first + datetime.timedelta(k) for k in range((datetime.date(LAST + 1, 1, 1) - first).days)]


def make(path, size):
    import netCDF4
    import numpy as np
    rng, count = np.random.default_rng(1), len(days())
    with netCDF4.Dataset(path, "w") as file:
        for name, n in (("time", count), ("lat", size), ("lon", size)):
            file.createDimension(name, n)
        time = file.createVariable("time", "i4", ("time",))
        time.units, time.calendar, time.standard_name = f"days since {FIRST}-01-01", "standard", "time"
        time[:] = np.arange(count)
        for name, units, first, step in (("lat", "degrees_north", 40, -0.25), ("lon", "degrees_east", -30, 0.25)):
            axis = file.createVariable(name, "f8", (name,))
            axis.units, axis.standard_name = units, {"lat": "latitude", "lon": "longitude"}[name]
            axis[:] = first + step * np.arange(size)
        sst = file.createVariable("sst", "f4", ("time", "lat", "lon"))
        sst.units = "degree_Celsius"
        weather = np.zeros((size, size))
        for d in range(count):
            weather = 0.93 * weather + rng.normal(0, 0.3, weather.shape)
            sst[d] = 15 + 4 * np.sin(2 * np.pi * d / 365.25) + weather


@needs("netCDF4")
def by_numpy(path, target):
    import netCDF4
    import numpy as np
    from osgeo import gdal
    with netCDF4.Dataset(path) as file:
        cube = np.ma.getdata(file["sst"][:])
    shape, cells = cube.shape[1:], cube.reshape(len(cube), -1)
    day = np.array([d.replace(year=2000).timetuple().tm_yday for d in days()]) - 1
    normal, threshold = np.empty((2, 366, cells.shape[1]))
    for k in range(366):
        if k == 59:
            continue
        pool = (np.flatnonzero(day == k)[:, None] + np.arange(-5, 6)).ravel()
        pool = cells[pool[(pool >= 0) & (pool < len(cells))]]
        normal[k], threshold[k] = pool.mean(axis=0, dtype=np.float64), np.percentile(pool.astype(np.float64), 90, axis=0)
    for year in (normal, threshold):
        year[59] = (year[58] + year[60]) / 2
        wide = np.cumsum(np.concatenate([np.zeros((1, year.shape[1])), year[-15:], year, year[:15]]), axis=0)
        year[:] = (wide[31:] - wide[:-31]) / 31
    normal, threshold = normal[day], threshold[day]

    def run(there):
        """How many days in a row, up to each day."""
        length = np.zeros(there.shape, np.int32)
        for d in range(len(there)):
            length[d] = np.where(there[d], (length[d - 1] if d else 0) + 1, 0)
        return length
    warm = cells > threshold
    inside = run(warm) + run(warm[::-1])[::-1] - 1 >= 5
    since, until = run(~inside), run(~inside[::-1])[::-1]
    edge = (since == np.arange(1, len(cells) + 1)[:, None]) | (until == np.arange(len(cells), 0, -1)[:, None])
    inside |= ~inside & (since + until - 1 <= 2) & ~edge
    above = cells - normal
    with np.errstate(all="ignore"):
        over = (cells - threshold) / (threshold - normal)
        events = (inside[1:] & ~inside[:-1]).sum(axis=0) + inside[0]
        total, none = inside.sum(axis=0), events == 0
        most, sum_of = np.where(inside, above, -np.inf).max(axis=0), np.where(inside, above, 0).sum(axis=0)
        category = np.minimum(4, np.floor(1 + np.where(inside, over, -np.inf).max(axis=0)))
        bands = [events, total, np.where(none, np.nan, most), sum_of / total, sum_of, np.where(none, 0, category)]
    made = gdal.GetDriverByName("GTiff").Create(target, shape[1], shape[0], 6, gdal.GDT_Float32)
    for b, band in enumerate(bands):
        made.GetRasterBand(b + 1).WriteArray(band.reshape(shape).astype(np.float32))
    made.FlushCache()


def heatwave(options, folder, race):
    path = os.path.join(folder, f"sst_{options.size}.nc")
    if not os.path.exists(path):
        aside(make, path, options.size)
    ours, theirs = (os.path.join(folder, f"heatwave_{who}.tif") for who in ("fulmar", "numpy"))
    race.run("heatwave", f"{path} ! heatwave --first {FIRST} --last {LAST} ! {ours} --co COMPRESS=NONE",
             {"numpy": race.peer("by_numpy", path, theirs)}, lambda who: differ(ours, theirs, 1e-3))


if __name__ == "__main__":
    start(__doc__, {"heatwave": heatwave}, {"by_numpy": by_numpy}, 96)

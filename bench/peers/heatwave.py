#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against NumPy: marine heatwaves (Hobday et al. 2016), a netCDF cube of ten years to six bands, a series to events.

usage: peers/heatwave.py FULMAR [--size 96] [--runs 3] [--folder DIR] [--threads N] [--only heatwave,events]

A plain cube of f32 without gaps, a day after the other. NumPy is written by the text of the paper over all places at once,
as marineHeatWaves.py, which takes one series at a time, would need hours; it holds the cube in memory, on one thread. events: 120 years of one place, CSV to CSV, the climatology being all of them.
"""
from race import differ, needs, products, scene, start

FIRST, LAST = 2001, 2010
SERIES = 1901, 2020


def days(first=FIRST, last=LAST):
    import datetime
    start = datetime.date(first, 1, 1)
    return [start + datetime.timedelta(k) for k in range((datetime.date(last + 1, 1, 1) - start).days)]


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


def heatwaves(cells, dates):
    """Days x places: climatology, threshold, and whether a day is in a heatwave."""
    import numpy as np
    day = np.array([d.replace(year=2000).timetuple().tm_yday for d in dates]) - 1
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
    return normal, threshold, inside


@needs("netCDF4")
def by_numpy(path, target):
    import netCDF4
    import numpy as np
    from osgeo import gdal
    with netCDF4.Dataset(path) as file:
        cube = np.ma.getdata(file["sst"][:])
    shape, cells = cube.shape[1:], cube.reshape(len(cube), -1)
    normal, threshold, inside = heatwaves(cells, days())
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
    path, out = scene(options, folder, "sst", make, kind="nc"), products(folder, "heatwave", "numpy")
    race.run("heatwave", f"{path} ! heatwave --first {FIRST} --last {LAST} ! {out['fulmar']} --co COMPRESS=NONE",
             {"numpy": race.peer("by_numpy", path, out["numpy"])}, lambda who: differ(out["fulmar"], out[who], 1e-3))


def make_series(path, _):
    import numpy as np
    rng, weather = np.random.default_rng(1), 0.0
    with open(path, "w") as out:
        out.write("date,sst\n")
        for k, date in enumerate(days(*SERIES)):
            weather = 0.93 * weather + rng.normal(0, 0.3)
            out.write(f"{date},{15 + 4 * np.sin(2 * np.pi * k / 365.25) + weather:.3f}\n")


def events_numpy(path, target):
    import datetime

    import numpy as np
    with open(path) as file:
        rows = [line.split(",") for line in file.read().split()[1:]]
    cells = np.array([float(value) for _, value in rows])
    normal, threshold, inside = (a[:, 0] for a in heatwaves(cells[:, None], [datetime.date.fromisoformat(d) for d, _ in rows]))
    above, over = cells - normal, (cells - threshold) / (threshold - normal)
    change = np.flatnonzero(np.diff(np.r_[0, inside.astype(np.int8), 0]))
    with open(target, "w") as out:
        out.write("date_start,date_end,duration,intensity_max,intensity_mean,intensity_var,intensity_cumulative,category\n")
        for a, b in zip(change[::2], change[1::2]):
            event = above[a:b]
            category = ("Moderate", "Strong", "Severe", "Extreme")[min(4, int(1 + over[a + event.argmax()])) - 1]
            out.write(f"{rows[a][0]},{rows[b - 1][0]},{b - a},{event.max()},{event.mean()},{event.std()},{event.sum()},{category}\n")


def check_events(ours, theirs):
    import csv
    a, b = (list(csv.DictReader(open(p))) for p in (ours, theirs))
    if len(a) != len(b):
        raise SystemExit(f"{len(a)} events here, {len(b)} there")
    off = 0.0
    for mine, other in zip(a, b):
        for name, value in other.items():
            if name.startswith("intensity"):
                off = max(off, abs(float(mine[name]) - float(value)))
            elif mine[name][:len(value)] != value:
                raise SystemExit(f"{name} is {mine[name]} here, {value} there")
    if off > 1e-8:
        raise SystemExit(f"intensities differ by {off}")
    return f"{len(a)} events, intensities within {off:.1g}"


def events(options, folder, race):
    path, out = scene(options, folder, "series", make_series, kind="csv"), products(folder, "events", "numpy", kind="csv")
    race.run("heatwave_events", f"{path} ! heatwave_events --first {SERIES[0]} --last {SERIES[1]} ! {out['fulmar']}",
             {"numpy": race.peer("events_numpy", path, out["numpy"])}, lambda who: check_events(out["fulmar"], out[who]))


if __name__ == "__main__":
    start(__doc__, {"heatwave": {"heatwave": heatwave}, "heatwave_events": {"events": events}}, [by_numpy, events_numpy], 96)

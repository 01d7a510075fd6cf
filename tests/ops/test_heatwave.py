# SPDX-License-Identifier: Apache-2.0
"""Marine heatwaves of cubes: against the definition in NumPy, and against the events that marineHeatWaves.py (E. Oliver)
finds in the series that are shipped. The events themselves are compared in heatwave_test.cpp."""

import csv
import datetime
import json

import netCDF4
import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import call, refused, run, shared

CUBE = "mhw/oisst_tasman_2015_2016.nc"
SERIES = [("mhw/mhw_tasman_r0c1_clim1982-2005", 1982, 2005, 94), ("mhw/mhw_NW_Atl_clim1982-2011", 1982, 2011, 130)]


def outputs(path):
    """events, days, max_intensity, mean_intensity, cumulative_intensity, category."""
    return gdal.Open(str(path)).ReadAsArray()


def write_cube(path, first, values, chunks=None):
    """A daily netCDF cube of values[day, row, column] in degrees Celsius."""
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(("time", "lat", "lon"), values.shape):
            file.createDimension(name, size)
        time = file.createVariable("time", "i4", ("time",))
        time.units, time.calendar, time.standard_name = f"days since {first.isoformat()}", "standard", "time"
        time[:] = np.arange(len(values))
        for name, units, start in (("lat", "degrees_north", -40), ("lon", "degrees_east", 150)):
            axis = file.createVariable(name, "f8", (name,))
            axis.units, axis.standard_name = units, {"lat": "latitude", "lon": "longitude"}[name]
            axis[:] = start + 0.25 * np.arange(values.shape[1 if name == "lat" else 2])
        sst = file.createVariable("sst", "f4", ("time", "lat", "lon"), fill_value=-999, zlib=chunks is not None,
                                  complevel=1, chunksizes=chunks)
        sst.units = "degree_Celsius"
        sst[:] = np.where(np.isnan(values), -999, values)


def climatology(cells, days, first, last):
    """Normal and threshold by day of the year, from the text of Hobday et al. 2016; cells[day, place]."""
    leap = [datetime.date(2000, d.month, d.day).timetuple().tm_yday for d in days]
    normal, threshold = np.full((366, cells.shape[1]), np.nan), np.full((366, cells.shape[1]), np.nan)
    for doy in range(1, 367):
        if doy == 60:
            continue
        members = [i for i, d in enumerate(days) if leap[i] == doy and first <= d.year <= last]
        pool = [i + w for w in range(-5, 6) for i in members if 0 <= i + w < len(days)]
        if pool:
            normal[doy - 1] = np.nanmean(cells[pool], axis=0)
            # NumPy is slow at NaN: where there is none, the plain percentile is the same.
            whole = ~np.isnan(cells[pool]).any(axis=0)
            threshold[doy - 1, whole] = np.percentile(cells[pool][:, whole], 90, axis=0)
            some = ~whole & ~np.isnan(normal[doy - 1])
            threshold[doy - 1, some] = np.nanpercentile(cells[pool][:, some], 90, axis=0)
    for year in (normal, threshold):
        year[59] = (year[58] + year[60]) / 2
        year[:] = np.mean([np.roll(year, k, axis=0) for k in range(-15, 16)], axis=0)
    return normal[np.array(leap) - 1], threshold[np.array(leap) - 1]


def events_of(values, normal, threshold):
    """(start, end) of the events of one series."""
    values = np.where(np.isnan(values), normal, values)
    exceeds = np.concatenate([[False], values > threshold, [False]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(exceeds) == 1), np.flatnonzero(np.diff(exceeds) == -1) - 1
    long = [[s, e] for s, e in zip(starts, ends) if e - s + 1 >= 5]
    joined = []
    for s, e in long:
        if joined and s - joined[-1][1] - 1 <= 2:
            joined[-1][1] = e
        else:
            joined.append([s, e])
    return joined


def expected_outputs(cells, days, first, last):
    normal, threshold = climatology(cells, days, first, last)
    result = np.full((6, cells.shape[1]), np.nan)
    for k in range(cells.shape[1]):
        if np.isnan(cells[:, k]).all():
            continue
        result[:, k] = 0, 0, np.nan, np.nan, 0, 0
        values = np.where(np.isnan(cells[:, k]), normal[:, k], cells[:, k])
        above, over = values - normal[:, k], (values - threshold[:, k]) / (threshold[:, k] - normal[:, k])
        events = events_of(cells[:, k], normal[:, k], threshold[:, k])
        if not events:
            continue
        inside = np.concatenate([np.arange(s, e + 1) for s, e in events])
        category = max(min(4, np.floor(1 + over[s:e + 1].max())) for s, e in events)
        result[:, k] = len(events), len(inside), above[inside].max(), above[inside].mean(), above[inside].sum(), category
    return result


@pytest.mark.parametrize("cold", [False, True])
def test_real_cube(cold, tmp_path):
    path = shared(CUBE)
    run(f"{path} ! heatwave --first 2015 --last 2016 {'--cold' if cold else ''} ! {tmp_path}/mhw.tif")
    got = outputs(f"{tmp_path}/mhw.tif")
    with netCDF4.Dataset(path) as file:
        cells = np.ma.filled(file["sst"][:].astype(np.float64), np.nan).astype(np.float32).astype(float)
        if file["lat"][0] < file["lat"][-1]:
            cells = cells[:, ::-1]
    days = [datetime.date(2015, 1, 1) + datetime.timedelta(d) for d in range(len(cells))]
    flat = cells.reshape(len(cells), -1) * (-1 if cold else 1)
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        expected = expected_outputs(flat, days, 2015, 2016)
    if cold:
        expected[2:5] *= -1
    expected = expected.reshape(6, *cells.shape[1:])
    for band in (0, 1, 5):
        np.testing.assert_array_equal(got[band], expected[band].astype(np.float32))
    np.testing.assert_allclose(got[2:5], expected[2:5], rtol=2e-7, atol=1e-7)
    assert np.isnan(got[0]).any() and np.nanmax(got[0]) > 5 and np.nanmax(got[5]) >= 2
    file = gdal.Open(f"{tmp_path}/mhw.tif")
    names = [file.GetRasterBand(b).GetDescription() for b in range(1, 7)]
    assert names == ["events", "days", "max_intensity", "mean_intensity", "cumulative_intensity", "category"]


@pytest.fixture(scope="module")
def tall(tmp_path_factory):
    """Both shipped series as cells of one cube of 12,784 days; the cells between are a mixture, one is missing."""
    folder = tmp_path_factory.mktemp("tall")
    both = []
    for name, *_ in SERIES:
        with open(shared(f"{name}_series.csv")) as file:
            both.append([float(row["sst"] or "nan") for row in csv.DictReader(file)])
    days = len(both[0])
    weights = np.linspace(0, 1, 40 * 30).reshape(40, 30)
    a, b = np.array(both[0]), np.array(both[1][:days])
    cells = a[:, None, None] * (1 - weights) + b[:, None, None] * weights
    cells[:, 3, 4] = np.nan
    for name, chunks in (("contiguous", None), ("chunks", (512, 10, 16))):
        write_cube(folder / f"{name}.nc", datetime.date(1982, 1, 1), cells.astype(np.float32), chunks)
    return folder


@pytest.mark.parametrize("layout", ["contiguous", "chunks"])
def test_a_tall_cube_within_the_default_memory(tall, layout, tmp_path):
    result = call("explain", "--format", "json", f"{tall}/{layout}.nc ! heatwave --first 1982 --last 2005 ! a.tif")
    if result.code == 0 and result.out.startswith("{"):
        assert json.loads(result.out)["bytes"]["peak"] <= 512 << 20
    run(f"{tall}/{layout}.nc ! heatwave --first 1982 --last 2005 ! {tmp_path}/mhw.tif")
    got = outputs(f"{tmp_path}/mhw.tif")
    # Rows come out from the north.
    got = got[:, ::-1]
    with open(shared(f"{SERIES[0][0]}_events.csv")) as file:
        events = list(csv.DictReader(file))
    assert len(events) == SERIES[0][3]
    days = [int(e["duration"]) for e in events]
    cumulative = sum(float(e["intensity_cumulative"]) for e in events)
    categories = {"Moderate": 1, "Strong": 2, "Severe": 3, "Extreme": 4}
    assert got[0, 0, 0] == len(events)
    assert got[1, 0, 0] == sum(days)
    assert got[2, 0, 0] == pytest.approx(max(float(e["intensity_max"]) for e in events), abs=2e-6)
    assert got[3, 0, 0] == pytest.approx(cumulative / sum(days), abs=2e-6)
    assert got[4, 0, 0] == pytest.approx(cumulative, abs=2e-6 * sum(days))
    assert got[5, 0, 0] == max(categories[e["category"]] for e in events)
    assert np.isnan(got[:, 3, 4]).all() and not np.isnan(got[0]).all()


def test_tiles_do_not_show(tall, tmp_path):
    run(f"{tall}/chunks.nc ! heatwave --first 1982 --last 2005 ! {tmp_path}/a.tif")
    run(f"{tall}/chunks.nc ! heatwave --first 1982 --last 2005 ! {tmp_path}/b.tif", "--memory", "230M", "--threads", "1")
    np.testing.assert_array_equal(outputs(f"{tmp_path}/a.tif"), outputs(f"{tmp_path}/b.tif"))


def test_files_with_their_dates_in_their_names(tmp_path):
    rng = np.random.default_rng(3)
    cells = 15 + rng.normal(0, 0.3, (40, 3, 4)).astype(np.float32)
    cells[20:30] += 2
    for d, day in enumerate(cells):
        name = (datetime.date(2001, 1, 1) + datetime.timedelta(d)).strftime("%Y%m%d")
        file = gdal.GetDriverByName("GTiff").Create(f"{tmp_path}/sst_{name}.tif", 4, 3, 1, gdal.GDT_Float32)
        file.GetRasterBand(1).WriteArray(day)
        file = None
    run(f"{tmp_path}/sst_*.tif ! heatwave --first 2001 --last 2001 --percentile 60 ! {tmp_path}/mhw.tif")
    assert (outputs(f"{tmp_path}/mhw.tif")[0] >= 1).all()


def test_what_cannot_be(tmp_path):
    out = f"{tmp_path}/o.tif"
    path = shared(CUBE)
    refused(3, f"{path} ! heatwave ! {out}", names=["2015-01-01 to 2016-12-31", "1983 to 2012", "--first"])
    refused(2, f"{path} ! heatwave --first 2016 --last 2015 ! {out}", names=["first"])
    refused(3, f"{path} --band 1,2,4 ! heatwave --first 2015 --last 2016 ! {out}",
            names=["2015-01-02 is followed by 2015-01-04"])
    plain = gdal.GetDriverByName("GTiff").Create(f"{tmp_path}/plain.tif", 4, 3, 5, gdal.GDT_Float32)
    plain = None
    refused(3, f"{tmp_path}/plain.tif ! heatwave ! {out}", names=["not known"])


def test_thirty_days_of_february_are_no_dates(tmp_path):
    with netCDF4.Dataset(tmp_path / "model.nc", "w") as file:
        for name, size in (("time", 360), ("lat", 2), ("lon", 2)):
            file.createDimension(name, size)
            axis = file.createVariable(name, "f8", (name,))
            axis.units = {"time": "days since 2001-01-01", "lat": "degrees_north", "lon": "degrees_east"}[name]
            axis[:] = np.arange(size)
        file["time"].calendar = "360_day"
        file.createVariable("sst", "f4", ("time", "lat", "lon"))[:] = 1
    refused(3, f"{tmp_path}/model.nc ! heatwave ! {tmp_path}/o.tif", names=["date 59", "only a model's calendar has"])

# SPDX-License-Identifier: Apache-2.0
"""Cubes of netCDF and Zarr against netCDF4, cftime and xarray, and of GRIB against its bytes, cell by cell."""

import os

import datetime
import json

import netCDF4
import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import SCENE, call, run, shared

gdal.UseExceptions()

# file, variable
CUBES = [
    ("mhw/oisst_tasman_2015_2016.nc", "sst"),
    ("mhw/xmhw_oisst_2003_2004.nc", "sst"),
    ("sst/mur_l4_20110921_california_1km.nc", "analysed_sst"),
    ("sst/ostia_monthly_tropics_54months.nc", "surface_temperature"),
    ("sst/oisst_hr_rep_blacksea_20160707_l4.nc", "analysed_sst"),
    ("sst/oisst_hr_rep_blacksea_20160707_l4.nc", "analysis_error"),
    ("sst/oisst_hr_rep_blacksea_20160707_l4.nc", "sea_ice_fraction"),
    ("sst/modis_t_l2p_20190805_patagonia_subset.nc", "sea_surface_temperature"),
    ("sst/oi_firstguess_analysis_20160116.nc", "sst"),
    ("sst/oi_firstguess_error_variance.nc", None),
    ("sst/oi_ice_sst_20160117.nc", None),
    ("sst/oi_buoy_superobs_20160117.nc", None),
    ("sst/oi_ship_superobs_20160117.nc", None),
    ("sst/oi_sat_night_superobs_biascorr_20160117.nc", None),
    ("sst/oi_landmask_quarter_deg.nc", None),
    ("met/arome_wind_20160114_subset.nc", "x_wind_10m"),
    ("met/era5_wave_spectra.nc", "d2fd"),
    ("gapfill/alboranSST_small.nc", "SST"),
    ("eddy/dt_med_l4_20160515_adt_sla.nc", "adt"),
    ("eddy/dt_med_l4_2005T2_adt_91days.nc", None),
    ("eddy/dt_blacksea_l4_20160707_sla.nc", "ugosa"),
    ("chl/cci_oc_iop_200505_subset.nc", "adg_412"),
    ("chl/modis_a_chl_8day_20220219_westus.nc", "chlorophyll"),
    ("front/modis_sst_peru_201502.nc", None),
    ("front/modis_chl_peru_201502.nc", None),
    ("flood/wofs_sample_landsat_c3_sr.nc", "nbart_panchromatic"),
]


def variable_of(dataset, name):
    if name:
        return dataset[name]
    on_grid = [v for v in dataset.variables.values() if v.ndim >= 2 and "bnds" not in v.name]
    assert len(on_grid) == 1
    return on_grid[0]


def coordinate(dataset, variable, words):
    for name in variable.dimensions:
        if any(name.lower().startswith(w) for w in words) and name in dataset.variables:
            return name, np.ma.filled(dataset[name][:].astype(float), np.nan)
    return None, None


def expected(path, name):
    """What netCDF4 makes of the cells, in f64 from the packed values, north up and from 180 degrees west on."""
    with netCDF4.Dataset(path) as dataset:
        variable = variable_of(dataset, name)
        variable.set_auto_scale(False)
        packed = variable[:]
        scale = float(getattr(variable, "scale_factor", 1))
        offset = float(getattr(variable, "add_offset", 0))
        values = np.ma.filled(packed.astype(float), np.nan) * scale + offset
        y, lat = coordinate(dataset, variable, ["lat", "y"])
        x, lon = coordinate(dataset, variable, ["lon", "x"])
        if y is None:
            return values.reshape((-1,) + values.shape[-2:]), None, None
        values = np.moveaxis(values, (variable.dimensions.index(y), variable.dimensions.index(x)), (-2, -1))
        if lat[0] < lat[-1]:
            values, lat = values[..., ::-1, :], lat[::-1]
        step = (lon[-1] - lon[0]) / (len(lon) - 1)
        if abs(step * len(lon) / 360 - 1) < 1e-6 and x.lower().startswith("lon"):
            west = lon[0] - step / 2
            shift = (-180 - west) / step
            if abs(shift - round(shift)) < 0.01:
                values = np.roll(values, -round(shift), axis=-1)
                lon = lon[0] + step * round(shift) + step * np.arange(len(lon))
        elif lon[0] - step / 2 >= 180 and x.lower().startswith("lon"):
            lon = lon - 360
        return values.reshape((-1,) + values.shape[-2:]), lon, lat


@pytest.mark.parametrize("file,name", CUBES)
def test_every_cell(file, name, tmp_path):
    path = shared(file)
    layer = f" --layer {name}" if name else ""
    run(f"{path}{layer} ! o.tif", cwd=tmp_path)
    want, lon, lat = expected(path, name)
    dataset = gdal.Open(str(tmp_path / "o.tif"))
    got = dataset.ReadAsArray().reshape((-1,) + want.shape[1:])
    assert got.shape == want.shape
    assert np.array_equal(np.isnan(got), np.isnan(want)), "missing cells differ"
    assert np.array_equal(got, want.astype(np.float32), equal_nan=True)
    if lon is None:
        assert dataset.GetGCPCount() > 100
        return
    a = dataset.GetGeoTransform()
    assert a[5] < 0 < a[1]
    columns, rows = np.arange(got.shape[2]) + 0.5, np.arange(got.shape[1]) + 0.5
    assert np.allclose(a[0] + a[1] * columns, lon, atol=0.02 * a[1])
    assert np.allclose(a[3] + a[5] * rows, lat, atol=0.02 * a[1])
    if not file.startswith(("met/arome", "flood/")):
        assert dataset.GetSpatialRef().IsGeographic()
    if name != "sea_ice_fraction":  # no ice in the Black Sea in July
        assert np.isfinite(got).any()


def make(path, values, lat=None, lon=None, time=None, units="days since 2001-02-26", calendar="standard",
         dims=("time", "lat", "lon"), dtype="f4", name="v", **attributes):
    """A small cube; `values` as they are stored, in the order of `dims`."""
    values = np.asarray(values)
    with netCDF4.Dataset(path, "w") as dataset:
        for dim, size in zip(dims, values.shape):
            dataset.createDimension(dim, size)
        for dim, axis, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east"), ("time", time, units)):
            if axis is None:
                continue
            v = dataset.createVariable(dim, "f8", (dim,))
            v[:] = axis
            v.units = unit
            if dim == "time" and calendar:
                v.calendar = calendar
        fill = attributes.pop("_FillValue", None)
        v = dataset.createVariable(name, dtype, dims, fill_value=fill)
        v.set_auto_maskandscale(False)
        for key, value in attributes.items():
            v.setncattr(key, value)
        v[:] = values.astype(dtype)
    return path


def cube_of(tmp_path, values, **more):
    shape = np.asarray(values).shape
    defaults = {"lat": 10.0 - np.arange(shape[-2]), "lon": 20.0 + np.arange(shape[-1])}
    return make(tmp_path / "c.nc", values, **{**defaults, **more})


def through(path, tmp_path, options=""):
    run(f"{path}{options} ! o.tif", cwd=tmp_path)
    return gdal.Open(str(tmp_path / "o.tif"))


RAMP = np.arange(24, dtype=float).reshape(2, 3, 4)


def test_bottom_up_and_east_to_west(tmp_path):
    d = through(cube_of(tmp_path, RAMP, lat=[1, 2, 3], lon=[23, 22, 21, 20], time=[0, 1]), tmp_path)
    assert np.array_equal(d.ReadAsArray(), RAMP[:, ::-1, ::-1])
    assert d.GetGeoTransform() == (19.5, 1, 0, 3.5, 0, -1)


def test_axes_in_any_order(tmp_path):
    d = through(cube_of(tmp_path, RAMP.transpose(2, 0, 1), dims=("lon", "time", "lat"), lat=[3, 2, 1],
                        lon=[20, 21, 22, 23], time=[0, 1]), tmp_path)
    assert np.array_equal(d.ReadAsArray(), RAMP)


def test_longitudes_beyond_180(tmp_path):
    globe = np.arange(2 * 36.0).reshape(1, 2, 36)
    d = through(cube_of(tmp_path, globe, lat=[5, -5], lon=5 + 10.0 * np.arange(36), time=[0]), tmp_path)
    assert d.GetGeoTransform()[0] == -180
    assert np.array_equal(d.ReadAsArray(), np.roll(globe[0], 18, axis=1))
    # No column begins at 180 degrees: kept.
    d = through(cube_of(tmp_path, globe, lat=[5, -5], lon=2 + 10.0 * np.arange(36), time=[0]), tmp_path)
    assert d.GetGeoTransform()[0] == -3 and np.array_equal(d.ReadAsArray(), globe[0])
    # A region beyond the antimeridian moves by a turn, one across it is kept.
    d = through(cube_of(tmp_path, RAMP, lon=[200, 201, 202, 203], time=[0, 1]), tmp_path)
    assert d.GetGeoTransform()[0] == -160.5
    d = through(cube_of(tmp_path, RAMP, lon=[178, 179, -180, -179], time=[0, 1]), tmp_path)
    assert d.GetGeoTransform()[0] == 177.5 and np.array_equal(d.ReadAsArray(), RAMP)


def test_a_rolled_globe_does_not_depend_on_tiles(tmp_path):
    rng = np.random.default_rng(3)
    globe = rng.normal(size=(3, 90, 720)).astype("f4")
    path = cube_of(tmp_path, globe, lat=np.linspace(44.75, -44.25, 90), lon=0.25 + 0.5 * np.arange(720), time=[0, 1, 2])
    for tile in ("512x512", "100x17"):
        run(f"{path} ! o.tif", "--tile", tile, cwd=tmp_path)
        assert np.array_equal(gdal.Open(str(tmp_path / "o.tif")).ReadAsArray(), np.roll(globe, 360, axis=2))


PACKED = [
    ("i2", dict(_FillValue=-99, scale_factor=0.01, add_offset=20.0)),
    ("i2", dict(_FillValue=-99, missing_value=np.array([3, 4], "i2"), valid_range=np.array([-10, 12], "i2"))),
    ("i2", dict(valid_min=np.int16(2))),
    ("i2", dict(missing_value=np.int16(7), valid_max=np.int16(9), scale_factor=np.float32(0.1))),
    ("i1", dict(_Unsigned="true", scale_factor=0.5)),
    ("i1", dict(_FillValue=-1)),
    ("i2", dict(_Unsigned="true", _FillValue=-1)),
    ("i4", dict(_FillValue=5, scale_factor=1e-4)),
    ("u2", dict(_FillValue=65535)),
    ("f4", dict(missing_value=np.float32(5))),
    ("f8", dict(valid_min=2.0, _FillValue=np.nan)),
    ("i8", dict(_FillValue=11)),
]


@pytest.mark.parametrize("dtype,attributes", PACKED, ids=[f"{d}-{'-'.join(a)}" for d, a in PACKED])
def test_packed_cells(dtype, attributes, tmp_path):
    cells = np.array([[[0, 1, 2, 3], [4, 5, 7, -1], [9, 11, 12, -99]]])
    path = cube_of(tmp_path, cells.astype("i8"), dtype=dtype, time=[0], **attributes)
    with netCDF4.Dataset(path) as dataset:
        dataset["v"].set_auto_scale(attributes.get("_Unsigned") is not None)
        want = np.ma.filled(dataset["v"][:].astype(float), np.nan)
        if attributes.get("_Unsigned") is None:
            want = want * float(attributes.get("scale_factor", 1)) + float(attributes.get("add_offset", 0))
    got = through(path, tmp_path).ReadAsArray()
    assert np.array_equal(got, want[0].astype("f4"), equal_nan=True), (got, want)


def times_of(path, calendar="proleptic_gregorian"):
    with netCDF4.Dataset(path) as dataset:
        assert dataset["time"].calendar == calendar
        return [t.isoformat() for t in netCDF4.num2date(dataset["time"][:], dataset["time"].units, calendar)]


MODELS = ("noleap", "all_leap", "360_day")


@pytest.mark.parametrize("units", ["days since 2001-02-26", "hours since 1900-01-01 00:00:0.0",
                                   "seconds since 1981-01-01 00:00:00 UTC", "minutes since 1999-12-31T23:59:00Z"])
@pytest.mark.parametrize("calendar", ["standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian"])
def test_times_arrive_in_netcdf(units, calendar, tmp_path):
    if calendar == "360_day" and "12-31" in units:
        pytest.skip("no such date there")
    steps = np.arange(5.0) * {"d": 30, "h": 36, "s": 86400, "m": 77}[units[0]]
    path = cube_of(tmp_path, np.zeros((5, 2, 2)), time=steps, units=units, calendar=calendar)
    run(f"{path} ! o.nc", cwd=tmp_path)
    want = netCDF4.num2date(steps, units, calendar, only_use_cftime_datetimes=True)
    if calendar == "julian":  # counts real days: the same Julian day numbers in the Gregorian calendar
        whole = datetime.datetime(1970, 1, 1)
        want = [whole + datetime.timedelta(days=w.toordinal() - 2440588, hours=w.hour, minutes=w.minute) for w in want]
    of_model = calendar if calendar in MODELS else "proleptic_gregorian"
    assert times_of(tmp_path / "o.nc", of_model) == [w.isoformat() for w in want]
    # By way of a GeoTIFF, too, which has no calendar of its own.
    run(f"{path} ! o.tif", cwd=tmp_path)
    told = gdal.Open(str(tmp_path / "o.tif"))
    assert told.GetMetadataItem("TIME_CALENDAR") == (calendar if calendar in MODELS else None)
    run("o.tif ! again.nc", cwd=tmp_path)
    assert times_of(tmp_path / "again.nc", of_model) == [w.isoformat() for w in want]


def test_a_calendar_is_not_forgotten_in_a_geotiff(tmp_path):
    """Dates of a model do not mix with real ones, whatever file they come from; what is computed keeps them."""
    time = np.arange(5.0) * 30
    cube_of(tmp_path, np.ones((5, 3, 3)), time=time, calendar="360_day")
    (tmp_path / "c.nc").rename(tmp_path / "m.nc")
    run("m.nc ! median --window 3px ! m.tif", cwd=tmp_path)
    cube_of(tmp_path, np.ones((5, 3, 3)), time=time)
    result = call("run", "c.nc --with m.tif ! o.tif", cwd=tmp_path)
    assert result.code == 3 and "the calendar 360_day" in result.err and "m.tif" in result.err
    run("m.tif ! [ o.nc ] ! composite --method mean ! mean.tif", cwd=tmp_path)
    assert times_of(tmp_path / "o.nc", "360_day")[1] == "2001-03-26T00:00:00"
    # Of a file that is no product of ours the word is not taken on trust.
    dataset = gdal.Open(str(tmp_path / "m.tif"), gdal.GA_Update)
    dataset.SetMetadataItem("TIME_CALENDAR", "lunar")
    dataset = None
    run("c.nc --with m.tif ! o.tif", cwd=tmp_path)


@pytest.mark.parametrize("change,words", [
    (dict(units="months since 2001-01-01"), ["fixed length", "settunits"]),
    (dict(time=[0, 0]), ["neither rises nor falls"]),
    (dict(time=[0, np.nan]), ["no time"]),
    (dict(calendar="mayan"), ["mayan"]),
    (dict(units="days since last winter"), ["names no date"]),
    (dict(units="days since 1582-10-01", time=[0, 30]), ["two calendars"]),
    (dict(lat=[3, 2, 0]), ["not evenly spaced"]),
    (dict(lon=[0, 1, 2, np.nan]), ["missing at its position 4"]),
])
def test_broken_axes_are_refused(change, words, tmp_path):
    path = cube_of(tmp_path, RAMP, **{**dict(time=[0, 1]), **change})
    result = call("run", f"{path} ! {tmp_path}/o.tif")
    assert result.code == 3 and str(path) in result.err
    for word in words:
        assert word in result.err, result.err


def test_several_variables_are_listed(tmp_path):
    source = shared("eddy/dt_blacksea_l4_20160707_sla.nc")
    result = call("run", f"{source} ! {tmp_path}/o.tif")
    assert result.code == 3 and f'NETCDF:"{source}":adt  [time=1' in result.err and "lat_bnds" not in result.err
    result = call("run", f"{source} --layer sst ! {tmp_path}/o.tif")
    assert result.code == 3 and "no variable 'sst'" in result.err and "--layer" in result.err


def test_band_ranges(tmp_path):
    path = cube_of(tmp_path, np.arange(80.0).reshape(10, 2, 4), time=np.arange(10))
    d = through(path, tmp_path, " --band 2-4,9")
    assert [d.GetRasterBand(b).ReadAsArray()[0, 0] for b in range(1, 5)] == [8, 16, 24, 64]
    for wrong in ("4-2", "1-", "-3", "0-2"):
        assert call("run", f"{path} --band {wrong} ! {tmp_path}/p.tif").code == 2


def test_zarr_in_and_out(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    source = shared("sst/ostia_monthly_tropics_54months.nc")
    run(f"{source} ! o.nc", cwd=tmp_path)
    run(f"{source} ! o.zarr", cwd=tmp_path)
    with xarray.open_dataset(source) as want, xarray.open_dataset(tmp_path / "o.nc") as nc, xarray.open_dataset(
        tmp_path / "o.zarr", engine="zarr"
    ) as zarr:
        name = "surface_temperature"
        values = want[name].values[:, ::-1] if want.latitude[0] < want.latitude[-1] else want[name].values
        for made in (nc, zarr):
            assert np.array_equal(made[name].values, values, equal_nan=True)
            assert np.array_equal(made.time.values, want.time.values)
            assert made[name].attrs["units"] == "K" and made[name].attrs["standard_name"] == "surface_temperature"
            assert np.allclose(made.lat.values, np.sort(want.latitude.values)[::-1], atol=1e-4)
            assert made.attrs["Conventions"] == "CF-1.8" and "FULMAR_PIPELINE" in made.attrs
    # What was written is read again, and the same; a Zarr that exists is replaced only when asked to.
    run("o.zarr ! again.nc", cwd=tmp_path)
    with xarray.open_dataset(tmp_path / "again.nc") as again:
        assert np.array_equal(again["surface_temperature"].values, values, equal_nan=True)
    result = call("run", f"{source} ! {tmp_path}/o.zarr")
    assert result.code == 4 and "--overwrite" in result.err
    run(f"{source} --band 1-2 ! o.zarr", cwd=tmp_path)
    with xarray.open_dataset(tmp_path / "o.zarr", engine="zarr") as zarr:
        assert zarr.sizes["time"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.nc", "o.nc", "o.zarr"]
    # A folder that is no Zarr is let be.
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr/letter").write_text("dear")
    assert call("run", "--overwrite", f"{source} ! {tmp_path}/mine.zarr").code == 4
    assert (tmp_path / "mine.zarr/letter").exists()


def test_zarr_by_others(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    source = shared("mhw/xmhw_oisst_2003_2004.nc")
    with xarray.open_dataset(source) as dataset:
        dataset.to_zarr(tmp_path / "x.zarr")
    run(f"{source} ! a.nc", cwd=tmp_path)
    run("x.zarr ! b.nc", cwd=tmp_path)
    with xarray.open_dataset(tmp_path / "a.nc") as a, xarray.open_dataset(tmp_path / "b.nc") as b:
        assert np.array_equal(a.sst.values, b.sst.values, equal_nan=True)
        assert np.array_equal(a.time.values, b.time.values)


@pytest.mark.parametrize("option,word", [("FORMAT=ZARR_V3", "version 2"), ("TILED=YES", "COMPRESS")])
def test_zarr_options(option, word, tmp_path):
    path = cube_of(tmp_path, RAMP, time=[0, 1])
    result = call("run", f"{path} ! {tmp_path}/o.zarr --co {option}")
    assert result.code == 2 and word in result.err
    assert call("run", f"{path} ! {tmp_path}/o.nc --co FORMAT=NC4C").code == 2


@pytest.mark.parametrize("name", ["mhw/oisst_tasman_2015_2016.nc", "sst/mur_l4_20110921_california_1km.nc",
                                  "met/era5_2mt_201903_uk.grib", "zarr"])
def test_damaged_files(name, tmp_path):
    """Cut short or overwritten: an error that names the file, or cells; never a crash."""
    rng = np.random.default_rng(1)
    if name == "zarr":
        run(f"{shared('mhw/xmhw_oisst_2003_2004.nc')} ! whole.zarr", cwd=tmp_path)
        path = tmp_path / "whole.zarr"
        files = [p for p in path.rglob("*") if p.is_file()]
    else:
        path = tmp_path / ("broken" + name[name.rfind("."):])
        path.write_bytes(shared(name).read_bytes())
        files = [path]
    refused = 0
    for trial in range(12):
        victim = files[trial % len(files)]
        whole = victim.read_bytes()
        broken = bytearray(whole)
        if trial % 2 == 0:
            broken = broken[: int(len(whole) * rng.uniform(0, 0.95))]
        else:
            for at in rng.integers(0, len(whole), 1 + len(whole) // 50):
                broken[at] = rng.integers(0, 256)
        victim.write_bytes(broken)
        result = call("run", "--overwrite", f"{path} --band 1-3 ! {tmp_path}/o.tif", timeout=60)
        assert result.code in (0, 3), result.err
        if result.code == 3:
            refused += 1
            assert path.name in result.err, result.err
        victim.write_bytes(whole)
    assert refused >= (2 if name == "zarr" else 4)


def test_grib(tmp_path):
    """Every message: cells as GDAL's own reading gives them in kelvin, and the valid time the file states."""
    source = shared("met/era5_2mt_201903_uk.grib")
    run(f"{source} --band 1-50,744 ! o.nc", cwd=tmp_path)
    gdal.SetConfigOption("GRIB_NORMALIZE_UNITS", "NO")
    try:
        d = gdal.Open(str(source))
        bands = [d.GetRasterBand(b) for b in [*range(1, 51), 744]]
        kelvin = np.stack([b.ReadAsArray() for b in bands])
        times = [float(b.GetMetadataItem("GRIB_VALID_TIME").split()[0]) for b in bands]
    finally:
        gdal.SetConfigOption("GRIB_NORMALIZE_UNITS", None)
    with netCDF4.Dataset(tmp_path / "o.nc") as made:
        name = next(v for v in made.variables if made[v].ndim == 3)
        # GRIB1: GDAL's own conversion would only rename the unit.
        assert made[name].units == "K" and name.startswith("b_2T")
        assert np.array_equal(made["time"][:], times) and times[0] == 1551398400 and times[1] - times[0] == 3600
        assert np.array_equal(made[name][:], kelvin.astype("f4"))
        # No cell lies below the reference value in the message's header, and one is near: kelvin as packed.
        assert 0 <= made[name][0].min() - 276.756591796875 < 1e-3
        assert 250 < kelvin.min() and kelvin.max() < 300


def grib1_messages(data):
    """Time and cells of each message of edition 1 with simple packing, row by row as they are stored: read from the bytes
    by the World Meteorological Organization's text (FM 92 GRIB edition 1), without a library."""
    def number(at, count):
        return int.from_bytes(data[at : at + count], "big")

    def signed(at, count):
        value, top = number(at, count), 1 << (8 * count - 1)
        return value if value < top else top - value

    at = data.find(b"GRIB")
    while at >= 0:  # zeros may stand between messages
        assert data[at + 7] == 1
        end, pds = at + number(at + 4, 3), at + 8
        assert data[pds + 7] == 0b10000000  # a grid description, no bit map
        year = 100 * (data[pds + 24] - 1) + data[pds + 12]
        when = datetime.datetime(year, *data[pds + 13 : pds + 17])
        assert data[pds + 17] == 1  # hours
        when += datetime.timedelta(hours=data[pds + 18])
        decimal, gds = signed(pds + 26, 2), pds + number(pds, 3)
        width, height = number(gds + 6, 2), number(gds + 8, 2)
        assert data[gds + 5] == 0 and data[gds + 27] == 0  # latitudes and longitudes, from the north-west, along rows
        bds = gds + number(gds, 3)
        assert data[bds + 3] >> 4 == 0  # of a grid, simple packing, floating point
        binary, bits = signed(bds + 4, 2), data[bds + 10]
        # IBM's floating point: a sign, powers of 16, and 24 bits of a fraction.
        reference = (-1) ** (data[bds + 6] >> 7) * number(bds + 7, 3) * 2.0**-24 * 16.0 ** ((data[bds + 6] & 127) - 64)
        stored = np.unpackbits(np.frombuffer(data, np.uint8, number(bds, 3) - 11, bds + 11))
        packed = stored[: width * height * bits].reshape(-1, bits) @ (2 ** np.arange(bits - 1, -1, -1, dtype=np.int64))
        yield when, ((reference + packed * 2.0**binary) / 10.0**decimal).reshape(height, width)
        assert data[end - 4 : end] == b"7777"
        at = data.find(b"GRIB", end)


def test_grib_is_what_its_bytes_say(tmp_path):
    source = shared("met/era5_2mt_201903_uk.grib")
    messages = list(grib1_messages(source.read_bytes()))
    assert len(messages) == 744
    run(f"{source} --band 1-744 ! o.nc", cwd=tmp_path)
    with netCDF4.Dataset(tmp_path / "o.nc") as made:
        cells = made[next(v for v in made.variables if made[v].ndim == 3)][:]
        times = netCDF4.num2date(made["time"][:], made["time"].units)
        assert [t.isoformat() for t in times] == [when.isoformat() for when, _ in messages]
        # Both round to f32, GDAL after sums of its own.
        np.testing.assert_allclose(cells, np.stack([m for _, m in messages]), rtol=2**-23, atol=0)


SCHEMA = {  # of the STAC Item specification 1.0.0, by hand
    "type": "object",
    "required": ["stac_version", "type", "id", "geometry", "properties", "links", "assets"],
    "properties": {
        "type": {"const": "Feature"},
        "stac_version": {"const": "1.0.0"},
        "id": {"type": "string", "minLength": 1},
        "bbox": {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number"}},
        "links": {"type": "array"},
        "properties": {
            "type": "object",
            "required": ["datetime", "processing:expression", "processing:lineage", "processing:software"],
            "properties": {
                "datetime": {"type": ["string", "null"], "pattern": "Z$"},
                "proj:epsg": {"type": ["integer", "null"]},
                "proj:shape": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
                "proj:transform": {"type": "array", "items": {"type": "number"}, "minItems": 6, "maxItems": 9},
                "processing:software": {"type": "object", "additionalProperties": {"type": "string"}},
                "processing:expression": {"type": "object", "required": ["format", "expression"]},
                "fulmar:plan_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
        },
        "assets": {"type": "object", "minProperties": 1,
                   "additionalProperties": {"type": "object", "required": ["href"]}},
    },
}


def item_of(text, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    run(text, cwd=tmp_path)
    item = json.loads((tmp_path / "o.stac.json").read_text())
    jsonschema.validate(item, SCHEMA)
    return item


def test_stac_item_of_a_scene(tmp_path):
    item = item_of(f"{SCENE} ! linear ! o.tif --stac", tmp_path)
    assert item["properties"]["datetime"] == "2021-01-05T00:00:00Z"
    assert item["properties"]["proj:epsg"] == 32611 and item["properties"]["proj:shape"] == [550, 756]
    d = gdal.Open(str(tmp_path / "o.tif"))
    a = d.GetGeoTransform()
    assert item["properties"]["proj:transform"] == pytest.approx([a[1], a[2], a[0], a[4], a[5], a[3]])
    corners = gdal.Info(d, format="json")["wgs84Extent"]["coordinates"][0]
    ring = item["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    for corner in corners:
        assert min(np.hypot(p[0] - corner[0], p[1] - corner[1]) for p in ring) < 1e-6
    area = sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(ring, ring[1:]))
    assert area > 0  # counter-clockwise
    asset = item["assets"]["data"]
    assert (tmp_path / asset["href"]).exists()
    assert asset["raster:bands"][0]["data_type"] == "float32" and asset["raster:bands"][0]["unit"] == "1"
    metadata = d.GetMetadata()
    assert metadata["FULMAR_PLAN_SHA256"] == item["properties"]["fulmar:plan_sha256"]
    assert metadata["FULMAR_OPERATORS"] == "linear" and metadata["FULMAR_BACKEND"] == "cpu"
    assert metadata["TIME_START"] == "2021-01-05T00:00:00Z"


def test_stac_items_of_cubes_and_objects(tmp_path):
    source = shared("mhw/oisst_tasman_2015_2016.nc")
    item = item_of(f"{source} --band 1-3 ! o.nc --stac", tmp_path)
    assert item["properties"]["datetime"] is None
    assert item["properties"]["start_datetime"] == "2015-01-01T00:00:00Z"
    assert item["properties"]["end_datetime"] == "2015-01-03T00:00:00Z"
    assert item["bbox"] == [147, -45, 155, -37]
    item = item_of(f"{SCENE} ! linear ! cfar ! objects ! o.gpkg --stac", tmp_path)
    assert "raster:bands" not in item["assets"]["data"]
    # Across the antimeridian: two halves, and a box whose west is greater than its east.
    path = cube_of(tmp_path, RAMP, lon=[178, 179, 180, 181], time=[0, 1])
    item = item_of(f"{path} ! o.tif --stac", tmp_path)
    assert item["bbox"] == [177.5, 7.5, -178.5, 10.5] and item["geometry"]["type"] == "MultiPolygon"


def test_no_item_without_a_time(tmp_path):
    path = make(tmp_path / "c.nc", RAMP[0], lat=[3, 2, 1], lon=[1, 2, 3, 4], dims=("lat", "lon"))
    result = call("run", f"{path} ! {tmp_path}/o.tif --stac")
    assert result.code == 2 and "when it was measured" in result.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.nc"]


def test_the_plan_hash_follows_what_is_read(tmp_path):
    def plan(path, text="o.tif"):
        run(f"{path} ! {text}", cwd=tmp_path)
        return gdal.Open(str(tmp_path / "o.tif")).GetMetadataItem("FULMAR_PLAN_SHA256")

    one = plan(cube_of(tmp_path, RAMP, time=[0, 1]))
    assert one == plan(tmp_path / "c.nc")
    assert one != plan(tmp_path / "c.nc", "o.tif --co TILED=NO")
    assert one != plan(cube_of(tmp_path, RAMP + 1, time=[0, 1]))


def test_places_of_a_swath(tmp_path):
    """The lattice of control points, each where the file's own coordinates put its cell, gaps left out."""
    lat = 40 - 0.01 * np.arange(70)[:, None] - 0.002 * np.arange(90)
    lon = 179.5 + 0.01 * np.arange(90) + 0.001 * np.arange(70)[:, None]
    lon = np.where(lon > 180, lon - 360, lon)
    lat[:, 0] = np.nan
    with netCDF4.Dataset(tmp_path / "s.nc", "w") as d:
        d.createDimension("nj", 70)
        d.createDimension("ni", 90)
        for name, values, units in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            v = d.createVariable(name, "f8", ("nj", "ni"), fill_value=-999.0)
            v.units = units
            v[:] = np.ma.masked_invalid(values)
        v = d.createVariable("sst", "f4", ("nj", "ni"))
        v.coordinates = "lon lat"
        v[:] = 1
    points = through(tmp_path / "s.nc", tmp_path).GetGCPs()
    columns, rows = [[k * (n - 1) // 30 for k in range(31)] for n in (90, 70)]
    assert [(p.GCPPixel, p.GCPLine) for p in points] == [(c + 0.5, r + 0.5) for r in rows for c in columns if c > 0]
    for p in points:
        at = int(p.GCPLine), int(p.GCPPixel)
        assert p.GCPY == pytest.approx(lat[at], abs=1e-9) and (p.GCPX - lon[at]) % 360 == pytest.approx(0, abs=1e-9)
    assert max(p.GCPX for p in points) - min(p.GCPX for p in points) < 2  # across the antimeridian in one piece

# SPDX-License-Identifier: Apache-2.0
"""Dated stacks of several bands: as cubes read by xarray and netCDF4, back again, and chosen by --time-range."""

import json
import warnings

import netCDF4
import numpy as np
import pytest
from osgeo import gdal, osr

from fulmar_cli import call, read, run, shared

xarray = pytest.importorskip("xarray")
pytest.importorskip("zarr")

DAYS = ["20200301", "20200105", "20200220"]  # not in order
SORTED = np.array(["2020-01-05", "2020-02-20", "2020-03-01"], "M8[ns]")


def write_date(path, planes, names, east=500000):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32611)  # its name has a degree sign
    _, rows, columns = planes.shape
    d = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, len(planes), gdal.GDT_Float32)
    d.SetGeoTransform((east, 10, 0, 4000000, 0, -10))
    d.SetSpatialRef(reference)
    for k, (plane, name) in enumerate(zip(planes, names), 1):
        d.GetRasterBand(k).WriteArray(plane)
        d.GetRasterBand(k).SetDescription(name)


@pytest.fixture
def stack(tmp_path):
    """Two bands at three dates: red and nir in s_*.tif, nameless in u_*.tif, named with the date in v_*.tif."""
    cells = np.random.default_rng(5).normal(size=(3, 2, 7, 9)).astype("f4")
    cells[1, 0, 2, 3] = np.nan
    for planes, day in zip(cells, DAYS):
        write_date(tmp_path / f"s_{day}.tif", planes, ["red", "nir"])
        write_date(tmp_path / f"u_{day}.tif", planes, ["", ""])
        write_date(tmp_path / f"v_{day}.tif", planes, [f"{day}_B4", f"{day}_B8"])
    return cells[np.argsort(DAYS)]


def opened(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xarray.open_zarr(path) if path.suffix == ".zarr" else xarray.open_dataset(path)


@pytest.mark.parametrize("ending", ["nc", "zarr"])
@pytest.mark.parametrize("files,names", [("s", ["red", "nir"]), ("u", ["band", "band_2"]), ("v", ["B4", "B8"])])
def test_one_variable_for_each_band(stack, tmp_path, files, names, ending):
    run(f"{files}_*.tif ! o.{ending}", cwd=tmp_path)
    with opened(tmp_path / f"o.{ending}") as made:
        cubes = [name for name in made.data_vars if made[name].ndim == 3]
        assert sorted(cubes) == sorted(names)
        assert np.array_equal(made.time.values, SORTED)
        assert made.x.values[0] == 500005 and made.y.values[0] == 3999995
        for k, name in enumerate(names):
            assert made[name].dims == ("time", "y", "x")
            assert np.array_equal(made[name].values, stack[:, k], equal_nan=True)
        if ending == "zarr":
            reference = osr.SpatialReference()
            reference.ImportFromWkt(made["crs"].attrs["crs_wkt"])
            assert reference.GetAuthorityCode(None) == "32611"


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_the_cube_is_read_back_as_the_stack(stack, tmp_path, ending):
    run(f"s_*.tif ! o.{ending}", cwd=tmp_path)
    run("s_*.tif ! direct.tif", cwd=tmp_path)
    run(f"o.{ending} --layer red,nir ! back.tif", cwd=tmp_path)
    a, b = gdal.Open(str(tmp_path / "direct.tif")), gdal.Open(str(tmp_path / "back.tif"))
    assert a.RasterCount == b.RasterCount == 6 and a.GetGeoTransform() == b.GetGeoTransform()
    assert np.array_equal(a.ReadAsArray(), b.ReadAsArray(), equal_nan=True)
    # The dates have two bands each, as those of the files have.
    for text in ("direct", "back"):
        source = "s_*.tif" if text == "direct" else f"o.{ending} --layer red,nir"
        run(f"{source} ! composite max_ndvi --red 1 --nir 2 ! {text}_c.tif", cwd=tmp_path)
    assert np.array_equal(read(tmp_path / "direct_c.tif", 2), read(tmp_path / "back_c.tif", 2), equal_nan=True)
    # --band counts steps; a name alone is a stack of one band.
    run(f"o.{ending} --layer nir,red --band 2-3 ! part.tif", cwd=tmp_path)
    assert np.array_equal(gdal.Open(str(tmp_path / "part.tif")).ReadAsArray(),
                          stack[1:, ::-1].reshape(4, 7, 9), equal_nan=True)
    run(f"o.{ending} --layer nir ! one.tif", cwd=tmp_path)
    assert np.array_equal(gdal.Open(str(tmp_path / "one.tif")).ReadAsArray(), stack[:, 1], equal_nan=True)


def test_a_second_scene_of_one_date_and_bands_without_one(stack, tmp_path):
    """Where the times differ between variables each has an axis of its own; what has no time has none."""
    d = gdal.Open(str(tmp_path / "s_20200220.tif"), gdal.GA_Update)
    d.GetRasterBand(2).SetDescription("red")
    d = None
    run("s_*.tif ! o.nc", cwd=tmp_path)
    with opened(tmp_path / "o.nc") as made:
        assert np.array_equal(made["red"].values, stack[:, 0], equal_nan=True) and made["red"].dims[0] == "time"
        assert np.array_equal(made["nir"].values, stack[[0, 2], 1]) and made["nir"].dims[0] == "time_2"
        assert np.array_equal(made["time_2"].values, SORTED[[0, 2]])
        assert np.array_equal(made["red_2"].values[0], stack[1, 1]) and made["red_2"].sizes["time_3"] == 1
    write_date(tmp_path / "plain.tif", stack[0], ["red", "nir"])
    run("plain.tif ! p.nc", cwd=tmp_path)
    with opened(tmp_path / "p.nc") as made:
        assert made["red"].dims == ("y", "x") and "time" not in made.variables


def test_real_variables_together(tmp_path):
    source = shared("eddy/dt_blacksea_l4_20160707_sla.nc")
    run(f"{source} --layer adt,sla ! o.nc", cwd=tmp_path)
    with netCDF4.Dataset(source) as want, netCDF4.Dataset(tmp_path / "o.nc") as made:
        for name in ("adt", "sla"):
            a = np.ma.filled(want[name][:].astype(float), np.nan)[:, ::-1].astype("f4")
            assert np.array_equal(made[name][:].filled(np.nan), a, equal_nan=True)
            assert made[name].units == want[name].units and made[name].standard_name == want[name].standard_name
    result = call("run", f"{source} ! {tmp_path}/x.tif")
    assert result.code == 3 and "--layer" in result.err
    result = call("run", f"{source} --layer adt,,sla ! {tmp_path}/x.tif")
    assert result.code == 2 and "--layer adt,,sla" in result.err
    result = call("run", f"{source} --layer adt,salt ! {tmp_path}/x.tif")
    assert result.code == 3 and "no variable 'salt'" in result.err


def test_variables_that_do_not_fit_together(tmp_path):
    times, x, y = np.array(["2020-01-01", "2020-01-02"], "M8[ns]"), [1.0, 2, 3], [9.0, 8]
    cells = np.arange(12.0).reshape(2, 2, 3)
    a = xarray.DataArray(cells, [("time", times), ("lat", y), ("lon", x)])
    b = xarray.DataArray(cells, [("t2", times + np.timedelta64(1, "D")), ("lat", y), ("lon", x)])
    c = xarray.DataArray(cells, [("time", times), ("lat2", [7.0, 6]), ("lon", x)])
    for axis, unit in (("lat", "degrees_north"), ("lon", "degrees_east"), ("lat2", "degrees_north")):
        for array in (a, b, c):
            if axis in array.dims:
                array[axis].attrs["units"] = unit
    xarray.Dataset({"a": a, "b": b, "c": c}).to_netcdf(tmp_path / "m.nc")
    for layers, words in (("a,b", "different steps or times"), ("a,c", "different grids")):
        result = call("run", f"m.nc --layer {layers} ! o.tif", cwd=tmp_path)
        assert result.code == 3 and words in result.err and "m.nc" in result.err, result.err


@pytest.mark.parametrize("source", ["s_*.tif", "o.nc --layer red,nir"])
@pytest.mark.parametrize("period,wanted", [
    ("2020", [0, 1, 2]), ("2020-02", [1]), ("2020-02-20", [1]), ("2020-01-06/2020-03-01", [1, 2]),
    ("../2020-02-20", [0, 1]), ("2020-02-20/", [1, 2]), ("2020-01-05/2020-02", [0, 1]),
    ("2020-01-05T00:00:00Z/2020-02-20T00:00:00+01:00", [0]), ("2020-01-05T00:00:01Z/..", [1, 2]),
])
def test_time_range(stack, tmp_path, source, period, wanted):
    if source.startswith("o.nc"):
        run("s_*.tif ! o.nc", cwd=tmp_path)
    run(f"{source} --time-range {period} ! p.tif", cwd=tmp_path)
    got = gdal.Open(str(tmp_path / "p.tif")).ReadAsArray()
    assert np.array_equal(got, stack[wanted].reshape(-1, 7, 9), equal_nan=True)


def test_time_range_of_a_real_cube(tmp_path):
    source = shared("mhw/oisst_tasman_2015_2016.nc")
    run(f"{source} --time-range 2015-12-30/2016-01-02 ! o.nc", cwd=tmp_path)
    with xarray.open_dataset(source, mask_and_scale=False) as want, opened(tmp_path / "o.nc") as made:
        part = want.sst.sel(time=slice("2015-12-30", "2016-01-02"))
        assert part.sizes["time"] == 4 and np.array_equal(made.time.values, part.time.values)
        # Unpacked in f64, as xarray itself would not.
        cells = np.where(part.values == part.attrs["_FillValue"], np.nan, part.values * float(part.attrs["scale_factor"]))
        assert np.array_equal(made.sst.values, cells[:, ::-1].astype("f4"), equal_nan=True)


def test_time_range_in_json_and_explain(stack, tmp_path):
    text = "s_*.tif --time-range 2020-02-01/.. ! o.tif"
    schema = json.loads(call("schema").out)
    job = call("convert", text)
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(job.out), schema)
    assert json.loads(job.out)["pipeline"][0]["time-range"] == "2020-02-01/.."
    (tmp_path / "p.json").write_text(job.out)
    run("p.json", cwd=tmp_path)
    assert gdal.Open(str(tmp_path / "o.tif")).RasterCount == 4
    text = text.replace("o.tif", "p.tif")
    said = call("explain", text, cwd=tmp_path).out
    assert "dates     2 of 3 in s_*.tif, 2020-02-20T00:00:00Z to 2020-03-01T00:00:00Z" in said
    plan = json.loads(call("explain", "--json", text, cwd=tmp_path).out)
    assert plan["dates"] == [{"read": "s_*.tif", "chosen": 2, "of": 3, "first": "2020-02-20T00:00:00Z",
                              "last": "2020-03-01T00:00:00Z"}]


def test_files_outside_the_range_need_not_fit(stack, tmp_path):
    """Another grid and another number of bands are no matter where the date is not wanted."""
    write_date(tmp_path / "s_20210101.tif", np.zeros((3, 4, 4)), ["red", "nir", "more"], east=0)
    result = call("run", "s_*.tif ! o.tif", cwd=tmp_path)
    assert result.code == 3 and "s_20210101.tif" in result.err
    run("s_*.tif --time-range 2020 ! o.tif", cwd=tmp_path)
    assert gdal.Open(str(tmp_path / "o.tif")).RasterCount == 6


@pytest.mark.parametrize("period,code,words", [
    ("2019", 3, ["no date of s_*.tif", "2020-01-05T00:00:00Z to 2020-03-01T00:00:00Z"]),
    ("2020-03/2020-01", 2, ["backwards"]),
    ("winter", 2, ["START/END", "'winter'"]),
    ("../..", 2, ["START/END"]),
    ("2020-13", 2, ["START/END"]),
    ("2020-02-30/2020-03-01", 2, ["START/END"]),
])
def test_ranges_that_cannot_be(stack, tmp_path, period, code, words):
    result = call("run", f"s_*.tif --time-range {period} ! o.tif", cwd=tmp_path)
    assert result.code == code, result.err
    for word in words:
        assert word in result.err, result.err


def test_files_without_a_date(stack, tmp_path):
    write_date(tmp_path / "s_plain.tif", stack[0], ["red", "nir"])
    result = call("run", "s_*.tif --time-range 2020 ! o.tif", cwd=tmp_path)
    assert result.code == 3 and "s_plain.tif has no date" in result.err and "20210105" in result.err
    (tmp_path / "p.csv").write_text("lon,lat\n1,2\n")
    result = call("run", "p.csv --time-range 2020 ! o.gpkg", cwd=tmp_path)
    assert result.code == 2 and "filter" in result.err
    result = call("run", "s_20200105.tif ! o.tif --time-range 2020", cwd=tmp_path)
    assert result.code == 2 and "--time-range" in result.err


def test_mixed_calendars(tmp_path):
    """A climate model's February has 28 or 30 days: its dates are not those of the observations beside it."""
    for name, calendar in (("a", "standard"), ("b", "360_day"), ("c", "proleptic_gregorian")):
        with netCDF4.Dataset(tmp_path / f"{name}.nc", "w") as d:
            for dim, values, units in (("time", [0, 1], "days since 2001-02-26"), ("lat", [2, 1], "degrees_north"),
                                       ("lon", [1, 2], "degrees_east")):
                d.createDimension(dim, 2)
                d.createVariable(dim, "f8", (dim,))[:] = values
                d[dim].units = units
            d["time"].calendar = calendar
            d.createVariable("v", "f4", ("time", "lat", "lon"))[:] = 1
    result = call("run", "a.nc --with b.nc ! o.tif", cwd=tmp_path)
    assert result.code == 3
    for word in ("a.nc", "b.nc", "360_day", "convert_calendar"):
        assert word in result.err
    run("a.nc --with c.nc ! o.tif", cwd=tmp_path)
    run("b.nc ! o.tif", cwd=tmp_path)


@pytest.mark.parametrize("options", ["", "--co INTERLEAVE=PIXEL", "--of COG"])
def test_a_geotiff_keeps_the_dates(stack, tmp_path, options):
    """Each band tells its time, for people in its title and for programs in an item; our reader makes the same cube."""
    run("s_*.tif ! a.nc", cwd=tmp_path)
    run(f"s_*.tif ! a.tif {options}", cwd=tmp_path)
    d = gdal.Open(str(tmp_path / "a.tif"))
    bands = [d.GetRasterBand(k + 1) for k in range(d.RasterCount)]
    moments = [str(day)[:19] + "Z" for day in SORTED for _ in range(2)]
    assert [b.GetMetadataItem("TIME") for b in bands] == moments
    assert [b.GetDescription() for b in bands] == [f"{n} {t}" for n, t in zip(["red", "nir"] * 3, moments)]
    run("a.tif ! b.nc", cwd=tmp_path)
    one, other = xarray.open_dataset(tmp_path / "a.nc"), xarray.open_dataset(tmp_path / "b.nc")
    assert sorted(one.data_vars) == sorted(other.data_vars) and {"red", "nir"} <= set(one.data_vars)
    for name in ("red", "nir"):
        np.testing.assert_array_equal(one[name].values, other[name].values)
        assert one[name].dims[0] == "time"
    np.testing.assert_array_equal(other.time.values, SORTED)
    run("a.tif --time-range 2020-02/2020-02 ! c.tif", cwd=tmp_path)
    np.testing.assert_array_equal(read(tmp_path / "c.tif", 2), d.GetRasterBand(4).ReadAsArray())
    assert gdal.Open(str(tmp_path / "c.tif")).RasterCount == 2
    # A date alone tells no bands apart: they keep their names.
    c = gdal.Open(str(tmp_path / "c.tif"))
    assert [c.GetRasterBand(k).GetDescription() for k in (1, 2)] == ["red", "nir"]
    assert c.GetRasterBand(2).GetMetadataItem("TIME") == moments[2]
    run("a.tif ! composite --method median ! m.tif", cwd=tmp_path)
    m = gdal.Open(str(tmp_path / "m.tif"))
    assert m.RasterCount == 2 and m.GetRasterBand(1).GetMetadataItem("TIME") is None
    for k in range(2):
        cells = np.stack([b.ReadAsArray() for b in bands[k::2]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_allclose(m.GetRasterBand(k + 1).ReadAsArray(), np.nanmedian(cells, 0), rtol=1e-6)


def test_a_cube_of_one_variable_goes_through_geotiff(tmp_path):
    """Nameless bands, and moments of a day."""
    times = ["2021-01-05T06:00:00.500Z", "2021-01-05T18:30:00Z"]
    d = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "a.tif"), 4, 3, 2, gdal.GDT_Float32)
    d.SetGeoTransform((500000, 10, 0, 4000000, 0, -10))
    for k, time in enumerate(times, 1):
        d.GetRasterBand(k).Fill(k)
        d.GetRasterBand(k).SetMetadataItem("TIME", time)
    d = None
    run("a.tif ! b.tif", cwd=tmp_path)
    b = gdal.Open(str(tmp_path / "b.tif"))
    assert [b.GetRasterBand(k).GetDescription() for k in (1, 2)] == times
    run("b.tif ! c.nc", cwd=tmp_path)
    cube = xarray.open_dataset(tmp_path / "c.nc")
    np.testing.assert_array_equal(cube.time.values, np.array([t[:-1] for t in times], "M8[ns]"))
    run("b.tif ! c.tif", cwd=tmp_path)
    c = gdal.Open(str(tmp_path / "c.tif"))
    assert [c.GetRasterBand(k).GetDescription() for k in (1, 2)] == times
    # An item that is no time is none.
    d = gdal.Open(str(tmp_path / "a.tif"), gdal.GA_Update)
    d.GetRasterBand(1).SetMetadataItem("TIME", "noon")
    d = None
    run("a.tif ! stats ! s.csv", cwd=tmp_path)
    rows = [line.split(",")[:2] for line in (tmp_path / "s.csv").read_text().splitlines()]
    assert rows[0] == ["time", "band"] and rows[1][0] == "" and rows[2][0] == times[1]

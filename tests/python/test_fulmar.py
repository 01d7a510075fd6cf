# SPDX-License-Identifier: Apache-2.0
"""The Python package: arrays in and out where they lie, the operators as functions, what is refused, and the wheel."""
import datetime
import inspect
import logging
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FULMAR_BUILD", ROOT / "build/release"))
sys.path.insert(0, str(BUILD / "python"))
import fulmar  # noqa: E402

DEM = ROOT / "tests/data/bigtujunga_srtm30_128.tif"
UTM = (240000.0, 10.0, 0.0, 3990000.0, 0.0, -10.0)


def random(*shape, seed=1):
    return np.random.default_rng(seed).gamma(2, 10, shape).astype("f4")


@pytest.mark.parametrize("make", [
    lambda a: a, lambda a: np.asfortranarray(a), lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a[::2, 1::3],
    lambda a: a.astype(">f4"), lambda a: a.astype("f8"), lambda a: (a * 100).astype("u2"), lambda a: a.astype("i8"),
    lambda a: a > 20, lambda a: np.broadcast_to(a[0], a.shape), lambda a: a.astype("f2")])
def test_arrays_of_any_type_and_stride_are_read_as_numpy_reads_them(make):
    array = make(random(64, 91))
    out = fulmar.run("a ! expression 'b1 * 2 + 1' ! out", a=array)["out"]
    expected = (np.asarray(array, "f8") * 2 + 1).astype("f4")
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.array, expected)


def test_bands_stand_first_and_may_be_interleaved():
    chunky = random(40, 50, 3)
    for stack in (np.moveaxis(chunky, 2, 0), np.ascontiguousarray(np.moveaxis(chunky, 2, 0))):
        out = fulmar.op.expression(stack, "b1 + b2 - b3")
        expected = (stack[0].astype("f8") + stack[1] - stack[2]).astype("f4")
        np.testing.assert_array_equal(out.array, expected)


def test_masked_cells_nodata_scale_and_nan_are_missing():
    stored = np.array([[1, 2, -9], [4, 5, 6]], "i2")
    masked = np.ma.array(stored, mask=[[0, 1, 0], [0, 0, 0]])
    out = fulmar.op.expression(fulmar.Raster(masked, nodata=-9, scale=0.5, offset=1), "b1")
    np.testing.assert_array_equal(out.array, np.array([[1.5, np.nan, np.nan], [3, 3.5, 4]], "f4"))
    found = fulmar.op.stats(np.array([[1, np.nan], [3, np.inf]], "f4"))
    assert found["n"][0] == 2 and found["mean"][0] == 2 and found["missing"][0] == 2


def test_statistics_are_those_of_numpy():
    array = random(300, 401)
    found = fulmar.op.stats(array)
    assert found["mean"][0] == pytest.approx(array.mean(dtype="f8"), rel=1e-12)
    assert found["std"][0] == pytest.approx(array.std(dtype="f8"), rel=1e-6)
    assert (found["min"][0], found["max"][0]) == (array.min(), array.max())


def test_nothing_is_copied_in_or_out():
    """The rasters of a run take no memory beside the caller's: the process grows by the result alone."""
    code = f"""
import sys; sys.path.insert(0, {str(BUILD / 'python')!r})
import numpy as np, resource, fulmar
small = np.ones((600, 600), 'f4')
fulmar.run("a ! expression 'b1 + 1' ! out", a=small, threads=1, memory='128M')   # what is there only once
array = np.ones((6000, 8000), 'f4')                                              # 192 MB
land = np.zeros((6000, 8000), 'f4')
land[:] = 0                                                                      # there, not only promised
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
out = fulmar.run("a ! expression 'b1 + 1' ! out", a=array, threads=1, memory='128M')["out"]
assert out.array.max() == 2 and out.array.flags['C_CONTIGUOUS']
del out
out = fulmar.Engine('128M', 1).op.mask(array, with_=land)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
assert out.array.max() == 1
print(grown / array.nbytes)
"""
    grown = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert 0.9 < grown < 1.4


def test_xarray_goes_in_and_out():
    xarray = pytest.importorskip("xarray")
    y, x = 35.95 - 0.01 * np.arange(30), 120.05 + 0.01 * np.arange(40)
    data = xarray.DataArray(random(30, 40), {"lat": y, "lon": x}, ("lat", "lon"), name="sst",
                            attrs={"units": "K"})
    data.lon.attrs["units"] = "degrees_east"
    out = fulmar.op.median(data, window="3px")
    assert out.units == ["K"] and "WGS 84" in out.crs
    assert out.transform == pytest.approx((120.045, 0.01, 0, 35.955, 0, -0.01))
    back = out.to_xarray()
    assert back.dims == ("lat", "lon") and (back - data).shape == data.shape  # to the bit, or they would not align
    bare = fulmar.Raster(data.values, out.transform, out.crs).to_xarray()
    np.testing.assert_allclose(bare.x, x)
    np.testing.assert_allclose(bare.y, y)
    assert np.shares_memory(back.values, out.array)
    # A stack of dates: time becomes the dates of a series.
    stack = xarray.DataArray(random(3, 30, 40), {"time": np.array(["2020-07-01", "2020-07-11", "2020-07-21"], "M8[ns]"),
                                                 "lat": y, "lon": x}, ("time", "lat", "lon"))
    composite = fulmar.op.composite(stack, method="median")
    np.testing.assert_allclose(composite.array, np.median(stack.values, axis=0), rtol=1e-6)
    with pytest.raises(ValueError, match="not evenly spaced"):
        fulmar.op.median(data.isel(lon=[0, 1, 5]))


def test_dlpack_goes_both_ways_and_a_card_that_is_not_there_is_told():
    out = fulmar.op.decibel(fulmar.Raster(random(4, 4), unit="1"))
    np.testing.assert_array_equal(np.from_dlpack(out), out.array)

    class OnGpu:
        __cuda_array_interface__ = {"shape": (2, 2), "typestr": "<f4", "data": (4096, False), "version": 3}
    # Read where there is a card (tests/device/arrays_test.py), refused with the reason and the cure where there is none.
    with pytest.raises(fulmar.Error, match="lies on a card: cupy.asnumpy|not on a card") as refused:
        fulmar.op.decibel(OnGpu())
    assert refused.value.code in (2, 5) and "OnGpu" in str(refused.value)


def test_paths_in_errors_keep_their_dashes():
    from fulmar.op import _without_dashes
    assert _without_dashes("give --max-speed, or (--to)") == "give max_speed, or (to)"
    assert _without_dashes("the scene's --time is the table's") == "the scene's time is the table's"
    for path in ("/data/run--memory.tif", "'/data/--memory x/a --to b.tif'", "/--to"):
        assert _without_dashes(f"{path} is no raster: give --max-speed") == f"{path} is no raster: give max_speed"


def test_detections_become_objects_with_places_and_outlines():
    sea = np.random.default_rng(3).exponential(0.01, (400, 400)).astype("f4")
    sea[100:104, 200:220] += 2
    result = fulmar.run("sea ! cfar --pfa 1e-9 --looks 1 --guard 410 --background 610 ! objects --min-area 1500 ! ships",
                        sea=fulmar.Raster(sea, UTM, "EPSG:32651", "1"))
    ships = result["ships"]
    assert len(ships) == 1 and ships["length"][0] == pytest.approx(200, abs=15)
    assert ships["cells"].dtype == np.int64 and ships.units["length"] == "m"
    pyproj = pytest.importorskip("pyproj")
    east, north = 240000 + 10 * 210, 3990000 - 10 * 102
    lon, lat = pyproj.Transformer.from_crs(32651, 4326, always_xy=True).transform(east, north)
    assert (ships["lon"][0], ships["lat"][0]) == pytest.approx((lon, lat), abs=1e-3)
    ring = np.array(ships.geometry(0)["coordinates"][0][0])
    assert tuple(ring.min(0)) == pytest.approx((242000, 3988960)) and tuple(ring[0]) == tuple(ring[-1])


def test_tables_go_in_and_out():
    vessels = {"mmsi": np.array([1, 2, 3]), "speed": np.array([3.0, np.nan, 12.5]), "name": ["Anna", None, "Carl"],
               "seen": np.array(["2021-01-05T10:00:00", "NaT", "2021-01-05T12:00:00"], "M8[s]")}
    fast = fulmar.op.filter(vessels, "speed > 10")
    assert fast["name"].tolist() == ["Carl"] and fast["mmsi"].dtype == np.int64
    assert fast["seen"][0] == np.datetime64("2021-01-05T12:00:00")
    again = fulmar.op.filter(fast, "mmsi == 3")
    assert len(again) == 1
    with pytest.raises(fulmar.Error, match="has 2 values"):
        fulmar.op.filter({"a": [1.0, 2, 3], "b": [1.0, 2]}, "a > 1")


def test_files_and_memory_stand_side_by_side(tmp_path):
    gdal = pytest.importorskip("osgeo.gdal")
    result = fulmar.run(f"'{DEM}' ! terrain --measure slope ! [ slope ] ! '{tmp_path}/slope.tif'")
    assert result.files == [f"{tmp_path}/slope.tif"]
    dataset = gdal.Open(str(tmp_path / "slope.tif"))
    np.testing.assert_array_equal(result["slope"].array, dataset.ReadAsArray())
    assert result["slope"].transform == pytest.approx(dataset.GetGeoTransform())
    with pytest.raises(fulmar.Error, match="overwrite") as refused:
        fulmar.run(f"'{DEM}' ! terrain --measure slope ! '{tmp_path}/slope.tif'")
    assert refused.value.code == 4
    fulmar.run(f"'{DEM}' ! terrain --measure slope ! '{tmp_path}/slope.tif'", overwrite=True)
    made = fulmar.recipe("terrain", dem=DEM, out=tmp_path / "terrain").files
    assert any(f.endswith("hillshade.png") for f in made) and all(pathlib.Path(f).is_file() for f in made)


def test_refusals_speak_of_python(tmp_path):
    a = random(20, 20)
    fulmar.run(f"a ! stats ! '{tmp_path}/x.csv'", a=a)
    for work, words in ((lambda: fulmar.run(f"a ! stats ! '{tmp_path}/x.csv'", a=a), "add overwrite=True to replace it"),
                        (lambda: fulmar.run("a ! stats ! o", a=a, memory=10**6), "raise memory or lower threads"),
                        (lambda: fulmar.run("a ! qqqq ! o", a=a), "dir(fulmar.op) names them"),
                        (lambda: fulmar.recipe("ships", scene="x.tif"), "Give it as coast=FILE"),
                        (lambda: fulmar.recipe("qqqq"), "fulmar.recipes() names them"),
                        (lambda: fulmar.op.terrain(a), "to an array by fulmar.Raster(array, transform, crs)")):
        with pytest.raises(fulmar.Error) as refused:
            work()
        assert words in str(refused.value) and "--" not in str(refused.value)


def test_recipes_take_arrays(tmp_path):
    gdal = pytest.importorskip("osgeo.gdal")
    dem = gdal.Open(str(DEM))
    array = fulmar.Raster(dem.ReadAsArray(), dem.GetGeoTransform(), dem.GetProjection(), "m")
    fulmar.recipe("terrain", dem=array, out=tmp_path / "array")
    fulmar.recipe("terrain", dem=DEM, out=tmp_path / "file")
    for name in ("slope", "tri"):
        one, two = (gdal.Open(str(tmp_path / f / f"{name}.tif")) for f in ("array", "file"))
        np.testing.assert_array_equal(one.ReadAsArray(), two.ReadAsArray())
    with pytest.raises(TypeError, match="dem of recipe terrain is the name of a file, an array, a table"):
        fulmar.recipe("terrain", dem=object(), out=tmp_path)


def test_further_inputs_and_outputs_are_named():
    a, b = random(20, 20), random(20, 20, seed=2)
    out = fulmar.run("a ! expression 'b1 - b2' ! out", a=np.stack([a, b]))["out"]
    np.testing.assert_array_equal(out.array, a - b)
    both = fulmar.op.cfar(fulmar.Raster(a, unit="1"), pfa=1e-3, guard="5px", background="9px",
                          outputs=["background", "detection"])
    # Values and flags in one array: what is not known of a flag is NaN, as in the values.
    assert both.names == ["background", "detection"] and both.dtype == np.float32
    flags = fulmar.op.cfar(fulmar.Raster(a, unit="1"), pfa=1e-3, guard="5px", background="9px")
    np.testing.assert_array_equal(both["detection"] == 1, flags.array == 1)
    np.testing.assert_array_equal(np.isnan(both["detection"]), flags.array == 255)


def test_what_is_missing_stays_missing_from_call_to_call():
    sea = np.random.default_rng(5).exponential(1, (60, 60)).astype("f4")
    sea[:20, :20] = np.nan
    sea[40, 40] = 900
    scene = fulmar.Raster(sea, UTM, "EPSG:32651", "1")
    flags = fulmar.op.cfar(scene, pfa=1e-9, guard="5px", background="9px")
    assert flags.nodata == 255 and (flags.array == 255).sum() >= 400
    one = fulmar.run("a ! cfar --pfa 1e-9 --guard 5px --background 9px ! objects ! found", a=scene)["found"]
    for two in (fulmar.op.objects(flags), fulmar.op.objects(flags.to_xarray().assign_attrs(units="flag"))):
        assert two["cells"].tolist() == one["cells"].tolist() and max(two["cells"]) < 20
    assert fulmar.op.stats(flags)["max"][0] == 1 and fulmar.op.stats(flags)["missing"][0] == (flags.array == 255).sum()


@pytest.mark.parametrize("fill, kind", [(2**63 - 1, "i8"), (-2**63, "i8"), (2**64 - 1, "u8"), (0, "u8")])
def test_nodata_at_the_ends_of_64_bits(fill, kind):
    array = np.array([[1, fill], [5, 6]], kind)
    assert fulmar.op.stats(fulmar.Raster(array, nodata=fill))["missing"][0] == 1
    assert fulmar.op.stats(fulmar.Raster(array, nodata=np.nan))["missing"][0] == 0


def test_dimensions_are_known_by_name():
    xarray = pytest.importorskip("xarray")
    y, x = 35.95 - 0.01 * np.arange(30), 120.05 + 0.01 * np.arange(40)
    turned = xarray.DataArray(random(40, 30), {"lon": x, "lat": y}, ("lon", "lat"))
    out = fulmar.op.median(turned)
    assert out.shape == (30, 40) and out.transform == pytest.approx((120.045, 0.01, 0, 35.955, 0, -0.01))
    rgb = xarray.DataArray(random(20, 30, 3), dims=("y", "x", "band"))
    np.testing.assert_array_equal(fulmar.op.expression(rgb, "b3").array, rgb.values[:, :, 2])
    with pytest.raises(ValueError, match="which are rows and columns"):
        fulmar.op.median(xarray.DataArray(random(20, 30, 3), dims=("a", "b", "band")))


def test_columns_with_gaps_stay_numbers():
    assert len(fulmar.op.filter({"v": [1.5, 2.5, None]}, "v > 1")) == 2
    assert fulmar.op.filter({"v": [True, None]}, "v == 1")["v"].tolist() == [True]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": pandas.array([1, None, 3], "Int64"), "s": ["a", pandas.NA, "c"]})
    found = fulmar.op.filter(frame, "n > 0")
    assert found["n"].tolist() == [1, 3] and found["s"].tolist() == ["a", "c"]
    with pytest.raises(TypeError, match="column 'v' holds"):
        fulmar.op.filter({"v": [1, "a"]}, "v > 1")


def test_a_table_keeps_its_outlines_when_it_goes_on():
    flags = fulmar.Raster((np.add.outer(np.arange(20), np.arange(20)) < 8).astype("u1"), UTM, "EPSG:32651", "flag")
    objects = fulmar.op.objects(flags)
    kept = fulmar.op.filter(objects, "cells > 1")
    assert kept.geometry(0) == objects.geometry(0) and kept.geometry(0)["type"] == "MultiPolygon"


def test_parameters_may_be_numpys_and_names_of_files_arrays():
    a = fulmar.Raster(random(30, 30), unit="1")
    one = fulmar.op.cfar(a, pfa=np.float64(1e-3), guard="5px", background="9px", looks=np.int64(4))
    two = fulmar.op.cfar(a, pfa=1e-3, guard="5px", background="9px", looks=4)
    np.testing.assert_array_equal(one.array, two.array)
    coarse = fulmar.Raster(random(15, 15), (0, 2, 0, 30, 0, -2), "EPSG:32651")
    fine = fulmar.Raster(random(30, 30), (0, 1, 0, 30, 0, -1), "EPSG:32651")
    assert fulmar.op.align(coarse, to=fine).shape == (30, 30)
    with pytest.raises(TypeError, match="pfa takes a number"):
        fulmar.op.cfar(a, pfa=object())


def test_numbers_that_an_operator_finds_come_with_its_result():
    skimage = pytest.importorskip("skimage.filters")
    a = np.concatenate([np.random.default_rng(1).normal(m, 1, 5000) for m in (0, 8)]).reshape(100, 100).astype("f4")
    out = fulmar.op.otsu(a)
    threshold = out.summary["threshold"][0]
    assert threshold == pytest.approx(skimage.threshold_otsu(a, nbins=256), abs=0.1)
    np.testing.assert_array_equal(out.array == 1, a > threshold)
    assert out.summary.row()["threshold"] == threshold and isinstance(out.summary.row(0)["n"], (int, float))
    # What makes numbers alone returns them, and says so.
    found = fulmar.op.stats(a)
    assert found.summary["mean"].tolist() == found["mean"].tolist() == [pytest.approx(a.mean(dtype="f8"))]
    assert fulmar.op.histogram(a).summary is not None and fulmar.op.median(a).summary is None
    assert ".summary is a Table of\n    threshold" in fulmar.op.otsu.__doc__
    assert "Returns a Table of\n" in fulmar.op.stats.__doc__ and "Returns a Raster:" in fulmar.op.median.__doc__


def test_names_stand_for_files_too(tmp_path):
    """The name of a file goes where an array does, as str or Path, in fulmar.run as in fulmar.op."""
    array = fulmar.run(f"{DEM} ! expression b1 ! out")["out"].array
    for name in (str(DEM), DEM):
        np.testing.assert_array_equal(fulmar.run("dem ! expression b1 ! out", dem=name)["out"].array, array)
        np.testing.assert_array_equal(fulmar.op.expression(name, "b1").array, array)
    (tmp_path / "points.csv").write_text("lon,lat,n\n1,2,3\n4,5,6\n")
    assert fulmar.run("points ! filter 'n > 3' ! out", points=tmp_path / "points.csv")["out"]["n"].tolist() == [6]
    land = random(128, 128) > 20
    by_array = fulmar.run("dem ! mask --with land ! out", dem=DEM, land=fulmar.Raster(land.view("u1")))["out"].array
    fulmar.run(f"{DEM} ! expression 'b1 * 0' ! {tmp_path}/none.tif")
    assert np.isnan(by_array).sum() == (land & ~np.isnan(array)).sum() + np.isnan(array).sum()
    np.testing.assert_array_equal(
        fulmar.run("dem ! mask --with land ! out", dem=DEM, land=tmp_path / "none.tif")["out"].array, array)
    assert str(DEM) in fulmar.explain("dem ! median ! out", dem=DEM)
    with pytest.raises(fulmar.Error, match="no step reads 'den'; did you mean 'dem'"):
        fulmar.run("dem ! median ! out", den=DEM)


def test_texts_with_quotes_of_any_kind_arrive_as_they_are(tmp_path):
    table = {"name": ["it's", 'a "b"', "back\\slash"], "n": [1, 2, 3]}
    assert fulmar.op.filter(table, "n > 1 && name != 'x'")["n"].tolist() == [2, 3]
    assert fulmar.op.filter(table, "name == 'back\\slash'")["n"].tolist() == [3]
    assert fulmar.op.filter(table, "name == 'a \"b\"'")["n"].tolist() == [2]
    assert fulmar.op.filter(table, '"n" == 1')["name"].tolist() == ["it's"]
    for name in ("it's.csv", 'a "b".csv', "back\\slash.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
        assert fulmar.op.filter(tmp_path / name, "a == 1")["b"].tolist() == [2], name


def test_an_input_that_was_forgotten_is_named():
    with pytest.raises(fulmar.Error, match="no step reads 'other'; the pipeline reads scene"):
        fulmar.run("scene ! mask --with a ! out", other=random(3, 3))

    for call in (fulmar.run, fulmar.explain):
        with pytest.raises(fulmar.Error, match="the pipeline reads 'scene', and no input of that name is given: scene=array") as e:
            call("scene ! median ! out")
        assert e.value.code == 3 and e.value.message.startswith("cannot open 'scene'")
        with pytest.raises(fulmar.Error, match="reads 'land', and no input"):
            call("scene ! mask --with land ! out", scene=random(9, 9))
        with pytest.raises(fulmar.Error, match="cannot open 'scene.tif'") as e:
            call("scene.tif ! median ! out")
        assert "no input" not in str(e.value)


def test_whole_numbers_and_days_are_such():
    found = fulmar.op.stats(np.ones((4, 4), "f4"))
    assert found["n"].dtype == np.int64 and found["mean"].dtype == np.float64 and type(found.row()["n"]) is int
    zones = np.repeat([[2, 5]], 4, 0).repeat(2, 1).astype("u1")
    rows = fulmar.op.zonal(np.ones((4, 4), "f4"), zones=zones)
    assert rows["zone"].dtype == np.int64 and rows["zone"].tolist() == [2, 5] and rows["n"].tolist() == [8, 8]
    days = {"sown": np.array(["2020-03-01", "NaT"], "datetime64[D]"), "cut": [None, datetime.date(2020, 8, 2)],
            "seen": [datetime.datetime(2020, 3, 1, 12, 30), None]}
    kept = fulmar.op.filter(days, "1")
    assert [kept[c].dtype for c in days] == ["datetime64[D]", "datetime64[D]", "datetime64[us]"]
    assert kept["cut"].tolist() == [None, datetime.date(2020, 8, 2)] and kept["sown"].tolist()[0] == datetime.date(2020, 3, 1)
    assert kept["seen"].tolist()[0] == datetime.datetime(2020, 3, 1, 12, 30)


def test_every_reduction_is_told():
    result = fulmar.run("a ! [ stats ! p ] ! expression 'b1 * 2' ! stats ! q", a=np.ones((4, 4), "f4"))
    assert [result.summaries[k]["mean"][0] for k in ("stats", "stats_#2")] == [1, 2]


def test_gdals_cache_is_what_it_was():
    gdal = pytest.importorskip("osgeo.gdal")
    gdal.SetCacheMax(77 << 20)
    fulmar.run(f"'{DEM}' ! median ! out", memory="256M")
    assert gdal.GetCacheMax() == 77 << 20


def test_every_operator_has_a_signature_and_words():
    assert len(dir(fulmar.op)) > 35
    for name in dir(fulmar.op):
        function = getattr(fulmar.op, name)
        assert function.__doc__.strip() and "outputs" in inspect.signature(function).parameters
        assert all(p.isidentifier() for p in inspect.signature(function).parameters)
    assert inspect.signature(fulmar.op.cfar).parameters["pfa"].default == 1e-6
    with pytest.raises(AttributeError, match="no operator 'cfr'"):
        fulmar.op.cfr
    with pytest.raises(TypeError, match="has no argument 'pfaa'"):
        fulmar.op.cfar(random(5, 5), pfaa=1)


@pytest.mark.parametrize("pipeline, array, code, words", [
    ("a ! liner ! out", None, 2, "did you mean 'linear'"),
    ("b ! linear ! out", None, 2, "no step reads 'a'"),
    ("a ! median --window -3px ! out", None, 2, "window"),
    ("a ! linear ! x.nothing", None, 2, "x.nothing")])
def test_refusals_are_errors_with_a_code_and_words(pipeline, array, code, words):
    with pytest.raises(fulmar.Error) as refused:
        fulmar.run(pipeline, a=random(5, 5))
    assert refused.value.code == code and words in str(refused.value)


def test_what_is_missing_can_be_had_as_a_mask():
    a = random(30, 30)
    a[:5] = np.nan
    flags = fulmar.op.cfar(fulmar.Raster(a, unit="1"), pfa=1e-3, guard="5px", background="9px")
    masked = flags.to_masked()
    assert masked.mask[:5].all() and masked.max() <= 1 and np.shares_memory(masked.data, flags.array)
    assert fulmar.op.median(a).to_masked().mask[:5].all()


def test_names_of_files_and_datasets_are_told_from_arrays():
    with pytest.raises(fulmar.Error, match="cannot open 'scene.tif'"):
        fulmar.run("a ! stats ! out", a="scene.tif")
    xarray = pytest.importorskip("xarray")
    with pytest.raises(TypeError, match="choose one, as in data\\['sst'\\]"):
        fulmar.op.stats(xarray.Dataset({"sst": (("y", "x"), random(3, 3))}))


def test_arguments_that_mean_nothing_are_refused():
    for bad in (np.zeros(3, "f4"), np.zeros((2, 2, 2, 2), "f4")):
        with pytest.raises(ValueError, match="dimensions"):
            fulmar.op.stats(bad)
    with pytest.raises(TypeError, match="are not read"):
        fulmar.op.stats(np.zeros((2, 2), "c8"))
    with pytest.raises(ValueError, match="memory is a size"):
        fulmar.Engine(memory="many")
    with pytest.raises(fulmar.Error, match="backend is"):
        fulmar.Engine(backend="gpu")
    for wrong, words in (({"threads": -1}, "threads is -1: give a number"), ({"memory": 0}, "memory is 0 bytes: give"),
                         ({"memory": -1}, "memory is -1 bytes"), ({"threads": 100000}, "from 1 to 4096")):
        with pytest.raises(fulmar.Error, match=words):
            fulmar.Engine(**wrong)
    with pytest.raises(TypeError, match="as an integer"):
        fulmar.Engine(threads="2")
    with pytest.raises(fulmar.Error, match="has 4 x 0 cells"):
        fulmar.op.stats(np.zeros((0, 4), "f4"))


def test_other_threads_go_on_while_a_run_computes():
    array = random(1500, 1500)
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.002)
    ticker = threading.Thread(target=tick)
    ticker.start()
    begin = time.monotonic()
    fulmar.Engine(threads=1).op.median(array, window="31px")
    end = time.monotonic()
    done.set()
    ticker.join()
    during = [t for t in ticks if begin < t < end]
    assert end - begin > 0.1 and len(during) > 10


def test_engines_work_side_by_side_and_agree_to_the_bit():
    array = random(700, 900)
    results = {}

    def work(memory, threads):
        results[memory] = fulmar.Engine(memory, threads).op.median(array, window="9px").array
    workers = [threading.Thread(target=work, args=a) for a in (("256M", 1), ("512M", 2), ("1G", 1))]
    [w.start() for w in workers]
    [w.join() for w in workers]
    assert len(results) == 3
    for other in results.values():
        np.testing.assert_array_equal(other, results["256M"])


def test_control_c_ends_a_run_and_progress_rises():
    shares = []
    fulmar.run("a ! median --window 5px ! out", a=random(1500, 1500), progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(1000):
            fulmar.op.median(random(1500, 1500), window="31px")
    timer.join()

    def refuse(share):
        raise RuntimeError("mine")
    with pytest.raises(RuntimeError, match="mine"):
        fulmar.run("a ! median ! out", a=random(50, 50), progress=refuse)


def test_notes_go_to_the_logger(caplog):
    with caplog.at_level(logging.INFO, "fulmar"):
        result = fulmar.run("a ! otsu ! out", a=np.ones((20, 20), "f4"))
    assert result.notes and result.notes[0] in caplog.text


def test_the_wheel_installs_and_runs(tmp_path):
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "fulmar_wheel"], check=True, capture_output=True)
    wheels = sorted((BUILD / "wheel").glob("fulmar-*.whl"))
    assert wheels and "cp3" in wheels[-1].name
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", str(wheels[-1])], check=True,
                   cwd=tmp_path)
    code = "import numpy, fulmar; print(fulmar.__file__, fulmar.op.stats(numpy.ones((3, 3), 'f4'))['n'][0])"
    out = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path).stdout.split()
    assert out[0].startswith(str(tmp_path / "venv")) and out[1] == "9"

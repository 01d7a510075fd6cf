# SPDX-License-Identifier: Apache-2.0
"""Inputs beside the scene as arrays and tables: outlines, zones, targets, references; against numpy."""
import os
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FULMAR_BUILD", ROOT / "build/release"))
sys.path.insert(0, str(BUILD / "python"))
import fulmar  # noqa: E402

UTM = (240000.0, 10.0, 0.0, 3990000.0, 0.0, -10.0)
WEST, NORTH = UTM[0], UTM[3]


def random(*shape, seed=1):
    return np.random.default_rng(seed).gamma(2, 10, shape).astype("f4")


def placed(array, step=10.0, **more):
    return fulmar.Raster(array, (WEST, step, 0, NORTH, 0, -step), "EPSG:32651", **more)


def rectangle(left, top, right, bottom):
    """A polygon along the edges of cells of 10 m."""
    x, y = WEST + 10 * np.array([left, right]), NORTH - 10 * np.array([top, bottom])
    return {"type": "Polygon", "coordinates": [[(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]), (x[0], y[0])]]}


class Shapely:
    """Whatever tells its geometry as shapely's do."""

    def __init__(self, geometry):
        self.__geo_interface__ = geometry


@pytest.mark.parametrize("make", [lambda m: m, lambda m: m.astype("u1") * 7, lambda m: np.where(m, 2.5, 0),
                                  lambda m: np.asfortranarray(m.astype("i2")), lambda m: np.ma.array(np.ones(m.shape, "u1"), mask=~m),
                                  lambda m: np.where(m, 1, np.nan)])
@pytest.mark.parametrize("scene", [lambda a: a, placed])
def test_a_mask_is_an_array_of_any_type(make, scene):
    a = random(90, 70)
    land = random(90, 70, seed=2) > 20
    out = fulmar.op.mask(scene(a), with_=make(land))
    np.testing.assert_array_equal(out.array, np.where(land, np.nan, a))
    kept = fulmar.op.mask(scene(a), with_=make(land), invert=True)
    np.testing.assert_array_equal(kept.array, np.where(land, a, np.nan))


def test_a_mask_may_lie_on_another_grid_and_is_named_in_pipelines_too():
    fine, coarse = random(60, 60), random(20, 20, seed=2) > 20
    expected = np.where(coarse.repeat(3, 0).repeat(3, 1), np.nan, fine)
    land = placed(coarse, step=30.0)
    np.testing.assert_array_equal(fulmar.op.mask(placed(fine), with_=land).array, expected)
    out = fulmar.run("sea ! mask --with land ! out", sea=placed(fine), land=land)["out"]
    np.testing.assert_array_equal(out.array, expected)


def test_a_mask_is_a_table_of_shapes():
    a = random(50, 40)
    outlines = {"geometry": [rectangle(5, 10, 12, 30), None, Shapely(rectangle(20, 0, 40, 3))]}
    inside = np.zeros(a.shape, bool)
    inside[10:30, 5:12] = inside[:3, 20:40] = True
    out = fulmar.op.mask(placed(a), with_=fulmar.Table.of(outlines, crs="EPSG:32651"))
    np.testing.assert_array_equal(out.array, np.where(inside, np.nan, a))


@pytest.mark.parametrize("kind", ["u1", "i4", "f4", "i8", "u8"])
def test_zones_are_an_array_of_labels(kind):
    a = random(120, 80)
    zones = np.random.default_rng(4).integers(0, 6, a.shape).astype(kind)
    found = fulmar.op.zonal(placed(a), zones=fulmar.Raster(zones, nodata=0))
    assert found["zone"].tolist() == [1, 2, 3, 4, 5]
    for i, zone in enumerate(found["zone"]):
        cells = a[zones == zone].astype("f8")
        assert found["n"][i] == cells.size and found["min"][i] == cells.min()
        assert found["mean"][i] == pytest.approx(cells.mean(), rel=1e-12)


def frame_of(pandas, shapes, columns, crs):
    """A frame with what geopandas adds: a geometry and its coordinate system."""
    frame = pandas.DataFrame(dict(columns, geometry=shapes))
    object.__setattr__(frame, "crs", crs)
    return frame


def test_zones_are_shapes_of_whatever_holds_them():
    a = random(60, 60)
    boxes = [(2, 3, 20, 30), (25, 10, 60, 20), (30, 30, 31, 31)]
    shapes, names = [rectangle(*b) for b in boxes], ["north", "east", "cell"]
    geojson = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "geometry": g, "properties": {"name": n, "size": i}} for i, (g, n) in enumerate(zip(shapes, names))]}
    given = [fulmar.Table.of(geojson, crs="EPSG:32651"),
             fulmar.Table.of({"name": names, "size": [0, 1, 2], "geometry": [Shapely(g) for g in shapes]}, crs="EPSG:32651")]
    try:
        import pandas
        given.append(frame_of(pandas, [Shapely(g) for g in shapes], {"name": names, "size": [0, 1, 2]}, "EPSG:32651"))
    except ImportError:
        pass
    for zones in given:
        found = fulmar.op.zonal(placed(a), zones=zones)
        assert found["name"].tolist() == names and found["size"].tolist() == [0, 1, 2]
        for i, (left, top, right, bottom) in enumerate(boxes):
            cells = a[top:bottom, left:right].astype("f8")
            assert found["n"][i] == cells.size and found["mean"][i] == pytest.approx(cells.mean(), rel=1e-12)
        assert found.geometry(0)["type"] == "MultiPolygon"
        ring = np.array(found.geometry(1)["coordinates"][0][0])
        np.testing.assert_array_equal(ring, shapes[1]["coordinates"][0])


def test_shapes_without_a_stated_system_are_longitudes_and_latitudes():
    grid = (120.0, 0.01, 0, 36.0, 0, -0.01)
    a = random(40, 40)
    box = {"type": "Polygon", "coordinates": [[(120.1, 35.9), (120.2, 35.9), (120.2, 35.8), (120.1, 35.8), (120.1, 35.9)]]}
    found = fulmar.op.zonal(fulmar.Raster(a, grid, "EPSG:4326"), zones=Shapely(box), weights="equal")
    assert found["n"][0] == 100 and found["mean"][0] == pytest.approx(a[10:20, 10:20].mean(dtype="f8"), rel=1e-6)
    assert found.places[0] == pytest.approx((120.15, 35.85))


def test_a_frame_without_a_coordinate_system_is_refused():
    pandas = pytest.importorskip("pandas")
    a, box = random(20, 20), Shapely(rectangle(2, 3, 8, 9))
    frame = frame_of(pandas, [box], {"n": [1]}, None)
    with pytest.raises(ValueError, match=r"no coordinate system.*set_crs.*fulmar.Table.of\(frame, crs=...\)"):
        fulmar.op.zonal(placed(a), zones=frame)
    found = fulmar.op.zonal(placed(a), zones=fulmar.Table.of(frame, crs="EPSG:32651"))
    assert found["mean"][0] == pytest.approx(a[3:9, 2:8].mean(dtype="f8"), rel=1e-6)


def test_places_of_shapes_are_those_of_their_middle():
    pyproj = pytest.importorskip("pyproj")
    to_lonlat = pyproj.Transformer.from_crs(32651, 4326, always_xy=True).transform
    boxes = fulmar.Table.of({"geometry": [rectangle(0, 0, 10, 20), None]}, crs="EPSG:32651")
    assert boxes.places[0] == pytest.approx(to_lonlat(WEST + 50, NORTH - 100), abs=1e-9)
    assert np.isnan(boxes.places[1]).all()
    points = fulmar.Table.of({"n": [1, 2], "geometry": [{"type": "Point", "coordinates": (WEST, NORTH)},
                                                       {"type": "Point", "coordinates": (WEST + 30, NORTH)}]}, crs="EPSG:32651")
    assert points.places[0] == pytest.approx(to_lonlat(WEST, NORTH), abs=1e-9)
    near = fulmar.op.join({"lon": [points.places[1][0]], "lat": [points.places[1][1]]}, with_=points, nearest=5)
    assert near["n"].tolist() == [2]


def test_rasters_beside_the_scene_are_arrays_or_files(tmp_path):
    a, b, c = (random(30, 40, seed=i) for i in (1, 2, 3))
    reference = np.stack([b, c, a])
    found = fulmar.op.quality(np.stack([a, b, c]), scene=reference, ratio=1)
    difference = np.stack([a, b, c]).astype("f8") - reference
    assert found["rmse"][0] == pytest.approx(np.sqrt((difference ** 2).mean()), rel=1e-6)
    holes = a.copy()
    holes[:10] = np.nan
    more = b.copy()
    more[:5] = np.nan
    mosaic = fulmar.op.mosaic(placed(holes), with_=[placed(more), placed(c)])
    np.testing.assert_array_equal(mosaic.array, np.where(np.isnan(holes), np.where(np.isnan(more), c, more), holes))
    fulmar.run(f"b ! expression b1 ! '{tmp_path}/b.tif'", b=placed(b))
    for file in (str(tmp_path / "b.tif"), tmp_path / "b.tif"):
        assert fulmar.op.align(placed(random(15, 20), step=20.0), to=file).shape == (30, 40)
        summed = fulmar.op.quality(placed(b), scene=file, ratio=1)
        assert summed["rmse"][0] == 0
        assert fulmar.op.stats(file)["max"][0] == b.max()
    drawn = fulmar.op.rasterize(placed(a), column="v", shapes=fulmar.Table.of(
        {"v": [3.5, 7.0], "geometry": [rectangle(0, 0, 4, 4), rectangle(10, 10, 12, 11)]}, crs="EPSG:32651"))
    expected = np.full(a.shape, np.nan, "f4")
    expected[:4, :4], expected[10:11, 10:12] = 3.5, 7
    np.testing.assert_array_equal(drawn.array, expected)


def test_a_panchromatic_band_and_positions_of_ships_are_arrays_and_tables():
    bands, pan = random(3, 30, 40), random(30, 40, seed=2)
    sharp = fulmar.op.pansharpen(bands, pan=pan)  # Brovey: x pan / mean of x
    np.testing.assert_allclose(sharp.array, bands.astype("f8") * pan / bands.mean(0, dtype="f8"), rtol=1e-6)
    moment = np.array(["2021-01-05T01:58:00"] * 2, "M8[s]")
    around = np.array(["2021-01-05T01:57:00", "2021-01-05T01:59:00"] * 2, "M8[s]")
    told = fulmar.op.associate({"lon": [10.0, 10.5], "lat": [50.0, 50.0], "length": [100.0, 120.0], "time": moment},
                               ais={"mmsi": [1, 1, 2, 2], "time": around, "lon": [10.001, 10.001, 12, 12], "lat": [50.0] * 4})
    assert told["state"].tolist() == ["matched", "dark"] and told["mmsi"][0] == 1
    pyproj = pytest.importorskip("pyproj")
    apart = pyproj.Geod(ellps="WGS84").inv(10, 50, 10.001, 50)[2]
    assert told["offset"][0] == pytest.approx(apart, rel=1e-6)


def test_a_calibration_may_be_the_amplitude_of_each_cell():
    dn, amplitude = np.arange(1, 13, dtype="u2").reshape(3, 4), random(3, 4) + 1
    out = fulmar.op.calibrate(fulmar.Raster(dn, unit="DN"), with_=amplitude)
    np.testing.assert_allclose(out.array, dn.astype("f4") ** 2 / amplitude ** 2, rtol=1e-6)


@pytest.mark.parametrize("call, words", [
    (lambda a: fulmar.op.mask(a, with_=a[:5]), "'with_' has no coordinate system, and not the scene's size"),
    (lambda a: fulmar.op.zonal(a, zones=a), "no whole number"),
    (lambda a: fulmar.op.zonal(placed(a), zones={"a": [1.0]}), "give a table whose rows have geometries"),
    (lambda a: fulmar.op.rasterize(placed(a), shapes=a), "is a raster, and shapes are needed"),
    (lambda a: fulmar.op.zonal(a, zones=Shapely(rectangle(0, 0, 2, 2))), "the scene has no coordinate system"),
    (lambda a: fulmar.op.calibrate(fulmar.Raster(a, unit="DN"), with_=a[:5]), "must lie on the scene's own cells"),
    (lambda a: fulmar.op.align(a, to=a), "lies nowhere: give it a transform"),
    (lambda a: fulmar.op.mask(a), "mask needs with_"),
    (lambda a: fulmar.op.mask(a, with_=np.stack([a, a])), "'with_' has 2 bands, and one is needed"),
    (lambda a: fulmar.op.qnr(a, pan=[a, a]), "pan is given twice")])
def test_what_does_not_fit_is_refused_in_words_of_python(call, words):
    with pytest.raises(fulmar.Error) as refused:
        call(random(20, 20))
    text = str(refused.value)
    assert words in text
    assert "--" not in text and "bound to memory" not in text and " ! " not in text and "in fulmar.op." in text
    with pytest.raises(TypeError, match="one kind of geometry"):
        fulmar.Table.of({"geometry": [rectangle(0, 0, 1, 1), {"type": "Point", "coordinates": (0, 0)}]})
    with pytest.raises(TypeError, match="row 1 has a MultiPoint"):
        fulmar.Table.of({"geometry": [{"type": "MultiPoint", "coordinates": [(0, 0), (1, 1)]}]})
    with pytest.raises(fulmar.Error, match="names no coordinate system"):
        fulmar.Table.of({"geometry": [rectangle(0, 0, 1, 1)]}, crs="EPSG:nonsense")

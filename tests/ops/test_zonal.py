# SPDX-License-Identifier: Apache-2.0
"""Zones and shapes on a raster against gdal_rasterize, scipy.ndimage and NumPy."""

import csv

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from scipy import ndimage

from fulmar_cli import SCENE, features, place, read, refused, run, write

WEST, NORTH, CELL = 500000.0, 4000000.0, 10.0


def polygons(path, wkts, crs=32633, **columns):
    """A GeoPackage of polygons with columns of numbers."""
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(crs)
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("zones", reference, ogr.wkbUnknown)
    for name in columns:
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTReal))
    for i, wkt in enumerate(wkts):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
        for name, values in columns.items():
            if values[i] is not None:
                feature.SetField(name, values[i])
        layer.CreateFeature(feature)
    return path


def ring(points):
    points = [*points, points[0]]
    return "(" + ",".join(f"{WEST + x * CELL} {NORTH - y * CELL}" for x, y in points) + ")"


def some_zones(rng, width, height, count=12):
    """Stars of any shape, a zone with a hole, one outside, one that is too small to hold a centre."""
    wkts = []
    for _ in range(count):
        cx, cy, n = rng.uniform(0, width), rng.uniform(0, height), rng.integers(3, 12)
        angle = np.sort(rng.uniform(0, 2 * np.pi, n))
        radius = rng.uniform(3, 40, n)
        wkts.append(f"POLYGON({ring(list(zip(cx + radius * np.cos(angle), cy + radius * np.sin(angle))))})")
    wkts.append(f"POLYGON({ring([(20, 20), (60, 20), (60, 60), (20, 60)])},{ring([(30, 30), (50, 30), (50, 50), (30, 50)])})")
    wkts.append(f"POLYGON({ring([(-50, -50), (-40, -50), (-40, -40)])})")
    wkts.append(f"POLYGON({ring([(5.6, 5.6), (5.9, 5.6), (5.9, 5.9)])})")
    wkts.append(f"MULTIPOLYGON(({ring([(0, 0), (10, 0), (10, 10), (0, 10)])}),({ring([(70, 0), (80, 0), (80, 9)])}))")
    return wkts


def burn(like, zones, attribute=None, touched=False):
    """gdal_rasterize: the number of each zone from 1, or an attribute; NaN outside."""
    source = gdal.Open(str(like))
    target = gdal.GetDriverByName("MEM").Create("", source.RasterXSize, source.RasterYSize, 1, gdal.GDT_Float32)
    target.SetGeoTransform(source.GetGeoTransform())
    target.SetProjection(source.GetProjection())
    target.GetRasterBand(1).Fill(float("nan"))
    data = ogr.Open(str(zones))
    layer = data.GetLayer(0)
    options = ["ALL_TOUCHED=TRUE"] if touched else []
    for i in range(layer.GetFeatureCount()):
        feature = layer.GetFeature(i + 1)
        one = ogr.GetDriverByName("Memory").CreateDataSource("")
        copy = one.CreateLayer("", layer.GetSpatialRef())
        new = ogr.Feature(copy.GetLayerDefn())
        geometry = feature.GetGeometryRef()
        if layer.GetSpatialRef().IsGeographic():
            geometry.Segmentize(1e-4)  # straight sides in longitude and latitude are not straight in the scene
        new.SetGeometry(geometry)
        copy.CreateFeature(new)
        value = i + 1 if attribute is None else feature.GetField(attribute)
        if value is not None:
            gdal.RasterizeLayer(target, [1], copy, burn_values=[value], options=options)
    return target.GetRasterBand(1).ReadAsArray()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zonal")
    rng = np.random.default_rng(9)
    cells = rng.normal(100, 30, (331, 613)).astype(np.float32)
    cells[rng.random(cells.shape) < 0.05] = np.nan
    cells[100:140, 200:300] = np.round(cells[100:140, 200:300] / 50) * 50 - 100  # ties, noughts and negatives
    raster = folder / "scene.tif"
    write(raster, cells)
    wkts = some_zones(rng, 613, 331, 25)
    zones = polygons(folder / "zones.gpkg", wkts, class_=[float(i % 4) for i in range(len(wkts) - 1)] + [None])
    return folder, raster, zones, cells, len(wkts)


def rows_of(path):
    with open(path) as file:
        return [{k: np.nan if v == "" else float(v) for k, v in r.items()} for r in csv.DictReader(file)]


def test_rasterize_is_gdal_rasterize(scene):
    folder, raster, zones, cells, _ = scene
    run(f"{raster} ! rasterize --shapes {zones} ! {folder}/z.tif")
    expected = np.where(np.isnan(cells), np.nan, burn(raster, zones))
    np.testing.assert_array_equal(read(folder / "z.tif"), expected)
    run(f"{raster} ! rasterize --shapes {zones} --column class_ ! {folder}/c.tif")
    # A shape without a value is not drawn.
    np.testing.assert_array_equal(read(folder / "c.tif"), np.where(np.isnan(cells), np.nan, burn(raster, zones, "class_")))


def test_all_touched_holds_at_least_the_centres_and_what_gdal_holds(scene):
    folder, raster, _, cells, _ = scene
    one = polygons(folder / "one.gpkg", [f"POLYGON({ring([(30.3, 40.2), (95.7, 61.4), (60.1, 99.9)])})"])
    run(f"{raster} ! rasterize --shapes {one} --all-touched ! {folder}/t.tif")
    mine = np.isfinite(read(folder / "t.tif"))
    touched = np.isfinite(burn(raster, one, touched=True)) & np.isfinite(cells)
    centres = np.isfinite(burn(raster, one)) & np.isfinite(cells)
    assert (mine & centres).sum() == centres.sum()
    assert (mine ^ touched).sum() <= 2 and mine.sum() > centres.sum() + 50


@pytest.mark.parametrize("percentile", [50, 12.5, 100])
def test_statistics_are_scipys(scene, percentile):
    folder, raster, zones, cells, count = scene
    labels = burn(raster, zones)
    labels = np.where(np.isnan(labels) | np.isnan(cells), 0, labels).astype(int)
    run(f"{raster} ! zonal --zones {zones} --percentile {percentile} ! {folder}/s.csv")
    rows = rows_of(folder / "s.csv")
    assert [r["zone"] for r in rows] == list(range(1, count + 1))
    index = np.arange(1, count + 1)
    n = ndimage.sum(np.ones_like(labels), labels, index)
    wide = cells.astype(float)
    oracle = {"n": n, "sum": ndimage.sum(wide, labels, index), "mean": ndimage.mean(wide, labels, index),
              "min": ndimage.minimum(wide, labels, index), "max": ndimage.maximum(wide, labels, index),
              "std": ndimage.standard_deviation(wide, labels, index)}
    assert (n == 0).sum() >= 2 and (n > 100).sum() > 10
    for i, r in enumerate(rows):
        if n[i] == 0:
            assert r["n"] == 0 and all(np.isnan(r[k]) for k in ("sum", "mean", "min", "max", "std", "percentile"))
            continue
        for k, values in oracle.items():
            assert r[k] == pytest.approx(values[i], rel=1e-12, abs=1e-9), (i, k)
        values = wide[labels == i + 1]
        assert r["percentile"] == pytest.approx(np.percentile(values, percentile), rel=1e-14, abs=1e-13)
    run(f"{raster} ! zonal --zones {zones} --ddof 1 ! {folder}/d.csv")
    for i, r in enumerate(rows_of(folder / "d.csv")):
        if n[i] > 1:
            assert r["std"] == pytest.approx(np.std(wide[labels == i + 1], ddof=1), rel=1e-12)
        assert np.isnan(r["percentile"])


def test_tiles_and_threads_do_not_show(scene):
    folder, raster, zones, _, _ = scene
    texts = set()
    for words in (("--threads", "1"), ("--threads", "3"), ("--backend", "reference")):
        run(f"{raster} ! zonal --zones {zones} --percentile 50 ! {folder}/a.csv", *words)
        texts.add((folder / "a.csv").read_text())
    assert len(texts) == 1


def test_zones_of_another_crs_and_their_own_columns(tmp_path):
    """A real scene in UTM, zones in longitude and latitude; the numbers join the zones they belong to."""
    zones = polygons(tmp_path / "z.gpkg", [
        "POLYGON((-118.26 33.70,-118.24 33.70,-118.24 33.72,-118.26 33.72,-118.26 33.70))",
        "POLYGON((10 10,11 10,11 11,10 10))",
        "POLYGON((-118.22 33.66,-118.20 33.66,-118.20 33.68,-118.22 33.66))"], crs=4326, id=[10.0, 20.0, 30.0])
    run(f"{zones} ! join --with [ {SCENE} ! zonal --zones {zones} ] --on '#=zone' ! {tmp_path}/out.gpkg")
    rows = features(tmp_path / "out.gpkg")
    assert [r["id"] for r in rows] == [10, 20, 30] and [r["zone"] for r in rows] == [1, 2, 3]
    labels = burn(SCENE, zones)
    cells = read(SCENE).astype(float)
    for r in rows:
        values = cells[(labels == r["zone"]) & (cells != 0)]
        assert r["n"] == len(values)
        if len(values):
            assert r["mean"] == pytest.approx(values.mean(), rel=1e-12) and len(values) > 100
        else:
            assert r["mean"] is None and r["id"] == 20
        assert r["geometry"].GetGeometryName() == "MULTIPOLYGON"


def test_join_by_place_and_value(tmp_path):
    ships = tmp_path / "s.csv"
    ships.write_text("id,lon,lat,flag\n1,10.0,50.0,DE\n2,10.1,50.0,FR\n3,-179.999,0.0,\n4,11.0,51.0,XX\n")
    ports = tmp_path / "p.csv"
    ports.write_text("name,lon,lat\nA,10.001,50.0\nB,10.0005,50.0\nC,179.999,0.0\n")
    run(f"{ships} ! join --with {ports} --nearest 500 ! {tmp_path}/o.gpkg")
    assert [r["name"] for r in features(tmp_path / "o.gpkg")] == ["B", None, "C", None]
    assert [r["lon"] for r in features(tmp_path / "o.gpkg")] == [10.0, 10.1, -179.999, 11.0]
    flags = tmp_path / "f.csv"
    flags.write_text("flag,country\nDE,Germany\nFR,France\nDE,again\n")
    run(f"{ships} ! join --with {flags} --on flag --matched ! {tmp_path}/o.gpkg")
    assert [(r["id"], r["country"], r["flag_2"]) for r in features(tmp_path / "o.gpkg")] == [
        (1, "Germany", "DE"), (2, "France", "FR")]
    areas = polygons(tmp_path / "a.gpkg", ["POLYGON((9 49,10.05 49,10.05 52,9 52,9 49))"], crs=4326, area=[7.0])
    run(f"{ships} ! join --with {areas} --inside ! {tmp_path}/o.gpkg")
    assert [r["area"] for r in features(tmp_path / "o.gpkg")] == [7, None, None, None]
    refused(2, f"{ships} ! join --with {ports} ! {tmp_path}/x.csv", names="how to join")
    refused(2, f"{ships} ! join --with {ports} --on name ! {tmp_path}/x.csv", names="no column 'name'")


def test_bad_zones_are_said(scene, tmp_path):
    _, raster, _, _, _ = scene
    apart = polygons(tmp_path / "apart.gpkg", ["POLYGON((100 10,101 10,101 11,100 10))"], crs=4326)
    refused(3, f"{raster} ! zonal --zones {apart} ! {tmp_path}/x.csv", names="apart.gpkg")
    refused(3, f"{raster} ! zonal --zones {tmp_path}/absent.gpkg ! {tmp_path}/x.csv", names="absent.gpkg")
    refused(2, f"{raster} ! rasterize --shapes {apart} --column size ! {tmp_path}/x.tif", names="no column 'size'")
    refused(2, f"{raster} ! zonal ! {tmp_path}/x.csv", names="--zones")
    assert place(raster)[0][0] == WEST

# SPDX-License-Identifier: Apache-2.0
"""Whole numbers that a double does not hold, metres that are said to be degrees, numbers that are not there."""
import csv

import numpy as np
from osgeo import gdal, ogr, osr

from fulmar_cli import call, features, run

CODES = [9007199254740993, 7, 9007199254740997]


def zones(path):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32631)
    file = gdal.GetDriverByName("GPKG").Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
    layer = file.CreateLayer("zones", reference, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("code", ogr.OFTInteger64))
    for k, code in enumerate(CODES):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("code", code)
        x = 500000 + 100 * k
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({x} 5300000, {x + 90} 5300000, {x + 90} 5299910, {x} 5299910, {x} 5300000))"))
        layer.CreateFeature(feature)


def scene(path, cells, epsg=32631, kind=None):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    made = gdal.GetDriverByName("GTiff").Create(str(path), cells.shape[1], cells.shape[0], 1, kind or gdal.GDT_Float32)
    made.SetGeoTransform((500000, 10, 0, 5300000, 0, -10))
    made.SetProjection(reference.ExportToWkt())
    made.GetRasterBand(1).WriteArray(cells)
    return path


def test_identifiers_of_zones_keep_every_digit(tmp_path):
    zones(tmp_path / "zones.gpkg")
    scene(tmp_path / "a.tif", np.ones((30, 30), np.float32))
    run(f"{tmp_path}/a.tif ! zonal --zones {tmp_path}/zones.gpkg ! {tmp_path}/z.csv")
    csv.field_size_limit(1 << 30)
    with open(tmp_path / "z.csv") as file:
        assert [row["code"] for row in csv.DictReader(file)] == [str(c) for c in CODES]


def test_numbers_of_tables_keep_every_digit(tmp_path):
    (tmp_path / "a.csv").write_text("mmsi,big,plus,mixed\n1,9007199254740993,+7,1.5\n2,-12345678901234567890123,8,9007199254740993\n3,,9,\n")
    run(f"{tmp_path}/a.csv ! filter 'mmsi > 0' ! {tmp_path}/b.csv")
    with open(tmp_path / "b.csv") as file:
        rows = list(csv.DictReader(file))
    assert [r["big"] for r in rows] == ["9007199254740993", "-12345678901234567890123", ""]
    assert [r["plus"] for r in rows] == ["7", "8", "9"]  # a number, as before
    run(f"{tmp_path}/a.csv ! filter 'plus > 7.5' ! [ {tmp_path}/c.gpkg ] ! {tmp_path}/c.csv")
    assert [row["big"] for row in features(tmp_path / "c.gpkg")] == ["-12345678901234567890123", None]
    zones(tmp_path / "zones.gpkg")
    run(f"{tmp_path}/zones.gpkg ! filter '1' ! {tmp_path}/d.csv --lco GEOMETRY=NONE")
    with open(tmp_path / "d.csv") as file:
        assert [row["code"] for row in csv.DictReader(file)] == [str(c) for c in CODES]


def test_zones_of_a_raster_beyond_doubles_are_refused(tmp_path):
    scene(tmp_path / "a.tif", np.ones((30, 30), np.float32))
    scene(tmp_path / "z.tif", np.where(np.arange(30) < 15, 2**60 + 1, 2**60 + 3)[None].repeat(30, 0).astype(np.int64),
          kind=gdal.GDT_Int64)
    result = call("run", f"{tmp_path}/a.tif ! zonal --zones {tmp_path}/z.tif ! {tmp_path}/z.csv")
    said = result.err
    assert result.code == 3 and "beyond 2^53" in said and "z.tif" in said


def test_metres_that_are_said_to_be_degrees_are_refused(tmp_path):
    path = scene(tmp_path / "wrong.tif", np.ones((30, 30), np.float32), 4326)
    result = call("run", f"{path} ! stats ! {tmp_path}/s.csv")
    said = result.err
    assert result.code == 3 and "wrong.tif' is said to be in degrees, but its coordinates run to 500" in said and "-a_srs" in said


def test_a_number_that_is_not_there_is_no_unit(tmp_path):
    path = scene(tmp_path / "flat.tif", np.full((30, 30), np.nan, np.float32))
    said = run(f"{path} ! otsu ! {tmp_path}/o.tif").out
    assert "separability     none\n" in said and "threshold        none\n" in said

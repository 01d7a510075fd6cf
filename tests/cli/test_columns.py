# SPDX-License-Identifier: Apache-2.0
"""Types of columns from file to file, as GDAL reads the products: whole numbers stay whole, days stay days."""

import csv
import json

import numpy as np
import pytest
from osgeo import ogr, osr

from fulmar_cli import call, run, write

REAL, WHOLE, TEXT, DAY, MOMENT, CLOCK = (
    ogr.OFTReal, ogr.OFTInteger64, ogr.OFTString, ogr.OFTDate, ogr.OFTDateTime, ogr.OFTTime)


def types(path):
    source = ogr.Open(str(path))
    definition = source.GetLayer(0).GetLayerDefn()
    return {definition.GetFieldDefn(i).GetName(): definition.GetFieldDefn(i).GetType()
            for i in range(definition.GetFieldCount())}


def rows(path):
    source = ogr.Open(str(path))
    return [feature.items() for feature in source.GetLayer(0)]


@pytest.fixture
def scene(tmp_path):
    rng = np.random.default_rng(4)
    cells = rng.normal(5, 2, (2, 40, 50)).astype(np.float32)
    cells[0, :3] = np.nan
    write(tmp_path / "scene.tif", cells)
    write(tmp_path / "zones.tif", (np.arange(2000).reshape(40, 50) // 500 * 3).astype(np.uint8))
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32633)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(tmp_path / "fields.gpkg"))
    layer = source.CreateLayer("fields", reference, ogr.wkbPolygon)
    for name, kind in (("id", ogr.OFTInteger), ("sown", DAY), ("seen", MOMENT)):
        layer.CreateField(ogr.FieldDefn(name, kind))
    for i in range(3):
        feature = ogr.Feature(layer.GetLayerDefn())
        x = 500000 + 120 * i
        feature.SetGeometry(ogr.CreateGeometryFromWkt(
            f"POLYGON(({x} 3999900,{x + 100} 3999900,{x + 100} 3999700,{x} 3999700,{x} 3999900))"))
        feature["id"], feature["sown"], feature["seen"] = 7 + i, f"2020/03/0{i + 1}", f"2020/03/0{i + 1} 12:30:00"
        layer.CreateFeature(feature)
    return tmp_path


@pytest.mark.parametrize("text, whole", [
    ("stats", {"n", "missing"}), ("histogram", {"n"}), ("zonal --zones zones.tif", {"zone", "n"}),
    ("zonal --zones fields.gpkg --categories 9 --percentile 50", {"id", "zone", "n", "variety"}),
    ("zonal --zones fields.gpkg --cover fraction", {"id", "zone"}), ("covariance", {"band", "with", "n"})])
@pytest.mark.parametrize("name", ["o.gpkg", "o.csv"])
def test_numbers_of_things_are_whole(scene, text, whole, name):
    run(f"scene.tif ! {text} ! {name}", cwd=scene)
    if name == "o.csv":
        with open(scene / name) as file:
            lines = list(csv.DictReader(file))
        assert all(r[c].isdigit() for r in lines for c in whole if r[c]), lines
        return
    assert {c for c, kind in types(scene / name).items() if kind == WHOLE} == whole


def test_words_of_whole_numbers(scene):
    told = json.loads(run("scene.tif ! stats ! s.csv", "--json", cwd=scene).out)["summaries"][0]["rows"]
    assert [type(r["n"]) for r in told] == [int, int] and told[0]["n"] + told[0]["missing"] == 2000
    said = call("inspect", "zonal").out
    assert "Number of the zone in its file, from 1; of a raster of zones, its value. [1, whole]" in said
    assert "whole unless --cover fraction]" in said
    finds = {p["name"]: p for p in json.loads(call("inspect", "zonal", "--json").out)["finds"]}
    assert finds["zone"]["whole"] and finds["n"]["whole_unless"] == "cover=fraction" and "whole" not in finds["mean"]


def test_days_stay_days(scene):
    for name in ("o.gpkg", "o.geojson", "o.shp"):
        run(f"scene.tif --band 1 ! zonal --zones fields.gpkg ! {name}", cwd=scene)
        assert types(scene / name)["sown"] == DAY, name
    assert types(scene / "o.gpkg")["seen"] == MOMENT
    assert [(r["sown"], r["seen"]) for r in rows(scene / "o.gpkg")] == [
        (f"2020/03/0{i}", f"2020/03/0{i} 12:30:00+00") for i in (1, 2, 3)]
    run("fields.gpkg ! filter \"sown > '2020-03-01'\" ! later.csv", cwd=scene)
    with open(scene / "later.csv") as file:
        assert [(r["sown"], r["seen"]) for r in csv.DictReader(file)] == [
            (f"2020-03-0{i}", f"2020-03-0{i}T12:30:00Z") for i in (2, 3)]
    # Of a text of days too, through an operator that takes another table's columns.
    (scene / "known.csv").write_text("id,harvested,end\n7,2020-08-01,2020-08-01\n9,2020-08-20,2020-08-20T07:00\n")
    run("fields.gpkg ! join --with known.csv --on id ! joined.gpkg", cwd=scene)
    assert {c: t for c, t in types(scene / "joined.gpkg").items() if t in (DAY, MOMENT)} == {
        "sown": DAY, "seen": MOMENT, "harvested": DAY, "end": MOMENT}
    assert rows(scene / "joined.gpkg")[2]["harvested"] == "2020/08/20"
    # A day and a moment of one name, either way round: neither becomes the other.
    (scene / "day.csv").write_text("id,when\na,2021-01-05\n")
    (scene / "moment.csv").write_text("id,when\na,2021-01-05T23:59:59Z\n")
    for one, other in (("day", "moment"), ("moment", "day")):
        run(f"{one}.csv ! join --with {other}.csv --on id ! both.csv", cwd=scene)
        with open(scene / "both.csv") as file:
            row, = csv.DictReader(file)
        written = {"day": "2021-01-05", "moment": "2021-01-05T23:59:59Z"}
        assert [v for k, v in row.items() if k.startswith("when")] == [written[one], written[other]]


def test_times_of_day(tmp_path):
    """Spreadsheets have such a type, other formats keep the text."""
    source = ogr.GetDriverByName("ODS").CreateDataSource(str(tmp_path / "t.ods"))
    layer = source.CreateLayer("t")
    layer.CreateField(ogr.FieldDefn("at", CLOCK))
    for text in ("09:30:00", "23:59:59"):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["at"] = text
        layer.CreateFeature(feature)
    del feature, layer, source
    for name, kind in (("o.xlsx", CLOCK), ("o.ods", CLOCK), ("o.gpkg", TEXT), ("o.csv", TEXT)):
        run(f"t.ods ! filter \"at != '09:30:00'\" ! {name}", cwd=tmp_path)
        assert types(tmp_path / name)["at"] == kind, name
        assert [r["at"] for r in rows(tmp_path / name)] == ["23:59:59"], name

# SPDX-License-Identifier: Apache-2.0
"""What stands behind the names of files: formats, options, the help that tells of them, and what reaches the terminal."""

import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import SCENE, call, features, files, read, refused, run, same, shared, write

RNG = np.random.default_rng(20261125)
SQUARES = {"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"name": name},
     "geometry": {"type": "Polygon", "coordinates": [[[x, 1], [x + 2, 1], [x + 2, 3], [x, 3], [x, 1]]]}}
    for name, x in (("west", 1), ("east", 5))]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_text("lon,lat,name,n,when\n10.5,50,Ost,7,2020-01-01T06:00:00Z\n11,51.25,West,,2021-07-02T00:00:00Z\n")
    (tmp_path / "zones.geojson").write_text(json.dumps(SQUARES))
    write("degrees.tif", RNG.normal(5, 2, (40, 80)).astype(np.float32), (0, 0.1, 0, 4, 0, -0.1), "EPSG:4326")
    return tmp_path


def sheet(path):
    """The rows of a spreadsheet, read as the archive of XML that it is: numbers and texts."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        if str(path).lower().endswith(".ods"):
            table = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
            office = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
            rows = []
            for row in ElementTree.fromstring(archive.read("content.xml")).iter(table + "table-row"):
                cells = []
                for cell in row.iter(table + "table-cell"):
                    number = cell.get(office + "value")
                    cells.append(float(number) if number is not None else "".join(cell.itertext()).strip())
                rows.append(cells)
            return rows
        main = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
        shared_texts = ["".join(si.itertext()).strip() for si in ElementTree.fromstring(archive.read("xl/sharedStrings.xml")).iter(main + "si")]
        rows = []
        for row in ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml")).iter(main + "row"):
            cells = []
            for cell in row.iter(main + "c"):
                value = cell.find(main + "v")
                text = value is not None and cell.get("t") == "s"
                cells.append("" if value is None else shared_texts[int(value.text)] if text else float(value.text))
            rows.append(cells)
        return rows


@pytest.mark.parametrize("name", ["s.xlsx", "s.ods", "a.b.xlsx", "x.kmz.ods", "UPPER.XLSX"])
def test_spreadsheets(folder, name):
    """A table of numbers, one of points, one of shapes: all columns, points as two more, and a word on what is left out."""
    run(f"degrees.tif ! stats ! {name}")
    run("degrees.tif ! stats ! s.csv")
    titles, values = sheet(name)
    expected = Path("s.csv").read_text().splitlines()
    assert titles == expected[0].split(",")
    np.testing.assert_allclose(values, [float(x) for x in expected[1].split(",")], rtol=1e-14)
    left = files(folder)
    assert name in left and not any("fulmar-" in entry for entry in left)
    first = Path(name).read_bytes()
    assert "exists" in refused(4, f"degrees.tif ! stats ! {name}")
    run(f"degrees.tif ! stats ! {name}")  # with --overwrite
    assert Path(name).read_bytes() == first


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
def test_spreadsheets_of_places(folder, ending):
    run(f"points.csv ! filter 'lat > 0' ! p.{ending}")
    rows = sheet(f"p.{ending}")
    assert rows[0] == ["lon", "lat", "name", "n", "when"] and rows[1][:4] == [10.5, 50, "Ost", 7]
    assert [r["name"] for r in features(f"p.{ending}")] == ["Ost", "West"]
    assert features(f"p.{ending}")[1]["n"] is None
    done = run(f"degrees.tif ! zonal --zones zones.geojson ! z.{ending}")
    assert f"z.{ending}: a spreadsheet holds no shapes" in done.out
    assert [row[0] for row in sheet(f"z.{ending}")] == ["name", "west", "east"]
    # A table of texts alone has a row of names too, which GDAL would take for one of the table.
    Path("texts.csv").write_text("name,kind\na,b\nc,d\n")
    run(f"texts.csv ! filter \"name == 'a'\" ! t.{ending}")
    assert sheet(f"t.{ending}") == [["name", "kind"], ["a", "b"]]
    run(f"texts.csv ! filter \"name == 'none'\" ! e.{ending}")
    assert sheet(f"e.{ending}") == []
    # And back again.
    run(f"p.{ending} ! filter 'lat > 50.5' ! again.csv")
    assert "West" in Path("again.csv").read_text() and "Ost" not in Path("again.csv").read_text()


def test_other_formats(folder):
    """What `help products` names can be written; what it does not name says what can."""
    named = re.findall(r"^  \.(\w+)", call("help", "products").out, re.M)
    assert {"tif", "nc", "gpkg", "csv", "xlsx", "ods", "kml", "geojson"} <= set(named)
    for ending in named:
        if ending == "parquet" and gdal.GetDriverByName("Parquet") is None:
            assert "Parquet" in refused(2, "points.csv ! filter 'lat > 0' ! p.parquet")
            continue
        raster = ending in named[:named.index("gpkg")]
        run(f"degrees.tif ! median --window 3px ! p.{ending}" if raster else f"degrees.tif ! zonal --zones zones.geojson ! p.{ending}")
        if ending not in ("png", "zarr"):
            assert gdal.OpenEx(f"p.{ending}", gdal.OF_RASTER if raster else gdal.OF_VECTOR) is not None
    left = files(folder)
    for name in ("s.txt", "s.dxf", "s.gpx", "s.xls", "s.doc", "s"):
        message = refused(2, f"degrees.tif ! stats ! {name}", names=[name, ".xlsx", ".csv", ".tif", "--of"])
        assert "^" in message and "Geoconcept" not in message
    assert files(folder) == left


def test_every_option_of_files_is_told_and_known(folder):
    """The help, the JSON Schema and the parser have one table."""
    schema = json.loads(call("schema").out)["definitions"]
    for topic, step in (("files", "read"), ("products", "write")):
        text = call("help", topic).out
        named = re.findall(r"^  --([a-z-]+)", text, re.M)
        assert set(named) == set(schema[step]["properties"]) - {step} and len(named) == len(set(named)) >= 7
    for option in ("--band", "--time-range", "--oo"):
        assert "belongs to a file that is read" in refused(2, f"degrees.tif ! stats ! o.csv {option} 1")
    for option in ("--co A=B", "--overwrite", "--of GTiff", "--values a", "--type u8", "--stac"):
        assert "belongs to a product" in refused(2, f"degrees.tif {option} ! stats ! o.csv")
    names = ["--band", "--time-range", "--nodata", "--unit", "--layer", "--with", "--oo"]
    message = refused(2, "degrees.tif --bandd 1 ! stats ! o.csv", names=names)
    assert "did you mean --band?" in message
    assert "did you mean" not in refused(2, "degrees.tif --zzzzzzz 1 ! stats ! o.csv", names=names)
    refused(2, "degrees.tif ! stats ! o.csv --compress ZSTD", names=["--co", "--lco", "--of", "--overwrite", "--stac"])


def test_help_leads_on(folder):
    top = call("help").out
    assert top == call("--help").out.rstrip("\n") + "\n" and "help files" in top and "help products" in top
    assert "help files" in call("run", "--help").out
    assert call("help", "cfar").out == call("inspect", "cfar").out
    assert call("help", "ships").out == call("help", "@ships").out == call("recipes", "ships").out
    assert "--memory" in call("help", "run").out and "--zones" in call("help", "zonal").out
    for word, cure in (("ships", "fulmar recipes ships"), ("@flood", "fulmar recipes flood"), ("mediann", "median")):
        done = call("inspect", word)
        assert done.code == 2 and cure in done.err
    done = call("help", "kfar")
    assert done.code == 2 and "fulmar help cfar" in done.err


@pytest.mark.parametrize("dtype, value, text", [
    ("float32", -9999, "-9999"), ("int16", -9999, "-9999"), ("uint8", 0, "0"), ("float64", 1e20, "1e20"),
    ("uint16", 65535, "65535"), ("int32", -2147483648, "-2147483648"), ("float32", -3.4028234663852886e38, "-3.4028e38"),
])
def test_nodata_of_a_file_that_does_not_say(tmp_path, monkeypatch, dtype, value, text):
    """The same cells as if the file had declared it, in an operator that looks at neighbours and in one that sums."""
    monkeypatch.chdir(tmp_path)
    cells = RNG.integers(1, 200, (2, 90, 70)).astype(dtype)
    gap = RNG.random(cells.shape) < 0.2
    gap[:, 30:50, 20:45] = True
    cells[gap] = value
    write("silent.tif", cells)
    write("said.tif", cells, nodata=value)
    for chain in ("median --window 5px", "front"):
        run(f"silent.tif --nodata {text} --band 2 ! {chain} ! a.tif")
        run(f"said.tif --band 2 ! {chain} ! b.tif")
        assert same(read("a.tif"), read("b.tif")), chain
    run(f"silent.tif --nodata {text} ! stats ! -")
    (row, _) = json.loads(run(f"silent.tif --nodata {text} ! stats ! s.csv", "--json").out)["summaries"][0]["rows"]
    valid = cells[0][~gap[0]].astype(float)
    assert row["n"] == valid.size and row["missing"] == gap[0].sum() and row["min"] == valid.min()
    assert row["mean"] == pytest.approx(valid.mean(), rel=1e-12)


def test_nodata_beside_what_the_file_says(tmp_path, monkeypatch):
    """Both are missing; bands whose type cannot hold the value stay as they are; 64 bits count to the last."""
    monkeypatch.chdir(tmp_path)
    cells = np.tile(np.array([[0, 5, -1, 7, 255]], np.int16), (3, 1))
    write("a.tif", cells, nodata=-1)
    run("a.tif --nodata 255 ! expression b1 ! o.tif")
    assert np.array_equal(np.isnan(read("o.tif")), np.isin(cells, (-1, 255)))
    message = refused(2, "a.tif --nodata 70000 ! stats ! o.csv", names=["--nodata 70000", "i16"])
    assert message.splitlines()[-1].strip() == "^" * len("--nodata 70000")
    assert "a number" in refused(2, "a.tif --nodata none ! stats ! o.csv")
    Path("t.csv").write_text("a,b\n1,2\n")
    assert "--nodata" in refused(2, "t.csv --nodata 1 ! filter 'a > 0' ! o.csv", names="filter")
    big = np.array([[2**53, 2**53 + 1, 4]], np.int64)
    driver = gdal.GetDriverByName("GTiff").Create("big.tif", 3, 1, 1, gdal.GDT_Int64)
    driver.GetRasterBand(1).WriteArray(big)
    driver = None
    run(f"big.tif --nodata {2**53 + 1} ! expression b1 ! o.tif")
    assert np.isnan(read("o.tif")).tolist() == [[False, True, False]]
    # Two steps that read one file in two ways do not share it.
    run("a.tif --nodata 255 --with [ a.tif --nodata 7 ] ! expression 'b1 + 1000' ! [ x.tif ] ! y.tif")
    assert np.isnan(read("x.tif")[0]).tolist() == [False, False, True, False, True]


def test_nodata_of_cubes_and_of_stacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    netcdf = pytest.importorskip("netCDF4")
    cells = RNG.integers(0, 9, (3, 12, 10)).astype(np.int16)
    with netcdf.Dataset("c.nc", "w") as f:
        for name, size in (("time", 3), ("lat", 12), ("lon", 10)):
            f.createDimension(name, size)
        for name, values, unit in (("time", range(3), "days since 2020-01-01"), ("lat", np.arange(12) / 4.0, "degrees_north"),
                                   ("lon", np.arange(10) / 4.0, "degrees_east")):
            v = f.createVariable(name, "f8", (name,))
            v.units, v[:] = unit, list(values)
        v = f.createVariable("x", "i2", ("time", "lat", "lon"), fill_value=3)
        v.set_auto_maskandscale(False)
        v[:] = cells
    run("c.nc --layer x --nodata 5 ! expression 'b1 + b2 + b3' ! o.tif")
    lost = np.isin(cells, (3, 5)).any(axis=0)[::-1]
    assert np.array_equal(np.isnan(read("o.tif")), lost)
    for k in range(2):
        write(f"d2020010{k + 1}.tif", cells[k])
    run("'d*.tif' --nodata 5 ! composite --method mean ! m.tif")
    kept = cells[:2] != 5
    means = np.where(kept.any(axis=0), (cells[:2] * kept).sum(axis=0) / np.maximum(1, kept.sum(axis=0)), np.nan)
    np.testing.assert_allclose(read("m.tif"), means.astype(np.float32), rtol=1e-6)


def test_nothing_but_the_product_reaches_standard_output(folder):
    """GDAL's GRIB library prints of its own accord; the table comes alone, and what was said is told elsewhere."""
    grib = shared("met/era5_2mt_201903_uk.grib")
    done = run(f"{grib} --band 1 ! stats ! -")
    lines = done.out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("n,missing,min")
    assert done.err.count("Ran out of file") == 1 and "fulmar: note: " in done.err
    quiet = run(f"{grib} --band 1 ! stats ! -", "--quiet")
    assert (quiet.out, quiet.err) == (done.out, "")
    report = run(f"{grib} --band 1 ! stats ! s.csv", "--json")
    assert json.loads(report.out)["summaries"] and report.err == ""
    assert "GRIB" not in call("explain", f"{grib} --band 1 ! stats ! -").out


def test_zones_are_called_by_name(folder):
    """In the report, and on the terminal, where outlines would be in the way."""
    done = run("degrees.tif ! zonal --zones zones.geojson ! -")
    lines = done.out.splitlines()
    assert lines[0].split(",")[:2] == ["name", "zone"] and [x.split(",")[0] for x in lines[1:]] == ["west", "east"]
    assert run("degrees.tif ! zonal --zones zones.geojson ! - --lco GEOMETRY=AS_WKT").out.startswith("WKT,name")
    told = run("degrees.tif ! zonal --zones zones.geojson ! z.csv")
    assert Path("z.csv").read_text().startswith("WKT,name")
    table = [line.split() for line in told.out.splitlines()]
    assert ["zonal", "name", "zone"] in [row[:3] for row in table] and table[-1][0] == "east"
    rows = json.loads(run("degrees.tif ! zonal --zones zones.geojson ! z.csv", "--json").out)["summaries"][0]["rows"]
    assert [(r["name"], r["zone"]) for r in rows] == [("west", 1), ("east", 2)]
    write("two.tif", RNG.normal(5, 2, (2, 40, 80)).astype(np.float32), (0, 0.1, 0, 4, 0, -0.1), "EPSG:4326")
    rows = json.loads(run("two.tif ! zonal --zones zones.geojson ! z.csv", "--json").out)["summaries"][0]["rows"]
    assert [r["name"] for r in rows] == ["west", "west", "east", "east"]


def test_a_vrt_of_shapes_is_a_table(folder):
    (folder / "p.csv").write_text("id,x,y\n1,500005,3999995\n2,500015,3999985\n")
    (folder / "p.vrt").write_text('<OGRVRTDataSource><OGRVRTLayer name="p"><SrcDataSource relativeToVRT="1">p.csv</SrcDataSource>'
                                  '<GeometryType>wkbPoint</GeometryType><LayerSRS>EPSG:32633</LayerSRS>'
                                  '<GeometryField encoding="PointFromColumns" x="x" y="y"/></OGRVRTLayer></OGRVRTDataSource>')
    out = run("""p.vrt ! filter "id == '2'" ! -""").out
    assert out.splitlines()[1].startswith("2,")
    gdal.Translate("r.vrt", "degrees.tif")
    run("r.vrt ! stats ! r.csv")

# SPDX-License-Identifier: Apache-2.0
"""What the program says of rasters and tables that do not fit, and of values that look like something else."""

import json

import numpy as np
import pytest

from fulmar_cli import call, features, read, refused, run, write

RNG = np.random.default_rng(7)


def notes(text, *options):
    return json.loads(run(text, "--json", *options).out)["notes"]


@pytest.fixture
def scene(tmp_path):
    return write(tmp_path / "a.tif", RNG.random((60, 50)).astype(np.float32))


# ---- grids ----


def test_grids_are_told_by_name_code_size_corner_and_cells(tmp_path, scene):
    other = write(tmp_path / "b.tif", np.ones((30, 25), np.float32), transform=(500000, 20, 0, 4000000, 0, -20))
    message = refused(2, f"{scene} --with {other} ! expression 'b1 + b2' ! {tmp_path}/o.tif")
    for words in ("25 x 30 cells of 20 x 20 from 500000, 4000000 in WGS 84 / UTM zone 33N (EPSG:32633)",
                  "50 x 60 cells of 10 x 10", f"{other} ! align --to {scene}"):
        assert words in message, message
    assert "PROJCRS" not in message and "GEOGCRS" not in message
    west = write(tmp_path / "w.tif", np.ones((60, 50), np.float32), crs="EPSG:32632")
    message = refused(2, f"{scene} --with {west} ! expression 'b1 + b2' ! {tmp_path}/o.tif")
    assert "UTM zone 32N (EPSG:32632) against" in message and "UTM zone 33N (EPSG:32633)" in message
    # A CRS without a code has its name alone, and two of one name that differ say so.
    made = ('PROJCS["local",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
            'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
            'PARAMETER["central_meridian",{}],PARAMETER["scale_factor",1],PARAMETER["false_easting",0],'
            'PARAMETER["false_northing",0],UNIT["metre",1]]')
    one, two = (write(tmp_path / f"m{k}.tif", np.ones((60, 50), np.float32), crs=made.format(9 + k)) for k in (0, 1))
    message = refused(2, f"{one} --with {two} ! expression 'b1 + b2' ! {tmp_path}/o.tif")
    assert "both called local, are defined in different ways" in message


def test_grids_that_do_not_overlap(tmp_path, scene):
    apart = write(tmp_path / "b.tif", np.ones((60, 50), np.float32), transform=(700000, 10, 0, 4000000, 0, -10))
    message = refused(2, f"{scene} --with {apart} ! expression 'b1 + b2' ! {tmp_path}/o.tif")
    assert "They do not overlap" in message and "mosaic" in message and "align" not in message.split("overlap")[1]
    for text in (f"{scene} ! align --to {apart}", f"{scene} ! warp --extent 700000,3999000,700500,4000000"):
        assert "does not reach the raster" in refused(2, f"{text} ! {tmp_path}/o.tif")
    touching = write(tmp_path / "t.tif", np.ones((60, 50), np.float32), transform=(500500, 10, 0, 4000000, 0, -10))
    assert "They do not overlap" in refused(2, f"{scene} --with {touching} ! expression 'b1 + b2' ! {tmp_path}/o.tif")
    run(f"{scene} ! mosaic --with [ {apart} ] ! {tmp_path}/m.tif")
    assert read(tmp_path / "m.tif").shape[1] > 20000


# ---- values that look like something else ----


def test_counts_that_are_not_calibrated_are_noted(tmp_path, scene):
    counts = write(tmp_path / "dn.tif", RNG.integers(1, 900, (60, 50)).astype(np.uint16))
    cfar = "cfar --guard 3px --background 9px"
    (note,) = notes(f"{counts} ! {cfar} ! {tmp_path}/o.tif")
    assert note.startswith("cfar: the values of ") and "whole numbers without a unit" in note and "--unit 1" in note
    assert "whole numbers" in call("explain", f"{counts} ! {cfar} ! {tmp_path}/o.tif").out
    # Through operators that keep the values, too, and once however many bands there are.
    pair = write(tmp_path / "two.tif", RNG.integers(1, 900, (2, 60, 50)).astype(np.uint16))
    assert len(notes(f"{counts} ! median --window 3px ! {cfar} ! {tmp_path}/o.tif")) == 1
    assert len(notes(f"{pair} ! decibel ! {tmp_path}/o.tif")) == 1
    scaled = write(tmp_path / "scaled.tif", RNG.integers(1, 900, (60, 50)).astype(np.uint16), scale=0.001)
    known = write(tmp_path / "unit.tif", RNG.integers(1, 900, (60, 50)).astype(np.uint16), unit="1")
    for quiet in (f"{counts} --unit 1", scene, scaled, known):
        assert notes(f"{quiet} ! {cfar} ! {tmp_path}/o.tif") == []
    assert notes(f"{counts} ! stats ! {tmp_path}/o.csv") == []


def test_what_is_no_probability_is_noted(tmp_path, scene):
    cells = np.stack([RNG.random((60, 50)) * 100, RNG.random((60, 50))]).astype(np.float32)
    percent = write(tmp_path / "p.tif", cells)
    (note,) = notes(f"{percent} ! evidence ! {tmp_path}/o.tif")
    share = 100 * (cells[0] > 1).mean()
    assert "band 1 of" in note and f"{share:.3g} % of the values" in note and "taken for missing" in note
    assert f"from {cells[0].min():.6g} to {cells[0].max():.6g}" in note
    assert notes(f"{scene} ! evidence ! {tmp_path}/o.tif") == []
    assert notes(f"{percent} ! expression 'b1 / 100' ! evidence ! {tmp_path}/o.tif") == []


# ---- series ----


def test_a_cube_where_a_series_is_asked_for(tmp_path):
    """The advice makes a table of it, and works."""
    days = np.arange("2000-01-01", "2004-01-01", dtype="M8[D]")
    season = 15 + 5 * np.sin(2 * np.pi * np.arange(len(days)) / 365.25)
    season[600:630] += 6
    for chosen, name in ((days[:3], "few"),):
        for k, day in enumerate(chosen):
            write(tmp_path / f"{name}_{str(day).replace('-', '')}.tif", np.full((2, 2), season[k], np.float32))
    message = refused(2, f"{tmp_path}/few_*.tif ! heatwave_events ! {tmp_path}/e.csv")
    assert "`zonal --zones place.geojson` or `stats`" in message and "objects" not in message
    (tmp_path / "s.csv").write_text("time,mean,n\n" + "".join(f"{d},{t},4\n" for d, t in zip(days, season)))
    message = refused(3, f"{tmp_path}/s.csv ! heatwave_events ! {tmp_path}/e.csv")
    assert "several columns of numbers, and none is called sst or temperature" in message and "time, mean, n" in message
    done = call("run", "@heatwave-events", "--set", f"series={tmp_path}/s.csv", "--set", "temperature=mean", "--set",
                "first=2000", "--set", "last=2003", "--set", f"out={tmp_path}/out")
    assert done.code == 0, done.err
    assert "2001-08-23" in [r["date_start"] for r in features(tmp_path / "out/events.csv")]
    assert "zonal --zones" in call("recipes", "heatwave-events").out
    (tmp_path / "t.csv").write_text("time,name\n2000-01-01,a\n")
    assert "no column of numbers" in refused(3, f"{tmp_path}/t.csv ! heatwave_events ! {tmp_path}/e.csv")


# ---- bad input of each kind of table, source and reduction: an error that says why, or a stated missing ----


def csv(path):
    return path.read_text().splitlines()


def test_zones_outside_the_raster(tmp_path, scene):
    inside = "POLYGON((500000 3999500,500300 3999500,500300 4000000,500000 3999500))"
    outside = "POLYGON((0 0,1 0,1 1,0 0))"
    for name, shapes in (("out", [outside]), ("mixed", [outside, inside]), ("none", [])):
        collection = {"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
                      "features": [json.loads(feature_of(w)) for w in shapes]}
        (tmp_path / f"{name}.geojson").write_text(json.dumps(collection))
    message = refused(3, f"{scene} ! zonal --zones {tmp_path}/out.geojson ! {tmp_path}/o.csv")
    assert "do not overlap" in message and "out.geojson" in message
    run(f"{scene} ! zonal --zones {tmp_path}/mixed.geojson ! {tmp_path}/o.csv")
    first, second = (row.split(")\"", 1)[1].split(",")[1:] for row in csv(tmp_path / "o.csv")[1:])
    assert first == ["1", "0", "", "", "", "", ""] and int(second[1]) > 700
    assert "holds no shapes" in refused(3, f"{scene} ! zonal --zones {tmp_path}/none.geojson ! {tmp_path}/o2.csv")
    # Zones that flow, of which none is left, make a table without rows; those outside are an error as well.
    run(f"{scene} ! zonal --zones [ {tmp_path}/mixed.geojson ! filter '1 > 2' ] ! {tmp_path}/e.csv")
    assert len(csv(tmp_path / "e.csv")) == 1
    message = refused(3, f"{scene} ! zonal --zones [ {tmp_path}/out.geojson ! filter '2 > 1' ] ! {tmp_path}/o2.csv")
    assert "do not overlap" in message


def feature_of(wkt):
    from osgeo import ogr
    return json.dumps({"type": "Feature", "properties": {}, "geometry": json.loads(ogr.CreateGeometryFromWkt(wkt).ExportToJson())})


def test_ais_that_is_empty_or_impossible(tmp_path):
    head = "mmsi,time,lon,lat,sog,cog\n"
    (tmp_path / "nothing.csv").write_text("")
    (tmp_path / "nothing.nmea").write_text("")
    (tmp_path / "rowless.csv").write_text(head)
    (tmp_path / "noise.nmea").write_text("$GPGGA,1,2,3*00\nhello\n")
    for name, words in (("nothing.csv", "is empty"), ("nothing.nmea", "is empty"), ("rowless.csv", "holds no rows")):
        message = refused(3, f"{tmp_path}/{name} ! ais ! {tmp_path}/o.csv")
        assert words in message, message
    message = refused(3, f"{tmp_path}/noise.nmea ! ais ! {tmp_path}/o.csv")
    assert "noise.nmea" in message or "ais" in message
    # Ten degrees of longitude in ten seconds: dropped, and said.
    (tmp_path / "fast.csv").write_text(head + "".join(
        f"211000001,2021-01-05T00:{m:02}:00Z,{lon},54,10,90\n" for m, lon in ((0, 10), (10, 10.02), (20, 20), (30, 10.06))))
    assert notes(f"{tmp_path}/fast.csv ! ais ! {tmp_path}/o.csv") == [
        "ais: dropped 1 of 4 positions: 1 jump that implies more than 60 kn"]
    assert [row.split(",")[2] for row in csv(tmp_path / "o.csv")[1:]] == ["10", "10.02", "10.06"]
    # A speed that no ship has, as it is said itself, is no speed.
    (tmp_path / "said.csv").write_text(head + "211000001,2021-01-05T00:00:00Z,10,54,102.3,360\n")
    run(f"{tmp_path}/said.csv ! ais ! {tmp_path}/s.csv")
    row = dict(zip(*(line.split(",") for line in csv(tmp_path / "s.csv"))))
    assert row["sog"] == "" and row["cog"] == "" and row["lon"] == "10"


def test_covariance_that_is_singular(tmp_path):
    x = RNG.random((60, 50)).astype(np.float32)
    twice = write(tmp_path / "twice.tif", np.stack([x, RNG.random((60, 50)), 2 * x]).astype(np.float32))
    flat = write(tmp_path / "flat.tif", np.stack([x, np.full_like(x, 3)]))
    gone = write(tmp_path / "gone.tif", np.full((2, 60, 50), np.nan, np.float32))
    target = write(tmp_path / "t.tif", RNG.random((60, 50)).astype(np.float32))
    for op in ("rx", f"regress --target [ {target} ]"):
        assert "band 3 is constant, or a sum" in refused(3, f"{twice} ! {op} ! {tmp_path}/o.tif", "--overwrite")
        assert "band 2 is constant" in refused(3, f"{flat} ! {op} ! {tmp_path}/o.tif", "--overwrite")
        (note,) = notes(f"{gone} ! {op} ! {tmp_path}/o.tif")
        assert "every cell of the result is missing" in note
        assert np.isnan(read(tmp_path / "o.tif")).all()
    run(f"{twice} ! covariance ! {tmp_path}/c.csv")  # what is singular is told, not refused
    assert len(csv(tmp_path / "c.csv")) == 10


def cube(path, times, units="days since 2000-01-01", calendar="standard"):
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(path, "w") as d:
        for name, size in (("time", len(times)), ("lat", 4), ("lon", 5)):
            d.createDimension(name, size)
        axis = d.createVariable("time", "f8", ("time",))
        axis[:] = times
        for name, value in (("units", units), ("calendar", calendar)):
            if value:
                axis.setncattr(name, value)
        for name, unit, values in (("lat", "degrees_north", np.arange(4.0)[::-1]), ("lon", "degrees_east", np.arange(5.0))):
            v = d.createVariable(name, "f8", (name,))
            v[:], v.units = values, unit
        d.createVariable("sst", "f4", ("time", "lat", "lon"))[:] = RNG.random((len(times), 4, 5))
    return path


@pytest.mark.parametrize("words, more", [
    ("names no date of its calendar", {"units": "days since forever"}), ("calendar 'martian' is not known", {"calendar": "martian"}),
    ("months and years have no fixed length", {"units": "months since 2000-01-01"}),
    ("neither rises nor falls", {"times": [0, 1, 1]}), ("its step 2 has no time", {"times": [0, np.nan, 2]}),
    ("its step 2 has no time", {"times": [0, 1e300, 2]})])
def test_axes_of_time_that_are_broken(tmp_path, words, more):
    path = cube(tmp_path / "c.nc", **{"times": [0, 1, 2], **more})
    message = refused(3, f"{path} ! stats ! {tmp_path}/o.csv")
    assert words in message and "axis time" in message


def test_calendars_that_are_mixed_or_have_other_days(tmp_path):
    real, model = cube(tmp_path / "r.nc", [0, 1, 2]), cube(tmp_path / "m.nc", [0, 1, 2], calendar="noleap")
    message = refused(3, f"{model} --with {real} ! stats ! {tmp_path}/o.csv")
    assert "the calendar noleap" in message and "convert_calendar" in message
    # 30 February has no moment: the row is there, without a time.
    odd = cube(tmp_path / "d.nc", [58, 59, 60], calendar="360_day")
    run(f"{odd} ! stats ! {tmp_path}/s.csv")
    rows = [line.split(",") for line in csv(tmp_path / "s.csv")]
    assert rows[0][:3] == ["time", "band", "n"] and [r[0] for r in rows[1:]] == ["2000-02-29T00:00:00Z", "", "2000-03-01T00:00:00Z"]
    assert [r[1] for r in rows[1:]] == ["b1", "b2", "b3"]
    message = refused(3, f"{odd} ! heatwave --first 2000 --last 2000 ! {tmp_path}/h.tif")
    assert "the time of date 2 is not known" in message
    back = cube(tmp_path / "b.nc", [2, 1, 0])
    assert "not a day apart" in refused(3, f"{back} ! heatwave --first 2000 --last 2000 ! {tmp_path}/h.tif")


# ---- the words of other programs, and of shells ----


@pytest.mark.parametrize("words, cure, place", [
    ("warp --t_srs EPSG:4326", "that is --crs here", "--t_srs"), ("warp -t_srs EPSG:4326", "that is --crs here", "-t_srs"),
    ("warp -crs EPSG:4326", "-crs is written --crs", "-crs"), ("warp -tr 20", "that is --resolution here", "-tr"),
    ("warp --crs 4326", "write it as EPSG:4326", "warp"), ("warp --crs", "--crs needs a value", "--crs"),
    ("reproject --crs EPSG:4326", "that is `warp --crs` here", "reproject"), ("median --size 3px", "that is --window here", "--size"),
    ("resample --resolution 20", "that is `warp --resolution` here", "resample"),
    ("expression 'where(b1 > 3, 1, 2)'", "'where(a, b, c)' is written a ? b : c", "'where(b1 > 3, 1, 2)'"),
    ("expression 'im1b1 > 3'", "im1b1 is written b1", "'im1b1 > 3'"),
    ("expression 'im2b1 > 3'", "those of further files (--with) counted on", "'im2b1 > 3'"),
    ("expression --formula b1 > 3", "put all of it in quotes", ">"), ("expression b1 > 3", "in quotes", ">"),
    ("linear! median", "stands alone", "linear!"), ("linear !median", "stands alone", "!median"),
])
def test_words_of_other_programs(tmp_path, scene, words, cure, place):
    message = refused(2, f"{scene} ! {words} ! {tmp_path}/o.tif", names=cure)
    lines = message.rstrip().split("\n")
    at = lines[-1].index("^")
    assert lines[-2][at:at + lines[-1].count("^")] == place, message


def test_a_mark_that_sticks_to_a_file(tmp_path, scene):
    assert "stands alone" in refused(2, f"{scene}! median ! {tmp_path}/o.tif")
    run(f"'{scene}' ! median ! '{tmp_path}/o!.tif'")
    run(f"'{tmp_path}/o!.tif' --band 1 ! median ! {tmp_path}/p.tif")


def test_a_condition_that_a_shell_cut_short(tmp_path):
    (tmp_path / "t.csv").write_text("area,dark\n3,1\n0,0\n")
    result = call("run", f"{tmp_path}/t.csv", "!", "filter", "--where", "area", "!", f"{tmp_path}/o.csv")
    assert result.code == 0 and "the condition is area alone" in result.out and "needs quotes" in result.out
    assert "alone" not in run(f"{tmp_path}/t.csv ! filter 'area > 1' ! {tmp_path}/o.csv").out


def test_a_table_of_numbers_is_shown_where_it_can_go(tmp_path, scene):
    refused(2, f"{scene} ! stats ! {tmp_path}/o.tif", names=("write .csv, .xlsx or .gpkg, or - for the terminal",))

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
    assert "2001-08-23T00:00:00Z" in [r["date_start"] for r in features(tmp_path / "out/events.csv")]
    assert "zonal --zones" in call("recipes", "heatwave-events").out
    (tmp_path / "t.csv").write_text("time,name\n2000-01-01,a\n")
    assert "no column of numbers" in refused(3, f"{tmp_path}/t.csv ! heatwave_events ! {tmp_path}/e.csv")

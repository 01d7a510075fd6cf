# SPDX-License-Identifier: Apache-2.0
"""What a run says that the user could not see: numbers that are rounded, lengths below a cell, and names of bands."""

import json

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import DATA, call, read, refused, run, write

RNG = np.random.default_rng(3)


def notes(text, cwd):
    found = json.loads(run(text, "--json", cwd=cwd).out)["notes"]
    explained = call("explain", text, cwd=cwd).out
    assert all(f"note      {note}" in explained for note in found), (found, explained)
    return found


@pytest.mark.parametrize("dtype, most, rounded", [
    ("int32", 2**24, 0), ("int32", 2**24 + 1, 1), ("uint32", 4294967295, 128), ("int32", -(2**26) - 5, 4),
    ("float64", 1.7e9, 64), ("float64", 1e7, 0), ("float32", 1e9, 0), ("uint16", 65535, 0),
])
def test_numbers_beyond_24_bits(tmp_path, dtype, most, rounded):
    cells = RNG.integers(0, 100, (50, 40)).astype(dtype)
    cells[7, 7] = most
    write(tmp_path / "in.tif", np.stack([cells, cells % 7]))
    found = notes("in.tif ! stats ! s.csv", tmp_path)
    if rounded == 0:
        assert found == []
        return
    (note,) = found
    assert note.startswith("in.tif: the values of band 1 ") and "16777216" in note and f"by up to {rounded}" in note
    assert f"{most:.10g}" in note
    if not dtype.startswith("float"):  # and so it is
        run("in.tif --band 1 ! expression b1 ! o.tif", cwd=tmp_path)
        assert abs(int(read(tmp_path / "o.tif")[7, 7]) - most) <= rounded
    # What is declared missing is no value.
    write(tmp_path / "gaps.tif", cells, nodata=float(most))
    assert notes("gaps.tif ! stats ! s.csv", tmp_path) == []
    write(tmp_path / "silent.tif", cells)
    assert notes(f"silent.tif --nodata {most!r} ! stats ! s.csv", tmp_path) == []


def test_scaled_numbers(tmp_path):
    cells = np.full((20, 20), 2**30, np.int32)
    write(tmp_path / "in.tif", cells, scale=1e-6)
    assert notes("in.tif ! stats ! s.csv", tmp_path) == []


def test_lengths_below_a_cell(tmp_path):
    write(tmp_path / "in.tif", RNG.random((60, 50)).astype(np.float32), (0, 30, 0, 0, 0, -30), unit="1")
    (note,) = notes("in.tif ! cfar --guard 5 --background 31px ! o.tif", tmp_path)
    assert note.startswith("cfar: --guard 5 is less than a cell, which has 30") and "--guard 5px" in note
    (note,) = notes("in.tif ! median --window 3 ! o.tif", tmp_path)
    assert "--window 3px" in note
    for text in ("median --window 90", "median --window 3px", "median --window 30", "cfar --guard 5px --background 31px"):
        assert notes(f"in.tif ! {text} ! o.tif", tmp_path) == [], text
    # The note is true: nothing happens.
    run("in.tif ! median --window 3 ! a.tif", cwd=tmp_path)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), read(tmp_path / "in.tif"))


def test_a_measure_is_called_by_its_name(tmp_path):
    dem = DATA / "bigtujunga_srtm30_128.tif"
    run(f"@terrain", "--set", f"dem={dem}", "--set", f"out={tmp_path}")
    for name in ("slope", "aspect", "hillshade", "tpi", "tri", "roughness"):
        dataset = gdal.Open(str(tmp_path / f"{name}.tif"))
        assert dataset.GetRasterBand(1).GetDescription() == name
    run(f"{dem} --with [ {dem} ! terrain --measure tri ] --with [ {dem} ! terrain ] ! o.nc", cwd=tmp_path)
    assert {"tri", "slope"} <= {s[0].split(":")[-1] for s in gdal.Open(str(tmp_path / "o.nc")).GetSubDatasets()}


def test_room_for_zones_that_flow(tmp_path):
    """`explain` tells how many rows fit, and a run that finds more refuses with the numbers and the cure."""
    flags = np.zeros((1200, 1200), np.uint8)
    flags[::6, ::6] = 1
    write(tmp_path / "flags.tif", flags, unit="flag")
    write(tmp_path / "in.tif", RNG.random(flags.shape).astype(np.float32), unit="1")
    text = "flags.tif ! objects --intensity [ in.tif ] ! zonal --value [ in.tif ] --percentile 1,2,3,4,5,6,7,8,9 ! z.csv"

    def most(memory):
        (line,) = [x for x in call("explain", "--memory", memory, text, cwd=tmp_path).out.splitlines() if x.startswith("draw")]
        assert "--min-area" in line and "--memory" in line
        return int(line.split("at most ")[1].split()[0])

    assert 1000 <= most("900M") < most("2G") < 40000 < most("64G")
    done = call("run", "--memory", "2G", text, cwd=tmp_path)
    assert done.code == 2 and not (tmp_path / "z.csv").exists()
    for word in ("MiB", "counted by zonal", "raise --memory", "made by this run", "--min-area"):
        assert word in done.err, done.err


def test_products_that_exist(tmp_path):
    """`explain` writes nothing and goes on, but says what a run would refuse."""
    write(tmp_path / "in.tif", np.ones((20, 30), np.float32))
    (tmp_path / "s.csv").write_text("mine")
    text = "in.tif ! [ stats ! s.csv ] ! median --window 3px ! m.tif"
    said = call("explain", text, cwd=tmp_path).out
    assert said.count("note ") == 1 and "note      's.csv' exists: a run is refused without --overwrite" in said
    assert json.loads(call("explain", "--json", text, cwd=tmp_path).out)["notes"] == [
        "'s.csv' exists: a run is refused without --overwrite"]
    assert call("run", text, cwd=tmp_path).code == 4
    for allowed in (["--overwrite", text], [text.replace("s.csv", "s.csv --overwrite")]):
        assert "exists" not in call("explain", *allowed, cwd=tmp_path).out
    assert (tmp_path / "s.csv").read_text() == "mine"


def test_items_that_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a_20210105.tif", np.ones((20, 20), np.float32))
    text = "a_20210105.tif ! median --window 3px ! o.tif --stac"
    run(text)
    (tmp_path / "o.tif").unlink()
    said = call("explain", text)
    assert said.code == 0 and "'o.stac.json' exists: a run is refused without --overwrite" in said.out
    assert "'o.tif' exists" not in said.out
    # Refused before any work, not at its end.
    assert "'o.stac.json' exists; add --overwrite" in refused(4, text) and not (tmp_path / "o.tif").exists()
    assert "exists" not in call("explain", text, "--overwrite").out
    # What hinders a run besides is no note.
    assert call("explain", "a_20210105.tif ! median --window 3px ! absent/o.tif").code == 4


def test_what_two_pipelines_of_a_recipe_find_alike_is_told_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.tif", np.random.default_rng(1).random((40, 40)).astype(np.float32))
    out = run("a.tif ! [ median --window 3px ! stats ! s.csv ] ! [ stats ! t.csv ] ! median --window 3px ! stats ! u.csv").out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("stats")] == ["stats"] * 2


@pytest.mark.parametrize("steps, features", [("median --window 3px ! o.tif", 0), ("expression 'b1 > 0.5' ! objects ! o.gpkg", 64)])
def test_explain_and_the_refusal_of_a_budget_agree(tmp_path, monkeypatch, steps, features):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.tif", np.random.default_rng(1).random((512, 512)).astype(np.float32))
    text = f"a.tif ! {steps}"
    said = refused(2, text, "--memory", "110M", "--threads", "2")
    needs = int(said.split(" needs ")[1].split()[0])
    assert (f"{features} MiB of it for features" in said) == (features > 0), said
    refused(2, text, "--memory", f"{needs - 1}M", "--threads", "2")
    told = call("explain", "--memory", f"{needs}M", "--threads", "2", text).out
    peak = float(told.split("memory    ")[1].split()[0])
    assert needs - 1 < peak + features <= needs, (told, said)
    assert (f"and {features}.0 MiB for features at least" in told) == (features > 0), told


def test_a_product_without_any_value_is_noted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = np.full((300, 40), np.nan, np.float32)
    write(tmp_path / "none.tif", cells)
    cells[-1, -1] = 1
    write(tmp_path / "one.tif", cells)
    for backend in ("cpu", "reference"):
        for steps in ("expression 'b1 * 2'", "expression 'b1 > 0'", "speckle --filter boxcar", "cfar --guard 3px --background 9px"):
            done = run(f"none.tif --unit 1 ! {steps} ! [ n.tif ] ! o.tif", "--backend", backend, "--tile", "32x64")
            assert "n.tif: no cell has a value" in done.out and "o.tif: no cell has a value" in done.out, done.out
        assert "no cell" not in run("one.tif ! expression 'b1 * 2' ! o.tif", "--backend", backend, "--tile", "32x64").out
        two = run("none.tif --with one.tif ! expression 'b2 > 0' ! o.tif", "--backend", backend).out
        assert "no cell" not in two


def test_counts_taken_for_decibels(tmp_path):
    write(tmp_path / "counts.tif", RNG.integers(0, 2800, (40, 50)).astype(np.uint16))
    (note,) = [n for n in notes("counts.tif ! linear ! o.tif", tmp_path) if "decibels" in n]
    assert note.startswith("linear: the values of counts.tif run up to 27") and "`calibrate`" in note
    write(tmp_path / "db.tif", RNG.uniform(-30, 30, (40, 50)).astype(np.float32))
    assert notes("db.tif ! linear ! o.tif", tmp_path) == []


def test_dates_that_a_formula_leaves_out(tmp_path):
    for day in (1, 2, 3):
        write(tmp_path / f"s_2021010{day}.tif", RNG.random((2, 20, 30)).astype(np.float32))
    (note,) = notes("s_*.tif ! expression 'b2 - b1' ! o.tif", tmp_path)
    assert "6 bands, 2 for each of 3 dates" in note and "b3 is the first band of the second" in note
    assert notes("s_*.tif ! expression 'b3 - b1' ! o.tif", tmp_path) == []
    assert notes("s_20210101.tif ! expression 'b2 - b1' ! o.tif", tmp_path) == []
    write(tmp_path / "undated.tif", RNG.random((4, 20, 30)).astype(np.float32))
    assert notes("undated.tif ! expression 'b1 * 2' ! o.tif", tmp_path) == []

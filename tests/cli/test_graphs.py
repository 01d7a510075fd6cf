# SPDX-License-Identifier: Apache-2.0
"""Graphs whose inputs take what flows or what was made before, and what is said where words do not fit."""

import json

import numpy as np
import pytest
from fulmar_cli import LUT, call, read, refused, run, same, shared, write

COARSE = (500000.0, 20.0, 0.0, 4000000.0, 0.0, -20.0)


@pytest.fixture
def scene(tmp_path):
    rng = np.random.default_rng(1)
    return write(tmp_path / "a.tif", rng.uniform(0.1, 0.9, (3, 60, 80)).astype(np.float32))


# ---- inputs ----


def test_an_input_goes_on_with_what_flows(scene, tmp_path):
    run(f"{scene} --band 1 ! expression --band [ ! expression 'sqrt(b1)' ] 'b2 - b1' ! {tmp_path}/o.tif")
    cells = read(scene).astype(np.float64)
    np.testing.assert_allclose(read(tmp_path / "o.tif"), np.sqrt(cells) - cells, atol=1e-7)
    run(f"{scene} --band 1 --with [ ! expression 'sqrt(b1)' ] ! {tmp_path}/w.tif")
    np.testing.assert_allclose(read(tmp_path / "w.tif", 2), np.sqrt(cells), atol=1e-7)


def test_a_value_made_before_is_taken_by_its_name(scene, tmp_path):
    run(f"{scene} ! evidence ! [ {tmp_path}/p.tif --values probability,uncertainty ] ! "
        f"expression --band uncertainty 'b1 * (1 - b2)' ! {tmp_path}/o.tif")
    p, doubt = read(tmp_path / "p.tif").astype(np.float64), read(tmp_path / "p.tif", 2)
    np.testing.assert_allclose(read(tmp_path / "o.tif"), p * (1 - doubt), atol=1e-7)
    run(f"{scene} ! evidence ! expression 'b1 > 0.5' ! objects --intensity probability ! {tmp_path}/o.gpkg")


def test_the_forms_of_a_pipeline_know_both(scene, tmp_path):
    text = f"{scene} --band 1 ! expression --band [ ! expression 'sqrt(b1)' ] 'b2 - b1' ! {tmp_path}/o.tif"
    kept = call("convert", text, "--to", "json").out
    assert json.loads(kept)["pipeline"][1]["band"] == {"pipeline": [{"apply": "expression", "arguments": ["sqrt(b1)"]}]}
    (tmp_path / "job.json").write_text(kept)
    run(text)
    first = read(tmp_path / "o.tif")
    assert call("run", "--overwrite", tmp_path / "job.json").code == 0
    assert same(first, read(tmp_path / "o.tif"))


def test_inputs_without_brackets_are_told_how(scene, tmp_path):
    out = tmp_path / "o.tif"
    message = refused(2, f"{scene} ! pansharpen --pan linear ! {out}")
    assert "--pan of pansharpen takes a pipeline in brackets, and 'linear' is an operator" in message
    assert "--pan [ file.tif ! linear ]" in message and "--pan [ ! linear ]" in message
    message = refused(2, f"{scene} ! pansharpen --pan {scene} ! {out}")
    assert f"--pan [ {scene} ]" in message
    message = refused(2, f"{scene} --with linear ! {out}")
    assert "'linear' is an operator" in message and "--with [ file.tif ! linear ]" in message
    message = refused(2, f"{scene} ! evidence ! expression --band probabilty 'b1' ! {out}")
    assert "name of a value made before: probability, uncertainty" in message


# ---- grids ----


def test_grids_that_look_alike_show_where_they_differ(tmp_path):
    cells = np.ones((30, 40), np.float32)
    a = write(tmp_path / "a.tif", cells)
    b = write(tmp_path / "b.tif", cells, transform=(500003.0, 10.0, 0.0, 4000000.0, 0.0, -10.0))
    message = refused(2, f"{a} --with {b} ! expression 'b1 - b2' ! {tmp_path}/o.tif")
    assert "its first corner is 500003, 4000000 and not 500000, 4000000, off by 0.3 x 0 cells" in message
    c = write(tmp_path / "c.tif", cells, transform=(500000.0, 10.001, 0.0, 4000000.0, 0.0, -10.0))
    d = write(tmp_path / "d.tif", cells, transform=(500000.0, 10.0000001, 0.01, 4000000.0, 0.0, -10.0))
    assert "10.001 x 10" in refused(2, f"{a} --with {c} ! expression 'b1 - b2' ! {tmp_path}/o.tif")
    assert "with turns 0.01, 0" in refused(2, f"{a} --with {d} ! expression 'b1 - b2' ! {tmp_path}/o.tif")


def test_the_coarse_grid_is_brought_onto_the_fine_one(tmp_path):
    coarse = write(tmp_path / "colours.tif", np.ones((3, 30, 40), np.float32), transform=COARSE)
    pan = write(tmp_path / "pan.tif", np.ones((60, 80), np.float32))
    for text in (f"{coarse} ! pansharpen --pan [ {pan} ]", f"{pan} --with [ {coarse} ] ! expression 'b1 - b2'"):
        message = refused(2, f"{text} ! {tmp_path}/o.tif")
        assert f"{coarse} ! align --to {pan}" in message and f"{pan} ! align" not in message


# ---- numbers ----


@pytest.mark.parametrize("given, words", [("256", "256 bytes, in which nothing can run; did you mean 256MiB?"),
                                          ("1", "did you mean 1MiB?"), ("900K", "921600 bytes"),
                                          ("1048575", "did you mean 1048575MiB?")])
def test_a_memory_in_which_nothing_runs(scene, tmp_path, given, words):
    assert words in refused(2, f"{scene} ! {tmp_path}/o.tif", "--memory", given)


def test_bands_that_are_not_there(scene, tmp_path):
    message = refused(3, f"{scene} --band 1-900 ! {tmp_path}/o.tif")
    assert "a.tif has 3 bands, but band 4 of it is asked for, by --band 1-900" in message
    message = refused(2, f"{scene} ! expression 'b1 + b12' ! {tmp_path}/o.tif")
    assert "names band b12" in message and "has 3" in message
    message = refused(2, f"{scene} ! expression 'b1 + b99' ! {tmp_path}/o.tif")
    assert "there is no band b99; the highest is b64: choose the bands where they are read, with --band" in message


def test_an_expression_sees_all_bands(tmp_path):
    rng = np.random.default_rng(2)
    cells = rng.normal(size=(64, 9, 131)).astype(np.float32)
    cells[11, 4] = np.nan
    path = write(tmp_path / "many.tif", cells)
    run(f"{path} ! expression 'b12 - b3 * b64' ! {tmp_path}/o.tif")
    wide = cells.astype(np.float64)
    np.testing.assert_array_equal(read(tmp_path / "o.tif"), (wide[11] - wide[2] * wide[63]).astype(np.float32))


# ---- explain ----


def test_explain_writes_nothing_and_so_minds_no_product(scene, tmp_path):
    out = tmp_path / "o.tif"
    out.write_text("mine")
    assert call("explain", f"{scene} ! linear --by 2 ! {out}").code == 2  # no such parameter
    told = call("explain", f"{scene} --unit dB ! linear ! {out}")
    assert told.code == 0, told.err
    assert out.read_text() == "mine"
    assert "exists" in refused(4, f"{scene} --unit dB ! linear ! {out}")


def test_explain_tells_what_warps_read(tmp_path):
    fine = write(tmp_path / "fine.tif", np.ones((600, 800), np.float32))
    coarse = write(tmp_path / "coarse.tif", np.ones((100, 100), np.float32), transform=(501000.0, 20.0, 0, 3999000.0, 0, -20.0))
    told = json.loads(call("explain", "--json", f"{fine} ! align --to {coarse} ! {tmp_path}/o.tif").out)
    assert told["bytes"]["warped"] == 200 * 200 * 4
    assert "of other grids up to" in call("explain", f"{fine} ! align --to {coarse} ! {tmp_path}/o.tif").out
    assert json.loads(call("explain", "--json", f"{fine} ! median ! {tmp_path}/o.tif").out)["bytes"]["warped"] == 0


# ---- calibration ----


@pytest.mark.parametrize("name, words", [
    ("s1b-iw-grd-vh-20211223t051122-20211223t051147-030148-039985-002.tif", "polarisation is vv, that of the scene vh"),
    ("s1a-iw-grd-vv-20211223t051122-20211223t051147-030148-039985-001.tif", "satellite is s1b, that of the scene s1a"),
    ("s1b-ew-grd-vv-20211223t051122-20211223t051147-030148-039985-001.tif", "swath is iw, that of the scene ew"),
    ("s1b-iw-grd-vv-20211223t051147-20211223t051212-030148-039985-001.tif", "begins at 2021-12-23T05:11:22.594441"),
    ("s1b-iw-grd-vv-20211223t051122-20211223t051147-030148-039985-001.tif", None),
    ("scene.tif", None)])
def test_a_table_of_another_scene_is_refused(tmp_path, name, words):
    write(tmp_path / name, np.full((20, 30), 100, np.uint16))
    text = f"{tmp_path / name} ! calibrate --with {LUT} ! {tmp_path}/o.tif"
    if words is None:
        run(text)
        return
    message = refused(3, text)
    assert "does not belong to" in message and words in message and "--with" in message


def test_a_table_that_does_not_reach_is_refused(tmp_path):
    write(tmp_path / "wide.tif", np.full((2, 27000), 100, np.uint16))
    message = refused(3, f"{tmp_path}/wide.tif ! calibrate --with {LUT} ! {tmp_path}/o.tif")
    assert "reaches to line 17373 and sample 26101" in message and "sample 26999" in message
    write(tmp_path / "cut.tif", np.full((20, 30), 100, np.uint16))
    message = refused(3, f"{tmp_path}/cut.tif ! calibrate --with {LUT} --line-offset 19000 ! {tmp_path}/o.tif")
    assert "from 19000,0 to line 19019" in message


# ---- probabilities ----


def test_what_is_no_probability_says_nothing(tmp_path):
    cells = np.float32([[[0.7, 0.7, 0.7, 1.5]], [[0.8, 80, -0.1, np.inf]]])
    path = write(tmp_path / "p.tif", cells)
    run(f"{path} ! evidence ! {tmp_path}/o.tif")
    got = read(tmp_path / "o.tif")[0]
    np.testing.assert_allclose(got, [0.9032258, 0.7, 0.7, np.nan], atol=1e-7)


def test_flood_of_one_scene_from_end_to_end(tmp_path):
    """The same graph in text, without the recipe."""
    source = shared("flood/spain_7370579_s1.tif")
    run(f"{source} --band 2 ! median --window 5px ! bimodal ! [ {tmp_path}/w.tif ] ! objects --min-area 5000 ! {tmp_path}/w.gpkg")
    assert 0.02 < np.nanmean(read(tmp_path / "w.tif")) < 0.6

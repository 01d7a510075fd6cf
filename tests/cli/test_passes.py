# SPDX-License-Identifier: Apache-2.0
"""Pipelines of several passes, grids and files, through the program: what must be refused is, and by name."""

import json

import numpy as np
from fulmar_cli import call, read, refused, run, write


def numbers(text):
    return json.loads(run(text, "--json").out)["summaries"][0]["rows"]


def field(seed=1, shape=(60, 80)):
    return np.random.default_rng(seed).gamma(4, 0.01, shape).astype(np.float32)


def test_a_product_has_one_grid(tmp_path):
    write(tmp_path / "g1.tif", field(1, (20, 30)), transform=(500040, 10, 0, 4000000, 0, -10))
    write(tmp_path / "g2.tif", field(2, (40, 30)), transform=(500000, 10, 0, 4000000, 0, -10))
    for text in (f"{tmp_path}/g*.tif ! {tmp_path}/o.tif", f"{tmp_path}/g*.tif ! decibel ! {tmp_path}/o.tif"):
        refused(2, text, names=["g2.tif does not lie on the grid of", "align --to"])
    assert not (tmp_path / "o.tif").exists()


def test_a_constant_raster_is_counted(tmp_path):
    write(tmp_path / "one.tif", np.ones((4, 4), np.float32))
    rows = numbers(f"{tmp_path}/one.tif ! histogram --bins 8 ! {tmp_path}/h.csv")
    assert [r["n"] for r in rows] == [16] + 7 * [0]
    assert numbers(f"{tmp_path}/one.tif ! otsu ! {tmp_path}/o.tif")[0] == {
        "threshold": None, "separability": None, "n": 16}


def test_separability_keeps_its_digits(tmp_path):
    cells = np.full((40, 40), 1e6, np.float32)
    cells[:20] += 0.0625
    write(tmp_path / "far.tif", cells)
    found = numbers(f"{tmp_path}/far.tif ! otsu ! {tmp_path}/o.tif")[0]
    assert abs(found["separability"] - 1) < 1e-9


def test_ranks_of_every_band(tmp_path):
    write(tmp_path / "two.tif", np.stack([field(1), field(2)]))
    run(f"{tmp_path}/two.tif ! median ! {tmp_path}/o.tif")
    run(f"{tmp_path}/two.tif --band 2 ! median ! {tmp_path}/b.tif")
    assert (read(tmp_path / "o.tif", 2) == read(tmp_path / "b.tif")).all()


def test_a_calibration_table_belongs_to_one_file(tmp_path):
    from fulmar_cli import LUT

    for name in ("a.tif", "b.tif"):
        write(tmp_path / name, (field() * 1e4).astype(np.uint16))
    refused(2, f"{tmp_path}/?.tif ! calibrate --with /vsigzip/{LUT} ! {tmp_path}/o.tif", names="one file at a time")
    refused(2, f"{tmp_path}/a.tif ! warp --crs EPSG:32633 --resolution 20 ! calibrate --with /vsigzip/{LUT} ! {tmp_path}/o.tif",
            names="before what brings the scene onto another grid")


def test_a_very_long_pipeline_of_two_passes(tmp_path):
    write(tmp_path / "tiny.tif", field(1, (3, 4)))
    steps = "! expression b1 " * 5000
    (tmp_path / "long.txt").write_text(f"{tmp_path}/tiny.tif {steps} ! otsu ! {tmp_path}/o.tif")
    result = call("explain", (tmp_path / "long.txt").read_text())
    assert result.code == 0, result.err[:500]


def test_a_picture_lies_on_the_grid_of_its_objects(tmp_path):
    cells = np.zeros((60, 80), np.float32)
    cells[10:20, 30:50] = 5
    write(tmp_path / "a.tif", cells)
    run(f"{tmp_path}/a.tif ! warp --resolution 5 ! expression 'b1 > 1' ! objects ! {tmp_path}/o.png")
    from osgeo import gdal

    picture = gdal.Open(str(tmp_path / "o.png"))
    assert (picture.RasterXSize, picture.RasterYSize) == (160, 120)


def test_the_input_that_flows_may_be_given_more_bands(tmp_path):
    write(tmp_path / "a.tif", np.full((20, 30), 0.9, np.float32))
    write(tmp_path / "b.tif", np.full((20, 30), 0.1, np.float32))
    run(f"{tmp_path}/a.tif ! evidence --probability [ {tmp_path}/b.tif ] ! {tmp_path}/o.tif")
    assert np.allclose(read(tmp_path / "o.tif"), 0.5)
    refused(2, f"{tmp_path}/a.tif ! decibel --intensity [ {tmp_path}/b.tif ] ! {tmp_path}/x.tif", names="leave --")


def test_grids_out_of_all_proportion_are_refused(tmp_path):
    write(tmp_path / "a.tif", field(), crs="EPSG:32633")
    write(tmp_path / "b.tif", field(), crs="EPSG:32611")
    for step, words in (
        ("warp --crs EPSG:4326 --resolution 30", ["a single cell", "units of the CRS"]),
        ("warp --crs EPSG:4326 --resolution 1e-9", ["times those it is made from"]),
        (f"mosaic --with [ {tmp_path}/b.tif ]", ["times those it is made from"]),
    ):
        refused(2, f"{tmp_path}/a.tif ! {step} ! {tmp_path}/o.tif", names=words)

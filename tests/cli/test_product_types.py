# SPDX-License-Identifier: Apache-2.0
"""Rasters in a type that the user chooses: the cells of gdal_translate -ot, and what becomes of missing ones."""

import subprocess

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import files, read, refused, run, write

RNG = np.random.default_rng(20261125)
TYPES = {"u8": "Byte", "u16": "UInt16", "i16": "Int16", "u32": "UInt32", "i32": "Int32", "f32": "Float32", "f64": "Float64"}


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """Two bands with halves, what is just beside them, and numbers beyond every type; no cell is missing."""
    monkeypatch.chdir(tmp_path)
    cells = RNG.normal(0, 1, (2, 700, 1100)) * RNG.choice([1, 300, 7e4, 1e10], (2, 700, 1100))
    cells[:, ::3] = np.rint(cells[:, ::3]) + 0.5
    cells = cells.astype(np.float32)
    cells[:, 1::5] = np.nextafter(cells[:, 1::5], np.float32(0))
    cells[0, 2, :4] = 0.49999997, -0.49999997, 254.5, -0.0
    write("s.tif", cells)
    return cells


def nodata_of(path):
    file = gdal.Open(str(path))  # kept: a band does not outlive it
    return file.GetRasterBand(1).GetNoDataValue()


@pytest.mark.parametrize("kind", TYPES)
def test_cells_are_those_of_gdal_translate(scene, kind):
    run(f"s.tif ! expression 'b1' ! o.tif --type {kind}")
    run("s.tif ! expression 'b1' ! p.tif")
    subprocess.run(["gdal_translate", "-q", "-ot", TYPES[kind], "p.tif", "g.tif"], check=True)
    ours, theirs = read("o.tif"), read("g.tif")
    assert ours.dtype == theirs.dtype
    # GDAL adds a half in f32: right neither just below a half nor from 2^23 on, nor at the ends of 32 bits.
    size = np.abs(scene[0])
    right = (size > 1) & (size < 2**22) | (size < 0.49) | (size == 0.5) | kind.startswith("f")
    assert right.mean() > 0.5 and np.array_equal(ours[right], theirs[right])
    if not kind.startswith("f"):
        exact = np.copysign(np.floor(np.abs(scene[0].astype(float)) + 0.5), scene[0])
        limits = np.iinfo(ours.dtype)
        assert np.array_equal(ours, np.clip(exact, limits.min, limits.max).astype(ours.dtype))
        assert nodata_of("o.tif") is None


def test_the_bytes_do_not_tell_the_tiles(scene):
    run("s.tif ! median --window 3px ! a.tif --type i16 --nodata -32768")
    expected = open("a.tif", "rb").read()
    for options in (("--threads", "2"), ("--memory", "160M"), ("--backend", "reference")):
        run("s.tif ! median --window 3px ! b.tif --type i16 --nodata -32768 --overwrite", *options)
        assert np.array_equal(read("a.tif"), read("b.tif"))
    run("s.tif ! median --window 3px ! a.tif --type i16 --nodata -32768 --overwrite", "--threads", "1")
    assert open("a.tif", "rb").read() == expected


@pytest.mark.parametrize("kind, nodata", [("u8", 0), ("u8", 255), ("i16", -32768), ("u16", 65535), ("i32", -9999), ("f32", -9999)])
def test_missing_cells_and_those_that_meet_their_value(scene, kind, nodata):
    cells = scene.copy()
    gap = RNG.random(cells.shape) < 0.1
    cells[gap] = np.nan
    cells[0, 5, :50] = nodata
    gap[0, 5, :50] = False
    write("m.tif", cells)
    run(f"m.tif ! expression b1 ! o.tif --type {kind} --nodata {nodata}")
    ours = read("o.tif")
    assert nodata_of("o.tif") == nodata
    assert np.array_equal(ours == nodata, gap[0])
    beside = ours[0, :50] if ours.ndim == 1 else ours[5, :50]
    step = -1 if nodata in (255, 65535) else 1
    assert np.all(beside == (np.nextafter(np.float32(nodata), np.float32(np.inf)) if kind == "f32" else nodata + step))


def test_flags_and_stacks_of_several_bands(scene):
    run("s.tif ! cfar --background 11px --guard 3px ! f.tif --type u16 --nodata 7")
    run("s.tif ! cfar --background 11px --guard 3px ! p.tif")
    plain, typed = read("p.tif"), read("f.tif")
    assert typed.dtype == np.uint16 and np.array_equal(np.where(plain == 255, 7, plain), typed)
    run("s.tif ! speckle --filter boxcar ! v.tif --type i16 --co TILED=NO")
    run("s.tif ! speckle --filter boxcar ! w.tif --type i16")
    strips, tiles = (gdal.Open(name).ReadAsArray() for name in ("v.tif", "w.tif"))
    assert strips.shape == scene.shape and strips.dtype == np.int16 and np.array_equal(strips, tiles)


def test_cubes(scene):
    netcdf = pytest.importorskip("netCDF4")
    scene[:, 10:20] = np.nan
    write("m.tif", scene)
    run("m.tif ! expression b1 ! c.nc --type i16 --nodata -1")
    run("m.tif ! expression b1 ! c.tif --type i16 --nodata -1")
    with netcdf.Dataset("c.nc") as file:
        file.set_auto_mask(False)
        stored = [v for v in file.variables.values() if v.ndim >= 2 and v.dtype == np.int16]
        assert len(stored) == 1 and stored[0]._FillValue == -1
        cells = np.squeeze(stored[0][:])
    assert np.array_equal(cells, read("c.tif")) or np.array_equal(cells[::-1], read("c.tif"))


def test_the_end_of_a_type_may_be_the_missing_value(scene):
    most = np.finfo("f4").max
    cells = np.array([[most, 1, np.nan, 2]], "f4")
    write("most.tif", cells)
    run("most.tif ! expression b1 ! o.tif --type f32 --nodata 3.4028234663852886e38")
    assert read("o.tif").tolist() == [[np.nextafter(most, np.float32(0)), 1, most, 2]]


def test_refusals(scene):
    cells = scene.copy()
    cells[0, 300, 500] = np.nan
    write("m.tif", cells)
    before = files(".")
    message = refused(2, "m.tif ! expression b1 ! o.tif --type u16", names=["--nodata", "u16", "o.tif"])
    assert "missing" in message
    refused(2, "m.tif ! median ! o.tif --type int16", names=["u8", "f64", "int16"])
    refused(2, "m.tif ! median ! o.tif --type u8 --nodata -1", names=["-1", "u8"])
    refused(2, "m.tif ! median ! o.tif --nodata -1", names=["--type"])
    refused(2, "m.tif ! stats ! o.csv --type u8", names=["--type", "o.csv"])
    refused(2, "m.tif ! median ! o.png --type u8", names=["--type", "o.png"])
    # The cure that is offered must not make a "no" a "yes", or meet what is there.
    assert "--type i16 --nodata -32768" in refused(2, "m.tif ! otsu ! o.tif --type i16")
    refused(2, "m.tif ! otsu ! o.tif --type u8 --nodata 0", names=["what a flag says", "--nodata 255"])
    refused(2, "m.tif ! median ! o.tif --type f32 --nodata 1e39", names=["1e39", "f32"])
    assert "belongs to a product" in refused(2, "m.tif --type u8 ! median ! o.tif")
    assert files(".") == before

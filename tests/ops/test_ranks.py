# SPDX-License-Identifier: Apache-2.0
"""Medians and percentiles of windows against NumPy and SciPy, on real scenes and on made ones, to the last bit."""

import numpy as np
import pytest
from scipy import ndimage

from fulmar_cli import SCENE, place, read, refused, run, same, shared, write


def windows(cells, width, height=None):
    """The cells of the window around each cell, missing beyond the raster: rows x columns x cells."""
    height = height or width
    padded = np.pad(cells.astype(float), ((height // 2,) * 2, (width // 2,) * 2), constant_values=np.nan)
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width))
    return views.reshape(*cells.shape, width * height)


def percentile(cells, p, width, height=None, min_valid=0.0):
    """Hyndman & Fan's type 7 by NumPy, of the valid cells; a missing cell stays missing."""
    around = windows(cells, width, height)
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        expected = np.nanpercentile(around, p, axis=-1)
    n = np.isfinite(around).sum(-1)
    expected[~np.isfinite(cells) | (n < min_valid * around.shape[-1])] = np.nan
    return expected


def close(got, expected):
    """Equal to half a unit of f32; missing at the same cells."""
    assert got.dtype == np.float32
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    valid = ~np.isnan(got)
    assert np.allclose(got[valid], expected[valid], rtol=6e-8, atol=1e-45)
    return valid


def gappy(path, rng, share=0.03):
    """A scene in f32 with cells and a block of it taken away."""
    cells = read(path).astype(np.float32)
    cells[~np.isfinite(cells)] = np.nan
    cells[rng.random(cells.shape) < share] = np.nan
    cells[20:60, 30:90] = np.nan
    return cells


@pytest.mark.parametrize("width", [3, 5, 7, 9, 31])
def test_median_of_a_radar_scene(tmp_path, width):
    """Interior cells of windows without gaps are SciPy's median filter, bit for bit."""
    run(f"{SCENE} ! median --window {width}px ! {tmp_path}/out.tif")
    cells, got = read(SCENE), read(tmp_path / "out.tif")
    half = width // 2
    whole = ndimage.uniform_filter(np.isfinite(cells).astype(float), width, mode="constant") > 1 - 0.5 / width**2
    assert whole[half:-half, half:-half].any()
    cut = slice(0, 160), slice(0, 200)
    expected = ndimage.median_filter(np.nan_to_num(cells[cut]), width)
    inside = np.zeros(expected.shape, bool)
    inside[half:-half, half:-half] = whole[cut][half:-half, half:-half]
    assert inside.any()
    assert np.array_equal(got[cut][inside], expected[inside])


@pytest.mark.parametrize("width, p", [(3, 0), (3, 25), (5, 90), (5, 100), (7, 37.5), (9, 10), (21, 95)])
def test_percentile_with_gaps(tmp_path, width, p):
    cells = gappy(SCENE, np.random.default_rng(1))[:150, :170]
    write(tmp_path / "scene.tif", cells)
    run(f"{tmp_path}/scene.tif ! percentile {p} --window {width}px ! {tmp_path}/out.tif")
    close(read(tmp_path / "out.tif"), percentile(cells, p, width))


@pytest.mark.parametrize("width, height", [(1, 3), (3, 9), (15, 3), (1, 61), (61, 1)])
def test_windows_in_metres_need_not_be_square(tmp_path, width, height):
    rng = np.random.default_rng(2)
    cells = rng.normal(size=(70, 90)).astype(np.float32)
    cells[rng.random(cells.shape) < 0.1] = np.nan
    # Cells of 1 m by 61 m, or the other way round, under a window that is as many metres wide as cells are asked for.
    dx, dy = (height, width) if width != height else (1, 1)
    write(tmp_path / "scene.tif", cells, (500000.0, dx, 0.0, 4000000.0, 0.0, -dy))
    run(f"{tmp_path}/scene.tif ! median --window {width * height} ! {tmp_path}/out.tif")
    close(read(tmp_path / "out.tif"), percentile(cells, 50, width, height))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_integers_with_nodata(tmp_path, dtype):
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 40, (120, 130)).astype(dtype)
    write(tmp_path / "scene.tif", cells, nodata=7)
    for width in (3, 11):
        run(f"{tmp_path}/scene.tif ! percentile 80 --window {width}px ! {tmp_path}/out.tif")
        close(read(tmp_path / "out.tif"), percentile(np.where(cells == 7, np.nan, cells), 80, width))


@pytest.mark.parametrize("name", ["terrain/bigtujunga_srtm30_crop400.tif", "terrain/gebco2014_hebrides_30s.tif"])
def test_real_heights(tmp_path, name):
    path = shared(name)
    cells = read(path).astype(np.float32)[:160, :180]
    write(tmp_path / "scene.tif", cells, *place(path))
    run(f"{tmp_path}/scene.tif ! median --window 5px ! {tmp_path}/out.tif")
    close(read(tmp_path / "out.tif"), percentile(cells, 50, 5))


@pytest.mark.parametrize("min_valid", [0.3, 0.75, 1])
def test_starved_windows_are_missing(tmp_path, min_valid):
    rng = np.random.default_rng(4)
    cells = rng.normal(size=(60, 70)).astype(np.float32)
    cells[rng.random(cells.shape) < 0.3] = np.nan
    write(tmp_path / "scene.tif", cells)
    for width in (3, 9):
        run(f"{tmp_path}/scene.tif ! median --window {width}px --min-valid {min_valid} ! {tmp_path}/out.tif")
        valid = close(read(tmp_path / "out.tif"), percentile(cells, 50, width, min_valid=min_valid))
        assert not valid.all()


def test_a_window_larger_than_the_scene(tmp_path):
    cells = np.random.default_rng(5).normal(size=(12, 17)).astype(np.float32)
    write(tmp_path / "scene.tif", cells)
    run(f"{tmp_path}/scene.tif ! median --window 1001px ! {tmp_path}/out.tif")
    got = read(tmp_path / "out.tif")
    assert (got == np.float32(np.median(cells.astype(float)))).all()


def test_the_reference_backend_agrees(tmp_path):
    cells = np.random.default_rng(6).normal(size=(300, 700)).astype(np.float32)
    write(tmp_path / "scene.tif", cells)
    for width in (5, 13):
        text = f"{tmp_path}/scene.tif ! median --window {width}px ! {tmp_path}/"
        run(text + "processor.tif")
        run(text + "reference.tif", "--backend", "reference")
        assert same(read(tmp_path / "processor.tif"), read(tmp_path / "reference.tif"))


def test_negative_zero_is_zero(tmp_path):
    cells = np.where(np.random.default_rng(7).random((40, 50)) < 0.5, np.float32(-0.0), np.float32(0.0))
    write(tmp_path / "scene.tif", cells)
    for width in (3, 9):
        run(f"{tmp_path}/scene.tif ! median --window {width}px ! {tmp_path}/out.tif")
        got = read(tmp_path / "out.tif")
        assert (got == 0).all() and not np.signbit(got).any()


def test_wrong_requests(tmp_path):
    write(tmp_path / "scene.tif", np.ones((5, 5), np.float32))
    refused(2, f"{tmp_path}/scene.tif ! percentile 101 ! {tmp_path}/out.tif", names=["p", "100"])
    refused(2, f"{tmp_path}/scene.tif ! median --window 0 ! {tmp_path}/out.tif", names="window")
    refused(2, f"{tmp_path}/scene.tif ! median --window 200001px ! {tmp_path}/out.tif", names="window")

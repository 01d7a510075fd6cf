# SPDX-License-Identifier: Apache-2.0
"""Cell by cell: band mathematics, decibels and back, against NumPy."""

import numpy as np
import pytest

from fulmar_cli import SCENE, read, refused, run, shared, write


def close(got, want, ulps=1.0):
    """Missing in the same cells, and within so many units of f32's last place elsewhere."""
    want = np.where(np.isfinite(want), want, np.nan)
    assert got.dtype == np.float32
    assert np.array_equal(np.isnan(got), np.isnan(want.astype(np.float32)))
    known = ~np.isnan(got)
    spacing = np.spacing(np.abs(want[known]).astype(np.float32)).astype(float)
    assert known.any() and (np.abs(got[known].astype(float) - want[known]) <= ulps * spacing).all()


def bands_of(path, count, nodata=None):
    bands = [read(path, i + 1).astype(np.float32).astype(float) for i in range(count)]
    return [np.where(b == nodata, np.nan, b) for b in bands] if nodata is not None else bands


FORMULAS = {
    "(b4 - b3) / (b4 + b3)": lambda b: (b[3] - b[2]) / (b[3] + b[2]),
    "b1 * 0.0001 + b2 ^ 2 / 1e4 - -b3": lambda b: b[0] * 0.0001 + b[1] ** 2 / 1e4 + b[2],
    "2^3^2 + b1*0": lambda b: 512 + b[0] * 0,
    "-b1^2": lambda b: -(b[0] ** 2),
    "b1 > b2 ? b1 : b2": lambda b: np.where(b[0] > b[1], b[0], b[1]),
    "b1 > 1000 && b2 < 1000 || b3 == b4": lambda b: ((b[0] > 1000) & (b[1] < 1000)) | (b[2] == b[3]),
    "sqrt(b1) + ln(b2) + log10(b3) + exp(-b4/1000)":
        lambda b: np.sqrt(b[0]) + np.log(b[1]) + np.log10(b[2]) + np.exp(-b[3] / 1000),
    "sin(b1/100) * cos(b2/100) + tan(b3/1e4) + atan(b4)":
        lambda b: np.sin(b[0] / 100) * np.cos(b[1] / 100) + np.tan(b[2] / 1e4) + np.arctan(b[3]),
    "ln(b1 - 900)": lambda b: np.log(b[0] - 900),  # of negative numbers: missing
    "1 / (b1 - b2)": lambda b: 1 / (b[0] - b[1]),  # by zero: missing
    "min(b1, b2, b3) + max(b4, 3) + abs(b1 - b2) + rint(b3 / 7)":
        lambda b: np.minimum.reduce(b[:3]) + np.maximum(b[3], 3) + np.abs(b[0] - b[1]) + np.rint(b[2] / 7),
    "sqrt(-1) + b1": lambda b: b[0] * np.nan,
}


@pytest.mark.parametrize("formula", [f for f in FORMULAS if "sqrt(-1)" not in f])
@np.errstate(all="ignore")
def test_formulas_on_sentinel_2(tmp_path, formula):
    # Thirteen bands of int16, nodata 0.
    path = shared("flood/spain_7370579_s2.tif")
    run(f"{path} --band 1,2,3,4 ! expression '{formula}' ! {tmp_path}/out.tif")
    b = bands_of(path, 4, 0)
    want = np.asarray(FORMULAS[formula](b), float)
    used = [i for i in range(4) if f"b{i + 1}" in formula]
    want = np.where(np.any([np.isnan(b[i]) for i in used], axis=0), np.nan, want)
    close(read(tmp_path / "out.tif"), want, 1.0)


@np.errstate(all="ignore")
def test_missing_in_any_band_that_is_named(tmp_path):
    rng = np.random.default_rng(2)
    bands = rng.normal(size=(3, 90, 110)).astype(np.float32)
    bands[rng.random(bands.shape) < 0.2] = -9999
    path = write(tmp_path / "in.tif", bands, nodata=-9999)
    missing = bands == -9999
    run(f"{path} ! expression 'b1 > 0 ? b1 : b3' ! {tmp_path}/out.tif")
    got = read(tmp_path / "out.tif")
    # Even where the branch that names it is not taken.
    assert np.array_equal(np.isnan(got), missing[0] | missing[2])
    known = ~np.isnan(got)
    assert np.array_equal(got[known], np.where(bands[0] > 0, bands[0], bands[2])[known])


def test_infinities_and_nan_are_missing(tmp_path):
    cells = np.ones((8, 8), np.float32)
    cells[0, :4] = [np.nan, np.inf, -np.inf, 3.4e38]
    path = write(tmp_path / "in.tif", cells)
    run(f"{path} ! expression b1 ! {tmp_path}/out.tif")
    got = read(tmp_path / "out.tif")
    assert np.isnan(got[0, :3]).all() and got[0, 3] == np.float32(3.4e38) and np.isnan(got).sum() == 3
    run(f"{path} ! expression 'b1 * 10' ! {tmp_path}/out.tif")
    assert np.isnan(read(tmp_path / "out.tif")[0, 3])  # beyond f32


@pytest.mark.parametrize("dtype,nodata", [
    ("uint8", 255), ("uint16", 65535), ("int16", -32768), ("int32", -2147483648), ("uint32", 4294967295),
    ("float32", -3.4028234663852886e38), ("float64", -1e300), ("float32", float("nan")),
])
def test_types_scale_and_nodata(tmp_path, dtype, nodata):
    cells = (np.arange(3000).reshape(50, 60) % 200).astype(dtype)
    cells[::7, ::5] = nodata
    path = write(tmp_path / "in.tif", cells, nodata=nodata, scale=0.25, offset=-20.0)
    run(f"{path} ! expression b1 ! {tmp_path}/out.tif")
    got = read(tmp_path / "out.tif")
    absent = np.isnan(cells.astype(float)) | (cells == np.array(nodata).astype(dtype))
    want = np.where(absent, np.nan, cells.astype(float) * 0.25 - 20)
    assert np.array_equal(got, want.astype(np.float32), equal_nan=True)


@np.errstate(all="ignore")
def test_decibels_and_back(tmp_path):
    run(f"{SCENE} ! linear ! [ {tmp_path}/linear.tif ] ! decibel ! {tmp_path}/db.tif")
    stored = read(SCENE)
    assert np.array_equal(np.isnan(read(tmp_path / "linear.tif")), stored == 0)
    decibels = np.where(stored == 0, np.nan, stored.astype(float))
    close(read(tmp_path / "linear.tif"), 10 ** (decibels / 10), 1.0)
    linear = read(tmp_path / "linear.tif").astype(float)
    close(read(tmp_path / "db.tif"), 10 * np.log10(linear), 1.0)
    assert np.nanmax(np.abs(read(tmp_path / "db.tif") - decibels)) < 1e-5


@np.errstate(all="ignore")
def test_decibel_edges(tmp_path):
    cells = np.array([[0, -0.0, -1, 1e-45, 1e-38, 1, 10, 3.4e38, np.nan, np.inf]], np.float32)
    path = write(tmp_path / "in.tif", cells)
    run(f"{path} --unit 1 ! decibel ! {tmp_path}/db.tif")
    close(read(tmp_path / "db.tif"), np.where(cells > 0, 10 * np.log10(cells.astype(float)), np.nan), 1.0)
    cells = np.array([[-400, -380, -100, 0, 100, 385, 386, 1e9, np.nan]], np.float32)
    path = write(tmp_path / "db2.tif", cells, unit="dB")
    run(f"{path} ! linear ! {tmp_path}/linear.tif")
    got, want = read(tmp_path / "linear.tif"), 10 ** (cells.astype(float) / 10)
    with np.errstate(over="ignore"):
        want = want.astype(np.float32)
    assert np.array_equal(np.isnan(got), ~np.isfinite(want)), (got, want)
    known = np.isfinite(want)
    assert np.allclose(got[known], want[known], rtol=1.3e-7, atol=1.5e-45)


def test_a_formula_that_makes_no_sense_shows_its_place(tmp_path):
    path = write(tmp_path / "in.tif", np.ones((5, 5), np.float32))
    message = refused(2, f"{path} ! expression 'b1 + sinus(b1)' ! {tmp_path}/out.tif", names="sinus")
    assert "^" in message
    refused(2, f"{path} ! expression 'b1 + b7' ! {tmp_path}/out.tif", names="b7")
    refused(2, f"{path} ! expression '(b1' ! {tmp_path}/out.tif")


@pytest.mark.parametrize("formula, cure, column", [
    ("b1 > 2 and b1 < 3", "'and' is written &&", 8), ("(b1 > 2 OR b1 < 1) * 2", "'OR' is written ||", 9),
    ("not b1", "'not x' is written x == 0", 1), ("b1 ** 2", "a power is written ^", 4),
    ("b1 > 2 & b1 < 3", "'&' is written &&", 8), ("max(b1 | 1, 2)", "'|' is written ||", 8),
    ("b1 ? 1 and 1 : 2", "'and' is written &&", 8), ("!b1", "write x == 0", 1)])
def test_signs_of_other_languages_are_told_in_ours(tmp_path, formula, cure, column):
    write(tmp_path / "in.tif", np.ones((4, 5), np.float32))
    refused(2, f"{tmp_path}/in.tif ! expression '{formula}' ! {tmp_path}/out.tif", names=[cure, f"(column {column})"])

# SPDX-License-Identifier: Apache-2.0
"""Sentinel-1 calibration against xarray-sentinel, with the table of a real product and with altered ones."""

import gzip
import re
import warnings

import numpy as np
import pytest
import xarray
from xarray_sentinel import sentinel1

from fulmar_cli import LUT, read, refused, run, write

NAMES = {"sigma": "sigmaNought", "beta": "betaNought", "gamma": "gamma"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("lut")
    text = gzip.decompress(LUT.read_bytes()).decode()
    (path / "real.xml").write_text(text)

    # The real table hardly changes along the track: one that does, by up to a third, and not evenly.
    lines = iter(range(1000))

    def vary(match):
        k = next(lines)
        head, values = match.group(1), np.array(match.group(2).split(), float)
        values = values * (1 + 0.33 * np.sin(k) + 0.05 * np.cos(np.arange(values.size) / 9))
        return head + " ".join(f"{v:.6e}" for v in values)

    (path / "varied.xml").write_text(re.sub(r'(<(?:sigmaNought|betaNought|gamma) count="\d+">)([^<]*)', vary, text))
    return path


def expected(table, lut, dn, line=0, sample=0):
    """xarray-sentinel's intensity, DN 0 missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors = sentinel1.open_calibration_dataset(str(table))
    rows, columns = dn.shape
    scene = xarray.DataArray(
        dn.astype(float), dims=("line", "pixel"),
        coords={"line": line + np.arange(rows), "pixel": sample + np.arange(columns)})
    values = sentinel1.calibrate_intensity(scene, vectors[NAMES[lut]], rtol=0, atol=0).values
    return np.where(dn == 0, np.nan, values)


def random_counts(shape, seed=5):
    rng = np.random.default_rng(seed)
    dn = rng.integers(0, 65536, shape).astype(np.uint16)
    dn[rng.random(shape) < 0.1] = 0
    dn.flat[:4] = [1, 46340, 46341, 65535]
    return dn


@pytest.mark.parametrize("table", ["real", "varied"])
@pytest.mark.parametrize("lut", NAMES)
def test_against_xarray_sentinel(folder, tmp_path, table, lut):
    dn = random_counts((1500, 900))
    write(tmp_path / "dn.tif", dn)
    run(f"{tmp_path}/dn.tif ! calibrate --with {folder}/{table}.xml --lut {lut} ! {tmp_path}/out.tif")
    got, want = read(tmp_path / "out.tif"), expected(folder / f"{table}.xml", lut, dn)
    assert got.dtype == np.float32 and np.array_equal(np.isnan(got), dn == 0)
    assert np.nanmax(np.abs(got / want - 1)) < 1e-6
    assert (got[dn != 0] > 0).all()


@pytest.mark.parametrize("line,sample", [(0, 12000), (667, 39), (9355, 0), (16000, 25500), (1337, 25899)])
def test_a_cut_out_uses_the_places_of_the_product(folder, tmp_path, line, sample):
    dn = random_counts((400, 200), line)
    write(tmp_path / "dn.tif", dn)
    run(f"{tmp_path}/dn.tif ! calibrate --with {folder}/varied.xml --line-offset {line} --sample-offset {sample} ! "
        f"{tmp_path}/out.tif")
    want = expected(folder / "varied.xml", "sigma", dn, line, sample)
    got = read(tmp_path / "out.tif")
    assert np.nanmax(np.abs(got / want - 1)) < 1e-6


def test_a_cut_out_equals_the_window_of_the_whole(folder, tmp_path):
    dn = random_counts((2300, 3000))
    write(tmp_path / "whole.tif", dn, options=["TILED=YES"])
    run(f"{tmp_path}/whole.tif ! calibrate --with {folder}/varied.xml ! {tmp_path}/whole_sigma.tif")
    whole = read(tmp_path / "whole_sigma.tif")
    line, sample, height, width = 1100, 1777, 700, 800
    write(tmp_path / "part.tif", dn[line:line + height, sample:sample + width])
    for start in (str(line), f"{line / 1000}e3"):
        run(f"{tmp_path}/part.tif ! calibrate --with {folder}/varied.xml --line-offset {start} --sample-offset {sample} ! "
            f"{tmp_path}/part_sigma.tif")
        part = read(tmp_path / "part_sigma.tif")
        assert part.tobytes() == np.ascontiguousarray(whole[line:line + height, sample:sample + width]).tobytes()


def test_gzip_and_tiles(folder, tmp_path):
    dn = random_counts((1000, 700))
    write(tmp_path / "dn.tif", dn)
    run(f"{tmp_path}/dn.tif ! calibrate --with {folder}/real.xml ! {tmp_path}/a.tif")
    for tile in ("97x61", "700x1"):
        run(f"{tmp_path}/dn.tif ! calibrate --with {LUT} ! {tmp_path}/b.tif", "--tile", tile)
        assert read(tmp_path / "a.tif").tobytes() == read(tmp_path / "b.tif").tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_found_in_a_safe_folder(folder, tmp_path, packed):
    name = "s1b-iw-grd-vv-20211223t051122-20211223t051147-030148-039993-001"
    safe = tmp_path / "S1B.SAFE"
    (safe / "measurement").mkdir(parents=True)
    (safe / "annotation/calibration").mkdir(parents=True)
    text = (folder / "varied.xml").read_bytes()
    calibration = safe / f"annotation/calibration/calibration-{name}.xml"
    if packed:
        calibration.with_name(calibration.name + ".gz").write_bytes(gzip.compress(text))
    else:
        calibration.write_bytes(text)
    dn = random_counts((1400, 300))
    write(safe / f"measurement/{name}.tiff", dn)
    want = expected(folder / "varied.xml", "sigma", dn)
    for cwd, scene in ((tmp_path, f"S1B.SAFE/measurement/{name}.tiff"), (safe, f"measurement/{name}.tiff"),
                       (safe / "measurement", f"{name}.tiff"), (tmp_path, f"{safe}/measurement/{name}.tiff")):
        run(f"{scene} ! calibrate ! {tmp_path}/out.tif", cwd=cwd)
        assert np.nanmax(np.abs(read(tmp_path / "out.tif") / want - 1)) < 1e-6


def test_no_table(tmp_path):
    write(tmp_path / "dn.tif", random_counts((20, 30)))
    message = refused(2, f"{tmp_path}/dn.tif ! calibrate ! {tmp_path}/out.tif", names="calibration-dn.xml")
    assert "--with" in message


def test_negative_or_broken_tables(folder, tmp_path):
    write(tmp_path / "dn.tif", random_counts((20, 30)))
    whole = (folder / "real.xml").read_text()
    for name, text in {"cut.xml": whole[:100_000], "empty.xml": "", "other.xml": "<a><b/></a>",
                       "short.xml": re.sub(r'(<sigmaNought count="654">)\S+ ', r"\1", whole)}.items():
        (tmp_path / name).write_text(text)
        refused(3, f"{tmp_path}/dn.tif ! calibrate --with {tmp_path}/{name} ! {tmp_path}/out.tif", names=name)
        assert not (tmp_path / "out.tif").exists()


def test_decibels_are_not_counts(tmp_path):
    write(tmp_path / "db.tif", np.full((20, 30), -12, np.float32), unit="dB")
    refused(2, f"{tmp_path}/db.tif ! calibrate --with {LUT} ! {tmp_path}/out.tif", names=["dB", "calibrate"])

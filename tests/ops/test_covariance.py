# SPDX-License-Identifier: Apache-2.0
"""Covariance of bands against numpy.cov in double precision, and least squares on them against numpy.linalg.lstsq, on
Landsat 8 and Sentinel-2 scenes and on made ones.
"""

import json

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import read, refused, run, shared, write

BANDS = ("B4", "B3", "B2", "B5")


def found(text):
    (summary,) = json.loads(run(text, "--json").out)["summaries"]
    return summary["rows"]


def matrix(rows, column):
    k = max(int(row["band"]) for row in rows)
    assert [(row["band"], row["with"]) for row in rows] == [(i + 1, j + 1) for i in range(k) for j in range(k)]
    return np.array([np.nan if row[column] is None else row[column] for row in rows]).reshape(k, k)


def landsat():
    paths = [shared(f"pansharpen/lc08_016037_20170813_{b}.tif") for b in BANDS]
    return " --with ".join(map(str, paths)), np.stack([read(p) for p in paths]).astype(np.float64)


def agrees(rows, x, ddof, rtol=1e-11):
    """x: bands x cells, all of them whole."""
    cov = np.atleast_2d(np.cov(x, ddof=ddof))
    np.testing.assert_allclose(matrix(rows, "covariance"), cov, rtol=rtol)
    np.testing.assert_allclose(matrix(rows, "correlation"), np.atleast_2d(np.corrcoef(x)), rtol=rtol)
    np.testing.assert_allclose(matrix(rows, "mean"), np.repeat(x.mean(1)[:, None], len(x), 1), rtol=1e-13)
    np.testing.assert_allclose(matrix(rows, "mean_with"), np.repeat(x.mean(1)[None], len(x), 0), rtol=1e-13)
    assert (matrix(rows, "n") == x.shape[1]).all()
    np.testing.assert_allclose(matrix(rows, "condition"), np.linalg.cond(cov), rtol=1e-7)


@pytest.mark.parametrize("ddof", [0, 1])
def test_covariance_of_landsat(tmp_path, ddof):
    text, cells = landsat()
    rows = found(f"{text} ! covariance --ddof {ddof} ! {tmp_path}/c.csv")
    agrees(rows, cells.reshape(len(BANDS), -1), ddof)


def test_covariance_of_a_stack_with_gaps(tmp_path):
    path = shared("pansharpen/s2_bands_10m_20m_stack.tif")
    dataset = gdal.Open(str(path))
    cells = dataset.ReadAsArray().astype(np.float64).reshape(6, -1)
    cells[cells == dataset.GetRasterBand(1).GetNoDataValue()] = np.nan
    rng = np.random.default_rng(5)
    cells[2, rng.random(cells.shape[1]) < 0.1] = np.nan
    write(tmp_path / "gaps.tif", cells.reshape(6, dataset.RasterYSize, dataset.RasterXSize).astype(np.float32))
    rows = found(f"{tmp_path}/gaps.tif ! covariance ! {tmp_path}/c.csv")
    agrees(rows, cells[:, np.isfinite(cells).all(0)], 1)


def test_tiles_do_not_show_and_large_means_do_not_hurt(tmp_path):
    rng = np.random.default_rng(2)
    mixed = np.array([[1, 0, 0], [0.8, 0.3, 0], [-0.5, 0.2, 0.9]]) @ rng.normal(size=(3, 700 * 900))
    cells = (30000 + mixed).astype(np.float32)
    write(tmp_path / "large.tif", cells.reshape(3, 700, 900))
    one = found(f"{tmp_path}/large.tif ! covariance ! {tmp_path}/c.csv")
    agrees(one, cells.astype(np.longdouble).astype(np.float64), 1, rtol=1e-9)
    for other in (("--memory", "130MiB", "--threads", "2"), ("--backend", "reference", "--memory", "1GiB")):
        report = json.loads(run(f"{tmp_path}/large.tif ! covariance ! {tmp_path}/c.csv", "--json", *other).out)
        assert report["summaries"][0]["rows"] == one


def test_what_cannot_be_told_is_missing(tmp_path):
    rng = np.random.default_rng(0)
    cells = rng.normal(10, 1, (3, 20, 30)).astype(np.float32)
    cells[1], cells[2] = 2 * cells[0], 7
    write(tmp_path / "singular.tif", cells)
    rows = found(f"{tmp_path}/singular.tif ! covariance ! {tmp_path}/c.csv")
    np.testing.assert_allclose(matrix(rows, "covariance"), np.cov(cells.reshape(3, -1).astype(float)), rtol=1e-11)
    correlation = matrix(rows, "correlation")
    np.testing.assert_allclose(correlation[:2, :2], 1, rtol=1e-12)
    assert np.isnan(correlation[2]).all() and np.isnan(correlation[:, 2]).all()
    assert np.isnan(matrix(rows, "condition")).all()

    cells[0] = np.nan  # no cell has every band
    write(tmp_path / "none.tif", cells)
    rows = found(f"{tmp_path}/none.tif ! covariance ! {tmp_path}/c.csv")
    assert (matrix(rows, "n") == 0).all()
    for column in ("mean", "mean_with", "covariance", "correlation", "condition"):
        assert np.isnan(matrix(rows, column)).all(), column

    write(tmp_path / "one.tif", np.full((2, 1, 1), 3, np.float32))
    rows = found(f"{tmp_path}/one.tif ! covariance ! {tmp_path}/c.csv")
    assert (matrix(rows, "n") == 1).all() and (matrix(rows, "mean") == 3).all()
    assert np.isnan(matrix(rows, "covariance")).all()
    assert (matrix(found(f"{tmp_path}/one.tif ! covariance --ddof 0 ! {tmp_path}/c.csv"), "covariance") == 0).all()


def test_what_uses_it_refuses_what_is_singular(tmp_path):
    rng = np.random.default_rng(1)
    cells = rng.normal(10, 1, (3, 20, 30)).astype(np.float32)
    cells[1] = 2 * cells[0]
    ms, target = write(tmp_path / "ms.tif", cells), write(tmp_path / "target.tif", cells[0])
    for op in ("rx", f"regress --target [ {target} ]"):
        refused(3, f"{ms} ! {op} ! {tmp_path}/out.tif", names=["singular", "band 2"])


def test_regress(tmp_path):
    text, cells = landsat()
    rng = np.random.default_rng(4)
    target = (cells[:3].mean(0) + 0.3 * cells[3] + 50 + rng.normal(0, 90, cells.shape[1:])).astype(np.float32)
    target[rng.random(target.shape) < 0.05] = np.nan
    place = shared(f"pansharpen/lc08_016037_20170813_{BANDS[0]}.tif")
    dataset = gdal.Open(str(place))
    write(tmp_path / "target.tif", target, transform=dataset.GetGeoTransform(), crs=dataset.GetProjection())
    rows = found(f"{text} ! regress --target [ {tmp_path}/target.tif ] ! {tmp_path}/fitted.tif")
    there = np.isfinite(target)
    of_one = np.concatenate([np.ones((1,) + target.shape), cells])
    y = target[there].astype(np.float64)
    weights, left = np.linalg.lstsq(of_one[:, there].T, y, rcond=None)[:2]
    assert [row["band"] for row in rows] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([row["weight"] for row in rows], weights, rtol=1e-8)
    for row in rows:
        assert row["n"] == there.sum()
        assert row["r2"] == pytest.approx(1 - left[0] / ((y - y.mean()) ** 2).sum(), abs=1e-11)
    fitted = read(tmp_path / "fitted.tif")
    np.testing.assert_allclose(fitted, np.tensordot(weights, of_one, 1), rtol=2e-7)  # where the target is missing, too

    few = write(tmp_path / "few.tif", np.arange(6, dtype=np.float32).reshape(2, 1, 3) ** 2)
    y = write(tmp_path / "few_target.tif", np.array([[1, 2, 4]], np.float32))
    rows = found(f"{few} ! regress --target [ {y} ] ! {tmp_path}/none.tif")
    assert [row["n"] for row in rows] == [3, 3, 3] and all(row["weight"] is None for row in rows)
    assert np.isnan(read(tmp_path / "none.tif")).all()

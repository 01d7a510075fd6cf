# SPDX-License-Identifier: Apache-2.0
"""stats, histogram, otsu and kittler against NumPy, scikit-image and brute force, on a real scene and made ones."""

import csv
import json

import numpy as np
import pytest
from osgeo import gdal
from skimage.filters import threshold_otsu

from fulmar_cli import SCENE, read, run, shared, write


def found(text, cwd=None):
    """The numbers that a pipeline's reducing operators found."""
    return [s["rows"] for s in json.loads(run(text, "--json", cwd=cwd).out)["summaries"]]


def told(text):
    """The first row of the first summary, and what the run has to say."""
    report = json.loads(run(text, "--json").out)
    return report["summaries"][0]["rows"][0], report["notes"]


def measured(path, band=1):
    """The cells in f64, missing as NaN."""
    cells = read(path, band).astype(np.float64)
    dataset = gdal.Open(str(path))  # a band does not keep its dataset alive
    nodata = dataset.GetRasterBand(band).GetNoDataValue()
    if nodata is not None:
        cells[cells == nodata] = np.nan
    return cells


def valid(path, band=1):
    cells = measured(path, band)
    return cells[np.isfinite(cells)]


def two_classes(tmp_path, seed, share=0.3, apart=8.0, sigma=(1.0, 1.6), shape=(400, 700)):
    """Two Gaussians, a few gaps."""
    rng = np.random.default_rng(seed)
    upper = rng.random(shape) < share
    cells = np.where(upper, rng.normal(-12 + apart, sigma[1], shape), rng.normal(-12, sigma[0], shape))
    cells = cells.astype(np.float32)
    cells[rng.random(shape) < 0.02] = np.nan
    path = tmp_path / "classes.tif"
    write(path, cells)
    return path, cells


def test_stats_are_numpys(tmp_path):
    cells = valid(SCENE)
    for ddof in (0, 1):
        row = found(f"{SCENE} ! stats --ddof {ddof} ! {tmp_path}/s.csv")[0][0]
        assert row["n"] == cells.size
        assert row["missing"] == read(SCENE).size - cells.size
        assert row["min"] == cells.min() and row["max"] == cells.max()
        assert row["mean"] == pytest.approx(cells.mean(), rel=1e-13)
        assert row["std"] == pytest.approx(cells.std(ddof=ddof), rel=1e-12)
    with open(tmp_path / "s.csv") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 1 and int(float(table[0]["n"])) == cells.size


def test_stats_keep_their_digits_on_a_large_mean(tmp_path):
    rng = np.random.default_rng(7)
    cells = (60000 + rng.normal(0, 0.5, (700, 900))).astype(np.float32)
    write(tmp_path / "k.tif", cells)
    row = found(f"{tmp_path}/k.tif ! stats ! {tmp_path}/s.csv")[0][0]
    exact = cells.astype(np.longdouble)
    assert row["mean"] == pytest.approx(float(exact.mean()), rel=1e-14)
    assert row["std"] == pytest.approx(float(exact.std()), rel=1e-9)


@pytest.mark.parametrize("first", [0, 60500, -9999, 1e6])
def test_stats_do_not_hang_on_the_first_cell(tmp_path, first):
    rng = np.random.default_rng(8)
    cells = (60000 + rng.normal(0, 0.5, (301, 517))).astype(np.float32)
    cells[rng.random(cells.shape) < 0.02] = np.nan
    cells[0, :3] = np.nan, first, first
    write(tmp_path / "k.tif", cells)
    row = found(f"{tmp_path}/k.tif ! stats ! {tmp_path}/s.csv")[0][0]
    exact = cells[~np.isnan(cells)].astype(np.longdouble)
    assert (row["n"], row["missing"]) == (exact.size, cells.size - exact.size)
    assert (row["min"], row["max"]) == (float(exact.min()), float(exact.max()))
    assert row["mean"] == pytest.approx(float(exact.mean()), rel=1e-14)
    assert row["std"] == pytest.approx(float(exact.std()), rel=1e-9)


def test_what_overflows_counts_as_missing(tmp_path):
    """A sharpened band may leave f32: the cell is infinite, and in no statistic."""
    rng = np.random.default_rng(9)
    bands = rng.uniform(1, 2, (2, 60, 70)).astype(np.float32)
    bands[1, 20, 30] = 1e-36
    write(tmp_path / "a.tif", bands[0])
    write(tmp_path / "b.tif", bands[1])
    write(tmp_path / "pan.tif", np.full((60, 70), 1e3, np.float32))
    sharp = (f"{tmp_path}/a.tif --with {tmp_path}/b.tif ! pansharpen --pan [ {tmp_path}/pan.tif ] --weights 0,1"
             f" ! [ {tmp_path}/sharp.tif ]")
    row = found(f"{sharp} ! stats ! {tmp_path}/s.csv")[0][0]
    first = read(tmp_path / "sharp.tif").astype(np.float64)
    assert np.isinf(first).sum() == 1
    first = first[np.isfinite(first)]
    assert (row["n"], row["missing"]) == (4199, 1)
    assert (row["min"], row["max"]) == (first.min(), first.max())
    assert row["std"] == pytest.approx(first.std(), rel=1e-12)
    rows = found(f"{tmp_path}/a.tif --with {tmp_path}/b.tif ! pansharpen --pan [ {tmp_path}/pan.tif ] --weights 0,1"
                 f" ! histogram --bins 16 ! {tmp_path}/h.csv")[0][:16]
    assert [r["n"] for r in rows] == np.histogram(first, 16)[0].tolist()


def test_the_sign_of_zero_does_not_show(tmp_path):
    cells = np.full((64, 64), 5, np.float32)
    cells[1, 1], cells[1, 32] = -0.0, 0.0
    write(tmp_path / "z.tif", cells)
    for how in ("cpu", "reference"):
        row = json.loads(run(f"{tmp_path}/z.tif ! stats ! {tmp_path}/s.csv", "--json", "--overwrite", "--backend", how).out)["summaries"][0]["rows"][0]
        assert str(float(row["min"])) == "0.0"


def test_nothing_is_told_of_nothing(tmp_path):
    write(tmp_path / "none.tif", np.full((20, 30), np.nan, np.float32))
    row = found(f"{tmp_path}/none.tif ! stats ! {tmp_path}/s.csv")[0][0]
    assert row == {"n": 0, "missing": 600, "min": None, "max": None, "mean": None, "std": None}
    for op in ("otsu", "kittler"):
        row, said = told(f"{tmp_path}/none.tif ! {op} ! {tmp_path}/o.tif")
        assert row["threshold"] is None and row["n"] == 0
        assert said == [f"{op}: there is no threshold, because no cell has a value: every cell of the result is missing"]
        assert (read(tmp_path / "o.tif") == 255).all()
    rows = found(f"{tmp_path}/none.tif ! histogram --bins 4 ! {tmp_path}/h.csv")[0]
    assert rows == [{"low": None, "high": None, "n": 0}] * 4
    rows = found(f"{tmp_path}/none.tif ! histogram --bins 2 --low 0 --high 4 ! {tmp_path}/h.csv")[0]
    assert [(r["low"], r["high"], r["n"]) for r in rows] == [(None, 0, 0), (0, 2, 0), (2, 4, 0), (4, None, 0)]


def test_one_value_has_no_threshold(tmp_path):
    write(tmp_path / "flat.tif", np.full((20, 30), 3.5, np.float32))
    for op in ("otsu", "kittler"):
        row, said = told(f"{tmp_path}/flat.tif ! {op} ! {tmp_path}/o.tif")
        assert row["threshold"] is None and len(said) == 1 and f"{op}: there is no threshold, because " in said[0]
        assert (read(tmp_path / "o.tif") == 255).all()
        row, said = told(f"{tmp_path}/flat.tif ! {op} --low 7 --high 9 ! {tmp_path}/o.tif")
        assert row["n"] == 0 and "no cell has a value in the range" in said[0]
        printed = run(f"{tmp_path}/flat.tif ! {op} ! {tmp_path}/o.tif").out
        assert "there is no threshold" in printed
    write(tmp_path / "two.tif", np.float32([[1, 2] * 20] * 20))
    assert told(f"{tmp_path}/two.tif ! otsu ! {tmp_path}/o.tif")[1] == []


@pytest.mark.parametrize("kind", ["bytes", "codes", "beyond", "mixed"])
def test_histogram_of_whole_numbers_is_numpys(tmp_path, kind):
    """Whole numbers, gaps among them; with some beyond those that are counted as they are; with others between them."""
    rng = np.random.default_rng(5)
    cells = rng.integers(0, 256 if kind == "bytes" else 4096, (600, 1100)).astype(np.float32)
    if kind == "beyond":
        cells[rng.random(cells.shape) < 0.01] = 4096
        cells[300:, 700:] = -3
    if kind == "mixed":
        cells[:, ::7] += 0.25
        cells[400, :] = np.inf
    cells[rng.random(cells.shape) < 0.02] = np.nan
    write(tmp_path / "w.tif", cells)
    there = cells[np.isfinite(cells)].astype(np.float64)
    for low, high in ((10, 200), (-0.5, 4096), (0, 255)):
        rows = found(f"{tmp_path}/w.tif ! histogram --bins 97 --low {low} --high {high} ! {tmp_path}/h.csv")[0]
        below, *inside, above = [int(r["n"]) for r in rows]
        assert inside == np.histogram(there, bins=97, range=(low, high))[0].tolist()
        assert (below, above) == ((there < low).sum(), (there > high).sum())


@pytest.mark.parametrize("bins", [16, 256, 1000])
def test_histogram_is_numpys(tmp_path, bins):
    cells = valid(SCENE)
    rows = found(f"{SCENE} ! histogram --bins {bins} ! {tmp_path}/h.csv")[0]
    counts, edges = np.histogram(cells, bins=bins)
    assert [int(r["n"]) for r in rows] == counts.tolist()
    assert np.allclose([r["low"] for r in rows], edges[:-1], rtol=0, atol=1e-12)
    rows = found(f"{SCENE} ! histogram --bins {bins} --low -25 --high -5 ! {tmp_path}/h.csv")[0]
    counts, _ = np.histogram(cells, bins=bins, range=(-25, -5))
    below, *inside, above = rows
    assert [int(r["n"]) for r in inside] == counts.tolist()
    assert below == {"low": None, "high": -25, "n": (cells < -25).sum()} and below["n"] > 0
    assert above == {"low": -5, "high": None, "n": (cells > -5).sum()} and above["n"] > 0


def test_otsu_is_scikit_images_to_the_bin(tmp_path):
    made = [two_classes(tmp_path, 1)[0]]
    real = [SCENE]
    for path in made + real:
        cells = valid(path)
        for bins in (64, 256, 999):
            row = found(f"{path} ! otsu --bins {bins} ! {tmp_path}/o.tif")[0][0]
            assert row["threshold"] == pytest.approx(threshold_otsu(cells, nbins=bins), rel=1e-13), (path, bins)
            assert row["n"] == cells.size
            stored, flags = measured(path), read(tmp_path / "o.tif")
            expected = np.where(np.isfinite(stored), stored > row["threshold"], 255)
            assert (flags == expected).all()
    run(f"{SCENE} ! otsu --below ! {tmp_path}/b.tif")
    run(f"{SCENE} ! otsu ! {tmp_path}/a.tif")
    a, b = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    assert ((a == 255) == (b == 255)).all() and (a[a < 255] == 1 - b[b < 255]).all()


def test_otsu_on_a_flooded_scene(tmp_path):
    path = shared("flood/spain_7370579_s1.tif")
    cells = valid(path)
    row = found(f"{path} --band 1 ! otsu --below ! {tmp_path}/o.tif")[0][0]
    assert row["threshold"] == pytest.approx(threshold_otsu(cells), rel=1e-13)


def kittler(cells, bins):
    """From the formula: J(t) = 1 + 2 (P1 ln s1 + P2 ln s2) - 2 (P1 ln P1 + P2 ln P2)."""
    counts, edges = np.histogram(cells, bins=bins)
    centres, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    j = np.full(bins - 1, np.inf)
    for t in range(bins - 1):
        low, high = counts[: t + 1], counts[t + 1 :]
        p1, p2 = low.sum() / counts.sum(), high.sum() / counts.sum()
        if p1 < 1e-6 or p2 < 1e-6:
            continue
        v1 = np.average((centres[: t + 1] - np.average(centres[: t + 1], weights=low)) ** 2, weights=low)
        v2 = np.average((centres[t + 1 :] - np.average(centres[t + 1 :], weights=high)) ** 2, weights=high)
        if v1 <= width**2 / 12 or v2 <= width**2 / 12:
            continue
        j[t] = 1 + 2 * (p1 * np.log(v1**0.5) + p2 * np.log(v2**0.5)) - 2 * (p1 * np.log(p1) + p2 * np.log(p2))
    tried = np.flatnonzero(np.isfinite(j))
    # Behind an empty bin J is what it was before it, but for rounding: the first of equals counts.
    best = int(np.argmin(np.where(counts[:-1] > 0, j, np.inf)))
    return None if best in (tried[0], tried[-1]) else centres[best]


@pytest.mark.parametrize("seed", range(4))
def test_kittler_is_the_formula(tmp_path, seed):
    path, cells = two_classes(tmp_path, seed, share=0.1 + 0.2 * seed, apart=6 + seed)
    for bins in (128, 256):
        row = found(f"{path} ! kittler --bins {bins} ! {tmp_path}/o.tif")[0][0]
        assert row["threshold"] == pytest.approx(kittler(valid(path), bins), rel=1e-12)


def test_kittler_lies_where_the_weighted_gaussians_cross(tmp_path):
    path, _ = two_classes(tmp_path, 11, share=0.3, apart=8, sigma=(1.0, 1.6), shape=(900, 1100))
    threshold = found(f"{path} ! kittler --bins 512 ! {tmp_path}/o.tif")[0][0]["threshold"]
    x = np.linspace(-12, -4, 80001)
    pdf = lambda m, s, p: p / s * np.exp(-0.5 * ((x - m) / s) ** 2)
    crossing = x[np.argmin(np.abs(pdf(-12, 1.0, 0.7) - pdf(-4, 1.6, 0.3)))]
    assert threshold == pytest.approx(crossing, abs=0.1)


def test_one_gaussian_has_no_threshold(tmp_path):
    rng = np.random.default_rng(3)
    write(tmp_path / "one.tif", rng.normal(0, 1, (400, 500)).astype(np.float32))
    cells = valid(tmp_path / "one.tif")
    row = found(f"{tmp_path}/one.tif ! kittler --bins 64 ! {tmp_path}/o.tif")[0][0]
    expected = kittler(cells, 64)
    assert (row["threshold"] is None) == (expected is None)


@pytest.mark.parametrize("op", ["otsu", "kittler", "bimodal --block 64"])
def test_thresholds_of_every_band(tmp_path, op):
    """Each band has the threshold, and the cells above it, that it has alone; the report has a row for each."""
    rng = np.random.default_rng(8)
    water = rng.random((3, 200, 170)) < 0.4
    cells = np.where(water, rng.normal(-19, 1.5, water.shape), rng.normal(-8, 1.5, water.shape)).astype(np.float32)
    cells[1] -= 3
    cells[2] = -11  # nothing to separate
    cells[0, 5:9, 7:30] = np.nan
    write(tmp_path / "in.tif", cells, unit="dB")
    report = json.loads(run(f"in.tif ! {op} ! all.tif", "--json", cwd=tmp_path).out)
    (summary,) = report["summaries"]
    assert [row.pop("band") for row in summary["rows"]] == ["b1", "b2", "b3"]
    notes = []
    for band in (1, 2, 3):
        alone = json.loads(run(f"in.tif --band {band} ! {op} ! one.tif", "--json", cwd=tmp_path).out)
        assert summary["rows"][band - 1] == alone["summaries"][0]["rows"][0]
        np.testing.assert_array_equal(read(tmp_path / "all.tif", band), read(tmp_path / "one.tif"))
        notes += [n.replace(":", f" of b{band}:", 1) for n in alone["notes"]]
    assert report["notes"] == notes and any(" of b3: " in n for n in notes)
    assert summary["rows"][0] != summary["rows"][1]
    told = run(f"in.tif ! {op} ! all.tif", cwd=tmp_path).out.splitlines()
    assert sum(line.split()[0] in ("b1", "b2", "b3") for line in told if line.strip()) == 3
    for tile in ("--tile 64x32", "--backend reference"):
        again = json.loads(run(f"in.tif ! {op} ! again.tif", "--json", *tile.split(), cwd=tmp_path).out)
        assert [dict(r, band=None) for r in again["summaries"][0]["rows"]] == [dict(r, band=None) for r in summary["rows"]]


def test_thresholds_of_dates(tmp_path):
    rng = np.random.default_rng(9)
    for k, level in enumerate((5, 9)):
        cells = np.where(rng.random((60, 80)) < 0.5, rng.normal(level, 1, (60, 80)), rng.normal(level + 20, 1, (60, 80)))
        write(tmp_path / f"d2021010{k + 1}.tif", cells.astype(np.float32))
    (rows,) = found("'d*.tif' ! otsu ! all.tif", cwd=tmp_path)
    assert [r["time"] for r in rows] == ["2021-01-01T00:00:00Z", "2021-01-02T00:00:00Z"]
    for k, row in enumerate(rows):
        assert row["threshold"] == pytest.approx(threshold_otsu(read(tmp_path / f"d2021010{k + 1}.tif")), abs=0.2)

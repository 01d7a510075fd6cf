# SPDX-License-Identifier: Apache-2.0
"""bimodal against NumPy, SciPy and scikit-image written from its definition, on a flood and on made scenes."""

import json

import numpy as np
import pytest
from scipy import ndimage, optimize, stats
from skimage.filters import threshold_otsu
from test_reducing import kittler

from fulmar_cli import read, refused, run, same, shared, write


def report(text, *options):
    return json.loads(run(text, "--json", *options).out)


def found(path, options="", *more):
    """Threshold, spread, blocks, valid, flag; and the cells of the product."""
    out = path.parent / "water.tif"
    done = report(f"{path} ! bimodal {options} ! {out} --values detection,margin", *more)
    return done["summaries"][0]["rows"][0], read(out), read(out, 2), done["notes"]


def histogram(cells, bins):
    counts, edges = np.histogram(cells, bins)
    return counts, (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]


def moments(weights, centres, width):
    mean = np.average(centres, weights=weights)
    return weights.sum(), mean, max(np.average((centres - mean) ** 2, weights=weights), width**2 / 12)


def fitted(cells, bins):
    """Two Gaussians of greatest likelihood: expectation and maximisation from Otsu's split."""
    counts, centres, width = histogram(cells, bins)
    split = threshold_otsu(hist=(counts, centres))
    classes = [moments(counts * (centres <= split), centres, width), moments(counts * (centres > split), centres, width)]
    for _ in range(200):
        both = np.array([n * stats.norm.pdf(centres, m, np.sqrt(v)) for n, m, v in classes])
        both /= np.maximum(both.sum(0), 1e-300)
        new = [moments(counts * part, centres, width) for part in both]
        total = counts.sum()
        moved = max(abs(a[k] - b[k]) / (total if k == 0 else 1) for a, b in zip(classes, new) for k in range(3))
        classes = new
        if moved <= 1e-6:
            break
    return counts, centres, width, classes


def two_classes_seen(cells, bins=256):
    counts, centres, width, ((n1, m1, v1), (n2, m2, v2)) = fitted(cells, bins)
    fit = sum(n * stats.norm.pdf(centres, m, np.sqrt(v)) for n, m, v in ((n1, m1, v1), (n2, m2, v2))) * width
    bhattacharyya = np.sqrt(counts * fit).sum() / counts.sum()
    return np.sqrt(2) * abs(m1 - m2) / np.sqrt(v1 + v2) > 2 and min(n1, n2) >= 0.1 * counts.sum() and bhattacharyya > 0.99


def expected(cells, side=200, select="hsba", method="otsu", combine="mean", bins=256, fallback=-15):
    """From the definition, block by block."""
    height, width = cells.shape
    blocks = [cells[y : y + side, x : x + side] for y in range(0, height, side) for x in range(0, width, side)]
    valid = [b[np.isfinite(b)] for b in blocks if np.isfinite(b).sum() >= 0.95 * side**2]
    linear = [10 ** (b / 10) for b in valid]
    if select == "cv" and valid:
        scene = np.nanmean(10 ** (cells / 10))
        high = np.percentile([b.std() for b in linear], 95)
        chosen = [b for b, i in zip(valid, linear) if i.std() > high and i.mean() < scene]
    else:
        chosen = [b for b in valid if two_classes_seen(b, bins)]
    thresholds = [threshold_otsu(b, bins) if method == "otsu" else kittler(b, bins) for b in chosen]
    thresholds = [t for t in thresholds if t is not None]
    if not thresholds:
        return fallback, None, 0, len(valid), 1
    scene = np.mean(thresholds) if combine == "mean" else np.median(thresholds)
    return scene, np.std(thresholds), len(thresholds), len(valid), 2 if np.std(thresholds) > 5 else 0


def compare(path, cells, text="", *more, **options):
    row, detection, margin, notes = found(path, text, *more)
    threshold, spread, blocks, valid, flag = expected(cells.astype(np.float64), **options)
    assert row["threshold"] == pytest.approx(threshold, rel=1e-12)
    assert row["spread"] == (None if spread is None else pytest.approx(spread, rel=1e-9, abs=1e-12))
    assert (row["blocks"], row["valid"], row["flag"]) == (blocks, valid, flag)
    there = np.isfinite(cells)
    assert (np.isnan(detection) == ~there).all() and (np.isnan(margin) == ~there).all()
    assert (detection[there] == (cells[there] <= row["threshold"])).all()
    assert (margin[there] == (row["threshold"] - cells[there].astype(np.float64)).astype(np.float32)).all()
    assert bool(notes) == (flag != 0)
    return row, notes


def lakes(tmp_path, seed=1, shape=(700, 1130), gaps=0.01):
    """Speckled land and lakes, each in some blocks only; a city that is brighter than both."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    water = ((x - 300) ** 2 + (y - 250) ** 2 < 140**2) | ((x - 800) ** 2 + (y - 500) ** 2 < 110**2)
    cells = np.where(water, -21, -9) + rng.normal(0, 1.6, shape)
    city = (x > 1000) & (y < 120)
    cells[city] = 2 + rng.normal(0, 3, city.sum())
    cells = cells.astype(np.float32)
    cells[rng.random(shape) < gaps] = np.nan
    cells[600:, :210] = np.nan  # blocks with too few cells
    return write(tmp_path / "lakes.tif", cells), cells, water


@pytest.mark.parametrize("method", ["otsu", "kittler"])
@pytest.mark.parametrize("side, combine", [(200, "mean"), (97, "median")])
def test_hsba_is_the_definition(tmp_path, method, combine, side):
    path, cells, water = lakes(tmp_path)
    row, _ = compare(path, cells, f"--block {side} --method {method} --combine {combine}", side=side, method=method,
                     combine=combine)
    assert row["blocks"] >= 2 and row["valid"] < 8 * 12
    assert -19 < row["threshold"] < -11
    assert ((cells <= row["threshold"]) == water)[np.isfinite(cells)].mean() > 0.98


@pytest.mark.parametrize("side", [64, 100])
def test_cv_is_the_definition(tmp_path, side):
    path, cells, _ = lakes(tmp_path, seed=5)
    # A city makes the scene's mean bright, as it does in real ones.
    row, _ = compare(path, cells, f"--select cv --block {side}", side=side, select="cv")
    plain, cells, _ = lakes(tmp_path, seed=6, gaps=0)
    cells[:120, 1000:] = -9
    cells[::7, 400:480] = 1  # roofs among fields
    write(plain, cells)
    compare(plain, cells, f"--select cv --block {side} --combine median", side=side, select="cv", combine="median")


def test_tiles_do_not_show(tmp_path):
    path, _, _ = lakes(tmp_path)
    rows = [found(path, "--block 97", *tile) for tile in ((), ("--tile", "61x97"), ("--tile", "1130x1"), ("--threads", "1"),
                                                         ("--backend", "reference"))]
    for other in rows[1:]:
        assert other[0] == rows[0][0] and same(other[1], rows[0][1]) and same(other[2], rows[0][2])


def test_a_flood(tmp_path):
    """Sen1Floods11, Spain: as good as the best fixed threshold, found without looking at the label."""
    source = shared("flood/spain_7370579_s1.tif")
    label = read(shared("flood/spain_7370579_label.tif"))
    vv, vh = read(source), read(source, 2)

    def f1(water):
        known = label >= 0
        return 2 * (water & (label == 1)).sum() / ((water & known).sum() + (label == 1).sum())

    for band, cells in (("vv", vv), ("vh", vh), ("smooth", ndimage.median_filter(vh, 5).astype(np.float32))):
        path = write(tmp_path / f"{band}.tif", cells)
        for method in ("otsu", "kittler"):
            row, notes = compare(path, cells, f"--method {method}", method=method)
            print(f"bimodal: {band} {method} {row}, F1 {f1(cells <= row['threshold']):.3f} {notes}")
        compare(path, cells, "--select cv --block 32", select="cv", side=32)
    row, _, _, _ = found(tmp_path / "smooth.tif")
    best = max(f1(cells <= t) for t in np.arange(-30, -10, 0.25))
    assert row["flag"] == 0 and row["blocks"] == 3
    assert f1(cells <= row["threshold"]) > best - 0.002
    # One histogram of the whole scene does no better.
    assert f1(cells <= row["threshold"]) >= f1(cells <= threshold_otsu(cells[np.isfinite(cells)])) - 1e-3


def test_the_fit_is_that_of_greatest_likelihood():
    """The test's own definition: no other parameters make the histogram likelier."""
    rng = np.random.default_rng(9)
    cells = np.r_[rng.normal(-20, 1.5, 12000), rng.normal(-10, 2, 28000)]
    counts, centres, width, classes = fitted(cells, 256)
    total = counts.sum()

    def cost(p):
        density = p[0] * stats.norm.pdf(centres, p[1], p[2]) + (1 - p[0]) * stats.norm.pdf(centres, p[3], p[4])
        return -(counts * np.log(np.maximum(density, 1e-300))).sum()

    start = [0.5, -18, 2, -12, 2]
    best = optimize.minimize(cost, start, method="L-BFGS-B", bounds=[(0.01, 0.99), (-30, 0), (0.1, 9), (-30, 0), (0.1, 9)]).x
    ours = [classes[0][0] / total, classes[0][1], np.sqrt(classes[0][2]), classes[1][1], np.sqrt(classes[1][2])]
    assert ours == pytest.approx(best, rel=2e-3)


def test_no_block_says_so(tmp_path):
    rng = np.random.default_rng(2)
    cells = rng.normal(-9, 1.5, (450, 430)).astype(np.float32)
    path = write(tmp_path / "land.tif", cells)
    row, notes = compare(path, cells)
    assert row["threshold"] == -15 and row["valid"] == 4
    assert "none of 4 valid blocks" in notes[0] and "fallback, -15 dB" in notes[0]
    row, _ = compare(path, cells, "--fallback -22", fallback=-22)
    assert row["threshold"] == -22
    small = write(tmp_path / "small.tif", cells[:50, :60])
    assert compare(small, cells[:50, :60])[0]["valid"] == 0
    none = np.full((250, 250), np.nan, np.float32)
    assert compare(write(tmp_path / "none.tif", none), none)[0]["flag"] == 1


def test_thresholds_that_differ_are_flagged(tmp_path):
    """Two lakes under different winds: each block is sure, together they are not."""
    rng = np.random.default_rng(3)
    cells = rng.normal(-9, 1, (200, 400)).astype(np.float32)
    cells[:, :90] = rng.normal(-38, 1, (200, 90))
    cells[:, 310:] = rng.normal(-15, 1, (200, 90))
    path = write(tmp_path / "winds.tif", cells)
    row, notes = compare(path, cells)
    assert row["flag"] == 2 and row["spread"] > 5 and "differ by" in notes[0]


def test_bad_words_are_refused(tmp_path):
    path, _, _ = lakes(tmp_path)
    refused(2, f"{path} ! bimodal --block 3 ! {tmp_path}/o.tif", names="block must be in [16, 4096]")
    refused(2, f"{path} ! bimodal --select all ! {tmp_path}/o.tif", names="hsba, cv")
    write(tmp_path / "linear.tif", np.ones((20, 20), np.float32), unit="1")
    refused(2, f"{tmp_path}/linear.tif ! bimodal ! {tmp_path}/o.tif", names="`decibel`")

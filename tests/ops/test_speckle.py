# SPDX-License-Identifier: Apache-2.0
"""Speckle filters against NumPy written from the formulas, window by window, and against the numbers of OTB."""

import numpy as np
import pytest

from fulmar_cli import DATA, SCENE, read, run, shared, write

FILTERS = ("boxcar", "lee", "kuan", "frost", "gamma_map", "refined_lee")


def filtered(cells, name, tmp_path, words=""):
    path = write(tmp_path / "scene.tif", cells)
    run(f"{path} ! speckle --filter {name} {words} ! {tmp_path}/out.tif")
    return read(tmp_path / "out.tif").astype(float)


def windows(cells, r, edge):
    """Every cell's window, as rows x columns x (2r+1)2; beyond the raster missing, or its rim repeated."""
    own = cells.astype(float)
    padded = np.pad(own, r, mode="edge") if edge == "replicate" else np.pad(own, r, constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, (2 * r + 1, 2 * r + 1))


def moments(w):
    n = (~np.isnan(w)).sum((-2, -1))
    with np.errstate(all="ignore"):
        m = np.nansum(w, (-2, -1)) / n
        v = np.nansum((w - m[..., None, None]) ** 2, (-2, -1)) / (n - 1)
    return m, np.where(n > 1, v, 0)


def oracle(cells, name, r=2, looks=4.4, damping=2.0, edge="shrink"):
    if name == "refined_lee":
        return refined_lee(cells, edge)
    own = cells.astype(float)
    w = windows(cells, r, edge)
    m, v = moments(w)
    with np.errstate(all="ignore"):
        ci2, cu2 = v / m**2, 1 / looks
        if name == "boxcar":
            out = m
        elif name == "lee":
            k = 1 - cu2 / ci2
            out = np.where(ci2 < cu2, m, own * k + m * (1 - k))
        elif name == "kuan":
            k = np.maximum((1 - cu2 / ci2) / (1 + cu2), 0)
            out = m + k * (own - m)
        elif name == "frost":
            y, x = np.mgrid[-r : r + 1, -r : r + 1]
            kernel = np.exp(-damping * ci2[..., None, None] * np.hypot(x, y))
            out = np.nansum(kernel * w, (-2, -1)) / (kernel * ~np.isnan(w)).sum((-2, -1))
        else:
            a = (1 + cu2) / (ci2 - cu2)
            b = a - looks - 1
            d = m**2 * b**2 + 4 * a * looks * m * own
            between = (b * m + np.sqrt(d)) / (2 * a)
            ci, cu = np.sqrt(ci2), np.sqrt(cu2)
            out = np.where(ci <= cu, m, np.where((ci >= np.sqrt(2) * cu) | (d < 0), own, between))
    out = np.where((m > 0) & (v > 0), out, m)
    return np.where(np.isnan(own), np.nan, out)


def refined_lee(cells, edge):
    """Cell by cell from the text, halves as masks of the 7 x 7."""
    y, x = np.mgrid[0:7, 0:7]
    halves = {0: x >= 3, 1: x >= y, 2: y <= 3, 3: x <= 6 - y, 4: x <= 3, 5: x <= y, 6: y >= 3, 7: y >= 6 - x}
    assert all(h.sum() == 28 for h in halves.values())
    out = np.full(cells.shape, np.nan)
    all_windows = windows(cells, 3, edge)
    for at in np.argwhere(~np.isnan(cells)):
        w = all_windows[tuple(at)]
        noise, mean = [], np.full((3, 3), np.nan)
        for j in range(3):
            for i in range(3):
                part = w[2 * j : 2 * j + 3, 2 * i : 2 * i + 3]
                part = part[~np.isnan(part)]
                if part.size:
                    mean[j, i] = part.mean()
                if part.size > 1 and part.mean() > 0:
                    noise.append(part.var(ddof=1) / part.mean() ** 2)
        used = w[~np.isnan(w)]
        if used.size == 49:
            ends = [((1, 0), (1, 2)), ((0, 2), (2, 0)), ((0, 1), (2, 1)), ((0, 0), (2, 2))]
            k = int(np.argmax([abs(mean[a] - mean[b]) for a, b in ends]))
            a, b = ends[k]
            nearer = abs(mean[a] - mean[1, 1]) < abs(mean[1, 1] - mean[b])
            used = w[halves[(4, 1, 2, 3)[k] if nearer else (0, 5, 6, 7)[k]]]
        m = used.mean()
        v = used.var(ddof=1) if used.size > 1 else 0
        if not (m > 0 and v > 0) or not noise:
            out[tuple(at)] = m
            continue
        s2 = np.mean(sorted(noise)[:5])
        b = max(0, (v - m * m * s2) / (1 + s2)) / v
        out[tuple(at)] = m + b * (w[3, 3] - m)
    return out


def scene():
    """A part of the port with ships, sea and land, and some gaps put in."""
    cells = (10.0 ** (read(SCENE)[240:330, 180:300].astype(float) / 10)).astype(np.float32)
    cells[30, 40] = cells[60:64, 70:90] = cells[10:13, 100] = np.nan
    assert np.nanmax(cells) / np.nanmedian(cells) > 100
    return cells


def check(got, expected, rtol=2e-6):
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    valid = ~np.isnan(expected)
    worst = np.abs(got / expected - 1)[valid].max()
    assert worst < rtol, worst


@pytest.mark.parametrize("name", FILTERS)
def test_against_the_formulas(tmp_path, name):
    cells = scene()
    check(filtered(cells, name, tmp_path), oracle(cells, name))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(23, 31), (4, 3), (1, 9)])
def test_edge_replicate(tmp_path, name, shape):
    cells = scene()[: shape[0], : shape[1]].copy()
    if shape[0] > 10:
        cells[0, 5] = cells[7, -1] = cells[-1, 9] = np.nan  # on the rim: what is repeated is missing, too
        cells[12:15, 12:15] = np.nan
    expected = oracle(cells, name, edge="replicate")
    check(filtered(cells, name, tmp_path, "--edge replicate"), expected)
    assert not np.array_equal(expected, oracle(cells, name), equal_nan=True)


def test_edge_replicate_ends_at_the_raster_and_knows_no_tiles(tmp_path):
    """What follows sees nothing beyond the raster; seams are not edges."""
    cells = np.random.default_rng(9).gamma(4.4, 0.02 / 4.4, (530, 1040)).astype(np.float32)
    path = write(tmp_path / "scene.tif", cells)
    smooth = oracle(cells, "boxcar", edge="replicate")
    run(f"{path} ! speckle --filter boxcar --edge replicate ! speckle --filter boxcar ! {tmp_path}/out.tif")
    check(read(tmp_path / "out.tif").astype(float), oracle(smooth.astype(np.float32), "boxcar"))


@pytest.mark.parametrize("name,r,looks,damping", [
    ("lee", 1, 1.0, 2), ("kuan", 3, 12.0, 2), ("frost", 1, 4.4, 0.1), ("frost", 4, 4.4, 1), ("gamma_map", 3, 2.5, 2),
    ("boxcar", 6, 1, 2)])
def test_other_windows(tmp_path, name, r, looks, damping):
    cells = scene()
    got = filtered(cells, name, tmp_path, f"--radius {r} --looks {looks} --damping {damping}")
    check(got, oracle(cells, name, r, looks, damping))


@pytest.mark.parametrize("name", ["lee", "refined_lee"])
def test_camargue(tmp_path, name):
    decibels = read(shared("sar_cal/s1a_camargue_20150309_vv_gamma0_db_20m.tif"))[:90, :110]
    cells = (10.0 ** (np.where(decibels == -99, np.nan, decibels).astype(float) / 10)).astype(np.float32)
    check(filtered(cells, name, tmp_path), oracle(cells, name))


@pytest.mark.parametrize("name,theirs", [("lee", "lee"), ("kuan", "kuan"), ("gamma_map", "gammamap"),
                                         ("frost", "frost")])
def test_numbers_of_otb(tmp_path, name, theirs):
    lines = [line for line in (DATA / "otb_despeckle.txt").read_text().splitlines() if not line.startswith("#")]
    start = lines.index(theirs) + 1
    expected = np.array([line.split() for line in lines[start : start + 18]], float)
    cells = (10.0 ** (read(SCENE)[300:318, 200:218].astype(float) / 10)).astype(np.float32)
    assert expected.shape == (18, 18)
    inner = np.s_[2:-2, 2:-2]
    got = filtered(cells, name, tmp_path)
    assert np.abs(got[inner] / expected[inner] - 1).max() < 1e-5  # OTB's own arithmetic
    got = filtered(cells, name, tmp_path, "--edge replicate")
    assert np.abs(got / expected - 1).max() < 1e-5


@pytest.mark.parametrize("name", FILTERS)
def test_flat_ground_stays_and_a_lone_cell_too(tmp_path, name):
    assert (filtered(np.full((20, 25), 0.25, np.float32), name, tmp_path) == 0.25).all()
    alone = np.full((9, 9), np.nan, np.float32)
    alone[4, 4] = 0.1
    got = filtered(alone, name, tmp_path)
    assert got[4, 4] == np.float32(0.1) and np.isnan(got).sum() == 80
    assert (filtered(np.zeros((9, 9), np.float32), name, tmp_path) == 0).all()


@pytest.mark.parametrize("name", FILTERS)
def test_speckle_goes_and_the_mean_stays(tmp_path, name):
    cells = np.random.default_rng(5).gamma(4.4, 0.02 / 4.4, (200, 200)).astype(np.float32)
    got = filtered(cells, name, tmp_path)
    assert abs(got.mean() / cells.mean() - 1) < 0.03

    def enl(a):
        return a.mean() ** 2 / a.var()

    assert enl(got) > 2 * enl(cells.astype(float))


def test_an_edge_stays_with_refined_lee(tmp_path):
    rng = np.random.default_rng(6)
    cells = rng.gamma(4.4, 0.01 / 4.4, (80, 80)).astype(np.float32)
    cells[:, 40:] *= 20
    got = filtered(cells, "refined_lee", tmp_path)
    smeared = filtered(cells, "boxcar", tmp_path, "--radius 3")
    dark, bright = got[10:70, 39].mean(), got[10:70, 40].mean()
    assert dark < 0.02 and bright > 0.15 and smeared[10:70, 39].mean() > 0.05


def test_every_polarisation(tmp_path):
    path = shared("flood/spain_7370579_s1.tif")
    run(f"{path} ! linear ! speckle ! {tmp_path}/both.tif")
    run(f"{path} --band 2 ! linear ! speckle ! {tmp_path}/one.tif")
    assert np.array_equal(read(tmp_path / "both.tif", 2), read(tmp_path / "one.tif"), equal_nan=True)

# SPDX-License-Identifier: Apache-2.0
"""Detection against a reference in extended precision, on real scenes: every cell of the decision must be the same.

The reference knows nothing of the engine: whole-image summed-area tables in long double, thresholds from SciPy. A cell
may differ only where its statistic lies within a hair of the threshold; such cells are counted, and none is expected.
"""

import math
from functools import lru_cache

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats
from scipy.interpolate import BarycentricInterpolator

from fulmar_cli import COAST, SCENE, place, read, run, shared, write

LINEAR = f"{SCENE} ! linear ! mask --with {COAST} --buffer 250 ! "


def half_widths(metres, path):
    """Half widths in cells (columns, rows) of a full width in metres, made odd by rounding up."""
    (_, dx, _, top, _, dy), wkt = place(path)
    dy = abs(dy)
    if "GEOGCS" in wkt[:8] or "GEOGCRS" in wkt[:8]:
        from pyproj import Geod

        height = read(path).shape[0]
        latitude = top - (height // 2 + 0.5) * dy
        geod = Geod(ellps="WGS84")
        dx_m = geod.inv(0, latitude, dx, latitude)[2]
        dy_m = geod.inv(0, latitude - dy / 2, 0, latitude + dy / 2)[2]
        dx, dy = dx_m, dy_m

    def half(cell):
        n = max(1, math.ceil(metres / cell - 1e-3))
        return (n if n % 2 else n + 1) // 2

    return half(dx), half(dy)


def box(values, hx, hy):
    """Sums over (2 hx + 1) x (2 hy + 1) cells; what lies beyond the raster adds nothing."""
    height, width = values.shape
    table = np.zeros((height + 1, width + 1), np.longdouble)
    table[1:, 1:] = values.astype(np.longdouble).cumsum(0).cumsum(1)
    y0, y1 = np.clip(np.arange(height) - hy, 0, None), np.clip(np.arange(height) + hy + 1, None, height)
    x0, x1 = np.clip(np.arange(width) - hx, 0, None), np.clip(np.arange(width) + hx + 1, None, width)
    return table[y1][:, x1] - table[y0][:, x1] - table[y1][:, x0] + table[y0][:, x0]


class Ring:
    """Moments of the valid cells around each cell."""

    def __init__(self, cells, guard, background, min_valid=0.25):
        valid = np.isfinite(cells)
        x = np.where(valid, cells, 0).astype(np.longdouble)
        self.n, self.s1, self.s2 = (box(v, *background) - box(v, *guard) for v in (valid, x, x * x))
        self.n = np.rint(self.n)
        whole = (2 * background[0] + 1) * (2 * background[1] + 1) - (2 * guard[0] + 1) * (2 * guard[1] + 1)
        self.unknown = ~valid | (self.n < max(1.0, min_valid * whole))
        with np.errstate(invalid="ignore", divide="ignore"):
            self.mean = self.s1 / self.n
            self.variance = np.maximum(self.s2 / self.n - self.mean**2, 0)


def f_isf(pfa, looks, n):
    """Upper quantile of F(2 L, 2 L n), by bisection on the incomplete beta function: SciPy's own isf loses digits."""
    a, b = looks, looks * np.asarray(n, float)
    low, high = np.full_like(b, -3.0), np.full_like(b, 60.0)
    for _ in range(120):
        middle = (low + high) / 2
        over = special.betainc(b, a, b / (b + a * np.exp(middle))) > pfa
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.exp((low + high) / 2)


def k_tail(multiple, looks, nu):
    """P(x > multiple * mean) of the K distribution: the gamma tail averaged over gamma texture."""
    def integrand(u):
        tau = math.exp(u)
        return special.gammaincc(looks, looks * multiple / tau) * math.exp(
            nu * math.log(nu) + nu * u - nu * tau - special.gammaln(nu))

    # The texture's upper end: beyond it the gamma law has nothing left.
    top = math.log(max(1.0, special.gammainccinv(nu, 1e-15) / nu)) + 1.5
    value, _ = integrate.quad(integrand, math.log(multiple) - 12, top, epsabs=0, epsrel=1e-10, limit=400)
    return value


def k_isf(pfa, looks, nu):
    return math.exp(optimize.brentq(
        lambda v: math.log(k_tail(math.exp(v), looks, nu) + 1e-300) - math.log(pfa), 0.5, 7.5, xtol=1e-12, rtol=1e-13))


@lru_cache
def k_curve(pfa, looks):
    """ln T of ln nu in [0.05, 100], through 36 Chebyshev nodes: far finer than what it judges."""
    low, high, count = math.log(0.05), math.log(100.0), 36
    nodes = (low + high) / 2 + (high - low) / 2 * np.cos((2 * np.arange(count) + 1) * math.pi / (2 * count))
    return BarycentricInterpolator(nodes, [math.log(k_isf(pfa, looks, math.exp(v))) for v in nodes])


def check(cells, got, ring, statistic, threshold, excuse=1e-9):
    """Compares decisions; returns how many cells were excused because they lie on the threshold."""
    assert got.dtype == np.uint8 and set(np.unique(got)) <= {0, 1, 255}
    assert np.array_equal(got == 255, ring.unknown)
    known = ~ring.unknown
    with np.errstate(invalid="ignore"):
        expected = statistic > threshold
        near = np.abs(statistic - threshold) <= excuse * np.abs(threshold)
    differ = known & ((got == 1) != expected)
    assert not (differ & ~near).any(), (int((differ & ~near).sum()), np.argwhere(differ & ~near)[:5])
    assert expected[known].any() and not expected[known].all()
    return int((differ & near).sum())


def detect(text, path, guard, background, tmp_path, more=""):
    """The linear scene as the engine hands it to cfar, what cfar made of it, and the windows in cells."""
    run(f"{text} [ {tmp_path}/linear.tif ] ! cfar --guard {guard} --background {background} {more} ! {tmp_path}/det.tif")
    return read(tmp_path / "linear.tif"), read(tmp_path / "det.tif"), half_widths(guard, path), half_widths(background, path)


def two_parameter(text, path, guard, background, tmp_path, pfa=1e-6):
    cells, got, g, b = detect(text, path, guard, background, tmp_path, f"--pfa {pfa}")
    ring = Ring(cells, g, b)
    t = stats.norm.isf(pfa)
    return check(cells, got, ring, cells.astype(np.longdouble), ring.mean + t * np.sqrt(ring.variance)), ring, g, b


@pytest.mark.parametrize("pfa", [1e-2, 1e-6, 10**-12.5])
def test_two_parameter_los_angeles(tmp_path, pfa):
    excused, ring, guard, background = two_parameter(LINEAR, SCENE, 210, 750, tmp_path, pfa)
    assert (guard, background) == ((3, 3), (12, 12))
    assert ring.unknown.any() and excused == 0


def test_two_parameter_irish_sea(tmp_path):
    # Bytes with scale and offset, no nodata; cells of degrees that are wider than high in metres.
    path = shared("sar_ship/s1_irishsea_20230615_dunlaoghaire_vv_db8.tif")
    excused, ring, guard, background = two_parameter(f"{path} ! linear !", path, 205, 400, tmp_path)
    assert guard[0] != guard[1] and background[0] != background[1]
    assert not ring.unknown.any() and excused == 0
    stored = read(path)
    decibels = (stored * (25.0 / 255) - 25.0).astype(np.float32)
    assert np.allclose(read(tmp_path / "linear.tif"), 10.0 ** (decibels.astype(float) / 10), rtol=3e-7, atol=0)


@pytest.mark.parametrize("band", [1, 2])
def test_two_parameter_spain(tmp_path, band):
    path = shared("flood/spain_7370579_s1.tif")
    excused, _, guard, background = two_parameter(f"{path} --band {band} ! linear !", path, 90, 250, tmp_path)
    assert guard[0] != guard[1] or background[0] != background[1]
    assert excused == 0
    assert np.array_equal(np.isnan(read(tmp_path / "linear.tif")), np.isnan(read(path, band)))


def test_two_parameter_camargue(tmp_path):
    # Nodata is -99 dB. The chip has none, so some is put in: one cell, a block, and a strip along the edge.
    source = shared("sar_cal/s1a_camargue_20150309_vv_gamma0_db_20m.tif")
    decibels = read(source)
    decibels[50, 60] = decibels[100:130, 140:190] = decibels[:, :9] = -99
    path = write(tmp_path / "scene.tif", decibels, *place(source), nodata=-99)
    excused, ring, _, _ = two_parameter(f"{path} ! linear !", path, 100, 300, tmp_path, 1e-3)
    assert excused == 0
    missing = decibels == -99
    assert np.array_equal(np.isnan(read(tmp_path / "linear.tif")), missing)
    assert ring.unknown.sum() > missing.sum() - 1


@pytest.mark.parametrize("looks,pfa", [(4.4, 1e-6), (1, 1e-3), (12.5, 1e-9)])
def test_ca_los_angeles(tmp_path, looks, pfa):
    cells, got, g, b = detect(LINEAR, SCENE, 210, 750, tmp_path, f"--model ca --looks {looks} --pfa {pfa}")
    ring = Ring(cells, g, b)
    counts = np.unique(ring.n[~ring.unknown]).astype(int)
    assert len(counts) > 100
    multiplier = np.zeros(counts.max() + 1)
    multiplier[counts] = f_isf(pfa, looks, counts)
    threshold = multiplier[np.where(ring.unknown, counts[0], ring.n).astype(int)] * ring.mean
    assert check(cells, got, ring, cells.astype(np.longdouble), threshold) == 0


def test_reference_quantile_is_right():
    # The golden numbers of the design, and mpmath's where SciPy cannot be asked.
    assert f_isf(1e-6, 4.4, [100])[0] == pytest.approx(5.153860835, rel=1e-9)
    assert f_isf(1e-4, 4.0, [24])[0] == pytest.approx(4.256325179, rel=1e-9)
    assert f_isf(1e-6, 1.0, [40])[0] == pytest.approx(16.50150178, rel=1e-9)
    assert k_isf(1e-6, 1, 0.5) == pytest.approx(95.434166, rel=1e-7)
    assert k_isf(1e-6, 1, 1) == pytest.approx(59.545237, rel=1e-7)
    assert k_isf(1e-6, 4.4, 2) == pytest.approx(17.33751, rel=1e-6)
    assert k_isf(1e-6, 4.4, 10) == pytest.approx(8.2291863, rel=1e-7)


@pytest.mark.parametrize("path", ["los angeles", "flood/spain_7370579_s1.tif"])
def test_lognormal(tmp_path, path):
    if path == "los angeles":
        path, text = SCENE, LINEAR
    else:
        path = shared(path)
        text = f"{path} --band 1 ! linear !"
    cells, got, g, b = detect(text, path, 210, 750, tmp_path, "--model lognormal --pfa 1e-6")
    with np.errstate(invalid="ignore", divide="ignore"):
        logarithm = np.log(cells.astype(np.longdouble))
    ring = Ring(logarithm, g, b)
    threshold = ring.mean + stats.norm.isf(1e-6) * np.sqrt(ring.variance)
    # The engine keeps the logarithms of the ring in f32: six more digits than speckle has, but not nine.
    excused = check(cells, got, ring, logarithm, threshold, excuse=1e-6)
    assert excused <= 2


def test_k_los_angeles(tmp_path):
    looks, pfa = 4.4, 1e-6
    cells, got, g, b = detect(LINEAR, SCENE, 210, 750, tmp_path, f"--model k --looks {looks} --pfa {pfa}")
    ring = Ring(cells, g, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        inverse = (ring.n * ring.s2 / ring.s1**2 / (1 + 1 / looks) - 1).astype(float)
    gamma = ~(inverse > 0.01)  # nu above 100, or none
    order = np.clip(np.where(gamma, 1.0, 1 / np.where(gamma, 1, inverse)), 0.05, 100)
    threshold = np.exp(k_curve(pfa, looks)(np.log(order.ravel()))).reshape(order.shape) * ring.mean
    ca = f_isf(pfa, looks, np.maximum(1, np.where(ring.unknown, 1, ring.n)).astype(float).ravel()).reshape(order.shape)
    threshold = np.where(gamma, ca * ring.mean, threshold)
    known = ~ring.unknown
    # All three branches of the estimator stand in this scene.
    assert (known & gamma).any() and (known & ~gamma & (order < 1)).any() and (known & (order > 10)).any()
    assert check(cells, got, ring, cells.astype(np.longdouble), threshold, excuse=1e-6) == 0


@pytest.mark.parametrize("model", ["two_parameter", "ca"])
def test_target_window(tmp_path, model):
    cells, got, g, b = detect(LINEAR, SCENE, 210, 750, tmp_path, f"--model {model} --target 3px --pfa 1e-6")
    ring = Ring(cells, g, b)
    target = Ring(cells, (0, 0), (1, 1), 0)
    valid = np.isfinite(cells)
    own = np.where(valid, cells, 0).astype(np.longdouble)
    mean = (target.s1 + own) / np.maximum(target.n + valid, 1)
    if model == "two_parameter":
        threshold = ring.mean + stats.norm.isf(1e-6) * np.sqrt(ring.variance)
    else:
        counts = np.arange(1, int(ring.n.max()) + 1)
        multiplier = np.concatenate([[0], f_isf(1e-6, 4.4, counts)])
        threshold = multiplier[np.where(ring.unknown, 1, ring.n).astype(int)] * ring.mean
    assert check(cells, got, ring, mean, threshold) == 0


@pytest.mark.parametrize("min_valid", [0, 0.6, 1])
def test_starved_ring_is_unknown(tmp_path, min_valid):
    cells, got, g, b = detect(LINEAR, SCENE, 210, 750, tmp_path, f"--min-valid {min_valid}")
    ring = Ring(cells, g, b, min_valid)
    assert np.array_equal(got == 255, ring.unknown)
    assert (got == 255).any()


def test_strong_targets_leave_nothing_behind(tmp_path):
    """Targets 60 dB above the clutter, and gone from the window a row later: the sums must be what they were."""
    rng = np.random.default_rng(7)
    cells = rng.gamma(4.4, 1e-3 / 4.4, (400, 700)).astype(np.float32)
    cells.flat[rng.integers(0, cells.size, 60)] = 1e3
    write(tmp_path / "scene.tif", cells)
    run(f"{tmp_path}/scene.tif ! cfar --pfa 1e-4 --guard 7px --background 31px ! {tmp_path}/det.tif")

    def sums(values, half):  # each window by itself: no running sum, no residue
        padded = np.pad(values.astype(np.longdouble), half)
        along = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, 0).sum(-1)
        return np.lib.stride_tricks.sliding_window_view(along, 2 * half + 1, 1).sum(-1)

    n, s1, s2 = (sums(v, 15) - sums(v, 3) for v in (np.ones_like(cells), cells, cells.astype(float) ** 2))
    # Differences of sums that both hold the same strong target cancel; those are cells beside it, which are excused.
    beside = sums(cells > 100, 3) > 0
    threshold = s1 / n + stats.norm.isf(1e-4) * np.sqrt(np.maximum(s2 / n - (s1 / n) ** 2, 0))
    wrong = ((read(tmp_path / "det.tif") == 1) != (cells > threshold)) & ~beside
    assert wrong.sum() == 0, (int(wrong.sum()), np.abs(cells / threshold - 1)[wrong][:5])


def half_multiplier(pfa, n, greatest):
    """alpha of the sums of the paper (Trunk; Hansen & Sawyers), in logarithms; P_GO as the terms behind those of P_SO."""
    i = np.arange(n) if not greatest else np.arange(n, 40 * n + 2000)
    binomial = special.gammaln(n + i) - special.gammaln(i + 1) - special.gammaln(n)

    def excess(v):
        return special.logsumexp(binomial - (n + i) * np.log(2 + math.exp(v) / n)) + math.log(2 / pfa)

    return math.exp(optimize.brentq(excess, -2, 40, xtol=1e-13, rtol=1e-14))


def test_halves_reference_is_right():
    assert half_multiplier(1e-4, 8, False) == pytest.approx(19.55668231, rel=1e-9)
    assert half_multiplier(1e-6, 8, False) == pytest.approx(41.05667029, rel=1e-9)
    assert half_multiplier(1e-4, 8, True) == pytest.approx(10.87097148, rel=1e-9)
    assert half_multiplier(1e-6, 8, True) == pytest.approx(19.35562340, rel=1e-9)


def half_rings(cells, guard, background):
    """Counts and sums of the halves left and right of each cell: two boxes each, of valid cells alone."""
    valid = np.isfinite(cells)
    x = np.where(valid, cells, 0).astype(np.longdouble)

    def columns(values, first, last, half_height):  # over columns x + first to x + last
        height, width = values.shape
        pad = abs(first) + abs(last) + 1
        table = np.zeros((height + 1, width + 2 * pad + 1), np.longdouble)
        table[1:, 1:] = np.pad(values, ((0, 0), (pad, pad))).astype(np.longdouble).cumsum(0).cumsum(1)
        y0, y1 = np.clip(np.arange(height) - half_height, 0, None), np.arange(height) + half_height + 1
        y1 = np.clip(y1, None, height)
        x0, x1 = np.arange(width) + pad + first, np.arange(width) + pad + last + 1
        return table[y1][:, x1] - table[y0][:, x1] - table[y1][:, x0] + table[y0][:, x0]

    (gx, gy), (bx, by) = guard, background
    halves = []
    for outer, inner in (((-bx, -1), (-gx, -1)), ((1, bx), (1, gx))):
        n, s = (columns(v, *outer, by) - columns(v, *inner, gy) for v in (valid, x))
        halves.append((np.rint(n).astype(int), s))
    return halves, bx * (2 * by + 1) - gx * (2 * gy + 1)


@pytest.mark.parametrize("model,pfa,target", [("so", 1e-6, 0), ("go", 1e-6, 0), ("so", 1e-3, 3), ("go", 1e-3, 3)])
def test_halves_los_angeles(tmp_path, model, pfa, target):
    cells, got, g, b = detect(LINEAR, SCENE, 210, 750, tmp_path, f"--model {model} --pfa {pfa} --target {target}px")
    assert (g, b) == ((3, 3), (12, 12))
    ((n1, s1), (n2, s2)), whole = half_rings(cells, g, b)
    fewer = np.minimum(n1, n2)
    valid = np.isfinite(cells)

    class Halves:
        unknown = ~valid | (fewer < 0.25 * whole)

    known = ~Halves.unknown
    assert (n1 != n2)[known].any() and (n1 == n2)[known].any()
    multiplier = np.full(fewer.max() + 1, np.nan)
    for count in np.unique(fewer[known]):
        multiplier[count] = half_multiplier(pfa, int(count), model == "go")
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.stack([s1 / n1, s2 / n2])
    level = means.min(0) if model == "so" else means.max(0)
    statistic = cells.astype(np.longdouble)
    if target:
        within = Ring(cells, (0, 0), (target // 2, target // 2), 0)
        statistic = (within.s1 + np.where(valid, statistic, 0)) / np.maximum(within.n + valid, 1)
    assert check(cells, got, Halves, statistic, multiplier[fewer] * level) == 0
    assert (means[0] < means[1])[known].any() and (means[0] > means[1])[known].any()


def test_halves_know_edges_and_neighbours(tmp_path):
    """Clutter that rises tenfold at a column: go keeps silent along it; a bright neighbour hides nothing from so."""
    rng = np.random.default_rng(11)
    cells = rng.exponential(1.0, (400, 400)).astype(np.float32)
    cells[:, 200:] *= 10
    cells[50, 100], cells[48:53, 107:112] = 80, 3000
    write(tmp_path / "scene.tif", cells)
    alarms, seen = {}, {}
    for model in ("ca", "so", "go"):
        run(f"{tmp_path}/scene.tif ! cfar --model {model} --looks 1 --pfa 1e-3 --guard 9px --background 27px ! "
            f"{tmp_path}/det.tif")
        got = read(tmp_path / "det.tif")
        alarms[model] = int((got[100:, 200:206] == 1).sum())  # the bright side of the edge
        seen[model] = int(got[50, 100])
    assert alarms["go"] < 8 < 20 < alarms["ca"] < alarms["so"] / 5, alarms  # of 1800 cells
    assert seen == {"ca": 0, "so": 1, "go": 0}


@pytest.mark.parametrize("model", ["two_parameter", "ca", "lognormal", "k", "os", "so", "go"])
def test_background(tmp_path, model):
    """What the second output says the clutter is, against whole-image sums and sorted rings."""
    cells, _, g, b = detect(LINEAR, SCENE, 210, 750, tmp_path, f"--model {model}")
    run(f"{tmp_path}/linear.tif ! cfar --model {model} --guard 210 --background 750 ! {tmp_path}/background.tif "
        "--values background")
    got = read(tmp_path / "background.tif")
    ring = Ring(cells, g, b)
    unknown, expected = ring.unknown, ring.mean
    if model == "lognormal":
        with np.errstate(invalid="ignore", divide="ignore"):
            logarithm = Ring(np.log(cells.astype(np.longdouble)), g, b)
        unknown, expected = logarithm.unknown, np.exp(logarithm.mean + logarithm.variance / 2)
    elif model == "os":
        n, level = ring_ranks(cells, g, b)
        expected_rank = np.array([np.nan] + [sum(1 / (m - i) for i in range(math.ceil(0.75 * m)))
                                             for m in range(1, n.max() + 1)])
        expected = level / expected_rank[n]
    elif model in ("so", "go"):
        ((n1, s1), (n2, s2)), whole = half_rings(cells, g, b)
        unknown = ~np.isfinite(cells) | (np.minimum(n1, n2) < 0.25 * whole)
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = (s1 + s2) / (n1 + n2)
    assert got.dtype == np.float32 and np.array_equal(np.isnan(got), unknown)
    known = ~unknown
    assert np.abs(got[known] / expected[known] - 1).max() < (1e-5 if model == "lognormal" else 1e-6)
    assert np.ptp(got[known]) > 0.01


@pytest.mark.parametrize("model", ["ca", "two_parameter", "lognormal", "k", "os", "so", "go"])
def test_plateau_has_no_targets(tmp_path, model):
    write(tmp_path / "flat.tif", np.full((60, 80), 0.1, np.float32))
    run(f"{tmp_path}/flat.tif ! cfar --model {model} --pfa 0.01 --guard 3px --background 9px ! {tmp_path}/det.tif")
    assert not (read(tmp_path / "det.tif") == 1).any()


def os_multiplier(pfa, n):
    """alpha of prod_{i<k} (n - i) / (n - i + alpha) = pfa, k = ceil(3/4 n), by SciPy's bracketing."""
    i = np.arange(math.ceil(0.75 * n))
    return optimize.brentq(lambda a: -np.log1p(a / (n - i)).sum() - math.log(pfa), 1e-6, 1e12, xtol=1e-12, rtol=1e-14)


def ring_ranks(cells, guard, background):
    """Valid cells of the ring around each cell, and the ceil(3/4 n)-th smallest of them."""
    (gx, gy), (bx, by) = guard, background
    padded = np.pad(cells, ((by, by), (bx, bx)), constant_values=np.nan)
    views = np.lib.stride_tricks.sliding_window_view(padded, (2 * by + 1, 2 * bx + 1))
    around = np.ones((2 * by + 1, 2 * bx + 1), bool)
    around[by - gy : by + gy + 1, bx - gx : bx + gx + 1] = False
    n, level = np.zeros(cells.shape, int), np.full(cells.shape, np.nan, np.float32)
    for y in range(cells.shape[0]):
        ring = np.sort(views[y][:, around], axis=-1)  # missing cells last
        n[y] = np.isfinite(ring).sum(-1)
        k = np.maximum(np.ceil(0.75 * n[y]).astype(int), 1) - 1
        level[y] = np.take_along_axis(ring, k[:, None], -1)[:, 0]
    return n, level


@pytest.mark.parametrize("pfa,target", [(1e-6, 0), (1e-3, 0), (1e-4, 3)])
def test_os_los_angeles(tmp_path, pfa, target):
    cells, got, g, b = detect(LINEAR, SCENE, 210, 750, tmp_path, f"--model os --pfa {pfa} --target {target}px")
    assert (g, b) == ((3, 3), (12, 12))
    n, level = ring_ranks(cells, g, b)
    ring = Ring(cells, g, b)
    assert np.array_equal(n, ring.n.astype(int))
    multiplier = np.full(n.max() + 1, np.nan)
    for count in np.unique(n[~ring.unknown]):
        multiplier[count] = os_multiplier(pfa, int(count))
    statistic = cells.astype(np.longdouble)
    if target:
        within = Ring(cells, (0, 0), (target // 2, target // 2), 0)
        valid = np.isfinite(cells)
        statistic = (within.s1 + np.where(valid, statistic, 0)) / np.maximum(within.n + valid, 1)
    assert check(cells, got, ring, statistic, multiplier[n] * level.astype(np.longdouble)) == 0


def test_os_reference_is_right():
    assert os_multiplier(1e-6, 16) == pytest.approx(20.95415996, rel=1e-9)
    assert os_multiplier(1e-6, 24) == pytest.approx(16.29328781, rel=1e-9)


def test_os_sees_a_target_beside_brighter_ones(tmp_path):
    """Two ships in one ring: the mean is lifted by the other, the order statistic is not."""
    cells = np.random.default_rng(8).exponential(1.0, (120, 120)).astype(np.float32)
    cells[60, 60], cells[60:63, 70:73] = 60, 3000
    write(tmp_path / "scene.tif", cells)
    found = {}
    for model in ("ca", "os"):
        run(f"{tmp_path}/scene.tif ! cfar --model {model} --looks 1 --pfa 1e-6 --guard 7px --background 31px ! "
            f"{tmp_path}/det.tif")
        found[model] = read(tmp_path / "det.tif")[60, 60]
    assert found == {"ca": 0, "os": 1}


@pytest.mark.parametrize("model,looks", [("ca", 4.4), ("k", 4.4), ("ca", 1), ("os", 1), ("so", 1), ("go", 1)])
def test_false_alarms_come_as_often_as_asked(tmp_path, model, looks):
    """Gamma clutter: within 3 sigma of the nominal rate. A ring of 792 cells makes k's moments nearly exact."""
    rng = np.random.default_rng(20260101)
    cells = rng.gamma(looks, 1 / looks, (1500, 2000)).astype(np.float32)
    write(tmp_path / "scene.tif", cells)
    pfa = 1e-3
    run(f"{tmp_path}/scene.tif ! cfar --model {model} --looks {looks} --pfa {pfa} --guard 13px --background 31px ! "
        f"{tmp_path}/det.tif")
    got = read(tmp_path / "det.tif")
    alarms, trials = int((got == 1).sum()), got.size
    if model == "k":
        # Half of the rings look a little like K, and set the threshold higher: it must not alarm more, nor far less.
        assert 0.5 * pfa * trials < alarms <= pfa * trials + 3 * math.sqrt(pfa * trials)
    else:
        # Neighbouring decisions share their rings: a little more spread than binomial.
        assert abs(alarms - pfa * trials) < 3.5 * math.sqrt(pfa * trials), (alarms, pfa * trials)

# SPDX-License-Identifier: Apache-2.0
"""Optimal interpolation against octave-optiminterp 0.3.7 on real sea surface temperatures, and against a dense solution
in NumPy that chooses its observations cell by cell.

tests/data/oisst_20160117_octave_optiminterp.csv holds optiminterp2(x, y, f, var, 300e3, 200e3, 109, xi, yi) for every
fifth row and fourth column: x, y are columns and rows times the ground size of the row on WGS84, f is observation minus
first guess, var 0.5^2 for buoys and 2^2 for ships (a cell with both is two observations), m all of them.
"""

import numpy as np
import pytest

from fulmar_cli import DATA, SHARED, place, read, refused, run, shared, write

GUESS, BUOY, SHIP = (DATA / f"oisst_{n}.tif" for n in ("20160116_guess", "20160117_obs_buoy", "20160117_obs_ship"))


def values(path):
    cells = read(path).astype(np.float64)
    return np.where(cells < -900, np.nan, cells)


def ground(latitude, degrees):
    """Metres of an arc along the parallel and along the meridian of WGS84."""
    e2, a, phi = 0.00669437999014, 6378137.0, np.radians(latitude)
    n = 1 - e2 * np.sin(phi) ** 2
    return a * np.cos(phi) / np.sqrt(n) * np.radians(degrees), a * (1 - e2) / n**1.5 * np.radians(degrees)


def dense(cell, observations, lengths, metres, most, half):
    """Increment and error variance at (row, column) from rows of (row, column, innovation, noise): the nearest in the
    box, by distance, then row, then column."""
    o = observations
    near = (np.abs(o[:, 0] - cell[0]) <= half[1]) & (np.abs(o[:, 1] - cell[1]) <= half[0])
    o = o[near]
    x, y = (o[:, 1] - cell[1]) * (metres[0] / lengths[0]), (o[:, 0] - cell[0]) * (metres[1] / lengths[1])
    order = np.lexsort((x, y, x * x + y * y))[:most]
    o, x, y = o[order], x[order], y[order]
    covariance = np.exp(-((x[:, None] - x) ** 2) - (y[:, None] - y) ** 2) + np.diag(o[:, 3] ** 2)
    b = np.exp(-x * x - y * y)
    weights = np.linalg.solve(covariance, b)
    return weights @ o[:, 2], 1 - weights @ b


def analysed(tmp_path, sources, guess, *options):
    out = tmp_path / "analysis.tif"
    run(f"{sources} ! interpolate --guess [ {guess} ] {' '.join(options)} ! {out} --values analysis,variance")
    return read(out, 1), read(out, 2)


def test_equals_octave(tmp_path):
    golden = np.loadtxt(DATA / "oisst_20160117_octave_optiminterp.csv", delimiter=",", skiprows=1)
    analysis, variance = analysed(
        tmp_path, f"{DATA}/oisst_20160117_obs_*.tif ! superob --noise '0.5 2'", GUESS, "--scale-x 300000",
        "--scale-y 200000", "--search 111px", "--neighbours 108")
    rows, columns = golden[:, 0].astype(int), golden[:, 1].astype(int)
    expected = values(GUESS)[rows, columns] + golden[:, 2]
    there = ~np.isnan(expected)
    assert there.sum() > 80
    # The products are f32: half a unit in the last place of 20 degrees is 9.5e-7, of a variance below 1 it is 3e-8; the
    # merged noise of the one cell with both, and its mean, were f32 too.
    np.testing.assert_allclose(analysis[rows, columns][there], expected[there], rtol=0, atol=1.1e-6)
    np.testing.assert_allclose(variance[rows, columns][there], golden[there, 3], rtol=0, atol=1e-7)
    assert np.isnan(analysis[rows, columns][~there]).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most", [1, 7, 30])
def test_equals_a_dense_solution(tmp_path, seed, most):
    """On cells that are not square, with a box that cuts off, gaps in everything and fewer neighbours than there are."""
    rng = np.random.default_rng(seed)
    height, width, metres, lengths = 41, 53, (3000.0, 2000.0), (13000.0, 7000.0)
    guess = rng.normal(15, 3, (height, width)).astype(np.float32)
    guess[rng.random(guess.shape) < 0.1] = np.nan
    observed = (guess + rng.normal(0, 1, guess.shape)).astype(np.float32)
    observed[rng.random(guess.shape) < 0.9] = np.nan
    noise = rng.uniform(0.2, 2, guess.shape).astype(np.float32)
    noise[rng.random(guess.shape) < 0.2] = np.nan
    place = (500000.0, metres[0], 0.0, 4000000.0, 0.0, -metres[1])
    for name, cells in (("guess", guess), ("observed", observed), ("noise", noise)):
        write(tmp_path / f"{name}.tif", cells, transform=place)
    analysis, variance = analysed(
        tmp_path, tmp_path / "observed.tif", tmp_path / "guess.tif", f"--noise [ {tmp_path}/noise.tif ]",
        "--scale-x 13000 --scale-y 7000 --search 44000", f"--neighbours {most}")
    half = (7, 11)  # 44 km are 15 cells of 3 km and 22 of 2 km, made 23
    used = np.isfinite(guess) & np.isfinite(observed) & np.isfinite(noise)
    difference = observed.astype(np.float64) - guess
    o = np.array([(y, x, difference[y, x], noise[y, x]) for y, x in np.argwhere(used)], np.float64)
    expected = np.full((2, height, width), np.nan)
    for y, x in np.argwhere(np.isfinite(guess)):
        expected[:, y, x] = dense((y, x), o, lengths, metres, most, half)
    np.testing.assert_allclose(analysis, guess + expected[0], rtol=0, atol=1.5e-6)
    np.testing.assert_allclose(variance, expected[1], rtol=0, atol=1e-7)


def test_one_observation_by_hand(tmp_path):
    """Noise as large as the error of the first guess: half of the difference at the observation, half of the variance;
    one length away exp(-1) of it."""
    guess = np.full((1, 9), 10, np.float32)
    observed = np.full((1, 9), np.nan, np.float32)
    observed[0, 4] = 12
    noise = np.ones((1, 9), np.float32)
    for name, cells in (("guess", guess), ("observed", observed), ("noise", noise)):
        write(tmp_path / f"{name}.tif", cells)
    analysis, variance = analysed(tmp_path, tmp_path / "observed.tif", tmp_path / "guess.tif",
                                  f"--noise [ {tmp_path}/noise.tif ] --scale-x 20 --scale-y 20 --search 7px")
    assert analysis[0, 4] == 11 and variance[0, 4] == 0.5
    np.testing.assert_allclose(analysis[0, 6], 10 + np.exp(-1), rtol=1e-7)
    np.testing.assert_allclose(variance[0, 2], 1 - np.exp(-2) / 2, rtol=1e-7)
    assert analysis[0, 0] == 10 and variance[0, 0] == 1  # four cells away: outside of the box


def test_superob_stands_for_its_sources(tmp_path):
    sources = np.array([[[20.0, 20, np.nan, np.nan]], [[22.0, np.nan, 22, np.nan]]], np.float32)
    out = tmp_path / "superob.tif"
    run(f"{write(tmp_path / 'sources.tif', sources)} ! superob --noise '1, 2' ! {out} --values observed,noise")
    np.testing.assert_array_equal(read(out, 1), np.array([[20.4, 20, 22, np.nan]], np.float32))
    np.testing.assert_array_equal(read(out, 2), np.array([[np.sqrt(0.8), 1, 2, np.nan]], np.float32))


def test_a_night_of_the_world(tmp_path):
    """All observations of a night over yesterday's analysis: against the dense solution in cells spread over the sea."""
    night = [shared(f"sst/oi_{n}_20160117.nc") for n in
             ("buoy_superobs", "sat_night_superobs_biascorr", "ship_superobs")]
    guess = shared("sst/oi_firstguess_analysis_20160116.nc")
    noise = (0.5, 1.0, 2.0)
    analysis, variance = analysed(tmp_path, f"{SHARED}/sst/oi_*superobs*20160117.nc ! superob --noise '0.5 1 2'", guess)
    # The product begins at 180 degrees west where the files begin at Greenwich.
    shift = round((place(tmp_path / "analysis.tif")[0][0] - place(guess)[0][0]) / 0.25)
    analysis, variance = (np.roll(a, shift, axis=1) for a in (analysis, variance))
    first = values(guess)
    weights = sum(np.isfinite(values(f)) / r**2 for f, r in zip(night, noise))
    total = sum(np.nan_to_num(values(f)) / r**2 for f, r in zip(night, noise))
    used = (weights > 0) & np.isfinite(first)
    o = np.array([(y, x, total[y, x] / weights[y, x] - first[y, x], weights[y, x] ** -0.5)
                  for y, x in np.argwhere(used)])
    assert len(o) > 70000
    # 900 km are 32.3 cells of 27.8 km along the equator and 32.6 of 27.6 km across it: 33.
    rng = np.random.default_rng(1)
    inside = (np.arange(1440) + shift) % 1440  # the seam of the product is not looked across
    cells = np.argwhere(np.isfinite(first) & (inside > 16) & (inside < 1423))
    compared = 0
    for y, x in cells[rng.choice(len(cells), 400, replace=False)]:
        box = o.copy()
        box[:, 1] = x + (o[:, 1] - x + 720) % 1440 - 720  # the files' own seam lies within the product
        box = box[(np.abs(box[:, 0] - y) <= 16) & (np.abs(box[:, 1] - x) <= 16)]
        if len(box) == 0:
            assert variance[y, x] == 1 and analysis[y, x] == np.float32(first[y, x])
            continue
        increment, error = dense((y, x), box, (150e3, 150e3), ground(89.875 - y * 0.25, 0.25), 30, (16, 16))
        # f32 products, and f32 superobs: 2e-6 degrees and 6e-8 of a noise of 0.5 move the solution by about as much.
        np.testing.assert_allclose(analysis[y, x], first[y, x] + increment, rtol=0, atol=5e-6)
        np.testing.assert_allclose(variance[y, x], error, rtol=0, atol=5e-7)
        compared += 1
    assert compared > 150
    assert np.array_equal(np.isnan(analysis), np.isnan(first)) and (variance[np.isfinite(first)] <= 1).all()


def test_what_is_wrong_is_said(tmp_path):
    guess = write(tmp_path / "guess.tif", np.ones((4, 4), np.float32))
    refused(2, f"{guess} ! interpolate --guess [ {guess} ] ! {tmp_path}/a.tif", names=["noise", "--noise ["])
    refused(2, f"{guess} ! superob --noise 0 ! {tmp_path}/a.tif", names=["noise", "'0'"])
    refused(2, f"{guess} ! superob --noise 'a b' ! {tmp_path}/a.tif", names=["noise", "'a'"])
    refused(2, f"{guess} ! superob --noise '1 2' ! {tmp_path}/a.tif", names=["superob"])
    refused(2, f"{guess} ! superob --noise 1 ! {tmp_path}/a.tif --values error", names=["'error'", "noise, observed"])

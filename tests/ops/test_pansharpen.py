# SPDX-License-Identifier: Apache-2.0
"""Pansharpening against GDAL's weighted Brovey and against NumPy written from the papers, on a Landsat 8 pair; quality
indices against identities and NumPy; global RX against python3-spectral.
"""

import csv
import subprocess

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from fulmar_cli import UTM, read, refused, run, shared, write

BANDS = ("B4", "B3", "B2", "B5")
RATIO = 2


def stack(path):
    from osgeo import gdal

    dataset = gdal.Open(str(path))
    return dataset.ReadAsArray()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Bands and a panchromatic band, cut so that two by two cells of the one lie in a cell of the other, and the bands
    on the panchromatic grid, each cell repeated."""
    folder = tmp_path_factory.mktemp("pair")
    bands = np.stack([read(shared(f"pansharpen/lc08_016037_20170813_{b}.tif")) for b in BANDS]).astype(np.float32)
    pan = read(shared("pansharpen/lc08_016037_20170813_B8.tif")).astype(np.float32)
    bands, pan = bands[:, 60:200, 60:190], pan[120:400, 120:380]
    assert bands.min() > 0 and pan.min() > 0
    near = bands.repeat(RATIO, 1).repeat(RATIO, 2)
    x, dx, _, y, _, dy = UTM
    write(folder / "pan.tif", pan)
    write(folder / "ms.tif", bands, transform=(x, RATIO * dx, 0, y, 0, RATIO * dy))
    write(folder / "near.tif", near)
    return folder, near.astype(np.float64), pan.astype(np.float64)


def with_gaps(folder, near, pan):
    rng = np.random.default_rng(3)
    near, pan = near.copy(), pan.copy()
    pan[rng.random(pan.shape) < 0.05] = np.nan
    pan[40:70, 100:140] = np.nan
    near[1, rng.random(pan.shape) < 0.02] = np.nan
    write(folder / "gaps.tif", near.astype(np.float32))
    write(folder / "gaps_pan.tif", pan.astype(np.float32))
    return near, pan


def sharpened(folder, options, ms="near.tif", pan="pan.tif"):
    out = folder / "sharp.tif"
    run(f"{folder}/{ms} ! {options.replace('PAN', f'--pan [ {folder}/{pan} ]')} ! {out}")
    return stack(out)


def test_brovey_equals_gdal(pair):
    folder, near, pan = pair
    weights = (0.4, 0.3, 0.2, 0.1)
    words = [word for w in weights for word in ("-w", str(w))]
    out = folder / "gdal.tif"
    subprocess.run(["gdal_pansharpen.py", "-q", "-r", "nearest", *words, str(folder / "pan.tif"),
                    str(folder / "ms.tif"), str(out)], check=True)
    got = sharpened(folder, "pansharpen PAN --weights '0.4 0.3 0.2 0.1'")
    np.testing.assert_allclose(got, stack(out), rtol=1e-5)
    assert np.abs(got - near).max() > 100


def test_brovey_leaves_dark_cells_and_gaps(tmp_path):
    bands = np.array([[[1, -1, 2, np.nan]], [[3, 1, np.nan, 1]]], np.float32)
    write(tmp_path / "ms.tif", bands)
    write(tmp_path / "pan.tif", np.array([[4, 4, 4, 4]], np.float32))
    got = sharpened(tmp_path, "pansharpen PAN", "ms.tif")
    np.testing.assert_array_equal(got, [[[2, -1, np.nan, np.nan]], [[6, 1, np.nan, np.nan]]])


def box_mean(pan, half):
    valid = np.isfinite(pan)
    size = 2 * half + 1
    total = uniform_filter(np.where(valid, pan, 0.0), size, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / np.where(uniform_filter(valid.astype(float), size, mode="constant") < 1e-9, np.nan,
                                uniform_filter(valid.astype(float), size, mode="constant"))


@pytest.mark.parametrize("gaps", [False, True])
def test_hpf(pair, gaps):
    folder, near, pan = pair
    names = ("near.tif", "pan.tif")
    if gaps:
        near, pan = with_gaps(folder, near, pan)
        names = ("gaps.tif", "gaps_pan.tif")
    got = sharpened(folder, "pansharpen PAN --method hpf --ratio 3 --weight 0.7", *names)
    expected = near + 0.7 * (pan - box_mean(pan, 3))
    expected[:, np.isnan(expected).any(0)] = np.nan
    np.testing.assert_allclose(got, expected, rtol=2e-7)


def pyramid(size, ratio, gain):
    """Along one axis: Gaussian means at the centres of blocks, then cubic convolution back to the cells."""
    sigma = ratio * np.sqrt(-2 * np.log(gain)) / np.pi
    blocks = np.arange(-4, size // ratio + 5)
    centres = blocks * ratio + (ratio - 1) / 2
    wide = np.arange(-8 * ratio, size + 8 * ratio)  # cells beyond the edge have their weight, too
    distance = wide[None, :] - centres[:, None]
    gauss = np.exp(-(distance**2) / (2 * sigma**2)) * (np.abs(distance) <= np.ceil(4 * sigma))
    gauss /= gauss.sum(1, keepdims=True)
    t = np.abs((np.arange(size)[:, None] - centres[None, :]) / ratio)
    cubic = np.where(t <= 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t < 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0))
    np.testing.assert_allclose(cubic.sum(1), 1)
    return (cubic @ gauss)[:, (wide >= 0) & (wide < size)]


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("ratio, gains", [(2, [0.3] * 4), (3, [0.34, 0.3, 0.2, 0.2]), (4, [0.26, 0.28, 0.29, 0.28])])
def test_mtf_glp(pair, ratio, gains, gaps):
    folder, near, pan = pair
    names = ("near.tif", "pan.tif")
    if gaps:
        near, pan = with_gaps(folder, near, pan)
        names = ("gaps.tif", "gaps_pan.tif")
    words = " ".join(str(g) for g in gains[:3])
    got = sharpened(folder, f"pansharpen PAN --method mtf_glp --ratio {ratio} --mtf '{words}'", *names)
    if ratio == 4:
        gains = gains[:3] + gains[2:3]  # the last one given is for all that follow
    valid = np.isfinite(pan)
    expected = near.copy()
    for b, gain in enumerate(gains):
        down, across = pyramid(pan.shape[0], ratio, gain), pyramid(pan.shape[1], ratio, gain)
        share = down @ valid.astype(float) @ across.T
        low = down @ np.where(valid, pan, 0.0) @ across.T / share
        low[share < 0.5] = np.nan
        expected[b] += pan - low
    expected[:, np.isnan(near).any(0) | ~valid] = np.nan
    np.testing.assert_allclose(got, expected, rtol=3e-7)
    assert np.abs(got - near)[np.isfinite(got)].max() > 100


@pytest.mark.parametrize("ratio", [2, 3, 7, 8])
def test_mtf_glp_by_rows_is_as_cell_by_cell(tmp_path, ratio):
    """The processor weighs each column once for a row; the reference does it for every cell. Beyond the raster all is
    missing: blocks within it alone have rows without a gap around."""
    rng = np.random.default_rng(ratio)
    write(tmp_path / "ms.tif", rng.normal(100, 20, (3, 44, 1700)).astype(np.float32))
    pan = rng.normal(100, 20, (44, 1700)).astype(np.float32)
    pan[:9, rng.integers(0, 1700, 40)] = np.nan
    pan[4, 500:600] = np.nan
    write(tmp_path / "pan.tif", pan)
    text = f"{tmp_path}/ms.tif ! pansharpen --pan [ {tmp_path}/pan.tif ] --method mtf_glp --ratio {ratio} --mtf '0.3 0.5' ! "
    for backend in ("cpu", "reference"):
        run(text + f"{tmp_path}/{backend}.tif", "--backend", backend)
    assert stack(tmp_path / "cpu.tif").tobytes() == stack(tmp_path / "reference.tif").tobytes()


def gsa(near, pan, intensity):
    """From the paper, over the cells that have everything; the intensity lies on the panchromatic grid."""
    whole = np.isfinite(pan) & np.isfinite(near).all(0) & np.isfinite(intensity)
    m, p, i = near[:, whole], pan[whole], intensity[whole]
    matched = (p - p.mean()) * (i.std() / p.std()) + i.mean()
    gains = np.array([np.cov(b, i, ddof=0)[0, 1] for b in m]) / i.var()
    expected = np.full(near.shape, np.nan)
    expected[:, whole] = m + gains[:, None] * (matched - i)
    return expected


@pytest.mark.parametrize("gaps", [False, True])
def test_gsa_substitutes_the_intensity(pair, gaps):
    folder, near, pan = pair
    names = ("near.tif", "pan.tif")
    intensity = (200 + np.tensordot([0.1, 0.2, 0.3, 0.3], near, 1)).astype(np.float32)
    if gaps:
        near, pan = with_gaps(folder, near, pan)
        names = ("gaps.tif", "gaps_pan.tif")
    intensity[5:9, 5:9] = np.nan
    write(folder / "intensity.tif", intensity)
    got = sharpened(folder, f"gsa PAN --intensity [ {folder}/intensity.tif ]", *names)
    np.testing.assert_allclose(got, gsa(near, pan, intensity.astype(np.float64)), rtol=5e-7)
    assert np.abs(got - near)[np.isfinite(got)].max() > 100


@pytest.mark.parametrize("gaps", [False, True])
def test_gsa_fits_at_the_scale_of_the_bands(pair, gaps):
    """The whole of it: weights by least squares on the coarse cells, everything else on the panchromatic grid."""
    folder, near, pan = pair
    coarse = near[:, ::RATIO, ::RATIO]
    if gaps:
        pan, coarse = pan.copy(), coarse.copy()
        pan[40:70, 100:140] = np.nan  # whole coarse cells
        coarse[:, 90:100, 20:30] = np.nan  # in all bands, for the equality below
    write(folder / "p.tif", pan.astype(np.float32))
    x, dx, _, y, _, dy = UTM
    write(folder / "m.tif", coarse.astype(np.float32), transform=(x, RATIO * dx, 0, y, 0, RATIO * dy))
    ms, p = folder / "m.tif", folder / "p.tif"
    up = f"align --to {p} --resample cubic"
    run(f"{ms} ! {up} ! {folder}/up.tif")
    run(f"{ms} ! {up} ! gsa --pan [ {p} ] --intensity [ {ms} ! regress --target [ {p} ! align --to {ms} --resample "
        f"average ] ! {up} ] ! {folder}/gsa.tif")

    low = pan.reshape(coarse.shape[1], RATIO, coarse.shape[2], RATIO).mean((1, 3))
    there = np.isfinite(low) & np.isfinite(coarse).all(0)
    rows = np.vstack([np.ones(there.sum()), coarse[:, there]]).T
    weights = np.linalg.lstsq(rows, low[there], rcond=None)[0]
    upsampled = stack(folder / "up.tif").astype(np.float64)
    # Cubic convolution is linear and its weights add up to 1: the intensity upsampled is that of the bands upsampled.
    intensity = weights[0] + np.tensordot(weights[1:], upsampled, 1)
    got, expected = stack(folder / "gsa.tif"), gsa(upsampled, pan, intensity)
    np.testing.assert_allclose(got, expected, rtol=2e-6)
    assert np.isfinite(got).mean() > (0.9 if gaps else 0.999)

    # On the panchromatic grid the weights are others, as is what comes out.
    there = np.isfinite(pan) & np.isfinite(upsampled).all(0)
    rows = np.vstack([np.ones(there.sum()), upsampled[:, there]]).T
    other = np.linalg.lstsq(rows, box_mean(pan, RATIO)[there], rcond=None)[0]
    intensity = other[0] + np.tensordot(other[1:], upsampled, 1)
    assert np.nanmax(np.abs(gsa(upsampled, pan, intensity) / expected - 1)) > 1e-3


# ---- quality ----


def numbers(path):
    with open(path, newline="") as file:
        (row,) = list(csv.DictReader(file))
    return {name: float(value) if value else np.nan for name, value in row.items()}


def rated(folder, first, second, options):
    write(folder / "pair_1.tif", first.astype(np.float32))
    write(folder / "pair_2.tif", second.astype(np.float32))
    out = folder / "quality.csv"
    run(f"{folder}/pair_*.tif ! {options} ! {out}")
    return numbers(out)


def q_index(x, y):
    """Mean over blocks of 32 x 32; a block of which less than half is there does not count."""
    found = []
    for top in range(0, x.shape[0], 32):
        for left in range(0, x.shape[1], 32):
            a, b = (v[top : top + 32, left : left + 32] for v in (x, y))
            there = np.isfinite(a) & np.isfinite(b)
            if 2 * there.sum() < 1024:
                continue
            a, b = a[there], b[there]
            found.append(4 * np.cov(a, b, ddof=0)[0, 1] * a.mean() * b.mean()
                         / ((a.var() + b.var()) * (a.mean() ** 2 + b.mean() ** 2)))
    return np.mean(found)


def test_quality_of_itself(pair):
    folder, near, _ = pair
    got = rated(folder, near, near, "quality --ratio 4")
    assert got["ergas"] == 0 and got["sam"] < 2e-6 and got["rmse"] == 0 and got["uiqi"] == pytest.approx(1, abs=1e-12)
    assert got["n"] == near[0].size


def test_quality_by_numpy(pair):
    folder, near, pan = pair
    reference, gappy = near, with_gaps(folder, near, pan)[0]
    rng = np.random.default_rng(0)
    scene = (gappy * 1.05 + rng.normal(0, 300, near.shape)).astype(np.float32).astype(np.float64)
    got = rated(folder, reference, scene, "quality --ratio 4")
    whole = np.isfinite(scene).all(0)
    r, f = reference[:, whole], scene[:, whole]
    rmse = np.sqrt(((f - r) ** 2).mean(1))
    assert got["n"] == whole.sum()
    assert got["ergas"] == pytest.approx(100 / 4 * np.sqrt(np.mean((rmse / r.mean(1)) ** 2)), rel=1e-9)
    angle = np.arccos((r * f).sum(0) / np.sqrt((r * r).sum(0) * (f * f).sum(0)))
    assert got["sam"] == pytest.approx(np.degrees(angle).mean(), rel=1e-9)
    assert got["rmse"] == pytest.approx(np.sqrt((rmse**2).mean()), rel=1e-9)
    blank = np.where(whole, scene, np.nan)
    assert got["uiqi"] == pytest.approx(np.mean([q_index(x, y) for x, y in zip(reference, blank)]), rel=1e-9)


@pytest.mark.parametrize("place, saga", [
    ((40, 60), (0.9945909976959229, 0.6533050537109375, 0.682610273361206)),
    ((120, 100), (0.9944213032722473, 0.7934733033180237, 0.8075650930404663)),
    ((180, 150), (0.8933016657829285, 0.5097305774688721, 0.2318166047334671))])
def test_uiqi_is_sagas(tmp_path, place, saga):
    """saga_cmd imagery_tools 13 -K1 0 -K2 0 -KERNEL_TYPE 0 -KERNEL_RADIUS 15 (SAGA 8.5.0), its grids f32: the index of
    the window of 31 x 31 cells around the one in the middle, between bands 3 and 4, 4 and 5, 3 and 5."""
    x, y = place
    cells = {b: read(shared(f"pansharpen/lc08_016037_20170813_B{b}.tif"))[y : y + 31, x : x + 31] for b in (3, 4, 5)}
    for (first, second), expected in zip(((3, 4), (4, 5), (3, 5)), saga):
        got = rated(tmp_path, cells[first], cells[second], "quality --ratio 2")
        assert got["uiqi"] == pytest.approx(expected, abs=1e-7)


def test_sam_is_spectrals(pair):
    """python3-spectral's angle of every cell to a spectrum, as the reference."""
    spectral = pytest.importorskip("spectral")
    folder, near, _ = pair
    member = near[:, 70, 90]
    angles = spectral.spectral_angles(np.moveaxis(near, 0, 2), member[None])[..., 0]
    got = rated(folder, np.broadcast_to(member[:, None, None], near.shape), near, "quality --ratio 4")
    # Of the members' own angle, 0, an arc cosine in double precision keeps half of the digits.
    assert got["sam"] == pytest.approx(np.degrees(angles.mean()), rel=1e-9, abs=1e-7)


def test_qnr_by_numpy(pair):
    folder, near, pan = pair
    near, pan = with_gaps(folder, near, pan)
    sharp = sharpened(folder, "pansharpen PAN", "gaps.tif", "gaps_pan.tif").astype(np.float64)
    got = rated(folder, near, sharp, f"qnr --pan [ {folder}/gaps_pan.tif ]")
    whole = np.isfinite(sharp).all(0)
    m, f = (np.where(whole, v, np.nan) for v in (near, sharp))
    k = len(m)
    spectral = np.mean([abs(q_index(f[i], f[j]) - q_index(m[i], m[j])) for i in range(k) for j in range(k) if i != j])
    low = box_mean(pan, 2)
    spatial = np.mean([abs(q_index(f[i], pan) - q_index(m[i], low)) for i in range(k)])
    assert got["d_lambda"] == pytest.approx(spectral, rel=1e-9)
    assert got["d_s"] == pytest.approx(spatial, rel=1e-9)
    assert got["qnr"] == pytest.approx((1 - spectral) * (1 - spatial), rel=1e-12)


# ---- anomalies ----


def test_rx_equals_spectral(pair):
    spectral = pytest.importorskip("spectral")
    folder, near, _ = pair
    cells = near[:, ::RATIO, ::RATIO]
    write(folder / "scene.tif", cells.astype(np.float32))
    run(f"{folder}/scene.tif ! rx ! {folder}/rx.tif")
    expected = spectral.rx(np.moveaxis(cells, 0, 2))
    np.testing.assert_allclose(read(folder / "rx.tif"), expected, rtol=1e-6)
    assert expected.max() > 50


def test_rx_leaves_gaps_out(pair):
    folder, near, pan = pair
    cells = with_gaps(folder, near, pan)[0]
    run(f"{folder}/gaps.tif ! rx ! {folder}/rx.tif")
    whole = np.isfinite(cells).all(0)
    d = cells[:, whole] - cells[:, whole].mean(1, keepdims=True)
    expected = np.full(whole.shape, np.nan)
    expected[whole] = (d * np.linalg.solve(np.cov(cells[:, whole]), d)).sum(0)
    np.testing.assert_allclose(read(folder / "rx.tif"), expected, rtol=1e-6)


def test_what_is_wrong_is_said(tmp_path):
    rng = np.random.default_rng(0)
    bands = rng.normal(10, 1, (3, 20, 30)).astype(np.float32)
    bands[2] = 2 * bands[0]
    ms, pan = write(tmp_path / "ms.tif", bands), write(tmp_path / "pan.tif", np.ones((20, 30), np.float32))
    few = write(tmp_path / "few.tif", bands[:2, :1, :2])
    refused(3, f"{ms} ! rx ! {tmp_path}/a.tif", names=["singular", "band 3"])
    run(f"{few} ! rx ! {tmp_path}/few_rx.tif")
    assert np.isnan(read(tmp_path / "few_rx.tif")).all()
    refused(2, f"{ms} ! gsa --pan [ {pan} ] ! {tmp_path}/a.tif", names=["--intensity ["])
    band = write(tmp_path / "band.tif", bands[0])
    refused(3, f"{ms} ! gsa --pan [ {pan} ] --intensity [ {band} ] ! {tmp_path}/a.tif",
            names=["panchromatic band is constant"])
    refused(3, f"{ms} ! gsa --pan [ {band} ] --intensity [ {pan} ] ! {tmp_path}/a.tif",
            names=["intensity is constant"])
    refused(2, f"{ms} ! quality ! {tmp_path}/a.csv", names=["3 bands"])
    refused(2, f"{ms} ! pansharpen ! {tmp_path}/a.tif", names=["--pan ["])
    refused(2, f"{ms} ! pansharpen --pan [ {pan} ] --weights '0 0 0' ! {tmp_path}/a.tif", names=["all 0"])
    refused(2, f"{ms} ! pansharpen --pan [ {pan} ] --weights '1 2 3 4' ! {tmp_path}/a.tif", names=["pansharpen"])
    refused(2, f"{ms} ! pansharpen --pan [ {pan} ] --mtf 1.2 ! {tmp_path}/a.tif", names=["mtf", "1.2"])

# SPDX-License-Identifier: Apache-2.0
"""Rasters that go round the earth, against SciPy with mode "wrap" along the rows, and brute force.

Up and down a raster ends at its poles: windows are cut there (or the cell is missing), as everywhere else.
"""

import json
import math

import numpy as np
import pytest
from scipy import ndimage

from fulmar_cli import call, features, read, refused, run, shared, write

WIDTH, HEIGHT = 144, 73
GLOBE = (-180.0, 360 / WIDTH, 0.0, 90.0, 0.0, -180 / HEIGHT)


def globe(path, cells, west=-180.0, unit="K"):
    height, width = cells.shape
    return write(path, cells.astype("float32"), (west, 360 / width, 0, 90.0, 0, -180 / height), "EPSG:4326", unit=unit)


def field(gaps=0.02, seed=7):
    """Waves that close round the earth, noise, and cells without a value."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(WIDTH) * 2 * np.pi / WIDTH, np.arange(HEIGHT) / HEIGHT)
    cells = 288 + 8 * np.cos(3 * x + 4 * y) + 15 * np.sin(3 * y) + rng.normal(0, 0.5, x.shape)
    cells[rng.random(x.shape) < gaps] = np.nan
    return np.float32(cells)


def windows(cells, x, y):
    """Every cell's window: round the earth along a row, nothing beyond the poles."""
    wide = np.pad(np.pad(cells, ((0, 0), (x, x)), mode="wrap"), ((y, y), (0, 0)), constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(wide, (2 * y + 1, 2 * x + 1))


def ground(height):
    """Metres of a cell along its row and its column, on the ellipsoid."""
    a, e2 = 6378137.0, 0.00669437999014
    step = math.pi / height
    latitude = math.pi / 2 - (np.arange(height) + 0.5) * step
    w = 1 - e2 * np.sin(latitude) ** 2
    return a * np.cos(latitude) / np.sqrt(w), a * (1 - e2) / w**1.5 * step


@pytest.mark.parametrize("window", [3, 9, 31])
def test_median(tmp_path, window):
    cells = field()
    globe(tmp_path / "in.tif", cells)
    run(f"in.tif ! median --window {window}px ! out.tif", cwd=tmp_path)
    half = window // 2
    y = min(half, HEIGHT)
    expected = np.nanmedian(windows(cells, half, y).astype("float64"), axis=(2, 3)).astype("float32")
    expected[np.isnan(cells)] = np.nan
    np.testing.assert_array_equal(read(tmp_path / "out.tif"), expected)


def test_boxcar(tmp_path):
    cells = field()
    globe(tmp_path / "in.tif", cells, unit="1")
    run("in.tif ! speckle --filter boxcar --radius 3 ! out.tif", cwd=tmp_path)
    valid = np.isfinite(cells)
    mode = ["constant", "wrap"]
    total = ndimage.uniform_filter(np.where(valid, cells, 0).astype("float64"), 7, mode=mode)
    count = ndimage.uniform_filter(valid.astype("float64"), 7, mode=mode)
    expected = np.where(valid, total / count, np.nan)
    got = read(tmp_path / "out.tif")
    assert (np.isnan(got) == np.isnan(expected)).all()
    np.testing.assert_allclose(got, expected, rtol=1e-6)  # one rounding to float32


def sobel(cells):
    """Per kilometre; SciPy's weights are eight times as large."""
    height, width = cells.shape
    dx, dy = ground(height)
    dx = dx * 2 * np.pi / width
    wide = cells.astype("float64")
    east = ndimage.sobel(wide, axis=1, mode="wrap") / 8 / dx[:, None]
    north = ndimage.sobel(wide, axis=0, mode=["constant", "wrap"]) / 8 / dy[:, None]
    strength = 1000 * np.hypot(east, north)
    nine = windows(cells, 1, 1).sum(axis=(2, 3))
    return np.where(np.isnan(nine), np.nan, strength)


def test_front(tmp_path):
    cells = field()
    globe(tmp_path / "in.tif", cells)
    run("in.tif ! front --method sobel ! out.tif", cwd=tmp_path)
    got, expected = read(tmp_path / "out.tif"), sobel(cells)
    assert (np.isnan(got) == np.isnan(expected)).all()
    assert np.isfinite(got[:, 0]).sum() > 50 and np.isfinite(got[:, -1]).sum() > 50
    np.testing.assert_allclose(got, expected, rtol=2e-6)


def test_terrain(tmp_path):
    cells = field(gaps=0)
    globe(tmp_path / "in.tif", cells, unit="m")
    run("in.tif ! terrain --measure roughness ! out.tif", cwd=tmp_path)
    got = read(tmp_path / "out.tif")
    wide = np.pad(cells, ((0, 0), (1, 1)), mode="wrap").astype("float64")
    expected = (ndimage.maximum_filter(wide, 3) - ndimage.minimum_filter(wide, 3))[1:-1, 1:-1]
    np.testing.assert_array_equal(got[1:-1], expected.astype("float32"))
    assert np.isnan(got[[0, -1]]).all()


def test_cfar_turns_with_the_scene(tmp_path):
    rng = np.random.default_rng(3)
    cells = np.float32(np.round(rng.gamma(4.4, 0.02 / 4.4, (HEIGHT, WIDTH)) * 4096) / 4096)
    cells[30:32, [0, 143]] = cells[50, 70] = 2.0
    run_it = "in.tif ! cfar --pfa 1e-4 --guard 5px --background 15px ! out.tif"
    globe(tmp_path / "in.tif", cells, unit="1")
    run(run_it, cwd=tmp_path)
    expected = read(tmp_path / "out.tif")
    assert expected[30:32, [0, 143]].all()
    for columns in (1, 37, 143):
        globe(tmp_path / "in.tif", np.roll(cells, columns, axis=1), unit="1")
        run(run_it, cwd=tmp_path)
        np.testing.assert_array_equal(read(tmp_path / "out.tif"), np.roll(expected, columns, axis=1))


def analysis(observed, noise, row, column, dx, dy, scale, most, half):
    """Optimal interpolation of one cell, with every observation of the box looked at."""
    found = []
    for j in range(-half, half + 1):
        for i in range(-half, half + 1):
            y, x = row + j, (column + i) % WIDTH
            if 0 <= y < HEIGHT and np.isfinite(observed[y, x]):
                found.append(((i * dx / scale) ** 2 + (j * dy / scale) ** 2, j, i, y, x))
    found = sorted(found)[:most]
    if not found:
        return 0.0, 1.0
    at = np.array([(i * dx / scale, j * dy / scale) for _, j, i, _, _ in found])
    b = np.exp(-(at**2).sum(axis=1))
    matrix = np.exp(-((at[:, None] - at[None]) ** 2).sum(axis=2)) + noise**2 * np.eye(len(found))
    weights = np.linalg.solve(matrix, b)
    return weights @ np.array([observed[y, x] for *_, y, x in found]), 1 - weights @ b


def test_interpolate(tmp_path):
    rng = np.random.default_rng(5)
    observed = np.full((HEIGHT, WIDTH), np.nan, "float32")
    places = rng.random(observed.shape) < 0.03
    observed[places] = rng.normal(0, 1, places.sum())
    globe(tmp_path / "obs.tif", observed)
    globe(tmp_path / "guess.tif", np.zeros_like(observed))
    run("obs.tif ! superob --noise 0.5 ! interpolate --guess [ guess.tif ] --scale-x 600000 --scale-y 600000 "
        "--search 21px --neighbours 12 ! out.tif --values analysis,variance", cwd=tmp_path)
    value, variance = read(tmp_path / "out.tif", 1), read(tmp_path / "out.tif", 2)
    dx, dy = ground(HEIGHT)
    dx = dx * 2 * np.pi / WIDTH
    for row in (20, 36, 50):
        for column in (0, 1, 5, 70, 138, 143):
            one, two = analysis(observed, 0.5, row, column, dx[row], dy[row], 600e3, 12, 10)
            assert value[row, column] == pytest.approx(one, abs=1e-6), (row, column)
            assert variance[row, column] == pytest.approx(two, abs=1e-6), (row, column)


def blobs():
    rng = np.random.default_rng(11)
    flags = np.zeros((HEIGHT, WIDTH), bool)
    for _ in range(60):
        x, y, r = rng.integers(0, WIDTH), rng.integers(2, HEIGHT - 2), rng.integers(1, 5)
        flags[max(0, y - r):y + r, np.arange(x - r, x + 2 * r) % WIDTH] = True
    flags[10:14, np.arange(-6, 3) % WIDTH] = True
    return flags


@pytest.mark.parametrize("connectivity", [8, 4])
@pytest.mark.parametrize("west", [-180.0, 0.0])
def test_objects(tmp_path, connectivity, west):
    flags = blobs()
    globe(tmp_path / "in.tif", flags, west, unit="flag")
    run(f"in.tif ! objects --connectivity {connectivity} ! [ out.gpkg ] ! out.geojson --lco WRITE_BBOX=YES", cwd=tmp_path)
    # Three turns side by side: what lies in the middle one, by where it starts, is every object once and whole.
    labels, _ = ndimage.label(np.tile(flags, (1, 3)), np.ones((3, 3)) if connectivity == 8 else None)
    expected = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        if not WIDTH <= columns.start < 2 * WIDTH:
            continue
        cells = np.argwhere(labels == number)
        expected.append((rows.start, columns.start - WIDTH, columns.stop - columns.start, len(cells),
                         cells[:, 0].mean() + 0.5, (cells[:, 1].mean() + 0.5) % WIDTH))
    got = features(tmp_path / "out.gpkg")
    rows = sorted((r["box_row"], r["box_column"], r["box_width"], r["cells"], r["row"], r["column"]) for r in got)
    np.testing.assert_allclose(rows, sorted(expected), rtol=0, atol=1e-9)
    over = [r for r in got if r["box_column"] + r["box_width"] > WIDTH]
    assert len(over) >= 2
    for row in got:
        assert row["geometry"].IsValid()
        # As many cells inside as there are; degrees are the same everywhere.
        cell = 360 / WIDTH * 180 / HEIGHT
        assert row["geometry"].GetArea() == pytest.approx(row["cells"] * cell, rel=1e-9)
        lon = west + row["column"] * 360 / WIDTH
        assert row["lon"] == pytest.approx(lon - 360 if lon > 180 else lon, abs=1e-9)
        assert not row["at_edge"] or row["box_row"] == 0 or row["box_row"] + row["box_height"] == HEIGHT
    check_geojson(tmp_path / "out.geojson", got, west)


def check_geojson(path, rows, west):
    """RFC 7946: longitudes within half a turn (3.1.9), west greater than east in a box over the antimeridian (5.2)."""
    crossing = 0
    for feature, row in zip(json.loads(path.read_text())["features"], rows):
        geometry = feature["geometry"]
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        longitudes = []
        for polygon in polygons:
            assert polygon and polygon[0]
            x = [point[0] for point in polygon[0]]
            assert -180 <= min(x) and max(x) <= 180
            longitudes += [min(x), max(x)]
        first = (west + row["box_column"] * 360 / WIDTH + 180) % 360 - 180
        last = (west + (row["box_column"] + row["box_width"]) * 360 / WIDTH + 180) % 360 - 180
        last = 180.0 if last == -180 else last
        assert feature["bbox"][0] == pytest.approx(first, abs=1e-6)
        assert feature["bbox"][2] == pytest.approx(last, abs=1e-6)
        if first > last:
            crossing += 1
            assert len(polygons) > 1 and min(longitudes) == -180 and max(longitudes) == 180
    assert crossing >= 1


def test_a_window_wider_than_the_earth(tmp_path):
    globe(tmp_path / "in.tif", field())
    refused(2, "in.tif ! median --window 145px ! out.tif", cwd=tmp_path, names=("median", "145", "round the earth"))


def test_explain_says_so(tmp_path):
    globe(tmp_path / "in.tif", field())
    text = call("explain", "in.tif ! median --window 5px ! out.tif", cwd=tmp_path).out
    assert "round the earth" in text and "over the seam too" in text
    write(tmp_path / "in.tif", field(), (-180.0, 2.4, 0, 90.0, 0, -2.4), "EPSG:4326", unit="K")
    assert "round the earth" not in call("explain", "in.tif ! median --window 5px ! out.tif", cwd=tmp_path).out


def test_sea_surface_temperature_of_the_whole_earth(tmp_path):
    """A real analysis, 0 to 360 degrees in its file: its fronts, and its medians along the antimeridian."""
    path = shared("sst/oi_firstguess_analysis_20160116.nc")
    run(f"{path} ! [ sst.tif ] ! front --method sobel ! out.tif", cwd=tmp_path)
    cells = read(tmp_path / "sst.tif")
    got, expected = read(tmp_path / "out.tif"), sobel(cells)
    assert (np.isnan(got) == np.isnan(expected)).all()
    seam = [0, cells.shape[1] - 1]
    assert np.isfinite(got[:, seam]).sum() > 700
    np.testing.assert_allclose(got[:, seam], expected[:, seam], rtol=1e-5)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-9)


def neighbours(cells):
    """The eight neighbours of every cell: over the seam, missing beyond the poles. E, SE, S, SW, W, NW, N, NE."""
    tall = np.pad(cells, ((1, 1), (0, 0)), constant_values=np.nan)
    for dx, dy in ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)):
        yield np.roll(tall, (-dy, -dx), (0, 1))[1:-1]


def test_fill_and_flow_go_over_the_seam(tmp_path):
    """Raising to the least of the highest cells on any way out, by repeated sweeps; then D8 cell by cell."""
    cells = field(gaps=0.001)[:40, :60]
    cells[0], cells[-1] = 400, 400  # walls at the poles, so that water must go along the rows
    cells[20, 55:] = cells[20, :9] = 100  # a trench over the seam
    cells[20, 30] = 90
    globe(tmp_path / "in.tif", cells, unit="m")
    run("in.tif ! fill ! [ out.tif ] ! flow_accumulation ! flow.tif --values cells,direction", cwd=tmp_path)
    missing = np.isnan(cells)
    outlet = np.zeros(cells.shape, bool)
    outlet[0] = outlet[-1] = True
    for n in neighbours(np.where(missing, -1, cells)):
        outlet |= n == -1
    level = np.where(outlet, cells, np.inf).astype("float32")
    while True:
        lower = np.fmin.reduce(list(neighbours(level)))
        new = np.where(outlet | missing, level, np.maximum(cells, np.minimum(level, lower)))
        if np.array_equal(new, level, equal_nan=True):
            break
        level = new
    level[missing] = np.nan
    got = read(tmp_path / "out.tif")
    np.testing.assert_array_equal(got, level)
    assert got[20, 0] > 100 and got[20, 0] == got[20, -1]  # the trench is one, and full

    # On a terrain of no flats the steepest way is all there is to it.
    rough = np.float32(np.random.default_rng(3).permutation(40 * 60).reshape(40, 60))
    globe(tmp_path / "in.tif", rough, unit="m")
    run("in.tif ! flow_accumulation ! flow.tif --values cells,direction", cwd=tmp_path)
    along, across = ground(40)
    along, across = (np.broadcast_to(v[:, None], rough.shape) for v in (along * 2 * math.pi / 60, across))
    distance = [along, np.hypot(along, across), across, np.hypot(along, across)] * 2
    slopes = np.stack([(rough.astype(float) - n) / d for n, d in zip(neighbours(rough), distance)])
    slopes = np.where(np.isnan(slopes), -1, slopes)
    way = np.where(slopes.max(axis=0) > 0, slopes.argmax(axis=0), -1)
    code = read(tmp_path / "flow.tif", 2)
    np.testing.assert_array_equal(code, np.where(way < 0, 0, 2.0**way))
    count = np.ones(rough.shape)
    steps = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
    for y, x in sorted(np.ndindex(rough.shape), key=lambda c: -rough[c]):
        if way[y, x] >= 0:
            dx, dy = steps[way[y, x]]
            count[y + dy, (x + dx) % 60] += count[y, x]
    np.testing.assert_array_equal(read(tmp_path / "flow.tif"), count)
    east = (code[:, -1] == 1) | (code[:, -1] == 2) | (code[:, -1] == 128)
    assert east.any()

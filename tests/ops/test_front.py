# SPDX-License-Identifier: Apache-2.0
"""Fronts against NumPy and SciPy, written from the text of the method, on real temperature and chlorophyll."""

import numpy as np
import pytest
from osgeo import gdal
from pyproj import Geod
from scipy import ndimage

from fulmar_cli import place, read, refused, run, shared, write

SST = "front/modis_sst_peru_201502.nc"
CHL = "front/modis_chl_peru_201502.nc"


def front(path, words, tmp_path):
    run(f"{path} ! front {words} ! {tmp_path}/out.tif --values front,direction")
    return read(tmp_path / "out.tif").astype(float)


def direction(tmp_path):
    """The second output of the last run."""
    return read(tmp_path / "out.tif", 2).astype(float)


def field(path):
    cells = read(path).astype(float)
    return np.where(cells == -9999, np.nan, cells)


def ground(path):
    """Metres of a cell along and across, by row, from the ellipsoid."""
    (_, dx, _, top, _, dy), _ = place(path)
    geod = Geod(ellps="WGS84")
    latitude = top + (np.arange(read(path).shape[0]) + 0.5) * dy
    along = np.array([geod.inv(0, v, dx, v)[2] for v in latitude])
    across = np.array([geod.inv(0, v - dy / 2, 0, v + dy / 2)[2] for v in latitude])
    return along[:, None], across[:, None]


def around(f, dx, dy):
    """The field moved so that each cell holds its neighbour (dx right, dy down); missing beyond the raster."""
    h, w = f.shape
    padded = np.pad(f, 2, constant_values=np.nan)
    return padded[2 + dy : 2 + dy + h, 2 + dx : 2 + dx + w]


PROFILES = ((1, 0), (0, 1), (1, 1), (1, -1))


def mf3in5(f):
    """Belkin & O'Reilly's contextual median: a peak of the 3 x 3 that is no peak of all four 5-cell profiles goes."""
    box = np.stack([around(f, dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    others = np.delete(box, 4, 0)

    def peak(sign):
        g = sign * f
        three = np.all(~(sign * others >= g), 0)
        five = np.ones(f.shape, bool)
        for px, py in PROFILES:
            for k in (-2, -1, 1, 2):
                five &= ~(sign * around(f, k * px, k * py) >= g)
        return three, five

    (top3, top5), (low3, low5) = peak(1), peak(-1)
    with np.errstate(all="ignore"):
        median = np.nanmedian(np.where(np.isnan(box).all(0), 0, box), 0)
    out = np.where((top3 | low3) & ~(top5 | low5), median, f)
    return np.where(np.isnan(f), np.nan, out)


def sobel(f):
    """Differences per cell by SciPy; missing where one of the 3 x 3 is, and along the edge."""
    gx, gy = ndimage.sobel(np.nan_to_num(f), 1) / 8, -ndimage.sobel(np.nan_to_num(f), 0) / 8
    gap = ndimage.binary_dilation(np.isnan(f), np.ones((3, 3)), border_value=1)
    return np.where(gap, np.nan, gx), np.where(gap, np.nan, gy)


def check_direction(got, gx, gy, dx, dy):
    """The azimuth in which the field rises, from its differences to the east and to the north; none where it is flat."""
    east, north = gx / dx, gy / dy
    sloping = np.hypot(east, north) > 0
    assert np.array_equal(np.isnan(got), ~sloping)
    apart = np.abs(got - np.degrees(np.arctan2(east, north)) % 360)[sloping]
    assert np.minimum(apart, 360 - apart).max() < 4e-5  # the resolution of f32 at 360
    assert np.nanmin(got) >= 0 and np.nanmax(got) < 360
    assert all(((got >= q) & (got < q + 90)).sum() > 1000 for q in (0, 90, 180, 270))


def check(got, gx, gy, dx, dy, azimuth):
    expected = 1000 * np.hypot(gx / dx, gy / dy)
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    valid = ~np.isnan(expected)
    assert valid.sum() > 40_000
    # f32 of the result, and of the chord of a parallel for the parallel: 1e-7 both.
    assert np.allclose(got[valid], expected[valid], rtol=3e-7, atol=1e-12)
    check_direction(azimuth, gx, gy, dx, dy)
    return expected


def test_gradient(tmp_path):
    path = shared(SST)
    f = field(path)
    gy, gx = np.gradient(f)
    inner = np.zeros(f.shape, bool)
    inner[1:-1, 1:-1] = True
    four = inner & ~np.isnan(f) & ~np.isnan(gx) & ~np.isnan(gy)
    check(front(path, "--method gradient", tmp_path), np.where(four, gx, np.nan), np.where(four, -gy, np.nan),
          *ground(path), direction(tmp_path))


def test_one_sided_at_edges_and_coasts(tmp_path):
    path = shared(SST)
    f = field(path)
    assert np.isnan(f).any()

    def axis(dx, dy):
        after, before = around(f, dx, dy) - f, f - around(f, -dx, -dy)
        both = (after + before) / 2
        return np.where(np.isnan(after), before, np.where(np.isnan(before), after, both))

    got = front(path, "--method one_sided", tmp_path)
    check(got, axis(1, 0), axis(0, -1), *ground(path), direction(tmp_path))
    assert (~np.isnan(got)).sum() > (~np.isnan(front(path, "--method gradient", tmp_path))).sum()
    # numpy.gradient takes the same differences at the edge of the raster.
    gx = np.gradient(f, axis=1)[:, 0]
    same = np.isclose(axis(1, 0)[:, 0], gx) | np.isnan(gx)
    assert same.all() and (~np.isnan(gx)).any()


def test_sobel(tmp_path):
    path = shared(SST)
    check(front(path, "--method sobel", tmp_path), *sobel(field(path)), *ground(path),
          direction(tmp_path))


@pytest.mark.parametrize("scale", ["linear", "log10"])
@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_rows_are_as_cell_by_cell(tmp_path, iterations, scale):
    """The processor filters rows and keeps them; the reference asks each cell for its surroundings."""
    rng = np.random.default_rng(iterations)
    cells = rng.integers(-1, 9, (53, 700)).astype(np.float32)  # many are equal, some cells are surrounded by gaps
    cells[rng.random(cells.shape) < 0.3] = np.nan
    write(tmp_path / "in.tif", cells, crs="EPSG:32631")
    words = f"{tmp_path}/in.tif ! front --method belkin_oreilly --iterations {iterations} --scale {scale} ! "
    found = []
    for backend in ("cpu", "reference"):
        run(words + f"{tmp_path}/{backend}.tif --values front,direction", "--backend", backend)
        found.append([read(tmp_path / f"{backend}.tif", band).tobytes() for band in (1, 2)])
    assert found[0] == found[1]


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_belkin_oreilly(tmp_path, iterations):
    path = shared(SST)
    f = field(path)
    filtered = f
    for _ in range(iterations):
        filtered = mf3in5(filtered)
    changed = (filtered != f) & ~np.isnan(f)
    assert changed.sum() > 1000
    expected = check(front(path, f"--method belkin_oreilly --iterations {iterations}", tmp_path), *sobel(filtered),
                     *ground(path), direction(tmp_path))
    # The four profiles matter, the north-east one too: with the main diagonal in its place the answer is another.
    global PROFILES
    kept, PROFILES = PROFILES, ((1, 0), (0, 1), (1, 1), (1, 1))
    try:
        other = mf3in5(f)
    finally:
        PROFILES = kept
    assert ((other != mf3in5(f)) & ~np.isnan(f)).any()
    assert np.nanmax(expected) > 0.1


@pytest.mark.parametrize("method", ["sobel", "belkin_oreilly"])
def test_chlorophyll_in_decades(tmp_path, method):
    path = shared(CHL)
    raw = field(path)
    with np.errstate(all="ignore"):
        f = np.where(raw > 0, np.log10(raw), np.nan)
    gx, gy = sobel(mf3in5(f) if method == "belkin_oreilly" else f)
    got = front(path, f"--method {method} --scale log10", tmp_path)
    expected = 1000 * np.hypot(gx / ground(path)[0], gy / ground(path)[1])
    valid = ~np.isnan(expected)
    assert np.array_equal(np.isnan(got), ~valid) and valid.sum() > 20_000
    # Differences of logarithms that are alike lose digits, in the oracle too.
    assert np.allclose(got[valid], expected[valid], rtol=3e-7, atol=1e-15 * 1000 / 4000 * 8)
    steep = expected > 1e-6  # elsewhere those digits turn the direction
    assert steep.sum() > 20_000
    check_direction(np.where(steep, direction(tmp_path), np.nan), np.where(steep, gx, np.nan), gy, *ground(path))


def test_sobel_agrees_with_grec(tmp_path):
    """The gradient of the R package grec (kernel not normalised) of its own filtered field, on cells of 1 km."""
    reference = shared("front/modis_sst_peru_201502_grec_reference.nc")
    cmf, gm = (field(f'NETCDF:"{reference}":BelkinOReilly_{k}') for k in ("CMF", "GM"))
    path = write(tmp_path / "cmf.tif", cmf.astype(np.float32), transform=(500000, 1000, 0, 9000000, 0, -1000))
    got = front(path, "--method sobel", tmp_path)
    both = ~np.isnan(got) & ~np.isnan(gm)
    assert both.sum() > 100_000
    assert np.allclose(8 * got[both], gm[both], rtol=1e-5, atol=1e-5)


def test_toy_peaks(tmp_path):
    """A plane stays a plane; a spike goes, unless it is a peak of all the five-cell profiles."""
    y, x = np.mgrid[0:11, 0:11]
    plane = (20 + 0.5 * x).astype(np.float32)
    utm = (500000, 1000, 0, 4000000, 0, -1000)
    got = front(write(tmp_path / "plane.tif", plane, transform=utm), "--method belkin_oreilly", tmp_path)
    assert got[1:-1, 1:-1] == pytest.approx(0.5, abs=1e-7)
    assert np.isnan(got[0]).all() and np.isnan(got[:, -1]).all()
    spike = plane.copy()
    spike[5, 5] += 0.8  # above its 8 neighbours, but not above the cell two to the east
    got = front(write(tmp_path / "spike.tif", spike, transform=utm), "--method belkin_oreilly", tmp_path)
    assert got[1:-1, 1:-1] == pytest.approx(0.5, abs=1e-7)
    spike[5, 5] += 10  # a peak of five: kept, as a real feature
    got = front(write(tmp_path / "peak.tif", spike, transform=utm), "--method belkin_oreilly", tmp_path)
    assert got[5, 4] == pytest.approx((2 * float(spike[5, 5] - spike[5, 3]) + 2 * 1.0) / 8, rel=1e-6)


@pytest.mark.parametrize("method", ["gradient", "one_sided", "sobel", "belkin_oreilly"])
@pytest.mark.parametrize("azimuth", [0, 45, 100, 200, 315])
def test_compass(tmp_path, method, azimuth):
    """A plane that rises towards an azimuth, on cells of 300 by 200 m; one that is flat has no direction."""
    y, x = np.mgrid[0:12, 0:15]
    a = np.radians(azimuth)
    cells = (20 + 1e-3 * (300 * x * np.sin(a) - 200 * y * np.cos(a))).astype(np.float32)
    utm = (500000, 300, 0, 4000000, 0, -200)
    got = front(write(tmp_path / "plane.tif", cells, transform=utm), f"--method {method}", tmp_path)
    apart = (direction(tmp_path)[1:-1, 1:-1] - azimuth + 180) % 360 - 180
    assert np.abs(apart).max() < 5e-3  # f32 of the plane
    assert got[1:-1, 1:-1] == pytest.approx(1, rel=1e-4)
    front(write(tmp_path / "flat.tif", np.full((9, 9), 20, np.float32), transform=utm), f"--method {method}", tmp_path)
    assert (read(tmp_path / "out.tif")[1:-1, 1:-1] == 0).all() and np.isnan(direction(tmp_path)).all()


def test_rows_from_south_to_north(tmp_path):
    f = np.random.default_rng(2).normal(290, 1, (40, 50)).astype(np.float32)
    down = write(tmp_path / "down.tif", f, transform=(500000, 300, 0, 4000000, 0, -200))
    up = write(tmp_path / "up.tif", f[::-1].copy(), transform=(500000, 300, 0, 4000000 - 200 * 40, 0, 200))
    expected = front(down, "--method sobel", tmp_path), direction(tmp_path)
    assert np.array_equal(front(up, "--method sobel", tmp_path), expected[0], equal_nan=True)
    assert np.array_equal(direction(tmp_path), expected[1], equal_nan=True)


def test_units_and_refusals(tmp_path):
    from osgeo import gdal

    path = write(tmp_path / "sst.tif", np.random.default_rng(1).normal(290, 1, (9, 9)).astype(np.float32), unit="K")
    for words, unit in [("", "K/km"), ("--scale log10", "1/km")]:
        front(path, words, tmp_path)
        assert gdal.Open(str(tmp_path / "out.tif")).GetRasterBand(1).GetUnitType() == unit
    nowhere = write(tmp_path / "nowhere.tif", np.zeros((9, 9), np.float32), crs=None)
    refused(2, f"{nowhere} ! front ! {tmp_path}/b.tif", names=["size of its cells", "CRS"])
    refused(2, f"{path} ! front --method belkin_oreilly --iterations 4 ! {tmp_path}/b.tif", names="iterations")


def test_every_band(tmp_path):
    """Each band has the fronts that it has alone; the azimuths of all follow where they are asked for."""
    rng = np.random.default_rng(5)
    cells = ndimage.gaussian_filter(rng.normal(0, 9, (3, 70, 90)), (0, 4, 4)).astype(np.float32)
    cells[1, 20:30, 40:50] = np.nan
    write(tmp_path / "in.tif", cells)
    run("in.tif ! front ! all.tif", cwd=tmp_path)
    run("in.tif ! front ! both.tif --values front,direction", cwd=tmp_path)
    for band in (1, 2, 3):
        run(f"in.tif --band {band} ! front ! one.tif --values front,direction", cwd=tmp_path)
        front, azimuth = read(tmp_path / "one.tif"), read(tmp_path / "one.tif", 2)
        np.testing.assert_array_equal(read(tmp_path / "all.tif", band), front)
        np.testing.assert_array_equal(read(tmp_path / "both.tif", band), front)
        np.testing.assert_array_equal(read(tmp_path / "both.tif", band + 3), azimuth)
    assert gdal.Open(str(tmp_path / "all.tif")).RasterCount == 3
    both = gdal.Open(str(tmp_path / "both.tif"))
    names = [both.GetRasterBand(k + 1).GetDescription() for k in range(6)]
    assert names == ["b1 front", "b2 front", "b3 front", "b1 direction", "b2 direction", "b3 direction"]
    refused(2, f"{tmp_path}/in.tif ! front ! {tmp_path}/o.tif --values azimuth", names=["front", "direction"])
    refused(2, f"{tmp_path}/in.tif ! front ! objects ! {tmp_path}/o.gpkg", names="one band")

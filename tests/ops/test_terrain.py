# SPDX-License-Identifier: Apache-2.0
"""Slope, aspect, hillshade and the roughness of the ground against gdaldem, and against NumPy where gdaldem is wrong.

gdaldem works in f32 and divides differences by the cell's size after rounding; ours in f64: hence 2e-4 degrees.
"""

import shutil
import subprocess

import numpy as np
import pytest

from fulmar_cli import place, read, refused, run, shared, write

DEM = "terrain/bigtujunga_srtm30_crop400.tif"


def terrain(path, words, tmp_path):
    run(f"{path} ! terrain {words} ! {tmp_path}/out.tif")
    return read(tmp_path / "out.tif").astype(float)


def gdaldem(mode, path, tmp_path, *options):
    if shutil.which("gdaldem") is None:
        pytest.skip("needs gdaldem (gdal-bin)")
    out = tmp_path / "gdaldem.tif"
    subprocess.run(["gdaldem", mode, str(path), str(out), "-q", *map(str, options)], check=True)
    cells = read(out).astype(float)
    nodata = 0 if mode == "hillshade" else -9999
    return np.where(cells == nodata, np.nan, cells)


def same_gaps(got, expected):
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    return ~np.isnan(expected)


def angle(a, b):
    d = np.abs(a - b) % 360
    return np.minimum(d, 360 - d)


@pytest.mark.parametrize("words,reference,tolerance", [
    ("--measure slope", "slope_horn_deg", 2e-4),
    ("--measure slope --gradient zevenbergen_thorne", "slope_zt_deg", 2e-4),
    ("--measure tri", "tri_riley", 1e-4),
    ("--measure tpi", "tpi", 1e-5),
    ("--measure roughness", "roughness", 0),
])
def test_shipped_references(tmp_path, words, reference, tolerance):
    expected = read(shared(f"terrain/bigtujunga_ref_{reference}.tif")).astype(float)
    expected[expected == -9999] = np.nan
    got = terrain(shared(DEM), words, tmp_path)
    valid = same_gaps(got, expected)
    assert valid.sum() > 150_000 and not valid[0].any() and not valid[:, -1].any()
    assert np.abs(got - expected)[valid].max() <= tolerance


def test_shipped_aspect(tmp_path):
    expected = read(shared("terrain/bigtujunga_ref_aspect_horn.tif")).astype(float)
    expected[expected == -9999] = np.nan
    got = terrain(shared(DEM), "--measure aspect", tmp_path)
    valid = same_gaps(got, expected)  # flat cells are missing in both
    assert angle(got, expected)[valid].max() <= 2e-4
    assert np.nanmin(got) >= 0 and np.nanmax(got) < 360


def test_shipped_hillshade_to_the_byte(tmp_path):
    expected = read(shared("terrain/bigtujunga_ref_hillshade_315_45.tif"))
    got = terrain(shared(DEM), "--measure hillshade", tmp_path)
    assert np.array_equal(np.nan_to_num(got, nan=0).astype(np.uint8), expected)
    assert np.array_equal(np.isnan(got), expected == 0)


@pytest.mark.parametrize("azimuth,altitude,z,gradient", [
    (0, 30, 1, "horn"), (120, 10, 2.5, "horn"), (270, 60, 0.5, "zevenbergen_thorne"), (45, 5, 3, "zevenbergen_thorne")])
def test_hillshade_of_other_lights(tmp_path, azimuth, altitude, z, gradient):
    path = shared(DEM)
    expected = gdaldem("hillshade", path, tmp_path, "-az", azimuth, "-alt", altitude, "-z", z, "-alg",
                       "Horn" if gradient == "horn" else "ZevenbergenThorne")
    got = terrain(path, f"--measure hillshade --azimuth {azimuth} --altitude {altitude} --z-factor {z} "
                        f"--gradient {gradient}", tmp_path)
    valid = same_gaps(got, expected)
    assert np.unique(expected[valid]).size > 100
    # gdaldem's f32 may fall on the other side of a half: one grey level, in a few cells of 158,404.
    differ = got[valid] != expected[valid]
    assert np.abs(got - expected)[valid].max() <= 1 and differ.sum() <= 5, int(differ.sum())


@pytest.mark.parametrize("words,mode,options,tolerance", [
    ("--measure slope_percent", "slope", ["-p"], 1e-3),
    ("--measure slope_percent --gradient zevenbergen_thorne", "slope", ["-p", "-alg", "ZevenbergenThorne"], 1e-3),
    ("--measure tri_wilson", "TRI", ["-alg", "Wilson"], 1e-4),
    ("--measure tri", "TRI", ["-alg", "Riley"], 1e-4),
    ("--measure tpi", "TPI", [], 1e-4),
    ("--measure roughness", "roughness", [], 0),
])
def test_gdaldem_with_gaps(tmp_path, words, mode, options, tolerance):
    source = shared(DEM)
    cells = read(source).astype(np.int16)
    cells[100, 100] = cells[200:230, 50:90] = cells[0, 0] = 32767
    path = write(tmp_path / "dem.tif", cells, *place(source), nodata=32767)
    expected = gdaldem(mode, path, tmp_path, *options)
    got = terrain(path, words, tmp_path)
    valid = same_gaps(got, expected)
    assert np.isnan(got[99:102, 99:102]).all() and not np.isnan(got[98, 98])
    assert np.abs(got - expected)[valid].max() <= tolerance


def gradients(cells, dx, dy):
    """p east and q north from the text, each row with its own size."""
    z = cells.astype(np.longdouble)
    p, q = (np.full(z.shape, np.nan, np.longdouble) for _ in range(2))
    for y in range(1, z.shape[0] - 1):
        a, d, g = z[y - 1 : y + 2, :-2]
        b, _, h = z[y - 1 : y + 2, 1:-1]
        c, f, i = z[y - 1 : y + 2, 2:]
        p[y, 1:-1] = ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * dx[y])
        q[y, 1:-1] = ((a + 2 * b + c) - (g + 2 * h + i)) / (8 * dy[y])
    return p, q


def test_degrees_use_the_size_of_their_own_row(tmp_path):
    """A DEM in degrees, 53 to 57 north, on the ellipsoid by pyproj; slope and aspect of true metres."""
    from pyproj import Geod

    path = shared("terrain/gebco2014_hebrides_30s.tif")
    cells = read(path)
    (_, dx, _, top, _, dy), _ = place(path)
    geod = Geod(ellps="WGS84")
    latitude = top + (np.arange(cells.shape[0]) + 0.5) * dy
    dx_m = np.array([geod.inv(0, v, dx, v)[2] for v in latitude])
    dy_m = np.array([geod.inv(0, v - dy / 2, 0, v + dy / 2)[2] for v in latitude])
    assert dy_m.mean() / dx_m.mean() > 1.7
    p, q = gradients(cells, dx_m, dy_m)
    slope = terrain(path, "--measure slope", tmp_path)
    expected = np.degrees(np.arctan(np.sqrt(p * p + q * q)).astype(float))
    valid = same_gaps(slope, expected)
    # The chord of a parallel, which pyproj measures, is shorter than the parallel by less than 1e-8.
    assert np.abs(slope - expected)[valid].max() < 2e-6
    aspect = terrain(path, "--measure aspect", tmp_path)
    flat = (p == 0) & (q == 0)
    assert flat.any() and np.array_equal(np.isnan(aspect), ~valid | flat)
    sloping = valid & ~flat
    expected = np.degrees(np.arctan2(-p, -q).astype(float)) % 360
    assert angle(aspect, expected)[sloping].max() < 4e-5  # the resolution of f32 at 360


@pytest.mark.parametrize("azimuth", [20, 110, 200, 290])
def test_gradients_on_oblong_cells(tmp_path, azimuth):
    """A plane that falls towards an azimuth, on cells of 30 by 20 m, by both gradients."""
    y, x = np.mgrid[0:12, 0:15]
    a = np.radians(azimuth)
    cells = (-0.3 * (30.0 * x * np.sin(a) - 20.0 * y * np.cos(a))).astype(np.float32)
    path = write(tmp_path / "dem.tif", cells, transform=(500000, 30, 0, 4000000, 0, -20))
    for gradient in ("horn", "zevenbergen_thorne"):
        words = f"--gradient {gradient}"
        assert terrain(path, f"--measure aspect {words}", tmp_path)[1:-1, 1:-1] == pytest.approx(azimuth, abs=1e-4)
        assert terrain(path, words, tmp_path)[1:-1, 1:-1] == pytest.approx(np.degrees(np.arctan(0.3)), abs=1e-4)


def test_compass(tmp_path):
    """A plane that falls to the north-east at 45 degrees of azimuth; cells of 30 by 20 m, where gdaldem's aspect errs."""
    y, x = np.mgrid[0:12, 0:15]
    east, north = 30.0 * x, -20.0 * y
    cells = (-0.1 * east - 0.1 * north).astype(np.float32)
    path = write(tmp_path / "dem.tif", cells, transform=(500000, 30, 0, 4000000, 0, -20))
    assert terrain(path, "--measure aspect", tmp_path)[1:-1, 1:-1] == pytest.approx(45, abs=1e-4)
    assert terrain(path, "", tmp_path)[1:-1, 1:-1] == pytest.approx(np.degrees(np.arctan(0.1 * 2**0.5)), abs=1e-5)
    assert terrain(path, "--z-factor 2 --measure slope_percent", tmp_path)[1:-1, 1:-1] == pytest.approx(
        20 * 2**0.5, abs=1e-4)


def test_units_follow_the_measure(tmp_path):
    from osgeo import gdal

    path = write(tmp_path / "dem.tif", np.random.default_rng(1).normal(0, 9, (9, 9)).astype(np.float32), unit="metre")
    for measure, unit in [("slope", "degree"), ("slope_percent", "%"), ("hillshade", "1"), ("tri", "m")]:
        terrain(path, f"--measure {measure}", tmp_path)
        assert gdal.Open(str(tmp_path / "out.tif")).GetRasterBand(1).GetUnitType() == unit
    refused(2, f"{tmp_path}/out.tif --unit K ! terrain ! {tmp_path}/b.tif", names=["elevation", "K"])


def test_no_size_no_slope(tmp_path):
    path = write(tmp_path / "dem.tif", np.arange(99, dtype=np.float32).reshape(9, 11), crs=None)
    refused(2, f"{path} ! terrain ! {tmp_path}/out.tif", names=["size of its cells", "CRS"])
    got = terrain(path, "--measure roughness", tmp_path)
    assert (got[1:-1, 1:-1] == 24).all()


def flipped(path, out, rows_up):
    """The raster with its rows from the south to the north, and a transform that says so."""
    (x, dx, _, y, _, dy), wkt = place(path)
    cells = read(path)
    return write(out, cells[::-1].copy(), transform=(x, dx, 0, y + dy * cells.shape[0], 0, -dy if rows_up else dy),
                 crs=wkt)


@pytest.mark.parametrize("words,mode,tolerance", [
    ("--measure aspect", "aspect", 2e-4), ("--measure hillshade", "hillshade", 0), ("--measure slope", "slope", 2e-4)])
def test_rows_from_south_to_north(tmp_path, words, mode, tolerance):
    """gdaldem turns a raster that is stored upside down round, as does reading here: north is up in what comes out."""
    source = shared(DEM)
    up = flipped(source, tmp_path / "up.tif", True)
    got = terrain(up, words, tmp_path)
    (x, dx, _, y, _, dy), _ = place(tmp_path / "out.tif")
    assert (x, dx, y, dy) == tuple(place(source)[0][i] for i in (0, 1, 3, 5))
    north_up = gdaldem(mode, source, tmp_path)
    valid = same_gaps(got, north_up)
    assert angle(got, north_up)[valid].max() <= tolerance
    assert np.array_equal(got, terrain(source, words, tmp_path), equal_nan=True)
    # gdaldem itself, of the stored rows, where it heeds their direction.
    theirs = gdaldem(mode, up, tmp_path)
    if place(tmp_path / "gdaldem.tif")[0][5] > 0:
        theirs = theirs[::-1]
    print(mode, "gdaldem upside down differs by", np.nanmax(angle(theirs, north_up)))


def test_rows_from_south_to_north_in_windows(tmp_path):
    """Every window of a tiled file comes from the right place: a copy, and values with gaps and a mask."""
    rng = np.random.default_rng(3)
    cells = rng.normal(size=(2, 611, 703)).astype(np.float32)
    cells[:, 100:140, 200:260] = -9999
    up = (500000, 10, 0, 4000000, 0, 10)
    write(tmp_path / "up.tif", cells, transform=up, nodata=-9999, options=["TILED=YES", "BLOCKYSIZE=64", "BLOCKXSIZE=64"])
    for backend in ("cpu", "reference"):
        run(f"{tmp_path}/up.tif ! expression 'b1 + 0' ! {tmp_path}/out.tif", "--backend", backend)
        assert place(tmp_path / "out.tif")[0] == (500000, 10, 0, 4006110, 0, -10)
        expected = np.where(cells[0] == -9999, np.nan, cells[0])[::-1]
        assert np.array_equal(read(tmp_path / "out.tif"), expected, equal_nan=True)
    # Without a CRS nothing says which way is north: rows stay as they are.
    write(tmp_path / "nowhere.tif", cells, transform=up, crs=None, nodata=-9999)
    run(f"{tmp_path}/nowhere.tif ! expression 'b1 + 0' ! {tmp_path}/out.tif")
    assert np.array_equal(read(tmp_path / "out.tif"), expected[::-1], equal_nan=True)

# SPDX-License-Identifier: Apache-2.0
"""Composites of many dates against NumPy, brute force and SciPy's minimisers, on Landsat, MODIS and synthetic stacks."""

import numpy as np
import pytest
from osgeo import gdal
from scipy import optimize

from fulmar_cli import read, refused, run, shared

METHODS = ("median", "mean", "max_ndvi", "medoid", "geomedian")


def write_stack(folder, cells, dtype=gdal.GDT_Float32, nodata=None):
    """One file a date of cells[date, band, row, column]; NaN is stored as nodata."""
    folder.mkdir(exist_ok=True)
    for d, scene in enumerate(cells):
        path = folder / f"scene_{20200101 + d}.tif"
        file = gdal.GetDriverByName("GTiff").Create(str(path), cells.shape[3], cells.shape[2], cells.shape[1], dtype)
        file.SetGeoTransform((500000, 30, 0, 4000000, 0, -30))
        for b, band in enumerate(scene):
            if nodata is not None:
                band = np.where(np.isnan(band), nodata, band)
                file.GetRasterBand(b + 1).SetNoDataValue(nodata)
            file.GetRasterBand(b + 1).WriteArray(band)
        file = None
    return f"{folder}/scene_*.tif"


def composite(pattern, tmp_path, *words):
    run(f"{pattern} ! composite {' '.join(words)} ! {tmp_path}/composite.tif")
    file = gdal.Open(f"{tmp_path}/composite.tif")
    return np.stack([file.GetRasterBand(b + 1).ReadAsArray() for b in range(file.RasterCount)])


def without_incomplete(cells):
    """Dates at which a band is missing are missing in all bands."""
    return np.where(np.isnan(cells).any(axis=1, keepdims=True), np.nan, cells)


def kranj(sensor):
    """Real dates of one place, six bands each, scaled as reflectance."""
    first = shared(f"st_fusion/{sensor}_kranj_2020068.tif")
    names = sorted(first.parent.glob(f"{sensor}_kranj_*.tif"))
    cells = np.stack([gdal.Open(str(n)).ReadAsArray().astype(float) for n in names])
    return f"{first.parent}/{sensor}_kranj_*.tif", np.where(np.abs(cells) > 1e30, np.nan, cells)


@pytest.fixture(params=["landsat8", "modis", "made", "two dates", "one date"])
def stack(request, tmp_path):
    if request.param in ("landsat8", "modis"):
        return kranj(request.param)
    rng = np.random.default_rng(5)
    dates = {"made": 9, "two dates": 2, "one date": 1}[request.param]
    cells = rng.normal(0.3, 0.1, (dates, 3, 31, 37)).astype(np.float32)
    cells[rng.random(cells.shape) < 0.15] = np.nan
    cells[:, :, :3, :4] = np.nan
    cells[:, 1, 5, 5] = np.nan
    # Cells at which dates coincide: the geometric median is then one of them, or lies between.
    cells[:, :, 8:12] = cells[:1, :, 8:12]
    cells[: (dates + 1) // 2, :, 14:18] = cells[:1, :, 14:18]
    return write_stack(tmp_path / "stack", cells), cells.astype(float)


def distances(point, dates):
    return np.sqrt(((dates - point) ** 2).sum(axis=-1)).sum()


def test_median_and_mean(stack, tmp_path):
    pattern, cells = stack
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        np.testing.assert_array_equal(composite(pattern, tmp_path, "median"), np.nanmedian(cells, axis=0).astype(np.float32))
        np.testing.assert_allclose(composite(pattern, tmp_path, "mean"), np.nanmean(cells, axis=0), rtol=1e-7, atol=1e-8)


def test_max_ndvi(stack, tmp_path):
    pattern, cells = stack
    got = composite(pattern, tmp_path, "max_ndvi", "--red 2", "--nir 3")
    whole = without_incomplete(cells)
    with np.errstate(all="ignore"):
        ndvi = (whole[:, 2] - whole[:, 1]) / (whole[:, 2] + whole[:, 1])
    best = np.where(np.isnan(ndvi), -np.inf, ndvi).argmax(axis=0)
    expected = np.take_along_axis(whole, best[None, None], axis=0)[0]
    np.testing.assert_array_equal(got, expected.astype(np.float32))


def test_medoid(stack, tmp_path):
    pattern, cells = stack
    got = composite(pattern, tmp_path, "medoid")
    whole = without_incomplete(cells)
    for y, x in np.ndindex(cells.shape[2:]):
        valid = whole[:, :, y, x][~np.isnan(whole[:, 0, y, x])]
        if len(valid) == 0:
            assert np.isnan(got[:, y, x]).all()
            continue
        sums = [distances(p, valid) for p in valid]
        chosen = (np.abs(valid.astype(np.float32) - got[:, y, x]).max(axis=1) == 0).nonzero()[0][0]
        assert sums[chosen] <= min(sums) * (1 + 1e-14)
        if np.diff(sorted(sums))[:1].min(initial=1) > 1e-12:
            assert chosen == int(np.argmin(sums))


def test_geomedian(stack, tmp_path):
    pattern, cells = stack
    got = composite(pattern, tmp_path, "geomedian")
    whole = without_incomplete(cells)
    checked = 0
    for y, x in np.ndindex(cells.shape[2:]):
        valid = whole[:, :, y, x][~np.isnan(whole[:, 0, y, x])]
        point = got[:, y, x].astype(float)
        if len(valid) == 0:
            assert np.isnan(point).all()
            continue
        if len(valid) <= 2:
            np.testing.assert_array_equal(got[:, y, x], valid.mean(axis=0).astype(np.float32))
            continue
        size = np.abs(valid).max()
        # No point has a smaller sum: neither one of the dates, nor what SciPy finds.
        least = min(distances(p, valid) for p in valid)
        if (y + x) % 7 == 0:
            found = optimize.minimize(distances, valid.mean(axis=0), args=(valid,), method="BFGS", options={"gtol": 1e-9})
            least = min(least, found.fun)
            checked += 1
            if found.fun <= distances(point, valid) and found.success:
                np.testing.assert_allclose(point, found.x, atol=2e-4 * size)
        assert distances(point, valid) <= least * (1 + 1e-6) + 1e-6 * size * len(valid)
    assert checked > 20 or cells.shape[0] <= 2


def test_geomedian_to_the_last_digit_where_it_is_known(tmp_path):
    # A triangle: each side is seen from the Fermat point under 120 degrees. Of a flat one it is the obtuse corner.
    cells = np.zeros((3, 2, 1, 2), np.float32)
    cells[:, :, 0, 0] = [[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]]
    cells[:, :, 0, 1] = [[0, 0], [1, 0], [-0.9, 0.1]]
    got = composite(write_stack(tmp_path / "s", cells), tmp_path, "geomedian")
    np.testing.assert_allclose(got[:, 0, 0], [0.5, np.sqrt(3) / 6], atol=1e-6)
    np.testing.assert_allclose(got[:, 0, 1], [0, 0], atol=1e-6)


def test_ties_go_to_the_first_date(tmp_path):
    """As green, or as near to all dates: the first counts. Without a sum there is no index."""
    cells = np.zeros((3, 2, 1, 4), np.float32)
    cells[:, :, 0, 0] = [[0.1, 0.1], [0.25, 0.75], [0.125, 0.375]]  # the last two as green
    cells[:, :, 0, 1] = [[0.5, -0.5], [0.75, 0.25], [1, -1]]  # 0 / 0 beside an index below 0
    cells[:, :, 0, 2] = [[0.5, -0.5], [-0.25, 0.25], [0, 0]]  # 0 / 0 throughout
    cells[:, :, 0, 3] = [[0.25, 0.75], [0.25, 0.75], [np.nan, 9]]
    got = composite(write_stack(tmp_path / "green", cells), tmp_path, "max_ndvi", "--red 1", "--nir 2")
    np.testing.assert_array_equal(got[:, 0].T, [[0.25, 0.75], [0.75, 0.25], [np.nan, np.nan], [0.25, 0.75]])
    cells = np.zeros((4, 1, 1, 2), np.float32)
    cells[:, 0, 0, 0] = [8, 2, 4, np.nan]
    cells[:, 0, 0, 1] = [9, 3, 4, 0]  # 3 and 4 are as near to the others
    got = composite(write_stack(tmp_path / "near", cells), tmp_path, "medoid")
    np.testing.assert_array_equal(got[0, 0], [4, 3])
    got = composite(write_stack(tmp_path / "two", cells[:2]), tmp_path, "medoid")
    np.testing.assert_array_equal(got[0, 0], [8, 9])


def test_bands_of_one_file_are_dates(tmp_path):
    rng = np.random.default_rng(9)
    cells = rng.integers(0, 50, (8, 12, 13)).astype(np.int16)
    file = gdal.GetDriverByName("GTiff").Create(f"{tmp_path}/cube.tif", 13, 12, 8, gdal.GDT_Int16)
    for b in range(8):
        file.GetRasterBand(b + 1).WriteArray(cells[b])
        file.GetRasterBand(b + 1).SetNoDataValue(0)
    file = None
    got = composite(f"{tmp_path}/cube.tif", tmp_path, "--method median")
    expected = np.nanmedian(np.where(cells == 0, np.nan, cells.astype(float)), axis=0)
    assert got.shape == (1, 12, 13)
    np.testing.assert_array_equal(got[0], expected.astype(np.float32))


def test_many_files_do_not_exhaust_handles(tmp_path):
    cells = np.random.default_rng(2).random((300, 1, 5, 6)).astype(np.float32)
    folder = tmp_path / "many"
    folder.mkdir()
    for d in range(300):
        file = gdal.GetDriverByName("GTiff").Create(f"{folder}/s{d:03}.tif", 6, 5, 1, gdal.GDT_Float32)
        file.GetRasterBand(1).WriteArray(cells[d, 0])
        file = None
    run(f"{folder}/s*.tif ! composite median ! {tmp_path}/m.tif", "--threads", "4")
    np.testing.assert_array_equal(read(f"{tmp_path}/m.tif"), np.median(cells[:, 0].astype(float), axis=0).astype(np.float32))


def test_what_cannot_be(tmp_path):
    cells = np.random.default_rng(1).random((3, 2, 4, 4)).astype(np.float32)
    pattern = write_stack(tmp_path / "s", cells)
    out = f"{tmp_path}/o.tif"
    refused(2, f"{pattern} ! composite max_ndvi --nir 3 ! {out}", names=["band b3", "has 2 at each date"])
    refused(3, f"{tmp_path}/none_*.tif ! composite ! {out}", names=["none_*.tif"])
    other = gdal.GetDriverByName("GTiff").Create(f"{tmp_path}/s/scene_20200109.tif", 5, 4, 2, gdal.GDT_Float32)
    other = None
    refused(2, f"{pattern} ! composite ! {out}", names=["scene_20200109.tif", "does not lie on the grid"])

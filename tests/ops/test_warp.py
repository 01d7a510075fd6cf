# SPDX-License-Identifier: Apache-2.0
"""warp, align and mosaic against gdalwarp, without its approximation of coordinates, and averages against numpy."""

import subprocess

import numpy as np
import pytest
from fulmar_cli import place, read, refused, run, shared
from osgeo import gdal, osr
from PIL import Image
from scipy import ndimage

METHODS = {"nearest": "near", "bilinear": "bilinear", "cubic": "cubic", "lanczos": "lanczos"}
RADIUS = {"nearest": 1, "bilinear": 1, "cubic": 2, "lanczos": 3}

# File, band, its CRS where it does not say, target CRS, resolution.
REAL = [
    ("optical/s2_l2a_chichester_solent_rgbn.tif", 1, None, "EPSG:27700", 9.0),
    ("optical/s2_l2a_chichester_solent_rgbn.tif", 4, None, "EPSG:4326", 8e-5),
    ("terrain/gebco2014_hebrides_30s.tif", 1, None, "EPSG:32629", 450.0),
    ("terrain/rome_30m_dem.tif", 1, None, "EPSG:3035", 20.0),
    ("front/modis_sst_peru_201502.nc", 1, "EPSG:4326", "EPSG:32717", 2000.0),
]


def gdalwarp(source, target, *words):
    subprocess.run(["gdalwarp", "-q", "-overwrite", "-novshift", *map(str, words), str(source), str(target)], check=True)


def one_band(path, band, crs, out):
    """A copy with one band, values unpacked, NaN where missing: what both programs are to work on."""
    dataset = gdal.Open(str(path))
    b = dataset.GetRasterBand(band)
    cells = b.ReadAsArray().astype(np.float32)
    if b.GetNoDataValue() is not None:
        cells[b.ReadAsArray() == b.GetNoDataValue()] = np.nan
    return write(out, cells, dataset.GetGeoTransform(), crs or dataset.GetProjection())


def write(path, cells, transform, crs, nodata=np.nan):
    cells = np.asarray(cells)
    reference = osr.SpatialReference()
    if crs:
        reference.SetFromUserInput(crs)
    kind = {"float32": gdal.GDT_Float32, "uint8": gdal.GDT_Byte, "int16": gdal.GDT_Int16}[str(cells.dtype)]
    made = gdal.GetDriverByName("GTiff").Create(str(path), cells.shape[1], cells.shape[0], 1, kind)
    made.SetGeoTransform(transform)
    if crs:
        made.SetProjection(reference.ExportToWkt())
    if nodata is not None:
        made.GetRasterBand(1).SetNoDataValue(nodata)
    made.GetRasterBand(1).WriteArray(cells)
    made = None
    return path


def extent(path):
    (x, dx, _, y, _, dy), _ = place(path)
    dataset = gdal.Open(str(path))
    return [x, y + dy * dataset.RasterYSize, x + dx * dataset.RasterXSize, y]


def interior(valid, cells):
    return ndimage.binary_erosion(valid, np.ones((3, 3)), iterations=cells, border_value=0)


def compare(ours, theirs, method, stretch=1.0):
    """Interior cells, where no kernel meets a gap or an edge: rules differ there."""
    inside = interior(~np.isnan(ours) & ~np.isnan(theirs), int(np.ceil(RADIUS[method] * max(stretch, 1.6))) + 1)
    assert inside.sum() > 2000, inside.sum()
    span = np.nanmax(theirs) - np.nanmin(theirs)
    if method == "nearest":
        # Ties, and places within a hundred-thousandth of a cell of one.
        assert np.mean(ours[inside] != theirs[inside]) < 1e-4
    else:
        # gdalwarp leaves sums of Lanczos weights as they are where they are within 1e-5 of one.
        scale = np.nanmax(np.abs(theirs)) if method == "lanczos" else span
        off = np.abs(ours[inside].astype(np.float64) - theirs[inside]) / scale
        assert off.max() < 1e-5, (off.max(), np.mean(off > 1e-6))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name, band, crs, to, resolution", REAL, ids=[f"{r[0].split('/')[1]}-{r[1]}" for r in REAL])
def test_as_gdalwarp(tmp_path, name, band, crs, to, resolution, method):
    source = one_band(shared(name), band, crs, tmp_path / "in.tif")
    run(f"in.tif ! warp --crs {to} --resolution {resolution} --resample {method} ! ours.tif", cwd=tmp_path)
    gdalwarp(source, tmp_path / "theirs.tif", "-t_srs", to, "-r", METHODS[method], "-et", 0, "-te",
             *extent(tmp_path / "ours.tif"), "-tr", resolution, resolution, "-wo", "XSCALE=1", "-wo", "YSCALE=1")
    ours, theirs = read(tmp_path / "ours.tif"), read(tmp_path / "theirs.tif")
    assert ours.shape == theirs.shape
    compare(ours, theirs, method)
    # The grid is gdalwarp's own, with its -tap.
    gdalwarp(source, tmp_path / "grid.tif", "-t_srs", to, "-tap", "-tr", resolution, resolution)
    mine, other = extent(tmp_path / "ours.tif"), extent(tmp_path / "grid.tif")
    assert np.max(np.abs(np.subtract(mine, other))) < 1.01 * resolution


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
@pytest.mark.parametrize("factor", [3, 2.5])
def test_coarser_cells_stretch_the_kernel(tmp_path, method, factor):
    source = one_band(shared("terrain/bigtujunga_srtm30_crop400.tif"), 1, None, tmp_path / "in.tif")
    side = 30 * factor
    run(f"in.tif ! warp --resolution {side} --resample {method} ! all.tif", cwd=tmp_path)
    gdalwarp(source, tmp_path / "theirs.tif", "-r", METHODS[method], "-et", 0, "-te", *extent(tmp_path / "all.tif"),
             "-tr", side, side, "-wo", f"XSCALE={1 / factor}", "-wo", f"YSCALE={1 / factor}")
    ours, theirs = read(tmp_path / "all.tif"), read(tmp_path / "theirs.tif")
    inside = interior(~np.isnan(ours) & ~np.isnan(theirs), RADIUS[method] + 1)
    assert inside.sum() > 10000
    assert np.abs(ours - theirs)[inside].max() / np.ptp(theirs[inside]) < 1e-5


@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos"])
@pytest.mark.parametrize("factor", [3, 2.5, 10])
def test_coarser_cells_are_as_pillow_has_them(tmp_path, method, factor):
    """Pillow's kernels stretch in the same way. (gdalwarp's Lanczos of coarser cells is another: off by up to 3 %.)"""
    cells = read(shared("terrain/bigtujunga_srtm30_crop400.tif")).astype(np.float32)
    side = 30 * factor
    write(tmp_path / "in.tif", cells, (1000 * side, 30, 0, 2000 * side, 0, -30), "EPSG:32611")
    run(f"in.tif ! warp --resolution {side} --resample {method} ! out.tif", cwd=tmp_path)
    count = int(400 / factor)
    filters = {"bilinear": Image.BILINEAR, "cubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
    theirs = Image.fromarray(cells).resize((count, count), filters[method], box=(0, 0, count * factor, count * factor))
    inside = slice(4, count - 4)  # at the edges Pillow cuts the kernel off
    off = read(tmp_path / "out.tif")[inside, inside] - np.asarray(theirs)[inside, inside]
    assert np.abs(off).max() < 1e-6 * np.abs(cells).max()


@pytest.mark.parametrize("factor", [2, 4, 25])
def test_average_is_the_mean_of_whole_cells(tmp_path, factor):
    name = shared("terrain/bigtujunga_srtm30_crop400.tif")
    source = one_band(name, 1, None, tmp_path / "in.tif")
    cells = read(source).astype(np.float64)
    cells[np.random.default_rng(5).random(cells.shape) < 0.2] = np.nan
    (x, dx, _, y, _, dy), crs = place(source)
    # An origin on whole multiples, so that coarser cells hold whole finer ones.
    write(tmp_path / "in.tif", cells.astype(np.float32), (30 * factor * 1000, 30, 0, 30 * factor * 2000, 0, -30), crs)
    run(f"in.tif ! warp --resolution {30 * factor} --resample average ! out.tif", cwd=tmp_path)
    blocks = cells.reshape(400 // factor, factor, 400 // factor, factor).swapaxes(1, 2).reshape(
        400 // factor, 400 // factor, -1)
    count = np.sum(~np.isnan(blocks), axis=-1)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(blocks, axis=-1) / count
    mean[2 * count < factor * factor] = np.nan
    np.testing.assert_allclose(read(tmp_path / "out.tif"), mean, rtol=1e-7, equal_nan=True)


def test_fractions_of_cells_are_averaged_by_their_area(tmp_path):
    cells = np.random.default_rng(1).normal(size=(90, 90)).astype(np.float32)
    write(tmp_path / "in.tif", cells, (0, 10, 0, 900, 0, -10), "EPSG:32631")
    run("in.tif ! warp --resolution 25 --resample average ! out.tif", cwd=tmp_path)
    fine = np.kron(cells.astype(np.float64), np.ones((2, 2)))  # in cells of 5 m, of which 25 make one
    mean = fine.reshape(36, 5, 36, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(read(tmp_path / "out.tif"), mean, rtol=1e-6, atol=1e-6)


def test_a_product_does_not_depend_on_tiles_or_threads(tmp_path):
    shared_name = shared("terrain/gebco2014_hebrides_30s.tif")
    one_band(shared_name, 1, None, tmp_path / "in.tif")
    bytes_of = set()
    for number, options in enumerate([(), ("--threads", "1"), ("--threads", "4"), ("--tile", "97x61"), ("--tile", "256x256")]):
        run(f"in.tif ! warp --crs EPSG:32629 --resolution 400 --resample lanczos ! {number}.tif", *options, cwd=tmp_path)
        bytes_of.add(read(tmp_path / f"{number}.tif").tobytes())
    assert len(bytes_of) == 1


def test_what_is_computed_may_be_warped_and_goes_on(tmp_path):
    """Two passes: what comes before is kept, warped, and the flow goes on with it."""
    one_band(shared("terrain/rome_30m_dem.tif"), 1, None, tmp_path / "in.tif")
    run('in.tif ! expression "2 * b1 + 1" ! warp --crs EPSG:3035 --resolution 25 ! [ half.tif ] '
        '! expression "b1 - 1" ! out.tif', cwd=tmp_path)
    run('in.tif ! warp --crs EPSG:3035 --resolution 25 ! expression "2 * b1" ! plain.tif', cwd=tmp_path)
    ours, plain = read(tmp_path / "out.tif"), read(tmp_path / "plain.tif")
    assert place(tmp_path / "half.tif") == place(tmp_path / "plain.tif")
    np.testing.assert_allclose(ours, plain, rtol=1e-6, atol=1e-3, equal_nan=True)


def test_align_makes_two_rasters_one_grid(tmp_path):
    """Terrain at 30 arc seconds beside an image of 10 m: one formula of both."""
    image = shared("optical/terramesh_282D_485L_3_3_s2l2a.tif")
    dem = shared("optical/terramesh_282D_485L_3_3_dem.tif")
    coarse = tmp_path / "coarse.tif"
    gdalwarp(dem, coarse, "-t_srs", "EPSG:4326", "-tr", 0.0005, 0.0005, "-r", "average")
    refused(2, f"{image} --band 1 ! cfar --guard 5px --background 9px ! objects --intensity [ {coarse} ] ! o.gpkg",
            cwd=tmp_path, names=["does not lie on the grid of", f"{coarse} ! align --to {image}"])
    run(f"{coarse} ! align --to {image} --resample cubic ! on.tif", cwd=tmp_path)
    assert place(tmp_path / "on.tif") == place(image)
    gdalwarp(coarse, tmp_path / "theirs.tif", "-t_srs", "EPSG:32722", "-r", "cubic", "-et", 0, "-te", *extent(image),
             "-ts", 224, 224, "-dstnodata", "nan", "-ot", "Float32", "-wo", "XSCALE=1", "-wo", "YSCALE=1")
    compare(read(tmp_path / "on.tif"), read(tmp_path / "theirs.tif"), "cubic", stretch=5)
    # On its own grid already: not a bit changes.
    run(f"{dem} ! align --to {image} ! same.tif", cwd=tmp_path)
    assert np.array_equal(read(tmp_path / "same.tif"), read(dem).astype(np.float32))


def test_mosaic_takes_the_first_that_has_a_value(tmp_path):
    source = one_band(shared("terrain/gebco2014_hebrides_30s.tif"), 1, None, tmp_path / "whole.tif")
    cells = read(source)
    (x, dx, _, y, _, dy), crs = place(source)
    height, width = cells.shape
    at = lambda c, r: (x + c * dx, dx, 0, y + r * dy, 0, dy)
    half, more = width // 2, width // 2 - 30
    left = cells[:, :half].copy()
    left[10:20, half - 25 : half - 5] = np.nan
    write(tmp_path / "a1.tif", left, at(0, 0), crs)
    write(tmp_path / "a2.tif", cells[: height - 7, more:] + 1000, at(more, 0), crs)
    expected = np.full(cells.shape, np.nan, np.float32)
    expected[: height - 7, more:] = cells[: height - 7, more:] + 1000
    expected[:, :half] = np.where(np.isnan(left), expected[:, :half], left)
    for text in ("a?.tif ! mosaic ! out.tif", "a1.tif ! mosaic --with [ a2.tif ] ! out.tif",
                 "a1.tif ! mosaic --with [ a2.tif ] --resample bilinear ! out.tif"):
        run(text, cwd=tmp_path)
        np.testing.assert_array_equal(read(tmp_path / "out.tif"), expected)
        np.testing.assert_allclose(place(tmp_path / "out.tif")[0], place(source)[0], rtol=1e-12)
    # Tiles of two zones, and one in a third coordinate system.
    gdalwarp(tmp_path / "a2.tif", tmp_path / "utm.tif", "-t_srs", "EPSG:32630", "-tr", 700, 700)
    run("a1.tif ! mosaic --with [ utm.tif ] --crs EPSG:3035 --resolution 1000 ! out.tif", cwd=tmp_path)
    run("a1.tif ! warp --crs EPSG:3035 --resolution 1000 --resample nearest ! one.tif", cwd=tmp_path)
    both, one = read(tmp_path / "out.tif"), read(tmp_path / "one.tif")
    assert both.shape[1] > 1.3 * one.shape[1]
    (bx, _, _, by, _, _), _ = place(tmp_path / "out.tif")
    (ox, _, _, oy, _, _), _ = place(tmp_path / "one.tif")
    c, r = round((ox - bx) / 1000), round((by - oy) / 1000)
    part = both[r : r + one.shape[0], c : c + one.shape[1]]
    np.testing.assert_array_equal(part[~np.isnan(one)], one[~np.isnan(one)])


def test_the_antimeridian_and_0_to_360(tmp_path):
    """One field of longitudes from 0 to 360, asked for across 180 and across 0."""
    lon, lat = np.meshgrid(np.arange(0.25, 360, 0.5), np.arange(89.75, -90, -0.5))
    field = (np.cos(np.radians(lon)) * np.cos(np.radians(lat)) * 100 + lat).astype(np.float32)
    write(tmp_path / "earth.tif", field, (0, 0.5, 0, 90, 0, -0.5), "EPSG:4326")
    for west, east, degrees in ((170, -170, 20), (-20, 20, 40), (350, 370, 20), (-190, -170, 20)):
        run(f"earth.tif ! warp --extent {west},-10,{east},10 --resolution 0.2 --resample cubic ! out.tif", cwd=tmp_path)
        out = read(tmp_path / "out.tif")
        assert out.shape == (100, 5 * degrees)
        lo, la = np.meshgrid(west + 0.1 + 0.2 * np.arange(5 * degrees), 9.9 - 0.2 * np.arange(100))
        truth = np.cos(np.radians(lo)) * np.cos(np.radians(la)) * 100 + la
        assert np.abs(out - truth).max() < 1e-3
    # Polar: beyond the pole and out to the edge of the projection's square.
    run("earth.tif ! warp --crs EPSG:3413 --extent -3000000,-3000000,3000000,3000000 --resolution 20000 ! polar.tif",
        cwd=tmp_path)
    polar = read(tmp_path / "polar.tif")
    assert polar.shape == (300, 300)
    gdalwarp(tmp_path / "earth.tif", tmp_path / "theirs.tif", "-t_srs", "EPSG:3413", "-te", -3e6, -3e6, 3e6, 3e6, "-tr",
             20000, 20000, "-r", "bilinear", "-et", 0, "-wo", "XSCALE=1", "-wo", "YSCALE=1")
    theirs = read(tmp_path / "theirs.tif")
    distance = np.hypot(*np.meshgrid(np.arange(300) - 149.5, np.arange(300) - 149.5))
    far = distance > 75  # nearer to the pole our kernels widen over the longitudes of a cell
    off = np.abs(polar - theirs)[far & ~np.isnan(theirs)]
    assert np.median(off) < 1e-3 and off.max() < 0.5
    assert np.abs(polar[149:151, 149:151] - 90).max() < 1  # the pole has a value


def test_swath_of_control_points(tmp_path):
    """A Sentinel-1 scene with control points alone, against gdalwarp's thin plate spline."""
    scene = shared("sar_cal/s1a_iw_grdh_20180716_vv_dec20_gcp.tif")
    run(f"{scene} ! warp --crs EPSG:32643 --resolution 200 --resample bilinear ! ours.tif", cwd=tmp_path)
    gdalwarp(scene, tmp_path / "theirs.tif", "-tps", "-t_srs", "EPSG:32643", "-r", "bilinear", "-et", 0, "-te",
             *extent(tmp_path / "ours.tif"), "-tr", 200, 200, "-ot", "Float32", "-dstnodata", "nan", "-wo", "XSCALE=1",
             "-wo", "YSCALE=1")
    compare(read(tmp_path / "ours.tif"), read(tmp_path / "theirs.tif"), "bilinear")


def test_decibels_and_flags_are_not_averaged(tmp_path):
    write(tmp_path / "db.tif", np.full((20, 20), -10, np.float32), (0, 10, 0, 200, 0, -10), "EPSG:32631")
    refused(2, "db.tif --unit dB ! warp --resolution 20 ! o.tif", cwd=tmp_path, names=["`linear`", "nearest"])
    run("db.tif --unit dB ! warp --resolution 20 --resample nearest ! o.tif", cwd=tmp_path)
    run("db.tif --unit dB ! linear ! warp --resolution 20 --resample average ! decibel ! o.tif", cwd=tmp_path)
    assert np.allclose(read(tmp_path / "o.tif"), -10, atol=1e-5)
    refused(2, "db.tif --unit 1 ! cfar --guard 3px --background 7px ! warp --resolution 20 ! o.tif", cwd=tmp_path,
            names=["flags", "nearest"])


def test_bad_requests_say_what_is_wrong(tmp_path):
    write(tmp_path / "a.tif", np.ones((20, 20), np.float32), (500000, 10, 0, 4000000, 0, -10), "EPSG:32631")
    write(tmp_path / "b.tif", np.ones((20, 20), np.float32), (900000, 10, 0, 5000000, 0, -10), "EPSG:32631")
    write(tmp_path / "bare.tif", np.ones((20, 20), np.float32), (0, 10, 0, 0, 0, -10), None)
    for words, names in (
        ("warp --crs EPSG:99999999", "names no coordinate system"),
        ("warp --resolution 1e-9", "--resolution"),
        ("warp --resolution -3", "at least 0"),
        ("warp --extent 1,2,3", "four numbers"),
        ("warp --extent 1,2,3,x", "four numbers"),
        ("warp --extent 3,2,1,4", "empty"),
        ("warp --extent 0,0,100,100", "does not reach the raster"),
        ("warp --resample closest", "nearest"),
        ("align --to b.tif", "does not reach the raster"),
        ("align", "--to"),
    ):
        refused(2, f"a.tif ! {words} ! o.tif", cwd=tmp_path, names=names)
    refused(3, "a.tif ! align --to none.tif ! o.tif", cwd=tmp_path, names="none.tif")
    refused(3, "a.tif ! align --to bare.tif ! o.tif", cwd=tmp_path, names=["bare.tif", "CRS"])
    refused(3, "bare.tif ! warp --crs EPSG:32631 ! o.tif", cwd=tmp_path, names="gdal_edit.py")
    refused(2, "a.tif --unit 1 ! mosaic --with [ b.tif --unit dB ] ! o.tif", cwd=tmp_path, names="unit")

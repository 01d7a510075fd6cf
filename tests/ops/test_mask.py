# SPDX-License-Identifier: Apache-2.0
"""Masks against gdalwarp, scipy's distance transform and GDAL's own rasterizer."""

import json

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from scipy import ndimage

from fulmar_cli import COAST, SCENE, place, read, refused, run, shared, write


def warped(mask, scene):
    """The mask on the grid of the scene, the nearest cell, as gdalwarp does it; and how it lies half a cell around."""
    grid = gdal.Open(str(scene))
    target = gdal.GetDriverByName("MEM").Create("", grid.RasterXSize, grid.RasterYSize, 1, gdal.GDT_Byte)
    target.SetGeoTransform(grid.GetGeoTransform())
    target.SetProjection(grid.GetProjection())
    gdal.Warp(target, str(mask), resampleAlg="near", errorThreshold=0)
    return target.GetRasterBand(1).ReadAsArray() != 0


def removed(tmp_path, text, scene=SCENE):
    """Where a mask removed cells that the scene has."""
    run(f"{scene} ! {text} ! {tmp_path}/out.tif")
    got, stored = read(tmp_path / "out.tif"), read(scene)
    has = np.isfinite(stored) & (stored != 0 if scene == SCENE else True)
    kept = ~np.isnan(got)
    assert not (kept & ~has).any()
    assert np.array_equal(got[kept], stored[kept].astype(np.float32))
    return has & ~kept, has


def within(outlines, metres, cell):
    """Cells whose centre lies at most so far from the centre of one that is inside."""
    return ndimage.distance_transform_edt(~outlines, sampling=(cell[1], cell[0])) <= metres


def test_raster_on_another_grid(tmp_path):
    got, has = removed(tmp_path, f"mask --with {COAST}")
    land = warped(COAST, SCENE)
    # Cells may differ only along the coast, where a centre falls on the edge of two cells of the mask.
    differ = (got != land) & has
    edge = ndimage.binary_dilation(land) & ~ndimage.binary_erosion(land)
    assert land.any() and differ.sum() <= 0.0002 * land.sum() and not (differ & ~edge).any(), int(differ.sum())


@pytest.mark.parametrize("buffer", [29, 30, 42.42, 42.43, 250, 1000])
def test_buffer_in_metres(tmp_path, buffer):
    outlines, has = removed(tmp_path, f"mask --with {COAST}")
    land = outlines | ~has  # as read; the scene's own gaps hold no coast
    got, _ = removed(tmp_path, f"mask --with {COAST} --buffer {buffer}")
    # The engine's own outlines, found without a buffer, dilated by scipy: exactly the same cells, where land is known.
    want = within(outlines, buffer, (30, 30))
    assert not has.all() or np.array_equal(land, outlines)
    if has.all():
        assert np.array_equal(got, want)
    else:
        # Land beneath the scene's gaps reaches out too.
        assert not (want & has & ~got).any()
        near_gap = within(~has, buffer, (30, 30))
        assert np.array_equal(got & ~near_gap, want & has & ~near_gap)


def test_invert_is_the_rest(tmp_path):
    inside, has = removed(tmp_path, f"mask --with {COAST} --buffer 250")
    outside, _ = removed(tmp_path, f"mask --with {COAST} --buffer 250 --invert")
    assert np.array_equal(outside, has & ~inside)


@pytest.mark.parametrize("cell", [(10.0, 10.0), (12.0, 37.0), (3.0, 1.0)])
@pytest.mark.parametrize("buffer", ["0", "36", "100", "5px", "1px"])
def test_same_grid_is_exact(tmp_path, cell, buffer):
    rng = np.random.default_rng(4)
    outlines = (rng.random((220, 310)) < 0.001).astype(np.uint8)
    outlines[0, 0] = outlines[-1, -1] = outlines[100:110, 295:310] = 1
    transform = (400000, cell[0], 0, 5e6, 0, -cell[1])
    write(tmp_path / "scene.tif", np.ones((220, 310), np.float32), transform)
    write(tmp_path / "land.tif", outlines, transform)
    got, _ = removed(tmp_path, f"mask --with {tmp_path}/land.tif --buffer {buffer}", tmp_path / "scene.tif")
    if buffer.endswith("px"):
        # A distance on the ground all the same: so many times the mean of a cell's two sides.
        want = within(outlines == 1, float(buffer[:-2]) * sum(cell) / 2, cell)
    else:
        want = within(outlines == 1, float(buffer), cell)
    assert np.array_equal(got, want)


def within_on_degrees(outlines, metres, transform):
    """The same where a cell's size changes from row to row: each cell measures with the size of its own row."""
    from pyproj import Geod

    geod, height = Geod(ellps="WGS84"), outlines.shape[0]
    latitude = transform[3] + (np.arange(height) + 0.5) * transform[5]
    zero = np.zeros(height)
    # A chord for an arc: over one cell they agree to far better than a millimetre.
    dx = np.array([geod.inv(0, a, abs(transform[1]), a)[2] for a in latitude])
    dy = geod.inv(zero, latitude - transform[5] / 2, zero, latitude + transform[5] / 2)[2]
    columns = np.arange(outlines.shape[1])
    before = np.maximum.accumulate(np.where(outlines, columns, -10**6), 1)
    after = np.minimum.accumulate(np.where(outlines, columns, 10**6)[:, ::-1], 1)[:, ::-1]
    sideways = np.minimum(columns - before, after - columns).astype(float)
    result = np.zeros_like(outlines)
    reach = int(metres / dy.min()) + 1
    for j in range(-reach, reach + 1):
        rows = np.arange(max(0, -j), min(height, height - j))
        result[rows] |= (sideways[rows + j] * dx[rows, None]) ** 2 + (j * dy[rows, None]) ** 2 <= metres**2
    return result


def test_buffer_on_degrees(tmp_path):
    scene = shared("sar_ship/s1_irishsea_20230615_dunlaoghaire_vv_db8.tif")
    coast = shared("coast/gshhg_f_mask_irishsea_0p0005.tif")
    run(f"{scene} ! linear ! mask --with {coast} ! {tmp_path}/a.tif")
    run(f"{scene} ! linear ! mask --with {coast} --buffer 300 ! {tmp_path}/b.tif")
    outlines, got = np.isnan(read(tmp_path / "a.tif")), np.isnan(read(tmp_path / "b.tif"))
    land = warped(coast, scene)
    assert (outlines != land).sum() < 0.001 * land.sum()
    assert np.array_equal(got, within_on_degrees(outlines, 300, place(scene)[0]))


@pytest.mark.parametrize("top", [86.0, 5.0, -60.0])
def test_buffer_far_north_and_south(tmp_path, top):
    """Cells that are a third as wide at one end of the scene as at the other."""
    outlines = (np.random.default_rng(8).random((500, 600)) < 0.0003).astype(np.uint8)
    transform = (-20.0, 0.02, 0, top, 0, -0.02)
    write(tmp_path / "scene.tif", np.ones((500, 600), np.float32), transform, "EPSG:4326")
    write(tmp_path / "land.tif", outlines, transform, "EPSG:4326")
    for tile in ("600x500", "97x61"):
        run(f"{tmp_path}/scene.tif ! mask --with {tmp_path}/land.tif --buffer 20000 ! {tmp_path}/out.tif", "--tile", tile)
        got = np.isnan(read(tmp_path / "out.tif"))
        assert np.array_equal(got, within_on_degrees(outlines == 1, 20000, transform)), tile


@pytest.fixture(scope="module")
def polygons(tmp_path_factory):
    """The coast as polygons, in the coast's own coordinates and in the scene's."""
    folder = tmp_path_factory.mktemp("polygons")
    coast = gdal.Open(str(COAST))
    reference = osr.SpatialReference(wkt=coast.GetProjection())
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(folder / "land.gpkg"))
    layer = source.CreateLayer("land", reference, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("v", ogr.OFTInteger))
    band = coast.GetRasterBand(1)
    gdal.Polygonize(band, band, layer, 0)
    assert layer.GetFeatureCount() > 0
    del layer, source
    gdal.VectorTranslate(str(folder / "land.geojson"), str(folder / "land.gpkg"), format="GeoJSON",
                         layerCreationOptions=["COORDINATE_PRECISION=12"])
    gdal.VectorTranslate(str(folder / "land.fgb"), str(folder / "land.gpkg"), format="FlatGeobuf")
    gdal.VectorTranslate(str(folder / "utm.gpkg"), str(folder / "land.gpkg"), format="GPKG", dstSRS="EPSG:32611",
                         reproject=True)
    return folder


@pytest.mark.parametrize("name", ["land.gpkg", "land.geojson", "land.fgb", "utm.gpkg"])
@pytest.mark.parametrize("buffer", [0, 250])
def test_polygons_are_the_raster(tmp_path, polygons, name, buffer):
    a, has = removed(tmp_path, f"mask --with {COAST} --buffer {buffer}")
    b, _ = removed(tmp_path, f"mask --with {polygons}/{name} --buffer {buffer}")
    differ = a != b
    edge = ndimage.binary_dilation(a, iterations=2) & ~ndimage.binary_erosion(a, iterations=2, border_value=1)
    assert differ.sum() <= 0.003 * a.sum() and not (differ & ~edge).any(), (int(differ.sum()), int(a.sum()))


def test_polygons_in_the_scenes_crs_as_gdal_draws_them(tmp_path, polygons):
    got, has = removed(tmp_path, f"mask --with {polygons}/utm.gpkg")
    grid = gdal.Open(str(SCENE))
    target = gdal.GetDriverByName("MEM").Create("", grid.RasterXSize, grid.RasterYSize, 1, gdal.GDT_Byte)
    target.SetGeoTransform(grid.GetGeoTransform())
    target.SetProjection(grid.GetProjection())
    outlines = ogr.Open(str(polygons / "utm.gpkg"))
    gdal.RasterizeLayer(target, [1], outlines.GetLayer(0), burn_values=[1])
    differ = (got != (target.GetRasterBand(1).ReadAsArray() == 1)) & has
    assert differ.sum() <= 3, int(differ.sum())


def test_holes_and_islands(tmp_path):
    write(tmp_path / "scene.tif", np.ones((100, 100), np.float32), (0, 1, 0, 100, 0, -1), "EPSG:32633")
    def square(a, b):
        return [[a, a], [b, a], [b, b], [a, b], [a, a]]
    collection = {"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
                  "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "MultiPolygon", "coordinates": [
                      [square(10, 90), square(30, 70)], [square(45, 55)]]}}]}
    (tmp_path / "land.geojson").write_text(json.dumps(collection))
    got, _ = removed(tmp_path, f"mask --with {tmp_path}/land.geojson", tmp_path / "scene.tif")
    want = np.zeros((100, 100), bool)
    want[10:90, 10:90] = True
    want[30:70, 30:70] = False
    want[45:55, 45:55] = True
    assert np.array_equal(got, want)


def test_natural_earth(tmp_path):
    # Whole countries in degrees, on a scene of a small part of the sea: against GDAL's rasterizer.
    land, coast = shared("coast/ne_10m_land_eastasia.geojson"), shared("coast/gshhg_f_mask_qingdao_0p001.tif")
    shape = read(coast).shape
    transform, wkt = place(coast)
    write(tmp_path / "scene.tif", np.ones(shape, np.float32), transform, wkt)
    got, _ = removed(tmp_path, f"mask --with {land}", tmp_path / "scene.tif")
    target = gdal.GetDriverByName("MEM").Create("", shape[1], shape[0], 1, gdal.GDT_Byte)
    target.SetGeoTransform(transform)
    target.SetProjection(wkt)
    outlines = ogr.Open(str(land))
    gdal.RasterizeLayer(target, [1], outlines.GetLayer(0), burn_values=[1])
    want = target.GetRasterBand(1).ReadAsArray() == 1
    assert want.any() and not want.all() and (got != want).sum() <= 3, int((got != want).sum())


def test_masked_cells_leave_the_statistics(tmp_path):
    """Bright land beside a ship must neither hide it nor be told as one."""
    rng = np.random.default_rng(9)
    scene = rng.gamma(4.4, 0.01 / 4.4, (200, 200)).astype(np.float32)
    scene[:, 120:] = 5
    scene[100, 112] = 1
    land = np.zeros((200, 200), np.uint8)
    land[:, 120:] = 1
    write(tmp_path / "scene.tif", scene)
    write(tmp_path / "land.tif", land)
    chain = "cfar --guard 5px --background 31px"
    run(f"{tmp_path}/scene.tif ! {chain} ! {tmp_path}/without.tif")
    run(f"{tmp_path}/scene.tif ! mask --with {tmp_path}/land.tif ! {chain} ! {tmp_path}/with.tif")
    assert read(tmp_path / "without.tif")[100, 112] == 0 and read(tmp_path / "with.tif")[100, 112] == 1
    assert (read(tmp_path / "with.tif")[:, 120:] == 255).all()


def test_apart(tmp_path):
    refused(3, f"{SCENE} ! mask --with {shared('coast/gshhg_f_mask_qingdao_0p001.tif')} ! {tmp_path}/out.tif",
            names=["qingdao", "overlap"])


def test_outlines_that_flow(tmp_path):
    """A table in place of a file: read and filtered, or the objects of the same run; buffered and inverted, too."""
    rng = np.random.default_rng(8)
    cells = ndimage.uniform_filter(rng.random((120, 150)), 5).astype(np.float32)
    write(tmp_path / "in.tif", cells, unit="1")
    bright = float(np.quantile(cells, 0.9))
    objects = f"{tmp_path}/in.tif ! expression 'b1 > {bright}' ! objects --connectivity 8"
    run(f"{objects} ! {tmp_path}/found.gpkg")
    for more, filtered in (("", ""), (" --buffer 25", ""), (" --invert", "'area > 2000'")):
        through = f" ! filter {filtered}" if filtered else ""
        run(f"{tmp_path}/found.gpkg{through} ! {tmp_path}/kept.gpkg")
        run(f"{tmp_path}/in.tif ! mask --with {tmp_path}/kept.gpkg{more} ! {tmp_path}/file.tif")
        by_file = read(tmp_path / "file.tif")
        assert 0 < np.isnan(by_file).sum() < by_file.size
        for table in (f"{tmp_path}/found.gpkg{through}", f"{objects}{through}"):
            run(f"{tmp_path}/in.tif ! mask --with [ {table} ]{more} ! {tmp_path}/flow.tif")
            np.testing.assert_array_equal(read(tmp_path / "flow.tif"), by_file)
    run(f"{tmp_path}/in.tif ! mask --with [ {objects} ] ! {tmp_path}/flow.tif")
    np.testing.assert_array_equal(np.isnan(read(tmp_path / "flow.tif")), cells > np.float32(bright))
    run(f"{tmp_path}/in.tif ! mask --with [ {tmp_path}/found.gpkg ! filter 0 ] ! {tmp_path}/flow.tif")
    np.testing.assert_array_equal(read(tmp_path / "flow.tif"), cells)
    refused(3, f"{tmp_path}/in.tif ! mask --with [ {tmp_path}/in.tif ! stats ] ! {tmp_path}/o.tif", names="shapes")

# SPDX-License-Identifier: Apache-2.0
"""Objects against scipy.ndimage, skimage, GDAL, pyproj and closed forms: which cells belong together, and what they measure."""

import math

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from pyproj import CRS, Geod, Transformer
from scipy import integrate, ndimage
from skimage.measure import regionprops

from fulmar_cli import COAST, SCENE, place, read, run, shared, table, write

EIGHT, FOUR = np.ones((3, 3), int), ndimage.generate_binary_structure(2, 1)
SEA = f"{SCENE} ! linear ! mask --with {COAST} --buffer 250 ! "


def label(mask, connectivity=8):
    """Labels in raster order of the objects' first cells."""
    labels, count = ndimage.label(mask, EIGHT if connectivity == 8 else FOUR)
    first = np.unique(labels.ravel(), return_index=True)
    order = [k for k in first[0][np.argsort(first[1])] if k]
    rank = np.zeros(count + 1, int)
    rank[order] = np.arange(1, count + 1)
    return rank[labels], count


def burn(rows, path, attribute="id"):
    """The features drawn on the grid of a raster, each with its id."""
    source = gdal.Open(str(path))
    target = gdal.GetDriverByName("MEM").Create("", source.RasterXSize, source.RasterYSize, 1, gdal.GDT_Int32)
    target.SetGeoTransform(source.GetGeoTransform())
    target.SetProjection(source.GetProjection())
    memory = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = memory.CreateLayer("", source.GetSpatialRef())
    layer.CreateField(ogr.FieldDefn(attribute, ogr.OFTInteger))
    for row in rows:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField(attribute, int(row["id"]))
        feature.SetGeometry(row["geometry"])
        layer.CreateFeature(feature)
    gdal.RasterizeLayer(target, [1], layer, options=[f"ATTRIBUTE={attribute}"])
    return target.GetRasterBand(1).ReadAsArray()


def check_against_oracles(rows, mask, connectivity=8, cell=(10.0, 10.0), intensity=None):
    """Everything that labels and moments tell, for square or oblong cells of a projected grid."""
    labels, count = label(mask, connectivity)
    assert len(rows) == count and [r["id"] for r in rows] == list(range(1, count + 1))
    dx, dy = cell
    for row, region in zip(rows, regionprops(labels)):
        assert row["cells"] == region.area
        assert row["area"] == pytest.approx(region.area * dx * dy, rel=1e-12)
        top, left, bottom, right = region.bbox
        assert (row["box_column"], row["box_row"], row["box_width"], row["box_height"]) == (
            left, top, right - left, bottom - top)
        y, x = region.centroid
        assert row["column"] == pytest.approx(x + 0.5, rel=1e-12) and row["row"] == pytest.approx(y + 0.5, rel=1e-12)
        # Each cell has a spread of its own, 1/12, which skimage 0.19 leaves out.
        yy, xx = region.coords.T
        c = np.cov(np.stack([xx * dx, yy * dy]), ddof=0) if len(xx) > 1 else np.zeros((2, 2))
        l2, l1 = np.linalg.eigvalsh(c + np.diag([dx * dx / 12, dy * dy / 12]))
        assert row["length"] == pytest.approx(math.sqrt(12 * l1), rel=1e-9)
        assert row["width"] == pytest.approx(math.sqrt(12 * l2), rel=1e-9)
        if dx == dy:
            # skimage gives 4 sqrt(l).
            m1, m2 = region.major_axis_length / 4, region.minor_axis_length / 4
            assert row["length"] == pytest.approx(dx * math.sqrt(12 * (m1**2 + 1 / 12)), rel=1e-9)
            assert row["width"] == pytest.approx(dx * math.sqrt(12 * (m2**2 + 1 / 12)), rel=1e-6)
        edge = top == 0 or left == 0 or bottom == mask.shape[0] or right == mask.shape[1]
        assert row["at_edge"] == edge
        if intensity is not None:
            v = intensity[yy, xx].astype(np.longdouble)
            valid = np.isfinite(v)
            assert row["maximum"] == np.nanmax(v)
            assert row["mean"] == pytest.approx(float(v[valid].mean()), rel=1e-14)
            assert row["weighted_column"] == pytest.approx(float((v * (xx + 0.5)).sum() / v.sum()), rel=1e-12)
            assert row["weighted_row"] == pytest.approx(float((v * (yy + 0.5)).sum() / v.sum()), rel=1e-12)
            around = ndimage.binary_dilation(np.pad(labels == row["id"], 1), EIGHT)[1:-1, 1:-1]
            assert row["at_mask"] == bool(np.isnan(intensity[around]).any())
    return labels


def test_los_angeles(tmp_path):
    run(f"{SEA} [ {tmp_path}/sea.tif ] ! cfar --pfa 1e-6 --guard 210 --background 750 ! [ {tmp_path}/det.tif ] ! "
        f"objects ! {tmp_path}/ships.gpkg")
    detection, intensity = read(tmp_path / "det.tif"), read(tmp_path / "sea.tif")
    rows = table(tmp_path / "ships.gpkg")
    labels = check_against_oracles(rows, detection == 1, 8, (30.0, 30.0), intensity)
    assert len(rows) > 100 and any(r["at_mask"] for r in rows) and any(r["at_edge"] for r in rows)
    assert all(r["geometry"].IsValid() for r in rows)
    assert np.array_equal(burn(rows, tmp_path / "det.tif"), labels)

    # The background: mean of the ring at the object's cells; the contrast in decibels.
    valid = np.isfinite(intensity)
    x = np.where(valid, intensity, 0).astype(float)

    def ring(values):
        return (ndimage.uniform_filter(values, 25, mode="constant") * 625
                - ndimage.uniform_filter(values, 7, mode="constant") * 49)

    background = ring(x) / np.maximum(np.rint(ring(valid.astype(float))), 1)
    for row in rows:
        cells = labels == row["id"]
        assert row["background"] == pytest.approx(background[cells].mean(), rel=1e-6)
        assert row["contrast"] == pytest.approx(10 * math.log10(row["mean"] / row["background"]), rel=1e-12, abs=1e-12)

    # Longitude and latitude of the centroid.
    transform, wkt = place(SCENE)
    to_lonlat = Transformer.from_crs(CRS.from_wkt(wkt), "EPSG:4326", always_xy=True)
    for row in rows:
        for prefix in ("", "weighted_"):
            x, y = gdal.ApplyGeoTransform(list(transform), row[prefix + "column"], row[prefix + "row"])
            lon, lat = to_lonlat.transform(x, y)
            assert row[prefix + "lon"] == pytest.approx(lon, abs=1e-10)
            assert row[prefix + "lat"] == pytest.approx(lat, abs=1e-10)


def test_filters(tmp_path):
    run(f"{SEA} cfar --guard 210 --background 750 ! [ objects ! {tmp_path}/all.gpkg ] ! "
        f"[ objects --min-area 1800 ! {tmp_path}/area.gpkg ] ! "
        f"objects --min-size 90 --max-size 250 ! {tmp_path}/size.gpkg")
    everything = table(tmp_path / "all.gpkg")

    def essence(rows):
        return [(r["cells"], r["box_column"], r["box_row"], r["length"], r["geometry"].ExportToWkt()) for r in rows]

    big = [r for r in everything if r["area"] >= 1800]
    assert any(r["area"] == 1800 for r in big) and 0 < len(big) < len(everything)
    assert essence(table(tmp_path / "area.gpkg")) == essence(big)
    fit = [r for r in everything if 90 <= math.hypot(r["length"], r["width"]) <= 250]
    assert 0 < len(fit) < len(everything)
    assert essence(table(tmp_path / "size.gpkg")) == essence(fit)
    assert [r["id"] for r in table(tmp_path / "size.gpkg")] == list(range(1, len(fit) + 1))


def patterns():
    rng = np.random.default_rng(11)
    yield "percolation", rng.random((301, 487)) < 0.42
    yield "dense", rng.random((150, 700)) < 0.62
    yield "specks", rng.random((513, 300)) < 0.02
    yield "all", np.ones((70, 90), bool)
    checkers = np.indices((61, 47)).sum(0) % 2 == 0
    yield "checkers", checkers
    spiral = np.zeros((201, 201), bool)
    y, x, dy, dx, reach = 100, 100, 0, 1, 4
    while 0 < y + dy * reach < 200 and 0 < x + dx * reach < 200:
        for _ in range(reach):
            spiral[y, x] = True
            y, x = y + dy, x + dx
        dy, dx, reach = dx, -dy, reach + 2
    yield "spiral", spiral
    comb = np.zeros((120, 600), bool)
    comb[:, ::2] = True
    comb[-1] = True
    yield "comb", comb
    frame = np.zeros((90, 90), bool)
    frame[5:80, 5:80] = True
    frame[10:70, 10:70] = False
    frame[20:60, 20:60] = True
    frame[30:50, 30:50] = False
    frame[10, 10] = frame[69, 69] = True  # they touch the frame's hole at corners
    frame[40, 40] = True
    yield "frames", frame


PATTERNS = dict(patterns())


@pytest.mark.parametrize("connectivity", [8, 4])
@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(tmp_path, name, connectivity):
    mask = PATTERNS[name]
    path = write(tmp_path / "mask.tif", mask.astype(np.uint8))
    run(f"{path} ! expression 'b1' ! objects --connectivity {connectivity} ! {tmp_path}/o.gpkg")
    rows = table(tmp_path / "o.gpkg")
    labels = check_against_oracles(rows, mask, connectivity)
    assert np.array_equal(burn(rows, path), labels)
    assert all(r["geometry"].IsValid() for r in rows)
    # What was not measured is missing, not zero.
    assert all(r["mean"] is None or math.isnan(r["mean"]) for r in rows)


def test_unequal_cells_and_labels_across_tiles(tmp_path):
    mask = PATTERNS["percolation"]
    path = write(tmp_path / "mask.tif", mask.astype(np.uint8), (3e5, 12.5, 0, 5e6, 0, -40.0))
    for tile in ("64x32", "97x61", "487x1"):
        run(f"{path} ! expression b1 ! objects ! {tmp_path}/o.fgb", "--tile", tile, "--threads", "2")
        check_against_oracles(table(tmp_path / "o.fgb"), mask, 8, (12.5, 40.0))


def test_missing_cells_are_no_object(tmp_path):
    mask = (np.random.default_rng(3).random((100, 120)) < 0.3).astype(np.float32)
    mask[20:40, 30:60] = np.nan
    path = write(tmp_path / "mask.tif", mask)
    run(f"{path} ! expression b1 ! objects ! {tmp_path}/o.gpkg")
    check_against_oracles(table(tmp_path / "o.gpkg"), mask == 1)


def test_bar_of_known_size(tmp_path):
    # A bar of 40 x 10 cells at 30 degrees, drawn by cell centres: its moments give its size to a twentieth of a cell.
    y, x = np.indices((120, 120)) - 59.5
    c, s = math.cos(math.radians(30)), math.sin(math.radians(30))
    mask = (np.abs(x * c + y * s) <= 20) & (np.abs(-x * s + y * c) <= 5)
    path = write(tmp_path / "bar.tif", mask.astype(np.uint8))
    run(f"{path} ! expression b1 ! objects ! {tmp_path}/o.gpkg")
    (row,) = table(tmp_path / "o.gpkg")
    assert row["length"] == pytest.approx(400, abs=1.5) and row["width"] == pytest.approx(100, abs=1.5)


def axis_of(mask, dx, dy):
    """Direction of the long axis in metres, x right and y down."""
    y, x = np.nonzero(mask)
    values, vectors = np.linalg.eigh(np.cov(np.stack([x * dx, y * dy]), ddof=0) + np.diag([dx * dx, dy * dy]) / 12)
    return vectors[:, 1]


def apart(a, b):
    """Difference of two axes, in degrees."""
    return abs((a - b + 90) % 180 - 90)


@pytest.mark.parametrize("crs,transform,tolerance", [
    ("EPSG:32633", (500000 + 3e5, 10.0, 0, 8.8e6, 0, -10.0), 0.02),  # 79 degrees north, far from the central meridian
    ("EPSG:3413", (4e5, 40.0, 0, -9e5, 0, -40.0), 0.02),  # polar: the grid's north is not north
    ("EPSG:3031", (-1.2e6, 50.0, 0, 8e5, 0, -30.0), 0.02),
    ("EPSG:4326", (17.0, 0.0009, 0, 79.0, 0, -0.0003), 0.05),
    ("EPSG:4326", (179.95, 0.0009, 0, 62.0, 0, -0.0005), 0.05),  # across the antimeridian
    ("EPSG:32633", (5e5, 8.0, 3.0, 7e6, 2.0, -9.0), 0.05),  # a turned grid
])
@pytest.mark.parametrize("angle", [0, 17, 45, 90, 121, 168])
def test_heading(tmp_path, crs, transform, tolerance, angle):
    ground_x = math.hypot(transform[1], transform[4])
    y, x = np.indices((150, 150)) - 74.5
    if crs == "EPSG:4326":  # a bar in metres, on cells of degrees
        latitude = transform[3] + 75 * transform[5]
        geod = Geod(ellps="WGS84")
        dx = geod.inv(0, latitude, transform[1], latitude)[2]
        dy = geod.inv(0, latitude + transform[5] / 2, 0, latitude - transform[5] / 2)[2]
    else:
        dx, dy = ground_x, math.hypot(transform[2], transform[5])
    unit = min(dx, dy)
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    xm, ym = x * dx / unit, y * dy / unit
    mask = (np.abs(xm * c + ym * s) <= 45) & (np.abs(-xm * s + ym * c) <= 6)
    path = write(tmp_path / "bar.tif", mask.astype(np.uint8), transform, crs)
    run(f"{path} ! expression b1 ! objects ! {tmp_path}/o.gpkg")
    (row,) = table(tmp_path / "o.gpkg")

    # The geodesic along the axis of the cells, one cell long, through the centroid.
    turned = transform[2] != 0
    yy, xx = np.nonzero(mask)
    if turned:
        points = np.stack([transform[1] * xx + transform[2] * yy, transform[4] * xx + transform[5] * yy])
        a = np.array([[transform[1], transform[2]], [transform[4], transform[5]]])
        _, vectors = np.linalg.eigh(np.cov(points, ddof=0) + a @ a.T / 12)
        step = np.linalg.solve(a, vectors[:, 1])
    else:
        ux, uy = axis_of(mask, dx, dy)
        step = np.array([ux / dx, uy / dy])
    step = step / np.hypot(*step) / 2
    centre = np.array([xx.mean() + 0.5, yy.mean() + 0.5])
    assert row["column"] == pytest.approx(centre[0]) and row["row"] == pytest.approx(centre[1])
    to_lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    ends = [to_lonlat.transform(*gdal.ApplyGeoTransform(list(transform), *(centre + sign * step))) for sign in (-1, 1)]
    azimuth = Geod(ellps="WGS84").inv(*ends[0], *ends[1])[0]
    assert 0 <= row["heading"] < 180
    assert apart(row["heading"], azimuth) < tolerance, (row["heading"], azimuth % 180)
    lon, lat = to_lonlat.transform(*gdal.ApplyGeoTransform(list(transform), *centre))
    assert row["lat"] == pytest.approx(lat, abs=1e-9)
    assert (row["lon"] - lon + 180) % 360 - 180 == pytest.approx(0, abs=1e-9) and -180 <= row["lon"] <= 180


@pytest.mark.parametrize("top,height", [(79.5, 0.01), (0.4, 0.02), (-60.0, 0.05), (90.0, 0.25)])
def test_area_on_degrees(tmp_path, top, height):
    """Cell areas on the ellipsoid, against the integral of the radii of curvature."""
    mask = np.zeros((40, 60), np.uint8)
    mask[5:17, 10:31] = 1
    mask[0:3, 40:50] = 1
    width = 0.03
    path = write(tmp_path / "m.tif", mask, (12.0, width, 0, top, 0, -height), "EPSG:4326")
    run(f"{path} ! expression b1 ! objects ! {tmp_path}/o.gpkg")
    a, e2 = 6378137.0, 0.00669437999014

    def element(latitude):
        w = 1 - e2 * math.sin(latitude) ** 2
        return a * a * (1 - e2) * math.cos(latitude) / w**2

    def area(first, last, columns):
        low, high = math.radians(top - last * height), math.radians(top - first * height)
        return integrate.quad(element, low, high, epsabs=0, epsrel=1e-13)[0] * math.radians(columns * width)

    polar, square = table(tmp_path / "o.gpkg")
    assert polar["area"] == pytest.approx(area(0, 3, 10), rel=1e-9)
    assert square["area"] == pytest.approx(area(5, 17, 21), rel=1e-9)
    # The same in a second way: the geodesic polygon, its parallels densified.
    geod = Geod(a=a, rf=298.257223563)
    lons = np.linspace(12 + 10 * width, 12 + 31 * width, 2000)
    north, south = top - 5 * height, top - 17 * height
    polygon, _ = geod.polygon_area_perimeter(
        np.concatenate([lons, lons[::-1]]), np.concatenate([np.full(2000, south), np.full(2000, north)]))
    assert square["area"] == pytest.approx(abs(polygon), rel=1e-6)


def test_features_in_lonlat_are_the_same_places(tmp_path):
    run(f"{SEA} cfar --guard 210 --background 750 ! objects --min-area 1800 ! [ {tmp_path}/o.geojson ] ! {tmp_path}/o.gpkg")
    source = ogr.Open(str(tmp_path / "o.gpkg"))
    here = source.GetLayer(0).GetSpatialRef()
    there = osr.SpatialReference()
    there.ImportFromEPSG(4326)
    for reference in (here, there):
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    to_lonlat = osr.CoordinateTransformation(here, there)
    for a, b in zip(table(tmp_path / "o.gpkg"), table(tmp_path / "o.geojson")):
        geometry = a["geometry"].Clone()
        geometry.Transform(to_lonlat)
        for (x0, x1, y0, y1), (u0, u1, v0, v1) in [(geometry.GetEnvelope(), b["geometry"].GetEnvelope())]:
            assert (x0, x1, y0, y1) == pytest.approx((u0, u1, v0, v1), abs=2e-7)
        # Real columns agree to what the text keeps.
        for name in a:
            if name not in ("geometry",) and a[name] is not None and isinstance(a[name], (int, float)):
                assert b[name] == pytest.approx(a[name], rel=1e-9, abs=1e-9), name


def test_geographic_scene(tmp_path):
    path = shared("sar_ship/s1_irishsea_20230615_dunlaoghaire_vv_db8.tif")
    run(f"{path} ! linear ! cfar --pfa 1e-9 --guard 205 --background 400 ! [ {tmp_path}/det.tif ] ! objects ! "
        f"{tmp_path}/o.gpkg")
    mask = read(tmp_path / "det.tif") == 1
    labels, count = label(mask)
    rows = table(tmp_path / "o.gpkg")
    assert len(rows) == count
    assert np.array_equal(np.bincount(labels.ravel())[1:], [r["cells"] for r in rows])
    assert np.array_equal(burn(rows, tmp_path / "det.tif"), labels)
    total = sum(r["area"] for r in rows) / sum(r["cells"] for r in rows)
    assert total == pytest.approx(10.404 * 9.712, rel=2e-3)


def test_no_crs_measures_in_cells(tmp_path):
    mask = np.zeros((30, 40), np.uint8)
    mask[4:6, 3:13] = 1
    path = write(tmp_path / "m.tif", mask, None, None)
    run(f"{path} ! expression b1 ! objects ! {tmp_path}/o.gpkg")
    (row,) = table(tmp_path / "o.gpkg")
    assert row["cells"] == 20 and row["length"] == pytest.approx(10) and row["width"] == pytest.approx(2)
    assert row["lon"] is None and row["heading"] is None

# SPDX-License-Identifier: Apache-2.0
"""Rasters on other grids, from file to file: where PROJ knows the way, a card makes the cells that the processor makes, to
the bit. Poles, the antimeridian, control points, several files; masks, scales and types as files have them."""
import os
import re
import subprocess

import numpy as np
import pytest
from osgeo import gdal, osr

gdal.UseExceptions()
PROGRAM = os.environ["FULMAR_INTERPRETED"]
METHODS = ["nearest", "bilinear", "cubic", "lanczos", "average"]


def crs(code):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(code)
    return reference.ExportToWkt()


def made(path, shape, kind, code, transform, nodata=None, scale=None, seed=1):
    random = np.random.default_rng(seed)
    raster = gdal.GetDriverByName("GTiff").Create(str(path), shape[1], shape[0], 1, kind, ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"])
    raster.SetProjection(crs(code))
    if transform:
        raster.SetGeoTransform(transform)
    band = raster.GetRasterBand(1)
    cells = random.integers(1, 900, shape).astype(np.float64)
    cells[random.random(shape) < 0.01] = 0
    if nodata is not None:
        band.SetNoDataValue(nodata)
    if scale is not None:
        band.SetScale(scale), band.SetOffset(-3)
    band.WriteArray(cells)
    return raster


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warps")
    made(folder / "zone.tif", (170, 190), gdal.GDT_UInt16, 32631, (500000, 30, 0, 5300000, 0, -30), nodata=0, scale=0.25)
    made(folder / "beside.tif", (150, 140), gdal.GDT_Float32, 32632, (52500, 31, 0, 5317000, 0, -31), seed=2)
    made(folder / "world.tif", (90, 180), gdal.GDT_Int16, 4326, (-180, 2, 0, 90, 0, -2), nodata=0, seed=3)
    points = made(folder / "swath.tif", (80, 100), gdal.GDT_Byte, 4326, None, seed=4)
    points.SetGCPs([gdal.GCP(7 + 0.012 * c + 0.003 * r + 1e-5 * c * r, 44 - 0.01 * r + 0.002 * c, 0, c, r)
                    for c in (0, 50, 100) for r in (0, 40, 80)], crs(4326))
    points.FlushCache()
    return folder


def call(backend, text, folder):
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    if backend == "cuda":
        environment["LD_PRELOAD"] = os.environ["FULMAR_PTX_RUNTIME"]
    done = subprocess.run([PROGRAM, "run", "-q", "--overwrite", "--backend", backend, text],
                          env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def run(backend, text, folder):
    call(backend, text.format(out=f"{backend}.tif"), folder)
    raster = gdal.Open(str(folder / f"{backend}.tif"))
    return raster.ReadAsArray()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", [
    "zone.tif ! warp --crs EPSG:3035 --resample {method} ! {{out}}",
    "zone.tif ! warp --crs EPSG:4326 --resolution 0.001 --resample {method} ! {{out}}",
    "world.tif ! warp --crs EPSG:3995 --extent -4500000,-4500000,4500000,4500000 --resolution 120000 --resample {method} ! {{out}}",  # the pole, and all around it
    "world.tif ! warp --crs EPSG:4326 --extent 150,-60,-140,60 --resolution 1.3 --resample {method} ! {{out}}",
    "swath.tif ! warp --crs EPSG:32632 --resample {method} ! {{out}}",
    "zone.tif ! mosaic --with [ beside.tif ] --resample {method} ! {{out}}",
], ids=["surfaces", "degrees", "pole", "antimeridian", "points", "mosaic"])
def test_the_bits_are_the_processors(folder, text, method):
    text = text.format(method=method)
    card, processor = run("cuda", text, folder), run("cpu", text, folder)
    assert np.isfinite(processor).mean() > 0.05
    assert card.shape == processor.shape
    assert np.array_equal(card.view("u4"), processor.view("u4"))


@pytest.mark.parametrize("text", [
    "zone.tif ! front ! out.tif",  # gaps that arithmetic leaves: NaN by way of sums and roots
    "zone.tif ! front --scale log10 ! out.tif",
    "zone.tif --with [ zone.tif ! median --window 3px ] ! rx ! out.tif",
    "zone.tif ! warp --crs EPSG:3035 --resample cubic ! front ! out.tif",
    "zone.tif ! mosaic --with [ beside.tif ] --resample bilinear ! out.tif",
], ids=["front", "logarithm", "rx", "warp", "mosaic"])
def test_products_are_the_same_bytes(folder, text):
    """A missing cell is one bit pattern, whichever NaN the arithmetic left. All that tells products apart is what they say
    of their backend, its plan and the card."""
    products = []
    for backend in ("cuda", "cpu"):
        call(backend, text, folder)
        raster = gdal.Open(str(folder / "out.tif"))
        cells = raster.ReadAsArray()
        gaps = np.isnan(cells)
        assert gaps.any() and set(cells.view("u4")[gaps]) == {0x7fc00000}
        told = raster.GetMetadata()
        device, cuda = told.pop("FULMAR_DEVICE", None), told.pop("CUDA_VERSION", None)
        assert (device is None) == (cuda is None) == (backend == "cpu")
        assert backend == "cpu" or re.fullmatch(r".+ \(sm_\d+\)", device) and re.fullmatch(r"\d+\.\d+", cuda)
        told = {k: v for k, v in told.items() if k not in ("FULMAR_BACKEND", "FULMAR_PLAN_SHA256")}
        assert raster.GetMetadataItem("FULMAR_BACKEND") == backend
        products.append((cells.tobytes(), told, raster.GetGeoTransform(), raster.GetProjection()))
    assert products[0] == products[1]


ZONES = """{"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}, "features": [
 {"type": "Feature", "properties": {"name": "a"}, "geometry": {"type": "Polygon", "coordinates":
  [[[500310, 5299700], [503317, 5299650], [503010, 5296321], [500309, 5296700], [500310, 5299700]]]}},
 {"type": "Feature", "properties": {"name": "b"}, "geometry": {"type": "Polygon", "coordinates":
  [[[502310, 5299000], [505620, 5299010], [504017, 5295170], [502310, 5299000]]]}}]}"""


@pytest.mark.parametrize("cover", ["center", "all-touched", "fraction"])
def test_zones_have_the_processors_numbers(folder, cover):
    """Polygons that overlap, and shares of cells: the list of shares goes up beside the plane of zones."""
    (folder / "zones.geojson").write_text(ZONES)
    text = f"zone.tif ! zonal --zones zones.geojson --cover {cover} --percentile 10,50 --categories 3000 ! {{out}}"
    tables = []
    for backend in ("cuda", "cpu"):
        call(backend, text.format(out=f"{backend}.csv"), folder)
        tables.append((folder / f"{backend}.csv").read_text())
    assert tables[0] == tables[1]
    assert len(tables[0].splitlines()) == 3 and "nan" not in tables[0].lower()

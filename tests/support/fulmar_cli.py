# SPDX-License-Identifier: Apache-2.0
"""What the tests through the program share: running it, small rasters in and out, and where the data lie.

FULMAR_BIN names the program; FULMAR_TEST_DATA the folder of larger scenes (a test that needs one is skipped without it).
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

gdal.UseExceptions()
ogr.UseExceptions()
osr.UseExceptions()

ROOT = Path(__file__).resolve().parents[2]
FULMAR = os.environ.get("FULMAR_BIN", str(ROOT / "build/release/cli/fulmar"))
DATA = ROOT / "tests/data"
SHARED = Path(os.environ.get("FULMAR_TEST_DATA", ROOT.parent / "shared/data"))
SCENE = DATA / "s1_port_losangeles_20210105_30m_db.tif"
COAST = DATA / "gshhg_f_mask_losangeles_0p0003.tif"
LUT = DATA / "s1b_grd_20211223_rome_calibration_vv.xml.gz"


def shared(name):
    """A file of the larger data set, or a visible skip."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name} in FULMAR_TEST_DATA ({SHARED})")
    return path


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


def call(*words, cwd=None, env=None, timeout=300):
    """Runs the program. No signal may end it, and nothing of its own innards may show."""
    environment = dict(os.environ, **(env or {}))
    done = subprocess.run(
        [FULMAR, *map(str, words)], capture_output=True, text=True, errors="surrogateescape", cwd=cwd, env=environment,
        timeout=timeout,
    )
    assert done.returncode >= 0, (words, done.returncode, done.stderr)
    for word in ("terminate called", "Assertion", "std::", "core dumped", "Sanitizer", "Segmentation"):
        assert word not in done.stderr, done.stderr
    return Result(done)


def run(text, *options, cwd=None, **more):
    """Runs a pipeline that must succeed."""
    result = call("run", "--overwrite", *options, text, cwd=cwd, **more)
    assert result.code == 0, (text, result.err)
    return result


def refused(code, text, *options, cwd=None, names=(), **more):
    """The message of a pipeline that must fail with this exit code: on standard error alone, naming these words."""
    result = call("run", *options, text, cwd=cwd, **more)
    assert result.code == code, (text, result.code, result.out, result.err)
    assert result.out == "", result.out
    assert result.err.startswith("fulmar: error: "), result.err
    for name in [names] if isinstance(names, str) else names:
        assert name in result.err, (name, result.err)
    return result.err


def read(path, band=1):
    """The cells of a band as they are stored."""
    dataset = gdal.Open(str(path))
    return dataset.GetRasterBand(band).ReadAsArray()


def place(path):
    dataset = gdal.Open(str(path))
    return dataset.GetGeoTransform(), dataset.GetProjection()


TYPES = {
    "uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "int16": gdal.GDT_Int16, "uint32": gdal.GDT_UInt32,
    "int32": gdal.GDT_Int32, "float32": gdal.GDT_Float32, "float64": gdal.GDT_Float64,
}
UTM = (500000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)


def write(path, cells, transform=UTM, crs="EPSG:32633", nodata=None, scale=None, offset=None, unit=None, options=(),
          driver="GTiff"):
    """Writes an array (rows x columns, or bands x rows x columns) as a raster."""
    cells = np.asarray(cells)
    bands = cells[None] if cells.ndim == 2 else cells
    count, height, width = bands.shape
    dataset = gdal.GetDriverByName(driver).Create(
        str(path), width, height, count, TYPES[str(cells.dtype)], options=list(options))
    if transform is not None:
        dataset.SetGeoTransform(transform)
    if crs is not None:
        reference = osr.SpatialReference()
        reference.SetFromUserInput(crs)
        dataset.SetProjection(reference.ExportToWkt())
    for i, values in enumerate(bands):
        band = dataset.GetRasterBand(i + 1)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        if scale is not None:
            band.SetScale(scale)
        if offset is not None:
            band.SetOffset(offset)
        if unit is not None:
            band.SetUnitType(unit)
        band.WriteArray(values)
    dataset.FlushCache()
    del dataset
    return path


def features(path):
    """Rows of a feature file in their order: dictionaries, with the geometry under "geometry"."""
    source = ogr.Open(str(path))
    layer = source.GetLayer(0)
    names = [layer.GetLayerDefn().GetFieldDefn(i).GetName() for i in range(layer.GetLayerDefn().GetFieldCount())]
    rows = []
    for feature in layer:
        row = {name: feature.GetField(name) for name in names}
        geometry = feature.GetGeometryRef()
        row["geometry"] = None if geometry is None else geometry.Clone()
        rows.append(row)
    return rows


def table(path):
    """The same in the order of their ids."""
    return sorted(features(path), key=lambda row: row["id"])


def files(folder):
    """All names in a folder, hidden ones too."""
    return sorted(os.listdir(folder))


def same(a, b):
    """Bit for bit, missing equal to missing."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()

# SPDX-License-Identifier: Apache-2.0
"""HDF5 files made by h5py: plain images, axes as dimension scales, groups, packed cells, several rasters in one."""

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import call, read, run

h5py = pytest.importorskip("h5py")

IMAGE = np.arange(12, dtype="f4").reshape(3, 4)


def on_axes(group, name, cells, **axes):
    """A dataset whose dimensions have scales; an axis is (values, units)."""
    made = group.create_dataset(name, data=cells)
    for k, (axis, (values, units)) in enumerate(axes.items()):
        if axis not in group:
            scale = group.create_dataset(axis, data=values)
            scale.attrs["units"] = units
            scale.make_scale(axis)
        made.dims[k].attach_scale(group[axis])
    return made


LAT = ([1.0, 2, 3], "degrees_north")
LON = ([10.0, 11, 12, 13], "degrees_east")
TIME = ([0.0, 1, 2], "days since 2001-02-26")


def test_the_only_raster_of_a_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["deep/inside/image"] = IMAGE
        f["deep/numbers"] = np.arange(7)
        f["name"] = "words"
    for layer in ("", " --layer deep/inside/image", " --layer /deep/inside/image"):
        run(f"a.h5{layer} ! o.tif", cwd=tmp_path)
        assert np.array_equal(read(tmp_path / "o.tif"), IMAGE)
    result = call("run", "a.h5 --layer picture ! p.tif", cwd=tmp_path)
    assert result.code == 3 and "a.h5" in result.err and "leave --layer away" in result.err


@pytest.mark.parametrize("chunks", [None, (2, 2, 3)])
def test_axes_time_and_packing_in_a_group(tmp_path, chunks):
    cells = np.stack([IMAGE, IMAGE + 100, IMAGE + 200]).astype("i2")
    with h5py.File(tmp_path / "a.h5", "w") as f:
        group = f.create_group("ocean")
        sst = on_axes(group, "sst", cells, time=TIME, lat=LAT, lon=LON)
        if chunks:
            del group["sst"]
            sst = group.create_dataset("sst", data=cells, chunks=chunks, compression="gzip", shuffle=True)
            for k, axis in enumerate(("time", "lat", "lon")):
                sst.dims[k].attach_scale(group[axis])
        sst.attrs["scale_factor"], sst.attrs["add_offset"], sst.attrs["_FillValue"] = 0.5, 270.0, np.int16(105)
        sst.attrs["units"] = "K"
    run("a.h5 ! o.nc", cwd=tmp_path)
    run("a.h5 --time-range 2001-02-27/.. ! o.tif", cwd=tmp_path)
    want = np.where(cells == 105, np.nan, cells * 0.5 + 270)[:, ::-1]  # north up
    d = gdal.Open(str(tmp_path / "o.tif"))
    assert np.array_equal(d.ReadAsArray(), want[1:], equal_nan=True)
    assert d.GetGeoTransform() == (9.5, 1, 0, 3.5, 0, -1) and d.GetSpatialRef().IsGeographic()
    assert d.GetRasterBand(1).GetUnitType() == "K"
    assert d.GetRasterBand(1).GetDescription() == "sst 2001-02-27T00:00:00Z"  # the date is the title's in GeoTIFF
    d = gdal.OpenEx(str(tmp_path / "o.nc"), gdal.OF_MULTIDIM_RASTER).GetRootGroup()
    assert list(d.OpenMDArray("time").ReadAsArray() / 86400) == [11379, 11380, 11381]  # 2001-02-26 on


@pytest.fixture
def container(tmp_path):
    """Two variables on axes in one group, and two plain images of one name in others."""
    with h5py.File(tmp_path / "axes.h5", "w") as f:
        group = f.create_group("wind")
        on_axes(group, "u", IMAGE, lat=LAT, lon=LON)
        on_axes(group, "v", IMAGE + 50, lat=LAT, lon=LON)
    with h5py.File(tmp_path / "plain.h5", "w") as f:
        f["a/one"], f["a/same"], f["b/same"] = IMAGE, IMAGE + 20, IMAGE + 30
        f["list"] = np.arange(9)
    return tmp_path


@pytest.mark.parametrize("name,add,flip", [
    ("axes.h5 --layer u", 0, True), ("axes.h5 --layer wind/v", 50, True), ("axes.h5 --layer /wind/v", 50, True),
    ('HDF5:"axes.h5"://wind/v', 50, True), ("HDF5:axes.h5://wind/u", 0, True),
    ("plain.h5 --layer one", 0, False), ("plain.h5 --layer b/same", 30, False), ("plain.h5 --layer /a/same", 20, False),
    ('HDF5:"plain.h5"://a/same', 20, False),
])
def test_one_of_several_rasters(container, name, add, flip):
    run(f"'{name}' ! o.tif" if name.startswith("HDF5") else f"{name} ! o.tif", cwd=container)
    want = IMAGE + add
    assert np.array_equal(read(container / "o.tif"), want[::-1] if flip else want)


def test_several_at_once(container):
    run("axes.h5 --layer wind/v,wind/u ! o.tif", cwd=container)
    assert np.array_equal(gdal.Open(str(container / "o.tif")).ReadAsArray(), np.stack([IMAGE + 50, IMAGE])[:, ::-1])


@pytest.mark.parametrize("name,words", [
    ("axes.h5", ["axes.h5' holds several variables", "--layer", 'HDF5:"axes.h5"://wind/u', 'HDF5:"axes.h5"://wind/v',
                 "lat=3, lon=4"]),
    ("axes.h5 --layer w", ["no variable 'w'", "--layer", 'HDF5:"axes.h5"://wind/u']),
    ("plain.h5", ["plain.h5' holds several rasters", "--layer", 'HDF5:"plain.h5"://a/one',
                  'HDF5:"plain.h5"://b/same', "3x4"]),
    ("plain.h5 --layer two", ["no raster 'two'", 'HDF5:"plain.h5"://a/one']),
    ("plain.h5 --layer same", ["several rasters 'same'", 'HDF5:"plain.h5"://a/same', 'HDF5:"plain.h5"://b/same']),
    ("plain.h5 --layer list", ["no raster 'list'"]),
])
def test_what_is_said_where_there_are_several(container, name, words):
    result = call("run", f"{name} ! o.tif", cwd=container)
    assert result.code == 3, result.err
    for word in words:
        assert word in result.err, result.err
    # Every name in the list opens.
    for line in result.err.splitlines():
        if line.startswith("    HDF5:"):
            run(f"'{line.split('  ')[2].strip()}' ! p.tif", cwd=container)


def test_nothing_to_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["list"] = np.arange(9)
        f.create_group("nothing")
    result = call("run", "a.h5 ! o.tif", cwd=tmp_path)
    assert result.code == 3 and "a.h5' holds no raster bands" in result.err and "gdalinfo" in result.err


def test_cut_short(container):
    """Damage within the headers is not tried: the HDF5 library itself (1.10) may crash on that."""
    whole = (container / "axes.h5").read_bytes()
    for part in np.linspace(0, 0.99, 16):
        (container / "bad.h5").write_bytes(whole[: int(part * len(whole))])
        result = call("run", "--overwrite", "bad.h5 --layer wind/u ! o.tif", cwd=container, timeout=60)
        assert result.code == 3 and "bad.h5" in result.err, result.err


def test_damaged_chunks(tmp_path):
    cells = np.random.default_rng(2).normal(size=(200, 300))
    with h5py.File(tmp_path / "a.h5", "w") as f:
        made = f.create_dataset("image", data=cells, chunks=(50, 60), compression="gzip", fletcher32=True)
        place = made.id.get_chunk_info(5)
    broken = bytearray((tmp_path / "a.h5").read_bytes())
    broken[place.byte_offset + 100] ^= 0xFF
    (tmp_path / "a.h5").write_bytes(broken)
    result = call("run", "a.h5 ! o.tif", cwd=tmp_path)
    assert result.code == 3 and "a.h5" in result.err and "damaged" in result.err, result.err
    assert not (tmp_path / "o.tif").exists()

# SPDX-License-Identifier: Apache-2.0
"""Peak memory of the whole process stays below what it was given, for scenes of every shape."""

import re
import subprocess
import sys

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import FULMAR, LUT, TYPES, UTM, call, files, read, same, table

# A small parent: what a process held when it forked would count as its child's peak.
WATCH = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak(text, *options, cwd):
    """MiB of resident memory at the most."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", WATCH, FULMAR, "run", "--overwrite", "-q", *options, text],
                          capture_output=True, text=True, cwd=cwd, timeout=300)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]) / 1024


def tiled(path, width, height, dtype="uint16", block=512, seed=0, compress="ZSTD"):
    """A scene of clutter with targets, one random block laid again and again; written block row by block row."""
    rng = np.random.default_rng(seed)
    cells = np.sqrt(rng.gamma(4.4, 160.0**2 / 4.4, (block, block)))
    for x, y in rng.integers(10, block - 20, (4, 2)):
        cells[y:y + 4, x:x + 9] = 9000
    cells = cells.astype(dtype)
    row = np.tile(cells, (1, width // block + 1))[:, :width]
    options = ["TILED=YES", f"BLOCKXSIZE={block}", f"BLOCKYSIZE={block}", f"COMPRESS={compress}", "NUM_THREADS=2"]
    options += ["ZSTD_LEVEL=1", "PREDICTOR=2"] if compress == "ZSTD" else []
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, 1, TYPES[dtype], options)
    dataset.SetGeoTransform(UTM)
    dataset.SetProjection("EPSG:32633")
    for y in range(0, height, block):
        dataset.GetRasterBand(1).WriteArray(row[:min(block, height - y)], 0, y)
    dataset.FlushCache()
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    tiled(folder / "small.tif", 2048, 2048)
    tiled(folder / "large.tif", 12000, 12000)
    tiled(folder / "wide.tif", 60000, 3000)
    tiled(folder / "tall.tif", 3000, 30000)
    return folder


CFAR = "cfar --pfa 1e-6 --guard 210 --background 750"
DETECT = f"calibrate --with {LUT} ! {CFAR}"


def detect(name):
    """How objects are found in a scene; the calibration table is of no scene as wide or as tall as these."""
    return f"expression 'b1 * b1 / 1e6' ! {CFAR}" if name in ("wide", "tall") else DETECT


@pytest.mark.parametrize("name", ["small", "large", "wide", "tall"])
def test_default(scenes, tmp_path, name):
    mib = peak(f"{scenes}/{name}.tif ! {detect(name)} ! objects --min-area 300 ! o.gpkg", cwd=tmp_path)
    print(f"{name}: {mib:.0f} MiB")
    assert mib < 512
    assert len(table(tmp_path / "o.gpkg")) > 0


@pytest.mark.parametrize("name", ["small", "large", "wide"])
def test_a_quarter_of_a_gibibyte(scenes, tmp_path, name):
    mib = peak(f"{scenes}/{name}.tif ! {detect(name)} ! objects --min-area 300 ! o.gpkg", "--memory", "256M", cwd=tmp_path)
    print(f"{name}: {mib:.0f} MiB")
    assert mib < 256


@pytest.mark.parametrize("memory", [300, 512])
def test_with_rasters_and_four_threads(scenes, tmp_path, memory):
    text = f"{scenes}/wide.tif ! {detect('wide')} ! [ det.tif ] ! objects --min-area 300 ! [ o.fgb ] ! [ o.png ] ! o.gpkg"
    mib = peak(text, "--threads", "4", "--memory", f"{memory}M", cwd=tmp_path)
    print(f"{mib:.0f} MiB")
    assert mib < memory
    assert not [name for name in files(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("options", [["--memory", "256M"], ["--threads", "4", "--memory", "350M"], ["--threads", "16", "--memory", "450M"]])
def test_the_prediction_holds(scenes, tmp_path, options):
    holds(f"{scenes}/large.tif ! {DETECT} ! det.tif", options, tmp_path)


@pytest.mark.parametrize("options", [["--threads", "4", "--memory", "250M"], ["--threads", "16", "--memory", "600M"]])
@pytest.mark.parametrize("words", [[], ["--type", "u16", "--nodata", "0"]])
def test_the_prediction_holds_for_wide_cells_and_many_encoders(scenes, tmp_path, options, words):
    """Blocks that one thread decodes, another encodes and a third frees."""
    holds(f"{scenes}/large.tif ! median --window 5px ! o.tif {' '.join(words)}", options, tmp_path)


@pytest.fixture(scope="module")
def eight_bands(tmp_path_factory):
    path = tmp_path_factory.mktemp("bands") / "eight.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 2500, 2500, 8, gdal.GDT_Float32, ["TILED=YES", "INTERLEAVE=BAND"])
    dataset.SetGeoTransform(UTM)
    noise = np.random.default_rng(8).random((2500, 2500), np.float32)
    for band in range(8):
        dataset.GetRasterBand(band + 1).WriteArray(noise)
    dataset.FlushCache()
    return path


@pytest.mark.parametrize("options", [["--threads", "4", "--memory", "512M"], ["--threads", "16", "--memory", "512M"]])
def test_blocks_of_several_bands_count_with_all_of_them(eight_bands, tmp_path, options):
    holds(f"{eight_bands} ! median --window 3px ! o.tif", options, tmp_path)


def test_many_threads_do_with_few_encoders(scenes, tmp_path):
    """The memory that is given by default suffices for all the threads of a large machine."""
    holds(f"{scenes}/small.tif ! median --window 5px ! o.tif", ["--threads", "64", "--memory", "512M"], tmp_path)


def holds(text, options, folder):
    told = call("explain", *options, text, cwd=folder)
    assert told.code == 0
    predicted = float(re.search(r"memory +([0-9.]+) MiB at the peak", told.out).group(1))
    assert peak(text, *options, cwd=folder) < predicted <= int(options[-1][:-1])


def test_strips_of_a_whole_row(tmp_path):
    """A file without tiles, one strip as high as 512 rows."""
    width, height = 20000, 2500
    dataset = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "s.tif"), width, height, 1, gdal.GDT_Float32,
                                                  ["BLOCKYSIZE=512", "COMPRESS=ZSTD"])
    row = np.random.default_rng(0).gamma(4.4, 0.01, (500, width)).astype(np.float32)
    for y in range(0, height, 500):
        dataset.GetRasterBand(1).WriteArray(row, 0, y)
    del dataset
    mib = peak("s.tif ! cfar --guard 7px --background 25px ! det.tif", "--memory", "400M", cwd=tmp_path)
    print(f"{mib:.0f} MiB")
    assert mib < 400


def test_memory_changes_nothing(scenes, tmp_path):
    for memory in ("250M", "2G"):
        peak(f"{scenes}/small.tif ! {DETECT} ! [ {memory}.tif ] ! objects ! {memory}.geojson", "--memory", memory, cwd=tmp_path)
    assert same(read(tmp_path / "250M.tif"), read(tmp_path / "2G.tif"))
    a, b = ((tmp_path / f"{m}.geojson").read_text() for m in ("250M", "2G"))
    assert a.replace("250M", "2G") == b


def test_zones_that_are_found_on_the_way_are_counted(tmp_path):
    """How many objects there are is known only when they are described: the plan is counted again then."""
    cells = np.zeros((800, 400), np.float32)
    cells[2::8, 2::8] = cells[3::8, 2::8] = 200  # 5000 objects
    dataset = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "d.tif"), 400, 800, 1, gdal.GDT_Float32)
    dataset.SetGeoTransform(UTM)
    dataset.SetProjection("EPSG:32633")
    dataset.GetRasterBand(1).WriteArray(cells)
    dataset = None
    text = "d.tif ! expression 'b1 > 100' ! objects ! zonal --value d.tif --percentile 5,25,50,75,95 ! o.csv"
    small = call("run", "--threads", "2", "--memory", "400M", text, cwd=tmp_path)
    assert small.code == 2, (small.code, small.err)
    assert "zonal" in small.err and "fewer zones" in small.err and "--memory" in small.err
    assert not (tmp_path / "o.csv").exists()
    needed = int(re.search(r"needs (\d+) MiB", small.err)[1])
    assert 500 < needed < 900, small.err
    assert call("run", "--threads", "2", "--memory", f"{needed - 1}M", text, cwd=tmp_path).code == 2
    assert peak(text, "--threads", "2", "--memory", f"{needed}M", cwd=tmp_path) < needed
    rows = (tmp_path / "o.csv").read_text().splitlines()
    assert len(rows) == 5001


def test_masks_on_another_grid_are_counted(scenes, tmp_path):
    """Where each cell of a slice lies in the mask, and the mask's own cells beneath it, belong to the plan."""
    fine = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "mask.tif"), 8192, 8192, 1, gdal.GDT_Byte,
                                                ["TILED=YES", "COMPRESS=ZSTD"])
    fine.SetGeoTransform((UTM[0], UTM[1] / 4, 0, UTM[3], 0, UTM[5] / 4))
    fine.SetProjection("EPSG:32633")
    fine.GetRasterBand(1).WriteArray(np.kron(np.eye(8, dtype=np.uint8), np.ones((1024, 1024), np.uint8)))
    del fine
    text = f"{scenes}/small.tif ! mask --with mask.tif --buffer 100 ! o.tif"
    options = ["--threads", "4", "--memory", "200M"]
    told = call("explain", *options, text, cwd=tmp_path).out
    predicted, decoders = (float(re.search(p, told)[1]) for p in (r"memory +([\d.]+) MiB at", r"decoders ([\d.]+) MiB"))
    without = call("explain", *options, text.replace("mask --with mask.tif --buffer 100", "expression b1"), cwd=tmp_path).out
    slice_of_four = 4 * (512 * 64 * 16 + 2**17 * 9) / 2**20
    assert decoders - float(re.search(r"decoders ([\d.]+) MiB", without)[1]) >= slice_of_four
    assert peak(text, *options, cwd=tmp_path) < predicted <= 200
    masked = np.isnan(read(tmp_path / "o.tif"))
    distance = np.pad(np.kron(np.eye(8, dtype=bool), np.ones((256, 256), bool)), 0)
    assert masked[distance].all() and not masked[:200, 1000:].any()


def test_detections_beyond_memory_are_told_with_both_numbers(tmp_path):
    """The share of one tile that did not suffice, and what `explain` says is left for features."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "noise.tif"), 2000, 2000, 1, gdal.GDT_Float32)
    dataset.GetRasterBand(1).WriteArray(np.random.default_rng(0).random((2000, 2000)).astype(np.float32))
    del dataset
    text, options = "noise.tif ! expression 'b1 > 0.7' ! objects ! o.csv", ["--threads", "1", "--memory", "200M"]
    whole = re.search(r"([\d.]+) MiB at most", call("explain", *options, text, cwd=tmp_path).out)[1]
    done = call("run", *options, text, cwd=tmp_path)
    told = re.search(r"in one tile needs more than its share, ([\d.]+) MiB of the ([\d.]+) MiB that the memory budget", done.err)
    assert done.code == 1 and told and abs(float(told[2]) - float(whole)) < 0.11, (done.err, whole)
    assert 0 < float(told[1]) <= float(whole) / 4
    assert not (tmp_path / "o.csv").exists()

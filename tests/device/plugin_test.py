# SPDX-License-Identifier: Apache-2.0
"""A plugin with a device twin, built against an installed SDK and installed, runs with --backend cuda and gives the bits of
the processor. The program is the command line with the CUDA runtime as a shared library, so that the interpreter takes its
place."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugin"))
from outside import EXAMPLES, build, install, must  # noqa: E402

gdal = pytest.importorskip("osgeo.gdal")


def raster(path, array):
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), array.shape[1], array.shape[0], 1, gdal.GDT_Float32)
    dataset.SetGeoTransform((500000, 10, 0, 4000000, 0, -10))
    band = dataset.GetRasterBand(1)
    band.WriteArray(array)
    band.SetNoDataValue(-9999)
    del band, dataset


@pytest.mark.skipif(shutil.which("nvcc") is None or "FULMAR_INTERPRETED" not in os.environ,
                    reason="needs a build with CUDA (nvcc), whose test device.plugin this is")
@pytest.mark.parametrize("name, operator", [("ruggedness", "ruggedness"), ("relief", "relief --reach 5"),
                                            ("exceed", "exceed --threshold 8")])
def test_an_installed_plugin_computes_on_a_card(tmp_path, name, operator):
    config = install(tmp_path / "prefix")
    binary = build(EXAMPLES / name, tmp_path / "build", config, "-DCMAKE_BUILD_TYPE=Release", "-DFULMAR_PLUGIN_CUDA=ON",
                   "-DFULMAR_PLUGIN_CUDART=shared")
    must("cmake", "--install", binary, "--prefix", tmp_path / "prefix")
    folder = next((tmp_path / "prefix").rglob(f"{name}.so")).parent
    array = np.random.default_rng(4).gamma(2, 4, (150, 190)).astype("f4")
    array[20:40, 30:35] = -9999
    raster(tmp_path / "in.tif", array)
    made = {}
    for backend in ("cpu", "cuda"):
        out = tmp_path / f"{backend}.{'csv' if name == 'exceed' else 'tif'}"
        env = dict(os.environ, FULMAR_PLUGIN_PATH=str(folder), LD_PRELOAD=os.environ["FULMAR_PTX_RUNTIME"])
        done = subprocess.run([os.environ["FULMAR_INTERPRETED"], "run", "--json", "--backend", backend,
                               f"{tmp_path}/in.tif ! {operator} ! {out}"], capture_output=True, text=True, env=env, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["backend"] == backend
        if name == "exceed":
            made[backend] = out.read_text()
        else:
            dataset = gdal.Open(str(out))
            made[backend] = dataset.ReadAsArray()
    if name == "exceed":
        assert made["cpu"] == made["cuda"] and made["cpu"].count("\n") == 2
    else:
        valid = ~np.isnan(made["cpu"])  # which bits a missing cell has is nobody's promise
        np.testing.assert_array_equal(valid, ~np.isnan(made["cuda"]))
        np.testing.assert_array_equal(made["cpu"][valid].view("u4"), made["cuda"][valid].view("u4"))
        assert len(np.unique(made["cpu"][valid])) > 1000 and not valid[25, 32]

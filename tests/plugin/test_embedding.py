# SPDX-License-Identifier: Apache-2.0
"""A plugin within another program: `EngineSettings::plugins`, from an installed prefix, on rasters in memory."""
import os
import subprocess
import sys

import pytest
from fulmar_cli import call
from outside import BUILD, must
from probes import probe

PROGRAM = r"""
#include <cstdio>
#include <vector>

#include "fulmar/fulmar.hpp"

int main(int, char** argv) try {
  fulmar::EngineSettings settings;
  settings.plugins = {argv[1]};
  const fulmar::Engine engine{settings};
  for (const auto& op : engine.operators())
    if (op.plugin != "builtin") std::printf("%s of %s\n", op.name.c_str(), op.plugin.c_str());
  fulmar::Grid grid;
  grid.width = 2, grid.height = 1;
  const std::vector<float> cells{1, 2};
  const auto result = engine.job("a ! probe --plus 3 ! out").input("a", fulmar::RasterView::of(cells.data(), grid)).run();
  const auto out = result.raster("out").band<float>();
  std::printf("%g %g\n", out[0], out[1]);
} catch (const fulmar::Error& e) {
  std::printf("%d %s\n", static_cast<int>(e.code()), e.what());
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    made = probe(tmp_path_factory.mktemp("plugin"))
    assert call("plugin", "describe", made).code == 0
    return made


def test_in_cpp(library, tmp_path):
    prefix = tmp_path / "prefix"
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not everything is built: " + done.stderr.strip()[-300:])
    (tmp_path / "main.cpp").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(outside CXX)\nfind_package(fulmar REQUIRED COMPONENTS engine)\n"
        "add_executable(outside main.cpp)\ntarget_link_libraries(outside PRIVATE fulmar::engine)\n")
    must("cmake", "-S", tmp_path, "-B", tmp_path / "b", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
         "-DFULMAR_PLUGIN_CUDA=OFF")
    must("ninja", "-C", tmp_path / "b")
    program = tmp_path / "b/outside"
    trace = tmp_path / "trace"
    said = must(program, library, env={**os.environ, "PROBE_TRACE": str(trace)})
    assert said == "probe of probing\n4 5\n" and trace.exists()
    assert must(program, tmp_path / "none.so").startswith("3 there is no plugin")
    assert "version 7." in must(program, probe(tmp_path / "p", major=7))


def test_in_python(library):
    if not (BUILD / "python/fulmar").exists():
        pytest.skip("built without the Python package (FULMAR_PYTHON_BINDING)")
    code = ("import sys, numpy, fulmar\nengine = fulmar.Engine(plugins=[sys.argv[1]])\n"
            "print(engine.operators()['probe']['plugin'],\n"
            "      engine.run('a ! probe ! out', a=numpy.zeros((1, 2), 'float32'))['out'])\n")
    said = must(sys.executable, "-c", code, library, env={**os.environ, "PYTHONPATH": str(BUILD / "python")})
    assert "probing" in said

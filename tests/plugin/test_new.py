# SPDX-License-Identifier: Apache-2.0
"""`fulmar plugin new NAME` writes a project that configures, builds and passes its own tests at once, against what
`cmake --install` leaves."""
import subprocess

import numpy as np
import pytest
from fulmar_cli import FULMAR, call, files, read, run, write
from outside import BUILD, build, install, must


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project, built and tested against an installed SDK."""
    folder = tmp_path_factory.mktemp("new")
    assert call("plugin", "new", "wind_speed", cwd=folder).code == 0
    build(folder / "wind_speed", folder / "wind_speed/build", install(folder / "prefix"),
          "-DFULMAR_PLUGIN_CUDA=OFF", f"-DFULMAR_PROGRAM={FULMAR}")
    return folder / "wind_speed"


def test_what_it_writes(project):
    assert files(project) == ["CMakeLists.txt", "README.md", "build", "wind_speed.hpp", "wind_speed_test.cpp"]
    for file in project.glob("*.*"):
        assert "@" not in file.read_text()
    assert "struct WindSpeed {" in (project / "wind_speed.hpp").read_text()


def test_it_passes_its_own_tests(project):
    said = must("ctest", "--test-dir", project / "build", "--output-on-failure")
    assert "100% tests passed, 0 tests failed out of 2" in said
    assert "wind_speed.science" in said and "wind_speed.conformance" in said


def test_its_tests_notice_a_mistake(project, tmp_path):
    must("cp", "-r", project, tmp_path / "copy")
    header = tmp_path / "copy/wind_speed.hpp"
    right = header.read_text()
    header.write_text(right.replace(") / around.mean()", ") / around.s1"))
    assert right != header.read_text()
    must("rm", "-r", tmp_path / "copy/build")
    config = next((project.parent / "prefix").rglob("fulmar_plugin.cmake")).parent
    build(tmp_path / "copy", tmp_path / "copy/build", config, "-DFULMAR_PLUGIN_CUDA=OFF")
    done = subprocess.run(["ctest", "--test-dir", tmp_path / "copy/build", "-R", "science"], capture_output=True)
    assert done.returncode != 0


def test_it_runs(project, tmp_path):
    write(tmp_path / "a.tif", np.full((20, 20), 7, dtype="float32"))
    run("a.tif ! wind_speed --window 5px ! b.tif", "--plugin", project / "build/wind_speed.so", cwd=tmp_path)
    assert (read(tmp_path / "b.tif") == 1).all()


def test_against_everything_that_is_installed(tmp_path):
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", tmp_path / "prefix"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not everything is built: " + done.stderr.strip()[-300:])
    program = tmp_path / "prefix/bin/fulmar"
    must(program, "plugin", "new", "gust", cwd=tmp_path)
    must("cmake", "-S", tmp_path / "gust", "-B", tmp_path / "gust/build", "-G", "Ninja",
         f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}", f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'prefix'}",
         "-DFULMAR_PLUGIN_CUDA=OFF")
    must("ninja", "-C", tmp_path / "gust/build")
    assert "0 tests failed out of 2" in must("ctest", "--test-dir", tmp_path / "gust/build")
    must("cmake", "--install", tmp_path / "gust/build")
    assert "[gust 0.1.0]" in must(program, "list")
    write(tmp_path / "a.tif", np.full((20, 20), 7, dtype="float32"))
    must(program, "run", "a.tif ! gust --window 5px ! b.tif", cwd=tmp_path)


@pytest.mark.parametrize("name", ["", "Wind", "9wind", "wind-speed", "wind__speed", "wind_", "../wind", "test", "a" * 99,
                                  "cfar", "wind speed"])
def test_names_that_cannot_be(tmp_path, name):
    result = call("plugin", "new", name, cwd=tmp_path)
    assert result.code == 2 and result.err.startswith("fulmar: error: ") and not files(tmp_path)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "wind").mkdir()
    result = call("plugin", "new", "wind", cwd=tmp_path)
    assert result.code == 4 and "wind is there already" in result.err and not files(tmp_path / "wind")

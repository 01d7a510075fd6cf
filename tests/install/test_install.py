# SPDX-License-Identifier: Apache-2.0
"""Fulmar from outside: installed, found by CMake and by pkg-config, or taken as a subfolder; the examples run."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FULMAR_BUILD", ROOT / "build/release"))
EXAMPLES = ROOT / "engine/api/examples"
DEM = ROOT / "tests/data/bigtujunga_srtm30_128.tif"


def run(*words, ok=0, **kwargs):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=900, **kwargs)
    assert done.returncode == ok, f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    where = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", where)
    return where


def library(prefix, name):
    found = [p for p in prefix.rglob(f"libfulmar_{name}.so.*") if not p.is_symlink()]
    assert len(found) == 1
    return found[0]


def needed(path):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", path).stdout)


def test_the_engine_needs_no_gdal_and_carries_its_version(prefix):
    engine = library(prefix, "engine")
    assert not [n for n in needed(engine) if re.search("gdal|proj|fulmar_io", n)]
    assert re.search(r"SONAME.*\[libfulmar_engine\.so\.0\.1\]", run("readelf", "-d", engine).stdout)
    assert any("gdal" in n for n in needed(library(prefix, "io")))


@pytest.mark.parametrize("name", ["engine", "io"])
def test_what_is_not_public_is_hidden(prefix, name):
    """Every symbol shown is of namespace fulmar, or the C++ library's templates on its types; nothing of fmt, of the
    parsers, the planner or the executor."""
    symbols = run("nm", "-DC", "--defined-only", library(prefix, name)).stdout.splitlines()
    shown = [s.split(maxsplit=2)[2] for s in symbols if len(s.split(maxsplit=2)) == 3]
    own = [s for s in shown if s.startswith("fulmar::")]
    assert own
    strays = [s for s in shown if re.search(r"fmt::|nlohmann|tbb::|parse_text|make_graph|make_plan|fulmar::ops|"
                                            r"fulmar::run\(|Gdal", s)]
    assert not strays


def build(where, source, *options, kind="Release"):
    run("cmake", "-G", "Ninja", "-S", source, "-B", where, f"-DCMAKE_BUILD_TYPE={kind}", *options)
    run("cmake", "--build", where, "-j", "2")
    return where


def check_examples(where):
    ships = run(where / "ships").stdout
    assert ships.endswith("3 ships\n")
    first = dict(zip(ships.splitlines()[0].split(), ships.splitlines()[1].split()))
    assert float(first["length"]) == pytest.approx(200, abs=15) and float(first["width"]) == pytest.approx(40, abs=15)
    assert run(where / "inputs").stdout.split("\n")[:4] == ["zone 3", "zone 8", "mean 2", "mean 6"]
    assert [float(v) for v in run(where / "own_operator").stdout.split()] == pytest.approx([0.67, -0.54, 0.45, -0.52])


def test_the_engine_alone_is_found_by_cmake(prefix, tmp_path):
    build(tmp_path, ROOT / "tests/install/consumer", f"-DCMAKE_PREFIX_PATH={prefix}",
          f"-DEXAMPLES={EXAMPLES / 'ships.cpp'};{EXAMPLES / 'own_operator.cpp'};{EXAMPLES / 'inputs.cpp'}")
    check_examples(tmp_path)
    assert not [n for n in needed(tmp_path / "ships") if "gdal" in n or "fulmar_io" in n]


def test_with_files_a_recipe_runs_shows_progress_and_stops(prefix, tmp_path):
    where = build(tmp_path / "build", ROOT / "tests/install/consumer", f"-DCMAKE_PREFIX_PATH={prefix}",
                  "-DWITH_FILES=ON", f"-DEXAMPLES={EXAMPLES / 'recipe.cpp'}")
    assert "flood" in run(where / "recipe").stdout.split()
    done = run(where / "recipe", "terrain", f"dem={DEM}", f"out={tmp_path / 'out'}")
    assert "100 %" in done.stderr
    made = done.stdout.split()
    assert any(m.endswith("slope.tif") for m in made) and all(pathlib.Path(m).is_file() for m in made)
    stopped = run(where / "recipe", "terrain", f"dem={DEM}", f"out={tmp_path / 'none'}", "--stop", "0.1", ok=130)
    assert "stopped" in stopped.stderr and not (tmp_path / "none").exists()
    assert "needs dem" in run(where / "recipe", "terrain", ok=2).stderr


def test_a_component_that_is_not_there_is_named(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\n"
                                             "find_package(fulmar 0.1 CONFIG REQUIRED COMPONENTS engine space)\n")
    done = run("cmake", "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={prefix}", ok=1)
    assert "without the component" in " ".join(done.stderr.split()) and "'space'" in done.stderr
    (tmp_path / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\n"
                                             "find_package(fulmar 0.2 CONFIG REQUIRED)\n")
    done = run("cmake", "-S", tmp_path, "-B", tmp_path / "c", f"-DCMAKE_PREFIX_PATH={prefix}", ok=1)
    assert "0.1.0" in done.stderr


def test_pkg_config_finds_it_wherever_the_prefix_lies(prefix, tmp_path):
    moved = tmp_path / "moved prefix"
    prefix_copy = run("cp", "-a", prefix, moved)
    assert prefix_copy.returncode == 0
    folder = next(moved.rglob("pkgconfig"))
    env = dict(os.environ, PKG_CONFIG_PATH=str(folder))
    assert run("pkg-config", "--modversion", "fulmar", env=env).stdout.strip() == "0.1.0"
    flags = run("pkg-config", "--cflags", "--libs", "fulmar-engine", env=env).stdout.strip()
    command = f"g++ -std=c++20 -O1 -Wall -Wextra -Werror -o ships '{EXAMPLES / 'ships.cpp'}' {flags}"
    run("sh", "-c", command, cwd=tmp_path)
    env["LD_LIBRARY_PATH"] = str(folder.parent)
    assert run(tmp_path / "ships", env=env).stdout.endswith("3 ships\n")


def test_as_a_subfolder_without_gdal(tmp_path):
    """The engine of the sources, built by the program's own build; without optimisation, which is what takes time."""
    where = build(tmp_path, ROOT / "tests/install/consumer", f"-DFULMAR_SOURCE={ROOT}",
                  f"-DEXAMPLES={EXAMPLES / 'ships.cpp'};{EXAMPLES / 'own_operator.cpp'};{EXAMPLES / 'inputs.cpp'}", kind="Debug")
    check_examples(where)

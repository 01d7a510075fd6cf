# SPDX-License-Identifier: Apache-2.0
"""The plugins of plugins/examples, built outside the tree from an installed SDK: one in plain C, two in C++ with device
twins where nvcc is, made and by hand, one that reduces, one of tables."""
import csv
import json
import re
import shutil
import sys

import numpy as np
import pytest
from fulmar_cli import call, read, refused, run, table, write
from outside import BUILD, EXAMPLES, ROOT, build, exported, install, must, needed

NAMES = ("clip", "ruggedness", "relief", "exceed", "box")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """All examples, installed beside the SDK that they were built from."""
    prefix = tmp_path_factory.mktemp("prefix")
    config = install(prefix)
    for name in NAMES:
        source = tmp_path_factory.mktemp("source") / name
        shutil.copytree(EXAMPLES / name, source)  # nothing of the tree around it
        binary = build(source, source / "build", config, "-DFULMAR_PLUGIN_CUDA=OFF")
        must("cmake", "--install", binary, "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def plugins(prefix):
    return next(prefix.rglob("clip.so")).parent


@pytest.fixture(scope="module")
def path(plugins):
    return {"FULMAR_PLUGIN_PATH": str(plugins)}


def test_each_is_a_library_and_its_sidecar(plugins):
    assert sorted(p.name for p in plugins.iterdir()) == sorted(
        name + suffix for name in NAMES for suffix in (".so", ".fulmar.json"))
    assert plugins.parts[-2:] == ("fulmar", "plugins")


@pytest.mark.parametrize("name", NAMES)
def test_one_symbol_and_nothing_of_ours(plugins, name):
    assert exported(plugins / f"{name}.so") == ["fulmar_plugin_1"]
    foreign = {"libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libc.so.6", "ld-linux-x86-64.so.2"}
    assert set(needed(plugins / f"{name}.so")) <= foreign


@pytest.mark.parametrize("name, operator", [("clip", "clip"), ("ruggedness", "ruggedness"), ("relief", "relief"),
                                            ("exceed", "exceed"), ("box", "within_box")])
def test_listed_and_described(plugins, path, name, operator):
    listed = {o["name"]: o for o in json.loads(call("list", "--json", env=path).out)}
    assert listed[operator]["plugin"] == name and listed[operator]["version"] == "1.0.0"
    assert listed[operator]["library"] == str(plugins / f"{name}.so")
    assert operator in call("inspect", operator, env=path).out
    # `describe` writes what the build wrote.
    copy = plugins.parent.parent / f"{name}.so"
    shutil.copy(plugins / f"{name}.so", copy)
    assert call("plugin", "describe", copy).code == 0
    assert copy.with_suffix(".fulmar.json").read_text() == (plugins / f"{name}.fulmar.json").read_text()


def test_plain_c(path, tmp_path):
    cells = np.linspace(-2, 3, 64 * 48, dtype="float32").reshape(48, 64)
    cells[5, 7] = np.nan
    write(tmp_path / "a.tif", cells, unit="m")
    run("a.tif ! clip --low -1.5 --high 2 ! b.tif", "--tile", "17x13", cwd=tmp_path, env=path)
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), np.clip(cells, -1.5, 2))
    refused(2, "a.tif ! clip --low 2 --high 1 ! c.tif", cwd=tmp_path, env=path, names=["clip: low is 2", "^"])
    refused(2, "a.tif ! clip --low 1e31 ! c.tif", cwd=tmp_path, env=path, names="low must be in [-1e+30, 1e+30]")


def test_cpp(path, tmp_path):
    rng = np.random.default_rng(3)
    z = rng.normal(100, 30, (70, 90)).astype("float32")
    z[20:22, 30:33] = np.nan
    write(tmp_path / "a.tif", z, unit="m")
    run("a.tif ! ruggedness ! b.tif", "--tile", "33x21", cwd=tmp_path, env=path)
    wide = np.pad(z.astype("float64"), 1, constant_values=np.nan)
    around = [wide[1 + y:71 + y, 1 + x:91 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    np.testing.assert_allclose(read(tmp_path / "b.tif"), np.sqrt(sum((a - z) ** 2 for a in around)), rtol=2e-7)
    write(tmp_path / "flat.tif", z, unit="K")
    refused(2, "flat.tif ! ruggedness ! c.tif", cwd=tmp_path, env=path, names="ruggedness")


def test_relief(path, tmp_path):
    z = np.random.default_rng(7).normal(100, 30, (60, 71)).astype("float32")
    z[20:22, 30:33] = np.nan
    write(tmp_path / "a.tif", z, unit="m")
    run("a.tif ! relief --reach 3 ! b.tif", "--tile", "33x21", cwd=tmp_path, env=path)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(z.astype("float64"), 3, constant_values=np.nan), (7, 7))
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), np.ptp(windows, axis=(2, 3)).astype("float32"))


def test_reducing(path, tmp_path):
    rng = np.random.default_rng(4)
    cells = rng.normal(0, 1, (300, 290)).astype("float32")
    cells[rng.random(cells.shape) < 0.1] = np.nan
    write(tmp_path / "a.tif", cells)
    run("a.tif ! exceed --threshold 0.5 ! n.csv", cwd=tmp_path, env=path)
    with open(tmp_path / "n.csv") as file:
        row, = csv.DictReader(file)
    valid, above = int((~np.isnan(cells)).sum()), int((cells > np.float32(0.5)).sum())
    assert (float(row["valid"]), float(row["above"])) == (valid, above)
    assert float(row["share"]) == pytest.approx(above / valid, rel=1e-15)


def test_tabular(path, tmp_path):
    (tmp_path / "ships.csv").write_text(
        "mmsi,lon,lat\n1,5.5,50\n2,6,51\n3,6.01,50\n4,179.5,0\n5,-179.5,0\n6,,\n")
    run("ships.csv ! within_box --west 5 --east 6 ! near.csv", cwd=tmp_path, env=path)
    with open(tmp_path / "near.csv") as file:
        assert [row["mmsi"] for row in csv.DictReader(file)] == ["1", "2"]
    said = run("ships.csv ! within_box --west 179 --east -179 ! line.csv", cwd=tmp_path, env=path)
    with open(tmp_path / "line.csv") as file:
        assert [row["mmsi"] for row in csv.DictReader(file)] == ["4", "5"]
    assert "1 rows have no place" in said.out
    refused(2, "ships.csv ! within_box --south 5 --north 4 ! c.csv", cwd=tmp_path, env=path, names="south lies north")


def test_what_is_asked_of_fulmar_plugin_wrongly(prefix, tmp_path):
    config = next(prefix.rglob("fulmar_plugin.cmake")).parent
    (tmp_path / "mine.hpp").write_text("")
    for words, said in (("mine", "neither OPERATORS nor SOURCES"), ("mine OPERATORS yours", "there is no"),
                        ("9 OPERATORS mine", "no name of a plugin"), ("mine mine OPERATORS mine", "what is mine?"),
                        ("mine OPERATORS Mine", "names no header")):
        (tmp_path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(mine CXX)\nfind_package(fulmar REQUIRED)\n"
            f"fulmar_plugin({words})\n")
        with pytest.raises(AssertionError) as error:
            build(tmp_path, tmp_path / "b", config)
        assert said in " ".join(str(error.value).replace("\\n", " ").split())


def test_the_entry_in_plain_c_writes_nothing(plugins):
    # Several threads may call it: its tables are made by the compiler, none at the first call.
    symbols = [line.split()[-2:] for line in must("nm", plugins / "clip.so").splitlines()]
    clip = [kind for kind, name in symbols if name.split(".")[0] in ("clip", "plugin", "operators")]
    assert len(clip) == 3 and "b" not in clip


def march(folder):
    return re.findall(r"-march=(\S+)", (folder / "build.ninja").read_text())


def test_for_the_processor_of_the_engine(tmp_path):
    """What fulmar-config.cmake says of the engine, though find_package was called in a function."""
    config = install(tmp_path / "prefix")
    said = (BUILD / "fulmar-config.cmake").read_text()
    arch = re.search(r"FULMAR_ARCH:\w+=(.*)", (BUILD / "CMakeCache.txt").read_text()).group(1)
    (config / "fulmar-targets.cmake").write_text("")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(x C)\nfunction(find)\n  find_package(fulmar REQUIRED)\n"
        f"endfunction()\nfind()\nfulmar_plugin(clip SOURCES {EXAMPLES}/clip/clip.c)\n")
    for engine, options, expected in ((arch, [], arch), ("x86-64-v2", [], "x86-64-v2"), ("", [], ""),
                                      ("x86-64-v2", ["-DFULMAR_ARCH=native"], "native"),
                                      ("x86-64-v2", ["-DFULMAR_ARCH="], "")):
        told = said.replace(f'_fulmar_engine_arch "{arch}"', f'_fulmar_engine_arch "{engine}"')
        assert engine == arch or told != said
        (config / "fulmar-config.cmake").write_text(told)
        binary = tmp_path / "b"
        shutil.rmtree(binary, ignore_errors=True)
        must("cmake", "-S", tmp_path, "-B", binary, "-G", "Ninja", f"-Dfulmar_DIR={config}", *options)
        assert march(binary) == ([expected] if expected else []), (engine, options)


def test_where_fulmar_is_a_subfolder(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(mine VERSION 2.0 LANGUAGES CXX)\n"
        f"add_subdirectory({ROOT} fulmar EXCLUDE_FROM_ALL)\nfulmar_plugin(exceed OPERATORS exceed)\n")
    shutil.copy(EXAMPLES / "exceed/exceed.hpp", tmp_path)
    must("cmake", "-S", tmp_path, "-B", tmp_path / "b", "-G", "Ninja", "-DFULMAR_IO=OFF", "-DFULMAR_CUDA=OFF",
         "-DFULMAR_PLUGIN_CUDA=OFF", "-DCMAKE_BUILD_TYPE=Release")
    must("ninja", "-C", tmp_path / "b", "exceed")
    listed = json.loads(call("plugin", "list", "--json", "--plugin", tmp_path / "b/exceed.so").out)
    assert [p["version"] for p in listed if p["operators"] == ["exceed"]] == ["2.0"]


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_device_twins_from_the_same_header(prefix, tmp_path):
    config = next(prefix.rglob("fulmar_plugin.cmake")).parent
    binary = build(EXAMPLES / "ruggedness", tmp_path, config, "-DFULMAR_PLUGIN_CUDA=ON")
    assert json.loads((binary / "ruggedness.fulmar.json").read_text())["cuda_archs"] == "75-virtual"
    assert exported(binary / "ruggedness.so") == ["fulmar_plugin_1"]
    assert not [name for name in needed(binary / "ruggedness.so") if "cuda" in name]  # the runtime is linked in
    listed = json.loads(call("plugin", "list", "--json", "--plugin", binary / "ruggedness.so").out)
    assert listed[0]["cuda"] == "75-virtual"
    held = (binary / "ruggedness.so").read_bytes()  # PTX is text
    assert b".target sm_75" in held and b"Ruggedness" in held


def test_an_embedding_program_and_python_know_them(plugins):
    if not (BUILD / "python/fulmar").exists():
        pytest.skip("built without the Python package (FULMAR_PYTHON_BINDING)")
    code = f"""
import os, sys; sys.path.insert(0, {str(BUILD / 'python')!r})
import numpy as np, fulmar
z = np.arange(25, dtype='f4').reshape(5, 5)
engine = fulmar.Engine(plugins=[{str(plugins / 'ruggedness.so')!r}])
out = engine.run("z ! ruggedness ! out", z=fulmar.Raster(z, unit="m"))["out"].array
assert out[2, 2] == np.float32(np.sqrt(sum((z[y, x] - z[2, 2]) ** 2. for y in (1, 2, 3) for x in (1, 2, 3))))
assert "ruggedness" not in dir(fulmar.op)
os.environ["FULMAR_PLUGIN_PATH"] = {str(plugins)!r}
assert "ruggedness" in dir(engine.op)
np.testing.assert_array_equal(fulmar.op.ruggedness(fulmar.Raster(z, unit="m")).array, out)
assert "rugged" in fulmar.op.ruggedness.__doc__
for bad, code in (("/nowhere/x.so", 3), (sys.executable, 2)):
    try: fulmar.Engine(plugins=[bad])
    except fulmar.Error as e: assert e.code == code and bad in str(e), (e.code, str(e))
    else: raise AssertionError(bad)
os.environ["FULMAR_PLUGIN_PATH"] = "here"
try: fulmar.Engine()
except fulmar.Error as e: assert "absolute" in str(e)
else: raise AssertionError
"""
    must(sys.executable, "-c", code)

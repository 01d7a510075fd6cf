# SPDX-License-Identifier: Apache-2.0
"""No layer reaches up, and no library is used outside the layer that owns it (architecture.md, section 1)."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ("engine", "io", "cli", "plugins", "cuda")
SUFFIXES = {".hpp", ".h", ".cpp", ".cu", ".in", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)

GDAL = re.compile(r"^(gdal|ogr|cpl|vrt|memdataset|gnm|proj|geodesic)[a-z0-9_]*\.h(pp)?$")
TBB = re.compile(r"^(tbb|oneapi)/")
CUDA = re.compile(r"^(cuda[a-z_0-9]*\.h|cub/|thrust/|cooperative_groups|nv/|device_launch)")


def code():
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.relative_to(ROOT), INCLUDE.findall(path.read_text())


def includes(folder, pattern):
    return [f"{path}: {name}" for path, names in code() if str(path).startswith(folder) for name in names
            if re.match(pattern, name)]


def test_there_is_code_to_look_at():
    found = list(code())
    assert len(found) > 50
    assert any(name.startswith("tbb/") for _, names in found for name in names)


@pytest.mark.parametrize("library, pattern, home", [
    ("GDAL and PROJ", GDAL, ("io/",)),
    ("TBB", TBB, ("engine/exec/parallel_tbb.cpp",)),
    ("CUDA", CUDA, ("cuda/",)),
])
def test_a_library_stays_in_its_layer(library, pattern, home):
    strays = [f"{path}: {name}" for path, names in code() for name in names
              if pattern.match(name) and not str(path).startswith(home)]
    assert not strays, f"{library} may be included only in {home}"


@pytest.mark.parametrize("folder, forbidden", [
    ("engine/core", r"(op|plan|exec|plugins|io|cli)/"),
    ("engine/op", r"(plan|exec|plugins|io|cli)/"),
    ("engine/plan", r"(exec|plugins|io|cli)/"),
    ("engine/exec", r"(plugins|io|cli|api)/"),
    ("engine/api", r"(io|cli)/"),
    ("io", r"(plan|exec|op|plugins|cli)/"),
    ("plugins/sdk", r"(plan|exec|io|cli|plugins)/"),
    ("cuda", r"(plan|io|cli)/"),
])
def test_no_layer_reaches_up(folder, forbidden):
    assert not includes(folder + "/", forbidden)


def test_operators_see_only_the_sdk():
    """An operator's header includes fulmar/op.hpp, headers of its own kind, and the language."""
    for path, names in code():
        if str(path).startswith("plugins/") and path.suffix == ".hpp" and path.parts[1] not in ("sdk", "builtin.hpp"):
            for name in names:
                own = (ROOT / "plugins" / name).is_file()
                core = name.startswith("core/") or name == "fulmar/op.hpp"
                assert own or core or "/" not in name, f"{path}: {name}"


def test_public_headers_bring_no_library():
    """What an application includes needs neither TBB, fmt nor a JSON library."""
    for path, names in code():
        if str(path).startswith("engine/") and path.suffix == ".hpp":
            strays = [n for n in names if re.match(r"(tbb|oneapi|fmt|nlohmann)/", n)]
            assert not strays, f"{path}: {strays}"


def test_no_fast_math():
    """Missing is NaN: an option that lets the compiler assume there is none breaks every operator."""
    for path in [*ROOT.rglob("CMakeLists.txt"), *(ROOT / "cmake").rglob("*.cmake"), *ROOT.glob("CMakePresets.json")]:
        if "build" in path.parts[len(ROOT.parts):-1]:
            continue
        lines = [line.split("#")[0] for line in path.read_text().splitlines()]
        text = "\n".join(lines)
        for option in ("-ffast-math", "-Ofast", "--use_fast_math", "-ffinite-math-only", "-fassociative-math"):
            assert option not in text, f"{path}: {option}"

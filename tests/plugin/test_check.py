# SPDX-License-Identifier: Apache-2.0
"""`fulmar plugin check`: what keeps the laws passes, and each way to break one is told."""
import re
import shutil

import pytest
from fulmar_cli import call
from outside import BUILD, EXAMPLES, ROOT, build, install, must
from probes import probe

OPTIONS = ("-DFULMAR_PLUGIN_CUDA=OFF", "-DCMAKE_BUILD_TYPE=Release")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return install(tmp_path_factory.mktemp("prefix"))


@pytest.fixture(scope="module")
def broken(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    return build(ROOT / "tests/plugin/plugins/broken", folder, config, *OPTIONS)


def checked(library):
    """The exit code, and the verdict of each law: {name: (verdict, what is said below)}."""
    result = call("plugin", "check", library, timeout=600)
    verdicts = {}
    for line in result.out.splitlines():
        if found := re.match(r"(ok|FAILED|not run|not checked|no case) +(\S+)  +(.*)", line):
            verdicts[found.group(2)] = [found.group(1), found.group(3) + "\n" if found.group(1) == "not checked" else ""]
            last = found.group(2)
        elif verdicts:
            verdicts[last][1] += line + "\n"
    return result, verdicts


LAWS = ["words", "halo", "example", "agree", "tiles", "halo-tight", "gaps", "threads", "sizes", "memory", "round"]
LAWS_OF_TABLES = ["words", "example", "rows", "empty", "columns", "missing", "values"]


@pytest.mark.parametrize("name", ["clip", "ruggedness", "relief", "exceed"])
def test_the_examples_keep_the_laws(config, tmp_path, name):
    binary = build(EXAMPLES / name, tmp_path / "build", config, *OPTIONS)
    result, verdicts = checked(binary / f"{name}.so")
    assert result.code == 0, result.out
    assert verdicts.pop("device") == [
        "not checked", "it has no device twins\nall laws that were checked hold\n"]
    assert list(verdicts) == LAWS and {v for v, _ in verdicts.values()} <= {"ok", "no case"}
    assert verdicts["words"][0] == verdicts["example"][0] == "ok"
    assert verdicts["halo"][0] == verdicts["tiles"][0] == verdicts["agree"][0] == "ok"


def test_the_example_of_tables_keeps_their_laws(config, tmp_path):
    result, verdicts = checked(build(EXAMPLES / "box", tmp_path / "build", config, *OPTIONS) / "box.so")
    assert result.code == 0 and result.out.endswith("\nall laws hold\n"), result.out
    assert list(verdicts) == LAWS_OF_TABLES and {v for v, _ in verdicts.values()} == {"ok"}


def test_carelessness_with_tables_is_told_in_words(broken):
    result, verdicts = checked(broken / "careless.so")
    assert result.code == 1 and list(verdicts) == LAWS_OF_TABLES
    assert {name for name, (verdict, _) in verdicts.items() if verdict == "FAILED"} == {"rows", "empty", "columns", "missing", "values"}
    for law, seen in (("rows", "with the rows of the table 'table' reversed other rows come out: in row 1 '"),
                      ("empty", "with no rows in the table 'table' the column 'kept' is not there"),
                      ("columns", "without any column in the table 'table' it breaks while it runs, with: careless: no second column"),
                      ("missing", "with no value at all, 'mmsi' of row 1 is 0"),
                      ("values", ", which no row held")):
        assert seen in verdicts[law][1], (law, verdicts[law][1])
        assert "    operator careless_as_in_its_example: " in verdicts[law][1] and "what it means: " in verdicts[law][1]
    # Nothing of the code that looked.
    for word in ("Which is", "Expected", ".cpp", "EXPECT", "Google"):
        assert word not in result.out


def test_a_lying_halo_is_told_by_how_much(broken):
    result, verdicts = checked(broken / "lying.so")
    assert result.code == 1 and "does not keep the laws" in result.err
    assert verdicts["halo"][0] == "FAILED"
    assert ("of the input 'height' it declares to read 1 column and 1 row around a cell, but it reads 2 columns and "
            "1 row beyond that") in verdicts["halo"][1]
    assert "lying_honest_true" not in verdicts["halo"][1]  # the variant that declares what it reads
    assert verdicts["words"][0] == "ok"
    assert {verdicts[law][0] for law in LAWS if law not in ("words", "halo")} == {"not run"}


def test_a_gap_that_is_filled(broken):
    result, verdicts = checked(broken / "filling.so")
    assert result.code == 1 and verdicts["gaps"][0] == "FAILED"
    assert "operator filling: all missing in all missing out\n" in verdicts["gaps"][1]
    assert "where every cell of the inputs is missing (as nodata), 202903 cells of " in verdicts["gaps"][1]
    assert "what it means: a missing cell has no value: ask is_missing()" in verdicts["gaps"][1]
    assert verdicts["tiles"][0] == verdicts["halo"][0] == "ok"


def test_a_result_that_depends_on_the_order(broken):
    result, verdicts = checked(broken / "unsteady.so")
    assert result.code == 1
    # The same call gives another result each time: no law that compares two runs holds.
    assert "two results: it keeps a state" in verdicts["halo"][1]
    assert verdicts["threads"][0] == verdicts["agree"][0] == verdicts["tiles"][0] == "FAILED"
    for word in ("does not begin with a verb", "no source is cited", "it has no unit", "it has no range",
                 "does not end with a period", "is not lower-case words"):
        assert word in verdicts["words"][1], word


@pytest.mark.skipif("FULMAR_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text(),
                    reason="sanitizers keep what was freed")
def test_memory_that_nothing_declares(broken):
    result, verdicts = checked(broken / "hoarding.so")
    assert result.code == 1 and {name for name in LAWS if verdicts[name][0] == "FAILED"} == {"memory"}
    assert "the operator holds memory that nothing declares" in verdicts["memory"][1]


def test_a_step_that_reads_beyond_its_cell(broken):
    result, verdicts = checked(broken / "peeking.so")
    assert result.code == 1 and verdicts["halo"][0] == "FAILED"
    assert ("of the input 'value' it declares to read 0 columns and 0 rows around a cell, but it reads 1 column and "
            "0 rows beyond that") in verdicts["halo"][1]


def test_a_whole_operator_has_no_halo(broken):
    _, verdicts = checked(broken / "copying.so")
    assert verdicts["halo"][0] == "no case" and verdicts["words"][0] == verdicts["agree"][0] == "ok"


def test_a_table_of_the_first_version_is_read_no_further(tmp_path):
    result, verdicts = checked(probe(tmp_path / "p", short_table=True))
    assert verdicts["halo"][0] == verdicts["agree"][0] == "ok", result.out


@pytest.mark.skipif("FULMAR_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text(),
                    reason="sanitizers make exits of crashes")
def test_a_crash_is_a_verdict(broken):
    result, verdicts = checked(broken / "crashing.so")
    assert result.code == 1 and verdicts["words"][0] == "ok"
    assert verdicts["agree"][0] == "FAILED" and verdicts["agree"][1].startswith(
        "    operator crashing: agree\n      it crashed: Segmentation fault\n")
    assert list(verdicts) == [*LAWS, "device"]


@pytest.mark.skipif(shutil.which("nvcc") is None or not (BUILD / "tests/fulmar_device_conformance").exists(),
                    reason="needs nvcc and a build with CUDA")
def test_on_a_card_or_interpreted(config, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(EXAMPLES / "ruggedness", source)
    header = (source / "ruggedness.hpp").read_text()
    options = ("-DFULMAR_PLUGIN_CUDA=ON", "-DFULMAR_PLUGIN_CUDART=shared")
    _, verdicts = checked(build(source, tmp_path / "right", config, *options) / "ruggedness.so")
    assert verdicts["device"][0] == "ok"
    # One that is another on a card.
    (source / "ruggedness.hpp").write_text(header.replace("double sum = 0;", """double sum = 0;
#ifdef __CUDA_ARCH__
    sum = 1e-3;
#endif"""))
    result, verdicts = checked(build(source, tmp_path / "wrong", config, *options) / "ruggedness.so")
    assert result.code == 1 and verdicts["device"][0] == "FAILED" and "cells differ" in verdicts["device"][1]
    assert verdicts["agree"][0] == "ok"
    if shutil.which("nvidia-smi") is None:
        _, verdicts = checked(build(source, tmp_path / "linked", config, options[0]) / "ruggedness.so")
        assert verdicts["device"][0] == "not checked" and "FULMAR_PLUGIN_CUDART=shared" in verdicts["device"][1]


@pytest.mark.skipif(shutil.which("nvcc") is None or not (BUILD / "tests/fulmar_device_conformance").exists(),
                    reason="needs nvcc and a build with CUDA")
def test_a_twin_by_hand_is_held_to_the_same_laws(config, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(EXAMPLES / "relief", source)
    kernel = (source / "relief.cu").read_text()
    options = ("-DFULMAR_PLUGIN_CUDA=ON", "-DFULMAR_PLUGIN_CUDART=shared")
    _, verdicts = checked(build(source, tmp_path / "right", config, *options) / "relief.so")
    assert verdicts["device"][0] == "ok"
    assert kernel.count("__syncthreads();") == 2
    (source / "relief.cu").write_text(kernel.replace("__syncthreads();", "", 1))
    result, verdicts = checked(build(source, tmp_path / "wrong", config, *options) / "relief.so")
    assert result.code == 1 and verdicts["device"][0] == "FAILED", result.out
    for words in ("operator relief: ", "PTX FAULT", "not written", "each_window_of_heights", "a barrier that is not there"):
        assert words in verdicts["device"][1], result.out
    assert verdicts["agree"][0] == "ok"


def test_what_cannot_be_loaded(tmp_path):
    result = call("plugin", "check", tmp_path / "none.so")
    assert result.code == 3 and "there is no plugin" in result.err
    library = probe(tmp_path / "p", major=7)
    result = call("plugin", "check", library)
    assert result.code == 1 and "version 7.4" in result.out and "has 1.4" in result.out
    library = probe(tmp_path / "q", aborts=True)
    result = call("plugin", "check", library)
    assert result.code == 1 and "crashed: Aborted" in result.out and "cannot be loaded" in result.out


def test_plugins_of_one_project(config, broken):
    assert shutil.which("ninja") and must("ninja", "-C", broken, "-n").strip().endswith("no work to do.")

# SPDX-License-Identifier: Apache-2.0
"""The benchmark of a card runs, on the interpreter of PTX, and times no wrong answer. Its figures there mean nothing."""
import os
import pathlib
import re
import subprocess
import sys

import pytest


def run(program, *arguments, **more):
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    environment.update(more)
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=600)


def interpreted(*arguments, **more):
    return run(os.environ["FULMAR_BENCH_INTERPRETED"], "--side", "40", "--repeat", "1", *arguments,
               LD_PRELOAD=os.environ["FULMAR_PTX_RUNTIME"], **more)


def rows(said):
    """What was timed: the label and seven numbers."""
    return {m[1]: [float(v) for v in m[2].split()] for m in re.finditer(r"^(\w+) +((?:[\d.]+ *){7})$", said, re.MULTILINE)}


def test_every_operator_is_timed():
    done = interpreted()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "THE CARD IS AN INTERPRETER" in done.stdout and "WRONG" not in done.stdout
    found = rows(done.stdout)
    for label in ("linear", "cfar", "cfar_model_os", "terrain", "speckle", "composite", "stats", "otsu", "rx", "objects",
                  "warp", "align", "mosaic"):
        assert label in found, f"{label} was not timed"
    # Bytes that a cell must move: f32 in and out; a u8 and an f32 out for one f32 in.
    assert found["linear"][0] == 8 and found["cfar"][0] == 9
    # Of a warp, f32 out and the f32 cells beneath: nine tenths of a cell or so to a cell of 87 metres instead of 100.
    assert 4 + 0.7 * 4 < found["warp"][0] < 4 + 1.3 * 4


def test_a_wrong_answer_is_not_timed():
    mistake = r"each_window|add\.rn\.f64|sub.rn.f64|2"
    done = interpreted("--filter", "speckle_filter_kuan", FULMAR_PTX_MUTATE=mistake)
    assert "ptx: mutated" in done.stderr, "the kernel has no such place any more: choose another"
    assert done.returncode == 1, done.stdout + done.stderr
    assert "WRONG, not timed" in done.stdout and not rows(done.stdout)


def test_without_a_card_it_says_so():
    done = run(os.environ["FULMAR_BENCH_DEVICE"], CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 5
    assert "there is no card to measure" in done.stderr


def test_what_it_does_not_know_it_refuses():
    assert run(os.environ["FULMAR_BENCH_DEVICE"], "--sides", "40").returncode == 2


FILES = str(pathlib.Path(__file__).with_name("files.py"))
needs_program = pytest.mark.skipif("FULMAR_INTERPRETED" not in os.environ, reason="the program is not built (no GDAL)")


def file_to_file(*arguments, **more):
    return run(sys.executable, FILES, os.environ["FULMAR_INTERPRETED"], "--size", "64", "--runs", "1", *arguments,
               LD_PRELOAD=os.environ["FULMAR_PTX_RUNTIME"], **more)


@needs_program
def test_files_are_compared_and_timed():
    done = file_to_file()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "THE CARD IS AN INTERPRETER" in done.stdout and "WRONG" not in done.stdout
    timed = {m[1]: m[2].split() for m in re.finditer(r"^(\w+) +((?:[\d.]+ *){5})$", done.stdout, re.MULTILINE)}
    assert list(timed) == ["linear", "cfar", "median", "warp", "align", "stats"]


@needs_program
def test_files_with_a_wrong_answer_are_not_timed():
    done = file_to_file("--only", "warp,stats", FULMAR_PTX_MUTATE=r"10ResamplingE2|add\.rn\.f64|sub.rn.f64|200")
    assert "ptx: mutated" in done.stderr, "the kernel has no such place any more: choose another"
    assert done.returncode == 1, done.stdout + done.stderr
    assert "WRONG, not timed" in done.stdout and re.search(r"^stats +[\d.]+", done.stdout, re.MULTILINE)


@needs_program
def test_files_without_a_card_say_so():
    done = run(sys.executable, FILES, os.environ["FULMAR_BIN"], CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 5
    assert "there is no card to measure" in done.stderr


@needs_program
def test_a_pipeline_that_is_none_is_refused():
    done = run(sys.executable, FILES, os.environ["FULMAR_BIN"], "--only", "warps")
    assert done.returncode == 2 and "there are linear" in done.stderr

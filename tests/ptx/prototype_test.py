# SPDX-License-Identifier: Apache-2.0
"""Two interpreters of PTX, written apart, judge the same programs alike: ours, and the prototype that came before it, whose
source and programs lie in FULMAR_PTX_PROTOTYPE (../tools/ptxemu beside the test data). Right programs end with the same
words, each planted bug is reported by both. Skipped where the prototype is not at hand."""
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

DATA = Path(os.environ.get("FULMAR_TEST_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
PROTOTYPE = Path(os.environ.get("FULMAR_PTX_PROTOTYPE", DATA.parent / "tools/ptxemu"))
RUNTIME = os.environ.get("FULMAR_PTX_RUNTIME", "")
NVCC = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
pytestmark = [pytest.mark.skipif(not (PROTOTYPE / "ptxemu.cpp").exists(), reason=f"no prototype in {PROTOTYPE}"),
              pytest.mark.skipif(not os.path.exists(NVCC), reason="needs nvcc")]

RIGHT = ["main", "t2", "bugs 0", "bugs 8"]  # of the vector at an odd place, the compiler loads the aligned half that is used
# The planted bugs, and a word of our report of each.
BUGS = {"bugs 1": "divergent barrier", "bugs 2": "not written", "bugs 3": "wrong mask", "bugs 4": "wrong mask", "bugs 5": "race",
        "bugs 6": "race", "bugs 7": "never written", "bugs 9": "race", "bugs 10": "out of bounds", "bugs 11": "not written",
        "bugs 12": "out of bounds", "bugs 13": "host pointer", "main BUG=1": "out of bounds", "main BUG=2": "not written|race",
        "main BUG=3": "out of bounds"}


@pytest.fixture(scope="module")
def judges(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judges")
    subprocess.run(["g++", "-std=c++20", "-O2", "-shared", "-fPIC", PROTOTYPE / "ptxemu.cpp", "-o", folder / "libptxemu.so",
                    f"-I{Path(NVCC).resolve().parents[1]}/include"], check=True)

    def build(name):
        program, _, option = name.partition(" ")
        option = [f"-DCASE={option}"] if program == "bugs" else [f"-D{option}"] if option else []
        subprocess.run([NVCC, "-std=c++20", "--extended-lambda", "-arch=compute_75", "--no-compress", "--cudart", "shared",
                        "-lineinfo", "--fmad=false", *option, PROTOTYPE / f"{program}.cu", "-o", folder / name.replace(" ", "_")],
                       check=True, capture_output=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(build, [*RIGHT, *BUGS]))

    def both(name):
        said = {}
        for judge, library in (("prototype", folder / "libptxemu.so"), ("ours", RUNTIME)):
            done = subprocess.run([folder / name.replace(" ", "_")], env=dict(os.environ, LD_PRELOAD=str(library)),
                                  capture_output=True, text=True, timeout=300)
            said[judge] = done.returncode, done.stdout + done.stderr
        return said
    return both


@pytest.mark.parametrize("name", RIGHT)
def test_right_programs_end_alike(judges, name):
    (code, theirs), (our_code, ours) = judges(name).values()
    assert (code, our_code) == (0, 0), (theirs, ours)
    # Which threads are active at once (the line `match` asks) is nobody's promise; to us all of a warp are.
    different = [pair for pair in zip(theirs.splitlines(), ours.splitlines(), strict=True) if pair[0] != pair[1]]
    assert [theirs.split()[0] for theirs, _ in different] in ([], ["match"]) and "FAIL" not in ours, (theirs, ours)


@pytest.mark.parametrize("name", BUGS)
def test_both_report_what_was_planted(judges, name):
    (code, theirs), (our_code, ours) = judges(name).values()
    assert (code, our_code) == (86, 86), (theirs, ours)
    assert "PTXEMU ERROR" in theirs and re.search(BUGS[name], ours), (theirs, ours)

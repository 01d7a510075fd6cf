# SPDX-License-Identifier: Apache-2.0
"""The laws on a card find mistakes: each of these is made in a real kernel as the interpreter of PTX loads it, and each
must be found by a fault, a wrong bit, or a wrong count. A law that finds nothing where something is wrong is broken."""
import os
import subprocess

import pytest

FOUND, SCHEDULES = "FoundRuns.AreTheFloodFills", "FoundRuns.AreTheSameUnderTwentySchedules"
MISTAKES = {  # kernel, pattern, replacement, which match; the law and operator that meet it, or a test
    "an index of a cell": ("each_cellI", r"shl\.b64 (\s*)(%rd\d+), (%rd\d+), 2;", r"shl.b64 $1$2, $3, 3;", 0,
                           "AgreesInEveryTiling/linear"),
    "a bound, one too far": ("each_cellI", r"setp\.ge\.s64", "setp.gt.s64", 0, "AgreesInEveryTiling/linear"),
    "a bound of what is widened": ("widen_cells", r"setp\.ge\.s64", "setp.gt.s64", 0, "AgreesInEveryTiling/linear"),
    "a barrier before sums are moved": ("each_window", r"bar\.sync \s*0;", "", 0, "AgreesInEveryTiling/speckle"),
    "a barrier before sums are read": ("each_window", r"bar\.sync \s*0;", "", 1, "AgreesInEveryTiling/speckle"),
    "a barrier before cells are told": ("each_window", r"bar\.sync \s*0;", "", 3, "AgreesInEveryTiling/speckle"),
    "a sum that is a difference": ("each_window", r"add\.rn\.f64", "sub.rn.f64", 22, "AgreesInEveryTiling/cfar"),
    "how many threads a block has": ("each_block", r"mul\.lo\.s64", "add.s64", 0, "AgreesAcrossBlocks/stats"),
    "an index of a block": ("each_block", r"mul\.lo\.s64", "add.s64", 6, "AgreesAcrossBlocks/stats"),
    "where a state lies in shared memory": ("each_block", r"mul\.lo\.s64", "add.s64", 7, "AgreesAcrossBlocks/stats"),
    "where a square of a block begins": ("each_block", r"max\.s64", "min.s64", 0, "AgreesAcrossBlocks/qnr"),
    "where a square of a block ends": ("each_block", r"min\.s64", "max.s64", 3, "AgreesAcrossBlocks/qnr"),
    "a sum that is kept for a step": ("KeepSums", r"add\.rn\.f64", "sub.rn.f64", 0, "AgreesInEveryTiling/qnr"),
    "where scratch lies in shared memory": ("each_cell_with_scratch", r"mul\.lo\.s64", "add.s64", 0, "AgreesInEveryTiling/interpolate"),
    "a bound of a warp": ("10ResamplingE2", r"setp\.ge\.s64", "setp.gt.s64", 0, "AgreesInEveryTiling/warp_resample_cubic"),
    "a sum of a warp's weights": ("10ResamplingE2", r"add\.rn\.f64", "sub.rn.f64", 200,
                                  "AgreesInEveryTiling/warp_resample_cubic"),
    "a place on a surface": ("10ResamplingE1", r"add\.rn\.f64", "sub.rn.f64", 16, "CardWarps.SurfacesPlacesAndNothingAgree"),
    "a cell that has a value already": ("10ResamplingE0", r"setp\.nan\.f32", "setp.num.f32", 0,
                                        "CardWarps.MosaicsAgreeAndTheirCopiesAreThoseOfWhatIsMissing"),
    "what a square needs of the source": ("look_at_squares", r"setp\.lt\.f64", "setp.gt.f64", 8, "AgreesInEveryTiling/warp"),
    "a barrier before needs are brought together": ("look_at_squares", r"bar\.sync \s*0;", "", 0, "AgreesInEveryTiling/warp"),
    "a place of a state that is merged": ("each_pair", r"mul\.lo\.s64", "add.s64", 1, "AgreesAcrossBlocks/stats"),
    "a place of a part that is merged": ("each_part", r"mul\.lo\.s64", "add.s64", 1, "AgreesAcrossBlocks/histogram"),
    "a state that is merged with itself": ("each_part", r"ld\.global\.u32 (\s*)(%rd\d+), \[(%rd\d+)\+4\];",
                                           r"ld.global.u32 $1$2, [$3];", 0, "AgreesAcrossBlocks/histogram"),
    "a step of the search for ranks": ("6MedianE", r"shr\.u32 (\s*)(%r\d+), (%r\d+), 1;", r"shr.u32 $1$2, $3, 2;", 0,
                                       "AgreesInEveryTiling/median"),
    "a bound of what is set": ("find_bits", r"setp\.ge\.u32", "setp.gt.u32", 0, FOUND),
    "a place of a run": ("write_runs", r"mul\.wide\.u32 (\s*)(%rd\d+), (%r\d+), 12;", r"mul.wide.u32 $1$2, $3, 8;", 0, FOUND),
    "a run that ends too late": ("write_runs", r"shfl\.sync\.down", "shfl.sync.up", 0, FOUND),
    "a row above that is one further": ("join_runs", r"setp\.gt\.u32", "setp.ge.u32", 1, FOUND),
    "a root that is hung without looking": ("join_runs", r"atom\.cas\.relaxed\.gpu\.b32 (%r\d+),(\[%rd\d+\]),(%r\d+),(%r\d+);",
                                            r"st.relaxed.gpu.b32 $2, $4; mov.u32 $1, $3;", 0, SCHEDULES),
    "a root that is read as if nobody wrote it": ("join_runs", r"ld\.relaxed\.gpu\.b32", "ld.b32", 0, SCHEDULES),
    "a loop that does not try again": ("join_runs", r"(atom\.cas[^;]*;\s*)setp\.ne\.s32 (\s*)(%p\d+), (%r\d+), (%r\d+);",
                                       r"$1setp.ne.s32 $2$3, $4, $4;", 0, SCHEDULES),
    "roots that are hung while they are told": ("name_roots", r"st\.relaxed\.gpu\.b32", "st.b32", 0, FOUND),
    "a barrier where runs are added up": ("DeviceScanKernel", r"bar\.sync \s*0;", "", 0, FOUND),
}


def run(law, mistake=None):
    environment = dict(os.environ, LD_PRELOAD=os.environ["FULMAR_PTX_RUNTIME"], FULMAR_CARD_EXPECTED="1")
    if mistake:
        environment["FULMAR_PTX_MUTATE"] = mistake
    return subprocess.run([os.environ["FULMAR_DEVICE_TESTS"], f"--gtest_filter={law if '.' in law else '*OnCard.' + law}"], env=environment,
                          capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("law", sorted({m[4] for m in MISTAKES.values()}))
def test_the_right_kernels_pass(law):
    done = run(law)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "[  PASSED  ] 1 test." in done.stdout


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name):
    kernel, pattern, replacement, which, law = MISTAKES[name]
    done = run(law, f"{kernel}|{pattern}|{replacement}|{which}")
    assert "ptx: mutated" in done.stderr, "the kernel has no such place any more: choose another"
    assert done.returncode != 0, f"nothing found {name}"

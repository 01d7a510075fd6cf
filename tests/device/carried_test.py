# SPDX-License-Identifier: Apache-2.0
"""The device tests are one file that runs on any machine with a card: it needs the C library, and says so where there is
no card. (GDAL, PROJ, TBB, fmt, GoogleTest, cudart and the C++ library are not needed, or are within.)"""
import os
import re
import subprocess

PROGRAM = os.environ["FULMAR_DEVICE_TESTS"]
# Of the C library. Before 2.34 it had threads, dlopen and clocks in files of their own.
OF_THE_SYSTEM = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libdl.so.2", "libpthread.so.0",
                 "librt.so.1"}


def test_nothing_but_the_c_library_is_needed():
    said = subprocess.run(["readelf", "-d", PROGRAM], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", said))
    assert "libc.so.6" in needed, "readelf was not understood"
    assert needed <= OF_THE_SYSTEM
    assert "RUNPATH" not in said and "RPATH" not in said


def test_without_a_card_it_says_so():
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "FULMAR_CARD_EXPECTED")}
    environment["CUDA_VISIBLE_DEVICES"] = ""
    done = subprocess.run([PROGRAM, "--gtest_filter=*AgreesInEveryTiling/linear"], env=environment, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[  SKIPPED ] 1 test" in done.stdout
    assert "CUDA driver" in done.stdout


def test_a_card_that_is_expected_is_missed():
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    environment.update(CUDA_VISIBLE_DEVICES="", FULMAR_CARD_EXPECTED="1")
    done = subprocess.run([PROGRAM, "--gtest_filter=*AgreesInEveryTiling/linear"], env=environment, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode != 0

# SPDX-License-Identifier: Apache-2.0
"""Every preset can be configured: a build that only a few people make must not be the one that nobody can."""
import json
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRESETS = [preset["name"] for preset in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
           if not preset.get("hidden")]


def test_the_sanitizers_have_presets():
    assert {"asan", "tsan", "fuzz"} <= set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_can_be_configured(preset, tmp_path):
    if preset == "fuzz" and not shutil.which("clang++"):
        pytest.skip("clang++ is not installed")
    if preset.startswith("cuda") and not shutil.which("nvcc"):
        pytest.skip("nvcc is not installed")
    done = subprocess.run(["cmake", "--preset", preset, "-B", tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr

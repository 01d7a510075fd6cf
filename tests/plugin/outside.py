# SPDX-License-Identifier: Apache-2.0
"""Projects outside the tree: an installed SDK, and building against it."""
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FULMAR_BUILD", ROOT / "build/release"))
EXAMPLES = ROOT / "plugins/examples"


def must(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert done.returncode == 0, (words, done.stdout[-4000:], done.stderr[-4000:])
    return done.stdout


def install(prefix):
    """The SDK in a folder of its own; the folder to give as fulmar_DIR."""
    must("cmake", "--install", BUILD, "--component", "sdk", "--prefix", prefix)
    folder = next(prefix.rglob("fulmar_plugin.cmake")).parent
    if not (folder / "fulmar-config.cmake").exists():  # the SDK alone
        (folder / "fulmar-config.cmake").write_text('include("${CMAKE_CURRENT_LIST_DIR}/fulmar_plugin.cmake")\n')
    return folder


def build(source, binary, fulmar_dir, *options, targets=()):
    must("cmake", "-S", source, "-B", binary, "-G", "Ninja", f"-Dfulmar_DIR={fulmar_dir}", *options)
    must("ninja", "-C", binary, "-j2", *targets)
    return binary


def exported(library):
    lines = must("nm", "-D", "--defined-only", library).splitlines()
    return [line.split()[-1] for line in lines]


def needed(library):
    lines = must("readelf", "-d", library).splitlines()
    return sorted(line.split("[")[1].rstrip("]") for line in lines if "(NEEDED)" in line)

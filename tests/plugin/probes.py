# SPDX-License-Identifier: Apache-2.0
"""Builds plugins that break the contract, from plugins/probe.c."""
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
SDK = HERE.parents[1] / "plugins/sdk"


def probe(folder, name="probe", *, cxx=False, flags=(), **macros):
    """Compiles folder/NAME.so; macros are PROBE_..., in lower case without that."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"{name}.so"
    defines = [f"-DPROBE_{key.upper()}" + ("" if value is True else f"={value}") for key, value in macros.items()]
    compiler = ["c++", "-x", "c++", "-std=c++17"] if cxx else ["cc", "-std=c99", "-pedantic", "-D_GNU_SOURCE"]
    subprocess.run([*compiler, "-Wall", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{SDK}", *defines,
                    HERE / "plugins/probe.c", "-x", "none", *flags, "-o", library], check=True)
    return library


def quoted(text):
    return '"' + text + '"'

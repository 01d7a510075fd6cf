# SPDX-License-Identifier: Apache-2.0
"""An operator in ten minutes: the code of plugins/README.md, as it stands there, becomes a plugin that keeps the laws."""
import re

import numpy as np
from fulmar_cli import call, read, run, write
from outside import ROOT, build, install


def blocks(language):
    text = (ROOT / "plugins/README.md").read_text()
    text = text[text.index("## An operator in ten minutes"):]
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_code_of_the_readme(tmp_path):
    project = tmp_path / "shallow"
    project.mkdir()
    (project / "shallow.hpp").write_text(blocks("cpp")[0])
    (project / "CMakeLists.txt").write_text(blocks("cmake")[0])
    binary = build(project, project / "build", install(tmp_path / "prefix"), "-DCMAKE_BUILD_TYPE=Release",
                   "-DFULMAR_PLUGIN_CUDA=OFF")
    plugin = binary / "shallow.so"
    said = call("inspect", "shallow", "--plugin", plugin)
    assert "--window LENGTH" in said.out and "above 0; default 300" in said.out
    cells = np.random.default_rng(1).random((40, 50)).astype("float32") + 1
    write(tmp_path / "a.tif", cells)  # cells of 10 m
    run("a.tif ! shallow --window 30 ! b.tif", "--plugin", plugin, cwd=tmp_path)
    wide = np.pad(cells.astype("float64"), 1, constant_values=np.nan)
    mean = np.nanmean([wide[1 + y:41 + y, 1 + x:51 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)
    np.testing.assert_allclose(read(tmp_path / "b.tif"), cells / mean, rtol=3e-7)
    for command in blocks("sh")[0].splitlines():
        assert command.startswith(("cmake ", "fulmar plugin check build/shallow.so", "fulmar run --plugin build/"))

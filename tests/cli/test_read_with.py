# SPDX-License-Identifier: Apache-2.0
"""Several rasters in one step: a.tif --with b.tif, a.tif --with [ b.tif ! ... ]."""

from pathlib import Path

import numpy as np
import pytest
from fulmar_cli import call, read, refused, run, same, write


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    scenes = {name: rng.uniform(1, 9, (bands, 40, 60)).astype(np.float32)
              for name, bands in (("a", 2), ("b", 2), ("c", 1), ("it's ! d", 2))}
    for name, cells in scenes.items():
        write(f"{name}.tif", cells)
    return scenes


def test_bands_of_files_follow_each_other(files):
    a, b = files["a"], files["b"]
    run("a.tif --with b.tif ! expression '(b1 - b2) / (b3 + b4)' ! o.tif")
    f8 = np.float64
    expected = ((a[0].astype(f8) - a[1]) / (b[0].astype(f8) + b[1])).astype(np.float32)
    assert same(read("o.tif"), expected)
    run("""a.tif --band 2 --with "it's ! d.tif" --with b.tif ! expression 'b1 + 2 * b2 + 4 * b3' ! o.tif""")
    expected = (a[1].astype(f8) + 2 * files["it's ! d"][1].astype(f8) + 4 * b[1].astype(f8)).astype(np.float32)
    assert same(read("o.tif"), expected)


def test_bands_of_a_pipeline_follow(files):
    run("a.tif --with [ b.tif ! expression 'b1 * b2' ] --with [ c.tif ] ! expression 'b1 + b2 - b3 + 3 * b4' ! o.tif")
    made = (files["b"][0].astype(np.float64) * files["b"][1]).astype(np.float32)
    expected = files["a"][0].astype(np.float64) + files["a"][1] - made + 3.0 * files["c"][0].astype(np.float64)
    assert same(read("o.tif"), expected.astype(np.float32))


def test_json_says_the_same(files):
    text = "a.tif --with b.tif --with [ c.tif ! expression b1 ] ! expression b5 ! o.tif"
    whole = call("convert", text).out
    Path("p.json").write_text(whole)
    assert call("convert", "p.json", "--to", "text").out.strip() == text
    assert call("run", "p.json").code == 0
    assert same(read("o.tif"), files["c"][0])


def test_troubles_are_named(files):
    write("small.tif", files["c"][:, :10])
    write("else.tif", files["c"], transform=(0.0, 10.0, 0.0, 0.0, 0.0, -10.0))
    assert "small.tif" in refused(2, "a.tif --band 1 --with small.tif ! expression 'b1 + b2' ! o.tif", names="grid of a.tif")
    refused(2, "c.tif --with else.tif ! expression 'b1 + b2' ! o.tif", names=["else.tif does not lie on the grid of c.tif"])
    refused(2, "a.tif --with [ c.tif ! expression 'b1 > 5' ! objects ] ! expression b1 ! o.tif", names="yields features")
    refused(3, "a.tif --with absent.tif ! expression b1 ! o.tif", names="absent.tif")
    refused(3, "a.tif --with c.tif ! expression b1 ! o.tif", names=["c.tif has 1 band", "--band"])
    refused(2, "a.tif --band 1 --with b.tif ! expression b3 ! o.tif", names="names band b3")
    refused(2, "a.tif ! expression b1 ! o.tif --with b.tif", names="--with")
    refused(2, "a.tif --with b.tif ! expression b1 ! b.tif", names="is read by this pipeline")

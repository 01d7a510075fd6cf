# SPDX-License-Identifier: Apache-2.0
"""Options of GDAL's drivers that there are not: GDAL only warns of them, and does without."""

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import call, files, refused, run, write


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write(tmp_path / "a.tif", np.arange(600, dtype=np.float32).reshape(20, 30))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words, names", [
    ("a.tif ! stats ! [ o.csv ] ! o.tif --co COMPRES=ZSTD", ("o.tif", "creation option COMPRES", "did you mean COMPRESS")),
    ("a.tif ! o.tif --co COMPRESS=ZTSD", ("COMPRESS", "LZW", "ZSTD", "not 'ZTSD'")),
    ("a.tif ! o.tif --co ZLEVEL=six", ("ZLEVEL", "whole number", "'six'")),
    ("a.tif ! o.tif --lco SPATIAL_INDEX=NO", ("no layer options",)),
    ("a.tif ! o.nc --co ZLEVL=3", ("ZLEVL", "COMPRESS")),
    ("a.tif ! stats ! o.gpkg --lco SPATIAL_INDX=NO", ("layer option SPATIAL_INDX", "did you mean SPATIAL_INDEX")),
    ("a.tif ! stats ! o.gpkg --co COMPRESS=ZSTD", ("GPKG has no creation option COMPRESS",)),  # of its rasters alone
    ("a.tif ! stats ! - --lco SEPARATR=TAB", ("did you mean SEPARATOR",)),
    ("a.tif --oo NUM_THREAD=2 ! o.tif", ("a.tif", "open option NUM_THREAD", "did you mean NUM_THREADS")),
    ("z.geojson --oo FLATTEN_NESTED_ATTRIBUTE=YES ! filter 'v > 0' ! o.csv", ("z.geojson", "did you mean FLATTEN_NESTED_ATTRIBUTES")),
])
def test_options_that_no_driver_knows(folder, words, names):
    (folder / "z.geojson").write_text('{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": '
                                      '{"v": 1}, "geometry": {"type": "Point", "coordinates": [1, 2]}}]}')
    before = files(folder)
    refused(2, words, names=names)
    if "geojson" not in words:  # tables are opened when they are read
        assert call("explain", words).code == 2
    assert files(folder) == before


def test_options_for_all_products_go_where_they_are_known(folder):
    text = "a.tif ! [ stats ! s.gpkg ] ! o.tif"
    refused(2, text, "--co", "COMPRES=ZSTD", names=("--co COMPRES=ZSTD", "did you mean COMPRESS"))
    refused(2, text, "--lco", "SPATIAL_INDX=NO", names=("--lco", "did you mean SPATIAL_INDEX"))
    run(text, "--co", "COMPRESS=LZW", "--lco", "SPATIAL_INDEX=NO")
    assert gdal.Open("o.tif").GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "LZW"
    assert run("a.tif ! stats ! - --lco GEOMETRY=NONE").out.startswith("n,missing,")


def test_options_that_gdal_takes_without_a_list(folder):
    run("a.tif --oo OVERVIEW_LEVEL=NONE ! o.tif --co @WRITES=NO --co compress=lzw")
    assert gdal.Open("o.tif").GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "LZW"

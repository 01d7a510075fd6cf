# SPDX-License-Identifier: Apache-2.0
"""Numbers of every date and band of a stack: zonal series, statistics, histograms. Against NumPy."""

import csv
import datetime
import json
import re

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import call, features, refused, run, write
from test_zonal import masks, polygons, ring

DAY0 = datetime.date(2020, 2, 27)


def day(k):
    return (DAY0 + datetime.timedelta(days=k)).isoformat() + "T00:00:00Z"


def rows_of(path):
    with open(path) as file:
        return [{k: v for k, v in row.items() if k != "WKT"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Five dates of one band, and of two bands each with a name; overlapping zones, one without any cell."""
    folder = tmp_path_factory.mktemp("series")
    rng = np.random.default_rng(3)
    cells = rng.normal(20, 5, (5, 2, 40, 60)).astype(np.float32)
    cells[rng.random(cells.shape) < 0.1] = np.nan
    cells[3, 0] = np.nan  # a date without a cell
    for k in range(5):
        name = (DAY0 + datetime.timedelta(days=k)).strftime("%Y%m%d")
        write(folder / f"one_{name}.tif", cells[k, 0])
        write(folder / f"two_{name}.tif", cells[k])
        dataset = gdal.Open(str(folder / f"two_{name}.tif"), gdal.GA_Update)
        for b, word in enumerate(("red", "nir")):
            dataset.GetRasterBand(b + 1).SetDescription(word)
        dataset = None
    box = lambda x, y, w, h: ring([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
    zones = polygons(folder / "zones.gpkg", [f"POLYGON({box(2, 3, 30, 20)})", f"POLYGON({box(-20, -20, 5, 5)})",
                                            f"POLYGON({box(20, 10, 39, 29)})"], size=[1.0, 2.0, 3.0])
    return folder, cells, zones, masks(folder / f"one_{DAY0:%Y%m%d}.tif", zones)


def check(row, values):
    values = values[np.isfinite(values)].astype(float)
    assert float(row["n"]) == len(values)
    for name, measure in (("mean", np.mean), ("min", np.min), ("max", np.max), ("std", np.std)):
        if len(values):
            assert float(row[name]) == pytest.approx(measure(values), rel=1e-12)
        else:
            assert row[name] == ""


def test_a_zonal_series_has_a_row_for_each_zone_and_date(stack, tmp_path):
    folder, cells, zones, within = stack
    run(f"{folder}/one_*.tif ! zonal --zones {zones} --percentile 50 ! {tmp_path}/s.csv")
    rows = rows_of(tmp_path / "s.csv")
    assert [(r["zone"], r["time"], r["size"]) for r in rows] == [
        (str(z), day(k), str(z)) for z in (1, 2, 3) for k in range(5)]
    for i, r in enumerate(rows):
        check(r, cells[i % 5, 0][within[i // 5]])
        values = cells[i % 5, 0][within[i // 5] & np.isfinite(cells[i % 5, 0])]
        assert r["p50"] == "" if len(values) == 0 else float(r["p50"]) == pytest.approx(np.median(values), rel=1e-6)
    # As from each file alone, whatever the tiles, threads and backends.
    for words in (("--threads", "1"), ("--backend", "reference")):
        run(f"{folder}/one_*.tif ! zonal --zones {zones} --percentile 50 ! {tmp_path}/t.csv", *words)
        assert (tmp_path / "t.csv").read_text() == (tmp_path / "s.csv").read_text()


def test_a_series_keeps_shapes_flows_on_and_comes_from_cubes(stack, tmp_path):
    folder, cells, zones, within = stack
    run(f"{folder}/one_*.tif ! {tmp_path}/cube.nc")
    run(f"{tmp_path}/cube.nc ! zonal --zones {zones} ! {tmp_path}/all.gpkg")
    rows = features(tmp_path / "all.gpkg")
    assert len(rows) == 15 and all(r["geometry"].Area() == pytest.approx((600, 25, 1131)[i // 5] * 100) for i, r in enumerate(rows))
    assert [r["time"][:10] for r in rows[:5]] == [day(k)[:10].replace("-", "/") for k in range(5)]
    run(f"{tmp_path}/cube.nc ! zonal --zones [ {zones} ! filter 'size > 1' ] ! filter 'n > 100' ! {tmp_path}/some.csv")
    some = rows_of(tmp_path / "some.csv")
    assert [(r["size"], r["time"]) for r in some] == [("3", day(k)) for k in (0, 1, 2, 4)]
    run(f"{zones} ! zonal --value {tmp_path}/cube.nc ! {tmp_path}/back.gpkg")
    assert [r["mean"] for r in features(tmp_path / "back.gpkg")] == [r["mean"] for r in rows]


def test_bands_are_told_by_their_names_and_dates_beside(stack, tmp_path):
    folder, cells, zones, within = stack
    run(f"{folder}/two_*.tif ! zonal --zones {zones} ! {tmp_path}/z.csv")
    rows = rows_of(tmp_path / "z.csv")
    assert [(r["zone"], r["time"], r["band"]) for r in rows] == [
        (str(z), day(k), b) for z in (1, 2, 3) for k in range(5) for b in ("red", "nir")]
    for i, r in enumerate(rows):
        check(r, cells[i // 2 % 5, i % 2][within[i // 10]])


def test_stats_tell_each_band(stack, tmp_path):
    folder, cells, _, _ = stack
    one = f"{folder}/two_{DAY0:%Y%m%d}.tif"
    report = json.loads(run(f"{one} ! stats ! {tmp_path}/b.csv", "--json").out)
    rows = rows_of(tmp_path / "b.csv")
    assert [r["band"] for r in rows] == ["red", "nir"] and "time" not in rows[0]
    for b, r in enumerate(rows):
        check(r, cells[0, b])
        assert int(float(r["missing"])) == np.isnan(cells[0, b]).sum()
    (summary,) = report["summaries"]
    assert [r["band"] for r in summary["rows"]] == ["red", "nir"]
    assert [r["mean"] for r in summary["rows"]] == pytest.approx([float(r["mean"]) for r in rows], rel=1e-14)
    # Bands without names, or with one name, are told by their numbers, as in a formula.
    write(tmp_path / "rgb.tif", np.nan_to_num(cells[0, [0, 1, 0]], nan=7).astype(np.float32))
    run(f"{tmp_path}/rgb.tif ! stats ! {tmp_path}/n.csv")
    assert [r["band"] for r in rows_of(tmp_path / "n.csv")] == ["b1", "b2", "b3"]
    run(f"{folder}/one_*.tif ! stats ! {tmp_path}/t.csv")
    rows = rows_of(tmp_path / "t.csv")
    assert [r["time"] for r in rows] == [day(k) for k in range(5)] and "band" not in rows[0]
    for k, r in enumerate(rows):
        check(r, cells[k, 0])


def test_histograms_stand_one_below_the_other(stack, tmp_path):
    folder, cells, _, _ = stack
    run(f"{folder}/two_{DAY0:%Y%m%d}.tif ! histogram --bins 4 --low 0 --high 40 ! {tmp_path}/h.csv")
    rows = rows_of(tmp_path / "h.csv")
    assert [r["band"] for r in rows] == ["red"] * 6 + ["nir"] * 6  # and what lies outside
    counts = [int(float(r["n"])) for r in rows]
    for b in range(2):
        np.testing.assert_array_equal(counts[6 * b + 1:6 * b + 5], np.histogram(cells[0, b][np.isfinite(cells[0, b])], 4, (0, 40))[0])


def test_many_dates_are_read_in_portions(tmp_path):
    """Four hundred dates do not fit in memory side by side: several passes, and the numbers of each date alone."""
    rng = np.random.default_rng(1)
    cells = rng.integers(0, 200, (400, 130, 257)).astype(np.uint8)
    write(tmp_path / "many.tif", cells, options=("INTERLEAVE=BAND",))
    zones = polygons(tmp_path / "z.gpkg", [f"POLYGON({ring([(0, 0), (257, 0), (257, 130)])})",
                                          f"POLYGON({ring([(0, 0), (257, 0), (257, 130), (0, 130)])})"])
    text = f"{tmp_path}/many.tif ! zonal --zones {zones} --percentile 10,90 ! {tmp_path}/m.csv"
    explained = call("explain", "--memory", "192M", text).out
    passes = {words: len(re.findall(r"^pass", call("explain", "--memory", words, text).out, re.M)) for words in ("192M", "4G")}
    assert passes["192M"] > passes["4G"] >= 5, (passes, explained)
    run(text, "--memory", "192M")
    rows = rows_of(tmp_path / "m.csv")
    assert len(rows) == 800 and [r["band"] for r in rows[:400]] == [f"b{k + 1}" for k in range(400)]
    for k in range(400):
        whole = rows[400 + k]
        assert float(whole["n"]) == 130 * 257 and float(whole["sum"]) == cells[k].sum()
        assert float(whole["p90"]) == pytest.approx(np.percentile(cells[k], 90))


def test_what_tells_no_dates_or_holds_no_table_is_said(stack, tmp_path):
    folder, _, zones, _ = stack
    one = f"{folder}/two_{DAY0:%Y%m%d}.tif"
    refused(2, f"{one} ! fill ! {tmp_path}/x.tif", names="fill takes one band")
    refused(2, f"{one} ! stats ! {tmp_path}/x.tif", names="x.tif cannot hold")
    refused(2, f"{one} ! stats ! {tmp_path}/x.png", names="x.png cannot hold")
    refused(2, f"{one} --band 1 ! zonal --zones {zones} ! filter 'n > 1' ! {tmp_path}/x.png", names="x.png cannot hold")


def test_times_of_csv_are_iso_8601_and_read_back(stack, tmp_path):
    """Whole seconds, parts of them, and none; GDAL's own reader and ours take them for times."""
    (tmp_path / "t.csv").write_text("id,time\n1,2021-01-05 13:44:00.25+01:00\n2,1969-12-31T23:59:59Z\n3,\n")
    run(f"{tmp_path}/t.csv ! filter 'id > 0' ! {tmp_path}/o.csv")
    assert [r["time"] for r in rows_of(tmp_path / "o.csv")] == ["2021-01-05T12:44:00.250Z", "1969-12-31T23:59:59Z", ""]
    run(f"{tmp_path}/o.csv ! filter \"time > '2021-01-01'\" ! {tmp_path}/p.gpkg")
    (row,) = features(tmp_path / "p.gpkg")
    assert row["id"] == 1 and row["time"].startswith("2021/01/05 12:44:00.25")
    dataset = gdal.OpenEx(str(tmp_path / "o.csv"), open_options=["AUTODETECT_TYPE=YES"])
    fields = dataset.GetLayer(0).GetLayerDefn()
    assert fields.GetFieldDefn(1).GetTypeName() == "DateTime"

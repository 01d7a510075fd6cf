# SPDX-License-Identifier: Apache-2.0
"""Joins against brute force with geographiclib's formula in NumPy, and what ties and keys decide."""

import csv

import numpy as np
import pytest

from fulmar_cli import run
from test_zonal import polygons

pyproj = pytest.importorskip("pyproj")
GEOD = pyproj.Geod(ellps="WGS84")


def rows_of(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def table(path, head, rows):
    path.write_text(head + "\n" + "".join(",".join(map(str, r)) + "\n" for r in rows))
    return path


@pytest.mark.parametrize("reach", [300, 2000, 40000])
def test_the_nearest_within_reach_is_that_of_brute_force(tmp_path, reach):
    """Dense points in all directions, many just within reach or just beyond it, over the antimeridian too."""
    rng = np.random.default_rng(reach)
    n = 150
    lon = 179.95 + rng.uniform(-0.3, 0.3, n)
    lat = 61 + rng.uniform(-0.2, 0.2, n)
    bearing = rng.choice([0, 90, 180, 270, *rng.uniform(0, 360, 4)], n)
    away = reach * rng.choice([0.2, 0.6, 0.97, 0.9999, 1.0001, 1.03], n)
    there = [GEOD.fwd(x, y, b, d)[:2] for x, y, b, d in zip(lon, lat, bearing, away)]
    wrap = lambda x: (x + 180) % 360 - 180
    a = table(tmp_path / "a.csv", "id,lon,lat", [(i, wrap(x), y) for i, (x, y) in enumerate(zip(lon, lat))])
    b = table(tmp_path / "b.csv", "port,lon,lat", [(i, wrap(x), y) for i, (x, y) in enumerate(there)])
    run(f"{a} ! join --with {b} --nearest {reach} ! {tmp_path}/o.csv")
    expected = []
    for x, y in zip(lon, lat):
        d = np.array([GEOD.inv(wrap(x), y, wrap(p), q)[2] for p, q in there])
        expected.append(str(d.argmin()) if d.min() <= reach else "")
    got = [r["port"] for r in rows_of(tmp_path / "o.csv")]
    assert got == expected and "" in got if reach < 2000 else got == expected


def test_ties_go_to_the_row_that_comes_first(tmp_path):
    ships = table(tmp_path / "s.csv", "id,lon,lat,key", [(1, 10, 50, 0.0), (2, 11, 51, "-0.0"), (3, 12, 52, 7)])
    ports = table(tmp_path / "p.csv", "port,lon,lat,key",
                  [("far", 10, 50.001, 1), ("C", 10, 50.0005, "0"), ("B", 10, 50.0005, "0"), ("A", 10, 50.0005, 7)])
    run(f"{ships} ! join --with {ports} --nearest 500 ! {tmp_path}/o.csv")
    assert [r["port"] for r in rows_of(tmp_path / "o.csv")] == ["C", "", ""]
    # Nought is nought, whatever its sign, and an int is the real of its value.
    run(f"{ships} ! join --with {ports} --on key ! {tmp_path}/o.csv")
    assert [r["port"] for r in rows_of(tmp_path / "o.csv")] == ["C", "C", "A"]
    square = "POLYGON(({0} 49,{1} 49,{1} 53,{0} 53,{0} 49))"
    areas = polygons(tmp_path / "a.gpkg", [square.format(11.5, 13), square.format(9, 10.5), square.format(9, 13)], crs=4326,
                     area=[1.0, 2.0, 3.0])
    run(f"{ships} ! join --with {areas} --inside ! {tmp_path}/o.csv")
    assert [float(r["area"]) for r in rows_of(tmp_path / "o.csv")] == [2, 3, 1]


@pytest.mark.parametrize("words", [False, True])
def test_keys_that_are_equal_find_the_first(tmp_path, words):
    """Numbers with numbers, and with a column of texts: what is missing belongs to nobody."""
    rng = np.random.default_rng(3)
    keys = ["", *(str(k / 8) for k in range(-39, 40, 2)), *map(str, range(20))]
    mine, theirs = [k for k in rng.choice(keys, 300)], [k for k in rng.choice(keys[:-5], 60)]
    a = table(tmp_path / "a.csv", "id,key", list(enumerate(mine)))
    b = table(tmp_path / "b.csv", "mark,key", [*enumerate(theirs), *([(60, "a word")] if words else [])])
    run(f"{a} ! join --with {b} --on key ! {tmp_path}/o.csv")
    first = {k: i for i, k in reversed(list(enumerate(theirs))) if k}
    expected = [str(first.get(k, "")) for k in mine]
    assert [r["mark"] for r in rows_of(tmp_path / "o.csv")] == expected and "" in expected
    run(f"{a} ! join --with {b} --on id=# ! {tmp_path}/o.csv")  # rows are counted from 1
    rows = len(theirs) + words
    assert [r["mark"] for r in rows_of(tmp_path / "o.csv")] == [str(i - 1) if 0 < i <= rows else "" for i in range(300)]

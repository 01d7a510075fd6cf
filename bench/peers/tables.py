#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against ogr2ogr and pandas: rows kept, ordered by their likeness, and given more columns, GeoPackage to CSV.

usage: peers/tables.py FULMAR [--size 200000] [--runs 3] [--folder DIR] [--threads N] [--only filter,join,rank]

--size is the number of rows. ogr2ogr filters by -where; pandas reads the GeoPackage through sqlite3 and joins by merge,
and orders by a distance in NumPy.
"""
import os
import shlex

from race import aside, needs, start


def make(tracks, registry, rows):
    import numpy as np
    from osgeo import gdal, ogr
    rng = np.random.default_rng(1)
    file = gdal.GetDriverByName("GPKG").Create(tracks, 0, 0, 0, gdal.GDT_Unknown)
    layer = file.CreateLayer("tracks", None, ogr.wkbNone)
    for name, kind in (("mmsi", ogr.OFTInteger64), ("length", ogr.OFTReal), ("speed", ogr.OFTReal)):
        layer.CreateField(ogr.FieldDefn(name, kind))
    layer.StartTransaction()
    ids = rng.integers(412000000, 412000000 + rows // 10, rows)
    for mmsi, length, speed in zip(ids, rng.uniform(5, 400, rows), rng.uniform(0, 25, rows)):
        feature = ogr.Feature(layer.GetLayerDefn())
        for k, value in enumerate((int(mmsi), float(length), float(speed))):
            feature.SetField(k, value)
        layer.CreateFeature(feature)
    layer.CommitTransaction()
    with open(registry, "w") as out:
        out.write("mmsi,flag\n")
        for mmsi in range(412000000, 412000000 + rows // 10):
            out.write(f"{mmsi},{mmsi % 97}\n")


def check(ours, theirs):
    import csv

    def rows(path):
        with open(path) as file:
            return sorted(tuple(float(r[n]) for n in ("mmsi", "length", "speed", "flag") if r.get(n)) for r in csv.DictReader(file))
    a, b = rows(ours), rows(theirs)
    if len(a) != len(b) or any(max(abs(p - q) for p, q in zip(x, y)) > 1e-9 for x, y in zip(a, b)):
        raise SystemExit(f"{len(a)} rows here, {len(b)} there, or other values")
    return f"{len(a)} equal rows"


@needs("pandas", "sqlite3")
def merge(tracks, registry, target):
    import sqlite3

    import pandas
    rows = pandas.read_sql("SELECT mmsi, length, speed FROM tracks", sqlite3.connect(tracks))
    rows.merge(pandas.read_csv(registry), how="left", on="mmsi").to_csv(target, index=False)


def files(options, folder, name):
    tracks, registry = (os.path.join(folder, f"{n}_{options.size}.{e}") for n, e in (("tracks", "gpkg"), ("registry", "csv")))
    if not os.path.exists(registry):
        aside(make, tracks, registry, options.size)
    return tracks, registry, *(os.path.join(folder, f"{name}_{who}.csv") for who in ("fulmar", "peer"))


def filtered(options, folder, race):
    tracks, _, ours, theirs = files(options, folder, "filter")
    command = ["ogr2ogr", "-f", "CSV", theirs, tracks, "-where", "length > 100 AND speed < 3"]
    race.run("filter", f"{tracks} ! filter 'length > 100 && speed < 3' ! {ours}",
             {"ogr2ogr": ["sh", "-c", f"rm -f {shlex.quote(theirs)} && {shlex.join(command)}"]}, lambda who: check(ours, theirs))


def joined(options, folder, race):
    tracks, registry, ours, theirs = files(options, folder, "join")
    race.run("join", f"{tracks} ! join --with {registry} --on mmsi ! {ours}",
             {"pandas": race.peer("merge", tracks, registry, theirs)}, lambda who: check(ours, theirs))


@needs("pandas", "sqlite3")
def nearest(tracks, target):
    import sqlite3

    import numpy as np
    import pandas
    rows = pandas.read_sql("SELECT mmsi, length, speed FROM tracks", sqlite3.connect(tracks))
    rows["distance"] = np.sqrt((((rows.length - 180) / rows.length.std(ddof=0)) ** 2 + ((rows.speed - 12) / 2) ** 2) / 2)
    rows = rows.sort_values("distance", kind="stable")
    rows["rank"] = np.arange(1, len(rows) + 1)
    rows.to_csv(target, index=False)


def check_rank(ours, theirs):
    import numpy as np
    a, b = (np.genfromtxt(p, delimiter=",", names=True) for p in (ours, theirs))
    if len(a) != len(b) or any((a[n] != b[n]).any() for n in ("mmsi", "rank")):
        raise SystemExit("rows are in another order")
    off = float(np.abs(a["distance"] - b["distance"]).max())
    if off > 1e-9:
        raise SystemExit(f"distances differ by {off}")
    return f"{len(a)} rows in the same order, distances within {off:.1g}"


def ranked(options, folder, race):
    tracks, _, ours, theirs = files(options, folder, "rank")
    race.run("rank", f"{tracks} ! rank 'length=180,speed=12~2' ! {ours}", {"pandas": race.peer("nearest", tracks, theirs)},
             lambda who: check_rank(ours, theirs))


if __name__ == "__main__":
    start(__doc__, {"filter": {"filter": filtered}, "join": {"join": joined}, "rank": {"rank": ranked}}, [merge, nearest], 200000)

# SPDX-License-Identifier: Apache-2.0
"""AIS through the program: cleaning by rules written out here, hull centres and tracks against pyproj, real logs."""

import csv
import json
import random

import pytest
from pyproj import Geod

from fulmar_cli import DATA, call, features, refused, run, shared

GEOD = Geod(ellps="WGS84")
HEAD = "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,a,b,c,d"


def log(path, rows, head=HEAD):
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def rows_of(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def notes(text):
    result = call("run", "--overwrite", "--json", text)
    assert result.code == 0, result.err
    return json.loads(result.out)["notes"]


def test_cleaning_drops_and_counts(tmp_path):
    """One row for every rule."""
    source = log(tmp_path / "a.csv", [
        "211000001,2021-01-05T00:00:00,54.0,10.0,10.0,90.0,90,A,,,,",
        "211000001,2021-01-05T00:00:00,54.0,10.0,10.0,90.0,90,A,,,,",     # said twice
        "211000001,2021-01-05T00:10:00,54.0,10.04,102.3,360.0,511,A,,,,",  # stays, its values do not
        "211000001,2021-01-05T00:11:00,55.0,10.04,10.0,90.0,90,A,,,,",    # 60 nautical miles in a minute
        "211000001,2021-01-05T00:20:00,54.0,10.08,10.0,90.0,90,A,,,,",
        "211000001,2021-01-05T00:21:00,91,181,10.0,90.0,90,A,,,,",        # no position
        "211000001,,54.0,10.0,10.0,90.0,90,A,,,,",                        # no time
        "123456789,2021-01-05T00:00:00,54.0,10.0,10.0,90.0,90,B,,,,",     # nobody
        "2110012,2021-01-05T00:00:00,54.0,10.0,0,0,0,COAST,,,,",          # a coast station
        "992111234,2021-01-05T00:00:00,54.0,10.0,0,0,0,BUOY,,,,",         # an aid to navigation
    ])
    out = tmp_path / "out.csv"
    said = notes(f"{source} ! ais ! {out}")
    assert said == ["ais: dropped 7 of 10 positions: 3 whose MMSI is no ship's, 1 without a valid position, "
                    "1 without a time, 1 said twice, 1 jump that implies more than 60 kn"]
    rows = rows_of(out)
    assert [r["lon"] for r in rows] == ["10", "10.04", "10.08"]
    assert [rows[1][k] for k in ("sog", "cog", "heading")] == ["", "", ""]
    assert rows[0]["time"].startswith("2021-01-05T00:00:00Z") and rows[0]["name"] == "A"


def test_one_word_among_times_and_numbers_costs_one_row(tmp_path):
    rows = [f"211000001,2021-01-05T00:{k:02d}:00,54.0,{10 + 0.004 * k},10,90,90,A,,,," for k in range(8)]
    rows[2] = rows[2].replace("2021-01-05T00:02:00", "yesterday")
    rows[4] = rows[4].replace(",54.0,", ",N/A,")
    rows[5] = rows[5].replace("2021-01-05T00:05:00", "")
    rows[6] = rows[6].replace(",10,90,90,", ",fast,90,90,")
    source = log(tmp_path / "a.csv", rows)
    said = notes(f"{source} ! ais ! {tmp_path}/out.csv")
    assert said == ["ais: dropped 3 of 8 positions: 1 without a valid position, 1 without a time, "
                    "1 whose time cannot be read"]
    got = rows_of(tmp_path / "out.csv")
    assert [r["time"][14:16] for r in got] == ["00", "01", "03", "06", "07"]
    assert [r["sog"] for r in got] == ["10", "10", "10", "", "10"]


def test_a_wrong_first_position_does_not_cost_the_rest(tmp_path):
    good = [f"211000001,2021-01-05T00:{k:02d}:00,54.0,{10 + 0.004 * k},10,90,90,A,,,," for k in range(1, 9)]
    source = log(tmp_path / "a.csv", ["211000001,2021-01-05T00:00:00,10.0,100.0,10,90,90,A,,,,", *good])
    out = tmp_path / "out.csv"
    said = notes(f"{source} ! ais ! {out}")
    assert len(rows_of(out)) == 8 and "1 jump " in said[0]
    # A ship that is found again elsewhere stays, as another track.
    again = [f"211000001,2021-01-05T01:{k:02d}:00,30.0,{10 + 0.004 * k},10,90,90,A,,,," for k in range(8)]
    source = log(tmp_path / "b.csv", [*good, *again])
    run(f"{source} ! ais --as tracks ! {tmp_path}/t.gpkg")
    assert [t["positions"] for t in features(tmp_path / "t.gpkg")] == [8, 8]


def test_hull_centre(tmp_path):
    """The antenna 150 m from the bow and 50 m from the stern, 8 m from port and 24 m from starboard."""
    source = log(tmp_path / "a.csv", ["211000001,2021-01-05T00:00:00,54.0,10.0,10.0,90.0,30,A,150,50,8,24",
                                      "211000002,2021-01-05T00:00:00,54.0,10.0,10.0,90.0,511,B,150,50,8,24",
                                      "211000003,2021-01-05T00:00:00,54.0,10.0,10.0,90.0,30,C,0,200,8,24"])
    out = tmp_path / "out.csv"
    run(f"{source} ! ais ! {out}")
    rows = rows_of(out)
    lon, lat, _ = GEOD.fwd(10.0, 54.0, 30, 50)
    lon, lat, _ = GEOD.fwd(lon, lat, 120, 8)
    assert GEOD.inv(lon, lat, float(rows[0]["lon"]), float(rows[0]["lat"]))[2] < 1e-3
    assert rows[0]["length"] == "200" and rows[0]["width"] == "32" and rows[0]["centred"] == "1"
    for r in rows[1:]:
        assert (r["lon"], r["lat"], r["centred"]) == ("10", "54", "0")


def test_tracks(tmp_path):
    """A gap ends a track; one through the antimeridian comes in two parts that meet at 180 degrees."""
    places = [(179.90, -10.0), (179.96, -10.01), (-179.98, -10.02), (-179.92, -10.03)]
    rows = [f"211000001,2021-01-05T0{k}:00:00,{lat},{lon},5,90,90,A,,,," for k, (lon, lat) in enumerate(places)]
    rows += [f"211000001,2021-01-05T{12 + k}:00:00,-10.03,{-179.9 + 0.05 * k},5,90,90,A,,,," for k in range(3)]
    rows += ["211000002,2021-01-05T00:00:00,0,0,5,90,90,B,,,,"]
    random.Random(1).shuffle(rows)
    out = tmp_path / "t.gpkg"
    said = notes(f"{log(tmp_path / 'a.csv', rows)} ! ais --as tracks ! {out}")
    assert "1 positions stand alone" in said[-1]
    tracks = features(out)
    assert [t["positions"] for t in tracks] == [4, 3]
    expected = sum(GEOD.inv(*a, *b)[2] for a, b in zip(places, places[1:]))
    assert tracks[0]["distance"] == pytest.approx(expected, abs=1e-3)
    fastest = max(GEOD.inv(*a, *b)[2] for a, b in zip(places, places[1:])) / 3600 / (1852 / 3600)
    assert tracks[0]["fastest"] == pytest.approx(fastest, rel=1e-9)
    shape = tracks[0]["geometry"]
    assert shape.GetGeometryCount() == 2
    one, other = shape.GetGeometryRef(0), shape.GetGeometryRef(1)
    assert one.GetX(2) == 180 and other.GetX(0) == -180 and one.GetY(2) == other.GetY(0)
    assert one.GetY(2) == pytest.approx(-10.01 - 0.01 * 0.04 / 0.06, abs=1e-9)


def test_real_log_of_marine_cadastre(tmp_path):
    source = shared("ais/marinecadastre_20230111_sample.csv")
    out = tmp_path / "out.gpkg"
    said = notes(f"{source} ! ais ! {out}")
    rows = {r["mmsi"]: r for r in features(out)}
    raw = {int(r["MMSI"]): r for r in rows_of(source)}
    ships = {m: r for m, r in raw.items() if 201000000 <= m < 776000000}
    assert set(rows) == set(ships) and f"{1000 - len(ships)} whose MMSI" in " ".join(said)
    for m, r in ships.items():
        mine = rows[m]
        assert (mine["lon"], mine["lat"]) == (float(r["LON"]), float(r["LAT"]))
        assert (mine["sog"] is None) == (float(r["SOG"]) == 102.3)
        assert mine["cog"] == (None if float(r["COG"]) == 360 else float(r["COG"]))
        assert mine["heading"] == (None if float(r["Heading"]) == 511 else float(r["Heading"]))
        assert (mine["name"] or "") == r["VesselName"]


def test_sentences_of_libais(tmp_path):
    """Of the type examples one ship has a place that is one: the other positions are 91, 181 or not on earth."""
    out = tmp_path / "out.csv"
    run(f"{DATA}/ais/libais_typeexamples.nmea ! ais ! {out}")
    rows = {int(r["mmsi"]): r for r in rows_of(out)}
    expected = {}
    for line in open(DATA / "ais/libais_typeexamples.json"):
        j = json.loads(line)
        if j["type"] in (1, 2, 3, 18, 19, 27) and 201000000 <= j["mmsi"] < 776000000 \
                and abs(j["lat"]) <= 90 and abs(j["lon"]) <= 180:
            expected[j["mmsi"]] = j
    assert set(rows) == set(expected) and len(rows) >= 3
    for m, j in expected.items():
        assert float(rows[m]["lon"]) == pytest.approx(j["lon"], abs=1e-5)
        assert float(rows[m]["lat"]) == pytest.approx(j["lat"], abs=1e-5)
    # Type 24 told this boat's name in another sentence.
    assert rows[366764000]["name"] == "R/V GULF CHALLENGER"
    run(f"{DATA}/ais/libais_tagblock.nmea ! ais ! {out}")
    rows = rows_of(out)
    # In the order of time: 00:32:41, 00:35:22, 00:41:53.
    assert [r["time"][11:19] for r in rows] == ["00:32:41", "00:35:22", "00:41:53"]


def test_bad_input_is_said(tmp_path):
    empty = log(tmp_path / "e.csv", [])
    refused(3, f"{empty} ! ais ! {tmp_path}/o.csv", names="no rows")
    nothing = tmp_path / "n.csv"
    nothing.write_text("")
    refused(3, f"{nothing} ! ais ! {tmp_path}/o.csv", names="n.csv")
    no_mmsi = log(tmp_path / "m.csv", ["1,2021-01-05,3,4"], "id,time,lon,lat")
    refused(3, f"{no_mmsi} ! ais ! {tmp_path}/o.csv", names=("no column of identity", "id, time, lon, lat"))
    danish = log(tmp_path / "d.csv", ["211000001,05/01/2021 00:00:00,3,4"], "mmsi,timestamp,lon,lat")
    refused(3, f"{danish} ! ais ! {tmp_path}/o.csv", names="ISO 8601")
    noise = tmp_path / "x.nmea"
    noise.write_text("!AIVDM,1,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0*00\n")
    refused(3, f"{noise} ! ais ! {tmp_path}/o.csv", names="1 with a wrong checksum")
    refused(2, f"{empty} ! ais --max-speed 0 ! {tmp_path}/o.csv", names="max-speed")


def test_hostile_files(tmp_path):
    """Seeded noise in every shape: an answer or an error, never a crash."""
    rng = random.Random(5)
    real = (DATA / "ais/libais_typeexamples.nmea").read_bytes()
    for k in range(12):
        text = bytearray(real)
        for _ in range(rng.randrange(1, 200)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        path = tmp_path / f"{k}.{'nmea' if k % 2 else 'csv'}"
        path.write_bytes(bytes(text[: rng.randrange(len(text))]))
        assert call("run", "--overwrite", f"{path} ! ais ! {tmp_path}/o.csv").code in (0, 1, 3)


def test_two_strays_that_agree_are_still_strays(tmp_path):
    """Three in a row make a track of their own, two do not; the track goes on and the hull is where it was."""
    good = [f"211000001,2021-01-05T00:{k:02d}:00,54.0,{10 + 0.004 * k},10,90,90,A,,,," for k in range(12)]
    for strays, dropped in ((1, 1), (2, 2), (3, 0)):
        rows = list(good)
        for k in range(5, 5 + strays):
            rows[k] = f"211000001,2021-01-05T00:{k:02d}:00,30.0,{10 + 0.004 * k},10,90,90,A,,,,"
        source = log(tmp_path / "a.csv", rows)
        said = notes(f"{source} ! ais ! {tmp_path}/out.csv")
        latitudes = [r["lat"] for r in rows_of(tmp_path / "out.csv")]
        if dropped:
            assert said == [f"ais: dropped {dropped} of 12 positions: {dropped} "
                            f"jump{'s that imply' if dropped > 1 else ' that implies'} more than 60 kn"]
            assert latitudes == ["54"] * (12 - dropped)
        else:
            assert said == [] and latitudes.count("30") == 3


def test_what_is_said_twice_is_of_one_place(tmp_path):
    """At one time: the same place is one position, a place a few metres off another, one far off a jump."""
    row = "211000001,2021-01-05T00:{:02}:00,{},{},10,90,90,A,,,,"
    for at, words in (((54.0, 10.000004), "1 said twice"), ((54.0, 10.0003), None), ((54.0003, 10.0), None),
                      ((54.0, 10.5), "1 jump that implies"), ((54.5, 10.0), "1 jump that implies")):
        source = log(tmp_path / "a.csv", [row.format(0, 54.0, 10.0), row.format(0, *at), row.format(9, 54.0, 10.01)])
        said = notes(f"{source} ! ais ! {tmp_path}/out.csv")
        assert len(rows_of(tmp_path / "out.csv")) == (3 if words is None else 2)
        assert (said == []) if words is None else words in said[0]

# SPDX-License-Identifier: Apache-2.0
"""Conditions and likeness on tables, against NumPy."""

import csv
import json

import numpy as np
import pytest

from fulmar_cli import call, features, refused, run, write


def make(path, rng, count=500):
    rows = [{"id": i, "length": rng.uniform(10, 300), "width": rng.uniform(3, 50), "kind": "cargo" if i % 3 else "tug",
             "lon": rng.uniform(-180, 180), "lat": rng.uniform(-90, 90)} for i in range(count)]
    for i in range(0, count, 50):
        rows[i]["width"] = ""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_filter_keeps_what_numpy_keeps(tmp_path):
    rows = make(tmp_path / "a.csv", np.random.default_rng(1))
    for condition, holds in (
            ("length > 100 && width < 20", lambda r: r["width"] != "" and r["length"] > 100 and r["width"] < 20),
            ("length / width > 6", lambda r: r["width"] != "" and r["length"] / r["width"] > 6),
            ("kind == 'tug'", lambda r: r["kind"] == "tug"),
            ("kind != 'tug' && id < 100", lambda r: r["kind"] != "tug" and r["id"] < 100),
            ('sqrt("length") >= 15', lambda r: r["length"] >= 225),
            ("0", lambda r: False)):
        quoted = f"'{condition}'" if '"' in condition else f'"{condition}"'
        run(f"{tmp_path}/a.csv ! filter {quoted} ! {tmp_path}/b.gpkg")
        assert [r["id"] for r in features(tmp_path / "b.gpkg")] == [r["id"] for r in rows if holds(r)], condition


def test_rank_is_the_normalised_distance(tmp_path):
    rows = make(tmp_path / "a.csv", np.random.default_rng(2))
    result = call("run", "--overwrite", "--json", f"{tmp_path}/a.csv ! rank 'length=180,width=30' ! {tmp_path}/b.gpkg")
    assert result.code == 0 and "10 of 500 rows lack a value" in json.loads(result.out)["notes"][0]
    length = np.array([r["length"] for r in rows])
    width = np.array([np.nan if r["width"] == "" else r["width"] for r in rows])
    distance = np.sqrt((((length - 180) / length.std()) ** 2 + ((width - 30) / np.nanstd(width)) ** 2) / 2)
    order = [i for i in np.argsort(distance, kind="stable") if np.isfinite(distance[i])]
    mine = features(tmp_path / "b.gpkg")
    assert [r["id"] for r in mine] == order and [r["rank"] for r in mine] == list(range(1, 491))
    assert [r["distance"] for r in mine] == pytest.approx(list(distance[order]), rel=1e-12)
    run(f"{tmp_path}/a.csv ! rank 'length=180~10' --top 7 ! {tmp_path}/b.gpkg")
    assert [r["id"] for r in features(tmp_path / "b.gpkg")] == list(np.argsort(np.abs(length - 180), kind="stable")[:7])


def test_what_is_wrong_is_said(tmp_path):
    make(tmp_path / "a.csv", np.random.default_rng(3), 5)
    for like, word in (("lenght=1", "no column 'lenght'"), ("kind=1", "texts"), ("length", "column=value"),
                       ("length=x", "column=value"), ("length=1~0", "above 0"), ("length=1,", "column=value")):
        refused(2, f"{tmp_path}/a.csv ! rank '{like}' ! {tmp_path}/b.csv", names=word)
    refused(2, f"{tmp_path}/a.csv ! filter 'length > ' ! {tmp_path}/b.csv", names="filter")
    refused(2, f"{tmp_path}/a.csv ! filter 'size > 1' ! {tmp_path}/b.csv", names="no column 'size'")
    refused(3, f"{tmp_path}/absent.csv ! filter 'size > 1' ! {tmp_path}/b.csv", names="absent.csv")


def test_conditions_on_gaps_exponents_times_and_words_said_twice(tmp_path):
    (tmp_path / "a.csv").write_text("id,x,kind,time\n1,150,tug,1969-12-31T00:00:00Z\n2,50,,1970-01-02T00:00:00Z\n"
                                    "3,0.05,cargo,2020-01-01T00:00:00Z\n4,,tug,\n5,2e5,tug,1960-01-01T00:00:00Z\n")
    for condition, ids in (
            ("x > 1e+2", [1, 5]), ("x < 1E-1 + 0.05e+1", [3]), ("x >= 1.5e2 && x < 2e+5 + 1", [1, 5]),
            ("kind != 'tug'", [3]), ("kind == 'cargo' || kind != 'cargo'", [1, 3, 4, 5]),  # no word is neither
            ("(kind == 'tug' && x < 1000) || (kind == 'tug' && x > 1000)", [1, 5]),
            ("kind == 'tug' || kind == 'cargo'", [1, 3, 4, 5]), ("kind == 'barge'", []),
            ("time < '1970-01-01'", [1, 5]), ("time - '1969-12-31' >= 0", [1, 2, 3]), ("-'1969-12-31' > 0", [1, 2, 3, 4, 5]),
            ("x > 1 && x > 2 && x > 3 && x > 4 && x > 5 && x > 6 && x > 7 && x > 8 && x > 9", [1, 2, 5])):
        run(f'{tmp_path}/a.csv ! filter "{condition}" ! {tmp_path}/b.gpkg')
        assert [r["id"] for r in features(tmp_path / "b.gpkg")] == ids, condition
    # More than the eight columns that once were the most.
    many = [f"c{k}" for k in range(40)]
    (tmp_path / "m.csv").write_text(",".join(many) + "\n" + ",".join("1" * 40) + "\n")
    run(f"{tmp_path}/m.csv ! filter '{' + '.join(many)} == 40' ! {tmp_path}/c.csv")
    assert len((tmp_path / "c.csv").read_text().splitlines()) == 2


def test_words_of_other_languages_are_told_in_ours(tmp_path):
    make(tmp_path / "a.csv", np.random.default_rng(3), 5)
    for where, cure in (("length > 1 and width > 1", "'and' is written &&"), ("not length", "'not x' is written x == 0"),
                        ("length > 1 or 1", "'or' is written ||"), ("length > 1 & 1", "'&' is written &&")):
        refused(2, f"{tmp_path}/a.csv ! filter '{where}' ! {tmp_path}/b.csv", names=cure)
    # A column of that name is one.
    (tmp_path / "c.csv").write_text("a,and,not\n1,2,0\n3,0,1\n")
    run(f"{tmp_path}/c.csv ! filter 'and > 1 && not == 0' ! {tmp_path}/d.csv")
    with open(tmp_path / "d.csv") as file:
        assert [r["a"] for r in csv.DictReader(file)] == ["1"]


def test_kinds_are_not_mixed(tmp_path):
    """A text is no number and a time no text: what would be nonsense is refused, with the cure."""
    (tmp_path / "a.csv").write_text("id,name,day\n3,x,2021-01-02\n4,y,2021-01-03\n")
    for where, cure in (("id == '3'", "write the number without quotes"), ("id > 'abc'", "write the number without quotes"),
                        ("name < 3", "name holds texts"), ("0 < name", "name holds texts"), ("name > 'a'", "== and != alone"),
                        ("name", "== and != alone"), ("name + 1 > 2", "== and != alone"), ("'x' == 'x'", "a column of text"),
                        ("id == name", "name holds texts"), ("id > '2021-01-02'", "id holds no times"),
                        ("name == '2021-01-02'", "name holds texts"), ("day > 'yesterday'", "'yesterday' is no time"),
                        ("day >= 2021-01-02", "day is a time"), ("id > 1 && day < (5)", "day is a time")):
        refused(2, f'{tmp_path}/a.csv ! filter "{where}" ! {tmp_path}/b.csv', names=cure)
    for where, ids in (("(name == 'x' || id > 3) && day <= '2021-01-03'", [3, 4]), ("'y' != name", [3]), ("(name) == ('x')", [3]),
                       ("'y' == ((name)) && (id) > 3", [4]), ("day - 86400 >= '2021-01-02'", [4]), ("(name) == 'x'", [3]), ("'y' == ((name)) && id > (3)", [4]),
                       ("'2021-01-03' <= day", [4]), ("(id + 1) * 2 > 8", [4]), ("(name == 'y') == 1", [4])):
        run(f'{tmp_path}/a.csv ! filter "{where}" ! {tmp_path}/b.gpkg')
        assert [r["id"] for r in features(tmp_path / "b.gpkg")] == ids, where


def test_conditions_that_do_not_parse_are_shown_as_they_were_written(tmp_path):
    (tmp_path / "a.csv").write_text("area,kind,my size\n3,x,1\n4,y,2\n")
    for where, said, place in (("area > ", "ends where a value", 7), ("""area > 1 && "my size" > """, "ends where", 24),
                               ("kind == 'x' && area >> 3", "a value was expected", 21),
                               ("area > 1 && lenght(area) > 1", "unknown name lenght", 12),
                               ("kind == 'x' && aera > 3", "did you mean 'area'", 15), ("""kind == "x" """, "'single quotes'", 8),
                               ("where(area > 3, 1, 0)", "'where(a, b, c)' is written a ? b : c", 0)):
        shown = refused(2, """{}/a.csv ! filter '{}' ! {}/b.csv""".format(tmp_path, where, tmp_path) if "'" not in where else
                        '{}/a.csv ! filter "{}" ! {}/b.csv'.format(tmp_path, where.replace('"', '\\"'), tmp_path), names=said)
        lines = shown.split("\n")
        at = lines.index("  " + " " * place + "^")
        assert lines[at - 1].rstrip() == ("  " + where).rstrip(), shown


def test_columns_in_which_nothing_stands(tmp_path):
    """A text file does not tell what a column without a value would hold: numbers, times and texts may stand beside it."""
    (tmp_path / "a.csv").write_text("id,length,seen,name,kind\n1,,,,tug\n2,,,,cargo\n")
    (tmp_path / "e.csv").write_text("id,length,seen,name,kind\n")
    for source, ids in (("a.csv", [1, 2]), ("e.csv", [])):
        for condition, holds in (("length > 3", False), ("length * 2 <= id", False), ("name == 'ANNA'", False),
                                 ("seen >= '2021-01-02'", False), ("length == length", False), ("id > 0", True)):
            run(f"{tmp_path}/{source} ! filter \"{condition}\" ! {tmp_path}/o.csv")
            with open(tmp_path / "o.csv") as file:
                assert [int(r["id"]) for r in csv.DictReader(file)] == (ids if holds else []), condition
        run(f"{tmp_path}/{source} ! rank 'length=180~10' ! {tmp_path}/o.csv")
        assert len((tmp_path / "o.csv").read_text().splitlines()) == 1
    refused(2, f"{tmp_path}/a.csv ! filter 'kind > 3' ! {tmp_path}/x.csv", names="kind holds texts")
    refused(2, f"{tmp_path}/a.csv ! filter \"name < 'B'\" ! {tmp_path}/x.csv", names="== and != alone")
    refused(2, f"{tmp_path}/a.csv ! filter \"id == 'B'\" ! {tmp_path}/x.csv", names="id is a number")


def test_a_scene_without_a_ship_goes_through(tmp_path):
    write(tmp_path / "dark.tif", np.zeros((40, 50), np.float32))
    run(f"{tmp_path}/dark.tif ! expression 'b1 > 1' ! objects ! {tmp_path}/none.csv")
    run(f"{tmp_path}/none.csv ! filter 'length > 100 && contrast > 3' ! rank 'length=180~10' ! {tmp_path}/o.csv")
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 1

# SPDX-License-Identifier: Apache-2.0
"""Marine heatwaves of a series as a table: event by event and column by column against marineHeatWaves.py."""

import csv
import json

import numpy as np
import pytest

from fulmar_cli import call, refused, run, shared

CASES = [("mhw/mhw_tasman_r0c1_clim1982-2005", 1982, 2005, 94, float),
         # This table was made of the series in f32.
         ("mhw/mhw_NW_Atl_clim1982-2011", 1982, 2011, 130, lambda x: float(np.float32(x)))]


def rows_of(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def series_of(name, to_number, path, header="date,sst"):
    """The shipped series with its numbers as the table's author had them."""
    rows = rows_of(shared(f"{name}_series.csv"))
    lines = [f"{r['date']},{'' if r['sst'] in ('', 'nan') else repr(to_number(r['sst']))}" for r in rows]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.mark.parametrize("name, first, last, count, to_number", CASES, ids=["tasman", "nw_atlantic"])
def test_every_event_and_column(name, first, last, count, to_number, tmp_path):
    series = series_of(name, to_number, tmp_path / "s.csv")
    run(f"{series} ! heatwave_events --first {first} --last {last} ! {tmp_path}/e.csv")
    expected, found = rows_of(shared(f"{name}_events.csv")), rows_of(tmp_path / "e.csv")
    assert len(found) == len(expected) == count
    assert list(found[0]) == list(expected[0])
    for want, got in zip(expected, found):
        for column, value in want.items():
            if column.startswith("date"):
                assert got[column][:10].replace("/", "-") == value
            elif column == "category" or column.startswith("duration"):
                assert got[column] == value, (want["date_start"], column)
            else:  # ten digits are written
                assert float(got[column]) == pytest.approx(float(value), rel=1e-9, abs=1e-10), (want["date_start"], column)


def test_order_gaps_and_names_of_columns_do_not_matter(tmp_path):
    """Days without a row are days without a value; the columns are found, or named."""
    name, first, last, _, to_number = CASES[0]
    series = series_of(name, to_number, tmp_path / "s.csv")
    header, *lines = series.read_text().splitlines()
    dropped = set(range(100, 103)) | set(range(5000, 5040))
    empty = [f"{line.split(',')[0]}," if i in dropped else line for i, line in enumerate(lines)]
    (tmp_path / "empty.csv").write_text("\n".join([header, *empty]) + "\n")
    kept = [line for i, line in enumerate(lines) if i not in dropped]
    rng = np.random.default_rng(3)
    rng.shuffle(kept)
    (tmp_path / "kept.csv").write_text("\n".join(["day,water,depth", *(f"{line},{i}" for i, line in enumerate(kept))]) + "\n")
    options = f"--first {first} --last {last}"
    run(f"{tmp_path}/empty.csv ! heatwave_events {options} ! {tmp_path}/a.csv")
    result = call("run", "--overwrite", "--json", f"{tmp_path}/kept.csv ! heatwave_events {options} --time day "
                  f"--temperature water ! {tmp_path}/b.csv")
    assert result.code == 0, result.err
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    said = " ".join(json.loads(result.out)["notes"])
    assert "43 days have no row" in said and "rests on 24 years where 30 are asked for" in said


@pytest.mark.parametrize("absent, days", [
    (["2001-03-01"], 1),  # of a common year
    (["2004-02-29"], 1),  # of a leap year, where others have it
    ([f"{y}-02-29" for y in range(1992, 2009, 4)], 0),  # a calendar without it
    (["2004-02-28", *(f"{y}-02-29" for y in range(1992, 2009, 4))], 1),
])
def test_days_about_the_end_of_february(absent, days, tmp_path):
    """Three years have a warm spell from 20 February to 10 March; an absent day has no value."""
    every = np.arange("1991-01-01", "2009-01-01", dtype="datetime64[D]").astype(str)
    rng = np.random.default_rng(5)
    warm = {d for d in every if d[:4] in ("2001", "2004", "2008") and "02-20" <= d[5:] <= "03-10"}
    rows = [[d, "12.5" if d in warm else "10" if d[5:] in ("02-19", "03-11") else f"{rng.uniform(10, 11.7):.4f}"]
            for d in every]
    options = "heatwave_events --first 1991 --last 2008 --percentile 83 --smoothing 1 --half-width 0 --gap 0 --duration 8"
    gone = set(absent[:1]) if days else set()

    def table(name, keep):
        (tmp_path / name).write_text("date,sst\n" + "".join(f"{d},{v}\n" for d, v in keep))
        result = call("run", "--overwrite", "--json", f"{tmp_path}/{name} ! {options} ! {tmp_path}/out_{name}")
        assert result.code == 0, result.err
        return (tmp_path / f"out_{name}").read_text(), json.loads(result.out).get("notes", [])

    text, notes = table("absent.csv", [r for r in rows if r[0] not in absent])
    assert any(f"{days} days have no row" in n for n in notes) == (days > 0)
    empty, _ = table("empty.csv", [[d, "" if d in gone else v] for d, v in rows if d not in absent or d in gone])
    assert text == empty
    starts = {line[:10].replace("/", "-") for line in text.splitlines()[1:]}
    # The event ends at such a day, and the next begins the day after.
    assert starts == {f"{y}-02-20" for y in (2001, 2004, 2008)} | {
        "2004-03-01" if day == "2004-02-28" else str(np.datetime64(day) + 1) for day in gone}


def test_an_average_has_a_middle(tmp_path):
    series = tmp_path / "s.csv"
    series.write_text("date,sst\n2001-01-01,10\n")
    refused(2, f"{series} ! heatwave_events --smoothing 30 ! {tmp_path}/x.csv", names=("smoothing", "29 or 31"))


def test_cold_spells_are_heatwaves_of_the_negative(tmp_path):
    name, first, last, _, _ = CASES[0]
    warm = series_of(name, float, tmp_path / "w.csv")
    cold = series_of(name, lambda x: -float(x), tmp_path / "c.csv")
    run(f"{warm} ! heatwave_events --first {first} --last {last} ! {tmp_path}/w_out.csv")
    run(f"{cold} ! heatwave_events --first {first} --last {last} --cold ! {tmp_path}/c_out.csv")
    one, other = rows_of(tmp_path / "w_out.csv"), rows_of(tmp_path / "c_out.csv")
    assert [r["date_start"] for r in one] == [r["date_start"] for r in other]
    assert [float(r["intensity_max"]) for r in one] == [-float(r["intensity_max"]) for r in other]


def test_bad_series_are_said(tmp_path):
    out = tmp_path / "x.csv"
    series = tmp_path / "s.csv"
    series.write_text("date,sst\n2001-01-01,10\n2001-01-01,11\n")
    refused(3, f"{series} ! heatwave_events ! {out}", names="two rows are of 2001-01-01")
    series.write_text("date,sst\n1961-01-01,10\n1961-01-02,11\n")
    refused(3, f"{series} ! heatwave_events ! {out}", names="hold no day of the years 1983 to 2012")
    refused(2, f"{series} ! heatwave_events --temperature ss ! {out}", names=("no column 'ss'", "did you mean 'sst'?"))
    refused(3, f"{series} ! heatwave_events --time sst ! {out}", names="holds no dates")
    series.write_text("date,a,b\n2001-01-01,10,1\n2001-01-02,11,1\n")
    refused(3, f"{series} ! heatwave_events ! {out}", names=("several columns of numbers, and none is called sst or temperature", "--temperature"))
    series.write_text("date,sst\n")
    refused(3, f"{series} ! heatwave_events ! {out}", names="no rows")


def test_the_cube_says_that_its_climatology_is_short(tmp_path):
    cube = shared("mhw/oisst_tasman_2015_2016.nc")
    result = call("run", "--overwrite", "--json", f"{cube} ! heatwave --first 2015 --last 2016 ! {tmp_path}/h.tif")
    assert result.code == 0, result.err
    assert any("rests on 2 years" in note for note in json.loads(result.out)["notes"])

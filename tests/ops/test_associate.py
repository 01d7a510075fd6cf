# SPDX-License-Identifier: Apache-2.0
"""AIS and radar: predictions against pyproj, the azimuth shift of the specification, and assignments against SciPy."""

import csv
import math
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from pyproj import Geod
from scipy.optimize import linear_sum_assignment

from fulmar_cli import COAST, SCENE, features, refused, run, shared

GEOD = Geod(ellps="WGS84")
START = datetime(2021, 1, 5, 1, 58, tzinfo=timezone.utc)
WHEN = START.strftime("%Y-%m-%dT%H:%M:%SZ")
KNOT = 1852 / 3600
S0 = 50.0**2 + 10.0**2


def stamp(seconds):
    return (START + timedelta(seconds=float(seconds))).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def write_rows(path, rows):
    names = list(rows[0])
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if v is None else repr(float(v)) if isinstance(v, np.floating) else v
                             for k, v in row.items()})
    return path


def fix(mmsi, seconds, lon, lat, sog=None, cog=None, **more):
    return {"mmsi": mmsi, "time": stamp(seconds), "lon": lon, "lat": lat, "sog": sog, "cog": cog, **more}


def associate(tmp_path, detections, fixes, *words):
    ships = write_rows(tmp_path / "ships.csv", detections)
    ais = write_rows(tmp_path / "ais.csv", fixes)
    out = tmp_path / "out.csv"
    run(f"{ships} ! associate --ais {ais} --time {WHEN} {' '.join(words)} ! {out}")
    with open(out) as file:
        return list(csv.DictReader(file))


def test_interpolation_runs_along_the_geodesic(tmp_path):
    """Between two positions, here across the antimeridian at 60 degrees south, as pyproj goes."""
    a, b = (179.9, -60.0), (-179.7, -60.1)
    az, _, distance = GEOD.inv(*a, *b)
    lon, lat, _ = GEOD.fwd(*a, az, distance * 600 / 1500)
    east, north, _ = GEOD.fwd(lon, lat, 77, 123.0)
    rows = associate(tmp_path, [{"lon": east, "lat": north}],
                     [fix(211000001, -600, *a), fix(211000001, 900, *b)])
    assert [r["state"] for r in rows] == ["matched"]
    assert float(rows[0]["offset"]) == pytest.approx(123.0, abs=1e-3)
    assert float(rows[0]["offset_bearing"]) == pytest.approx(77, abs=1e-3)
    assert float(rows[0]["age"]) == 600 and rows[0]["reckoned"] == "0"


def test_reckoning_and_the_growth_of_the_covariance(tmp_path):
    at, sog, cog, dt = (10.0, 54.0), 12.0, 37.0, 420
    lon, lat, _ = GEOD.fwd(*at, cog, sog * KNOT * dt)
    across, along = GEOD.fwd(lon, lat, cog + 90, 200), GEOD.fwd(lon, lat, cog, 200)
    for (x, y, _), variance in ((along, S0 + (0.5 * dt) ** 2), (across, S0 + (sog * KNOT * math.radians(5) * dt) ** 2)):
        rows = associate(tmp_path, [{"lon": x, "lat": y}], [fix(211000001, -dt, *at, sog, cog)])
        assert rows[0]["state"] == "matched" and rows[0]["reckoned"] == "1"
        assert float(rows[0]["d2"]) == pytest.approx(200**2 / variance, rel=1e-4)
    # Older than ten minutes is too old, and half an hour between two positions too long; both ships are then unknown.
    rows = associate(tmp_path, [{"lon": at[0], "lat": at[1]}],
                     [fix(211000001, -601, *at, 0, 0), fix(211000002, -901, *at), fix(211000002, 900, *at)])
    assert [r["state"] for r in rows] == ["dark"]
    # The gate: 9.210 squared sigmas, and 2 km whatever the covariance.
    edge = math.sqrt(9.210 * S0)
    for distance, state in ((edge - 0.5, "matched"), (edge + 0.5, "dark")):
        x, y, _ = GEOD.fwd(*at, 211, distance)
        assert associate(tmp_path, [{"lon": x, "lat": y}], [fix(211000001, 0, *at)])[0]["state"] == state
    for distance, state in ((1999, "matched"), (2001, "dark")):
        x, y, _ = GEOD.fwd(*at, 211, distance)
        assert associate(tmp_path, [{"lon": x, "lat": y}], [fix(211000001, 0, *at)], "--sigma-sar 2000")[0]["state"] == state


def test_a_ship_without_a_course_stays_and_may_have_gone_anywhere(tmp_path):
    """COG 360 says that the course is not known, as ships at anchor do."""
    at, sog, dt = (10.0, 54.0), 0.4, 120
    lon, lat, _ = GEOD.fwd(*at, 200, 60)
    astray = (sog * KNOT * dt) ** 2
    for cog in (360, None):
        row, = associate(tmp_path, [{"lon": lon, "lat": lat}], [fix(211000001, -dt, *at, sog, cog)], "--sigma-sog 0")
        assert row["state"] == "matched" and float(row["d2"]) == pytest.approx(60**2 / (S0 + astray), rel=1e-4)
    # Without a speed it has no place, and the run says so.
    ships, ais = tmp_path / "ships.csv", write_rows(tmp_path / "ais.csv", [fix(211000001, -dt, *at)])
    said = run(f"{ships} ! associate --ais {ais} --time {WHEN} ! {tmp_path}/o.csv").out
    assert "1 ship of AIS tells no speed near the time of the scene" in said


def test_the_unseen_have_their_place_in_columns_too(tmp_path):
    rows = associate(tmp_path, [{"lon": 10.0, "lat": 54.0}, {"lon": 10.2, "lat": 54.2}], [fix(211000001, 0, 10.1, 54.1, 0, 0)])
    unseen, = (r for r in rows if r["state"] == "unseen")
    assert (float(unseen["lon"]), float(unseen["lat"])) == (10.1, 54.1)


def test_azimuth_shift_of_the_specification(tmp_path):
    """operators.md 11.8: R = 850 km, V = 7590 m/s, 10 m/s straight away from the radar, 38 degrees: -689 m."""
    at, look = (10.0, 54.0), 80.0
    sog = 10 / KNOT
    geometry = f"--platform-speed 7590 --range 850000 --incidence 38 --look {look}"
    shift = 850000 * -10 * math.sin(math.radians(38)) / 7590
    assert round(shift) == -689
    flight = look - 90
    x, y, _ = GEOD.fwd(*at, flight, shift)
    rows = associate(tmp_path, [{"lon": x, "lat": y}], [fix(211000001, 0, *at, sog, look)], geometry)
    assert float(rows[0]["shift"]) == pytest.approx(shift, abs=0.01)
    assert float(rows[0]["offset"]) == pytest.approx(0, abs=0.01)
    # Approaching is displaced forwards; along the flight nothing is; and a radar that looks left flies the other way.
    rows = associate(tmp_path, [{"lon": at[0], "lat": at[1]}],
                     [fix(211000001, 0, *at, sog, look + 180)], geometry, "--sigma-sar 900")
    assert float(rows[0]["shift"]) == pytest.approx(-shift, abs=0.01)
    rows = associate(tmp_path, [{"lon": at[0], "lat": at[1]}], [fix(211000001, 0, *at, sog, flight % 360)], geometry)
    assert float(rows[0]["shift"]) == pytest.approx(0, abs=1e-6)
    x, y, _ = GEOD.fwd(*at, look + 90, shift)
    rows = associate(tmp_path, [{"lon": x, "lat": y}], [fix(211000001, 0, *at, sog, look)], geometry, "--looks left")
    assert float(rows[0]["offset"]) == pytest.approx(0, abs=0.01)
    assert "together" in refused(2, f"{tmp_path}/ships.csv ! associate --ais {tmp_path}/ais.csv --time {WHEN} "
                                    f"--range 850000 ! {tmp_path}/x.csv")


def test_the_time_is_that_of_the_line(tmp_path):
    """A ship at 10 m/s is a kilometre further when the line a hundred seconds later is taken."""
    at = (10.0, 54.0)
    lon, lat, _ = GEOD.fwd(*at, 90, 1000)
    rows = associate(tmp_path, [{"lon": lon, "lat": lat, "row": 50000}],
                     [fix(211000001, 0, *at, 10 / KNOT, 90)], "--line-time 0.002")
    assert float(rows[0]["offset"]) == pytest.approx(0, abs=0.01)
    # Without a scene's time the detections' own column counts.
    ships = write_rows(tmp_path / "own.csv", [{"lon": lon, "lat": lat, "seen": stamp(100)}])
    run(f"{ships} ! associate --ais {tmp_path}/ais.csv ! {tmp_path}/own_out.csv")
    with open(tmp_path / "own_out.csv") as file:
        assert float(next(csv.DictReader(file))["offset"]) == pytest.approx(0, abs=0.01)
    ships = write_rows(tmp_path / "none.csv", [{"lon": lon, "lat": lat}])
    refused(2, f"{ships} ! associate --ais {tmp_path}/ais.csv ! {tmp_path}/x.csv", names="--time")


def test_total_cost_is_scipys_on_hundreds_of_groups(tmp_path):
    """300 groups far from each other, each with its own least cost by scipy.optimize.linear_sum_assignment."""
    rng = np.random.default_rng(11)
    detections, fixes, groups = [], [], []
    for g in range(300):
        lon, lat = -175 + 14 * (g % 25), -66 + 11 * (g // 25)
        n, m = rng.integers(1, 9), rng.integers(1, 9)
        seen = [GEOD.fwd(lon, lat, *p)[:2] for p in zip(rng.uniform(0, 360, n), rng.uniform(0, 300, n))]
        ships = [(GEOD.fwd(lon, lat, a, d)[:2], int(age), float(sog), float(cog)) for a, d, age, sog, cog in zip(
            rng.uniform(0, 360, m), rng.uniform(0, 300, m), rng.integers(-120, 120, m), rng.uniform(0, 15, m),
            rng.uniform(0, 359, m))]
        first = len(detections)
        for place in seen:
            detections.append({"lon": place[0], "lat": place[1], "length": rng.uniform(20, 300)})
        group = []
        for place, age, sog, cog in ships:
            mmsi = 211000000 + len(fixes)
            length = rng.uniform(20, 300)
            fixes.append(fix(mmsi, age, place[0], place[1], sog, cog, length=length))
            group.append((mmsi, place, age, sog * KNOT, cog, length))
        groups.append((range(first, len(detections)), group))
    order = rng.permutation(len(fixes))
    rows = associate(tmp_path, detections, [fixes[i] for i in order], "--sigma-length 60")
    by_row = rows[: len(detections)]
    worse = 0
    for members, ships in groups:
        cost = np.full((len(members), len(ships) + len(members)), 1e9)
        single = np.full(len(members), 9.210)
        for i, row in enumerate(members):
            for j, (_, place, age, sog, cog, length) in enumerate(ships):
                lon, lat, _ = GEOD.fwd(*place, cog, -sog * age)
                az, _, distance = GEOD.inv(lon, lat, detections[row]["lon"], detections[row]["lat"])
                angle = math.radians(az - cog)
                along = S0 + (0.5 * age) ** 2
                across = S0 + (sog * math.radians(5) * age) ** 2
                d2 = (distance * math.cos(angle)) ** 2 / along + (distance * math.sin(angle)) ** 2 / across
                if d2 > 9.210 or distance > 2000:
                    continue
                growth = math.log(along / S0) + math.log(across / S0)
                cost[i, j] = d2 + growth + ((detections[row]["length"] - length) / 60) ** 2
                single[i] = max(single[i], 9.210 + growth)
        for i in range(len(members)):
            cost[i, len(ships) + i] = single[i]
        best = cost[linear_sum_assignment(cost)].sum()
        greedy = 0.0
        mine, taken = 0.0, set()
        for i, row in enumerate(members):
            r = by_row[row]
            if r["state"] == "dark":
                mine += single[i]
                continue
            j = [s[0] for s in ships].index(int(r["mmsi"]))
            assert j not in taken
            taken.add(j)
            mine += cost[i, j]
            assert float(r["cost"]) == pytest.approx(cost[i, j], abs=1e-4)
            others = np.delete(cost[i], j)
            assert float(r["margin"]) == pytest.approx(others.min() - cost[i, j], abs=1e-4)
        assert mine == pytest.approx(best, abs=1e-3)
        left = cost.copy()
        for i in range(len(members)):
            j = left[i].argmin()
            greedy += left[i, j]
            if j < len(ships):
                left[:, j] = 1e9
        worse += greedy > best + 1e-6
    assert worse > 20, "the groups must be hard enough that taking the nearest is not the answer"


def test_outcomes_and_what_is_kept(tmp_path):
    at = (-179.999, 10.0)
    near = GEOD.fwd(*at, 270, 250)[:2]  # on the other side of the antimeridian
    detections = [{"id": 1, "lon": near[0], "lat": near[1]}, {"id": 2, "lon": 179.5, "lat": 10.4},
                  {"id": 3, "lon": -179.6, "lat": 9.6}, {"id": 4, "lon": None, "lat": None}]
    fixes = [fix(211000001, 0, *at, name="ANNA"), fix(211000002, 0, -179.9, 10.1, name="BERTA"),
             fix(211000003, 0, -170.0, 10.1, name="FAR")]
    rows = associate(tmp_path, detections, fixes, "--sigma-sar 200")
    assert [r["state"] for r in rows] == ["matched", "dark", "dark", "dark", "unseen"]
    assert [r["id"] for r in rows] == ["1", "2", "3", "4", ""]
    assert rows[0]["ais_name"] == "ANNA" and rows[4]["ais_name"] == "BERTA" and rows[0]["mmsi"] == "211000001"
    for keep, count in (("matched", 1), ("dark", 3), ("unseen", 1)):
        assert len(associate(tmp_path, detections, fixes, "--sigma-sar 200", f"--keep {keep}")) == count
    out = tmp_path / "out.gpkg"
    run(f"{tmp_path}/ships.csv ! associate --ais [ {tmp_path}/ais.csv ! ais ] --time {WHEN} --keep unseen ! {out}")
    assert len(features(out)) == 2  # with 50 m the first is too far off


def test_real_detections_meet_ships_made_from_them(tmp_path):
    """The detections of GFW and KSAT in the Pacific, each scene at its time, and their match table: which ship is which
    detection, which detections are dark, and which ships of AIS the radar did not see. The tracks are not published:
    they are made here, up to 10 minutes around the scene and up to 100 m off the detection that the table names."""
    path = shared("ais/gfw_ksat_sar_detections_pacific.csv")
    with open(path) as file:
        seen = {r["DetectionId"]: r for r in csv.DictReader(file)}
    with open(shared("ais/gfw_longline_pacific_matches.csv")) as file:
        reference = [r for r in csv.DictReader(file)]
    matched = {r["detect_id"]: r["ssvid"] for r in reference if r["ssvid"] and r["detect_id"] in seen}
    scenes = {}
    for r in seen.values():
        scenes.setdefault(r["scene_id"], []).append(r)
    unseen = [r for r in reference if r["ssvid"] and r["detect_id"] not in seen and r["scene_id"] in scenes]
    assert len(matched) > 30 and len(unseen) > 10 and len(seen) > len(matched)
    rng = np.random.default_rng(3)
    fixes = []

    def report(ssvid, when, lon, lat):
        sog, cog = rng.uniform(2, 12), rng.uniform(0, 359)
        for dt in (-rng.integers(60, 600), rng.integers(60, 600)):
            x, y, _ = GEOD.fwd(lon, lat, cog, sog * KNOT * float(dt))
            fixes.append({"mmsi": int(float(ssvid)), "time": (when + timedelta(seconds=int(dt))).isoformat(),
                          "lon": x, "lat": y, "sog": sog, "cog": cog})

    for detection, ssvid in matched.items():
        r = seen[detection]
        lon, lat, _ = GEOD.fwd(float(r["lon"]), float(r["lat"]), rng.uniform(0, 360), rng.uniform(0, 100))
        report(ssvid, datetime.fromisoformat(r["ProductStartTime"]), lon, lat)
    for r in unseen:  # within the scene, 5 km and more from all that was detected there
        there = scenes[r["scene_id"]]
        lon, lat = ([float(d[k]) for d in there] for k in ("lon", "lat"))
        while True:
            x, y = rng.uniform(min(lon), max(lon)), rng.uniform(min(lat), max(lat))
            if all(GEOD.inv(x, y, u, v)[2] > 5000 for u, v in zip(lon, lat)):
                break
        report(r["ssvid"], datetime.fromisoformat(there[0]["ProductStartTime"]), x, y)
    ais = write_rows(tmp_path / "ais.csv", fixes)
    out = tmp_path / "out.csv"
    run(f"{path} ! associate --ais {ais} ! {out}")
    with open(out) as file:
        rows = list(csv.DictReader(file))
    found = [r for r in rows if r["state"] != "unseen"]
    assert len(found) == len(seen)
    for r in found:
        expected = matched.get(r["DetectionId"], "")
        assert r["mmsi"] == (str(int(float(expected))) if expected else ""), r["DetectionId"]
        assert r["state"] == ("matched" if expected else "dark")
    assert max(float(r["offset"]) for r in found if r["state"] == "matched") > 50
    missed = {str(int(float(r["ssvid"]))) for r in unseen}
    assert {r["mmsi"] for r in rows if r["state"] == "unseen"} >= missed


def test_from_the_radar_scene_to_the_dark_ships(tmp_path):
    """One pipeline from cells to dark ships; AIS is made from every second detection, moving, ten minutes around it."""
    chain = f"{SCENE} ! linear ! mask --with {COAST} --buffer 250 ! cfar --pfa 1e-6 --guard 210 --background 750 ! objects --min-area 1800"
    run(f"{chain} ! {tmp_path}/ships.gpkg")
    ships = features(tmp_path / "ships.gpkg")
    assert len(ships) > 30
    rng = np.random.default_rng(4)
    fixes = []
    for ship in ships[::2]:
        sog, cog = rng.uniform(0, 12), rng.uniform(0, 359)
        for dt in (-300, 300):
            lon, lat, _ = GEOD.fwd(ship["lon"], ship["lat"], cog, sog * KNOT * dt)
            fixes.append({"MMSI": 211000000 + ship["id"], "BaseDateTime": stamp(dt), "LAT": lat, "LON": lon, "SOG": sog,
                          "COG": cog, "Heading": 511})
    # Three that the radar did not see, and a fourth outside the scene.
    for k, (lon, lat) in enumerate([(-118.25, 33.68), (-118.22, 33.69), (-118.20, 33.66), (-100.0, 20.0)]):
        if all(GEOD.inv(lon, lat, s["lon"], s["lat"])[2] > 2500 for s in ships[::2]) or k == 3:
            fixes.append({"MMSI": 211900000 + k, "BaseDateTime": stamp(0), "LAT": lat, "LON": lon, "SOG": 0, "COG": 0,
                          "Heading": 511})
    ais = write_rows(tmp_path / "ais.csv", fixes)
    run(f"{chain} ! associate --ais [ {ais} ! ais ] --time {WHEN} ! [ {tmp_path}/all.gpkg ] "
        f"! filter \"state == 'dark'\" ! {tmp_path}/dark.geojson")
    rows = features(tmp_path / "all.gpkg")
    seen = [r for r in rows if r["state"] != "unseen"]
    assert [r["id"] for r in seen] == [s["id"] for s in ships]
    for i, r in enumerate(seen):
        assert r["state"] == ("dark" if i % 2 else "matched") or r["mmsi"] is not None
        if i % 2 == 0:
            assert r["mmsi"] == 211000000 + r["id"] and r["offset"] < 1
    assert len(features(tmp_path / "dark.geojson")) == sum(r["state"] == "dark" for r in seen) > 10
    assert 211900003 not in [r["mmsi"] for r in rows]


def test_ais_of_another_time_makes_no_ship_dark(tmp_path):
    (tmp_path / "ais.csv").write_text("MMSI,BaseDateTime,LAT,LON,SOG,COG\n412000001,2021-01-05T01:50:00,33.6,-118.1,5,90\n"
                                      "412000001,2021-01-05T02:00:00,33.6,-118.0,5,90\n")
    (tmp_path / "d.csv").write_text("id,lon,lat,length\n1,-118.05,33.6,100\n")
    text = f"{tmp_path}/d.csv ! associate --ais [ {tmp_path}/ais.csv ! ais ] --time {{}} ! {tmp_path}/o.csv"
    run(text.format("2021-01-05T01:55:00"))
    refused(3, text.format("2019-01-05T01:55:00").replace("o.csv", "x.csv"),
            names=["no position near the time of the scene", "2021-01-05T01:50:00", "--time"])
    (tmp_path / "ais.csv").write_text("MMSI,BaseDateTime,LAT,LON,SOG,COG\n412000001,2021-01-05T01:50:00,-118.1,33.6,5,90\n")
    refused(3, text.format("2021-01-05T01:50:00").replace("o.csv", "y.csv"), names=["none of the 1 positions", "columns"])


@pytest.mark.parametrize("times, words, matched", [
    ((0, 20, 40), "", 1), ((0, 20, 80), "", 2), ((0, 31, 62), "", 3), ((0, 20, 80), "--scene-gap 60", 1),
    ((40, 0, 20), "", 1)])
def test_a_pause_begins_another_scene(tmp_path, times, words, matched):
    """Lines that follow one another are one scene, however long it is; a ship is seen once in each."""
    ships = write_rows(tmp_path / "ships.csv", [{"lon": 10.0, "lat": 54.0, "time": stamp(t)} for t in times])
    ais = write_rows(tmp_path / "ais.csv", [fix(211000001, t, 10.0, 54.0, 0.0) for t in (-100, 200)])
    run(f"{ships} ! associate --ais {ais} {words} ! {tmp_path}/out.csv")
    with open(tmp_path / "out.csv") as file:
        states = [r["state"] for r in csv.DictReader(file)]
    assert states.count("matched") == matched and states.count("dark") == 3 - matched and len(states) == 3

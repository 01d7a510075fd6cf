#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against libais, pandas and SciPy: sentences of AIS to clean positions, and detections matched with them.

usage: peers/ships.py FULMAR [--size 200000] [--runs 3] [--folder DIR] [--threads N] [--only ais,associate]

--size is the number of sentences; of detections, and of ships to match them with, there are a tenth. ais: libais
(python3-ais) decodes, pandas sorts and drops what is said twice or implies more than 60 knots. associate: ships reckoned by
pyproj, pairs within the gate by a k-d tree in space, the least total cost by scipy.optimize.linear_sum_assignment in each
group of them.
"""
from race import needs, products, scene, start

EPOCH, KNOT = 1609812000, 1852 / 3600  # 2021-01-05T02:00:00Z
GATE, FAR, SAR = 9.21, 2000.0, 50.0 ** 2 + 10.0 ** 2


def make_log(path, sentences):
    """Position reports of ships that keep their course, a minute apart, in the order of time, some said twice."""
    import numpy as np
    rng, ships = np.random.default_rng(1), max(1, sentences // 60)
    lon, lat, knots, course = (rng.uniform(a, b, ships) for a, b in ((-170, 170), (-60, 60), (0, 20), (0, 359)))
    digits = [chr(c + 48 if c < 40 else c + 56) for c in range(64)]

    def checked(text):
        total = 0
        for c in text.encode():
            total ^= c
        return f"{text}*{total:02X}"
    with open(path, "w") as out:
        for minute in range(60):
            east, north = (knots * KNOT * 60 * minute * f(np.radians(course)) for f in (np.sin, np.cos))
            y = lat + north / 111000
            x = lon + east / (111000 * np.cos(np.radians(lat)))
            for k in range(ships):
                bits = 0
                for value, width in ((1, 6), (0, 2), (211000000 + k, 30), (0, 4), (128, 8), (round(knots[k] * 10), 10), (0, 1),
                                     (round(x[k] * 600000) % 2 ** 28, 28), (round(y[k] * 600000) % 2 ** 27, 27),
                                     (round(course[k] * 10), 12), (int(course[k]), 9), (minute, 6), (0, 25)):
                    bits = bits << width | value
                payload = "".join(digits[bits >> 6 * (27 - i) & 63] for i in range(28))
                line = f"\\{checked(f'c:{EPOCH + 60 * minute}')}\\!{checked(f'AIVDM,1,1,,B,{payload},0')}\n"
                out.write(line * (2 if (k + minute) % 50 == 0 else 1))


def sphere(lon, lat):
    import numpy as np
    lon, lat = np.radians(lon), np.radians(lat)
    return 6371000 * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)


@needs("ais", "pandas", "re")
def libais(log, target):
    import re
    from functools import reduce
    from operator import xor

    import ais
    import numpy as np
    import pandas
    line, rows = re.compile(r"\\c:(\d+)\*..\\!(AIVDM,1,1,,.,([^,]*),(\d))\*(..)"), []
    with open(log) as file:
        for text in file:
            found = line.match(text)
            if found and reduce(xor, found[2].encode()) == int(found[5], 16):
                m = ais.decode(found[3], int(found[4]))
                rows.append((m["mmsi"], int(found[1]), m["x"], m["y"], m["sog"], m["cog"], m["true_heading"]))
    table = pandas.DataFrame(rows, columns=["mmsi", "time", "lon", "lat", "sog", "cog", "heading"])
    table = table[(table.lon.abs() <= 180) & (table.lat.abs() <= 90)].drop_duplicates(["mmsi", "time"]).sort_values(["mmsi", "time"])
    places = sphere(table.lon, table.lat)
    metres = np.r_[0, np.sqrt(((places[1:] - places[:-1]) ** 2).sum(axis=1))]
    seconds, same = table.time.diff().to_numpy(), table.mmsi.diff().to_numpy() == 0
    table = table[~(same & (metres > 60 * KNOT * seconds))]
    table.time = pandas.to_datetime(table.time, unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    table.to_csv(target, index=False)


def check_ais(ours, theirs):
    import numpy as np
    import pandas
    a, b = (pandas.read_csv(p) for p in (ours, theirs))
    if len(a) != len(b) or (a.mmsi != b.mmsi).any() or (a.time != b.time).any():
        raise SystemExit(f"{len(a)} positions here, {len(b)} there, or of other ships or times")
    off = max(float(np.abs(a[n] - b[n].round(7 if n in ("lon", "lat") else 1)).max()) for n in ("lon", "lat", "sog", "cog", "heading"))
    if off > 1e-7:  # libais has f32 speeds and courses, of tenths
        raise SystemExit(f"positions, speeds or courses differ by {off}")
    return f"{len(a)} positions, values within {off:.1g}"


def make_ais(path, sentences):
    """Ships in harbours of ten, each said once, up to two minutes before or after the scene."""
    import numpy as np
    rng, ships = np.random.default_rng(2), sentences // 10
    harbours = np.stack([rng.uniform(-170, 170, ships // 10 + 1), rng.uniform(-60, 60, ships // 10 + 1)], 1)
    with open(path, "w") as out:
        out.write("mmsi,time,lon,lat,sog,cog\n")
        for k in range(ships):
            lon, lat = harbours[k // 10] + rng.normal(0, 0.003, 2)
            age = int(rng.integers(-120, 120))
            stamp = np.datetime_as_string(np.datetime64(EPOCH + age, "s"))
            out.write(f"{211000000 + k},{stamp}Z,{lon:.7f},{lat:.7f},{rng.uniform(0, 15):.1f},{rng.uniform(0, 359):.1f}\n")


def make_detections(path, sentences, ais):
    import numpy as np
    rng = np.random.default_rng(3)
    places = np.genfromtxt(ais, delimiter=",", names=True, usecols=(2, 3))
    with open(path, "w") as out:
        out.write("id,lon,lat\n")
        for k, (lon, lat) in enumerate(places):
            if k % 7:
                out.write(f"{k},{lon + rng.normal(0, 0.002):.7f},{lat + rng.normal(0, 0.002):.7f}\n")


@needs("pandas", "pyproj", "scipy.optimize", "scipy.spatial", "scipy.sparse.csgraph")
def assigned(detections, ais, target):
    import numpy as np
    import pandas
    from pyproj import Geod
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree
    geod, seen, ships = Geod(ellps="WGS84"), pandas.read_csv(detections), pandas.read_csv(ais)
    dt = EPOCH - (pandas.to_datetime(ships.time).dt.tz_localize(None) - pandas.Timestamp(0)).dt.total_seconds().to_numpy()
    speed, course = ships.sog.to_numpy() * KNOT, ships.cog.to_numpy()
    lon, lat, _ = geod.fwd(ships.lon.to_numpy(), ships.lat.to_numpy(), course, speed * dt)
    near = cKDTree(sphere(seen.lon, seen.lat)).sparse_distance_matrix(cKDTree(sphere(lon, lat)), 1.02 * FAR, output_type="coo_matrix")
    i, j = near.row, near.col
    azimuth, _, metres = geod.inv(lon[j], lat[j], seen.lon.to_numpy()[i], seen.lat.to_numpy()[i])
    angle = np.radians(azimuth - course[j])
    along, across = SAR + (0.5 * dt[j]) ** 2, SAR + (speed[j] * np.radians(5) * dt[j]) ** 2
    d2 = (metres * np.cos(angle)) ** 2 / along + (metres * np.sin(angle)) ** 2 / across
    growth = np.log(along / SAR) + np.log(across / SAR)
    use = (d2 <= GATE) & (metres <= FAR)
    i, j, cost, growth = i[use], j[use], (d2 + growth)[use], growth[use]
    single = np.full(len(seen), GATE)
    np.maximum.at(single, i, GATE + growth)
    n = len(seen) + len(ships)
    _, group = connected_components(coo_matrix((np.ones(len(i)), (i, len(seen) + j)), (n, n)), directed=False)
    order = np.argsort(group[i], kind="stable")
    i, j, cost, group = i[order], j[order], cost[order], group[i][order]
    mmsi, total = np.zeros(len(seen), np.int64), single.copy()
    for pairs in np.split(np.arange(len(i)), np.flatnonzero(np.diff(group)) + 1):
        rows, r = np.unique(i[pairs], return_inverse=True)
        columns, c = np.unique(j[pairs], return_inverse=True)
        matrix = np.full((len(rows), len(columns) + len(rows)), 1e9)
        matrix[r, c] = cost[pairs]
        matrix[np.arange(len(rows)), len(columns) + np.arange(len(rows))] = single[rows]
        for a, b in zip(*linear_sum_assignment(matrix)):
            if b < len(columns):
                mmsi[rows[a]], total[rows[a]] = ships.mmsi[columns[b]], matrix[a, b]
    seen["mmsi"], seen["cost"] = mmsi, total
    seen.to_csv(target, index=False)


def check_pairs(ours, theirs):
    import numpy as np
    import pandas
    a, b = pandas.read_csv(ours), pandas.read_csv(theirs)
    a = a[a.state != "unseen"].sort_values("id")
    mine = a.mmsi.fillna(0).to_numpy(np.int64)
    if len(a) != len(b) or (mine != b.mmsi).any():
        raise SystemExit(f"{(mine != b.mmsi).sum() if len(a) == len(b) else len(a)} of {len(b)} detections have other ships")
    pairs = mine != 0
    off = float(np.abs(a.cost.to_numpy()[pairs] - b.cost.to_numpy()[pairs]).max())
    if off > 1e-3:
        raise SystemExit(f"costs differ by {off}")
    return f"{pairs.sum()} of {len(b)} detections have the same ships, costs within {off:.1g}"


def decoded(options, folder, race):
    log, out = scene(options, folder, "receiver", make_log, kind="nmea"), products(folder, "ais", "libais", kind="csv")
    race.run("ais", f"{log} ! ais ! {out['fulmar']}", {"libais": race.peer("libais", log, out["libais"])},
             lambda who: check_ais(out["fulmar"], out[who]))


def matched(options, folder, race):
    ais = scene(options, folder, "positions", make_ais, kind="csv")
    detections = scene(options, folder, "detections", make_detections, ais, kind="csv")
    out = products(folder, "associated", "scipy", kind="csv")
    race.run("associate", f"{detections} ! associate --ais {ais} --time 2021-01-05T02:00:00Z ! {out['fulmar']}",
             {"scipy": race.peer("assigned", detections, ais, out["scipy"])}, lambda who: check_pairs(out["fulmar"], out[who]))


if __name__ == "__main__":
    start(__doc__, {"ais": {"ais": decoded}, "associate": {"associate": matched}}, [libais, assigned], 200000)

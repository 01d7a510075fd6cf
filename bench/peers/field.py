#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One among 200,000: detects, measures and ranks all bars of a field against one signature, file to file.

usage: peers/field.py FULMAR [--folder DIR] [--runs 5] [--threads 2] [--side 20000] [--objects 200000]

The field is made once in the folder (a temporary one if none is given) by make_field.py, which keeps the truth: the answer
is right if every bar is found once, with the cells that it has, and the planted one is ranked first, nearer than the next.
Then each stage runs in turn, with a warm page cache: decoding alone; detecting and labelling (nothing is kept); measuring,
outlining and ranking as well, of which the ten likest are written; and everything written, with outlines.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from race import record, spent

here = os.path.dirname(os.path.abspath(__file__))
python = "/usr/bin/python3"

# Run in a process of its own, so that a child's peak memory is not what its parent holds. A bar that lies nearly along
# the rows covers another row of cells on part of its length, which moves its middle by up to two cells; bars are 44 apart.
check = """
import csv, sys
import numpy as np
from scipy.spatial import cKDTree
truth_file, signature_file, objects_file, ranked_file = sys.argv[1:5]
truth = np.genfromtxt(truth_file, delimiter=",", names=True)
planted = next(csv.DictReader(open(signature_file)))
rows = np.genfromtxt(objects_file, delimiter=",", names=True)
ranked = list(csv.DictReader(open(ranked_file)))
near, which = cKDTree(np.c_[truth["column"], truth["row"]]).query(np.c_[rows["column"], rows["row"]])
first = ranked[0]
off = max(abs(float(first["column"]) - float(planted["column"])), abs(float(first["row"]) - float(planted["row"])))
print(len(rows), len(set(which)), int((near < 2.5).sum()), int((rows["cells"] == truth["cells"][which]).sum()), int(off < 1.5),
      ranked[0]["distance"], ranked[1]["distance"])
"""


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--folder")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--side", type=int, default=20000)
    p.add_argument("--objects", type=int, default=200000)
    p.add_argument("--record", help="appends every row to this CSV file")
    a = p.parse_args()
    temporary = None if a.folder else tempfile.TemporaryDirectory()
    folder = a.folder or temporary.name
    stem = os.path.join(folder, f"field_{a.side}_{a.objects}")
    field = stem + ".tif"
    if not os.path.exists(stem + ".signature.csv"):
        print("making the field; this takes half a minute", flush=True)
        subprocess.check_call([python, os.path.join(here, "..", "make_field.py"), field, "--side", str(a.side),
                               "--objects", str(a.objects)])
    product = lambda name: os.path.join(folder, "field_" + name)
    detect = f"'{field}' ! expression 'b1 > 100' ! objects --intensity [ '{field}' ]"
    # The signature in metres, cells being 10 m; scales are what make_field.py keeps others away by.
    rank = "rank 'length=240~24,width=50~5,heading=37~10,mean=203~12' --top 10"
    run = lambda text: [a.fulmar, "run", "--quiet", "--overwrite", "--threads", str(a.threads), text]
    every = run(f"{detect} ! '{product('all.csv')}'")
    stages = {
        "decoding alone": [python, os.path.join(here, "decode.py"), field, str(a.threads)],
        "and detecting, labelling": run(f"{detect} --min-area 1e12 ! '{product('none.csv')}'"),
        "and measuring, outlining, ranking": run(f"{detect} ! {rank} ! '{product('likest.csv')}'"),
        "and writing all with outlines (.fgb)": run(f"{detect} ! [ '{product('all.fgb')}' ] ! {rank} ! '{product('likest.csv')}'"),
    }
    spent(every)
    spent(stages["and measuring, outlining, ranking"])
    rows, apart, near, alike, first, d1, d2 = subprocess.check_output(
        [python, "-c", check, stem + ".csv", stem + ".signature.csv", product("all.csv"), product("likest.csv")]).split()
    print(f"{int(rows)} objects, {int(apart)} bars of {a.objects}; {int(near)} in place, {int(alike)} with all their cells; "
          f"planted one first: {bool(int(first))}, at distance {float(d1):.3f}, the next at {float(d2):.3f}")
    if not all(int(n) == a.objects for n in (rows, apart, near, alike)) or not int(first) or not float(d1) < float(d2):
        sys.exit("the answer is wrong; nothing is timed")

    times = {name: [] for name in stages}
    for _ in range(a.runs):
        for name, command in stages.items():
            times[name].append(spent(command))
    for name, all_runs in times.items():
        wall, cpu, memory = (statistics.median(v) for v in zip(*all_runs))
        print(f"{name:38} {wall:6.2f} s (CPU {cpu:5.2f} s, best {min(r[0] for r in all_runs):5.2f} s) {memory:6.0f} MiB")
        record(a.record, "field", "pipeline", a.side, "fulmar " + name if name.startswith("and") else name, a.threads,
               [wall, cpu, memory], "5 s" if "ranking" in name else "")


if __name__ == "__main__":
    main()

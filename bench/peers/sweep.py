#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every comparison in one run, and what comes of it: each operator against its fastest peer, beside the targets.

usage: peers/sweep.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N] [--limit 10] [--record FILE.csv]
                      [--scripts terrain.py,cfar.py] [--quick]
       peers/sweep.py --table FILE.csv

Runs the scripts one after the other and keeps their rows in one CSV file, of which the table is made; --table prints that of
a file that is there. --quick leaves the whole pipelines out. A ratio is the fastest peer's time over Fulmar's. Where reading
and writing alone (GDAL, one thread) takes more of the peer's CPU than the target leaves, the target is out of reach.
"""
import argparse
import csv
import os
import subprocess
import sys
import tempfile

from race import FLOOR, ONE, python

HERE = os.path.dirname(os.path.abspath(__file__))
PIPELINES = ("scaling.py", "full_scene.py", "field.py")
# Sizes that are no sides of a raster; of scenes of many bands and slow peers so much of a side.
ROWS, PARTS = {"tables.py": 200000, "ships.py": 200000, "heatwave.py": 96}, {"flow.py": 4, "bands.py": 2, "composite.py": 2, "quality.py": 2}
BUDGET = 512


def comparisons():
    """The scripts that tell their operators and jobs: {script: [(operator, job)]}."""
    found = {}
    for name in sorted(os.listdir(HERE)):
        if name.endswith(".py") and name not in (*PIPELINES, "race.py", "sweep.py", "decode.py"):
            listed = subprocess.check_output([python, os.path.join(HERE, name), "--list"], text=True)
            found[name] = [tuple(line.split()[:2]) for line in listed.splitlines()]
    return found


def run(a):
    scripts = a.scripts.split(",") if a.scripts else [*comparisons(), *(() if a.quick else PIPELINES)]
    common = ["--runs", str(a.runs), "--folder", a.folder, "--threads", str(a.threads), "--record", a.record]
    failed = []
    for script in scripts:
        print(f"\n== {script}", flush=True)
        more = [] if script in PIPELINES else ["--size", str(ROWS.get(script, a.size // PARTS.get(script, 1))), "--limit", str(a.limit)]
        if subprocess.run([python, os.path.join(HERE, script), a.fulmar, *common, *more]).returncode != 0:
            failed.append(script)
    return failed


def verdict(wall, cpu, target, share):
    """Whether the ratios reach the target; share: what of the peer's CPU reading and writing alone is."""
    if min(wall, cpu) >= target:
        return "yes"
    if max(wall, cpu) >= target:
        return "by CPU" if cpu >= target else "by wall"
    return f"out of reach, {1 / share:.1f} at most" if 1 / target < share < 1 else "no"


def table(path):
    """The table in Markdown, of the last row of each kind."""
    with open(path, newline="") as file:
        rows = {(r["script"], r["job"], r["peer"]): r for r in csv.DictReader(file)}
    races = {}
    for (script, job, peer), row in rows.items():
        races.setdefault((script, job), {})[peer] = row
    print("\n| operator | job | size | fastest peer | wall | one thread | CPU | target | met | reading, writing | MiB, ours / theirs |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (script, job), race in sorted(races.items(), key=lambda r: (next(iter(r[1].values()))["operator"], r[0])):
        timed = [r for peer, r in race.items() if r["ratio"] and peer != FLOOR]
        if script in PIPELINES or not timed:
            continue
        best = min(timed, key=lambda r: float(r["wall"]))
        wall, one, cpu = (float(best[n]) for n in ("ratio", "ratio_one", "ratio_cpu"))
        share = float(race[FLOOR]["cpu"]) / float(best["cpu"]) if FLOOR in race else 0  # walls of so short a time jump
        print(f"| {best['operator']} | {job} | {best['size']} | {best['peer']}{', ' + best['note'] if best['note'] else ''} | "
              f"{wall:.2f} | {one:.2f} | {cpu:.2f} | {float(best['target']):g} | {verdict(wall, cpu, float(best['target']), share)} | "
              f"{f'{share:.0%}' if FLOOR in race else ''} | {float(race['fulmar']['mib']):.0f} / {float(best['mib']):.0f} |")
    lost = [f"{script} {job}, {peer}: {r['note']}" for (script, job, peer), r in rows.items() if not r["wall"]]
    if lost:
        print("\nNot timed:", *lost, sep="\n* ")
    whole(races, rows)


def whole(races, rows):
    """Pipelines against seconds, decoding alone, cost per cell and the budget."""
    print("\n| what | is | target | met |\n|---|---|---|---|")
    for (script, job), race in races.items():
        for peer, r in race.items():
            if script in PIPELINES and r["target"].endswith(" s"):
                print(f"| {job}, {peer}, seconds | {float(r['wall']):.2f} | {r['target']} | {'no' if float(r['wall']) > float(r['target'][:-2]) else 'yes'} |")
            if peer == "decoding alone" and r["ratio"]:
                over = 1 / float(r["ratio"])
                print(f"| {job}, over decoding alone; by CPU {1 / float(r['ratio_cpu']):.2f} | {over:.2f} | 1.15 | {'no' if over > 1.15 else 'yes'} |")
    cost = [float(r["note"].split()[0]) for r in rows.values() if r["note"].endswith("ns a cell")]
    if cost:
        spread = max(cost) / min(cost)
        print(f"| cost per cell, dearest size over cheapest | {spread:.2f} | 1.10 | {'no' if spread > 1.1 else 'yes'} |")
    peak = max((float(r["mib"]), r["job"]) for r in rows.values() if r["peer"] in ("fulmar", ONE) or r["peer"].startswith("fulmar and"))
    print(f"| peak memory, the most of all ({peak[1]}), MiB | {peak[0]:.0f} | {BUDGET} | {'no' if peak[0] > BUDGET else 'yes'} |")
    loads = [float(r["load"]) for r in rows.values()]
    print(f"\nLoad of the machine: {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} cores.")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar", nargs="?")
    p.add_argument("--size", type=int, default=4096)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--folder")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--limit", type=float, default=10, help="seconds after which a peer runs but once (10)")
    p.add_argument("--record", help="the CSV file; one in the folder by default")
    p.add_argument("--scripts")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--table", metavar="FILE.csv")
    a = p.parse_args()
    if a.table:
        return table(a.table)
    if not a.fulmar:
        p.error("which program? give the path of fulmar")
    temporary = None if a.folder else tempfile.TemporaryDirectory()
    a.folder = a.folder or temporary.name
    a.record = a.record or os.path.join(a.folder, "sweep.csv")
    failed = run(a)
    table(a.record)
    if failed:
        sys.exit(f"not all of these could be raced: {', '.join(failed)}")


if __name__ == "__main__":
    main()

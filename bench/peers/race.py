# SPDX-License-Identifier: Apache-2.0
"""What the comparisons with peers share: options, a folder for scenes, checking aside, timing in turn, the table.

A script has jobs by operator, functions that take the options, the folder and a Race. A job makes its scenes, then has
Race.run check each answer against Fulmar's and time the processes in turn (A B A B ...) with a warm page cache. A peer that
is not installed, fails or gives another answer is told in the table and not timed; the race goes on without it.
"""
import argparse
import copy
import csv
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback

# No library larger than these: a child's peak memory includes what its parent held when it started it.
python = "/usr/bin/python3"

# How many times as long as Fulmar the fastest peer is to take.
TARGET, TARGETS = 3.0, {"cfar": 6.0}
COLUMNS = ["script", "job", "operator", "size", "peer", "threads", "wall", "cpu", "mib", "ratio", "ratio_one", "ratio_cpu",
           "target", "load", "note"]
FLOOR, ONE = "reading, writing", "fulmar, 1 thread"


class Lost(SystemExit):
    """A process that failed; of a peer the table tells why, elsewhere it is the end."""


class Differs(Lost):
    """An answer that is not Fulmar's."""


def tool(program, command):
    """The command, or None where the program that it needs is not installed."""
    return command if shutil.which(program) else None


def spent(command, limit=None):
    """Wall seconds, CPU seconds and peak MiB of one process, ended after the limit; what we wrote as a peer says itself
    what it spent, without the start of its interpreter."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, start_new_session=True)
        end = threading.Timer(limit or 0, os.killpg, (process.pid, signal.SIGKILL))
        if limit:
            end.start()
        printed = process.stdout.read().split()
        _, status, usage = os.wait4(process.pid, 0)
        end.cancel()
        wall, cpu = time.monotonic() - start, usage.ru_utime + usage.ru_stime
        if status != 0:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or [f"status {status}"]
            raise Lost(f"ended after {limit:.0f} s" if limit and wall >= limit else f"failed: {lines[-1][:150]}")
    if b"spent" in printed[-3:-2]:
        wall, cpu = float(printed[-2]), float(printed[-1])
    return wall, cpu, usage.ru_maxrss / 1024


def aside(work, *args):
    """What the function returns, called in a process of its own; SystemExit is an answer that differs."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        result = ["failed", "a check or a scene failed"]
        try:
            result = ["done", work(*args)]
        except SystemExit as why:
            result = ["differs", str(why)]
        except BaseException:
            traceback.print_exc()
        finally:
            os.write(write, json.dumps(result, default=float).encode())
            sys.stderr.flush()
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        how, value = json.loads(pipe.read() or '["failed", "a check or a scene ended early"]')
    os.waitpid(child, 0)
    if how != "done":
        raise (Differs if how == "differs" else Lost)(value)
    return value


def scene(options, folder, name, make, *more, kind="tif"):
    """The path of a scene of the size asked for, made by make(path, size, ...) when it is not there yet. The script that
    makes it is part of its name, as all scripts may share a folder."""
    script = os.path.basename(sys.argv[0])[:-3] if make.__module__ == "__main__" else make.__module__
    path = os.path.join(folder, f"{script}_{name}_{options.size}.{kind}")
    if not os.path.exists(path):
        part = f"{path}.part.{kind}"  # a scene that was not finished is none
        aside(make, part, options.size, *more)
        os.rename(part, path)
    return path


def products(folder, name, *who, kind="tif"):
    """Paths of the products by whose they are, Fulmar's among them."""
    return {w: os.path.join(folder, f"{name}_{w}.{kind}") for w in ("fulmar", *who)}


def create(path, width, height, kind, bands=1, nodata=None, cell=10.0, options=()):
    """A plain GeoTIFF in UTM 31, north up."""
    from osgeo import gdal, osr
    gdal.UseExceptions()
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32631)
    made = gdal.GetDriverByName("GTiff").Create(path, width, height, bands, kind, ["BIGTIFF=IF_SAFER", *options])
    made.SetGeoTransform((500000, cell, 0, 5300000, 0, -cell))
    made.SetProjection(reference.ExportToWkt())
    if nodata is not None:
        for b in range(bands):
            made.GetRasterBand(b + 1).SetNoDataValue(nodata)
    return made


def copy_of(source, path, cells, kind, nodata=None):
    """Writes cells on the grid of another raster: the end of a peer."""
    from osgeo import gdal
    made = gdal.GetDriverByName("GTiff").Create(path, cells.shape[1], cells.shape[0], 1, kind)
    made.SetGeoTransform(source.GetGeoTransform())
    made.SetProjection(source.GetProjection())
    if nodata is not None:
        made.GetRasterBand(1).SetNoDataValue(nodata)
    made.GetRasterBand(1).WriteArray(cells)
    made.FlushCache()


def differ(ours, theirs, tolerance, margin=0, allowed=0.0, gap=None, turn=None):
    """Compares two rasters away from the edges, gaps too; angles round a full turn. Tells the largest difference."""
    import numpy as np
    from osgeo import gdal
    a, b = gdal.Open(ours), gdal.Open(theirs)
    width, height, bands = a.RasterXSize, a.RasterYSize, a.RasterCount
    if (width, height, bands) != (b.RasterXSize, b.RasterYSize, b.RasterCount):
        raise SystemExit(f"{ours} and {theirs} differ in size")
    worst, wrong, cells = 0.0, 0, 0
    for y in range(margin, height - margin, 512):
        rows = min(512, height - margin - y)
        p, q = (d.ReadAsArray(margin, y, width - 2 * margin, rows).astype(np.float64) for d in (a, b))
        if gap is not None:
            q[q == gap] = np.nan
        missing = np.isnan(p)
        wrong += int((missing != np.isnan(q)).sum())
        off = np.abs(p - q)[~missing & ~np.isnan(q)]
        if turn is not None:
            off = np.minimum(off, turn - off)
        wrong += int((off > tolerance).sum())
        worst = max(worst, float(off.max(initial=0)))
        cells += p.size
    if wrong > allowed * cells:
        raise SystemExit(f"{wrong} of {cells} cells differ by more than {tolerance} (by {worst} at most)")
    return f"{wrong} of {cells} cells beyond {tolerance:g}, the worst by {worst:.2g}"


def floor(product, *inputs):
    """What nobody can do without: GDAL reads every cell of the inputs once and writes the product's, one thread."""
    import numpy as np
    from osgeo import gdal
    gdal.SetCacheMax(64 << 20)

    def strips(band, use):
        for y in range(0, band.YSize, 256):
            use(y, min(256, band.YSize - y))
    written = []
    if product.endswith(".tif"):
        made = gdal.Open(product)
        written = [made.GetRasterBand(b + 1).ReadAsArray() for b in range(made.RasterCount)]
        kind, tiles = made.GetRasterBand(1).DataType, made.GetRasterBand(1).GetBlockSize()
    start, cpu = time.monotonic(), time.process_time()
    for path in inputs:
        source = gdal.Open(path)
        for b in range(source.RasterCount):
            band = source.GetRasterBand(b + 1)
            kept = np.empty((256, band.XSize), np.dtype(gdal.GetDataTypeName(band.DataType).lower().replace("byte", "uint8")))
            strips(band, lambda y, n: band.ReadAsArray(0, y, band.XSize, n, buf_obj=kept[:n]))
    if written:
        how = ["TILED=YES", f"BLOCKXSIZE={tiles[0]}", f"BLOCKYSIZE={tiles[1]}"] if tiles[0] < made.RasterXSize else []
        copy = gdal.GetDriverByName("GTiff").Create(product + ".floor.tif", made.RasterXSize, made.RasterYSize, len(written), kind, how)
        for b, cells in enumerate(written):
            strips(copy.GetRasterBand(b + 1), lambda y, n: copy.GetRasterBand(b + 1).WriteArray(cells[y:y + n], 0, y))
        copy.FlushCache()
        copy = None
    print(f"spent {time.monotonic() - start:.4f} {time.process_time() - cpu:.4f}")
    if written:
        os.remove(product + ".floor.tif")


def record(path, job, operator, size, peer, threads, numbers, target, note=""):
    """Appends a row, where there is a path; numbers: seconds, CPU seconds, MiB, and ratios to Fulmar's, as far as known."""
    if not path:
        return
    new = not os.path.exists(path)
    with open(path, "a", newline="") as file:
        table = csv.writer(file)
        if new:
            table.writerow(COLUMNS)
        cells = [f"{n:.4g}" for n in numbers] + [""] * (6 - len(numbers))
        table.writerow([os.path.basename(sys.argv[0]), job, operator, size, peer, threads, *cells, target,
                        f"{os.getloadavg()[0]:.1f}", note])


class Race:
    def __init__(self, options):
        self.options, self.operator, self.job, self.wrong = options, "", "", 0

    def fulmar(self, text, threads=None):
        return [self.options.fulmar, "run", "-q", "--overwrite", "--threads", str(threads or self.options.threads), text]

    def peer(self, name, *args):
        return [python, os.path.abspath(sys.argv[0]), "--peer", name, *map(str, args)]

    def first(self, peers, check):
        """Warms the cache and checks answers: what each peer spent, and why others are lost."""
        limit, spent_first, lost = self.options.limit, {}, {}
        for name, command in peers.items():
            try:
                if command is None:
                    raise Lost("not installed")
                took = spent(command, 10 * limit if limit else None)
                print(f"{self.job}: {name}: {aside(check, name)}", flush=True)
                spent_first[name] = took
            except Lost as why:
                self.wrong += isinstance(why, Differs)
                lost[name] = str(why)
        return spent_first, lost

    def run(self, what, text, peers, check):
        """Checks with check(peer's name), then times Fulmar, also with one thread, and each peer: {name: command}."""
        o = self.options
        ours = {"fulmar": self.fulmar(text)}
        if o.threads > 1:
            ours[ONE] = self.fulmar(text, 1)
        for command in ours.values():
            spent(command)
        if o.peers:
            peers = {name: command for name, command in peers.items() if name in o.peers.split(",")}
        once, lost = self.first(peers, check)
        words = [w.strip("'[]") for w in text.split()]
        product = [w for w in words if os.path.exists(w)][-1]
        read = sorted({p for w in words for p in glob.glob(w) if p != product and p.endswith((".tif", ".nc"))})
        commands = {**ours, **{name: peers[name] for name in once}}
        if read:
            commands[FLOOR] = self.peer("floor", product, *read)
            spent(commands[FLOOR])
        slow = {name for name, took in once.items() if o.limit and took[0] > o.limit}
        runs = {name: [once[name]] if name in slow else [] for name in commands}
        for _ in range(o.runs):
            for name, command in commands.items():
                if name not in slow:
                    runs[name].append(spent(command))
        median = {name: [statistics.median(r[i] for r in runs[name]) for i in range(3)] for name in runs}
        base, one = median["fulmar"], median.get(ONE, median["fulmar"])
        print(f"{what:22} {'seconds':>8} {'CPU s':>7} {'MiB':>6}   {'over fulmar: wall':>17} {'1 thread':>8} {'CPU':>6}")
        for name, (wall, cpu, peak) in median.items():
            by = [] if name in ours else [wall / base[0], wall / one[0], cpu / one[1]]
            note = "one run" if name in slow else ""
            ratios = "{:17.2f} {:8.2f} {:6.2f} ".format(*by) if by else ""
            print(f"  {name:20} {wall:8.2f} {cpu:7.2f} {peak:6.0f}   {ratios}{note}", flush=True)
            self.record(name, [wall, cpu, peak, *by], note)
        for name, why in lost.items():
            print(f"  {name:20} {why}", flush=True)
            self.record(name, [], why)

    def record(self, peer, numbers, note):
        o = self.options
        record(o.record, self.job, self.operator, o.size, peer, o.threads, numbers, TARGETS.get(self.operator, TARGET), note)


def smaller(part, work):
    """A job whose peers are slow: on scenes of so small a part of a side."""
    def on_less(options, folder, race):
        race.options = copy.copy(options)
        race.options.size = options.size // part
        work(race.options, folder, race)
    return on_less


def by_itself(args, peers):
    """Runs one peer in this process, and prints what it spent."""
    from osgeo import gdal
    gdal.UseExceptions()
    import numpy  # noqa: F401 (its start is not to count)
    if args[0] == "floor":
        return floor(*args[1:])
    work = peers[args[0]]
    for module in getattr(work, "load", []):
        try:
            __import__(module)
        except ImportError:
            sys.exit(f"{module} is not installed")
    wall, cpu = time.monotonic(), time.process_time()
    work(*args[1:])
    print(f"spent {time.monotonic() - wall:.4f} {time.process_time() - cpu:.4f}")


def start(doc, jobs, peers=(), size=8192):
    """Runs the jobs ({operator: {name: job}}) that --only names, all by default; or one of the peers, functions, when
    called for one. --list tells operators and jobs."""
    if sys.argv[1:2] == ["--peer"]:
        return by_itself(sys.argv[2:], {work.__name__: work for work in peers})
    if sys.argv[1:2] == ["--list"]:
        for operator, of_it in jobs.items():
            for name in of_it:
                print(operator, name, size)
        return
    every = {name: (operator, work) for operator, of_it in jobs.items() for name, work in of_it.items()}
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--size", type=int, default=size, help=f"of the scenes ({size})")
    p.add_argument("--runs", type=int, default=3, help="of each process, in turn; medians are told (3)")
    p.add_argument("--folder", help="keeps scenes and products")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--only", default=",".join(every), help="jobs, of " + ", ".join(every))
    p.add_argument("--peers", help="their names; all by default")
    p.add_argument("--limit", type=float, help="seconds after which a peer runs but once; it is ended after ten times as many")
    p.add_argument("--record", help="appends every row to this CSV file")
    a = p.parse_args()
    if unknown := set(a.only.split(",")) - set(every):
        p.error(f"no job {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    temporary = None if a.folder else tempfile.TemporaryDirectory()
    folder = a.folder or temporary.name
    print(f"{a.size}, {a.threads} threads, median of {a.runs} runs; load of the machine "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    failed = []
    for job in a.only.split(","):
        race = Race(a)
        race.operator, work = every[job]
        race.job = job
        try:
            work(a, folder, race)
        except Lost as why:
            print(f"{job}: {why}; not raced", flush=True)
            failed.append(job)
        failed += [job] * (race.wrong > 0)
    if failed:
        sys.exit(f"answers differ, or nothing could be raced: {', '.join(failed)}")


def needs(*modules):
    """Modules that a peer loads before its clock starts."""
    def mark(work):
        work.load = modules
        return work
    return mark

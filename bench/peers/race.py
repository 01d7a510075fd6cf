# SPDX-License-Identifier: Apache-2.0
"""What the comparisons with peers share: options, a folder for scenes, checking aside, timing in turn, the table.

A script has jobs, functions that take the options, the folder and a Race. A job makes its scenes, then has Race.run
check each answer against Fulmar's and time the processes in turn (A B A B ...) with a warm page cache.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

# No library larger than these: a child's peak memory includes what its parent held when it started it.
python = "/usr/bin/python3"


def spent(command):
    """Wall seconds, CPU seconds and peak MiB of one process; what we wrote as a peer prints its own, without Python's start."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    printed = process.stdout.read().split()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    wall, cpu = time.monotonic() - start, usage.ru_utime + usage.ru_stime
    if "--peer" in command or command[1].endswith("decode.py"):
        wall, cpu = float(printed[-2]), float(printed[-1])
    return wall, cpu, usage.ru_maxrss / 1024


def timed(command):
    """Wall seconds and peak MiB of one process."""
    wall, _, peak = spent(command)
    return wall, peak


def aside(work, *args):
    """What the function returns, called in a process of its own."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(write, json.dumps(work(*args)).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("a check or a scene failed; nothing is timed")
    return json.loads(text)


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
        raise SystemExit(f"{wrong} of {cells} cells differ by more than {tolerance} (by {worst} at most); nothing is timed")
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
    print(f"{time.monotonic() - start:.4f} {time.process_time() - cpu:.4f}")
    if written:
        os.remove(product + ".floor.tif")


class Race:
    def __init__(self, options):
        self.options = options

    def fulmar(self, text, threads=None):
        return [self.options.fulmar, "run", "-q", "--overwrite", "--threads", str(threads or self.options.threads), text]

    def peer(self, name, *args):
        return [python, os.path.abspath(sys.argv[0]), "--peer", name, *map(str, args)]

    def run(self, what, text, peers, check):
        """Checks with check(peer's name), then times Fulmar, also with one thread, and each peer: {name: command}."""
        commands = {"fulmar": self.fulmar(text)}
        if self.options.threads > 1:
            commands["fulmar, 1 thread"] = self.fulmar(text, 1)
        commands.update(peers)
        words = [w.strip("'[]") for w in text.split()]
        spent(commands["fulmar"])
        product = [w for w in words if os.path.exists(w)][-1]
        read = sorted({p for w in words for p in glob.glob(w) if p != product and p.endswith((".tif", ".nc"))})
        commands["reading, writing"] = self.peer("floor", product, *read)
        for name, command in commands.items():  # warms the cache
            spent(command)
            if name in peers:
                print(f"{what}: {name}: {aside(check, name)}", flush=True)
        runs = {name: [] for name in commands}
        for _ in range(self.options.runs):
            for name, command in commands.items():
                runs[name].append(spent(command))
        median = {name: [statistics.median(r[i] for r in runs[name]) for i in range(3)] for name in runs}
        base, one = median["fulmar"], median.get("fulmar, 1 thread", median["fulmar"])
        print(f"{what:22} {'seconds':>8} {'CPU s':>7} {'MiB':>6}   {'over fulmar: wall':>17} {'1 thread':>8} {'CPU':>6}")
        for name, (wall, cpu, peak) in median.items():
            known = name in peers or name == "reading, writing"
            ratios = f"{wall / base[0]:17.2f} {wall / one[0]:8.2f} {cpu / one[1]:6.2f}" if known else ""
            print(f"  {name:20} {wall:8.2f} {cpu:7.2f} {peak:6.0f}   {ratios}", flush=True)


def start(doc, jobs, peers=None, size=8192):
    """Runs the jobs that --only names, all by default; or a peer, when called for one, and prints what it spent."""
    if sys.argv[1:2] == ["--peer"]:
        from osgeo import gdal
        gdal.UseExceptions()
        import numpy  # noqa: F401 (its start is not to count)
        if sys.argv[2] == "floor":
            floor(*sys.argv[3:])
            return
        work = (peers or {})[sys.argv[2]]
        load = getattr(work, "load", None)
        for module in load or []:
            __import__(module)
        wall, cpu = time.monotonic(), time.process_time()
        work(*sys.argv[3:])
        print(f"{time.monotonic() - wall:.4f} {time.process_time() - cpu:.4f}")
        return
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fulmar")
    p.add_argument("--size", type=int, default=size)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--folder")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--only", default=",".join(jobs))
    a = p.parse_args()
    temporary = None if a.folder else tempfile.TemporaryDirectory()
    folder = a.folder or temporary.name
    print(f"{a.size} x {a.size}, {a.threads} threads, median of {a.runs} runs; load of the machine "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    for job in a.only.split(","):
        jobs[job](a, folder, Race(a))


def needs(*modules):
    """Modules that a peer loads before its clock starts."""
    def mark(work):
        work.load = modules
        return work
    return mark

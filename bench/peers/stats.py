#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdalinfo, NumPy, scikit-image and OpenCV: numbers, histogram and thresholds, file to file.

usage: peers/stats.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only stats,histogram,otsu,kittler,bimodal]

stats and histogram of f32; otsu and kittler of u8, with the mask written, uncompressed on either side. NumPy's stats and
both histograms go in strips of 256 rows; the thresholds hold the raster in memory, so they read it once where we read it
twice. Kittler's threshold is in none of these libraries: the peer is the paper's formula in NumPy over numpy.bincount.
gdalinfo knows one thread. bimodal: blocks of 200 cells of decibels, whose histograms are fitted by two Gaussians (hsba) in NumPy.
"""
import json
import os
import subprocess

from race import copy_of, create, differ, needs, products, scene, start

BINS, LOW, HIGH = 256, 0.0, 1.0


def make(path, size, kind):
    """Two classes: land of 0.6, water of 0.2."""
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32 if kind == "f32" else gdal.GDT_Byte)
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        cells = np.where(np.sin(x / 37) * np.sin(rows / 53) > 0.2, 0.2, 0.6) + rng.normal(0, 0.08, (len(rows), size))
        cells = np.clip(cells, 0.001, 0.999)
        made.GetRasterBand(1).WriteArray(cells.astype(np.float32) if kind == "f32" else (cells * 255).astype(np.uint8), 0, y)


def strips(path):
    from osgeo import gdal
    scene = gdal.Open(path)
    for y in range(0, scene.RasterYSize, 256):
        yield scene.ReadAsArray(0, y, scene.RasterXSize, min(256, scene.RasterYSize - y))


def stats_numpy(path, target):
    import numpy as np
    n = total = square = 0
    least, most = np.inf, -np.inf
    for cells in strips(path):
        n += cells.size
        total += cells.sum(dtype=np.float64)
        wide = cells.ravel().astype(np.float64)
        square += wide @ wide
        least, most = min(least, cells.min()), max(most, cells.max())
    with open(target, "w") as out:
        json.dump([float(least), float(most), total / n, (square / n - (total / n) ** 2) ** 0.5], out)


def check_stats(ours, theirs, path):
    import csv
    row = next(csv.DictReader(open(ours)))
    got = [float(row[k]) for k in ("min", "max", "mean", "std")]
    if theirs is None:
        info = json.loads(subprocess.check_output(["gdalinfo", "-stats", "-json", "--config", "GDAL_PAM_ENABLED", "NO", path]))
        there = info["bands"][0]["metadata"][""]
        expected = [float(there["STATISTICS_" + k]) for k in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV")]
    else:
        expected = json.load(open(theirs))
    off = max(abs(a - b) for a, b in zip(got, expected))
    if off > 1e-6:
        raise SystemExit(f"{got} here, {expected} there")
    return f"extremes, mean and deviation within {off:.1g}"


def histogram_numpy(path, target):
    import numpy as np
    total = sum(np.histogram(cells, BINS, (LOW, HIGH))[0] for cells in strips(path))
    np.savetxt(target, total, "%d")


@needs("cv2")
def histogram_opencv(path, target):
    import cv2
    import numpy as np
    total = sum(cv2.calcHist([cells], [0], None, [BINS], [LOW, HIGH]).ravel().astype(np.int64) for cells in strips(path))
    np.savetxt(target, total, "%d")


def check_histogram(ours, theirs):
    import numpy as np
    a, b = np.genfromtxt(ours, delimiter=",", names=True)["n"], np.loadtxt(theirs)
    if len(a) != len(b) + 2 or a[0] != 0 or a[-1] != 0:
        raise SystemExit("cells outside of the bins, where there are none")
    a = a[1:-1]
    wrong = float(np.abs(a - b).sum())
    if len(a) != len(b) or wrong > 0:
        raise SystemExit(f"{wrong} cells in other bins")
    return f"{int(a.sum())} cells in the same bins"


@needs("skimage.filters")
def otsu_skimage(path, target):
    import numpy as np
    from osgeo import gdal
    from skimage.filters import threshold_otsu
    source = gdal.Open(path)
    cells = source.ReadAsArray()
    copy_of(source, target, (cells > threshold_otsu(cells)).astype(np.uint8), gdal.GDT_Byte)


@needs("cv2")
def otsu_opencv(path, target):
    import cv2
    from osgeo import gdal
    source = gdal.Open(path)
    copy_of(source, target, cv2.threshold(source.ReadAsArray(), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1], gdal.GDT_Byte)


def kittler_numpy(path, target):
    """Kittler & Illingworth 1986, equation 15, for every threshold at once."""
    import numpy as np
    from osgeo import gdal
    source = gdal.Open(path)
    cells = source.ReadAsArray()
    h, x = np.bincount(cells.ravel(), minlength=256) / cells.size, np.arange(256.0)
    with np.errstate(all="ignore"):
        p = np.cumsum(h), 1 - np.cumsum(h)
        m = np.cumsum(h * x) / p[0], (h @ x - np.cumsum(h * x)) / p[1]
        v = np.cumsum(h * x * x) / p[0] - m[0] ** 2, (h @ (x * x) - np.cumsum(h * x * x)) / p[1] - m[1] ** 2
        j = 1 + sum(a * np.log(b) for a, b in zip(p, v)) - 2 * sum(a * np.log(a) for a in p)
        j[(np.minimum(*p) < 1e-6) | (np.minimum(*v) <= 1 / 12)] = np.inf
    copy_of(source, target, (cells > np.nanargmin(j)).astype(np.uint8), gdal.GDT_Byte)


def make_decibels(path, size):
    """Speckled land, and lakes that few blocks hold."""
    import numpy as np
    from osgeo import gdal
    made, rng, x = create(path, size, size, gdal.GDT_Float32), np.random.default_rng(1), np.arange(size)
    made.GetRasterBand(1).SetUnitType("dB")
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        cells = np.where(np.sin(x / 290) * np.sin(rows / 350) > 0.7, -21, -9) + rng.normal(0, 1.6, (len(rows), size))
        made.GetRasterBand(1).WriteArray(cells.astype(np.float32), 0, y)


def moments(weights, centres, width):
    import numpy as np
    total = weights.sum()
    mean = weights @ centres / total
    return total, mean, max(weights @ (centres - mean) ** 2 / total, width ** 2 / 12)


def two_classes(counts, edges):
    """Otsu's threshold where two Gaussians of greatest likelihood are apart, alike to the histogram, and both there."""
    import numpy as np
    from skimage.filters import threshold_otsu
    centres, width, total = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0], counts.sum()
    split = threshold_otsu(hist=(counts, centres))
    parts = [moments(counts * side, centres, width) for side in (centres <= split, centres > split)]
    for _ in range(200):
        both = np.array([n / np.sqrt(v) * np.exp(-(centres - m) ** 2 / (2 * v)) for n, m, v in parts])
        both /= np.maximum(both.sum(axis=0), 1e-300)
        last, parts = parts, [moments(counts * share, centres, width) for share in both]
        if max(abs(a[k] - b[k]) / (total if k == 0 else 1) for a, b in zip(last, parts) for k in range(3)) <= 1e-6:
            break
    (n1, m1, v1), (n2, m2, v2) = parts
    fit = sum(n / np.sqrt(2 * np.pi * v) * np.exp(-(centres - m) ** 2 / (2 * v)) for n, m, v in parts) * width
    apart = np.sqrt(2) * abs(m1 - m2) / np.sqrt(v1 + v2) > 2 and min(n1, n2) >= 0.1 * total
    return [split] if apart and np.sqrt(counts * fit).sum() / total > 0.99 else []


@needs("skimage.filters")
def bimodal_numpy(path, target):
    import numpy as np
    from osgeo import gdal
    source, side, found = gdal.Open(path), 200, []
    cells = source.ReadAsArray()
    for y in range(0, cells.shape[0], side):
        for x in range(0, cells.shape[1], side):
            block = cells[y:y + side, x:x + side]
            if block.size >= 0.95 * side ** 2:
                found += two_classes(*np.histogram(block.astype(np.float64), 256))
    copy_of(source, target, (cells <= np.mean(found)).astype(np.uint8), gdal.GDT_Byte)


def bimodal(options, folder, race):
    path, out = scene(options, folder, "decibels", make_decibels), products(folder, "bimodal", "numpy")
    race.run("bimodal", f"{path} ! bimodal ! {out['fulmar']} --co COMPRESS=NONE",
             {"numpy": race.peer("bimodal_numpy", path, out["numpy"])}, lambda who: differ(out["fulmar"], out[who], 0))


def stats(options, folder, race):
    path = scene(options, folder, "classes_f32", make, "f32")
    ours, theirs = os.path.join(folder, "stats.csv"), os.path.join(folder, "stats_numpy.json")
    info = ["gdalinfo", "-stats", "--config", "GDAL_PAM_ENABLED", "NO", path]
    race.run("stats", f"{path} ! stats ! {ours}", {"gdalinfo -stats": info, "numpy": race.peer("stats_numpy", path, theirs)},
             lambda who: check_stats(ours, theirs if who == "numpy" else None, path))


def histogram(options, folder, race):
    path = scene(options, folder, "classes_f32", make, "f32")
    out = products(folder, "histogram", "numpy", "opencv", kind="csv")
    race.run("histogram", f"{path} ! histogram --bins {BINS} --low {LOW} --high {HIGH} ! {out['fulmar']}",
             {who: race.peer(f"histogram_{who}", path, out[who]) for who in ("numpy", "opencv")},
             lambda who: check_histogram(out["fulmar"], out[who]))


def otsu(options, folder, race):
    path = scene(options, folder, "classes_u8", make, "u8")
    out = products(folder, "otsu", "skimage", "opencv")
    race.run("otsu", f"{path} ! otsu --low -0.5 --high 255.5 ! {out['fulmar']} --co COMPRESS=NONE",
             {who: race.peer(f"otsu_{who}", path, out[who]) for who in ("skimage", "opencv")},
             lambda who: differ(out["fulmar"], out[who], 0))


def kittler(options, folder, race):
    path = scene(options, folder, "classes_u8", make, "u8")
    out = products(folder, "kittler", "numpy")
    race.run("kittler", f"{path} ! kittler --low -0.5 --high 255.5 ! {out['fulmar']} --co COMPRESS=NONE",
             {"numpy": race.peer("kittler_numpy", path, out["numpy"])}, lambda who: differ(out["fulmar"], out[who], 0))


if __name__ == "__main__":
    start(__doc__, {op.__name__: {op.__name__: op} for op in (stats, histogram, otsu, kittler, bimodal)},
          [stats_numpy, histogram_numpy, histogram_opencv, otsu_skimage, otsu_opencv, kittler_numpy, bimodal_numpy])

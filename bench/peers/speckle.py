#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against SciPy, OpenCV and Orfeo ToolBox: filters of radar intensity, file to file.

usage: peers/speckle.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only r2,r5,kuan,frost,gamma_map,refined_lee,boxcar]

Lee of 5 x 5 and 11 x 11 cells; Kuan, Frost and Gamma-MAP of 7 x 7; the mean of 31 x 31. SciPy and OpenCV form the window's mean
and variance from box sums of values and squares in f64, and the filter with NumPy. otbcli_Despeckle has the same threads, its
start counted. The refined Lee filter is NumPy's alone, from its text, by shifted copies of strips, on half of a side.
"""
from race import copy_of, create, differ, needs, products, scene, smaller, start, tool


def make(path, size):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32)
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        field = 0.1 + 0.06 * (np.sin(x / 37) * np.sin(rows / 53) > 0.3)
        made.GetRasterBand(1).WriteArray((field * rng.gamma(4.4, 1 / 4.4, field.shape)).astype(np.float32), 0, y)


def weighted(box, scene, target, radius, filter):
    import numpy as np
    from osgeo import gdal
    source = gdal.Open(scene)
    value = source.ReadAsArray().astype(np.float64)
    n, noise = (2 * int(radius) + 1) ** 2, 1 / 4.4
    mean = box(value, 2 * int(radius) + 1)
    variance = np.maximum(box(value * value, 2 * int(radius) + 1) - mean * mean, 0) * (n / (n - 1))
    with np.errstate(all="ignore"):
        k = np.maximum(1 - noise * mean * mean / variance, 0) / (1 + noise if filter == "kuan" else 1)
    copy_of(source, target, (mean + k * (value - mean)).astype(np.float32), gdal.GDT_Float32)


@needs("scipy.ndimage")
def scipy(*args):
    from scipy.ndimage import uniform_filter
    weighted(uniform_filter, *args)


@needs("cv2")
def opencv(*args):
    import cv2
    weighted(lambda image, width: cv2.blur(image, (width, width)), *args)


def mean(box, scene, target):
    from osgeo import gdal
    source = gdal.Open(scene)
    copy_of(source, target, box(source.ReadAsArray().astype("f8"), 31).astype("f4"), gdal.GDT_Float32)


@needs("scipy.ndimage")
def mean_scipy(*args):
    from scipy.ndimage import uniform_filter
    mean(uniform_filter, *args)


@needs("cv2")
def mean_opencv(*args):
    import cv2
    mean(lambda image, width: cv2.blur(image, (width, width)), *args)


def refined_lee(scene, target):
    """Strips of 64 rows of shifted copies: means of nine 3 x 3, the half window that their gradient names, and its moments."""
    import numpy as np
    from osgeo import gdal
    source = gdal.Open(scene)
    cells = np.pad(source.ReadAsArray(), 3, mode="edge").astype(np.float64)
    out = np.empty((source.RasterYSize, source.RasterXSize), np.float32)
    y, x = np.mgrid[0:7, 0:7]
    halves = [h.ravel() for h in (x >= 3, x >= y, y <= 3, x <= 6 - y, x <= 3, x <= y, y >= 3, y >= 6 - x)]
    ends = [((1, 0), (1, 2)), ((0, 2), (2, 0)), ((0, 1), (2, 1)), ((0, 0), (2, 2))]
    for top in range(0, len(out), 64):
        n = min(64, len(out) - top)
        w = np.stack([cells[top + j:top + j + n, i:i + out.shape[1]] for j in range(7) for i in range(7)])
        part = {(j, i): w.reshape(7, 7, *w.shape[1:])[2 * j:2 * j + 3, 2 * i:2 * i + 3].reshape(9, *w.shape[1:])
                for j in range(3) for i in range(3)}
        mean = {k: p.mean(axis=0) for k, p in part.items()}
        noise = np.sort([p.var(axis=0, ddof=1) / mean[k] ** 2 for k, p in part.items()], axis=0)[:5].mean(axis=0)
        steepest = np.argmax([np.abs(mean[a] - mean[b]) for a, b in ends], axis=0)
        nearer = np.choose(steepest, [np.abs(mean[a] - mean[1, 1]) < np.abs(mean[1, 1] - mean[b]) for a, b in ends])
        which = np.where(nearer, np.choose(steepest, [4, 1, 2, 3]), np.choose(steepest, [0, 5, 6, 7]))
        m, v = np.empty(which.shape), np.empty(which.shape)
        for k, half in enumerate(halves):
            own = which == k
            used = w[half][:, own]
            m[own], v[own] = used.mean(axis=0), used.var(axis=0, ddof=1)
        b = np.maximum(0, (v - m * m * noise) / (1 + noise)) / v
        out[top:top + n] = m + b * (w[24] - m)
    copy_of(source, target, out, gdal.GDT_Float32)


def otb(options, path, target, words):
    return tool("otbcli_Despeckle", ["env", f"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS={options.threads}", "otbcli_Despeckle", "-in", path,
                                     *words.split(), "-out", target, "float", "-progress", "0"])


def job(radius, name, words, peers, theirs="", tolerance=1e-6):
    """Peers: by the name told, the function and its further arguments."""
    def work(options, folder, race):
        path, out = scene(options, folder, "intensity_lee", make), products(folder, "speckle", *peers, "otb")
        commands = {who: race.peer(function, path, out[who], *more) for who, (function, *more) in peers.items()}
        if theirs:
            commands["otb"] = otb(options, path, out["otb"], theirs)
        race.run(f"{name}, {2 * radius + 1} x {2 * radius + 1}",
                 f"{path} ! speckle {words} ! {out['fulmar']} --co COMPRESS=NONE", commands,
                 lambda who: differ(out["fulmar"], out[who], tolerance, radius))
    return work


def weighted_job(name, radius):
    return job(radius, name, f"--filter {name} --radius {radius} --looks 4.4",
               {who: (who, radius, name) for who in ("scipy", "opencv")},
               f"-filter {name} -filter.{name}.rad {radius} -filter.{name}.nblooks 4.4")


JOBS = {"r2": weighted_job("lee", 2), "r5": weighted_job("lee", 5), "kuan": weighted_job("kuan", 3),
        "frost": job(3, "frost", "--filter frost --radius 3 --damping 2", {},
                     "-filter frost -filter.frost.rad 3 -filter.frost.deramp 2"),
        "gamma_map": job(3, "gamma_map", "--filter gamma_map --radius 3 --looks 4.4", {},
                         "-filter gammamap -filter.gammamap.rad 3 -filter.gammamap.nblooks 4.4"),
        "refined_lee": smaller(2, job(3, "refined_lee", "--filter refined_lee", {"numpy": ("refined_lee",)})),
        "boxcar": job(15, "boxcar", "--filter boxcar --radius 15", {"scipy": ("mean_scipy",), "opencv": ("mean_opencv",)})}

if __name__ == "__main__":
    start(__doc__, {"speckle": JOBS}, [scipy, opencv, mean_scipy, mean_opencv, refined_lee])

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against OpenCV and SciPy: CFAR of every model, guard 7 cells, background 31, u16 with gaps, file to file.

usage: peers/cfar.py FULMAR [--size 10980] [--runs 3] [--folder DIR] [--threads N] [--peers opencv,scipy] [--limit S]
                     [--only two_parameter,ca,k,lognormal,so,go,os]

The peers count missing cells out of the ring by box sums in f64, as it is usually written with them, and get multipliers as
a table that is not timed. os has gamma clutter without gaps, a sixteenth of a side, as SciPy's rank_filter sorts each ring.
"""
import math
import os
import subprocess

from race import aside, copy_of, create, differ, needs, products, scene, smaller, start

GUARD, BACKGROUND, PFA, LOOKS = 7, 31, 1e-6, 4.4
WHOLE = BACKGROUND ** 2 - GUARD ** 2
HALF = WHOLE // 2 - (BACKGROUND - GUARD) // 2  # without the middle column


def make(path, size):
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.check_call([os.path.join(here, "..", "make_scene.py"), path, "--width", str(size), "--height", str(size),
                           "--compress", "NONE"])


def make_clutter(path, size):
    """One cell in 500 is up to forty times as bright: some are detected, some hardly not."""
    import numpy as np
    from osgeo import gdal
    rng = np.random.default_rng(1)
    cells = rng.gamma(1, 0.1, (size, size))
    cells.flat[rng.integers(0, cells.size, cells.size // 500)] *= rng.uniform(1, 40, cells.size // 500)
    made = create(path, size, size, gdal.GDT_Float32)
    made.GetRasterBand(1).WriteArray(cells.astype(np.float32))


def multipliers(model, path):
    """What a ring's mean is multiplied by: for each count of cells; k: for the logarithm of its order nu."""
    import numpy as np
    from scipy import integrate, optimize, special, stats

    def least(excess):
        return math.exp(optimize.brentq(excess, -2, 40, xtol=1e-12))

    def tail(v, nu):  # of K: the gamma law's, over gamma texture
        def part(u):
            return special.gammaincc(LOOKS, LOOKS * math.exp(v - u)) * math.exp(
                nu * math.log(nu) + nu * u - nu * math.exp(u) - special.gammaln(nu))
        top = math.log(max(1.0, special.gammainccinv(nu, 1e-15) / nu)) + 1.5
        return integrate.quad(part, v - 12, top, epsabs=0, epsrel=1e-9, limit=400)[0]
    if model == "ca":
        n = np.arange(1, WHOLE + 1)
        table = np.r_[0, stats.f.isf(PFA, 2 * LOOKS, 2 * LOOKS * n)]
    elif model == "k":
        nu = np.exp(np.linspace(math.log(0.05), math.log(100), 120))
        table = np.array([optimize.brentq(lambda v, a=a: math.log(tail(v, a) + 1e-300) - math.log(PFA), 0.5, 7.5) for a in nu])
    elif model == "os":
        i = np.arange(math.ceil(0.75 * WHOLE))
        table = np.array([least(lambda v: -np.log1p(math.exp(v) / (WHOLE - i)).sum() - math.log(PFA))])
    else:
        table = np.zeros(HALF + 1)
        for n in range(HALF // 4, HALF + 1):
            i = np.arange(n) if model == "so" else np.arange(n, 6 * n + 2000)
            binomial = special.gammaln(n + i) - special.gammaln(i + 1) - special.gammaln(n)
            table[n] = least(lambda v: special.logsumexp(binomial - (n + i) * np.log(2 + math.exp(v) / n)) + math.log(2 / PFA))
    np.save(path, table)


def rings(box, value, count):
    """Sums over the ring, and over its halves to the left and to the right."""
    import numpy as np

    def ring(image):
        return box(image, BACKGROUND, BACKGROUND) - box(image, GUARD, GUARD)

    def halves(image):
        width, found = image.shape[1], []
        shifts = [(w // 2 + 1) // 2 for w in (BACKGROUND, GUARD)]
        wide = np.pad(image, ((0, 0), (shifts[0], shifts[0])))
        boxes = [box(wide, w // 2, w) for w in (BACKGROUND, GUARD)]
        for sign in (-1, 1):
            outer, inner = (b[:, shifts[0] + sign * s:][:, :width] for b, s in zip(boxes, shifts))
            found.append(outer - inner)
        return found
    return (lambda: (ring(count), ring(value), ring(value * value))), (lambda: list(zip(halves(count), halves(value))))


def detect(box, model, path, target, table):
    import numpy as np
    from osgeo import gdal
    from scipy.stats import norm
    source = gdal.Open(path)
    cells = source.ReadAsArray()
    valid = cells != source.GetRasterBand(1).GetNoDataValue()
    value, t, table = np.where(valid, cells, 0).astype(np.float64), norm.isf(PFA), np.load(table) if table else None
    own = value
    if model == "lognormal":
        own = value = np.log(np.maximum(value, 1))
    moments, halves = rings(box, value, valid.astype(np.float64))
    with np.errstate(all="ignore"):
        if model in ("so", "go"):
            (n1, s1), (n2, s2) = halves()
            fewer = np.rint(np.minimum(n1, n2)).astype(np.int64)
            level = (np.minimum if model == "so" else np.maximum)(s1 / n1, s2 / n2)
            threshold, known = table[fewer] * level, fewer >= max(1, 0.25 * HALF)
        else:
            n, s1, s2 = moments()
            n, mean = np.rint(n), s1 / n
            known = n >= 0.25 * WHOLE
            if model == "ca":
                threshold = table[n.astype(np.int64)] * mean
            elif model == "k":
                inverse = n * s2 / (s1 * s1) / (1 + 1 / LOOKS) - 1
                nodes = np.linspace(math.log(0.05), math.log(100), len(table))
                order = np.clip(1 / np.maximum(inverse, 0.01), 0.05, 100)
                threshold = np.exp(np.interp(np.log(order), nodes, table)) * mean
                gamma = np.load(os.path.join(os.path.dirname(target), "multipliers_ca.npy"))
                threshold = np.where(inverse > 0.01, threshold, gamma[n.astype(np.int64)] * mean)
            else:
                threshold = mean + t * np.sqrt(np.maximum(s2 / n - mean * mean, 0))
        result = np.where(valid & known, own > threshold, 255).astype(np.uint8)
    copy_of(source, target, result, gdal.GDT_Byte, 255)


@needs("cv2", "scipy.stats")
def opencv(*args):
    import cv2
    detect(lambda image, width, height: cv2.boxFilter(image, cv2.CV_64F, (width, height), normalize=False,
                                                      borderType=cv2.BORDER_CONSTANT), *args)


@needs("scipy.ndimage", "scipy.stats")
def scipy(*args):
    from scipy.ndimage import uniform_filter
    detect(lambda image, width, height: uniform_filter(image, (height, width), mode="constant") * (width * height), *args)


@needs("scipy.ndimage")
def ordered(path, target, table):
    import numpy as np
    from osgeo import gdal
    from scipy.ndimage import rank_filter
    source = gdal.Open(path)
    cells = source.ReadAsArray()
    ring = np.ones((BACKGROUND, BACKGROUND), bool)
    inner = slice((BACKGROUND - GUARD) // 2, (BACKGROUND + GUARD) // 2)
    ring[inner, inner] = False
    level = rank_filter(cells, math.ceil(0.75 * WHOLE) - 1, footprint=ring)
    copy_of(source, target, (cells > np.load(table)[0] * level.astype(np.float64)).astype(np.uint8), gdal.GDT_Byte, 255)


def job(model):
    def work(options, folder, race):
        path = scene(options, folder, "clutter", make) if model != "os" else scene(options, folder, "exponential", make_clutter)
        for which in {"k": ("k", "ca")}.get(model, () if model in ("two_parameter", "lognormal") else (model,)):
            table = os.path.join(folder, f"multipliers_{which}.npy")
            if not os.path.exists(table):
                aside(multipliers, which, table)
        table = "" if model in ("two_parameter", "lognormal") else os.path.join(folder, f"multipliers_{model}.npy")
        out = products(folder, "cfar", "opencv", "scipy")
        peers = {who: race.peer(who, model, path, out[who], table) for who in ("opencv", "scipy")}
        if model == "os":
            peers = {"scipy": race.peer("ordered", path, out["scipy"], table)}
        race.run(f"cfar {model}",
                 f"{path} --unit 1 ! cfar --model {model} --guard {GUARD}px --background {BACKGROUND}px --pfa {PFA} "
                 f"--looks {LOOKS} ! {out['fulmar']} --co COMPRESS=NONE", peers,
                 lambda who: differ(out["fulmar"], out[who], 0, BACKGROUND // 2 if model == "os" else 0, 1e-6))
    return work


JOBS = {model: job(model) for model in ("two_parameter", "ca", "k", "lognormal", "so", "go")}

if __name__ == "__main__":
    start(__doc__, {"cfar": {**JOBS, "os": smaller(16, job("os"))}}, [opencv, scipy, ordered], 10980)

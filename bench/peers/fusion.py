#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against Octave's optiminterp, SciPy and NumPy: observations merged, interpolated, and evidence fused, file to file.

usage: peers/fusion.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N]
                       [--only superob,bayes,dempster,interpolate]

superob: three sources with gaps. evidence: four sensors with gaps. Both in NumPy, strips of 256 rows. interpolate: the 30
nearest of observations in one cell of fifty, on a sixteenth of a side: optiminterp2 (apt-get install octave-optiminterp) from
and to plain numbers, its start left out; and SciPy's k-d tree, with NumPy solving the systems of a row of cells at once.
"""
import os

from race import aside, copy_of, create, differ, needs, products, scene, smaller, start, tool

LENGTH, NEIGHBOURS, SENSORS = 2, 30, 4  # so short that it does not matter which of two equally far is the thirtieth


def fill(path, size, cells_of, bands=1):
    """A raster with gaps, band after band, in strips."""
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32, bands, nodata=float("nan"), options=["INTERLEAVE=BAND"])
    for y in range(0, size, 512):
        for b in range(bands):
            made.GetRasterBand(b + 1).WriteArray(cells_of(np.arange(y, min(size, y + 512))[:, None], b).astype(np.float32), 0, y)


def make_source(path, size, seed, gaps):
    import numpy as np
    rng, x = np.random.default_rng(seed), np.arange(size)

    def cells_of(rows, _):
        cells = 15 + 3 * np.sin(x / 90) * np.cos(rows / 70) + rng.normal(0, 0.5, (len(rows), size))
        cells[rng.random(cells.shape) < gaps] = np.nan
        return cells
    fill(path, size, cells_of)


def make_sensors(path, size):
    import numpy as np
    rng = np.random.default_rng(1)

    def cells_of(rows, _):
        cells = rng.random((len(rows), size))
        cells[rng.random(cells.shape) < 0.1] = np.nan
        return cells
    fill(path, size, cells_of, SENSORS)


def make_noise(path, size):
    import numpy as np
    rng = np.random.default_rng(5)
    fill(path, size, lambda rows, _: rng.uniform(0.3, 1.5, (len(rows), size)))


def by_strips(target, paths, work):
    """Bands of all files x rows x columns through the work."""
    import numpy as np
    from osgeo import gdal
    sources = [gdal.Open(p) for p in paths]
    width, height = sources[0].RasterXSize, sources[0].RasterYSize
    made = create(target, width, height, gdal.GDT_Float32, nodata=float("nan"))
    for y in range(0, height, 256):
        rows = min(256, height - y)
        stack = np.concatenate([s.ReadAsArray(0, y, width, rows).reshape(-1, rows, width) for s in sources])
        with np.errstate(all="ignore"):
            made.GetRasterBand(1).WriteArray(work(stack).astype(np.float32), 0, y)
    made.FlushCache()


def merged(target, *paths):
    import numpy as np
    weights = np.array([1 / 0.5 ** 2, 1.0, 1 / 2.0 ** 2])[:, None, None]

    def work(stack):
        there = weights * ~np.isnan(stack)
        return (there * np.nan_to_num(stack)).sum(axis=0) / there.sum(axis=0)
    by_strips(target, paths, work)


def superob(options, folder, race):
    paths = [scene(options, folder, f"observed_{k}", make_source, k, 0.3) for k in range(3)]
    out = products(folder, "superob", "numpy")
    race.run("superob", f"'{folder}/fusion_observed_?_{options.size}.tif' ! superob --noise '0.5 1 2' ! {out['fulmar']} --co COMPRESS=NONE",
             {"numpy": race.peer("merged", out["numpy"], *paths)}, lambda who: differ(out["fulmar"], out[who], 2e-6))


def bayes(target, path):
    """Sums of log odds, the prior being even."""
    import numpy as np

    def work(p):
        known = ~np.isnan(p)
        p = np.clip(p.astype(np.float64), 1e-9, 1 - 1e-9)
        odds = np.clip(np.where(known, np.log(p / (1 - p)), 0).sum(axis=0), -20, 20)
        return np.where(known.any(axis=0), 1 / (1 + np.exp(-odds)), np.nan)
    by_strips(target, [path], work)


def dempster(target, path):
    """Dempster's rule sensor by sensor, each trusted by 0.9, and half of what is on either."""
    import numpy as np

    def work(p):
        yes, no, either = 0.0, 0.0, 1.0
        for sensor in p.astype(np.float64):
            there = ~np.isnan(sensor)
            a, b, c = np.where(there, 0.9 * sensor, 0), np.where(there, 0.9 * (1 - sensor), 0), np.where(there, 0.1, 1.0)
            yes, no, either = yes * (a + c) + either * a, no * (b + c) + either * b, either * c
        return np.where(np.isnan(p).all(axis=0), np.nan, (yes + either / 2) / (yes + no + either))
    by_strips(target, [path], work)


def evidence(rule):
    def work(options, folder, race):
        path, out = scene(options, folder, "sensors", make_sensors), products(folder, rule, "numpy")
        race.run(f"evidence {rule}", f"{path} ! evidence --rule {rule} ! {out['fulmar']} --co COMPRESS=NONE",
                 {"numpy": race.peer(rule, out["numpy"], path)}, lambda who: differ(out["fulmar"], out[who], 1e-6))
    return work


def observations(observed, noise, guess):
    """Columns, rows, what is observed beyond the first guess, and the noise's variance; and the first guess."""
    import numpy as np
    from osgeo import gdal
    o, n, g = (gdal.Open(p).ReadAsArray().astype(np.float64) for p in (observed, noise, guess))
    y, x = np.nonzero(~np.isnan(o))
    return x.astype(float), y.astype(float), (o - g)[y, x], n[y, x] ** 2, g


@needs("scipy.spatial")
def by_tree(observed, noise, guess, target):
    import numpy as np
    from osgeo import gdal
    from scipy.spatial import cKDTree
    x, y, f, variance, first = observations(observed, noise, guess)
    places, out = np.stack([x, y], 1) / LENGTH, np.empty(first.shape)
    tree, columns = cKDTree(places), np.arange(first.shape[1])
    for row in range(first.shape[0]):
        cells = np.stack([columns, np.full(len(columns), row)], 1) / LENGTH
        far, which = tree.query(cells, NEIGHBOURS)
        near = places[which]
        covariance = np.exp(-((near[:, :, None] - near[:, None]) ** 2).sum(axis=-1))
        covariance[:, np.arange(NEIGHBOURS), np.arange(NEIGHBOURS)] += variance[which]
        out[row] = (np.linalg.solve(covariance, np.exp(-far ** 2)) * f[which]).sum(axis=1)
    copy_of(gdal.Open(guess), target, (first + out).astype(np.float32), gdal.GDT_Float32)


def numbers(observed, noise, guess, folder):
    """For Octave: x, y, f, variance as plain f64."""
    import numpy as np
    x, y, f, variance, first = observations(observed, noise, guess)
    np.stack([x, y, f, variance]).tofile(os.path.join(folder, "observations.f64"))
    return first.shape


def check(ours, guess, folder, who, theirs):
    import numpy as np
    from osgeo import gdal
    if who == "octave":
        source = gdal.Open(guess)
        found = np.fromfile(os.path.join(folder, "octave.f64")).reshape(source.RasterXSize, source.RasterYSize).T
        copy_of(source, theirs, (source.ReadAsArray() + found).astype(np.float32), gdal.GDT_Float32)
    return differ(ours, theirs, 1e-5)


def interpolate(options, folder, race):
    guess, noise = scene(options, folder, "guess", make_source, 9, 0), scene(options, folder, "noise", make_noise)
    observed, out = scene(options, folder, "sparse", make_source, 8, 0.98), products(folder, "interpolated", "octave", "scipy")
    height, width = aside(numbers, observed, noise, guess, folder)
    script = (f"pkg load optiminterp; a = tic; c = cputime; h = fopen('{folder}/observations.f64'); o = reshape(fread(h, Inf, 'double'), [], 4); "
              f"[yi, xi] = meshgrid(0:{height - 1}, 0:{width - 1}); xi = xi'; yi = yi'; f = optiminterp2(o(:,1), o(:,2), o(:,3), o(:,4), "
              f"{LENGTH}, {LENGTH}, {NEIGHBOURS}, xi, yi); h = fopen('{folder}/octave.f64', 'w'); fwrite(h, f, 'double'); fclose(h); "
              "printf('spent %.4f %.4f\\n', toc(a), cputime - c)")
    race.run("interpolate", f"{observed} ! interpolate --noise [ {noise} ] --guess [ {guess} ] --scale-x {LENGTH}px --scale-y {LENGTH}px "
             f"--search 63px --neighbours {NEIGHBOURS} ! {out['fulmar']} --co COMPRESS=NONE",
             {"octave": tool("octave", ["octave", "-qf", "--eval", script]),
              "scipy": race.peer("by_tree", observed, noise, guess, out["scipy"])},
             lambda who: check(out["fulmar"], guess, folder, who, out[who]))


JOBS = {"superob": {"superob": superob}, "evidence": {rule: evidence(rule) for rule in ("bayes", "dempster")},
        "interpolate": {"interpolate": smaller(16, interpolate)}}

if __name__ == "__main__":
    start(__doc__, JOBS, [merged, bayes, dempster, by_tree], 4096)

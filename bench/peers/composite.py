#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against NumPy and GRASS: one scene of ten dates with gaps, file to file.

usage: peers/composite.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N]
                          [--only median,mean,max_ndvi,medoid,geomedian]

NumPy in strips of 256 rows, as one writes it for scenes that are larger than memory. The median twice: nanmedian, and by
hand with what it is made of (sort, gaps last, and the middle of what is there), the fastest that we found; and by GRASS
(r.series), its start counted. NumPy chooses the greenest date in f32: of a million cells one may have two that are equal to
it. Of max_ndvi, medoid and geomedian each date has a red and a near infrared band, and half of a side (the latter two: a
quarter).
"""
import os

from race import aside, create, differ, products, smaller, start, tool

DATES = 10


def make(path, size, date, bands):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32, bands, nodata=float("nan"), options=["INTERLEAVE=BAND"])
    rng = np.random.default_rng(date)
    for y in range(0, size, 512):
        gaps = rng.random((min(512, size - y), size), np.float32) < 0.2
        for b in range(bands):
            cells = rng.gamma(4.4, 0.02 * (b + 1) / 4.4, gaps.shape).astype(np.float32)
            cells[gaps] = np.nan
            made.GetRasterBand(b + 1).WriteArray(cells, 0, y)


def strips(target, work, paths, rows=256):
    """Dates x bands x rows x columns through the work, which returns bands x rows x columns."""
    import warnings

    import numpy as np
    from osgeo import gdal
    warnings.simplefilter("ignore")  # cells without any date
    scenes = [gdal.Open(p) for p in paths]
    width, height, bands = scenes[0].RasterXSize, scenes[0].RasterYSize, scenes[0].RasterCount
    made = create(target, width, height, gdal.GDT_Float32, bands, nodata=float("nan"), options=["INTERLEAVE=BAND"])
    stack = np.empty((len(scenes), bands, rows, width), np.float32)
    for y in range(0, height, rows):
        n = min(rows, height - y)
        for k, scene in enumerate(scenes):
            scene.ReadAsArray(0, y, width, n, buf_obj=stack[k, :, :n] if n < rows else stack[k])
        for b, cells in enumerate(work(stack[:, :, :n])):
            made.GetRasterBand(b + 1).WriteArray(cells, 0, y)
    made.FlushCache()


def nanmedian(target, *paths):
    import numpy as np
    strips(target, lambda stack: np.nanmedian(stack, axis=0), paths)


def by_sort(target, *paths):
    import numpy as np

    def middle(stack):
        there = np.count_nonzero(~np.isnan(stack), axis=0)
        stack = np.sort(stack, axis=0)
        # All missing: the first after sorting, which is missing.
        pick = lambda at: np.take_along_axis(stack, np.maximum(at, 0)[None], 0)[0]
        return 0.5 * (pick((there - 1) // 2) + pick(there // 2))
    strips(target, middle, paths)


def nanmean(target, *paths):
    import numpy as np
    strips(target, lambda stack: np.nanmean(stack, axis=0, dtype=np.float64), paths)


def greenest(target, *paths):
    import numpy as np

    def work(stack):
        index = (stack[:, 1] - stack[:, 0]) / (stack[:, 1] + stack[:, 0])
        best = np.where(np.isnan(index), -np.inf, index).argmax(axis=0)
        return np.take_along_axis(stack, best[None, None], axis=0)[0]
    strips(target, work, paths)


def medoid(target, *paths):
    import numpy as np

    def work(stack):
        wide = stack.astype(np.float64)
        sums = np.zeros((len(stack),) + stack.shape[2:])
        for date in wide:  # one at a time: all pairs at once would not fit the processor's caches
            sums += np.nan_to_num(np.sqrt(((wide - date) ** 2).sum(axis=1)))
        sums[np.isnan(wide[:, 0])] = np.inf
        return np.take_along_axis(stack, sums.argmin(axis=0)[None, None], axis=0)[0]
    strips(target, work, paths)


def geomedian(target, *paths):
    """Weiszfeld's iteration on all cells of a strip, until none moves by more than f32 can tell."""
    import numpy as np

    def work(stack):
        wide = stack.astype(np.float64)
        at, there = np.nanmean(wide, axis=0), ~np.isnan(wide[:, :1])
        wide = np.where(there, wide, 0)
        for _ in range(500):
            weights = there / np.maximum(np.sqrt(((wide - at) ** 2).sum(axis=1, keepdims=True)), 1e-12)
            moved = (weights * wide).sum(axis=0) / weights.sum(axis=0)
            if np.nanmax(np.abs(moved - at), initial=0) < 1e-8:
                break
            at = moved
        return moved
    strips(target, work, paths, 16)


def grass(method, paths, target):
    names = [f"d{k}" for k in range(len(paths))]
    read = " && ".join(f"r.external -o --q input={p} output={n}" for p, n in zip(paths, names))
    script = (f"{read} && g.region raster=d0 && r.series --q input={','.join(names)} output=c method={method} && "
              f"r.out.gdal -cf --q --overwrite input=c output={target} format=GTiff type=Float32 nodata=nan")
    return tool("grass", ["sh", "-c", f"grass --tmp-location {paths[0]} --exec sh -c '{script}'"])


def job(method, peers, tolerance, bands=1, allowed=0.0):
    def work(options, folder, race):
        stem = os.path.join(folder, f"date{bands}_{options.size}_202601")
        paths = [f"{stem}{d + 1:02}.tif" for d in range(DATES)]
        for date, path in enumerate(paths):
            if not os.path.exists(path):
                aside(make, path, options.size, date, bands)
        out = products(folder, f"composite_{method}", *peers, "grass")
        commands = {who: race.peer(who, out[who], *paths) for who in peers}
        if method == "median":
            commands["grass"] = grass("median", paths, out["grass"])
        words = " --red 1 --nir 2" if method == "max_ndvi" else ""
        race.run(f"composite {method}", f"'{stem}*.tif' ! composite {method}{words} ! {out['fulmar']} --co COMPRESS=NONE",
                 commands, lambda who: differ(out["fulmar"], out[who], tolerance, allowed=allowed))
    return work


JOBS = {"median": job("median", ["nanmedian", "by_sort"], 1e-8), "mean": job("mean", ["nanmean"], 1e-8),
        "max_ndvi": smaller(2, job("max_ndvi", ["greenest"], 0, 2, 1e-6)), "medoid": smaller(4, job("medoid", ["medoid"], 0, 2)),
        "geomedian": smaller(4, job("geomedian", ["geomedian"], 1e-5, 2))}

if __name__ == "__main__":
    start(__doc__, {"composite": JOBS}, [nanmedian, by_sort, nanmean, greenest, medoid, geomedian], 4096)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against SciPy and OpenCV: medians and an upper percentile of a window, u16 and f32, file to file.

usage: peers/median.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N] [--limit S]
                       [--only u16_3,u16_7,u16_31,f32_3,f32_7,f32_31,percentile]

OpenCV has these types up to 5 x 5 only. SciPy selects anew in every window: at 7 cells it gets half of a side, at 31 an
eighth. The percentile is the 75th of 7 x 7, which is one of the 49 values by any definition.
"""
from race import copy_of, create, differ, needs, products, scene, smaller, start


def make(path, size, kind):
    """Speckle of 4.4 looks, as counts or as numbers."""
    import numpy as np
    from osgeo import gdal
    rng, scale = np.random.default_rng(20260101), 1000 if kind == "uint16" else 0.02
    made = create(path, size, size, gdal.GDT_UInt16 if kind == "uint16" else gdal.GDT_Float32)
    for y in range(0, size, 512):
        made.GetRasterBand(1).WriteArray(rng.gamma(4.4, scale / 4.4, (min(512, size - y), size)).astype(kind), 0, y)


def filtered(path, target, work):
    from osgeo import gdal
    source = gdal.Open(path)
    copy_of(source, target, work(source.ReadAsArray()), source.GetRasterBand(1).DataType)


@needs("scipy.ndimage")
def scipy(path, target, width):
    from scipy.ndimage import median_filter
    filtered(path, target, lambda cells: median_filter(cells, int(width)))


@needs("scipy.ndimage")
def scipy_percentile(path, target, width):
    from scipy.ndimage import percentile_filter
    filtered(path, target, lambda cells: percentile_filter(cells, 75, int(width)))


@needs("cv2")
def opencv(path, target, width):
    import cv2
    filtered(path, target, lambda cells: cv2.medianBlur(cells, int(width)))


def job(operator, kind, width):
    def work(options, folder, race):
        path, out = scene(options, folder, f"speckle_{kind}", make, kind), products(folder, operator, "scipy", "opencv")
        peers = {"scipy": race.peer("scipy" if operator == "median" else "scipy_percentile", path, out["scipy"], width)}
        if operator == "median" and width <= 5:
            peers["opencv"] = race.peer("opencv", path, out["opencv"], width)
        words = "" if operator == "median" else " 75"
        race.run(f"{operator} {width}, {kind}",
                 f"{path} ! {operator}{words} --window {width}px ! {out['fulmar']} --co COMPRESS=NONE", peers,
                 lambda who: differ(out["fulmar"], out[who], 0, width // 2))
    return smaller({3: 1, 7: 2, 31: 8}[width], work)


MEDIANS = {f"{short}_{width}": job("median", kind, width) for short, kind in (("u16", "uint16"), ("f32", "float32"))
           for width in (3, 7, 31)}

if __name__ == "__main__":
    start(__doc__, {"median": MEDIANS, "percentile": {"percentile": job("percentile", "float32", 7)}},
          [scipy, scipy_percentile, opencv], 4096)

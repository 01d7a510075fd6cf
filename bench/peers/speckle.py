#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against SciPy, OpenCV and Orfeo ToolBox: Lee's filter of radar intensity, 5 x 5 and 11 x 11 cells, file to file.

usage: peers/speckle.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only r2,r5]

SciPy and OpenCV form the window's mean and variance from box sums of values and squares in f64, and the filter with NumPy.
otbcli_Despeckle is compared where it is installed (apt-get install otb-bin), with the same threads and its start counted.
"""
import os
import shutil

from race import aside, copy_of, create, differ, needs, start


def make(path, size):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32)
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        field = 0.1 + 0.06 * (np.sin(x / 37) * np.sin(rows / 53) > 0.3)
        made.GetRasterBand(1).WriteArray((field * rng.gamma(4.4, 1 / 4.4, field.shape)).astype(np.float32), 0, y)


def lee(box, scene, target, radius):
    import numpy as np
    from osgeo import gdal
    source = gdal.Open(scene)
    value = source.ReadAsArray().astype(np.float64)
    n, noise = (2 * int(radius) + 1) ** 2, 1 / 4.4
    mean = box(value, 2 * int(radius) + 1)
    variance = np.maximum(box(value * value, 2 * int(radius) + 1) - mean * mean, 0) * (n / (n - 1))
    with np.errstate(all="ignore"):
        k = np.maximum(1 - noise * mean * mean / variance, 0)
    copy_of(source, target, (mean + k * (value - mean)).astype(np.float32), gdal.GDT_Float32)


@needs("scipy.ndimage")
def scipy(*args):
    from scipy.ndimage import uniform_filter
    lee(uniform_filter, *args)


@needs("cv2")
def opencv(*args):
    import cv2
    lee(lambda image, width: cv2.blur(image, (width, width)), *args)


def job(radius):
    def work(options, folder, race):
        scene = os.path.join(folder, f"intensity_lee_{options.size}.tif")
        if not os.path.exists(scene):
            aside(make, scene, options.size)
        out = {who: os.path.join(folder, f"lee_{who}.tif") for who in ("fulmar", "scipy", "opencv", "otb")}
        otb = {}
        if shutil.which("otbcli_Despeckle"):
            otb = {"otb": ["env", f"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS={options.threads}", "otbcli_Despeckle", "-in", scene,
                           "-filter", "lee", "-filter.lee.rad", str(radius), "-filter.lee.nblooks", "4.4", "-out", out["otb"],
                           "float", "-progress", "0"]}
        race.run(f"lee, {2 * radius + 1} x {2 * radius + 1}",
                 f"{scene} ! speckle --filter lee --radius {radius} --looks 4.4 ! {out['fulmar']} --co COMPRESS=NONE",
                 {**{who: race.peer(who, scene, out[who], radius) for who in ("scipy", "opencv")}, **otb},
                 lambda who: differ(out["fulmar"], out[who], 1e-6, radius))
    return work


if __name__ == "__main__":
    start(__doc__, {"r2": job(2), "r5": job(5)}, {"scipy": scipy, "opencv": opencv})

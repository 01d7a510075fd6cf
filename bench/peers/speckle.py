#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against SciPy, OpenCV and Orfeo ToolBox: filters of radar intensity, file to file.

usage: peers/speckle.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only r2,r5,frost,gamma_map,boxcar]

Lee of 5 x 5 and 11 x 11 cells; Frost and Gamma-MAP of 7 x 7; the mean of 31 x 31. SciPy and OpenCV form the window's mean and
variance from box sums of values and squares in f64, and Lee's filter with NumPy. otbcli_Despeckle is compared where it is
installed (apt-get install otb-bin), with the same threads and its start counted.
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


def otb(options, scene, out, *words):
    if shutil.which("otbcli_Despeckle") is None:
        return {}
    return {"otb": ["env", f"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS={options.threads}", "otbcli_Despeckle", "-in", scene, *words,
                    "-out", out["otb"], "float", "-progress", "0"]}


def job(radius, name, words, peers, theirs, tolerance=1e-6):
    def work(options, folder, race):
        scene = os.path.join(folder, f"intensity_lee_{options.size}.tif")
        if not os.path.exists(scene):
            aside(make, scene, options.size)
        out = {who: os.path.join(folder, f"speckle_{who}.tif") for who in ("fulmar", "scipy", "opencv", "otb")}
        race.run(f"{name}, {2 * radius + 1} x {2 * radius + 1}",
                 f"{scene} ! speckle {words} ! {out['fulmar']} --co COMPRESS=NONE",
                 {**{who.split("_")[-1]: race.peer(who, scene, out[who.split("_")[-1]], *more) for who, *more in peers},
                  **(otb(options, scene, out, *theirs.split()) if theirs else {})},
                 lambda who: differ(out["fulmar"], out[who], tolerance, radius))
    return work


def lee_job(radius):
    return job(radius, "lee", f"--filter lee --radius {radius} --looks 4.4", [("scipy", radius), ("opencv", radius)],
               f"-filter lee -filter.lee.rad {radius} -filter.lee.nblooks 4.4")


JOBS = {"r2": lee_job(2), "r5": lee_job(5),
        "frost": job(3, "frost", "--filter frost --radius 3 --damping 2", [],
                     "-filter frost -filter.frost.rad 3 -filter.frost.deramp 2"),
        "gamma_map": job(3, "gamma_map", "--filter gamma_map --radius 3 --looks 4.4", [],
                         "-filter gammamap -filter.gammamap.rad 3 -filter.gammamap.nblooks 4.4"),
        "boxcar": job(15, "boxcar", "--filter boxcar --radius 15", [("mean_scipy",), ("mean_opencv",)], "")}

if __name__ == "__main__":
    start(__doc__, JOBS, {"scipy": scipy, "opencv": opencv, "mean_scipy": mean_scipy, "mean_opencv": mean_opencv})

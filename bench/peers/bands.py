#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against Spectral Python and NumPy: RX, covariance and regression over eight f32 bands, file to file.

usage: peers/bands.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N] [--only rx,covariance,regress]

Bands one after the other in the file, without gaps. Spectral Python (spectral.rx) holds all of it in memory, as f64, and
its products of matrices use the threads of the BLAS; NumPy goes twice over strips of 256 rows, as we do.
"""
import json

from race import copy_of, create, differ, needs, products, scene, start

BANDS = 8


def make(path, size):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32, BANDS, options=["INTERLEAVE=BAND"])
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        base = 0.3 + 0.1 * np.sin(x / 71) * np.cos(rows / 53)
        for b in range(BANDS):
            cells = base * (1 + 0.1 * b) + rng.normal(0, 0.02, base.shape)
            made.GetRasterBand(b + 1).WriteArray(cells.astype(np.float32), 0, y)


@needs("spectral")
def rx_spectral(path, target):
    import numpy as np
    import spectral
    from osgeo import gdal
    source = gdal.Open(path)
    cube = np.moveaxis(source.ReadAsArray(), 0, 2).astype(np.float64)
    copy_of(source, target, spectral.rx(cube).astype(np.float32), gdal.GDT_Float32)


def strips(*sources):
    """Bands x cells of all files together."""
    import numpy as np
    for y in range(0, sources[0].RasterYSize, 256):
        rows = min(256, sources[0].RasterYSize - y)
        yield np.concatenate([s.ReadAsArray(0, y, s.RasterXSize, rows).reshape(s.RasterCount, -1).astype(np.float64) for s in sources])


def moments(parts):
    """Number, means and covariance, about the mean of the first part."""
    import numpy as np
    n, pivot = 0, None
    for cells in parts:
        if pivot is None:
            pivot = cells.mean(axis=1)
            total, square = np.zeros(len(pivot)), np.zeros((len(pivot), len(pivot)))
        cells -= pivot[:, None]
        n += cells.shape[1]
        total += cells.sum(axis=1)
        square += cells @ cells.T
    mean = total / n
    return n, pivot + mean, (square - n * np.outer(mean, mean)) / (n - 1)


def rx_numpy(path, target):
    import numpy as np
    from osgeo import gdal
    source = gdal.Open(path)
    n, mean, covariance = moments(strips(source))
    root = np.linalg.inv(np.linalg.cholesky(covariance))
    out = np.empty(n, np.float32)
    at = 0
    for cells in strips(source):
        cells -= mean[:, None]
        white = root @ cells
        out[at:at + cells.shape[1]] = np.einsum("ij,ij->j", white, white)
        at += cells.shape[1]
    copy_of(source, target, out.reshape(source.RasterYSize, -1), gdal.GDT_Float32)


def rx(options, folder, race):
    path, out = scene(options, folder, "spectra", make), products(folder, "rx", "spectral", "numpy")
    race.run("rx", f"{path} ! rx ! {out['fulmar']} --co COMPRESS=NONE",
             {who: race.peer(f"rx_{who}", path, out[who]) for who in ("spectral", "numpy")},
             lambda who: differ(out["fulmar"], out[who], 1e-4))


def covariance_numpy(path, target):
    from osgeo import gdal
    n, mean, matrix = moments(strips(gdal.Open(path)))
    with open(target, "w") as out:
        json.dump([n, mean.tolist(), matrix.tolist()], out)


def check_covariance(ours, theirs):
    import csv

    import numpy as np
    rows, (n, mean, matrix) = list(csv.DictReader(open(ours))), json.load(open(theirs))
    if {int(r["n"]) for r in rows} != {n}:
        raise SystemExit(f"{rows[0]['n']} cells here, {n} there")
    got = np.array([float(r["covariance"]) for r in rows]).reshape(BANDS, BANDS)
    means = np.array([float(r["mean"]) for r in rows[::BANDS]])
    off = max(np.abs(got / matrix - 1).max(), np.abs(means / mean - 1).max())
    if off > 1e-8:
        raise SystemExit(f"means or covariances differ by {off} of them")
    return f"{n} cells, means and covariances within {off:.1g} of them"


def covariance(options, folder, race):
    path = scene(options, folder, "spectra", make)
    ours, theirs = products(folder, "covariance", kind="csv")["fulmar"], products(folder, "covariance", "numpy", kind="json")["numpy"]
    race.run("covariance", f"{path} ! covariance ! {ours}", {"numpy": race.peer("covariance_numpy", path, theirs)},
             lambda who: check_covariance(ours, theirs))


def make_target(path, size, bands):
    import numpy as np
    from osgeo import gdal
    source, made, rng = gdal.Open(bands), create(path, size, size, gdal.GDT_Float32), np.random.default_rng(2)
    for y in range(0, size, 512):
        cells = source.ReadAsArray(0, y, size, min(512, size - y)).astype(np.float64)
        fitted = 0.1 + np.tensordot(np.linspace(0.05, 0.3, BANDS), cells, 1) + rng.normal(0, 0.05, cells.shape[1:])
        made.GetRasterBand(1).WriteArray(fitted.astype(np.float32), 0, y)


def regress_numpy(path, wanted, target):
    """Normal equations about the means, then a second time over the strips, as we do."""
    import numpy as np
    from osgeo import gdal
    source, other = gdal.Open(path), gdal.Open(wanted)
    _, mean, matrix = moments(strips(source, other))
    weights = np.linalg.solve(matrix[:-1, :-1], matrix[:-1, -1])
    out = [mean[-1] + weights @ (cells - mean[:-1, None]) for cells in strips(source)]
    copy_of(source, target, np.concatenate(out).reshape(source.RasterYSize, -1).astype(np.float32), gdal.GDT_Float32)


def regress(options, folder, race):
    path, out = scene(options, folder, "spectra", make), products(folder, "regress", "numpy")
    wanted = scene(options, folder, "wanted", make_target, path)
    race.run("regress", f"{path} ! regress --target [ {wanted} ] ! {out['fulmar']} --co COMPRESS=NONE",
             {"numpy": race.peer("regress_numpy", path, wanted, out["numpy"])}, lambda who: differ(out["fulmar"], out[who], 1e-6))


if __name__ == "__main__":
    start(__doc__, {op.__name__: {op.__name__: op} for op in (rx, covariance, regress)},
          [rx_spectral, rx_numpy, covariance_numpy, regress_numpy], 4096)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against Spectral Python and NumPy: global RX of eight f32 bands, file to file.

usage: peers/rx.py FULMAR [--size 4096] [--runs 3] [--folder DIR] [--threads N]

Bands one after the other in the file, without gaps. Spectral Python (spectral.rx) holds all of it in memory, as f64, and
its products of matrices use the threads of the BLAS; NumPy goes twice over strips of 256 rows, as we do.
"""
import os

from race import aside, copy_of, create, differ, needs, start

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
def by_spectral(path, target):
    import numpy as np
    import spectral
    from osgeo import gdal
    source = gdal.Open(path)
    cube = np.moveaxis(source.ReadAsArray(), 0, 2).astype(np.float64)
    copy_of(source, target, spectral.rx(cube).astype(np.float32), gdal.GDT_Float32)


def by_numpy(path, target):
    import numpy as np
    from osgeo import gdal
    source = gdal.Open(path)
    width, height = source.RasterXSize, source.RasterYSize

    def strips():
        for y in range(0, height, 256):
            yield source.ReadAsArray(0, y, width, min(256, height - y)).reshape(BANDS, -1).astype(np.float64)
    total, square, pivot = np.zeros(BANDS), np.zeros((BANDS, BANDS)), None
    for cells in strips():
        pivot = cells.mean(axis=1) if pivot is None else pivot
        cells -= pivot[:, None]
        total += cells.sum(axis=1)
        square += cells @ cells.T
    n = width * height
    mean = total / n
    root = np.linalg.inv(np.linalg.cholesky((square - n * np.outer(mean, mean)) / (n - 1)))
    out = np.empty(n, np.float32)
    at = 0
    for cells in strips():
        cells -= (pivot + mean)[:, None]
        white = root @ cells
        out[at:at + cells.shape[1]] = np.einsum("ij,ij->j", white, white)
        at += cells.shape[1]
    copy_of(source, target, out.reshape(height, width), gdal.GDT_Float32)


def rx(options, folder, race):
    path = os.path.join(folder, f"spectra_{options.size}.tif")
    if not os.path.exists(path):
        aside(make, path, options.size)
    out = {who: os.path.join(folder, f"rx_{who}.tif") for who in ("fulmar", "spectral", "numpy")}
    race.run("rx", f"{path} ! rx ! {out['fulmar']} --co COMPRESS=NONE",
             {who: race.peer(f"by_{who}", path, out[who]) for who in ("spectral", "numpy")},
             lambda who: differ(out["fulmar"], out[who], 1e-4))


if __name__ == "__main__":
    start(__doc__, {"rx": rx}, {"by_spectral": by_spectral, "by_numpy": by_numpy}, 4096)

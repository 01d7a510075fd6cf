#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a scene of gamma-distributed clutter with bright targets, as a Sentinel-1 GRD measurement would hold it.

usage: make_scene.py OUT.tif [--width 25847] [--height 16731] [--targets 2000] [--looks 4.4] [--compress ZSTD]
                     [--seed 1] [--calibration calibration.xml]

The cells are u16 amplitudes whose square is gamma-distributed with the given number of looks; targets are 3 x 8 cells,
20 dB above the clutter; a border of 40 columns on either side is 0, as in a product. With --calibration the amplitude
follows the product's own look-up table, so that the calibrated clutter has the same mean everywhere.
"""
import argparse
import gzip
import xml.etree.ElementTree as ET

import numpy as np
from osgeo import gdal

gdal.UseExceptions()


def lut(path, width, height):
    """sigma0 table of a calibration file, stretched over the scene: (lines, pixels, values)."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path) as f:
        vectors = ET.parse(f).getroot().iter("calibrationVector")
        rows = [(int(v.find("line").text), np.array(v.find("pixel").text.split(), float),
                 np.array(v.find("sigmaNought").text.split(), float)) for v in vectors]
    return [(line, np.interp(np.arange(width), pixels, values)) for line, pixels, values in rows]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--width", type=int, default=25847)
    p.add_argument("--height", type=int, default=16731)
    p.add_argument("--targets", type=int, default=2000)
    p.add_argument("--looks", type=float, default=4.4)
    p.add_argument("--compress", default="ZSTD")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--calibration")
    a = p.parse_args()

    rng = np.random.default_rng(a.seed)
    options = ["BIGTIFF=IF_SAFER"]
    if a.compress.upper() != "NONE":
        options += [f"COMPRESS={a.compress}", "TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "NUM_THREADS=ALL_CPUS"]
        options += ["ZSTD_LEVEL=1"] if a.compress.upper() == "ZSTD" else []
    out = gdal.GetDriverByName("GTiff").Create(a.out, a.width, a.height, 1, gdal.GDT_UInt16, options)
    out.SetGeoTransform([500000, 10, 0, 4000000, 0, -10])
    srs = gdal.osr.SpatialReference() if hasattr(gdal, "osr") else __import__("osgeo.osr", fromlist=["osr"]).SpatialReference()
    srs.ImportFromEPSG(32651)
    out.SetSpatialRef(srs)
    band = out.GetRasterBand(1)
    band.SetNoDataValue(0)

    margin = min(40, a.width // 20)
    rows = rng.integers(20, max(21, a.height - 20), a.targets)
    columns = rng.integers(margin + 20, max(margin + 21, a.width - margin - 20), a.targets)
    table = lut(a.calibration, a.width, a.height) if a.calibration else None
    step = 512
    for y0 in range(0, a.height, step):
        n = min(step, a.height - y0)
        intensity = rng.standard_gamma(a.looks, (n, a.width), dtype=np.float32) * np.float32(1 / a.looks)
        for y, x in zip(rows, columns):
            lo, hi = max(y, y0), min(y + 3, y0 + n)
            if lo < hi:
                intensity[lo - y0:hi - y0, x:x + 8] *= 100
        amplitude = np.sqrt(intensity)
        if table:
            lines = np.array([line for line, _ in table])
            for r in range(n):
                i = int(np.clip(np.searchsorted(lines, y0 + r) - 1, 0, len(lines) - 2))
                t = (y0 + r - lines[i]) / (lines[i + 1] - lines[i])
                amplitude[r] *= ((1 - t) * table[i][1] + t * table[i + 1][1]) * 0.15
        else:
            amplitude *= 300
        cells = np.clip(np.rint(amplitude), 1, 65535).astype(np.uint16)
        cells[:, :margin] = 0
        cells[:, a.width - margin:] = 0
        band.WriteArray(cells, 0, y0)
    out = None


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two-parameter CFAR of a u16 scene, file to file, as it is usually written with a peer.

usage: cfar_peer.py opencv|scipy IN.tif OUT.tif GUARD BACKGROUND PFA

Both count missing cells out of the ring in float64. Widths are full widths in cells.
"""
import sys

import numpy as np
from osgeo import gdal
from scipy.stats import norm

gdal.UseExceptions()
how, source, target, guard, background, pfa = sys.argv[1:7]
guard, background, t = int(guard), int(background), norm.isf(float(pfa))

dataset = gdal.Open(source)
band = dataset.GetRasterBand(1)
cells = band.ReadAsArray()
valid = cells != band.GetNoDataValue()
value = np.where(valid, cells, 0).astype(np.float64)
count = valid.astype(np.float64)

if how == "opencv":
    import cv2

    def box(image, width):
        return cv2.boxFilter(image, cv2.CV_64F, (width, width), normalize=False, borderType=cv2.BORDER_CONSTANT)
else:
    from scipy.ndimage import uniform_filter

    def box(image, width):
        return uniform_filter(image, width, mode="constant") * (width * width)

square = value * value
n = box(count, background) - box(count, guard)
s1 = box(value, background) - box(value, guard)
s2 = box(square, background) - box(square, guard)
with np.errstate(divide="ignore", invalid="ignore"):
    mean = s1 / n
    variance = np.maximum(s2 / n - mean * mean, 0)
    detected = value > mean + t * np.sqrt(variance)
full = background * background - guard * guard
result = np.where(valid & (np.rint(n) >= 0.25 * full), detected, 255).astype(np.uint8)

out = gdal.GetDriverByName("GTiff").Create(target, cells.shape[1], cells.shape[0], 1, gdal.GDT_Byte)
out.SetGeoTransform(dataset.GetGeoTransform())
out.SetSpatialRef(dataset.GetSpatialRef())
out.GetRasterBand(1).SetNoDataValue(255)
out.GetRasterBand(1).WriteArray(result)
out = None

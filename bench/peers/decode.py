#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Decodes a raster and does nothing else: the time that no pipeline over it can beat.

usage: decode.py SCENE.tif THREADS

Every thread has its own handle and reads whole rows of blocks into memory that is reused. GDAL's block cache is held to
64 MiB, as Fulmar holds it: filling a large one costs more than decoding. Prints wall and CPU seconds, Python's start
left out, after the word spent.
"""
import sys
import threading
import time

import numpy as np
from osgeo import gdal

gdal.UseExceptions()
gdal.SetCacheMax(64 << 20)
scene, threads = sys.argv[1], int(sys.argv[2])
first = gdal.Open(scene).GetRasterBand(1)
height, width = first.YSize, first.XSize
step = max(first.GetBlockSize()[1], 512 // first.GetBlockSize()[1] * first.GetBlockSize()[1])


def work(k):
    dataset = gdal.Open(scene)
    band = dataset.GetRasterBand(1)
    type_ = np.dtype(gdal.GetDataTypeName(band.DataType).lower().replace("byte", "uint8"))
    buffer = np.empty((step, width), type_)
    for y in range(k * step, height, threads * step):
        n = min(step, height - y)
        band.ReadAsArray(0, y, width, n, buf_obj=buffer[:n])


start, cpu = time.monotonic(), time.process_time()
workers = [threading.Thread(target=work, args=(k,)) for k in range(threads)]
for w in workers:
    w.start()
for w in workers:
    w.join()
print(f"spent {time.monotonic() - start:.4f} {time.process_time() - cpu:.4f}")

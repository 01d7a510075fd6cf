#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdal_pansharpen.py: Brovey of four u16 bands at half the resolution, cubic, file to file.

usage: peers/pansharpen.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N]

Both get the same threads; gdal_pansharpen.py writes u16, rounded, where we write f32: twice the bytes, against us.
"""
import os

from race import aside, create, differ, start


def make(pan, bands, size):
    import numpy as np
    from osgeo import gdal
    rng = np.random.default_rng(1)

    def fill(path, side, cell, count):
        made = create(path, side, side, gdal.GDT_UInt16, count, cell=cell)
        x = np.arange(side) * cell
        for y in range(0, side, 512):
            rows = np.arange(y, min(side, y + 512))[:, None] * cell
            base = 3000 + 800 * np.sin(x / 310) * np.cos(rows / 470)
            for b in range(count):
                cells = base * (0.8 + 0.1 * b) + rng.integers(0, 100, base.shape)
                made.GetRasterBand(b + 1).WriteArray(cells.astype(np.uint16), 0, y)
    fill(pan, size, 5.0, 1)
    fill(bands, size // 2, 10.0, 4)


def brovey(options, folder, race):
    pan, bands = (os.path.join(folder, f"{what}_{options.size}.tif") for what in ("pan", "bands"))
    if not os.path.exists(bands):
        aside(make, pan, bands, options.size)
    ours, theirs = (os.path.join(folder, f"sharp_{who}.tif") for who in ("fulmar", "gdal"))
    command = ["gdal_pansharpen.py", "-q", "-threads", str(options.threads), "-r", "cubic", "-co", "TILED=YES", pan, bands, theirs]
    # They round the resampled bands and the result to whole counts.
    race.run("pansharpen brovey",
             f"{bands} ! align --to {pan} --resample cubic ! pansharpen --pan [ {pan} ] ! {ours} --co COMPRESS=NONE",
             {"gdal_pansharpen.py": command}, lambda who: differ(ours, theirs, 2.0, 16))


if __name__ == "__main__":
    start(__doc__, {"brovey": brovey})

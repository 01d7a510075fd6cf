#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdal_pansharpen.py, SciPy and NumPy: four u16 bands at half the resolution sharpened, file to file.

usage: peers/pansharpen.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only brovey,hpf,mtf_glp,gsa]

Brovey: cubic, with the same threads, both to u16.
The others begin with bands on the panchromatic grid, so that only the sharpening is compared; the detail is SciPy's (a mean
of 5 x 5; Gaussian means of blocks and cubic convolution back, as two products with sparse matrices), gsa goes twice over strips.
"""
import os

from bands import moments, strips
from race import aside, create, differ, needs, products, scene, start


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
    pan, bands = files(options, folder)
    ours, theirs = (os.path.join(folder, f"sharp_{who}.tif") for who in ("fulmar", "gdal"))
    command = ["gdal_pansharpen.py", "-q", "-threads", str(options.threads), "-r", "cubic", "-co", "TILED=YES", pan, bands, theirs]
    # They round the resampled bands and the result to whole counts.
    race.run("pansharpen brovey",
             f"{bands} ! align --to {pan} --resample cubic ! pansharpen --pan [ {pan} ] ! {ours} --type u16 --co COMPRESS=NONE",
             {"gdal_pansharpen.py": command}, lambda who: differ(ours, theirs, 2.0, 16))


def make_near(path, size, bands):
    """Bands on the panchromatic grid, each cell repeated."""
    from osgeo import gdal
    made, source = create(path, size, size, gdal.GDT_UInt16, 4, cell=5.0, options=["INTERLEAVE=BAND"]), gdal.Open(bands)
    for b in range(4):
        made.GetRasterBand(b + 1).WriteArray(source.GetRasterBand(b + 1).ReadAsArray().repeat(2, 0).repeat(2, 1))


def make_intensity(path, size, near):
    import numpy as np
    from osgeo import gdal
    made, source = create(path, size, size, gdal.GDT_Float32, cell=5.0), gdal.Open(near)
    for y in range(0, size, 512):
        cells = 200 + np.tensordot([0.1, 0.2, 0.3, 0.3], source.ReadAsArray(0, y, size, min(512, size - y)), 1)
        made.GetRasterBand(1).WriteArray(cells.astype(np.float32), 0, y)


def files(options, folder):
    pan, bands = (os.path.join(folder, f"{what}_{options.size}.tif") for what in ("pan", "bands"))
    if not os.path.exists(bands):
        aside(make, pan, bands, options.size)
    return pan, bands


def add_detail(near, pan, target, low_of):
    """Each band and what the panchromatic band has more than its own low frequencies, band by band in f32."""
    import numpy as np
    from osgeo import gdal
    source, sharp = gdal.Open(near), gdal.Open(pan).ReadAsArray()
    detail = sharp - low_of(sharp.astype(np.float64))
    made = create(target, source.RasterXSize, source.RasterYSize, gdal.GDT_Float32, 4, cell=5.0, options=["INTERLEAVE=BAND"])
    for b in range(4):
        made.GetRasterBand(b + 1).WriteArray((source.GetRasterBand(b + 1).ReadAsArray() + detail).astype(np.float32))
    made.FlushCache()


@needs("scipy.ndimage")
def hpf(near, pan, target):
    from scipy.ndimage import uniform_filter
    add_detail(near, pan, target, lambda cells: uniform_filter(cells, 5))


@needs("scipy.sparse")
def mtf_glp(near, pan, target):
    import numpy as np
    from scipy.sparse import csr_matrix

    def pyramid(size, ratio=2, gain=0.3):
        """Gaussian means at the centres of blocks, then cubic convolution back to the cells, along one axis."""
        sigma, reach = ratio * np.sqrt(-2 * np.log(gain)) / np.pi, 8 * ratio
        cell, rows = np.arange(size)[:, None], 0
        for tap in range(-1, 3):
            block = np.floor((cell - (ratio - 1) / 2) / ratio) + tap
            centre = block * ratio + (ratio - 1) / 2
            t = np.abs(cell - centre) / ratio
            cubic = np.where(t <= 1, 1.5 * t ** 3 - 2.5 * t ** 2 + 1, np.where(t < 2, -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2, 0))
            at = np.floor(centre).astype(int) + np.arange(-reach, reach + 1)
            gauss = np.exp(-(at - centre) ** 2 / (2 * sigma ** 2)) * (np.abs(at - centre) <= np.ceil(4 * sigma))
            weights = cubic * gauss / gauss.sum(axis=1, keepdims=True)
            use = (at >= 0) & (at < size) & (weights != 0)
            rows = rows + csr_matrix((weights[use], (np.broadcast_to(cell, at.shape)[use], at[use])), (size, size))
        return rows
    add_detail(near, pan, target, lambda cells: (pyramid(cells.shape[1]) @ (pyramid(cells.shape[0]) @ cells).T).T)


def gsa(near, pan, intensity, target):
    import numpy as np
    from osgeo import gdal
    sources = [gdal.Open(p) for p in (near, pan, intensity)]
    _, mean, matrix = moments(strips(*sources))
    gains, scale = matrix[:4, 5] / matrix[5, 5], np.sqrt(matrix[5, 5] / matrix[4, 4])
    width, y = sources[0].RasterXSize, 0
    made = create(target, width, sources[0].RasterYSize, gdal.GDT_Float32, 4, cell=5.0, options=["INTERLEAVE=BAND"])
    for cells in strips(*sources):
        detail = (cells[4] - mean[4]) * scale + mean[5] - cells[5]
        for b in range(4):
            made.GetRasterBand(b + 1).WriteArray((cells[b] + gains[b] * detail).astype(np.float32).reshape(-1, width), 0, y)
        y += cells.shape[1] // width
    made.FlushCache()


def job(method):
    def work(options, folder, race):
        pan, bands = files(options, folder)
        near, out = scene(options, folder, "near", make_near, bands), products(folder, method, "scipy", "numpy")
        if method == "gsa":
            intensity = scene(options, folder, "intensity", make_intensity, near)
            text, peers = f"gsa --pan [ {pan} ] --intensity [ {intensity} ]", {"numpy": race.peer("gsa", near, pan, intensity, out["numpy"])}
        else:
            text = f"pansharpen --pan [ {pan} ] --method {method} --ratio 2"
            peers = {"scipy": race.peer(method, near, pan, out["scipy"])}
        race.run(f"pansharpen {method}", f"{near} ! {text} ! {out['fulmar']} --co COMPRESS=NONE", peers,
                 lambda who: differ(out["fulmar"], out[who], 1e-3, 16))
    return work


if __name__ == "__main__":
    start(__doc__, {"pansharpen": {"brovey": brovey, "hpf": job("hpf"), "mtf_glp": job("mtf_glp")}, "gsa": {"gsa": job("gsa")}},
          [hpf, mtf_glp, gsa])

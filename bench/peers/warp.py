#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against gdalwarp: the same image to another grid, file to file.

usage: peers/warp.py FULMAR [--size 10980] [--runs 3] [--folder DIR] [--threads N]
                     [--only nearest,bilinear,cubic,lanczos,average,align]

Both get the same threads and the same 512 MiB; gdalwarp its default approximation of coordinates (an eighth of a cell),
ours being good to a hundred-thousandth. Answers are compared away from edges and by what that approximation can make of a
smooth image. align: bilinear, onto a raster of the next UTM zone.
"""
import os

from race import aside, create, products, scene, spent, start

# Our resampling: gdalwarp's, target CRS, resolution.
KERNELS = {"nearest": ("near", "EPSG:32632", 10.0), "bilinear": ("bilinear", "EPSG:32632", 10.0),
           "cubic": ("cubic", "EPSG:32632", 10.0), "lanczos": ("lanczos", "EPSG:32632", 10.0),
           "average": ("average", "EPSG:32631", 60.0)}


def make(path, size):
    """A smooth u16 image in UTM 31, tiles of DEFLATE: what the approximation of coordinates does to it is small."""
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_UInt16, options=["TILED=YES", "COMPRESS=DEFLATE", "PREDICTOR=2", "ZLEVEL=1"])
    made.SetGeoTransform((600000, 10, 0, 5300040, 0, -10))
    x, rng = np.arange(size), np.random.default_rng(1)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        cells = 5000 + 2000 * np.sin(x / 97) * np.cos(rows / 131) + rng.integers(0, 8, (len(rows), size))
        made.GetRasterBand(1).WriteArray(cells.astype(np.uint16), 0, y)


def extent(path):
    from osgeo import gdal
    made = gdal.Open(path)
    x, dx, _, y, _, dy = made.GetGeoTransform()
    return [x, y + dy * made.RasterYSize, x + dx * made.RasterXSize, y]


def make_grid(path, size, box, cell):
    from osgeo import gdal, osr
    x, y0, x1, y1 = box
    made = create(path, round((x1 - x) / cell), round((y1 - y0) / cell), gdal.GDT_Byte, options=["SPARSE_OK=YES", "TILED=YES"])
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32632)
    made.SetProjection(reference.ExportToWkt())
    made.SetGeoTransform((x, cell, 0, y1, 0, -cell))


def check(ours, theirs, most):
    """In strips: the largest difference of cells that both have, over a margin that leaves edges out."""
    import numpy as np
    from osgeo import gdal
    a, b = gdal.Open(ours), gdal.Open(theirs)
    if (a.RasterXSize, a.RasterYSize) != (b.RasterXSize, b.RasterYSize):
        raise SystemExit("the grids differ")
    worst, both = 0.0, 0
    for y in range(0, a.RasterYSize, 512):
        p, q = (d.ReadAsArray(0, y, a.RasterXSize, min(512, a.RasterYSize - y)).astype(np.float64) for d in (a, b))
        known = ~np.isnan(p) & ~np.isnan(q)
        # Edges: kernels are cut off there in different ways.
        for shift in (-8, 8):
            known &= np.roll(known, shift, axis=1)
        known[:8] = known[-8:] = False
        both += int(known.sum())
        worst = max(worst, float(np.abs(p - q)[known].max(initial=0)))
    if both < a.RasterXSize * a.RasterYSize // 3:
        raise SystemExit("too few cells in common")
    if worst > most:
        raise SystemExit(f"answers differ by {worst}")
    return f"{both} cells, the worst by {worst:.2g}"


def gdalwarp(options, path, target, kernel, crs, box, cell):
    # Else it takes turned windows for coarser cells, and widens its kernels.
    same = [] if kernel == "average" else ["-wo", "XSCALE=1", "-wo", "YSCALE=1"]
    return ["gdalwarp", *same, "-q", "-overwrite", "-t_srs", crs, "-te", *map(str, box), "-tr", str(cell), str(cell), "-r", kernel,
            "-ot", "Float32", "-dstnodata", "nan", "-multi", "-wo", f"NUM_THREADS={options.threads}", "-wm", "256",
            "--config", "GDAL_CACHEMAX", "256", "-co", "TILED=YES", path, target]


def job(kernel):
    def work(options, folder, race):
        path, out = scene(options, folder, "image", make), products(folder, "warp", "gdalwarp")
        theirs, crs, cell = KERNELS[kernel]
        text = f"{path} ! warp --crs {crs} --resolution {cell} --resample {kernel} ! {out['fulmar']} --co COMPRESS=NONE"
        spent(race.fulmar(text))
        box = aside(extent, out["fulmar"])
        # An eighth of a cell of a slope of 21 a cell, and the noise of 7 that lies upon it: neighbours, for nearest.
        race.run(f"warp {kernel}", text, {"gdalwarp": gdalwarp(options, path, out["gdalwarp"], theirs, crs, box, cell)},
                 lambda who: check(out["fulmar"], out[who], 60 if kernel == "nearest" else 12))
    return work


def align(options, folder, race):
    path, out = scene(options, folder, "image", make), products(folder, "align", "gdalwarp")
    first = os.path.join(folder, "warped.tif")
    spent(race.fulmar(f"{path} ! warp --crs EPSG:32632 --resolution 10 ! {first} --co COMPRESS=NONE"))
    box = aside(extent, first)
    grid = scene(options, folder, "grid", make_grid, box, 10.0)
    race.run("align bilinear", f"{path} ! align --to {grid} ! {out['fulmar']} --co COMPRESS=NONE",
             {"gdalwarp": gdalwarp(options, path, out["gdalwarp"], "bilinear", "EPSG:32632", box, 10.0)},
             lambda who: check(out["fulmar"], out[who], 12))


if __name__ == "__main__":
    start(__doc__, {"warp": {kernel: job(kernel) for kernel in KERNELS}, "align": {"align": align}}, size=10980)

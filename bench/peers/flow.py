#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against scikit-image and SAGA: filled depressions, and cells upstream by D8, file to file.

usage: peers/flow.py FULMAR [--size 2048] [--runs 3] [--folder DIR] [--threads N] [--only fill,accumulate]

fill: skimage.morphology.reconstruction by erosion, and SAGA's Fill Sinks XXL (Wang & Liu). accumulate: SAGA's Flow
Accumulation (Top-Down), on an island where every cell has one lowest neighbour: ties, flats and the raster's edge, whose
cells let no water in here and hold it back there, are settled in different ways. SAGA is compared where it is installed (apt-get install saga); it writes LZW, where we and skimage write plain cells,
and gets the same threads, though these tools use one.
"""
from race import copy_of, create, differ, needs, products, scene, start, tool


def make(path, size, rough):
    import numpy as np
    from osgeo import gdal
    made = create(path, size, size, gdal.GDT_Float32, cell=30.0)
    rng, x = np.random.default_rng(1), np.arange(size)
    for y in range(0, size, 512):
        rows = np.arange(y, min(size, y + 512))[:, None]
        cells = 9000 - 1.1 * x - 0.7 * rows
        cells = cells + (300 * np.sin(x / 61) * np.cos(rows / 83) + rng.normal(0, 1, cells.shape) if rough
                         else 4 * np.sin(x / 7.3 + rows / 91) + 3 * np.cos(rows / 5.1 - x / 77))
        if not rough:  # all water leaves where it comes to the edge
            edge = np.zeros(cells.shape, bool)
            edge[:, [0, -1]] = True
            edge |= (rows == 0) | (rows == size - 1)
            cells -= 1000 * edge
        made.GetRasterBand(1).WriteArray(cells.astype(np.float32), 0, y)


@needs("skimage.morphology")
def reconstruction(path, target):
    import numpy as np
    from osgeo import gdal
    from skimage.morphology import reconstruction
    source = gdal.Open(path)
    heights = source.ReadAsArray()
    seed = np.full_like(heights, heights.max())
    for edge in ((0, slice(None)), (-1, slice(None)), (slice(None), 0), (slice(None), -1)):
        seed[edge] = heights[edge]
    copy_of(source, target, reconstruction(seed, heights, "erosion", footprint=np.ones((3, 3))).astype(np.float32),
            gdal.GDT_Float32)


def saga(options, *args):
    return {"saga": tool("saga_cmd", ["saga_cmd", "-f=s", f"--cores={options.threads}", *args])}


def fill(options, folder, race):
    path = scene(options, folder, "rough", make, True)
    out = products(folder, "fill", "skimage", "saga")
    race.run("fill", f"{path} ! fill ! {out['fulmar']} --co COMPRESS=NONE",
             {"skimage": race.peer("reconstruction", path, out["skimage"]),
              **saga(options, "ta_preprocessor", "5", "-ELEV", path, "-FILLED", out["saga"], "-MINSLOPE", "0")},
             lambda who: differ(out["fulmar"], out[who], 0))


def accumulate(options, folder, race):
    path = scene(options, folder, "slope", make, False)
    out = products(folder, "flow", "saga")
    race.run("flow_accumulation", f"{path} ! flow_accumulation ! {out['fulmar']} --co COMPRESS=NONE",
             saga(options, "ta_hydrology", "0", "-ELEVATION", path, "-FLOW", out["saga"], "-METHOD", "0", "-FLOW_UNIT", "0"),
             lambda who: differ(out["fulmar"], out[who], 0, 1, 1e-5))


if __name__ == "__main__":
    start(__doc__, {"fill": {"fill": fill}, "flow_accumulation": {"accumulate": accumulate}}, [reconstruction], 2048)

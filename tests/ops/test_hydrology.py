# SPDX-License-Identifier: Apache-2.0
"""Filled terrain against scikit-image and TauDEM; directions and upstream cells against the papers, written out in plain
Python, and against SAGA 8.5 on the cells that SAGA's rule for the edge leaves comparable.
"""

from collections import deque

import numpy as np
import pytest
from skimage.morphology import reconstruction

from fulmar_cli import DATA, UTM, place, read, refused, run, shared, write

# E, SE, S, SW, W, NW, N, NE
STEPS = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
TERRAINS = ["bigtujunga_srtm30_crop400.tif", "rome_30m_dem.tif", "gebco2014_hebrides_30s.tif", "taudem_med_01_01.tif"]


def heights(path):
    from osgeo import gdal

    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    z = band.ReadAsArray().astype(np.float64)
    nodata = band.GetNoDataValue()
    return z if nodata is None else np.where(z == nodata, np.nan, z)


def reconstructed(z):
    """By erosion from a plane that is high inside and as low as anything outside and where cells are missing."""
    low, high = -1e30, 1e30
    mask = np.pad(np.where(np.isnan(z), low, z), 1, constant_values=low)
    seed = np.where(mask == low, low, high)
    filled = reconstruction(seed, mask, method="erosion", footprint=np.ones((3, 3)))[1:-1, 1:-1]
    return np.where(np.isnan(z), np.nan, filled)


def around(z, y, x):
    height, width = z.shape
    for d, (dy, dx) in enumerate(STEPS):
        yes = 0 <= y + dy < height and 0 <= x + dx < width
        yield d, (y + dy, x + dx), yes and not np.isnan(z[y + dy, x + dx])


def barnes(z, ground):
    """ESRI codes by the algorithms of Barnes, Lehman & Mulla 2014, with their labels and flat heights; `ground` gives
    (dx, dy) of a row."""
    none, edge = -1, -2
    flow = np.full(z.shape, none)
    cells = [tuple(c) for c in np.argwhere(~np.isnan(z))]
    for y, x in cells:
        dx, dy = ground(y)
        best = 0.0
        for d, n, valid in around(z, y, x):
            if valid:
                slope = (z[y, x] - z[n]) / np.hypot(STEPS[d][1] * dx, STEPS[d][0] * dy)
                if slope > best:
                    best, flow[y, x] = slope, d
        if flow[y, x] == none and not all(valid for _, _, valid in around(z, y, x)):
            flow[y, x] = edge
    low, high = deque(), deque()  # Algorithm 2, FlatEdges
    for c in cells:
        for _, n, valid in around(z, *c):
            if not valid:
                continue
            if flow[c] != none and flow[n] == none and z[n] == z[c]:
                low.append(c)
                break
            if flow[c] == none and z[c] < z[n]:
                high.append(c)
                break
    labels = np.zeros(z.shape, int)  # Algorithm 4, LabelFlats
    label = 0
    for c in low:
        if labels[c]:
            continue
        label += 1
        fill = deque([c])
        while fill:
            m = fill.popleft()
            if labels[m]:
                continue
            labels[m] = label
            fill.extend(n for _, n, valid in around(z, *m) if valid and z[n] == z[c] and not labels[n])
    high = deque(c for c in high if labels[c])
    mask = np.zeros(z.shape, int)
    flat_height = np.zeros(label + 1, int)
    loops, marked = 1, deque(list(high) + [None])  # Algorithm 5, AwayFromHigher
    while len(marked) > 1:
        c = marked.popleft()
        if c is None:
            loops += 1
            marked.append(None)
            continue
        if mask[c] > 0:
            continue
        mask[c] = loops
        flat_height[labels[c]] = loops
        marked.extend(n for _, n, v in around(z, *c) if v and labels[n] == labels[c] and flow[n] == none and not mask[n])
    mask = -mask
    loops, marked = 1, deque(list(low) + [None])  # Algorithm 6, TowardsLower
    while len(marked) > 1:
        c = marked.popleft()
        if c is None:
            loops += 1
            marked.append(None)
            continue
        if mask[c] > 0:
            continue
        mask[c] = flat_height[labels[c]] + mask[c] + 2 * loops if mask[c] < 0 else 2 * loops
        marked.extend(
            n for _, n, v in around(z, *c) if v and labels[n] == labels[c] and flow[n] == none and mask[n] <= 0)
    codes = np.full(z.shape, 255)
    for c in cells:
        d = flow[c]
        if d == none and labels[c]:
            least = mask[c]
            for k, n, valid in around(z, *c):
                if valid and labels[n] == labels[c] and mask[n] < least:
                    least, d = mask[n], k
        codes[c] = 1 << d if d >= 0 else 0
    return codes


def upstream(codes):
    """Cells that drain through each, itself included: every cell's water is followed down."""
    height, width = codes.shape
    counts = np.zeros(codes.shape)
    for c in np.argwhere(codes != 255):
        y, x = c
        for _ in range(height * width + 1):
            counts[y, x] += 1
            code = codes[y, x]
            if code == 0:
                break
            dy, dx = STEPS[int(code).bit_length() - 1]
            y, x = y + dy, x + dx
        else:
            raise AssertionError("water runs in a circle")
    return np.where(codes == 255, np.nan, counts)


def rough(seed, shape=(40, 53), steps=12):
    """Few heights, so that there are flats, lakes and ties; and holes."""
    rng = np.random.default_rng(seed)
    from scipy.ndimage import gaussian_filter

    z = np.round(gaussian_filter(rng.normal(size=shape), 3) * steps * 10) / 2
    z[rng.random(shape) < 0.01] = np.nan
    return z.astype(np.float32)


def filled(tmp_path, source):
    out = tmp_path / "filled.tif"
    run(f"{source} ! fill ! {out}")
    return read(out)


def drained(tmp_path, source, before=""):
    out = tmp_path / "flow.tif"
    run(f"{source} ! {before}flow_accumulation ! {out} --values cells,direction")
    codes = read(out, 2)
    return read(out, 1), np.where(np.isnan(codes), 255, codes).astype(int)


@pytest.mark.parametrize("name", TERRAINS)
def test_fill_is_the_reconstruction_by_erosion(tmp_path, name):
    source = shared(f"terrain/{name}")
    z = heights(source)
    expected = reconstructed(z).astype(np.float32)
    assert (expected > z).sum() > 1000
    np.testing.assert_array_equal(filled(tmp_path, source), expected)


def test_fill_equals_taudem(tmp_path):
    reference = read(shared("terrain/taudem_med_01_01_pitremove_reference.tif"))
    np.testing.assert_array_equal(filled(tmp_path, shared("terrain/taudem_med_01_01.tif")), reference)


@pytest.mark.parametrize("seed", range(4))
def test_fill_drains_into_holes(tmp_path, seed):
    z = rough(seed)
    source = write(tmp_path / "z.tif", z)
    np.testing.assert_array_equal(filled(tmp_path, source), reconstructed(z).astype(np.float32))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fill", ["", "fill ! "])
def test_directions_and_counts_follow_the_papers(tmp_path, seed, fill):
    z = rough(seed)
    source = write(tmp_path / "z.tif", z, transform=(500000.0, 30.0, 0.0, 4000000.0, 0.0, -20.0))
    cells, direction = drained(tmp_path, source, fill)
    surface = reconstructed(z) if fill else z.astype(float)
    codes = barnes(surface, lambda row: (30.0, 20.0))
    np.testing.assert_array_equal(direction, codes)
    np.testing.assert_array_equal(cells, upstream(codes))
    if fill:  # nothing stays: what leaves is all there is
        assert cells[direction == 0].sum() == np.isfinite(z).sum()


def test_a_valley_drains_by_hand(tmp_path):
    """Five rows of a valley that falls to the east, a pit in the north-west corner's neighbour."""
    z = np.array([[9, 9, 9, 9], [5, 4, 3, 2], [9, 9, 9, 9]], np.float32)
    cells, direction = drained(tmp_path, write(tmp_path / "z.tif", z))
    # The cells on the walls fall steepest straight down to the valley, (9-4)/10 < (9-3)/14.1 never; the valley runs east.
    np.testing.assert_array_equal(direction, [[4, 4, 4, 4], [1, 1, 1, 0], [64, 64, 64, 64]])
    np.testing.assert_array_equal(cells, [[1, 1, 1, 1], [3, 6, 9, 12], [1, 1, 1, 1]])


def test_counts_equal_saga(tmp_path):
    """saga_cmd ta_hydrology 0 -METHOD 0 -FLOW_UNIT 0 (SAGA 8.5.0) on this terrain, without filling. SAGA settles ties in
    another order, so the terrain has none: less than half a metre is added to whole metres. It lets no border cell drain:
    cells with a border cell or a pit upstream are left out."""
    metres = read(DATA / "bigtujunga_srtm30_128.tif")
    saga = read(DATA / "bigtujunga_srtm30_128_saga_flow.tif")
    y, x = np.mgrid[0 : metres.shape[0], 0 : metres.shape[1]]
    z = (metres + ((7919 * x + 104729 * y) % 1009) / np.float32(2018)).astype(np.float32)
    cells, direction = drained(tmp_path, write(tmp_path / "z.tif", z, transform=(5e5, 30.0, 0.0, 4e6, 0.0, -30.0)))
    other = (y == 0) | (x == 0) | (y == y.max()) | (x == x.max()) | (direction == 0)
    for c in np.argwhere(other):
        y, x = c
        while direction[y, x] != 0:
            dy, dx = STEPS[int(direction[y, x]).bit_length() - 1]
            y, x = y + dy, x + dx
            other[y, x] = True
    assert (~other).sum() > 10000
    np.testing.assert_array_equal(cells[~other], saga[~other])


def test_cells_on_a_sphere_have_their_own_distances(tmp_path):
    """At 60 degrees north a cell is half as wide: of two drops, the one to the east is the steeper."""
    z = np.full((5, 5), 100.0, np.float32)
    z[2, 2], z[2, 3], z[3, 2] = 50, 44, 40
    source = write(tmp_path / "z.tif", z, transform=(10.0, 0.001, 0.0, 60.0, 0.0, -0.001), crs="EPSG:4326")
    assert drained(tmp_path, source)[1][2, 2] == 1
    source = write(tmp_path / "flat.tif", z, transform=UTM)
    assert drained(tmp_path, source)[1][2, 2] == 4

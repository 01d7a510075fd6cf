#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fulmar against GDAL and NumPy, Orfeo ToolBox, GRASS and exactextract: count, mean and deviation of a raster within polygons, to a table.

usage: peers/zonal.py FULMAR [--size 8192] [--runs 3] [--folder DIR] [--threads N] [--only zonal,shares]

The peer draws numbers of zones with GDAL's rasterize, into memory, and sums by number with numpy.bincount, in strips.
Fulmar's rows have extremes, range and more besides. otbcli_ZonalStatistics (its counts are of missing cells too, its deviation of n - 1) and
GRASS (v.to.rast, r.univar, in a location of its own) count their start. shares: cells count by their share in a zone, as exactextract
(pip install exactextract) has it.
"""
import os

from race import create, needs, products, scene, start, tool

SIDE = 32


def make_values(path, size):
    """A raster with gaps."""
    import numpy as np
    from osgeo import gdal
    rng, made = np.random.default_rng(1), create(path, size, size, gdal.GDT_Float32, nodata=-9999)
    for y in range(0, size, 512):
        cells = rng.normal(0.4, 0.2, (min(512, size - y), size)).astype(np.float32)
        cells[rng.random(cells.shape, np.float32) < 0.02] = -9999
        made.GetRasterBand(1).WriteArray(cells, 0, y)


def make_zones(path, size):
    """SIDE x SIDE quadrangles whose corners are off a lattice, without overlap."""
    import numpy as np
    from osgeo import gdal, ogr, osr
    rng, reference = np.random.default_rng(1), osr.SpatialReference()
    reference.ImportFromEPSG(32631)
    file = gdal.GetDriverByName("GPKG").Create(path, 0, 0, 0, gdal.GDT_Unknown)
    layer = file.CreateLayer("zones", reference, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("zone_id", ogr.OFTInteger))
    step = size * 10.0 / SIDE
    corner = rng.uniform(0.2, 0.8, (SIDE + 1, SIDE + 1, 2)) * step
    layer.StartTransaction()
    for j in range(SIDE - 1):
        for i in range(SIDE - 1):
            ring = ", ".join(f"{500000 + (i + u) * step + corner[j + v, i + u, 0]} {5300000 - (j + v) * step - corner[j + v, i + u, 1]}"
                             for v, u in ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0)))
            feature = ogr.Feature(layer.GetLayerDefn())
            feature.SetField("zone_id", j * SIDE + i + 1)
            feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({ring}))"))
            layer.CreateFeature(feature)
    layer.CommitTransaction()


@needs("osgeo.ogr")
def bincount(scene, zones, target):
    import numpy as np
    from osgeo import gdal, ogr
    values, shapes = gdal.Open(scene), ogr.Open(zones)
    width, height = values.RasterXSize, values.RasterYSize
    drawn = gdal.GetDriverByName("MEM").Create("", width, height, 1, gdal.GDT_UInt16)
    drawn.SetGeoTransform(values.GetGeoTransform())
    drawn.SetProjection(values.GetProjection())
    gdal.RasterizeLayer(drawn, [1], shapes.GetLayer(0), options=["ATTRIBUTE=zone_id"])
    n = SIDE * SIDE + 1
    count, total, square = np.zeros((3, n))
    for y in range(0, height, 256):
        rows = min(256, height - y)
        v, z = (d.ReadAsArray(0, y, width, rows).ravel() for d in (values, drawn))
        there = v != -9999
        z, v = z[there], v[there].astype(np.float64)
        count += np.bincount(z, minlength=n)
        total += np.bincount(z, v, n)
        square += np.bincount(z, v * v, n)
    with np.errstate(all="ignore"):
        mean = total / count
        std = np.sqrt(np.maximum(square / count - mean * mean, 0))
    at = np.flatnonzero(count[1:]) + 1
    np.savetxt(target, np.c_[at, count[at], mean[at], std[at]], "%d,%d,%.9g,%.9g", header="zone_id,n,mean,std", comments="")


def otb_table(folder):
    """Orfeo ToolBox's features, as the others' table."""
    import csv

    from osgeo import ogr
    layer = ogr.Open(os.path.join(folder, "zonal_otb.shp"))
    with open(os.path.join(folder, "zonal_otb.csv"), "w") as out:
        table = csv.writer(out)
        table.writerow(["zone_id", "n", "mean", "std"])
        for f in layer.GetLayer(0):
            table.writerow([f["zone_id"], int(f["count"]), f["mean_0"], f["stdev_0"]])


def grass_table(folder):
    import csv
    with open(os.path.join(folder, "zonal_grass.txt")) as file, open(os.path.join(folder, "zonal_grass.csv"), "w") as out:
        table = csv.writer(out)
        table.writerow(["zone_id", "n", "mean", "std"])
        for row in csv.DictReader(file, delimiter="|"):
            table.writerow([row["zone"], row["non_null_cells"], row["mean"], row["stddev"]])


def toolboxes(options, folder, scene, zones):
    grass = (f"r.external -o --q input={scene} output=v && g.region raster=v && v.in.ogr -o --q input={zones} output=z && "
             "v.to.rast --q input=z output=z use=attr attribute_column=zone_id && "
             f"r.univar -t --q map=v zones=z separator=pipe > {folder}/zonal_grass.txt")
    return {"otb": tool("otbcli_ZonalStatistics", [
                "env", f"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS={options.threads}", "otbcli_ZonalStatistics", "-in", scene, "-inbv", "-9999",
                "-inzone.vector.in", zones, "-out.vector.filename", f"{folder}/zonal_otb.shp", "-progress", "0"]),
            "grass": tool("grass", ["sh", "-c", f"grass --tmp-location {scene} --exec sh -c '{grass}' > /dev/null 2>&1"])}


def check(ours, theirs, who, folder):
    import csv
    if who in ("otb", "grass"):
        {"otb": otb_table, "grass": grass_table}[who](folder)
    ddof = 1 if who == "otb" else 0

    import numpy as np
    csv.field_size_limit(1 << 30)  # outlines
    rows = [sorted(csv.DictReader(open(p)), key=lambda row: int(row["zone_id"])) for p in (ours, theirs)]
    a, b = ({n: np.array([float(row[n]) for row in t]) for n in ("zone_id", "n", "mean", "std")} for t in rows)
    a["std"] = a["std"] * np.sqrt(a["n"] / (a["n"] - ddof))
    if not np.array_equal(a["zone_id"], b["zone_id"]) or (who != "otb" and not np.array_equal(a["n"], b["n"])):
        raise SystemExit("zones or counts differ")
    off = max(float(np.abs(a[n] - b[n]).max()) for n in ("mean", "std"))
    if off > 1e-6:
        raise SystemExit(f"means or deviations differ by {off}")
    return f"{len(rows[0])} zones, counts equal, means and deviations within {off:.1g}"


def zonal(options, folder, race):
    path, zones = scene(options, folder, "values", make_values), scene(options, folder, "zones", make_zones, kind="gpkg")
    out = products(folder, "zonal", "bincount", "otb", "grass", kind="csv")
    race.run("zonal", f"{path} ! zonal --zones {zones} ! {out['fulmar']}",
             {"bincount": race.peer("bincount", path, zones, out["bincount"]), **toolboxes(options, folder, path, zones)},
             lambda who: check(out["fulmar"], out[who], who, folder))


@needs("exactextract", "osgeo.ogr")
def exact(path, zones, target):
    """Means and deviations weighted by the shares of cells."""
    from exactextract import exact_extract
    rows = exact_extract(path, zones, ["count", "mean", "stdev"], include_cols=["zone_id"], output="pandas")
    rows.columns = ["zone_id", "n", "mean", "std"]
    rows.to_csv(target, index=False)


def check_shares(ours, theirs):
    import csv

    import numpy as np
    csv.field_size_limit(1 << 30)  # outlines
    rows = [sorted(csv.DictReader(open(p)), key=lambda row: int(row["zone_id"])) for p in (ours, theirs)]
    a, b = (np.array([[float(row[n]) for n in ("zone_id", "mean", "std")] for row in t]) for t in rows)
    if not np.array_equal(a[:, 0], b[:, 0]):
        raise SystemExit("zones differ")
    off = float(np.abs(a - b).max())
    if off > 1e-5:
        raise SystemExit(f"means or deviations differ by {off}")
    return f"{len(a)} zones, means and deviations within {off:.1g}"


def shares(options, folder, race):
    path, zones = scene(options, folder, "values", make_values), scene(options, folder, "zones", make_zones, kind="gpkg")
    out = products(folder, "shares", "exactextract", kind="csv")
    race.run("zonal, shares", f"{path} ! zonal --zones {zones} --cover fraction --weights equal ! {out['fulmar']}",
             {"exactextract": race.peer("exact", path, zones, out["exactextract"])}, lambda who: check_shares(out["fulmar"], out[who]))


if __name__ == "__main__":
    start(__doc__, {"zonal": {"zonal": zonal, "shares": shares}}, [bincount, exact])

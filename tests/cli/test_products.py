# SPDX-License-Identifier: Apache-2.0
"""Products through the program: the same whatever the tiles and threads, whole, and with what the scene says of itself."""

import gzip
import json
import re
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from fulmar_cli import COAST, DATA, SCENE, call, files, place, read, refused, run, same, shared, table, write

LAND = f"mask --with {COAST} --buffer 250"
SHIPS = (f"{SCENE} ! linear ! {LAND} ! [ sea.tif ] ! cfar --pfa 1e-6 --guard 210 --background 750 ! [ det.tif ] ! "
         "objects --min-area 1800 ! [ ships.geojson ] ! [ ships.png ] ! [ ships.csv ] ! ships.gpkg")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(SHIPS, "--threads", "1", cwd=folder)
    return folder


def features(path):
    rows = table(path)
    for row in rows:
        row["geometry"] = row["geometry"].ExportToWkb() if row["geometry"] else None
    # NaN does not equal itself.
    return [repr(sorted((k, v) for k, v in row.items())) for row in rows]


@pytest.mark.parametrize("options", [
    ["--tile", "97x61"], ["--tile", "256x256", "--threads", "2"], ["--tile", "756x1", "--threads", "4"],
    ["--tile", "17x550", "--threads", "2"], ["--tile", "755x549"], ["--tile", "13x500", "--threads", "4"],
    ["--threads", "2"], ["--threads", "4", "--memory", "300M"], ["--tile", "64x32", "--threads", "3"],
    ["--backend", "reference"],
], ids=" ".join)
def test_tiles_and_threads_change_nothing(whole, tmp_path, options):
    run(SHIPS, *options, cwd=tmp_path)
    for name in ("sea.tif", "det.tif"):
        assert same(read(tmp_path / name), read(whole / name)), name
    for name in ("ships.geojson", "ships.csv", "ships.png"):
        a, b = ((folder / name).read_bytes() for folder in (tmp_path, whole))
        if "reference" in options:
            a, b = (text.replace(b'reference', b'cpu') for text in (a, b))
        assert a == b, name
    assert features(tmp_path / "ships.gpkg") == features(whole / "ships.gpkg")
    assert len(features(whole / "ships.gpkg")) > 100


@pytest.mark.parametrize("model", ["ca", "lognormal", "k"])
def test_models_do_not_see_tiles(tmp_path, model):
    text = (f"{SCENE} ! linear ! {LAND} ! cfar --model {model} --target 3px --guard 7px --background 25px ! "
            "[ det.tif ] ! objects ! o.geojson")
    run(text, cwd=tmp_path)
    detection, objects = read(tmp_path / "det.tif"), (tmp_path / "o.geojson").read_bytes()
    for tile in ("97x61", "756x1"):
        run(text, "--tile", tile, cwd=tmp_path)
        assert same(detection, read(tmp_path / "det.tif")) and objects == (tmp_path / "o.geojson").read_bytes()


def test_tiles_of_a_scene_in_tiles(tmp_path):
    """A file in blocks of its own, of bytes with scale, on degrees."""
    scene = shared("sar_ship/s1_irishsea_20230615_dunlaoghaire_vv_db8.tif")
    text = f"{scene} ! linear ! cfar --guard 205 --background 400 ! [ det.tif ] ! objects ! o.geojson"
    run(text, "--threads", "1", cwd=tmp_path)
    detection, objects = read(tmp_path / "det.tif"), (tmp_path / "o.geojson").read_bytes()
    for options in (["--tile", "611x307", "--threads", "4"], ["--tile", "1702x7"], ["--memory", "250M", "--threads", "1"]):
        run(text, *options, cwd=tmp_path)
        assert same(detection, read(tmp_path / "det.tif")) and objects == (tmp_path / "o.geojson").read_bytes(), options


def test_a_georeferenced_scene_keeps_its_place(whole):
    for name in ("sea.tif", "det.tif"):
        assert place(whole / name)[0] == place(SCENE)[0]
        a, b = (gdal.Open(str(p)).GetSpatialRef() for p in (whole / name, SCENE))
        assert a.IsSame(b) and a.GetAuthorityCode(None) == "32611"
    dataset = gdal.Open(str(whole / "det.tif"))
    band = dataset.GetRasterBand(1)
    assert band.DataType == gdal.GDT_Byte and band.GetNoDataValue() == 255 and band.GetDescription() == "detection"
    assert not dataset.GetMetadataItem("FULMAR_PIPELINE") is None
    linear = gdal.Open(str(whole / "sea.tif"))
    sea = linear.GetRasterBand(1)
    assert sea.DataType == gdal.GDT_Float32 and np.isnan(sea.GetNoDataValue()) and sea.GetUnitType() == "1"
    # GDAL's own count of the missing agrees.
    assert np.array_equal(sea.GetMaskBand().ReadAsArray() == 0, np.isnan(sea.ReadAsArray()))


def test_control_points_are_carried(tmp_path):
    scene = shared("sar_cal/s1a_iw_grdh_20180716_vv_dec20_gcp.tif")
    run(f"{scene} ! [ expression 'b1 * b1' ! a.tif ] ! cfar --guard 7px --background 25px ! [ det.tif ] ! "
        "objects --min-area 1e5 ! o.geojson", cwd=tmp_path)
    source = gdal.Open(str(scene))
    for name in ("a.tif", "det.tif"):
        product = gdal.Open(str(tmp_path / name))
        assert product.GetGCPCount() == source.GetGCPCount() == 210
        assert product.GetGCPSpatialRef().IsSame(source.GetGCPSpatialRef())
        for a, b in zip(product.GetGCPs(), source.GetGCPs()):
            assert (a.GCPPixel, a.GCPLine) == (b.GCPPixel, b.GCPLine)
            assert (a.GCPX, a.GCPY, a.GCPZ) == pytest.approx((b.GCPX, b.GCPY, b.GCPZ), rel=1e-12)
    stored = source.ReadAsArray().astype(float)
    assert np.array_equal(read(tmp_path / "a.tif"), (stored * stored).astype(np.float32))
    # Objects lie where GDAL's own thin-plate spline puts them.
    transformer = gdal.Transformer(source, None, ["METHOD=GCP_TPS"])
    rows = table(tmp_path / "o.geojson")
    assert rows
    for row in rows[:50]:
        ok, (lon, lat, _) = transformer.TransformPoint(0, row["column"], row["row"])
        assert ok and (row["lon"], row["lat"]) == pytest.approx((lon, lat), abs=1e-6)
        assert 9 < row["lat"] < 11.5 and 75 < row["lon"] < 79
    # Cells of about 200 m: the area is the cells times their size, within a few hundredths.
    total = sum(r["area"] for r in rows) / sum(r["cells"] for r in rows)
    assert total == pytest.approx(200 * 200, rel=0.1)


def test_cog(tmp_path):
    from osgeo_utils.samples import validate_cloud_optimized_geotiff as cog

    rng = np.random.default_rng(0)
    write(tmp_path / "in.tif", rng.gamma(4.4, 0.01, (1700, 2100)).astype(np.float32), unit="1")
    run("in.tif ! [ decibel ! db.tif --of COG ] ! cfar --guard 7px --background 25px ! det.tif --of COG", cwd=tmp_path)
    run("in.tif ! [ decibel ! db0.tif ] ! cfar --guard 7px --background 25px ! det0.tif", cwd=tmp_path)
    for name in ("db", "det"):
        warnings, errors, _ = cog.validate(str(tmp_path / f"{name}.tif"), full_check=True)
        assert not errors and not warnings
        dataset = gdal.Open(str(tmp_path / f"{name}.tif"))
        assert dataset.GetRasterBand(1).GetOverviewCount() > 0
        assert same(read(tmp_path / f"{name}.tif"), read(tmp_path / f"{name}0.tif"))
    assert not [name for name in files(tmp_path) if name.startswith(".")]


FORMATS = {"gpkg": "GPKG", "fgb": "FlatGeobuf", "geojson": "GeoJSON", "geojsonl": "GeoJSONSeq", "shp": "ESRI Shapefile",
           "csv": "CSV"}


@pytest.mark.parametrize("ending", FORMATS)
def test_formats_of_features(whole, tmp_path, ending):
    run(SHIPS.rsplit("objects", 1)[0] + f"objects --min-area 1800 ! o.{ending}", cwd=tmp_path)
    source = ogr.Open(str(tmp_path / f"o.{ending}"))
    assert source.GetDriver().GetName() == FORMATS[ending]
    layer = source.GetLayer(0)
    want = table(whole / "ships.gpkg")
    assert layer.GetFeatureCount() == len(want)
    reference = layer.GetSpatialRef()
    if ending != "csv":
        code = "4326" if ending.startswith("geojson") else "32611"
        assert reference.GetAuthorityCode(None) == code or reference.GetName().replace("_", " ").startswith("WGS 84")
    ids, lengths = [], []
    for feature in layer:
        ids.append(int(feature.GetField("id")))
        lengths.append(float(feature.GetField("length")))
        if ending != "csv":
            assert feature.GetGeometryRef().IsValid()
    order = np.argsort(ids)
    assert [ids[i] for i in order] == [row["id"] for row in want]
    assert [lengths[i] for i in order] == pytest.approx([row["length"] for row in want], rel=1e-9)


def test_geojson_by_its_rules(whole):
    text = json.loads((whole / "ships.geojson").read_text())
    assert text["type"] == "FeatureCollection" and "crs" not in text  # RFC 7946
    for feature in text["features"]:
        shape = feature["geometry"]
        for polygon in [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]:
            for k, ring in enumerate(polygon):
                x, y = np.array(ring).T[:2]
                assert (-118.4 < x).all() and (x < -118).all() and (33.6 < y).all() and (y < 33.9).all()
                turn = np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])
                assert (turn > 0) == (k == 0)  # the shell counter-clockwise, holes clockwise


def test_quicklook(whole, tmp_path):
    picture = gdal.Open(str(whole / "ships.png"))
    assert (picture.RasterXSize, picture.RasterYSize) == (756, 550)
    write(tmp_path / "wide.tif", np.random.default_rng(1).random((300, 9001)).astype(np.float32))
    run("wide.tif ! expression b1 ! wide.png", cwd=tmp_path)
    small = gdal.Open(str(tmp_path / "wide.png"))
    factor = round(9001 / small.RasterXSize)
    assert 2 <= factor <= 9 and (small.RasterXSize, small.RasterYSize) == (-(-9001 // factor), -(-300 // factor))


def test_three_bands_are_a_picture_in_colours(tmp_path):
    rng = np.random.default_rng(2)
    bands = rng.normal([[[100]], [[7]], [[-3]]], [[[20]], [[1]], [[0.1]]], (3, 90, 120)).astype(np.float32)
    bands[1, 10:20, 30:50] = np.nan
    scene = write(tmp_path / "rgb.tif", bands)
    run(f"{scene} ! median --window 1px ! o.png", cwd=tmp_path)
    picture = gdal.Open(str(tmp_path / "o.png"))
    assert [picture.GetRasterBand(i).GetColorInterpretation() for i in (1, 2, 3, 4)] == [
        gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand, gdal.GCI_AlphaBand]
    *colours, alpha = picture.ReadAsArray()
    assert ((alpha == 0) == np.isnan(bands).any(0)).all()
    for found, band in zip(colours, bands):
        low, high = np.nanpercentile(band, [2, 98])
        with np.errstate(invalid="ignore"):
            expected = np.clip((band - low) / (high - low), 0, 1) * 255
        # The percentiles are those of a cell, between which NumPy interpolates.
        assert np.abs(found - expected)[alpha > 0].max() < 1.5


def test_other_bands_show_the_first_in_grey(tmp_path):
    bands = np.random.default_rng(3).random((4, 20, 30)).astype(np.float32)
    for name, some in (("two.tif", bands[:2]), ("four.tif", bands)):
        scene = write(tmp_path / name, some)
        run(f"{scene} ! median --window 1px ! o.png", cwd=tmp_path)
        assert gdal.Open(str(tmp_path / "o.png")).RasterCount == 2
    for day in (1, 2, 3):
        write(tmp_path / f"s_2020010{day}.tif", bands[day])
    run("'s_*.tif' ! median --window 1px ! o.png", cwd=tmp_path)  # three dates are no colours
    assert gdal.Open(str(tmp_path / "o.png")).RasterCount == 2


def provenance(path):
    """What a product says of how it was made: in itself, or in GDAL's companion beside it."""
    companion = path.with_name(path.name + ".aux.xml")
    if companion.exists():
        root = ElementTree.parse(companion).getroot()
        assert root.tag == "PAMDataset"
        return {item.get("key"): item.text for item in root.iterfind("./Metadata/MDI") if item.get("key")}
    if path.suffix == ".zarr":
        return json.loads((path / ".zattrs").read_text())
    dataset = gdal.OpenEx(str(path))
    said = (dataset.GetLayer(0) if dataset.GetLayerCount() else dataset).GetMetadata()
    return {key.replace("NC_GLOBAL#", ""): value for key, value in said.items()}


@pytest.mark.parametrize("product", [
    "sea.tif", "sea.png", "sea.nc", "sea.zarr", "sea.img", "sea.dat",
    "ships.png", "ships.gpkg", "ships.fgb", "ships.shp", "ships.geojson", "ships.geojsonl", "ships.kml", "ships.gml",
    "ships.csv", "ships.CSV", "ships.xlsx", "ships.ods",
    "numbers.csv", "numbers.gpkg", "names & <more>.csv"])
def test_every_product_says_how_it_was_made(tmp_path, product):
    chain = {"sea": "", "ships": "! cfar --guard 210 --background 750 ! objects --min-area 1800 ",
             "numbers": "! stats "}.get(product.split(".")[0], "! stats ")
    driver = " --of ENVI" if product.endswith(".dat") else ""  # GDAL writes it cell by cell
    run(f"{SCENE} ! linear {chain}! '{product}'{driver}", cwd=tmp_path)
    said = provenance(tmp_path / product)
    assert re.fullmatch("[0-9a-f]{64}", said["FULMAR_PLAN_SHA256"])
    assert "linear" in said["FULMAR_OPERATORS"] and said["FULMAR_BACKEND"] == "cpu"
    assert product in said["FULMAR_PIPELINE"] and str(SCENE) in said["FULMAR_PIPELINE"]
    assert all(re.match(r"\d+\.\d+", said[f"{library}_VERSION"]) for library in ("FULMAR", "GDAL", "PROJ", "TBB"))


def test_the_description_of_a_table_follows_it_and_may_be_left_out(tmp_path):
    text = f"{SCENE} ! linear ! stats ! o.csv"
    run(text, cwd=tmp_path)
    assert files(tmp_path) == ["o.csv", "o.csv.aux.xml"]
    run(text.replace("linear", "linear ! median --window 3px"), cwd=tmp_path)
    assert "median" in provenance(tmp_path / "o.csv")["FULMAR_OPERATORS"]
    run(text, "--config", "GDAL_PAM_ENABLED=NO", cwd=tmp_path)
    assert files(tmp_path) == ["o.csv"]


def test_inputs_of_many_kinds(tmp_path):
    """The same scene as file, in a zip, gzipped, as a VRT, as ENVI: the same product."""
    run(f"{SCENE} ! linear ! want.tif", cwd=tmp_path)
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(SCENE, "inner/scene.tif")
    (tmp_path / "s.tif.gz").write_bytes(gzip.compress(SCENE.read_bytes()))
    gdal.BuildVRT(str(tmp_path / "s.vrt"), [str(SCENE)]).FlushCache()
    gdal.Translate(str(tmp_path / "s.img"), str(SCENE), format="ENVI")
    for name in ("/vsizip/s.zip/inner/scene.tif", "/vsigzip/s.tif.gz", "s.vrt", "s.img", f"/vsizip/{tmp_path}/s.zip/inner/scene.tif"):
        run(f"{name} ! linear ! got.tif", cwd=tmp_path)
        assert same(read(tmp_path / "got.tif"), read(tmp_path / "want.tif")), name
        assert place(tmp_path / "got.tif")[0] == pytest.approx(place(SCENE)[0], rel=1e-14)


def test_netcdf_subdataset(tmp_path):
    source = shared("sst/mur_l4_20110921_california_1km.nc")
    run(f"'NETCDF:\"{source}\":analysed_sst' ! expression 'b1 - 273.15' ! celsius.tif", cwd=tmp_path)
    dataset = gdal.Open(f'NETCDF:"{source}":analysed_sst')
    band = dataset.GetRasterBand(1)
    packed = band.ReadAsArray()
    want = packed * band.GetScale() + band.GetOffset()
    got = read(tmp_path / "celsius.tif")
    missing = packed == band.GetNoDataValue()
    assert np.array_equal(np.isnan(got), missing)
    assert np.allclose(got[~missing], (want.astype(np.float32).astype(float) - 273.15)[~missing], atol=2e-6)
    assert 5 < np.nanmin(got) and np.nanmax(got) < 30
    transform = place(tmp_path / "celsius.tif")[0]
    assert 20 < transform[3] < 50 and transform[5] < 0  # north is up


def test_netcdf_out(tmp_path):
    run(f"{SCENE} ! linear ! a.nc", cwd=tmp_path)
    run(f"{SCENE} ! linear ! a.tif", cwd=tmp_path)
    dataset = gdal.Open(str(tmp_path / "a.nc"))
    got = dataset.ReadAsArray()
    assert np.array_equal(got, read(tmp_path / "a.tif"), equal_nan=True)
    assert dataset.GetSpatialRef().IsSame(gdal.Open(str(SCENE)).GetSpatialRef()) or "11N" in dataset.GetSpatialRef().GetName()


def test_alpha_is_validity(tmp_path):
    scene = shared("optical/drone_bali_ortho_rgba.tif")
    run(f"{scene} ! expression '(b1 + b2 + b3) / 3' ! grey.tif", cwd=tmp_path)
    red, green, blue, alpha = (read(scene, k).astype(float) for k in (1, 2, 3, 4))
    got = read(tmp_path / "grey.tif")
    assert (alpha == 0).any() and np.array_equal(np.isnan(got), alpha == 0)
    known = alpha != 0
    assert np.array_equal(got[known], ((red + green + blue) / 3).astype(np.float32)[known])


def test_thirteen_bands(tmp_path):
    scene = shared("flood/spain_7370579_s2.tif")
    message = call("run", f"{scene} ! expression b3 ! {tmp_path}/o.tif")
    bands = [read(scene, k) for k in range(1, 14)]
    if message.code == 0:
        want = np.where(bands[2] == 0, np.nan, bands[2]).astype(np.float32)
        assert np.array_equal(read(tmp_path / "o.tif"), want, equal_nan=True)
    else:  # no band beyond those it sees: then it must say so, and how to choose
        assert message.code == 2 and "--band" in message.err
    run(f"{scene} --band 13,4,9 ! expression 'b1 - b3' ! p.tif", cwd=tmp_path)
    valid = (bands[12] != 0) & (bands[8] != 0)
    want = np.where(valid, bands[12].astype(float) - bands[8], np.nan).astype(np.float32)
    assert np.array_equal(read(tmp_path / "p.tif"), want, equal_nan=True)
    # Operators that map cells take all bands at once, and the bands keep their names.
    scene = shared("flood/spain_7370579_s1.tif")
    run(f"{scene} ! linear ! both.tif", cwd=tmp_path)
    both = gdal.Open(str(tmp_path / "both.tif"))
    assert both.RasterCount == 2
    for k in (1, 2):
        assert np.allclose(read(tmp_path / "both.tif", k), 10 ** (read(scene, k).astype(float) / 10), rtol=2e-7, equal_nan=True)


def test_text_and_json_make_the_same(whole, tmp_path):
    as_json = call("convert", SHIPS)
    assert as_json.code == 0 and as_json.err == ""
    (tmp_path / "p.json").write_text(as_json.out)
    run("p.json", cwd=tmp_path)
    back = call("convert", "--to", "text", str(tmp_path / "p.json"))
    assert back.code == 0
    for name in ("ships.geojson", "ships.csv", "ships.png"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    run(back.out.strip(), cwd=other)
    for name in ("sea.tif", "det.tif"):
        assert (tmp_path / name).read_bytes() == (other / name).read_bytes()
        assert same(read(other / name), read(whole / name))


def test_json_obeys_its_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(call("schema").out)
    jsonschema.validate(json.loads(call("convert", SHIPS).out), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"pipeline": [{"read": "a.tif"}, {"apply": "nothing"}, {"write": "b.tif"}]}, schema)


def test_creation_options(tmp_path):
    run(f"{SCENE} ! linear ! a.tif --co COMPRESS=LZW --co TILED=NO", cwd=tmp_path)
    run(f"{SCENE} ! linear ! b.tif", "--co", "COMPRESS=NONE", cwd=tmp_path)
    assert gdal.Open(str(tmp_path / "a.tif")).GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "LZW"
    assert gdal.Open(str(tmp_path / "b.tif")).GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") is None
    assert same(read(tmp_path / "a.tif"), read(tmp_path / "b.tif"))


def test_overwriting_takes_the_old_description_away(tmp_path):
    run(f"{SCENE} ! linear ! a.tif", cwd=tmp_path)
    dataset = gdal.Open(str(tmp_path / "a.tif"))
    dataset.GetRasterBand(1).ComputeStatistics(False)
    dataset.BuildOverviews("NEAREST", [2])
    del dataset
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset/>")
    run(f"{SCENE} ! linear ! expression 'b1 + 1' ! a.tif", cwd=tmp_path)
    assert files(tmp_path) == ["a.tif"]


def test_values_are_chosen_by_name(tmp_path):
    text = f"{SCENE} ! linear ! cfar --guard 210 --background 750"
    run(f"{text} ! [ {tmp_path}/b.tif --values background ] ! {tmp_path}/both.tif --values detection,background")
    run(f"{text} ! {tmp_path}/d.tif")
    both = gdal.Open(str(tmp_path / "both.tif"))
    assert both.RasterCount == 2
    assert [both.GetRasterBand(i).GetDescription() for i in (1, 2)] == ["detection", "background"]
    assert same(read(tmp_path / "both.tif", 2), read(tmp_path / "b.tif"))
    flags = read(tmp_path / "both.tif", 1)
    assert (flags[flags < 2] == read(tmp_path / "d.tif")[flags < 2]).all()
    refused(2, f"{text} ! {tmp_path}/x.tif --values backgruond", names=["there is no value 'backgruond' here, but background", "^"])


def test_names_that_a_format_changes_are_told(tmp_path):
    """Shapefiles cut names, GeoPackage has two of its own, and letters' case tells no columns apart: no value is lost."""
    (tmp_path / "a.csv").write_text("id,fid,mean_of_all_a,mean_of_all_b,geom,lon,lat,FID,Fid\n1,2,3,4,5,6,7,8,9\n")
    told = {}
    for end in ("shp", "gpkg", "fgb", "geojson", "csv"):
        done = run(f"a.csv ! filter 'id > 0' ! o.{end}", "--json", cwd=tmp_path)
        (note,) = json.loads(done.out)["notes"]
        told[end] = dict(pair.split(" -> ") for pair in note.split("format: ")[1].split(", "))
        (row,) = table(tmp_path / f"o.{end}")
        names = ["id", "fid", "mean_of_all_a", "mean_of_all_b", "geom", "lon", "lat", "FID", "Fid"]
        for value, name in enumerate(names, 1):
            assert float(row[told[end].get(name, name)]) == value, (end, name, row)
        assert len({k.lower() for k in row}) == len(row)
    assert told["shp"]["mean_of_all_a"] == "mean_of_al" and len(set(told["shp"].values())) == len(told["shp"]) == 4
    assert told["gpkg"] == told["csv"] == {"FID": "FID_2", "Fid": "Fid_3"}
    (tmp_path / "b.csv").write_text("id,mean\n1,2\n")
    for end in ("shp", "fgb"):
        refused(4, f"b.csv ! filter 'id > 0' ! o2.{end}", cwd=tmp_path, names="no table without geometry")
    assert files(tmp_path) == sorted({*files(tmp_path)} - {"o2.shp", "o2.dbf", "o2.fgb"})
    (tmp_path / "b.csv").write_text("id,mean,lon,lat\n1,2,3.5,4\n")
    assert json.loads(run("b.csv ! filter 'id > 0' ! o.shp", "--json", cwd=tmp_path).out)["notes"] == []

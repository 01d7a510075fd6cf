# SPDX-License-Identifier: Apache-2.0
"""Recipes: what is listed and asked for, that values stay values, and that each gives the right answer on real data."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import netCDF4
import numpy as np
import pytest
from fulmar_cli import COAST, ROOT, SCENE, call, features, place, read, same, shared, table, write
from osgeo import gdal, ogr, osr
from pyproj import Transformer
from scipy import ndimage

FILES = sorted((ROOT / "cli/recipes").glob("*.json"), key=lambda path: path.stem)
NAMES = [path.stem for path in FILES]
SIMPLE = {
    "name": "twice", "summary": "Doubles", "domain": "air", "description": "Doubles each cell.",
    "inputs": [{"name": "scene", "what": "Any raster.", "kind": "raster", "example": "a.tif"}],
    "parameters": [{"name": "factor", "what": "By how much.", "kind": "number", "default": 2}],
    "outputs": [{"file": "${out}/twice.tif", "what": "The doubles."}],
    "pipelines": ["'${scene}' ! expression 'b1 * ${factor}' ! '${out}/twice.tif'"],
}


def words(values):
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def cook(name, *options, **values):
    """Runs a recipe that must succeed, make all that it declares, and show something in its pictures."""
    result = call("run", "--overwrite", f"@{name}", *options, *words(values))
    assert result.code == 0, result.err
    for output in json.loads((ROOT / f"cli/recipes/{name}.json").read_text())["outputs"]:
        path = Path(output["file"].replace("${out}", str(values["out"])))
        assert path.exists(), path
        if path.suffix == ".png":
            picture = gdal.Open(str(path))
            shown = picture.ReadAsArray().astype(float)
            alpha = picture.GetRasterBand(picture.RasterCount).GetColorInterpretation() == gdal.GCI_AlphaBand
            seen = shown[:-1, shown[-1] > 0] if alpha else shown
            assert seen.size > 500 and seen.std() > 20, path
    return result


def rows(path):
    """The rows of a table without their geometries."""
    return [{key: value for key, value in row.items() if key != "geometry"} for row in table(path)]


def refused(*words, command="run"):
    result = call(command, *words)
    assert result.code == 2 and result.out == "" and result.err.startswith("fulmar: error: "), (result.out, result.err)
    return result.err


@pytest.fixture
def folder(tmp_path):
    """A folder of recipes with one in it; returns a function that changes it."""
    def change(**members):
        recipe = {key: value for key, value in dict(SIMPLE, **members).items() if value is not None}
        (tmp_path / "twice.json").write_text(json.dumps(recipe))
        return tmp_path

    change()
    return change


def twice(folder, *options, command="run"):
    return call(command, "@twice", "--recipes", folder(), *options)


# ---- what is there ----


@pytest.mark.parametrize("name", ["four", "flood", "pansharpen"])
def test_these_are_one_graph(name):
    assert len(json.loads((ROOT / f"cli/recipes/{name}.json").read_text())["pipelines"]) == 1


def test_list_names_all():
    lines = call("recipes").out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    listed = json.loads(call("recipes", "--json").out)
    for path, entry in zip(FILES, listed):
        recipe = json.loads(path.read_text())
        domains = recipe["domain"] if isinstance(recipe["domain"], list) else [recipe["domain"]]
        assert entry == {"name": path.stem, "domain": domains, "summary": recipe["summary"]}


def test_list_does_not_look_into_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder())
    assert "twice" not in call("recipes").out
    assert "there is no recipe 'twice'" in refused("@twice")
    assert "twice" in call("recipes", "--recipes", ".").out


@pytest.mark.parametrize("name", NAMES)
def test_show_tells_inputs_products_and_pipelines(name):
    recipe = json.loads((ROOT / f"cli/recipes/{name}.json").read_text())
    shown = call("recipes", name).out
    assert recipe["description"] in shown
    for item in recipe["inputs"] + recipe.get("parameters", []):
        assert re.search(rf"^  {item['name']} +{re.escape(item['what'])}", shown, re.M), item["name"]
    for output in recipe["outputs"]:
        assert output["file"] in shown
    assert f"fulmar run @{name} --set" in shown
    assert json.loads(call("recipes", name, "--json").out) == recipe


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_recipes_fit_the_schema_and_write_what_they_say(path):
    recipe = json.loads(path.read_text())
    schema = json.loads(call("schema", "--recipe").out)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(recipe, schema)
    pipelines = json.dumps(recipe["pipelines"])
    for output in recipe["outputs"]:
        assert output["file"] in pipelines, output["file"]
    # A line of the README for every one.
    assert f"`{path.stem}`" in (ROOT / "README.md").read_text()


# ---- what is asked for ----


def test_missing_inputs_are_asked_for_by_name():
    message = refused("@ships")
    assert "recipe ships needs scene: Radar backscatter in decibels, one band. Give it with --set scene=FILE" in message
    assert "recipe ships needs coast: " in message
    assert "scene" not in refused("@ships", "--set", f"scene={SCENE}").replace(str(SCENE), "")
    assert "needs scene" in refused("@ships", command="explain")


def test_unknown_names_get_near_ones():
    assert "there is no recipe 'shisp'; did you mean ships?" in refused("@shisp")
    assert "fulmar recipes names them" in refused("@qqqqqqqqqq")
    assert "there is no recipe" in refused("qqqqqqqqqq", command="recipes")
    assert "no input 'scen'; did you mean 'scene'?" in refused("@ships", "--set", "scen=a.tif")
    assert "it has scene, coast, buffer" in refused("@ships", "--set", "zzzzzzzz=a.tif")


def test_words_that_are_no_values():
    assert "NAME=VALUE, not 'scene'" in refused("@ships", "--set", "scene")
    assert "NAME=VALUE, not '=a'" in refused("@ships", "--set", "=a")
    assert "given twice" in refused("@ships", "--set", "scene=a", "--set", "scene=b")
    assert "gives nothing" in refused("@ships", "--set", "scene=")
    assert "pfa of recipe ships is a number, not '1e-6 ! x'" in refused("@ships", "--set", "pfa=1e-6 ! x")
    assert "one word too many" in refused("@ships", "scene=a.tif")
    assert "no option --sett" in refused("@ships", "--sett=1")
    assert "belong to a recipe" in refused("a.tif ! linear ! b.tif", "--set", "a=b")


# ---- values stay values ----


@pytest.mark.parametrize(
    "name",
    ["plain.tif", "two words.tif", "it's.tif", 'say "so".tif', "a ! b.tif", "!.tif", "[ x ].tif", "--band 2.tif",
     "--overwrite", "${out}.tif", "${scene}", "a;b|c&d.tif", "back\\slash.tif", "tab\there.tif", "new\nline.tif", "1e3",
     "007", "true", "read", "write", "b'c\"d.tif", "päth ünïcode.tif", "%%", "{}", "[a,b]"])
def test_hostile_names(name, folder, tmp_path, monkeypatch):
    cells = [[1.5, 2.5, -3.0]]
    inside = tmp_path / "in side ! 'x'"
    inside.mkdir()
    monkeypatch.chdir(inside)
    Path(name).write_bytes(Path(write("made.tif", np.float32(cells))).read_bytes())
    Path("made.tif").unlink()
    out = f"o {name} !".replace("/", "_")
    result = twice(folder, "--set", f"scene={name}", "--set", f"out={out}")
    assert result.code == 0, result.err
    assert same(read(Path(out) / "twice.tif"), np.float32(cells) * 2)
    assert sorted(p.name for p in inside.iterdir()) == sorted([name, out])
    assert [p.name for p in Path(out).iterdir()] == ["twice.tif"]


def test_a_folder_is_made_and_goes_again(folder, tmp_path):
    out = tmp_path / "a/b"
    result = twice(folder, "--set", "scene=absent.tif", "--set", f"out={out}")
    assert result.code == 3 and "absent.tif" in result.err and not out.exists()
    assert twice(folder, "--set", "scene=absent.tif", "--set", f"out={out}", command="explain").code == 3
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    result = twice(folder, "--set", "scene=absent.tif", "--set", f"out={tmp_path / 'file/x'}")
    assert result.code == 4 and "cannot make the folder" in result.err


# ---- recipes of one's own ----


def test_broken_recipes_say_where(folder):
    where = folder()

    def trouble(**members):
        folder(**members)
        return refused("@twice", "--recipes", where, "--set", "scene=a.tif")

    assert "'summary' is missing" in trouble(summary=None)
    assert "'piplines' means nothing here; did you mean 'pipelines'?" in trouble(piplines=[])
    assert "a domain is one of" in trouble(domain="moon")
    assert "calls itself 'thrice'" in trouble(name="thrice")
    assert "${scne} is not declared" in trouble(pipelines=["'${scne}' ! expression '${scene} ${factor}' ! '${out}/x.tif'"])
    assert "no pipeline uses ${factor}" in trouble(pipelines=["'${scene}' ! linear ! '${out}/x.tif'"])
    assert "(at /pipelines/0)" in trouble(pipelines=["'${scene}' ! ! '${out}/x.tif'"])
    assert "(at /inputs/0/kind)" in trouble(inputs=[dict(SIMPLE["inputs"][0], kind="soup")])
    assert "there is another 'scene'" in trouble(inputs=SIMPLE["inputs"] * 2)
    assert "there is another 'out'" in trouble(inputs=[dict(SIMPLE["inputs"][0], name="out")])
    (where / "twice.json").write_text("{")
    assert "it is not JSON" in refused("@twice", "--recipes", where)
    assert "cannot read the folder" in call("recipes", "--recipes", where / "absent").err


def test_json_pipelines_run_in_order(folder, tmp_path):
    scene = write(tmp_path / "a.tif", np.float32([[1, 2]]))
    steps = [
        {"pipeline": [{"read": "${scene}"}, {"apply": "expression", "formula": "b1 * ${factor}"},
                      {"write": "${out}/first.tif"}]},
        {"pipeline": [{"read": "${out}/first.tif"}, {"apply": "expression", "arguments": ["b1 + 1"]},
                      {"write": "${out}/twice.tif"}]},
    ]
    where = folder(pipelines=steps)
    given = ["--recipes", where, "--set", f"scene={scene}", "--set", f"out={tmp_path / 'o'}", "--set", "factor=10"]
    told = call("explain", "@twice", *given)
    assert told.code == 0 and "which a pipeline above makes" in told.out, told.err
    told = json.loads(call("explain", "--json", "@twice", *given).out)
    assert "bytes" in told[0] and told[1]["awaits"].endswith("first.tif")
    report = json.loads(call("run", "--json", "@twice", *given).out)
    assert report["recipe"] == "twice" and [len(run["products"]) for run in report["runs"]] == [1, 1]
    assert same(read(tmp_path / "o/twice.tif"), np.float32([[11, 21]]))


# ---- each on real data ----


def test_ships_are_those_of_the_pipeline(tmp_path):
    cook("ships", scene=SCENE, coast=COAST, out=tmp_path)
    assert call(
        "run", f"{SCENE} ! linear ! mask --with {COAST} --buffer 250 ! cfar --pfa 1e-6 --guard 210 --background 750 ! "
        f"objects --min-area 1800 ! {tmp_path / 'direct.gpkg'}").code == 0
    ships, direct = rows(tmp_path / "ships.gpkg"), rows(tmp_path / "direct.gpkg")
    assert ships == direct and len(ships) > 20
    cook("ships", scene=SCENE, coast=COAST, out=tmp_path, min_area=10000)
    assert rows(tmp_path / "ships.gpkg") == [dict(row, id=i + 1) for i, row in enumerate(r for r in ships if r["area"] >= 10000)]


def cells(path, band=1):
    return read(path, band).astype(np.float64)


def areas(cells_set, cell_area, least):
    """Cells of each connected object (8 neighbours) of at least that area, in raster order of their first cells."""
    labels, n = ndimage.label(cells_set, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    return [int(size) for size in sizes if size * cell_area >= least]


def test_burn(tmp_path):
    before, after = shared("fire_change/burn_top_3661_before.tif"), shared("fire_change/burn_top_3661_after.tif")
    cook("burn", before=before, after=after, out=tmp_path, min_area=0)

    def nbr(path):
        nir, swir = (cells(path, band) * 2.75e-5 - 0.2 for band in (4, 6))
        return (nir - swir) / (nir + swir)

    expected = nbr(before) - nbr(after)
    dnbr = read(tmp_path / "dnbr.tif")
    # The scene's cells are f64 and are read as f32, half a unit in the last place of 24 bits each.
    np.testing.assert_allclose(dnbr, expected, rtol=0, atol=2e-5)
    # The fire is there: the scene's mean, as of the data's own description.
    assert 0.24 < dnbr.mean() < 0.68
    severity = read(tmp_path / "severity.tif")
    assert same(severity, np.digitize(dnbr.astype(np.float64), [0.1, 0.27, 0.66]).astype(np.float32))
    burnt = rows(tmp_path / "burnt.gpkg")
    assert [row["cells"] for row in burnt] == areas(dnbr.astype(np.float64) >= 0.27, 1, 0)
    # Cells of the ellipsoid: 0.000269495 degrees squared at 34.2 degrees north are 745 m2.
    assert all(row["area"] / row["cells"] == pytest.approx(743, rel=0.01) for row in burnt)
    assert all(row["mean"] >= 0.27 for row in burnt)
    total = sum(row["area"] for row in burnt)
    print(f"burnt: {len(burnt)} areas, {total / 1e6:.2f} km2")


def test_water_change(tmp_path):
    before, after = (shared(f"fire_change/naip_nd_wetlands_{day}.tif") for day in ("20100629", "20200831"))
    cook("water-change", before=before, after=after, out=tmp_path)

    # gdalwarp brings the later picture, a fifth of a cell off, onto the earlier grid.
    size = {"outputBounds": [487065, 5208345 - 362 * 5, 487065 + 467 * 5, 5208345], "width": 467, "height": 362}
    gdal.Warp(str(tmp_path / "warped.tif"), str(after), resampleAlg="bilinear", outputType=gdal.GDT_Float32, **size)

    def water(path):
        green, nir = cells(path, 2), cells(path, 4)
        return (green - nir) / (green + nir) > 0.2

    change = read(tmp_path / "change.tif")
    inside = np.s_[1:-1, 1:-1]  # gdalwarp takes cells at the border from half a neighbourhood
    there = ~np.isnan(change[inside])
    assert there.all()
    expected = (water(tmp_path / "warped.tif").astype(np.float32) - water(before))[inside]
    # Interpolated values differ in their last digits, which decides for cells that lie on the threshold.
    assert (change[inside] != expected).mean() < 1e-4
    for name, sign in (("gain", 1), ("loss", -1)):
        found = [row["cells"] for row in rows(tmp_path / f"{name}.gpkg")]
        assert sorted(found) == sorted(areas(change == sign, 25, 1000)) and found
    # 2020 was the wetter year in these potholes: more was gained than lost.
    assert (change == 1).sum() > 5 * (change == -1).sum()


def test_terrain(tmp_path):
    cook("terrain", dem=shared("terrain/bigtujunga_srtm30_crop400.tif"), out=tmp_path)
    references = {"slope": "slope_horn_deg", "aspect": "aspect_horn", "tpi": "tpi", "tri": "tri_riley",
                  "roughness": "roughness"}
    for name, reference in references.items():
        expected = cells(shared(f"terrain/bigtujunga_ref_{reference}.tif"))[1:-1, 1:-1]
        got = cells(tmp_path / f"{name}.tif")[1:-1, 1:-1]
        level = expected == -9999  # has no aspect
        assert np.isnan(got[level]).all(), name
        # gdaldem takes the arc tangent in f32.
        np.testing.assert_allclose(got[~level], expected[~level], rtol=0, atol=1e-4 if name == "aspect" else 0)
    shade = cells(tmp_path / "hillshade.tif")[1:-1, 1:-1]
    assert same(shade, cells(shared("terrain/bigtujunga_ref_hillshade_315_45.tif"))[1:-1, 1:-1])


def test_flood(tmp_path):
    radar, optical = shared("flood/spain_7370579_s1.tif"), shared("flood/spain_7370579_s2.tif")
    label = read(shared("flood/spain_7370579_label.tif"))
    report = json.loads(cook("flood", "--json", radar=radar, optical=optical, out=tmp_path).out)
    assert len(report["runs"]) == 1
    threshold = report["runs"][0]["summaries"][0]["rows"][0]
    assert threshold["flag"] == 0 and threshold["blocks"] == 3
    vh, green, swir = cells(radar, 2), cells(optical, 3), cells(optical, 12)
    smooth = ndimage.median_filter(vh, 5)
    mndwi = (green - swir) / (green + swir)
    # Each witness flows as f32; the odds of both add up.
    witness = [(1 / (1 + np.exp(-odds))).astype(np.float32).astype(np.float64) for odds in ((threshold["threshold"] - smooth) / 2, mndwi / 0.1)]
    expected = 1 / (1 + np.prod([(1 - p) / p for p in witness], 0))
    p = cells(tmp_path / "probability.tif")
    inside = np.s_[2:-2, 2:-2]  # scipy mirrors at the edges, the operator has fewer cells there
    np.testing.assert_allclose(p[inside], expected[inside], rtol=0, atol=1e-6)
    np.testing.assert_allclose(cells(tmp_path / "deviation.tif"), np.sqrt(p * (1 - p)), atol=1e-6)
    flooded = rows(tmp_path / "flood.gpkg")
    assert all(row["area"] >= 5000 and row["mean"] > 0.5 for row in flooded) and len(flooded) > 5

    def f1(water):
        known = label >= 0
        hits = (water & (label == 1)).sum()
        return 2 * hits / ((water & known).sum() + (label == 1).sum())

    fused, by_radar, by_optics = f1(p > 0.5), f1(smooth <= threshold["threshold"]), f1(mndwi > 0)
    # With a threshold of -22 dB that someone had looked up in the label.
    known_odds = (-22 - smooth) / 2
    fixed = f1(known_odds + np.log(witness[1] / (1 - witness[1])) > 0)
    by_fixed = f1(smooth < -22)
    print(f"flood: threshold {threshold['threshold']:.2f} dB; F1 {fused:.3f}, by radar alone {by_radar:.3f}, by optics alone "
          f"{by_optics:.3f}; with -22 dB {fixed:.3f}, by radar alone {by_fixed:.3f}")
    assert fused > 0.83 and fused > by_radar and fused > by_optics
    assert by_radar > by_fixed and fused > fixed - 0.01


def reports_of(ships, path):
    """AIS made from detections: of each ship three reports, one before the scene and two after, on a straight course."""
    rng = np.random.default_rng(3)
    with open(path, "w") as file:
        file.write("MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading\n")
        for ship in ships:
            knots, course = rng.uniform(0.1, 5), np.radians(ship["heading"] or 0)
            for minute in (-7, 3, 12):
                metres = knots * 1852 / 60 * minute
                lat = ship["lat"] + metres * np.cos(course) / 110940
                lon = ship["lon"] + metres * np.sin(course) / (111320 * np.cos(np.radians(ship["lat"])))
                at = f"2021-01-05T{1 + (58 + minute) // 60:02}:{(58 + minute) % 60:02}:00"
                file.write(f"{366000000 + ship['id']},{at},{lat:.6f},{lon:.6f},{knots:.1f},{np.degrees(course):.1f},511\n")


def test_dark_vessels_are_those_that_the_made_ais_leaves_out(tmp_path):
    given = {"scene": SCENE, "coast": COAST}
    cook("ships", out=tmp_path, **given)
    ships = rows(tmp_path / "ships.gpkg")
    dark = {34, 61, 95, 122, 140, 152, 155}
    reports_of([ship for ship in ships if ship["id"] not in dark], tmp_path / "ais.csv")
    cook("dark-vessels", out=tmp_path, ais=tmp_path / "ais.csv", time="2021-01-05T01:58:00", **given)
    vessels = rows(tmp_path / "vessels.gpkg")
    assert {v["id"] for v in vessels if v["state"] == "dark"} == dark
    matched = [v for v in vessels if v["state"] == "matched"]
    assert len(matched) == len(ships) - len(dark) and all(v["mmsi"] == 366000000 + v["id"] for v in matched)
    assert {row["id"] for row in rows(tmp_path / "dark.geojson")} == dark


def test_alike_finds_the_planted_one(tmp_path):
    subprocess.run([sys.executable, ROOT / "bench/make_field.py", tmp_path / "field.tif", "--side", "1800", "--objects", "1600"],
                   check=True)
    cook("alike", scene=tmp_path / "field.tif", threshold=100, like="length=240~24,width=50~5,heading=37~10,mean=203~12",
         out=tmp_path, top=3)
    planted = np.genfromtxt(tmp_path / "field.signature.csv", delimiter=",", names=True)
    alike = sorted(rows(tmp_path / "alike.gpkg"), key=lambda row: row["rank"])
    assert [row["rank"] for row in alike] == [1, 2, 3]
    assert abs(alike[0]["column"] - planted["column"]) < 1.5 and abs(alike[0]["row"] - planted["row"]) < 1.5
    assert alike[0]["cells"] == planted["cells"] and alike[0]["distance"] < 0.3 < alike[1]["distance"]
    red, _, blue = gdal.Open(str(tmp_path / "alike.png")).ReadAsArray()
    boxes = ndimage.find_objects(ndimage.label(red != blue, np.ones((3, 3)))[0])  # the scene is grey
    assert len(boxes) == 3
    for row in alike:
        assert any(box[0].start < row["row"] < box[0].stop and box[1].start < row["column"] < box[1].stop for box in boxes)


def gaps(path, missing):
    found = cells(path)
    return np.where(found == missing, np.nan, found)


def test_sst(tmp_path):
    """A tenth of the buoys is withheld: the analysis must lie nearer to them than the first guess, and each cell must
    solve the equations of optimal interpolation."""
    names = {"satellite": "oi_sat_night_superobs_biascorr_20160117", "ships": "oi_ship_superobs_20160117",
             "guess": "oi_firstguess_analysis_20160116", "buoys": "oi_buoy_superobs_20160117"}
    path = {name: shared(f"sst/{file}.nc") for name, file in names.items()}
    value = {name: gaps(file, -9999) for name, file in path.items()}
    rng = np.random.default_rng(4)
    withheld = np.isfinite(value["buoys"]) & (rng.random(value["buoys"].shape) < 0.1)
    value["buoys"][withheld] = np.nan
    truth = gaps(path["buoys"], -9999)
    source = gdal.Open(str(path["buoys"]))
    fewer = tmp_path / "buoys.nc"
    fewer.write_bytes(path["buoys"].read_bytes())
    with netCDF4.Dataset(fewer, "a") as file:
        buoys = file["sst"][:]
        north_up = file["lat"][0] > file["lat"][-1]
        buoys[(withheld if north_up else withheld[::-1]).reshape(buoys.shape)] = np.ma.masked
        file["sst"][:] = buoys
    path["buoys"] = fewer
    cook("sst", out=tmp_path, **path)
    west = gdal.Open(str(tmp_path / "sst.tif")).GetGeoTransform()[0]
    shift = round((west - source.GetGeoTransform()[0]) / 0.25)
    analysis, variance = (np.roll(cells(tmp_path / "sst.tif", band), shift, 1) for band in (1, 2))

    guess = value["guess"]
    there = withheld & np.isfinite(guess)
    rms = [np.sqrt(np.mean((truth - field)[there] ** 2)) for field in (guess, analysis)]
    print(f"sst: {there.sum()} withheld buoys, RMS of the first guess {rms[0]:.3f} K, of the analysis {rms[1]:.3f} K")
    assert there.sum() > 100 and rms[1] < 0.95 * rms[0]
    assert np.array_equal(np.isnan(analysis), np.isnan(guess))
    known = np.isfinite(variance)
    assert (variance[known] > 0).all() and (variance[known] <= 1).all()

    noise = {"satellite": 1.0, "buoys": 0.5, "ships": 2.0}
    weight = sum(np.isfinite(value[n]) / r**2 for n, r in noise.items())
    total = sum(np.nan_to_num(value[n]) / r**2 for n, r in noise.items())
    compared = 0
    for y, x in rng.permutation(np.argwhere(np.isfinite(guess) & (weight > 0)))[:60]:
        if not (20 < (x - shift) % 1440 < 1420 and 20 < y < 700):
            continue  # boxes do not reach across the seam of the product
        rows_, columns = np.meshgrid(np.arange(y - 16, y + 17), np.arange(x - 16, x + 17), indexing="ij")
        at = rows_.ravel(), columns.ravel() % 1440
        dy, dx = (rows_.ravel() - y) * metres(y)[1] / 150e3, (columns.ravel() - x) * metres(y)[0] / 150e3
        used = (weight[at] > 0) & np.isfinite(guess[at])
        order = np.flatnonzero(used)[np.lexsort((dx[used], dy[used], (dx**2 + dy**2)[used]))][:30]
        w, innovation = weight[at][order], (total[at] / np.maximum(weight[at], 1e-9) - guess[at])[order]
        dx, dy = dx[order], dy[order]
        covariance = np.exp(-((dx[:, None] - dx) ** 2) - (dy[:, None] - dy) ** 2) + np.diag(1 / w)
        b = np.exp(-(dx**2) - dy**2)
        solved = np.linalg.solve(covariance, b)
        # f32 products, and f32 superobs.
        assert analysis[y, x] == pytest.approx(guess[y, x] + solved @ innovation, abs=5e-6)
        assert variance[y, x] == pytest.approx(1 - solved @ b, abs=5e-7)
        compared += 1
    assert compared > 40

    # The Kuroshio has fronts, the middle of the South Pacific has none.
    fronts = np.roll(cells(tmp_path / "fronts.tif"), shift, 1)
    latitude, longitude = 89.875 - 0.25 * np.arange(720), 0.125 + 0.25 * np.arange(1440)

    def strong(south, north, west_, east):
        box = fronts[np.ix_((latitude > south) & (latitude < north), (longitude > west_) & (longitude < east))]
        return np.nanpercentile(box, 90)

    assert strong(33, 42, 141, 160) > 4 * strong(-30, -20, 220, 240)


def metres(row):
    """Ground size of a cell of a quarter degree on WGS84."""
    e2, a, phi = 0.00669437999014, 6378137.0, np.radians(89.875 - row * 0.25)
    n = 1 - e2 * np.sin(phi) ** 2
    return a * np.cos(phi) / np.sqrt(n) * np.radians(0.25), a * (1 - e2) / n**1.5 * np.radians(0.25)


def numbers(path):
    return {key: float(value) for key, value in next(csv.DictReader(path.read_text().splitlines())).items()}


def test_pansharpen(tmp_path):
    scene = {name: shared(f"pansharpen/lc08_016037_20170813_{band}.tif")
             for name, band in (("red", "B4"), ("green", "B3"), ("blue", "B2"), ("pan", "B8"))}
    rated = {}
    for method in ("brovey", "mtf_glp"):
        cook("pansharpen", out=tmp_path, method=method, **scene)
        rated[method] = numbers(tmp_path / "consistency.csv"), numbers(tmp_path / "qnr.csv")
    (consistent, qnr) = rated["mtf_glp"]
    print(f"pansharpen: {consistent}, {qnr}, brovey {rated['brovey']}")

    # The scene averaged back by GDAL, rated by NumPy.
    was = np.stack([cells(scene[name]) for name in ("red", "green", "blue")])
    size = {"outputBounds": [471585, 3787515 - 259 * 900, 471585 + 255 * 900, 3787515], "width": 255, "height": 259}
    gdal.Warp(str(tmp_path / "back.tif"), str(tmp_path / "sharp.tif"), resampleAlg="average", **size)
    back = np.stack([cells(tmp_path / "back.tif", band) for band in (1, 2, 3)])[:, 1:-1, 1:-1]
    was = was[:, 1:-1, 1:-1]
    whole = np.isfinite(back).all(0)
    rmse = np.sqrt(((back - was)[:, whole] ** 2).mean(1))
    ergas = 100 / 2 * np.sqrt(np.mean((rmse / was[:, whole].mean(1)) ** 2))
    # The border is left out here, where GDAL and the operator have half a cell.
    assert consistent["ergas"] == pytest.approx(ergas, rel=0.01)
    assert consistent["ergas"] < 0.5 * rated["brovey"][0]["ergas"] and consistent["uiqi"] > 0.9
    assert qnr["qnr"] == pytest.approx((1 - qnr["d_lambda"]) * (1 - qnr["d_s"]), rel=1e-12)
    assert qnr["qnr"] > rated["brovey"][1]["qnr"]

    # The detail of the panchromatic band is there: high-pass parts are alike, which those of the coarse bands are not.
    def detail(field):
        return (field - ndimage.uniform_filter(field, 3))[50:-50, 50:-50].ravel()

    pan = detail(cells(scene["pan"]))
    alike = [np.corrcoef(detail(np.nan_to_num(cells(tmp_path / name))), pan)[0, 1] for name in ("bands.tif", "sharp.tif")]
    print(f"pansharpen: detail alike {alike}")
    assert alike[1] > 0.9 > alike[0] + 0.1
    # In colours: each is a band, from its 2nd to its 98th percentile.
    *colours, alpha = gdal.Open(str(tmp_path / "sharp.png")).ReadAsArray().astype(float)
    for band, colour in enumerate(colours, 1):
        sharp = cells(tmp_path / "sharp.tif", band)
        low, high = np.nanpercentile(sharp, [2, 98])
        np.testing.assert_allclose(colour[alpha > 0], np.clip((sharp - low) / (high - low), 0, 1)[alpha > 0] * 255, rtol=0, atol=1)


def test_heatwave(tmp_path):
    """The cells of the Tasman cube by the definition, from NumPy: days in events of five days and more over the smoothed
    90th percentile of each day of the year."""
    path = shared("mhw/oisst_tasman_2015_2016.nc")
    cook("heatwave", cube=path, out=tmp_path, first=2015, last=2016)
    with netCDF4.Dataset(path) as file:
        daily = np.ma.filled(file["sst"][:].astype(np.float64), np.nan)
        daily = daily if file["lat"][0] > file["lat"][-1] else daily[:, ::-1]
    # Day of a leap year: 2015 has no day 60.
    of_year = np.concatenate([np.r_[1:60, 61:367], np.arange(1, 367)])
    found = {name: cells(tmp_path / "heatwaves.tif", band + 1) for band, name in enumerate(
        ("events", "days", "max_intensity", "mean_intensity", "cumulative_intensity", "category"))}
    assert np.array_equal(np.isnan(found["events"]), np.isnan(daily).all(0))
    whole = np.argwhere(~np.isnan(daily).any(0))
    assert len(whole) > 500
    for y, x in whole[:: len(whole) // 40]:
        series = daily[:, y, x]
        normal, threshold = np.full(367, np.nan), np.full(367, np.nan)
        for day in (d for d in range(1, 367) if d != 60):
            near = np.flatnonzero(of_year == day)[:, None] + np.arange(-5, 6)
            pool = series[near[(near >= 0) & (near < len(series))]]
            normal[day], threshold[day] = pool.mean(), np.percentile(pool, 90)
        for year in (normal, threshold):
            year[60] = (year[59] + year[61]) / 2
            year[1:] = ndimage.uniform_filter1d(year[1:], 31, mode="wrap")
        labels, n = ndimage.label(series > threshold[of_year])
        events = [list(np.flatnonzero(labels == k)[[0, -1]]) for k in range(1, n + 1) if (labels == k).sum() >= 5]
        joined = []
        for start, end in events:
            if joined and start - joined[-1][1] <= 3:
                joined[-1][1] = end
            else:
                joined.append([start, end])
        inside = np.concatenate([np.arange(s, e + 1) for s, e in joined]) if joined else np.array([], int)
        assert found["events"][y, x] == len(joined) and found["days"][y, x] == len(inside)
        above = (series - normal[of_year])[inside]
        # The cells are f32 and so are the products.
        assert found["cumulative_intensity"][y, x] == pytest.approx(above.sum(), rel=1e-5)
        if joined:
            assert found["max_intensity"][y, x] == pytest.approx(above.max(), rel=1e-5)
    print(f"heatwave: up to {np.nanmax(found['days']):.0f} days, {np.nanmax(found['max_intensity']):.2f} K, "
          f"category {np.nanmax(found['category']):.0f}")
    assert np.nanmax(found["category"]) >= 2


def test_heatwave_events(tmp_path):
    """The Tasman series against the shipped table, event by event."""
    name = "mhw/mhw_tasman_r0c1_clim1982-2005"
    expected = features(shared(f"{name}_events.csv"))
    cook("heatwave-events", series=shared(f"{name}_series.csv"), out=tmp_path, first=1982, last=2005)
    found = features(tmp_path / "events.csv")
    assert [r["date_start"][:10].replace("/", "-") for r in found] == [r["date_start"] for r in expected]
    assert [r["category"] for r in found] == [r["category"] for r in expected]
    strong = features(tmp_path / "strong.csv")
    assert len(strong) == sum(r["category"] != "Moderate" for r in expected) > 10


def test_vegetation(tmp_path):
    """Zones made here: a chessboard's squares over the drone's picture, one of them outside of it."""
    ortho = shared("optical/drone_bali_ortho_rgba.tif")
    west, cell, _, north, _, _ = gdal.Open(str(ortho)).GetGeoTransform()
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32750)
    boxes = [(x, y) for y in range(60, 660, 200) for x in range(60, 600, 200)] + [(700, 0)]
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(tmp_path / "made.gpkg"))
    layer = source.CreateLayer("zones", reference, ogr.wkbPolygon)
    for x, y in boxes:
        left, right, top, bottom = west + x * cell, west + (x + 100) * cell, north - y * cell, north - (y + 100) * cell
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(
            f"POLYGON(({left} {top},{right} {top},{right} {bottom},{left} {bottom},{left} {top}))"))
        layer.CreateFeature(feature)
    layer = source = None
    cook("vegetation", ortho=ortho, zones=tmp_path / "made.gpkg", out=tmp_path)
    red, green, blue, alpha = (cells(ortho, band) for band in (1, 2, 3, 4))
    with np.errstate(all="ignore"):
        expected = np.where(alpha > 0, (2 * green - red - blue) / (red + green + blue), np.nan)
    index = cells(tmp_path / "index.tif")
    np.testing.assert_allclose(index, expected, rtol=1e-6, atol=1e-7)
    table_ = list(csv.DictReader((tmp_path / "index.csv").read_text().splitlines()))
    zones = features(tmp_path / "zones.gpkg")
    assert len(table_) == len(zones) == len(boxes)
    shares = []
    for (x, y), numbers_, zone in zip(boxes, table_, zones):
        inside = index[y : y + 100, x : x + 100]
        inside = inside[np.isfinite(inside)]
        assert int(numbers_["n"]) == zone["n"] == len(inside)
        if len(inside) == 0:
            assert numbers_["mean"] == "" and zone["mean"] is None and zone["mean_2"] is None
            continue
        for name, value in (("mean", inside.mean()), ("std", inside.std()), ("p50", np.median(inside))):
            assert float(numbers_[name]) == pytest.approx(value, rel=1e-9, abs=1e-12)
            assert zone[name] == pytest.approx(value, rel=1e-9, abs=1e-12)
        shares.append((inside > 0.1).mean())
        assert zone["mean_2"] == pytest.approx(shares[-1], rel=1e-12)
    print(f"vegetation: green share of the made zones {np.round(shares, 2)}")
    assert max(shares) > 0.3 > min(shares)


def test_four(tmp_path):
    """The estuary of Paranagua; a map of land cover is the reference and no witness."""
    radar, optical, dem, cover = (shared(f"optical/terramesh_282D_485L_3_3_{n}.tif") for n in ("s1rtc", "s2l2a", "dem", "lulc"))
    ocean = shared("sst/oi_landmask_quarter_deg.nc")
    cook("four", radar=radar, optical=optical, dem=dem, ocean=ocean, out=tmp_path)
    vh, blue, green, swir = cells(radar, 2), cells(optical, 2), cells(optical, 3), cells(optical, 11)
    height = cells(dem)

    def sure(odds):
        return 0.02 + 0.96 / (1 + np.exp(-odds))

    smooth, mndwi = ndimage.median_filter(vh, 5), (green - swir) / (green + swir)
    slope = np.degrees(np.arctan(np.hypot(ndimage.sobel(height, 1), ndimage.sobel(height, 0)) / 80))
    (west, dx, _, north, _, dy), crs = place(radar)
    x, y = np.meshgrid(west + dx * (np.arange(224) + 0.5), north + dy * (np.arange(224) + 0.5))
    longitude, latitude = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    at = [(90 - latitude) / 0.25 - 0.5, (longitude + 360) / 0.25 - 0.5]
    sea = ndimage.map_coordinates(cells(ocean), at, order=1)
    assert 0.7 < sea.min() < sea.max() < 0.9
    cloud = blue > 1000
    witness = [sure(-18 - smooth), np.where(cloud, 0.5, sure(mndwi / 0.2)), sure(1 - slope), 0.5 + 0.4 * (sea - 0.5)]
    expected = 1 / (1 + np.exp(-sum(np.log(p / (1 - p)) for p in witness)))
    p, doubt = cells(tmp_path / "water.tif"), cells(tmp_path / "water.tif", 2)
    inside = np.s_[2:-2, 2:-2]  # scipy mirrors at the edges, the median has fewer cells there and the slope none
    # Witnesses are f32: 3e-8 of 0.02 moves log-odds by 1.5e-6, four of them a probability by 1.5e-6; the place of a
    # cell in the coarse layer is exact to a thousandth of a metre.
    np.testing.assert_allclose(p[inside], expected[inside], rtol=0, atol=2e-6)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(doubt, -p * np.log2(p) - (1 - p) * np.log2(1 - p), rtol=0, atol=1e-5)

    water = cells(cover) == 1

    def f1(found, where):
        return 2 * (found & water & where).sum() / ((found & where).sum() + (water & where).sum())

    votes = {"all": p > 0.5, "radar": smooth < -18, "optics": (mndwi > 0) & ~cloud, "terrain": slope < 1}
    everywhere = {name: f1(found, True | water) for name, found in votes.items()}
    # Where the picture is clear, all witnesses speak.
    clear = {name: f1(found, ~cloud) for name, found in votes.items()}
    wrong = (p > 0.5) != water
    print(f"four: F1 {everywhere}, clear sky {clear}, agreement {1 - wrong.mean():.3f}; "
          f"wrong where sure {wrong[doubt < 0.1].mean():.3f}, where in doubt {wrong[doubt > 0.5].mean():.3f}")
    assert everywhere["all"] > 0.92 and clear["all"] > 0.98
    assert all(clear["all"] > clear[name] for name in votes if name != "all")
    assert wrong[(doubt < 0.1) & ~cloud].mean() < 0.2 * wrong[(doubt > 0.5) & ~cloud].mean()
    areas_ = rows(tmp_path / "water.gpkg")
    assert areas_ and all(row["area"] >= 5000 and row["mean"] > 0.5 for row in areas_)

# SPDX-License-Identifier: Apache-2.0
"""Recipes: what is listed and asked for, that values stay values, and that each gives the right answer on real data."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from fulmar_cli import COAST, ROOT, SCENE, call, read, same, shared, table, write
from osgeo import gdal
from scipy import ndimage

FILES = sorted((ROOT / "cli/recipes").glob("*.json"))
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
    """Runs a recipe that must succeed."""
    result = call("run", "--overwrite", f"@{name}", *options, *words(values))
    assert result.code == 0, result.err
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
    assert (tmp_path / "ships.png").stat().st_size > 10000
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
    assert (tmp_path / "burnt.png").exists()
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
    assert (tmp_path / "hillshade.png").exists()


def test_flood(tmp_path):
    radar, optical = shared("flood/spain_7370579_s1.tif"), shared("flood/spain_7370579_s2.tif")
    label = read(shared("flood/spain_7370579_label.tif"))
    cook("flood", radar=radar, optical=optical, out=tmp_path)
    vh, green, swir = cells(radar, 2), cells(optical, 3), cells(optical, 12)
    smooth = ndimage.median_filter(vh, 5)
    mndwi = (green - swir) / (green + swir)
    expected = 1 / (1 + np.exp(-((-22 - smooth) / 2 + mndwi / 0.1)))
    p = cells(tmp_path / "probability.tif")
    inside = np.s_[2:-2, 2:-2]  # scipy mirrors at the edges, the operator has fewer cells there
    # exp() of a sum of f32 values: 1e-6 of the largest exponent.
    np.testing.assert_allclose(p[inside], expected[inside], rtol=0, atol=1e-6)
    np.testing.assert_allclose(cells(tmp_path / "deviation.tif"), np.sqrt(p * (1 - p)), atol=1e-6)
    assert (tmp_path / "flood.png").exists()
    flooded = rows(tmp_path / "flood.gpkg")
    assert all(row["area"] >= 5000 and row["mean"] > 0.5 for row in flooded) and len(flooded) > 5

    def f1(water):
        known = label >= 0
        hits = (water & (label == 1)).sum()
        return 2 * hits / ((water & known).sum() + (label == 1).sum())

    fused, by_radar, by_optics = f1(p > 0.5), f1(smooth < -22), f1(mndwi > 0)
    print(f"flood: F1 {fused:.3f}, by radar alone {by_radar:.3f}, by optics alone {by_optics:.3f}")
    assert fused > 0.83 and fused > by_radar and fused > by_optics


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
    assert (tmp_path / "alike.csv").exists()

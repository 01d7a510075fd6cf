# SPDX-License-Identifier: Apache-2.0
"""The command line through the program itself: words, exit codes, streams, files. FULMAR_BIN names the program."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from fulmar_cli import write

ROOT = Path(__file__).resolve().parents[2]
FULMAR = os.environ.get("FULMAR_BIN", str(ROOT / "build/release/cli/fulmar"))
SCENE = ROOT / "tests/data/s1_port_losangeles_20210105_30m_db.tif"
COAST = ROOT / "tests/data/gshhg_f_mask_losangeles_0p0003.tif"
SHIPS = (
    f"scene.tif ! linear ! mask --with {COAST} --buffer 250 ! "
    "cfar --pfa 1e-6 --guard 210 --background 750 ! objects --min-area 1800 ! ships.gpkg"
)
COMMANDS = ["run", "explain", "plan", "recipes", "list", "inspect", "schema", "convert"]


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of its own, with the scene in it."""
    (tmp_path / "scene.tif").symlink_to(SCENE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fulmar(*words, **options):
    done = subprocess.run([FULMAR, *map(str, words)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode >= 0, done.stderr  # no signal ended it
    return Result(done)


def refused(code, *words):
    """The message of a call that must fail with this exit code, on standard error alone."""
    result = fulmar(*words)
    assert result.code == code, (words, result.out, result.err)
    assert result.out == ""
    assert result.err.startswith("fulmar: error: ")
    return result.err


def marked(message):
    """The part of the user's text that stands over the carets of a message."""
    text, marks = message.rstrip("\n").split("\n")[-2:]
    assert set(marks) <= {" ", "^"} and "^" in marks, message
    return text[marks.index("^") : len(marks)]


def leftovers(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != "scene.tif")


# ---- words about itself ----


def test_version():
    result = fulmar("--version")
    assert result.code == 0 and result.err == ""
    assert [line.split()[0] for line in result.out.splitlines()] == ["fulmar", "GDAL", "PROJ", "TBB", "CUDA"]


def test_help_everywhere():
    assert fulmar("--help").code == 0
    for command in COMMANDS:
        result = fulmar(command, "--help")
        assert result.code == 0 and "Usage: fulmar" in result.out and result.err == "", command


def test_list():
    result = fulmar("list")
    assert result.code == 0
    assert any(line.startswith("cfar ") and "windowed" in line for line in result.out.splitlines())
    operators = json.loads(fulmar("list", "--json").out)
    assert {"name", "kind", "summary", "plugin", "version", "library"} == set(operators[0])
    assert {"linear", "decibel", "expression", "mask", "calibrate", "cfar", "objects"} <= {o["name"] for o in operators}


def test_inspect_tells_all():
    for operator in json.loads(fulmar("list", "--json").out):
        text = fulmar("inspect", operator["name"]).out
        schema = json.loads(fulmar("inspect", operator["name"], "--json").out)
        assert schema["summary"] in text and schema["example"] in text
        for source in schema["cites"]:
            assert source in text
        for thing in schema["inputs"] + schema["outputs"] + schema["params"]:
            assert thing["description"] in text
    assert "above 1e-300 and below 0.5; default 1e-06" in fulmar("inspect", "cfar").out


def test_schema_is_a_schema_that_takes_the_pipeline():
    schema = json.loads(fulmar("schema").out)
    assert schema["$schema"].startswith("http://json-schema.org/draft-07")
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    pipeline = json.loads(fulmar("convert", SHIPS, "--to", "json").out)
    assert not list(validator.iter_errors(pipeline))
    pipeline["pipeline"][3]["pfaa"] = 1e-6
    assert list(validator.iter_errors(pipeline))


def test_examples_of_all_operators_parse():
    for operator in json.loads(fulmar("list", "--json").out):
        example = json.loads(fulmar("inspect", operator["name"], "--json").out)["example"]
        assert fulmar("convert", example).code == 0, example


def test_standard_output_that_is_full():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run([FULMAR, "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 4 and "standard output" in done.stderr


# ---- usage errors ----


def test_misspelt_words_find_their_nearest():
    assert "fulmar list" in refused(2, "lsit")
    assert "'cfar'" in refused(2, "inspect", "cfra")
    assert "--memory" in refused(2, "run", SHIPS, "--memry", "1G")
    assert "run with fulmar run" in refused(2, "a.tif ! linear ! b.tif")


def test_usage_errors():
    refused(2)
    refused(2, "list", "--nonsense")
    refused(2, "inspect")
    refused(2, "run")
    refused(2, "run", "")
    refused(2, "run", SHIPS, "--backend", "abacus")
    refused(2, "run", SHIPS, "--progress", "song")
    refused(2, "run", SHIPS, "--threads", "0")
    refused(2, "run", SHIPS, "--threads", "two")
    for size in ["", "0", "-1", "1Q", "12 M", "1e9", "9999999T", "M"]:
        assert "--memory" in refused(2, "run", SHIPS, f"--memory={size}")
    for pair in ["word", "=word"]:
        for option in ["--config", "--oo", "--co", "--lco"]:
            assert "KEY=VALUE" in refused(2, "run", SHIPS, option, pair)
    refused(2, "convert", SHIPS, "--to", "poem")


def test_cuda_is_absent(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # where there is one, too
    assert "CUDA" in refused(5, "run", SHIPS, "--backend", "cuda")
    why = refused(5, "devices")
    assert "there is no CUDA device: " in why and ("built without" in why or "driver" in why)
    asked = fulmar("devices", "--json")
    assert asked.code == 5 and json.loads(asked.out)["devices"] == [] and json.loads(asked.out)["trouble"] in why


def test_pipeline_errors_show_the_place(folder):
    assert marked(refused(2, "run", "scene.tif ! ! b.tif")) == "!"
    assert marked(refused(2, "run", "scene.tif ! expression 'b1 ! b.tif")) == "'"
    message = refused(2, "run", SHIPS.replace("--pfa", "--pfaa"))
    assert "did you mean 'pfa'" in message and marked(message) == "--pfaa"
    message = refused(2, "run", SHIPS.replace("1e-6", "2"))
    assert "pfa must be above 1e-300 and below 0.5, not 2" in message and marked(message) == "--pfa 2"
    message = refused(2, "run", SHIPS.replace("cfar", "cfra"))
    assert "did you mean 'cfar'" in message and marked(message) == "cfra"
    assert "`linear`" in refused(2, "run", SHIPS.replace("linear ! ", ""))  # decibels
    assert marked(refused(2, "run", "scene.tif", "!", "linear", "--x=a b", "!", "b.tif")) == "--x"
    assert leftovers(folder) == []


def test_pipeline_errors_in_a_file_show_the_place(folder):
    Path("p.json").write_text('{"pipeline": [{"read": "scene.tif"}, {"apply": "cfra"}, {"write": "b.tif"}]}')
    message = refused(2, "run", "p.json")
    assert "did you mean 'cfar'" in message and marked(message) == "cfra"
    Path("p.json").write_text('{"pipeline": [{"read": "scene.tif"}, {"apply": 7}, {"write": "b.tif"}]}')
    message = refused(2, "run", "p.json")
    assert "/pipeline/1/apply" in message and "p.json" in message
    Path("p.json").write_text('{"pipeline": ')
    refused(2, "run", "p.json")
    assert "absent.json" in refused(3, "run", "absent.json")


# ---- files ----


def test_input_that_is_absent_or_broken(folder):
    assert "absent.tif" in refused(3, "run", "absent.tif ! linear ! b.tif")
    assert "absent.tif" in refused(3, "run", SHIPS.replace(str(COAST), "absent.tif"))
    Path("empty.tif").write_bytes(b"")
    assert "empty.tif" in refused(3, "run", "empty.tif ! linear ! b.tif")
    Path("short.tif").write_bytes(SCENE.read_bytes()[: SCENE.stat().st_size // 2])
    assert "short.tif" in refused(3, "run", "short.tif ! linear ! b.tif")
    assert "scene.tif has 1 band" in refused(3, "run", "scene.tif --band 2 ! linear ! b.tif")
    assert leftovers(folder) == ["empty.tif", "short.tif"]


def test_output_that_exists_or_cannot_be(folder):
    Path("ships.gpkg").write_text("precious")
    assert "--overwrite" in refused(4, "run", SHIPS)
    assert Path("ships.gpkg").read_text() == "precious"
    assert "nowhere" in refused(4, "run", "scene.tif ! linear ! nowhere/b.tif")
    refused(2, "run", "scene.tif ! linear ! scene.tif")
    assert leftovers(folder) == ["ships.gpkg"]


# ---- running ----


def count_of_ships(path):
    with sqlite3.connect(path) as database:
        (table,) = database.execute("SELECT table_name FROM gpkg_contents WHERE data_type = 'features'").fetchone()
        return database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]


def test_run_finds_ships(folder):
    result = fulmar("run", SHIPS)
    assert result.code == 0, result.err
    header, row = result.out.splitlines()
    assert header.split() == ["kind", "rows", "product"]
    kind, objects, product = row.split()
    assert (kind, product) == ("objects", "ships.gpkg")
    assert int(objects) == count_of_ships("ships.gpkg") > 50
    assert result.err == ""  # nobody watches, so no progress
    assert leftovers(folder) == ["ships.gpkg"]


def test_run_in_all_forms_of_the_pipeline(folder):
    def counted(*words):
        result = fulmar("run", "--overwrite", "--json", "-q", *words)
        assert result.code == 0 and result.err == "", result.err
        (product,) = json.loads(result.out)["products"]
        return product["objects"]

    expected = counted(SHIPS)
    Path("ships.json").write_text(fulmar("convert", SHIPS, "--to", "json").out)
    assert counted("ships.json") == expected
    assert counted(*SHIPS.split()) == expected
    assert counted(fulmar("convert", "ships.json", "--to", "text").out) == expected
    assert counted(SHIPS, "--backend", "reference") == expected
    assert counted(SHIPS, "--tile", "97x61", "--threads", "1") == expected
    assert fulmar("run", "scene.tif", "!", "expression", "10 ^ (b1 / 10)", "!", "b.tif", "-q").code == 0


def test_options_before_and_after_the_words(folder):
    words = ["scene.tif", "--band", "1", "!", "linear", "!", "b.tif"]
    assert fulmar("run", "-q", *words).code == 0
    assert fulmar("run", *words, "--overwrite", "-q", "--co", "COMPRESS=ZSTD").code == 0
    assert fulmar("run", "--memory", "256M", *words, "--overwrite", "--threads", "1").code == 0
    assert "--overwrite" in refused(4, "run", *words)


def test_branches_and_the_report(folder):
    result = fulmar("run", "--json", "scene.tif ! linear ! [ a.tif ] ! [ cfar ! objects ! b.gpkg --overwrite ] ! c.tif")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert report["backend"] == "cpu"
    assert [p["path"] for p in report["products"]] == ["a.tif", "b.gpkg", "c.tif"]
    assert [p["kind"] for p in report["products"]] == ["raster", "features", "raster"]
    assert leftovers(folder) == ["a.tif", "b.gpkg", "c.tif"]


def test_a_table_is_printed(folder, monkeypatch):
    """The product `-` has the bytes of a file, and the report goes elsewhere."""
    for text, word in (("scene.tif ! stats", "table"), (SHIPS.rsplit(" ! ", 1)[0], "objects"),
                       ("scene.tif ! linear ! cfar ! objects ! filter 'area > 5000'", "table")):
        assert fulmar("run", f"{text} ! x.csv", "--overwrite").code == 0
        done = fulmar("run", f"{text} ! -")
        assert done.code == 0 and done.out == Path("x.csv").read_text() and "," in done.out
        assert done.err.split()[-3::2] == [word, "-"] and int(done.err.split()[-2]) == len(done.out.splitlines()) - 1
        quiet = fulmar("run", "-q", *text.split("'")[0].split(), *text.split("'")[1:2], "!", "-")
        assert (quiet.out, quiet.err) == (done.out, "")
    done = fulmar("run", "scene.tif ! linear ! [ b.tif ] ! stats ! -")
    assert done.code == 0 and len(done.out.splitlines()) == 2
    assert [line.split()[-1] for line in done.err.splitlines()] == ["product", "b.tif", "-"]
    done = fulmar("run", "--json", "scene.tif ! stats ! -")
    assert done.out.startswith("n,") and json.loads(done.err)["products"] == [{"path": "-", "kind": "features", "rows": 1}]
    assert json.loads(fulmar("explain", "--json", "scene.tif ! stats ! -").out)
    assert "prints a table" in refused(2, "run", "scene.tif ! linear ! -")
    assert "prints a table" in refused(2, "run", "scene.tif ! stats ! - --of GPKG")
    assert "--stac" in refused(2, "run", "scene.tif ! stats ! - --stac")
    assert "written twice" in refused(2, "run", "scene.tif ! stats ! [ - ] ! -")
    assert leftovers(folder) == ["b.tif", "x.csv", "x.csv.aux.xml"]
    monkeypatch.setenv("TMPDIR", str(folder / "none"))
    assert "TMPDIR" in refused(4, "run", "scene.tif ! stats ! -")


def test_the_report_names_each_product_once(folder):
    """One header; rows are objects where they are; few rows are shown, each note once."""
    done = fulmar("run", "scene.tif ! linear ! [ cfar ! objects ! [ s.png ] ! [ filter 'area > 1' ! f.csv ] ! o.gpkg ] "
                         "! [ l.tif ] ! stats ! s.csv")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    kinds = {line[-1]: line[0] for line in lines[1:6]}
    assert kinds == {"s.png": "picture", "f.csv": "table", "o.gpkg": "objects", "l.tif": "raster", "s.csv": "table"}
    assert lines[6] == [] and lines[7][:2] == ["stats", "n"]
    subprocess.run(["gdal_merge.py", "-q", "-separate", "-o", "two.tif", "scene.tif", "scene.tif"], check=True)
    done = fulmar("run", "two.tif ! stats ! t.csv")
    shown = [line.split() for line in done.out.splitlines()[3:]]
    assert shown[0][:3] == ["stats", "band", "n"] and [line[0] for line in shown[1:]] == ["b1", "b2"]
    assert ",".join(shown[1]).startswith("b1,") and len(shown) == 3


def test_quiet_prints_nothing(folder):
    result = fulmar("run", "-q", SHIPS)
    assert (result.code, result.out, result.err) == (0, "", "")


def test_progress(folder):
    result = fulmar("run", SHIPS, "--progress=bar")
    assert result.err == "0...10...20...30...40...50...60...70...80...90...100 - done.\n"
    result = fulmar("run", SHIPS, "--overwrite", "--progress=json", "--tile", "256x256")
    shares = [json.loads(line)["progress"] for line in result.err.splitlines()]
    assert shares == sorted(shares) and len(shares) > 2 and shares[-1] == 1
    assert fulmar("run", SHIPS, "--overwrite", "--progress=none").err == ""


def test_products_tell_of_their_making(folder):
    gdal = pytest.importorskip("osgeo.gdal")
    assert fulmar("run", "scene.tif ! linear ! b.tif --overwrite").code == 0
    metadata = gdal.Open("b.tif").GetMetadata()
    assert metadata["FULMAR_PIPELINE"] == "scene.tif ! linear ! b.tif --overwrite"
    assert metadata["FULMAR_BACKEND"] == "cpu"
    assert {"FULMAR_VERSION", "GDAL_VERSION"} <= set(metadata)


def test_config_reaches_gdal(folder):
    # A driver that GDAL is told to skip does not open the scene.
    assert "scene.tif" in refused(3, "run", "scene.tif ! linear ! b.tif", "--config", "GDAL_SKIP=GTiff")


def test_explain(folder):
    result = fulmar("explain", SHIPS)
    assert result.code == 0 and result.err == ""
    for word in ["cfar", "halo", "tile", "memory", "backend"]:
        assert word in result.out
    assert fulmar("plan", SHIPS).out == result.out
    plan = json.loads(fulmar("explain", "--json", SHIPS).out)
    assert plan["grid"]["width"] == 756
    assert leftovers(folder) == []


def test_convert_is_a_round_trip():
    once = fulmar("convert", SHIPS, "--to", "json").out
    assert json.loads(once)["pipeline"][3] == {"apply": "cfar", "pfa": 1e-6, "guard": 210, "background": 750}
    text = fulmar("convert", SHIPS, "--to", "text").out
    assert fulmar("convert", text, "--to", "json").out == once
    assert fulmar("convert", *SHIPS.split(), "--to", "text").out == text


# ---- signals ----


def large_scene(name, cells):
    """The scene again, so large that it takes a while."""
    Path(name).write_text(
        f"""<VRTDataset rasterXSize="{cells}" rasterYSize="{cells}">
  <VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename relativeToVRT="1">scene.tif</SourceFilename>
    <SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="756" ySize="550"/>
    <DstRect xOff="0" yOff="0" xSize="{cells}" ySize="{cells}"/></SimpleSource></VRTRasterBand>
</VRTDataset>"""
    )


@pytest.mark.parametrize("which, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_leave_nothing_behind(folder, which, code):
    large_scene("large.vrt", 30000)
    words = [FULMAR, "run", "large.vrt ! linear ! cfar --guard 7px --background 31px ! out.tif", "--progress=json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first = process.stderr.readline()
        assert "progress" in first, first + process.stderr.read()
        asked = time.monotonic()
        process.send_signal(which)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == code, rest
        assert time.monotonic() - asked < 20
        assert "fulmar: error: " in rest and process.stdout.read() == ""
    assert leftovers(folder) == ["large.vrt"]


def test_a_limit_of_the_shell_is_a_full_disk(folder):
    words = f"ulimit -f 8; exec {FULMAR} run 'scene.tif ! linear ! out.tif --co COMPRESS=NONE'"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert done.returncode == 4 and "out.tif" in done.stderr, done.stderr
    assert leftovers(folder) == []


def test_a_pipe_that_closes_leaves_nothing_behind(folder, tmp_path):
    """`head` ends before the table does."""
    write(folder / "noise.tif", np.random.default_rng(1).random((300, 300)).astype(np.float32))
    words = f"{FULMAR} run -q \"noise.tif ! expression 'b1 > 0.95' ! objects ! -\" | head -1; exit ${{PIPESTATUS[0]}}"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True,
                          env={**os.environ, "TMPDIR": str(temporary)})
    assert done.returncode == 141 and done.stdout.count("\n") == 1, done.stderr
    assert list(temporary.iterdir()) == []

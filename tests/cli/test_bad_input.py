# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: the message names the file and a cure, the exit code tells the kind, and nothing half-made is left."""

import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import COAST, DATA, FULMAR, SCENE, call, files, read, refused, run, shared, table, write

DETECT = "cfar --guard 7px --background 25px"
SHIPS = f"linear ! {DETECT} ! [ det.tif ] ! objects ! ships.gpkg"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SCENE, tmp_path / "scene.tif")
    return tmp_path


def left(folder):
    return [name for name in files(folder) if name != "scene.tif"]


# ---- files that are no scenes ----


@pytest.mark.parametrize("cut", [1, 7, 8, 100, 1000, 20_000, 0.3, 0.7, 0.999])
def test_truncated(folder, cut):
    whole = (folder / "scene.tif").read_bytes()
    length = cut if isinstance(cut, int) else int(cut * len(whole))
    (folder / "cut.tif").write_bytes(whole[:length])
    message = refused(3, f"cut.tif ! {SHIPS}", names="cut.tif")
    assert left(folder) == ["cut.tif"], message


def test_damaged_in_the_middle(folder):
    whole = bytearray((folder / "scene.tif").read_bytes())
    middle = len(whole) // 2
    whole[middle:middle + 4000] = os.urandom(4000)
    (folder / "bad.tif").write_bytes(whole)
    result = call("run", f"bad.tif ! {SHIPS}")
    # Compressed strips fail to decode; if by chance they do not, the run is whole.
    assert result.code in (0, 3)
    if result.code == 3:
        assert "bad.tif" in result.err and left(folder) == ["bad.tif"]


def test_directory_empty_and_text(folder):
    (folder / "sub.tif").mkdir()
    (folder / "zero.tif").touch()
    (folder / "text.tif").write_text("hello, I am no raster\n" * 100)
    before = left(folder)
    refused(3, f"sub.tif ! {SHIPS}", names=["sub.tif", "directory"])
    refused(3, f"zero.tif ! {SHIPS}", names=["zero.tif", "empty"])
    refused(3, f"text.tif ! {SHIPS}", names="text.tif")
    refused(3, f"absent.tif ! {SHIPS}", names="absent.tif")
    refused(3, f"scene.tif ! linear ! mask --with text.tif ! out.tif", names="text.tif")
    refused(3, f"scene.tif ! linear ! mask --with absent.gpkg ! out.tif", names="absent.gpkg")
    assert left(folder) == before


@pytest.mark.parametrize("filling", ["nodata", "nan", "zero_valid"])
def test_all_missing_finds_nothing(folder, filling):
    value = {"nodata": -99, "nan": np.nan, "zero_valid": 0}[filling]
    write("empty.tif", np.full((90, 120), value, np.float32), nodata=None if filling == "zero_valid" else -99)
    run(f"empty.tif ! [ decibel ! db.tif ] ! {DETECT} ! [ det.tif ] ! [ objects ! o.geojson ] ! "
        "[ objects ! o.csv ] ! [ objects ! o.fgb ] ! [ objects ! o.png ] ! objects ! o.gpkg")
    for name in ("o.geojson", "o.gpkg", "o.fgb"):
        assert table(name) == []
    assert set(np.unique(read("det.tif"))) == ({0} if filling == "zero_valid" else {255})
    assert np.isnan(read("db.tif")).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_small_scenes(folder, shape):
    cells = np.full(shape, 0.01, np.float32)
    write("s.tif", cells)
    for model in ("ca", "two_parameter", "lognormal", "k"):
        run(f"s.tif ! cfar --model {model} --guard 7px --background 25px --min-valid 0 ! [ det.tif ] ! objects ! o.gpkg")
        assert read("det.tif").shape == shape and not (read("det.tif") == 1).any()
    run("s.tif ! expression 'b1 > 0' ! objects ! o.gpkg")
    (row,) = table("o.gpkg")
    assert row["cells"] == cells.size and row["at_edge"]
    assert row["area"] == pytest.approx(100 * cells.size)


def test_window_larger_than_the_scene(folder):
    rng = np.random.default_rng(0)
    cells = rng.gamma(4.4, 0.01, (40, 60)).astype(np.float32)
    cells[20, 30] = 50
    write("s.tif", cells)
    run("s.tif ! cfar --guard 3px --background 999px ! default.tif")
    assert (read("default.tif") == 255).all()  # never so many cells: unknown, not "no ship"
    run("s.tif ! cfar --guard 3px --background 999px --min-valid 0 ! all.tif")
    assert read("all.tif")[20, 30] == 1 and not (read("all.tif") == 255).any()
    run("s.tif ! mask --with s.tif --buffer 3000 ! none.tif")  # 300 cells
    assert np.isnan(read("none.tif")).all()


# ---- units and places ----


def test_no_coordinate_system(folder):
    cells = np.random.default_rng(0).gamma(4.4, 0.01, (200, 220)).astype(np.float32)
    write("bare.tif", cells, None, None)
    for step in ("cfar --guard 210 --background 750", "mask --with bare.tif --buffer 250", "cfar"):
        message = refused(2, f"bare.tif ! {step} ! out.tif", names="px")
        assert "metres" in message
    run("bare.tif ! cfar --guard 7px --background 25px --pfa 0.01 ! [ det.tif ] ! objects ! o.gpkg")
    assert (read("det.tif") == 1).any() and len(table("o.gpkg")) > 0
    # GeoJSON needs longitudes: it must say so, or leave the geometry in cells, but not pretend.
    result = call("run", "bare.tif ! cfar --guard 7px --background 25px --pfa 0.01 ! objects ! o.geojson")
    assert result.code in (0, 2, 3) and (result.code == 0 or "o.geojson" in result.err)


def test_rasters_on_other_grids(folder):
    write("a.tif", np.ones((50, 60), np.float32))
    write("b.tif", np.ones((50, 60), np.uint8), crs="EPSG:32601")  # another zone: another place on earth
    refused(3, "a.tif ! mask --with b.tif ! out.tif", names=["b.tif", "overlap"])
    write("c.tif", np.ones((40, 60), np.float32), None, None)
    refused(3, "a.tif ! mask --with c.tif ! out.tif", names=["c.tif", "coordinate system"])
    write("flags.tif", np.ones((50, 60), np.uint8))
    # A second raster that flows in must lie on the scene's grid.
    message = refused(2, "flags.tif ! expression b1 ! objects --intensity [ c.tif ] ! o.gpkg", names="c.tif")
    assert "align --to" in message
    write("d.tif", np.ones((50, 60), np.float32), crs="EPSG:32634")
    refused(2, "flags.tif ! expression b1 ! objects --intensity [ d.tif ] ! o.gpkg", names=["d.tif", "align --to"])
    assert not (folder / "o.gpkg").exists()


def test_decibels_where_linear_is_needed(folder):
    rng = np.random.default_rng(0)
    decibels = (10 * np.log10(rng.gamma(4.4, 0.01, (100, 120)))).astype(np.float32)
    write("unit.tif", decibels, unit="dB")
    write("silent.tif", decibels)
    write("linear.tif", (10 ** (decibels / 10)).astype(np.float32))
    for text in (f"unit.tif ! {DETECT} ! o.tif", f"linear.tif ! decibel ! {DETECT} ! o.tif", f"silent.tif ! {DETECT} ! o.tif",
                 f"scene.tif ! {DETECT} ! o.tif", f"unit.tif ! mask --with linear.tif ! {DETECT} ! o.tif",
                 f"silent.tif --unit dB ! {DETECT} ! o.tif", "unit.tif ! decibel ! o.tif"):
        message = refused(2, text)
        assert "linear" in message and "^" in message, message
    # A product remembers: a second run is refused as well.
    run("linear.tif ! decibel ! db.tif")
    refused(2, f"db.tif ! {DETECT} ! o.tif", names="linear")
    # Linear twice is as wrong.
    refused(2, f"linear.tif --unit 1 ! linear ! o.tif")
    refused(2, f"scene.tif ! linear ! linear ! o.tif")
    run(f"silent.tif --unit 1 ! {DETECT} ! o.tif")  # the user's word goes
    run(f"linear.tif ! {DETECT} ! o.tif")


def test_one_band_operators_ask_which(folder):
    write("two.tif", np.ones((2, 40, 50), np.float32))
    refused(2, "two.tif ! objects ! o.gpkg", names="--band")
    refused(3, f"two.tif --band 3 ! {DETECT} ! o.tif", names="two.tif")


# ---- products ----


def test_outputs_that_cannot_be(folder):
    (folder / "there.gpkg").write_text("precious")
    refused(4, f"scene.tif ! linear ! {DETECT} ! objects ! there.gpkg", names=["there.gpkg", "--overwrite"])
    assert (folder / "there.gpkg").read_text() == "precious"
    refused(4, "scene.tif ! linear ! nowhere/o.tif", names="nowhere")
    (folder / "dir.tif").mkdir()
    refused(4, "scene.tif ! linear ! dir.tif", "--overwrite", names="dir.tif")
    before = (folder / "scene.tif").read_bytes()
    for name in ("scene.tif", "./scene.tif", str(folder / "scene.tif"), "../" + folder.name + "/scene.tif"):
        result = call("run", "--overwrite", f"scene.tif ! linear ! {name}")
        assert (folder / "scene.tif").read_bytes() == before, name
        assert result.code in (2, 4), (name, result.code)
    os.symlink("scene.tif", "link.tif")
    result = call("run", "--overwrite", "link.tif ! linear ! scene.tif")
    assert (folder / "scene.tif").read_bytes() == before and result.code in (2, 4)
    refused(2, "scene.tif ! linear ! [ o.tif ] ! o.tif", names="o.tif")
    refused(2, "scene.tif ! linear ! o.unknown", names=["o.unknown", ".tif"])
    assert [n for n in left(folder) if n.startswith(".")] == []
    # The first product fails, so the second must not stand alone half-made.
    refused(4, f"scene.tif ! linear ! [ nowhere/o.tif ] ! {DETECT} ! det.tif")
    assert not (folder / "det.tif").exists()


def test_the_companion_is_no_product(folder):
    shutil.copy(COAST, "coast.tif")
    before = (folder / "coast.tif").read_bytes()
    for name in ("coast.tif", "./coast.tif"):
        result = call("run", "--overwrite", f"scene.tif ! linear ! mask --with coast.tif ! {name}")
        assert (folder / "coast.tif").read_bytes() == before and result.code in (2, 4), name


def test_overwrite(folder):
    run(f"scene.tif ! {SHIPS}")
    first = read("det.tif")
    refused(4, f"scene.tif ! {SHIPS}", names="--overwrite")
    run(f"scene.tif ! linear ! cfar --pfa 0.01 --guard 7px --background 25px ! [ det.tif ] ! objects ! ships.gpkg")
    assert (read("det.tif") != first).any()
    assert left(folder) == ["det.tif", "ships.gpkg"]


def test_a_folder_that_may_not_be_written(folder):
    locked = folder / "locked"
    locked.mkdir()
    if os.geteuid() != 0:
        locked.chmod(0o500)
        refused(4, "scene.tif ! linear ! locked/o.tif", names="locked")
        locked.chmod(0o700)
        return
    refused(4, "scene.tif ! linear ! /proc/o.tif", names="/proc/o.tif")


def test_options_that_make_no_sense(folder):
    refused(2, "scene.tif ! linear ! o.tif", "--memory", "1M", names=["1 MiB", "MiB", "--memory"])
    refused(2, "scene.tif ! linear ! o.tif", "--memory", "plenty", names="plenty")
    refused(2, "scene.tif ! linear ! o.tif", "--threads", "0", names="threads")
    refused(2, "scene.tif ! linear ! o.tif --colour red", names="colour")
    refused(2, "scene.tif ! linear ! o.tif", "--co", "COMPRESS", names="KEY=VALUE")
    assert left(folder) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


@pytest.mark.parametrize("product", [
    "expression 'b1 * 1.0001' ! {}/o.tif", "expression 'b1 * 1.0001' ! {}/o.tif --of COG",
    "expression 'b1 * 1.0001' ! {}/o.nc", "expression 'b1 * 1.0001' ! {}/o.tif --co COMPRESS=NONE",
    "expression 'b1 > 0.98' ! objects ! {}/o.gpkg", "expression 'b1 > 0.98' ! objects ! {}/o.geojson",
    "expression 'b1 > 0.98' ! objects ! {}/o.fgb", "expression 'b1 > 0.98' ! objects ! {}/o.csv",
    "expression 'b1 > 0.98' ! objects ! {}/o.shp", "expression 'b1 > 0.98' ! objects ! {}/o.geojsonl",
    "expression b1 ! {}/o.png",
])
def test_full_disk(small_disk, tmp_path, product):
    scene = tmp_path / "noise.tif"
    write(scene, np.random.default_rng(0).random((1100, 1200)).astype(np.float32))
    (small_disk / "ballast").write_bytes(bytes(1_200_000))
    cure = f"there is no room left in '{small_disk}'; make some there, or write the product elsewhere"
    message = refused(4, f"{scene} ! " + product.format(small_disk), names=cure)
    assert message.index(cure) < message.index("GDAL:") if "GDAL:" in message else True
    assert files(small_disk) == ["ballast"], message


def test_what_else_goes_wrong_on_a_full_disk(small_disk, tmp_path):
    scene = tmp_path / "noise.tif"
    write(scene, np.random.default_rng(0).random((110, 120)).astype(np.float32))
    (small_disk / "ballast").write_bytes(bytes(1_200_000))
    for options, why in (("--co BLOCKXSIZE=17", "TileWidth"), ("--co COMPRESS=JPEG", "not allowed for JPEG")):
        done = call("run", f"{scene} ! expression 'b1 * 1.0001' ! {small_disk}/o.tif {options}")
        assert done.code == 4 and why in done.err and "no room left" not in done.err, done.err


def test_full_disk_keeps_the_old_product(small_disk, tmp_path):
    scene = tmp_path / "noise.tif"
    write(scene, np.random.default_rng(0).random((1100, 1200)).astype(np.float32))
    (small_disk / "o.tif").write_text("precious")
    refused(4, f"{scene} ! expression 'b1 * 1.0001' ! {small_disk}/o.tif", "--overwrite", names="o.tif")
    assert files(small_disk) == ["o.tif"] and (small_disk / "o.tif").read_text() == "precious"


# ---- killed ----


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A scene that takes a few seconds."""
    path = tmp_path_factory.mktemp("large") / "large.tif"
    block = np.random.default_rng(0).gamma(4.4, 0.01, (1024, 1024)).astype(np.float32)
    write(path, np.tile(block, (6, 6)), options=["TILED=YES"])
    return path


def start(scene, *options):
    text = f"{scene} ! cfar --model k --target 3px --guard 7px --background 25px --pfa 1e-3 ! [ det.tif ] ! objects ! o.gpkg"
    process = subprocess.Popen([FULMAR, "run", "--threads", "1", *options, text], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:  # until its first temporary is there
        if any(name.startswith(".det.tif.fulmar-") for name in os.listdir(".")):
            break
        time.sleep(0.005)
    time.sleep(0.15)
    return process


@pytest.mark.parametrize("which,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop(folder, large, which, code):
    process = start(large)
    assert process.poll() is None, "it was over before it could be stopped"
    process.send_signal(which)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and out == "", (process.returncode, out, err)
    assert left(folder) == []
    assert "Traceback" not in err and "terminate" not in err


def test_killed_outright(folder, large):
    process = start(large)
    assert process.poll() is None
    process.kill()
    process.communicate()
    names = left(folder)
    assert "det.tif" not in names and "o.gpkg" not in names
    assert any(name.startswith(".det.tif.fulmar-") for name in names)
    # The next run takes no notice, and takes away what the dead one left.
    run(f"scene.tif ! {SHIPS}")
    assert left(folder) == ["det.tif", "ships.gpkg"] or all(".o.gpkg" in n for n in set(left(folder)) - {"det.tif", "ships.gpkg"})
    run(f"scene.tif ! linear ! {DETECT} ! objects ! o.gpkg")
    assert left(folder) == ["det.tif", "o.gpkg", "ships.gpkg"]


def test_two_at_once(folder):
    """Two runs to the same product: each is whole, one wins, and nothing is mixed or left."""
    text = f"scene.tif ! linear ! {DETECT} ! [ det.tif ] ! objects ! o.gpkg"
    for options, codes in ((["--overwrite"], {(0, 0)}), ([], {(0, 0), (0, 4), (4, 0)})):
        both = [subprocess.Popen([FULMAR, "run", *options, text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for _ in range(2)]
        errors = [p.communicate(timeout=120)[1] for p in both]
        got = tuple(p.returncode for p in both)
        if options:
            assert got in codes, errors
        else:
            assert got in {(4, 4)} | codes, errors
        assert left(folder) == ["det.tif", "o.gpkg"]
        assert len(table("o.gpkg")) > 100 and read("det.tif").shape == (550, 756)


def test_two_at_once_without_overwriting(folder):
    text = f"scene.tif ! linear ! {DETECT} ! objects ! o.gpkg"
    both = [subprocess.Popen([FULMAR, "run", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [p.communicate(timeout=120)[1] for p in both]
    assert sorted(p.returncode for p in both) in ([0, 0], [0, 4]), errors
    assert left(folder) == ["o.gpkg"] and len(table("o.gpkg")) > 100


# ---- names ----


NAMES = ["with space.tif", "quo'te.tif", 'double"quote.tif', "ünï-çøðé-船.tif", "-dash.tif", "--overwrite.tif", "new\nline.tif",
         "[brackets].tif", "!.tif", "bang ! bang.tif", "back\\slash.tif", "dot..tif", "tab\there.tif", "per%cent%s{}.tif",
         "a" * 200 + ".tif", "$HOME `id`.tif", "star*.tif"]


def quoted(name):
    """As a user would write it in the pipeline: in double quotes, backslash before quotes and backslashes."""
    return '"' + ("./" + name).replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names(folder, name):
    shutil.copy(SCENE, folder / name)
    product, out = "out " + name, "o " + name.rsplit(".", 1)[0] + ".gpkg"
    text = (f"{quoted(name)} ! linear ! mask --with {quoted(name)} ! [ {quoted(product)} ] ! expression 'b1 > 0.2' ! "
            f"objects ! {quoted(out)}")
    run(f"{quoted(name)} ! linear ! [ {quoted(product)} ] ! expression 'b1 > 0.5' ! objects ! {quoted(out)}")
    assert left(folder) == sorted([name, product, out])
    assert read(folder / product).shape == (550, 756)
    assert len(table(folder / out)) > 10
    # To JSON and back.
    as_json = call("convert", text)
    assert as_json.code == 0
    (folder / "p.json").write_text(as_json.out)
    back = call("convert", "--to", "text", "p.json")
    assert back.code == 0 and call("convert", back.out.rstrip("\n")).out == as_json.out
    # And in an error.
    os.truncate(folder / name, 500)
    assert refused(3, f"{quoted(name)} ! linear ! x.tif")


def test_bytes_that_are_no_text(folder):
    name = b"latin-\xe9.tif"
    shutil.copy(SCENE, os.path.join(os.fsencode(folder), name))
    done = subprocess.run([FULMAR.encode(), b"run", b"--json", name + b" ! linear ! out-" + name], capture_output=True)
    assert done.returncode in (0, 2), done.stderr
    if done.returncode == 0:
        assert os.path.exists(os.path.join(os.fsencode(folder), b"out-" + name))


def test_a_file_of_nearly_that_name_is_offered(tmp_path):
    write(tmp_path / "scene.tif", np.ones((4, 5), np.float32))
    (tmp_path / "ships.csv").write_text("a,b\n1,2\n")
    (tmp_path / ".scone.tif").write_text("")
    refused(3, "scene.tiff ! stats ! o.csv", cwd=tmp_path, names="there is no file 'scene.tiff'; did you mean 'scene.tif'?")
    refused(3, f"{tmp_path}/scne.tif ! stats ! o.csv", cwd=tmp_path, names=f"did you mean '{tmp_path}/scene.tif'?")
    refused(3, "scene.tif ! mask --with ship.csv ! o.tif", cwd=tmp_path, names="did you mean 'ships.csv'?")
    assert "did you mean" not in refused(3, "elsewhere.tif ! stats ! o.csv", cwd=tmp_path)
    assert "did you mean" not in refused(3, "nowhere/scene.tif ! stats ! o.csv", cwd=tmp_path)

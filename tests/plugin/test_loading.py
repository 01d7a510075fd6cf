# SPDX-License-Identifier: Apache-2.0
"""Where plugins are found, when they are loaded, and what is said when they cannot be."""
import json
import os
import subprocess

import numpy as np
import pytest
from fulmar_cli import FULMAR, call, files, read, refused, run, write
from probes import SDK, probe, quoted


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A sound plugin and its sidecar."""
    folder = tmp_path_factory.mktemp("built")
    library = probe(folder)
    assert call("plugin", "describe", library).code == 0
    assert files(folder) == ["probe.fulmar.json", "probe.so"]
    return folder


@pytest.fixture
def scene(tmp_path):
    return write(tmp_path / "a.tif", np.arange(35, dtype="float32").reshape(5, 7), unit="1")


def copied(built, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("probe.so", "probe.fulmar.json"):
        (folder / name).write_bytes((built / name).read_bytes())
    return folder / "probe.so"


def seen(path, **environment):
    return "probe" in call("list", env={"FULMAR_PLUGIN_PATH": str(path), **environment}).out


# ---- discovery ----

def test_a_plugin_named_by_the_user_runs(built, scene, tmp_path):
    run("a.tif ! probe --plus 2.5 ! b.tif", "--plugin", built / "probe.so", cwd=tmp_path)
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), np.arange(35, dtype="float32").reshape(5, 7) + 2.5)
    made = json.loads(subprocess.run(["gdalinfo", "-json", tmp_path / "b.tif"], capture_output=True, check=True).stdout)
    assert made["metadata"][""]["FULMAR_OPERATORS"] == "probe (probing 1.2.3)"


def test_plugins_are_found_in_the_folders_of_the_path(built, scene, tmp_path):
    run("a.tif ! probe ! b.tif", cwd=tmp_path, env={"FULMAR_PLUGIN_PATH": f"/no/such/folder::{built}:"})
    assert read(tmp_path / "b.tif")[0, 1] == 2


def test_plugins_are_found_beside_an_installed_program(built, scene, tmp_path):
    (tmp_path / "prefix/bin").mkdir(parents=True)
    os.link(FULMAR, tmp_path / "prefix/bin/fulmar") if os.stat(FULMAR).st_dev == os.stat(tmp_path).st_dev else (
        __import__("shutil").copy2(FULMAR, tmp_path / "prefix/bin/fulmar"))
    found = False
    for lib in ("lib", "lib64", f"lib/{os.uname().machine}-linux-gnu"):
        copied(built, tmp_path / "prefix" / lib / "fulmar/plugins")
        done = subprocess.run([tmp_path / "prefix/bin/fulmar", "list"], capture_output=True, text=True, check=True)
        found = found or "probe" in done.stdout
    assert found


def test_the_current_folder_is_never_looked_in(built, scene, tmp_path):
    copied(built, tmp_path)
    for path in ("", ":", "::", f"{tmp_path}/none"):
        result = call("run", "a.tif ! probe ! b.tif", cwd=tmp_path, env={"FULMAR_PLUGIN_PATH": path})
        assert result.code == 2 and "there is no operator 'probe'" in result.err
    for path in (".", "plugins", "./plugins:/usr"):
        result = call("list", cwd=tmp_path, env={"FULMAR_PLUGIN_PATH": path})
        assert result.code == 2 and result.out == ""
        assert f"'{path.split(':')[0]}'" in result.err and "absolute" in result.err


def test_a_pipeline_names_no_plugin(built, scene, tmp_path):
    library = built / "probe.so"
    for text in (f"a.tif ! {library} ! b.tif", "a.tif ! probe --plugin " + str(library) + " ! b.tif"):
        refused(2, text, cwd=tmp_path)
    pipeline = {"pipeline": [{"type": "a.tif"}, {"type": "probe", "plugin": str(library)}, {"type": "b.tif"}],
                "plugin": str(library)}
    (tmp_path / "p.json").write_text(json.dumps(pipeline))
    assert call("run", "p.json", cwd=tmp_path).code == 2
    assert files(tmp_path) == ["a.tif", "p.json"]


# ---- nothing is loaded before it must be ----

def test_listing_and_help_load_nothing(built, scene, tmp_path):
    aborting = tmp_path / "aborting"
    copied(built, aborting)
    (aborting / "probe.so").unlink()
    probe(aborting, aborts=True)
    trace = tmp_path / "trace"
    environment = {"FULMAR_PLUGIN_PATH": str(aborting), "PROBE_TRACE": str(trace)}
    for words in (["list"], ["operators"], ["list", "--json"], ["inspect", "probe"], ["inspect", "--json", "probe"],
                  ["schema"], ["plugin", "list"], ["--help"], ["run", "--help"], ["recipes"]):
        result = call(*words, env=environment)
        assert result.code == 0, (words, result.err)
        assert not result.err
        if words[0] in ("list", "operators", "inspect", "plugin", "schema"):
            assert "probe" in result.out
    # A run without its operators, and one that is refused for another reason before.
    run("a.tif ! expression --formula b1*2 ! b.tif", cwd=tmp_path, env=environment)
    refused(2, "a.tif ! porbe ! b.tif", cwd=tmp_path, env=environment, names="did you mean 'probe'")
    assert not trace.exists()
    # And with: the constructor runs, which aborts.
    done = subprocess.run([FULMAR, "run", "--overwrite", "a.tif ! probe ! b.tif"], cwd=tmp_path, capture_output=True,
                          env={**os.environ, **environment})
    assert done.returncode < 0 and trace.exists()


def test_without_a_sidecar_only_a_run_loads(scene, tmp_path):
    library, trace = probe(tmp_path / "bare"), tmp_path / "trace"
    environment = {"PROBE_TRACE": str(trace)}
    assert not seen(library.parent, **environment)
    result = call("list", "--plugin", library, env=environment)
    assert result.code == 3 and "fulmar plugin describe" in result.err and "probe.fulmar.json" in result.err
    assert not trace.exists()
    run("a.tif ! probe ! b.tif", "--plugin", library, cwd=tmp_path, env=environment)
    assert trace.exists() and read(tmp_path / "b.tif")[0, 0] == 1


def test_the_sidecar_tells_all(built):
    told = json.loads((built / "probe.fulmar.json").read_text())
    assert told["name"] == "probing" and told["version"] == "1.2.3" and told["license"] == "Apache-2.0"
    assert told["abi"] == [1, 4] and [o["name"] for o in told["operators"]] == ["probe"]
    listed = json.loads(call("plugin", "list", "--json", env={"FULMAR_PLUGIN_PATH": str(built)}).out)
    mine = [p for p in listed if p["name"] == "probing"]
    assert mine == [{"name": "probing", "version": "1.2.3", "license": "Apache-2.0", "origin": "tests", "abi": "1.4",
                     "cuda": "", "library": str(built / "probe.so"), "operators": ["probe"]}]
    said = call("inspect", "probe", "--plugin", built / "probe.so").out
    assert "plugin probing" in said and "version 1.2.3, Apache-2.0" in said and "--plus NUMBER" in said


# ---- what is said when it goes wrong ----

def loading(library, scene_folder, code, *words, **more):
    result = call("run", "--plugin", library, "a.tif ! probe ! b.tif", cwd=scene_folder, **more)
    assert result.code == code, result.err
    assert result.out == "" and result.err.startswith("fulmar: error: ")
    for word in words:
        assert word in result.err, (word, result.err)
    assert not (scene_folder / "b.tif").exists()
    return result.err


def test_a_file_that_is_not_there(scene, tmp_path):
    loading("none/mine.so", tmp_path, 3, "there is no plugin 'none/mine.so'", str(tmp_path / "none/mine.so"))
    loading("a.tif", tmp_path, 2, "takes a library such as mine.so")


def test_a_library_that_is_gone(built, scene, tmp_path):
    copied(built, tmp_path / "p").unlink()
    result = call("run", "a.tif ! probe ! b.tif", cwd=tmp_path, env={"FULMAR_PLUGIN_PATH": str(tmp_path / "p")})
    assert result.code == 3 and str(tmp_path / "p/probe.so") in result.err and "is not there" in result.err
    assert seen(tmp_path / "p")


def test_no_library_at_all(scene, tmp_path):
    (tmp_path / "mine.so").write_text("a text\n" * 100)
    loading("mine.so", tmp_path, 2, str(tmp_path / "mine.so"), "cannot be loaded", "invalid ELF header")


def test_another_contract(scene, tmp_path):
    loading(probe(tmp_path / "1", major=7), tmp_path, 2, "version 7.4", "has 1.4")
    loading(probe(tmp_path / "2", entry="fulmar_plugin_2"), tmp_path, 2, "version 2", "fulmar_plugin_2", "has 1.4")
    # Told by the sidecar, so without loading it.
    library = probe(tmp_path / "3", aborts=True)
    (tmp_path / "3/probe.fulmar.json").write_text(json.dumps(
        {"name": "old", "version": "0", "license": "", "abi": [7, 4], "operators": []}))
    loading(library, tmp_path, 2, "'old'", "version 7.4", "has 1.4")


def test_a_later_version_of_the_contract(scene, tmp_path):
    # Its structs may be longer than this engine's: it is not run at all.
    words = ("version 1.5", "has 1.4", "build it again with this engine's SDK, or update Fulmar")
    library = probe(tmp_path / "1", minor=5)
    loading(library, tmp_path, 2, str(library), *words)
    library = probe(tmp_path / "2", aborts=True)
    (tmp_path / "2/probe.fulmar.json").write_text(json.dumps(
        {"name": "new", "version": "0", "license": "", "abi": [1, 5], "operators": []}))
    loading(library, tmp_path, 2, "'new'", *words)
    run("a.tif ! probe ! b.tif", "--plugin", probe(tmp_path / "3", minor=0), cwd=tmp_path)


def test_a_plugin_that_tells_less_than_the_first_version(scene, tmp_path):
    end = "(offsetof(fulmar_plugin,operators)+sizeof(void*))"
    loading(probe(tmp_path / "1", size=end + "-8"), tmp_path, 2, "tells less of itself than version 1.0")
    run("a.tif ! probe ! b.tif", "--plugin", probe(tmp_path / "2", size=end), cwd=tmp_path)


def test_an_entry_point_that_fails(scene, tmp_path):
    for throws, why in (("7", "not an exception"), ('std::runtime_error("no licence")', "no licence")):
        library = probe(tmp_path / "p", cxx=True, throws_in_entry=throws, flags=["-include", "stdexcept"])
        loading(library, tmp_path, 2, str(library), "threw while it told of itself", why)
    library = probe(tmp_path / "q", empty=True)
    loading(library, tmp_path, 2, str(library), "fulmar_plugin_1 returns nothing")


def test_no_symbol(scene, tmp_path):
    library = probe(tmp_path / "p", entry="another_name")
    loading(library, tmp_path, 2, str(library), "lacks the symbol fulmar_plugin_1")


def test_a_library_that_it_needs(scene, tmp_path):
    (tmp_path / "thing.c").write_text("int nobody_has_this(void) { return 1; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "thing.c", "-o", "libthing.so.9", "-Wl,-soname,libthing.so.9"],
                   cwd=tmp_path, check=True)
    library = probe(tmp_path / "p", needs=True, flags=[tmp_path / "libthing.so.9"])
    run("a.tif ! probe ! b.tif", "--plugin", library, cwd=tmp_path, env={"LD_LIBRARY_PATH": str(tmp_path)})
    (tmp_path / "b.tif").unlink()
    loading(library, tmp_path, 2, str(library), "needs the library libthing.so.9")


def test_a_symbol_that_it_needs(scene, tmp_path):
    library = probe(tmp_path / "p", needs=True)
    loading(library, tmp_path, 2, str(library), "needs the symbol nobody_has_this")


def test_a_schema_that_cannot_be(built, scene, tmp_path):
    library = probe(tmp_path / "p", unit="")
    message = loading(library, tmp_path, 2, "key 'unit' not found", "number 1", "inputs", "operator 'probe'",
                      "plugin probing")
    assert message.index("number 1") < message.index("inputs") < message.index("operator 'probe'")
    copied(built, tmp_path / "q")
    sidecar = tmp_path / "q/probe.fulmar.json"
    whole = sidecar.read_text()
    for old, new, words in (
            ('"type":"number"', '"type":"colour"', ["'colour'", "parameter 'plus'", "params"]),
            ('"kind":"cellwise"', '"kind":"magic"', ["'magic'", "operator 'probe'"]),
            ('"input_types":"f"', '"input_types":"ff"', ["takes 2 inputs", "names 1"]),
            ('"version":', '"revision":', ["key 'version' not found"]),
            ('"abi": [1, 4]', '"abi": "1.4"', ["sidecar cannot be read"]),
            (whole[-40:], "", ["parse error"])):
        assert whole.count(old) == 1
        sidecar.write_text(whole.replace(old, new))
        loading(tmp_path / "q/probe.so", tmp_path, 2, str(sidecar), *words)
        # In a folder it hinders nobody else.
        result = call("list", env={"FULMAR_PLUGIN_PATH": str(tmp_path / "q")})
        assert result.code == 0 and "cfar" in result.out and "probe" not in result.out
        assert result.err.startswith("fulmar: warning: the plugin ") and words[0] in result.err


def test_a_name_that_is_taken(built, scene, tmp_path):
    library = probe(tmp_path / "p", operator=quoted("cfar"), plugin=quoted("other"))
    loading(library, tmp_path, 2, "'cfar'", "'other' (" + str(library) + ")", "from 'builtin'")
    second = probe(tmp_path / "q", "twin", plugin=quoted("second"))
    result = call("run", "--plugin", built / "probe.so", "--plugin", second, "a.tif ! probe ! b.tif", cwd=tmp_path)
    assert result.code == 2
    assert f"'second' ({second}) is already there, from 'probing' ({built / 'probe.so'})" in result.err
    # The same file twice is one plugin, and what the user names comes first.
    run("a.tif ! probe ! b.tif", "--plugin", built / "probe.so", "--plugin", built / "probe.so", cwd=tmp_path,
        env={"FULMAR_PLUGIN_PATH": f"{built}:{built}/."})


@pytest.mark.parametrize("how, what", [
    ({"version": quoted("1.2.4")}, "its version is 1.2.4, not 1.2.3"),
    ({"plugin": quoted("other")}, "its name is 'other', not 'probing'"),
    ({"unit": r'"\"unit\":\"dB\","'}, "schema of its operator 'probe' is another"),
])
def test_a_sidecar_of_another_build(built, scene, tmp_path, how, what):
    copied(built, tmp_path / "p").unlink()
    library = probe(tmp_path / "p", **how)
    loading(library, tmp_path, 2, str(library), "probe.fulmar.json", what, "build the plugin again")


# ---- an operator that fails ----

WHERE = ("operator probe", "plugin probing", "cells 0,")


@pytest.mark.parametrize("cxx, how, code, what", [
    (False, {"fails_with": 3}, 3, "row 150 is unlucky"),
    (False, {"fails_with": 0}, 1, "row 150 is unlucky"),
    (False, {"fails_with": 256}, 1, "row 150 is unlucky"),  # which a shell would take for success
    (False, {"fails_with": 130}, 1, "row 150 is unlucky"),  # nobody has stopped it
    (True, {"throws": "7"}, 1, "not an exception"),
])
def test_a_failure_in_one_tile_ends_the_run(tmp_path, cxx, how, code, what):
    library = probe(tmp_path / "p", cxx=cxx, fails_in_row=150, **how)
    write(tmp_path / "a.tif", np.ones((300, 20), dtype="float32"), unit="1")
    for tile in (["--tile", "20x32"], []):
        message = loading(library, tmp_path, code, what, *WHERE)
        assert "Traceback" not in message
        result = call("run", *tile, "--plugin", library, "a.tif ! probe ! b.tif", cwd=tmp_path)
        assert result.code == code
        # The cells named are a block that holds the row.
        y, height = (int(word) for word in
                     __import__("re").search(r"cells 0,(\d+) \+ \d+ x (\d+)", result.err).groups())
        assert y <= 150 < y + height < 300
    assert files(tmp_path) == ["a.tif", "p"]


def test_a_product_that_was_there_stays_whole(tmp_path):
    library = probe(tmp_path / "p", fails_in_row=250, fails_with=1)
    write(tmp_path / "a.tif", np.ones((300, 20), dtype="float32"), unit="1")
    before = write(tmp_path / "b.tif", np.zeros((3, 3), dtype="float32")).read_bytes()
    result = call("run", "--overwrite", "--plugin", library, "a.tif ! probe ! b.tif", cwd=tmp_path)
    assert result.code == 1 and (tmp_path / "b.tif").read_bytes() == before
    assert files(tmp_path) == ["a.tif", "b.tif", "p"]


def test_a_plugin_that_throws_while_it_is_asked(scene, tmp_path):
    library = probe(tmp_path / "p", cxx=True, throws_in_views=True)
    loading(library, tmp_path, 1, "not an exception", "operator probe of plugin probing")


def test_an_operator_that_refuses_its_parameters(scene, tmp_path):
    library = probe(tmp_path / "p", refuses=True)
    loading(library, tmp_path, 2, "probe: plus is never right", "^")


def test_plugins_hide_all_but_their_symbol(built):
    shown = subprocess.run(["nm", "-D", "--defined-only", built / "probe.so"], capture_output=True, text=True,
                           check=True).stdout.split("\n")
    assert [line.split()[-1] for line in shown if line] == ["fulmar_plugin_1"]
    assert SDK.is_dir()

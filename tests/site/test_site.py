# SPDX-License-Identifier: Apache-2.0
"""The site: its pages are made, link to each other, and what they tell one to type works. The programs on the page of
embedding are compiled and run by tests/install, the operator on that of plugins by tests/plugin."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FULMAR_BUILD", ROOT / "build/release"))
FULMAR = BUILD / "cli/fulmar"
DATA = ROOT / "tests/data"
sys.path.insert(0, str(ROOT / "cli/site"))
import build as site  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    site.main(out, str(FULMAR))
    return out


def blocks(page, language):
    """The code of a page: (code, exit code that is expected)."""
    found = re.findall(rf"^```{language}(?: fails=(\d+))?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [(code, int(fails or 0)) for fails, code in found]


@pytest.fixture
def folder(tmp_path):
    for name, file in (("scene_db.tif", "s1_port_losangeles_20210105_30m_db.tif"), ("dem.tif", "bigtujunga_srtm30_128.tif"),
                       ("coast.tif", "gshhg_f_mask_losangeles_0p0003.tif")):
        shutil.copy(DATA / file, tmp_path / name)
    return tmp_path


PAGES = sorted(p.name for p in (ROOT / "cli/site/pages").glob("*.md"))


@pytest.mark.parametrize("name", [p for p in PAGES if blocks((ROOT / "cli/site/pages" / p).read_text(), "sh")])
def test_what_a_page_tells_one_to_type_works(name, made, folder):
    env = dict(os.environ, PATH=f"{FULMAR.parent}:{os.environ['PATH']}")
    for code, fails in blocks((made / "pages" / name).read_text(), "sh"):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", code], cwd=folder, env=env, capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == fails, f"{code}\n{done.stdout}\n{done.stderr}"


def test_the_page_on_python_runs_from_top_to_bottom(made, folder):
    if not (BUILD / "python/fulmar").exists():
        pytest.skip("built without the Python package (FULMAR_PYTHON_BINDING)")
    code = "\n".join(code for code, _ in blocks((made / "pages/python.md").read_text(), "python"))
    assert code.count("fulmar.") > 8
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=dict(os.environ, PYTHONPATH=str(BUILD / "python")),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "did you mean 'linear'" in done.stdout and "MultiPolygon" in done.stdout


def test_every_operator_and_every_example_of_embedding_is_there(made):
    page = (made / "pages/operators.md").read_text()
    names = subprocess.run([FULMAR, "list", "--json"], check=True, capture_output=True, text=True).stdout
    for name in re.findall(r'"name": "(\w+)"', names):
        assert f"\n## {name}\n" in page
    embedding = (made / "pages/embedding.md").read_text()
    for example in ("ships", "recipe", "own_operator", "inputs"):
        assert (ROOT / f"engine/api/examples/{example}.cpp").read_text().strip() in embedding
    assert "not run on a real card" in (made / "pages/limits.md").read_text()


def test_mkdocs_builds_it_without_a_warning(made):
    if not shutil.which("mkdocs"):
        pytest.skip("mkdocs is not installed")
    done = subprocess.run(["mkdocs", "build", "--strict", "-f", made / "mkdocs.yml"], capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    assert (made / "html/embedding/index.html").exists()


def test_doxygen_has_no_warning(tmp_path):
    if not shutil.which("doxygen"):
        pytest.skip("doxygen is not installed")
    text = (ROOT / "Doxyfile").read_text() + f"\nOUTPUT_DIRECTORY = {tmp_path}\n"
    done = subprocess.run(["doxygen", "-"], input=text, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html/index.html").exists()

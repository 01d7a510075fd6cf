# SPDX-License-Identifier: Apache-2.0
"""Puts the site's pages together: build.py OUT FULMAR. Then: mkdocs build -f OUT/mkdocs.yml.

Beside pages/*.md there are operators.md, made from the schemas; plugins.md, from plugins/README.md; and limits.md, from the
README's section. {{ path }} on a line of its own stands for that file's text.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def with_files(text):
    return re.sub(r"^\{\{ (\S+) \}\}$", lambda m: (ROOT / m[1]).read_text().rstrip(), text, flags=re.MULTILINE)


def without_links(text):
    """Links to files of the repository, which the site does not hold, become their words."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)([^)]*)\)",
                  lambda m: m[0] if m[2].endswith(".md") and "/" not in m[2] and (HERE / "pages" / m[2]).exists() else m[1], text)


def table(title, rows):
    if not rows:
        return ""
    return f"\n{title}\n\n| name | what | unit, range, default |\n|---|---|---|\n" + "".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in row) + " |\n" for row in rows)


def facts(param):
    said = [", ".join(param["choices"])] if param.get("choices") else [param["type"]]
    said += [param["unit"]] if param["unit"] else []
    for key, word in (("minimum", "from"), ("above", "above"), ("maximum", "to"), ("below", "below")):
        if key in param:
            said.append(f"{word} {param[key]}")
    said.append("required" if param.get("required") else f"default {param.get('default', 'none')}")
    return "; ".join(said)


def operators(fulmar):
    listed = json.loads(subprocess.run([fulmar, "list", "--json"], check=True, capture_output=True, text=True).stdout)
    listed = listed["operators"] if isinstance(listed, dict) else listed
    page = ["# Operators\n\nMade from the operators' own schemas; `fulmar inspect NAME` says the same.\n"]
    for name in sorted(op["name"] for op in listed):
        op = json.loads(subprocess.run([fulmar, "inspect", name, "--json"], check=True, capture_output=True, text=True).stdout)
        op = op.get("schema", op)
        page.append(f"\n## {name}\n\n{op['summary']}\n")
        page.append(table("**Inputs**", [(p["name"], p["description"], p["unit"]) for p in op["inputs"]]))
        page.append(table("**Outputs**", [(p["name"], p["description"], p["unit"]) for p in op["outputs"]]))
        page.append(table("**Finds**", [(p["name"], p["description"], p["unit"]) for p in op.get("finds", [])]))
        page.append(table("**Parameters**", [(f"`--{p['name']}`", p["description"], facts(p)) for p in op["params"]]))
        page.append(f"\n    fulmar run '{op['example']}'\n")
        page += [f"\n* {source}" for source in op["cites"]]
        page.append("\n")
    return "".join(page)


def main(out, fulmar):
    out = pathlib.Path(out)
    shutil.rmtree(out, ignore_errors=True)
    (out / "pages").mkdir(parents=True)
    for page in (HERE / "pages").glob("*.md"):
        (out / "pages" / page.name).write_text(without_links(with_files(page.read_text())) if page.name == "cuda.md"
                                               else with_files(page.read_text()))
    (out / "pages/operators.md").write_text(operators(fulmar))
    (out / "pages/plugins.md").write_text(without_links((ROOT / "plugins/README.md").read_text()))
    limits = re.search(r"^## Honest limits\n(.*?)^## ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    (out / "pages/limits.md").write_text("# Limits\n" + without_links(limits))
    shutil.copy(HERE / "mkdocs.yml", out)


if __name__ == "__main__":
    main(*sys.argv[1:])

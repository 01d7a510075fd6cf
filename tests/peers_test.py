# SPDX-License-Identifier: Apache-2.0
"""Every operator has a comparison with a peer, or a reason why it has none; what the table in bench/README.md says is so."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
PROGRAM = os.environ.get("FULMAR_BIN")


def table():
    """Operator to the scripts of its row, and the words of the row."""
    text = (ROOT / "bench" / "README.md").read_text()
    text = text[text.index("## Peers of each operator"):]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text[:text.index("\n## ")], re.M)
    return {name: (set(re.findall(r"`(\w+\.py)`", rest)), rest) for name, rest in rows}


def jobs():
    """Operator to the scripts that have a job of it, as they tell themselves."""
    found = {}
    for script in sorted(PEERS.glob("*.py")):
        if "start(__doc__" not in script.read_text():
            continue
        listed = subprocess.run([sys.executable, script, "--list"], check=True, capture_output=True, text=True).stdout
        for line in listed.splitlines():
            found.setdefault(line.split()[0], set()).add(script.name)
    return found


def test_the_table_has_the_jobs_of_the_scripts():
    assert {name: scripts for name, (scripts, _) in table().items() if scripts} == jobs()


@pytest.mark.skipif(not PROGRAM, reason="FULMAR_BIN names no program")
def test_every_operator_has_a_peer_or_a_reason():
    listed = subprocess.run([PROGRAM, "list"], check=True, capture_output=True, text=True).stdout
    operators = {line.split()[0] for line in listed.splitlines()}
    assert operators == set(table())
    for name, (scripts, rest) in table().items():
        assert scripts or len(rest.split()) > 5, f"{name}: neither a script nor a reason"


def test_the_sweep_runs_every_script():
    listed = subprocess.run([sys.executable, "-c", "import sweep; print(*sweep.comparisons())"], cwd=PEERS, check=True,
                            capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).stdout.split()
    assert set(listed) == set().union(*jobs().values())

"""The server's own pages call sessions what JupyterLab calls them: both read the same cases."""

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.web.phone.names import SessionNames

CASES_FILE = "jupyter_dbx_agents/lab/tests/session_names.json"
CASES = json.loads((Path(__file__).parents[2] / CASES_FILE).read_text(encoding="utf-8"))
AGENTS = [
    {"name": "codex", "title": "Codex", "command": "codex"},
    {"name": "claude-code", "title": "Claude Code", "command": "claude"},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
def test_a_session_has_the_name_that_it_has_in_jupyterlab(case: dict[str, Any]):
    names = SessionNames({"agents": AGENTS, **case["status"]})
    found = [names.of_terminal(each["name"]) for each in case["status"]["terminals"]]
    assert found == case["names"]
    for each in case.get("sessions", ()):
        assert names.of_session(each["session"]) == each["name"]

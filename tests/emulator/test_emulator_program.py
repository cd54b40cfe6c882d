"""The local workspace as a program, and its place among the modules."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import jupyter_dbx_agents.emulator
from jupyter_dbx_agents.emulator.control_client import ControlClient

PACKAGE = Path(jupyter_dbx_agents.emulator.__file__).parent


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_program_says_where_it_is_and_ends_cleanly(end):
    command = [sys.executable, "-m", "jupyter_dbx_agents.emulator", "--owner", "me@example.com"]
    options = ["--app-creator", "0b5e", "--random-token-ids", "--no-gateway"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as program:
        said = {}
        for line in program.stdout:
            name, _, value = line.strip().partition(": ")
            said[name] = value
            if name == "ready":
                break
        headers = {"Authorization": f"Bearer {said['paste']}"}
        me = httpx.get(f"{said['workspace']}/api/2.0/preview/scim/v2/Me", headers=headers)
        assert me.json()["userName"] == said["owner"] == "me@example.com"
        with ControlClient(said["control"]) as control:
            assert control.overview()["apps"][0]["creator"] == "0b5e"
            assert control.switches()["token_id_scheme"] == "random"
            assert control.switches()["gateway_present"] is False
        program.send_signal(end)
        assert program.wait(10) == 0


def test_the_emulator_imports_nothing_from_the_rest_of_the_product():
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jupyter_dbx"):
                assert node.module.startswith("jupyter_dbx_agents.emulator"), path.name


@pytest.mark.parametrize(
    "name", ["state", "tokens", "faults", "apps", "workspace_files", "script", "catalog"]
)
def test_the_state_knows_no_http_server(name):
    assert "tornado" not in (PACKAGE / f"{name}.py").read_text()

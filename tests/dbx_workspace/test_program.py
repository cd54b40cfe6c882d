"""The local workspace as a program, and its independence of a web server."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import dbx_workspace
from dbx_workspace.control_client import ControlClient

PACKAGE = Path(dbx_workspace.__file__).parent


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_prints_its_urls_and_exits_cleanly(signal_number):
    command = [sys.executable, "-m", "dbx_workspace", "--owner", "me@example.com"]
    options = ["--app-creator", "0b5e", "--random-token-ids", "--no-gateway"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as program:
        printed = {}
        for line in program.stdout:
            name, _, value = line.strip().partition(": ")
            printed[name] = value
            if name == "ready":
                break
        headers = {"Authorization": f"Bearer {printed['paste']}"}
        me = httpx.get(f"{printed['workspace']}/api/2.0/preview/scim/v2/Me", headers=headers)
        assert me.json()["userName"] == printed["owner"] == "me@example.com"
        with ControlClient(printed["control"]) as control:
            assert control.overview()["apps"][0]["creator"] == "0b5e"
            assert control.switches()["token_id_scheme"] == "random"
            assert control.switches()["gateway_present"] is False
        program.send_signal(signal_number)
        assert program.wait(10) == 0


@pytest.mark.parametrize(
    "name",
    [
        "state",
        "faults",
        "rest/tokens",
        "rest/files",
        "apps/records",
        "models/script",
        "models/catalog",
    ],
)
def test_the_state_does_not_depend_on_tornado(name):
    assert "tornado" not in (PACKAGE / f"{name}.py").read_text()

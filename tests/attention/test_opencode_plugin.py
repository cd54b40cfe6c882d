"""What OpenCode's plug-in reports of the events of its screen, over the wire."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.agents.attention import hook
from jupyter_dbx_agents.agents.opencode import PLUGIN

SCREEN = """
const plugin = (await import(process.argv[1])).default;
const handlers = {};
await plugin.tui({event: {on: (type, handle) => { handlers[type] = handle; }}});
for (const [type, properties] of JSON.parse(process.argv[2])) handlers[type]({properties});
process.stdin.resume();
"""
BUSY = ("session.status", {"sessionID": "s", "status": {"type": "busy"}})
IDLE = ("session.idle", {"sessionID": "s"})
ABORTED = {"name": "MessageAbortedError", "data": {}}
ENDED_BY_ESC = ("session.error", {"sessionID": "s", "error": ABORTED})
ENDED_EARLY = ("message.updated", {"info": {"sessionID": "s", "error": ABORTED}})
FAILED = ("session.error", {"sessionID": "s", "error": {"data": {"message": "No such luck."}}})
CHILD = ("session.created", {"sessionID": "c", "info": {"parentID": "s"}})
CHILD_IDLE = ("session.idle", {"sessionID": "c"})


def reported(tmp_path: Path, count: int, *events: tuple[str, Any]) -> list[tuple[str, str]]:
    """Run the plug-in with events; return the states and sub-agents of its reports, in order."""
    path, reports = str(tmp_path / "s.sock"), []
    node = shutil.which("node")
    assert node, "node is not installed (Debian: apt-get install nodejs)"
    command = [node, "--input-type=module", "-e", SCREEN, PLUGIN.as_uri(), json.dumps(events)]
    environment = {hook.SOCKET_VARIABLE: path}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(30)
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment):
            for _ in range(count):
                connection, _ = server.accept()
                with connection:
                    reports.append(json.loads(connection.recv(65536).partition(b"\r\n\r\n")[2]))
    reports.sort(key=lambda report: report["at"])
    return [(report["state"], report["id"]) for report in reports]


@pytest.mark.parametrize(
    ("ended", "states"),
    [
        ([IDLE], ["done"]),
        ([ENDED_BY_ESC, IDLE], ["idle", "idle"]),
        ([ENDED_EARLY, IDLE], ["idle"]),
        ([FAILED, IDLE], ["failed", "failed"]),
    ],
    ids=["by itself", "by Esc", "by Esc before the model was called", "by an error"],
)
def test_a_turn_ends_as_it_did_and_the_next_one_is_another(
    tmp_path: Path, ended: list[tuple[str, Any]], states: list[str]
):
    expected = ["working", *states, "working", "done"]
    found = reported(tmp_path, len(expected), BUSY, *ended, BUSY, IDLE)
    assert found == [(state, "") for state in expected]


def test_a_sub_agent_that_has_ended_is_idle(tmp_path: Path):
    found = reported(tmp_path, 3, CHILD, BUSY, CHILD_IDLE, IDLE)
    assert found == [("working", ""), ("idle", "c"), ("done", "")]

"""What an agent's hook sends, whatever the agent gives to it."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

from jupyter_dbx_agents.agents.attention import hook
from jupyter_dbx_agents.app import REPORTER


def test_a_large_input_of_a_hook_loses_the_text_and_not_the_state(tmp_path: Path):
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        given = {"content": "x" * 2 * hook.MOST_INPUT_BYTES, "details": {"title": "write"}}
        command = [*REPORTER, "gemini-cli", "permission", "--says", "details.title"]
        subprocess.run(
            command,
            input=json.dumps(given).encode(),
            env={hook.SOCKET_VARIABLE: path},
            capture_output=True,
            check=True,
            timeout=30,
        )
        server.settimeout(5)
        connection, _ = server.accept()
        with connection:
            body = connection.recv(65536).partition(b"\r\n\r\n")[2]
    assert json.loads(body)["state"] == "permission"

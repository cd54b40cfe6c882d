"""What an agent's hook sends, whatever the agent gives to it."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from pathlib import Path

from tornado import web

from jupyter_dbx_agents.agents.attention import hook
from jupyter_dbx_agents.app import REPORTER
from jupyter_dbx_agents.local_channel.server import LocalChannel


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


class Taken(web.RequestHandler):
    """Takes reports."""

    reports: list[bytes]

    def initialize(self, reports: list[bytes]) -> None:
        self.reports = reports

    def post(self) -> None:
        self.reports.append(self.request.body)


async def test_a_report_is_taken_also_when_its_hook_has_stopped_waiting():
    reports: list[bytes] = []
    channel = LocalChannel(web.Application([(hook.PATH, Taken, {"reports": reports})]))
    environment = {hook.SOCKET_VARIABLE: str(channel.start())}
    began = time.monotonic()  # a clock that is set back would make a later report an earlier one
    try:
        with subprocess.Popen(
            [*REPORTER, "hermes", "working"], stdin=subprocess.DEVNULL, env=environment
        ) as process:
            time.sleep(3 * hook.TIMEOUT_SECONDS)  # as a server that is busy
            assert process.wait(10) == 0
        async with asyncio.timeout(5):
            while not reports:
                await asyncio.sleep(0.01)
        report = json.loads(reports[0])
        assert report["state"] == "working"
        assert began < report["at"] < time.monotonic()
    finally:
        await channel.stop()

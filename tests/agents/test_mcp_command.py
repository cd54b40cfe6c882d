"""What ``jupyter dbx-agents mcp add`` sends: addresses, headers and variables, secrets unseen."""

from __future__ import annotations

import json
import socketserver
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jupyter_dbx_agents.cli.main import main
from jupyter_dbx_agents.local_channel import SOCKET_VARIABLE

MODEL = {
    "name": "x",
    "state": "unknown",
    "tools": 0,
    "read_only": False,
    "address": "shown",
    "message": "",
    "hint": "",
}


class Server(socketserver.StreamRequestHandler):
    """Takes what is sent, and answers with a server."""

    got: ClassVar[list[Any]] = []

    def handle(self) -> None:
        size = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        self.got.append(json.loads(self.rfile.read(size)))
        body = json.dumps(MODEL).encode()
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def run(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command; return its exit status and what it has sent."""
    path = str(folder / "s.sock")
    monkeypatch.setenv(SOCKET_VARIABLE, path)
    monkeypatch.setattr(Server, "got", [])
    with socketserver.UnixStreamServer(path, Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(SystemExit) as ended:
                main(["mcp", "add", *words])
        finally:
            server.shutdown()
            thread.join()
    return ended.value.code or 0, Server.got


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["x", "/api/2.0/mcp/sql"], {"path": "/api/2.0/mcp/sql"}),
        (["x", "--", "run", "--fast"], {"command": "run", "args": ["--fast"]}),
        (
            ["--header", "A=b=c", "--header-env", "Authorization=KEY", "x", "https://e.example"],
            {"url": "https://e.example", "headers": {"A": "b=c", "Authorization": "s3cret"}},
        ),
        (
            ["--env", "KEY", "--env", "MODE=", "x", "--", "run", "--env"],
            {"command": "run", "args": ["--env"], "env": {"KEY": "s3cret", "MODE": ""}},
        ),
    ],
)
def test_a_server_is_added_with_its_headers_or_variables(
    words: list[str],
    sent: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("KEY", "s3cret")
    assert run(words, tmp_path, monkeypatch) == (0, [{"name": "x", **sent}])
    assert "s3cret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--header", "Authorization", "x", "https://e.example"], "NAME=VALUE"),
        (["--header-env", "Authorization=NO_SUCH", "x", "https://e.example"], "NO_SUCH is not set"),
        (["--env", "NO_SUCH", "x", "run"], "read -rs NO_SUCH"),
        (["--env", "=v", "x", "run"], "NAME=VALUE"),
    ],
)
def test_what_has_no_value_is_named_and_nothing_is_sent(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    assert run(words, tmp_path, monkeypatch) == (1, [])
    assert said in capfd.readouterr().err

"""Commands print what others wrote as text: no terminal carries it out."""

from __future__ import annotations

import json
import socketserver
import threading
from pathlib import Path

import pytest

from jupyter_dbx_agents.cli.main import main
from jupyter_dbx_agents.local_channel import SOCKET_VARIABLE

HOSTILE = "\x1b]52;c;cm0gLXJmIH4=\x07\x9b31mred\nsecond line"
SERVER = {
    "name": "dbx-sql",
    "state": "failed",
    "tools": 1,
    "read_only": False,
    "address": "/api/2.0/mcp/sql",
    "message": HOSTILE,
    "hint": "",
}


class Answers(socketserver.StreamRequestHandler):
    """Answers the first request with the servers, and any other with an error."""

    status = "200 OK"
    reply: object = {"servers": [SERVER]}

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        body = json.dumps(self.reply).encode()
        head = f"HTTP/1.0 {self.status}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


class Errors(Answers):
    status = "404 Not Found"
    reply = {"message": HOSTILE, "hint": ""}


@pytest.mark.parametrize("answers", [Answers, Errors])
def test_escape_sequences_of_others_are_printed_as_text(
    answers: type[Answers],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    path = str(tmp_path / "s.sock")
    monkeypatch.setenv(SOCKET_VARIABLE, path)
    with socketserver.UnixStreamServer(path, answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(SystemExit):
                main(["mcp", "list"])
        finally:
            server.shutdown()
            thread.join()
    printed = "".join(capfd.readouterr())
    assert "\ufffd]52;c;cm0gLXJmIH4=\ufffd\ufffd31mred\nsecond line" in printed

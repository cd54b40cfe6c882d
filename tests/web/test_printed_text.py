"""Commands print what others wrote as text: no terminal carries it out."""

from __future__ import annotations

import ast
import json
import os
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jupyter_dbx_agents.cli import printing
from jupyter_dbx_agents.cli.login import _print_offer
from jupyter_dbx_agents.cli.main import main
from jupyter_dbx_agents.local_channel import SOCKET_VARIABLE

HOSTILE = "\x1b]52;c;cm0gLXJmIH4=\x07\x9b31mred\u202e\udcff\nsecond line"
SHOWN = "\ufffd]52;c;cm0gLXJmIH4=\ufffd\ufffd31mred\ufffd\ufffd\nsecond line"
SAID = {"message": HOSTILE, "hint": HOSTILE}
SERVER = {
    "name": "dbx-sql",
    "state": "failed",
    "tools": 1,
    "read_only": False,
    "address": "/api/2.0/mcp/sql",
    "message": HOSTILE,
    "hint": "",
}
CANDIDATE = {"token_id": "1", "created_at": "2026", "comment": HOSTILE}
NEEDED = {"state": "needed", "expires_at": None, "token_page": HOSTILE, "user": HOSTILE}
PAT = {**SAID, **NEEDED, "pasted": {"message": HOSTILE, "candidates": [CANDIDATE]}}
REPLIES: dict[str, Any] = {
    "GET mcp": {"servers": [SERVER]},
    "GET pat": PAT,
    "POST pat": PAT,
    "POST pat/sign-in": {"address": HOSTILE, "pastes": True, "redirect_url": HOSTILE},
    "GET continuity": {
        "status": {"offered": HOSTILE},
        "offer": {"projects": [HOSTILE], "terminals": [], "files": 0, "bytes": 0, "at": ""}
        | {"message": HOSTILE, "parts": []},
    },
    "GET projects": {"restorable": [{"name": HOSTILE, "note": HOSTILE}]},
}


class Answers(socketserver.StreamRequestHandler):
    """Answers a request from the table, and any other with an error."""

    replies: ClassVar = REPLIES

    def handle(self) -> None:
        method, path, _ = self.rfile.readline().decode().split(" ")
        length = 0
        while header := self.rfile.readline().strip().lower():
            if header.startswith(b"content-length:"):
                length = int(header.partition(b":")[2])
        self.rfile.read(length)
        key = f"{method} {path.removeprefix('/dbx-agents/api/')}"
        body = json.dumps(self.replies.get(key, SAID)).encode()
        status = "200 OK" if key in self.replies else "404 Not Found"
        head = f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


class Errors(Answers):
    replies: ClassVar = {}


@pytest.fixture(params=[Answers, Errors])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[Answers]]:
    """A server that answers like ours, with texts that mean harm."""
    path = str(tmp_path / "s.sock")
    monkeypatch.setenv(SOCKET_VARIABLE, path)
    with socketserver.UnixStreamServer(path, request.param) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield request.param
        listening.shutdown()
        thread.join()


def printed(capfd: pytest.CaptureFixture[str]) -> str:
    """Return what was printed, without the looks that are ours."""
    said = "".join(capfd.readouterr())
    for look in (*printing.Look, "0"):
        said = said.replace(f"\x1b[{look}m", "")
    return said


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("command", ["mcp list", "revoke-pasted", "restore --list", "login"])
def test_escape_sequences_of_others_are_printed_as_text(
    command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    reading, writing = os.pipe()
    os.write(writing, b"dapi0\n")
    os.close(writing)
    with os.fdopen(reading) as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        with pytest.raises(SystemExit):
            main(command.split())
    said = printed(capfd)
    assert SHOWN in said
    assert not [c for c in said if c in HOSTILE.replace("\n", "") and not c.isprintable()]


@pytest.mark.parametrize("server", [Answers], indirect=True)
@pytest.mark.usefixtures("server")
def test_the_prompt_for_a_token_prints_what_can_come_back_as_text(
    capfd: pytest.CaptureFixture[str],
):
    _print_offer()
    assert printed(capfd) == f"{SHOWN}\n"


def test_no_command_prints_but_by_the_module_that_makes_texts_safe():
    folder = Path(printing.__file__).parent
    for path in set(folder.glob("*.py")) - {Path(printing.__file__)}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.id] if isinstance(node, ast.Name) else []
            names += [ast.unparse(node)] if isinstance(node, ast.Attribute) else []
            wrong = {"print", "sys.stdout.write", "sys.stderr.write"} & set(names)
            assert not wrong, f"{path.name}, line {getattr(node, 'lineno', 0)}"

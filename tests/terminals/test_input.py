"""Keys and pastes: none blocks another, none is lost unsaid, and no message ends a client."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from .clients import Server, eventually

MIB = 1024 * 1024
LINE = "0123456789abcdef" * 4 + "\n"
RAW_READER = (
    "import sys,tty,os,hashlib\ntty.setraw(0)\nos.write(1,b'READY')\nd=hashlib.sha256()\n"
    "left=int(sys.argv[1])\nwhile left:\n"
    " b=os.read(0,min(left,65536))\n left-=len(b)\n d.update(b)\n"
    "os.write(1,b'SUM:'+d.hexdigest().encode()+b':')\nos.read(0,1)"
)


def test_a_paste_into_a_program_that_does_not_read_holds_up_nobody(server: Server):
    blocked, other = server.new(), server.new()
    with server.client(blocked) as paste, server.client(other) as client:
        client.run("true")
        paste.type("sleep 600\r")
        eventually(lambda: server.models()[blocked]["foreground"] == "sleep")
        paste.type(LINE * (MIB // len(LINE)))
        assert client.run("echo works") == "works\n"
        paste.send("set_size", 30, 100)  # the pasting connection itself is alive
        paste.type("\x03")  # ^C passes what waits
        eventually(lambda: server.models()[blocked]["foreground"] == "bash")
        paste.wait_for("bytes of pasted text that the program had not read were dropped")
        paste.type("\r")
        eventually(lambda: paste.run("stty size") == "30 100\n")  # sizes are taken with a pause
        assert paste.run("echo alive") == "alive\n"
        paste.until_quiet()
        assert "command not found" not in paste.output  # nothing of the paste reached the shell
    for name in (blocked, other):
        server.delete(name)


def test_a_large_paste_arrives_whole_and_in_order(server: Server):
    text = "".join(f"{n:07}\n" for n in range(2 * MIB // 8))
    name = server.new(sys.executable, "-c", RAW_READER, str(len(text)))
    with server.client(name) as client:
        client.wait_for("READY")
        client.type(text[:MIB])
        for start in range(MIB, len(text), 4096):
            client.type(text[start : start + 4096])
        client.wait_for(f"SUM:{hashlib.sha256(text.encode()).hexdigest()}:", 60)
    server.delete(name)


def test_what_cannot_be_taken_is_refused_whole_and_said(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("input"), "--DbxTerminalManager.input_kib=64")
    try:
        name = server.new("sleep", "600")
        with server.client(name) as client:
            for _ in range(3):
                client.type(LINE * 1000)
            client.wait_for("bytes of pasted text were not taken")
            assert client.socket.ping().wait(60)
        assert server.delete(name) == 204
    finally:
        server.stop()


HOSTILE = [
    "not json",
    "",
    "{}",
    "[]",
    "null",
    "7",
    '"stdin"',
    "[" * 100_000,
    '["stdin"]',
    '["stdin", 7]',
    '["stdin", null]',
    '["stdin", ["x"]]',
    '["set_size"]',
    '["set_size", 24]',
    '["set_size", -1, 80]',
    '["set_size", 0, 0]',
    '["set_size", "24", "80"]',
    '["set_size", 1e3, 80]',
    '["set_size", true, true]',
    '["set_size", 99999999999999999999, 99999999999999999999]',
    '["set_size", NaN, Infinity]',
    '["ack"]',
    '["ack", -5]',
    '["ack", 1e99]',
    '["ack", 999999999999]',
    '[["stdin"], "x"]',
    '[{"a": 1}]',
    '["unknown", 1]',
    '["stdin", "\\udc80\\ud83d"]',
    "9" * 10_000,
]


def test_malformed_messages_are_ignored_and_logged_once(server: Server):
    name = server.new()
    with server.client(name) as client:
        client.run("true")
        logged = server.log.read_text().count(f"A client of terminal {name} sent")
        for message in HOSTILE:
            client.socket.send(message)
        client.socket.send(b"\xff\xfe binary \x00")
        client.type("\x15")
        assert client.run("echo alive") == "alive\n"
        # The absurd size, made possible; a moment after the one before it.
        eventually(lambda: client.run("stty size") == "1000 1000\n")
        client.send("set_size", 24, 80)
    assert server.log.read_text().count(f"A client of terminal {name} sent") == logged + 1
    server.delete(name)


def test_typing_fast_keeps_the_order(server: Server):
    name = server.new("bash", "-c", "stty -echo; printf READY; exec cat")
    with server.client(name) as client:
        client.wait_for("READY")
        text = "".join(chr(ord("a") + n % 26) for n in range(3000))
        for start in range(0, len(text), 60):
            for character in text[start : start + 60]:
                client.type(character)
            client.type("\r")
        client.type("END\r")
        client.wait_for("END\r\n", 60)
    said = client.output.replace("\r\n", "").removeprefix("READY").removesuffix("END")
    assert said == text
    server.delete(name)


@pytest.mark.parametrize("key", ["\x03", "\x1c"])
def test_signals_reach_a_program_started_by_a_server_in_the_background(server: Server, key: str):
    name = server.new()
    with server.client(name) as client:
        client.run("true")
        client.type("sleep 600; echo 'ended'$?\r")
        eventually(lambda: server.models()[name]["foreground"] == "sleep")
        client.type(key)
        client.expect(r"\$ $")
    server.delete(name)


def test_a_lone_surrogate_is_typed_as_a_question_mark(server: Server, folder: Path):
    name = server.new()
    with server.client(name) as client:
        client.run("true")
        client.socket.send(json.dumps(["stdin", f"printf '%s' 'x\udc80y' > {folder}/typed\r"]))
        eventually((folder / "typed").exists)
        eventually(lambda: (folder / "typed").read_bytes() == b"x?y")
    server.delete(name)

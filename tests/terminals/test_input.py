"""Keys and pastes: none blocks another, none is lost unsaid, and no message ends a client."""

from __future__ import annotations

import hashlib
import json
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_dbx_agents.terminals.flow import FlowLimits, TypingMonitor
from tests.support.running_app import eventually

from .clients import Server

MIB = 1024 * 1024
MOST_BYTES = FlowLimits().input_bytes
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


@pytest.fixture(scope="module")
def little_room_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps 64 KiB of input, and soon goes on without a client that is behind."""
    options = ("input_kib=64", "behind_seconds=0.3", "stalled_seconds=600")
    arguments = [f"--DbxTerminalManager.{option}" for option in options]
    server = Server(tmp_path_factory.mktemp("input"), *arguments)
    try:
        yield server
    finally:
        server.stop()


def test_what_cannot_be_taken_is_refused_whole_and_said(little_room_server: Server):
    server = little_room_server
    name = server.new("sleep", "600")
    with server.client(name) as client:
        for _ in range(3):
            client.type(LINE * 1000)
        client.wait_for("bytes of pasted text were not taken")
        assert client.socket.ping().wait(60)
    assert server.delete(name) == 204


def test_a_refusal_is_told_to_a_client_that_is_behind_once_it_has_caught_up(
    little_room_server: Server,
):
    server = little_room_server
    name = server.new("yes")
    with server.client(name) as client:
        client.send("ack", 0)
        left = server.figures()["left_behind_total"]

        def is_left_behind() -> bool:
            client.read(0.2)
            return server.figures()["left_behind_total"] > left

        eventually(is_left_behind)
        client.type(LINE * 1100)
        client.until_quiet()
        assert "pasted text" not in client.output
        client.send("ack", len(client.messages))
        client.wait_for("\x1bc")
        client.wait_for(f"{len(LINE) * 1100:,} bytes of pasted text were not taken")
        client.cut()  # a close handshake would wait behind the flood
    server.delete(name)


def test_a_paste_as_large_as_the_limit_is_taken_whole_whatever_its_characters(server: Server):
    text = "\x1b" * MOST_BYTES  # six bytes each, as JSON
    name = server.new(sys.executable, "-c", RAW_READER, str(len(text)))
    with server.client(name) as client:
        client.wait_for("READY")
        client.type(text)
        client.wait_for(f"SUM:{hashlib.sha256(text.encode()).hexdigest()}:", 60)
    server.delete(name)


@pytest.mark.parametrize("size", [MOST_BYTES + 1, 30 * MIB])
def test_a_paste_larger_than_the_limit_is_refused_and_the_connection_lives(
    server: Server, size: int
):
    name = server.new()
    with server.client(name) as client:
        client.run("true")
        client.type("#" * size)
        client.wait_for(f"{size:,} bytes of pasted text were not taken")
        assert client.run("echo alive") == "alive\n"
    server.delete(name)


def test_keys_that_wait_cost_little_more_than_what_they_are(server: Server):
    name = server.new("bash", "-c", "stty raw -echo; printf READY; exec sleep 600")
    with server.client(name) as client:
        client.wait_for("READY")
        client.type(LINE * 2000)  # more than the kernel takes
        assert client.socket.ping().wait(60)
        before = server.resident_bytes()
        for _ in range(20_000):
            client.type("")
            client.type("k")
        assert client.socket.ping().wait(60)
        assert server.resident_bytes() - before < 2 * MIB
    server.delete(name)


def test_the_last_key_keeps_no_terminal_that_has_ended():
    class Ended:
        """A terminal that nobody refers to any more."""

    monitor, terminal = TypingMonitor(), Ended()
    monitor.typed(terminal)
    reference = weakref.ref(terminal)
    del terminal
    assert reference() is None
    assert monitor.is_typing_elsewhere(Ended())


HOSTILE = [
    "not json",
    "",
    "{}",
    '{"stdin": 1, "echo hos\'\'tile\\r": 2}',
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
        assert "hostile" not in client.output
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

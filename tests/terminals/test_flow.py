"""No client can make the server grow, hold up a program for good, or slow another terminal."""

from __future__ import annotations

import itertools
import json
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jupyter_dbx_agents.terminals.output import SLICE_BYTES
from jupyter_dbx_agents.terminals.terminal import (
    TYPING_ELSEWHERE_PAUSE_SECONDS,
    UNWATCHED_PAUSE_SECONDS,
)
from tests.support.running_app import eventually
from tests.support.screens import Screens, differences

from .clients import Client, Server, StalledClient

MIB = 1024 * 1024
TEXT, PING, PONG = 0x1, 0x9, 0xA
# Thirty times what passes while a key is answered on a busy machine.
MANY_LINES = 3_000
COUNTER = """
import os, sys, time
file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
pause, tick = float(sys.argv[2]), 0
while True:
    tick += 1
    os.write(1, b"%0500d tick %d\\n" % (0, tick))
    os.pwrite(file, b"%020d" % tick, 0)
    time.sleep(pause)
"""


def counting(server: Server, file: Path, pause_seconds: float = 0) -> str:
    """A terminal whose program writes lines, and tells a file how far it is."""
    program = COUNTER.replace("\\\\", "\\")
    return server.new(sys.executable, "-c", program, str(file), str(pause_seconds))


def reached(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def still_counts(file: Path, seconds: float = 20) -> None:
    now = reached(file)
    eventually(lambda: reached(file) > now + 50, seconds, "the program to go on")


def test_a_client_that_stalls_under_a_flood_costs_little_and_gets_back(
    server: Server, screens: Screens, folder: Path
):
    name = counting(server, folder / "count")
    eventually(lambda: reached(folder / "count") > 10)
    before, left = server.resident_bytes(), server.figures()["left_behind_total"]
    stalled = StalledClient(server, name)
    eventually(lambda: server.figures()["left_behind_total"] > left, 30, "left behind")
    still_counts(folder / "count")
    assert server.resident_bytes() - before < 32 * MIB

    def has_caught_up() -> bool:
        return b"\\u001bc" in stalled.drain(1)

    eventually(has_caught_up, 60, "the client to be sent the screen as it is now")
    stalled.close()
    server.delete(name)


def test_questions_of_a_client_that_reads_no_answers_cost_nothing(server: Server):
    name = server.new("cat")
    client = StalledClient(server, name)
    before = server.resident_bytes()
    for _ in range(100):
        client.send_often(TEXT, b'["identity"]', 1000)
    client.send(TEXT, b'["stdin", "asked\\r"]')
    with server.client(name) as other:
        other.wait_for("asked\r\nasked")  # all questions before it have been taken
    assert server.resident_bytes() - before < 16 * MIB
    client.close()
    server.delete(name)


def ticks_up_to(client: Client, last: int) -> bool:
    """Read until a tick; return whether every one since the first came, and no screen anew."""
    client.wait_for(f" tick {last}\r\n", 100)
    ticks = [int(tick) for tick in re.findall(r" tick (\d+)\r\n", client.output)]
    return ticks == list(range(ticks[0], ticks[-1] + 1)) and "\x1bc" not in client.output


def test_ten_clients_of_which_one_is_stalled(server: Server, folder: Path):
    name = counting(server, folder / "count", 0.002)
    left = server.figures()["left_behind_total"]
    stalled = StalledClient(server, name)
    clients = [Client(server, name) for _ in range(9)]
    with ThreadPoolExecutor(len(clients)) as pool:
        seen = list(pool.map(lambda client: ticks_up_to(client, 3000), clients))
    assert seen == [True] * 9
    assert server.figures()["left_behind_total"] == left + 1
    for client in clients:
        client.cut()  # a close handshake would wait behind the flood
    stalled.close()
    server.delete(name)


def test_clients_whose_connections_are_reset_take_nothing_from_the_others(server: Server):
    said = len(server.log.read_text())
    for _ in range(4):
        name = server.new("bash", "-c", "read; exec seq 1 100000000")
        reset = [Client(server, name) for _ in range(4)]  # each output goes to them first
        survivor = Client(server, name)
        survivor.type("\r")
        survivor.wait_for("\n1000\r\n")
        for client in reset:
            client.cut()
        until = len(survivor.messages) + 20
        while len(survivor.messages) < until:
            assert survivor.read(20)
        survivor.cut()
        server.delete(name)
        numbers = [int(line) for line in re.findall(r"\n(\d+)(?=\r\n)", survivor.output)]
        assert numbers == list(range(1, len(numbers) + 1))
    assert "Traceback" not in server.log.read_text()[said:]


def test_a_client_that_stays_stalled_is_disconnected(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("stalled"),
        "--DbxTerminalManager.behind_seconds=0.3",
        "--DbxTerminalManager.stalled_seconds=0.5",
    )
    try:
        name = server.new("yes")
        stalled = StalledClient(server, name)
        eventually(lambda: server.figures()["dropped_clients_total"] == 1)
        eventually(lambda: server.models()[name]["clients"] == 0)
        stalled.close()
    finally:
        server.stop()


def test_an_acknowledging_client_decides_how_far_the_program_gets(server: Server, folder: Path):
    name = counting(server, folder / "count")
    with server.client(name) as client:
        before = server.figures()["pauses_total"]
        client.send("ack", 0)
        seen = len(client.until_quiet(0.7))  # it reads everything and acknowledges nothing
        assert seen < 4 * MIB
        pauses = server.figures()["pauses_total"]
        assert pauses > before
        for _ in range(20):
            client.send("ack", len(client.messages))
            client.read(5)
        client.until_quiet(0.7)
        assert len(client.output) > seen
        assert server.figures()["pauses_total"] > pauses
        client.send("ack", 10**9)
        client.send("ack", -1)
        client.send("ack", "all")
        client.send("ack", len(client.messages))
        assert client.read(60)
    server.delete(name)


def test_a_client_that_does_not_acknowledge_is_known_by_its_answers_to_pings(
    server: Server, folder: Path
):
    name = counting(server, folder / "count", 0.001)
    client = StalledClient(server, name)
    asked = next(payload for opcode, payload in client.frames() if opcode == PING)
    pauses = server.figures()["pauses_total"]
    client.send(PONG, asked)  # and no more, though its socket takes everything

    def is_held_up() -> bool:
        client.drain(0.2)
        return server.figures()["pauses_total"] > pauses

    eventually(is_held_up, what="the program to wait for an answer")
    client.close()
    server.delete(name)


def test_a_client_that_stops_acknowledging_does_not_hold_the_program_for_ever(
    server: Server, screens: Screens, folder: Path
):
    name = counting(server, folder / "count", 0.001)
    with server.client(name) as client:
        client.send("ack", 0)
        client.wait_for("tick")
        left = server.figures()["left_behind_total"]

        def is_left_behind() -> bool:
            client.read(0.2)
            return server.figures()["left_behind_total"] > left

        eventually(is_left_behind, 60)
        still_counts(folder / "count")
        client.until_quiet()
        client.send("ack", len(client.messages))
        client.wait_for("\x1bc")  # its screen is drawn anew
        client.send("ack", len(client.messages))
        client.wait_for("tick")
    server.delete(name)


def test_a_program_that_nobody_watches_is_never_held_up(server: Server, folder: Path):
    name = counting(server, folder / "count")
    for _ in itertools.repeat(None, 3):
        still_counts(folder / "count")
    server.delete(name)


def test_other_terminals_answer_before_a_flood_into_a_stalled_client_gets_far(
    server: Server, folder: Path
):
    flooded = counting(server, folder / "count")
    stalled = StalledClient(server, flooded)
    left = server.figures()["left_behind_total"]
    eventually(lambda: server.figures()["left_behind_total"] > left, 30, "left behind")
    name = server.new()
    with server.client(name) as client:
        client.run("true")
        passed = []  # lines of the flood, whatever the machine's speed
        for number in range(50):
            before = reached(folder / "count")
            client.type(f"#{number:04}")
            client.wait_for(f"#{number:04}")
            passed.append(reached(folder / "count") - before)
    assert sorted(passed)[len(passed) // 2] < MANY_LINES
    still_counts(folder / "count")
    stalled.close()
    server.delete(flooded)
    server.delete(name)


def test_a_flood_arrives_whole_in_few_messages(server: Server):
    name = server.new("bash", "-c", "read; seq 1 700000; echo READY; sleep 600")
    with server.client(name) as client:
        client.type("\r")
        client.wait_for("READY", 60)
    lines = client.output.replace("\r\n", "\n").split("\n")
    start = lines.index("1")
    assert lines[start : start + 700_000] == [str(n) for n in range(1, 700_001)]
    assert len(client.messages) < len(client.output) / 10_000
    server.delete(name)


def test_characters_are_whole_whatever_pieces_they_are_written_in(server: Server):
    program = (
        "import os,time\nfor b in '漢🙂é'.encode()*200:\n os.write(1,bytes([b]))\n"
        " time.sleep(0.0005)\nos.write(1,b'READY')\ntime.sleep(600)"
    )
    name = server.new("python3", "-c", program)
    with server.client(name) as client:
        client.wait_for("READY", 60)
    assert client.output.count("漢🙂é") == 200 and "\ufffd" not in client.output
    server.delete(name)


def test_messages_are_plain_json_of_the_protocol(server: Server):
    name = server.new("bash", "-c", "read; printf 'a\"\\\\\\\\b\\t\\e[1m漢'; sleep 600")
    with server.client(name) as client:
        client.type("\r")
        raw = ""
        while "漢" not in raw:
            raw = client.socket.recv(timeout=60, decode=True)
    assert json.loads(raw)[0] == "stdout" and "漢" in raw and "\\u001b[1m" in raw
    server.delete(name)


def test_the_screen_after_catching_up_equals_the_true_one(server: Server, screens: Screens):
    program = "for i in $(seq 60000); do printf '\\e[3%dmline %060d\\e[0m\\n' $((i%8)) $i; done"
    name = server.new("bash", "-c", f"read; {program}; echo READY; sleep 600")
    with server.client(name) as true, server.client(name) as slow:
        true.type("\r")
        slow.send("ack", 0)
        true.wait_for("READY", 100)
        true.until_quiet()
        slow.until_quiet()
        while slow.output.rfind("READY") < 0:
            slow.send("ack", len(slow.messages))
            slow.until_quiet(0.2)
    assert slow.output.count("\x1bc") == 1
    assert not differences(screens.draw(true.output), screens.draw(slow.output), "scrollback")
    server.delete(name)


def output_bytes_between(server: Server, keys: Client, seconds: float) -> tuple[float, float]:
    """How many bytes all programs wrote while keys were typed, and in how many seconds."""
    keys.type("k")
    keys.wait_for("k")
    started, before = time.monotonic(), server.figures()["output_bytes_total"]
    while time.monotonic() - started < seconds:
        keys.type("k")
        keys.wait_for("k")
    return server.figures()["output_bytes_total"] - before, time.monotonic() - started


def most_bytes(seconds: float, rest_seconds: float) -> float:
    """What can be read in that time, a slice (and what its last read is too long) a rest."""
    return (seconds / rest_seconds + 1) * (SLICE_BYTES + 4095)


def test_a_watched_flood_makes_way_while_somebody_types_elsewhere(server: Server):
    flooded, quiet = server.new("yes", "x" * 100), server.new("cat")
    sizes: list[int] = []
    is_over = threading.Event()

    def watch(flood: Client) -> None:
        while not is_over.is_set():
            sizes.append(len(flood.socket.recv()))

    with server.client(quiet) as keys, Client(server, flooded) as flood:
        watching = threading.Thread(target=watch, args=[flood])
        watching.start()
        eventually(lambda: max(sizes, default=0) > 3 * SLICE_BYTES, what="long messages in peace")
        written, seconds = output_bytes_between(server, keys, 2)
        is_over.set()
        watching.join()
        flood.cut()  # a close handshake would wait behind the flood
    assert written < most_bytes(seconds, TYPING_ELSEWHERE_PAUSE_SECONDS)
    server.delete(flooded)
    server.delete(quiet)


def test_a_flood_that_nobody_watches_leaves_the_processor_to_others(server: Server):
    flooded = server.new("yes", "x" * 100)
    started, before = time.monotonic(), server.figures()["output_bytes_total"]
    time.sleep(2)
    written = server.figures()["output_bytes_total"] - before
    assert written < most_bytes(time.monotonic() - started, UNWATCHED_PAUSE_SECONDS)
    eventually(lambda: server.figures()["output_bytes_total"] > before + written, what="it goes on")
    server.delete(flooded)


def test_what_costs_more_than_its_bytes_keeps_no_other_terminal_waiting(small_ring_server: Server):
    # Two bytes that make a large screen anew.
    flooded = small_ring_server.new("bash", "-c", r"yes $'\ec' | tr -d '\n'")
    with Client(small_ring_server, flooded, (60, 200)) as large:
        large.wait_for("\x1bc\x1bc")
        large.cut()
    quiet = small_ring_server.new("cat")
    before = small_ring_server.figures()["output_bytes_total"]
    eventually(lambda: small_ring_server.figures()["output_bytes_total"] > before + 20_000)
    with small_ring_server.client(quiet) as keys:
        started = time.monotonic()
        for _ in range(20):
            keys.type("k")
            keys.wait_for("k")
        assert time.monotonic() - started < 20
    small_ring_server.delete(flooded)
    small_ring_server.delete(quiet)


def test_a_sequence_without_end_is_not_kept(small_ring_server: Server):
    flooded = small_ring_server.new("bash", "-c", r"printf '\e['; yes 1 | tr -d '\n'")
    memory, before = small_ring_server.resident_bytes(), small_ring_server.figures()
    written = before["output_bytes_total"] + 8 * MIB
    eventually(lambda: small_ring_server.figures()["output_bytes_total"] > written)
    assert small_ring_server.resident_bytes() - memory < 6 * MIB
    small_ring_server.delete(flooded)

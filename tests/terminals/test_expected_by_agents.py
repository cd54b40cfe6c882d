"""What agents expect of a terminal: colours, widths, and frames that are drawn whole."""

from __future__ import annotations

import re
import sys
import time

from jupyter_dbx_agents.terminals.output import FRAME_BYTES, FRAME_SECONDS
from tests.support.screens import Screens

from .clients import Server

BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
# Waits for a line, then draws frames in many writes, each one read of the server, until a number
# of them were drawn in time; says which.
FRAMES = """
import os, sys, time
sys.stdin.readline()
in_time, frame = [], 0
while len(in_time) < 10:
    began_at = time.monotonic()
    os.write(1, b"\\x1b[?25l\\x1b[?2026h\\x1b[H")
    for row in range(30):
        time.sleep(0.001)
        os.write(1, b"frame %d row %d\\r\\n" % (frame, row))
    os.write(1, b"\\x1b[?2026l")
    if time.monotonic() - began_at < float(sys.argv[2]):
        in_time.append(frame)
    time.sleep(float(sys.argv[1]))
    frame += 1
os.write(1, b"in time: %s." % repr(in_time).encode())
sys.stdin.readline()
"""


def test_true_colour_is_announced(server: Server):
    with server.client(server.new("sh", "-c", "echo colours: $COLORTERM; read x")) as client:
        client.wait_for("colours: truecolor\r\n")


def test_a_frame_is_sent_in_one_message(server: Server):
    for pause in ("0.02", "0"):
        program = (sys.executable, "-c", FRAMES, pause, str(FRAME_SECONDS / 2))
        with server.client(server.new(*program)) as client:
            client.type("\r")
            client.wait_for("in time: ")
            client.wait_for("].")
            numbers = re.findall(r"in time: \[([\d, ]+)\]", client.output)[-1].split(",")
            for number in map(int, numbers):
                (message,) = [m for m in client.messages if f"frame {number} row 0\r" in m]
                assert message.count(f"frame {number} row ") == 30
                assert message.count(BEGIN) == message.count(END)


def test_a_frame_without_an_end_is_shown_all_the_same(server: Server):
    program = r"printf 'ready \033[?2026hbegun '; sleep 1; printf 'late'; read x"
    with server.client(server.new("bash", "-c", program)) as client:
        client.wait_for("begun ")
        begun_at = time.monotonic()
        assert "late" not in client.output
        client.wait_for("late")
        assert time.monotonic() - begun_at > FRAME_SECONDS
    with server.client(
        server.new("bash", "-c", r"read x; printf '\033[?2026hlast words'")
    ) as client:
        client.type("\r")
        client.wait_for("last words")


def test_a_frame_is_bounded_and_a_client_that_joins_amid_one_sees_it(server: Server):
    program = r"read x; printf '\033[?2026h'; yes frame; "
    with server.client(server.new("bash", "-c", program)) as client:
        client.type("\r")
        client.wait_for("frame\r\n" * 1000)
        assert max(len(message) for message in client.messages) < 2 * FRAME_BYTES
        client.type("\x03")


def test_a_key_amid_a_frame_is_answered_after_it_at_once(server: Server):
    program = (
        r"printf '\033[?2026hdrawing'; read -rsn1 key; printf 'took %s\033[?2026l' $key; read x"
    )
    with server.client(server.new("bash", "-c", program)) as client:
        client.wait_for("drawing")
        asked_at = time.monotonic()
        client.type("k")
        client.wait_for("took k")
        assert time.monotonic() - asked_at < FRAME_SECONDS


def test_emoji_take_two_cells_as_programs_count_them(small_ring_server: Server, screens: Screens):
    server = small_ring_server
    # More than the ring holds, so that what comes back is the drawn screen.
    program = (
        r"printf '🚀%.0s' {1..10}; printf '\033[21G|\r\n'; "
        r"for i in {1..3000}; do printf '\033[5;1H✅ %d' $i; done; printf '\033[6;1Hdone'; read x"
    )
    name = server.new("bash", "-c", program)
    with server.client(name) as client:
        client.wait_for("done")
        true = screens.draw(client.output)
    with server.client(name) as again:
        again.wait_for("done")
        seen = screens.draw(again.output)
    assert true["text"][0] == seen["text"][0] == "🚀" * 10 + "|"
    assert seen["text"][4] == "✅ 3000"
    assert seen["cursor"] == true["cursor"]

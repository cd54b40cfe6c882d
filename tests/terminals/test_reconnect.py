"""A client that comes later sees what one that was there all along sees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.terminals.replay import Replay
from jupyter_dbx_agents.terminals.screen.escapes import without_repeats
from jupyter_dbx_agents.terminals.screen.renderer import ScreenRenderer
from tests.support.running_app import eventually
from tests.support.screens import Screens, differences, keep

from .clients import Client, Server

SIZE = (24, 80)
INLINE_TUI = r"""
import sys, time
count, pause = int(sys.argv[1]), float(sys.argv[2])
out = sys.stdout
for line in range(18):
    out.write(f"\x1b[3{line % 7 + 1}mstep {line}\x1b[0m of the transcript\n")
out.write("\n\n> ")
for tick in range(count):
    out.write("\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[G")
    out.write(f"\x1b[35m{'⠋⠙⠹⠸'[tick % 4]}\x1b[39m Thinking… {tick}\n")
    out.write("\x1b[2mesc to interrupt\x1b[22m\n> ")
    out.flush()
    time.sleep(pause)
out.write("\x1b[?25l\x1b]0;done\x07READY")
out.flush()
sys.stdin.read()
"""
FULL_SCREEN = r"""
import curses, sys
def main(screen):
    curses.start_color(); curses.use_default_colors(); curses.curs_set(0)
    for pair in range(1, 8): curses.init_pair(pair, pair, -1)
    curses.mousemask(-1)
    screen.box(); screen.addstr(0, 4, " a title ", curses.A_REVERSE)
    for tick in range(int(sys.argv[1])):
        row, column = 2 + tick * 7 % 18, 3 + tick * 13 % 60
        look = curses.color_pair(1 + tick % 7) | (tick % 2 and curses.A_BOLD)
        screen.addstr(row, column, f"tick {tick}", look)
        screen.refresh()
    screen.addstr(21, 3, "READY"); screen.refresh()
    screen.getch()
curses.wrapper(main)
"""


def replay_for_a_late_client(server: Server, name: str, true: Client, size: tuple[int, int]) -> str:
    """Return what a second client is sent, at a time when the program writes nothing."""

    def replay() -> str:
        before = len(true.until_quiet())
        with server.client(name, size) as late:
            sent = late.until_quiet()
        return sent if len(true.until_quiet(0.1)) == before else ""

    return eventually(replay, what="a pause of the program")


def seen_by_both(
    server: Server, screens: Screens, name: str, true: Client, *but: str
) -> tuple[dict[str, Any], str]:
    """Compare a client that was there all along with one that comes now; return both."""
    replay = replay_for_a_late_client(server, name, true, SIZE)
    expected, seen = screens.draw(true.output), screens.draw(replay)
    for screen in (expected, seen):
        screen["scrollback"] = [line.rstrip() for line in screen["scrollback"]]
    assert not differences(expected, seen, "scrollback", *but)
    assert seen["typed"] == ""
    return expected, replay


def test_a_shell_with_its_scrollback(server: Server, screens: Screens):
    name = server.new()
    with server.client(name) as client:
        client.run(r"for i in $(seq 300); do printf '\e[3%dmline %d\e[0m\n' $((i % 8)) $i; done")
        true, _ = seen_by_both(server, screens, name, client)
        with server.client(name) as late:
            seen = screens.draw(late.until_quiet())
    assert [line.rstrip() for line in seen["scrollback"]] == true["scrollback"]
    assert len(true["scrollback"]) > 200


@pytest.mark.parametrize("ring", ["server", "small_ring_server"])
def test_less_and_vim_with_their_modes(ring: str, request: Any, screens: Screens, folder: Path):
    server: Server = request.getfixturevalue(ring)
    file = folder / "file.txt"
    wide = "漢字 e\u0301 "
    file.write_text("".join(f"line {n}: {wide * (n % 5)}\n" for n in range(500)))
    for command, keys in (
        (["less", str(file)], [" "] * 30 + ["/line 77\r"]),
        (["vim", "-u", "NONE", "-N", str(file)], ["\x04"] * 40 + [":set mouse=a\r", "ix\u00e4y"]),
    ):
        name = server.new(*command)
        with server.client(name, SIZE) as client:
            for key in keys:
                client.type(key)
                client.read(1)
            true, _ = seen_by_both(server, screens, name, client)
        assert true["buffer"] == "alternate"
        server.delete(name)


@pytest.mark.parametrize("ring", ["server", "small_ring_server"])
def test_a_full_screen_program_after_many_partial_updates(
    ring: str, request: Any, screens: Screens
):
    server: Server = request.getfixturevalue(ring)
    name = server.new(sys.executable, "-c", FULL_SCREEN, "5000")
    with server.client(name, SIZE) as client:
        client.wait_for("READY", 60)
        true, replay = seen_by_both(server, screens, name, client)
    assert true["buffer"] == "alternate" and true["modes"]["mouseTrackingMode"] != "none"
    assert "a title" in true["text"][0] and len(replay) < 1024 * 1024
    server.delete(name)


@pytest.mark.parametrize("ring", ["server", "small_ring_server"])
def test_an_inline_tui_keeps_its_transcript_whatever_it_redraws(
    ring: str, request: Any, screens: Screens
):
    server: Server = request.getfixturevalue(ring)
    name = server.new(sys.executable, "-c", INLINE_TUI, "6000", "0")
    with server.client(name, SIZE) as client:
        client.wait_for("READY", 60)
        true, replay = seen_by_both(server, screens, name, client)
    assert "step 0 of the transcript" in "".join(true["text"])
    assert len(replay) < 400_000
    server.delete(name)


def test_the_shell_is_still_there_when_the_full_screen_program_ends(
    small_ring_server: Server, screens: Screens, folder: Path
):
    name = small_ring_server.new()
    with small_ring_server.client(name, SIZE) as client:
        client.run("echo before the program; echo '漢字'")
        program = folder / "program.py"
        program.write_text(FULL_SCREEN)
        client.type(f"{sys.executable} {program} 3000\r")
        client.wait_for("READY", 60)
        client.until_quiet()
        with small_ring_server.client(name, SIZE) as late:
            late.until_quiet()
            late.type("q")
            eventually(lambda: small_ring_server.models()[name]["foreground"] == "bash")
            late.until_quiet()
            seen = screens.draw(late.output)
        client.until_quiet()
    true = screens.draw(client.output)
    assert not differences(true, seen, "scrollback")
    assert true["buffer"] == "normal" and any("漢字" in line for line in true["text"])


def test_garbage_and_wide_and_combining_characters(small_ring_server: Server, screens: Screens):
    program = (
        "import os, random, sys; r = random.Random(3); w = sys.stdout.buffer.write;"
        "[w(bytes(b for b in r.randbytes(300) if b not in (5, 7, 0x9b, 0x9d, 0x90)) + b'\\n')"
        " for _ in range(200)];"
        "[w('漢字e\\u0301\\u0308 🙂 한글 '.encode() * 7 + b'\\r\\n') for _ in range(300)];"
        "w(b'READY'); sys.stdout.flush(); sys.stdin.read()"
    )
    name = small_ring_server.new(sys.executable, "-c", program)
    with small_ring_server.client(name, SIZE) as client:
        client.wait_for("READY")
        seen_by_both(small_ring_server, screens, name, client)
    small_ring_server.delete(name)


def test_ten_clients_at_once_get_the_same(small_ring_server: Server, screens: Screens):
    name = small_ring_server.new(sys.executable, "-c", INLINE_TUI, "3000", "0")
    with small_ring_server.client(name, SIZE) as client:
        client.wait_for("READY", 60)
        client.until_quiet()
        late = [Client(small_ring_server, name, SIZE) for _ in range(10)]
        replays = {client.until_quiet(0.2) for client in late}
        for one in late:
            one.close()
    assert len(replays) == 1
    assert not differences(screens.draw(client.output), screens.draw(replays.pop()), "scrollback")
    small_ring_server.delete(name)


def test_another_size_than_before_is_followed(small_ring_server: Server, screens: Screens):
    again = FULL_SCREEN.replace("getch()", "getch(); main(screen)")
    name = small_ring_server.new(sys.executable, "-c", again, "2000")
    with small_ring_server.client(name, (24, 80)) as client:
        client.wait_for("READY", 60)
    with small_ring_server.client(name, (30, 100)) as client:
        replay = replay_for_a_late_client(small_ring_server, name, client, (30, 100))
        true = screens.draw(client.output, rows=30, columns=100)
        seen = screens.draw(replay, rows=30, columns=100)
    assert not differences(true, seen, "scrollback")
    small_ring_server.delete(name)


def test_a_query_in_the_output_is_answered_once(server: Server, screens: Screens):
    queries = r"\e[c\e[>c\e[6n\e[?1$p\e]11;?\a\e[>q\eP$qm\e\\\e[18t\eZ\a"
    name = server.new("bash", "-c", f"read; printf '{queries}READY'; sleep 600")
    with server.client(name) as client:
        client.type("\r")
        client.wait_for("READY")
    assert screens.draw(client.output)["typed"] != ""
    with server.client(name) as late:
        late.wait_for("READY")
    assert screens.draw(late.output)["typed"] == ""
    assert "\x07" not in late.output
    server.delete(name)


SEQUENCES = [
    "\x1b[38;5;200mx\x1b[0m",
    "\x1b[?1049h",
    "\x1b[5;10H",
    "\x1b]0;a title\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1b(0",
    "\x1b7",
    "\x1b[2 q",
    "\x1b[!p",
    "漢",
    "e\u0301",
]


@pytest.mark.parametrize("sequence", SEQUENCES)
async def test_a_replay_taken_in_the_middle_of_a_sequence_goes_on_with_its_rest(
    screens: Screens, renderer: ScreenRenderer, sequence: str
):
    before, after = "shell\r\n$ " + "redraw \x1b[2K\x1b[G" * 1500, " after\r\nend"
    true = screens.draw(before + sequence + after)
    encoded = sequence.encode()
    for cut in range(len(sequence) + 1):
        for ring_bytes in (16, 20_000):  # the cut falls into the ring, or where it begins
            replay = Replay(ring_bytes, *SIZE, renderer)
            head = len(sequence[:cut].encode())
            await keep(replay, before.encode() + encoded[:head])
            sent = replay.render().decode()
            seen = screens.draw(sent + sequence[cut:] + after)
            assert not differences(true, seen), (cut, ring_bytes)


@pytest.mark.parametrize("sequence", SEQUENCES)
async def test_the_ring_may_begin_anywhere(
    screens: Screens, renderer: ScreenRenderer, sequence: str
):
    for offset in range(0, 24, 5):
        text = "x" * offset + (sequence + "word ") * 900
        replay = Replay(4096, *SIZE, renderer)
        for start in range(0, len(text), 61):
            await keep(replay, text[start : start + 61].encode())
        assert not differences(
            screens.draw(text), screens.draw(replay.render().decode()), "scrollback"
        )


async def test_an_endless_string_takes_no_memory_and_shows_nothing(
    screens: Screens, renderer: ScreenRenderer
):
    replay = Replay(4096, *SIZE, renderer)
    replay.append(b"before \x1b]1337;File=:")
    for _ in range(500):
        await keep(replay, b"QUJD" * 1024)
    assert len(replay.render()) < 200_000
    replay.append(b"\x07after")
    assert screens.draw(replay.render().decode())["text"][0] == "before after"


def test_what_is_kept_of_operating_system_commands():
    kept = b"\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x07\x1b]10;#fff\x07\x1b]4;1;red\x07"
    dropped = b"\x1b]10;?\x07\x1b]4;1;?\x07\x1b]52;c;QUJD\x07\x1b]9;done\x07\x1b[6n\x1b[c\x07"
    assert without_repeats(kept + dropped + b"text") == kept + b"text"


def test_a_flood_that_nobody_reads_costs_little(server: Server, folder: Path):
    ended = folder / "ended"
    before = server.resident_bytes()
    name = server.new("bash", "-c", f"yes | head -c 10000000; touch {ended}; echo READY; sleep 600")
    eventually(ended.exists, 100)
    assert server.resident_bytes() - before < 32 * 1024 * 1024
    with server.client(name) as client:
        client.wait_for("READY")
    server.delete(name)

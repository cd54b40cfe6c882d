"""What a client that comes later is sent, and what it makes of it."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from tests.support.screens import Screens, differences

from .figures import Figures
from .programs import END, FULL_SCREEN, INLINE, MIB, TRANSCRIPT_LINES, python
from .wire import Server

SCREENS_BYTES = 50 * MIB
LONG, SHORT = 300_000, 3_000


def reconnect(server: Server) -> Figures:
    """Measure what a client is sent that comes after 50 MiB of a full-screen program."""
    name = server.new(*python(FULL_SCREEN, str(SCREENS_BYTES)))
    with server.client(name) as client:
        client.type("\r")
        client.until(END, 120)
        client.quiet()
    sizes, times = [], []
    for _ in range(5):
        started = time.perf_counter()
        with server.client(name) as late:
            sizes.append(late.until(END))
            times.append(1000 * (time.perf_counter() - started))
    with server.client(name) as late:
        replay = late.text_until_quiet()
    server.delete(name)
    return {
        f"reconnect after {SCREENS_BYTES // MIB} MiB of full screens, MiB": max(sizes) / MIB,
        "… ms": statistics.median(times),
        **_judge(replay),
    }


def _judge(replay: str) -> Figures:
    """Compare a replay's screen with the program's last frame, on xterm.js."""
    with tempfile.TemporaryDirectory() as folder:
        judge = Screens(Path(folder))
        try:
            frame = int(replay.rpartition("of frame ")[2].split()[0])
            seen, true = judge.draw(replay), judge.draw(_last_frame(frame))
        finally:
            judge.stop()
    wrong = differences(true, seen, "scrollback", "title")
    return {
        "… rows and modes that are wrong": float(len(wrong)),
        "… characters typed into the program": float(len(seen["typed"])),
    }


def _last_frame(number: int) -> str:
    """What the full-screen program has drawn in the end."""
    rows = "".join(
        f"\x1b[{row};1H\x1b[3{row % 8}mrow {row} of frame {number} \x1b[0m{'-' * 50}"
        for row in range(1, 25)
    )
    return f"\x1b[?1049h\x1b[2J\x1b[?1000h\x1b[?2004h\x1b[?1h{rows}{END.decode()}"


def reconnect_to_agent(server: Server) -> Figures:
    """Measure what is left of an agent's transcript above a line that it has redrawn all along."""
    figures: Figures = {}
    for redraws in (SHORT, LONG):
        name = server.new(*python(INLINE, str(redraws)))
        with server.client(name) as client:
            client.type("\r")
            client.until(END, 120)
        started = time.perf_counter()
        with server.client(name) as late:
            size = late.until(END)
            taken_ms = 1000 * (time.perf_counter() - started)
        with server.client(name) as late:
            said = late.text_until_quiet()
        server.delete(name)
        missing = sum(f"step {line}." not in said for line in range(TRANSCRIPT_LINES))
        title = f"reconnect after {redraws:,} redraws, lines lost of {TRANSCRIPT_LINES}"
        figures |= {title: float(missing), "… ms": taken_ms, "… MiB": size / MIB}
    return figures

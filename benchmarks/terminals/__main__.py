"""Terminals side by side: stock jupyter_server_terminals, ours, and as limits a raw pty and a bare
tornado websocket.

Run: ``python -m benchmarks.terminals [--only NAME …]``; all of it takes about twelve minutes.  All
take turns at each measure, so that a noisy machine is noisy for all.  Figures move by a fifth from
run to run; the ratios are steadier.  Clients read as fast as they can, or where they play a browser
8 million characters a second, and answer pings, as browsers do.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import httpx

from . import latency, lives, output, reconnecting
from .figures import Figures, raw, running
from .wire import BARE, OURS, STOCK, Server

Measure = Callable[[Server], Figures]

MEASURES: dict[str, Measure] = {
    "echo": lambda server: latency.echo(functools.partial(running, server)),
    "floods": latency.echo_beside_floods,
    "interrupt": latency.interrupt,
    "interrupt-ack": latency.acknowledged_interrupt,
    "front-door": latency.interrupt_through_front_door,
    "paste": latency.beside_a_blocked_paste,
    "closed-tty": latency.beside_a_closed_tty,
    "killed-shell": latency.beside_a_killed_shell,
    "text": lambda server: output.text(functools.partial(running, server), server.cpu_seconds),
    "screens": lambda server: output.screens(
        functools.partial(running, server), server.cpu_seconds
    ),
    "mixed": lambda server: output.mixed(functools.partial(running, server), server.cpu_seconds),
    "stalled": output.stalled,
    "reconnect": reconnecting.reconnect,
    "reconnect-agent": reconnecting.reconnect_to_agent,
    "hostile": lives.hostile,
    "opening": lives.opening,
    "idle": lives.idle,
    "survivors": lives.survivors,
}
LIMITS: dict[str, Callable[[], Figures]] = {
    "echo": lambda: latency.echo(raw),
    "floods": latency.raw_echo_beside_a_flood,
    "text": lambda: output.text(raw),
    "screens": lambda: output.screens(raw),
    "mixed": lambda: output.mixed(raw),
}


# What the limit of a Python process is asked for.
IN_PYTHON = ("echo", "floods", "text", "screens", "mixed")
COLUMNS = ("raw pty", "bare", "stock", "ours")


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    compare(parser.parse_args().only)


def compare(names: list[str]) -> None:
    """Measure and print."""
    print(f"{'':68}{''.join(f'{column:>9}' for column in COLUMNS)}{'ours/stock':>12}")
    for name in names:
        limit = LIMITS[name]() if name in LIMITS else {}
        bare = measured(name, "bare", BARE) if name in IN_PYTHON else {}
        show(limit, bare, measured(name, "stock", STOCK), measured(name, "ours", OURS))


def measured(name: str, which: str, command: list[str]) -> Figures:
    """Measure on a fresh server; one that froze must not spoil the next measure."""
    with Server(which, command) as server:
        try:
            return MEASURES[name](server)
        except (OSError, TimeoutError, httpx.HTTPError) as error:
            return {f"{name}: {which} failed with {type(error).__name__}": float("nan")}


def show(*columns: Figures) -> None:
    """Print one measure's lines."""
    *_, stock, ours = columns
    for name in dict.fromkeys(name for figures in reversed(columns) for name in figures):
        cells = [figures.get(name) for figures in columns]
        ratio = ours[name] / stock[name] if name in ours and stock.get(name) else None
        shown = "".join(f"{number(cell):>9}" for cell in cells)
        print(f"{name:68}{shown}{number(ratio):>12}", flush=True)


def number(value: float | None) -> str:
    """Return three digits, or as many as there are before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()

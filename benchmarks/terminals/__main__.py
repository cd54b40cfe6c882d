"""Terminals side by side: stock jupyter_server_terminals, ours, and a raw pty as the limit.

Run: ``python -m benchmarks.terminals [--only NAME …]``; it takes less than four minutes.  All three
take turns at each measure, so that a noisy machine is noisy for all.  Figures move by a fifth from
run to run; the ratios are steadier.  The client reads as fast as it can, or where it plays a
browser 8 million characters a second.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import httpx

from . import measures
from .measures import Figures
from .wire import OURS, STOCK, Server

Measure = Callable[[Server], Figures]


def acknowledged_interrupt(server: Server) -> Figures:
    """Measure what only ours knows."""
    return measures.interrupt(server, acknowledges=True) if server.name == "ours" else {}


MEASURES: dict[str, Measure] = {
    "echo": lambda server: measures.echo(functools.partial(measures.running, server)),
    "floods": measures.echo_beside_floods,
    "interrupt": measures.interrupt,
    "interrupt-ack": acknowledged_interrupt,
    "front-door": measures.interrupt_through_front_door,
    "blocked": measures.blocked_programs,
    "text": lambda server: measures.text(
        functools.partial(measures.running, server), server.cpu_seconds
    ),
    "reconnect": measures.reconnect,
    "reconnect-agent": measures.reconnect_to_agent,
    "many": measures.many,
    "stalled": measures.stalled,
    "survivors": measures.survivors,
}
LIMITS: dict[str, Callable[[], Figures]] = {
    "echo": lambda: measures.echo(measures.raw),
    "text": lambda: measures.text(measures.raw),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    names = parser.parse_args().only
    print(f"{'':74}{'raw pty':>9}{'stock':>9}{'ours':>9}{'ours/stock':>12}")
    for name in names:
        limits = LIMITS[name]() if name in LIMITS else {}
        show(limits, *(measured(name, *server) for server in (("stock", STOCK), ("ours", OURS))))


def measured(name: str, which: str, command: list[str]) -> Figures:
    """Measure on a fresh server; one that froze must not spoil the next measure."""
    with Server(which, command) as server:
        try:
            return MEASURES[name](server)
        except (OSError, TimeoutError, httpx.HTTPError) as error:
            return {f"{name}: {which} failed with {type(error).__name__}": float("nan")}


def show(limits: Figures, stock: Figures, ours: Figures) -> None:
    """Print one measure's lines."""
    for name in {**ours, **stock}:
        cells = [figures.get(name) for figures in (limits, stock, ours)]
        ratio = cells[2] / cells[1] if cells[1] and cells[2] is not None else None
        raw, was, now = (f"{cell:,.3g}" if cell is not None else "" for cell in cells)
        if cells[1] and cells[1] >= 1000:
            was = f"{cells[1]:,.0f}"
        shown = f"{ratio:.3g}" if ratio is not None else ""
        print(f"{name:74}{raw:>9}{was:>9}{now:>9}{shown:>12}", flush=True)


if __name__ == "__main__":
    main()

"""What a measure returns, and what several of them share."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from .wire import RawPty, Server

Figures = dict[str, float]


@contextlib.contextmanager
def running(
    server: Server, *command: str, acknowledges: bool = False, port: int | None = None
) -> Iterator[Any]:
    """A terminal with one client; deleted at the end."""
    name = server.new(*command)
    try:
        with server.client(name, acknowledges, port) as client:
            yield client
    finally:
        server.delete(name)


@contextlib.contextmanager
def raw(*command: str) -> Iterator[Any]:
    """The same without a server."""
    program = RawPty(*command)
    try:
        yield program
    finally:
        program.close()


def keys(client: Any, count: int, answer: Callable[[str], bytes]) -> list[float]:
    """Type keys, one every 10 ms; return the milliseconds to each one's answer."""
    waits = []
    for number in range(count):
        key = chr(ord("a") + number % 26)
        started = time.perf_counter()
        client.type(key)
        client.until(answer(key), 30)
        waits.append(1000 * (time.perf_counter() - started))
        time.sleep(0.01)
    return waits


def spread(name: str, waits: list[float]) -> Figures:
    """Return median and 99th percentile."""
    ordered = sorted(waits)
    return {
        f"{name}, p50 ms": statistics.median(ordered),
        f"{name}, p99 ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
    }

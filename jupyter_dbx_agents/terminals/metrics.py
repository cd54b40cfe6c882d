"""Figures of all terminals together, for ``/metrics``."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

LAG_SECONDS = 1.0
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@dataclass(frozen=True)
class TerminalMetrics:
    """What is counted."""

    output_bytes: Counter
    input_bytes: Counter
    pauses: Counter
    left_behind: Counter
    dropped_clients: Counter
    replays: Counter
    loop_lag: Histogram


@functools.cache
def terminal_metrics() -> TerminalMetrics:
    """Return the process' one set of figures, registered on first use."""
    try:
        return _register(REGISTRY)
    except ValueError:  # a second copy of this module in one process, as test runners make
        return _register(CollectorRegistry())


def _register(registry: CollectorRegistry) -> TerminalMetrics:
    def counter(name: str, what: str) -> Counter:
        return Counter(f"dbx_agents_terminal_{name}", what, registry=registry)

    return TerminalMetrics(
        output_bytes=counter("output_bytes", "Bytes that programs have written"),
        input_bytes=counter("input_bytes", "Bytes typed and pasted"),
        pauses=counter("pauses", "Times that a program had to wait for its clients"),
        left_behind=counter("left_behind", "Times that a program went on without a stalled client"),
        dropped_clients=counter("dropped_clients", "Clients closed because they stayed stalled"),
        replays=counter("replays", "Screens sent to clients that came (back)"),
        loop_lag=Histogram(
            "dbx_agents_terminal_event_loop_lag_seconds",
            "How late a timer of the server's event loop fires, once a second",
            registry=registry,
            buckets=_LAG_BUCKETS,
        ),
    )


class LagMeter:
    """Measures the event loop's lag while there are terminals."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure from now on."""
        if self._timer is None:
            self._next()

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LAG_SECONDS, self._measure, loop.time() + LAG_SECONDS)

    def _measure(self, due: float) -> None:
        lag_seconds = asyncio.get_running_loop().time() - due
        terminal_metrics().loop_lag.observe(max(0.0, lag_seconds))
        self._next()

"""Prometheus metrics of all terminals, for ``/metrics``."""

import asyncio
import contextlib
import functools
from dataclasses import dataclass

from prometheus_client import REGISTRY, Counter, Histogram

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
    """Return the process' one set of metrics, registered on first use."""
    metrics = TerminalMetrics(
        output_bytes=_counter("output_bytes", "Bytes that programs have written"),
        input_bytes=_counter("input_bytes", "Bytes typed and pasted"),
        pauses=_counter("pauses", "Times that a program had to wait for its clients"),
        left_behind=_counter(
            "left_behind", "Times that a program went on without a stalled client"
        ),
        dropped_clients=_counter("dropped_clients", "Clients closed because they stayed stalled"),
        replays=_counter("replays", "Screens sent to clients that came (back)"),
        loop_lag=Histogram(
            "dbx_agents_terminal_event_loop_lag_seconds",
            "How late a timer of the server's event loop fires, once a second",
            registry=None,
            buckets=_LAG_BUCKETS,
        ),
    )
    for metric in vars(metrics).values():
        with contextlib.suppress(ValueError):  # a second copy of this module, as test runners make
            REGISTRY.register(metric)
    return metrics


def _counter(name: str, what: str) -> Counter:
    return Counter(f"dbx_agents_terminal_{name}", what, registry=None)


class LagMeter:
    """Measures the lag of the event loop while there are terminals."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start measuring."""
        if self._timer is None:
            self._next()

    def stop(self) -> None:
        """Stop measuring."""
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

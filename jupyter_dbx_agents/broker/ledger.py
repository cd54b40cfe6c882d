"""Where every call ends up, once: in the access log, and model calls in sums.

The log has one line a call: who, what, how it ended, how long it took; no header, body, query or
secret.  The sums, by agent and model, are for the status and for Prometheus on ``/metrics``.
"""

from __future__ import annotations

import contextlib
import functools
import re
import time
from dataclasses import dataclass
from typing import TypedDict

from prometheus_client import REGISTRY, Counter, Histogram

from ..background import AnyLogger
from .call import Call

MAX_PATH_CHARACTERS = 120  # an unknown path is the caller's text
METADATA_PREFIX = "/metadata"  # what follows is a secret
# A model's name is the agent's text: it becomes a label only if it looks like one, and only so many
# do.  The rest is counted under one name.
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
MOST_PAIRS = 200
OTHER = "other"
LABELS = ("agent", "model")
SECONDS_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


def _counter(name: str, what: str) -> Counter:
    return Counter(f"dbx_agents_model_{name}", what, LABELS, registry=None)


def _histogram(name: str, what: str) -> Histogram:
    name = f"dbx_agents_model_{name}"
    return Histogram(name, what, LABELS, registry=None, buckets=SECONDS_BUCKETS)


CALLS = _counter("calls", "Model calls of agents")
ERRORS = _counter("call_errors", "Model calls that failed or broke off")
INPUT_TOKENS = _counter("input_tokens", "Tokens sent to models")
OUTPUT_TOKENS = _counter("output_tokens", "Tokens received from models")
SECONDS = _histogram("call_seconds", "How long model calls took")
FIRST_BYTE_SECONDS = _histogram("first_byte_seconds", "How long until an answer began")


@functools.cache
def register_metrics() -> None:
    """Show the metrics on ``/metrics``, unless another copy of this module does already."""
    for metric in (CALLS, ERRORS, INPUT_TOKENS, OUTPUT_TOKENS, SECONDS, FIRST_BYTE_SECONDS):
        with contextlib.suppress(ValueError):
            REGISTRY.register(metric)


class AccessLog:
    """Where every call ends up, once: in the log, and model calls in the ledger."""

    def __init__(self, log: AnyLogger, usage: UsageLedger) -> None:
        self._log = log
        self._usage = usage

    def record(self, call: Call) -> None:
        """Write the line of a call that has ended; count it, unless it is a check of ours."""
        now = time.monotonic()
        if call.is_model_call and not call.is_check:
            first_byte = now if call.first_byte is None else call.first_byte
            self._usage.record(call, now - call.started, first_byte - call.started)
        first = "-" if call.first_byte is None else f"{(call.first_byte - call.started) * 1000:.0f}"
        self._log.info(
            "broker: %s %s %s %s -> %s%s, first byte %s ms, total %.0f ms, in %d B, out %d B",
            call.agent,
            call.dialect,
            call.method,
            printable_path(call.path),
            call.status or "-",
            f" ({call.ending})" if call.ending else "",
            first,
            (now - call.started) * 1000,
            call.bytes_in,
            call.bytes_out,
        )


class UsageStatus(TypedDict):
    """The REST model of what one agent used one model for; the means are over all calls.

    ``mended`` counts the calls that were repeated in another form, since the gateway refused the
    first; ``last_error`` says why the last of those that failed did, '' if none has.
    """

    agent: str
    model: str
    calls: int
    errors: int
    mended: int
    input_tokens: int
    output_tokens: int
    mean_seconds: float
    mean_first_byte_seconds: float
    last_error: str


@dataclass
class ModelUsage:
    """What one agent used one model for; the seconds are sums over all calls."""

    agent: str
    model: str
    calls: int = 0
    errors: int = 0
    mended: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    first_byte_seconds: float = 0.0
    last_error: str = ""

    def to_json(self) -> UsageStatus:
        """Return the REST model."""
        return {
            "agent": self.agent,
            "model": self.model,
            "calls": self.calls,
            "errors": self.errors,
            "mended": self.mended,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "mean_seconds": round(self.seconds / self.calls, 3),
            "mean_first_byte_seconds": round(self.first_byte_seconds / self.calls, 3),
            "last_error": self.last_error,
        }


class UsageLedger:
    """Every model call of this process, summed up."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], ModelUsage] = {}

    def to_json(self) -> list[UsageStatus]:
        """Return the REST models, by agent and model."""
        return [self._pairs[pair].to_json() for pair in sorted(self._pairs)]

    def record(self, call: Call, seconds: float, first_byte_seconds: float) -> None:
        """Add a call that has ended."""
        usage = self._usage(call)
        usage.calls += 1
        usage.errors += call.has_failed
        usage.last_error = call.failure if call.has_failed else usage.last_error
        usage.mended += call.is_mended
        usage.input_tokens += call.tokens.input_tokens
        usage.output_tokens += call.tokens.output_tokens
        usage.seconds += seconds
        usage.first_byte_seconds += first_byte_seconds
        self._count(usage, call, seconds, first_byte_seconds)

    def _usage(self, call: Call) -> ModelUsage:
        model = call.model if MODEL_NAME.fullmatch(call.model) else OTHER
        if len(self._pairs) >= MOST_PAIRS and (call.agent, model) not in self._pairs:
            model = OTHER
        return self._pairs.setdefault((call.agent, model), ModelUsage(call.agent, model))

    def _count(
        self, usage: ModelUsage, call: Call, seconds: float, first_byte_seconds: float
    ) -> None:
        register_metrics()
        labels = (usage.agent, usage.model)
        CALLS.labels(*labels).inc()
        ERRORS.labels(*labels).inc(call.has_failed)
        INPUT_TOKENS.labels(*labels).inc(call.tokens.input_tokens)
        OUTPUT_TOKENS.labels(*labels).inc(call.tokens.output_tokens)
        SECONDS.labels(*labels).observe(seconds)
        FIRST_BYTE_SECONDS.labels(*labels).observe(first_byte_seconds)


def printable_path(path: str) -> str:
    """Return a path fit for a log: short, plain, and without the metadata service's secret."""
    if METADATA_PREFIX in path:  # anywhere: an absolute URL has it in the middle
        return f"{METADATA_PREFIX}/…"
    plain = "".join(char if "!" <= char <= "~" else "?" for char in path)
    return plain if len(plain) <= MAX_PATH_CHARACTERS else f"{plain[:MAX_PATH_CHARACTERS]}…"

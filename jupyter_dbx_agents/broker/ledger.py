"""One line a call: who, what, how it ended, how long it took; no header, body, query or secret."""

import logging
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from .call import TokenCounts
from .usage import UsageLedger

MAX_PATH_CHARACTERS = 120  # an unknown path is the caller's text
BROKE_OFF = "gateway broke off"
METADATA_PREFIX = "/metadata"  # what follows is a secret


@dataclass
class Call:
    """What is known of one call while it lasts; instants are of the monotonic clock, in seconds."""

    method: str
    path: str
    agent: str = "-"
    dialect: str = "-"
    is_model_call: bool = False
    model: str = ""
    tokens: TokenCounts = field(default_factory=TokenCounts)
    status: int = 0
    ending: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    started: float = field(default_factory=time.monotonic)
    first_byte: float | None = None

    def saw_first_byte(self) -> None:
        """Note the instant at which the answer begins."""
        if self.first_byte is None:
            self.first_byte = time.monotonic()

    @property
    def has_failed(self) -> bool:
        """Whether the agent got an error, or half an answer; not if it went away itself."""
        return self.status >= HTTPStatus.BAD_REQUEST or self.ending.startswith(BROKE_OFF)


class AccessLog:
    """Where every call ends up, once: in the log, and model calls in the ledger."""

    def __init__(
        self, log: "logging.Logger | logging.LoggerAdapter[Any]", usage: UsageLedger
    ) -> None:
        self._log = log
        self._usage = usage

    def record(self, call: Call) -> None:
        """Write the line of a call that has ended, and count it."""
        now = time.monotonic()
        if call.is_model_call:
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


def printable_path(path: str) -> str:
    """Return a path fit for a log: short, plain, and without the metadata service's secret."""
    if METADATA_PREFIX in path:  # anywhere: an absolute URL has it in the middle
        return f"{METADATA_PREFIX}/…"
    plain = "".join(char if "!" <= char <= "~" else "?" for char in path)
    return plain if len(plain) <= MAX_PATH_CHARACTERS else f"{plain[:MAX_PATH_CHARACTERS]}…"

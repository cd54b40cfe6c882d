"""One line a call: who, what, how it ended, how long it took; no header, body, query or secret."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

MAX_PATH_CHARACTERS = 120  # an unknown path is the caller's text
METADATA_PREFIX = "/metadata"  # what follows is a secret


@dataclass
class Call:
    """What is known of one call while it lasts; instants are of the monotonic clock, in seconds."""

    method: str
    path: str
    agent: str = "-"
    dialect: str = "-"
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


class AccessLog:
    """Where every call ends up, once; the place for whatever counts calls."""

    def __init__(self, log: "logging.Logger | logging.LoggerAdapter[Any]") -> None:
        self._log = log

    def record(self, call: Call) -> None:
        """Write the line of a call that has ended."""
        now = time.monotonic()
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

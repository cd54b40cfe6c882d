"""Injected faults: the ways in which a network and a busy platform fail their clients."""

from __future__ import annotations

import re
import uuid
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

FaultKind = Literal[
    "latency", "status", "429", "drop_before", "drop_after", "drop_stream", "hang", "late"
]


@dataclass
class Fault:
    """One fault; ``match`` is a path prefix, or a regular expression if it starts with ``^``.

    - latency: the request is handled after ``seconds``.
    - status: the response is ``status`` with ``error_code`` and ``message``, and ``Retry-After`` if
      ``retry_after`` is given.
    - 429: likewise, with the platform's body.
    - drop_before: the connection is closed before the request is handled.
    - drop_after: the request is handled and the response is lost.
    - drop_stream: a streamed response is cut off after ``after_frames`` frames.
    - late: the request is handled and the response sent after ``seconds``.
    - hang: nothing for ``seconds`` (or until the client leaves), then the connection is closed.
    """

    match: str
    kind: FaultKind
    method: str | None = None
    seconds: float = 0.0
    status: int = 500
    error_code: str = "INTERNAL_ERROR"
    message: str = "The service failed because a test asked for it."
    retry_after: str | None = None
    after_frames: int = 1
    times: int | None = None
    used_count: int = 0
    fault_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(
                f"unknown kind {self.kind!r}: use one of {', '.join(get_args(FaultKind))}"
            )
        try:
            re.compile(self.match if self.match.startswith("^") else "")
        except re.error as error:
            raise ValueError(f"match is not a regular expression: {error}") from None

    def matches(self, method: str, path: str) -> bool:
        """Return whether this fault applies to the request."""
        if self.times is not None and self.used_count >= self.times:
            return False
        if self.method is not None and self.method.upper() != method:
            return False
        if self.match.startswith("^"):
            return re.search(self.match, path) is not None
        return path.startswith(self.match)


class FaultRegistry:
    """The faults in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add a fault and return it."""
        self._faults.append(fault)
        return fault

    def use(self, method: str, path: str) -> list[Fault]:
        """Return and count the request's faults: every latency, and the first of the others."""
        used: list[Fault] = []
        for fault in self._faults:
            is_second = fault.kind != "latency" and any(f.kind != "latency" for f in used)
            if not is_second and fault.matches(method, path):
                fault.used_count += 1
                used.append(fault)
        return used

    def listing(self) -> list[dict[str, object]]:
        """Return all faults as JSON data, used-up ones included."""
        return [asdict(fault) for fault in self._faults]

    def clear(self, fault_id: str | None = None) -> None:
        """Remove one fault, or all."""
        self._faults = [f for f in self._faults if fault_id is not None and f.fault_id != fault_id]

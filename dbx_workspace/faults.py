"""Faults on demand: the ways in which a network and a busy platform fail their clients."""

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
    """One armed fault; `match` is a path prefix, or a regular expression if it starts with `^`.

    - latency: `seconds` late, then as usual.
    - status: `status` with `error_code` and `message`, and `Retry-After` if `retry_after` is given.
    - 429: likewise, with the platform's body.
    - drop_before: the connection is cut, nothing has happened.
    - drop_after: the effect has happened, the answer is lost.
    - drop_stream: a streamed answer is cut after `after_frames` frames.
    - late: the effect has happened, the answer comes after `seconds`.
    - hang: no answer for `seconds` (or until the client leaves), then a cut.
    """

    match: str
    kind: FaultKind
    method: str | None = None
    seconds: float = 0.0
    status: int = 500
    error_code: str = "INTERNAL_ERROR"
    message: str = "The service is having a bad moment."
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
            raise ValueError(f"match is no regular expression: {error}") from None

    def covers(self, method: str, path: str) -> bool:
        """Whether this fault strikes the request."""
        if self.times is not None and self.used_count >= self.times:
            return False
        if self.method is not None and self.method.upper() != method:
            return False
        if self.match.startswith("^"):
            return re.search(self.match, path) is not None
        return path.startswith(self.match)


class FaultBoard:
    """The armed faults, in the order in which they were set."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Arms a fault."""
        self._faults.append(fault)
        return fault

    def strike(self, method: str, path: str) -> list[Fault]:
        """The faults for this request, now used: each latency, and the first of the others."""
        struck: list[Fault] = []
        for fault in self._faults:
            is_second = fault.kind != "latency" and any(f.kind != "latency" for f in struck)
            if not is_second and fault.covers(method, path):
                fault.used_count += 1
                struck.append(fault)
        return struck

    def listing(self) -> list[dict[str, object]]:
        """All faults as JSON data, used-up ones included."""
        return [asdict(fault) for fault in self._faults]

    def clear(self, fault_id: str | None = None) -> None:
        """Disarms one fault, or all."""
        self._faults = [f for f in self._faults if fault_id is not None and f.fault_id != fault_id]

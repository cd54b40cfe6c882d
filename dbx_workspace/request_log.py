"""The log of the workspace's requests, without secrets: tokens appear by id only."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

Outcome = Literal["open", "answered", "client_gone", "dropped"]
# Enough for a day of heavy tests; older entries are dropped.
CAPACITY = 100_000


@dataclass
class LoggedRequest:
    """One request; ``status`` is None while it is open, ``seconds`` last to the response's end.

    Of a model call, ``rule`` is the rule of ``models.rules`` that refused it, ``pictures`` and
    ``cache_marks`` are numbers of what its body has; those with one ``digest`` have one body.  Of a
    message to an MCP server, ``tool`` is the tool that it calls, or its method.
    """

    number: int
    at: datetime
    method: str
    path: str
    query: str
    token_id: str | None = None
    principal: str | None = None
    model: str | None = None
    user_agent: str = ""
    status: int | None = None
    outcome: Outcome = "open"
    seconds: float | None = None
    fault: str | None = None
    rule: str | None = None
    pictures: int | None = None
    cache_marks: int | None = None
    digest: str | None = None
    tool: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the entry as JSON data for the control API."""
        return {**asdict(self), "at": self.at.isoformat()}


class RequestLog:
    """The last requests, numbered from 1."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=CAPACITY)
        self._count = 0

    def open(
        self, at: datetime, method: str, path: str, query: str, user_agent: str
    ) -> LoggedRequest:
        """Add an entry that the handler completes when the response has ended."""
        self._count += 1
        entry = LoggedRequest(self._count, at, method, path, query, user_agent=user_agent)
        self._entries.append(entry)
        return entry

    def since(self, number: int = 0, path_prefix: str = "") -> list[LoggedRequest]:
        """Return the entries after ``number`` below ``path_prefix``, oldest first."""
        return [e for e in self._entries if e.number > number and e.path.startswith(path_prefix)]

    def clear(self) -> None:
        """Remove all entries; numbering continues."""
        self._entries.clear()

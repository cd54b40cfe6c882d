"""A session: an agent, or another program, in a terminal or in the background."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict

from .processes import AgentProcess
from .states import Records, State, printable


class SessionState(TypedDict):
    """The REST model of what an agent, or another program, is doing.

    ``terminal`` is null for an agent in the background, and ``agent`` '' for another program.
    ``revision`` rises with each need, over all sessions; ``seen`` whether somebody has looked at
    it, and ``settled`` whether the agent has not gone on by itself.
    """

    id: str
    terminal: str | None
    agent: str
    program: str
    folder: str
    state: State
    since: str
    text: str
    revision: int
    seen: bool
    settled: bool


@dataclass(frozen=True)
class Place:
    """A terminal: what it is known by for ever, its name, its shell, and its foreground group.

    ``typed_at`` is when somebody last typed there, by the monotonic clock.
    """

    id: str
    terminal: str
    leader: int
    group: int
    typed_at: float = 0.0

    @property
    def is_shell_in_front(self) -> bool:
        """Whether the shell waits for a command."""
        return self.group == self.leader


@dataclass
class Session:
    """One terminal's agent, or one in the background."""

    id: str
    terminal: str | None
    process: AgentProcess | None
    folder: str = ""
    group: int = 0
    state: State = State.IDLE
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    text: str = ""
    revision: int = 0
    seen: int = 0
    settled: int = 0
    # Which of its sub-agents needs the owner, and since when, by the monotonic clock.
    needed_by: str = ""
    needed_at: float = 0.0
    typed_at: float = 0.0  # as its place had it at its last report
    is_stopped: bool = False
    # Reports of its own are better than a bell.
    reports: bool = False
    # When it and each of its sub-agents last reported, by the clock of the hooks.
    last_at: dict[str, float] = field(default_factory=dict)
    # Until when, by the monotonic clock, the next bell is that of a turn whose end is known.
    rings_until: float = 0.0
    mark: str = ""
    records: Records = field(default_factory=Records)
    unwatch: Callable[[], None] = lambda: None
    telling: asyncio.TimerHandle | None = None
    # Until when, by the monotonic clock, it would have been told of at the pace of the limit.
    told_until: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether its process is known to have ended; news of it stay until they are seen."""
        return self.unwatch is _nothing

    def end(self) -> None:
        """Note that its process has ended, and watch it no more."""
        self.unwatch()
        self.unwatch = _nothing

    def to_json(self) -> SessionState:
        """Return the REST model."""
        return {
            "id": self.id,
            "terminal": self.terminal,
            "agent": self.process.agent if self.process else "",
            "program": printable(self.process.program) if self.process else "",
            "folder": printable(self.folder),
            "state": self.state,
            "since": self.since.isoformat(),
            "text": self.text,
            "revision": self.revision,
            "seen": self.seen >= self.revision,
            "settled": self.settled >= self.revision,
        }


def _nothing() -> None:
    """What there is to cancel after the end of a process."""

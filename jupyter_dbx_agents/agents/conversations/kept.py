"""Declarations: which files an agent's memory consists of, and which conversations are in them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any


class Form(Enum):
    """How a file is copied while its program runs."""

    FILE = "as it is"
    LOG = "up to its last newline, since lines are appended"
    DATABASE = "by SQLite's backup API, since a copy of the file may lack what is in its WAL"


@dataclass(frozen=True)
class Kept:
    """Files below the home: a pattern of ``Path.glob``, and their form.

    ``is_conversation`` are those that may be dropped, the oldest first, if there is too much;
    ``is_history`` are lists of lines that are put before what a new home has by then.  ``emptied``
    are tables of a database whose rows are never copied; ``counted`` is one that has no row in a
    database that nobody has used yet.
    """

    pattern: str
    form: Form = Form.FILE
    is_conversation: bool = False
    is_history: bool = False
    emptied: tuple[str, ...] = ()
    counted: str = ""


@dataclass(frozen=True)
class Conversation:
    """One conversation; ``at`` is the time of its last change (seconds since 1970).

    ``texts`` yields what was said in it, for a search.
    """

    id: str
    title: str
    folder: str
    at: float
    texts: Callable[[], Iterable[str]] = field(default=tuple, compare=False, repr=False)


def _no_id(_home: Path, _pid: int) -> str:
    return ""


@dataclass(frozen=True)
class Memory:
    """An agent's memory.

    ``resume`` are the words after its command that continue a conversation, with ``{id}``;
    ``conversations`` yields those in a home; blocking.  ``running`` returns the id of the
    conversation that a process shows, '' if that is not known.
    """

    kept: tuple[Kept, ...]
    resume: tuple[str, ...]
    conversations: Callable[[Path], Iterator[Conversation]]
    running: Callable[[Path, int], str] = _no_id

    def words(self, conversation: str) -> tuple[str, ...]:
        """Return the words after the command that resume a conversation."""
        return tuple(word.format(id=conversation) for word in self.resume)


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return a value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}

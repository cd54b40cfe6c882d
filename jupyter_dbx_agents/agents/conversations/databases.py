"""Conversations in an SQLite database, as OpenCode and Hermes keep them; it is only read."""

import contextlib
import functools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .kept import Conversation
from .transcripts import shortened

_BUSY_SECONDS = 1.0


@dataclass(frozen=True)
class Queries:
    """``sessions`` returns id, title, folder and time (s); ``texts`` those of ``?``, an id."""

    sessions: str
    texts: str


def conversations(path: Path, queries: Queries) -> Iterator[Conversation]:
    """Yield the conversations in a database, none if it cannot be read."""
    for id_, title, folder, at in _rows(path, queries.sessions):
        texts = functools.partial(_texts, path, queries.texts, str(id_))
        yield Conversation(
            str(id_), shortened(str(title or "")), str(folder or ""), float(str(at or 0)), texts
        )


def _texts(path: Path, query: str, conversation: str) -> Iterator[str]:
    for (text,) in _rows(path, query, conversation):
        if isinstance(text, str):
            yield text


def _rows(path: Path, query: str, *values: str) -> list[tuple[object, ...]]:
    if not path.exists():
        return []
    try:
        with contextlib.closing(open_to_read(path)) as database:
            return database.execute(query, values).fetchall()
    except sqlite3.Error:  # locked, damaged, or of another version
        return []


def open_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that writes nothing.  Raises sqlite3.Error."""
    address = f"file:{quote(str(path))}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)

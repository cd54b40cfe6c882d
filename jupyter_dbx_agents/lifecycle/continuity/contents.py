"""The content of a file that a program may be writing, without secrets; and its blocks."""

import contextlib
import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ...agents.conversations import Form, Kept
from ...agents.conversations.databases import open_to_read
from ...errors import ContinuityError
from ...git_sync.work import never
from ...secret import Secret

BLOCK_BYTES = 64 * 1024
_BACKUP_PAGES = 1000
# In a URL or a header of git's settings.
_CREDENTIALS = re.compile(rb"://[^/\s:@]+:[^/\s@]+@|^\s*extraheader\b", re.IGNORECASE | re.M)
Blocks = tuple[bytes, ...]


def read(path: Path, kept: Kept, secrets: Iterable[Secret]) -> bytes:
    """Return the content to keep; blocking.  Raises ContinuityError."""
    try:
        data = _read_database(path, kept) if kept.form is Form.DATABASE else path.read_bytes()
    except (OSError, sqlite3.Error) as error:
        raise ContinuityError(
            f"It cannot be read: {error}.", "The next look tries again."
        ) from error
    if kept.form is Form.LOG:
        data = data[: data.rfind(b"\n") + 1]
    elif kept.form is Form.FILE and not kept.is_conversation and _CREDENTIALS.search(data):
        raise ContinuityError(
            "It contains a password or a header with credentials.", "Use a credential helper."
        )
    return never.without_secrets(data, secrets)


def _read_database(path: Path, kept: Kept) -> bytes:
    """Return a database as one file, as it is now, without the rows of some tables."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy.db"
        with (
            contextlib.closing(open_to_read(path)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target, pages=_BACKUP_PAGES)
            target.execute("PRAGMA journal_mode = DELETE")
            target.execute("PRAGMA secure_delete = ON")  # else their bytes stay in free pages
            there = {row[0] for row in target.execute("SELECT name FROM sqlite_master")}
            for table in kept.emptied:
                if table in there:
                    target.execute(f'DELETE FROM "{table}"')  # noqa: S608 from our own modules
            target.commit()
        return copy.read_bytes()


def is_unused(path: Path, kept: Kept) -> bool:
    """Whether a database has nothing of its user yet; blocking."""
    try:
        with contextlib.closing(open_to_read(path)) as database:
            [(count,)] = database.execute(f'SELECT count(*) FROM "{kept.counted}"')  # noqa: S608
            return bool(count == 0)
    except (sqlite3.Error, ValueError):
        return False


def blocks_of(data: bytes) -> Blocks:
    """Return a hash for each block of a content."""
    return tuple(
        hashlib.blake2b(data[start : start + BLOCK_BYTES], digest_size=16).digest()
        for start in range(0, len(data), BLOCK_BYTES)
    )


def differing(data: bytes, new: Blocks, old: Blocks) -> list[tuple[int, bytes]]:
    """Return the offsets and bytes of the blocks that differ."""
    return [
        (number * BLOCK_BYTES, data[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES])
        for number, digest in enumerate(new)
        if number >= len(old) or old[number] != digest
    ]

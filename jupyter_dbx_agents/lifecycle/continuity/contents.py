"""The content of a file that a program may be writing, without secrets; and its blocks."""

import contextlib
import hashlib
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...agents.conversations import Form, Kept
from ...agents.conversations.databases import open_to_read
from ...errors import ContinuityError, NeverKeptError
from ...git_sync.work import never
from ...secret import Secret

BLOCK_BYTES = 64 * 1024
# A program that keeps a database locked must not stop what else is kept.
_LOCKED_SECONDS = 5.0
_RETRY = "The next look tries again."
# What each secret of a known form has; SQLite finds it without our help.
_NEEDLES = ("dapi", "dkea", "dose", "doai", "dsapi", "PRIVATE KEY")
_FULL_TEXT = re.compile(r"CREATE VIRTUAL TABLE.*\bUSING\s+fts[345]\b", re.IGNORECASE | re.DOTALL)
# Tables of a full-text index that are made from the others.
_OF_INDEX = ("data", "idx", "docsize", "config", "segments", "segdir", "stat")
# In a URL or a header of git's settings.
_CREDENTIALS = re.compile(rb"://[^/\s:@]+:[^/\s@]+@|^\s*extraheader\b", re.IGNORECASE | re.M)
Blocks = tuple[bytes, ...]


def read(path: Path, kept: Kept, secrets: Iterable[Secret]) -> bytes:
    """Return the content to keep; blocking.

    Raises ContinuityError, and NeverKeptError if that does not pass by itself.
    """
    try:
        if kept.form is Form.DATABASE:
            return _read_database(path, kept, tuple(secrets))
        data = path.read_bytes()
    except (OSError, sqlite3.Error) as error:
        raise ContinuityError(f"It cannot be read: {error}.", _RETRY) from error
    if kept.form is Form.LOG:
        data = data[: data.rfind(b"\n") + 1]
    elif kept.form is Form.FILE and not kept.is_conversation and _CREDENTIALS.search(data):
        raise NeverKeptError(
            "It contains a password or a header with credentials.", "Use a credential helper."
        )
    return never.without_secrets(data, secrets)


# ---- databases


def _read_database(path: Path, kept: Kept, secrets: Sequence[Secret]) -> bytes:
    """Return a database as one file, as it is now, without secrets and the rows of some tables.

    A secret is overwritten in its row, not in the file: it may be across the end of a page, or in a
    compressed index.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy.db"
        with (
            contextlib.closing(open_to_read(path)) as source,
            contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as target,
        ):
            _copy(source, target)
            target.execute("PRAGMA journal_mode = DELETE")
            target.execute("PRAGMA secure_delete = ON")  # else their bytes stay in free pages
            there = {row[0] for row in target.execute("SELECT name FROM sqlite_master")}
            for table in kept.emptied:
                if table in there:
                    target.execute(f'DELETE FROM "{table}"')  # noqa: S608 from our own modules
            _Overwriting(target, secrets).run()
            _clear_free_pages(target)
            data = copy.read_bytes()
            if never.has_secret(data, secrets):  # what a row had that was deleted
                target.execute("VACUUM")
                data = copy.read_bytes()
    if never.has_token(data, secrets):
        raise NeverKeptError("It contains a token that cannot be overwritten.", "Delete it there.")
    return data


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy a database in one step; without an end to it, SQLite would wait for a lock forever."""
    until = time.monotonic() + _LOCKED_SECONDS

    def check(status: int, _remaining: int, _total: int) -> None:
        is_waiting = status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        if is_waiting and time.monotonic() > until:
            raise sqlite3.OperationalError("database is locked")

    source.backup(target, progress=check)


class _Overwriting:
    """Overwrites secrets in the rows of a database, and in what full-text indexes have of them."""

    def __init__(self, database: sqlite3.Connection, secrets: Sequence[Secret]) -> None:
        self._database = database
        database.create_function("has_secret", 1, lambda data: never.has_secret(data, secrets))
        database.create_function("cleaned", 1, lambda data: never.without_secrets(data, secrets))
        self._needles = [*_NEEDLES, *(value for each in secrets if (value := each.reveal()))]
        found = " OR ".join(f"instr({{0}}, ?{n + 1})" for n in range(len(self._needles)))
        data = "CAST({0} AS BLOB)"
        is_one = f"typeof({{0}}) IN ('text', 'blob') AND ({found}) AND has_secret({data})"
        text = f"CAST(cleaned({data}) AS TEXT)"
        value = f"CASE typeof({{0}}) WHEN 'text' THEN {text} ELSE cleaned({data}) END"
        # With the table as {1} and the column as {0}, both quoted.
        self._find = f"SELECT 1 FROM {{1}} WHERE {is_one} LIMIT 1"  # noqa: S608
        self._change = f"UPDATE {{1}} SET {{0}} = {value} WHERE {is_one}"  # noqa: S608

    def run(self) -> None:
        """Overwrite all of them."""
        found = [each for each in _columns(self._database) if self._is_in(*each)]
        if not found:
            return
        listing = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = self._database.execute(listing).fetchall()
        for name, _sql in triggers:  # they would change the indexes by what was there before
            self._database.execute(f"DROP TRIGGER {_quoted(name)}")
        for table, column in found:
            self._database.execute(self._change.format(column, table), self._needles)
        for name in map(_quoted, _full_text(self._database)):
            self._database.execute(f"INSERT INTO {name}({name}) VALUES ('rebuild')")  # noqa: S608
        for _name, sql in triggers:
            self._database.execute(sql)

    def _is_in(self, table: str, column: str) -> bool:
        found = self._database.execute(self._find.format(column, table), self._needles)
        return found.fetchone() is not None


def _columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the names of all tables and columns that have contents of their own, quoted."""
    made = {f"{table}_{ending}" for table in _full_text(database) for ending in _OF_INDEX}
    listing = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    is_virtual = re.compile("CREATE VIRTUAL", re.IGNORECASE).match
    tables = [name for name, sql in listing.fetchall() if not is_virtual(sql or "")]
    return [
        (_quoted(table), _quoted(row[1]))
        for table in tables
        if table not in made
        for row in database.execute(f"PRAGMA table_xinfo({_quoted(table)})")
        if row[6] == 0  # else it is computed
    ]


def _full_text(database: sqlite3.Connection) -> list[str]:
    listing = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    return [name for name, sql in listing if _FULL_TEXT.match(sql or "")]


def _clear_free_pages(database: sqlite3.Connection) -> None:
    """Overwrite the pages that no table uses: they have what was in rows that were deleted.

    Unlike VACUUM this leaves all others in place, so that few blocks differ from the last copy.
    """
    [(count,)] = database.execute("PRAGMA freelist_count")
    [(size,)] = database.execute("PRAGMA page_size")
    if count:
        database.execute("CREATE TABLE dbx_free_pages (zeros)")
        database.execute("INSERT INTO dbx_free_pages VALUES (zeroblob(?))", (count * size,))
        database.execute("DROP TABLE dbx_free_pages")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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

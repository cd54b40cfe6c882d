"""What executes SQL: an interface, and SQLite with a sample catalog behind it."""

from __future__ import annotations

import re
import sqlite3
import threading
from dataclasses import dataclass
from typing import Any, Protocol

CATALOG = "samples"
# Text is passed on as it is; a catalog before a schema is left out, since SQLite has no such level.
_CATALOG = re.compile(rf"('(?:[^']|'')*')|(?<![\w.`])`?{CATALOG}`?\.(?=[\w`]+\.)", re.IGNORECASE)
_SHOW_TABLES = re.compile(rf"\s*show\s+tables\s+(?:in|from)\s+(?:{CATALOG}\.)?(\w+)\s*;?\s*", re.I)
_DESCRIBE = re.compile(
    rf"\s*desc(?:ribe)?\s+(?:table\s+)?(?:{CATALOG}\.)?(\w+)\.(\w+)\s*;?\s*", re.I
)
_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_SAMPLES = """
ATTACH ':memory:' AS nyctaxi;
CREATE TABLE nyctaxi.trips (
  trip_id INTEGER, pickup_zip TEXT, dropoff_zip TEXT, trip_distance REAL, fare_amount REAL);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
INSERT INTO nyctaxi.trips
SELECT i, printf('100%02d', i % 7), printf('100%02d', i % 11),
  round(0.5 + (i * 37 % 100) / 10.0, 1), round(3.0 + (i * 37 % 100) / 4.0, 2) FROM n;
ATTACH ':memory:' AS bakehouse;
CREATE TABLE bakehouse.franchises (franchise_id INTEGER, name TEXT, city TEXT, revenue REAL);
INSERT INTO bakehouse.franchises VALUES (1, 'Golden Crumbs', 'Lisbon', 81250.5),
  (2, 'Rye and Shine', 'Oslo', 64300.0), (3, 'Baked Bliss', 'Tokyo', 99120.25);
"""


class SqlError(Exception):
    """A statement failed; the text says why."""


@dataclass(frozen=True)
class Rows:
    """What a statement returned; without columns it returned nothing."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table and its columns with their types."""

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]


class SqlEngine(Protocol):
    """Executes the statements of the workspace; thread-safe."""

    def execute(self, statement: str, *, may_write: bool = True) -> Rows:
        """Execute one statement.  Raises SqlError."""

    def tables(self) -> list[Table]:
        """Return the tables that there are."""


class SqliteEngine:
    """SQLite in memory, with the sample catalog."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            ":memory:", check_same_thread=False, isolation_level=None
        )
        self._connection.executescript(_SAMPLES)

    def execute(self, statement: str, *, may_write: bool = True) -> Rows:
        """Execute one statement.  Raises SqlError."""
        with self._lock:
            if not may_write:
                self._connection.set_authorizer(_only_reading)
            try:
                cursor = self._connection.execute(translated(statement))
                columns = tuple(column[0] for column in cursor.description or ())
                return Rows(columns, tuple(cursor.fetchall()))
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise SqlError(str(error)) from None
            finally:
                self._connection.set_authorizer(None)

    def tables(self) -> list[Table]:
        """Return the tables that there are."""
        found = self.execute(
            "SELECT schema, name FROM pragma_table_list "
            "WHERE type = 'table' AND schema NOT IN ('main', 'temp') AND name NOT LIKE 'sqlite%' "
            "ORDER BY schema, name"
        )
        return [Table(schema, name, self._columns(schema, name)) for schema, name in found.rows]

    def _columns(self, schema: str, name: str) -> tuple[tuple[str, str], ...]:
        return self.execute(f"DESCRIBE {schema}.{name}").rows


def translated(statement: str) -> str:
    """Return a statement of Databricks in SQLite's words, as far as the samples need it."""
    if match := _SHOW_TABLES.fullmatch(statement):
        return (  # a word
            "SELECT schema AS database, name AS tableName FROM pragma_table_list "  # noqa: S608
            f"WHERE schema = '{match[1]}' AND name NOT LIKE 'sqlite%'"
        )
    if match := _DESCRIBE.fullmatch(statement):
        return (
            "SELECT name AS col_name, lower(type) AS data_type "  # noqa: S608 likewise
            f"FROM pragma_table_info('{match[2]}', '{match[1]}')"
        )
    return _CATALOG.sub(lambda found: found[1] or "", statement)


def _only_reading(action: int, *_what: Any) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY

"""The data for the workspace's MCP servers: what ``mcp.engine`` asks of an engine."""

from __future__ import annotations

import httpx

from ..mcp.engine import Rows, SqlError, Table
from . import sample
from .answers import SqlError as StatementError
from .answers import corrected, failure_of
from .dialect import is_one_statement, translate
from .process import STATEMENT_SECONDS

# Genie adds up what has one of these types, in the words of the engine that it was made with.
_NUMBERS = {
    "int": "integer",
    "bigint": "integer",
    "smallint": "integer",
    "double": "real",
    "float": "real",
}


class LakeEngine:
    """Executes statements on the program that has the data; thread-safe."""

    def __init__(self, url: str, warehouse_id: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=STATEMENT_SECONDS)
        self._warehouse_id = warehouse_id

    def execute(self, statement: str, *, may_write: bool = True) -> Rows:
        """Execute one statement.  Raises SqlError."""
        try:
            words = translate(statement, (), sample.CATALOG, sample.SCHEMA)
        except StatementError as error:
            raise SqlError(str(error)) from None
        if not may_write:
            words = _as_query(words)
        place = {"catalog": sample.CATALOG, "schema": sample.SCHEMA}
        body = {"statement": words, "warehouse_id": self._warehouse_id, **place}
        try:
            reply = self._client.post("/api/2.0/sql/statements", json=body)
        except httpx.HTTPError as error:
            raise SqlError(f"The data is not there ({type(error).__name__}).") from None
        if not reply.is_success:
            raise SqlError(failure_of(reply.json()) or str(reply.json().get("message", "")))
        return _rows(corrected(reply.json()))

    def tables(self) -> list[Table]:
        """Return the tables that there are."""
        return [
            Table(schema, name, self._columns(f"{sample.CATALOG}.{schema}.{name}"))
            for (schema,) in self.execute(f"SHOW SCHEMAS IN {sample.CATALOG}").rows
            for (_schema, name, _temporary) in self.execute(
                f"SHOW TABLES IN {sample.CATALOG}.{schema}"
            ).rows
        ]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _columns(self, table: str) -> tuple[tuple[str, str], ...]:
        rows = self.execute(f"DESCRIBE TABLE {table}").rows
        return tuple((name, _type(kind)) for name, kind, _comment in rows)


def _type(kind: str) -> str:
    return "real" if kind.startswith("decimal") else _NUMBERS.get(kind, kind)


def _as_query(statement: str) -> str:
    """Return a statement that can only read: inside of a query there is none that writes."""
    if not is_one_statement(statement):
        raise SqlError("A tool that only reads takes one statement.")
    return f"SELECT * FROM (\n{statement.strip().rstrip(';')}\n)"  # noqa: S608 it is SQL


def _rows(reply: dict[str, object]) -> Rows:
    manifest, result = reply.get("manifest"), reply.get("result")
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    columns = schema.get("columns", []) if isinstance(schema, dict) else []
    data = result.get("data_array", []) if isinstance(result, dict) else []
    return Rows(tuple(str(column["name"]) for column in columns), tuple(map(tuple, data)))

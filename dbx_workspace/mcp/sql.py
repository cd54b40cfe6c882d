"""Databricks SQL: statements that are begun by one tool and fetched by another if they last."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from .engine import Rows, SqlEngine, SqlError
from .tools import TEXT, Json, Tool, ToolError, ToolServer


@dataclass
class SqlTools:
    """The tools; a statement is ``pending_polls`` times not ready when it is asked for."""

    engine: SqlEngine
    pending_polls: int = 0
    _waiting: dict[str, tuple[int, Json]] = field(default_factory=dict)

    def server(self) -> ToolServer:
        """Return the server."""
        query = {"query": {**TEXT, "description": "One SQL statement."}}
        return ToolServer(
            "databricks_sql",
            "sql",
            (
                Tool("execute_sql", "Execute SQL that reads or writes.", query, self._write, False),
                Tool("execute_sql_read_only", "Execute SQL that only reads.", query, self._read),
                Tool(
                    "poll_sql_result",
                    "Return the result of a statement that was not ready.",
                    {"statement_id": TEXT},
                    self._poll,
                ),
            ),
        )

    def _write(self, arguments: Json) -> Json:
        return self._execute(arguments, may_write=True)

    def _read(self, arguments: Json) -> Json:
        return self._execute(arguments, may_write=False)

    def _execute(self, arguments: Json, *, may_write: bool) -> Json:
        statement_id = str(uuid.uuid4())
        try:
            rows = self.engine.execute(str(arguments["query"]), may_write=may_write)
        except SqlError as error:
            failed = {"state": "FAILED", "error": {"message": str(error)}}
            return {"statement_id": statement_id, "status": failed}
        result = {"statement_id": statement_id, **_succeeded(rows)}
        if self.pending_polls == 0:
            return result
        self._waiting[statement_id] = (self.pending_polls, result)
        return {"statement_id": statement_id, "status": {"state": "PENDING"}}

    def _poll(self, arguments: Json) -> Json:
        statement_id = str(arguments["statement_id"])
        if statement_id not in self._waiting:
            raise ToolError(f"There is no statement {statement_id}.")
        left, result = self._waiting.pop(statement_id)
        if left > 1:
            self._waiting[statement_id] = (left - 1, result)
            return {"statement_id": statement_id, "status": {"state": "RUNNING"}}
        return result


def _succeeded(rows: Rows) -> Json:
    columns = [{"name": name, "position": place} for place, name in enumerate(rows.columns)]
    values = [
        {"values": [{} if value is None else {"string_value": str(value)} for value in row]}
        for row in rows.rows
    ]
    return {
        "status": {"state": "SUCCEEDED"},
        "manifest": {"schema": {"columns": columns}, "total_row_count": len(rows.rows)},
        "result": {"data_array": values},
    }

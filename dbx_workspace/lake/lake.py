"""The data as the rest of the workspace sees it: statements, and requests that are handed on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from . import sample
from .answers import Json, SqlError, corrected, failed, failure_of
from .dialect import translate
from .engine import LakeEngine
from .process import LakeError, LakeProcess

STATEMENTS_PATH = "/api/2.0/sql/statements"
# As many as the program remembers.
MOST_FAILURES = 500


class Lake:
    """The data of a workspace."""

    def __init__(self, process: LakeProcess) -> None:
        self._process = process
        self._failures: dict[str, str] = {}
        self.warehouse_id = ""

    @property
    def client(self) -> httpx.AsyncClient:
        """The program's client."""
        return self._process.client

    def engine(self) -> LakeEngine:
        """Return an engine for the workspace's MCP servers."""
        return LakeEngine(str(self.client.base_url), self.warehouse_id)

    async def fill(self) -> None:
        """Make a warehouse and the sample catalog.  Raises LakeError."""
        made = await self._ask("POST", "/api/2.0/sql/warehouses", sample.WAREHOUSE)
        self.warehouse_id = str(made["id"])
        await self._ask("POST", "/api/2.1/unity-catalog/catalogs", {"name": sample.CATALOG})
        for schema in sample.SCHEMAS:
            place = {"name": schema, "catalog_name": sample.CATALOG}
            await self._ask("POST", "/api/2.1/unity-catalog/schemas", place)
        for statement in sample.STATEMENTS:
            await self.execute(statement)

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Json]:
        """Run a statement; return its rows, each by column, with values as text.

        Raises LakeError with the message of one that fails.
        """
        reply = await self.run(
            {
                "statement": statement,
                "parameters": list(parameters),
                "warehouse_id": self.warehouse_id,
            }
        )
        if reply["status"]["state"] != "SUCCEEDED":
            raise LakeError(reply["status"]["error"]["message"])
        columns = reply.get("manifest", {}).get("schema", {}).get("columns", [])
        names = [str(column["name"]) for column in columns]
        rows = reply.get("result", {}).get("data_array", [])
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def run(self, request: Mapping[str, Any]) -> Json:
        """Run a request of the Statement Execution API; return its reply.

        Raises LakeError for a request that the program does not accept.
        """
        statement_id = str(uuid.uuid4())
        catalog = str(request.get("catalog") or sample.CATALOG)
        schema = str(request.get("schema") or sample.SCHEMA)
        try:
            statement = translate(
                str(request.get("statement", "")), request.get("parameters") or (), catalog, schema
            )
        except SqlError as error:
            return self._failed(statement_id, str(error))
        body = {**request, "statement": statement, "catalog": catalog, "schema": schema}
        body.pop("parameters", None)
        reply = await self.client.post(STATEMENTS_PATH, json=body)
        answer = reply.json()
        if reply.is_success:
            return corrected(answer)
        message = failure_of(answer)
        if message is None:
            raise LakeError(str(answer.get("message", reply.text)))
        return self._failed(statement_id, message)

    def failure(self, statement_id: str) -> Json | None:
        """Return the reply for a statement that failed, None for others."""
        message = self._failures.get(statement_id)
        return None if message is None else failed(statement_id, message)

    def _failed(self, statement_id: str, message: str) -> Json:
        self._failures[statement_id] = message
        while len(self._failures) > MOST_FAILURES:
            del self._failures[next(iter(self._failures))]
        return failed(statement_id, message)

    async def _ask(self, method: str, path: str, body: Json) -> Json:
        reply = await self.client.request(method, path, json=body)
        if not reply.is_success:
            raise LakeError(f"{path}: {reply.text[:300]}")
        return dict(reply.json())

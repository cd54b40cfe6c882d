"""The demo's workspace has data: whoever asks as the owner asks a real engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.support.constants import NO_AGENTS
from tests.support.effort import IS_LONG
from tests.support.running_app import RunningApp, eventually

ROOT = Path(__file__).resolve().parents[2]
TOP_PRODUCTS = """
SELECT name, sum(quantity * price) AS revenue
FROM samples.bakery.orders JOIN samples.bakery.products USING (product_id)
GROUP BY name ORDER BY revenue DESC LIMIT 2
"""
# The demo keeps the program that has the data where it runs.
PROGRAM = """
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.sql import StatementParameterListItem as Parameter

client = WorkspaceClient()
[warehouse] = client.warehouses.list()
print("warehouse", warehouse.name, warehouse.state.value, warehouse.creator_name)


def ask(statement, *parameters):
    return client.statement_execution.execute_statement(
        statement=statement, warehouse_id=warehouse.id, parameters=list(parameters)
    )


def show(name, reply):
    print(name, reply.status.state.value, reply.result and reply.result.data_array)


top = ask(
    "SELECT name, count(*) AS n, min(ordered_at) FROM samples.bakery.orders JOIN products "
    "USING (product_id) WHERE product_id = :id GROUP BY name",
    Parameter(name="id", value="3", type="INT"),
)
show("rows", top)
print("types", [column.type_name.value for column in top.manifest.schema.columns])
show("tables", ask("SHOW TABLES IN samples.bakery"))
show("described", ask("DESCRIBE TABLE products"))
failed = ask("SELECT nothing FROM products")
print("failed", failed.status.state.value, failed.status.error.message.split("]")[0])
again = client.statement_execution.get_statement(failed.statement_id)
print("again", again.status.state.value)
print("catalogs", [catalog.name for catalog in client.catalogs.list()])
print("names", [table.name for table in client.tables.list("samples", "bakery")])
try:
    client.statement_execution.execute_statement(statement="SELECT 1", warehouse_id="none")
except DatabricksError as error:
    print("refused", type(error).__name__)
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """A demo with data and without agents."""
    folder = tmp_path_factory.mktemp("data")
    running = RunningApp(folder / "home", folder / "log", NO_AGENTS, cwd=ROOT, has_data=True)
    yield running
    running.stop()


def until_data(app: RunningApp) -> None:
    said = eventually(lambda: re.findall("data: .*", app.log.read_text()), 300)
    assert said == ["data: SQL on the catalog “samples”"]


def test_a_program_of_the_owners_really_queries(app: RunningApp):
    app.log_in()
    until_data(app)
    (app.home / "ask.py").write_text(PROGRAM)
    with app.owner.terminal() as terminal:
        lines = terminal.run("cd /tmp && python ~/ask.py").splitlines()
    said = dict(line.split(" ", 1) for line in lines)
    assert said["warehouse"] == f"Starter Warehouse RUNNING {app.lines['owner']}"
    assert said["rows"] == "SUCCEEDED [['Pretzel', '250', '2026-01-01T15:42:00.000Z']]"
    assert said["types"] == "['STRING', 'LONG', 'TIMESTAMP']"
    assert "['bakery', 'orders', 'false']" in "".join(lines)
    assert "['product_id', 'int', None]" in said["described"]
    assert said["failed"] == "FAILED [UNRESOLVED_COLUMN"
    assert said["again"] == "FAILED"
    assert said["names"] == "['customers', 'orders', 'products']"
    assert said["catalogs"] == "['samples']"
    assert said["refused"] == "InvalidParameterValue"


def test_agents_are_told_of_the_warehouse_once_it_is_there(app: RunningApp):
    app.log_in()
    until_data(app)
    rules = app.home / ".claude" / "rules" / "databricks.md"
    eventually(lambda: "Starter Warehouse: 2X-Small, running, serverless" in rules.read_text())
    assert "`samples.default`" in rules.read_text()


def test_the_mcp_servers_ask_the_same_data_and_a_reading_tool_cannot_write(app: RunningApp):
    until_data(app)
    token = app.control.mint(app.lines["owner"]).token_value
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    address = f"{app.lines['workspace']}/api/2.0/mcp/sql"

    def call(tool: str, query: str) -> str:
        method = {"name": tool, "arguments": {"query": query}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": method}
        with httpx.Client(headers=headers | session, trust_env=False) as client:
            return client.post(address, json=body).text

    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t"}}
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": begin}
    begun = httpx.post(address, json=body, headers=headers)
    session = {"Mcp-Session-Id": begun.headers.get("Mcp-Session-Id", "")}
    query = "SELECT count(*) AS orders_there FROM samples.bakery.orders"
    assert "orders_there" in (said := call("execute_sql_read_only", query)) and "2000" in said
    for writing in (
        "DELETE FROM samples.bakery.orders",
        "SELECT 1); DELETE FROM samples.bakery.orders; --",
        "WITH a AS (SELECT 1) DELETE FROM samples.bakery.orders",
    ):
        assert "FAILED" in call("execute_sql_read_only", writing)
    assert "2000" in call("execute_sql_read_only", query)
    assert "SUCCEEDED" in call("execute_sql", "CREATE TABLE samples.bakery.made AS SELECT 1 AS a")


def test_an_mcp_client_answers_with_rows_of_the_samples_by_sql_and_by_genie(app: RunningApp):
    """As an agent does it: by what is in an agent's file, through the broker, to the data."""
    app.log_in()
    until_data(app)
    codex = app.home / ".codex" / "config.toml"
    eventually(lambda: "[mcp_servers.dbx-genie]" in codex.read_text(), 60, "the agents' servers")
    servers = tomllib.loads(codex.read_text())["mcp_servers"]

    async def answers() -> tuple[str, str]:
        async with client_of(servers["dbx-sql"]) as sql:
            rows = await said(sql, "execute_sql_read_only", query=TOP_PRODUCTS)
        async with client_of(servers["dbx-genie"]) as genie:
            asked = await said(genie, "genie_ask", question="How many orders by product id?")
            ids = {key: json.loads(asked)[key] for key in ("conversation_id", "response_id")}
            return rows, await said(genie, "genie_poll_response", **ids)

    rows, answer = asyncio.run(answers())
    values = [  # 250 orders of four each
        [value["string_value"] for value in row["values"]]
        for row in json.loads(rows)["result"]["data_array"]
    ]
    assert values == [["Rye bread", "4800.00"], ["Plum cake", "3600.00"]]
    assert json.loads(answer)["status"] == "completed"
    assert "3, 250" in json.loads(answer)["final_answer"].splitlines()


@contextlib.asynccontextmanager
async def client_of(server: dict[str, Any]) -> AsyncIterator[Client]:
    """A client of a server that is in an agent's file."""
    async with (
        create_mcp_http_client(headers=server["http_headers"]) as http,
        Client(streamable_http_client(server["url"], http_client=http)) as client,
    ):
        yield client


async def said(client: Client, tool: str, **arguments: str) -> str:
    return "".join(part.text for part in (await client.call_tool(tool, arguments)).content)


def test_the_data_needs_the_owners_token_and_its_scope(app: RunningApp):
    until_data(app)
    address = f"{app.lines['workspace']}/api/2.0/sql/warehouses"
    assert httpx.get(address).status_code == 401
    narrow = app.control.mint(app.lines["owner"], scopes=["workspace"]).token_value
    refused = httpx.get(address, headers={"Authorization": f"Bearer {narrow}"})
    assert refused.status_code == 403 and "scopes: sql" in json.dumps(refused.json())


@pytest.mark.skipif(not IS_LONG, reason="another demo, half a minute: make test-long")
def test_where_it_cannot_be_had_the_demo_runs_and_says_so(tmp_path: Path):
    nowhere = "http://127.0.0.1:9/simple"
    variables = {
        "PIP_INDEX_URL": nowhere,
        "PIP_RETRIES": "0",
        "UV_DEFAULT_INDEX": nowhere,
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PYTHONPATH": str(ROOT),
    }
    running = RunningApp(
        tmp_path / "home",
        tmp_path / "log",
        NO_AGENTS,
        cwd=tmp_path,
        has_data=True,
        variables=variables,
    )
    try:
        said = eventually(lambda: re.findall("data: .*", running.log.read_text()), 120)
        assert "data: none, so SQL cannot be tried: pip failed" in said[0]
        running.log_in()
        code = "from databricks.sdk import WorkspaceClient as W; print([*W().warehouses.list()])"
        with running.owner.terminal() as terminal:
            assert terminal.run(f"python -c '{code}'").strip() == "[]"
    finally:
        running.stop()

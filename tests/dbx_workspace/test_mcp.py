"""The MCP servers of the local workspace, by the ``mcp`` package's client."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from dbx_workspace.mcp.engine import SqlError, SqliteEngine
from dbx_workspace.mcp.state import SPACE_ID
from dbx_workspace.server import LocalWorkspace
from tests.support.constants import OWNER
from tests.support.local_workspace import local_workspace

SQL, GENIE = "/api/2.0/mcp/sql", "/api/2.0/mcp/genie"
FUNCTIONS = "/api/2.0/mcp/functions/samples/tools"


@contextlib.asynccontextmanager
async def clients(path: str, **switches: Any) -> AsyncIterator[tuple[Client, LocalWorkspace]]:
    async with local_workspace() as (server, _, pat):
        server.workspace.mcp.change(**switches)
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {pat.reveal()}"})
        async with http:
            transport = streamable_http_client(server.url + path, http_client=http)
            async with Client(transport) as client:
                yield client, server


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    return result.structured_content


def values(result: Any) -> list[list[str]]:
    rows = result["result"]["data_array"]
    return [[cell.get("string_value") for cell in row["values"]] for row in rows]


@pytest.mark.parametrize("switches", [{}, {"answers_json": True}, {"has_sessions": False}])
async def test_sql_is_executed(switches: dict[str, Any]):
    async with clients(SQL, **switches) as (client, _):
        query = "SELECT name, revenue FROM samples.bakehouse.franchises ORDER BY revenue DESC"
        found = await call(client, "execute_sql_read_only", query=query)
        assert found["status"] == {"state": "SUCCEEDED"}
        assert values(found)[0] == ["Baked Bliss", "99120.25"]
        await call(client, "execute_sql", query="CREATE TABLE bakehouse.mine (a INTEGER)")
        await call(client, "execute_sql", query="INSERT INTO samples.bakehouse.mine VALUES (42)")
        read = await call(client, "execute_sql_read_only", query="SELECT a FROM bakehouse.mine")
        assert values(read) == [["42"]]


async def test_a_read_only_statement_changes_nothing_and_a_wrong_one_fails_with_its_reason():
    async with clients(SQL) as (client, _):
        for query in (
            "DROP TABLE bakehouse.franchises",
            "DELETE FROM nyctaxi.trips",
            "ATTACH 'x' AS x",
        ):
            failed = await call(client, "execute_sql_read_only", query=query)
            assert failed["status"]["state"] == "FAILED"
            assert "not authorized" in failed["status"]["error"]["message"]
        failed = await call(client, "execute_sql", query="SELEC 1")
        assert "syntax error" in failed["status"]["error"]["message"]


async def test_a_statement_that_lasts_is_polled():
    async with clients(SQL, pending_polls=2) as (client, _):
        state = await call(client, "execute_sql", query="SELECT 1")
        seen = [state["status"]["state"]]
        while seen[-1] != "SUCCEEDED":
            state = await call(client, "poll_sql_result", statement_id=state["statement_id"])
            seen.append(state["status"]["state"])
        assert seen == ["PENDING", "RUNNING", "SUCCEEDED"]
        assert values(state) == [["1"]]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many trips are there?", "count(*)\n200"),
        ("What is the highest revenue of a franchise?", "max(revenue)\n99120.25"),
        ("Average fare amount of trips by pickup zip", "pickup_zip, avg(fare_amount)\n10000, "),
    ],
)
async def test_genie_answers_by_a_query_that_is_executed(question: str, answer: str):
    async with clients(GENIE) as (client, server):
        asked = await call(client, "genie_ask", question=question)
        ids = {key: asked[key] for key in ("conversation_id", "response_id")}
        said = await call(client, "genie_poll_response", **ids)
        assert said["status"] == "completed"
        assert said["final_answer"].startswith(answer)
        rows = server.workspace.mcp.engine.execute(said["query_items"][0]["sql"])
        assert str(rows.rows[0][-1]) in said["final_answer"]


async def test_a_space_answers_at_once_and_says_what_it_knows():
    async with clients(f"{GENIE}/{SPACE_ID}") as (client, _):
        said = await call(client, f"query_space_{SPACE_ID}", query="total fare of trips")
        assert said["status"] == "completed"
        said = await call(client, f"query_space_{SPACE_ID}", query="zzz")
        assert said["status"] == "failed" and "nyctaxi.trips" in said["final_answer"]


async def test_functions_compute():
    async with clients(FUNCTIONS) as (client, _):
        places = {"lat1": 48.8566, "lon1": 2.3522, "lat2": 51.5074, "lon2": -0.1278}
        assert await call(client, "samples__tools__distance_km", **places) == {"result": 343.6}
        later = await call(client, "samples__tools__add_days", start="2024-02-28", days=2)
        assert later == {"result": "2024-03-01"}
        wrong = await client.call_tool("samples__tools__add_days", {"start": "x", "days": 1})
        assert wrong.is_error


async def test_the_tools_of_a_large_server_come_in_pages():
    async with clients(SQL, extra_tools=2000) as (client, _):
        tools, cursor = [], None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(tools) == 2003


async def test_a_restart_loses_the_sessions_and_a_token_needs_the_servers_scope():
    async with (
        local_workspace() as (server, _, pat),
        httpx.AsyncClient() as http,
    ):
        http.base_url = server.url
        key = {"Authorization": f"Bearer {pat.reveal()}"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        session = (await http.post(SQL, json=body, headers=key)).headers["mcp-session-id"]
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        headers = {**key, "Mcp-Session-Id": session}
        assert (await http.post(SQL, json=ping, headers=headers)).status_code == 200
        server.workspace.mcp.restart()
        assert (await http.post(SQL, json=ping, headers=headers)).status_code == 404
        assert (await http.post(SQL, json=body)).status_code == 401
        value, _token = server.workspace.tokens.mint(OWNER, scopes=["genie"])
        key = {"Authorization": f"Bearer {value}"}
        assert (await http.post(SQL, json=body, headers=key)).status_code == 403
        assert (await http.post(GENIE, json=body, headers=key)).status_code == 200
        assert (await http.post("/api/2.0/mcp/other", json=body, headers=key)).status_code == 404


def test_statements_of_databricks_are_understood_as_far_as_the_samples_need_it():
    engine = SqliteEngine()
    tables = engine.execute("SHOW TABLES IN samples.nyctaxi").rows
    assert tables == (("nyctaxi", "trips"),)
    described = engine.execute("DESCRIBE TABLE samples.bakehouse.franchises").rows
    assert ("city", "text") in described
    assert engine.execute("SELECT 'samples.a.b', ' it''s samples.x.y'").rows[0][0] == "samples.a.b"
    assert engine.execute("SELECT count(*) FROM `samples`.`nyctaxi`.`trips`").rows == ((200,),)
    with pytest.raises(SqlError):
        engine.execute("SELECT 1; SELECT 2")

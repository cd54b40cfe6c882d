"""The ``mcp`` package's client speaks to its own server through the broker, as if to it alone."""

import asyncio
from typing import Any

import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from ..scripted_gateway import FIRST_PAT, NEXT_PAT, until
from .sdk_server import McpSite, mcp_site

LONG_SECONDS = 75
# A second of a long call is so much shorter here; so are the limits that it must not meet.
SCALE = 100


def text_of(result: CallToolResult) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


async def test_a_session_lists_calls_pings_and_ends():
    async with mcp_site() as site:
        async with site.client() as client:
            assert client.server_info.name == "sdk"
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names[:2] == ["add", "write"]
            assert text_of(await client.call_tool("add", {"a": 1, "b": 2})) == "3"
            assert text_of(await client.call_tool("write", {"text": "x"})) == "wrote x"
            await client.session.send_ping()
        await until(lambda: "DELETE" in [m for m, _ in site.server.seen])
        assert site.server.written == ["x"]


async def test_every_version_with_initialize_is_spoken():
    async with mcp_site() as site, httpx.AsyncClient(headers=site.key) as http:
        for version in ("2025-11-25", "2025-06-18", "2025-03-26", "1999-01-01"):
            reply = await begin(http, site, version)
            said = reply.json()["result"]["protocolVersion"]
            assert said == (version if version.startswith("2025") else "2025-11-25")
            assert reply.headers["mcp-session-id"]


async def test_progress_of_a_call_comes_while_it_runs():
    async with mcp_site() as site, site.client() as client:
        seen: list[Any] = []
        is_waiting = asyncio.Event()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            seen.append((progress, total, message))
            is_waiting.set()

        call = asyncio.create_task(client.call_tool("wait", {}, progress_callback=note))
        await asyncio.wait_for(is_waiting.wait(), 10)
        assert not call.done()
        site.server.release.set()
        assert text_of(await call) == "released"
        assert seen == [(0, 1, "waiting")]


async def test_a_cancelled_call_is_cancelled_at_the_workspace():
    async with mcp_site() as site, site.client() as client:
        with pytest.raises(MCPError):
            await client.call_tool("wait", {}, read_timeout_seconds=0.3)
        await until(lambda: site.server.cancelled == ["wait"])
        assert text_of(await client.call_tool("add", {"a": 2, "b": 2})) == "4"


async def test_an_answer_whose_stream_ends_is_continued_from_its_last_event():
    async with mcp_site() as site, site.client() as client:
        assert text_of(await client.call_tool("cut", {})) == "continued"
        assert [m for m, h in site.server.seen if m == "GET" and "last-event-id" in h]


async def test_an_agent_that_lost_its_connection_continues_the_answer_itself():
    async with mcp_site() as site, httpx.AsyncClient(headers=site.key) as http:
        session = {"Mcp-Session-Id": (await begin(http, site)).headers["mcp-session-id"]}
        call = request("tools/call", {"name": "wait", "arguments": {}}, token="t")
        accepts = {"Accept": "application/json, text/event-stream", **session}
        last = ""
        async with http.stream("POST", site.url, json=call, headers=accepts) as answer:
            async for line in answer.aiter_lines():
                last = line.removeprefix("id: ") if line.startswith("id: ") else last
                if "waiting" in line:
                    break
        site.server.release.set()
        resumed = {"Last-Event-ID": last, "Accept": "text/event-stream", **session}
        async with http.stream("GET", site.url, headers=resumed) as answer:
            async for line in answer.aiter_lines():
                if "released" in line:
                    return
        raise AssertionError("the answer did not come")


async def test_the_servers_own_messages_reach_the_agent_and_new_tools_are_listed():
    async with mcp_site() as site:
        told = asyncio.Event()

        async def note(message: Any) -> None:
            if "ToolListChanged" in type(message).__name__:
                told.set()

        async with site.client(message_handler=note) as client:
            await client.call_tool("add", {"a": 1, "b": 1})
            await until(lambda: [m for m, _ in site.server.seen if m == "GET"])
            await client.call_tool("grow", {})
            await asyncio.wait_for(told.wait(), 10)
            assert "grown" in [tool.name for tool in (await client.list_tools()).tools]


async def test_a_call_of_75_seconds_is_answered():
    async with mcp_site(mcp_stall_seconds=300 / SCALE) as site, site.client() as client:
        call = asyncio.create_task(client.call_tool("wait", {}))
        await asyncio.sleep(LONG_SECONDS / SCALE)
        site.server.release.set()
        assert text_of(await call) == "released"


async def test_a_result_of_100_mb_passes():
    async with mcp_site(server={"json_response": True}) as site:
        async with httpx.AsyncClient(headers=site.key, timeout=120) as http:
            session = {"Mcp-Session-Id": (await begin(http, site)).headers["mcp-session-id"]}
            call = request("tools/call", {"name": "large", "arguments": {"megabytes": 50}})
            size = 0
            async with http.stream("POST", site.url, json=call, headers=session) as answer:
                async for chunk in answer.aiter_raw():
                    size += len(chunk)
        assert size > 100 * 1024 * 1024  # the text, and once more as structured content


async def test_a_restart_of_the_workspaces_server_is_not_noticed():
    async with mcp_site() as site, site.client() as client:
        assert text_of(await client.call_tool("write", {"text": "a"})) == "wrote a"
        await site.server.begin()
        assert text_of(await client.call_tool("write", {"text": "b"})) == "wrote b"
        assert site.server.written == ["a", "b"]


async def test_a_refused_token_is_not_noticed():
    async with mcp_site() as site, site.client() as client:
        assert text_of(await client.call_tool("write", {"text": "a"})) == "wrote a"
        site.server.accepted = {NEXT_PAT}
        assert text_of(await client.call_tool("write", {"text": "b"})) == "wrote b"
        assert site.pats.refused == [FIRST_PAT]
        assert site.server.written == ["a", "b"]


async def test_a_lapsed_token_is_said_and_after_the_paste_the_same_session_works():
    async with mcp_site() as site, site.client() as client:
        await client.call_tool("add", {"a": 1, "b": 1})
        tokens, site.pats.tokens = site.pats.tokens, []
        site.pats.state = type(site.pats.state).EXPIRED
        with pytest.raises(MCPError, match="Paste a token"):
            await client.call_tool("write", {"text": "a"})
        site.pats.tokens, site.pats.state = tokens, type(site.pats.state).ACTIVE
        assert text_of(await client.call_tool("write", {"text": "b"})) == "wrote b"
        assert site.server.written == ["b"]


async def test_stateless_servers_and_json_answers_work_too():
    options = {"stateless_http": True, "json_response": True}
    async with mcp_site(server=options) as site, site.client() as client:
        assert text_of(await client.call_tool("add", {"a": 1, "b": 2})) == "3"
        assert text_of(await client.call_tool("add", {"a": 2, "b": 2})) == "4"


def request(method: str, params: Any, token: str = "") -> dict[str, Any]:
    """A request as a client sends it."""
    meta = {"_meta": {"progressToken": token}} if token else {}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, **meta}}


async def begin(
    http: httpx.AsyncClient, site: McpSite, version: str = "2025-11-25"
) -> httpx.Response:
    """Begin a session as a client does."""
    client = {"clientInfo": {"name": "t", "version": "1"}, "capabilities": {}}
    body = request("initialize", {"protocolVersion": version, **client})
    return await http.post(site.url, json=body)

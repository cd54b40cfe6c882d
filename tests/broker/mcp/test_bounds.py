"""What agents and servers may hold of the broker: tasks, bytes, sessions; and for how long."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_dbx_agents.broker.mcp import catalog, messages, sessions
from jupyter_dbx_agents.broker.mcp.events import MOST_WAITING_BYTES, EventQueue

from ..scripted_gateway import Exchange, broker_for, until
from .test_faults import NAME, PATH, READ, Agent, Workspace, agent_of, done, request

MANY = [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(2000)]


async def test_thousands_of_tools_are_encoded_once_for_all_agents(
    monkeypatch: pytest.MonkeyPatch,
):
    async with agent_of(tools=MANY) as agent:
        first = (await agent.post(request("tools/list", {}))).json()
        encoded: list[int] = []

        def dumps(content: Any) -> str:
            text = json.dumps(content)
            encoded.append(len(text))
            return text

        monkeypatch.setattr(messages, "json", SimpleNamespace(dumps=dumps, loads=json.loads))
        for _ in range(3):
            assert (await agent.post(request("tools/list", {}))).json() == first
        assert first["result"]["tools"] == MANY
        assert encoded and sum(encoded) < 1000


async def test_the_lists_of_all_servers_have_one_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalog, "MOST_LISTED_BYTES", 1000 + 2 * len(json.dumps(MANY)))
    async with broker_for(Workspace(done, tools=MANY)) as site:
        mcp = site.broker.mcp
        mcp.offer({f"s{n}": (f"{PATH[:-3]}functions/a/s{n}",) for n in range(3)})
        await until(lambda: all(s.state != "unknown" for s in mcp.catalog.all()))
        states = [(s.state, len(s.tools), "Switch one off" in s.problem) for s in mcp.catalog.all()]
        assert sorted(states) == [("failed", 0, True), *[("ready", 2000, False)] * 2]
        kept = {s.name: (s.paths[0],) for s in mcp.catalog.all() if s.state == "ready"}
        (other,) = {s.name for s in mcp.catalog.all()} - set(kept)
        mcp.offer({"other": (f"{PATH[:-3]}functions/a/{other}",), **dict([kept.popitem()])})
        await until(lambda: [s.state for s in mcp.catalog.all()] == ["ready"] * 2)


async def test_what_an_agent_notifies_waits_while_too_much_of_it_is_on_its_way():
    release = asyncio.Event()
    arrived: list[int] = []
    open_now: list[int] = []

    async def workspace(exchange: Exchange) -> None:
        if b"notifications/x" not in exchange.body:
            await server(exchange)
            return
        arrived.append(1)
        open_now.append(1)
        await release.wait()
        open_now.pop()
        await exchange.reply(202, b"")

    server = Workspace(done)
    async with broker_for(workspace) as site:
        site.broker.mcp.offer({NAME: (PATH,)})
        begun = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        agent = Agent(site, server, begun.headers["mcp-session-id"])
        await agent.call(READ)
        note = {"jsonrpc": "2.0", "method": "notifications/x"}
        posts = [asyncio.create_task(agent.post(note)) for _ in range(60)]
        await until(lambda: sum(post.done() for post in posts) == sessions.MOST_ON_THEIR_WAY)
        await until(lambda: len(open_now) == sessions.MOST_ON_THEIR_WAY)
        assert (await agent.call(READ))["result"]  # a call does not wait for them
        assert len(arrived) == sessions.MOST_ON_THEIR_WAY
        release.set()
        assert {reply.status_code for reply in await asyncio.gather(*posts)} == {202}
        await until(lambda: len(arrived) == 60)


async def test_a_session_that_nobody_uses_ends_at_the_workspace_and_works_when_it_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sessions, "LOOK_SECONDS", 0.02)
    async with agent_of() as agent:
        running = asyncio.create_task(agent.site.broker.mcp.run())
        await agent.call(READ)
        seen = agent.site.gateway.seen
        headers = {"Mcp-Session-Id": agent.session}
        async with agent.site.agent.stream("GET", f"/mcp/{NAME}", headers=headers):
            monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.0)
            await asyncio.sleep(0.2)
            ended = [e for e in seen if e.method == "DELETE" and e.header("mcp-session-id") == "s2"]
            assert not ended  # its agent listens
        await until(lambda: [e for e in seen if e.method == "DELETE" and _is(e, "s2")])
        monkeypatch.setattr(sessions, "IDLE_SECONDS", 1000.0)
        assert (await agent.call(READ))["result"]
        running.cancel()


def _is(exchange: Exchange, session: str) -> bool:
    return exchange.header("mcp-session-id") == session


async def test_sessions_with_a_server_that_is_switched_off_end():
    async with agent_of() as agent:
        await agent.call(READ)
        ends = len(agent.site.gateway.seen)
        agent.site.broker.mcp.offer({})
        seen = agent.site.gateway.seen
        await until(lambda: [e for e in seen[ends:] if e.method == "DELETE"])
        assert (await agent.post(request("ping", {}))).status_code == 404


async def test_a_stream_of_a_session_that_has_ended_asks_for_nothing_any_more(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sessions, "PAUSES_SECONDS", (0.001, 0.001))
    pauses: list[int] = []
    listening, ended = asyncio.Event(), asyncio.Event()

    def counted(*_arguments: Any) -> float:
        pauses.append(1)
        return 0.001

    async def workspace(exchange: Exchange) -> None:
        if exchange.method == "GET":
            await exchange.head(200, content_type="text/event-stream")
            listening.set()
            await ended.wait()
            exchange.drop()
            return
        await server(exchange)
        if exchange.method == "DELETE" and _is(exchange, "s2"):
            ended.set()

    server = Workspace(done)
    async with broker_for(workspace) as site, asyncio.timeout(20):
        site.broker.mcp.offer({NAME: (PATH,)})
        begun = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        agent = Agent(site, server, begun.headers["mcp-session-id"])
        headers = {"Mcp-Session-Id": agent.session}
        async with site.agent.stream("GET", f"/mcp/{NAME}", headers=headers):
            await agent.call(READ)
            await listening.wait()
            monkeypatch.setattr(sessions, "backoff_seconds", counted)
            await site.agent.delete(f"/mcp/{NAME}", headers=headers)
            await ended.wait()
            await asyncio.sleep(0.2)
        assert len(pauses) <= 1


async def test_a_continued_answer_can_be_continued_again():
    async def workspace(exchange: Exchange) -> None:
        last = exchange.header("last-event-id")
        if exchange.method == "GET" and last:
            await exchange.head(200, content_type="text/event-stream")
            number = int(last) + 1
            content: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/progress"}
            if number == 3:
                content = {"jsonrpc": "2.0", "id": 7, "result": {"text": "done"}}
            await exchange.chunk(f"id: {number}\ndata: {json.dumps(content)}\n\n".encode())
            await exchange.reader.read()
        else:
            await server(exchange)

    async def begun(exchange: Exchange, _message: dict[str, Any]) -> None:
        await exchange.head(200, content_type="text/event-stream")
        await exchange.chunk(b'id: 1\ndata: {"jsonrpc":"2.0","method":"notifications/x"}\n\n')
        await exchange.reader.read()

    server = Workspace(begun)
    async with broker_for(workspace) as site, asyncio.timeout(20):
        site.broker.mcp.offer({NAME: (PATH,)})
        reply = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        headers = {"Mcp-Session-Id": reply.headers["mcp-session-id"]}
        call = request("tools/call", {"name": READ, "arguments": {}})
        got = ""
        for method, last in (("POST", ""), ("GET", "1"), ("GET", "2")):
            more = {"Last-Event-ID": last} if last else {}
            body = call if method == "POST" else None
            stream = site.agent.stream(method, f"/mcp/{NAME}", json=body, headers=headers | more)
            async with stream as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        got = line
                        break
        assert "done" in got


async def test_events_that_wait_are_bounded_in_bytes():
    queue = EventQueue()
    event = b"x" * 100_000
    taken = 0
    while queue.offer(event):
        taken += 1
    assert 5 < taken * len(event) < MOST_WAITING_BYTES
    waiting = asyncio.create_task(queue.put(event))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await queue.get() == event
    await asyncio.wait_for(waiting, 5)
    few = EventQueue()
    assert few.offer(b"x" * (2 * MOST_WAITING_BYTES))  # or it would never be handed on

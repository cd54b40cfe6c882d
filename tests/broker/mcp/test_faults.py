"""What an agent gets of each fault of the workspace, byte by byte: always an answer, in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from jupyter_dbx_agents.broker.mcp import catalog, forwarding, sessions, upstream_session
from jupyter_dbx_agents.pat import PatState

from ..scripted_gateway import DEAD_TOKEN, PASTE, Exchange, Pats, Site, broker_for, until

NAME, PATH = "dbx-sql", "/api/2.0/mcp/sql"
EXTERNAL = "/api/2.0/mcp/external/github"
STALL_SECONDS = 0.5
READ, WRITE = "read", "write"
LARGE = "x" * 2_000_000
UNCERTAIN = "may have been carried out"
TOOLS = [
    {"name": READ, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": WRITE, "inputSchema": {"type": "object"}},
]
Answer = Callable[[Exchange, dict[str, Any]], Awaitable[None]]


@dataclass
class Workspace:
    """An MCP server of the workspace: begins sessions and lists tools; calls are the test's."""

    on_call: Answer
    tools: list[dict[str, Any]] = field(default_factory=lambda: TOOLS)
    calls: list[dict[str, Any]] = field(default_factory=list)
    begun: int = 0
    listened: int = 0
    known: set[str] = field(default_factory=set)

    async def __call__(self, exchange: Exchange) -> None:
        message = json.loads(exchange.body or b"{}")
        method = message.get("method", "")
        if method == "initialize":
            self.begun += 1
            self.known.add(f"s{self.begun}")
            content = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
            await answer_json(exchange, message, content, mcp_session_id=f"s{self.begun}")
        elif exchange.header("mcp-session-id") not in self.known:
            await exchange.reply(404, b'{"error": {"code": 1, "message": "Session not found"}}')
        elif method == "tools/list":
            await answer_json(exchange, message, {"tools": self.tools})
        elif method == "tools/call":
            self.calls.append(message)
            await self.on_call(exchange, message)
        elif exchange.method == "GET":
            self.listened += 1
            await exchange.reply(405, b"")
        else:
            await exchange.reply(202, b"")


async def answer_json(
    exchange: Exchange, message: dict[str, Any], content: dict[str, Any], **headers: str
) -> None:
    body = {"jsonrpc": "2.0", "id": message["id"], "result": content}
    await exchange.reply(200, json.dumps(body).encode(), content_type="application/json", **headers)


async def done(exchange: Exchange, message: dict[str, Any]) -> None:
    await answer_json(exchange, message, {"content": [{"type": "text", "text": "done"}]})


@dataclass
class Agent:
    """A client with a session."""

    site: Site
    workspace: Workspace
    session: str

    async def call(self, tool: str) -> dict[str, Any]:
        """Return what the agent gets for a call, which is always of status 200."""
        reply = await self.post(request("tools/call", {"name": tool, "arguments": {}}))
        assert reply.status_code == 200
        text = reply.text
        if reply.headers["content-type"] == "text/event-stream":
            text = text.strip().split("data: ")[-1]
        answer = json.loads(text)
        assert answer["id"] == 7
        return dict(answer)

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        headers = {"Mcp-Session-Id": self.session, **headers}
        return await self.site.agent.post(f"/mcp/{NAME}", json=body, headers=headers)

    async def message(self, tool: str) -> str:
        """Return the sentence of an error."""
        return str((await self.call(tool))["error"]["message"])


def request(method: str, params: dict[str, Any], number: int = 7) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


@contextlib.asynccontextmanager
async def agent_of(
    on_call: Answer = done, pats: Pats | None = None, path: str = PATH, **options: Any
) -> AsyncIterator[Agent]:
    workspace = Workspace(on_call, **options)
    async with broker_for(workspace, pats, mcp_stall_seconds=STALL_SECONDS) as site:
        site.broker.mcp.offer({NAME: (path,)})
        reply = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        yield Agent(site, workspace, reply.headers["mcp-session-id"])


def first_then(first: Answer, then: Answer = done) -> Answer:
    """Answer the first call in one way, and all others in another."""
    counts: list[int] = []

    async def answer(exchange: Exchange, message: dict[str, Any]) -> None:
        counts.append(1)
        await (first if len(counts) == 1 else then)(exchange, message)

    return answer


def status(code: int, body: bytes = b'{"message": "not now"}', **headers: str) -> Answer:
    async def answer(exchange: Exchange, _message: dict[str, Any]) -> None:
        await exchange.reply(code, body, **headers)

    return answer


async def dropped(exchange: Exchange, _message: dict[str, Any]) -> None:
    exchange.drop()


async def cut_stream(exchange: Exchange, _message: dict[str, Any]) -> None:
    """Begin a stream, send progress, and break off."""
    await exchange.head(200, content_type="text/event-stream")
    await exchange.chunk(b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/x"}\n\n')
    await exchange.chunk(b'event: message\ndata: {"jsonrpc":"2.0","id":7,"resu')
    exchange.drop()


async def stalled(exchange: Exchange, _message: dict[str, Any]) -> None:
    await exchange.head(200, content_type="text/event-stream")
    await exchange.reader.read()  # until the broker goes away


@pytest.mark.parametrize(
    ("path", "refusal", "is_repeated"),
    [
        (PATH, status(403), False),
        (EXTERNAL, status(401), False),
        (EXTERNAL, status(403), False),
        (EXTERNAL, status(403, DEAD_TOKEN[1]), True),
    ],
)
async def test_a_refusal_that_may_be_of_what_was_called_does_not_repeat_a_write(
    path: str, refusal: Answer, is_repeated: bool
):
    """A server elsewhere may have begun before it refuses; the workspace hands that on."""
    async with agent_of(first_then(refusal), path=path) as agent:
        answer = await agent.call(WRITE)
        assert ("result" in answer) is is_repeated
        assert len(agent.workspace.calls) == (2 if is_repeated else 1)
        assert "result" in await agent.call(WRITE)


@pytest.mark.parametrize("tool", [READ, WRITE])
@pytest.mark.parametrize(
    "refusal",
    [
        status(401),
        status(403, b'{"error_code":403,"message":"Invalid access token. [ReqId: 1]"}'),
        status(429, retry_after="1"),
        status(404, b'{"error": {"code": 1, "message": "Session not found"}}'),
        status(400, b'{"error": {"code": 1, "message": "No valid session ID provided"}}'),
    ],
    ids=["401", "dead token", "429", "session lost", "session lost, 400"],
)
async def test_what_was_not_begun_is_sent_once_more(tool: str, refusal: Answer):
    async with agent_of(first_then(refusal)) as agent:
        assert (await agent.call(tool))["result"]["content"][0]["text"] == "done"
        assert len(agent.workspace.calls) == 2


@pytest.mark.parametrize("fault", [dropped, status(503), status(502)], ids=["drop", "503", "502"])
async def test_a_call_that_only_reads_is_sent_again(fault: Answer):
    async with agent_of(first_then(fault)) as agent:
        assert (await agent.call(READ))["result"]["content"][0]["text"] == "done"
        assert len(agent.workspace.calls) == 2


@pytest.mark.parametrize(
    "fault",
    [dropped, cut_stream, stalled, status(500), status(502), status(503), status(504)],
    ids=["drop", "cut", "stall", "500", "502", "503", "504"],
)
async def test_a_call_that_may_change_something_is_never_sent_twice(fault: Answer):
    async with agent_of(first_then(fault)) as agent:
        assert UNCERTAIN in await agent.message(WRITE)
        assert len(agent.workspace.calls) == 1


@pytest.mark.parametrize(("method", "times"), [("vendor/run", 1), ("resources/read", 2)])
async def test_a_request_that_the_protocol_does_not_have_is_never_sent_twice(
    method: str, times: int
):
    got: list[bytes] = []

    async def workspace(exchange: Exchange) -> None:
        if method.encode() not in exchange.body:
            await server(exchange)
            return
        got.append(exchange.body)
        exchange.drop()

    server = Workspace(done)
    async with broker_for(workspace, mcp_stall_seconds=STALL_SECONDS) as site:
        site.broker.mcp.offer({NAME: (PATH,)})
        begun = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        agent = Agent(site, server, begun.headers["mcp-session-id"])
        await agent.post(request(method, {}))
        assert len(got) >= times
        assert (len(got) == 1) is (times == 1)


async def test_no_kept_connection_is_used_for_a_call_that_may_change_something():
    """One that the workspace has closed meanwhile would leave open whether the call began."""
    async with agent_of() as agent:
        for _ in range(3):
            await agent.call(WRITE)
        connections = [e.connection for e in agent.site.gateway.seen if b"tools/call" in e.body]
        assert len(set(connections)) == len(connections)


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (status(403, b'{"message":"No access to this space."}'), "No access to this space."),
        (status(400, b'{"message":"administratively suspended"}'), "administratively suspended"),
        (status(302, b"", location="https://elsewhere.example"), "redirect"),
        (status(200, b"<html>", content_type="text/html"), "not answer as an MCP server"),
        (status(404, b"<html>", content_type="text/html"), "loses its sessions"),
        (status(500, b"<html>", content_type="text/html"), "web page"),
    ],
    ids=["403", "400", "302", "page", "404 page", "500 page"],
)
async def test_a_refusal_is_an_error_that_the_agent_shows(refusal: Answer, said: str):
    async with agent_of(refusal) as agent:
        assert said in await agent.message(WRITE)


@pytest.mark.parametrize(("code", "state"), [(403, "ready"), (504, "failed")])
async def test_the_last_error_of_a_server_is_known_until_a_call_works(
    code: int, state: str, monkeypatch: pytest.MonkeyPatch
):
    """What one call is refused does not make the server a failed one for all."""
    monkeypatch.setattr(forwarding, "HOLD_SECONDS", 0.1)
    refusal = status(code, b'{"message":"No access."}')
    # The first 403 is repeated with another token.
    answers = [refusal, refusal, done] if code == 403 else [refusal, done]

    async def answer(exchange: Exchange, message: dict[str, Any]) -> None:
        await answers.pop(0)(exchange, message)

    async with agent_of(answer) as agent:
        server = agent.site.broker.mcp.catalog.get(NAME)
        assert server is not None
        said = await agent.message(READ)
        assert "No access." in said
        assert (server.state, server.problem) == (state, said)
        await agent.call(READ)
        assert (server.state, server.problem) == ("ready", "")


@pytest.mark.parametrize("code", [401, 429, 503])
async def test_a_lasting_fault_ends_in_an_error_within_a_bounded_time(
    code: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forwarding, "HOLD_SECONDS", 0.5)
    async with agent_of(status(code)) as agent, asyncio.timeout(5):
        assert await agent.message(READ)


async def test_a_server_without_a_stream_of_its_own_is_asked_for_it_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sessions, "PAUSES_SECONDS", (0.01, 0.01))
    async with agent_of() as agent:
        await agent.call(READ)
        headers = {"Mcp-Session-Id": agent.session}
        async with agent.site.agent.stream("GET", f"/mcp/{NAME}", headers=headers):
            await until(lambda: agent.workspace.listened > 0)
            for _ in range(20):
                await agent.call(READ)
        assert agent.workspace.listened == 1


async def test_an_agent_that_connects_again_gets_the_servers_own_messages():
    async def workspace(exchange: Exchange) -> None:
        if exchange.method != "GET":
            await server(exchange)
            return
        await exchange.head(200, content_type="text/event-stream")
        await exchange.chunk(b'data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n')
        await exchange.reader.read()

    async def read_until(lines: AsyncIterator[str], wanted: str) -> None:
        while wanted not in await anext(lines):
            pass

    server = Workspace(done)
    async with broker_for(workspace) as site, asyncio.timeout(20):
        site.broker.mcp.offer({NAME: (PATH,)})
        begun = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        agent = Agent(site, server, begun.headers["mcp-session-id"])
        await agent.call(READ)
        headers = {"Mcp-Session-Id": agent.session}
        async with contextlib.AsyncExitStack() as second:
            async with site.agent.stream("GET", f"/mcp/{NAME}", headers=headers) as first:
                await read_until(first.aiter_lines(), "notifications/message")
                stream = site.agent.stream("GET", f"/mcp/{NAME}", headers=headers)
                lines = (await second.enter_async_context(stream)).aiter_lines()
                await read_until(lines, "open")
            await read_until(lines, "notifications/message")


async def test_a_server_that_says_at_each_look_that_its_tools_have_changed_is_asked_seldom(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(catalog, "RENEWAL_PAUSES_SECONDS", (1000.0, 1000.0))
    looks: list[int] = []
    listening: list[Exchange] = []

    async def workspace(exchange: Exchange) -> None:
        if exchange.method == "GET":
            await exchange.head(200, content_type="text/event-stream")
            listening.append(exchange)
            await exchange.reader.read()
            return
        await server(exchange)
        if b"tools/list" in exchange.body:
            looks.append(1)
            for each in listening:
                event = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
                await each.chunk(event + b"\n\n")

    server = Workspace(done)
    async with broker_for(workspace) as site, asyncio.timeout(20):
        site.broker.mcp.offer({NAME: (PATH,)})
        begun = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        agent = Agent(site, server, begun.headers["mcp-session-id"])
        await agent.call(READ)
        headers = {"Mcp-Session-Id": agent.session}
        async with site.agent.stream("GET", f"/mcp/{NAME}", headers=headers):
            await until(lambda: listening)
            await site.broker.mcp.check(NAME)
            for _ in range(20):
                await agent.call(READ)
        assert 2 <= len(looks) <= 4


@pytest.mark.parametrize(
    ("capabilities", "tools"), [([], []), (None, []), ({"tools": {}}, 5), ({"tools": {}}, [5])]
)
async def test_a_server_that_describes_itself_badly_breaks_nothing(capabilities: Any, tools: Any):
    async def workspace(exchange: Exchange) -> None:
        message = json.loads(exchange.body or b"{}")
        content = {"capabilities": capabilities, "tools": tools}
        if "id" in message:
            await answer_json(exchange, message, content, mcp_session_id="s")
        else:
            await exchange.reply(202, b"")

    async with broker_for(workspace) as site:
        site.broker.mcp.offer({NAME: (PATH,)})
        begun = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        assert begun.status_code == 200
        server = site.broker.mcp.seen(NAME)
        assert server is not None
        assert (server.state, server.tools) in (("failed", []), ("ready", []))


async def test_a_stream_that_stalls_ends_in_an_error():
    async with agent_of(stalled) as agent, asyncio.timeout(5):
        assert "has sent nothing" in await agent.message(READ)


async def silent(exchange: Exchange, _message: dict[str, Any]) -> None:
    await exchange.reader.read()


@pytest.mark.parametrize("tool", [READ, WRITE])
async def test_a_call_to_which_nothing_is_answered_ends_in_an_error(tool: str):
    async with agent_of(silent) as agent, asyncio.timeout(10):
        said = await agent.message(tool)
        assert "has sent nothing" in said
        assert (UNCERTAIN in said) is (tool == WRITE)
        assert len(agent.workspace.calls) == 1


async def test_a_workspace_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upstream_session, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(catalog, "KNOWN_SECONDS", 0.2)

    async def workspace(exchange: Exchange) -> None:
        await silent(exchange, {})

    async with asyncio.timeout(10), broker_for(workspace, mcp_stall_seconds=5) as site:
        site.broker.mcp.offer({NAME: (PATH,)})
        await site.broker.mcp.check(NAME)
        server = site.broker.mcp.seen(NAME)
        assert server is not None
        assert "has not answered" in server.problem
        begun = await site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        agent = Agent(site, Workspace(done), begun.headers["mcp-session-id"])
        assert "has not answered" in await agent.message(WRITE)


async def test_an_answer_that_is_cut_inside_an_event_is_completed_by_an_error():
    async with agent_of(cut_stream) as agent:
        assert "broke off" in await agent.message(READ)


async def test_a_cut_large_answer_never_looks_complete():
    async def cut(exchange: Exchange, _message: dict[str, Any]) -> None:
        await exchange.head(200, content_type="application/json")
        await exchange.chunk(b'{"jsonrpc":"2.0","id":7,"result":"' + b"x" * 3_000_000)
        exchange.drop()

    async with agent_of(cut) as agent:
        with pytest.raises(httpx.RemoteProtocolError):
            await agent.call(READ)


@pytest.mark.parametrize(
    ("said", "rest", "shown"),
    [
        (b'"done"', b"}", "done"),
        (b'"done"', b"", "broke off"),
        (b'{"a": {"b": 1}}', b"", "broke off"),  # it ends as a whole one does
        (b'"' + b"x" * 3_000_000 + b'"', b"}", "does not say where its answer ends"),
    ],
    ids=["whole", "cut", "cut after a bracket", "large"],
)
async def test_an_answer_whose_end_is_that_of_its_connection_never_looks_complete_when_cut(
    said: bytes, rest: bytes, shown: str
):
    async def answer(exchange: Exchange, _message: dict[str, Any]) -> None:
        head = b"HTTP/1.0 200 X\r\nContent-Type: application/json\r\n\r\n"
        await exchange.send(head + b'{"jsonrpc":"2.0","id":7,"result":' + said + rest)
        exchange.drop()

    async with agent_of(answer) as agent:
        assert shown in json.dumps(await agent.call(READ))


async def test_a_large_message_before_the_answer_is_not_taken_for_it():
    async def answer(exchange: Exchange, message: dict[str, Any]) -> None:
        await exchange.head(200, content_type="text/event-stream")
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": LARGE}}
        result = {"jsonrpc": "2.0", "id": message["id"], "result": {"text": LARGE + "end"}}
        for content in (note, result):
            await exchange.chunk(f"event: message\ndata: {json.dumps(content)}\n\n".encode())
        await exchange.reader.read()  # the stream has no end: the answer has

    async with agent_of(answer) as agent:
        assert (await agent.call(READ))["result"]["text"].endswith("end")


async def test_an_agent_that_does_not_read_holds_the_workspace_back():
    sent = 0

    async def endless(exchange: Exchange, _message: dict[str, Any]) -> None:
        nonlocal sent
        await exchange.head(200, content_type="text/event-stream")
        await exchange.chunk(b"data: ")
        while sent < 200_000_000:
            await exchange.chunk(b"x" * 65536)
            sent += 65536

    async with agent_of(endless) as agent:
        body = request("tools/call", {"name": READ, "arguments": {}})
        headers = {"Mcp-Session-Id": agent.session}
        path = f"/mcp/{NAME}"
        async with agent.site.agent.stream("POST", path, json=body, headers=headers):
            await until(lambda: sent > 1_000_000)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.2)
            assert sent < 40_000_000  # what the kernel's buffers hold, not the answer


async def test_an_agent_that_goes_away_in_a_call_ends_it_at_the_workspace():
    left = asyncio.Event()

    async def waiting(exchange: Exchange, _message: dict[str, Any]) -> None:
        await exchange.head(200, content_type="text/event-stream")
        await exchange.reader.read()
        left.set()

    async with agent_of(waiting) as agent:
        body = request("tools/call", {"name": READ, "arguments": {}})
        headers = {"Mcp-Session-Id": agent.session}
        path = f"/mcp/{NAME}"
        async with agent.site.agent.stream("POST", path, json=body, headers=headers):
            pass
        await asyncio.wait_for(left.wait(), 10)


async def test_initialize_and_the_tools_are_answered_while_the_workspace_is_gone():
    async with agent_of() as agent:
        await agent.post(request("tools/list", {}))
        agent.workspace.known.clear()
        calls = len(agent.site.gateway.seen)
        reply = await agent.site.agent.post(f"/mcp/{NAME}", json=request("initialize", {}))
        assert reply.json()["result"]["capabilities"]["tools"] == {"listChanged": True}
        listed = await agent.post(request("tools/list", {}))
        assert listed.json()["result"]["tools"] == TOOLS
        assert len(agent.site.gateway.seen) == calls


async def test_without_a_token_a_server_begins_without_tools_and_says_why_at_a_call():
    async with agent_of(pats=Pats(state=PatState.NEEDED)) as agent, asyncio.timeout(2):
        listed = await agent.post(request("tools/list", {}))
        assert listed.json()["result"]["tools"] == []
        assert await agent.message(READ) == PASTE
        assert agent.site.gateway.seen == []


async def test_2000_tools_are_listed():
    tools = [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(2000)]
    async with agent_of(tools=tools) as agent:
        listed = (await agent.post(request("tools/list", {}))).json()
        assert listed["result"]["tools"] == tools


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"jsonrpc":"1.0","method":"x"}',
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"2.0","id":{},"method":"x"}',
        b'{"jsonrpc":"2.0","id":1,"method":[]}',
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}',
        b"\xff",
        b"[" * 100_000,
    ],
)
async def test_what_is_no_message_is_refused(body: bytes):
    async with agent_of() as agent:
        headers = {"Mcp-Session-Id": agent.session}
        reply = await agent.site.agent.post(f"/mcp/{NAME}", content=body, headers=headers)
        assert reply.status_code == 400
        assert reply.json()["error"]["message"]


async def test_a_session_of_before_is_refused_so_that_the_agent_begins_another():
    async with agent_of() as agent:
        reply = await agent.post(request("tools/list", {}), **{"Mcp-Session-Id": "old"})
        assert reply.status_code == 404


async def test_a_large_message_is_handed_on_whole():
    async with agent_of() as agent:
        text = "x" * 3_000_000
        call = request("tools/call", {"name": WRITE, "arguments": {"text": text}})
        assert (await agent.post(call)).json()["result"]
        assert agent.workspace.calls[-1]["params"]["arguments"]["text"] == text
        assert agent.site.broker.shared.held.bytes == 0

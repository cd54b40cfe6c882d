"""An MCP server made with the ``mcp`` package, in the workspace's place; and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import ToolAnnotations

from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.models import ModelTable

from ..scripted_gateway import FIRST_PAT, NEXT_PAT, Pats, environment

SQL_PATH = "/api/2.0/mcp/sql"
NAME = "dbx-sql"
READS = ToolAnnotations(read_only_hint=True)


class Events(EventStore):
    """Keeps all events, so that every stream can be continued."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str | None:
        number = int(last_event_id)
        stream_id = self._events[number - 1][0]
        for index, (stream, message) in enumerate(self._events[number:], number + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(index)))
        return stream_id


@dataclass
class SdkServer:
    """The server; ``written`` are the calls of the tool that changes something."""

    port: int = 0
    accepted: set[str] = field(default_factory=lambda: {FIRST_PAT, NEXT_PAT})
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    refuse_next: list[int] = field(default_factory=list)
    app: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    _stop: asyncio.Event | None = None
    _task: asyncio.Task[None] | None = None
    mcp: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tools(self) -> MCPServer:
        server = MCPServer("sdk")

        @server.tool(annotations=READS)
        async def add(a: int, b: int) -> int:
            return a + b

        @server.tool(annotations=ToolAnnotations(read_only_hint=False))
        async def write(text: str) -> str:
            self.written.append(text)
            return f"wrote {text}"

        @server.tool(annotations=READS)
        async def count(ctx: Context, steps: int) -> str:
            for step in range(steps):
                await ctx.report_progress(step, steps, f"step {step}")
            return "counted"

        @server.tool(annotations=READS)
        async def wait(ctx: Context) -> str:
            try:
                await ctx.report_progress(0, 1, "waiting")
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.append("wait")
                raise
            return "released"

        @server.tool(annotations=READS)
        async def cut(ctx: Context) -> str:
            """Close the stream of its own answer, and go on."""
            await ctx.close_sse_stream()
            await asyncio.sleep(0.05)
            return "continued"

        @server.tool(annotations=READS)
        async def large(megabytes: int) -> str:
            return "x" * (megabytes * 1024 * 1024)

        @server.tool(annotations=READS)
        async def grow(ctx: Context) -> str:
            """Add a tool, and say so."""
            server.add_tool(lambda: "new", name="grown")
            await ctx.session.send_tool_list_changed()
            return "grown"

        self.mcp = server
        return server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {k.decode(): v.decode() for k, v in scope.get("headers", ())}
        self.seen.append((scope.get("method", ""), headers))
        token = headers.get("authorization", "").removeprefix("Bearer ")
        status = 0
        if token not in self.accepted:
            status = 401
        elif self.refuse_next and scope.get("method") == "POST":
            status = self.refuse_next.pop(0)
        if status:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b'{"message": "not now"}'})
            return
        await self.app(scope, receive, send)

    async def begin(self) -> None:
        """Serve with new state: no session of before is known."""
        if self._stop is not None and self._task is not None:
            self._stop.set()
            await self._task
        app = self.tools().streamable_http_app(
            streamable_http_path=SQL_PATH, event_store=Events(), retry_interval=10, **self.options
        )
        ready, stop = asyncio.Event(), asyncio.Event()

        async def run() -> None:
            async with app.router.lifespan_context(app):
                ready.set()
                await stop.wait()

        self._task, self._stop, self.app = asyncio.create_task(run()), stop, app
        await ready.wait()

    async def end(self) -> None:
        if self._stop is not None and self._task is not None:
            self._stop.set()
            await self._task


@dataclass
class McpSite:
    """A broker before such a server."""

    broker: Broker
    server: SdkServer
    pats: Pats

    @property
    def url(self) -> str:
        return f"{self.broker.url}/mcp/{NAME}"

    @property
    def key(self) -> dict[str, str]:
        return {"x-api-key": self.broker.capability("codex").reveal()}

    @contextlib.asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        http = create_mcp_http_client(headers=self.key)
        async with http:
            transport = streamable_http_client(self.url, http_client=http, max_sse_event_size=None)
            async with Client(transport, **options) as client:
                yield client


@contextlib.asynccontextmanager
async def mcp_site(
    pats: Pats | None = None,
    **options: Any,
) -> AsyncIterator[McpSite]:
    server = SdkServer(options=options.pop("server", {}))
    await server.begin()
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server.port = bound.getsockname()[1]
    web = uvicorn.Server(
        uvicorn.Config(server, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(web.serve([bound]))
    pats = Pats(FIRST_PAT, NEXT_PAT) if pats is None else pats
    models = ModelTable(environment(server.url, server.url))
    broker = Broker(pats=pats, models=models, workspace_host=server.url, **options)
    await broker.start()
    broker.mcp.offer({NAME: (SQL_PATH,)})
    try:
        yield McpSite(broker, server, pats)
    finally:
        await broker.stop()
        server.release.set()
        web.should_exit = True
        await serving
        await server.end()

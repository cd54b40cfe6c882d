"""Streamable HTTP: messages by POST, a server's own by GET, the end of a session by DELETE."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tornado.iostream import StreamClosedError

from .. import platform_errors as errors
from ..platform_errors import PlatformError
from ..state import Workspace
from ..web import Route, WorkspaceHandler
from .tools import Json, ToolServer

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
SESSION_HEADER = "Mcp-Session-Id"
PAGE = 100
HELD_PAUSE_SECONDS = 0.05


class McpHandler(WorkspaceHandler):
    """One path of the workspace's MCP servers."""

    _messages: asyncio.Queue[bytes] | None = None

    async def prepare(self) -> None:
        """Find the server before the token's scope is checked."""
        self._server = self.workspace.mcp.server(self.request.path)
        if self._server is not None:
            self.required_scope = self._server.scope
        await super().prepare()
        if not self._finished and self._server is None:
            raise errors.no_such_route(self.request.method or "", self.request.path)

    def invalid_token(self) -> PlatformError:
        """Return the gateway's error for a dead token on its paths."""
        is_gateway = self.request.path.startswith("/ai-gateway/")
        return errors.invalid_gateway_token() if is_gateway else super().invalid_token()

    @property
    def server(self) -> ToolServer:
        """The server of the request's path."""
        assert self._server is not None  # noqa: S101 checked in ``prepare``
        return self._server

    async def post(self) -> None:
        """Answer one message."""
        message = self.json_body()
        method, params = str(message.get("method", "")), message.get("params") or {}
        self.log_entry.tool = str(params.get("name", "")) if method == "tools/call" else method
        if method == "initialize":
            self._begin(message, params)
            return
        self._check_session()
        if "id" not in message or not method:
            self.set_status(202)
            return
        await self._answer(message, await self._result(method, params))

    def _begin(self, message: Json, params: Json) -> None:
        wanted = params.get("protocolVersion")
        session_id = self.workspace.mcp.begin()
        if session_id:
            self.set_header(SESSION_HEADER, session_id)
        content = {
            "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": self.server.name, "version": "1.0.0"},
        }
        self.write_json(_result_message(message, content))

    def _check_session(self) -> None:
        """Refuse a request without a session that is known, where there are any."""
        mcp = self.workspace.mcp
        session_id = self.request.headers.get(SESSION_HEADER, "")
        if not mcp.switches.has_sessions:
            return
        if not session_id:
            raise errors.malformed_request("Missing session ID")
        if session_id not in mcp.sessions:
            raise errors.not_found("Session not found")

    async def _result(self, method: str, params: Json) -> Json | None:
        """Return the result of a request; None for a method that there is not."""
        if method == "ping":
            return {}
        if method == "tools/list":
            return self._tools(int(params.get("cursor") or 0))
        if method != "tools/call":
            return None
        tool = self.server.tool(params.get("name"))
        if tool is None:
            text = f"There is no tool {params.get('name')}."
            return {"content": [{"type": "text", "text": text}], "isError": True}
        return await asyncio.to_thread(tool.call, dict(params.get("arguments") or {}))

    def _tools(self, start: int) -> Json:
        tools = [tool.listed() for tool in self.server.tools[start : start + PAGE]]
        is_last = start + PAGE >= len(self.server.tools)
        return {"tools": tools} | ({} if is_last else {"nextCursor": str(start + PAGE)})

    async def _answer(self, message: Json, content: Json | None) -> None:
        switches = self.workspace.mcp.switches
        reply = _result_message(message, content)
        if switches.answers_json:
            await self._stall(message)
            self.write_json(reply)
            return
        self.set_header("Content-Type", "text/event-stream")
        await self.flush()
        await self._stall(message)
        self.write(f"event: message\ndata: {json.dumps(reply)}\n\n")

    async def _stall(self, message: Json) -> None:
        """Wait as the switches say, which may be changed meanwhile."""
        mcp = self.workspace.mcp
        await self.pause(mcp.switches.stall_seconds)
        while (message.get("params") or {}).get("name") in mcp.switches.held_tools:
            await self.pause(HELD_PAUSE_SECONDS)

    async def get(self) -> None:
        """Send the server's own messages of a session as they come."""
        self._check_session()
        queue = self.workspace.mcp.sessions.get(self.request.headers.get(SESSION_HEADER, ""))
        if queue is None:
            self.set_status(405)
            return
        self.set_header("Content-Type", "text/event-stream")
        self._messages = queue
        await self.flush()
        while message := await queue.get():
            self.write(message)
            await self.flush()
        raise StreamClosedError

    def on_connection_close(self) -> None:
        """End the stream of messages, too."""
        super().on_connection_close()
        if self._messages is not None:
            self._messages.put_nowait(b"")

    def delete(self) -> None:
        """End a session."""
        self._check_session()
        self.workspace.mcp.sessions.pop(self.request.headers.get(SESSION_HEADER, ""), None)


def _result_message(message: Json, content: Json | None) -> Json:
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message.get("id")}
    if content is None:
        return reply | {"error": {"code": -32601, "message": "Method not found"}}
    return reply | {"result": content}


def mcp_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the MCP servers."""
    paths = (r"/api/2\.0/mcp/.+", r"/ai-gateway/mcp-services/.+")
    return [(path, McpHandler, {"workspace": workspace}) for path in paths]

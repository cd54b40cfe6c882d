"""Which MCP servers there are, their sessions, and their faults."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from . import functions, web_search
from .engine import SqlEngine, SqliteEngine
from .genie import GenieTools
from .sql import SqlTools
from .tools import Tool, ToolServer

SPACE_ID = "01f1ad73d67f170899b3728094274c9a"
_FUNCTIONS = re.compile(r"/api/2\.0/mcp/functions/([^/]+)/([^/]+)(?:/([^/]+))?")
_TOOLS_CHANGED = (
    b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'
)
SERVICE = "/ai-gateway/mcp-services/system.ai."


@dataclass
class McpSwitches:
    """What tests change.

    - has_sessions: without them, each request stands for itself.
    - answers_json: answers are JSON instead of streams of events.
    - extra_tools: so many more tools of the SQL server, which do nothing.
    - stall_seconds: an answer begins, and its content comes so much later.
    - held_tools: calls of these tools are not answered before they are taken from the list.
    - pending_polls: how often a statement is not ready yet.
    - has_sql, has_genie, has_web_search: whether these servers exist.
    """

    has_sessions: bool = True
    answers_json: bool = False
    extra_tools: int = 0
    stall_seconds: float = 0.0
    held_tools: tuple[str, ...] = ()
    pending_polls: int = 0
    has_sql: bool = True
    has_genie: bool = True
    has_web_search: bool = False


@dataclass
class McpState:
    """The servers of one workspace; ``sessions`` are the queues of their own messages."""

    engine: SqlEngine = field(default_factory=SqliteEngine)
    switches: McpSwitches = field(default_factory=McpSwitches)
    sessions: dict[str, asyncio.Queue[bytes]] = field(default_factory=dict)
    starts: int = 1

    def __post_init__(self) -> None:
        self._sql, self._genie = SqlTools(self.engine), GenieTools(self.engine)

    def use(self, engine: SqlEngine) -> None:
        """Execute SQL elsewhere from now on."""
        self.engine = engine
        self._sql, self._genie = SqlTools(engine), GenieTools(engine)

    def restart(self) -> None:
        """Forget all sessions, as a server that was replaced by another one."""
        self.sessions.clear()
        self.starts += 1

    def change(self, **changes: Any) -> None:
        """Change switches; sessions are told of tools that may have changed."""
        self.switches = replace(self.switches, **changes)
        if "extra_tools" in changes:
            for queue in self.sessions.values():
                queue.put_nowait(_TOOLS_CHANGED)

    def begin(self) -> str:
        """Begin a session; return its id, '' where there are none."""
        if not self.switches.has_sessions:
            return ""
        session_id = str(uuid.uuid4())
        self.sessions[session_id] = asyncio.Queue()
        return session_id

    def server(self, path: str) -> ToolServer | None:
        """Return the server at a path."""
        if path == "/api/2.0/mcp/sql" and self.switches.has_sql:
            return self._sql_server()
        if path in ("/api/2.0/mcp/genie", f"{SERVICE}genie_one_mcp") and self.switches.has_genie:
            return self._genie.everything()
        if path == f"/api/2.0/mcp/genie/{SPACE_ID}":
            return self._genie.space(SPACE_ID)
        if path == f"{SERVICE}web_search" and self.switches.has_web_search:
            return web_search.server()
        match = _FUNCTIONS.fullmatch(path)
        return functions.server(match[1], match[2], match[3] or "") if match else None

    def _sql_server(self) -> ToolServer:
        self._sql.pending_polls = self.switches.pending_polls
        server = self._sql.server()
        extra = (
            Tool(f"extra_{number}", "Does nothing.", {}, lambda _arguments: {})
            for number in range(self.switches.extra_tools)
        )
        return ToolServer(server.name, server.scope, (*server.tools, *extra))

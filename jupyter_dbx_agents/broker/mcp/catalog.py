"""The workspace's MCP servers that are offered, and what is known of each, refreshed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from ..._version import __version__
from ...background import AnyLogger, BackgroundTasks, Coalesced, Listeners, backoff_seconds
from ...pat import PatSource
from ..refusals import HAS_NO_TOKEN
from ..upstream import Upstream
from .messages import Json, Message, encoded
from .upstream_session import SessionLostError, UpstreamError, UpstreamSession

# An agent begins by asking for the tools and gives up a server that is slow to answer: Hermes after
# 5 s, Claude Code after 12 s.
KNOWN_SECONDS = 4.0
MOST_PAGES = 100
MOST_TOOLS = 5000
# Of all servers together, as they are listed.
MOST_LISTED_BYTES = 16 * 1024 * 1024
REFRESH_SECONDS = 600.0
# A server may say that its tools have changed each time that it is asked for them.
RENEWAL_PAUSES_SECONDS = (0.5, 60.0)
# The requests of clients in the specification of 2025-11-25, but for the call of a tool.
REPEATABLE = frozenset(
    {
        "initialize",
        "ping",
        "tools/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
    }
)
NO_TOOLS = b"[]"
CLIENT = {"clientInfo": {"name": "jupyter-dbx-agents", "version": __version__}}


class ServerState(StrEnum):
    """What is known of a server; FAILED may have been READY before, and its tools stay."""

    UNKNOWN = "unknown"
    READY = "ready"
    MISSING = "missing"
    FAILED = "failed"


class StandInError(Exception):
    """A stand-in cannot answer; the text says why, to the agent's user."""


class StandIn(Protocol):
    """What the broker itself offers where the workspace has no server."""

    @property
    def path(self) -> str:
        """Where it is at the workspace, for people."""

    def forget(self) -> None:
        """Look anew the next time."""

    async def tools(self) -> list[Json]:
        """Return its tools; none if it cannot be had."""

    async def answer(self, message: Message) -> bytes:
        """Return the answer to a request.  Raises StandInError."""


class Server:
    """One MCP server: its tools and description as last seen, and the last problem.

    ``stand_in`` may answer for it where the workspace has no server at its paths; ``stands_in`` is
    it while it does.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        paths: tuple[str, ...],
        upstream: Upstream,
        pats: PatSource,
    ) -> None:
        self.name, self.paths, self._path = name, paths, paths[0]
        self.stand_in: StandIn | None = None
        self.stands_in: StandIn | None = None
        self._base_url = base_url
        self.state, self.problem = ServerState.UNKNOWN, ""
        self.tools: list[Json] = []
        # The same, encoded once for all agents that ask.
        self.listed = NO_TOOLS
        self._reading_tools: frozenset[str] = frozenset()
        self._are_all_reading = False
        self.room_bytes: Callable[[], int] = lambda: MOST_LISTED_BYTES
        self.described: Json = {}
        self._upstream, self._pats = upstream, pats
        self._is_known = asyncio.Event()
        self.on_tools: list[Callable[[], object]] = []
        self.on_change: Callable[[], object] = lambda: None
        self.refresh = Coalesced(self._refresh)
        self.renew_soon: Callable[[], object] = lambda: None
        # How often it said that its tools had changed, and they had not, since they last had.
        self.vain_renewals = 0

    @property
    def path(self) -> str:
        """Where it is at the workspace."""
        return self.stands_in.path if self.stands_in is not None else self._path

    def session(self, client: Mapping[str, Any], user_agent: str) -> UpstreamSession:
        """Return a session at the workspace, not begun yet."""
        return UpstreamSession(self._upstream, self._base_url + self._path, client, user_agent)

    def may_begin_twice(self, message: Message) -> bool:
        """Whether a message changes nothing, or the same when it is sent twice.

        A tool does not unless it says that it only reads, nor what the protocol does not have.
        """
        if message.method != "tools/call":
            return message.method in REPEATABLE
        return message.tool in self._reading_tools

    @property
    def is_read_only(self) -> bool:
        """Whether it has tools, and all of them say that they only read."""
        return self._are_all_reading

    async def known(self) -> None:
        """Wait until something is known of the server, for ``KNOWN_SECONDS`` at most."""
        if self._pats.state in HAS_NO_TOKEN:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KNOWN_SECONDS):
                await self._is_known.wait()

    def note(self, state: ServerState, problem: str = "") -> None:
        """Record how the last request ended."""
        self._is_known.set()
        if (state, problem) != (self.state, self.problem):
            self.state, self.problem = state, problem
            self.on_change()

    async def _refresh(self) -> None:
        """Ask for the tools again, at each path until there is a server at one."""
        outcome = (ServerState.UNKNOWN, "")
        is_there = self._is_there
        paths = [self._path] if is_there else dict.fromkeys((self._path, *self.paths))
        for path in paths:
            outcome = await self._look(path)
            if outcome[0] is not ServerState.MISSING:
                self._path = path
                break
        if self.stand_in is not None and not is_there and outcome[0] is not ServerState.READY:
            outcome = await self._ask(self.stand_in, outcome)
        self.note(*outcome)

    @property
    def _is_there(self) -> bool:
        """Whether the workspace itself has the server, as far as is known."""
        return bool(self.tools) and self.stands_in is None

    async def check(self) -> None:
        """Ask for the tools again, whatever is remembered."""
        if self.stand_in is not None:
            self.stand_in.forget()
        await self.refresh()

    async def _ask(
        self, stand_in: StandIn, outcome: tuple[ServerState, str]
    ) -> tuple[ServerState, str]:
        """Have a stand-in answer, if it can, for a server that could not be seen."""
        if outcome[0] is not ServerState.MISSING and self.stands_in is None:
            return outcome  # it may be there, and fail
        tools = await stand_in.tools()
        self.stands_in = stand_in if tools else None
        try:
            await self._take({}, tools)
        except UpstreamError as error:
            return ServerState.FAILED, str(error)
        return (ServerState.READY if tools else ServerState.MISSING), ""

    async def _look(self, path: str) -> tuple[ServerState, str]:
        """Ask for the tools at a path; what was known stays where that fails."""
        session = UpstreamSession(self._upstream, self._base_url + path, CLIENT)
        try:
            await session.open()
            tools = await self._all_tools(session)
            self.stands_in = None
            await self._take(session.described, tools)
        except SessionLostError:
            return ServerState.FAILED, "The workspace's MCP server loses its sessions."
        except UpstreamError as error:
            is_missing = error.is_absent and not self._is_there
            return (ServerState.MISSING if is_missing else ServerState.FAILED), str(error)
        finally:
            await session.close()
        return ServerState.READY, ""

    async def _all_tools(self, session: UpstreamSession) -> list[Json]:
        if "tools" not in session.described.get("capabilities", {}):
            return []
        tools: list[Json] = []
        params: Json = {}
        for _page in range(MOST_PAGES):
            page = await session.ask("tools/list", params)
            listed = page.get("tools")
            tools += [t for t in listed if isinstance(t, dict)] if isinstance(listed, list) else []
            cursor = page.get("nextCursor")
            if not cursor or len(tools) >= MOST_TOOLS:
                break
            params = {"cursor": cursor}
        return tools[:MOST_TOOLS]

    async def _take(self, described: Json, tools: list[Json]) -> None:
        """Keep what a server has said.  Raises UpstreamError if there is no room for it."""
        listed = await encoded(tools)
        if len(listed) > self.room_bytes():
            raise UpstreamError(
                f"Its tools take {len(listed) >> 10} KiB, and those of all servers may take "
                f"{MOST_LISTED_BYTES >> 10} KiB."
            )
        self.described = described
        if listed == self.listed:
            return
        self.tools, self.listed = tools, listed
        reading = [tool for tool in tools if is_read_only(tool)]
        self._reading_tools = frozenset(str(tool.get("name")) for tool in reading)
        self._are_all_reading = bool(tools) and len(reading) == len(tools)
        self.state, self.problem = ServerState.READY, ""
        self._is_known.set()
        self.on_change()
        for listener in list(self.on_tools):
            listener()


def is_read_only(tool: Json) -> bool:
    """Whether a tool says that it changes nothing."""
    annotations = tool.get("annotations")
    return isinstance(annotations, dict) and annotations.get("readOnlyHint") is True


class Catalog:
    """All servers that are offered, by name; ``stand_ins`` are by the path of what is absent."""

    def __init__(
        self,
        base_url: str,
        upstream: Upstream,
        pats: PatSource,
        tasks: BackgroundTasks,
        log: AnyLogger,
    ) -> None:
        self._base_url, self._upstream, self._pats = base_url, upstream, pats
        self._tasks = tasks
        self.stand_ins: dict[str, StandIn] = {}
        self._servers: dict[str, Server] = {}
        self._to_renew: set[Server] = set()
        self.on_change = Listeners("the MCP servers", log)

    def get(self, name: str) -> Server | None:
        """Return a server that is offered."""
        return self._servers.get(name)

    def all(self) -> list[Server]:
        """Return all servers that are offered."""
        return list(self._servers.values())

    def offer(self, paths: Mapping[str, tuple[str, ...]]) -> None:
        """Offer exactly these paths, by the server's name; what is known of the others is lost."""
        kept = {n: s for n, s in self._servers.items() if paths.get(n) == s.paths}
        new = {n: self._server(n, each) for n, each in paths.items() if n not in kept}
        self._servers = {name: (kept | new)[name] for name in paths}
        for server in new.values():
            self.refresh_soon(server)

    def _server(self, name: str, paths: tuple[str, ...]) -> Server:
        server = Server(name, self._base_url, paths, self._upstream, self._pats)
        server.stand_in = next((self.stand_ins[p] for p in paths if p in self.stand_ins), None)
        server.on_change = self.on_change.notify
        server.room_bytes = lambda: self._room_bytes(server)
        server.renew_soon = lambda: self._renew_soon(server)
        return server

    def _room_bytes(self, server: Server) -> int:
        others = sum(len(each.listed) for each in self._servers.values() if each is not server)
        return MOST_LISTED_BYTES - others

    def _renew_soon(self, server: Server) -> None:
        """Ask a server for its tools that says they have changed, however often it says so."""
        if server not in self._to_renew and self._pats.current() is not None:
            self._to_renew.add(server)
            self._tasks.spawn(self._renew(server))

    async def _renew(self, server: Server) -> None:
        if server.vain_renewals:
            pause = backoff_seconds(server.vain_renewals - 1, *RENEWAL_PAUSES_SECONDS)
            await asyncio.sleep(pause)
        self._to_renew.discard(server)  # what it says from now on is of another change
        before = server.tools
        await server.refresh()
        server.vain_renewals = server.vain_renewals + 1 if server.tools is before else 0

    def refresh_soon(self, *servers: Server) -> None:
        """Ask servers for their tools, if there is a token; do not wait."""
        if self._pats.current() is not None:
            for server in servers:
                self._tasks.spawn(server.refresh())

    async def run(self) -> None:
        """Refresh what is known from time to time, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self.refresh_soon(*self.all())

"""The MCP servers that all agents are offered, and what is known of each."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, cast
from urllib.parse import urlsplit

from traitlets import Dict, Unicode
from traitlets.config import LoggingConfigurable

from ...addresses import normalise_host
from ...background import Listeners
from ...errors import RequestError
from ...secret import Secret
from ..choices import checked_server, shown_server
from .owned import Owned, OwnedFile

# Longer than tools of the workspace take; some agents end a call after one or two minutes.
CALL_SECONDS = 600
# With more tools than this an agent's requests grow by a hundred kilobytes.
MANY_TOOLS = 100
PATHS = "/api/2.0/mcp/genie/{space}, /api/2.0/mcp/functions/{catalog}/{schema}"
State = Literal["off", "unknown", "ready", "missing", "failed"]


MISSING = "This workspace does not have it."


@dataclass(frozen=True)
class BuiltIn:
    """A server that a workspace may have, at the first of these paths at which there is one.

    ``missing`` says that it has none.
    """

    title: str
    paths: tuple[str, ...]
    missing: str = MISSING


# The names are short, since they become a part of each tool's name, of which a model takes 64
# characters; and ours, so that they meet no server of the user's.
BUILT_IN: Mapping[str, BuiltIn] = {
    "dbx-sql": BuiltIn("Databricks SQL", ("/api/2.0/mcp/sql",)),
    "dbx-genie": BuiltIn(
        "Genie", ("/ai-gateway/mcp-services/system.ai.genie_one_mcp", "/api/2.0/mcp/genie")
    ),
    # Without that service the broker answers with a model that searches, if there is one.
    "web-search": BuiltIn(
        "Web search",
        ("/ai-gateway/mcp-services/system.ai.web_search",),
        f"{MISSING} None of its models can search the web, either.",
    ),
}


class SeenServer(Protocol):
    """What the broker knows of a server."""

    @property
    def state(self) -> str:
        """One of unknown, ready, missing and failed."""

    @property
    def problem(self) -> str:
        """The last failure, '' after a success."""

    @property
    def tools(self) -> Sequence[Any]:
        """Its tools as last seen."""

    @property
    def is_read_only(self) -> bool:
        """Whether all of them only read."""

    @property
    def path(self) -> str:
        """Where it is at the workspace."""


class WorkspaceMcp(Protocol):
    """The broker, as far as it is needed here."""

    @property
    def on_change(self) -> Listeners:
        """Called after what is known of a server has changed."""

    def is_listed(self, path: str) -> bool:
        """Whether a path of the workspace may be offered."""

    def offer(self, paths: Mapping[str, tuple[str, ...]]) -> None:
        """Serve exactly these."""

    def seen(self, name: str) -> SeenServer | None:
        """Return what is known of a server that is served."""

    async def check(self, name: str) -> None:
        """Ask a server for its tools, and wait until it has answered."""


class McpServerModel(TypedDict):
    """The REST model of an MCP server.

    ``address`` is a path of the workspace, a URL or a command; ``tools`` is the number of tools.
    """

    name: str
    title: str
    address: str
    is_foreign: bool
    is_added: bool
    enabled: bool
    read_only: bool
    state: State
    tools: int
    message: str
    hint: str


class McpServers(LoggingConfigurable):
    """The one list.  Methods with ``name`` raise RequestError for an unknown one."""

    servers = Dict(
        value_trait=Unicode(),
        help="More MCP servers of the workspace that all agents are offered: paths by name, such "
        'as {"sales": "/api/2.0/mcp/genie/{space}"}.',
    ).tag(config=True)
    disabled = Dict(
        value_trait=Unicode(),
        help="Names of MCP servers that are off unless the owner switches them on, each with the "
        'reason, such as {"web-search": "no data may leave"}.',
    ).tag(config=True)

    def __init__(
        self,
        home: Path,
        host: str,
        workspace: WorkspaceMcp,
        broker_url: Callable[[], str],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._host, self._workspace, self._broker_url = normalise_host(host), workspace, broker_url
        self._file = OwnedFile(home, self._checked)
        if self._file.problem is not None:
            self.log.warning("%s %s", self._file.problem.message, self._file.problem.hint)
        self._changing = asyncio.Lock()
        self.on_change = Listeners("the MCP servers", self.log)
        self.on_offer = Listeners("the offered MCP servers", self.log)
        for name, path in self.servers.items():
            self._check_path(name, path)
        self._offer()
        self._offered = self._offered_names()
        workspace.on_change.append(self._seen_changed)

    # ---- the list

    def _paths(self) -> dict[str, tuple[str, ...]]:
        """Return the paths of all servers of the workspace, by name."""
        if not self._host:
            return {}
        owned = {n: (s["path"],) for n, s in self._owned.servers.items() if "path" in s}
        configured = {name: (path,) for name, path in self.servers.items()}
        return {name: each.paths for name, each in BUILT_IN.items()} | configured | owned

    @property
    def _owned(self) -> Owned:
        return self._file.content

    def _foreign(self) -> dict[str, Mapping[str, Any]]:
        return {n: server for n, server in self._owned.servers.items() if "path" not in server}

    def names(self) -> list[str]:
        """Return the names of all servers, in the order in which they are shown."""
        return list(self._paths() | self._foreign())

    def is_enabled(self, name: str) -> bool:
        """Whether a server is on: by the owner's choice, else by the configuration."""
        return self._owned.enabled.get(name, name not in self.disabled)

    def _offer(self) -> None:
        paths = self._paths()
        self._workspace.offer({n: path for n, path in paths.items() if self.is_enabled(n)})

    def _offered_names(self) -> list[str]:
        """Return the servers that agents are given: what is missing only costs them a start."""
        return [n for n in self.names() if self.is_enabled(n) and self._state(n) != "missing"]

    def _state(self, name: str) -> State:
        if not self.is_enabled(name):
            return "off"
        seen = self._workspace.seen(name)
        return cast(State, str(seen.state)) if seen is not None else "unknown"

    def offered(self, capability: Secret) -> dict[str, dict[str, Any]]:
        """Return the servers for an agent's files: ours with its loopback secret."""
        foreign = self._foreign()
        return {
            name: dict(foreign[name])
            if name in foreign
            else {
                "url": f"{self._broker_url()}/mcp/{name}",
                "headers": {"x-api-key": capability},
                "timeout_seconds": CALL_SECONDS,
            }
            for name in self._offered_names()
        }

    # ---- the REST models

    def status(self) -> list[McpServerModel]:
        """Return the REST models of all servers."""
        return [self.model(name) for name in self.names()]

    def model(self, name: str) -> McpServerModel:
        """Return the REST model of a server; values that may be secrets are left out."""
        self._require(name)
        seen = self._workspace.seen(name)
        tools = len(seen.tools) if seen is not None else 0
        return {
            "name": name,
            "title": BUILT_IN[name].title if name in BUILT_IN else name,
            "address": self._address(name, seen),
            "is_foreign": name in self._foreign(),
            "is_added": name in self._owned.servers,
            "enabled": self.is_enabled(name),
            "read_only": seen.is_read_only if seen is not None else False,
            "state": self._state(name),
            "tools": tools,
            "message": self._message(name, seen),
            "hint": _hint(tools),
        }

    def _address(self, name: str, seen: SeenServer | None) -> str:
        if name in self._foreign():
            shown = shown_server(self._foreign()[name])
            return str(shown.get("url") or " ".join([shown["command"], *shown.get("args", ())]))
        return seen.path if seen is not None else self._paths()[name][0]

    def _message(self, name: str, seen: SeenServer | None) -> str:
        if not self.is_enabled(name):
            return str(self.disabled.get(name, ""))
        if seen is None:
            return "Each agent connects to it by itself." if name in self._foreign() else ""
        if seen.state != "missing":
            return seen.problem
        return BUILT_IN[name].missing if name in BUILT_IN else MISSING

    def _require(self, name: str) -> None:
        if name not in self.names():
            raise RequestError(
                f"There is no MCP server “{name}”.",
                f"There are {', '.join(self.names()) or 'none'}.",
                status=404,
            )

    # ---- changes

    async def add(self, name: str, server: Mapping[str, Any]) -> McpServerModel:
        """Add a server, or replace one that the owner added; return its REST model.

        Raises RequestError, and ConfigFileError for a file that cannot be written.
        """
        if name in BUILT_IN or name in self.servers:
            raise RequestError(f"“{name}” is there already.", "Choose another name.", status=409)
        checked = self._checked(name, server)
        await self._keep(lambda owned: owned.with_server(name, checked))
        await self._workspace.check(name)
        return self.model(name)

    async def switch(self, name: str, *, is_on: bool) -> McpServerModel:
        """Switch a server on or off for all agents; return its REST model."""
        self._require(name)
        await self._keep(lambda owned: owned.switched(name, is_on=is_on))
        if is_on:
            await self._workspace.check(name)
        return self.model(name)

    async def remove(self, name: str) -> None:
        """Remove a server that the owner added.  Raises RequestError."""
        self._require(name)
        if name not in self._owned.servers:
            raise RequestError(
                f"“{name}” was not added by you.", "Switch it off instead.", status=409
            )
        await self._keep(lambda owned: owned.without(name))

    async def check(self, name: str) -> McpServerModel:
        """Ask a server for its tools now; return its REST model."""
        self._require(name)
        await self._workspace.check(name)
        return self.model(name)

    async def _keep(self, change: Callable[[Owned], Owned]) -> None:
        async with self._changing:  # all are kept in one file
            await asyncio.to_thread(self._file.keep, change(self._owned))
        self._offer()
        self._seen_changed()

    def _checked(self, name: str, server: Mapping[str, Any]) -> dict[str, Any]:
        """Return a server as it is kept.  Raises RequestError."""
        path = server.get("path") or self._path_in(server.get("url"))
        if path:
            checked_server(name, {"url": str(path)})  # the name is as for any
            self._check_path(name, path)
            return {"path": path}
        return checked_server(name, server)

    def _path_in(self, url: object) -> str:
        """Return the path of a URL of the workspace, '' for others."""
        if not isinstance(url, str):
            return ""
        try:
            is_ours = bool(self._host) and normalise_host(url) == self._host
            return urlsplit(url).path if is_ours else ""
        except ValueError:
            raise RequestError(f"“{url[:100]}” is not a URL.", "Copy it again.") from None

    def _check_path(self, name: str, path: object) -> None:
        if not isinstance(path, str) or not self._workspace.is_listed(path):
            raise RequestError(
                f"The path of “{name}” is not an MCP server of the workspace: {path}",
                f"Give one such as {PATHS}, or the full URL of a server elsewhere.",
            )

    def _seen_changed(self) -> None:
        self.on_change.notify()
        names = self._offered_names()
        if names != self._offered:
            self._offered = names
            self.on_offer.notify()


def _hint(tools: int) -> str:
    if tools <= MANY_TOOLS:
        return ""
    return f"{tools} tools fill an agent's context: add a narrower server and switch this one off."

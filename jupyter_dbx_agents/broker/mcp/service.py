"""What the broker's MCP handlers share, and what the rest of the product asks of it."""

import asyncio
from collections.abc import Mapping

from ...background import AnyLogger, BackgroundTasks, Listeners
from ...pat import PatSource
from ..upstream import Upstream
from .catalog import Catalog, Server, ServerState
from .paths import is_listed
from .sessions import Sessions

# Longer than the tools of the workspace take between two signs of life: Genie answers a question
# within four minutes.
STALL_SECONDS = 300.0


class McpService:
    """The servers that are offered and the agents' sessions."""

    def __init__(
        self,
        host: str,
        upstream: Upstream,
        pats: PatSource,
        tasks: BackgroundTasks,
        log: AnyLogger,
    ) -> None:
        self._pats = pats
        self.catalog = Catalog(host.rstrip("/"), upstream, pats, tasks, log)
        self.sessions = Sessions(tasks)
        self.stall_seconds = STALL_SECONDS

    @property
    def on_change(self) -> Listeners:
        """Called after what is known of a server has changed."""
        return self.catalog.on_change

    @staticmethod
    def is_listed(path: str) -> bool:
        """Whether a path of the workspace may be offered."""
        return is_listed(path)

    def offer(self, paths: Mapping[str, tuple[str, ...]]) -> None:
        """Offer exactly these servers, each at the first of its paths at which there is one.

        Raises ValueError for a path that is not listed: redundant on purpose.
        """
        if unlisted := [path for each in paths.values() for path in each if not is_listed(path)]:
            raise ValueError(f"{unlisted[0]} is not a path of an MCP server")
        self.catalog.offer(paths)
        self.sessions.end_without_server(self.catalog.all())

    def seen(self, name: str) -> Server | None:
        """Return what is known of a server that is offered."""
        return self.catalog.get(name)

    def token_changed(self) -> None:
        """Ask what is not ready for its tools, after each new token."""
        self.catalog.refresh_soon(
            *(server for server in self.catalog.all() if server.state is not ServerState.READY)
        )

    def models_changed(self) -> None:
        """Ask what a model may answer for, after other models are served."""
        self.catalog.refresh_soon(
            *(s for s in self.catalog.all() if s.stands_in or s.state is ServerState.MISSING)
        )

    async def check(self, name: str) -> None:
        """Ask a server that is offered for its tools, and wait until it has answered."""
        server = self.catalog.get(name)
        if server is not None and self._pats.current() is not None:
            await server.check()

    async def run(self) -> None:
        """Refresh what is known and end what is not used, until cancelled."""
        await asyncio.gather(self.catalog.run(), self.sessions.run())

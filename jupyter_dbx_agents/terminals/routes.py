"""Our websocket in force: registered by an extension that loads before jupyter_server_terminals."""

from __future__ import annotations

from typing import Any

from tornado import web

from .terminal_socket import DbxTermSocket


class TerminalSocketHandler(DbxTermSocket):
    """The websocket, with the manager that Jupyter's own extension will have built."""

    def initialize(self, name: str) -> None:  # type: ignore[override]  # a route's arguments
        """Take what the route was registered with; 404 where terminals are switched off."""
        manager = self.settings.get("terminal_manager")
        if manager is None:
            raise web.HTTPError(404)
        super().initialize(name, manager)


def terminal_routes() -> list[tuple[str, type[Any]]]:
    """Return the route; the first registered wins, and extensions load in their names' order."""
    return [(r"/terminals/websocket/(\w+)", TerminalSocketHandler)]

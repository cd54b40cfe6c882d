"""The HTTP servers of a local workspace, and ports that are reserved for other servers."""

from __future__ import annotations

import socket

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from .apps.handlers import app_routes
from .control import control_routes
from .lake.handlers import lake_routes
from .mcp.handlers import mcp_routes
from .models.handlers import model_routes
from .rest.accounts import account_routes
from .rest.catalog_handlers import catalog_routes
from .rest.file_handlers import file_routes
from .rest.mlflow_handlers import mlflow_routes
from .rest.oauth_handlers import oauth_routes
from .state import Workspace
from .web import NoSuchRoute, Route

# The workspace's largest file and some room for its multipart envelope.
MAX_BODY_BYTES = 520 * 1024 * 1024


def workspace_routes(workspace: Workspace) -> list[Route]:
    """Return the URL map of the workspace's APIs."""
    return [
        *account_routes(workspace),
        *oauth_routes(workspace),
        *app_routes(workspace),
        *catalog_routes(workspace),
        *lake_routes(workspace),
        *file_routes(workspace),
        *model_routes(workspace),
        *mlflow_routes(workspace),
        *mcp_routes(workspace),
        (r".*", NoSuchRoute, {"workspace": workspace}),
    ]


class LocalWorkspace:
    """The local workspace as two loopback servers: the workspace itself, and its control API."""

    def __init__(self, workspace: Workspace | None = None) -> None:
        self.workspace = workspace or Workspace()
        self._servers: list[HTTPServer] = []
        self.url = ""
        self.control_url = ""

    async def start(self, port: int = 0, control_port: int = 0, address: str = "127.0.0.1") -> None:
        """Listen; port 0 picks a free port, which is then in ``url`` or ``control_url``."""
        routes = workspace_routes(self.workspace)
        self.url = self._listen(routes, port, address)
        # The control API mints tokens for anybody, so it always stays on loopback.
        self.control_url = self._listen(control_routes(self.workspace), control_port, "127.0.0.1")

    async def stop(self) -> None:
        """Stop both servers, their connections and the apps' programs."""
        await self.workspace.app_service.close()
        for server in self._servers:
            server.stop()
        for server in self._servers:
            await server.close_all_connections()
        self._servers.clear()

    def _listen(self, routes: list[Route], port: int, address: str) -> str:
        sockets = bind_sockets(port, address, family=socket.AF_INET)
        application = Application(routes, log_function=lambda _handler: None)
        server = HTTPServer(
            application, max_body_size=MAX_BODY_BYTES, max_buffer_size=MAX_BODY_BYTES
        )
        server.add_sockets(sockets)
        self._servers.append(server)
        return f"http://{address}:{sockets[0].getsockname()[1]}"


def reserve_port() -> socket.socket:
    """Return a bound socket that keeps a free loopback port until it is closed.

    Linux never picks that port for another socket, but a server that names it can listen on it,
    because both set SO_REUSEADDR (socket(7)), as tornado does.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def port_of(reserved: socket.socket) -> int:
    """Return the number of a reserved port."""
    return int(reserved.getsockname()[1])

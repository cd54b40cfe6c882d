"""REST over HTTP: answers from the table of operations.

The same table answers the browser (behind the gate, Jupyter's identity provider and XSRF check)
and the commands in a terminal (on the local socket, see ``local_channel``).
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from ..errors import DbxAgentsError, RequestError, WorkspaceUnavailableError
from ..local_channel.paths import API_PATH
from ..local_channel.server import LocalChannel, is_same_user
from .operations import OPERATIONS, ErrorReply, Operation, Reply, Services, parse_body

Route = tuple[str, type[web.RequestHandler], dict[str, Any]]


class RestHandler(ExtensionHandlerMixin, APIHandler):
    """Answers the owner's browser."""

    auth_resource = "dbx_agents"

    def initialize(  # type: ignore[override]  # tornado hands each handler its own arguments
        self, services: Services, operations: Mapping[str, Operation], name: str
    ) -> None:
        """Keep the route's arguments."""
        super().initialize(name)
        self.services, self.operations = services, operations

    @web.authenticated
    @authorized
    async def get(self, **_path: str) -> None:
        """Answer GET."""
        await answer(self, self.services, self.operations)

    @web.authenticated
    @authorized
    async def post(self, **_path: str) -> None:
        """Answer POST."""
        await answer(self, self.services, self.operations)

    @web.authenticated
    @authorized
    async def patch(self, **_path: str) -> None:
        """Answer PATCH."""
        await answer(self, self.services, self.operations)

    @web.authenticated
    @authorized
    async def delete(self, **_path: str) -> None:
        """Answer DELETE."""
        await answer(self, self.services, self.operations)


class UnknownPathHandler(ExtensionHandlerMixin, APIHandler):
    """Answers every method on an unknown path under ours, in our own error shape."""

    auth_resource = "dbx_agents"

    @web.authenticated
    @authorized
    async def get(self, *_arguments: str) -> None:
        """Answer 404."""
        await answer(self, None, {})

    post = put = patch = delete = get


class LocalHandler(web.RequestHandler):
    """Answers a command on the local socket."""

    def initialize(self, services: Services, operations: Mapping[str, Operation]) -> None:
        """Keep the route's arguments."""
        self.services, self.operations = services, operations

    def prepare(self) -> None:
        """Refuse other users of this machine."""
        if not is_same_user(self.request):
            raise web.HTTPError(HTTPStatus.FORBIDDEN)

    async def get(self, **_path: str) -> None:
        """Answer GET."""
        await answer(self, self.services, self.operations)

    post = patch = delete = get


def rest_routes(services: Services) -> list[Route]:
    """Return the routes for Jupyter's web application, without its base URL."""
    return [*_routes(services, RestHandler), (f"{API_PATH}/(.*)", UnknownPathHandler, {})]


def open_local_channel(services: Services) -> LocalChannel:
    """Return the channel that answers commands in a terminal; calls are not logged."""
    routes = _routes(services, LocalHandler)
    return LocalChannel(web.Application(routes, log_function=lambda _handler: None))


async def answer(
    handler: web.RequestHandler, services: Services | None, operations: Mapping[str, Operation]
) -> None:
    """Run the operation and write its reply, or the error's message and hint."""
    try:
        if services is None:
            raise RequestError(
                "This path does not exist.", "See rest-api.yml for those that do.", status=404
            )
        operation = _operation(handler, operations)
        reply: Reply = await operation(
            services, parse_body(handler.request.body), **handler.path_kwargs
        )
    except DbxAgentsError as error:
        handler.set_status(error.http_status)
        if isinstance(error, WorkspaceUnavailableError):
            handler.set_header("Retry-After", str(int(error.retry_after_seconds) or 2))
        reply = ErrorReply(message=error.message, hint=error.hint)
    handler.set_header("Content-Type", "application/json")
    handler.set_header("Cache-Control", "no-store")
    handler.finish(json.dumps(reply))


def _routes(services: Services, handler: type[web.RequestHandler]) -> list[Route]:
    """Return a route for each path; a name in braces becomes an argument."""
    return [
        (
            re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9_-]+)", path),
            handler,
            {"services": services, "operations": operations},
        )
        for path, operations in OPERATIONS.items()
    ]


def _operation(handler: web.RequestHandler, operations: Mapping[str, Operation]) -> Operation:
    operation = operations.get(handler.request.method or "")
    if operation is None:
        raise RequestError(
            f"{handler.request.method} is not allowed here.",
            f"Use {' or '.join(operations)}.",
            status=HTTPStatus.METHOD_NOT_ALLOWED,
        )
    return operation

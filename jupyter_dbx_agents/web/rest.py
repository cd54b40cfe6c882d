"""REST, thin: each operation is a function of the services and the body.

The same table of operations answers the browser (behind the gate, Jupyter's identity provider and
XSRF check) and the commands in a terminal (on the local socket, see ``local_channel``).
``rest-api.yml`` beside this file describes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from ..agents import AgentRoster
from ..errors import DbxAgentsError, RequestError, WorkspaceUnavailableError
from ..git_sync import GitSync
from ..local_channel.server import LocalChannel, is_same_user
from ..pat import PatRotator, parse_pat
from ..tracing import SessionTracer

MOST_BODY_BYTES = 64 * 1024


@dataclass(frozen=True)
class Services:
    """What the operations work on.

    ``status`` returns the model of the whole server; ``install`` starts an agent's installation.
    """

    pats: PatRotator
    agents: AgentRoster
    git_sync: GitSync
    tracer: SessionTracer
    status: Callable[[], dict[str, Any]]
    install: Callable[[str], None]


Body = Mapping[str, Any]
# Called with the services, the body, and what the path names.
Operation = Callable[..., Awaitable[dict[str, Any]]]


async def get_status(services: Services, _body: Body) -> dict[str, Any]:
    """Return everything that there is to know."""
    return services.status()


async def get_pat(services: Services, _body: Body) -> dict[str, Any]:
    """Return the credential's model."""
    return services.pats.status()


async def post_pat(services: Services, body: Body) -> dict[str, Any]:
    """Adopt the pasted token."""
    await services.pats.adopt(parse_pat(_text(body, "token")))
    return services.pats.status()


async def delete_pat(services: Services, _body: Body) -> dict[str, Any]:
    """Log out: revoke our tokens and forget them."""
    await services.pats.log_out()
    return services.pats.status()


async def post_rotate(services: Services, _body: Body) -> dict[str, Any]:
    """Rotate now."""
    await services.pats.rotate()
    return services.pats.status()


async def post_revoke_pasted(services: Services, body: Body) -> dict[str, Any]:
    """Revoke the token that the owner picked as the pasted one."""
    await services.pats.revoke_pasted(_text(body, "token_id"))
    return services.pats.status()


async def get_agents(services: Services, _body: Body) -> dict[str, Any]:
    """Return the models of all agents."""
    return {"agents": services.agents.status()}


async def get_agent(services: Services, _body: Body, name: str) -> dict[str, Any]:
    """Return an agent's model."""
    return services.agents.model(name)


async def patch_agent(services: Services, body: Body, name: str) -> dict[str, Any]:
    """Change an agent's choices; one that is switched on is installed if need be."""
    model = await services.agents.change(name, dict(body))
    if body.get("enabled") and not model["installed"]:
        services.install(name)
    return model


async def delete_agent(services: Services, _body: Body, name: str) -> dict[str, Any]:
    """Switch an agent off and delete its program."""
    return await services.agents.remove(name)


async def post_install(services: Services, _body: Body, name: str) -> dict[str, Any]:
    """Switch an agent on and start its installation; its progress is in the status."""
    model = await services.agents.change(name, {"enabled": True})
    services.install(name)
    return model


async def post_check(services: Services, _body: Body, name: str) -> dict[str, Any]:
    """Look at an agent's program and files, and ask its model."""
    return {"checks": await services.agents.check(name)}


async def get_projects(services: Services, _body: Body) -> dict[str, Any]:
    """Return the models of all projects, and the names of those that can be restored."""
    projects = services.git_sync.status()
    return {"projects": projects, "restorable": await services.git_sync.restorable()}


async def post_sync(services: Services, body: Body) -> dict[str, Any]:
    """Sync a project, or all, now."""
    name = _text(body, "name") if "name" in body else None
    takes_over = body.get("takes_over") is True
    return {"projects": await services.git_sync.sync_now(name, takes_over=takes_over)}


async def post_restore(services: Services, body: Body) -> dict[str, Any]:
    """Bring a project, or all that are not here, back from the workspace."""
    name = _text(body, "name") if "name" in body else None
    return {"restored": [asdict(each) for each in await services.git_sync.restore(name)]}


async def post_trace(services: Services, body: Body) -> dict[str, Any]:
    """Take note of a turn of Claude Code that is to be written to MLflow."""
    services.tracer.take(body)
    return {}


_AGENT = "/dbx-agents/api/agents/{name}"
# A part of a path in braces is an argument of the operations.
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "/dbx-agents/api/status": {"GET": get_status},
    "/dbx-agents/api/pat": {"GET": get_pat, "POST": post_pat, "DELETE": delete_pat},
    "/dbx-agents/api/pat/rotate": {"POST": post_rotate},
    "/dbx-agents/api/pat/revoke-pasted": {"POST": post_revoke_pasted},
    "/dbx-agents/api/agents": {"GET": get_agents},
    _AGENT: {"GET": get_agent, "PATCH": patch_agent, "DELETE": delete_agent},
    f"{_AGENT}/install": {"POST": post_install},
    f"{_AGENT}/check": {"POST": post_check},
    "/dbx-agents/api/traces": {"POST": post_trace},
    "/dbx-agents/api/projects": {"GET": get_projects},
    "/dbx-agents/api/projects/sync": {"POST": post_sync},
    "/dbx-agents/api/projects/restore": {"POST": post_restore},
}


class RestHandler(ExtensionHandlerMixin, APIHandler):
    """The owner's browser asks."""

    auth_resource = "dbx_agents"

    def initialize(  # type: ignore[override]  # tornado hands each handler its own arguments
        self, services: Services, operations: Mapping[str, Operation], name: str
    ) -> None:
        """Take what the route was registered with."""
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
    """A path under ours that is none: said in our own error shape, for every method."""

    auth_resource = "dbx_agents"

    @web.authenticated
    @authorized
    async def get(self, *_arguments: str) -> None:
        """Answer 404."""
        await answer(self, None, {})

    post = put = patch = delete = get


class LocalHandler(web.RequestHandler):
    """A command on the local socket asks."""

    def initialize(self, services: Services, operations: Mapping[str, Operation]) -> None:
        """Take what the route was registered with."""
        self.services, self.operations = services, operations

    def prepare(self) -> None:
        """Refuse other users of this machine."""
        if not is_same_user(self.request):
            raise web.HTTPError(HTTPStatus.FORBIDDEN)

    async def get(self, **_path: str) -> None:
        """Answer GET."""
        await answer(self, self.services, self.operations)

    post = patch = delete = get


def rest_routes(services: Services) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """Return the routes for Jupyter's web application, without its base URL."""
    routes: list[tuple[str, type[web.RequestHandler], dict[str, Any]]] = [
        (_pattern(path), RestHandler, {"services": services, "operations": operations})
        for path, operations in OPERATIONS.items()
    ]
    return [*routes, (r"/dbx-agents/api/(.*)", UnknownPathHandler, {})]


def local_channel(services: Services) -> LocalChannel:
    """Return the channel on which commands in a terminal ask the same."""
    routes = [
        (_pattern(path), LocalHandler, {"services": services, "operations": operations})
        for path, operations in OPERATIONS.items()
    ]
    return LocalChannel(web.Application(routes, log_function=_no_access_log))


async def answer(
    handler: web.RequestHandler, services: Services | None, operations: Mapping[str, Operation]
) -> None:
    """Run the operation and write its reply, or the error's message and hint."""
    try:
        if services is None:
            raise RequestError("There is no such address.", "See rest-api.yml.", status=404)
        operation = _operation(handler, operations)
        reply = await operation(services, _body(handler.request.body), **handler.path_kwargs)
    except DbxAgentsError as error:
        handler.set_status(error.http_status)
        if isinstance(error, WorkspaceUnavailableError):
            handler.set_header("Retry-After", str(int(error.retry_after_seconds) or 2))
        reply = {"message": error.message, "hint": error.hint}
    handler.set_header("Content-Type", "application/json")
    handler.set_header("Cache-Control", "no-store")
    handler.finish(json.dumps(reply))


def _pattern(path: str) -> str:
    """Return the route of a path with arguments in braces."""
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[a-z0-9-]+)", path)


def _operation(handler: web.RequestHandler, operations: Mapping[str, Operation]) -> Operation:
    operation = operations.get(handler.request.method or "")
    if operation is None:
        raise RequestError(
            f"{handler.request.method} is not possible here.",
            f"Use {' or '.join(operations)}.",
            status=HTTPStatus.METHOD_NOT_ALLOWED,
        )
    return operation


def _body(data: bytes) -> Body:
    """Return a request's JSON object ({} for an empty body).  Raises RequestError."""
    if len(data) > MOST_BODY_BYTES:
        raise RequestError(
            f"The body has {len(data)} bytes; at most {MOST_BODY_BYTES} are taken.",
            "A token is some 40 characters long: was something else pasted?",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    if not data.strip():
        return {}
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise RequestError("The body is no JSON object.", 'Send an object such as {"token": "…"}.')
    return body


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise RequestError(f"The body lacks the text “{key}”.", f'Send {{"{key}": "…"}}.')
    return value


def _no_access_log(_handler: web.RequestHandler) -> None:
    """Local calls are frequent and say nothing."""

"""The paths of the data: authenticated as all others, answered by the program beside."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import httpx

from .. import platform_errors as errors
from ..platform_errors import PlatformError
from ..state import Workspace
from ..web import Route, WorkspaceHandler
from .answers import corrected
from .lake import Lake
from .process import LakeError

# Of the program's own user and address.
_PROGRAMS_USER = "minilake-user"
WAREHOUSES_PATH = "/api/2.0/sql/warehouses"
_CODES = {400: "INVALID_PARAMETER_VALUE", 404: "RESOURCE_DOES_NOT_EXIST"}
_SCOPES = (
    (r"/api/2\.0/sql/(?:warehouses|history)(?:/.*)?", "sql"),
    (
        r"/api/2\.1/unity-catalog/(?:catalogs|schemas|tables|volumes|functions)(?:/.*)?",
        "unity-catalog",
    ),
    (r"/api/2\.[12]/jobs/.*", "jobs"),
    (r"/api/2\.0/fs/.*", "files"),
)


class LakeHandler(WorkspaceHandler):
    """A request that is handed to the program; without one the path belongs to no API."""

    def initialize(self, workspace: Workspace, scope: str = "") -> None:
        """Store the workspace, and the scope that is needed."""
        super().initialize(workspace)
        self.required_scope = scope

    @property
    def lake(self) -> Lake:
        """The data; raises ``PlatformError`` without it."""
        lake = self.workspace.data.lake
        if not isinstance(lake, Lake):
            raise errors.no_such_route(self.request.method or "", self.request.path)
        return lake

    async def get(self, *_path: str) -> None:
        """Hand the request on, and its answer back."""
        if self.workspace.data.lake is None and self.request.path == WAREHOUSES_PATH:
            self.write_json({"warehouses": self.workspace.data.warehouses})
            return
        reply = await self._forward(self.request.body)
        if reply.is_error:
            raise _error(reply)
        self.set_status(reply.status_code)
        if reply.status_code == HTTPStatus.NO_CONTENT:
            return
        kind = reply.headers.get("Content-Type", "application/octet-stream")
        self.set_header("Content-Type", kind)
        self.write(self._localised(reply.content) if "json" in kind else reply.content)

    post = put = patch = delete = head = get

    async def _forward(self, body: bytes) -> httpx.Response:
        path = self.request.uri or self.request.path
        kind = {"Content-Type": self.request.headers.get("Content-Type", "application/json")}
        # The program has one version of the Jobs API.
        path = path.replace("/api/2.1/jobs/", "/api/2.2/jobs/", 1)
        try:
            return await self.lake.client.request(
                self.request.method or "GET", path, content=body, headers=kind
            )
        except httpx.HTTPError as error:
            raise _unavailable(error) from None

    def _localised(self, content: bytes) -> bytes:
        """Return JSON with the caller's name, and this server's address, for the program's."""
        host, _, port = self.request.host.partition(":")
        body = _replaced(json.loads(content), self.token.principal, host, int(port or 80))
        return json.dumps(body).encode()


class StatementsHandler(LakeHandler):
    """The Statement Execution API, whose answers are corrected."""

    async def post(self, *path: str) -> None:
        """Run a statement, or cancel one."""
        if path and path[0]:
            await super().get(*path)
            return
        body = self.json_body()
        if not body.get("statement") or not body.get("warehouse_id"):
            missing = "warehouse_id" if body.get("statement") else "statement"
            raise errors.invalid_parameter(f"Missing required field: {missing}")
        try:
            self.write_json(await self.lake.run(body))
        except LakeError as error:
            raise errors.invalid_parameter(str(error)) from None
        except httpx.HTTPError as error:
            raise _unavailable(error) from None

    async def get(self, *path: str) -> None:
        """Return a statement, or a chunk of its rows."""
        known = self.lake.failure(path[0].strip("/")) if path and path[0] else None
        if known is not None:
            self.write_json(known)
            return
        reply = await self._forward(b"")
        if reply.is_error:
            raise _error(reply)
        self.write_json(corrected(reply.json()))


def lake_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the data."""
    options: dict[str, Any] = {"workspace": workspace}
    return [
        (r"/api/2\.0/sql/statements(/.*)?", StatementsHandler, {**options, "scope": "sql"}),
        *((path, LakeHandler, {**options, "scope": scope}) for path, scope in _SCOPES),
    ]


def _error(reply: httpx.Response) -> PlatformError:
    status = reply.status_code
    try:
        message = str(reply.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = reply.text[:300]
    return PlatformError(status, _CODES.get(status, "INTERNAL_ERROR"), message)


def _unavailable(error: Exception) -> PlatformError:
    return PlatformError(
        503, "TEMPORARILY_UNAVAILABLE", f"The data is not there ({type(error).__name__})."
    )


def _replaced(value: Any, user: str, host: str, port: int) -> Any:
    if isinstance(value, list):
        return [_replaced(each, user, host, port) for each in value]
    if isinstance(value, dict):
        whole = {key: _replaced(each, user, host, port) for key, each in value.items()}
        if "odbc_params" in whole:
            place = {"hostname": host, "host": host, "port": port}
            whole["odbc_params"] = {**whole["odbc_params"], **place}
        return whole
    return user if value == _PROGRAMS_USER else value

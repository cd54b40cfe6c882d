"""The base of every handler: request log, faults, authentication, error bodies."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import time
import uuid
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any

from tornado import web
from tornado.iostream import StreamClosedError

from . import platform_errors as errors
from .faults import Fault
from .platform_errors import PlatformError
from .request_log import LoggedRequest
from .rest.tokens import Token
from .state import Workspace

# A hang without a time ends at this, so that a forgotten one does not hold a test run for ever.
DEFAULT_HANG_SECONDS = 600.0


class WorkspaceHandler(web.RequestHandler):
    """One request to the workspace; subclasses declare who may call and speak one API."""

    needs_token = True
    # The API scope that a scoped token must hold, None for "any live token".
    required_scope: str | None = None

    entry: LoggedRequest
    _token: Token | None

    def initialize(self, workspace: Workspace) -> None:
        """Takes the workspace that this server plays."""
        self.workspace = workspace
        self._token = None
        self._started = time.monotonic()
        self._left = asyncio.Event()
        self._pending_fault: Fault | None = None
        self.entry = workspace.requests.open(
            workspace.clock(),
            self.request.method or "",
            self.request.path,
            self.request.query,
            self.request.headers.get("User-Agent", ""),
        )

    @property
    def token(self) -> Token:
        """The live token of the request."""
        if self._token is None:
            raise errors.credential_missing()
        return self._token

    def set_default_headers(self) -> None:
        """Adds what every answer of the platform carries, and hides the server's make."""
        self.set_header("X-Request-Id", str(uuid.uuid4()))
        self.set_header("Server", "databricks")

    async def prepare(self) -> None:
        """Faults strike first, then authentication."""
        self._note_token()
        await self._suffer_faults()
        if self.needs_token and not self._finished:
            self._authenticate()

    def json_body(self) -> dict[str, Any]:
        """The request's JSON object, an empty one for an empty body."""
        if not self.request.body:
            return {}
        try:
            body = json.loads(self.request.body)
        except ValueError:
            raise errors.malformed_request(
                "Could not parse request object: invalid JSON."
            ) from None
        if not isinstance(body, dict):
            raise errors.malformed_request("Could not parse request object: expected an object.")
        return body

    def write_json(self, body: object, status: int | None = None) -> None:
        """Write JSON, with a status if one is given."""
        if status is not None:
            self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.write(json.dumps(body))

    async def pause(self, seconds: float) -> None:
        """Waits, but no longer than the client does."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._left.wait(), seconds)
            except TimeoutError:
                return
            raise StreamClosedError

    @property
    def stream_fault(self) -> Fault | None:
        """The fault that cuts this answer in mid-stream, if one is armed."""
        fault = self._pending_fault
        return fault if fault is not None and fault.kind == "drop_stream" else None

    def cut(self) -> None:
        """Closes the connection as it stands, without another byte of answer."""
        self.entry.outcome = "dropped"
        self._note_end()
        self.detach().close()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Any:
        """Ends the answer, or loses it if a fault says so."""
        fault, self._pending_fault = self._pending_fault, None
        if fault is not None and fault.kind == "late":
            return asyncio.ensure_future(self._finish_late(chunk, fault.seconds))
        if fault is not None:
            self.cut()
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        return super().finish(chunk)

    async def _finish_late(
        self, chunk: str | bytes | dict[str, Any] | None, seconds: float
    ) -> None:
        with contextlib.suppress(StreamClosedError):
            await self.pause(seconds)
            await self.finish(chunk)

    def on_finish(self) -> None:
        """Completes the log entry."""
        if self.entry.outcome == "open":
            self.entry.outcome = "answered"
            self.entry.status = self.get_status()
        self._note_end()

    def on_connection_close(self) -> None:
        """Notes that the client left and wakes whoever waits on its behalf."""
        if self.entry.outcome == "open":
            self.entry.outcome = "client_gone"
            self._note_end()
        self._left.set()

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Logs a handler's failure, but not the platform's own answers or a client's leaving."""
        if not isinstance(value, (PlatformError, StreamClosedError)):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Gives a `PlatformError` its own status; everything else is the platform's 500."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, StreamClosedError):
            return
        if isinstance(error, PlatformError):
            status_code = error.status
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Writes the platform's error body."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(error, PlatformError):
            reason = responses.get(status_code, "Error")
            error = PlatformError(status_code, _code_of(status_code), reason)
        for name, value in error.headers.items():
            self.set_header(name, value)
        self.write_json(self.render_error(error), error.status)
        self.finish()

    def render_error(self, error: PlatformError) -> dict[str, object]:
        """The JSON of an error; dialects that wrap it override this."""
        return error.body()

    def bearer(self) -> str | None:
        """The bearer credential: the only one that the platform reads."""
        scheme, _, value = self.request.headers.get("Authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" and value.strip() else None

    def invalid_token(self) -> PlatformError:
        """The answer to a dead token; the AI Gateway has its own."""
        return errors.invalid_access_token()

    def _note_token(self) -> None:
        value = self.bearer()
        self.entry.token_id = self.workspace.tokens.id_of(value) if value else None

    def _authenticate(self) -> None:
        value = self.bearer()
        if value is None:
            raise errors.credential_missing()
        token = self.workspace.tokens.authenticate(value)
        if token is None:
            raise self.invalid_token()
        self.entry.principal = token.principal
        if self.required_scope is not None and not token.allows(self.required_scope):
            raise errors.missing_scope(self.required_scope)
        self._token = token

    async def _suffer_faults(self) -> None:
        for fault in self.workspace.faults.strike(self.request.method or "", self.request.path):
            self.entry.fault = fault.kind
            if fault.kind == "latency":
                await self.pause(fault.seconds)
            elif fault.kind == "hang":
                await self.pause(fault.seconds or DEFAULT_HANG_SECONDS)
                self.cut()
            elif fault.kind == "drop_before":
                self.cut()
            elif fault.kind in ("drop_after", "drop_stream", "late"):
                self._pending_fault = fault
            else:
                raise _fault_error(fault)

    def _note_end(self) -> None:
        self.entry.seconds = round(time.monotonic() - self._started, 6)


# Takes the request's handler and what the path names; returns the JSON to reply with, or None
# when it has replied itself.
Operation = Callable[..., Any]
Operations = Mapping[str, Mapping[str, Operation]]  # by path and method
Json = Mapping[str, Any]
Route = tuple[str, type[web.RequestHandler], dict[str, Any]]


class ApiHandler(WorkspaceHandler):
    """One path of an API: an operation per method."""

    def initialize(  # type: ignore[override]
        self,
        workspace: Workspace,
        operations: Mapping[str, Operation],
        scope: str | None = None,
        needs_token: bool = True,
    ) -> None:
        """Store the operations, by method, and what a caller must hold."""
        super().initialize(workspace)
        self._operations = operations
        self.required_scope, self.needs_token = scope, needs_token

    async def get(self, *arguments: str) -> None:
        """Run the method's operation and reply with what it returns."""
        operation = self._operations.get(self.request.method or "")
        if operation is None:
            raise web.HTTPError(405)
        reply = operation(self, *arguments)
        if inspect.isawaitable(reply):
            reply = await reply
        if reply is not None:
            self.write_json(reply)

    post = put = patch = delete = get


def routes(workspace: Workspace, operations: Operations, **options: Any) -> list[Route]:
    """Return the routes of an API."""
    return [
        (path, ApiHandler, {"workspace": workspace, "operations": methods, **options})
        for path, methods in operations.items()
    ]


class NoSuchRoute(WorkspaceHandler):
    """Every path at which no API lives."""

    needs_token = False

    async def prepare(self) -> None:
        """Answers whatever the method is."""
        await super().prepare()
        if not self._finished:
            raise errors.no_such_route(self.request.method or "", self.request.path)


def _fault_error(fault: Fault) -> PlatformError:
    if fault.kind == "429":
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        return PlatformError(
            429, "REQUEST_LIMIT_EXCEEDED", "Too many requests, try again later.", headers
        )
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return PlatformError(fault.status, fault.error_code, fault.message, headers)


def _code_of(status: int) -> str:
    return {404: "ENDPOINT_NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "REQUEST_TOO_LARGE"}.get(
        status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"
    )

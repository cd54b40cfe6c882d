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

# How long a hang without ``seconds`` lasts, so that no test run waits for ever.
DEFAULT_HANG_SECONDS = 600.0


class WorkspaceHandler(web.RequestHandler):
    """One request to the workspace: logged, failed by faults, authenticated, then handled."""

    needs_token = True
    # The API scope that the token must have; None: any live token will do.
    required_scope: str | None = None

    log_entry: LoggedRequest
    _token: Token | None

    def initialize(self, workspace: Workspace) -> None:
        """Store the workspace and open the request's log entry."""
        self.workspace = workspace
        self._token = None
        self._started = time.monotonic()
        self._client_left = asyncio.Event()
        self._pending_fault: Fault | None = None
        self.log_entry = workspace.requests.open(
            workspace.clock(),
            self.request.method or "",
            self.request.path,
            self.request.query,
            self.request.headers.get("User-Agent", ""),
        )

    @property
    def token(self) -> Token:
        """The request's live token; raises ``PlatformError`` on routes that need none."""
        if self._token is None:
            raise errors.credential_missing()
        return self._token

    def set_default_headers(self) -> None:
        """Set the headers of every response of the platform."""
        self.set_header("X-Request-Id", str(uuid.uuid4()))
        self.set_header("Server", "databricks")

    async def prepare(self) -> None:
        """Apply the faults, then authenticate."""
        value = self._bearer_token()
        self.log_entry.token_id = self.workspace.tokens.id_of(value) if value else None
        await self._apply_faults()
        if self.needs_token and not self._finished:
            self._authenticate(value)

    def json_body(self) -> dict[str, Any]:
        """Return the request's JSON object, an empty one for an empty body."""
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
        """Wait; raise ``StreamClosedError`` as soon as the client leaves."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._client_left.wait(), seconds)
            except TimeoutError:
                return
            raise StreamClosedError

    @property
    def stream_fault(self) -> Fault | None:
        """The fault that cuts this response off in mid-stream, if there is one."""
        fault = self._pending_fault
        return fault if fault is not None and fault.kind == "drop_stream" else None

    def drop_connection(self) -> None:
        """Close the connection without sending another byte."""
        self.log_entry.outcome = "dropped"
        self._log_duration()
        self.detach().close()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Any:
        """Send the response, or delay or lose it where a fault says so."""
        fault, self._pending_fault = self._pending_fault, None
        if fault is not None and fault.kind == "late":
            return asyncio.ensure_future(self._finish_late(chunk, fault.seconds))
        if fault is not None:
            self.drop_connection()
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
        """Complete the log entry."""
        if self.log_entry.outcome == "open":
            self.log_entry.outcome = "answered"
            self.log_entry.status = self.get_status()
        self._log_duration()

    def on_connection_close(self) -> None:
        """Log that the client left, and end ``pause``."""
        if self.log_entry.outcome == "open":
            self.log_entry.outcome = "client_gone"
            self._log_duration()
        self._client_left.set()

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log a handler's failure, but neither the platform's own errors nor a client that left."""
        if not isinstance(value, (PlatformError, StreamClosedError)):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Write an error, unless the client left."""
        if not isinstance(kwargs.get("exc_info", (None, None))[1], StreamClosedError):
            super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write a ``PlatformError`` as it is, and any other error in the platform's form."""
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, PlatformError):
            reason = responses.get(status_code, "Error")
            error = PlatformError(status_code, _code_of(status_code), reason)
        for name, value in error.headers.items():
            self.set_header(name, value)
        self.write_json(error.body(), error.status)
        self.finish()

    def invalid_token(self) -> PlatformError:
        """Return the error for a dead token; the AI Gateway has its own."""
        return errors.invalid_access_token()

    def _bearer_token(self) -> str | None:
        scheme, _, value = self.request.headers.get("Authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" and value.strip() else None

    def _authenticate(self, value: str | None) -> None:
        if value is None:
            raise errors.credential_missing()
        token = self.workspace.tokens.authenticate(value)
        if token is None:
            raise self.invalid_token()
        self.log_entry.principal = token.principal
        if self.required_scope is not None and not token.allows(
            self.required_scope, self.request.method or ""
        ):
            raise errors.missing_scope(self.required_scope)
        self._token = token

    async def _apply_faults(self) -> None:
        for fault in self.workspace.faults.use(self.request.method or "", self.request.path):
            self.log_entry.fault = fault.kind
            if fault.kind == "latency":
                await self.pause(fault.seconds)
            elif fault.kind == "hang":
                await self.pause(fault.seconds or DEFAULT_HANG_SECONDS)
                self.drop_connection()
            elif fault.kind == "drop_before":
                self.drop_connection()
            elif fault.kind in ("drop_after", "drop_stream", "late"):
                self._pending_fault = fault
            else:
                raise _fault_error(fault)

    def _log_duration(self) -> None:
        self.log_entry.seconds = round(time.monotonic() - self._started, 6)


# Takes the handler and the groups of the path's pattern; returns the JSON to reply with, or None if
# it has replied itself.
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
        """Store the operations by method, and which token they need."""
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
    """Return the routes of an API; ``options`` are those of ``ApiHandler.initialize``."""
    return [
        (path, ApiHandler, {"workspace": workspace, "operations": methods, **options})
        for path, methods in operations.items()
    ]


class NoSuchRoute(WorkspaceHandler):
    """Every path that belongs to no API."""

    needs_token = False

    async def prepare(self) -> None:
        """Reply 404 to every method, once the faults are applied."""
        await super().prepare()
        if not self._finished:
            raise errors.no_such_route(self.request.method or "", self.request.path)


def _fault_error(fault: Fault) -> PlatformError:
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    if fault.kind == "429":
        message = "Too many requests, try again later."
        return PlatformError(429, "REQUEST_LIMIT_EXCEEDED", message, headers)
    return PlatformError(fault.status, fault.error_code, fault.message, headers)


def _code_of(status: int) -> str:
    return {404: "ENDPOINT_NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "REQUEST_TOO_LARGE"}.get(
        status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"
    )

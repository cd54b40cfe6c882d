"""The gate: the first rule of the server's router, through which every request has to pass.

Pages, REST, static files, 404s, websocket handshakes, unknown verbs, and plain tornado handlers of
other extensions, which have no identity provider, all go through the router.

Decisions
- A refusal is written when the headers are in, and the connection closed: a handler would first
  buffer the stranger's body (up to half a gigabyte).
- One rule with a router as its target, not a subclass of the web application: if a router finds no
  handler, tornado tries the next rule; this is how the owner's requests pass.
"""

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    split_host_and_port,
)
from tornado.routing import AnyMatches, Router, Rule
from tornado.web import Application

from ..background import AnyLogger
from .identity import STATUS_OF_REFUSAL, OwnerIdentityProvider, Verdict

LIVENESS_PATH = "dbx-agents/healthz"
RETRY_AFTER_SECONDS = 10
LOG_INTERVAL_SECONDS = 60.0
LOGGED_CHARACTERS = 200  # of a path that a stranger chose, up to 64 KiB long
# A host name, IPv4 or bracketed IPv6 address, and a port: nothing that could be a URL or a list.
HOST_SHAPE = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?"
)

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
FORBIDDEN_PAGE = PAGE.format(
    title="This app is for its owner only",
    text="You are signed in as someone else, or not at all. Deploy the app yourself to have one."
    " If this one is yours, see its log for the address that may enter.",
)
UNRESOLVED_PAGE = PAGE.format(
    title="The owner of this app is not known yet",
    text="Until the workspace has named the owner, nobody can enter. This page reloads itself. If"
    " it stays, see the app's log for the reason, or set APP_OWNER_EMAIL in the app's environment.",
)


class ImmediateAnswer(HTTPMessageDelegate):
    """A reply that does not wait for the request's body, and closes the connection."""

    def __init__(
        self, request: HTTPServerRequest, status: HTTPStatus, headers: dict[str, str], page: str
    ) -> None:
        self.request = request
        self.status = status
        self._headers = headers
        self._body = page.encode()

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """Write the whole reply."""
        connection = self.request.connection
        if connection is None:
            raise ValueError("a forged request has no connection")
        answer = HTTPHeaders({**SECURITY_HEADERS, **self._headers, "Connection": "close"})
        answer["Content-Length"] = str(len(self._body))
        # A client would take a body in reply to HEAD for the next reply.
        body = None if self.request.method == "HEAD" else self._body
        connection.write_headers(
            ResponseStartLine("HTTP/1.1", self.status.value, self.status.phrase), answer, body
        )
        connection.finish()


class Refusal(ImmediateAnswer):
    """The reply to everybody but the owner; it does not say who that is."""

    def __init__(self, request: HTTPServerRequest, verdict: Verdict, log: "RefusalLog") -> None:
        status = STATUS_OF_REFUSAL[verdict]
        headers = {"Content-Type": "text/html; charset=utf-8"}
        page = FORBIDDEN_PAGE
        if verdict is Verdict.UNRESOLVED:
            page = UNRESOLVED_PAGE
            headers["Retry-After"] = headers["Refresh"] = str(RETRY_AFTER_SECONDS)
        super().__init__(request, status, headers, page)
        self._log = log

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """Write the refusal and log it."""
        super().headers_received(start_line, headers)
        self._log.note(self.request, self.status)


class RefusalLog:
    """Logs refusals, at most one line a minute, without the value of any header."""

    def __init__(
        self,
        log: AnyLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._clock = clock
        self._quiet_until = -LOG_INTERVAL_SECONDS
        self._unlogged = 0

    def note(self, request: HTTPServerRequest, status: HTTPStatus) -> None:
        """Log one refusal, or count it for the next line."""
        now = self._clock()
        if now < self._quiet_until:
            self._unlogged += 1
            return
        # The path without its query (which may hold a secret), escaped: it is a stranger's text.
        self._log.warning(
            "Refused %r %r with %d (and %d more since the last such line)",
            (request.method or "")[:LOGGED_CHARACTERS],
            request.path[:LOGGED_CHARACTERS],
            status,
            self._unlogged,
        )
        self._quiet_until = now + LOG_INTERVAL_SECONDS
        self._unlogged = 0


class Gate(Router):
    """Finds a refusal for strangers and, on purpose, nothing for the owner."""

    def __init__(self, identity_provider: OwnerIdentityProvider, base_url: str) -> None:
        self.identity_provider = identity_provider
        self.liveness_path = f"{base_url}{LIVENESS_PATH}"
        self._log = RefusalLog(identity_provider.log)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return the reply to a request that is not the owner's, None to let the owner pass.

        An exception in here ends the connection without a reply, so it fails closed, too.
        """
        if request.path == self.liveness_path and request.method in {"GET", "HEAD"}:
            # For the platform's probes: the status alone, nothing about the app.
            return ImmediateAnswer(request, HTTPStatus.OK, {}, "")
        verdict = self.identity_provider.verdict(request.headers)
        if verdict is not Verdict.OWNER:
            return Refusal(request, verdict, self._log)
        clean_request(request)
        return None


def clean_request(request: HTTPServerRequest) -> None:
    """Prepare the owner's request for the handlers behind the gate, in place."""
    # The owner's platform token: extensions that proxy to local ports would forward it to them.
    if "X-Forwarded-Access-Token" in request.headers:
        del request.headers["X-Forwarded-Access-Token"]
    host = forwarded_host(request.headers)
    if host:
        # Jupyter compares Origin and Referer with Host, which a proxy may have rewritten.
        request.headers["Host"] = request.host = host
        request.host_name = split_host_and_port(host)[0]


def forwarded_host(headers: HTTPHeaders) -> str | None:
    """Return the host that the browser requested, lower-case as Origin is, or None if unclear."""
    values = headers.get_list("X-Forwarded-Host")
    if len(values) != 1:
        return None
    host = values[0].strip(" \t")
    if not host.isascii() or not HOST_SHAPE.fullmatch(host.lower()):
        return None
    return host.lower()


def install_gate(web_app: Application, identity_provider: OwnerIdentityProvider) -> Gate:
    """Make the gate the first rule of the server's router.

    Rules of extensions that load later are inserted before the last one, hence behind it.
    """
    gate = Gate(identity_provider, web_app.settings["base_url"])
    web_app.default_router.rules.insert(0, Rule(AnyMatches(), gate))
    return gate

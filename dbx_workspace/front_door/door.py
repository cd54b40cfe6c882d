"""The Apps front door: a reverse proxy that signs one user in, as the platform's does.

HTTP streams both ways with back-pressure: a chunk is read only after the chunk before it was
written to the other side. A websocket is relayed as bytes once the app has accepted it, so the two
ends handle frames, pings, subprotocols and close codes themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from tornado import httputil
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets
from tornado.tcpclient import TCPClient

from .rules import FrontDoorLimits, Visitor, forwarded_headers, is_websocket, without_hop_by_hop

_CONNECT_TIMEOUT_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024
_HEAD_LIMIT_BYTES = 64 * 1024
# Interim responses (1xx) concern one connection; tornado itself handles ``Expect: 100-continue``.
_FIRST_FINAL_STATUS = 200
# The real proxy documents no limit and nothing is buffered here, but tornado needs a number.
_MAX_BODY_BYTES = 1 << 40


class FrontDoor:
    """A proxy to the app at ``app_url`` for one visitor, ``user_email``.

    ``access_token``, if given, is sent as ``X-Forwarded-Access-Token`` (user authorization).
    ``keep_host`` forwards the visitor's ``Host``; else the app sees its own, and the visitor's in
    ``X-Forwarded-Host``. ``forwarded_scheme`` is ``https`` on the platform, where TLS ends at the
    proxy. ``limits`` are the platform's by default, and may be changed while the door is open.
    """

    def __init__(
        self,
        app_url: str,
        user_email: str,
        *,
        user_id: str = "1234567890",
        access_token: str | None = None,
        keep_host: bool = True,
        forwarded_scheme: str = "http",
        limits: FrontDoorLimits | None = None,
    ) -> None:
        parts = urlsplit(app_url)
        self.app_host = parts.hostname or "127.0.0.1"
        self.app_port = parts.port or 80
        self.visitor = Visitor(user_email, user_id, user_email, access_token)
        self.keep_host = keep_host
        self.forwarded_scheme = forwarded_scheme
        self.limits = limits or FrontDoorLimits()
        self.url = ""
        self._relays: set[asyncio.Task[None]] = set()
        self._server: HTTPServer | None = None

    async def start(self, port: int = 0, address: str = "127.0.0.1") -> None:
        """Listen; port 0 picks a free port, which is then in ``url``."""
        sockets = bind_sockets(port, address, family=socket.AF_INET)
        self._server = HTTPServer(_ServerDelegate(self), max_body_size=_MAX_BODY_BYTES)
        self._server.add_sockets(sockets)
        self.url = f"http://{address}:{sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None
        for relay in list(self._relays):
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def connect(self) -> IOStream:
        """Return a new connection to the app; raise ``OSError`` if it is down."""
        stream = await TCPClient().connect(
            self.app_host, self.app_port, timeout=_CONNECT_TIMEOUT_SECONDS
        )
        # Without this, Nagle's algorithm holds keystrokes back.
        stream.set_nodelay(True)
        return stream

    def headers_for(self, headers: httputil.HTTPHeaders, client_ip: str) -> httputil.HTTPHeaders:
        """Return the headers of the visitor's request as the app sees them."""
        return forwarded_headers(
            headers,
            self.visitor,
            client_ip=client_ip,
            scheme=self.forwarded_scheme,
            app_host=None if self.keep_host else f"{self.app_host}:{self.app_port}",
        )

    def track(self, relay: asyncio.Task[None]) -> None:
        """Keep a task until it ends, for ``stop`` to cancel."""
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)


class _ServerDelegate(httputil.HTTPServerConnectionDelegate):
    """Tornado's factory of request delegates."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        return _ProxiedRequest(self._door, request_conn)


class _ProxiedRequest(httputil.HTTPMessageDelegate):
    """One request, forwarded to the app; its response is relayed to the visitor."""

    def __init__(self, door: FrontDoor, visitor: httputil.HTTPConnection) -> None:
        assert isinstance(visitor, HTTP1Connection)  # noqa: S101 (tornado serves nothing else)
        self._door = door
        self._visitor = visitor
        self._app: HTTP1Connection | None = None
        self._response: asyncio.Task[None] | None = None

    async def headers_received(  # type: ignore[override]
        self,
        start_line: httputil.RequestStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        """Forward the request's head and start to relay the response."""
        self._visitor.stream.set_nodelay(True)
        client_ip = str(self._visitor.stream.socket.getpeername()[0])
        forwarded = self._door.headers_for(headers, client_ip)
        try:
            stream = await self._door.connect()
        except (OSError, StreamClosedError, TimeoutError):
            return self._reply_error(502, "Bad Gateway", "The app is not answering.")
        if is_websocket(headers):
            return self._forward_websocket(stream, start_line, forwarded)
        await self._forward_request(stream, start_line, forwarded)
        return None

    async def data_received(self, chunk: bytes) -> None:
        """Forward a chunk of the body, unless the app has closed its connection."""
        if self._app is not None:
            with contextlib.suppress(StreamClosedError):
                await self._app.write(chunk)

    def finish(self) -> None:
        """End the request to the app."""
        if self._app is not None and not self._app.stream.closed():
            self._app.finish()

    def on_connection_close(self) -> None:
        """Close the connection to the app when the visitor leaves."""
        if self._app is not None:
            self._app.stream.close()

    async def _forward_request(
        self,
        stream: IOStream,
        start_line: httputil.RequestStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        parameters = HTTP1ConnectionParameters(
            no_keep_alive=True, decompress=False, max_body_size=_MAX_BODY_BYTES
        )
        self._app = HTTP1Connection(stream, True, parameters)
        headers["Connection"] = "close"
        line = httputil.RequestStartLine(start_line.method, start_line.path, "HTTP/1.1")
        self._visitor.set_close_callback(self.on_connection_close)
        with contextlib.suppress(StreamClosedError):
            await self._app.write_headers(line, headers)
        self._response = asyncio.create_task(self._relay_response(self._app))
        self._door.track(self._response)

    async def _relay_response(self, app: HTTP1Connection) -> None:
        limits = self._door.limits
        relay = _ResponseRelay(self._visitor, app)
        try:
            async with asyncio.timeout(limits.request()) as limit:
                relay.on_start = _stream_extension(limit, limits)
                await app.read_response(relay)
        except StreamClosedError:
            pass  # The visitor left, or the app closed its connection: see the relay's state below.
        except TimeoutError:
            if not relay.has_started:
                return self._reply_error(504, "Gateway Timeout", "upstream request timeout")
        finally:
            app.stream.close()
        if relay.is_complete:
            return None
        if relay.has_started:
            return self._visitor.stream.close()
        return self._reply_error(502, "Bad Gateway", "The app closed the connection.")

    def _reply_error(self, status: int, reason: str, message: str) -> None:
        if self._visitor.stream.closed():
            return
        body = message.encode()
        headers = httputil.HTTPHeaders(
            {"Content-Type": "text/plain", "Content-Length": str(len(body)), "Connection": "close"}
        )
        line = httputil.ResponseStartLine("HTTP/1.1", status, reason)
        self._visitor.write_headers(line, headers, body)
        self._visitor.finish()

    def _forward_websocket(
        self,
        app: IOStream,
        start_line: httputil.RequestStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        headers["Connection"] = "Upgrade"
        headers["Upgrade"] = "websocket"
        head = f"{start_line.method} {start_line.path} HTTP/1.1\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.get_all())
        request = f"{head}{lines}\r\n".encode("latin1")
        visitor = self._visitor.detach()
        limits = self._door.limits
        self._door.track(asyncio.create_task(_relay_websocket(visitor, app, request, limits)))


def _stream_extension(limit: asyncio.Timeout, limits: FrontDoorLimits) -> Callable[[], None]:
    """Return a callback that replaces a request's deadline by a stream's, counted from now."""
    loop = asyncio.get_running_loop()
    stream = limits.stream()
    deadline = None if stream is None else loop.time() + stream
    return lambda: limit.reschedule(deadline)


class _ResponseRelay(httputil.HTTPMessageDelegate):
    """Writes each chunk of the app's response to the visitor before the next one is read."""

    def __init__(self, visitor: HTTP1Connection, app: HTTP1Connection) -> None:
        self._visitor = visitor
        self._app = app
        self.has_started = False
        self.is_complete = False
        self.on_start: Callable[[], None] = lambda: None

    async def headers_received(  # type: ignore[override]
        self,
        start_line: httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        if start_line.code < _FIRST_FINAL_STATUS:
            return
        self.has_started = True
        self.on_start()
        await self._until_written(
            self._visitor.write_headers(start_line, without_hop_by_hop(headers))
        )

    async def data_received(self, chunk: bytes) -> None:
        await self._until_written(self._visitor.write(chunk))

    async def _until_written(self, written: Awaitable[None]) -> None:
        """Wait for a write; close the connection to the app if the visitor left."""
        try:
            await written
        except StreamClosedError:
            self._app.stream.close()

    def finish(self) -> None:
        self.is_complete = True
        self._visitor.finish()


async def _relay_websocket(
    visitor: IOStream, app: IOStream, request: bytes, limits: FrontDoorLimits
) -> None:
    """Request the websocket from the app, then relay bytes until either end closes."""
    try:
        await app.write(request)
        response = await app.read_until(b"\r\n\r\n", max_bytes=_HEAD_LIMIT_BYTES)
        if b" 101 " in response.split(b"\r\n", 1)[0]:
            await visitor.write(response)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.websocket()):
                    await _pump_both_ways(visitor, app, limits.websocket_idle())
        else:
            # The connection must not be reused: its next request would bypass the door's headers.
            await visitor.write(response.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            await _relay_body(app, visitor, response)
    except StreamClosedError:
        pass
    finally:
        app.close()
        visitor.close()


async def _relay_body(app: IOStream, visitor: IOStream, head: bytes) -> None:
    length = re.search(rb"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
    if length is None:
        await _pump(app, visitor)
    else:
        await visitor.write(await app.read_bytes(int(length[1])))


async def _pump_both_ways(one: IOStream, other: IOStream, idle_seconds: float | None) -> None:
    """Relay bytes until an end closes; raise ``TimeoutError`` after too long a silence."""
    pumps: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(idle_seconds) as limit:
            on_data = _idle_reset(limit, idle_seconds)
            pumps += [asyncio.create_task(_pump(one, other, on_data))]
            pumps += [asyncio.create_task(_pump(other, one, on_data))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


def _idle_reset(limit: asyncio.Timeout, seconds: float | None) -> Callable[[], None]:
    """Return a callback that restarts the idle time."""
    if seconds is None:
        return lambda: None
    loop = asyncio.get_running_loop()
    return lambda: None if limit.expired() else limit.reschedule(loop.time() + seconds)


async def _pump(
    source: IOStream, target: IOStream, on_data: Callable[[], None] = lambda: None
) -> None:
    """Relay bytes one way; each read waits for the previous write."""
    with contextlib.suppress(StreamClosedError):
        while True:
            chunk = await source.read_bytes(_CHUNK_BYTES, partial=True)
            on_data()
            await target.write(chunk)

"""The Apps front door: a reverse proxy that signs one person in, as the platform's does.

HTTP streams both ways with back-pressure: a piece is read only after the piece before it was taken
by the other side. A websocket is carried as bytes once the app has agreed to it, so frames, pings,
subprotocols and close codes are the two ends' own business.
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
# Interim answers (1xx) concern one connection; tornado gives its own to `Expect: 100-continue`.
_FIRST_FINAL_STATUS = 200
# No documented limit at the real proxy, and nothing is buffered here: only tornado wants a number.
_MAX_BODY_BYTES = 1 << 40


class FrontDoor:
    """One visitor's door to an app; `user_email` is who comes in.

    `access_token` is sent as `X-Forwarded-Access-Token` (user authorization) if given. `keep_host`
    passes the visitor's `Host` on; else the app sees its own, and the visitor's in
    `X-Forwarded-Host`. `forwarded_scheme` is `https` on the platform, where TLS ends at the proxy.
    `limits` are the platform's by default, and may be changed while the door is open.
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
        self._tunnels: set[asyncio.Task[None]] = set()
        self._server: HTTPServer | None = None

    async def start(self, port: int = 0, address: str = "127.0.0.1") -> None:
        """Opens the door; port 0 takes a free one, to be read from `url`."""
        sockets = bind_sockets(port, address, family=socket.AF_INET)
        self._server = HTTPServer(_Reception(self), max_body_size=_MAX_BODY_BYTES)
        self._server.add_sockets(sockets)
        self.url = f"http://{address}:{sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Closes the door and whatever is open through it."""
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None
        for tunnel in list(self._tunnels):
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    async def connect(self) -> IOStream:
        """A connection to the app, or `OSError` if it is down."""
        stream = await TCPClient().connect(
            self.app_host, self.app_port, timeout=_CONNECT_TIMEOUT_SECONDS
        )
        # Without this, Nagle's algorithm holds keystrokes back.
        stream.set_nodelay(True)
        return stream

    def headers_for(self, headers: httputil.HTTPHeaders, client_ip: str) -> httputil.HTTPHeaders:
        """The headers with which the app sees the visitor's request."""
        return forwarded_headers(
            headers,
            self.visitor,
            client_ip=client_ip,
            scheme=self.forwarded_scheme,
            app_host=None if self.keep_host else f"{self.app_host}:{self.app_port}",
        )

    def keep(self, tunnel: asyncio.Task[None]) -> None:
        """Holds on to a running tunnel until it ends."""
        self._tunnels.add(tunnel)
        tunnel.add_done_callback(self._tunnels.discard)


class _Reception(httputil.HTTPServerConnectionDelegate):
    """Makes one passage for each request."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        return _Passage(self._door, request_conn)


class _Passage(httputil.HTTPMessageDelegate):
    """One request on its way to the app, and its answer on the way back."""

    def __init__(self, door: FrontDoor, visitor: httputil.HTTPConnection) -> None:
        assert isinstance(visitor, HTTP1Connection)  # noqa: S101 (tornado serves nothing else)
        self._door = door
        self._visitor = visitor
        self._app: HTTP1Connection | None = None
        self._answer: asyncio.Task[None] | None = None

    async def headers_received(  # type: ignore[override]
        self,
        start_line: httputil.RequestStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        """Passes the head on, and begins to carry the answer back."""
        self._visitor.stream.set_nodelay(True)
        client_ip = str(self._visitor.stream.socket.getpeername()[0])
        forwarded = self._door.headers_for(headers, client_ip)
        try:
            stream = await self._door.connect()
        except (OSError, StreamClosedError, TimeoutError):
            return self._refuse(502, "Bad Gateway", "The app is not answering.")
        if is_websocket(headers):
            return self._tunnel(stream, start_line, forwarded)
        await self._begin(stream, start_line, forwarded)
        return None

    async def data_received(self, chunk: bytes) -> None:
        """Passes a piece of the body on; an app that has already answered may not take it."""
        if self._app is not None:
            with contextlib.suppress(StreamClosedError):
                await self._app.write(chunk)

    def finish(self) -> None:
        """Ends the request towards the app."""
        if self._app is not None and not self._app.stream.closed():
            self._app.finish()

    def on_connection_close(self) -> None:
        """A visitor who leaves ends the app's work too."""
        if self._app is not None:
            self._app.stream.close()

    async def _begin(
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
        self._answer = asyncio.create_task(self._carry_answer(self._app))
        self._door.keep(self._answer)

    async def _carry_answer(self, app: HTTP1Connection) -> None:
        limits = self._door.limits
        carrier = _AnswerCarrier(self._visitor, app)
        try:
            async with asyncio.timeout(limits.request()) as limit:
                carrier.on_start = _extension(limit, limits)
                await app.read_response(carrier)
        except StreamClosedError:
            pass  # The visitor left, or the app broke off: what has started says which.
        except TimeoutError:
            if not carrier.has_started:
                return self._refuse(504, "Gateway Timeout", "upstream request timeout")
        finally:
            app.stream.close()
        if carrier.is_complete:
            return None
        if carrier.has_started:
            return self._visitor.stream.close()
        return self._refuse(502, "Bad Gateway", "The app closed the connection.")

    def _refuse(self, status: int, reason: str, message: str) -> None:
        if self._visitor.stream.closed():
            return
        body = message.encode()
        headers = httputil.HTTPHeaders(
            {"Content-Type": "text/plain", "Content-Length": str(len(body)), "Connection": "close"}
        )
        line = httputil.ResponseStartLine("HTTP/1.1", status, reason)
        self._visitor.write_headers(line, headers, body)
        self._visitor.finish()

    def _tunnel(
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
        self._door.keep(asyncio.create_task(_carry_websocket(visitor, app, request, limits)))


def _extension(limit: asyncio.Timeout, limits: FrontDoorLimits) -> Callable[[], None]:
    """What gives an answer that has begun the time of a stream, from the request on."""
    loop = asyncio.get_running_loop()
    stream = limits.stream()
    deadline = None if stream is None else loop.time() + stream
    return lambda: limit.reschedule(deadline)


class _AnswerCarrier(httputil.HTTPMessageDelegate):
    """Hands each piece of the app's answer to the visitor before the next one is read."""

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
        await self._unless_gone(
            self._visitor.write_headers(start_line, without_hop_by_hop(headers))
        )

    async def data_received(self, chunk: bytes) -> None:
        await self._unless_gone(self._visitor.write(chunk))

    async def _unless_gone(self, written: Awaitable[None]) -> None:
        """Waits for the visitor to take what was written; one who left ends the app's work."""
        try:
            await written
        except StreamClosedError:
            self._app.stream.close()

    def finish(self) -> None:
        self.is_complete = True
        self._visitor.finish()


async def _carry_websocket(
    visitor: IOStream, app: IOStream, request: bytes, limits: FrontDoorLimits
) -> None:
    """Asks the app for the websocket, then carries bytes both ways until either end closes."""
    try:
        await app.write(request)
        answer = await app.read_until(b"\r\n\r\n", max_bytes=_HEAD_LIMIT_BYTES)
        if b" 101 " in answer.split(b"\r\n", 1)[0]:
            await visitor.write(answer)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.websocket()):
                    await _pump_both_ways(visitor, app, limits.websocket_idle())
        else:
            # This connection must not be used again: its next request would pass unseen.
            await visitor.write(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            await _carry_refusal(app, visitor, answer)
    except StreamClosedError:
        pass
    finally:
        app.close()
        visitor.close()


async def _carry_refusal(app: IOStream, visitor: IOStream, head: bytes) -> None:
    length = re.search(rb"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
    if length is None:
        await _pump(app, visitor)
    else:
        await visitor.write(await app.read_bytes(int(length[1])))


async def _pump_both_ways(one: IOStream, other: IOStream, idle_seconds: float | None) -> None:
    """Carries bytes until an end closes; raises `TimeoutError` when none come for too long."""
    pumps: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(idle_seconds) as limit:
            tell = _postponement(limit, idle_seconds)
            pumps += [asyncio.create_task(_pump(one, other, tell))]
            pumps += [asyncio.create_task(_pump(other, one, tell))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


def _postponement(limit: asyncio.Timeout, seconds: float | None) -> Callable[[], None]:
    """What begins the time of silence anew."""
    if seconds is None:
        return lambda: None
    loop = asyncio.get_running_loop()
    return lambda: None if limit.expired() else limit.reschedule(loop.time() + seconds)


async def _pump(
    source: IOStream, target: IOStream, tell: Callable[[], None] = lambda: None
) -> None:
    """Carries bytes one way; the next read waits for the write."""
    with contextlib.suppress(StreamClosedError):
        while True:
            chunk = await source.read_bytes(_CHUNK_BYTES, partial=True)
            tell()
            await target.write(chunk)

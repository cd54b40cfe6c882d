"""One connection to the gateway: a request goes out, an answer comes in as fast as it is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

from .response_parts import Body, Head, SizedBody, take_head

# What may wait here for an agent that reads slowly; above it the gateway is not read from.
HIGH_WATER_BYTES = 256 * 1024
FIRST_FINAL_STATUS = 200


class GatewayGoneError(Exception):
    """The connection failed; ``answer_begun`` if bytes of an answer had come before."""

    def __init__(self, reason: str, *, answer_begun: bool) -> None:
        super().__init__(reason)
        self.answer_begun = answer_begun


class GatewayConnection(asyncio.Protocol):
    """A connection that carries one call at a time; ``read_seconds`` limits each silence."""

    def __init__(self, read_seconds: float) -> None:
        self._read_seconds = read_seconds
        self._buffer = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self._has_ended = False
        self._failure = ""
        self._body: Body = SizedBody(0)
        self._keeps_alive = False

    @property
    def is_usable(self) -> bool:
        """Whether a new call may be sent: open, and nothing has come that nobody asked for."""
        return not (self._has_ended or self._failure or self._buffer)

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer was read to its end and left the connection open."""
        return self._body.complete and self._keeps_alive and self.is_usable

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    async def ask(self, request: bytes) -> Head:
        """Send a request and return the head of its answer.

        The request is handed to the event loop as a whole: it is in memory anyway, and an answer
        that comes before all of it is sent (a 413, say) is read at once.
        """
        self._keeps_alive = False
        self._transport.write(request)
        while (head := take_head(self._buffer)) is None or head.status < FIRST_FINAL_STATUS:
            if head is None:
                await self._more(answer_begun=bool(self._buffer))
        self._body = head.body()
        self._keeps_alive = head.keeps_alive
        return head

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body of the answer as it arrives."""
        while True:
            data = self._body.take(self._buffer)
            if data:
                yield data
            if self._body.complete:
                self._resume()  # an idle connection is to hear of its end
                return
            if not self._buffer or not data:
                if self._has_ended and self._body.ends_with_connection and not self._failure:
                    return
                await self._more(answer_begun=True)

    async def _more(self, *, answer_begun: bool) -> None:
        """Wait for data; raise GatewayGoneError if none will come."""
        if self._failure or self._has_ended:
            reason = self._failure or "connection closed"
            raise GatewayGoneError(reason, answer_begun=answer_begun)
        self._resume()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._read_seconds):
                await self._waiter
        except TimeoutError:
            raise GatewayGoneError("silence", answer_begun=answer_begun) from None
        finally:
            self._waiter = None

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio's, which has TCP_NODELAY set)."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hold what came; stop reading when it is enough."""
        self._buffer += data
        if len(self._buffer) > HIGH_WATER_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Note the end; the transport closes itself."""
        self._has_ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the failure by its kind: its text may quote what was sent."""
        self._has_ended = True
        if exc is not None:
            self._failure = type(exc).__name__
        self._wake()

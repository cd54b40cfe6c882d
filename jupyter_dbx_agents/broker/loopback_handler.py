"""What the broker's handlers share: the checks that come before a body is read, and refusals.

tornado reads a body after ``prepare``.  A refusal is therefore sent in ``prepare``, and what the
client still sends is discarded for a while: closing at once would reset the connection, and a
client that is still writing would see the reset instead of the refusal.
"""

import asyncio
import traceback
from http.client import responses
from typing import Any, cast

from tornado import web
from tornado.http1connection import HTTP1Connection

from ..models import Dialect
from .access import attack
from .call import Call
from .refusals import Refusal, from_browser, render
from .shared import Shared

# How long after a refusal a client may still send its body before the connection is closed.
LINGER_SECONDS = 2.0


@web.stream_request_body
class LoopbackHandler(web.RequestHandler):
    """A handler that refuses before it reads, and writes one line to the access log."""

    dialect: Dialect | None = None

    def initialize(self, shared: Shared) -> None:
        """Store what the broker's handlers share."""
        self.shared = shared
        self.call = Call(self.request.method or "", self.request.path)
        self._refused = False
        self._recorded = False
        self._is_use = False

    @property
    def connection(self) -> HTTP1Connection:
        """The client's connection."""
        return cast(HTTP1Connection, self.request.connection)

    def refusal(self) -> Refusal | None:
        """Return why this request is refused before its body is read; for subclasses."""
        return None

    async def prepare(self) -> None:
        """Check the request before its body is read."""
        self.connection.stream.set_nodelay(True)
        reason = attack(self.request.headers, self.shared.port)
        refusal = from_browser(reason) if reason else self.refusal()
        if refusal is not None:
            await self.refuse(refusal)

    def data_received(self, chunk: bytes) -> None:
        """Discard the body; subclasses keep it."""

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal; the rest of the request is discarded."""
        self._refused = True
        self.call.refusal = refusal.message
        headers, body = render(refusal, self.dialect)
        self.answer_head(refusal.status, list(headers.items()))
        self.set_header("Content-Length", str(len(body)))
        self.call.saw_first_byte()
        self.call.bytes_out += len(body)
        self.write(body)
        if "Expect" in self.request.headers:
            # Else tornado would send "100 Continue" after our answer.
            self.set_header("Connection", "close")
            self.finish()
            return
        loop = asyncio.get_running_loop()
        self._cut = loop.call_later(LINGER_SECONDS, self.connection.stream.close)
        await self.flush()

    def answer_head(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Set the status and exactly these headers."""
        self.call.status = status
        self.set_status(status, None if status in responses else "Unknown")
        for name in ("Server", "Content-Type", "Date"):
            self.clear_header(name)
        for name, value in headers:
            self.add_header(name, value)

    def is_use(self) -> bool:
        """Return whether a request that is not refused is use of the credential; for subclasses."""
        return False

    async def respond(self) -> None:
        """Answer a request that was not refused, whatever its method; for subclasses."""
        raise NotImplementedError

    async def _any_method(self, *_: Any) -> None:
        if self._refused:
            return
        if self.is_use():
            self._is_use = True
            self.shared.use.begin()
        await self.respond()

    get = head = post = put = patch = delete = options = _any_method

    def on_finish(self) -> None:
        """Record a call that was answered."""
        if hasattr(self, "_cut"):
            self._cut.cancel()
        self._record()

    def on_connection_close(self) -> None:
        """Record a call whose client has disconnected."""
        self.call.ending = self.call.ending or "client disconnected"
        self._record()
        super().on_connection_close()

    def compute_etag(self) -> None:
        """Add nothing to an answer."""

    def _record(self) -> None:
        if not self._recorded:
            self._recorded = True
            if self._is_use:
                self.shared.use.end()
            self.shared.access_log.record(self.call)

    def write_error(self, status_code: int, **_: Any) -> None:
        """Answer an unknown HTTP method, or a fault of ours, in the shape of an API."""
        refusal = Refusal(status_code, "broker_error", "The broker cannot answer this request.")
        headers, body = render(refusal, self.dialect)
        self.answer_head(status_code, list(headers.items()))
        self.finish(body)

    def log_exception(self, *args: Any) -> None:
        """Log a fault by its type: tornado's own line contains the path, which may be a secret.

        The traceback is without the exception's text, which may quote a request.
        """
        kind = getattr(args[0], "__name__", "an exception")
        self.shared.log.error("The broker failed to answer a call (%s).", kind)
        self.shared.log.debug("%s", "".join(traceback.format_tb(args[2])))

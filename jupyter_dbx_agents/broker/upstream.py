"""One call to the gateway: with the current PAT, once more with a new one, and as a stream.

Repeating is decided here and nowhere else.  A call is repeated only before the agent has seen a
byte of an answer, and

- once, when the gateway refuses the token: it has then not been worked on;
- once, when a connection that had lain idle fails at once, without an answer.  That is what a
  connection looks like which the other end closed while we sent; with a POST nobody can know it for
  certain, and a model call that was begun twice is paid for twice.  It is repeated all the same,
  because every agent repeats it too when it sees the connection fail, after a pause and with a
  warning on the screen.  A connection that was opened for the call, or that fails later than
  ``STALE_SECONDS``, is no stale one, and the agent is told.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..models import Dialect
from ..pat import PatSource
from ..secret import Secret
from .connections import Connections
from .gateway_connection import GatewayConnection, GatewayGoneError
from .message_headers import to_gateway
from .refusals import Refusal, redirected, still_refused, unreachable, without_pat
from .response_parts import Head, MalformedResponseError
from .token_refusal import PEEK_BYTES, SUSPECT, WORTH_A_REPLAY, says_token_is_dead

# A round trip to a workspace in another continent, doubled.
STALE_SECONDS = 1.0
BROKEN = (GatewayGoneError, MalformedResponseError)


@dataclass(frozen=True)
class ModelCall:
    """What an agent asked for, and the gateway's URL for it: an origin, and a path with a query."""

    dialect: Dialect
    method: str
    origin: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def host(self) -> str:
        """The gateway's name, for messages."""
        return urlsplit(self.origin).hostname or self.origin


class Reply:
    """The gateway's answer, of which a beginning may have been read; to be closed."""

    def __init__(
        self, head: Head, connection: GatewayConnection, connections: Connections, origin: str
    ) -> None:
        self.status = head.status
        self.headers = list(head.headers.get_all())
        self._encoding = head.headers.get("Content-Encoding", "")
        self._chunks = connection.chunks()
        self._peeked: list[bytes] = []
        self._connection = connection
        self._connections = connections
        self._origin = origin

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, not decoded; raises one of BROKEN if it breaks off."""
        for chunk in self._peeked:
            yield chunk
        async for chunk in self._chunks:
            yield chunk

    async def says_token_is_dead(self) -> bool:
        """Whether this is a refusal of the token, for which the beginning of the body is read."""
        if self.status not in SUSPECT:
            return False
        try:
            await self._peek()
        except BaseException:  # also when the agent goes away: the gateway is to know it
            self.close()
            raise
        return says_token_is_dead(self.status, self._encoding, b"".join(self._peeked))

    def close(self) -> None:
        """Give the connection back, or close it if there is more to read."""
        self._connections.give_back(self._origin, self._connection)

    async def _peek(self) -> None:
        size = sum(map(len, self._peeked))
        while size < PEEK_BYTES:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return
            self._peeked.append(chunk)
            size += len(chunk)


class Upstream:
    """The way to the gateway; to be closed."""

    def __init__(self, pats: PatSource) -> None:
        self._pats = pats
        self._connections = Connections()

    def close(self) -> None:
        """Close all idle connections."""
        self._connections.close()

    async def send(self, call: ModelCall) -> Reply | Refusal:
        """Return the gateway's answer, or ours if there is none."""
        try:
            return await self._send(call)
        except BROKEN as error:
            return unreachable(call.host, str(error))

    async def _send(self, call: ModelCall) -> Reply | Refusal:
        token = self._pats.current()
        if token is None:
            return without_pat(self._pats, call.dialect)
        answer = await self._attempt(call, token)
        if isinstance(answer, Refusal) or not await _is_refused(answer):
            return answer
        answer.close()
        token = await self._pats.replace_refused(token)
        if token is None:
            return without_pat(self._pats, call.dialect)
        return await self._second_attempt(call, token)

    async def _second_attempt(self, call: ModelCall, token: Secret) -> Reply | Refusal:
        answer = await self._attempt(call, token)
        if isinstance(answer, Reply) and await answer.says_token_is_dead():
            answer.close()
            return still_refused(call.host)
        return answer

    async def _attempt(self, call: ModelCall, token: Secret) -> Reply | Refusal:
        request = render_request(call, token)
        answer = await self._ask_idle(call.origin, request)
        if answer is None:
            connection = await self._connections.open(call.origin)
            answer = await self._ask(call.origin, connection, request)
        if 300 <= answer.status < 400:  # noqa: PLR2004 all that point elsewhere
            answer.close()
            return redirected(call.host)
        return answer

    async def _ask_idle(self, origin: str, request: bytes) -> Reply | None:
        """Ask on a connection that lay idle; None if there is none, or it had gone stale."""
        connection = self._connections.take_idle(origin)
        if connection is None:
            return None
        sent_at = time.monotonic()
        try:
            return await self._ask(origin, connection, request)
        except GatewayGoneError as error:
            if error.answer_begun or time.monotonic() - sent_at > STALE_SECONDS:
                raise
            return None

    async def _ask(self, origin: str, connection: GatewayConnection, request: bytes) -> Reply:
        try:
            head = await connection.ask(request)
        except BaseException:
            connection.abort()
            raise
        return Reply(head, connection, self._connections, origin)


async def _is_refused(reply: Reply) -> bool:
    return reply.status in WORTH_A_REPLAY or await reply.says_token_is_dead()


def render_request(call: ModelCall, token: Secret) -> bytes:
    """Return the bytes of a request; raises MalformedResponseError for a token that is no header.

    Nothing of the call can end a line: its headers were read from lines, its path was matched
    letter by letter, and its query came in a request line.
    """
    bearer = token.reveal()
    if not (bearer.isascii() and bearer.isprintable()):
        raise MalformedResponseError("the token cannot be sent")
    lines = [f"{call.method} {call.target} HTTP/1.1", f"Host: {urlsplit(call.origin).netloc}"]
    lines += [f"{name}: {value}" for name, value in to_gateway(call.headers, bearer)]
    if call.body or call.method == "POST":
        lines.append(f"Content-Length: {len(call.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + call.body

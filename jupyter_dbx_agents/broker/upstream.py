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
from functools import lru_cache
from typing import Any

import httpx

from ..models import Dialect
from ..pat import PatSource
from ..secret import Secret
from .message_headers import to_gateway
from .refusals import Refusal, redirected, still_refused, unreachable, without_pat
from .token_refusal import PEEK_BYTES, SUSPECT, WORTH_A_REPLAY, says_token_is_dead

CONNECT_SECONDS = 10.0
# A model may think for minutes before its first byte; nothing shorter than the agents' own limits.
READ_SECONDS = 600.0
# Below the 60 s after which load balancers commonly drop an idle connection.
KEEP_ALIVE_SECONDS = 50.0
IDLE_CONNECTIONS = 20
# A round trip to a workspace in another continent, doubled.
STALE_SECONDS = 1.0
NO_ANSWER = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@dataclass(frozen=True)
class ModelCall:
    """What an agent asked for, and the gateway's URL for it."""

    dialect: Dialect
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes


class Reply:
    """The gateway's answer, of which a beginning may have been read; to be closed."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks = response.aiter_raw()
        self._peeked: list[bytes] = []
        self.status = response.status_code
        self.headers = response.headers.raw

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, not decoded."""
        for chunk in self._peeked:
            yield chunk
        async for chunk in self._chunks:
            yield chunk

    async def says_token_is_dead(self) -> bool:
        """Whether this is a refusal of the token, for which the beginning of the body is read."""
        if self.status not in SUSPECT:
            return False
        await self._peek()
        encoding = self._response.headers.get("content-encoding", "")
        return says_token_is_dead(self.status, encoding, b"".join(self._peeked))

    async def close(self) -> None:
        """Give the connection back, or close it if there is more to read."""
        await self._response.aclose()

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
        context = httpx.create_ssl_context()
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._pooled = _client(context, timeout, idle_connections=IDLE_CONNECTIONS)
        self._fresh = _client(context, timeout, idle_connections=0)

    async def close(self) -> None:
        """Close all connections."""
        await self._pooled.aclose()
        await self._fresh.aclose()

    async def send(self, call: ModelCall) -> Reply | Refusal:
        """Return the gateway's answer, or ours if there is none."""
        try:
            return await self._send(call)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its text and its request are left behind: they may contain the token.
            return unreachable(_host(call), error)

    async def _send(self, call: ModelCall) -> Reply | Refusal:
        token = self._pats.current()
        if token is None:
            return without_pat(self._pats, call.dialect)
        answer = await self._attempt(call, token)
        if isinstance(answer, Refusal) or not await _is_refused(answer):
            return answer
        await answer.close()
        token = await self._pats.replace_refused(token)
        if token is None:
            return without_pat(self._pats, call.dialect)
        return await self._second_attempt(call, token)

    async def _second_attempt(self, call: ModelCall, token: Secret) -> Reply | Refusal:
        answer = await self._attempt(call, token)
        if isinstance(answer, Reply) and await answer.says_token_is_dead():
            await answer.close()
            return still_refused(_host(call))
        return answer

    async def _attempt(self, call: ModelCall, token: Secret) -> Reply | Refusal:
        response = await self._send_even_if_stale(call, token)
        if response.is_redirect:
            await response.aclose()
            return redirected(_host(call))
        return Reply(response)

    async def _send_even_if_stale(self, call: ModelCall, token: Secret) -> httpx.Response:
        request = _request(call, token)
        opened = False

        async def trace(event: str, _: dict[str, Any]) -> None:
            nonlocal opened
            opened = opened or event == "connection.connect_tcp.started"

        request.extensions["trace"] = trace
        sent = time.monotonic()
        try:
            return await self._pooled.send(request, stream=True)
        except NO_ANSWER:
            if opened or time.monotonic() - sent > STALE_SECONDS:
                raise
        return await self._fresh.send(_request(call, token), stream=True)


async def _is_refused(reply: Reply) -> bool:
    return reply.status in WORTH_A_REPLAY or await reply.says_token_is_dead()


def _client(context: Any, timeout: httpx.Timeout, *, idle_connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(
        max_connections=None,  # a call must not wait for another one
        max_keepalive_connections=idle_connections,
        keepalive_expiry=KEEP_ALIVE_SECONDS,
    )
    # TCP_NODELAY is the default of the event loop's sockets.  A proxy named by the environment
    # applies, as it does for the workspace's other APIs.
    return httpx.AsyncClient(verify=context, timeout=timeout, limits=limits, follow_redirects=False)


def _request(call: ModelCall, token: Secret) -> httpx.Request:
    """Build the request here, not with the client: that one would add its headers and cookies."""
    headers = to_gateway(call.headers, token.reveal())
    return httpx.Request(call.method, _url(call.url), headers=headers, content=call.body or None)


@lru_cache(maxsize=64)  # parsing one takes as long as the rest of the request
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


def _host(call: ModelCall) -> str:
    return _url(call.url).host

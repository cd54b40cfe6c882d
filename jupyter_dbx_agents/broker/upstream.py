"""One call to the gateway: with the current PAT, once more with a new one, and as a stream.

Repeating is decided here and nowhere else.  A call is repeated only before the agent has seen a
byte of an answer, and

- once, when the gateway refuses the token: it has then not processed the call;
- once, when a connection that had been idle fails at once, without an answer.  That is how a
  connection fails that the other end closed while we sent.  With a POST it is not certain, and a
  model call that was begun twice is paid for twice; but every agent would repeat it too, after a
  pause and with a warning on the screen.  A connection that was opened for the call, or that fails
  later than ``STALE_SECONDS``, is not stale: the agent gets the error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..models import Dialect
from ..pat import PatSource
from ..secret import Secret
from .access import to_gateway
from .gateway_errors import (
    PEEK_BYTES,
    SUSPECT,
    WORTH_A_REPLAY,
    GatewayGoneError,
    says_token_is_dead,
)
from .refusals import Refusal, redirected, still_refused, unreachable, without_pat

if TYPE_CHECKING:
    from .gateway_client import Answer, GatewayClient

# A round trip to a workspace in another continent, doubled.
STALE_SECONDS = 1.0


@dataclass(frozen=True)
class ModelCall:
    """An agent's request, with the gateway's URL for it, query included."""

    dialect: Dialect
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def host(self) -> str:
        """The gateway's name, for messages."""
        return urlsplit(self.url).hostname or self.url


class Reply:
    """The gateway's answer, of which a beginning may have been read; to be closed."""

    def __init__(self, answer: Answer) -> None:
        self.status, self.headers = answer.status, answer.headers
        self._answer = answer
        self._chunks = answer.chunks()
        self._peeked: list[bytes] = []

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, not decoded; raises GatewayGoneError if it breaks off."""
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
        except BaseException:  # also when the agent disconnects: the gateway must notice
            self.close()
            raise
        encoding = next((v for n, v in self.headers if n.lower() == "content-encoding"), "")
        return says_token_is_dead(self.status, encoding, b"".join(self._peeked))

    def close(self) -> None:
        """Keep the connection for the next call, or close it if there is more to read."""
        self._answer.close()

    async def _peek(self) -> None:
        size = sum(map(len, self._peeked))
        while size < PEEK_BYTES:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return
            self._peeked.append(chunk)
            size += len(chunk)


class Upstream:
    """Sends calls to the gateway; to be closed."""

    def __init__(self, pats: PatSource) -> None:
        self._pats = pats
        self._client: GatewayClient | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()

    async def send(self, call: ModelCall) -> Reply | Refusal:
        """Return the gateway's answer, or a refusal of ours if there is none."""
        try:
            return await self._send(call)
        except GatewayGoneError as error:
            return unreachable(call.host, str(error), was_sent=error.was_sent)

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
        sent_at = time.monotonic()
        try:
            answer = await self._request(call, token)
        except GatewayGoneError as error:
            if not error.was_idle or time.monotonic() - sent_at > STALE_SECONDS:
                raise
            answer = await self._request(call, token, reuse=False)
        if 300 <= answer.status < 400:  # noqa: PLR2004 all that point elsewhere
            answer.close()
            return redirected(call.host)
        return Reply(answer)

    async def _request(self, call: ModelCall, token: Secret, *, reuse: bool = True) -> Answer:
        headers = to_gateway(call.headers, token.reveal())
        client = self._client or await self._open()
        return await client.send(call.method, call.url, headers, call.body, reuse=reuse)

    async def _open(self) -> GatewayClient:
        async with self._opening:
            if self._client is None:
                self._client = (await asyncio.to_thread(_client_class))()
            return self._client


def _client_class() -> type[GatewayClient]:
    """Import the client for the first call; at the top it would add 0.1 s to each start."""
    from .gateway_client import GatewayClient  # noqa: PLC0415

    return GatewayClient


async def _is_refused(reply: Reply) -> bool:
    return reply.status in WORTH_A_REPLAY or await reply.says_token_is_dead()

"""One call to the gateway: with the current PAT, once more with a new one, and as a stream.

Repeating is decided here, except for a request that ``model_proxy`` repeats once in the form which
the gateway's refusal asks for.  A call is repeated only before the agent has seen a byte of an
answer, and

- once, when the gateway refuses the token: it has then not processed the call.  A call that may
  change something is repeated only for a refusal that names the token, or a 401 of the workspace
  itself: any other one may be that of what was called, amid its work;
- once, when a connection that had been idle fails at once, without an answer.  That is how a
  connection fails that the other end closed while we sent.  With a POST it is not certain, and a
  model call that was begun twice is paid for twice; but every agent would repeat it too, after a
  pause and with a warning on the screen.  A connection that was opened for the call, or that fails
  later than ``STALE_SECONDS``, is not stale: the agent gets the error.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..models import Dialect
from ..pat import PatSource
from ..secret import Secret
from .access import to_gateway
from .gateway_errors import WORTH_A_REPLAY, GatewayGoneError, says_token_is_dead
from .refusals import Refusal, redirected, still_refused, unreachable, without_pat

if TYPE_CHECKING:
    from .gateway_client import Answer, GatewayClient

# Twice the round trip to a workspace on another continent.
STALE_SECONDS = 1.0


@dataclass(frozen=True)
class ModelCall:
    """An agent's request, with the gateway's URL for it, query included.

    ``dialect`` is None for what is not a model's.  Without ``may_begin_twice`` it has a connection
    of its own, and is repeated only where it is certain that it has not begun.  ``is_handed_on`` if
    a refusal may be one of a server elsewhere, to which the workspace hands the call on.
    """

    dialect: Dialect | None
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    may_begin_twice: bool = True
    is_handed_on: bool = False

    @property
    def host(self) -> str:
        """The gateway's name, for messages."""
        return urlsplit(self.url).hostname or self.url


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

    async def send(self, call: ModelCall) -> Answer | Refusal:
        """Return the gateway's answer, or a refusal of ours if there is none."""
        try:
            return await self._send(call)
        except GatewayGoneError as error:
            return unreachable(call.host, str(error), was_sent=error.was_sent)

    async def _send(self, call: ModelCall) -> Answer | Refusal:
        await self._pats.ready()
        token = self._pats.current()
        if token is None:
            return without_pat(self._pats, call.dialect)
        answer = await self._attempt(call, token)
        if isinstance(answer, Refusal) or not await _is_worth_a_replay(answer, call):
            return answer
        answer.close()
        token = await self._pats.replace_refused(token)
        if token is None:
            return without_pat(self._pats, call.dialect)
        return await self._second_attempt(call, token)

    async def _second_attempt(self, call: ModelCall, token: Secret) -> Answer | Refusal:
        answer = await self._attempt(call, token)
        if not isinstance(answer, Refusal) and await _refuses_token(answer, call):
            answer.close()
            return still_refused(call.host)
        return answer

    async def _attempt(self, call: ModelCall, token: Secret) -> Answer | Refusal:
        sent_at = time.monotonic()
        try:
            answer = await self._request(call, token, reuse=call.may_begin_twice)
        except GatewayGoneError as error:
            if not error.was_idle or time.monotonic() - sent_at > STALE_SECONDS:
                raise
            answer = await self._request(call, token, reuse=False)
        if 300 <= answer.status < 400:  # noqa: PLR2004 all that point elsewhere
            answer.close()
            return redirected(call.host)
        return answer

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


async def _is_worth_a_replay(answer: Answer, call: ModelCall) -> bool:
    """Whether an answer may be another one with another token."""
    if call.may_begin_twice and answer.status in WORTH_A_REPLAY:
        return True
    return await _refuses_token(answer, call)


async def _refuses_token(answer: Answer, call: ModelCall) -> bool:
    if call.is_handed_on and answer.status == HTTPStatus.UNAUTHORIZED:
        # Perhaps not of the workspace: then only the sentence shows whose it is.
        return says_token_is_dead(HTTPStatus.FORBIDDEN, await answer.beginning())
    return await answer.says_token_is_dead()

"""A request through to the workspace, so that the agent gets an answer whatever happens there.

What is sent again: a message that the workspace has certainly not acted on (it was not reached,
it refused the token, it did not know the session, it was too busy), and one that changes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...background import backoff_seconds
from ..gateway_errors import GatewayGoneError
from .catalog import ServerState
from .events import EventSplitter, Piece
from .messages import SERVER_ERROR, Message, as_event, error
from .sessions import LIST_CHANGED, Session
from .upstream_session import (
    EVENT_STREAM,
    JSON_TYPE,
    SessionLostError,
    UpstreamError,
    UpstreamSession,
    is_stream,
)

if TYPE_CHECKING:
    from ..gateway_client import Answer

# How long a call waits for what passes: a restart of the workspace's server, a token on its way.
HOLD_SECONDS = 8.0
PAUSES_SECONDS = (0.2, 2.0)
MOST_RESUMPTIONS = 3
# Of an answer in one piece: what breaks off before that becomes an error that the agent shows.
MOST_HELD_BYTES = 1024 * 1024
UNCERTAIN = "It may have been carried out: check that before you repeat it."
BROKE_OFF = "The workspace broke off its answer ({})."
NO_LENGTH = "The workspace does not say where its answer ends, which is longer than 1 MiB."
STALLED = "The workspace has sent nothing for {:.0f} s."


class CutError(Exception):
    """An answer of which the agent has a part cannot be completed; the text says why."""


@dataclass
class Reply:
    """What the agent gets; ``parts`` raises CutError."""

    content_type: str
    parts: AsyncIterator[bytes]


class Forwarding:
    """One request of an agent; ``stall_seconds`` is how long the workspace may be silent."""

    def __init__(
        self,
        session: Session,
        message: Message,
        stall_seconds: float,
        refresh_soon: Callable[[], object],
    ) -> None:
        self._session, self._server, self._message = session, session.server, message
        self._stall_seconds, self._refresh_soon = stall_seconds, refresh_soon
        self._may_begin_twice = self._server.may_begin_twice(message)
        self._upstream: UpstreamSession | None = None

    async def reply(self) -> Reply:
        """Send the request; return what the agent gets.  Raises nothing."""
        try:
            answer = await self._begin()
        except UpstreamError as problem:
            uncertain = f" {UNCERTAIN}" if problem.may_have_begun and self._is_write else ""
            said = f"{problem}{uncertain}"
            if problem.is_of_call:
                self._server.note(self._server.state, said)
                return _whole(error(self._message.id, SERVER_ERROR, said))
            return _whole(self._failure(said))
        if is_stream(answer):
            return Reply(EVENT_STREAM, self._events(answer))
        return await self._json(answer)

    @property
    def _is_write(self) -> bool:
        return not self._may_begin_twice

    def _failure(self, said: str) -> bytes:
        """Return an error for the agent, which is also shown to the owner."""
        self._server.note(ServerState.FAILED, said)
        return error(self._message.id, SERVER_ERROR, said)

    async def _begin(self) -> Answer:
        """Return the beginning of the answer.  Raises UpstreamError."""
        deadline = time.monotonic() + HOLD_SECONDS
        was_lost = False
        for attempt in itertools.count():
            try:
                return await self._attempt()
            except SessionLostError:
                self._lose_session()
                if was_lost:
                    raise UpstreamError("The workspace's MCP server loses its sessions.") from None
                was_lost = True
            except UpstreamError as problem:
                pause = problem.retry_after_seconds or backoff_seconds(attempt, *PAUSES_SECONDS)
                is_certain = self._may_begin_twice or not problem.may_have_begun
                if not (problem.is_passing and is_certain) or time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError  # the loop has no end

    async def _attempt(self) -> Answer:
        """Send it once; what answers in one piece is silent until it has finished.

        Raises UpstreamError and SessionLostError.
        """
        is_sent = False
        try:
            async with asyncio.timeout(self._stall_seconds):
                self._upstream = await self._session.upstream()
                is_sent = True
                return await self._upstream.send(
                    self._message.body, may_begin_twice=self._may_begin_twice
                )
        except TimeoutError:
            said = STALLED.format(self._stall_seconds)
            raise UpstreamError(said, may_have_begun=is_sent) from None

    def _lose_session(self) -> None:
        """Forget the session; a server that was restarted may have other tools."""
        if self._upstream is not None:
            self._session.lose(self._upstream)
        self._refresh_soon()

    async def _json(self, answer: Answer) -> Reply:
        """Return an answer that is one message: whole, or from the first MiB on as it comes."""
        chunks = self._chunks(answer)
        body = bytearray()
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > MOST_HELD_BYTES and answer.has_known_end:
                    return Reply(JSON_TYPE, self._rest(bytes(body), chunks, answer))
                if len(body) > MOST_HELD_BYTES:
                    raise SilenceError(NO_LENGTH)
        except SilenceError as silence:
            answer.close()
            return _whole(self._failure(self._with_doubt(str(silence))))
        answer.close()
        if not answer.has_known_end and not _is_complete(body):
            return _whole(self._failure(self._with_doubt(BROKE_OFF.format("it has no end"))))
        if not bytes(body).lstrip().startswith(b"{"):
            return _whole(self._failure("The workspace does not answer as an MCP server."))
        self._server.note(ServerState.READY)
        return _whole(bytes(body))

    async def _rest(
        self, beginning: bytes, chunks: AsyncIterator[bytes], answer: Answer
    ) -> AsyncIterator[bytes]:
        try:
            yield beginning
            async for chunk in chunks:
                yield chunk
        except SilenceError as silence:
            raise CutError(str(silence)) from None
        finally:
            answer.close()
        self._server.note(ServerState.READY)

    async def _events(self, answer: Answer) -> AsyncIterator[bytes]:
        """Yield the events up to the response; go on in a new stream where one breaks off."""
        last = Piece(b"")
        for attempt in range(MOST_RESUMPTIONS + 1):
            splitter = EventSplitter()
            said = BROKE_OFF.format("it has no end")
            try:
                async for chunk in self._chunks(answer):
                    for piece in splitter.feed(chunk):
                        last = _later(last, piece)
                        self._session.saw(piece)
                        if piece.method == LIST_CHANGED:
                            self._server.renew_soon()
                        else:
                            yield piece.raw
                        if piece.answers(self._message.id):
                            self._server.note(ServerState.READY)
                            return
            except SilenceError as silence:
                said = str(silence)
            finally:
                answer.close()
            if splitter.is_inside_large:
                raise CutError(said)
            resumed = await self._resumed(last, attempt)
            if resumed is None:
                break
            answer = resumed
        yield as_event(self._failure(self._with_doubt(said)))

    async def _resumed(self, last: Piece, attempt: int) -> Answer | None:
        """Return the stream that goes on after an event; None if the server cannot do that."""
        if not last.event_id or self._upstream is None or attempt == MOST_RESUMPTIONS:
            return None
        await asyncio.sleep((last.retry_milliseconds or 0) / 1000)
        return await self._upstream.listen(last.event_id)

    def _with_doubt(self, said: str) -> str:
        return f"{said} {UNCERTAIN}" if self._is_write else f"{said} Try again."

    async def _chunks(self, answer: Answer) -> AsyncIterator[bytes]:
        """Yield the body as it comes.  Raises SilenceError."""
        chunks = answer.chunks()
        while True:
            try:
                async with asyncio.timeout(self._stall_seconds):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise SilenceError(STALLED.format(self._stall_seconds)) from None
            except GatewayGoneError as gone:
                raise SilenceError(BROKE_OFF.format(gone)) from None
            if chunk is None:
                return
            yield chunk


class SilenceError(Exception):
    """Nothing more comes of an answer; the text says why."""


def _later(last: Piece, piece: Piece) -> Piece:
    """Return where to go on from, after one more event."""
    retry = piece.retry_milliseconds
    return Piece(
        b"",
        event_id=piece.event_id or last.event_id,
        retry_milliseconds=last.retry_milliseconds if retry is None else retry,
    )


def _is_complete(body: bytes | bytearray) -> bool:
    """Whether a body without a known end was not cut."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _whole(body: bytes) -> Reply:
    async def parts() -> AsyncIterator[bytes]:
        yield body

    return Reply(JSON_TYPE, parts())

"""``/mcp/{server}``: one message of an agent, or its stream of the server's own messages.

Source: modelcontextprotocol.io, specification 2025-11-25, ``basic/transports``, streamable HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from http import HTTPStatus

from tornado import web

from ..._version import __version__
from ..ledger import printable_path
from ..model_proxy import JOINED_AT_ONCE_BYTES, ModelProxyHandler
from ..refusals import Refusal, not_served
from . import messages
from .catalog import ServerState, StandIn, StandInError
from .events import EventQueue, EventSplitter
from .forwarding import BROKE_OFF, STALLED, CutError, Forwarding
from .messages import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    SERVER_ERROR,
    Message,
    MessageError,
)
from .sessions import Session
from .upstream_session import EVENT_STREAM, JSON_TYPE

PATH = re.compile(r"/mcp/(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,63})")
METHODS = frozenset({"POST", "GET", "DELETE"})
# Below the time after which a client takes a silent stream for a dead one.
KEEP_ALIVE_SECONDS = 15.0
HEAD_SECONDS = 0.05
SESSION_HEADER, VERSION_HEADER = "Mcp-Session-Id", "MCP-Protocol-Version"
NO_SESSION = "Begin a session with initialize."
NO_RESUMPTION = "The answer cannot be continued: the workspace does not have it any more."
UNKNOWN_SESSION = "This session has ended. Begin another one with initialize."


@web.stream_request_body
class McpHandler(ModelProxyHandler):
    """A message, which is held like a model call, or a stream."""

    def refusal(self) -> Refusal | None:
        """Return why a request is not served, judged by its head."""
        match = PATH.fullmatch(self.request.path)
        if match is None:
            return not_served(printable_path(self.request.path))
        self.call.dialect = "mcp"
        refusal = self._refusal_of_caller()
        if refusal is not None:
            return refusal
        server = self.shared.mcp.catalog.get(match["name"])
        if server is None:
            return not_served(printable_path(self.request.path))
        self._server = server
        if self.request.method not in METHODS:
            message = "Use POST, GET or DELETE."
            return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method", message)
        return None

    def is_use(self) -> bool:
        """Return False: ``_post`` notes the call of a tool; all else agents do while they idle."""
        return False

    async def respond(self) -> None:
        """Answer for as long as the client is there."""
        answers = {"POST": self._post, "GET": self._get, "DELETE": self._delete}
        await self.run_while_client_is_there(answers[self.request.method or ""]())

    # ---- messages

    async def _post(self) -> None:
        body = await self._whole_body()
        try:
            message = await _parsed(body)
        except MessageError as problem:
            self._refuse(HTTPStatus.BAD_REQUEST, None, PARSE_ERROR, str(problem))
            return
        if message.method == "initialize":
            await self._begin(message)
            return
        session = self._session(message)
        if session is None:
            return
        if message.tool:
            self._is_use = True
            self.shared.use.begin()
        with session.in_use():
            await self._answer_message(session, message)

    async def _answer_message(self, session: Session, message: Message) -> None:
        if not message.is_request:
            await session.tell_soon(message.body, self.shared.tasks)
            self.answer_head(HTTPStatus.ACCEPTED, [("Content-Length", "0")])
        elif message.method == "ping":
            self._write_json(messages.result(message.id, {}))
        elif message.method == "tools/list":
            await self._server.known()
            self._write_json(messages.listing(message.id, self._server.listed))
        elif self._server.stands_in is not None:
            await self._answer_for_it(self._server.stands_in, message)
        else:
            await self._forward_message(session, message)

    async def _begin(self, message: Message) -> None:
        """Answer ``initialize`` with what the server said of itself when it was asked last."""
        if not message.is_request:
            self._refuse(HTTPStatus.BAD_REQUEST, None, INVALID_REQUEST, "initialize needs an id.")
            return
        user_agent = self.request.headers.get("User-Agent", "")
        session = self.shared.mcp.sessions.begin(
            self._server, self.call.agent, message.params, user_agent
        )
        await self._server.known()
        described = self._server.described
        capabilities = {**described.get("capabilities", {}), "tools": {"listChanged": True}}
        content = {
            "serverInfo": {"name": self._server.name, "version": __version__},
            **described,
            "protocolVersion": session.version,
            "capabilities": capabilities,
        }
        self._write_json(messages.result(message.id, content), (SESSION_HEADER, session.id))

    def _session(self, message: Message | None = None) -> Session | None:
        """Return the request's session; without one, refuse as the protocol says."""
        number = message.id if message is not None else None
        given = self.request.headers.get(SESSION_HEADER, "")
        if not given:
            # Probes of the protocol's later versions come without one, and end with this.
            code = METHOD_NOT_FOUND if message is not None else INVALID_REQUEST
            self._refuse(HTTPStatus.BAD_REQUEST, number, code, NO_SESSION)
            return None
        version = self.request.headers.get(VERSION_HEADER, messages.VERSIONS[0])
        if version not in messages.VERSIONS:
            text = f"Speak one of {', '.join(messages.VERSIONS)}."
            self._refuse(HTTPStatus.BAD_REQUEST, number, INVALID_REQUEST, text)
            return None
        session = self.shared.mcp.sessions.find(given, self._server, self.call.agent)
        if session is None:
            self._refuse(HTTPStatus.NOT_FOUND, number, INVALID_REQUEST, UNKNOWN_SESSION)
        return session

    async def _answer_for_it(self, stand_in: StandIn, message: Message) -> None:
        """Answer a request to a server that the workspace does not have."""
        stall_seconds = self.shared.mcp.stall_seconds
        problem = ""
        try:
            async with asyncio.timeout(stall_seconds):
                body = await stand_in.answer(message)
        except TimeoutError:
            problem = STALLED.format(stall_seconds)
        except StandInError as error:
            problem = str(error)
        self._server.note(ServerState.FAILED if problem else ServerState.READY, problem)
        if problem:
            body = messages.error(message.id, SERVER_ERROR, problem)
        self._let_go_of_body()
        self._write_json(body)

    async def _forward_message(self, session: Session, message: Message) -> None:
        mcp = self.shared.mcp
        forwarding = Forwarding(
            session, message, mcp.stall_seconds, lambda: mcp.catalog.refresh_soon(self._server)
        )
        reply = await forwarding.reply()
        self._let_go_of_body()
        self.answer_head(HTTPStatus.OK, _headers(reply.content_type))
        self.call.saw_first_byte()
        await self._pass_on_all(reply.parts)

    # ---- the server's own messages

    async def _get(self) -> None:
        session = self._session()
        if session is None:
            return
        last = self.request.headers.get("Last-Event-ID", "")
        with session.in_use():
            if session.has_seen(last):
                await self._resume(session, last)
            else:
                await self._listen(session)

    async def _listen(self, session: Session) -> None:
        self.answer_head(HTTPStatus.OK, _headers(EVENT_STREAM))
        self.call.saw_first_byte()
        with session.listening() as queue:
            relay = self.shared.tasks.spawn(session.relay(queue))
            try:
                await self._pass_on_all(_kept_alive(queue))
            finally:
                relay.cancel()

    async def _resume(self, session: Session, last_event_id: str) -> None:
        """Continue the answer to a call whose connection was lost."""
        answer = await session.resumed(last_event_id)
        if answer is None:
            self._refuse(HTTPStatus.NOT_FOUND, None, INVALID_REQUEST, NO_RESUMPTION)
            return
        try:
            self.answer_head(HTTPStatus.OK, _headers(EVENT_STREAM))
            self.call.saw_first_byte()
            await self._pass_on_all(_noted(answer.chunks(), session))
        finally:
            answer.close()

    async def _delete(self) -> None:
        session = self._session()
        if session is not None:
            self.shared.mcp.sessions.end(session)
            self.answer_head(HTTPStatus.OK, [("Content-Length", "0")])

    # ---- answers

    def _write_json(self, body: bytes, *more: tuple[str, str]) -> None:
        length = ("Content-Length", str(len(body)))
        self.answer_head(HTTPStatus.OK, [*_headers(JSON_TYPE), length, *more])
        self.call.saw_first_byte()
        self.call.bytes_out += len(body)
        self.write(body)

    def _refuse(self, status: int, number: str | int | None, code: int, text: str) -> None:
        self._write_json(messages.error(number, code, text))
        self.call.status = status
        self.set_status(status)

    async def _pass_on_all(self, parts: AsyncIterator[bytes]) -> None:
        with self.aborts_when_cut():
            first = asyncio.ensure_future(anext(parts, b""))
            try:
                # A short answer is sent in one piece; of a long one the head comes at once.
                await asyncio.wait({first}, timeout=HEAD_SECONDS)
                if not first.done():
                    await self._flush()
                await self._pass_on(await first)
                async for part in parts:
                    await self._pass_on(part)
            except CutError as cut:
                self._abort(str(cut))
            finally:
                first.cancel()


async def _parsed(body: bytes) -> Message:
    """Return the message in a body, a large one by a thread.  Raises MessageError."""
    if len(body) > JOINED_AT_ONCE_BYTES:
        return await asyncio.to_thread(messages.parse_message, body)
    return messages.parse_message(body)


def _headers(content_type: str) -> list[tuple[str, str]]:
    return [("Content-Type", content_type), ("Cache-Control", "no-store")]


async def _noted(chunks: AsyncIterator[bytes], session: Session) -> AsyncIterator[bytes]:
    """Yield an answer's events; it may be continued once more after each of them."""
    splitter = EventSplitter()
    async for chunk in chunks:
        for piece in splitter.feed(chunk):
            session.saw(piece)
            yield piece.raw
    if splitter.is_inside_large:
        raise CutError(BROKE_OFF.format("it has no end"))


async def _kept_alive(queue: EventQueue) -> AsyncIterator[bytes]:
    """Yield the events of a queue for ever, and a comment where there are none."""
    yield b": open\n\n"
    while True:
        part = b": alive\n\n"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                part = await queue.get()
        yield part

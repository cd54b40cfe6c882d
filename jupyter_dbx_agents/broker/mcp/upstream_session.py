"""One session at an MCP server of the workspace: begun, used and ended with the current PAT."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...workspace_api import read_error
from ..gateway_errors import GatewayGoneError
from ..refusals import GATEWAY_BROKE_OFF, TOKEN_ON_ITS_WAY, UNREACHABLE, Refusal, web_page
from ..upstream import ModelCall, Upstream
from .events import EventSplitter
from .messages import VERSIONS, Json, notification, request
from .paths import is_handed_on

if TYPE_CHECKING:
    from ..gateway_client import Answer

EVENT_STREAM, JSON_TYPE = "text/event-stream", "application/json"
# The lists of thousands of tools with their schemas are some MiB.
MOST_LIST_BYTES = 32 * 1024 * 1024
# How long a server may take to begin a session, or to list its tools: one that is started for it
# takes half a minute.
ASK_SECONDS = 60.0
# A refusal of what is asked for, by a server that works.
OF_ONE_CALL = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
# What passes by itself: the call was not begun, so that it may be sent again.
PASSING = frozenset({UNREACHABLE, TOKEN_ON_ITS_WAY.code, "token_not_yet_known"})


class UpstreamError(Exception):
    """The workspace does not answer a message; the text says why, to the agent's user.

    ``may_have_begun`` if it may have acted on the message; ``is_passing`` if it may answer soon;
    ``is_absent`` if it has no such server; ``is_of_call`` if it answers, and refuses this message.
    """

    def __init__(
        self,
        message: str,
        *,
        may_have_begun: bool = False,
        is_passing: bool = False,
        is_absent: bool = False,
        is_of_call: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.may_have_begun, self.is_passing, self.is_absent = may_have_begun, is_passing, is_absent
        self.is_of_call = is_of_call
        self.retry_after_seconds = retry_after_seconds


class SessionLostError(Exception):
    """The workspace does not know the session any more, and has not acted on the message."""


class UpstreamSession:
    """A session that ``open`` begins; ``described`` is what the server said of itself then.

    ``client`` are the params of ``initialize``: which agent it is, and what it can do.
    """

    def __init__(
        self, upstream: Upstream, url: str, client: Mapping[str, Any], user_agent: str = ""
    ) -> None:
        self._upstream, self._url, self._path = upstream, url, urlsplit(url).path
        self._client, self._user_agent = client, user_agent
        self._id = self._version = ""
        self._count = 0
        self.described: Json = {}
        # Until it refuses it: what has none is not asked for it again.
        self.has_stream = True

    async def open(self) -> None:
        """Begin.  Raises UpstreamError, which never ``may_have_begun``."""
        try:
            async with self._in_time():
                await self._open()
        except SessionLostError:
            raise UpstreamError("The workspace's MCP server begins no session.") from None
        except UpstreamError as error:
            error.may_have_begun = error.is_of_call = False
            raise

    async def _open(self) -> None:
        params = {"protocolVersion": VERSIONS[0], "capabilities": {}, **self._client}
        answer = await self._send(json.dumps(request("initialize", "0", params)).encode())
        described = await self._result(answer, "0")
        self._id = answer.header("mcp-session-id")
        if not isinstance(described.get("capabilities", {}), dict):
            raise UpstreamError(f"{self._host} does not answer as an MCP server.")
        self.described = described
        self._version = str(described.get("protocolVersion", ""))
        initialized = json.dumps(notification("notifications/initialized")).encode()
        (await self._send(initialized)).close()

    async def send(self, body: bytes, *, may_begin_twice: bool) -> Answer:
        """Send a message; return an answer of status 200 or 202, to be closed.

        Raises UpstreamError and SessionLostError.
        """
        return await self._send(body, may_begin_twice=may_begin_twice)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Json:
        """Return the result of a request of ours.  Raises UpstreamError and SessionLostError."""
        self._count += 1
        number = str(self._count)
        async with self._in_time():
            answer = await self._send(json.dumps(request(method, number, params)).encode())
            return await self._result(answer, number)

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Raise UpstreamError for what takes longer than ``ASK_SECONDS``."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                yield
        except TimeoutError:
            said = f"{self._host} has not answered within {ASK_SECONDS:.0f} s."
            raise UpstreamError(said) from None

    async def listen(self, last_event_id: str = "") -> Answer | None:
        """Return the stream of the server's own messages, to be closed; None if it has none.

        With the id of an event it continues the stream in which that was the last one.
        """
        more = {"Last-Event-ID": last_event_id} if last_event_id else {}
        answer = await self._upstream.send(self._call("GET", b"", EVENT_STREAM, more))
        if isinstance(answer, Refusal):
            return None
        if answer.status == HTTPStatus.OK and is_stream(answer):
            return answer
        self.has_stream = answer.status != HTTPStatus.METHOD_NOT_ALLOWED
        answer.close()
        return None

    async def close(self) -> None:
        """End it, if there is an id by which it can be ended; a failure does not matter."""
        if self._id:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_SECONDS):
                    answer = await self._upstream.send(self._call("DELETE", b"", "*/*", {}))
                    if not isinstance(answer, Refusal):
                        answer.close()

    async def _send(self, body: bytes, *, may_begin_twice: bool = True) -> Answer:
        call = self._call(
            "POST", body, f"{JSON_TYPE}, {EVENT_STREAM}", {}, may_begin_twice=may_begin_twice
        )
        answer = await self._upstream.send(call)
        if isinstance(answer, Refusal):
            raise UpstreamError(
                answer.message,
                may_have_begun=answer.code == GATEWAY_BROKE_OFF,
                is_passing=answer.code in PASSING or answer.code == GATEWAY_BROKE_OFF,
            )
        if answer.status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            return answer
        raise await self._problem(answer)

    async def _problem(self, answer: Answer) -> UpstreamError | SessionLostError:
        """Return what an answer of another status means."""
        try:
            text = await answer.beginning()
        except GatewayGoneError:
            text = ""
        finally:
            answer.close()
        said = read_error(text).message or f"HTTP {answer.status}"
        if self._id and (
            answer.status == HTTPStatus.NOT_FOUND
            or (answer.status == HTTPStatus.BAD_REQUEST and "session" in said.lower())
        ):
            return SessionLostError()
        if answer.header("content-type").lower().startswith("text/html"):
            said = web_page(self._host, answer.status, "").message
        is_busy = answer.status == HTTPStatus.TOO_MANY_REQUESTS
        is_broken = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return UpstreamError(
            f"The workspace {'fails' if is_broken else 'refuses it'}: {said}",
            may_have_begun=is_broken,
            is_passing=is_busy or is_broken,
            is_absent=answer.status == HTTPStatus.NOT_FOUND or "suspended" in said,
            is_of_call=answer.status in OF_ONE_CALL,
            retry_after_seconds=_seconds(answer.header("retry-after")),
        )

    async def _result(self, answer: Answer, number: str) -> Json:
        """Return the result in an answer of ours, which is read whole."""
        try:
            async for message in _messages(answer):
                if "method" not in message and message.get("id") == number:
                    if isinstance(message.get("result"), dict):
                        return dict(message["result"])
                    raise UpstreamError(f"The workspace refuses it: {_said(message)}")
        except GatewayGoneError as error:
            raise UpstreamError(f"{self._host} broke off ({error}).", is_passing=True) from None
        finally:
            answer.close()
        raise UpstreamError(f"{self._host} does not answer as an MCP server.")

    def _call(
        self,
        method: str,
        body: bytes,
        accept: str,
        more: Mapping[str, str],
        *,
        may_begin_twice: bool = True,
    ) -> ModelCall:
        headers = {"Accept": accept, **more}
        if body:
            headers["Content-Type"] = JSON_TYPE
        if self._user_agent:
            headers["User-Agent"] = self._user_agent
        if self._id:
            headers["Mcp-Session-Id"] = self._id
        if self._version:
            headers["MCP-Protocol-Version"] = self._version
        return ModelCall(
            None,
            method,
            self._url,
            list(headers.items()),
            body,
            may_begin_twice,
            is_handed_on=is_handed_on(self._path),
        )

    @property
    def _host(self) -> str:
        return self._call("GET", b"", "", {}).host


def is_stream(answer: Answer) -> bool:
    """Whether an answer is a stream of events."""
    return answer.header("content-type").lower().startswith(EVENT_STREAM)


async def _messages(answer: Answer) -> AsyncIterator[Json]:
    """Yield the messages in an answer, a stream or not; it may not be larger than a list is."""
    splitter, body, size = EventSplitter(most_bytes=MOST_LIST_BYTES), bytearray(), 0
    async for chunk in answer.chunks():
        size += len(chunk)
        if size > MOST_LIST_BYTES:
            raise UpstreamError(f"The answer is larger than {MOST_LIST_BYTES >> 20} MiB.")
        if not is_stream(answer):
            body += chunk
            continue
        for piece in splitter.feed(chunk):
            if piece.message is not None:
                yield piece.message
    try:
        message = json.loads(body) if body else None
    except (ValueError, RecursionError):
        message = None
    if isinstance(message, dict):
        yield message


def _said(message: Json) -> str:
    return read_error(json.dumps(message)).message or "it gives no reason"


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None

"""Model calls: the body is held for a repetition, the answer streams as the agent reads it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Coroutine, Iterator
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError

from ..models import CHECK_HEADER, Dialect, Gateway
from .access import GREETINGS, Route, dialect_of, route_of, to_agent
from .call import AGENT_STALLED, BROKE_OFF, BROKER_FAILED
from .filters.counting import count_of
from .filters.endings import EndWatch, JsonWatch
from .filters.events import EventFilter, EventStream
from .filters.learning import sentence_of
from .filters.mends import is_lasting
from .filters.request import ModelRequest, mended_request, read_request
from .gateway_errors import GatewayGoneError
from .ledger import printable_path
from .loopback_handler import LoopbackHandler
from .refusals import (
    GATEWAY_BROKE_OFF,
    UNREACHABLE,
    Refusal,
    no_capability,
    not_served,
    refused_repeatedly,
    too_large,
    too_many_bytes,
    unreachable,
    web_page,
)
from .shared import Shared
from .upstream import ModelCall

if TYPE_CHECKING:
    from .gateway_client import Answer

# The path does not exist, or no server is behind it.  A model that does not exist or is not ready
# answers the same; so the gateway itself is checked before another one is used.
DEAD_GATEWAY_STATUSES = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.NOT_IMPLEMENTED,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
# How a request itself is refused.
REFUSED_STATUSES = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,100})", re.IGNORECASE)
EVENT_STREAM = "text/event-stream"
# How long an agent may leave a part of its answer unread; as long as the gateway may take for one.
WRITE_SECONDS = 600.0
# To copy that takes half a millisecond.  For more, ``join`` releases the interpreter's lock.
JOINED_AT_ONCE_BYTES = 1024 * 1024


@web.stream_request_body
class ModelProxyHandler(LoopbackHandler):
    """Any path but the metadata service's: a model call, a greeting, or an unknown path."""

    def initialize(self, shared: Shared) -> None:
        """Store what the broker's handlers share."""
        super().initialize(shared)
        self._body: list[bytes] = []
        self._held_bytes = 0
        self._route: Route | None = None
        self._forwarding: asyncio.Task[None] | None = None

    def refusal(self) -> Refusal | None:
        """Return why a call is not forwarded, judged by its head."""
        path, method = self.request.path, self.request.method or ""
        self.dialect = dialect_of(path)
        self.call.dialect = self.dialect or "-"
        if method == "HEAD" and path in GREETINGS:
            return None
        self._route = route_of(method, path)
        if self._route is None:
            return not_served(printable_path(path))
        return self._refusal_of_caller()

    def _refusal_of_caller(self) -> Refusal | None:
        agent = self.shared.capabilities.holder(self.request.headers)
        if agent is None:
            return no_capability()
        self.call.agent = agent
        self.call.is_model_call = self._route is not None and self._route.is_model_call
        self.call.is_check = CHECK_HEADER in self.request.headers
        if self.request.version != "HTTP/1.1":
            # Without chunks a truncated answer would look complete.
            return Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "http", "HTTP/1.1 is required.")
        return self._refusal_to_hold(content_length(self.request.headers))

    async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
        """Hold the body, up to the limits; one without a length is counted as it comes."""
        if self._refused:
            return
        self.call.bytes_in += len(chunk)
        refusal = self._refusal_to_hold(self.call.bytes_in)
        if refusal is not None:
            self._let_go_of_body()
            await self.refuse(refusal)
            return
        self._body.append(chunk)

    def _refusal_to_hold(self, size: int) -> Refusal | None:
        """Reserve memory for a body of so many bytes; return a refusal if there is not enough."""
        if size > self.shared.max_body_bytes:
            return too_large(self.shared.max_body_bytes)
        more = size - self._held_bytes
        if more > 0:
            if not self.shared.held.reserve(self.call.agent, more):
                return too_many_bytes()
            self._held_bytes = size
        return None

    def _let_go_of_body(self) -> None:
        """Free the body: it is not needed any more once an answer begins."""
        self._body.clear()
        self.shared.held.free(self.call.agent, self._held_bytes)
        self._held_bytes = 0

    def is_use(self) -> bool:
        """Return whether an agent calls a model; what only asks about models is not use."""
        return self.call.is_model_call and not self.call.is_check

    async def respond(self) -> None:
        """Answer a greeting, or forward the call for as long as its client is there."""
        if self._route is None:
            self.answer_head(HTTPStatus.OK, [("Content-Length", "0")])
            return
        await self.run_while_client_is_there(self._forward(self._route))

    async def run_while_client_is_there(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what answers; it is cancelled when the client disconnects or the broker stops."""
        self._forwarding = asyncio.create_task(work)
        self.shared.tasks.keep(self._forwarding)
        try:
            await self._forwarding
        except asyncio.CancelledError:
            # The client has disconnected or the broker stops: in both cases no end may be sent,
            # which would make a truncated answer look complete.
            self._abort(self.call.ending or "broker stopped")

    def on_connection_close(self) -> None:
        """Cancel the call to the gateway: nobody reads its answer."""
        self._let_go_of_body()
        if self._forwarding is not None:
            self.call.ending = self.call.ending or "client disconnected"
            self._forwarding.cancel()
        super().on_connection_close()

    def on_finish(self) -> None:
        """Free what an early end left."""
        self._let_go_of_body()
        super().on_finish()

    async def _forward(self, route: Route) -> None:
        answer, events = await self._answer_and_events(route)
        if isinstance(answer, bytes):
            self._answer_by_ourselves(answer)
            return
        if isinstance(answer, Refusal):
            await self.refuse(answer)
            return
        with contextlib.closing(answer), self.aborts_when_cut():
            await self._stream(answer, route.dialect, events)

    async def _answer_and_events(
        self, route: Route
    ) -> tuple[Answer | Refusal | bytes, EventFilter | None]:
        """Call the gateway; return its answer and what corrects that.  Then the body is free."""
        stand_in = partial(self.shared.models.stand_in, dialect=route.dialect)
        try:
            body = await self._whole_body()
            request = await read_request(
                self.call.agent, route, body, self.shared.lessons, stand_in
            )
            self.call.model = request.model
            route = route.calling(request.model)
            if route.is_model_call:
                return await self._answer_after_mending(route, request), request.events
            return await self._answer_or_count(route, request), None
        finally:
            self._let_go_of_body()

    async def _whole_body(self) -> bytes:
        """Return the body in one piece; a large one is copied beside the event loop."""
        pieces, self._body = self._body, []
        if self._held_bytes <= JOINED_AT_ONCE_BYTES:
            return b"".join(pieces)
        return await asyncio.to_thread(b"".join, pieces)

    async def _answer_after_mending(self, route: Route, request: ModelRequest) -> Answer | Refusal:
        """Call the gateway; once more in the form that its refusal asks for."""
        caller = (self.call.agent, self.request.path)
        known = self.shared.repeats.refusal_of(*caller, request.body)
        if known is not None:
            return refused_repeatedly(*known)
        answer, sentence = await self._answer_and_sentence(route, request)
        if not sentence or isinstance(answer, Refusal):
            return answer
        mended = await mended_request(request, sentence)
        if mended is not None:
            answer.close()
            self.call.is_mended = True
            request, mend = mended
            refused_for, (answer, sentence) = (
                sentence,
                await self._answer_and_sentence(route, request),
            )
            is_cured = sentence != refused_for and not isinstance(answer, Refusal)
            if is_cured and is_lasting(mend):
                self.shared.lessons.add(route.dialect, request.model, mend)
                self.shared.log.info("broker: learned %s (%s)", type(mend).__name__, route.dialect)
        if sentence and not isinstance(answer, Refusal) and not _is_busy(answer):
            self.shared.repeats.refused(*caller, request.body, answer.status, sentence)
        return answer

    async def _answer_and_sentence(
        self, route: Route, request: ModelRequest
    ) -> tuple[Answer | Refusal, str]:
        """Call the gateway; return its answer, and why it refuses the request ('' if not)."""
        answer = await self._answer(route, request)
        if isinstance(answer, Refusal):
            return answer, ""
        is_page = answer.header("content-type").lower().startswith("text/html")
        if not is_page and answer.status not in REFUSED_STATUSES:
            return answer, ""
        host = self.shared.models.gateway.host(route.dialect)
        try:
            text = await answer.beginning()
        except GatewayGoneError as error:
            return unreachable(host, str(error), was_sent=True), ""
        if is_page:
            answer.close()
            title = TITLE.search(text)
            return web_page(host, answer.status, title[1].strip() if title else ""), ""
        return answer, sentence_of(text)

    async def _answer_or_count(
        self, route: Route, request: ModelRequest
    ) -> Answer | Refusal | bytes:
        """Have tokens counted, or models listed; an estimate where the gateway cannot count."""
        address = self.shared.models.gateway.base_urls[route.dialect]
        counts = self.request.method == "POST"
        if not counts or address not in self.shared.uncounted:
            answer = await self._answer(route, request)
            if not counts or isinstance(answer, Refusal) or answer.status != HTTPStatus.NOT_FOUND:
                return answer
            answer.close()
            self.shared.uncounted.add(address)
        return json.dumps(count_of(route.dialect, request.body)).encode()

    def _answer_by_ourselves(self, body: bytes) -> None:
        self.answer_head(HTTPStatus.OK, [("Content-Type", "application/json")])
        self.set_header("Content-Length", str(len(body)))
        self.call.saw_first_byte()
        self.call.bytes_out += len(body)
        self.write(body)

    async def _answer(self, route: Route, request: ModelRequest) -> Answer | Refusal:
        """Call the gateway, and another one if this one turns out to be gone."""
        gateway = self.shared.models.gateway
        answer = await self.shared.upstream.send(self._model_call(route, request, gateway))
        may_be_repeated = _is_of_a_dead_gateway(answer)
        if not (may_be_repeated or _broke_off(answer)):
            return answer
        if not await self.shared.finds_another_gateway(gateway) or not may_be_repeated:
            return answer
        if not isinstance(answer, Refusal):
            answer.close()
        gateway = self.shared.models.gateway
        return await self.shared.upstream.send(self._model_call(route, request, gateway))

    async def _stream(self, answer: Answer, dialect: Dialect, events: EventFilter | None) -> None:
        """Pass on the head and each chunk as it comes; the next is read when this one is sent."""
        headers = to_agent(answer.headers)
        corrected = _event_stream(headers, events)
        if corrected is not None:
            headers = [pair for pair in headers if pair[0].lower() != "content-length"]
        ends = self._end_watch(answer, headers, dialect)
        self.call.tokens.begin(dialect, answer.headers)
        self.answer_head(answer.status, headers)
        self.call.saw_first_byte()
        await self._flush()
        async for chunk in answer.chunks():
            self.call.tokens.feed(chunk)
            if ends is not None:
                ends.feed(chunk)
            await self._pass_on(chunk if corrected is None else corrected.feed(chunk))
        self.call.tokens.finish()
        if corrected is not None:
            await self._pass_on(corrected.finish())
        if ends is not None and ends.was_cut:
            raise GatewayGoneError("its answer has no end")

    def _end_watch(
        self, answer: Answer, headers: list[tuple[str, str]], dialect: Dialect
    ) -> EndWatch | JsonWatch | None:
        """Return what sees whether an answer is cut where its connection does not show it."""
        is_answered = self.call.is_model_call and answer.status == HTTPStatus.OK
        if is_answered and _is_plain(headers, EVENT_STREAM):
            return EndWatch(dialect)
        if not answer.has_known_end and _is_plain(headers, "application/json"):
            return JsonWatch()
        return None

    async def _pass_on(self, chunk: bytes) -> None:
        if chunk:
            self.call.bytes_out += len(chunk)
            self.write(chunk)
            await self._flush()

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self.flush()
        except TimeoutError:
            raise AgentStalledError from None

    def _model_call(self, route: Route, request: ModelRequest, gateway: Gateway) -> ModelCall:
        query = f"?{self.request.query}" if self.request.query else ""
        return ModelCall(
            route.dialect,
            self.request.method or "",
            gateway.base_urls[route.dialect] + route.rest + query,
            list(self.request.headers.get_all()),
            request.body,
        )

    @contextlib.contextmanager
    def aborts_when_cut(self) -> Iterator[None]:
        """Pass on an answer in this context; one that breaks off does not look complete."""
        try:
            yield
        except GatewayGoneError as error:
            self._abort(f"{BROKE_OFF}: {error}")
        except StreamClosedError:
            self._abort("client disconnected")
        except AgentStalledError:
            self._abort(AGENT_STALLED)
        except Exception:  # tornado would end the answer as if it were complete
            self._abort(BROKER_FAILED)
            raise

    def _abort(self, ending: str) -> None:
        """Close the connection, so that the client knows that the answer is incomplete."""
        self.call.ending = ending
        self.connection.stream.close()


class AgentStalledError(Exception):
    """An agent does not read its answer."""


def content_length(headers: HTTPHeaders) -> int:
    """Return the declared size of a body in bytes; 0 if there is none."""
    text = headers.get("Content-Length", "0").strip()
    return int(text) if text.isascii() and text.isdecimal() else 0


def _is_of_a_dead_gateway(answer: Answer | Refusal) -> bool:
    """Whether a gateway that answers so may be gone, and the call worth repeating elsewhere."""
    if isinstance(answer, Refusal):
        return answer.code == UNREACHABLE
    return answer.status in DEAD_GATEWAY_STATUSES


def _is_busy(answer: Answer) -> bool:
    """Whether the same request may be answered later."""
    return answer.status == HTTPStatus.TOO_MANY_REQUESTS


def _broke_off(answer: Answer | Refusal) -> bool:
    return isinstance(answer, Refusal) and answer.code == GATEWAY_BROKE_OFF


def _event_stream(headers: list[tuple[str, str]], events: EventFilter | None) -> EventStream | None:
    """Return what corrects an answer with these headers; only plain event streams are corrected."""
    if events is None or not _is_plain(headers, EVENT_STREAM):
        return None
    return EventStream(events)


def _is_plain(headers: list[tuple[str, str]], media_type: str) -> bool:
    """Whether a body is of a type, and not compressed."""
    by_name = {name.lower(): value.lower() for name, value in headers}
    is_plain = by_name.get("content-encoding", "identity") == "identity"
    return is_plain and by_name.get("content-type", "").startswith(media_type)

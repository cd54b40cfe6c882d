"""The agents' sessions: their ids are ours, and the workspace's come and go behind them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ...background import BackgroundTasks, backoff_seconds
from ..gateway_errors import GatewayGoneError
from .catalog import Server
from .events import EventQueue, EventSplitter, Piece
from .messages import Json, as_event, negotiated, notification
from .upstream_session import SessionLostError, UpstreamError, UpstreamSession

if TYPE_CHECKING:
    from ..gateway_client import Answer

# An agent's process has one for each server; one that was not used since so many others began
# belongs to a process that is gone.  Here they stay until then, since some agents never begin
# another one; what they hold at the workspace ends when they are idle.
MOST_SESSIONS = 1000
# Longer than people leave an agent alone that they go on with at once.
IDLE_SECONDS, LOOK_SECONDS = 1800.0, 60.0
# Notifications and responses of one agent that are on their way to the workspace.
MOST_ON_THEIR_WAY = 16
TELL_SECONDS = 60.0
LIST_CHANGED = "notifications/tools/list_changed"
PAUSES_SECONDS = (1.0, 60.0)
# A server without a stream of its own messages has none later, unless it is another release.
NO_STREAM_SECONDS = 3600.0
_TOOLS_CHANGED = json.dumps(notification(LIST_CHANGED)).encode()
MOST_EVENT_IDS = 256
# An id comes back as a header.
MOST_ID_CHARACTERS = 1024


class Session:
    """One agent's session with one server.

    ``client`` are the params of its ``initialize``, with which the sessions at the workspace begin.
    """

    def __init__(self, server: Server, agent: str, client: Json, user_agent: str) -> None:
        self.id = secrets.token_urlsafe(24)
        self.server, self.agent = server, agent
        self.version = negotiated(client.get("protocolVersion"))
        self._client = {**client, "protocolVersion": self.version}
        self._user_agent = user_agent
        self._upstream: UpstreamSession | None = None
        self._opening, self._relaying = asyncio.Lock(), asyncio.Lock()
        self._opened = asyncio.Event()
        self._on_their_way = asyncio.Semaphore(MOST_ON_THEIR_WAY)
        self._requests, self._used_at = 0, time.monotonic()
        # Of the answers to calls: what an agent continues that lost its connection.
        self._event_ids: deque[str] = deque(maxlen=MOST_EVENT_IDS)

    async def upstream(self) -> UpstreamSession:
        """Return the session at the workspace, begun now if there is none.

        Raises UpstreamError.
        """
        async with self._opening:
            if self._upstream is None:
                upstream = self.server.session(self._client, self._user_agent)
                await upstream.open()
                self._upstream = upstream
                self._opened.set()
            return self._upstream

    def lose(self, upstream: UpstreamSession) -> None:
        """Forget a session that the workspace does not know any more."""
        if self._upstream is upstream:
            self._upstream = None
            self._opened.clear()

    async def tell_soon(self, body: bytes, tasks: BackgroundTasks) -> None:
        """Hand on a notification or a response, where there is somebody to get it.

        Returns when it is on its way, and before that waits while too many are.
        """
        if self._upstream is not None:
            await self._on_their_way.acquire()
            told = tasks.spawn(self._tell(self._upstream, body))
            told.add_done_callback(lambda _: self._on_their_way.release())

    @staticmethod
    async def _tell(upstream: UpstreamSession, body: bytes) -> None:
        with contextlib.suppress(UpstreamError, SessionLostError, TimeoutError):
            async with asyncio.timeout(TELL_SECONDS):
                (await upstream.send(body, may_begin_twice=True)).close()

    async def rest(self) -> None:
        """End it at the workspace; another one begins there with the next call."""
        if self._upstream is not None:
            upstream, self._upstream = self._upstream, None
            self._opened.clear()
            await upstream.close()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Mark a request or a stream of the agent, during which it does not rest."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self._used_at = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether its agent has ended, or does nothing for so long that it may have."""
        is_late = time.monotonic() - self._used_at > IDLE_SECONDS
        return self._upstream is not None and not self._requests and is_late

    @contextlib.contextmanager
    def listening(self) -> Iterator[EventQueue]:
        """Yield a queue of the events that are for the agent's GET stream."""
        queue = EventQueue()

        def tools_changed() -> None:  # where there is no room it gets what is there when it reads
            queue.offer(as_event(_TOOLS_CHANGED))

        self.server.on_tools.append(tools_changed)
        try:
            yield queue
        finally:
            self.server.on_tools.remove(tools_changed)

    def saw(self, piece: Piece) -> None:
        """Keep the id of an event of an answer, from which the agent may continue it."""
        if piece.event_id and len(piece.event_id) <= MOST_ID_CHARACTERS:
            self._event_ids.append(piece.event_id)

    def has_seen(self, event_id: str) -> bool:
        """Whether an event was one of an answer."""
        return event_id in self._event_ids

    async def resumed(self, last_event_id: str) -> Answer | None:
        """Return the rest of the answer to a call, after an event; None if there is none."""
        return await self._upstream.listen(last_event_id) if self._upstream is not None else None

    async def relay(self, queue: EventQueue) -> None:
        """Hand on the workspace's own messages, over all its sessions, until cancelled.

        To one GET stream at a time: the next one has its turn when that ends.
        """
        async with self._relaying:
            await self._relay(queue)

    async def _relay(self, queue: EventQueue) -> None:
        attempt, last_event_id = 0, ""
        while True:
            await self._opened.wait()
            upstream = self._upstream
            answer = await upstream.listen(last_event_id) if upstream is not None else None
            if answer is None:
                last_event_id = ""
                has_none = upstream is not None and not upstream.has_stream
                pause = backoff_seconds(attempt, *PAUSES_SECONDS)
                await asyncio.sleep(NO_STREAM_SECONDS if has_none else pause)
                attempt += 1
                continue
            attempt = 0
            splitter = EventSplitter()
            try:
                async for chunk in answer.chunks():
                    for piece in splitter.feed(chunk):
                        last_event_id = piece.event_id or last_event_id
                        if piece.method == LIST_CHANGED:
                            self.server.renew_soon()
                        else:
                            await queue.put(piece.raw)
            except GatewayGoneError:
                pass
            finally:
                answer.close()
            await asyncio.sleep(PAUSES_SECONDS[0])


class Sessions:
    """The sessions of all agents, by id."""

    def __init__(self, tasks: BackgroundTasks) -> None:
        self._tasks = tasks
        self._by_id: OrderedDict[str, Session] = OrderedDict()

    def begin(self, server: Server, agent: str, client: Json, user_agent: str) -> Session:
        """Begin a session of an agent with a server."""
        session = Session(server, agent, client, user_agent)
        self._by_id[session.id] = session
        if len(self._by_id) > MOST_SESSIONS:
            self._end(next(iter(self._by_id.values())))
        return session

    def find(self, session_id: str, server: Server, agent: str) -> Session | None:
        """Return an agent's own session with a server."""
        session = self._by_id.get(session_id)
        if session is None or (session.server, session.agent) != (server, agent):
            return None
        self._by_id.move_to_end(session_id)
        return session

    def end(self, session: Session) -> None:
        """End a session, and later the one at the workspace."""
        self._end(session)

    def _end(self, session: Session) -> None:
        if self._by_id.pop(session.id, None) is not None:
            self._tasks.spawn(session.rest())

    def end_without_server(self, servers: Collection[Server]) -> None:
        """End those with servers that are not offered any more."""
        for session in list(self._by_id.values()):
            if session.server not in servers:
                self._end(session)

    async def run(self) -> None:
        """End at the workspace what is not used any more, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for session in self._by_id.values():
                if session.is_idle:
                    self._tasks.spawn(session.rest())

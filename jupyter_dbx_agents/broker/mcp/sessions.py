"""The agents' sessions: their ids are ours, and the workspace's come and go behind them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...background import BackgroundTasks, backoff_seconds
from ..gateway_errors import GatewayGoneError
from .catalog import Server
from .events import EventSplitter
from .messages import Json, as_event, negotiated, notification
from .upstream_session import SessionLostError, UpstreamError, UpstreamSession

if TYPE_CHECKING:
    from ..gateway_client import Answer

# An agent's process has one for each server; one that was not used since so many others began
# belongs to a process that is gone.
MOST_SESSIONS = 1000
MOST_WAITING_EVENTS = 256
LIST_CHANGED = "notifications/tools/list_changed"
PAUSES_SECONDS = (1.0, 60.0)
# A server without a stream of its own messages has none later, unless it is another release.
NO_STREAM_SECONDS = 3600.0
_TOOLS_CHANGED = json.dumps(notification(LIST_CHANGED)).encode()
MOST_EVENT_IDS = 256


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
        self._listeners: list[asyncio.Queue[bytes]] = []
        # Of the answers to calls: what an agent continues that lost its connection.
        self.event_ids: deque[str] = deque(maxlen=MOST_EVENT_IDS)
        server.on_tools.append(self._tools_changed)

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

    async def tell(self, body: bytes) -> None:
        """Hand on a notification or a response, where there is somebody to get it."""
        if self._upstream is not None:
            with contextlib.suppress(UpstreamError, SessionLostError):
                (await self._upstream.send(body, may_begin_twice=True)).close()

    async def close(self) -> None:
        """End it here and at the workspace."""
        with contextlib.suppress(ValueError):
            self.server.on_tools.remove(self._tools_changed)
        if self._upstream is not None:
            upstream, self._upstream = self._upstream, None
            await upstream.close()

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Queue[bytes]]:
        """Yield a queue of the events that are for the agent's GET stream."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING_EVENTS)
        self._listeners.append(queue)
        try:
            yield queue
        finally:
            self._listeners.remove(queue)

    def _tools_changed(self) -> None:
        event = as_event(_TOOLS_CHANGED)
        for queue in self._listeners:
            with contextlib.suppress(asyncio.QueueFull):  # it gets what is there when it reads
                queue.put_nowait(event)

    async def resumed(self, last_event_id: str) -> Answer | None:
        """Return the rest of the answer to a call, after an event; None if there is none."""
        return await self._upstream.listen(last_event_id) if self._upstream is not None else None

    async def relay(self, queue: asyncio.Queue[bytes]) -> None:
        """Hand on the workspace's own messages, over all its sessions, until cancelled.

        To one GET stream at a time: the next one has its turn when that ends.
        """
        async with self._relaying:
            await self._relay(queue)

    async def _relay(self, queue: asyncio.Queue[bytes]) -> None:
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
            self._tasks.spawn(session.close())

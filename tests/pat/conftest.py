"""A rotator against the local workspace, in one loop and on one clock that tests move."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest

from dbx_workspace.server import LocalWorkspace
from dbx_workspace.state import Workspace
from jupyter_dbx_agents.pat import PatRotator
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.constants import OWNER


class SharedClock:
    """The workspace's own clock; waits end at each move of it, as spurious wake-ups may."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._workspace.clock()

    def to_unix(self, instant: datetime) -> float:
        return instant.timestamp()

    async def wait(self, wake: asyncio.Event, seconds: float | None) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (wake, self._moved)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        wake.clear()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self._workspace.clock.advance(seconds)
        self._moved.set()
        self._moved = asyncio.Event()


@dataclass
class Scene:
    """What a test plays with; ``in_use`` says whether a session is open."""

    workspace: Workspace
    api: WorkspaceApi
    clock: SharedClock
    pats: PatRotator
    in_use: list[bool] = field(default_factory=lambda: [True])
    states: list[str] = field(default_factory=list)

    def sample(self, **options: Any) -> Secret:
        """Mint a PAT of the owner, past the API."""
        value, _ = self.workspace.tokens.mint(options.pop("user", OWNER), **options)
        return Secret(value)

    def token(self, secret: Secret):
        """The workspace's record of a token."""
        token_id = self.workspace.tokens.id_of(secret.reveal())
        return next(t for t in self.workspace.tokens.all() if t.token_id == token_id)

    def status_of(self, secret: Secret) -> str:
        return self.token(secret).status(self.workspace.clock())

    def living(self) -> list[str]:
        """Comments of the owner's live tokens."""
        return [token.comment for token in self.workspace.tokens.live_of(OWNER)]

    def when(self, state: str, act: Callable[[], object]) -> None:
        """Do something as soon as the credential is first in a state."""

        def look() -> None:
            if self.pats.state == state:
                self.pats.on_change.remove(look)
                act()

        self.pats.on_change.append(look)

    @contextlib.contextmanager
    def odd_reply(self, odd: str, body: bytes) -> Iterator[None]:
        """Answer a path with 200 and a body of one's own, in the place of the workspace."""
        send = self.api._request

        async def request(method: str, path: str, **options: Any) -> httpx.Response:
            if path == odd:
                return httpx.Response(200, content=body, request=httpx.Request(method, path))
            return await send(method, path, **options)

        self.api._request = request  # type: ignore[method-assign]
        yield
        self.api._request = send  # type: ignore[method-assign]

    async def pass_time_until(self, condition: Callable[[], bool], step_seconds: float) -> None:
        """Move the clock on, with a moment for the others to act on it, until a condition holds."""
        async with asyncio.timeout(60):
            while not condition():
                self.clock.advance(step_seconds)
                await asyncio.sleep(0.05)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which other tasks of this loop bring about."""
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def scene(*, expected_user: str | None = OWNER, **traits: Any) -> AsyncIterator[Scene]:
    workspace = Workspace()
    workspace.add_user(OWNER)
    server = LocalWorkspace(workspace)
    await server.start()
    api = WorkspaceApi(server.url)
    clock = traits.pop("clock", None) or SharedClock(workspace)
    in_use = [True]
    pats = PatRotator(
        api,
        app_name="my-app",
        expected_user=lambda: expected_user,
        in_use=lambda: in_use[0],
        clock=clock,
        **traits,
    )
    made = Scene(workspace, api, clock, pats, in_use)
    pats.on_change.append(lambda: made.states.append(pats.state.value))
    task = asyncio.ensure_future(pats.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await api.close()
        await server.stop()


@pytest.fixture(name="scene")
def _scene() -> contextlib.AbstractAsyncContextManager[Scene]:
    """A fresh scene, entered in the test's own loop."""
    return scene()

"""Agents and SDK programs in the background are use: no terminal is open, and nobody notices."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx

from dbx_workspace.faults import Fault
from jupyter_dbx_agents.agents.checks import check_model
from jupyter_dbx_agents.agents.claude_code import CLAUDE_CODE
from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.models import Dialect, ModelTable, ModelWatch
from jupyter_dbx_agents.pat import PatState
from jupyter_dbx_agents.pat.clock import Clock
from jupyter_dbx_agents.secret import Secret
from tests.support.agent_context import context_of
from tests.support.local_workspace import environment

from .conftest import Scene

INTERVAL_SECONDS = 600
HOUR_SECONDS = 3600
MESSAGE = {
    "model": "databricks-claude-opus-4-7",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
SDK_LOOP = """
from databricks.sdk import WorkspaceClient
client = WorkspaceClient()
while True:
    print(client.current_user.me().user_name, flush=True)
"""


@contextlib.asynccontextmanager
async def broker_of(scene: Scene) -> AsyncIterator[Broker]:
    """A broker on the scene's clock, whose calls are the only use; a PAT is adopted."""
    gateway = f"{scene.api.host}/ai-gateway"
    models = ModelTable(environment(scene.api.host, DATABRICKS_GATEWAY_HOST=gateway))
    broker = Broker(
        pats=scene.pats, models=models, workspace_host=scene.api.host, clock=scene.clock
    )
    await broker.start()
    scene.pats._in_use = lambda: broker.was_used_within(INTERVAL_SECONDS)
    await scene.pats.adopt(scene.sample())
    try:
        yield broker
    finally:
        await broker.stop()


async def hour(
    scene: Scene, work: Callable[[], Awaitable[None]], *, steps_seconds: Sequence[float] = (30,)
) -> None:
    """Let an hour of the workspace's clock pass, with some work before each step."""
    end = scene.clock.now().timestamp() + HOUR_SECONDS
    while scene.clock.now().timestamp() < end:
        await work()
        for seconds in steps_seconds:
            scene.clock.advance(seconds)
            await asyncio.sleep(0.02)


async def until_it_lapses(scene: Scene) -> None:
    """Check that the credential is not renewed any more after one interval without use."""
    ended_at = scene.clock.now()
    rotated_at = ended_at
    before = scene.pats.rotations
    while scene.pats.state is PatState.ACTIVE:
        scene.clock.advance(30)
        await asyncio.sleep(0.02)
        if scene.pats.rotations != before:
            before, rotated_at = scene.pats.rotations, scene.clock.now()
    assert scene.pats.state is PatState.EXPIRED
    assert "No terminal, notebook or agent used it" in scene.pats.message
    assert (rotated_at - ended_at).total_seconds() <= INTERVAL_SECONDS


def agent_of(broker: Broker) -> httpx.AsyncClient:
    secret = broker.capability("claude-code").reveal()
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.AsyncClient(base_url=broker.url, headers=headers, trust_env=False, timeout=30)


async def test_an_agent_in_the_background_works_for_an_hour_and_then_the_credential_lapses(scene):
    async with broker_of(scene) as broker, agent_of(broker) as agent:

        async def call() -> None:
            reply = await agent.post("/anthropic/v1/messages", json=MESSAGE)
            assert reply.status_code == 200, reply.text

        await hour(scene, call)
        assert scene.pats.rotations >= 5
        await until_it_lapses(scene)


class ForOthers:
    """The scene's clock, whose instants other programs see by the clock on the wall."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __getattr__(self, name: str) -> object:
        return getattr(self._clock, name)

    def to_unix(self, instant: datetime) -> float:
        return time.time() + (instant - self._clock.now()).total_seconds()


async def test_a_loop_of_the_sdk_works_for_an_hour_and_then_the_credential_lapses(scene, tmp_path):
    """As with ``nohup``: without a terminal, in a session of its own."""
    scene.pats._clock = ForOthers(scene.pats._clock)
    scene.pats._store.promise_seconds = 30.0  # so that the SDK takes a token for each call
    async with broker_of(scene) as broker:
        write_profile(tmp_path, scene.api.host, broker.metadata_service_url)
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SDK_LOOP,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert program.stdout is not None

        async def answers() -> None:
            assert await asyncio.wait_for(program.stdout.readline(), 60), "it has failed"

        try:
            await hour(scene, answers)
            assert scene.pats.rotations >= 5
            assert program.returncode is None
        finally:
            program.kill()
            await program.communicate()
        await until_it_lapses(scene)


def write_profile(home: Path, host: str, url: Secret) -> None:
    lines = [f"host = {host}", "auth_type = metadata-service"]
    text = "\n".join(["[DEFAULT]", *lines, f"metadata_service_url = {url.reveal()}", ""])
    (home / ".databrickscfg").write_text(text)


async def test_a_call_that_lasts_is_use_until_an_interval_after_its_end(scene):
    async with broker_of(scene) as broker, agent_of(broker) as agent:
        scene.workspace.faults.add(Fault("/ai-gateway", "hang", seconds=600))
        lasting = asyncio.ensure_future(agent.post("/anthropic/v1/messages", json=MESSAGE))
        await scene.until(lambda: broker.was_used_within(0))

        async def nothing() -> None:
            assert not lasting.done()

        await hour(scene, nothing)
        assert scene.pats.rotations >= 5
        lasting.cancel()
        await asyncio.gather(lasting, return_exceptions=True)
        await scene.until(lambda: not broker.was_used_within(0))
        assert broker.was_used_within(INTERVAL_SECONDS)
        await until_it_lapses(scene)


async def test_looking_and_checks_of_our_own_are_not_use(scene, tmp_path):
    async with broker_of(scene) as broker, agent_of(broker) as agent:
        models = ModelTable(environment(scene.api.host))
        watch = asyncio.ensure_future(ModelWatch(models, scene.api, scene.pats.current).run())
        context = replace(
            context_of(tmp_path, CLAUDE_CODE),
            broker_url=broker.url,
            model=str(MESSAGE["model"]),
            capability=broker.capability("claude-code"),
        )
        check = await check_model(context, Dialect.ANTHROPIC)
        assert check.state == "ok", check
        await agent.get("/anthropic/v1/models")
        await agent.post("/anthropic/v1/messages/count_tokens", json=MESSAGE)
        await agent.head("/anthropic")
        await agent.post("/anthropic/v1/messages", headers={"Authorization": "Bearer wrong"})
        await agent.get("/metadata/guessed")
        await scene.until(lambda: models.served.is_known)
        assert not broker.was_used_within(INTERVAL_SECONDS)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)

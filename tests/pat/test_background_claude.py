"""The real Claude Code in the background is use of the credential: no terminal is open."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents import AgentInstaller
from jupyter_dbx_agents.agents.claude_code import CLAUDE_CODE
from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.config_files import ManagedFiles
from tests.support.agent_context import context_of
from tests.support.agent_store import AgentStore
from tests.support.effort import IS_LONG

from .test_background import MESSAGE, broker_of, hour, until_it_lapses

# Each question is a process of its own; the loop ends with the first that fails.
CLAUDE_LOOP = 'while "$1" -p hello; do :; done'


@pytest.mark.timeout(600)
async def test_claude_in_the_background_works_for_an_hour_and_then_the_credential_lapses(
    scene, agent_store: AgentStore, tmp_path
):
    """The real one, as ``nohup`` starts it: no terminal is open, and none is its own."""
    await asyncio.to_thread(agent_store.put, tmp_path, ["claude-code"])
    program = AgentInstaller(tmp_path).installed(CLAUDE_CODE)
    assert program is not None
    async with broker_of(scene) as broker:
        configure_claude(tmp_path, broker)
        command = ["nohup", "sh", "-c", CLAUDE_LOOP, "loop", str(program.program)]
        loop = await asyncio.create_subprocess_exec(
            *command,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **CLAUDE_CODE.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert loop.stdout is not None

        async def answers() -> None:
            said = (await asyncio.wait_for(loop.stdout.readline(), 120)).decode()
            assert "echo: hello" in said, said

        try:
            await hour(scene, answers, steps_seconds=[30] * (4 if IS_LONG else 16))
            assert scene.pats.rotations >= 5
            assert loop.returncode is None
        finally:
            os.killpg(loop.pid, signal.SIGKILL)
            await loop.communicate()
        await scene.until(lambda: not broker.was_used_within(0))
        await until_it_lapses(scene)


def configure_claude(home: Path, broker: Broker) -> None:
    """Write the files of Claude Code, as the app does."""
    context = replace(
        context_of(home, CLAUDE_CODE),
        broker_url=broker.url,
        model=str(MESSAGE["model"]),
        capability=broker.capability("claude-code"),
    )
    for file in CLAUDE_CODE.config_files(context):
        ManagedFiles(home).write(file)

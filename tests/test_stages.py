"""The end in stages: whatever a step does, those behind it get their turn."""

from __future__ import annotations

import asyncio
import logging
from unittest.mock import Mock

from jupyter_dbx_agents.app import DbxAgentsApp
from jupyter_dbx_agents.stages import Stage, run_stages

LOG = logging.getLogger(__name__)


async def test_a_step_that_fails_hangs_or_ignores_its_end_costs_nobody_else_their_turn(caplog):
    done: list[str] = []

    async def fails() -> None:
        raise OSError("no network")

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def ignores() -> None:
        try:
            await hangs()
        except asyncio.CancelledError:
            await hangs()

    async def works() -> None:
        done.append("worked")

    await run_stages([Stage("first", 0.1, [fails, hangs, ignores]), Stage("last", 5, [works])], LOG)
    assert done == ["worked"]
    assert [record.getMessage() for record in caplog.records] == [
        "Stopping: first took longer than 0.1 s.",
        "Stopping: first failed: no network",
    ]
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def test_the_stages_take_ten_seconds_at_most_of_the_fifteen_that_the_platform_gives():
    stages = DbxAgentsApp._last_stages(Mock())
    assert sum(stage.seconds for stage in stages) <= 10

"""Work beside the server: what is requested during a run is done, and each stage gets its turn."""

from __future__ import annotations

import asyncio
import logging
from unittest.mock import Mock

import pytest

from jupyter_dbx_agents.app.ending import last_stages
from jupyter_dbx_agents.background import (
    Coalesced,
    Stage,
    backoff_seconds,
    jittered,
    run_stages,
)

LOG = logging.getLogger(__name__)


class Work:
    """Runs that begin when asked and end when allowed."""

    def __init__(self) -> None:
        self.begun, self.at_once, self.most_at_once = 0, 0, 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        first = self.begun == 1
        try:
            await self.may_end.wait()
            if first:
                raise OSError("no disk")
        finally:
            self.at_once -= 1


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_what_is_asked_for_during_a_run_that_fails_is_done_by_one_more(is_cancelled: bool):
    work = Work()
    coalesced = Coalesced(work)
    first = asyncio.create_task(coalesced())
    await asyncio.sleep(0)
    later = [asyncio.create_task(coalesced()) for _ in range(5)]
    await asyncio.sleep(0)
    if is_cancelled:
        first.cancel()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError if is_cancelled else OSError):
        await first
    await asyncio.gather(*later)
    assert (work.begun, work.most_at_once) == (2, 1)
    await coalesced()
    assert work.begun == 3


@pytest.mark.parametrize(
    ("attempt", "first_seconds", "most_seconds", "pause_seconds"),
    [
        *[(n, 2, 30, pause) for n, pause in enumerate([2, 4, 8, 16, 30, 30])],
        (3, 0.5, 300, 4),
        (0, 60, 30, 30),
        (7, 0, 30, 0),
        (10_000, 2, 30, 30),
        (10**6, 1e-9, 1e9, 1e9),
        (10**6, 1e300, 5, 5),
    ],
)
def test_pauses_double_up_to_a_cap_and_never_overflow(
    attempt, first_seconds, most_seconds, pause_seconds
):
    assert backoff_seconds(attempt, first_seconds, most_seconds) == pause_seconds


def test_jitter_stays_within_its_spread_and_varies():
    pauses = {jittered(10, 0.25) for _ in range(200)}
    assert len(pauses) > 100
    assert min(pauses) >= 7.5
    assert max(pauses) <= 12.5


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
    on_the_platform = Mock(is_left=lambda: False)
    stages = last_stages(Mock(), on_the_platform)
    assert sum(stage.seconds for stage in stages) <= 10

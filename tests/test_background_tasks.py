"""Work that is asked for often: whatever becomes of a run, what was asked for during it is done."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_dbx_agents.background import OneAtATime


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
    one_at_a_time = OneAtATime(work)
    first = asyncio.create_task(one_at_a_time())
    await asyncio.sleep(0)
    later = [asyncio.create_task(one_at_a_time()) for _ in range(5)]
    await asyncio.sleep(0)
    if is_cancelled:
        first.cancel()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError if is_cancelled else OSError):
        await first
    await asyncio.gather(*later)
    assert (work.begun, work.most_at_once) == (2, 1)
    await one_at_a_time()
    assert work.begun == 3

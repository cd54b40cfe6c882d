"""Work beside the server: tasks, listeners, and the end in stages.

A step of the end that fails or hangs must not cost the stages behind it their turn: the tokens are
revoked even when a terminal's program cannot be ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any


class BackgroundTasks:
    """Starts coroutines in the running loop, and cancels them at the end."""

    def __init__(self, log: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine; asyncio wants a reference to be kept."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Cancel all and wait for their ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("A background task has failed: %s", error, exc_info=error)


class OneAtATime:
    """Work that is asked for often: what is asked for during a run is done by one more run."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._work = work
        self._is_asked_for = False
        self._run = asyncio.Lock()

    async def __call__(self) -> None:
        """Return when the work was done from now on; whoever is first in the queue does it for all.

        Raises what the work raises, in the one that did it.  A run that fails or is cancelled
        leaves what was asked for meanwhile to the next in the queue.
        """
        self._is_asked_for = True
        async with self._run:
            if self._is_asked_for:
                self._is_asked_for = False
                await self._work()


class Listeners(list[Callable[[], object]]):
    """Functions that are called without arguments after each change of ``what``."""

    def __init__(self, what: str, log: Any) -> None:
        super().__init__()
        self._what, self._log = what, log

    def tell(self) -> None:
        """Call them all; the fault of one is logged, and stops neither the others nor the work."""
        for listener in list(self):
            try:
                listener()
            except Exception:  # whatever it is, it is the listener's
                self._log.exception("Telling of a change of %s failed", self._what)


@dataclass(frozen=True)
class Stage:
    """Steps that run side by side, for ``seconds`` at most."""

    name: str
    seconds: float
    steps: Sequence[Callable[[], Awaitable[Any]]]


async def run_stages(
    stages: Sequence[Stage], log: logging.Logger | logging.LoggerAdapter[Any]
) -> None:
    """Run the stages in their order; never raises, and never takes longer than their sum."""
    for stage in stages:
        steps = [asyncio.ensure_future(_run(step)) for step in stage.steps]
        if not steps:
            continue
        done, late = await asyncio.wait(steps, timeout=stage.seconds)
        for step in late:  # not awaited: what ignores the cancellation is left behind
            step.cancel()
        if late:
            log.warning("Stopping: %s took longer than %.1f s.", stage.name, stage.seconds)
        for step in done:
            if not step.cancelled() and (error := step.exception()) is not None:
                log.warning("Stopping: %s failed: %s", stage.name, error)


async def _run(step: Callable[[], Awaitable[Any]]) -> None:
    await step()

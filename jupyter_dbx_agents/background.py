"""Work beside the server: tasks, coalesced runs, back-off, listeners, and the stages of a stop."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

AnyLogger = logging.Logger | logging.LoggerAdapter[Any]
Task = TypeVar("Task", bound=asyncio.Future[Any])

# Far beyond any sensible ratio of two pauses; without a bound the power of two overflows.
_MOST_DOUBLINGS = 64


def backoff_seconds(attempt: int, first_seconds: float, most_seconds: float) -> float:
    """Return the pause after a failed attempt, counted from 0: doubled each time, up to a cap.

    Not tenacity's or backoff's: those wrap the call that is retried, while ours also wait for
    events between two attempts and report when the next one is due.
    """
    return min(most_seconds, first_seconds * 2.0 ** min(attempt, _MOST_DOUBLINGS))


def jittered(seconds: float, spread: float) -> float:
    """Return a pause changed at random by up to ``spread`` of it, so that many do not keep step."""
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311 nothing secret


class BackgroundTasks:
    """Holds tasks while they run, since asyncio does not, and cancels them at the end."""

    def __init__(self, log: AnyLogger) -> None:
        self._log = log
        self._tasks: set[asyncio.Future[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in the running loop; a failure is logged."""
        task = self.keep(asyncio.get_running_loop().create_task(work))
        task.add_done_callback(self._report)
        return task

    def keep(self, task: Task) -> Task:
        """Hold a task whose result somebody else awaits."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _report(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("A background task failed: %s", error, exc_info=error)


class Coalesced:
    """Run work at least once after each call; concurrent calls share one run."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._work = work
        self._is_requested = False
        self._lock = asyncio.Lock()

    async def __call__(self) -> None:
        """Return after a run that began after this call.

        Raises what the work raises, in the caller that ran it.  After a run that failed or was
        cancelled, the next waiting caller runs it again.
        """
        self._is_requested = True
        async with self._lock:
            if self._is_requested:
                self._is_requested = False
                await self._work()


class Listeners(list[Callable[[], object]]):
    """Functions that are called without arguments after each change of ``what``."""

    def __init__(self, what: str, log: AnyLogger) -> None:
        super().__init__()
        self._what, self._log = what, log

    def notify(self) -> None:
        """Call them all; the failure of one is logged and stops neither the others nor us."""
        for listener in list(self):
            try:
                listener()
            except Exception:  # whatever the listener raised
                self._log.exception("A listener for changes of %s failed", self._what)


@dataclass(frozen=True)
class Stage:
    """Steps that run concurrently, for at most ``seconds``."""

    name: str
    seconds: float
    steps: Sequence[Callable[[], Awaitable[Any]]]


async def run_stages(stages: Sequence[Stage], log: AnyLogger) -> None:
    """Run the stages in order; never raises, and never takes longer than the sum of their times.

    A step that fails or hangs does not keep the next stage from starting: the tokens are revoked
    even when a terminal's program cannot be ended.
    """
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

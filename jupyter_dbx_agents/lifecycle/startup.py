"""The tasks of every start, in the background: their order, progress and result.

A task that fails is reported and the others continue: without one agent, or without a gateway, the
terminals are still useful.  A task is retried, with back-off, if its error is ``is_temporary``.
"""

import asyncio
import itertools
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypedDict

from traitlets import Float
from traitlets.config import LoggingConfigurable

from ..background import Listeners, backoff_seconds

Progress = Callable[[float | None, str], None]
Work = Callable[[Progress], Awaitable[Any]]


class TaskState(StrEnum):
    """The state of a start-up task."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class TaskStatus(TypedDict):
    """A start-up task's REST model."""

    name: str
    title: str
    state: TaskState
    progress: float | None
    message: str
    hint: str


@dataclass
class StartupTask:
    """One task; ``progress`` is 0 to 1, or None while that is not known.

    ``has_begun`` is true from its start to its end, also while it waits for its turn.
    """

    name: str
    title: str
    work: Work
    after: tuple[str, ...]
    state: TaskState = TaskState.PENDING
    progress: float | None = None
    message: str = ""
    hint: str = ""
    has_begun: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def model(self) -> TaskStatus:
        """Return the REST model."""
        return {
            "name": self.name,
            "title": self.title,
            "state": self.state,
            "progress": self.progress,
            "message": self.message,
            "hint": self.hint,
        }


class StartupTasks(LoggingConfigurable):
    """Runs tasks concurrently, each when those named in its ``after`` have ended, well or not.

    ``on_change`` holds functions that are called without arguments after each change of state or
    progress.
    """

    first_pause_seconds = Float(
        20.0,
        min=0.0,
        help="Pause in seconds before a failed task is retried; then doubled.",
    ).tag(config=True)
    longest_pause_seconds = Float(
        600.0, min=0.0, help="Longest pause in seconds before a failed task is retried."
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on_change = Listeners("the start-up", self.log)
        self._tasks: dict[str, StartupTask] = {}

    def add(self, name: str, title: str, work: Work, *, after: tuple[str, ...] = ()) -> None:
        """Add a task; ``after`` names tasks that were added before, so that there are no cycles.

        ``work`` gets a function that reports its progress: a fraction, or None while it waits for
        its turn and counts as pending.  Raises ValueError for a taken or unknown name.
        """
        if name in self._tasks:
            raise ValueError(f"start-up task {name!r} exists already")
        unknown = [other for other in after if other not in self._tasks]
        if unknown:
            raise ValueError(f"start-up task {name!r} is after the unknown {unknown[0]!r}")
        self._tasks[name] = StartupTask(name, title, work, after)

    def status(self) -> list[TaskStatus]:
        """Return the REST models of all tasks, in the order of addition."""
        return [task.model() for task in self._tasks.values()]

    async def run(self) -> None:
        """Run all tasks until they have ended; cancelling this cancels them."""
        async with asyncio.TaskGroup() as group:
            for task in self._tasks.values():
                group.create_task(self._run_in_turn(task), name=task.name)

    def names(self) -> list[str]:
        """Return the tasks' names, in the order of addition."""
        return list(self._tasks)

    async def run_again(self, name: str) -> None:
        """Run one task once more, such as an install that failed, unless it is running.

        Raises KeyError for an unknown name.
        """
        task = self._tasks[name]
        if not task.has_begun:
            await self._run(task)

    async def _run_in_turn(self, task: StartupTask) -> None:
        for name in task.after:
            await self._tasks[name].ended.wait()
        for attempt in itertools.count():
            pause = backoff_seconds(attempt, self.first_pause_seconds, self.longest_pause_seconds)
            if not await self._run(task, f"Retrying in {pause:.0f} s."):
                return
            await asyncio.sleep(pause)
            if task.state is not TaskState.FAILED:  # it was run in the meantime
                return

    async def _run(self, task: StartupTask, announcement: str = "") -> bool:
        """Run a task once; return whether to retry it, which ``announcement`` says in the hint."""

        def report(progress: float | None, message: str) -> None:
            if task.has_begun:
                state = TaskState.PENDING if progress is None else TaskState.RUNNING
                self._change(task, state, progress, message)

        task.has_begun = True
        self._change(task, TaskState.RUNNING, None, "")
        try:
            await task.work(report)
        except asyncio.CancelledError:
            self._change(task, TaskState.FAILED, None, "Stopped.")
            raise
        except Exception as error:  # one task must not end the others
            may_pass = bool(getattr(error, "is_temporary", False))
            self._failed(task, error, announcement if may_pass else "")
            return may_pass
        else:
            self._change(task, TaskState.DONE, 1.0, task.message)
            return False
        finally:
            task.has_begun = False
            task.ended.set()

    def _failed(self, task: StartupTask, error: Exception, announcement: str) -> None:
        message = str(error) or type(error).__name__
        hint = " ".join(filter(None, (announcement, str(getattr(error, "hint", "")))))
        self.log.warning("%s failed: %s", task.title, " ".join(f"{message} {hint}".split()))
        self.log.debug("%s", "".join(traceback.format_exception(error)))
        self._change(task, TaskState.FAILED, None, message, hint)

    def _change(
        self,
        task: StartupTask,
        state: TaskState,
        progress: float | None,
        message: str,
        hint: str = "",
    ) -> None:
        before = task.model()
        task.state, task.progress = state, progress
        task.message, task.hint = message, hint
        if task.model() == before:
            return
        self.on_change.notify()

"""Coroutines that run beside the server: their references kept, their failures told, none twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
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

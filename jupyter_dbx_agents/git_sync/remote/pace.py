"""One pace for all projects: the workspace's rate limits are shared, also with colleagues."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

# A small commit goes out at once; only what follows is spaced.
BURST = 10


class Pace:
    """``async with pace:`` waits for one's turn; at most ``parallel`` are inside."""

    def __init__(self, requests_per_second: float, parallel: int) -> None:
        self._interval_seconds = 1 / requests_per_second
        self._slots = asyncio.Semaphore(parallel)
        self._next_at = 0.0

    async def __aenter__(self) -> None:
        """Wait for a slot and for the time."""
        await self._slots.acquire()
        try:
            now = time.monotonic()
            turn = max(self._next_at, now - BURST * self._interval_seconds)
            self._next_at = turn + self._interval_seconds
            if turn > now:
                await asyncio.sleep(turn - now)
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        self._slots.release()

    def pause(self, seconds: float) -> None:
        """Hold everybody back: the workspace has said when to come again."""
        self._next_at = max(self._next_at, time.monotonic() + seconds)

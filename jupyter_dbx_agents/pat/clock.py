"""Time as an argument, so that a test can pass hours in a moment."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rotation knows of time."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC; it never goes back."""

    def to_unix(self, instant: datetime) -> float:
        """Return an instant in the seconds that other programs' wall clocks show at it."""

    async def wait(self, wake: asyncio.Event, seconds: float | None) -> None:
        """Return when ``wake`` is set (and clear it) or the seconds have passed; None: no end."""


class SystemClock:
    """The time since this was made, added to the wall clock of then.

    Steady: when the wall clock is set, a token lives neither longer nor shorter.  It counts the
    time that the machine sleeps, in which tokens grow old as well.
    """

    def __init__(self) -> None:
        self._began_at = datetime.now(UTC).timestamp() - _elapsed_seconds()

    def now(self) -> datetime:
        """Return the instant, aware, in UTC; it never goes back."""
        return datetime.fromtimestamp(self._began_at + _elapsed_seconds(), UTC)

    def to_unix(self, instant: datetime) -> float:
        """Return an instant in the seconds that other programs' wall clocks show at it."""
        return time.time() + (instant - self.now()).total_seconds()

    async def wait(self, wake: asyncio.Event, seconds: float | None) -> None:
        """Return when ``wake`` is set (and clear it) or the seconds have passed."""
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()


def iso(instant: datetime | None) -> str | None:
    """Return an instant as the REST models show it: ISO 8601 in UTC, whole seconds."""
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="seconds")


def _elapsed_seconds() -> float:
    """Return the seconds since the machine started, those it slept included where that is known."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

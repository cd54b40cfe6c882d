"""Time as an argument, so that tests pass hours in a moment."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rotation needs of time."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC; it never goes back."""

    def to_unix(self, instant: datetime) -> float:
        """Return an instant as Unix seconds of the wall clock, which other programs use."""

    async def wait(self, wake: asyncio.Event, seconds: float | None) -> None:
        """Return when ``wake`` is set (and clear it) or the seconds have passed (None: never)."""

    async def sleep(self, seconds: float) -> None:
        """Return after a pause within one operation, of a second or less."""


class SystemClock:
    """The wall clock at creation, plus the time since then.

    Setting the wall clock does not change it.  It counts the time that the machine sleeps, in which
    tokens age, too; asyncio's timers do not, hence ``plan.LONGEST_WAIT_SECONDS``.
    """

    def __init__(self) -> None:
        self._began_at = datetime.now(UTC).timestamp() - _elapsed_seconds()

    def now(self) -> datetime:
        """Return the instant, aware, in UTC; it never goes back."""
        return datetime.fromtimestamp(self._began_at + _elapsed_seconds(), UTC)

    def to_unix(self, instant: datetime) -> float:
        """Return an instant as Unix seconds of the wall clock, which other programs use."""
        return time.time() + (instant - self.now()).total_seconds()

    async def wait(self, wake: asyncio.Event, seconds: float | None) -> None:
        """Return when ``wake`` is set (and clear it) or the seconds have passed."""
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()

    async def sleep(self, seconds: float) -> None:
        """Return after a pause within one operation, of a second or less."""
        await asyncio.sleep(seconds)


def iso(instant: datetime | None) -> str | None:
    """Return an instant as the REST models show it: ISO 8601 in UTC, whole seconds."""
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="seconds")


def wall_iso(clock: Clock, instant: datetime | None) -> str | None:
    """Return an instant of ``clock`` by the wall clock as it is set now, as ``iso`` does."""
    if instant is None:
        return None
    return iso(datetime.fromtimestamp(clock.to_unix(instant), UTC))


def _elapsed_seconds() -> float:
    """Return the seconds since boot, with those asleep where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

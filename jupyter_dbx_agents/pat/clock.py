"""Time as an argument, so that a test can pass hours in a moment."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rotation knows of time."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""

    async def wait(self, wake: asyncio.Event, seconds: float | None) -> None:
        """Return when ``wake`` is set (and clear it) or the seconds have passed; None: no end."""


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""
        return datetime.now(UTC)

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

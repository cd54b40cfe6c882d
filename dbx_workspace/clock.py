"""A clock that can be moved forward, so that expiry is tested without waiting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


class AdjustableClock:
    """The system's time in UTC plus an offset that only grows."""

    def __init__(self, base: Clock | None = None) -> None:
        self._base = base or (lambda: datetime.now(UTC))
        self._offset = timedelta(0)

    def __call__(self) -> datetime:
        return self._base() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward; raise ``ValueError`` for negative ``seconds``."""
        if seconds < 0:
            raise ValueError("the clock only goes forward: give seconds >= 0")
        self._offset += timedelta(seconds=seconds)


def to_milliseconds(moment: datetime) -> int:
    """Return Unix time in milliseconds, the unit of the token and workspace APIs."""
    return int(moment.timestamp() * 1000)

"""When the next rotation is due, and the pause after an attempt."""

from datetime import datetime, timedelta

from ...background import backoff_seconds, jittered
from ..clock import Clock
from ..plan import rotation_due_at, within_life_seconds
from ..store import Pat


class Schedule:
    """The instants of the next rotation, and of the next attempt after one that may fail."""

    def __init__(
        self, clock: Clock, interval_seconds: float, first_seconds: float, most_seconds: float
    ) -> None:
        self._clock, self._interval_seconds = clock, interval_seconds
        self._first_seconds, self._most_seconds = first_seconds, most_seconds
        self._attempts = 0
        self.rotate_at: datetime | None = None
        self.retry_at: datetime | None = None

    @property
    def next_at(self) -> datetime | None:
        """When the next rotation is tried."""
        return self.retry_at or self.rotate_at

    @property
    def may_try(self) -> bool:
        """Whether no pause is under way."""
        return self.retry_at is None or self._clock.now() >= self.retry_at

    def begin_attempt(self, pat: Pat | None) -> None:
        """Begin the pause before the next attempt with this one: no failure is without it."""
        self._attempts += 1
        self.pause(pat)

    def pause(self, pat: Pat | None, wanted_seconds: float = 0.0) -> None:
        """Set when to try again; with a PAT that ends soon, while it can still be rotated."""
        now = self._clock.now()
        pause = backoff_seconds(self._attempts - 1, self._first_seconds, self._most_seconds)
        delay = max(jittered(pause, 0.2), wanted_seconds)
        if pat is not None:
            delay = within_life_seconds(delay, pat, now)
        self.retry_at = now + timedelta(seconds=max(delay, self._first_seconds / 2))

    def begin(self, pat: Pat) -> None:
        """Begin with a new PAT."""
        self._attempts, self.retry_at = 0, None
        self.rotate_at = rotation_due_at(pat, self._interval_seconds)

    def clear(self) -> None:
        """Plan nothing: there is no credential."""
        self._attempts = 0
        self.rotate_at = self.retry_at = None

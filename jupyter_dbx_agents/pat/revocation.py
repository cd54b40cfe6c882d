"""Everything that must go, until it is gone: replaced PATs, lost ones, the pasted token.

Each is tried with a pause of its own, which begins before the try and grows with each: whatever a
try raises, the next one waits.  A PAT is deleted with itself, not with its successor: it may do
what that may, it is of the right user whoever's token was adopted since, and at a log-out there is
none.  A refusal is not its end, since a server may not know a new token, or may be wrong: what is
not deleted is tried until it has expired.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ..background import AnyLogger, backoff_seconds
from ..errors import TokenRefusedError, WorkspaceError
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .clock import Clock
from .plan import LONGEST_WAIT_SECONDS
from .store import Pat

LONGEST_PAUSE_SECONDS = 60.0


class Revocable(Protocol):
    """A token that must go; ``ends_at`` is when it expires by itself (None: in years)."""

    ends_at: datetime | None

    async def revoke(self, current: Secret | None) -> bool:
        """Try to revoke it; return whether it is gone.  Raises WorkspaceError.

        ``current`` is the PAT in use, if there is one.
        """


class ReplacedPat:
    """A PAT of ours that is not used any more."""

    def __init__(self, api: WorkspaceApi, pat: Pat) -> None:
        self._api = api
        self.pat = pat
        self.ends_at: datetime | None = pat.ends_at or pat.expires_at

    async def revoke(self, _current: Secret | None) -> bool:
        """Delete it with itself; an OAuth access token ends by itself."""
        if self.pat.token_id is not None:
            await self._api.delete_token(self.pat.value, self.pat.token_id)
        return True


@dataclass(eq=False)
class _Entry:
    what: Revocable
    due_at: datetime
    tries: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Revocations:
    """Everything that is yet to be revoked; what fails is tried again."""

    def __init__(
        self,
        clock: Clock,
        current: Callable[[], Secret | None],
        changed: Callable[[], None],
        log: AnyLogger,
        *,
        first_pause_seconds: float,
    ) -> None:
        self._clock, self._current, self._changed, self._log = clock, current, changed, log
        self._first_pause_seconds = first_pause_seconds
        self._entries: list[_Entry] = []
        self._wake = asyncio.Event()

    def add(self, what: Revocable, due_at: datetime | None = None) -> None:
        """Revoke something from an instant on (None: now)."""
        self._entries.append(_Entry(what, due_at or self._clock.now()))
        self._wake.set()

    def waiting(self) -> list[Revocable]:
        """Return what is not gone yet."""
        return [entry.what for entry in self._entries]

    def holds(self, value: Secret) -> bool:
        """Whether a value is one of the replaced PATs."""
        return any(w.pat.value == value for w in self.waiting() if isinstance(w, ReplacedPat))

    async def run(self) -> None:
        """Revoke what falls due, until cancelled."""
        while True:
            now = self._clock.now()
            due = [e for e in self._entries if e.due_at <= now and not e.lock.locked()]
            if due:
                current = self._current()
                await asyncio.gather(*(self._try(entry, current) for entry in due))
            else:
                await self._clock.wait(self._wake, self._seconds_to_next(now))

    async def attempt(self, what: Revocable) -> None:
        """Return after the first try of something that was added, whoever makes it."""
        for entry in [entry for entry in self._entries if entry.what is what]:
            if entry.tries or entry.lock.locked():
                async with entry.lock:
                    continue
            await self._try(entry, self._current())

    async def all(self, pat: ReplacedPat | None, seconds: float) -> int:
        """Revoke everything now, and the PAT in use; return how many may still be valid.

        All but that one have ``seconds``.  What fails stays, and is tried until it has expired.
        """
        others, last = list(self._entries), []
        if pat is not None:  # not before the others, by ``run``
            last = [_Entry(pat, self._clock.now() + timedelta(seconds=seconds))]
            self._entries += last
        current = None if pat is None else pat.pat.value
        # Concurrently, since a slow workspace leaves no time for one call after the other; the
        # current PAT is last, since tokens whose reply got lost are listed with it.
        left = await self._all_of(others, current, seconds)
        return left + await self._all_of(last, current, None)

    async def _all_of(
        self, entries: list[_Entry], current: Secret | None, seconds: float | None
    ) -> int:
        """Try all within a time; return how many failed."""
        tries = [asyncio.ensure_future(self._try(entry, current)) for entry in entries]
        if not tries:
            return 0
        try:
            done, late = await asyncio.wait(tries, timeout=seconds)
        except asyncio.CancelledError:
            for attempt in tries:
                attempt.cancel()
            raise
        for attempt in late:
            attempt.cancel()
        failed = len(late) + sum(not attempt.result() for attempt in done)
        if failed:
            self._log.warning("%d tokens may be left in the workspace; they expire.", failed)
        return failed

    async def _try(self, entry: _Entry, current: Secret | None) -> bool:
        """Try once to revoke something; return whether it is no longer valid, as far as known."""
        async with entry.lock:
            if entry not in self._entries:  # another try has just succeeded
                return True
            if entry.what.ends_at is not None and self._clock.now() >= entry.what.ends_at:
                self._entries.remove(entry)
                return True
            entry.due_at = self._clock.now() + self._pause(entry)
            entry.tries += 1
            try:
                if await entry.what.revoke(current):
                    self._entries.remove(entry)
            except TokenRefusedError:
                return True  # probably dead: nothing to warn about
            except WorkspaceError as error:
                self._log.debug("A token could not be revoked yet: %s", error)
                wanted = min(getattr(error, "retry_after_seconds", 0.0), LONGEST_PAUSE_SECONDS)
                entry.due_at = max(entry.due_at, self._clock.now() + timedelta(seconds=wanted))
                return False
            except Exception:  # the loop must go on, or nothing would be revoked any more
                self._log.exception("An unexpected failure of a revocation; trying again")
                return False
            finally:
                self._wake.set()
                self._changed()
            return True

    def _pause(self, entry: _Entry) -> timedelta:
        pause = backoff_seconds(entry.tries, self._first_pause_seconds, LONGEST_PAUSE_SECONDS)
        return timedelta(seconds=pause)

    def _seconds_to_next(self, now: datetime) -> float | None:
        instants = [entry.due_at for entry in self._entries if not entry.lock.locked()]
        if not instants:
            return None
        return min((min(instants) - now).total_seconds(), LONGEST_WAIT_SECONDS)

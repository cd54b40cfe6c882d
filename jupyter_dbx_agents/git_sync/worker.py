"""One project's worker: two loops that are woken, retry, and say why they do not go on."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice

from ..background import backoff_seconds, jittered
from ..errors import DbxAgentsError
from .local.projects import Location
from .project_sync import ProjectSync
from .states import Cause, ProjectStatus, Remark, SyncState, Waker, bare_status, explained

# A status that names hundreds of paths is not readable.
_MOST_LISTED = 100
_USER_POLL_SECONDS = 1.0


class _Loop:
    """Runs an attempt when woken, and again as its cause requires; it never ends by itself.

    ``attempt`` returns the cause and the seconds that the workspace asks to wait for, or 0.
    """

    def __init__(
        self, attempt: Callable[[], Awaitable[tuple[Cause, float]]], seconds: tuple[float, float]
    ) -> None:
        self._attempt = attempt
        self._first_seconds, self._most_seconds = seconds
        self._failures = 0
        self.is_busy = False
        self.woken = asyncio.Event()
        self.next_at: datetime | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing that could be done now."""
        return not (self.woken.is_set() or self.is_busy or self._failures)

    async def run(self, paused: Callable[[], None]) -> None:
        """Work until cancelled; call ``paused`` when the time of the next attempt is known."""
        while True:
            await self.woken.wait()
            self.woken.clear()
            self.is_busy = True
            cause, asked_seconds = await self._attempt()
            self.is_busy = False
            seconds = self._pause_seconds(cause, asked_seconds)
            if seconds is None:
                continue
            self.next_at = datetime.now(UTC) + timedelta(seconds=seconds)
            paused()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.woken.wait()
            self.next_at = None
            self.woken.set()

    def _pause_seconds(self, cause: Cause, asked_seconds: float) -> float | None:
        if not cause.is_ended_by(Waker.RETRY):
            self._failures = 0
            return self._most_seconds if cause.is_ended_by(Waker.CHECK) else None
        self._failures += 1
        seconds = backoff_seconds(self._failures - 1, self._first_seconds, self._most_seconds)
        return max(jittered(seconds, 0.25), min(asked_seconds, self._most_seconds))


class ProjectWorker:
    """Makes one project safe, and its files visible; ``passed`` is called after a complete pass.

    Wake-ups during a pass are coalesced into one more pass.
    """

    def __init__(
        self,
        name: str,
        location: Location,
        *,
        new_sync: Callable[[Callable[[int, int], None]], ProjectSync | None],
        waiting_for: Callable[[], str],
        changed: Callable[[], None],
        passed: Callable[["ProjectWorker"], None],
        log: logging.Logger,
        retry_seconds: tuple[float, float],
    ) -> None:
        self.name, self.location = name, location
        # Of its refs, when they were last looked at; None if it is gone.
        self.fingerprint: int | None = 0
        self.cause = Cause.NEW
        self.sync: ProjectSync | None = None
        self._new_sync, self._waiting_for = new_sync, waiting_for
        self._changed, self._passed, self._log = changed, passed, log
        self._error: DbxAgentsError | None = None
        self._progress = (0, 0)
        self._safety = _Loop(self._keep_safe, retry_seconds)
        self._files = _Loop(self._attempt, retry_seconds)
        self._requests: list[asyncio.Future[ProjectStatus]] = []
        self._takes_over = self._audits = False

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing that could be done now."""
        return self._safety.is_idle and self._files.is_idle

    @property
    def is_safe(self) -> bool:
        """Whether there is no commit that could be made safe now."""
        return not (self._safety.is_busy or self._safety.woken.is_set())

    def wake(self) -> None:
        """Request a pass, since HEAD, another ref or what stopped the last one has changed."""
        self._safety.woken.set()
        self._files.woken.set()
        if self.sync is not None:
            self.sync.wake()

    async def sync_now(self, *, takes_over: bool = False) -> ProjectStatus:
        """Sync and compare every folder in the workspace; return the model after one attempt."""
        self._takes_over |= takes_over
        self._audits = True
        request: asyncio.Future[ProjectStatus] = asyncio.get_running_loop().create_future()
        self._requests.append(request)
        self.wake()
        if self._waiting_for():
            self.answer()
        return await request

    async def run(self) -> None:
        """Work until cancelled."""
        self.wake()
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._safety.run(self._changed))
                loops.create_task(self._files.run(self._changed))
        finally:
            self.answer()

    def answer(self, requests: Iterable[asyncio.Future[ProjectStatus]] | None = None) -> None:
        """Release callers of ``sync_now``: after an attempt, or all if there is none for now."""
        for request in self._requests if requests is None else requests:
            if not request.done():
                request.set_result(self.model())
        self._requests = [request for request in self._requests if not request.done()]

    async def _keep_safe(self) -> tuple[Cause, float]:
        """Bring new commits into the history, also during a long pass of the files."""
        try:
            history = (await self._current_sync()).history
            await history.run()
        except Exception as error:  # the pass of the files reports it; a bug must not end the loop
            self._log.debug("The history of %s is not kept: %s", self.name, error)
            return Cause.of(error), _asked_seconds(error)
        return Cause.DISK if history.wants_retry else Cause.DONE, 0.0

    async def _attempt(self) -> tuple[Cause, float]:
        """Sync the files once."""
        takes_over, audits, requests = self._takes_over, self._audits, [*self._requests]
        asked_seconds = 0.0
        try:
            sync = await self._current_sync()
            self._set(Cause.BUSY, self._error)
            head = await sync.run(takes_over=takes_over, audits=audits)
            is_whole = not sync.history.is_too_large
            self._set((Cause.DONE if is_whole else Cause.TOO_LARGE) if head else Cause.UNBORN)
            if sync.audits_next:
                self.wake()
            self._passed(self)
        except Exception as error:  # also of a bug, which must not stop the worker
            self._log.debug("Syncing %s failed", self.name, exc_info=True)
            asked_seconds = _asked_seconds(error)
            said = explained(error)
            self._log.warning("%s is not synced: %s %s", self.name, said.message, said.hint)
            self._set(Cause.of(error), said)
        if not self.cause.is_ended_by(Waker.RETRY):  # otherwise the retry does it, too
            self._takes_over &= not takes_over
            self._audits &= not audits
        self.answer(requests)
        return self.cause, asked_seconds

    async def _current_sync(self) -> ProjectSync:
        """Return the sync to the folder of the PAT's user, as soon as that user is known."""
        while (sync := self.sync or self._new_sync(self._advance)) is None:
            if self.cause is not Cause.NO_TOKEN:  # a change is sent to every page
                self._set(Cause.NO_TOKEN)
            await asyncio.sleep(_USER_POLL_SECONDS)
        self.sync = sync
        return sync

    def _advance(self, done: int, count: int) -> None:
        self._progress = done, count
        self._changed()

    def _set(self, cause: Cause, error: DbxAgentsError | None = None) -> None:
        self.cause, self._error, self._progress = cause, error, (0, 0)
        self._changed()

    def model(self) -> ProjectStatus:
        """Return the REST model."""
        is_going_on = self.cause in (Cause.NEW, Cause.BUSY, Cause.NO_TOKEN)
        waiting = self._waiting_for() if is_going_on else ""
        cause = Cause.UNSAFE if self._is_unsafe() else self.cause
        state = SyncState.WAITING if waiting else cause.state
        model = bare_status(self.name, state, waiting)
        if self._error is not None and not waiting:
            model["message"], model["hint"] = self._error.message, self._error.hint
        model["folder"] = str(self.location.folder)
        model["done"], model["count"] = self._progress
        loop = self._safety if cause is Cause.UNSAFE else self._files
        if (next_at := loop.next_at) is not None:
            model["next_try_at"] = next_at.isoformat(timespec="seconds")
        if self.sync is None:
            return model
        model["destination"] = self.sync.destination.folder
        if (marker := self.sync.marker) is not None:
            model["commit"], model["synced_at"] = marker.commit, marker.synced_at
            model["skipped_count"] = len(marker.skipped)
            model["skipped"], model["notes"] = _listed(marker.skipped), _listed(marker.notes)
        history = self.sync.history
        model["history"] = {
            "kept": history.is_kept,
            "bytes": history.kept_bytes,
            "safe_at": history.safe_at,
            "commit": history.safe_commit,
            "message": history.problem,
            "note": history.note,
        }
        return model

    def _is_unsafe(self) -> bool:
        """Whether the files are there, and not all of a history that is not too large."""
        is_done = self.cause in (Cause.DONE, Cause.UNBORN)
        return is_done and self.sync is not None and bool(self.sync.history.problem)


def _listed(reasons: dict[str, str]) -> list[Remark]:
    first = islice(reasons.items(), _MOST_LISTED)
    return [{"path": path, "reason": reason} for path, reason in first]


def _asked_seconds(error: Exception) -> float:
    """Return the pause that a busy workspace asks for."""
    return float(getattr(error, "retry_after_seconds", 0.0))

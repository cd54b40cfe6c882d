"""One project's worker: when to sync, when to retry, and its REST model."""

import asyncio
import contextlib
import errno
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import TypedDict

from ..background import backoff_seconds, jittered
from ..errors import (
    DbxAgentsError,
    DestinationError,
    WorkspaceError,
    WorkspacePermissionError,
)
from .local.projects import Location
from .project_sync import ProjectSync
from .remote.marker import Marker

# A status that names hundreds of paths is not readable.
_MOST_LISTED = 100
_USER_POLL_SECONDS = 1.0


class SyncState(StrEnum):
    """How far a project is."""

    PENDING = "pending"
    SYNCING = "syncing"
    SYNCED = "synced"
    EMPTY = "empty"
    WAITING = "waiting"
    RETRYING = "retrying"
    REFUSED = "refused"


class Remark(TypedDict):
    """A file with what is to be known about it."""

    path: str
    reason: str


class HistoryStatus(TypedDict):
    """Whether a project's git history is in the workspace; ``message`` says what of it is not.

    ``safe_at`` is when every ref was safe, with HEAD at ``commit``; ``note`` is what was done.
    """

    kept: bool
    bytes: int
    safe_at: str
    commit: str
    message: str
    note: str


class _LeftOut(TypedDict):
    skipped_count: int
    skipped: list[Remark]
    notes: list[Remark]


class ProjectStatus(_LeftOut):
    """A project's REST model."""

    name: str
    state: SyncState
    folder: str
    destination: str
    commit: str
    synced_at: str
    done: int
    count: int
    message: str
    hint: str
    next_try_at: str | None
    history: HistoryStatus


class ProjectWorker:
    """Syncs one project when woken; wake-ups during a pass are coalesced into one more pass."""

    def __init__(
        self,
        name: str,
        location: Location,
        *,
        new_sync: Callable[[Callable[[int, int], None]], ProjectSync | None],
        waiting_for: Callable[[], str],
        changed: Callable[[], None],
        log: logging.Logger,
        retry_seconds: tuple[float, float],
    ) -> None:
        self.name, self.location = name, location
        self.fingerprint = 0
        self._new_sync, self._waiting_for = new_sync, waiting_for
        self._changed, self._log = changed, log
        self._retry_seconds = retry_seconds
        self._sync: ProjectSync | None = None
        self._state = SyncState.PENDING
        self._error: DbxAgentsError | None = None
        self._next_try_at: datetime | None = None
        self._progress = (0, 0)
        self._woken = asyncio.Event()
        self._is_unsafe = asyncio.Event()
        self._asked = self._answered = 0
        self._answer_model: ProjectStatus | None = None
        self._answer = asyncio.Condition()
        self._takes_over = self._audits = self._is_over = self._is_keeping = False

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing that could be done now."""
        is_woken = self._woken.is_set() or self._is_unsafe.is_set() or self._is_keeping
        return not is_woken and self._state in (
            SyncState.SYNCED,
            SyncState.EMPTY,
            SyncState.REFUSED,
        )

    def wake(self) -> None:
        """Request a pass, since HEAD or another ref may have moved."""
        self._woken.set()
        self._is_unsafe.set()
        if self._sync is not None:
            self._sync.wake()

    async def sync_now(self, *, takes_over: bool = False) -> ProjectStatus:
        """Sync and compare every folder in the workspace; return the model after one attempt."""
        self._takes_over |= takes_over
        self._audits = True
        self._asked += 1
        mine = self._asked
        self.wake()
        async with self._answer:
            await self._answer.wait_for(
                lambda: self._answered >= mine or self._is_over or self._waiting_for()
            )
        return self._answer_model or self.model()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._keep_safe())
                loops.create_task(self._work())
        finally:
            self._is_over = True
            await self.answer_all()

    async def _keep_safe(self) -> None:
        """Bring new commits into the history, also during a long pass of the files."""
        failures = 0
        while True:
            await self._is_unsafe.wait()
            self._is_unsafe.clear()
            self._is_keeping = True
            is_over = True
            try:
                sync = await self._current_sync()
                await sync.history.run()
                is_over = not sync.history.wants_retry
            except (DestinationError, WorkspacePermissionError):
                pass  # the pass of the files reports it
            except Exception as error:  # as above; a bug must not stop the loop
                self._log.debug("The history of %s is not kept: %s", self.name, error)
                is_over = False
            self._is_keeping = not is_over
            if is_over:
                failures = 0
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff_seconds(failures, *self._retry_seconds)):
                    await self._is_unsafe.wait()
            failures += 1
            self._is_unsafe.set()

    async def _work(self) -> None:
        failures = 0
        self.wake()
        while True:
            await self._woken.wait()
            self._woken.clear()
            asked = self._asked
            is_done = await self._attempt()
            failures = 0 if is_done else failures + 1
            self._answered = asked
            await self.answer_all()
            if not is_done:
                await self._pause(failures)

    async def answer_all(self) -> None:
        """Release the callers of ``sync_now``: after an attempt, or if there is none for now."""
        async with self._answer:
            self._answer_model = self.model()
            self._answer.notify_all()

    async def _pause(self, failures: int) -> None:
        """Wait before a retry; a new commit or a request of the user ends the pause."""
        seconds = jittered(backoff_seconds(failures - 1, *self._retry_seconds), 0.25)
        self._next_try_at = datetime.now(UTC) + timedelta(seconds=seconds)
        self._changed()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            self._woken.set()
        self._next_try_at = None

    async def _attempt(self) -> bool:
        """Sync once; return False if it is to be retried after a pause."""
        takes_over, audits = self._takes_over, self._audits
        try:
            sync = await self._current_sync()
            self._set(SyncState.SYNCING)
            head = await sync.run(takes_over=takes_over, audits=audits)
        except (DbxAgentsError, OSError) as error:
            return self._failed(error)
        except Exception as error:  # a bug must not stop the worker
            self._log.debug("Syncing %s failed", self.name, exc_info=True)
            return self._failed(error)
        self._takes_over &= not takes_over
        self._audits &= not audits
        self._error = None
        self._set(SyncState.EMPTY if head is None else SyncState.SYNCED)
        if sync.wants_another_pass:
            self.wake()
        return True

    async def _current_sync(self) -> ProjectSync:
        """Return the sync to the folder of the PAT's user, as soon as that user is known."""
        while (sync := self._new_sync(self._advance) if self._sync is None else self._sync) is None:
            if self._state is not SyncState.WAITING:
                self._set(SyncState.WAITING)
            await asyncio.sleep(_USER_POLL_SECONDS)
        self._sync = sync
        return sync

    def _failed(self, error: Exception) -> bool:
        self._error = _with_hint(error)
        refused = isinstance(error, (DestinationError, WorkspacePermissionError))
        self._log.warning(
            "%s is not synced: %s %s", self.name, self._error.message, self._error.hint
        )
        if refused:
            self._takes_over = self._audits = False
        self._set(SyncState.REFUSED if refused else SyncState.RETRYING)
        return refused

    def _advance(self, done: int, count: int) -> None:
        self._progress = done, count
        self._changed()

    def _set(self, state: SyncState) -> None:
        self._progress = (0, 0)
        if state is not self._state or state is SyncState.SYNCED:
            self._state = state
            self._changed()

    # ---- the status

    def model(self) -> ProjectStatus:
        """Return the REST model."""
        marker = self._sync.marker if self._sync is not None else None
        waiting = self._waiting_for() if self._state not in _AT_REST else ""
        done, count = self._progress
        error = None if waiting else self._error
        next_try_at = self._next_try_at
        return {
            "name": self.name,
            "state": SyncState.WAITING if waiting else self._state,
            "folder": str(self.location.folder),
            "destination": self._sync.destination.folder if self._sync is not None else "",
            "commit": marker.commit if marker else "",
            "synced_at": marker.synced_at if marker else "",
            "done": done,
            "count": count,
            "message": error.message if error else waiting,
            "hint": error.hint if error else "",
            "next_try_at": next_try_at.isoformat(timespec="seconds") if next_try_at else None,
            **_left_out(marker),
            "history": _history(self._sync),
        }


def rejected_model(name: str, reason: str) -> ProjectStatus:
    """Return the REST model of a project whose name the workspace does not allow."""
    return {
        "name": name,
        "state": SyncState.REFUSED,
        "folder": "",
        "destination": "",
        "commit": "",
        "synced_at": "",
        "done": 0,
        "count": 0,
        "message": reason,
        "hint": "Rename the folder.",
        "next_try_at": None,
        **_left_out(None),
        "history": _history(None),
    }


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AT_REST = (SyncState.SYNCED, SyncState.EMPTY, SyncState.REFUSED, SyncState.RETRYING)


def _left_out(marker: Marker | None) -> _LeftOut:
    skipped, notes = (marker.skipped, marker.notes) if marker else ({}, {})
    return {
        "skipped_count": len(skipped),
        "skipped": _listed(skipped),
        "notes": _listed(notes),
    }


def _listed(reasons: dict[str, str]) -> list[Remark]:
    first = islice(reasons.items(), _MOST_LISTED)
    return [{"path": path, "reason": reason} for path, reason in first]


def _history(sync: ProjectSync | None) -> HistoryStatus:
    history = sync.history if sync is not None else None
    return {
        "kept": history is not None and history.is_kept,
        "bytes": history.kept_bytes if history else 0,
        "safe_at": history.safe_at if history else "",
        "commit": history.safe_commit if history else "",
        "message": history.problem if history else "",
        "note": history.note if history else "",
    }


def _with_hint(error: Exception) -> DbxAgentsError:
    """Return an error that says what the user can do."""
    if isinstance(error, WorkspacePermissionError):
        return WorkspaceError(
            f"The workspace responded: {error.message}",
            "Get permission to write to your folder, or a token with that scope; then run sync.",
        )
    if isinstance(error, WorkspaceError) and not error.hint:
        return WorkspaceError(
            f"The workspace responded: {error.message}",
            "Sync retries. If this continues, check your folder in the workspace.",
        )
    if isinstance(error, DbxAgentsError):
        return error
    if isinstance(error, OSError):
        hint = "Free some space." if error.errno in _FULL else "Check its permissions."
        message = f"A file cannot be read or written: {error.strerror}."
        return DbxAgentsError(f"{message} ({error.filename})" if error.filename else message, hint)
    return DbxAgentsError(f"{type(error).__name__}: {error}", "Sync retries.")

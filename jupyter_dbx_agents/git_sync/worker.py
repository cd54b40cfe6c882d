"""One project's worker: when to sync, when to try again, and what to say about it."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from ..background import backoff_seconds, jittered
from ..errors import (
    DbxAgentsError,
    WorkspaceError,
    WorkspacePermissionError,
    WorkspaceUnavailableError,
)
from .errors import DestinationError
from .local.projects import Location
from .local.repository import Head
from .project_sync import ProjectSync
from .remote.marker import Marker

# A status that names hundreds of paths helps nobody.
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


class ProjectWorker:
    """Syncs one project whenever it is woken; a wake-up during a pass leads to one more pass."""

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
        self.fingerprint: tuple[object, ...] = ()
        self.hooks_problem = ""
        self._new_sync, self._waiting_for = new_sync, waiting_for
        self._changed, self._log = changed, log
        self._retry_seconds = retry_seconds
        self._sync: ProjectSync | None = None
        self._state = SyncState.PENDING
        self._error: DbxAgentsError | None = None
        self._next_try_at: datetime | None = None
        self._progress = (0, 0)
        self._woken = asyncio.Event()
        self._asked = self._answered = 0
        self._answer_model: dict[str, Any] = {}
        self._answer = asyncio.Condition()
        self._takes_over = self._audits = self._is_over = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done that could be done now."""
        return not self._woken.is_set() and self._state in (
            SyncState.SYNCED,
            SyncState.EMPTY,
            SyncState.REFUSED,
        )

    def wake(self) -> None:
        """HEAD may have moved."""
        self._woken.set()

    async def sync_now(self, *, takes_over: bool = False) -> dict[str, Any]:
        """Sync and look at every folder in the workspace; return the model after one try."""
        self._takes_over |= takes_over
        self._audits = True
        self._asked += 1
        mine = self._asked
        self.wake()
        async with self._answer:
            await self._answer.wait_for(
                lambda: self._answered >= mine or self._is_over or self._waiting_for()
            )
        return self._answer_model

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            await self._work()
        finally:
            self._is_over = True
            await self.answer_all()

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
        """Let those who asked go on: after a try, or since none will come for now."""
        async with self._answer:
            self._answer_model = self.model()
            self._answer.notify_all()

    async def _pause(self, failures: int) -> None:
        """Wait before another try; a new commit or the user makes it come at once."""
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
        """Sync once; return False when it should be tried again by itself."""
        takes_over, audits = self._takes_over, self._audits
        try:
            sync = await self._current_sync()
            self._set(SyncState.SYNCING)
            head = await sync.run(takes_over=takes_over, audits=audits)
        except (DbxAgentsError, OSError) as error:
            return self._failed(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a worker must live: a mistake of ours stops no other project
            self._log.debug("Syncing %s failed", self.name, exc_info=True)
            return self._failed(error)
        self._takes_over &= not takes_over
        self._audits &= not audits
        self._succeeded(head)
        if sync.wants_another_pass:
            self.wake()
        return True

    async def _current_sync(self) -> ProjectSync:
        """Return the sync to the folder of the PAT's user, once it is known who that is."""
        while (sync := self._new_sync(self._advance) if self._sync is None else self._sync) is None:
            self._set(SyncState.WAITING)
            await asyncio.sleep(_USER_POLL_SECONDS)
        self._sync = sync
        return sync

    def _succeeded(self, head: Head | None) -> None:
        self._error = None
        self._set(SyncState.EMPTY if head is None else SyncState.SYNCED)

    def _failed(self, error: Exception) -> bool:
        self._error = _as_ours(error)
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

    # ---- telling

    def model(self) -> dict[str, Any]:
        """Return the REST model."""
        marker = self._sync.marker if self._sync is not None else None
        waiting = self._waiting_for() if self._state not in _AT_REST else ""
        state = SyncState.WAITING if waiting else self._state
        return {
            "name": self.name,
            "state": state.value,
            "folder": str(self.location.folder),
            "destination": self._sync.destination.folder if self._sync is not None else "",
            "commit": marker.commit if marker else "",
            "synced_at": marker.synced_at if marker else "",
            "done": self._progress[0],
            "count": self._progress[1],
            "message": waiting or (self._error.message if self._error else ""),
            "hint": "" if waiting or not self._error else self._error.hint,
            "next_try_at": self._next_try_at.isoformat(timespec="seconds")
            if self._next_try_at
            else None,
            **_left_out(marker),
            "history": _history(self._sync),
            "hooks": self.hooks_problem,
        }


def unfit_model(name: str, reason: str) -> dict[str, Any]:
    """Return the REST model of a project that cannot have its name in the workspace."""
    return {
        "name": name,
        "state": SyncState.REFUSED.value,
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
        "hooks": "",
    }


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AT_REST = (SyncState.SYNCED, SyncState.EMPTY, SyncState.REFUSED, SyncState.RETRYING)


def _left_out(marker: Marker | None) -> dict[str, Any]:
    skipped = marker.skipped if marker else {}
    notes = marker.notes if marker else {}
    listed = [*skipped.items()][:_MOST_LISTED]
    noted = [*notes.items()][:_MOST_LISTED]
    return {
        "skipped_count": len(skipped),
        "skipped": [{"path": path, "reason": reason} for path, reason in listed],
        "notes": [{"path": path, "reason": reason} for path, reason in noted],
    }


def _history(sync: ProjectSync | None) -> dict[str, Any]:
    archive = sync.marker.archive if sync is not None and sync.marker is not None else None
    return {
        "kept": archive is not None and archive.kind == "history",
        "bytes": archive.all_bytes if archive else 0,
        "message": sync.archive_problem if sync is not None else "",
    }


def _as_ours(error: Exception) -> DbxAgentsError:
    if isinstance(error, WorkspacePermissionError):
        return WorkspacePermissionError(
            f"The workspace says: {error.message}",
            "Ask for the right to write to your own folder and this token's scopes; then sync now.",
            status=error.status,
            error_code=error.error_code,
        )
    if isinstance(error, WorkspaceError) and not error.hint:
        return WorkspaceError(
            f"The workspace says: {error.message}",
            "It is tried again. If it says so for long, look into your folder there.",
            status=error.status,
            error_code=error.error_code,
        )
    if isinstance(error, (DbxAgentsError, WorkspaceUnavailableError)):
        return error
    if isinstance(error, OSError):
        hint = "Free some space." if error.errno in _FULL else "Look at who may read and write it."
        said = f"The disk refuses: {error.strerror}."
        return DbxAgentsError(f"{said} ({error.filename})" if error.filename else said, hint)
    return DbxAgentsError(f"{type(error).__name__}: {error}", "It is tried again.")

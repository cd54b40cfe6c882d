"""One life of a project, as data: each cause, the state that it leads to, and what ends that state.

The worker, the supervisor and the status use this table; docs/projects.md shows it.
"""

import errno
from enum import Enum, StrEnum
from typing import NamedTuple, TypedDict

from ..errors import (
    DbxAgentsError,
    DestinationError,
    GitError,
    GitStoppedError,
    MirrorLockedError,
    WorkspaceError,
    WorkspacePermissionError,
)


class SyncState(StrEnum):
    """How far a project is."""

    PENDING = "pending"
    SYNCING = "syncing"
    SYNCED = "synced"
    UNSAFE = "unsafe"
    EMPTY = "empty"
    WAITING = "waiting"
    RETRYING = "retrying"
    REFUSED = "refused"
    UNFIT = "unfit"
    GONE = "gone"


class Waker(StrEnum):
    """What ends a state, in the words of the documentation."""

    NEXT = "nothing: it is next"
    CHANGE = "a commit or another change"
    RETRY = "a retry, after 2 s to 5 min or as long as the workspace asks"
    CHECK = "a check every 5 min"
    TOKEN = "a token"  # noqa: S105 no secret
    NEIGHBOR = "a sync of the project around it"
    SEARCH = "a search, each minute and with each terminal"
    COMMAND = "a command"


class _Row(NamedTuple):
    text: str
    state: SyncState
    wakers: tuple[Waker, ...]


_ASKED = (Waker.COMMAND,)
_RETRIED = (Waker.RETRY, Waker.CHANGE, Waker.TOKEN, *_ASKED)
_CHECKED = (Waker.CHECK, Waker.CHANGE, Waker.TOKEN, Waker.NEIGHBOR, *_ASKED)


class Cause(Enum):
    """Why a project is in its state."""

    NEW = _Row("it was just found", SyncState.PENDING, (Waker.NEXT,))
    BUSY = _Row("its files are being written", SyncState.SYNCING, (Waker.NEXT,))
    DONE = _Row("all is in the workspace", SyncState.SYNCED, (Waker.CHANGE, Waker.COMMAND))
    TOO_LARGE = _Row("its history is too large, its files are there", SyncState.SYNCED, _ASKED)
    UNSAFE = _Row("its files are there, its history not whole", SyncState.UNSAFE, _RETRIED)
    UNBORN = _Row("it has no commit", SyncState.EMPTY, (Waker.CHANGE, Waker.COMMAND))
    NO_TOKEN = _Row("there is no token", SyncState.WAITING, (Waker.TOKEN,))
    AWAY = _Row("the workspace is away, busy or full", SyncState.RETRYING, _RETRIED)
    DISK = _Row("the disk is full, or a file is unreadable", SyncState.RETRYING, _RETRIED)
    LOCKED = _Row("another server of this home has it", SyncState.RETRYING, _RETRIED)
    DAMAGED = _Row("git cannot read the repository", SyncState.RETRYING, _RETRIED)
    FAULT = _Row("anything else failed", SyncState.RETRYING, _RETRIED)
    FORBIDDEN = _Row("the token, or you, may not write there", SyncState.REFUSED, _CHECKED)
    FOREIGN = _Row("something else is in its workspace folder", SyncState.REFUSED, _CHECKED)
    UNFIT = _Row("its name, place or `.git` does not allow it", SyncState.UNFIT, (Waker.SEARCH,))
    GONE = _Row(
        "its folder or its `.git` was deleted", SyncState.GONE, (Waker.SEARCH, Waker.COMMAND)
    )

    @property
    def state(self) -> SyncState:
        """The state that it leads to."""
        return self.value.state

    def is_ended_by(self, waker: Waker) -> bool:
        """Whether this ends the state."""
        return waker in self.value.wakers

    @classmethod
    def of(cls, error: Exception) -> "Cause":
        """Return the cause that an error stands for."""
        return next((cause for kinds, cause in _ERRORS if isinstance(error, kinds)), cls.FAULT)


# The first that fits.
_ERRORS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Cause], ...] = (
    (WorkspacePermissionError, Cause.FORBIDDEN),
    (DestinationError, Cause.FOREIGN),
    ((WorkspaceError, TimeoutError, ConnectionError), Cause.AWAY),
    (MirrorLockedError, Cause.LOCKED),
    ((GitStoppedError, OSError), Cause.DISK),
    (GitError, Cause.DAMAGED),
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def explained(error: Exception) -> DbxAgentsError:
    """Return an error that says what the user can do."""
    if isinstance(error, WorkspacePermissionError):
        return WorkspaceError(
            f"The workspace responded: {error.message}",
            "Get permission to write to your folder, or a token with that scope.",
        )
    if isinstance(error, WorkspaceError) and not error.hint:
        return WorkspaceError(
            f"The workspace responded: {error.message}",
            "Sync retries. If this continues, check your folder in the workspace.",
        )
    if isinstance(error, DbxAgentsError):
        return error
    if isinstance(error, (TimeoutError, ConnectionError)):
        return WorkspaceError(f"No answer in time ({type(error).__name__}).", "Sync retries.")
    if isinstance(error, OSError):
        hint = "Free some space." if error.errno in _FULL else "Check its permissions."
        message = f"A file cannot be read or written: {error.strerror}."
        return DbxAgentsError(f"{message} ({error.filename})" if error.filename else message, hint)
    return DbxAgentsError(f"{type(error).__name__}: {error}", "Sync retries.")


# ---- the REST model


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


class WorkStatus(TypedDict):
    """Whether a project's work in progress is in the workspace.

    ``kept_at`` is of when it is, '' if there is none there; ``pending`` is whether something has
    changed since; ``left_out`` names what is never kept; ``files`` counts what is not committed;
    ``branch`` is the one that is checked out, '' for none.
    """

    kept_at: str
    pending: bool
    files: int
    branch: str
    message: str
    left_out: list[Remark]


class ProjectStatus(TypedDict):
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
    skipped_count: int
    skipped: list[Remark]
    notes: list[Remark]
    history: HistoryStatus
    work: WorkStatus


def bare_status(name: str, state: SyncState, message: str = "", hint: str = "") -> ProjectStatus:
    """Return the model of a project of which nothing else is known."""
    return {
        "name": name,
        "state": state,
        "folder": "",
        "destination": "",
        "commit": "",
        "synced_at": "",
        "done": 0,
        "count": 0,
        "message": message,
        "hint": hint,
        "next_try_at": None,
        "skipped_count": 0,
        "skipped": [],
        "notes": [],
        "history": HistoryStatus(kept=False, bytes=0, safe_at="", commit="", message="", note=""),
        "work": no_work(),
    }


def no_work() -> WorkStatus:
    """Return the model where nothing is known of work in progress."""
    return {
        "kept_at": "",
        "pending": False,
        "files": 0,
        "branch": "",
        "message": "",
        "left_out": [],
    }

"""Replace a file atomically, following links and never loosening its mode."""

import contextlib
import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigFileError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A file as it was read; ``content`` is None when there was none."""

    target: Path
    content: bytes | None = None
    mode: int = 0
    identity: tuple[int, int, int] | None = None
    links: int = 1


def read(path: Path) -> Snapshot:
    """Read a file, following a link; raises ConfigFileError when it is not a readable file."""
    try:
        target = path.resolve()
        if not target.exists():
            return Snapshot(target)
        status = target.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigFileError(f"{path} is not a file.", "Move it elsewhere.")
        mode = stat.S_IMODE(status.st_mode)
        return Snapshot(target, target.read_bytes(), mode, _identity(status), status.st_nlink)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise _failed(path, "read", error) from None


def replace(snapshot: Snapshot, content: bytes, mode: int) -> bool:
    """Replace a snapshot's file; return False if it has changed since it was read.

    The new file has ``mode``, without what the old one did not allow.  Raises ConfigFileError; the
    old file is then unchanged and no temporary file is left.  Its other names (hard links) keep the
    old content, which is logged: what is written in place may be read by half.
    """
    target = snapshot.target
    if snapshot.content is not None:
        if not snapshot.mode & stat.S_IWUSR:
            raise ConfigFileError(f"{target} is read-only.", f"Run: chmod u+w {target}")
        mode &= snapshot.mode
        if snapshot.links > 1:
            _log.warning("Hard links to %s keep its old content; use symbolic links.", target)
    # A fixed name: processes that are killed leave one file, not one each.  Only one process writes
    # at a time (ManagedFiles holds a lock).
    temporary = target.with_name(f".{target.name}.jupyter_dbx_agents.tmp")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(temporary, content, mode)
        if _current_identity(target) != snapshot.identity:
            temporary.unlink()
            return False
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _failed(target, "write", error) from None
    return True


def set_mode(snapshot: Snapshot, mode: int) -> None:
    """Change the mode of a file whose content is right already."""
    if snapshot.mode != mode:
        with contextlib.suppress(OSError):
            snapshot.target.chmod(mode)


def remove(snapshot: Snapshot) -> None:
    """Delete a file; raises ConfigFileError."""
    try:
        snapshot.target.unlink(missing_ok=True)
    except OSError as error:
        raise _failed(snapshot.target, "remove", error) from None


def _write(temporary: Path, content: bytes, mode: int) -> None:
    temporary.unlink(missing_ok=True)
    # O_EXCL does not follow a planted link; 0600 from the first byte on.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(descriptor, mode)
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the rename survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _current_identity(target: Path) -> tuple[int, int, int] | None:
    try:
        return _identity(target.stat())
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _failed(path: Path, what: str, error: Exception) -> ConfigFileError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ConfigFileError(
        f"Cannot {what} {path}: {reason}.",
        "Check the free space and the permissions of the file and its folder; it was not changed.",
    )

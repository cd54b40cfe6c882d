"""``ManagedFiles``: write our keys into the user's files, and remove them again."""

import contextlib
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigFileError
from . import atomic
from .formats import CODECS, Document, Format, parse, render
from .merge import Memory, WrongTypeError, lost_memory, merge

# Agents rewrite their own files, too; more collisions in a row than this are not a coincidence.
ATTEMPTS = 5
# A write takes milliseconds: who holds the lock longer than this has been stopped.
LOCK_SECONDS = 10
STATE_FOLDER = Path(".local") / "state" / "jupyter_dbx_agents"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConfigFile:
    """A file to write: our keys only, nested.

    A ``Secret`` is revealed only in the file; a key whose value is None is removed.
    """

    path: Path
    format: Format
    keys: Mapping[str, Any]
    mode: int = 0o600


class ManagedFiles:
    """Writes and removes our keys in the configuration files of one user.

    Every method may raise ConfigFileError; the file is then unchanged.  They block for a few
    milliseconds, or while another process writes, and may be called from any thread.
    """

    def __init__(self, home: Path) -> None:
        self._state_folder = home / STATE_FOLDER
        self._state_path = self._state_folder / "managed.json"
        self._lock = threading.Lock()
        # By file: its bytes before this process's first change (None: edited since), and after
        # the last one.
        self._originals: dict[Path, bytes | None] = {}
        self._written: dict[Path, bytes] = {}

    def write(self, file: ConfigFile) -> bool:
        """Make our keys in a file exactly ``file.keys``; return whether the file was changed.

        Keys of ours that are no longer in ``file.keys`` are removed.
        """
        with self._exclusive():
            return self._rewrite(file)

    def remove(self, path: Path) -> bool:
        """Remove our keys from a file and restore what they replaced; the user's edits stay.

        A file that nobody else has changed since is then what it was, byte for byte.
        """
        with self._exclusive():
            try:
                file_format = Format(self._read_state()[str(path)]["format"])
            except (KeyError, TypeError, ValueError):  # not ours, or damaged
                return False
            changed = self._rewrite(ConfigFile(path, file_format, {}, 0o777))
            self._save(path, None)
            return changed

    def paths(self) -> list[Path]:
        """Return the files that have keys of ours."""
        return [Path(name) for name in self._read_state()]

    def _rewrite(self, file: ConfigFile) -> bool:
        for _attempt in range(ATTEMPTS):
            try:
                changed = self._try_rewrite(file)
            except ValueError as error:  # a key that the file has twice, for instance
                raise ConfigFileError(
                    f"{file.path} cannot be changed: {error}.",
                    "Correct the file or move it away; it was not changed.",
                ) from None
            if changed is not None:
                return changed
        raise ConfigFileError(
            f"{file.path} is constantly being changed by another program.",
            "End that program, then restart the app.",
        )

    def _try_rewrite(self, file: ConfigFile) -> bool | None:
        """Read, merge and replace once; return None if another program wrote in between."""
        snapshot = atomic.read(file.path)
        if snapshot.content is None and not file.keys:
            return False
        former, content = self._memory(file.path), snapshot.content or b""
        text, document = parse(file.format, content, file.path)
        if former == Memory():
            former = lost_memory(document, file.keys)
        memory = _merged(document, file, former)
        memory, mode = _before_ours(snapshot, text, memory, file)
        wanted = _wanted(text, file, former)
        # ``repr``, since types and order count too: in Python ``True == 1``.
        if repr(wanted) == repr(CODECS[file.format].load(text)):
            atomic.set_mode(snapshot, mode)
            self._save(file.path, memory, file.format)
            return False
        rendered = render(file.format, document, text, content)
        _verify(rendered, wanted, file)
        # First the memory, then the file: after a crash between the two in the other order, our own
        # value would look like the user's.
        self._save(file.path, memory, file.format)
        return self._put(snapshot, rendered, mode, file, former)

    def _put(
        self,
        snapshot: atomic.Snapshot,
        rendered: bytes,
        mode: int,
        file: ConfigFile,
        former: Memory,
    ) -> bool | None:
        try:
            if not file.keys and _is_blank(rendered.decode()):
                if former.created:
                    atomic.remove(snapshot)
                    return True
                rendered = rendered if former.blank is None else former.blank.encode()
            content = self._restored(snapshot, file, former) or rendered
            if not atomic.replace(snapshot, content, mode):
                return None
            if mode & ~snapshot.mode:  # the user's, before ours
                atomic.set_mode(snapshot, mode)
            self._written[file.path] = content
            return True
        except ConfigFileError:
            with contextlib.suppress(ConfigFileError):
                self._save(file.path, former, file.format)
            raise

    def _restored(
        self, snapshot: atomic.Snapshot, file: ConfigFile, former: Memory
    ) -> bytes | None:
        """Return the bytes that a file had before ours, if its removal is due and nothing else."""
        before = snapshot.content or b""
        is_ours = before == self._written.get(file.path)
        if file.path not in self._originals:
            self._originals[file.path] = before if former == Memory() else None
        elif not is_ours:  # edited meanwhile
            self._originals[file.path] = None
        return self._originals[file.path] if is_ours and not file.keys else None

    def _memory(self, path: Path) -> Memory:
        entry = self._read_state().get(str(path))
        try:
            return Memory.from_json(entry) if entry else Memory()
        except (KeyError, TypeError, ValueError, AttributeError):
            _log.warning("What %s records of %s is damaged.", self._state_path, path)
            return Memory()

    def _read_state(self) -> dict[str, Any]:
        snapshot = atomic.read(self._state_path)
        try:
            state = json.loads(snapshot.content or b"{}")
            return dict(state.get("files", {}))
        except (ValueError, AttributeError, TypeError):
            # Our own file, and not worth an error: only the values that ours replaced are lost.
            _log.warning("%s is damaged; starting a new one.", self._state_path)
            return {}

    def _save(self, path: Path, memory: Memory | None, file_format: Format | None = None) -> None:
        state = self._read_state()
        former = dict(state)
        state.pop(str(path), None)
        if memory is not None and file_format is not None and memory != Memory():
            state[str(path)] = {"format": file_format.value, **memory.to_json()}
        if state == former:
            return
        content = json.dumps({"version": 1, "files": state}, indent=1).encode()
        atomic.replace(atomic.read(self._state_path), content, 0o600)

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock against other threads and other servers of this user."""
        with self._lock, contextlib.ExitStack() as stack:
            try:
                self._state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = self._state_folder / "managed.lock"
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, descriptor)
                _lock(descriptor, path)
            except OSError as error:
                raise ConfigFileError(
                    f"Cannot write in {self._state_folder}: {error.strerror}.",
                    "Check the folder's permissions and the free space.",
                ) from None
            yield


def _lock(descriptor: int, path: Path) -> None:
    """Wait for a lock, for a limited time.  Raises ConfigFileError and OSError."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ConfigFileError(
                    f"Another server of yours has held {path} for {LOCK_SECONDS} s.",
                    f"It is probably suspended. End it (fuser {path} prints its process id), then "
                    "restart the app.",
                ) from None
            time.sleep(0.02)


def _before_ours(
    snapshot: atomic.Snapshot, text: str, memory: Memory, file: ConfigFile
) -> tuple[Memory, int]:
    """Return the memory with what the file was before ours, and the mode that it gets."""
    if snapshot.content is None:
        return replace(memory, created=True), file.mode
    if not file.keys:
        return memory, snapshot.mode if memory.mode is None else memory.mode
    if _is_blank(text) and not memory.created:
        memory = replace(memory, blank=text)
    mode = file.mode & snapshot.mode
    return (memory if mode == snapshot.mode else replace(memory, mode=snapshot.mode)), mode


def _is_blank(text: str) -> bool:
    """Whether a file has nothing, nor a comment."""
    return "".join(text.split()) in {"", "{}"}


def _merged(document: Document, file: ConfigFile, memory: Memory) -> Memory:
    try:
        return merge(document, file.keys, memory, CODECS[file.format].new_table)
    except WrongTypeError as error:
        raise ConfigFileError(
            f"In {file.path} the key {'.'.join(error.path)} should be {error.wanted}, "
            f"but it is of type {error.found}.",
            "Correct or remove that key; the file was not changed.",
        ) from None


def _wanted(text: str, file: ConfigFile, memory: Memory) -> dict[str, Any]:
    """Return the values that the file should have, computed without its format's editor."""
    wanted = CODECS[file.format].load(text)
    _merged(wanted, file, memory)
    return wanted


def _verify(rendered: bytes, wanted: dict[str, Any], file: ConfigFile) -> None:
    """Raise ConfigFileError for a file that an independent parser reads differently."""
    try:
        text, _ = parse(file.format, rendered, file.path)
        is_right = CODECS[file.format].load(text) == wanted
    except (ConfigFileError, ValueError):
        is_right = False
    if not is_right:
        raise ConfigFileError(
            f"Our settings cannot be added to {file.path} without changing yours.",
            "Write out what shares its text with other settings there, such as YAML aliases "
            "(*name), and simplify the layout of tables; the file was not changed.",
        )

"""Which files of a home are kept: an allow-list, bounded in size, the newest first."""

import functools
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...agents.conversations import Form, Kept
from ...config_files.managed import STATE_FOLDER
from ...git_sync.local.objects import is_safe
from ...git_sync.work import never

MOST_FILE_BYTES = never.MOST_FILE_BYTES
# A conversation grows over weeks, and is sent in blocks; without its end it is of no use.
MOST_CONVERSATION_BYTES = 64 * 1024 * 1024
MOST_BYTES = 1024**3
# What file systems take.
_MOST_NAME_CHARACTERS, _MOST_PART_BYTES = 1000, 255
_MOST_SHOWN_CHARACTERS = 80
# Where programs keep what they log in with, and our own choices, which may have keys of servers.
_CREDENTIALS = re.compile(
    rf"(?:.*/)?(?:\.?credentials(?:\.[^/]*)?|auth\.json|oauth_creds\.json|\.npmrc"
    rf"|\.vault-token|hosts\.yml)|{re.escape(STATE_FOLDER.as_posix())}/.*"
    r"|\.(?:docker|kube|aws|azure|ssh|gnupg|config/(?:gh|gcloud))/.*",
    re.IGNORECASE,
)
DROPPED = "It is older than what fits into 1 GB."


@dataclass(frozen=True)
class HomePart:
    """Files that come back together: those of an agent, the shells' histories, settings."""

    name: str
    title: str
    kept: tuple[Kept, ...]

    def has(self, path: str) -> bool:
        """Whether a file, relative to the home, belongs to it."""
        return any(_matches(each.pattern, path) for each in self.kept)


SETTINGS = "settings"
# Of the home itself; the agents' modules have the others.
HISTORY = HomePart(
    "history",
    "Shell history",
    (
        Kept(".bash_history", Form.LOG, is_history=True),
        Kept(".zsh_history", Form.LOG, is_history=True),
        Kept(".python_history", Form.LOG, is_history=True),
    ),
)


def settings_part(dotfiles: Iterable[str]) -> HomePart:
    """Return git's settings and the files that the owner named."""
    kept = (Kept(".gitconfig"), *(Kept(name) for name in dotfiles))
    return HomePart(SETTINGS, "Settings", kept)


def dotfile_problem(name: str) -> str:
    """Return why a file may not be named by the owner, '' if it may."""
    is_plain = name.isprintable() and not set(name) & set("*?[")
    is_short = len(name) <= _MOST_NAME_CHARACTERS and all(
        len(part.encode()) <= _MOST_PART_BYTES for part in name.split("/")
    )
    if not (is_plain and is_short and is_safe(name)) or PurePosixPath(name).is_absolute():
        return f"“{name[:_MOST_SHOWN_CHARACTERS]}” is not a file below the home."
    return f"“{name}” may hold secrets." if _is_secret_name(name) else ""


def _is_secret_name(path: str) -> bool:
    return never.is_secret_name(path) or _CREDENTIALS.fullmatch(path) is not None


@dataclass(frozen=True)
class Wanted:
    """A file to keep; ``state`` changes whenever it does."""

    path: str
    kept: Kept
    size_bytes: int
    modified_at: float
    state: tuple[int, ...]
    is_executable: bool = False


@dataclass
class Selection:
    """What is kept, by path, and what is not, with the reason."""

    files: dict[str, Wanted] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def select(home: Path, kept: Iterable[Kept], *, most_bytes: int = MOST_BYTES) -> Selection:
    """Return the files of an allow-list; blocking.  No symbolic link is followed."""
    found = Selection()
    for each in kept:
        try:
            paths = [*home.glob(each.pattern)]
        except (OSError, ValueError, RecursionError) as error:  # one must not cost the others
            found.left_out[each.pattern] = f"It cannot be looked for: {error}."
            continue
        for path in paths:
            name = path.relative_to(home).as_posix()
            if name not in found.files and (wanted := _wanted(home, path, name, each)) is not None:
                _judge(wanted, found)
    _bound(found, most_bytes)
    return found


@functools.cache
def _pattern(glob: str) -> re.Pattern[str]:
    """Return what ``Path.glob`` would find, as a regular expression for relative paths."""
    words = [
        r"(?:[^/]+/)*" if word == "**" else re.escape(word).replace(r"\*", "[^/]*") + "/"
        for word in glob.split("/")
    ]
    return re.compile("".join(words).removesuffix("/"))


def _matches(glob: str, path: str) -> bool:
    return _pattern(glob).fullmatch(path) is not None


def _wanted(home: Path, path: Path, name: str, kept: Kept) -> Wanted | None:
    try:
        if path.is_symlink() or not path.is_file() or not _is_inside(home, path):
            return None
        status = path.stat()
        is_executable = bool(status.st_mode & stat.S_IXUSR)
        state: tuple[int, ...] = (status.st_size, status.st_mtime_ns, status.st_ino, is_executable)
        if kept.form is Form.DATABASE:  # what is new is in its log first
            log = path.with_name(f"{path.name}-wal")
            state += (log.stat().st_size, log.stat().st_mtime_ns) if log.exists() else ()
    except OSError:
        return None
    modified_at = max(status.st_mtime, *(ns / 1e9 for ns in state[5:6]), 0.0)
    return Wanted(name, kept, status.st_size, modified_at, state, is_executable)


def _is_inside(home: Path, path: Path) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(home) + os.sep)


def _judge(wanted: Wanted, found: Selection) -> None:
    most = MOST_CONVERSATION_BYTES if wanted.kept.is_conversation else MOST_FILE_BYTES
    if _is_secret_name(wanted.path):
        found.left_out[wanted.path] = never.SECRET_NAME
    elif wanted.size_bytes > most:
        found.left_out[wanted.path] = f"It is larger than {most // 1024**2} MB."
    else:
        found.files[wanted.path] = wanted


def _bound(found: Selection, most_bytes: int) -> None:
    """Leave out the oldest conversations beyond a size of all."""
    order = sorted(found.files.values(), key=lambda w: (w.kept.is_conversation, -w.modified_at))
    size = 0
    for wanted in order:
        size += wanted.size_bytes
        if size > most_bytes:
            found.left_out[wanted.path] = DROPPED
            del found.files[wanted.path]

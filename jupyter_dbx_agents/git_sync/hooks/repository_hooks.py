"""One hook that reports commits at once, as a guest; a poll sees what it misses within a second.

``post-commit`` goes into a repository's own hooks folder, if the name is free.  Where the folder is
elsewhere (``core.hooksPath``: husky, a tracked or shared folder), or Git LFS is installed, which
wants the name for itself, there is none.  pre-commit renames our hook (``.legacy``), and runs it.

Decided in docs/decisions/0007-hooks-and-poll.md.
"""

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from ...config_files import atomic
from ...errors import ConfigFileError, GitSyncError
from ..local.git import run_git
from ..local.projects import Location

HOOK = "post-commit"
_RENAMED = "post-commit.legacy"  # by pre-commit
MARK = "# Written by jupyter_dbx_agents; “jupyter dbx-agents hooks uninstall” removes it."
# What version 0.1.0 added to info/exclude.
_EXCLUDES = re.compile(
    rf"^{re.escape(MARK)}\n.*?(?:^# End of jupyter_dbx_agents\.\n|\Z)", re.DOTALL | re.MULTILINE
)
# Without the folder there is no server that looks at it.
_SCRIPT = """#!/bin/sh
{mark}
# Says that there is a commit, by one byte in a file.  It takes a millisecond and never fails.
{{ [ -d {folder} ] && echo >>{folder}/count; }} 2>/dev/null
exit 0
"""
FOLDER_BELOW_HOME = Path(".local/state/jupyter_dbx_agents/commits")


class Triggers:
    """What our hooks leave: a file that grows by a byte with each commit.

    It needs no reader (a full pipe would block the commit), any number of servers may look at it,
    and it is complete when the hook returns: killing its process group does not undo it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = self._size()

    def open(self) -> None:
        """Make the folder; from now on hooks write to it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self) -> bool:
        """Return whether there was a commit since the last call; it takes microseconds."""
        before, self._seen = self._seen, self._size()
        return before != self._seen

    def _size(self) -> int:
        try:
            return (self.folder / "count").stat().st_size
        except OSError:
            return 0


def wants_hook(environment: Mapping[str, str]) -> bool:
    """Whether our hook takes no name from Git LFS."""
    return shutil.which("git-lfs", path=environment.get("PATH")) is None


def hook_script(triggers: Path) -> str:
    """Return the hook's text."""
    return _SCRIPT.format(mark=MARK, folder=shlex.quote(str(triggers)))


def install_hook(location: Location, triggers: Path, environment: Mapping[str, str]) -> bool:
    """Install our hook into one repository if it can be a guest there; blocking.

    Removes what version 0.1.0 installed.  Never raises: a poll sees what no hook reports.
    """
    with contextlib.suppress(OSError, ValueError, ConfigFileError):
        folder = _hooks_folder(location, environment)
        own = location.common_dir.resolve()
        is_guest = folder is not None and folder.resolve().is_relative_to(own)
        path = (folder or own) / HOOK
        is_free = (
            is_guest and wants_hook(environment) and (is_ours(path) or not os.path.lexists(path))
        )
        _remove(location, folder, {_RENAMED, HOOK} if is_free else {_RENAMED})
        if not is_free:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        there, script = atomic.read(path), hook_script(triggers).encode()
        if there.content != script or not os.access(path, os.X_OK):
            atomic.replace(atomic.Snapshot(there.target, None, 0, there.identity), script, 0o755)
        return True
    return False


def uninstall_hooks(location: Location, environment: Mapping[str, str]) -> list[Path]:
    """Remove what is ours from one repository; return the removed files."""
    return _remove(location, _hooks_folder(location, environment), set())


def is_ours(path: Path) -> bool:
    """Whether a file is a hook that we wrote."""
    try:
        return not path.is_symlink() and MARK.encode() in path.read_bytes()[:1024]
    except OSError:
        return False


def _hooks_folder(location: Location, environment: Mapping[str, str]) -> Path | None:
    """Return the folder of this repository's hooks, None if git does not report it."""
    options = ("-C", str(location.folder))
    arguments = ("rev-parse", "--git-path", "hooks")
    try:
        printed = run_git(
            *arguments, git_dir=location.git_dir, options=options, environment=environment
        )
    except (GitSyncError, ValueError):
        return None
    return location.folder / os.fsdecode(printed.rstrip(b"\n"))


def _remove(location: Location, folder: Path | None, stay: set[str]) -> list[Path]:
    """Remove what is ours, in the folder that git uses and in the repository's own."""
    removed = []
    for place in (location.common_dir / "hooks", *([folder] if folder is not None else [])):
        for path in place.glob("*"):
            if path.name not in stay and is_ours(path):
                path.unlink()
                removed.append(path)
    there = atomic.read(location.common_dir / "info" / "exclude")
    old = (there.content or b"").decode("utf-8", "surrogateescape")
    if (new := _EXCLUDES.sub("", old)) != old:
        atomic.replace(there, new.encode("utf-8", "surrogateescape"), 0o644)
    return removed

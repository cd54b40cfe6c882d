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
import time
from collections.abc import Mapping
from pathlib import Path

from ...config_files import atomic
from ...errors import ConfigFileError, GitError
from ..local.git import run_git
from ..local.projects import Location

HOOK = "post-commit"
# Of version 0.1.0.
_FORMER = ("post-merge", "post-rewrite", "post-checkout", "reference-transaction")
_MOVED = ".legacy"
MARK = "# Written by jupyter_dbx_agents; “jupyter dbx-agents hooks uninstall” removes it."
_EXCLUDES = re.compile(
    rf"^{re.escape(MARK)}\n.*?(?:^# End of jupyter_dbx_agents\.\n|\Z)", re.DOTALL | re.MULTILINE
)
# ``>>``: a process id may be reused before the note is read.  Without the notes' folder there is no
# server that reads them.
_SCRIPT = """#!/bin/sh
{mark}
# Leaves a note that there is a commit.  It takes a millisecond and never fails.
{{ [ -d {folder} ] && pwd -P >>{folder}/$$; }} 2>/dev/null
exit 0
"""
FOLDER_BELOW_HOME = Path(".local/state/jupyter_dbx_agents/commits")
# An empty file is still being written; after that time it only reports that there was a commit.
_WRITING_SECONDS = 2.0


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
        folder = hooks_folder(location, environment)
        _remove_former(location, folder)
        if folder is None or not wants_hook(environment):
            return False
        if not folder.resolve().is_relative_to(location.common_dir.resolve()):
            return False
        path = folder / HOOK
        if os.path.lexists(path) and not is_ours(path):
            return False
        folder.mkdir(parents=True, exist_ok=True)
        script = hook_script(triggers).encode()
        there = atomic.read(path)
        if there.content != script or not os.access(path, os.X_OK):
            atomic.replace(atomic.Snapshot(there.target, None, 0, there.identity), script, 0o755)
        return True
    return False


def uninstall_hooks(location: Location, environment: Mapping[str, str]) -> list[Path]:
    """Remove what is ours from one repository; return the removed files."""
    folder = hooks_folder(location, environment)
    removed = _remove_former(location, folder)
    for path in (*_places(location, folder, HOOK), *_places(location, folder, HOOK + _MOVED)):
        if is_ours(path):
            path.unlink()
            removed.append(path)
    return removed


def hooks_folder(location: Location, environment: Mapping[str, str]) -> Path | None:
    """Return the folder of this repository's hooks, None if git does not report it."""
    options = ("-C", str(location.folder))
    arguments = ("rev-parse", "--git-path", "hooks")
    try:
        printed = run_git(
            *arguments, git_dir=location.git_dir, options=options, environment=environment
        )
    except (GitError, ValueError):
        return None
    return location.folder / os.fsdecode(printed.rstrip(b"\n"))


def is_ours(path: Path) -> bool:
    """Whether a file is a hook that we wrote."""
    try:
        return not path.is_symlink() and MARK.encode() in path.read_bytes()[:1024]
    except OSError:
        return False


def _places(location: Location, folder: Path | None, name: str) -> list[Path]:
    """Return where a hook may be: in the folder that git uses, and in the repository's own."""
    own = location.common_dir / "hooks"
    places = {own.resolve(): own, **({folder.resolve(): folder} if folder is not None else {})}
    return [place / name for place in places.values()]


def _remove_former(location: Location, folder: Path | None) -> list[Path]:
    """Remove the other hooks and the excludes of version 0.1.0; return the removed files."""
    names = (*_FORMER, *(name + _MOVED for name in _FORMER))
    ours = [path for name in names for path in _places(location, folder, name) if is_ours(path)]
    for path in ours:
        path.unlink()
    there = atomic.read(location.common_dir / "info" / "exclude")
    old = (there.content or b"").decode("utf-8", "surrogateescape")
    new = _EXCLUDES.sub("", old)
    if new != old:
        atomic.replace(there, new.encode("utf-8", "surrogateescape"), 0o644)
    return ours


class Triggers:
    """The notes of our hooks: a small file per process, in one folder.

    A file needs no reader (a full pipe would block the commit), and is complete when the hook
    returns: killing its process group does not undo it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Make the folder; from now on hooks write to it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self) -> list[Path]:
        """Return the folders of the notes and remove them; takes microseconds if there are none."""
        try:
            files = list(self.folder.iterdir())
        except OSError:
            return []
        return [path for file in files for path in _take(file)]


def _take(file: Path) -> list[Path]:
    try:
        lines = file.read_text("utf-8", "surrogateescape").splitlines()
        if not lines and time.time() - file.stat().st_mtime < _WRITING_SECONDS:
            return []
    except OSError:
        return []
    with contextlib.suppress(OSError):
        file.unlink()
    return [Path(line) for line in lines if line.startswith("/")]

"""Hooks that report commits, as a guest in other people's repositories.

Our hooks go where a repository's hooks are (its ``core.hooksPath`` counts: husky), under names that
are free.  A hook of that name is not changed or wrapped: it may be tracked, generated, or depend on
its own name.  Instead ours goes under ``reference-transaction``, a rarely used name that git runs
before ``post-commit``.  Where that is in use, too, polling HEAD detects the commits.

With Git LFS installed only that name is used: “git lfs install” fails if a name that it wants is
taken.  pre-commit renames our hook (to ``.legacy``) and still runs it.

Decided in docs/decisions/0007-hooks-and-poll.md.
"""

import contextlib
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...config_files import atomic
from ...errors import ConfigFileError, GitError
from ..local.git import run_git
from ..local.projects import Location

HOOKS = ("post-commit", "post-merge", "post-rewrite", "post-checkout")
STAND_IN = "reference-transaction"
_MOVED = ".legacy"
MARK = "# Written by jupyter_dbx_agents; “jupyter dbx-agents hooks uninstall” removes it."
_END = "# End of jupyter_dbx_agents."
_EXCLUDES = re.compile(
    rf"^{re.escape(MARK)}\n.*?(?:^{re.escape(_END)}\n|\Z)", re.DOTALL | re.MULTILINE
)
# ``>>``: a process id may be reused before the note is read.  ``$1``: git also runs the stand-in
# before a transaction, and for a clone in the current folder: then GIT_DIR says where the clone is.
# Without the notes' folder there is no server that reads them.
_SCRIPT = """#!/bin/sh
{mark}
# Leaves a note that HEAD may have moved.  It takes a millisecond and never fails.
case "${{0##*/}}:$1" in
  reference-transaction:committed) ;;
  reference-transaction:*) exit 0 ;;
esac
note() {{
  pwd -P
  case "$GIT_DIR" in /*/.git) echo "${{GIT_DIR%/.git}}" ;; esac
}}
{{ [ -d {folder} ] && note >>{folder}/$$; }} 2>/dev/null
exit 0
"""
FOLDER_BELOW_HOME = Path(".local/state/jupyter_dbx_agents/commits")
# An empty file is still being written; after that time it only reports that there was a commit.
_WRITING_SECONDS = 2.0


@dataclass(frozen=True)
class HookReport:
    """Where hooks were installed; ``problem`` is why some were not, '' if all were."""

    folder: Path | None
    names: tuple[str, ...] = ()
    problem: str = ""


def own_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names for our hooks, used where they are free."""
    has_lfs = shutil.which("git-lfs", path=environment.get("PATH"))
    return (STAND_IN,) if has_lfs else HOOKS


def hook_script(triggers: Path) -> str:
    """Return the hook's text, the same for every name."""
    return _SCRIPT.format(mark=MARK, folder=shlex.quote(str(triggers)))


def install_hooks(location: Location, triggers: Path, environment: Mapping[str, str]) -> HookReport:
    """Install our hooks into one repository; blocking.  Problems are in the report."""
    folder = hooks_folder(location, environment)
    if folder is None:
        return HookReport(None, problem="git does not report where its hooks are.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = _install(folder, hook_script(triggers), own_names(environment))
        if names:
            _exclude(location, folder, names)
    except (OSError, ConfigFileError) as error:
        return HookReport(folder, problem=f"Its hooks cannot be written: {error}")
    if set(names) >= set(HOOKS) or STAND_IN in names:
        return HookReport(folder, tuple(names))
    return HookReport(folder, tuple(names), "All names for our hooks are taken.")


def uninstall_hooks(location: Location, environment: Mapping[str, str]) -> list[Path]:
    """Remove our hooks and excludes from one repository; return the removed files."""
    folder = hooks_folder(location, environment)
    moved = [name + _MOVED for name in HOOKS]
    places = [] if folder is None else [folder / name for name in (*HOOKS, *moved, STAND_IN)]
    ours = [place for place in places if is_ours(place)]
    for path in ours:
        path.unlink()
    _write_excludes(location, ())
    return ours


def hooks_folder(location: Location, environment: Mapping[str, str]) -> Path | None:
    """Return the folder of this repository's hooks, None if git does not report it."""
    options = ("-C", str(location.folder))
    arguments = ("rev-parse", "--git-path", "hooks")
    try:
        printed = run_git(
            *arguments, git_dir=location.git_dir, options=options, environment=environment
        )
    except GitError:
        return None
    return location.folder / os.fsdecode(printed.rstrip(b"\n"))


def is_ours(path: Path) -> bool:
    """Whether a file is a hook that we wrote."""
    try:
        return not path.is_symlink() and MARK.encode() in path.read_bytes()[:1024]
    except OSError:
        return False


def _install(folder: Path, script: str, wanted: tuple[str, ...]) -> list[str]:
    """Write our hooks under the free names, and the stand-in if one is in use."""
    names = [name for name in wanted if _write(folder / name, script)]
    if len(names) < len(wanted) and STAND_IN not in wanted and _write(folder / STAND_IN, script):
        names.append(STAND_IN)
    for name in {*HOOKS, STAND_IN}.difference(names):
        if is_ours(folder / name):
            (folder / name).unlink()
    return names


def _write(path: Path, script: str) -> bool:
    """Write one hook unless its name is in use; return whether it is there."""
    if os.path.lexists(path) and not is_ours(path):
        return False
    there = atomic.read(path)
    if there.content != script.encode() or not os.access(path, os.X_OK):
        atomic.replace(
            atomic.Snapshot(there.target, None, 0, there.identity), script.encode(), 0o755
        )
    return True


def _exclude(location: Location, folder: Path, names: Iterable[str]) -> None:
    """Exclude hooks in the working tree from ``git status``."""
    top, inner = location.folder.resolve(), folder.resolve()
    is_in_git_dir = inner.is_relative_to(location.git_dir.resolve())
    if not location.is_bare and top in inner.parents and not is_in_git_dir:
        relative = inner.relative_to(top).as_posix()
        _write_excludes(location, [f"/{relative}/{name}" for name in names])


def _write_excludes(location: Location, patterns: Sequence[str]) -> None:
    path = location.common_dir / "info" / "exclude"
    there = atomic.read(path)
    old = (there.content or b"").decode("utf-8", "surrogateescape")
    new = _EXCLUDES.sub("", old)
    if patterns:
        new += "".join(f"{line}\n" for line in (MARK, *patterns, _END))
    if new != old:
        with contextlib.suppress(ConfigFileError):
            atomic.replace(there, new.encode("utf-8", "surrogateescape"), 0o644)


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

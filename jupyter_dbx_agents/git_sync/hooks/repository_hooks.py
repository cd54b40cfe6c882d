"""Hooks that tell us of commits, as a guest in other people's repositories.

Four hooks of ours go where a repository's hooks are (its own ``core.hooksPath`` counts: husky),
under names that are free.  If somebody has one of these names, theirs is not touched or wrapped,
as it may be tracked, generated anew by its tool, or look at its own name; instead ours goes under
``reference-transaction``, a name that hardly anybody uses and that git runs before ``post-commit``.
When that is taken as well, the look at HEAD every few seconds has to do.

With Git LFS at hand the stand-in is all there is: “git lfs install” fails where a hook has a name
that it wants.  pre-commit moves ours to a name of its own (``.legacy``) and goes on running it.

There is no global ``core.hooksPath``: it would switch off every repository's own hooks.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import time
from collections.abc import Iterable, Mapping
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
# ``>>``: the id of a process may come again before we have looked.  ``$1``: git runs the stand-in
# before a transaction too, and in a clone from where the command was given: then GIT_DIR says where
# it goes.  A folder that is gone means that nobody listens any more.
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
# A file that is still empty is being written; one that stays so says only that something happened.
_WRITING_SECONDS = 2.0


@dataclass(frozen=True)
class HookReport:
    """Where hooks went; ``problem`` is why some could not be installed, '' if all could."""

    folder: Path | None
    names: tuple[str, ...] = ()
    problem: str = ""


def own_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that our hooks are to have where they are free."""
    has_lfs = shutil.which("git-lfs", path=environment.get("PATH"))
    return (STAND_IN,) if has_lfs else HOOKS


def hook_script(triggers: Path) -> str:
    """Return the hook's text, the same for every name."""
    return _SCRIPT.format(mark=MARK, folder=shlex.quote(str(triggers)))


def install_hooks(location: Location, triggers: Path, environment: Mapping[str, str]) -> HookReport:
    """Install ours into one repository; blocking.  Never raises: the problem is in the report."""
    folder = hooks_folder(location, environment)
    if folder is None:
        return HookReport(None, problem="git cannot say where its hooks are.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = _install(folder, hook_script(triggers), own_names(environment))
        if names:
            _exclude(location, folder, names)
    except (OSError, ConfigFileError) as error:
        return HookReport(folder, problem=f"Its hooks cannot be written: {error}")
    if set(names) >= set(HOOKS) or STAND_IN in names:
        return HookReport(folder, tuple(names))
    return HookReport(folder, tuple(names), "All names for a hook of ours are taken.")


def uninstall_hooks(location: Location, environment: Mapping[str, str]) -> list[Path]:
    """Remove ours from one repository, and every trace of them; return what was removed."""
    folder = hooks_folder(location, environment)
    moved = [name + _MOVED for name in HOOKS]
    places = [] if folder is None else [folder / name for name in (*HOOKS, *moved, STAND_IN)]
    ours = [place for place in places if is_ours(place)]
    for path in ours:
        path.unlink()
    _write_excludes(location, ())
    return ours


def hooks_folder(location: Location, environment: Mapping[str, str]) -> Path | None:
    """Return where git runs this repository's hooks from; None when git cannot tell."""
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
    """Write our hooks under the free names, and the stand-in if one is not free."""
    names = [name for name in wanted if _write(folder / name, script)]
    if len(names) < len(wanted) and STAND_IN not in wanted and _write(folder / STAND_IN, script):
        names.append(STAND_IN)
    for name in {*HOOKS, STAND_IN}.difference(names):
        if is_ours(folder / name):
            (folder / name).unlink()
    return names


def _write(path: Path, script: str) -> bool:
    """Write one hook unless the name is somebody else's."""
    if os.path.lexists(path) and not is_ours(path):
        return False
    there = atomic.read(path)
    if there.content != script.encode() or not os.access(path, os.X_OK):
        atomic.replace(
            atomic.Snapshot(there.target, None, 0, there.identity), script.encode(), 0o755
        )
    return True


def _exclude(location: Location, folder: Path, names: Iterable[str]) -> None:
    """Keep hooks that lie in the working tree out of its status."""
    top = location.folder.resolve()
    inner = folder.resolve()
    if (
        location.is_bare
        or top not in inner.parents
        or location.git_dir.resolve()
        in (
            inner,
            *inner.parents,
        )
    ):
        return
    relative = inner.relative_to(top).as_posix()
    _write_excludes(location, [f"/{relative}/{name}" for name in names])


def _write_excludes(location: Location, patterns: Iterable[str]) -> None:
    path = location.common_dir / "info" / "exclude"
    there = atomic.read(path)
    old = (there.content or b"").decode("utf-8", "surrogateescape")
    lines = old.splitlines(keepends=True)
    kept = _without_ours(lines)
    wanted = [_BEGIN, *(f"{pattern}\n" for pattern in patterns), _END]
    new = "".join(kept + (wanted if len(wanted) > 2 else []))  # noqa: PLR2004 more than the frame
    if new != old:
        with contextlib.suppress(ConfigFileError):
            atomic.replace(there, new.encode("utf-8", "surrogateescape"), 0o644)


_BEGIN = f"{MARK}\n"
_END = "# End of jupyter_dbx_agents.\n"


def _without_ours(lines: list[str]) -> list[str]:
    kept: list[str] = []
    inside = False
    for line in lines:
        if line == _BEGIN:
            inside = True
        elif line == _END and inside:
            inside = False
        elif not inside:
            kept.append(line)
    return kept


class Triggers:
    """What our hooks leave for us: a small file for each process, in one folder.

    Why files: writing one takes no time, needs no reader (a full pipe would hold the commit up),
    and is done when the hook returns: killing the hook's process group cannot take it back.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Make the folder: from now on hooks write to it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self) -> list[Path]:
        """Return the folders in which something happened, and forget them.

        A few microseconds when there is nothing, so that the event loop may call it.
        """
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

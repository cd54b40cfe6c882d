"""The repositories under the projects' folder, and their names in the workspace.

A project's name is its path below that folder: ``api``, ``team/api``.  Repositories inside others
(clones, submodules, worktrees) are projects, too: git tracks no files of an inner repository, so
the outer project has nothing at that path.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

# Beside the projects in the workspace, so not a project's name.
RECORDS_FOLDER = ".dbx-agents"
NOT_UTF8 = "Its name is not UTF-8, which the workspace requires. Rename it."
CONTROL_CHARACTER = "Its name contains a control character, which is not allowed. Rename it."
# Deep enough for a repository's submodules; the search ends after that many folders.
MOST_DEPTH = 5
MOST_FOLDERS = 20_000
# Filled by package managers, sometimes with clones that are not the user's work.
_IGNORED = {"node_modules", "__pycache__", "venv", "site-packages"}


@dataclass(frozen=True)
class Location:
    """Where a repository lives; ``git_dir`` is a worktree's own, ``common_dir`` is shared."""

    folder: Path
    git_dir: Path
    common_dir: Path

    @property
    def is_bare(self) -> bool:
        """Whether there is no working tree."""
        return self.git_dir == self.folder

    @property
    def is_linked(self) -> bool:
        """Whether this is a linked worktree (``git worktree add``)."""
        return self.git_dir != self.common_dir


def locate(folder: Path) -> Location | None:
    """Return the repository whose top is this folder, None if it is not a repository."""
    entry = folder / ".git"
    try:
        if entry.is_dir():
            git_dir = entry
        elif entry.is_file():
            named = entry.read_text("utf-8", "surrogateescape").removeprefix("gitdir:").strip()
            git_dir = Path(folder / named)
            if "\0" in named:
                return None
        elif _is_git_dir(folder):
            git_dir = folder
        else:
            return None
        common = git_dir / "commondir"
        shared = git_dir / common.read_text().strip() if common.is_file() else git_dir
        return Location(folder, git_dir, shared.resolve() if shared != git_dir else git_dir)
    except (OSError, ValueError):  # such as NULs that a crash left
        return None


def main_location(location: Location) -> Location:
    """Return where the repository of a linked worktree is; any other one as it is."""
    if not location.is_linked:
        return location
    common_dir = location.common_dir
    folder = common_dir.parent if common_dir.name == ".git" else common_dir
    return Location(folder, common_dir, common_dir)


def _is_git_dir(folder: Path) -> bool:
    return (
        (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    )


def fingerprint(location: Location) -> int:
    """Return a number that changes with every ref, HEAD, stash and setting; without git.

    It comes from the state of files alone: loose refs, ``packed-refs``, a reftable, the stash's
    log, and what belongs to a linked worktree.
    """
    common_dir = location.common_dir
    places = [location.git_dir / "HEAD", common_dir / "HEAD"]
    names = ("packed-refs", "config", "shallow", "logs/refs/stash", "reftable/tables.list")
    places += [common_dir / name for name in names]
    with contextlib.suppress(OSError):
        places += [each / "HEAD" for each in (common_dir / "worktrees").iterdir()]
    found: list[object] = [_state(place) for place in places]
    folders = [common_dir / "refs"]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    found.append((entry.path, _state(Path(entry.path))))
    return hash(tuple(sorted(found, key=str)))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def top_repositories(projects: Path) -> frozenset[str]:
    """Return the folders directly below the projects' folder that have a ``.git``; a cheap look."""
    try:
        with os.scandir(projects) as entries:
            return frozenset(e.name for e in entries if os.path.lexists(f"{e.path}/.git"))
    except OSError:
        return frozenset()


def find_projects(projects: Path) -> dict[str, Location]:
    """Return all repositories by name; blocking."""
    root = projects.resolve()
    found: dict[str, Location] = {}
    for folder in islice(_folders(root), MOST_FOLDERS):
        location = locate(folder)
        if location is not None and folder != root:
            found[folder.relative_to(root).as_posix()] = location
    return found


def is_gone(location: Location) -> bool:
    """Whether a repository does not exist any more; one that cannot be read does."""
    try:
        location.git_dir.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def find_project(projects: Path, inside: Path) -> tuple[str, Location] | None:
    """Return the repository that contains a path below the projects' folder, None if none does.

    Hidden folders contain caches of clones, and agents' worktrees: only the latter are projects.
    """
    root, folder = projects.resolve(), inside.resolve()
    while folder != root and root in folder.parents:
        location = locate(folder)
        if location is not None:
            inner = folder.relative_to(root).parts
            is_hidden = any(_is_ignored(part) for part in inner)
            if inner[0] == RECORDS_FOLDER or (is_hidden and not location.is_linked):
                return None
            return "/".join(inner), location
        folder = folder.parent
    return None


def name_problem(project: str) -> str:
    """Return why the workspace does not allow a project's name, '' if it does."""
    try:
        raw = os.fsencode(project)
    except UnicodeEncodeError:
        raw = project.encode("utf-8", "surrogatepass")
    return readable(raw)[1]


def _folders(root: Path) -> Iterator[Path]:
    """Yield folders breadth-first, without following links."""
    level = [root]
    for _ in range(MOST_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            yield folder
            below.extend(_children(folder))
        level = below


def _children(folder: Path) -> list[Path]:
    location = locate(folder)
    if location is not None and location.is_bare:
        return []
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not _is_ignored(entry.name)
            ] + _agents_worktrees(folder)
    except OSError:
        return []


def _agents_worktrees(folder: Path) -> list[Path]:
    """Return the hidden folder in which Claude Code makes its worktrees."""
    worktrees = folder / ".claude" / "worktrees"
    return [worktrees] if os.path.isdir(worktrees) else []  # noqa: PTH112 unreadable is False


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED


def readable(raw: bytes) -> tuple[str, str]:
    """Return a name as text, and why it cannot be synced ('' if it can)."""
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), NOT_UTF8
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):  # noqa: PLR2004
        return path.encode("unicode_escape").decode(), CONTROL_CHARACTER
    return path, ""

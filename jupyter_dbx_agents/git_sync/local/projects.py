"""The repositories under the projects' folder, and what they are called in the workspace.

A project's name is its path below that folder: ``api``, ``team/api``.  Repositories inside others
(clones, submodules, worktrees) are projects too, under the path at which they are: that is where
the outer one has nothing, since git tracks no files of an inner repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..remote.marker import FOLDER
from .changes import readable
from .repository import Location, locate

# Deep enough for a repository's submodules; a search that takes longer than it is worth ends.
MOST_DEPTH = 5
MOST_FOLDERS = 20_000
# Package managers fill these, at times with clones that are nobody's work.
_PASSED_OVER = {"node_modules", "__pycache__", "venv", "site-packages"}


def find_projects(projects: Path) -> dict[str, Location]:
    """Return all repositories by name; blocking, so to be called in a thread."""
    root = projects.resolve()
    found: dict[str, Location] = {}
    for folder in _folders(root):
        location = locate(folder)
        if location is not None and folder != root:
            found[folder.relative_to(root).as_posix()] = location
    return found


def find_project(projects: Path, inside: Path) -> tuple[str, Location] | None:
    """Return the repository that a path below the projects' folder is in, None if in none.

    Hidden folders hold caches of clones, and agents' worktrees: only the latter count.
    """
    root, folder = projects.resolve(), inside.resolve()
    while folder != root and root in folder.parents:
        location = locate(folder)
        if location is not None:
            inner = folder.relative_to(root).parts
            is_hidden = any(_is_passed_over(part) for part in inner)
            if inner[0] == FOLDER or (is_hidden and not location.is_linked):
                return None
            return "/".join(inner), location
        folder = folder.parent
    return None


def name_problem(project: str) -> str:
    """Return why a project cannot have its name in the workspace, '' if it can."""
    try:
        raw = os.fsencode(project)
    except UnicodeEncodeError:
        raw = project.encode("utf-8", "surrogatepass")
    return readable(raw)[1]


def _folders(root: Path) -> Iterator[Path]:
    """Yield folders, the upper ones first; links are not followed."""
    level = [root]
    count = 0
    for _ in range(MOST_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            count += 1
            if count > MOST_FOLDERS:
                return
            yield folder
            below.extend(_children(folder))
        level = below


def _children(folder: Path) -> list[Path]:
    if (
        locate(folder) is not None
        and (folder / "HEAD").is_file()
        and not (folder / ".git").exists()
    ):
        return []  # a bare repository's own folders
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not _is_passed_over(entry.name)
            ] + _agents_worktrees(folder)
    except OSError:
        return []


def _agents_worktrees(folder: Path) -> list[Path]:
    """Where Claude Code puts the worktrees that it makes, which is a hidden folder."""
    worktrees = folder / ".claude" / "worktrees"
    return [worktrees] if worktrees.is_dir() else []


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name in _PASSED_OVER

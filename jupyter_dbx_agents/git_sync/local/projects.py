"""The repositories under the projects' folder: which are projects, and why others are not.

A project's name is its path below that folder: ``api``, ``team/api``.  Repositories inside others
(clones, submodules, worktrees) are projects, too: git tracks no files of an inner repository, so
the outer project has nothing at that path.  Inside hidden folders, and those that package managers
fill, are caches of clones: only linked worktrees (of agents) are projects there.
"""

import contextlib
import os
import unicodedata
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

# Beside the projects in the workspace, so not a project's name.
RECORDS_FOLDER = ".dbx-agents"
# The names of folders that a restore fills.
RESTORING = ".restoring-"
# Agents make their worktrees there; they are of no use without the agent's session.
AGENTS_WORKTREES = ".claude/worktrees/"
NOT_UTF8 = "Its name is not UTF-8, which the workspace requires. Rename it."
CONTROL_CHARACTER = "Its name contains a control character, which is not allowed. Rename it."
# A search of so many folders takes a second; those in which clones are caches come last.
MOST_FOLDERS = 20_000
_MOST_CACHE_FOLDERS = 2_000
_CACHE_DEPTH = 3
_FILLED_BY_TOOLS = {"node_modules", "__pycache__", "venv", "site-packages"}


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
    log, and what belongs to a linked worktree.  It also changes when objects or Git LFS contents
    are fetched.
    """
    common_dir = location.common_dir
    places = [location.git_dir / "HEAD", common_dir / "HEAD"]
    names = ("packed-refs", "config", "shallow", "logs/refs/stash", "reftable/tables.list")
    places += [common_dir / name for name in (*names, "objects/pack")]
    with contextlib.suppress(OSError):
        places += [each / "HEAD" for each in (common_dir / "worktrees").iterdir()]
    with contextlib.suppress(OSError):  # of “ab/cd/abcd…”, whose folder “cd” is new nearly always
        places += (common_dir / "lfs/objects").iterdir()
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


class Unfit(NamedTuple):
    """Why a repository is not synced, and what its owner can do."""

    reason: str
    hint: str


@dataclass
class Found:
    """The result of a search: projects by name, and what is not synced by its readable name."""

    projects: dict[str, Location] = field(default_factory=dict)
    unfit: dict[str, Unfit] = field(default_factory=dict)


def find_projects(projects: Path, known: Iterable[str] = ()) -> Found:
    """Search for all repositories; blocking.

    Of names that a file system may take for one, the ``known`` project wins, else the first.
    """
    root, found = projects.resolve(), Found()
    queue, caches, count = deque([root]), deque[tuple[Path, int]](), 0
    while queue and count < MOST_FOLDERS:
        folder, count = queue.popleft(), count + 1
        for child in _look_into(root, folder, found):
            if child.name.startswith("."):
                caches.appendleft((child, _CACHE_DEPTH))  # agents' worktrees come first
            elif _is_cache(child.name):
                caches.append((child, _CACHE_DEPTH))
            else:
                queue.append(child)
    if queue:
        reason = (
            f"Only {MOST_FOLDERS} folders are searched for repositories, not all that are here."
        )
        hint = f"Move data out of here; the search ended before {queue[0].relative_to(root)}."
        _leave_out(root, root / "…", Unfit(reason, hint), found)
    for common_dir in {each.common_dir for each in found.projects.values()}:
        for worktree in _linked_worktrees(common_dir):
            if worktree != root and worktree.is_relative_to(root):
                _look_into(root, worktree, found)
    for _ in range(_MOST_CACHE_FOLDERS):
        if not caches:
            break
        folder, depth = caches.popleft()
        below = _look_into(root, folder, found)
        caches.extendleft((child, depth - 1) for child in below if depth)
    _leave_out_git_dirs(found)
    _separate(found, frozenset(known))
    return found


def _linked_worktrees(common_dir: Path) -> list[Path]:
    """Return the folders that a repository's linked worktrees are in, or were."""
    found = []
    for place in sorted((common_dir / "worktrees").glob("*/gitdir")):
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # damaged, or a loop
            named = place.read_text("utf-8", "surrogateescape").removesuffix("\n")
            found.append((place.parent / named).parent.resolve())
    return found


def _look_into(root: Path, folder: Path, found: Found) -> list[Path]:
    """Record what a folder is; return the folders in it, without following links."""
    try:
        with os.scandir(folder) as entries:
            inside = {entry.name: entry for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return []  # it was deleted just now
    except OSError as error:
        hint = f"Let the user of this server read it: chmod u+rx {folder}"
        _leave_out(root, folder, Unfit(f"It cannot be read: {error.strerror}.", hint), found)
        return []
    if ".git" in inside or {"HEAD", "objects", "refs"} <= inside.keys():
        location = locate(folder)
        problem = _problem(folder.relative_to(root).parts, location)
        if problem is not None:
            _leave_out(root, folder, problem, found)
        elif location is not None:
            found.projects[folder.relative_to(root).as_posix()] = location
        if location is not None and location.is_bare:
            return []
    for entry in inside.values():
        if entry.is_symlink() and entry.name != ".git":
            _leave_out_link(root, Path(entry.path), found)
    for name in [name for name in inside if folder == root and name.startswith(RESTORING)]:
        hint = "The next start of the app removes it; or do it by hand."
        _leave_out(root, folder / name, Unfit("A restore was interrupted.", hint), found)
        del inside[name]
    return [
        Path(entry.path)
        for entry in inside.values()
        if entry.name != ".git" and entry.is_dir(follow_symlinks=False)
    ]


def _problem(parts: tuple[str, ...], location: Location | None) -> Unfit | None:
    """Return why a repository is not a project, None if it is one."""
    if not parts:
        hint = "Move it, with its .git, into a folder below this one."
        return Unfit("The folder of all projects is itself a repository.", hint)
    if location is None or not os.path.isdir(location.git_dir):  # noqa: PTH112 unreadable is False
        hint = "Repair it (“git worktree repair”, “git submodule update”), or clone or restore it."
        return Unfit("Its .git is damaged, or names a folder that is not there.", hint)
    if parts[0] == RECORDS_FOLDER:
        return Unfit("In the workspace, the records of all projects are there.", "Move it out.")
    if any(_is_cache(part) for part in parts[:-1]) and not location.is_linked:
        folder = next(part for part in parts if _is_cache(part))
        return Unfit(f"It is inside {folder}, like the clones that tools keep.", "Move it out.")
    if problem := readable(_encoded("/".join(parts)))[1]:
        return Unfit(problem, "Rename the folder.")
    return None


def _leave_out(root: Path, folder: Path, problem: Unfit, found: Found) -> None:
    name = folder.relative_to(root).as_posix() if folder != root else f"{root.name}/"
    shown, reason, hint = (readable(_encoded(text))[0] for text in (name, *problem))
    found.unfit[shown] = Unfit(reason, hint)


def _leave_out_link(root: Path, link: Path, found: Found) -> None:
    """Name a link to a repository, or to a folder of repositories, that is elsewhere."""
    with contextlib.suppress(OSError, RuntimeError):  # it leads nowhere, or is a loop
        target = link.resolve()
        if not target.is_relative_to(root) and (top_repositories(target) or locate(target)):
            reason = f"It is a link to {target}, outside of the projects' folder."
            _leave_out(root, link, Unfit(reason, "Move the repository itself here."), found)


def _leave_out_git_dirs(found: Found) -> None:
    """Leave out bare repositories that the ``.git`` of a project names: they are the same."""
    named = {each.git_dir.resolve() for each in found.projects.values() if not each.is_bare}
    for name, location in [*found.projects.items()]:
        if location.is_bare and location.git_dir.resolve() in named:
            del found.projects[name]


def _separate(found: Found, known: frozenset[str]) -> None:
    """Leave out projects whose names a file system may take for another one's."""
    taken: dict[str, str] = {}
    for name in sorted(found.projects, key=lambda name: (name not in known, name)):
        other = taken.setdefault(folded(name), name)
        if other != name:
            del found.projects[name]
            reason = f"Its name differs from {other} only by case or by its Unicode form."
            found.unfit[name] = Unfit(reason, "Rename one of them.")


def folded(name: str) -> str:
    """Return the same for names that a file system may take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def is_gone(location: Location) -> bool:
    """Whether a repository does not exist any more; one that cannot be read does."""
    top = location.folder / ("HEAD" if location.is_bare else ".git")
    for path in (top, location.git_dir):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
    return False


def _is_cache(name: str) -> bool:
    return name.startswith(".") or name in _FILLED_BY_TOOLS


def _encoded(name: str) -> bytes:
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")


def readable(raw: bytes) -> tuple[str, str]:
    """Return a name as text, and why it cannot be synced ('' if it can)."""
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), NOT_UTF8
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):  # noqa: PLR2004
        return path.encode("unicode_escape").decode(), CONTROL_CHARACTER
    return path, ""

"""One look at index and work tree, by ``git status``; it takes no lock and writes nothing."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..local.checkout import tree_of
from ..local.repository import Repository
from .never import MOST_FILE_BYTES

_STATUS = (
    *("status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--no-renames"),
    # A submodule is a project of its own; only which commit it is at belongs to this one.
    *("--untracked-files=all", "--ignore-submodules=dirty"),
)
# What a rebase, merge, cherry-pick, revert, am or bisect has in the git folder.
_OPERATION_FILES = (
    *("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"),
    *("SQUASH_MSG", "MERGE_AUTOSTASH", "BISECT_LOG", "BISECT_START", "BISECT_TERMS"),
    *("BISECT_NAMES", "BISECT_EXPECTED_REV", "BISECT_ANCESTORS_OK", "BISECT_FIRST_PARENT"),
)
_OPERATION_FOLDERS = ("rebase-merge", "rebase-apply", "sequencer")
GITLINK = "160000"
_INTENT = ".A"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path that differs; modes and ids are '' where there is nothing.

    ``is_staged``: the index differs from HEAD, and has ``mode`` and ``oid``.  ``is_changed``: the
    work tree differs from the index.  ``stages`` are the versions of a conflict.
    """

    path: str
    is_staged: bool = False
    is_changed: bool = False
    is_intent: bool = False
    mode: str = ""
    oid: str = ""
    stages: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True)
class Survey:
    """What differs from HEAD's commit (``head``, '' before the first one).

    ``branch`` is the one that is checked out, '' for none.
    ``operation`` has the files in the git folder of a rebase or merge, by their names there, and
    ``too_large`` the names of those that are not kept.
    ``fingerprint`` changes with any of it, and with the content of the files.
    """

    head: str
    entries: tuple[Entry, ...]
    branch: str = ""
    operation: dict[str, bytes] = field(default_factory=dict)
    too_large: tuple[str, ...] = ()
    fingerprint: bytes = b""

    @property
    def is_clean(self) -> bool:
        """Whether there is no work in progress."""
        return not (self.entries or self.operation)


async def survey(repository: Repository) -> Survey:
    """Return what is not committed in a work tree.  Raises GitError."""
    options = tree_of(repository)
    output = await repository.output(*_STATUS, options=options)
    head, branch, entries = _parse(output)
    operation, too_large = _operation(repository.location.git_dir)
    known = hashlib.sha256(output)
    for entry in entries:
        if entry.is_changed:
            known.update(repr(state_of(repository.location.folder / entry.path)).encode())
    known.update(repr(sorted(operation.items())).encode())
    return Survey(head, tuple(entries), branch, operation, too_large, known.digest())


def state_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does, () if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return ()
    return (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)


def _parse(output: bytes) -> tuple[str, str, list[Entry]]:
    head, branch, entries = "", "", list[Entry]()
    for record in output.split(b"\0"):
        line = os.fsdecode(record)
        if line.startswith("# branch.oid ") and not line.endswith("(initial)"):
            head = line.rpartition(" ")[2]
        elif line.startswith("# branch.head ") and not line.endswith(" (detached)"):
            branch = line.removeprefix("# branch.head ")
        elif line[:1] in ("1", "u", "?"):
            entries += _entry(line)
    return head, branch, entries


def _entry(line: str) -> Iterator[Entry]:
    if line.startswith("? "):
        path = line[2:]
        if not path.endswith("/"):  # else it is another repository
            yield Entry(path, is_changed=True)
    elif line.startswith("1 "):
        _, both, _sub, _head, mode, work, _oid, oid, path = line.split(" ", 8)
        if both == _INTENT:
            yield Entry(path, is_changed=True, is_intent=True)
            return
        is_staged = both[0] != "."
        is_there = is_staged and both[0] != "D"
        is_changed = both[1] != "." and GITLINK not in (mode, work)
        if is_staged or is_changed:
            yield Entry(
                path,
                is_staged=is_staged,
                is_changed=is_changed,
                mode=mode if is_there else "",
                oid=oid if is_there else "",
            )
    else:
        _, _both, _sub, *modes, _work, one, two, three, path = line.split(" ", 10)
        stages = [
            (number, mode, oid)
            for number, (mode, oid) in enumerate(zip(modes, (one, two, three), strict=True), 1)
            if mode.strip("0")
        ]
        yield Entry(path, is_staged=True, is_changed=True, stages=tuple(stages))


def _operation(git_dir: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files of an operation in progress, by their names there, and the large ones."""
    paths = [git_dir / name for name in _OPERATION_FILES]
    for folder in _OPERATION_FOLDERS:
        paths += sorted((git_dir / folder).rglob("*"))
    found, too_large = dict[str, bytes](), list[str]()
    for path in paths:
        name = path.relative_to(git_dir).as_posix()
        try:
            if path.is_symlink():
                continue
            if path.stat().st_size > MOST_FILE_BYTES:
                too_large.append(name)
                continue
            found[name] = path.read_bytes()
        except OSError:  # it is a folder, or ended just now
            continue
    # Both are there after a commit, too; alone they are no operation.
    is_none = found.keys() <= {"MERGE_MSG", "SQUASH_MSG"}
    return ({} if is_none else found), tuple(too_large)

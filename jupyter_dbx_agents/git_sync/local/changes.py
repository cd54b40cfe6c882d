"""From one committed tree to another: which paths changed, and which of them we can sync.

Tree to tree, never the working tree: so amend, rebase, force and a switch of branches are no cases
of their own.  A rename is a deletion and an addition.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from .git import Git

_FILE_MODES = {b"100644", b"100755", b"100664"}
_SYMLINK_MODE = b"120000"
_SUBMODULE_MODE = b"160000"
_NO_MODE = b"000000"
# Paths on a command line; Linux takes 2 MiB.
_PATHS_AT_A_TIME = 500

SYMLINK = "A symbolic link: the workspace has none."
SUBMODULE = "A submodule: it is synced as a project of its own if it is checked out."
NOT_UTF8 = "Its name is not UTF-8, as the workspace demands. Rename it."
CONTROL_CHARACTER = "Its name has a control character, which the workspace refuses. Rename it."


@dataclass(frozen=True, slots=True)
class Change:
    """One path: the blob that the old tree has there and the one of the new ('' for none).

    Blobs are of files that we sync; ``skip`` says why the new entry is none of these.
    """

    path: str
    old: str
    new: str
    skip: str = ""


async def diff(git: Git, old_tree: str, new_tree: str) -> AsyncIterator[Change]:
    """Yield what differs; an ``old_tree`` of '' is the empty one."""
    if not old_tree:
        async for change in _everything(git, new_tree):
            yield change
        return
    arguments = (
        "diff-tree",
        "-r",
        "-z",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        old_tree,
        new_tree,
    )
    meta = b""
    async for record in git.records(*arguments):
        if record.startswith(b":") and not meta:
            meta = record
            continue
        change, meta = _parse_diff(meta, record), b""
        if not change.new or change.old != change.new:  # a mode alone is nothing to the workspace
            yield change


async def _everything(git: Git, tree: str) -> AsyncIterator[Change]:
    async for record in git.records("ls-tree", "-r", "-z", "--full-tree", tree):
        meta, _, path = record.partition(b"\t")
        mode, _, oid = meta.split(b" ")
        yield _change(path, b"", "", mode, oid.decode())


async def look_up(git: Git, tree: str, paths: Iterable[str]) -> dict[str, Change]:
    """Return these paths as they are in a tree, as additions, without those it lacks."""
    found: dict[str, Change] = {}
    wanted = list(paths) if tree else []
    for start in range(0, len(wanted), _PATHS_AT_A_TIME):
        some = wanted[start : start + _PATHS_AT_A_TIME]
        async for record in git.records("ls-tree", "-z", "--full-tree", tree, "--", *some):
            meta, _, path = record.partition(b"\t")
            mode, kind, oid = meta.split(b" ")
            if kind != b"tree":
                change = _change(path, b"", "", mode, oid.decode())
                found[change.path] = change
    return found


def _parse_diff(meta: bytes, path: bytes) -> Change:
    old_mode, new_mode, old, new, _status = meta[1:].split(b" ")
    return _change(path, old_mode, old.decode(), new_mode, new.decode())


def _change(raw: bytes, old_mode: bytes, old: str, new_mode: bytes, new: str) -> Change:
    path, problem = readable(raw)
    is_new = new_mode not in (b"", _NO_MODE)
    if problem:
        return Change(path, "", "", problem if is_new else "")
    skip = {_SYMLINK_MODE: SYMLINK, _SUBMODULE_MODE: SUBMODULE}.get(new_mode, "")
    return Change(
        path, old if old_mode in _FILE_MODES else "", new if new_mode in _FILE_MODES else "", skip
    )


def readable(raw: bytes) -> tuple[str, str]:
    """Return a name as text, and why it cannot be synced ('' if it can)."""
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), NOT_UTF8
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):  # noqa: PLR2004
        return path.encode("unicode_escape").decode(), CONTROL_CHARACTER
    return path, ""


def ancestors(path: str) -> Iterable[str]:
    """Yield the folders above a path, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path

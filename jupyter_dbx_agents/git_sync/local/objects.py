"""What is committed: the paths that differ between two trees, and the bytes of blobs.

The working tree is never read, so amend, rebase, force and a switch of branches need no code of
their own.  A rename is a deletion and an addition.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import GitError
from .git import CHUNK_BYTES, Git, GitProcess
from .projects import Location, readable

EXECUTABLE_MODE = "100755"
_FILE_MODES = {"100644", EXECUTABLE_MODE, "100664"}
_NO_MODE = "000000"
_FOLDER_MODE = "040000"
# Paths on a command line; Linux takes 2 MiB.
_PATHS_AT_A_TIME = 500

SYMLINK = "It is a symbolic link, which the workspace does not support."
SUBMODULE = "It is a submodule, which is synced as a separate project if it is checked out."
_SKIPPED_MODES = {"120000": SYMLINK, "160000": SUBMODULE}
# Larger blobs are streamed; each concurrent upload holds this much in memory, several times over.
MOST_IN_MEMORY_BYTES = 256 * 1024
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is smaller than that.
_MOST_POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_UNREADABLE = "cannot be read"
_BROKEN = "Run “git fsck”, then “git fetch”."
POINTER_NOTE = "Its Git LFS content is missing, so the pointer is synced. Run “git lfs pull”."

# Before a path whose name cannot be synced: no file can have it, and another may have the readable
# name.
UNNAMEABLE = "./"
# Characters that HFS+ ignores in names; git's path.c and utf8.c have the same rules.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_GIT_FOLDER = re.compile(r"(\.git|git~\d+)[. ]*(:.*)?", re.IGNORECASE)
UNSAFE = "Its path leads out of the project or into a .git folder, which git does not check out."


def is_missing(reason: str) -> bool:
    """Whether a file was left out for an object or a content that may come later."""
    return reason == POINTER_NOTE or _UNREADABLE in reason


@dataclass(frozen=True, slots=True)
class Change:
    """One path: the blob that the old tree has there, and the new one's ('' for none).

    Only files that are synced have a blob here; ``skip`` says why the new entry is not one, and
    ``mode`` is that of git.
    """

    path: str
    old_oid: str
    oid: str
    skip: str = ""
    mode: str = _NO_MODE


async def diff(git: Git, old_tree: str, tree: str) -> AsyncIterator[Change]:
    """Yield the paths that differ; an ``old_tree`` of '' is the empty one."""
    if not old_tree:
        async for each in list_tree(git, tree, "-r"):
            yield each
        return
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
    meta = b""
    async for record in git.records("diff-tree", *options, old_tree, tree):
        if not meta:
            meta = record
            continue
        old_mode, mode, old_oid, oid, _status = meta[1:].decode().split(" ")
        change, meta = _change(record, mode, oid, old_mode, old_oid), b""
        if not change.oid or change.old_oid != change.oid:  # the workspace has no modes
            yield change


async def look_up(git: Git, tree: str, paths: Iterable[str]) -> dict[str, Change]:
    """Return those of the paths that a tree has, as additions."""
    wanted = list(paths) if tree else []
    return {
        each.path: each
        for start in range(0, len(wanted), _PATHS_AT_A_TIME)
        async for each in list_tree(git, tree, paths=wanted[start : start + _PATHS_AT_A_TIME])
    }


async def list_tree(
    git: Git, tree: str, *options: str, paths: Iterable[str] = ()
) -> AsyncIterator[Change]:
    """Yield what is in a tree, as additions, by ``git ls-tree`` with more ``options``."""
    arguments = ("-z", "--full-tree", *options, tree, "--", *paths)
    async for record in git.records("ls-tree", *arguments):
        meta, _, raw = record.partition(b"\t")
        mode, _kind, oid = meta.decode().split()
        yield _change(raw, mode, oid)


async def list_synced(git: Git, tree: str) -> AsyncIterator[Change]:
    """Yield the files of a tree that can be synced; none for ''."""
    if tree:
        async for each in list_tree(git, tree, "-r"):
            if each.oid:
                yield each


async def folders_of(git: Git, tree: str) -> set[str]:
    """Return all folders of a tree, with '' for itself; none without a tree.

    A submodule, which git lists with them, has no folder of this project in the workspace.
    """
    if not tree:
        return set()
    listing = list_tree(git, tree, "-r", "-d")
    return {each.path async for each in listing if each.mode == _FOLDER_MODE} | {""}


def _change(raw: bytes, mode: str, oid: str, old_mode: str = _NO_MODE, old_oid: str = "") -> Change:
    path, problem = readable(raw)
    problem = problem or ("" if is_safe(path) else UNSAFE)
    if problem:
        return Change(f"{UNNAMEABLE}{path}", "", "", problem if mode != _NO_MODE else "", mode)
    old_oid, oid = (
        each if its_mode in _FILE_MODES else ""
        for each, its_mode in ((old_oid, old_mode), (oid, mode))
    )
    return Change(path, old_oid, oid, _SKIPPED_MODES.get(mode, ""), mode)


def is_safe(path: str) -> bool:
    """Whether a path stays below the folder that it is joined to, and outside its ``.git``."""
    parts = [_IGNORED.sub("", part) for part in re.split(r"[/\\]", path)]
    return not any(part in ("", ".", "..") or _GIT_FOLDER.fullmatch(part) for part in parts)


def ancestors(path: str) -> Iterable[str]:
    """Yield the folders above a path, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


@dataclass(frozen=True)
class Content:
    """The bytes of one file; each call of ``chunks`` yields them; ``note`` is for the status."""

    size_bytes: int
    chunks: Callable[[], AsyncIterator[bytes]]
    note: str = ""


class Blobs:
    """Reads blobs through a long-lived ``git cat-file``, which starts again when it has ended."""

    def __init__(self, git: Git, location: Location) -> None:
        self.git, self._location = git, location
        self._processes = contextlib.AsyncExitStack()
        self._batch: GitProcess | None = None
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """End the process."""
        self._batch = None
        await self._processes.aclose()

    async def open(self, path: str, oid: str) -> Content:
        """Return a blob's content, or that of its Git LFS pointer.

        Raises GitError if the object is missing or damaged.
        """
        size, data = await self.read(oid)
        if data is None:
            return Content(size, lambda: self.git.stream("cat-file", "blob", oid))
        if oid not in blob_ids(data):
            raise GitError(f"The object {oid} is damaged.", _BROKEN)
        sha256, _size = pointer_content(data)
        if not sha256:
            return in_memory(data)
        large = await asyncio.to_thread(self._large_file, path, sha256)
        return large or in_memory(data, POINTER_NOTE)

    async def has_large(self, path: str, oid: str) -> bool:
        """Whether the content that a Git LFS pointer stands for is here."""
        with contextlib.suppress(GitError):
            sha256, _size = pointer_content((await self.read(oid))[1] or b"")
            return await asyncio.to_thread(self._large_file, path, sha256) is not None
        return False

    def _large_file(self, path: str, sha256: str) -> Content | None:
        """Return the content with a pointer's hash, None if it is not here."""
        store = lfs_path(self._location.common_dir, sha256)
        for file in (store, self._location.folder / path):
            with contextlib.suppress(OSError), file.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() == sha256:
                    return Content(stream.tell(), lambda file=file: _file_chunks(file))  # type: ignore[misc]
        return None

    async def read(self, oid: str) -> tuple[int, bytes | None]:
        """Return a blob's size and bytes, None if it is large.  Raises GitError."""
        async with self._turn:
            batch, self._batch = self._batch, None  # put back after a complete reply
            if batch is None:
                await self._processes.aclose()
                running = self.git.running("cat-file", "--batch")
                batch = await self._processes.enter_async_context(running)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
                batch.stdin.write(oid.encode() + b"\n")
                await batch.stdin.drain()
                header = await batch.stdout.readuntil(b"\n")
                size = int(header.rpartition(b" ")[2])
                if size > MOST_IN_MEMORY_BYTES:
                    return size, None
                data = (await batch.stdout.readexactly(size + 1))[:-1]
                self._batch = batch
                return size, data
        raise GitError(f"The object {oid} {_UNREADABLE}.", _BROKEN)


def pointer_content(data: bytes) -> tuple[str, int]:
    """Return the SHA-256 and the size of what a Git LFS pointer stands for; '' for other files."""
    pointer = _POINTER.match(data) if len(data) < _MOST_POINTER_BYTES else None
    return (pointer[1].decode(), int(pointer[2])) if pointer else ("", 0)


def lfs_path(common_dir: Path, sha256: str) -> Path:
    """Return where Git LFS keeps a content."""
    return common_dir / "lfs" / "objects" / sha256[:2] / sha256[2:4] / sha256


def in_memory(data: bytes, note: str = "") -> Content:
    """Return bytes as content."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return Content(len(data), chunks, note)


async def _file_chunks(path: Path) -> AsyncIterator[bytes]:
    """Yield a file's bytes, read in threads."""
    stream = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(stream.read, CHUNK_BYTES):
            yield chunk
    finally:
        stream.close()


def blob_ids(data: bytes) -> set[str]:
    """Return the object ids of a blob with these bytes, in all formats of git."""
    blob = b"blob %d\0" % len(data) + data
    return {
        hashlib.new(name, blob, usedforsecurity=False).hexdigest() for name in ("sha1", "sha256")
    }

"""What is committed: the paths that differ between two trees, and the bytes of blobs.

The working tree is never read, so amend, rebase, force and a switch of branches need no code of
their own.  A rename is a deletion and an addition.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import GitError
from .git import CHUNK_BYTES, Git, GitProcess
from .projects import Location, readable

_FILE_MODES = {"100644", "100755", "100664"}
_SYMLINK_MODE = "120000"
_SUBMODULE_MODE = "160000"
_NO_MODE = "000000"
# Paths on a command line; Linux takes 2 MiB.
_PATHS_AT_A_TIME = 500

SYMLINK = "It is a symbolic link, which the workspace does not support."
SUBMODULE = "It is a submodule, which is synced as a separate project if it is checked out."
# Larger blobs are streamed; each concurrent upload holds this much in memory, several times over.
MOST_IN_MEMORY_BYTES = 256 * 1024
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is smaller than that.
_MOST_POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_SHA1_DIGITS = 40
_BROKEN = "Run “git fsck”, then “git fetch”."
POINTER_NOTE = "Its Git LFS content is missing, so the pointer is synced. Run “git lfs pull”."


@dataclass(frozen=True, slots=True)
class Change:
    """One path: the blob that the old tree has there, and the new one's ('' for none).

    Only files that are synced have a blob here; ``skip`` says why the new entry is not one.
    """

    path: str
    old_oid: str
    oid: str
    skip: str = ""


async def diff(git: Git, old_tree: str, tree: str) -> AsyncIterator[Change]:
    """Yield the paths that differ; an ``old_tree`` of '' is the empty one."""
    if not old_tree:
        async for entry in list_tree(git, tree, "-r"):
            yield entry.change()
        return
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
    meta = b""
    async for record in git.records("diff-tree", *options, old_tree, tree):
        if not meta:
            meta = record
            continue
        change, meta = _parse_diff(meta, record), b""
        if not change.oid or change.old_oid != change.oid:  # the workspace has no modes
            yield change


async def look_up(git: Git, tree: str, paths: Iterable[str]) -> dict[str, Change]:
    """Return those of the paths that a tree has, as additions."""
    found: dict[str, Change] = {}
    wanted = list(paths) if tree else []
    for start in range(0, len(wanted), _PATHS_AT_A_TIME):
        some = wanted[start : start + _PATHS_AT_A_TIME]
        async for entry in list_tree(git, tree, paths=some):
            if entry.kind != "tree":
                found[entry.path] = entry.change()
    return found


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree; ``problem`` is why its name cannot be synced, '' if it can.

    ``size_bytes`` is of blobs, and only if ``list_tree`` was called with ``-l``.
    """

    path: str
    problem: str
    mode: str
    kind: str
    oid: str
    size_bytes: int = 0

    @property
    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == _SYMLINK_MODE

    def change(self, old_mode: str = _NO_MODE, old_oid: str = "") -> Change:
        """Return the change to this entry from an old one, or from nothing."""
        if self.problem:
            return Change(self.path, "", "", self.problem if self.mode != _NO_MODE else "")
        skip = {_SYMLINK_MODE: SYMLINK, _SUBMODULE_MODE: SUBMODULE}.get(self.mode, "")
        oid = self.oid if self.mode in _FILE_MODES else ""
        return Change(self.path, old_oid if old_mode in _FILE_MODES else "", oid, skip)


async def list_tree(
    git: Git, tree: str, *options: str, paths: Iterable[str] = ()
) -> AsyncIterator[Entry]:
    """Yield what is in a tree, by ``git ls-tree`` with more ``options``."""
    arguments = ("-z", "--full-tree", *options, tree, "--", *paths)
    async for record in git.records("ls-tree", *arguments):
        meta, _, raw = record.partition(b"\t")
        mode, kind, oid, *size = meta.decode().split()
        size_bytes = int(size[0]) if size and size[0].isdigit() else 0
        yield Entry(*readable(raw), mode, kind, oid, size_bytes)


def _parse_diff(meta: bytes, raw: bytes) -> Change:
    old_mode, mode, old_oid, oid, _status = meta[1:].decode().split(" ")
    return Entry(*readable(raw), mode, "", oid).change(old_mode, old_oid)


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
    sha256: str = ""


class Blobs:
    """Reads blobs through long-lived ``git cat-file`` processes, which start at the first use."""

    def __init__(self, git: Git, location: Location) -> None:
        self._git, self._location = git, location
        self._check: GitProcess | None = None
        self._batch: GitProcess | None = None
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """End the processes."""
        for process in (self._check, self._batch):
            if process is not None:
                await process.end()
        self._check = self._batch = None

    async def size(self, name: str) -> int | None:
        """Return the size of a named object, such as ``TREE:path``; None if there is none."""
        async with self._turn:
            if self._check is None:
                self._check = await self._git.start("cat-file", "--batch-check")
            reply = await self._ask(self._check, name)
        words = reply.rsplit(b" ", 2)
        return int(words[2]) if len(words) == 3 and words[2].isdigit() else None  # noqa: PLR2004

    async def open(self, path: str, oid: str) -> Content:
        """Return a blob's content, or that of its Git LFS pointer.

        Raises GitError if the object is missing or damaged.
        """
        size = await self.size(oid)
        if size is None:
            raise GitError(f"The object {oid} is missing.", _BROKEN)
        if size > MOST_IN_MEMORY_BYTES:
            return Content(size, lambda: self._git.stream("cat-file", "blob", oid))
        data = await self._read(oid)
        if blob_id(data, "sha1" if len(oid) == _SHA1_DIGITS else "sha256") != oid:
            raise GitError(f"The object {oid} is damaged.", _BROKEN)
        sha256, _size = pointer_content(data)
        if not sha256:
            return in_memory(data)
        large = await asyncio.to_thread(self._large_file, path, sha256)
        return large or in_memory(data, POINTER_NOTE)

    def _large_file(self, path: str, sha256: str) -> Content | None:
        """Return the content with a pointer's hash, None if it is not here."""
        store = lfs_path(self._location.common_dir / "lfs" / "objects", sha256)
        for file in (store, self._location.folder / path):
            try:
                with file.open("rb") as stream:
                    is_it = hashlib.file_digest(stream, "sha256").hexdigest() == sha256
                    size = stream.tell()
            except OSError:
                continue
            if is_it:
                return Content(size, lambda file=file: file_chunks(file), sha256=sha256)  # type: ignore[misc]
        return None

    async def _read(self, oid: str) -> bytes:
        async with self._turn:
            if self._batch is None:
                self._batch = await self._git.start("cat-file", "--batch")
            batch, self._batch = self._batch, None  # put back after a complete reply
            try:
                header = await self._ask(batch, oid)
                if not header.endswith(b" missing"):
                    size = int(header.rpartition(b" ")[2])
                    data = (await batch.stdout.readexactly(size + 1))[:-1]
                    self._batch, batch = batch, None  # type: ignore[assignment]
                    return data
            except asyncio.IncompleteReadError:
                pass
            finally:
                if batch is not None:
                    await batch.end()
        raise GitError(f"The object {oid} cannot be read.", _BROKEN)

    async def _ask(self, process: GitProcess, name: str) -> bytes:
        try:
            process.stdin.write(name.encode() + b"\n")
            await process.stdin.drain()
            reply = await process.stdout.readuntil(b"\n")
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise GitError(
                f"git cat-file ended at {name}.", "Run “git fsck” in the repository."
            ) from error
        return reply.rstrip(b"\n")


def pointer_content(data: bytes) -> tuple[str, int]:
    """Return the hash and the size of what a Git LFS pointer stands for; '' for other files."""
    pointer = _POINTER.match(data) if len(data) < _MOST_POINTER_BYTES else None
    return (pointer[1].decode(), int(pointer[2])) if pointer else ("", 0)


def lfs_path(store: Path, sha256: str) -> Path:
    """Return where Git LFS keeps a content."""
    return store / sha256[:2] / sha256[2:4] / sha256


def in_memory(data: bytes, note: str = "") -> Content:
    """Return bytes as content."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return Content(len(data), chunks, note)


async def file_chunks(path: Path) -> AsyncIterator[bytes]:
    """Yield a file's bytes, read in threads."""
    stream = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(stream.read, CHUNK_BYTES):
            yield chunk
    finally:
        stream.close()


def blob_id(data: bytes, object_format: str) -> str:
    """Return the object id of a blob with these bytes."""
    return hashlib.new(object_format, b"blob %d\0" % len(data) + data).hexdigest()

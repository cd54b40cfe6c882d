"""What a file in the workspace gets: a blob's bytes, in memory when small and streamed when not."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import GitError
from .git import CHUNK_BYTES, Git, GitProcess
from .repository import Location

# Eight uploads at a time hold this much each, some times over; larger blobs are streamed.
MOST_IN_MEMORY_BYTES = 256 * 1024
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is smaller than that.
_MOST_POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n"
)
_SHA1_DIGITS = 40
_BROKEN = "Try “git fsck” and “git fetch”."
POINTER_NOTE = "Git LFS content is not here, so its pointer is synced. Run “git lfs pull”."


@dataclass(frozen=True)
class Content:
    """The bytes of one file; ``chunks`` yields them anew each time; ``note`` is for the status."""

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
        """Return the size of a named object, such as ``TREE:path``; None when there is none."""
        async with self._turn:
            if self._check is None:
                self._check = await self._git.start("cat-file", "--batch-check")
            reply = await self._ask(self._check, name)
        words = reply.rsplit(b" ", 2)
        return int(words[2]) if len(words) == 3 and words[2].isdigit() else None  # noqa: PLR2004

    async def open(self, path: str, oid: str) -> Content:
        """Return a blob's content, or what its Git LFS pointer stands for.

        Raises GitError when the object is missing or broken.
        """
        size = await self.size(oid)
        if size is None:
            raise GitError(f"The object {oid} is missing.", _BROKEN)
        if size > MOST_IN_MEMORY_BYTES:
            return Content(size, lambda: self._git.stream("cat-file", "blob", oid))
        data = await self._read(oid)
        if blob_id(data, "sha1" if len(oid) == _SHA1_DIGITS else "sha256") != oid:
            raise GitError(f"The object {oid} is not what it was.", _BROKEN)
        pointer = _POINTER.match(data) if size < _MOST_POINTER_BYTES else None
        if pointer is None:
            return in_memory(data)
        large = await asyncio.to_thread(self._large_file, path, pointer[1].decode())
        return large or in_memory(data, POINTER_NOTE)

    def _large_file(self, path: str, sha256: str) -> Content | None:
        """Return the content that a pointer stands for, if it is here and exactly that."""
        store = self._location.common_dir / "lfs" / "objects" / sha256[:2] / sha256[2:4] / sha256
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
            batch, self._batch = self._batch, None  # put back when the reply was read whole
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
        raise GitError(f"The object {oid} is broken.", _BROKEN)

    async def _ask(self, process: GitProcess, name: str) -> bytes:
        try:
            process.stdin.write(name.encode() + b"\n")
            await process.stdin.drain()
            reply = await process.stdout.readuntil(b"\n")
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise GitError(
                f"git cat-file ended at {name}.", "Try “git fsck” in the repository."
            ) from error
        return reply.rstrip(b"\n")


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
    """Return the id that git gives to these bytes."""
    return hashlib.new(object_format, b"blob %d\0" % len(data) + data).hexdigest()

"""What is in a project's folder in the workspace now, and whether git sync wrote it.

A file is ours if it has not been modified since git sync wrote it, or contains one of the blobs
that may be there.  So each edit is noticed, whatever its size, for a call per folder and one per
file that was modified since.
"""

import asyncio
import contextlib
import hashlib
import unicodedata
from collections.abc import Iterable

from ..errors import GitError
from .local.objects import Blobs, blob_ids, pointer_content
from .remote.marker import Destination
from .remote.workspace_files import MOST_EXPORT_BYTES, RemoteObject


class Survey:
    """Lists each folder once; ``written`` has when this server wrote a file, in milliseconds.

    Other files are known to be ours up to ``since_ms``.  Both are by the workspace's clock.
    """

    def __init__(
        self,
        destination: Destination,
        blobs: Blobs,
        written: dict[str, int],
        since_ms: int,
    ) -> None:
        self._destination, self._blobs, self.written = destination, blobs, written
        self._since_ms = since_ms
        self._folders: dict[str, asyncio.Task[list[RemoteObject] | None]] = {}
        self._deleted = set[str]()

    async def at(self, path: str) -> RemoteObject | None:
        """Return what is at a path; the workspace may have normalized its name."""
        if unicodedata.normalize("NFC", path) in self._deleted:
            return None  # the listing may be older
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            listing = self._destination.files.children(self._destination.path(folder))
            self._folders[folder] = asyncio.create_task(listing)
        there = {each.name: each for each in await self._folders[folder] or []}
        return there.get(name) or there.get(unicodedata.normalize("NFC", name))

    def deleted(self, path: str) -> None:
        """Take note that a file or folder was deleted, which a listing may still have."""
        self._deleted.add(unicodedata.normalize("NFC", path))

    async def is_intact(self, path: str, *oids: str) -> bool:
        """Whether a file that git sync wrote is there, unchanged."""
        there = await self.at(path)
        return there is not None and await self.is_ours(path, there, oids, is_owned=True)

    async def is_ours(
        self, path: str, there: RemoteObject, oids: Iterable[str], *, is_owned: bool
    ) -> bool:
        """Whether a file is what git sync wrote, or has one of these blobs.

        A file beyond the export limit is compared by its size.
        """
        if there.kind != "FILE":
            return False
        written_ms = self.written.get(path, self._since_ms)
        if is_owned and 0 < there.modified_ms <= written_ms:
            return True
        hashes, sizes = await self._contents(oids)
        if there.size_bytes > MOST_EXPORT_BYTES:
            return there.size_bytes in sizes
        data = await self._destination.read(path)
        if data is None:
            return False
        ids = await asyncio.to_thread(blob_ids, data)
        return bool(ids.intersection(oids)) or hashlib.sha256(data).hexdigest() in hashes

    async def _contents(self, oids: Iterable[str]) -> tuple[set[str], set[int]]:
        """Return the hashes of what Git LFS pointers stand for, and the sizes of all contents."""
        hashes, sizes = set[str](), set[int]()
        for oid in oids:
            with contextlib.suppress(GitError):
                size, data = await self._blobs.read(oid)
                sha256, large_size = pointer_content(data or b"")
                hashes.add(sha256)
                sizes.update((size, large_size))
        return hashes, sizes

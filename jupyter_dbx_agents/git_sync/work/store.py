"""The bundles of work in progress in a project's records: ``work-SERIAL.bundle``.

Each is whole by itself, on top of the history's bundles: it replaces the one before it, which is
deleted after it was written.  A kill in between leaves both, and the newest whole one is read.
Names are taken exclusively, so that two servers cannot mix theirs.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import IO

from ...errors import DestinationError, MarkerChangedError, WorkspaceError
from ..local.objects import in_memory
from ..remote.bundles import PART_BYTES
from ..remote.marker import Destination, is_taken

_NAME = re.compile(r"work-(\d{6})\.bundle(?:\.(\d{4})-(\d{4}))?")


@dataclass(frozen=True, order=True)
class WorkBundle:
    """One bundle, in one or more files of together ``size_bytes``."""

    serial: int
    parts: int = 1
    size_bytes: int = 0

    def names(self) -> list[str]:
        """Return the names of its files, in order."""
        name = f"work-{self.serial:06d}.bundle"
        if self.parts == 1:
            return [name]
        return [f"{name}.{part:04d}-{self.parts:04d}" for part in range(self.parts)]


class WorkStore:
    """Lists, writes, reads and deletes the work in progress of one project."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._names: set[str] | None = None
        self._next = 1

    async def newest(self) -> WorkBundle | None:
        """Return the newest whole bundle, None if there is none."""
        children = await self._destination.files.children(self._destination.records) or []
        sizes = {each.name: each.size_bytes for each in children if _NAME.fullmatch(each.name)}
        self._names = set(sizes)
        names = (found for name in sizes if (found := _NAME.fullmatch(name)) is not None)
        # Two servers may have taken one number with different counts of parts.
        bundles = {WorkBundle(int(found[1]), int(found[3] or 1)) for found in names}
        self._next = max((bundle.serial for bundle in bundles), default=0) + 1
        for bundle in sorted(bundles, reverse=True):
            if self._names.issuperset(bundle.names()):
                return replace(bundle, size_bytes=sum(sizes[name] for name in bundle.names()))
        return None

    async def write(self, stream: IO[bytes]) -> WorkBundle:
        """Upload a bundle, then delete those before it.

        Raises a WorkspaceError, and MarkerChangedError if another server has written one.
        """
        if self._names is None:
            await self.newest()
        size = stream.seek(0, 2)
        bundle = WorkBundle(self._next, max(1, -(-size // PART_BYTES)), size)
        stream.seek(0)
        for name in bundle.names():
            await self._put(name, stream.read(PART_BYTES))
        self._next += 1
        await self.clear(but=bundle)
        return bundle

    async def clear(self, but: WorkBundle | None = None) -> bool:
        """Delete all bundles but one; return whether there were others."""
        if self._names is None:
            await self.newest()
        kept = set(but.names()) if but is not None else set[str]()
        others = sorted((self._names or set()) - kept)
        for name in others:
            await self._destination.files.delete(f"{self._destination.records}/{name}")
            self._names = (self._names or set()) - {name}
        self._names = kept | (self._names or set())
        return bool(others)

    async def _put(self, name: str, data: bytes) -> None:
        try:
            path = f"{self._destination.records}/{name}"
            await self._destination.files.put(path, in_memory(data), overwrite=False)
        except WorkspaceError as error:
            self._names = None  # it is listed again
            if is_taken(error):
                raise MarkerChangedError(
                    "Another server has kept work in progress of this project.",
                    "The next look takes it again.",
                ) from error
            raise

    async def chunks(self, bundle: WorkBundle) -> AsyncIterator[bytes]:
        """Yield the content of a bundle.  Raises DestinationError if a part is gone."""
        for name in bundle.names():
            data = await self._destination.files.read(f"{self._destination.records}/{name}")
            if data is None:
                raise DestinationError(
                    f"The work in progress in the workspace lacks {name}.",
                    "Somebody deleted it; the commits are not affected.",
                )
            yield data

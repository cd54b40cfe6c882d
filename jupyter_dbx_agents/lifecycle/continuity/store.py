"""The folder of segments in the owner's workspace folder: lists, writes, reads and deletes them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from ...errors import WorkspaceError
from ...git_sync.local.objects import in_memory
from ...git_sync.local.projects import RECORDS_FOLDER
from ...git_sync.remote.workspace_files import WorkspaceFiles
from .segments import NAME

# No project's records have this name: “%” is escaped in theirs.
FOLDER = "%home"


@dataclass(frozen=True)
class KeptSet:
    """One set: its segments' numbers, its size, and when it was last written (ms since 1970)."""

    id: str
    serials: tuple[int, ...]
    size_bytes: int
    modified_ms: int

    def is_of(self, origin: str) -> bool:
        """Whether an app of this name has written it."""
        return self.id.rpartition("-")[2].startswith(origin_key(origin))

    @property
    def started_at(self) -> str:
        """When it was begun, in ISO form."""
        day, clock = self.id[:8], self.id[9:15]
        date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        return f"{date}T{clock[:2]}:{clock[2:4]}:{clock[4:]}+00:00"


def origin_key(origin: str) -> str:
    """Return the four digits in the names of an app's sets."""
    return hashlib.sha256(origin.encode()).hexdigest()[:4]


class Store:
    """The segments below ``root`` (…/projects)."""

    def __init__(self, files: WorkspaceFiles, root: str) -> None:
        self._files = files
        self.folder = f"{root}/{RECORDS_FOLDER}/{FOLDER}"

    async def sets(self) -> list[KeptSet]:
        """Return what is there, the oldest first."""
        found: dict[str, list[tuple[int, int, int]]] = {}
        for each in await self._files.children(self.folder) or []:
            if (match := NAME.fullmatch(each.name)) is not None:
                entry = int(match[2]), each.size_bytes, each.modified_ms
                found.setdefault(match[1], []).append(entry)
        return [
            KeptSet(
                name,
                tuple(sorted(serial for serial, _, _ in entries)),
                sum(size for _, size, _ in entries),
                max(modified for _, _, modified in entries),
            )
            for name, entries in sorted(found.items())
        ]

    async def write(self, set_id: str, serial: int, data: bytes) -> bool:
        """Write or replace a segment; return whether the folder had to be made."""
        return await self._put(self._path(set_id, serial), data)

    async def _put(self, path: str, data: bytes) -> bool:
        try:
            await self._files.put(path, in_memory(data), overwrite=True)
        except WorkspaceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            await self._files.make_folder(self.folder)
            await self._files.put(path, in_memory(data), overwrite=True)
            return True
        return False

    async def read(self, set_id: str, serial: int) -> bytes | None:
        """Return a segment, None if it is gone."""
        return await self._files.read(self._path(set_id, serial))

    async def delete(self, sets: Iterable[KeptSet]) -> None:
        """Delete sets, the last segment of each first: what is left of it stays readable."""
        for each in sets:
            for serial in reversed(each.serials):
                await self._files.delete(self._path(each.id, serial))

    async def write_unsent(self, origin: str, data: bytes) -> None:
        """Write or replace an app's record of what a stop did not send."""
        await self._put(self._unsent(origin), data)

    async def read_unsent(self, origin: str) -> bytes | None:
        """Return that record, None if there is none."""
        return await self._files.read(self._unsent(origin))

    async def delete_unsent(self, origin: str) -> None:
        """Delete that record."""
        await self._files.delete(self._unsent(origin))

    def _unsent(self, origin: str) -> str:
        return f"{self.folder}/unsent-{origin_key(origin)}.json"

    async def delete_folder(self) -> None:
        """Delete the folder, if it is empty."""
        await self._files.delete(self.folder)

    def _path(self, set_id: str, serial: int) -> str:
        return f"{self.folder}/{set_id}-{serial:06d}.tgz"

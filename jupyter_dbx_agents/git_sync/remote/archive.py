"""The repository's own objects beside the tree: its history, or at least the synced trees.

Each pass adds an increment: the objects that the archive lacks.  It is uploaded before the first
file changes, so that a commit is safe before it is visible, and under a name that must not exist,
so that a second app at the same project is detected.  When the increments outweigh the first one,
a new archive replaces the old one.  ``git clone`` reads a bundle that consists of one file.
"""

import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ...errors import ArchiveTooLargeError, DestinationError, MarkerChangedError, WorkspaceError
from ..local.git import CHUNK_BYTES, Git
from ..local.repository import Head, Repository
from .marker import Archive, Destination, Marker, is_taken, take_over_hint

# The workspace exports files of at most 10 MB.
PART_BYTES = 8 * 1024 * 1024
_MOST_INCREMENTS = 64
_SMALL_BYTES = 1024 * 1024
# gitformat-pack(5): the number of objects follows the signature and the version.
_PACK_COUNT_OFFSET = 8
_PACK_OPTIONS = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m")


@dataclass(frozen=True)
class Increment:
    """What to pack: ``tips`` without what ``haves`` reach."""

    kind: str
    tips: list[str]
    haves: list[str]
    refs: dict[str, str]


class ArchiveStore:
    """Adds to, reads and tidies one project's archive."""

    def __init__(self, destination: Destination, scratch: Path, most_bytes: int) -> None:
        self._destination, self._scratch, self._most_bytes = destination, scratch, most_bytes

    async def add(self, marker: Marker, repository: Repository, head: Head, kind: str) -> Marker:
        """Upload new objects; return the marker with them, which the caller writes.

        Raises ArchiveTooLargeError, OSError for a full disk, and GitError.
        """
        renews = marker.archive.kind != kind or self._is_overgrown(marker.archive)
        try:
            return await self._add(marker, repository, head, kind, renews)
        except ArchiveTooLargeError:
            if renews:
                raise
            return await self._add(marker, repository, head, kind, renews=True)

    async def _add(
        self, marker: Marker, repository: Repository, head: Head, kind: str, renews: bool
    ) -> Marker:
        increment = await self._increment(marker, repository, head, kind, renews)
        archive = Archive(kind, secrets.token_hex(6)) if renews else marker.archive
        with tempfile.TemporaryFile(dir=self._scratch) as stream:
            has_objects = await self._pack(repository, increment, stream)
            archive = await self._upload(stream, archive, marker) if has_objects else marker.archive
        return _with_archive(marker, replace(archive, tree=head.tree), head, repository)

    async def fetch(self, marker: Marker, git: Git) -> None:
        """Add everything in the archive to a repository's objects.

        Raises DestinationError if one of its files is missing, and GitError.
        """
        for number in range(len(marker.archive.parts)):
            await _index(git, self._download(marker.archive, number))

    async def tidy(self, marker: Marker) -> Marker:
        """Delete superseded archives; return the marker without them."""
        files, records = self._destination.files, self._destination.records
        for archive in marker.obsolete:
            for number in range(len(archive.parts)):
                for name in archive.names(number):
                    await files.delete(f"{records}/{name}")
        return replace(marker, obsolete=())

    def _is_overgrown(self, archive: Archive) -> bool:
        added = archive.all_bytes - archive.first_bytes
        is_heavy = added > max(archive.first_bytes, _SMALL_BYTES)
        return is_heavy or len(archive.parts) >= _MOST_INCREMENTS

    async def _increment(
        self, marker: Marker, repository: Repository, head: Head, kind: str, renews: bool
    ) -> Increment:
        if kind == "trees":
            tips, known, refs = [head.tree], [marker.archive.tree], {}
        else:
            refs = {**head.refs, "HEAD": head.commit}
            tips, known = list(refs.values()), [*marker.refs.values(), marker.head_commit]
        candidates = [] if renews else sorted({oid for oid in known if oid})
        gone = await repository.missing(*candidates)
        return Increment(kind, tips, [oid for oid in candidates if oid not in gone], refs)

    async def _pack(self, repository: Repository, increment: Increment, stream: IO[bytes]) -> bool:
        """Write a bundle or pack; return whether it contains objects."""
        if increment.kind == "history":
            stream.write(_bundle_header(increment, await repository.object_format()))
        start = stream.tell()
        options = ["--revs", "--thin", "--stdout", "-q", "--delta-base-offset"]
        if increment.kind == "trees":
            options.append("--filter=blob:none")
        stdin = "\n".join([*increment.tips, "--not", *increment.haves, ""]).encode()
        async with repository.running("pack-objects", *options, options=_PACK_OPTIONS) as packing:
            with contextlib.suppress(ConnectionError):
                packing.stdin.write(stdin)
                await packing.stdin.drain()
            packing.stdin.close()
            while chunk := await packing.stdout.read(CHUNK_BYTES):
                stream.write(chunk)
                if stream.tell() > self._most_bytes:
                    raise ArchiveTooLargeError(
                        f"The history has more than {self._most_bytes // 1024**2} MB.",
                        "Push it to a remote; only the files are synced.",
                    )
            await packing.succeed()
        stream.seek(start + _PACK_COUNT_OFFSET)
        return any(stream.read(4))

    async def _upload(self, stream: IO[bytes], archive: Archive, marker: Marker) -> Archive:
        size = stream.seek(0, 2)
        if archive.all_bytes + size > self._most_bytes and archive.parts:
            raise ArchiveTooLargeError("The history has grown too large.")  # so it is packed again
        parts = -(-size // PART_BYTES)
        grown = replace(
            archive,
            parts=(*archive.parts, parts),
            first_bytes=archive.first_bytes or size,
            all_bytes=archive.all_bytes + size,
        )
        stream.seek(0)
        for position, name in enumerate(grown.names(len(archive.parts))):
            data = stream.read(PART_BYTES)
            if position == 0:
                await self._claim(name, data, marker)
            else:
                await self._destination.record(name, data)
        return grown

    async def _claim(self, name: str, data: bytes, marker: Marker) -> None:
        """Write the first part under a free name; raises MarkerChangedError if another app did."""
        try:
            await self._destination.record(name, data, overwrite=False)
        except WorkspaceError as error:
            if not is_taken(error):
                raise
            there = await self._destination.load()
            if there is not None and (there.repository, there.origin, there.archive) != (
                marker.repository,
                marker.origin,
                marker.archive,
            ):
                raise MarkerChangedError(
                    "Another app changed the project's records.", "Run sync again."
                ) from None
            await self._destination.record(name, data)  # ours, from an interrupted pass

    async def _download(self, archive: Archive, number: int) -> AsyncIterator[bytes]:
        """Yield the pack, without the header that makes it a bundle."""
        header: bytes | None = b"" if archive.kind == "history" else None
        for name in archive.names(number):
            data = await self._destination.files.read(f"{self._destination.records}/{name}")
            if data is None:
                raise DestinationError(
                    f"The history in the workspace lacks {name}.",
                    take_over_hint(self._destination.project),
                )
            if header is not None:
                header, end, data = (header + data).partition(b"\n\n")
                if not end:
                    continue
                header = None
            yield data


def _with_archive(marker: Marker, archive: Archive, head: Head, repository: Repository) -> Marker:
    old = marker.archive
    replaced = (old,) if old.parts and old.generation != archive.generation else ()
    is_history = archive.kind == "history"
    return replace(
        marker,
        archive=archive,
        obsolete=(*marker.obsolete, *replaced),
        head=head.name,
        head_commit=head.commit if is_history else "",
        refs=dict(head.refs) if is_history else {},
        shallow=tuple(repository.shallow_commits()),
        is_bare=repository.location.is_bare,
    )


def _bundle_header(increment: Increment, object_format: str) -> bytes:
    """Return a bundle's header (gitformat-bundle(5)); prerequisites are commits and tags."""
    if object_format == "sha1":
        lines = ["# v2 git bundle"]
    else:
        lines = ["# v3 git bundle", f"@object-format={object_format}"]
    lines += [f"-{oid}" for oid in increment.haves]
    lines += [f"{oid} {name}" for name, oid in increment.refs.items()]
    return ("\n".join(lines) + "\n\n").encode()


async def _index(git: Git, chunks: AsyncIterator[bytes]) -> None:
    async with git.running("index-pack", "--stdin", "--fix-thin") as indexing:
        with contextlib.suppress(ConnectionError):
            async for chunk in chunks:
                indexing.stdin.write(chunk)
                await indexing.stdin.drain()
        indexing.stdin.close()
        await indexing.stdout.read()
        await indexing.succeed()

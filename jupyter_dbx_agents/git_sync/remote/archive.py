"""The repository's own objects beside the tree: its history, or at least the synced trees.

An increment with each commit, made of what the archive does not have yet.  It is uploaded before
the first file changes, so that a commit is safe first and visible then; and under a name that must
not exist, so that a second app at the same project is noticed.  When the increments outweigh the
first bundle, everything is written anew and the old files go.

A bundle's first file, if it is the only one, is one that ``git clone`` takes.
"""

from __future__ import annotations

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
_PACK_HEADER_BYTES = 12
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
        """Upload what is new; return the marker that knows it, which is not written yet.

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
        archive = marker.archive
        increment = await self._increment(marker, repository, head, kind, renews)
        with tempfile.TemporaryFile(dir=self._scratch) as stream:
            await self._pack(repository, increment, stream)
            if _object_count(stream, increment) == 0:
                grown = archive
            elif renews:
                fresh = Archive(kind, secrets.token_hex(6))
                grown = await self._upload(stream, fresh, marker)
            else:
                grown = await self._upload(stream, archive, marker)
        return _knowing(marker, replace(grown, tree=head.tree), head, repository)

    async def fetch(self, marker: Marker, git: Git) -> None:
        """Bring everything that the archive holds into a repository's objects.

        Raises DestinationError when a file of it is gone, and GitError.
        """
        for number in range(len(marker.archive.parts)):
            await _index(git, self._download(marker.archive, number))

    async def tidy(self, marker: Marker) -> Marker:
        """Delete the archives that a newer one replaces; return the marker without them."""
        files, records = self._destination.files, self._destination.records
        for archive in marker.obsolete:
            for number in range(len(archive.parts)):
                for name in archive.names(number):
                    await files.delete(f"{records}/{name}")
        return replace(marker, obsolete=())

    def _is_overgrown(self, archive: Archive) -> bool:
        added = archive.all_bytes - archive.first_bytes
        return len(archive.parts) >= _MOST_INCREMENTS or added > max(
            archive.first_bytes, _SMALL_BYTES
        )

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

    async def _pack(self, repository: Repository, wanted: Increment, stream: IO[bytes]) -> None:
        if wanted.kind == "history":
            stream.write(_bundle_header(wanted, await repository.object_format()))
        options = ["--revs", "--thin", "--stdout", "-q", "--delta-base-offset"]
        if wanted.kind == "trees":
            options.append("--filter=blob:none")
        stdin = "\n".join([*wanted.tips, "--not", *wanted.haves, ""]).encode()
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
                        "Push it to a remote; the files are synced without it.",
                    )
            await packing.succeed(repository.git_dir, "pack-objects")
        stream.flush()

    async def _upload(self, stream: IO[bytes], archive: Archive, marker: Marker) -> Archive:
        size = stream.seek(0, 2)
        if archive.all_bytes + size > self._most_bytes and archive.parts:
            raise ArchiveTooLargeError("The history has grown too large.")  # it is packed anew
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
        """Write the first part under a name that nobody has; or find out who has it."""
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
                    "The project's records have changed.", "They are read anew at the next try."
                ) from None
            await self._destination.record(name, data)  # our own, from an attempt that was cut off

    async def _download(self, archive: Archive, number: int) -> AsyncIterator[bytes]:
        head = b"" if archive.kind == "history" else None
        for name in archive.names(number):
            data = await self._destination.files.read(f"{self._destination.records}/{name}")
            if data is None:
                raise DestinationError(
                    f"The history that the workspace keeps lacks {name}.",
                    take_over_hint(self._destination.project),
                )
            if head is not None:
                head += data
                _header, separator, data = head.partition(b"\n\n")
                if not separator:
                    continue
                head = None
            yield data


def _knowing(marker: Marker, archive: Archive, head: Head, repository: Repository) -> Marker:
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


def _bundle_header(wanted: Increment, object_format: str) -> bytes:
    """Build the head of a bundle (gitformat-bundle(5)); prerequisites are commits and tags."""
    if object_format == "sha1":
        lines = ["# v2 git bundle"]
    else:
        lines = ["# v3 git bundle", f"@object-format={object_format}"]
    lines += [f"-{oid}" for oid in wanted.haves]
    lines += [f"{oid} {name}" for name, oid in wanted.refs.items()]
    return ("\n".join(lines) + "\n\n").encode()


def _object_count(stream: IO[bytes], wanted: Increment) -> int:
    """Read the number of objects in a pack (gitformat-pack(5)) behind a bundle's head."""
    stream.seek(0)
    if wanted.kind == "history":
        while stream.readline() not in (b"\n", b""):
            pass
    header = stream.read(_PACK_HEADER_BYTES)
    return int.from_bytes(header[8:12], "big")


async def _index(git: Git, chunks: AsyncIterator[bytes]) -> None:
    async with git.running("index-pack", "--stdin", "--fix-thin") as indexing:
        with contextlib.suppress(ConnectionError):
            async for chunk in chunks:
                indexing.stdin.write(chunk)
                await indexing.stdin.drain()
        indexing.stdin.close()
        await indexing.stdout.read()
        await indexing.succeed(git.git_dir, "index-pack")

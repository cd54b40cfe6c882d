"""The history beside the tree: bundles of ``git bundle create``, each a safe point of its own.

A bundle has the refs as they were, what is new since the one before it, and the ref ``STATE``: a
blob with everything else that a restore sets up.  So one upload makes a commit safe, and the names
in the folder tell which bundles belong together: ``history-G-FIRST-LAST.bundle`` has what is new
from position FIRST to LAST of generation G.  An upload that covers several positions replaces their
bundles, which are deleted after it; a kill in between leaves both, and the longest is read.

Large bundles have parts (``….bundle.PART-COUNT``; join them with ``cat``), since the workspace
exports files of at most 10 MB.  ``git fetch FILE 'refs/*:refs/*'`` reads them, the oldest first.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import IO, Any, Self

from ...errors import DestinationError, GitError
from ..local.git import Git
from ..local.objects import in_memory
from ..local.repository import OWN_REFS, Snapshot
from .marker import Destination, LegacyArchive, Marker, take_over_hint
from .workspace_files import RemoteObject

STATE = f"{OWN_REFS}state"
SCHEMA = 1
# The workspace exports files of at most 10 MB.
PART_BYTES = 8 * 1024 * 1024
_NAME = re.compile(r"history-(\d{4})-(\d{6})-(\d{6})\.bundle(?:\.(\d{4})-(\d{4}))?")
# In place of a bundle, and smaller than any: an app that runs still must not continue its history.
_FENCE = b"Another app took over.\n"
_LEGACY_NAME = re.compile(r"[0-9a-f]{12}-\d{4}\.(bundle|trees)(\.\d{4})?|before-.*\.json")


@dataclass(frozen=True)
class State:
    """What a bundle says of the repository beside its objects.

    ``rewritten_at`` is when commits became unreachable and were left out.
    """

    project: str
    repository: str
    origin: str
    snapshot: Snapshot
    made_at: str = ""
    rewritten_at: str = ""

    def to_bytes(self) -> bytes:
        """Return the content of the blob."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the state in a blob.  Raises DestinationError."""
        try:
            model: dict[str, Any] = json.loads(data)
            if int(model.pop("schema")) > SCHEMA:
                raise DestinationError("The history has a newer version.", "Update the app.")
            inner = _known(Snapshot, model.pop("snapshot"))
            return cls(snapshot=Snapshot(**inner), **_known(cls, model))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DestinationError(
                f"A bundle's state cannot be read ({type(error).__name__}).", "Update the app."
            ) from error

    @property
    def tips(self) -> list[str]:
        """The objects that the refs and HEAD name."""
        return sorted({*self.snapshot.refs.values(), self.snapshot.head_commit} - {""})

    @classmethod
    def of_legacy(cls, marker: Marker) -> Self | None:
        """Return the state that a record of version 0.1.0 has, None without a history."""
        old = marker.legacy
        if old is None or old.kind != "history":
            return None
        settings = [[f"remote.{name}.url", url] for name, url in old.remotes.items()]
        settings += [
            [f"remote.{name}.fetch", f"+refs/heads/*:refs/remotes/{name}/*"] for name in old.remotes
        ]
        snapshot = Snapshot(
            old.head,
            old.head_commit,
            dict(old.refs),
            settings=settings,
            shallow=list(old.shallow),
            object_format=marker.object_format,
            is_bare=old.is_bare,
        )
        return cls(marker.project, marker.repository, marker.origin, snapshot)


def _known(cls: type[Any], model: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a data class that a model has."""
    names = {each.name for each in fields(cls)}
    return {key: value for key, value in model.items() if key in names}


@dataclass(frozen=True, order=True)
class Bundle:
    """One bundle in the workspace, in one or more files."""

    generation: int
    first: int
    last: int
    parts: int = field(default=1, compare=False)
    size_bytes: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        """Its name without the ending, also that of the ref of its state in the mirror."""
        return f"history-{self.generation:04d}-{self.first:06d}-{self.last:06d}"

    def names(self) -> list[str]:
        """Return the names of its files, the parts in order."""
        name = f"{self.key}.bundle"
        if self.parts == 1:
            return [name]
        return [f"{name}.{part:04d}-{self.parts:04d}" for part in range(self.parts)]


@dataclass(frozen=True)
class Chain:
    """What the names and the sizes of its files say about a history."""

    sizes: Mapping[str, int]

    @classmethod
    def of(cls, files: Iterable[RemoteObject]) -> Self:
        """Return the chain in a listing of the records' folder, which has other files, too."""
        return cls({each.name: each.size_bytes for each in files if _is_history(each.name)})

    def with_bundle(self, bundle: Bundle) -> Self:
        """Return the chain after an upload."""
        size = bundle.size_bytes // bundle.parts
        return type(self)({**self.sizes, **dict.fromkeys(bundle.names(), size)})

    def without(self, names: Iterable[str]) -> Self:
        """Return the chain after a deletion."""
        return type(self)({n: size for n, size in self.sizes.items() if n not in set(names)})

    @cached_property
    def _whole(self) -> list[Bundle]:
        """The bundles of which every part is there."""
        parts: dict[tuple[int, int, int, int], list[int]] = {}
        for name, size in self.sizes.items():
            if size != len(_FENCE) and (found := _NAME.fullmatch(name)):
                generation, first, last, _part, count = (int(word or 1) for word in found.groups())
                parts.setdefault((generation, first, last, count), []).append(size)
        whole = [(key, sizes) for key, sizes in parts.items() if len(sizes) == key[3]]
        return sorted(Bundle(*key, size_bytes=sum(sizes)) for key, sizes in whole)

    @cached_property
    def newest_generation(self) -> int:
        """The newest generation of which there is any file, 0 for none."""
        return max((int(m[1]) for name in self.sizes if (m := _NAME.fullmatch(name))), default=0)

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """The bundles of the newest generation that is complete at its beginning."""
        for generation in sorted({bundle.generation for bundle in self._whole}, reverse=True):
            if found := _cover([each for each in self._whole if each.generation == generation]):
                return tuple(found)
        return ()

    @property
    def newest_bundle(self) -> str:
        """The key of the newest bundle, '' if there is none."""
        return self.bundles[-1].key if self.bundles else ""

    @property
    def older(self) -> list[Bundle]:
        """Whole bundles that are superseded, or useless without another one."""
        return [each for each in self._whole if each not in self.bundles]

    @property
    def leftovers(self) -> list[str]:
        """The names of all files that no bundle in use has, without fences."""
        files = {name for name, size in self.sizes.items() if size != len(_FENCE)}
        return sorted(files - {n for each in self.bundles for n in each.names()})

    @property
    def has_gap(self) -> bool:
        """Whether a bundle in the middle is gone, so that there are commits behind it."""
        newest = self.bundles[-1:]
        return any(
            (e.generation, e.last) > (n.generation, n.last) for n in newest for e in self.older
        )


def _is_history(name: str) -> bool:
    return bool(_NAME.fullmatch(name) or _LEGACY_NAME.fullmatch(name))


def _cover(bundles: list[Bundle]) -> list[Bundle]:
    """Return bundles that follow each other from position 0; the longest one at each."""
    found: list[Bundle] = []
    position = 0
    while here := [each for each in bundles if each.first == position]:
        found.append(max(here, key=lambda each: each.last))
        position = found[-1].last + 1
    return found


class BundleStore:
    """Lists, writes, reads and deletes the bundles of one project."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    async def chain(self) -> Chain:
        """Return the bundles that are there."""
        return Chain.of(await self._destination.files.children(self._destination.records) or [])

    async def upload(self, stream: IO[bytes], bundle: Bundle) -> Bundle:
        """Write a bundle's files.

        Raises a WorkspaceError also if its name is in use, or if the folder is gone, and with it
        the bundles that this one depends on.
        """
        size = stream.seek(0, 2)
        bundle = replace(bundle, parts=max(1, -(-size // PART_BYTES)), size_bytes=size)
        stream.seek(0)
        for name in bundle.names():
            data = stream.read(PART_BYTES)
            if bundle.first:
                path = f"{self._destination.records}/{name}"
                await self._destination.files.put(path, in_memory(data), overwrite=False)
            else:
                await self._destination.record(name, data, overwrite=False)
        return bundle

    async def fence(self, bundle: Bundle) -> None:
        """Take the name of the bundle that another app would write next."""
        await self._destination.record(bundle.names()[0], _FENCE, overwrite=False)

    async def delete(self, names: Iterable[str]) -> None:
        """Delete files that are superseded."""
        for name in names:
            await self._destination.files.delete(f"{self._destination.records}/{name}")

    async def fetch_all(
        self, chain: Chain, git: Git, known: Mapping[str, str]
    ) -> tuple[dict[str, str], bool]:
        """Add the objects of all bundles that are not known; return the blobs of their states.

        The second value is False if a bundle is damaged: those behind it are useless without it.
        Raises DestinationError if a newer version made one.
        """
        states: dict[str, str] = {}
        for bundle in chain.bundles:
            oid = known.get(bundle.key) or await self._fetch(bundle, git)
            try:
                await read_state(git, oid)
            except GitError:
                return states, False
            states[bundle.key] = oid
        return states, True

    async def fetch_older(self, chain: Chain, git: Git, oid: str) -> None:
        """Add the objects of superseded bundles to a repository that lacks one of them."""
        for bundle in chain.older:
            if not await git.missing(oid):
                return
            await self._fetch(bundle, git)

    async def _fetch(self, bundle: Bundle, git: Git) -> str:
        """Add a bundle's objects to a repository; return its state's id, '' if it is damaged."""
        try:
            return await index_bundle(git, self._chunks(bundle.names()))
        except (DestinationError, GitError):
            return ""

    async def object_format(self, bundle: Bundle) -> str:
        """Return the format of a bundle's objects, ``sha1`` or ``sha256``."""
        async for chunk in self._chunks(bundle.names()):
            header = chunk.partition(b"\n\n")[0]
            return "sha256" if b"@object-format=sha256" in header else "sha1"
        return "sha1"

    async def fetch_legacy(self, archive: LegacyArchive, git: Git) -> None:
        """Add the objects of an archive of version 0.1.0.  Raises DestinationError, GitError."""
        for number in range(len(archive.parts)):
            await index_bundle(
                git, self._chunks(archive.names(number)), has_header=archive.kind == "history"
            )

    async def _chunks(self, names: list[str]) -> AsyncIterator[bytes]:
        for name in names:
            data = await self._destination.files.read(f"{self._destination.records}/{name}")
            if data is None:
                raise DestinationError(
                    f"The history in the workspace lacks {name}.",
                    take_over_hint(self._destination.project),
                )
            yield data


def bundle_header(refs: Mapping[str, str], without: Iterable[str]) -> bytes:
    """Return what precedes the pack in a bundle (gitformat-bundle(5)) without ``^`` commits."""
    oids = [f"{oid} {name}" for name, oid in refs.items() if oid]
    is_sha1 = all(len(line.partition(" ")[0]) == 40 for line in oids)  # noqa: PLR2004
    first = ["# v2 git bundle"] if is_sha1 else ["# v3 git bundle", "@object-format=sha256"]
    lines = [*first, *(f"-{commit[1:]}" for commit in without), *oids]
    return ("\n".join(lines) + "\n\n").encode()


async def read_state(git: Git, oid: str) -> State:
    """Return the state in a blob of a repository.  Raises DestinationError or GitError."""
    return State.from_bytes(await git.output("cat-file", "blob", oid or "0"))


async def index_bundle(
    git: Git, chunks: AsyncIterator[bytes], ref: str = STATE, has_header: bool = True
) -> str:
    """Add a bundle's or a pack's objects; return what a ref of the bundle names, '' for none."""
    header = b""
    async with git.running("index-pack", "--stdin", "--fix-thin") as indexing:
        with contextlib.suppress(ConnectionError):
            async for chunk in chunks:
                pack = chunk
                if has_header:
                    header, end, pack = (header + chunk).partition(b"\n\n")
                    has_header = not end
                indexing.stdin.write(pack)
                await indexing.stdin.drain()
        indexing.stdin.close()
        await indexing.stdout.read()
        await indexing.succeed()
    lines = (line.decode().partition(" ") for line in header.splitlines())
    return next((oid for oid, _, name in lines if name == ref), "")

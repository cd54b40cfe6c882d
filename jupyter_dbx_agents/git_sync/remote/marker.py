"""A project's folder in the workspace, and the marker beside it that survives the local disk.

See docs/decisions/0008-marker-beside-the-tree.md.  The list of the files is ``Marker.tree``, whose
git objects are kept in the same place by ``bundles``.
"""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

from ...errors import DestinationError, WorkspaceError
from ..local.objects import in_memory
from ..local.projects import RECORDS_FOLDER
from .workspace_files import RemoteObject, WorkspaceFiles, is_full

SCHEMA = 2
_LEGACY_SCHEMA = 1  # of version 0.1.0
FILE_NAME = "sync.json"
# For files of others that were replaced.
KEPT_FOLDER = "edited"
ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"
# Beyond this the marker is compressed; the workspace exports 10 MB.
_PLAIN_BYTES = 512 * 1024


@dataclass(frozen=True)
class LegacyArchive:
    """The git objects that version 0.1.0 kept, and the refs to restore from them; only read.

    ``kind`` is ``history`` (bundles of all branches and tags) or ``trees`` (packs of the synced
    trees alone).  ``parts`` has the number of files of each.
    """

    kind: str = ""
    generation: str = ""
    parts: tuple[int, ...] = ()
    head: str = ""
    head_commit: str = ""
    refs: dict[str, str] = field(default_factory=dict)
    shallow: tuple[str, ...] = ()
    remotes: dict[str, str] = field(default_factory=dict)
    is_bare: bool = False

    def names(self, number: int) -> list[str]:
        """Return the file names of one bundle or pack, the parts in order."""
        ending = "bundle" if self.kind == "history" else "trees"
        stem = f"{self.generation}-{number:04d}.{ending}"
        count = self.parts[number]
        return [stem] if count == 1 else [f"{stem}.{part:04d}" for part in range(count)]


@dataclass(frozen=True)
class Pending:
    """A pass that has begun: its target, and each path with the blobs that may be there by now.

    ``done`` are finished paths with their blobs, '' for deleted ones.  It is written from time to
    time, so that an interrupted first sync does not have to check each file again.
    """

    commit: str
    tree: str
    paths: dict[str, list[str]] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)

    def with_done(self, done: dict[str, str]) -> Pending:
        """Return a copy with more finished paths."""
        paths = {path: oids for path, oids in self.paths.items() if path not in done}
        return replace(self, paths=paths, done={**self.done, **done})


@dataclass(frozen=True)
class Marker:
    """The project's files in the workspace; ``commit`` is the last one that is complete there.

    ``audited_ms`` is when all files were known to be ours, by the workspace's clock.  ``skipped``
    are paths of the commit that are left out, ``notes`` are paths with restrictions; both with the
    reason.  ``unfinished`` has the blobs that may be where a file could not be replaced or deleted.
    ``worktree`` is the path of a linked worktree, whose history is that of the project ``history``.
    ``bundle`` was the newest when ``commit`` was HEAD.  ``preserved`` are files of former histories
    that must stay.  ``gone_at`` is when its folder was deleted here.
    """

    project: str
    repository: str
    origin: str
    commit: str = ""
    tree: str = ""
    synced_at: str = ""
    audited_ms: int = 0
    pending: Pending | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, list[str]] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    object_format: str = "sha1"
    # A first sync that may replace whatever is there, until it is complete.
    takes_over: bool = False
    worktree: str = ""
    history: str = ""
    bundle: str = ""
    preserved: tuple[str, ...] = ()
    gone_at: str = ""
    legacy: LegacyArchive | None = field(default=None, compare=False)

    @property
    def is_unborn(self) -> bool:
        """Whether it is of a repository that had no commit yet."""
        return not (self.tree or self.pending or self.takes_over or self.legacy)

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        text = json.dumps({"schema": SCHEMA, **asdict(self)}, separators=(",", ":"))
        data = text.encode()
        return data if len(data) < _PLAIN_BYTES else gzip.compress(data, 6)

    @classmethod
    def from_bytes(cls, data: bytes, project: str) -> Self:
        """Return the marker in a file; raises DestinationError for any other content."""
        try:
            plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            model: dict[str, Any] = json.loads(plain)
            schema = model.pop("schema")
            if schema not in (_LEGACY_SCHEMA, SCHEMA):
                raise DestinationError(
                    f"The sync record of {project} has another version.", "Update the app."
                )
            if schema == _LEGACY_SCHEMA:
                model["legacy"] = {**model, **model["archive"]}
            known = {each.name for each in fields(cls)}
            return cls(**_structures({key: v for key, v in model.items() if key in known}))
        except (ValueError, TypeError, KeyError, EOFError, OSError) as error:
            raise DestinationError(
                f"The sync record of {project} is damaged ({type(error).__name__}).",
                take_over_hint(project),
            ) from error


def _structures(model: dict[str, Any]) -> dict[str, Any]:
    for name in ("roots", "preserved"):
        model[name] = tuple(model.get(name, ()))
    if model["pending"] is not None:
        model["pending"] = Pending(**model["pending"])
    if legacy := model.get("legacy"):
        known = {each.name for each in fields(LegacyArchive)}
        legacy = {key: value for key, value in legacy.items() if key in known}
        parts, shallow = tuple(legacy.pop("parts")), tuple(legacy.pop("shallow"))
        model["legacy"] = LegacyArchive(parts=parts, shallow=shallow, **legacy)
    return model


def take_over_hint(project: str) -> str:
    """Return a hint with the command that replaces whatever is in a project's folder."""
    name = shlex.quote(project)
    return f"Replace what is there with: jupyter dbx-agents sync --take-over -- {name}"


def folder_name(project: str) -> str:
    """Return a project's name as the name of one folder: “/” is %2F."""
    needs_quoting = "/" in project or "%" in project
    return quote(project, safe=" !$&'()+,;=@~[]{}#^`") if needs_quoting else project


class Destination:
    """A project's folder below ``root`` (…/projects), and the folder of our records beside it."""

    def __init__(self, files: WorkspaceFiles, root: str, project: str) -> None:
        self.files, self.root, self.project = files, root, project
        self.folder = f"{root}/{project}"
        self.records = f"{root}/{RECORDS_FOLDER}/{folder_name(project)}"
        # The records' folder was missing when a file was written.
        self.records_were_missing = False

    async def load(self) -> Marker | None:
        """Return the marker, None if there is none."""
        data = await self.files.read(f"{self.records}/{FILE_NAME}")
        return Marker.from_bytes(data, self.project) if data is not None else None

    async def write(self, marker: Marker) -> None:
        """Write the marker."""
        await self.record(FILE_NAME, marker.to_bytes())

    async def record(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        """Write a file beside the tree; makes the folder if it is missing."""
        path = f"{self.records}/{name}"
        try:
            await self.files.put(path, in_memory(data), overwrite=overwrite)
        except WorkspaceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self.records_were_missing |= "/" not in name
            await self.files.make_folder(path.rpartition("/")[0])
            await self.files.put(path, in_memory(data), overwrite=overwrite)

    def path(self, path: str) -> str:
        """Return the path in the workspace of one in the project."""
        return f"{self.folder}/{path}".rstrip("/")

    async def read(self, path: str) -> bytes | None:
        """Return a file of the project; None if there is none, or it is too large to be read."""
        try:
            return await self.files.read(self.path(path))
        except WorkspaceError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            return None

    async def keep(self, path: str) -> str:
        """Copy a file before it is overwritten; return a note, '' if that is not possible."""
        data = await self.read(path)
        if data is None:
            return ""
        name = f"{KEPT_FOLDER}/{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%f}/{path}"
        try:
            await self.record(name, data)
        except WorkspaceError as error:  # such as a path that is too long
            if error.status != HTTPStatus.BAD_REQUEST or is_full(error):
                raise
            return ""
        return f"It was edited in the workspace; that version is kept in {self.records}/{name}."

    async def walk(self, own: Iterable[str] = ()) -> AsyncIterator[tuple[str, RemoteObject]]:
        """Yield all files below the project's folder, without those of our ``own`` projects."""
        folders = [""]
        while folders:
            folder = folders.pop()
            for child in await self.files.children(self.path(folder)) or []:
                path = f"{folder}/{child.name}".lstrip("/")
                if child.kind != "DIRECTORY":
                    yield path, child
                elif f"{self.project}/{path}" not in own:
                    folders.append(path)


def is_taken(error: WorkspaceError) -> bool:
    """Whether an exclusive creation failed because the name is in use."""
    return error.status == HTTPStatus.CONFLICT or error.error_code == ALREADY_EXISTS

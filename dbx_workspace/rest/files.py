"""The workspace's file tree: directories, files and notebooks below ``/Users/{user}``.

Names are case-sensitive; the prefix ``/Workspace`` of a path is optional. Users read and write only
below their own home.
"""

from __future__ import annotations

import io
import itertools
import json
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..clock import Clock, to_milliseconds
from ..platform_errors import (
    PlatformError,
    already_exists,
    invalid_parameter,
    not_found,
    permission_denied,
)

ObjectKind = Literal["DIRECTORY", "FILE", "NOTEBOOK", "DASHBOARD", "QUERY", "ALERT"]

_LANGUAGE_OF_EXTENSION = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R"}
_HEADERS = {
    "PYTHON": b"# Databricks notebook source",
    "SQL": b"-- Databricks notebook source",
    "SCALA": b"// Databricks notebook source",
    "R": b"# Databricks notebook source",
}
# The extensions of the platform's own objects.  That an import in any format makes such an object
# is our guess, the worst case for programs that expect a file.
_KIND_OF_EXTENSION: dict[str, ObjectKind] = {
    ".lvdash.json": "DASHBOARD",
    ".dbquery.ipynb": "QUERY",
    ".dbalert.ipynb": "ALERT",
    ".dbalert.json": "ALERT",
}
# The documented limit of base64 imports and of notebooks.
MAX_NOTEBOOK_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class ImportedObject:
    """The object that an import creates at ``path``."""

    path: str
    kind: ObjectKind
    content: bytes
    language: str | None = None


def interpret_import(
    path: str, content: bytes, import_format: str, language: str | None
) -> ImportedObject:
    """Return the object that an import format creates; raise ``PlatformError`` if it cannot."""
    if import_format in ("RAW", "AUTO"):
        for extension, kind in _KIND_OF_EXTENSION.items():
            if path.lower().endswith(extension):
                return ImportedObject(path, kind, content)
    if import_format == "RAW":
        return ImportedObject(path, "FILE", content)
    if import_format == "AUTO":
        return _interpret_auto(path, content)
    if import_format == "SOURCE":
        return _interpret_source(path, content, language)
    if import_format == "JUPYTER":
        return _notebook(path, content, _jupyter_language(content, path))
    raise invalid_parameter(f"Unsupported import format: {import_format}")


def _interpret_auto(path: str, content: bytes) -> ImportedObject:
    stem, extension = posixpath.splitext(path)
    if extension == ".ipynb" and not path.endswith(".designer.ipynb"):
        return _notebook(stem, content, _jupyter_language(content, path))
    language = _LANGUAGE_OF_EXTENSION.get(extension.lower())
    if language is not None and content.startswith(_HEADERS[language]):
        return _notebook(stem, content, language)
    return ImportedObject(path, "FILE", content)


def _interpret_source(path: str, content: bytes, language: str | None) -> ImportedObject:
    if language is None:
        raise invalid_parameter("The language of the object must be set for the format SOURCE.")
    if language not in _HEADERS:
        raise invalid_parameter(f"Unsupported language: {language}")
    return _notebook(path, content, language)


def _notebook(path: str, content: bytes, language: str) -> ImportedObject:
    if len(content) > MAX_NOTEBOOK_BYTES:
        raise too_large(len(content), MAX_NOTEBOOK_BYTES)
    return ImportedObject(path, "NOTEBOOK", content, language)


def _jupyter_language(content: bytes, path: str) -> str:
    """Return the language of an .ipynb document; raise ``PlatformError`` for a broken one."""
    try:
        document = json.loads(content)
        cells = document["cells"]
        metadata = document.get("metadata", {})
    except (ValueError, TypeError, KeyError, AttributeError):
        raise invalid_parameter(
            f"The notebook {path} could not be parsed as a Jupyter document."
        ) from None
    if not isinstance(cells, list):
        raise invalid_parameter(f"The notebook {path} has no list of cells.")
    name = str(metadata.get("language_info", {}).get("name", "python")).upper()
    return name if name in _HEADERS else "PYTHON"


def unzip(content: bytes) -> list[tuple[str, bytes]] | None:
    """Return path and content of a zip archive's files, or None if it is not an archive."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(i.filename, archive.read(i)) for i in archive.infolist() if not i.is_dir()]


def too_large(size_bytes: int, limit_bytes: int) -> PlatformError:
    """Return the platform's error for content over a limit."""
    return PlatformError(
        400,
        "MAX_NOTEBOOK_SIZE_EXCEEDED",
        f"File size imported is ({size_bytes} bytes), exceeded max size ({limit_bytes} bytes)",
    )


_FIRST_CONTROL_FREE = 0x20
MAX_FILE_BYTES = 500 * 1024 * 1024


@dataclass
class Node:
    """One object of the tree."""

    path: str
    kind: ObjectKind
    object_id: int
    created_at: datetime
    modified_at: datetime
    content: bytes = b""
    language: str | None = None

    def info(self) -> dict[str, object]:
        """Return the workspace API's ``ObjectInfo``."""
        info: dict[str, object] = {
            "object_type": self.kind,
            "path": self.path,
            "object_id": self.object_id,
            "resource_id": str(self.object_id),
            "created_at": to_milliseconds(self.created_at),
            "modified_at": to_milliseconds(self.modified_at),
        }
        if self.kind == "FILE":
            info["size"] = len(self.content)
        if self.language is not None:
            info["language"] = self.language
        return info


def normalize(path: str) -> str:
    """Return the canonical form of a path; raise ``PlatformError`` for an invalid one."""
    if not path.startswith("/"):
        raise invalid_parameter(f"Path ({path}) must be absolute: it must start with '/'.")
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["Workspace"]:
        parts = parts[1:]
    if any(part in (".", "..") for part in parts):
        raise invalid_parameter(f"Path ({path}) must not have '.' or '..' in it.")
    if any(ord(character) < _FIRST_CONTROL_FREE for character in path):
        raise invalid_parameter("Path has control characters in it.")
    if ".git" in parts:
        raise invalid_parameter(f"Path ({path}) must not have a .git directory in it.")
    return "/" + "/".join(parts)


class WorkspaceTree:
    """All objects by path, with the API's operations; ``owner`` is the caller's name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = itertools.count(1001)
        self._nodes: dict[str, Node] = {}
        self.max_file_bytes = MAX_FILE_BYTES
        for path in ("/", "/Users", "/Shared"):
            self._add_directory(path)

    def add_home(self, user_name: str) -> None:
        """Create a user's home directory."""
        self._add_directory(f"/Users/{user_name}")

    def mkdirs(self, owner: str, path: str) -> None:
        """Create a directory and its parents, if they do not exist."""
        target = self._writable(owner, path)
        parents = [
            "/" + "/".join(target.split("/")[1 : i + 1]) for i in range(1, target.count("/") + 1)
        ]
        for parent in parents:
            node = self._nodes.get(parent)
            if node is not None and node.kind != "DIRECTORY":
                raise PlatformError(
                    400,
                    "RESOURCE_ALREADY_EXISTS",
                    f"Cannot complete the operation: a file exists at ({parent}).",
                )
        for parent in parents:
            self._add_directory(parent)

    def put(self, owner: str, imported: ImportedObject, *, overwrite: bool) -> Node:
        """Create or replace a file or notebook in an existing directory."""
        target = self._writable(owner, imported.path)
        if len(imported.content) > self.max_file_bytes:
            raise too_large(len(imported.content), self.max_file_bytes)
        parent = self._nodes.get(posixpath.dirname(target))
        if parent is None or parent.kind != "DIRECTORY":
            raise not_found(
                f"The parent folder ({posixpath.dirname(imported.path)}) does not exist."
            )
        existing = self._nodes.get(target)
        if existing is not None:
            _require_replaceable(existing, imported, overwrite)
        now = self._clock()
        node = Node(
            path=target,
            kind=imported.kind,
            object_id=existing.object_id if existing else next(self._ids),
            created_at=existing.created_at if existing else now,
            modified_at=now,
            content=imported.content,
            language=imported.language,
        )
        self._nodes[target] = node
        return node

    def put_archive(
        self, owner: str, path: str, files: list[tuple[str, bytes]], *, overwrite: bool
    ) -> None:
        """Create an archive's files and directories below ``path``."""
        self.mkdirs(owner, path)
        for name, content in files:
            target = f"{path}/{name}"
            self.mkdirs(owner, posixpath.dirname(target))
            self.put(owner, interpret_import(target, content, "AUTO", None), overwrite=overwrite)

    def get(self, owner: str, path: str) -> Node:
        """Return the object at a path; raise ``PlatformError`` if the user may not read it."""
        target = normalize(path)
        if target not in ("/", "/Users", "/Shared"):
            _require_own(owner, target, path)
        node = self._nodes.get(target)
        if node is None:
            raise not_found(f"Path ({path}) doesn't exist.")
        return node

    def children(self, owner: str, path: str) -> list[Node]:
        """Return a directory's objects, sorted by path, or an object that is not a directory."""
        node = self.get(owner, path)
        if node.kind != "DIRECTORY":
            return [node]
        return sorted(self._below(node.path, one_level=True), key=lambda child: child.path)

    def delete(self, owner: str, path: str, *, recursive: bool) -> None:
        """Delete an object; a directory must be empty unless ``recursive``."""
        target = self._writable(owner, path)
        node = self.get(owner, path)
        if node.path == f"/Users/{owner}":
            raise permission_denied(f"The home folder ({path}) cannot be deleted.")
        descendants = list(self._below(target))
        if descendants and not recursive:
            raise PlatformError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
        for descendant in [*descendants, node]:
            del self._nodes[descendant.path]

    def contents(self, owner: str, path: str) -> dict[str, bytes]:
        """Return the files below a directory by relative path, without notebooks."""
        directory = self.get(owner, path)
        if directory.kind != "DIRECTORY":
            raise invalid_parameter(f"Path ({path}) is not a directory.")
        start = len(directory.path) + 1
        below = self._below(directory.path)
        return {node.path[start:]: node.content for node in below if node.kind == "FILE"}

    def all(self) -> list[Node]:
        """Return every object, sorted by path."""
        return sorted(self._nodes.values(), key=lambda node: node.path)

    def _below(self, directory: str, *, one_level: bool = False) -> Iterator[Node]:
        prefix = directory.rstrip("/") + "/"
        for path, node in self._nodes.items():
            is_below = path.startswith(prefix) and path != directory
            if is_below and not (one_level and "/" in path[len(prefix) :]):
                yield node

    def _add_directory(self, path: str) -> None:
        if path not in self._nodes:
            now = self._clock()
            self._nodes[path] = Node(path, "DIRECTORY", next(self._ids), now, now)

    def _writable(self, owner: str, path: str) -> str:
        target = normalize(path)
        _require_own(owner, target, path)
        return target


def _require_own(owner: str, target: str, path: str) -> None:
    home = f"/Users/{owner}"
    if target != home and not target.startswith(home + "/"):
        raise permission_denied(f"User {owner} does not have access to ({path}).")


def _require_replaceable(existing: Node, imported: ImportedObject, overwrite: bool) -> None:
    if existing.kind != imported.kind and (overwrite or existing.kind == "DIRECTORY"):
        raise invalid_parameter(
            f"Requested node type [{imported.kind}] is different from"
            f" the existing node type [{existing.kind}]"
        )
    if not overwrite:
        raise already_exists(f"File already exists at ({imported.path}).")

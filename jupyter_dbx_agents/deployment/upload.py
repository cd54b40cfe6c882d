"""Upload: makes the source folder in the workspace equal to the local one, sending what differs.

A manifest beside the source folder has a hash of each file there.  It is rewritten before the first
change, without the files that are about to change, and after the last: the next run detects an
interrupted upload and resumes it.  A half-uploaded source is never deployed.  Files of others in
the folder are left alone and reported.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import posixpath
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DeploymentError
from .source import SourceFile

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

# Below the workspace's limit of imports per second, and enough to hide its latency.
PARALLEL_CALLS = 8
SCHEMA = 1
# The API takes 10 MB of base64 text.
MAX_JSON_IMPORT_BYTES = 7 * 1024 * 1024
# The workspace's codes for a path that is not a file.
_OTHER_KIND_CODES = ("INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS")
UNKNOWN_SIZE = -1
# How long an interrupted upload waits for calls that are under way.
LAST_CALLS_SECONDS = 3
Item = TypeVar("Item")


@dataclass
class Manifest:
    """What we uploaded: hashes by path, and the paths of an unfinished upload."""

    files: dict[str, str] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)

    def text(self) -> bytes:
        """Return it as stored; made from copies, as an interrupted upload may still add to it."""
        files, pending = dict(self.files), sorted(set(self.pending))
        content = {"schema": SCHEMA, "files": files, "pending": pending}
        return json.dumps(content, indent=1, sort_keys=True).encode()


@dataclass(frozen=True)
class Difference:
    """What has to be sent and deleted, and which files there are not ours."""

    send: tuple[SourceFile, ...]
    delete: tuple[str, ...]
    foreign: tuple[str, ...]


def parse_manifest(text: bytes) -> Manifest:
    """Return a stored manifest, or an empty one if it cannot be read."""
    try:
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            return Manifest()
        files = {str(path): str(digest) for path, digest in content["files"].items()}
        return Manifest(files, {str(path) for path in content["pending"]})
    except (ValueError, KeyError, TypeError, AttributeError):
        return Manifest()


def compare(
    files: Iterable[SourceFile], manifest: Manifest, there: dict[str, int | None]
) -> Difference:
    """Compare with a folder; ``there`` has each file's size, None for what is not a plain file.

    For a size that is ``UNKNOWN_SIZE``, the manifest alone decides.
    """
    wanted = {file.path: file for file in files}
    send = [
        file
        for path, file in wanted.items()
        if manifest.files.get(path) != file.sha256
        or there.get(path) not in (file.size_bytes, UNKNOWN_SIZE)
    ]
    ours = set(manifest.files) | manifest.pending
    left_over = set(there) - set(wanted)
    return Difference(
        send=tuple(send),
        delete=tuple(sorted(left_over & ours)),
        foreign=tuple(sorted(left_over - ours)),
    )


class SourceFolder:
    """One folder of the workspace; every method may raise the SDK's errors or a DeploymentError."""

    def __init__(self, client: WorkspaceClient, folder: str, manifest_path: str) -> None:
        self._client = client
        self._folder = folder
        self._manifest_path = manifest_path

    def update(self, files: list[SourceFile]) -> Difference:
        """Make the folder equal to ``files``; return what was done."""
        pool = ThreadPoolExecutor(PARALLEL_CALLS)
        try:
            manifest = self._read_manifest()
            difference = compare(files, manifest, self._listing(pool))
            if difference.send or difference.delete or manifest.pending:
                self._apply(pool, files, difference)
            return difference
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # all calls have ended, or they hang

    def _apply(
        self, pool: ThreadPoolExecutor, files: list[SourceFile], difference: Difference
    ) -> None:
        touched = {file.path for file in difference.send} | set(difference.delete)
        done = Manifest({f.path: f.sha256 for f in files if f.path not in touched}, touched)
        self._client.workspace.mkdirs(self._folder)
        self._write_manifest(done)
        try:
            self._each(pool, self._delete, difference.delete, "deleting")
            self._each(pool, self._make_folder, _leaf_folders(difference.send), "folders")
            self._each(pool, lambda file: self._send(file, done), difference.send, "sending")
        except BaseException:
            # What was sent need not be sent again.
            wait([pool.submit(self._write_manifest, done)], LAST_CALLS_SECONDS)
            raise
        done.pending.clear()
        self._write_manifest(done)

    def _each(
        self,
        pool: ThreadPoolExecutor,
        act: Callable[[Item], None],
        items: Iterable[Item],
        what: str,
    ) -> None:
        waiting = [pool.submit(act, item) for item in items]
        with _progress_bar(len(waiting), what) as bar:
            try:
                for future in waiting:
                    future.result()
                    bar.update()
            finally:
                for future in waiting:
                    future.cancel()
                # What is sent now has to be in the manifest; the rest is sent again.
                wait(waiting, LAST_CALLS_SECONDS)

    def _send(self, file: SourceFile, done: Manifest) -> None:
        from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415 a second of imports

        content = _unchanged(file)
        try:
            self._import(file.path, content)
        except DatabricksError as error:
            if error.error_code not in _OTHER_KIND_CODES:
                raise
            # Something else is there: a notebook, or a folder that is empty by now.
            self._delete(file.path)
            self._import(file.path, content)
        done.files[file.path] = file.sha256
        done.pending.discard(file.path)

    def _import(self, path: str, content: bytes) -> None:
        _import_raw(self._client, self._path(path), content)

    def _delete(self, path: str) -> None:
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 as above

        with contextlib.suppress(NotFound):
            self._client.workspace.delete(self._path(path))

    def _make_folder(self, folder: str) -> None:
        self._client.workspace.mkdirs(self._path(folder))

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}"

    def _read_manifest(self) -> Manifest:
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 as above

        try:
            with self._client.workspace.download(self._manifest_path) as stream:
                return parse_manifest(stream.read())
        except NotFound:
            return Manifest()

    def _write_manifest(self, manifest: Manifest) -> None:
        _import_raw(self._client, self._manifest_path, manifest.text())

    def _listing(self, pool: ThreadPoolExecutor) -> dict[str, int | None]:
        """Return the size of every file below the folder, level by level."""
        from databricks.sdk.service.workspace import ObjectType  # noqa: PLC0415 as above

        found: dict[str, int | None] = {}
        level = [self._folder]
        start = ""
        while level:
            children = [child for some in pool.map(self._children, level) for child in some]
            level = [child.path for child in children if child.object_type is ObjectType.DIRECTORY]
            for child in children:
                # The API returns paths with or without /Workspace: cut at our folder's name.
                start = start or child.path[: len(child.path) - len(_name(child.path))]
                if child.object_type is not ObjectType.DIRECTORY:
                    found[child.path.removeprefix(start)] = _size(child, ObjectType.FILE)
        return found

    def _children(self, folder: str) -> list[Any]:
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 as above

        try:
            return list(self._client.workspace.list(folder))
        except NotFound:
            return []


def _import_raw(client: WorkspaceClient, path: str, content: bytes) -> None:
    """Write one file.  RAW, since other formats turn some files into notebooks and rename them.

    ``upload`` of the SDK (0.162) never retries, since it cannot rewind its form: it is used only
    for files that are too large for the other call.
    """
    from databricks.sdk.service.workspace import ImportFormat  # noqa: PLC0415 a second of imports

    if len(content) > MAX_JSON_IMPORT_BYTES:
        client.workspace.upload(path, content, format=ImportFormat.RAW, overwrite=True)
        return
    encoded = base64.b64encode(content).decode()
    client.workspace.import_(path, content=encoded, format=ImportFormat.RAW, overwrite=True)


def _unchanged(file: SourceFile) -> bytes:
    """Return a file's content.  Raises DeploymentError if it has changed since it was read."""
    try:
        content = file.on_disk.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DeploymentError(f"The file {file.path} changed during the upload.", "Deploy again.")
    return content


def _size(child: Any, plain_file: Any) -> int | None:
    if child.object_type is not plain_file:
        return None
    # The API omits a size of zero, and documents that it may omit others.
    return UNKNOWN_SIZE if child.size is None else int(child.size)


def _name(path: str) -> str:
    return posixpath.basename(path)


def _leaf_folders(files: Iterable[SourceFile]) -> list[str]:
    """Return the folders to create; creating one creates those above it."""
    folders = {posixpath.dirname(file.path) for file in files} - {""}
    return sorted(f for f in folders if not any(o.startswith(f + "/") for o in folders))


def _progress_bar(total: int, what: str) -> Any:
    """Return a bar on standard error to ``update()`` ``total`` times; silent off a terminal."""
    from tqdm import tqdm  # noqa: PLC0415 only this command draws one

    return tqdm(total=total, desc=what, unit="file", file=sys.stderr, disable=None, leave=False)

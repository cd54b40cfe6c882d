"""The workspace files API over HTTP."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from .. import platform_errors as errors
from ..platform_errors import PlatformError
from ..web import WorkspaceHandler
from . import files as formats


class FileHandler(WorkspaceHandler):
    """What the calls share: the scope, and the user as the owner of paths."""

    required_scope = "workspace"

    @property
    def owner(self) -> str:
        """The calling user's name."""
        return self.token.principal

    def query_path(self) -> str:
        """The `path` of the query."""
        return _required(self.get_query_argument("path", ""), "path")


class MkdirsHandler(FileHandler):
    """`POST /api/2.0/workspace/mkdirs`."""

    def post(self) -> None:
        """Makes the directory and its parents."""
        self.workspace.files.mkdirs(self.owner, _required(self.json_body().get("path"), "path"))
        self.write_json({})


class ListHandler(FileHandler):
    """`GET /api/2.0/workspace/list`."""

    def get(self) -> None:
        """Lists one level; an empty directory is an empty object."""
        children = self.workspace.files.children(self.owner, self.query_path())
        self.write_json({"objects": [child.info() for child in children]} if children else {})


class GetStatusHandler(FileHandler):
    """`GET /api/2.0/workspace/get-status`."""

    def get(self) -> None:
        """Answers with the object's info."""
        self.write_json(self.workspace.files.get(self.owner, self.query_path()).info())


class DeleteHandler(FileHandler):
    """`POST /api/2.0/workspace/delete`."""

    def post(self) -> None:
        """Deletes at once."""
        body = self.json_body()
        path = _required(body.get("path"), "path")
        self.workspace.files.delete(self.owner, path, recursive=_is_true(body.get("recursive")))
        self.write_json({})


class ExportHandler(FileHandler):
    """`GET /api/2.0/workspace/export`, as JSON or directly."""

    def get(self) -> None:
        """Answers with the content, of at most 10 MB."""
        node = self.workspace.files.get(self.owner, self.query_path())
        if node.kind == "DIRECTORY":
            raise errors.invalid_parameter(f"({node.path}) is a directory; only DBC exports those.")
        if len(node.content) > formats.MAX_NOTEBOOK_BYTES:
            raise formats.too_large(len(node.content), formats.MAX_NOTEBOOK_BYTES)
        if _is_true(self.get_query_argument("direct_download", "false")):
            self.set_header("Content-Type", "application/octet-stream")
            self.write(node.content)
        else:
            content = base64.b64encode(node.content).decode()
            self.write_json({"content": content, "file_type": node.path.rpartition(".")[2]})


class ImportHandler(FileHandler):
    """`POST /api/2.0/workspace/import`: JSON with base64, or multipart."""

    def post(self) -> None:
        """Creates or replaces one object."""
        fields, content = self._multipart() if self.request.files else self._json()
        path = _required(fields.get("path"), "path")
        import_format = str(fields.get("format") or "SOURCE")
        imported = formats.interpret_import(path, content, import_format, fields.get("language"))
        node = self.workspace.files.put(
            self.owner, imported, overwrite=_is_true(fields.get("overwrite"))
        )
        self.write_json({"object_id": node.object_id})

    def _multipart(self) -> tuple[dict[str, Any], bytes]:
        files = self.request.files.get("content")
        if not files:
            raise errors.invalid_parameter("Missing required field: content")
        names = ("path", "format", "language", "overwrite")
        fields = {name: self._field(name) for name in names}
        return fields, files[0]["body"]

    def _field(self, name: str) -> str | None:
        # Not get_body_argument, which strips spaces and control characters: they belong to a path.
        values = self.request.body_arguments.get(name)
        return values[-1].decode("utf-8", "replace") if values else None

    def _json(self) -> tuple[dict[str, Any], bytes]:
        body = self.json_body()
        try:
            content = base64.b64decode(str(body.get("content", "")), validate=True)
        except (binascii.Error, ValueError):
            raise errors.invalid_parameter("The content is not valid base64.") from None
        if len(content) > formats.MAX_NOTEBOOK_BYTES:
            raise PlatformError(
                400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "content exceeds the limit of 10485760 bytes."
            )
        return body, content


class ImportFileHandler(FileHandler):
    """`POST /api/2.0/workspace-files/import-file/{path}`: the raw body, read as with format AUTO.

    A zip archive is unpacked into a directory named like it without `.zip`; that name is our guess.
    """

    def post(self, path: str) -> None:
        """Creates or replaces one object, or unpacks an archive."""
        path = "/" + path.lstrip("/")
        content = self.request.body
        overwrite = _is_true(self.get_query_argument("overwrite", "false"))
        files = formats.unzip(content) if path.endswith(".zip") else None
        if files is not None:
            self.workspace.files.put_archive(
                self.owner, path.removesuffix(".zip"), files, overwrite=overwrite
            )
        else:
            imported = formats.interpret_import(path, content, "AUTO", None)
            self.workspace.files.put(self.owner, imported, overwrite=overwrite)
        self.write_json({})


def _required(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise errors.invalid_parameter(f"Missing required field: {name}")
    return value


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"

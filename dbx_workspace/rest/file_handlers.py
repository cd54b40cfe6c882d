"""The operations of the workspace files API."""

from __future__ import annotations

import base64
import binascii

from .. import platform_errors as errors
from ..platform_errors import PlatformError
from ..state import Workspace
from ..web import ApiHandler, Json, Operations, Route, routes
from .files import MAX_NOTEBOOK_BYTES, interpret_import, too_large, unzip


def _mkdirs(call: ApiHandler) -> Json:
    """Create a directory and its parents."""
    path = _required(call.json_body().get("path"), "path")
    call.workspace.files.mkdirs(call.token.principal, path)
    return {}


def _list(call: ApiHandler) -> Json:
    """Return the objects of a directory; an empty directory is an empty JSON object."""
    children = call.workspace.files.children(call.token.principal, _query_path(call))
    return {"objects": [child.info() for child in children]} if children else {}


def _get_status(call: ApiHandler) -> Json:
    """Return an object's info."""
    return call.workspace.files.get(call.token.principal, _query_path(call)).info()


def _delete(call: ApiHandler) -> Json:
    """Delete an object, or a whole directory if ``recursive``."""
    body = call.json_body()
    path = _required(body.get("path"), "path")
    is_recursive = _is_true(body.get("recursive"))
    call.workspace.files.delete(call.token.principal, path, recursive=is_recursive)
    return {}


def _export(call: ApiHandler) -> Json | None:
    """Return content of at most 10 MB, in JSON or as the raw body."""
    node = call.workspace.files.get(call.token.principal, _query_path(call))
    if node.kind == "DIRECTORY":
        raise errors.invalid_parameter(f"({node.path}) is a directory; only DBC exports those.")
    if len(node.content) > MAX_NOTEBOOK_BYTES:
        raise too_large(len(node.content), MAX_NOTEBOOK_BYTES)
    if _is_true(call.get_query_argument("direct_download", "false")):
        call.set_header("Content-Type", "application/octet-stream")
        call.write(node.content)
        return None
    content = base64.b64encode(node.content).decode()
    return {"content": content, "file_type": node.path.rpartition(".")[2]}


def _import(call: ApiHandler) -> Json:
    """Create or replace one object, from JSON with base64 or from a multipart body."""
    fields, content = _read_multipart(call) if call.request.files else _read_json(call)
    path = _required(fields.get("path"), "path")
    import_format = str(fields.get("format") or "SOURCE")
    imported = interpret_import(path, content, import_format, fields.get("language"))
    node = call.workspace.files.put(
        call.token.principal, imported, overwrite=_is_true(fields.get("overwrite"))
    )
    return {"object_id": node.object_id}


def _import_file(call: ApiHandler, path: str) -> Json:
    """Create or replace one object from the raw body, in the format AUTO.

    A zip archive is unpacked into a directory of its name without ``.zip``, which is our guess.
    """
    path = "/" + path.lstrip("/")
    content, owner = call.request.body, call.token.principal
    overwrite = _is_true(call.get_query_argument("overwrite", "false"))
    files = unzip(content) if path.endswith(".zip") else None
    if files is not None:
        folder = path.removesuffix(".zip")
        call.workspace.files.put_archive(owner, folder, files, overwrite=overwrite)
    else:
        imported = interpret_import(path, content, "AUTO", None)
        call.workspace.files.put(owner, imported, overwrite=overwrite)
    return {}


def file_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the workspace files API."""
    operations: Operations = {
        r"/api/2\.0/workspace/mkdirs": {"POST": _mkdirs},
        r"/api/2\.0/workspace/list": {"GET": _list},
        r"/api/2\.0/workspace/get-status": {"GET": _get_status},
        r"/api/2\.0/workspace/import": {"POST": _import},
        r"/api/2\.0/workspace/export": {"GET": _export},
        r"/api/2\.0/workspace/delete": {"POST": _delete},
        r"/api/2\.0/workspace-files/import-file/(.+)": {"POST": _import_file},
    }
    return routes(workspace, operations, scope="workspace")


def _query_path(call: ApiHandler) -> str:
    return _required(_last(call.request.query_arguments, "path"), "path")


def _read_multipart(call: ApiHandler) -> tuple[Json, bytes]:
    files = call.request.files.get("content")
    if not files:
        raise errors.invalid_parameter("Missing required field: content")
    names = ("path", "format", "language", "overwrite")
    return {name: _last(call.request.body_arguments, name) for name in names}, files[0]["body"]


def _last(arguments: dict[str, list[bytes]], name: str) -> str | None:
    # Tornado's own methods would strip spaces and control characters, which are part of a path.
    values = arguments.get(name)
    return values[-1].decode("utf-8", "replace") if values else None


def _read_json(call: ApiHandler) -> tuple[Json, bytes]:
    body = call.json_body()
    try:
        content = base64.b64decode(str(body.get("content", "")), validate=True)
    except (binascii.Error, ValueError):
        raise errors.invalid_parameter("The content is not valid base64.") from None
    if len(content) > MAX_NOTEBOOK_BYTES:
        raise PlatformError(
            400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "content exceeds the limit of 10485760 bytes."
        )
    return body, content


def _required(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise errors.invalid_parameter(f"Missing required field: {name}")
    return value


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"

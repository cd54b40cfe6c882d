"""Copies a folder of the workspace, or of a volume in Unity Catalog, to this machine.

Sources: the Workspace API (``list``, ``export`` with ``direct_download``) and the Files API
(``/api/2.0/fs``) as published.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

from ...errors import InstallError
from ...secret import Secret
from ...workspace_api import WorkspaceApi

# A skill is some pages of text, and perhaps a script.
MOST_FILES, MOST_BYTES, MOST_DEPTH = 2000, 50_000_000, 6
WORKSPACE, VOLUMES = "/Workspace/", "/Volumes/"


@dataclass(frozen=True)
class _Entry:
    path: str
    is_folder: bool
    size_bytes: int


class RemoteFolder:
    """One folder, by its path: below ``/Workspace/`` or ``/Volumes/``."""

    def __init__(self, api: WorkspaceApi, token: Secret, path: str) -> None:
        self._api, self._token, self._root = api, token, path.rstrip("/")
        self._entries_seen, self._bytes = 0, 0

    async def copy(self, target: Path) -> None:
        """Copy everything into a folder.  Raises WorkspaceError, InstallError and OSError."""
        if not self._root.startswith((WORKSPACE, VOLUMES)) or ".." in self._root.split("/"):
            raise InstallError(
                f"Skills.folder is “{self._root}”, which is not a workspace folder.",
                "Set it to one such as /Workspace/Shared/skills or /Volumes/main/default/skills.",
            )
        await self._copy(self._root, target, 0)

    async def _copy(self, path: str, target: Path, depth: int) -> None:
        await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
        async for entry in self._children(path):
            name = PurePosixPath(entry.path).name
            self._count(0 if entry.is_folder else entry.size_bytes)
            if entry.is_folder and depth < MOST_DEPTH:
                await self._copy(entry.path, target / name, depth + 1)
            elif not entry.is_folder:
                content = await self._content(entry)
                await asyncio.to_thread((target / name).write_bytes, content)

    def _count(self, size_bytes: int) -> None:
        self._entries_seen += 1
        self._bytes += size_bytes
        if self._entries_seen > MOST_FILES or self._bytes > MOST_BYTES:
            raise self._too_large()

    def _too_large(self) -> InstallError:
        return InstallError(
            f"{self._root} has more than {MOST_FILES} files or {MOST_BYTES // 10**6} MB.",
            "Set Skills.folder to a folder that has skills only.",
        )

    async def _children(self, path: str) -> AsyncIterator[_Entry]:
        if not path.startswith(VOLUMES):
            body = await self._entries("/api/2.0/workspace/list", {"path": path}, "objects")
            for each in body["objects"]:
                kind = str(each.get("object_type"))
                if kind in {"DIRECTORY", "FILE"}:
                    yield _Entry(str(each["path"]), kind == "DIRECTORY", _size(each.get("size")))
            return
        page = ""
        while True:
            query = {"page_token": page} if page else {}
            body = await self._entries(f"/api/2.0/fs/directories{quote(path)}", query, "contents")
            for each in body["contents"]:
                size = _size(each.get("file_size"))
                yield _Entry(str(each["path"]), bool(each.get("is_directory")), size)
            page = str(body.get("next_page_token") or "")
            if not page:
                return
            self._count(0)  # or pages without an end would never end

    async def _entries(self, path: str, query: dict[str, str], key: str) -> dict[str, Any]:
        """Return a page of a list; ``key`` holds its entries, of which odd ones are left out."""
        body = await self._api.get_json(f"{path}?{urlencode(query)}", self._token)
        found = body.get(key)
        entries = found if isinstance(found, list) else []
        return {**body, key: [each for each in entries if _is_plain(each)]}

    async def _content(self, entry: _Entry) -> bytes:
        """Return a file, of which no more is read than there is room; its list may be wrong."""
        path, query = (
            "/api/2.0/workspace/export",
            {
                "path": entry.path,
                "format": "AUTO",
                "direct_download": "true",
            },
        )
        if entry.path.startswith(VOLUMES):
            path, query = f"/api/2.0/fs/files{quote(entry.path)}", {}
        room_bytes = MOST_BYTES - self._bytes + entry.size_bytes
        content = await self._api.read(path, self._token, room_bytes, query)
        if content is None:
            raise self._too_large()
        self._bytes += len(content) - entry.size_bytes
        return content


def _is_plain(entry: object) -> bool:
    """Whether an entry of a list has a name that stays in its folder."""
    name = PurePosixPath(str(entry.get("path", ""))).name if isinstance(entry, dict) else ""
    return name not in {"", ".."} and "\0" not in name


def _size(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0

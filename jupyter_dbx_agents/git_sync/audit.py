"""Compare every folder of a project in the workspace with what was synced.

It costs a call per folder, so it runs on demand, and when a pass found that a folder was missing.
"""

import asyncio
import hashlib
from datetime import datetime, timedelta

from .local.git import Git
from .local.objects import Entry, blob_id, list_tree, pointer_content
from .remote.marker import Destination, Marker
from .remote.workspace_files import MOST_EXPORT_BYTES, RemoteObject, WorkspaceFiles

# The clocks of this machine and of the workspace may differ.
_CLOCK_MARGIN = timedelta(minutes=10)


async def find_damage(
    git: Git, destination: Destination, marker: Marker
) -> tuple[list[str], list[str]]:
    """Return the files of the synced tree that are missing there, and those that were edited.

    A file of the same size is compared if it was written since the last time.
    """
    since_ms = -1.0
    if marker.audited_at:
        since = datetime.fromisoformat(marker.audited_at) - _CLOCK_MARGIN
        since_ms = since.timestamp() * 1000
    missing: list[str] = []
    edited: list[str] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        path = f"{destination.folder}/{folder}".rstrip("/")
        there = {c.name: c for c in await destination.files.children(path) or []}
        async for entry in list_tree(git, f"{marker.tree}:{folder}", "-l"):
            inner = f"{folder}/{entry.path}".lstrip("/")
            if entry.problem or entry.is_symlink:
                continue
            if entry.kind == "tree":
                folders.append(inner)
            elif entry.kind == "blob" and inner not in marker.skipped:
                found = there.get(entry.path)
                if found is None or found.kind != "FILE":
                    missing.append(inner)
                elif await _is_edited(git, destination.files, entry, found, since_ms):
                    edited.append(inner)
    return missing, edited


async def _is_edited(
    git: Git, files: WorkspaceFiles, entry: Entry, found: RemoteObject, since_ms: float
) -> bool:
    """Whether a file is neither the blob nor what its Git LFS pointer stands for."""
    pointer = ("", 0)
    if found.size_bytes != entry.size_bytes:
        pointer = pointer_content(await git.output("cat-file", "blob", entry.oid))
        if not pointer[0] or pointer[1] != found.size_bytes:
            return True
    if found.modified_ms < since_ms or found.size_bytes > MOST_EXPORT_BYTES:
        return False
    data = await files.read(found.path)
    if data is None:
        return False
    if pointer[0]:
        return hashlib.sha256(data).hexdigest() != pointer[0]
    object_format = "sha1" if len(entry.oid) == 40 else "sha256"  # noqa: PLR2004
    return await asyncio.to_thread(blob_id, data, object_format) != entry.oid

"""A look at every folder of a project in the workspace, for what somebody removed or changed there.

It costs a call for each folder, so it runs on demand and when a sync met a folder that was gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from .local.changes import readable
from .local.git import Git
from .remote.destination import Destination
from .remote.marker import Archive

# A Git LFS pointer is smaller, and what it stands for is not.
_POINTER_BYTES = 1024


@dataclass
class Damage:
    """Files of ours that are ``missing`` in the workspace, and those that somebody ``edited``."""

    missing: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


async def find_damage(git: Git, destination: Destination, tree: str, own: dict[str, str]) -> Damage:
    """Return the files of a synced tree that are missing there, or of another size.

    ``own`` are paths of the tree that are left out on purpose.
    """
    damage = Damage()
    folders = [""]
    while folders:
        folder = folders.pop()
        path = f"{destination.folder}/{folder}".rstrip("/")
        there = {c.name: c for c in await destination.files.children(path) or []}
        async for name, kind, size in _entries(git, tree, folder):
            inner = f"{folder}/{name}".lstrip("/")
            if kind == "tree":
                folders.append(inner)
            elif kind == "blob" and inner not in own:
                found = there.get(name)
                size_there = found.size_bytes if found and found.kind == "FILE" else -1
                if size_there < 0:
                    damage.missing.append(inner)
                elif size_there != size and not (size < _POINTER_BYTES < size_there):
                    damage.edited.append(inner)
    return damage


async def is_archive_whole(destination: Destination, archive: Archive) -> bool:
    """Whether every file of a project's archive is still in the workspace."""
    wanted = {name for number in range(len(archive.parts)) for name in archive.names(number)}
    there = await destination.files.children(destination.records) or []
    return wanted <= {each.name for each in there}


async def _entries(git: Git, tree: str, folder: str) -> AsyncIterator[tuple[str, str, int]]:
    """Yield name, kind and size of what is directly in a folder of a tree."""
    async for record in git.records("ls-tree", "-z", "-l", f"{tree}:{folder}"):
        meta, _, raw = record.partition(b"\t")
        mode, kind, _oid, size = meta.split()
        name, problem = readable(raw)
        if not problem and mode != b"120000":
            yield name, kind.decode(), int(size) if size.isdigit() else 0

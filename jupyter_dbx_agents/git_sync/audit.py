"""Compare every folder of a project in the workspace with what was synced.

It costs a call per folder, so it runs on demand, and when a pass found that a folder was missing.
"""

from .local.git import Git
from .local.objects import list_tree
from .remote.marker import Archive, Destination

# A Git LFS pointer is smaller, and its content is larger.
_POINTER_BYTES = 1024


async def find_damage(
    git: Git, destination: Destination, tree: str, left_out: dict[str, str]
) -> tuple[list[str], list[str]]:
    """Return the files of a synced tree that are missing there, and those with another size.

    ``left_out`` are paths of the tree that are not there on purpose.
    """
    missing: list[str] = []
    edited: list[str] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        path = f"{destination.folder}/{folder}".rstrip("/")
        there = {c.name: c for c in await destination.files.children(path) or []}
        async for entry in list_tree(git, f"{tree}:{folder}", "-l"):
            inner = f"{folder}/{entry.path}".lstrip("/")
            if entry.problem or entry.is_symlink:
                continue
            if entry.kind == "tree":
                folders.append(inner)
            elif entry.kind == "blob" and inner not in left_out:
                found = there.get(entry.path)
                size_there = found.size_bytes if found and found.kind == "FILE" else -1
                is_pointer = entry.size_bytes < _POINTER_BYTES < size_there
                if size_there < 0:
                    missing.append(inner)
                elif size_there != entry.size_bytes and not is_pointer:
                    edited.append(inner)
    return missing, edited


async def is_archive_whole(destination: Destination, archive: Archive) -> bool:
    """Whether every file of a project's archive is still in the workspace."""
    wanted = {name for number in range(len(archive.parts)) for name in archive.names(number)}
    there = await destination.files.children(destination.records) or []
    return wanted <= {each.name for each in there}

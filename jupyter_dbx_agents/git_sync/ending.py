"""What becomes of a project's copy when the project ends here: gone, renamed or forgotten.

The marker of a deleted project says so (``gone_at``): it can be restored by its name, and does not
come back with all others.  ``remove`` deletes what git sync wrote, for a project that is forgotten,
and for the former name of one that was renamed.
"""

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from ..errors import DestinationError, GitSyncError, WorkspaceError
from .audit import find_damage
from .local.git import Git
from .local.objects import list_tree
from .remote.bundles import BundleStore
from .remote.marker import FILE_NAME, Destination, Marker


@dataclass(frozen=True)
class Forgotten:
    """A project that was forgotten; ``left`` is its folder in the workspace, '' if that is gone."""

    name: str
    left: str


async def mark_gone(destination: Destination, last: Marker) -> None:
    """Record that a project was deleted here, if the workspace's copy is still ours."""
    marker = await destination.load()
    if marker is not None and (marker.repository, marker.origin) == (last.repository, last.origin):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        await destination.write(replace(marker, gone_at=marker.gone_at or now))


async def forget(
    destination: Destination, environment: Mapping[str, str], *, files: bool
) -> Forgotten:
    """Delete a project's history and records, and on request the files that git sync wrote.

    Raises GitSyncError and WorkspaceError; it can be repeated then.
    """
    try:
        marker = await destination.load()
    except DestinationError:  # it is damaged: the files are not known
        marker = None
    if marker is None or not files:
        await remove(destination, marker, None)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            git = await _objects(Path(scratch), destination, marker, environment)
            await remove(destination, marker, git)
    left = await destination.files.children(destination.folder)
    return Forgotten(destination.project, destination.folder if left else "")


async def remove(destination: Destination, marker: Marker | None, git: Git | None) -> None:
    """Delete the records, and before them the unedited files of the tree that ``git`` has."""
    if marker is not None:
        await mark_gone(destination, marker)  # what is deleted half must not come back with all
        if git is not None and marker.tree:
            await _delete_files(destination, marker, git)
    await _delete_records(destination)


async def _objects(
    folder: Path, destination: Destination, marker: Marker, environment: Mapping[str, str]
) -> Git:
    """Return a repository with the tree that is in the workspace."""
    git = Git(folder, environment)
    await git.output("init", "--quiet", "--bare", f"--object-format={marker.object_format}")
    project = marker.history or destination.project
    store = BundleStore(Destination(destination.files, destination.root, project))
    chain = await store.chain()
    await store.fetch_all(chain, git, {})
    await store.fetch_older(chain, git, marker.tree)
    if marker.legacy is not None:
        await store.fetch_legacy(marker.legacy, git)
    if await git.missing(marker.tree):
        raise GitSyncError(
            f"Which files of {destination.project} were synced is not known any more.",
            f"Forget it without its files, and delete {destination.folder} by hand.",
        )
    return git


async def _delete_files(destination: Destination, marker: Marker, git: Git) -> None:
    """Delete the files of a tree, and the folders that are empty then; edited ones stay."""
    _missing, edited = await find_damage(git, destination, marker)
    stay, folders = {*edited, *marker.skipped}, {PurePosixPath(".")}
    async for entry in list_tree(git, marker.tree, "-r"):
        is_file = entry.kind == "blob" and not entry.is_symlink and not entry.problem
        if is_file and entry.path not in stay:
            await destination.files.delete(f"{destination.folder}/{entry.path}")
            folders.update(PurePosixPath(entry.path).parents)
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with contextlib.suppress(WorkspaceError):  # it is not empty
            await destination.files.delete(f"{destination.folder}/{folder}".removesuffix("/."))


async def _delete_records(destination: Destination) -> None:
    """Delete the folder of the records, the marker last."""
    files, folders, marker = destination.files, [destination.records], ""
    for folder in folders:  # it grows
        for child in await files.children(folder) or []:
            path = f"{folder}/{child.name}"
            if child.kind == "DIRECTORY":
                folders.append(path)
            elif path == f"{destination.records}/{FILE_NAME}":
                marker = path
            else:
                await files.delete(path)
    for path in [*reversed(folders[1:]), *([marker] if marker else []), destination.records]:
        await files.delete(path)

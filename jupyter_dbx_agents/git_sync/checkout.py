"""Check out a restored repository: a complete tree, whatever its filters do.

A filter that fails (Git LFS without its server, git-crypt without its key) ends git at the first
file.  Files that are missing then are written without their filters, as git has them.  The content
of Git LFS files comes from the project's folder in the workspace.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from ..errors import GitError, GitStoppedError, WorkspaceError
from .local.objects import lfs_path, pointer_content
from .local.projects import readable
from .local.repository import Repository
from .remote.workspace_files import WorkspaceFiles


@dataclass(frozen=True)
class LargeFiles:
    """Reads the content of Git LFS files from a project's folder in the workspace."""

    files: WorkspaceFiles
    folder: str

    async def fetch(self, path: str, sha256: str, store: Path) -> bool:
        """Write a file's content into the LFS store; return whether it was there."""
        try:
            data = await self.files.read(f"{self.folder}/{path}")
        except WorkspaceError as error:
            if error.status != HTTPStatus.BAD_REQUEST:  # otherwise it is too large for export
                raise
            return False
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            return False
        target = lfs_path(store, sha256)
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(target.write_bytes, data)
        return True


def tree_of(repository: Repository) -> tuple[str, str]:
    """Return the option of git that names the working tree."""
    return ("--work-tree", str(repository.location.folder))


async def check_out(repository: Repository, large_files: LargeFiles | None) -> list[str]:
    """Check out HEAD; return the files whose content is missing."""
    await repository.output("read-tree", "HEAD")
    filters = await _filters(repository)
    pointers = [
        path
        for path, name in filters.items()
        if name == "lfs" and not await _fetch_large(repository, path, large_files)
    ]
    raw_pointers = {os.fsencode(path) for path in pointers}
    listing = await repository.output("ls-files", "-z")
    paths = [raw for raw in listing.split(b"\0") if raw and raw not in raw_pointers]
    plain = [
        option
        for name in sorted(set(filters.values()))
        for key in ("required=false", "smudge=", "process=", "clean=")
        for option in ("-c", f"filter.{name}.{key}")
    ]
    try:
        await _write(repository, paths)
    except GitStoppedError:
        raise
    except GitError:
        pass  # it ended at a filter; the rest is written without
    deleted = await _deleted(repository, plain)  # git-lfs would ask its server for the pointers
    try:
        await _write(repository, deleted, plain)
    except GitStoppedError:
        raise
    except GitError:  # such as a symbolic link with an empty target
        return [*pointers, *(readable(raw)[0] for raw in await _deleted(repository, plain))]
    return pointers


async def _write(
    repository: Repository, paths: Iterable[bytes], options: Sequence[str] = ()
) -> None:
    stdin = b"".join(raw + b"\0" for raw in paths)
    command = ("checkout-index", "--force", "--quiet", "-u", "-z", "--stdin")
    await repository.output(*command, stdin=stdin, options=(*tree_of(repository), *options))


async def _deleted(repository: Repository, plain: Sequence[str]) -> list[bytes]:
    options = (*tree_of(repository), *plain)
    listing = await repository.output("ls-files", "-z", "--deleted", options=options)
    return [raw for raw in listing.split(b"\0") if raw]


async def _filters(repository: Repository) -> dict[str, str]:
    """Return the filter of each file that has one."""
    names = await repository.output("ls-files", "-z")
    command = ("check-attr", "--cached", "-z", "--stdin", "filter")
    listing = await repository.output(*command, stdin=names, options=tree_of(repository))
    words = listing.decode("utf-8", "surrogateescape").split("\0")
    found = zip(words[::3], words[2::3], strict=False)
    return {path: name for path, name in found if name not in ("unspecified", "unset", "set", "")}


async def _fetch_large(repository: Repository, path: str, large_files: LargeFiles | None) -> bool:
    """Bring the content of a Git LFS file into the store; True if it is there or needs none."""
    try:
        data = await repository.output("cat-file", "blob", f":{path}")
    except GitError:
        return True  # a submodule
    sha256, _size = pointer_content(data)
    if not sha256:
        return True
    store = repository.location.common_dir / "lfs" / "objects"
    if lfs_path(store, sha256).exists():
        return True
    return large_files is not None and await large_files.fetch(path, sha256, store)

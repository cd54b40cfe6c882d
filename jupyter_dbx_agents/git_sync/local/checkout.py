"""Check out a restored repository: a complete tree, whatever its filters do.

A filter that fails (Git LFS without its server, git-crypt without its key) ends git at the first
file.  Files that are missing then are written without their filters, as git has them.  The content
of Git LFS files comes from the project's folder in the workspace.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import GitError
from .objects import ancestors, is_safe, lfs_path, pointer_content
from .projects import readable
from .repository import Repository

# Returns the content of a file in the workspace, None if there is none.
Reader = Callable[[str], Awaitable[bytes | None]]

# Git reads a file again that is not older than the index.
_BEFORE = 1e9


def tree_of(repository: Repository) -> tuple[str, str]:
    """Return the option of git that names the working tree."""
    return ("--work-tree", str(repository.location.folder))


def make_room(folder: Path, path: str) -> Path:
    """Return the place of a file in a new working tree; blocking.

    What is in its way is removed.  A symbolic link is not followed: it may lead out of the folder.
    """
    target = folder / path
    for place in (*reversed([folder / each for each in ancestors(path)]), target):
        if place.is_symlink() or (place.is_file() and place != target):
            place.unlink()
    if target.is_dir():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


async def check_out(repository: Repository, read: Reader) -> list[str]:
    """Check out HEAD; return the files whose content is missing."""
    missing = await _fill_index(repository)
    filters = await _filters(repository)
    large = {
        path: content
        for path, name in filters.items()
        if name == "lfs" and (content := await _fetch_large(repository, path, read))
    }
    raw_large = {os.fsencode(path) for path in large}
    listing = await repository.output("ls-files", "-z")
    paths = [raw for raw in listing.split(b"\0") if raw and raw not in raw_large]
    plain = [
        option
        for name in sorted(set(filters.values()))
        for key in ("required=false", "smudge=", "process=", "clean=")
        for option in ("-c", f"filter.{name}.{key}")
    ]
    await _write(repository, paths)
    pointers = [path for path, content in large.items() if not content.exists()]
    await _place(repository, {p: content for p, content in large.items() if p not in pointers})
    await _write(repository, await _deleted(repository, plain), plain)
    left = {readable(raw)[0] for raw in await _deleted(repository, plain)}
    return sorted({*missing, *pointers, *left})


async def _place(repository: Repository, large: Mapping[str, Path]) -> None:
    """Write the content of Git LFS files, and let git know that it is what the index has."""
    for path, content in large.items():
        target = make_room(repository.location.folder, path)
        await asyncio.to_thread(shutil.copyfile, content, target)
        os.utime(target, (_BEFORE, _BEFORE))
    if not large:
        return
    # Git LFS may not be here.  A filter of a name of its own returns what the index has.
    attributes = repository.location.common_dir / "info" / "attributes"
    before = attributes.read_bytes() if attributes.exists() else b""
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_bytes(before + b"\n* filter=restored\n")
    options = (*tree_of(repository), "-c", "filter.restored.clean=git cat-file blob :%f")
    with contextlib.suppress(GitError):  # another file is not there yet
        await repository.output("update-index", "-q", "--refresh", options=options)
    attributes.write_bytes(before)


async def _fill_index(repository: Repository) -> list[str]:
    """Read HEAD's tree into the index without unsafe paths, which are returned."""
    listing = await repository.output("ls-tree", "-r", "-z", "--full-tree", "HEAD")
    entries = [entry for entry in listing.split(b"\0") if entry]
    paths = [entry.partition(b"\t")[2].decode("utf-8", "replace") for entry in entries]
    safe = [entry for entry, path in zip(entries, paths, strict=True) if is_safe(path)]
    if len(safe) == len(entries):
        await repository.output("read-tree", "HEAD")
    else:
        stdin = b"".join(entry + b"\0" for entry in safe)
        await repository.output("update-index", "-z", "--index-info", stdin=stdin)
    return [path for path in paths if not is_safe(path)]


async def _write(
    repository: Repository, paths: Iterable[bytes], options: Sequence[str] = ()
) -> None:
    """Write files as far as git can: it ends at the first filter that fails."""
    stdin = b"".join(raw + b"\0" for raw in paths)
    command = ("checkout-index", "--force", "--quiet", "-u", "-z", "--stdin")
    with contextlib.suppress(GitError):
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


async def _fetch_large(repository: Repository, path: str, read: Reader) -> Path | None:
    """Bring the content of a Git LFS file into its store; return its place there."""
    try:
        data = await repository.output("cat-file", "blob", f":{path}")
    except GitError:
        return None  # a submodule
    sha256, _size = pointer_content(data)
    if not sha256:
        return None
    target = lfs_path(repository.location.common_dir, sha256)
    content = await read(path) if not target.exists() else None
    if content is not None and hashlib.sha256(content).hexdigest() == sha256:
        target.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(target.write_bytes, content)
    return target

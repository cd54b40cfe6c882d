"""Check out a restored repository: a complete tree, whatever its filters do.

A filter that fails (Git LFS without its server, git-crypt without its key) ends git at the first
file.  Files that are missing then are written without their filters, as git has them.  The content
of Git LFS files comes from the project's folder in the workspace.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence

from ..errors import GitError, GitStoppedError
from .local.objects import lfs_path, pointer_content
from .local.projects import readable
from .local.repository import Repository

# Returns the content of a file in the workspace, None if there is none.
Reader = Callable[[str], Awaitable[bytes | None]]
# Characters that HFS+ ignores in names; git's path.c and utf8.c have the same rules.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_GIT_FOLDER = re.compile(r"(\.git|git~\d+)[. ]*(:.*)?", re.IGNORECASE)


def is_safe(path: str) -> bool:
    """Whether a path stays below the folder that it is joined to, and outside its ``.git``."""
    parts = [_IGNORED.sub("", part) for part in re.split(r"[/\\]", path)]
    return not any(part in ("", ".", "..") or _GIT_FOLDER.fullmatch(part) for part in parts)


def tree_of(repository: Repository) -> tuple[str, str]:
    """Return the option of git that names the working tree."""
    return ("--work-tree", str(repository.location.folder))


async def check_out(repository: Repository, read: Reader) -> list[str]:
    """Check out HEAD; return the files whose content is missing."""
    missing = await _fill_index(repository)
    filters = await _filters(repository)
    pointers = [
        path
        for path, name in filters.items()
        if name == "lfs" and not await _fetch_large(repository, path, read)
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
    await _write(repository, paths)
    # Git LFS would ask its server for the pointers that are left.
    await _write(repository, await _deleted(repository, plain), plain)
    left = {readable(raw)[0] for raw in await _deleted(repository, plain)}
    return sorted({*missing, *pointers, *left})


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
    try:
        await repository.output(*command, stdin=stdin, options=(*tree_of(repository), *options))
    except GitStoppedError:
        raise
    except GitError:
        pass


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


async def _fetch_large(repository: Repository, path: str, read: Reader) -> bool:
    """Bring the content of a Git LFS file into its store; True if it is there or not needed."""
    try:
        data = await repository.output("cat-file", "blob", f":{path}")
    except GitError:
        return True  # a submodule
    sha256, _size = pointer_content(data)
    target = lfs_path(repository.location.common_dir, sha256)
    if not sha256 or target.exists():
        return True
    content = await read(path)
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(target.write_bytes, content)
    return True

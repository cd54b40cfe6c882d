"""Make a commit of the work in progress, in the mirror and nowhere else.

Its tree has ``index`` and ``work`` (HEAD's tree with what is staged, and with what is in the work
tree), ``stages/N`` (the versions of conflicts), ``operation`` (files of a rebase or merge) and
``work.json``.  Contents are the bytes of the files, without filters: what was there comes back,
whatever Git LFS or ``autocrlf`` would make of it.  ``git fast-import`` writes all of it in one
process; a repository of the user's is read by ``git status`` and ``git cat-file`` alone.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ...errors import GitError
from ...secret import Secret
from ..local.git import GitProcess
from ..local.mirror import Mirror
from ..local.objects import is_safe
from ..local.projects import Location, readable
from ..local.repository import OWN_REFS, Repository
from . import never
from .survey import GITLINK, Entry, Survey, state_of

SCHEMA = 1
STATE_FILE = "work.json"
TAKING = "work-taking"
UNSAFE = "Its path cannot be restored safely."
GONE = "It changed or vanished while it was read; the next look takes it."
TOO_MUCH = "There is more work in progress than is kept."
MOST_BYTES = 512 * 1024 * 1024
_FILES_AT_A_TIME = 64
_OID = re.compile(rb"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
# A file that is younger may change again without another time of change.
_RACY_NS = 2_000_000_000


@dataclass(frozen=True)
class Taken:
    """A commit in the mirror, its tree, and what it lacks, by path with the reason."""

    commit: str
    tree: str
    left_out: dict[str, str]


@dataclass
class Taker:
    """Takes the work in progress of one work tree; it remembers which files it has read."""

    mirror: Mirror
    repository: Repository
    secrets: Callable[[], Iterable[Secret]] = tuple
    _known: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    _checked: dict[str, int] = field(default_factory=dict)
    _left_out: dict[str, str] = field(default_factory=dict)
    _bytes: int = 0

    async def take(self, survey: Survey) -> Taken:
        """Return a commit of what differs, which nothing refers to yet.

        Raises GitError or OSError; what changes meanwhile is left out, and named.
        """
        self._left_out, self._bytes = {}, 0
        for name in survey.too_large:
            self._leave_out(f".git/{name}", never.TOO_LARGE)
        known, self._known = self._known, {}
        entries = [entry for entry in survey.entries if self._is_kept(entry)]
        staged = await self._copy_staged(entries)
        parents, tree = await self._parents(survey)
        ref = f"{OWN_REFS}{TAKING}-{self.key}"
        try:
            async with self.mirror.running("fast-import", "--quiet", "--force") as importing:
                importing.stdin.write(b"".join(_beginning(ref, parents, tree)))
                importing.stdin.write(_staged(entries, staged))
                with contextlib.suppress(ConnectionError):  # it has ended, and says why below
                    changed = iter([entry for entry in entries if entry.is_changed])
                    while batch := [*islice(changed, _FILES_AT_A_TIME)]:
                        chunk = await asyncio.to_thread(self._read, batch, known)
                        importing.stdin.write(chunk)
                        await importing.stdin.drain()
                importing.stdin.write(self._ending(survey, entries))
                importing.stdin.close()
                await importing.succeed()
        except BaseException as error:
            # What was read is not in the mirror, which may have been made again.
            self._known, self._checked = {}, {}
            if isinstance(error, GitError):
                await self.mirror.set_own_refs({f"{TAKING}-{self.key}": ""})  # with its lock
            raise
        commit, tree = (await self.mirror.text("rev-parse", ref, f"{ref}^{{tree}}")).split()
        return Taken(commit, tree, dict(self._left_out))

    @property
    def key(self) -> str:
        """The name of this work tree in the mirror."""
        return _key(self.repository.location)

    def _is_kept(self, entry: Entry) -> bool:
        """Whether a path is kept at all; otherwise it is named with the reason."""
        if not is_safe(entry.path) or readable(os.fsencode(entry.path))[1]:
            return self._leave_out(entry.path, UNSAFE)
        if never.is_secret_name(entry.path):
            return self._leave_out(entry.path, never.SECRET_NAME)
        return True

    def _leave_out(self, path: str, reason: str) -> bool:
        self._left_out[readable(os.fsencode(path))[0]] = reason
        return False

    def _fits(self, path: str, size_bytes: int) -> bool:
        """Whether a content is kept by its size, and that of all before it."""
        if size_bytes > never.MOST_FILE_BYTES:
            return self._leave_out(path, never.TOO_LARGE)
        if self._bytes + size_bytes > MOST_BYTES:
            return self._leave_out(path, TOO_MUCH)
        self._bytes += size_bytes
        return True

    # ---- what is staged

    async def _copy_staged(self, entries: Iterable[Entry]) -> set[str]:
        """Copy the contents in the index to the mirror; return which of them it has now."""
        wanted = {
            oid: entry.path
            for entry in entries
            for _number, mode, oid in (*entry.stages, (0, entry.mode, entry.oid))
            if mode and mode != GITLINK
        }
        sizes = {**self._checked, **await self._sizes(wanted.keys() - self._checked.keys())}
        wanted = {oid: path for oid, path in wanted.items() if self._fits(path, sizes[oid])}
        if new := wanted.keys() - self._checked.keys():
            missing = await self.mirror.missing(*new)
            for oid in await self._copy(sorted(new), missing):
                self._leave_out(wanted.pop(oid), never.SECRET_CONTENT)
        self._checked = {oid: sizes[oid] for oid in wanted}
        return set(wanted)

    async def _sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """Return the sizes of blobs; more than is kept for one that is not there."""
        stdin = "".join(f"{oid}\n" for oid in oids).encode()
        if not stdin:
            return {}
        form = "--batch-check=%(objectname) %(objectsize)"
        listing = await self.repository.text("cat-file", form, stdin=stdin)
        found = (line.split() for line in listing.splitlines())
        none = never.MOST_FILE_BYTES + 1
        return {oid: none if size == "missing" else int(size) for oid, size in found}

    async def _copy(self, oids: list[str], missing: set[str]) -> set[str]:
        """Write what the mirror lacks of some blobs; return those with secrets instead."""
        refused, secrets = set[str](), tuple(self.secrets())
        async with (
            self.repository.running("cat-file", "--batch") as reading,
            self.mirror.running("fast-import", "--quiet") as importing,
        ):
            for oid in oids:
                data = await read_blob(reading, oid)
                if never.has_secret(data, secrets):
                    refused.add(oid)
                elif oid in missing:
                    importing.stdin.write(b"blob\n" + _data(data))
                    with contextlib.suppress(ConnectionError):  # it has ended, and says why below
                        await importing.stdin.drain()
            for git in (reading, importing):
                git.stdin.close()
                await git.succeed()
        return refused

    # ---- what is in the work tree

    def _read(self, batch: Iterable[Entry], known: dict[str, tuple[tuple[int, ...], str]]) -> bytes:
        """Return the commands for some files; blocking."""
        secrets = tuple(self.secrets())
        return b"".join(self._read_one(entry, known, secrets) for entry in batch)

    def _read_one(
        self,
        entry: Entry,
        known: dict[str, tuple[tuple[int, ...], str]],
        secrets: tuple[Secret, ...],
    ) -> bytes:
        path = self.repository.location.folder / entry.path
        name = _quoted(f"work/{entry.path}")
        state = state_of(path)
        if not state:
            return b"D " + name
        if stat.S_ISDIR(state[0]):  # instead of a file; what is in it are paths of their own
            return b"D " + name
        mode = b"120000" if stat.S_ISLNK(state[0]) else b"100755" if state[0] & 0o100 else b"100644"
        if (former := known.get(entry.path)) is not None and former[0] == state:
            if not self._fits(entry.path, state[1]):
                return b""
            self._known[entry.path] = former
            return b"M %s %s %s" % (mode, former[1].encode(), name)
        data = self._content(entry.path, path, state, secrets)
        if data is None:
            return b""
        if time.time_ns() - state[2] > _RACY_NS and state_of(path) == state:
            self._known[entry.path] = state, self._oid_of(data)
        return b"M %s inline %s%s" % (mode, name, _data(data))

    def _content(
        self, name: str, path: Path, state: tuple[int, ...], secrets: tuple[Secret, ...]
    ) -> bytes | None:
        """Return a file's bytes, None if it is left out."""
        if not (stat.S_ISREG(state[0]) or stat.S_ISLNK(state[0])):
            self._leave_out(name, "It is not a regular file.")
            return None
        if not self._fits(name, state[1]):
            return None
        try:
            data = os.fsencode(path.readlink()) if stat.S_ISLNK(state[0]) else _bounded(path)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            self._leave_out(name, GONE if gone else f"It cannot be read: {error.strerror}.")
            return None
        if never.has_secret(data, secrets):
            self._leave_out(name, never.SECRET_CONTENT)
            return None
        return data

    def _oid_of(self, data: bytes) -> str:
        blob = b"blob %d\0" % len(data) + data
        name = "sha256" if self._is_sha256 else "sha1"
        return hashlib.new(name, blob, usedforsecurity=False).hexdigest()

    _is_sha256 = False

    # ---- the rest of the commit

    async def _parents(self, survey: Survey) -> tuple[list[str], str]:
        """Return the commits that it follows, the mirror has them then, and HEAD's tree."""
        if not survey.head:
            return [], ""
        self._is_sha256 = len(survey.head) == 64  # noqa: PLR2004
        words = {o.decode() for data in survey.operation.values() for o in _OID.findall(data)}
        wanted = [survey.head, *sorted(words - {survey.head})]
        stdin = "".join(f"{oid}\n" for oid in wanted).encode()
        listing = await self.repository.text("cat-file", "--batch-check", stdin=stdin)
        commits = [line.split()[0] for line in listing.splitlines() if " commit " in line]
        if missing := await self.mirror.missing(*commits):
            await self.mirror.take_commits(missing)
        tree = await self.mirror.text("rev-parse", f"{survey.head}^{{tree}}")
        return commits, tree

    def _ending(self, survey: Survey, entries: Iterable[Entry]) -> bytes:
        parts = list[bytes]()
        for name, data in survey.operation.items():
            said = _data(never.without_secrets(data, self.secrets()))
            parts.append(b"M 100644 inline %s%s" % (_quoted(f"operation/{name}"), said))
        state = {
            "schema": SCHEMA,
            "head": survey.head,
            "branch": "" if survey.head else survey.branch,
            "intent": [_text(entry.path) for entry in entries if entry.is_intent],
            "left_out": self._left_out,
        }
        text = json.dumps(state, sort_keys=True).encode()
        return b"".join(parts) + b"M 100644 inline %s\n" % STATE_FILE.encode() + _data(text)


def work_ref(location: Location) -> str:
    """Return which of our refs in the mirror has the work that is kept of a work tree."""
    return f"work-{_key(location)}"


def _key(location: Location) -> str:
    return hashlib.sha256(os.fsencode(location.git_dir.resolve())).hexdigest()[:12]


async def read_blob(batch: GitProcess, oid: str) -> bytes:
    """Return an object's bytes from a running ``cat-file --batch``."""
    batch.stdin.write(f"{oid}\n".encode())
    await batch.stdin.drain()
    header = await batch.stdout.readline()
    return (await batch.stdout.readexactly(int(header.split()[2]) + 1))[:-1]


def _beginning(ref: str, parents: list[str], tree: str) -> Iterator[bytes]:
    yield f"commit {ref}\n".encode()
    yield f"committer jupyter_dbx_agents <work@localhost> {int(time.time())} +0000\n".encode()
    yield _data(b"Work in progress\n")
    for number, parent in enumerate(parents):
        yield f"{'merge' if number else 'from'} {parent}\n".encode()
    yield b"deleteall\n"
    for name in ("index", "work") if tree else ():
        yield f"M 040000 {tree} {name}\n".encode()


def _staged(entries: Iterable[Entry], there: set[str]) -> bytes:
    """Return the commands for what is staged: deletions first, since a folder may be in the way."""
    gone, new = list[bytes](), list[bytes]()
    for entry in entries:
        for folder in ("index", "work") if entry.is_staged else ():
            name = _quoted(f"{folder}/{entry.path}")
            if not entry.mode:
                gone.append(b"D " + name)
            elif entry.oid in there or entry.mode == GITLINK:
                new.append(b"M %s %s %s" % (entry.mode.encode(), entry.oid.encode(), name))
        for number, mode, oid in entry.stages:
            if oid in there or mode == GITLINK:
                name = _quoted(f"stages/{number}/{entry.path}")
                new.append(b"M %s %s %s" % (mode.encode(), oid.encode(), name))
    return b"".join(gone + new)


def _bounded(path: Path) -> bytes:
    """Return a file's bytes; one that has grown meanwhile is cut off and taken again later."""
    with path.open("rb") as file:
        return file.read(never.MOST_FILE_BYTES)


def _data(data: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(data), data)


def _quoted(path: str) -> bytes:
    """Return a path as fast-import reads it, with the end of its line."""
    raw = os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + raw + b'"\n'


def _text(path: str) -> str:
    return readable(os.fsencode(path))[0]

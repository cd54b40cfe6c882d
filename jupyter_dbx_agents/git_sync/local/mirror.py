"""A bare copy of a repository in our state folder, which holds on to all objects.

``git fetch`` brings every ref of the repository at any moment, also during a long pass.  A garbage
collection, ``git filter-repo`` or the removal of the repository cannot take objects away from it.
The first copy consists of hard links; what a fetch finds missing, it transfers.

Decided in docs/decisions/0014-mirror-and-bundles.md.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ...errors import GitError, MirrorLockedError
from .git import Git, reading
from .projects import Location
from .repository import KEPT_REFS, OWN_REFS, Repository, Snapshot, kept_ref

# In our state folder.
MIRRORS_FOLDER = "mirrors"
_LOCK_POLL_SECONDS = 0.05
# Another server may hold a lock for hours, in a first sync or while it is suspended.
_LOCK_SECONDS = 10.0
# Files of an object store that say something of all of it, or are not finished.
_NOT_LINKED = ("info", "tmp_*", "multi-pack-index*")
_HEAD = f"{OWN_REFS}head"
_FETCH = (
    *("-c", "advice.fetchShowForcedUpdates=false"),
    *("-c", "protocol.version=2", "-c", "fetch.fsckObjects=false"),
    *("-c", "transfer.fsckObjects=false", "-c", "pack.threads=1"),
)
_FETCH_OPTIONS = (
    *("--stdin", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--update-shallow"),
    *("--no-recurse-submodules", "--no-prune", "--no-show-forced-updates"),
)
# Without its description, another repository may have the same inodes.
_WITNESSES = 4
# What version 0.1.0 left in repositories.
_FORMER_ID_FILE = "jupyter_dbx_agents_id"
_FORMER_REF = "refs/dbx/synced"
_GC = ("-c", "gc.auto=3000", "-c", "gc.autoDetach=false", "-c", "pack.threads=1")


_NOT_HERE = "Its objects are not here. Run “git fetch”."


class Mirror(Git):
    """The mirror of one repository; ``identity`` is the id under which the workspace knows it."""

    def __init__(self, mirrors: Path, source: Repository, environment: Mapping[str, str]) -> None:
        common_dir = source.location.common_dir.resolve()
        key = hashlib.sha256(os.fsencode(common_dir)).hexdigest()[:16]
        self.folder = mirrors / key
        super().__init__(self.folder / "repository.git", environment)
        self.source = source
        self.identity = ""
        # How often it was made (again).
        self.made = 0
        self._record: dict[str, object] = {}
        self._server = secrets.token_bytes(16)
        self._turn = asyncio.Lock()

    async def update(self) -> Snapshot:
        """Fetch what is new; return what the mirror has now.  Raises GitError or OSError."""
        async with self._turn, self.locked("update"):
            await self._prepare()
            snapshot = await self.source.snapshot()
            await self._match_shallow(snapshot)
            return await self._take(snapshot)

    async def last(self, former: Snapshot) -> Snapshot:
        """Return the refs that the mirror has of a repository that is gone, with its settings."""
        refs = await self._refs()
        theirs = {name: oid for name, oid in refs.items() if not name.startswith(OWN_REFS)}
        return replace(former, refs=theirs, head_commit=refs.get(_HEAD, ""))

    async def make_again(self) -> Snapshot:
        """Make the mirror from what the repository has; return what it has now."""
        async with self._turn, self.locked("update"):
            await self._make(self.identity)
        return await self.update()

    @contextlib.asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[bool]:
        """Exclude other servers of this home; yields whether none had this lock since we had it.

        Raises MirrorLockedError after 10 s, and OSError.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, started = self.folder / f"{name}.lock", time.monotonic()
        with path.open("a+b", buffering=0) as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() - started > _LOCK_SECONDS:
                        raise MirrorLockedError(
                            "Another server of this home has been working on it for 10 s.",
                            f"Sync retries. If that server is suspended, end it (fuser {path} "
                            "prints its process id).",
                        ) from None
                    await asyncio.sleep(_LOCK_POLL_SECONDS)
            file.seek(0)
            is_ours = file.read() == self._server
            if not is_ours:
                with contextlib.suppress(OSError):  # on a full disk, it is not ours next time
                    file.truncate(0)
                    file.write(self._server)
            yield is_ours

    @property
    def is_partial(self) -> bool:
        """Whether the source is a partial clone, which lacks what its remote has promised."""
        config = self.source.location.common_dir / "config"
        return "promisor" in config.read_text("utf-8", "replace")

    async def own_refs(self) -> dict[str, str]:
        """Return our refs in the mirror, without their prefix."""
        listing = await self._refs(OWN_REFS)
        return {name.removeprefix(OWN_REFS): oid for name, oid in listing.items()}

    async def set_own_refs(self, refs: Mapping[str, str]) -> None:
        """Set refs of ours; an object id of '' deletes one."""
        async with self._turn, self.locked("update"):
            await self._set_refs({OWN_REFS + name: oid for name, oid in refs.items()})

    async def take_commits(self, oids: Iterable[str]) -> None:
        """Fetch commits that no ref names, such as those of a rebase; refs of ours hold them."""
        async with self._turn, self.locked("update"):
            await self._fetch({f"{OWN_REFS}taken/{oid}": oid for oid in oids})

    def with_objects_of(self, location: Location) -> Git:
        """Return a git that also reads what the mirror could not fetch from a repository.

        It never fetches, as git does in a partial clone for each object that is missing there.
        """
        # A quoted path may contain a colon.
        objects = json.dumps(str(location.common_dir.resolve() / "objects"), ensure_ascii=False)
        alternates = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": objects}
        return Git(self.git_dir, {**self.environment, **alternates})

    async def adopt(self, identity: str, own_refs: Mapping[str, str]) -> None:
        """Make the mirror of a repository that was just restored, under its former id."""
        async with self._turn, self.locked("update"):
            await self._make(identity)
            await self._set_refs({OWN_REFS + name: oid for name, oid in own_refs.items()})

    def follow(self) -> Path | None:
        """Take over the mirror of this repository's former place; return that folder, or None.

        Blocking.  A repository was moved if all that stays the same for its life is the same.
        """
        if self.folder.exists():
            return None
        witness = self._witness()
        for path in self.folder.parent.glob("*/record.json"):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                record = json.loads(path.read_bytes())
                former = Path(record["folder"])
                is_same = record["witness"] == witness and len(witness) == _WITNESSES
                if is_same and not os.path.lexists(former):
                    path.parent.rename(self.folder)
                    self.identity = record["identity"]
                    self._write_record()
                    return former
        return None

    async def collect(self) -> None:
        """Let git pack the mirror's objects if there are many."""
        async with self._turn, self.locked("update"):
            await self.output("gc", "--auto", "--quiet", options=_GC)

    # ---- the copy

    async def _prepare(self) -> None:
        """Make the mirror, or make it again if another repository is in that place now."""
        record = await asyncio.to_thread(self._read_record) or self._record
        is_same = record.get("witness") == await asyncio.to_thread(self._witness)
        is_whole = (self.git_dir / "objects").is_dir() and await self._is_readable()
        self.identity = str(record.get("identity", ""))
        if is_whole and is_same:
            return
        if is_whole and record and await self._is_new_clone():
            await keep_unpushed(await self._refs(), self, self.source)
            await asyncio.to_thread(self._write_record)
            return
        await self._make(self.identity if is_same else uuid.uuid4().hex)
        with contextlib.suppress(OSError, GitError):
            (self.source.location.common_dir / _FORMER_ID_FILE).unlink(missing_ok=True)
            # Not without a look, since git would leave an empty folder there.
            if await self.source.text("for-each-ref", _FORMER_REF):
                await self.source.output("update-ref", "-d", _FORMER_REF)

    async def _is_readable(self) -> bool:
        """Whether the mirror is a repository: a crash may have damaged it."""
        try:
            await self._refs()
        except GitError:
            return False
        return True

    async def _is_new_clone(self) -> bool:
        """Whether the repository shares a branch's commit with the mirror."""
        tips = set((await self._refs("refs/heads/")).values())
        roots = set((await self.text("rev-list", "--max-parents=0", "--all")).split())
        return len(await self.source.missing(*tips, *roots)) < len(tips | roots)

    async def _make(self, identity: str) -> None:
        """Make a bare repository with the objects of the source, by hard links."""
        self.identity, self.made = identity, self.made + 1
        await asyncio.to_thread(shutil.rmtree, self.git_dir, ignore_errors=True)
        object_format = f"--object-format={await self.source.object_format()}"
        await self.output("init", "--quiet", "--bare", "--template=", object_format)
        await asyncio.to_thread(self._link_objects)
        await asyncio.to_thread(self._write_record)

    def _link_objects(self) -> None:
        source = self.source.location.common_dir
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(source / "shallow", self.git_dir / "shallow")
        with contextlib.suppress(OSError):  # the fetch brings what cannot be linked
            shutil.copytree(
                source / "objects",
                self.git_dir / "objects",
                copy_function=os.link,
                ignore=shutil.ignore_patterns(*_NOT_LINKED),
                dirs_exist_ok=True,
            )
        for folder in (self.git_dir / "objects", *(self.git_dir / "objects").iterdir()):
            if folder.is_dir():
                folder.chmod(0o700)  # the source's may be read-only

    def _witness(self) -> list[int]:
        """Return what stays the same for the life of a repository, whatever is done in it."""
        common_dir = self.source.location.common_dir
        found = [(common_dir / name).stat().st_ino for name in ("", "objects", "refs")]
        with contextlib.suppress(OSError):
            found.append((common_dir / "description").stat().st_mtime_ns)
        return found

    def _read_record(self) -> dict[str, object]:
        try:
            record = json.loads((self.folder / "record.json").read_bytes())
            self._record = record if record["identity"] and record["witness"] else {}
            return self._record
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    def _write_record(self) -> None:
        folder = str(self.source.location.folder)
        record: dict[str, object] = {"identity": self.identity, "witness": self._witness()}
        record["folder"] = folder
        scratch = self.folder / f"record-{secrets.token_hex(4)}"
        scratch.write_text(json.dumps(record))
        scratch.replace(self.folder / "record.json")
        self._record = record

    # ---- refs

    async def _match_shallow(self, snapshot: Snapshot) -> None:
        """Let the mirror end where a shallow clone ends."""
        shallow = self.git_dir / "shallow"
        there = shallow.read_text().split() if shallow.is_file() else []
        if set(there) != set(snapshot.shallow):
            await self._make(self.identity)

    async def _take(self, snapshot: Snapshot) -> Snapshot:
        """Fetch the refs of a snapshot; return it with the refs that the mirror has."""
        have = await self._refs()
        gone = [n for n in have if n not in snapshot.refs and not n.startswith(OWN_REFS)]
        if gone:
            await self._set_refs(dict.fromkeys(gone, ""))
        wanted = {**snapshot.refs, _HEAD: snapshot.head_commit}
        left_out = await self._fetch(
            {name: oid for name, oid in wanted.items() if oid and have.get(name) != oid}
        )
        refs = {n: have.get(n, "") if n in left_out else oid for n, oid in wanted.items()}
        if commit := refs.pop(_HEAD):  # its branch may be left out
            await self._write("update-ref", "--no-deref", "HEAD", commit)
        reasons = {name.replace(_HEAD, "HEAD"): reason for name, reason in left_out.items()}
        return replace(
            snapshot,
            refs={name: oid for name, oid in refs.items() if oid},
            head_commit=commit,
            left_out={**snapshot.left_out, **reasons},
        )

    async def _fetch(self, tips: Mapping[str, str]) -> dict[str, str]:
        """Fetch all; where that fails, in halves, down to those that cannot be fetched.

        Returns why they were left out.
        """
        if not tips:
            return {}
        if self.is_partial:  # git cannot send what is not there
            await asyncio.to_thread(self._link_objects)
            gone = await self.missing(*tips.values())
            await self._set_refs({n: oid for n, oid in tips.items() if oid not in gone})
            return {n: _NOT_HERE for n, oid in tips.items() if oid in gone}
        lines = "".join(f"+{oid}:{name}\n" for name, oid in tips.items())
        git, source = reading(self, self.source.location.common_dir.resolve())
        fetch = ("fetch", *_FETCH_OPTIONS, source)
        try:
            await git.output(*fetch, stdin=lines.encode(), options=_FETCH)
        except GitError as error:
            await asyncio.to_thread(_remove_locks, self.git_dir)
            if len(tips) == 1:
                return dict.fromkeys(tips, f"{error.message} {error.hint}")
            names = list(tips)
            halves = names[::2], names[1::2]
            left_out: dict[str, str] = {}
            for half in halves:
                left_out |= await self._fetch({name: tips[name] for name in half})
            return left_out
        return {}

    async def _refs(self, prefix: str = "refs/") -> dict[str, str]:
        listing = await self.text("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        lines = (line.partition(" ") for line in listing.splitlines())
        return {name: oid for oid, _, name in lines}

    async def _set_refs(self, refs: Mapping[str, str]) -> None:
        lines = [f"update {n} {oid}\n" if oid else f"delete {n}\n" for n, oid in refs.items()]
        await self._write("update-ref", "--no-deref", "--stdin", stdin="".join(lines).encode())

    async def _write(self, *arguments: str, stdin: bytes = b"") -> None:
        """Run a command that changes refs, again without the locks that a killed git has left."""
        try:
            await self.output(*arguments, stdin=stdin)
        except GitError:
            await asyncio.to_thread(_remove_locks, self.git_dir)
            await self.output(*arguments, stdin=stdin)


def synced_repositories(mirrors: Path) -> list[Path]:
    """Return the folders of all repositories that have a mirror; blocking."""
    found = []
    for path in mirrors.glob("*/record.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found.append(Path(json.loads(path.read_bytes())["folder"]))
    return found


async def keep_unpushed(refs: Mapping[str, str], holder: Git, source: Git) -> None:
    """Give refs in a new clone to commits that only the mirror or the workspace had.

    Raises GitError.
    """
    wanted = {n: oid for n, oid in refs.items() if oid and not n.startswith(OWN_REFS)}
    missing = await source.missing(*wanted.values())
    present = "".join(f"{oid}\n" for oid in {*wanted.values()} - missing)
    # A local clone has the objects by hard links, and would collect them.
    walk = ("rev-list", "--objects", "--stdin", "--not", "--all")
    listing = await source.text(*walk, stdin=present.encode()) if present else ""
    missing |= {line.split()[0] for line in listing.splitlines()}
    lines = [f"+{oid}:{kept_ref(name, oid)}\n" for name, oid in wanted.items() if oid in missing]
    if lines:
        for lock in (source.git_dir / KEPT_REFS).rglob("*.lock"):
            lock.unlink()  # of a git that was killed here: nobody else writes these refs
        git, path = reading(source, holder.git_dir)
        stdin = "".join(lines).encode()
        await git.output("fetch", *_FETCH_OPTIONS, path, stdin=stdin, options=_FETCH)


def _remove_locks(git_dir: Path) -> None:
    """Remove what a killed git left; only one server at a time is here."""
    for path in [*git_dir.glob("*.lock"), *(git_dir / "refs").rglob("*.lock")]:
        path.unlink(missing_ok=True)

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
import re
import secrets
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

from ...errors import GitError, GitStoppedError
from .git import Git
from .projects import Location
from .repository import KEPT_REFS, OWN_REFS, Repository, Snapshot

# In our state folder.
MIRRORS_FOLDER = "mirrors"
_LOCK_POLL_SECONDS = 0.05
# Files of an object store that are complete in themselves; an index comes after its pack.
_PACK_SUFFIXES = (".pack", ".rev", ".promisor", ".idx")
_FETCH = (
    *("-c", "advice.fetchShowForcedUpdates=false"),
    *("-c", "protocol.version=2", "-c", "fetch.fsckObjects=false"),
    *("-c", "transfer.fsckObjects=false", "-c", "pack.threads=1"),
)
_FETCH_OPTIONS = (
    *("--stdin", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--update-shallow"),
    *("--no-recurse-submodules", "--no-prune", "--no-show-forced-updates"),
)
_FORMER_ID_FILE = "jupyter_dbx_agents_id"
_ID = re.compile(r"[0-9a-f]{32}")
_GC = ("-c", "gc.auto=3000", "-c", "gc.autoDetach=false", "-c", "pack.threads=1")


class Mirror(Git):
    """The mirror of one repository; ``identity`` is the id under which the workspace knows it."""

    def __init__(self, mirrors: Path, source: Repository, environment: Mapping[str, str]) -> None:
        common_dir = source.location.common_dir.resolve()
        key = hashlib.sha256(os.fsencode(common_dir)).hexdigest()[:16]
        self.folder = mirrors / key
        super().__init__(self.folder / "repository.git", environment)
        self.source = source
        self.identity = ""
        self._turn = asyncio.Lock()

    async def update(self) -> Snapshot:
        """Fetch what is new; return what the mirror has now.  Raises GitError or OSError."""
        async with self._turn, self.locked("update"):
            await self._prepare()
            snapshot = await self.source.snapshot()
            await self._match_shallow(snapshot)
            return await self._take(snapshot)

    @contextlib.asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[None]:
        """Exclude other servers of this home."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_POLL_SECONDS)
            yield

    async def own_refs(self) -> dict[str, str]:
        """Return our refs in the mirror, without their prefix."""
        listing = await self._refs(OWN_REFS)
        return {name.removeprefix(OWN_REFS): oid for name, oid in listing.items()}

    async def set_own_refs(self, refs: Mapping[str, str]) -> None:
        """Set refs of ours; an object id of '' deletes one."""
        await self._set_refs({OWN_REFS + name: oid for name, oid in refs.items()})

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
            await asyncio.to_thread(self._make, identity)
            await self.set_own_refs(own_refs)

    async def collect(self) -> None:
        """Let git pack the mirror's objects if there are many."""
        await self.output("gc", "--auto", "--quiet", options=_GC)

    # ---- the copy

    async def _prepare(self) -> None:
        """Make the mirror, or make it again if another repository is in that place now."""
        known = await asyncio.to_thread(self._read_record)
        witness = await asyncio.to_thread(self._witness)
        is_whole = (self.git_dir / "HEAD").is_file() and (self.git_dir / "objects").is_dir()
        if known and known["witness"] != witness and not await self._is_related(is_whole):
            known, is_whole = {}, False
        self.identity = str(known["identity"]) if known else self._former_identity()
        if not is_whole or not known:
            await asyncio.to_thread(self._make, self.identity)
            await self._remove_former()
        elif known["witness"] != witness:
            await keep_unpushed(await self._refs(), self, self.source)
            await asyncio.to_thread(self._write_record)

    async def _is_related(self, is_whole: bool) -> bool:
        """Whether the repository shares a branch's commit with the mirror, as a new clone does."""
        if not is_whole:
            return False
        tips = set((await self._refs("refs/heads/")).values())
        roots = set((await self.text("rev-list", "--max-parents=0", "--all")).split())
        return len(await self.source.missing(*tips, *roots)) < len(tips | roots)

    def _former_identity(self) -> str:
        """Return the id that version 0.1.0 wrote into the repository, or a new one."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            identity = (self.source.location.common_dir / _FORMER_ID_FILE).read_text().strip()
            if _ID.fullmatch(identity):
                return identity
        return uuid.uuid4().hex

    async def _remove_former(self) -> None:
        """Remove what version 0.1.0 left in the repository."""
        with contextlib.suppress(OSError, GitError):
            (self.source.location.common_dir / _FORMER_ID_FILE).unlink(missing_ok=True)
            await self.source.output("update-ref", "-d", "refs/dbx/synced")

    def _make(self, identity: str) -> None:
        self.identity = identity
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        try:
            source = self.source.location.common_dir
            _make_bare(scratch, source)
            shutil.rmtree(self.git_dir, ignore_errors=True)
            scratch.rename(self.git_dir)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._write_record()

    def _witness(self) -> list[int]:
        """Return what stays the same for the life of a repository, whatever is done in it."""
        common_dir = self.source.location.common_dir
        found = []
        for name in ("", "objects", "refs"):
            found.append((common_dir / name).stat().st_ino)
        with contextlib.suppress(OSError):
            found.append((common_dir / "description").stat().st_mtime_ns)
        return found

    def _read_record(self) -> dict[str, object]:
        try:
            record = json.loads((self.folder / "record.json").read_bytes())
            return record if record["identity"] and record["witness"] else {}
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    def _write_record(self) -> None:
        record = {
            "identity": self.identity,
            "witness": self._witness(),
            "folder": str(self.source.location.folder),
        }
        scratch = self.folder / f"record-{secrets.token_hex(4)}"
        scratch.write_text(json.dumps(record))
        scratch.replace(self.folder / "record.json")

    # ---- refs

    async def _match_shallow(self, snapshot: Snapshot) -> None:
        """Let the mirror end where a shallow clone ends."""
        shallow = self.git_dir / "shallow"
        there = shallow.read_text().split() if shallow.is_file() else []
        if set(there) != set(snapshot.shallow):
            own = await self.own_refs()
            await asyncio.to_thread(self._make, self.identity)
            gone = await self.missing(*own.values())
            await self.set_own_refs({n: oid for n, oid in own.items() if oid not in gone})

    async def _take(self, snapshot: Snapshot) -> Snapshot:
        """Fetch the refs of a snapshot; return it with the refs that the mirror has."""
        have = {n: o for n, o in (await self._refs()).items() if not n.startswith(OWN_REFS)}
        if gone := have.keys() - snapshot.refs.keys():
            await self._set_refs(dict.fromkeys(gone, ""))
        changed = {n: oid for n, oid in snapshot.refs.items() if have.get(n) != oid}
        left_out = {}
        tips = {**changed, f"{OWN_REFS}head": snapshot.head_commit}
        if changed or snapshot.head_commit:
            left_out = await self._fetch_each({n: oid for n, oid in tips.items() if oid})
        await self._set_head(snapshot)
        kept = {n: oid for n, oid in snapshot.refs.items() if n not in left_out}
        older = {n: have[n] for n in left_out if n in have}
        commit = "" if f"{OWN_REFS}head" in left_out else snapshot.head_commit
        left_out.pop(f"{OWN_REFS}head", None)
        return replace(
            snapshot,
            refs={**kept, **older},
            head_commit=commit,
            left_out={**snapshot.left_out, **left_out},
        )

    async def _fetch_each(self, tips: Mapping[str, str]) -> dict[str, str]:
        """Fetch all, or one by one if that fails; return why some were left out."""
        known = await self._refs(f"{OWN_REFS}head")
        tips = {n: oid for n, oid in tips.items() if known.get(n) != oid}
        if not tips:
            return {}
        try:
            await self._fetch(tips)
        except GitStoppedError:
            raise
        except GitError:
            await asyncio.to_thread(_remove_locks, self.git_dir)
        else:
            return {}
        left_out = {}
        for name, oid in tips.items():
            try:
                await self._fetch({name: oid})
            except GitStoppedError:
                raise
            except GitError as error:
                left_out[name] = f"{error.message} {error.hint}"
        return left_out

    async def _fetch(self, tips: Mapping[str, str]) -> None:
        lines = "".join(f"+{oid}:{name}\n" for name, oid in tips.items())
        source = str(self.source.location.common_dir.resolve())
        await self.output("fetch", *_FETCH_OPTIONS, source, stdin=lines.encode(), options=_FETCH)

    async def _set_head(self, snapshot: Snapshot) -> None:
        if snapshot.head:
            await self.output("symbolic-ref", "HEAD", snapshot.head)
        elif snapshot.head_commit and not await self.missing(snapshot.head_commit) - {""}:
            await self.output("update-ref", "--no-deref", "HEAD", snapshot.head_commit)

    async def _refs(self, prefix: str = "refs/") -> dict[str, str]:
        listing = await self.text("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        lines = (line.partition(" ") for line in listing.splitlines())
        return {name: oid for oid, _, name in lines}

    async def _set_refs(self, refs: Mapping[str, str]) -> None:
        lines = [f"update {n} {oid}\n" if oid else f"delete {n}\n" for n, oid in refs.items()]
        stdin = "".join(lines).encode()
        try:
            await self.output("update-ref", "--no-deref", "--stdin", stdin=stdin)
        except GitError:
            await asyncio.to_thread(_remove_locks, self.git_dir)
            await self.output("update-ref", "--no-deref", "--stdin", stdin=stdin)


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
    lines = [
        f"+{oid}:{KEPT_REFS}{name.removeprefix(KEPT_REFS).removeprefix('refs/')}\n"
        for name, oid in wanted.items()
        if oid in missing
    ]
    if lines:
        stdin = "".join(lines).encode()
        await source.output(
            "fetch", *_FETCH_OPTIONS, str(holder.git_dir), stdin=stdin, options=_FETCH
        )


def _make_bare(target: Path, source: Path) -> None:
    """Make a bare repository with the objects of another one, by hard links where they can be."""
    for name in ("objects/info", "objects/pack", "refs"):
        (target / name).mkdir(parents=True)
    (target / "HEAD").write_text("ref: refs/heads/main\n")
    (target / "config").write_text(_config(source))
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(source / "shallow", target / "shallow")
    if (source / "objects/info/alternates").exists():
        return  # the fetch brings what is borrowed, too
    for folder in (source / "objects").iterdir():
        if len(folder.name) == 2 and folder.is_dir():  # noqa: PLR2004 the first byte of an id
            (target / "objects" / folder.name).mkdir()
            _link(list(folder.iterdir()), target / "objects" / folder.name)
    packs = [p for p in (source / "objects/pack").glob("pack-*") if p.suffix in _PACK_SUFFIXES]
    packs.sort(key=lambda path: _PACK_SUFFIXES.index(path.suffix))
    _link(packs, target / "objects/pack")


def _config(source: Path) -> str:
    config = (source / "config").read_text("utf-8", "replace").lower()
    if "objectformat = sha256" not in config:
        return "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
    version = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
    return f"{version}[extensions]\n\tobjectformat = sha256\n"


def _link(files: list[Path], folder: Path) -> None:
    for file in files:
        with contextlib.suppress(OSError):  # the fetch brings it
            os.link(file, folder / file.name, follow_symlinks=False)


def _remove_locks(git_dir: Path) -> None:
    """Remove what a killed git left; only one server at a time is here."""
    for path in [*git_dir.glob("*.lock"), *(git_dir / "refs").rglob("*.lock")]:
        path.unlink(missing_ok=True)

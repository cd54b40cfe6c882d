"""Restore projects from the workspace: with their history, or at least their files."""

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from ..errors import DestinationError, GitError, GitSyncError, RestoreError
from .local.checkout import check_out, make_room, tree_of
from .local.git import run_git
from .local.mirror import Mirror
from .local.objects import EXECUTABLE_MODE, is_safe, list_synced, list_tree
from .local.projects import RECORDS_FOLDER, locate, readable
from .local.repository import STASH_REFS, WORKTREE_REFS, Repository, kept_ref
from .remote.bundles import BundleStore, Chain, State, read_state
from .remote.marker import Destination, Marker, folder_name
from .remote.workspace_files import WorkspaceFiles
from .work.giving_back import GivenBack, give_back
from .work.taking import work_ref

_COMMITTER = ("-c", "user.name=jupyter_dbx_agents", "-c", "user.email=restored@localhost")
_SCRATCH = ".restoring-"
_SEE_LIST = "See: jupyter dbx-agents restore --list"


@dataclass(frozen=True)
class Restored:
    """What was restored; ``missing`` are files that were not, ``problem`` why nothing was.

    ``work`` says what became of the work in progress, '' if there was none.
    """

    name: str
    commit: str
    has_history: bool
    missing: tuple[str, ...] = ()
    problem: str = ""
    work: str = ""


@dataclass(frozen=True)
class Restorer:
    """Restores projects below the projects' folder, never over existing files."""

    files: WorkspaceFiles
    root: str
    projects: Path
    mirrors: Path
    environment: Mapping[str, str]
    origin: str

    async def available(self) -> list[str]:
        """Return the names of the projects in the workspace."""
        folders = await self.files.children(f"{self.root}/{RECORDS_FOLDER}") or []
        names = (each.name for each in folders if each.kind == "DIRECTORY")
        return sorted(unquote(name) for name in names if folder_name(unquote(name)) == name)

    async def restore(self, name: str) -> Restored:
        """Restore one project; raises RestoreError if there is none, or its folder is in use."""
        if not is_safe(name) or readable(os.fsencode(name))[1]:
            raise RestoreError(f"“{name}” is not the name of a project.", _SEE_LIST)
        target = self.projects.resolve() / name
        destination = Destination(self.files, self.root, name)
        marker = await _load(destination)
        # The history of a linked worktree is that of its main project.
        owner = marker.history if marker is not None and marker.history else name
        store = BundleStore(Destination(self.files, self.root, owner))
        chain = await store.chain()
        has_files = marker is not None and (marker.tree or marker.legacy or marker.is_unborn)
        if not (chain.bundles or has_files):
            raise RestoreError(f"The workspace has no project {name}.", _SEE_LIST)
        _require_free(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.projects))
            try:
                repository = await self._initialize(scratch, store, chain, marker)
                attempt = _Attempt(destination, store, chain, marker, repository, self.origin)
                restored = await attempt.fill()
                _require_free(target)
                await attempt.take()
                await asyncio.to_thread(_move, attempt.folder, target)
            finally:
                await asyncio.to_thread(shutil.rmtree, scratch, True)
        except (FileExistsError, NotADirectoryError) as error:
            raise _in_use(target) from error
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                raise _in_use(target) from error
            raise RestoreError(
                f"{target} cannot be written: {error.strerror or type(error).__name__}.",
                "Free some space, or check its permissions.",
            ) from error
        with contextlib.suppress(OSError, GitSyncError):  # else the mirror is made again
            await self._adopt(target, attempt)
        return restored

    async def _initialize(
        self, folder: Path, store: BundleStore, chain: Chain, marker: Marker | None
    ) -> Repository:
        if marker is not None:
            object_format = marker.object_format
        else:
            object_format = await store.object_format(chain.bundles[0])
        arguments = ("--quiet", f"--object-format={object_format}", str(folder))
        await asyncio.to_thread(run_git, "init", *arguments, environment=self.environment)
        location = locate(folder)
        if location is None:
            raise RestoreError(f"git made no repository in {folder}.", "Free some space.")
        return Repository(location, self.environment)

    async def _adopt(self, target: Path, attempt: "_Attempt") -> None:
        """Let the mirror of the restored repository know what the workspace has."""
        marker, location = attempt.marker, locate(target)
        if location is None or (marker is not None and marker.worktree):
            return
        known = marker or attempt.state
        mirror = Mirror(self.mirrors, Repository(location, self.environment), self.environment)
        await mirror.adopt(known.repository if known is not None else "", attempt.states)
        if attempt.work:
            await mirror.set_own_refs({work_ref(location): attempt.work})


@dataclass
class _Attempt:
    """The restore of one project into a new repository.

    ``states`` has the blob of each bundle's state, if all bundles could be read; ``work`` is the
    commit of the work in progress that came back.
    """

    destination: Destination
    store: BundleStore
    chain: Chain
    marker: Marker | None
    repository: Repository
    origin: str
    state: State | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    work: str = ""

    @property
    def folder(self) -> Path:
        """The folder to move into place."""
        location = self.repository.location
        is_around_worktrees = self.state is not None and any(
            f"/{self.destination.project}/" in path for path in self.state.snapshot.worktrees
        )
        is_git_dir = self._is_bare and not is_around_worktrees
        return location.git_dir if is_git_dir else location.folder

    @property
    def _is_bare(self) -> bool:
        """Whether there is no working tree: a linked worktree of a bare repository has one."""
        is_worktree = self.marker is not None and bool(self.marker.worktree)
        return self.state is not None and self.state.snapshot.is_bare and not is_worktree

    @property
    def _is_unborn(self) -> bool:
        """Whether there is no commit, and so nothing but work in progress."""
        return self.marker is not None and self.marker.is_unborn and not self.chain.bundles

    async def fill(self) -> Restored:
        """Make the repository; return what became of it."""
        repository, marker = self.repository, self.marker
        await self._fetch()
        state = self.state
        has_history = state is not None and await repository.has(state.snapshot.head_commit)
        if state is not None:
            await self._restore_refs(state)
        missing = list[str]()
        if self._is_bare:
            await repository.output("config", "core.bare", "true")
        else:
            if await repository.head() is not None:
                missing = await check_out(repository, self._read)
            is_newest = has_history and (
                marker is None
                or marker.bundle != self.chain.newest_bundle  # it was made after the marker
                or await repository.has(marker.tree)
            )
            if not is_newest and not self._is_unborn:
                missing += await self._restore_files(has_history)
                await self._renew_marker(has_history)
        if state is not None:
            await self._promise(state)
        work = GivenBack() if self._is_bare else await give_back(repository, self.destination)
        self.work = "" if work.problem else work.commit
        head = await repository.head()
        commit = head.commit if head is not None else ""
        name = self.destination.project
        return Restored(name, commit, has_history, tuple(missing), work=work.text)

    async def take(self) -> None:
        """Become the app that syncs it."""
        if self.marker is not None:
            await self.destination.write(replace(self.marker, origin=self.origin, gone_at=""))

    async def _fetch(self) -> None:
        """Add all objects to the repository."""
        store, repository, marker = self.store, self.repository, self.marker
        states, is_whole = await store.fetch_all(self.chain, repository, {})
        if states:
            self.state = await read_state(repository, [*states.values()][-1])
        self.states = states if is_whole else {}
        if marker is not None and marker.tree:
            await store.fetch_older(self.chain, repository, marker.tree)
        if self.state is None and marker is not None and marker.legacy is not None:
            try:
                await store.fetch_legacy(marker.legacy, repository)
                self.state = State.of_legacy(marker)
            except (DestinationError, GitError):
                pass

    # ---- refs

    async def _restore_refs(self, state: State) -> None:
        """Set every ref, HEAD, the stash and the settings."""
        repository, snapshot = self.repository, state.snapshot
        if snapshot.shallow:
            shallow = repository.location.common_dir / "shallow"
            shallow.write_text("\n".join(snapshot.shallow) + "\n")
        refs = {**snapshot.tracking, **snapshot.refs}
        gone = await repository.missing(*set(refs.values()))
        refs = {name: oid for name, oid in refs.items() if oid not in gone}
        stashes = {
            n: oid for n, oid in refs.items() if n == "refs/stash" or n.startswith(STASH_REFS)
        }
        lines = list[str]()
        for name in refs.keys() - stashes.keys():
            oid = refs[name]
            ref = kept_ref(name, oid) if name.startswith(WORKTREE_REFS) else name
            lines.append(f"update {ref} {oid}\n")
        await self._set("update-ref", "--stdin", stdin="".join(lines), each=lines)
        # The newest is the ref; the others were numbered, the higher the older.
        for name in sorted(stashes, key=lambda each: (each == "refs/stash", -_number(each))):
            oid = stashes[name]
            try:
                subject = await repository.text("log", "-1", "--format=%s", oid)
                await repository.output("stash", "store", "-q", "-m", subject, oid)
            except GitError:  # it is not a stash
                await self._set("update-ref", kept_ref(name, oid), oid)
        head, commit = snapshot.head, snapshot.head_commit
        if self.marker is not None and self.marker.worktree:
            head, commit = snapshot.worktrees.get(self.marker.worktree, [head, commit])
        if head in {*refs, *snapshot.symrefs} or (head and not commit):
            await repository.output("symbolic-ref", "HEAD", head)
        elif commit:  # also of a branch that is left out
            await self._set("update-ref", "--no-deref", "HEAD", commit)
        for name, target in snapshot.symrefs.items():
            await self._set("symbolic-ref", name, target)
        for key, value in snapshot.settings:
            if not key.endswith(".promisor"):
                await self._set("config", "--add", key, value)

    async def _promise(self, state: State) -> None:
        """Make a partial clone again; before that git reads what is here, and fetches nothing."""
        promises = [pair for pair in state.snapshot.settings if pair[0].endswith(".promisor")]
        for key, value in promises:
            await self._set("config", "--add", key, value)
        packs = (self.repository.location.common_dir / "objects/pack").glob("*.pack")
        for pack in packs if promises else ():
            pack.with_suffix(".promisor").touch()

    async def _set(self, *command: str, stdin: str = "", each: Sequence[str] = ()) -> None:
        """Run a command; if it is not possible here, its input line by line, or not at all."""
        try:
            await self.repository.output(*command, stdin=stdin.encode())
        except GitError:
            for line in each:
                await self._set(*command, stdin=line)

    # ---- files

    async def _read(self, path: str) -> bytes | None:
        return await self.destination.read(path) if self.marker is not None else None

    async def _restore_files(self, has_history: bool) -> list[str]:
        """Commit the files as the workspace has them, on its history; return the missing ones."""
        repository, marker = self.repository, self.marker
        missing, skipped = list[str](), marker.skipped if marker is not None else {}
        listed, folder = dict([each async for each in self._listing()]), repository.location.folder
        if has_history:
            former = {each.path async for each in list_synced(repository, "HEAD")}
            for path in former - listed.keys():  # deleted since then
                (folder / path).unlink(missing_ok=True)
        for path, is_executable in listed.items():
            is_wanted = is_safe(path) and path not in skipped
            data = await self.destination.read(path) if is_wanted else None
            if data is None:
                missing.append(path)
            else:
                await asyncio.to_thread(_write, folder, path, data, is_executable)
        options = (*tree_of(repository), *_COMMITTER)
        await repository.output("add", "--all", "--force", options=options)
        message = f"Restored from the workspace, as of {marker.commit if marker else ''}"
        arguments = ("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message)
        await repository.output(*arguments, options=options)
        return missing

    async def _listing(self) -> AsyncIterator[tuple[str, bool]]:
        """Yield the paths of the synced tree, or else of all files that are there."""
        marker = self.marker
        if marker is not None and marker.tree and await self.repository.has(marker.tree):
            async for entry in list_tree(self.repository, marker.tree, "-r"):
                yield entry.path, entry.mode == EXECUTABLE_MODE
        else:
            async for path, _there in self.destination.walk():
                yield path, False

    async def _renew_marker(self, has_history: bool) -> None:
        """Replace the marker by that of a repository with the files in a new commit."""
        repository, chain = self.repository, self.chain
        commit, tree = (await repository.text("rev-parse", "HEAD", "HEAD^{tree}")).split()
        marker = self.marker or Marker(self.destination.project, "", self.origin)
        names = (*chain.leftovers, *(n for each in chain.bundles for n in each.names()))
        self.marker = replace(
            marker,
            repository=marker.repository if has_history else uuid.uuid4().hex,
            commit=commit,
            tree=tree,
            pending=None,
            skipped={e.path: e.skip async for e in list_tree(repository, tree, "-r") if e.skip},
            notes={},
            object_format=await repository.object_format(),
            roots=tuple(sorted(await repository.roots())[:20]),
            # What could not be read stays for a restore by hand.
            preserved=marker.preserved if has_history else names,
            legacy=marker.legacy if has_history else None,
        )


async def _load(destination: Destination) -> Marker | None:
    try:
        return await destination.load()
    except DestinationError as error:
        raise RestoreError(
            error.message,
            f"Download {destination.folder} by hand. Its history may still be in the *.bundle "
            f"files in {destination.records}, which “git clone” and “git fetch” read.",
        ) from error


def _number(stash: str) -> int:
    return int(stash.removeprefix(STASH_REFS)) if stash.startswith(STASH_REFS) else 0


def remove_leftovers(projects: Path) -> None:
    """Remove what a killed restore left behind; blocking."""
    for pattern in (f"{_SCRATCH}*", f"*/{_SCRATCH}*"):  # 0.1.0 made them beside the target
        for folder in projects.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


def _move(scratch: Path, target: Path) -> None:
    scratch.chmod(0o755)
    scratch.rename(target)  # replaces an empty folder, and nothing else


def _write(folder: Path, path: str, data: bytes, executable: bool) -> None:
    target = make_room(folder, path)
    target.write_bytes(data)
    if executable:
        target.chmod(0o755)


def _require_free(target: Path) -> None:
    """Raise RestoreError unless there is nothing, or an empty folder."""
    is_empty = target.is_dir() and not target.is_symlink() and not any(target.iterdir())
    if os.path.lexists(target) and not is_empty:
        raise _in_use(target)


def _in_use(target: Path) -> RestoreError:
    return RestoreError(f"{target} already exists.", "Move it away, then restore again.")

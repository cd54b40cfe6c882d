"""Restore projects from the workspace: with their history, or at least their files."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from ..errors import (
    DestinationError,
    GitError,
    GitStoppedError,
    GitSyncError,
    RestoreError,
    WorkspaceError,
)
from .checkout import LargeFiles, check_out, tree_of
from .local.git import Git
from .local.mirror import Mirror
from .local.objects import list_tree
from .local.projects import RECORDS_FOLDER, locate
from .local.repository import KEPT_REFS, STASH_REFS, WORKTREE_REFS, Repository
from .remote.bundles import BundleStore, Chain, State, read_state
from .remote.marker import Destination, Marker
from .remote.workspace_files import WorkspaceFiles

_COMMITTER = ("-c", "user.name=jupyter_dbx_agents", "-c", "user.email=restored@localhost")
_SCRATCH = ".restoring-"
_SEE_LIST = "See: jupyter dbx-agents restore --list"
_EXECUTABLE_MODE = "100755"


@dataclass(frozen=True)
class Restored:
    """What was restored; ``missing`` are files that were not, ``problem`` why nothing was."""

    name: str
    commit: str
    has_history: bool
    missing: tuple[str, ...] = ()
    problem: str = ""


@dataclass
class _Source:
    """What the workspace has of one project; ``taken`` is set by a restore."""

    files: WorkspaceFiles
    destination: Destination
    marker: Marker | None
    store: BundleStore
    chain: Chain
    taken: tuple[Marker | None, State | None, dict[str, str]] = (None, None, {})

    async def object_format(self) -> str:
        """Return the format of the objects, which is in the marker or in a bundle."""
        if self.marker is not None:
            return self.marker.object_format
        return await self.store.object_format(self.chain.bundles[0])

    async def fetch(self, repository: Repository) -> tuple[State | None, dict[str, str]]:
        """Add all objects to a repository; return the state, and the blobs of all states."""
        states, is_whole = await self.store.fetch_all(self.chain, repository, {})
        state = await read_state(repository, [*states.values()][-1]) if states else None
        if self.marker is not None and self.marker.tree:
            await self.store.fetch_older(self.chain, repository, self.marker.tree)
        if state is None and self.marker is not None and self.marker.legacy is not None:
            try:
                await self.store.fetch_legacy(self.marker.legacy, repository)
            except GitStoppedError:
                raise
            except GitSyncError:
                return None, {}
            state = State.of_legacy(self.marker)
        return state, states if is_whole else {}

    def files_of(self, marker: Marker | None) -> LargeFiles | None:
        """Return a reader of the project's files, None if there are none in the workspace."""
        if marker is None:
            return None
        return LargeFiles(self.files, self.destination.folder)

    async def listing(self) -> AsyncIterator[tuple[str, bool]]:
        """Yield the paths of all files in the project's folder."""
        folders = [""]
        while folders:
            folder = folders.pop()
            place = f"{self.destination.folder}/{folder}".rstrip("/")
            for child in await self.files.children(place) or []:
                path = f"{folder}/{child.name}".lstrip("/")
                if child.kind == "DIRECTORY":
                    folders.append(path)
                elif child.kind == "FILE" and _is_safe(path):
                    yield path, False

    def all_names(self) -> tuple[str, ...]:
        """Return the names of all files of former histories."""
        return (*self.chain.leftovers, *(n for each in self.chain.bundles for n in each.names()))


async def tree_entries(
    repository: Repository, marker: Marker, missing: list[str]
) -> AsyncIterator[tuple[str, bool]]:
    """Yield the paths of a synced tree; those that the workspace lacks are ``missing``."""
    async for entry in list_tree(repository, marker.tree, "-r"):
        is_left_out = entry.problem or entry.is_symlink or entry.path in marker.skipped
        if is_left_out or not _is_safe(entry.path):
            missing.append(entry.path)
        else:
            yield entry.path, entry.mode == _EXECUTABLE_MODE


def _is_safe(path: str) -> bool:
    """Whether a path stays below the folder that it is joined to, and outside its ``.git``."""
    parts = path.split("/")
    return not any(part in ("", ".", "..") or part.casefold() == ".git" for part in parts)


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
        return sorted(unquote(each.name) for each in folders if each.kind == "DIRECTORY")

    async def restore(self, name: str) -> Restored:
        """Restore one project; raises RestoreError if there is none, or its folder is in use."""
        target = self._target(name)
        destination = Destination(self.files, self.root, name)
        marker = await _load(destination)
        history = BundleStore(self._records_of(destination, marker))
        chain = await history.chain()
        if not chain.bundles and (marker is None or not (marker.tree or marker.legacy)):
            raise RestoreError(f"The workspace has no project {name}.", _SEE_LIST)
        _require_free(target)
        try:
            return await self._make(
                target, _Source(self.files, destination, marker, history, chain)
            )
        except OSError as error:
            raise RestoreError(
                f"{target} cannot be written: {error.strerror}.",
                "Free some space, or check its permissions.",
            ) from error

    def _records_of(self, destination: Destination, marker: Marker | None) -> Destination:
        """Return the project that has the history: for a linked worktree, its main one."""
        if marker is None or marker.history in ("", destination.project):
            return destination
        return Destination(self.files, self.root, marker.history)

    async def _make(self, target: Path, source: _Source) -> Restored:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.projects))
        try:
            restored, folder = await self._fill(scratch, source)
            _require_free(target)
            await self._take(source)
            await asyncio.to_thread(_move, folder, target)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, True)
        with contextlib.suppress(OSError, GitError):  # else the mirror is made again
            await self._adopt(target, source)
        return restored

    async def _take(self, source: _Source) -> None:
        """Become the app that syncs it."""
        marker, _state, _states = source.taken
        if marker is not None:
            taken = replace(marker, origin=self.origin, gone_at="")
            if taken != source.marker:
                await source.destination.write(taken)

    async def _adopt(self, target: Path, source: _Source) -> None:
        """Let the mirror of the restored repository know what the workspace has."""
        marker, state, states = source.taken
        location = locate(target)
        if location is None or (marker is not None and marker.worktree):
            return
        identity = marker.repository if marker is not None else state.repository if state else ""
        mirror = Mirror(self.mirrors, Repository(location, self.environment), self.environment)
        await mirror.adopt(identity, states)

    def _target(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..", ".git") for part in parts):
            raise RestoreError(f"“{name}” is not the name of a project.", _SEE_LIST)
        return self.projects.resolve().joinpath(*parts)

    async def _fill(self, folder: Path, source: _Source) -> tuple[Restored, Path]:
        """Make the repository; return what became of it, and the folder to move into place."""
        repository = await self._initialize(folder, await source.object_format())
        state, states = await source.fetch(repository)
        has_history = state is not None and await repository.has(state.snapshot.head_commit)
        marker = source.marker
        if state is not None:
            await self._restore_refs(repository, state, source)
        if state is not None and state.snapshot.is_bare:
            await repository.output("config", "core.bare", "true")
            missing, folder = [], folder / ".git"
        elif has_history and (
            marker is None
            or (state is not None and state.made_at > marker.synced_at)
            or await repository.has(marker.tree)
        ):
            missing = await check_out(repository, source.files_of(marker))
        else:
            missing = await check_out(repository, None) if has_history else []
            missing += await self._restore_files(repository, source)
            marker = await self._marker_of_files(repository, source, has_history)
        commit = await repository.text("rev-parse", "HEAD")
        name = source.destination.project
        restored = Restored(name, commit, has_history, tuple(missing))
        source.taken = (marker, state, states)
        return restored, folder

    async def _initialize(self, folder: Path, object_format: str) -> Repository:
        git = Git(folder / ".git", self.environment)
        await git.output("init", "--quiet", f"--object-format={object_format}")
        # With --git-dir, git records the current folder as the working tree.
        with contextlib.suppress(GitError):
            await git.output("config", "--unset", "core.worktree")
        await git.output("config", "core.bare", "false")
        location = locate(folder)
        if location is None:
            raise RestoreError(f"git made no repository in {folder}.", "Free some space.")
        return Repository(location, self.environment)

    async def _restore_refs(self, repository: Repository, state: State, source: _Source) -> None:
        """Set every ref, HEAD, the stash and the settings."""
        snapshot = state.snapshot
        if snapshot.shallow:
            shallow = repository.location.common_dir / "shallow"
            shallow.write_text("\n".join(snapshot.shallow) + "\n")
        refs = {**snapshot.tracking, **snapshot.refs}
        for name in [name for name in refs if name.startswith(WORKTREE_REFS)]:
            refs[f"{KEPT_REFS}worktrees/{name.rpartition('/')[2]}"] = refs.pop(name)
        gone = await repository.missing(*set(refs.values()))
        stashes = {n: oid for n, oid in refs.items() if n.startswith((STASH_REFS, "refs/stash"))}
        lines = [
            f"update {name} {oid}\n"
            for name, oid in refs.items()
            if oid not in gone and name not in stashes
        ]
        try:
            await repository.output("update-ref", "--stdin", stdin="".join(lines).encode())
        except GitStoppedError:
            raise
        except GitError:  # one of them is not possible here: all others come back
            for line in lines:
                with contextlib.suppress(GitError):
                    await repository.output("update-ref", "--stdin", stdin=line.encode())
        oldest_first = sorted(stashes, key=lambda name: (name.startswith(STASH_REFS), name))
        for name in reversed(oldest_first):
            oid = stashes[name]
            try:
                subject = await repository.text("log", "-1", "--format=%s", oid)
                await repository.output("stash", "store", "-q", "-m", subject, oid)
            except GitError:  # it is not a stash
                with contextlib.suppress(GitError):
                    await repository.output("update-ref", f"{KEPT_REFS}stash/{oid}", oid)
        head, commit = snapshot.head, snapshot.head_commit
        if source.marker is not None and source.marker.worktree:
            head, commit = snapshot.worktrees.get(source.marker.worktree, [head, commit])
        if head:
            await repository.output("symbolic-ref", "HEAD", head)
        elif commit and commit not in await repository.missing(commit):
            await repository.output("update-ref", "--no-deref", "HEAD", commit)
        for name, target in snapshot.symrefs.items():
            with contextlib.suppress(GitError):
                await repository.output("symbolic-ref", name, target)
        for key, value in snapshot.settings:
            with contextlib.suppress(GitError):
                await repository.output("config", "--add", key, value)

    async def _restore_files(self, repository: Repository, source: _Source) -> list[str]:
        """Write the files as the workspace has them, and commit them."""
        folder, destination, marker = repository.location.folder, source.destination, source.marker
        missing: list[str] = []
        entries = source.listing()
        if marker is not None and marker.tree and await repository.has(marker.tree):
            entries = tree_entries(repository, marker, missing)
        async for path, is_executable in entries:
            if not await self._download(destination, path, folder, is_executable):
                missing.append(path)
        options = (*tree_of(repository), *_COMMITTER)
        await repository.output("add", "--all", "--force", options=options)
        commit = marker.commit if marker is not None else ""
        message = f"Restored from the workspace, as of {commit}"
        arguments = ("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message)
        await repository.output(*arguments, options=options)
        return missing

    async def _marker_of_files(
        self, repository: Repository, source: _Source, has_history: bool
    ) -> Marker:
        """Return the marker of a repository that has the workspace's files in a new commit."""
        commit, tree = (await repository.text("rev-parse", "HEAD", "HEAD^{tree}")).split()
        project = source.destination.project
        marker = source.marker or Marker(project, "", self.origin)
        return replace(
            marker,
            repository=marker.repository if has_history else uuid.uuid4().hex,
            commit=commit,
            tree=tree,
            pending=None,
            skipped={},
            notes={},
            object_format=await repository.object_format(),
            roots=tuple(sorted(await repository.roots())[:20]),
            # What could not be read stays for a restore by hand.
            preserved=marker.preserved if has_history else source.all_names(),
            legacy=marker.legacy if has_history else None,
        )

    async def _download(
        self, destination: Destination, path: str, folder: Path, is_executable: bool
    ) -> bool:
        try:
            data = await self.files.read(f"{destination.folder}/{path}")
        except WorkspaceError as error:
            if error.status != HTTPStatus.BAD_REQUEST:  # otherwise it is too large for export
                raise
            return False
        if data is None:
            return False
        await asyncio.to_thread(_write, folder / path, data, is_executable)
        return True


async def _load(destination: Destination) -> Marker | None:
    try:
        return await destination.load()
    except DestinationError as error:
        raise RestoreError(
            error.message,
            f"Download {destination.folder} by hand. Its history may still be in the *.bundle "
            f"files in {destination.records}, which “git clone” and “git fetch” read.",
        ) from error


def remove_leftovers(projects: Path) -> None:
    """Remove what a killed restore left behind; blocking."""
    for pattern in (f"{_SCRATCH}*", f"*/{_SCRATCH}*"):  # 0.1.0 made them beside the target
        for folder in projects.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


def _move(scratch: Path, target: Path) -> None:
    scratch.chmod(0o755)
    scratch.rename(target)  # replaces an empty folder, and nothing else


def _write(path: Path, data: bytes, executable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if executable:
        path.chmod(0o755)


def _require_free(target: Path) -> None:
    """Raise RestoreError unless there is nothing, or an empty folder."""
    is_empty = target.is_dir() and not target.is_symlink() and not any(target.iterdir())
    if os.path.lexists(target) and not is_empty:
        raise RestoreError(f"{target} already exists.", "Move it away, then restore again.")

"""Restore projects from the workspace: with their history, or at least their files."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
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
from .local.git import Git
from .local.objects import list_tree
from .local.projects import RECORDS_FOLDER, locate, readable
from .local.repository import SYNCED_REF, Repository
from .remote.archive import ArchiveStore
from .remote.marker import Archive, Destination, Marker
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


@dataclass(frozen=True)
class Restorer:
    """Restores projects below the projects' folder, never over existing files."""

    files: WorkspaceFiles
    root: str
    projects: Path
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
        if marker is None or not (marker.tree or marker.head_commit):
            raise RestoreError(f"The workspace has no project {name}.", _SEE_LIST)
        _require_free(target)
        try:
            restored = await self._make(target, destination, marker)
        except OSError as error:
            raise RestoreError(
                f"{target} cannot be written: {error.strerror}.",
                "Free some space, or check its permissions.",
            ) from error
        await self._take(destination, marker, restored)
        return restored

    async def _make(self, target: Path, destination: Destination, marker: Marker) -> Restored:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=target.parent))
        try:
            restored = await self._fill(scratch, destination, marker)
            _require_free(target)
            await asyncio.to_thread(_move, scratch, target)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, True)
        return restored

    async def _take(self, destination: Destination, marker: Marker, restored: Restored) -> None:
        """Become the app that syncs it; a history that was not restored stays in the workspace."""
        taken = replace(marker, origin=self.origin)
        if marker.archive.kind == "history" and not restored.has_history:
            await destination.back_up(marker)
            taken = replace(taken, archive=Archive(), obsolete=(), refs={}, head_commit="")
        if taken != marker:
            await destination.write(taken)

    def _target(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..", ".git") for part in parts):
            raise RestoreError(f"“{name}” is not the name of a project.", _SEE_LIST)
        return self.projects.resolve().joinpath(*parts)

    async def _fill(self, folder: Path, destination: Destination, marker: Marker) -> Restored:
        repository = await self._initialize(folder, marker)
        archive = ArchiveStore(destination, folder, 0)
        has_history = marker.archive.kind == "history"
        try:
            await archive.fetch(marker, repository)
            has_history = has_history and await repository.has(marker.head_commit)
        except GitStoppedError:
            raise
        except GitSyncError:
            has_history = False
        if has_history:
            missing = await self._restore_history(repository, marker)
        else:
            missing = await self._restore_files(repository, destination, marker)
        repository.adopt_identity(marker.repository)
        if await repository.has(marker.commit):
            with contextlib.suppress(GitError):
                await repository.output("update-ref", SYNCED_REF, marker.commit)
        commit = await repository.text("rev-parse", "HEAD")
        return Restored(marker.project, commit, has_history, missing)

    async def _initialize(self, folder: Path, marker: Marker) -> Repository:
        git_dir = folder if marker.is_bare else folder / ".git"
        bare = ["--bare"] if marker.is_bare else []
        git = Git(git_dir, self.environment)
        await git.output("init", "--quiet", f"--object-format={marker.object_format}", *bare)
        if not marker.is_bare:
            # With --git-dir, git records the current folder as the working tree.
            with contextlib.suppress(GitError):
                await git.output("config", "--unset", "core.worktree")
            await git.output("config", "core.bare", "false")
        location = locate(folder)
        if location is None:
            raise RestoreError(f"git made no repository in {folder}.", "Free some space.")
        return Repository(location, self.environment)

    async def _restore_history(self, repository: Repository, marker: Marker) -> tuple[str, ...]:
        if marker.shallow:
            shallow = repository.location.common_dir / "shallow"
            shallow.write_text("\n".join(marker.shallow) + "\n")
        lines = [f"update {name} {oid}\n" for name, oid in marker.refs.items()]
        await repository.output("update-ref", "--stdin", stdin="".join(lines).encode())
        if marker.head:
            await repository.output("symbolic-ref", "HEAD", marker.head)
            await repository.output("update-ref", "HEAD", marker.head_commit)
        else:
            await repository.output("update-ref", "--no-deref", "HEAD", marker.head_commit)
        for name, url in marker.remotes.items():
            await repository.output("config", f"remote.{name}.url", url)
            fetch = f"+refs/heads/*:refs/remotes/{name}/*"
            await repository.output("config", f"remote.{name}.fetch", fetch)
        return () if marker.is_bare else await self._check_out(repository)

    async def _check_out(self, repository: Repository) -> tuple[str, ...]:
        """Check out HEAD; return the files for which that failed."""
        options = _tree_of(repository)
        await repository.output("read-tree", "HEAD")
        try:
            await repository.output("checkout-index", "--all", "--force", "-u", options=options)
        except GitError:  # such as a symbolic link with an empty target
            deleted = await repository.output("ls-files", "-z", "--deleted", options=options)
            return tuple(readable(raw)[0] for raw in deleted.split(b"\0") if raw)
        return ()

    async def _restore_files(
        self, repository: Repository, destination: Destination, marker: Marker
    ) -> tuple[str, ...]:
        """Write the files of the synced tree as the workspace has them, and commit them."""
        folder = repository.location.folder
        if not await repository.has(marker.tree):
            raise RestoreError(
                f"The list of the files of {marker.project} is no longer in the workspace.",
                f"Download the folder {destination.folder} by hand.",
            )
        missing: list[str] = []
        async for entry in list_tree(repository, marker.tree, "-r"):
            path = entry.path
            left_out = entry.problem or entry.is_symlink or path in marker.skipped
            if left_out or not await self._download(destination, path, folder, entry.mode):
                missing.append(path)
        options = (*_tree_of(repository), *_COMMITTER)
        await repository.output("add", "--all", "--force", options=options)
        message = f"Restored from the workspace, as of {marker.commit}"
        arguments = ("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message)
        await repository.output(*arguments, options=options)
        return tuple(missing)

    async def _download(self, destination: Destination, path: str, folder: Path, mode: str) -> bool:
        try:
            data = await self.files.read(f"{destination.folder}/{path}")
        except WorkspaceError as error:
            if error.status != HTTPStatus.BAD_REQUEST:  # otherwise it is too large for export
                raise
            return False
        if data is None:
            return False
        await asyncio.to_thread(_write, folder / path, data, mode == _EXECUTABLE_MODE)
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
    for folder in projects.glob(f"{_SCRATCH}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _tree_of(repository: Repository) -> tuple[str, str]:
    return ("--work-tree", str(repository.location.folder))


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
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise RestoreError(f"{target} already exists.", "Move it away, then restore again.")

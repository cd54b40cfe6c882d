"""What becomes of a project's copy when the project ends here: gone, renamed or forgotten.

The marker of a deleted project says so (``gone_at``): it can be restored by its name, and does not
come back with all others.  ``remove`` deletes what git sync wrote, for a project that is forgotten,
and for the former name of one that was renamed.
"""

import asyncio
import contextlib
import itertools
import shlex
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

from ..background import AnyLogger, BackgroundTasks, backoff_seconds
from ..errors import DbxAgentsError, DestinationError, GitSyncError, WorkspaceError
from .audit import Survey
from .local.git import Git
from .local.objects import Blobs, list_synced
from .local.projects import Location, folded, is_gone
from .project_sync import ProjectSync
from .remote.bundles import BundleStore
from .remote.marker import FILE_NAME, KEPT_FOLDER, Destination, Marker, Pending
from .states import Cause, ProjectStatus, bare_status
from .work.store import WorkStore
from .worker import ProjectWorker

_GONE = "{} was deleted. Its copy is still in the workspace."
_GONE_HINT = (
    "To get it back: jupyter dbx-agents restore {name}. "
    "To delete the copy: jupyter dbx-agents forget {name}"
)


@dataclass(frozen=True)
class Forgotten:
    """A project that was forgotten; ``left`` is its folder in the workspace, '' if that is gone."""

    name: str
    left: str


class Endings:
    """The projects that ended here: their models, and the tasks that end them in the workspace.

    ``is_work_kept`` returns whether the work in progress of a project has been kept.
    """

    def __init__(
        self,
        background: BackgroundTasks,
        retry_seconds: tuple[float, float],
        log: AnyLogger,
        *,
        is_work_kept: Callable[[str], bool],
    ) -> None:
        self._is_work_kept = is_work_kept
        self.gone: dict[str, ProjectStatus] = {}
        self._background, self._retry_seconds, self._log = background, retry_seconds, log
        # The former names of each project that was renamed, until their copies are removed.
        self._renamed: dict[str, list[str]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, former: str, name: str) -> None:
        """Take note that a project was renamed."""
        self._renamed[name] = [former, *self._renamed.pop(former, [])]

    def add(self, workers: Iterable[ProjectWorker]) -> None:
        """Record that the folders of projects were deleted, or renamed."""
        for name, sync in [(worker.name, worker.sync) for worker in workers]:
            if sync is None or sync.marker is None:
                continue  # nothing of it is in the workspace
            now = [each for each, former in self._renamed.items() if name in former]
            if any(folded(each) == folded(name) for each in now):
                continue  # the folders may be one in the workspace
            if not now:
                hint = _GONE_HINT.format(name=shlex.quote(name))
                what = "Its folder"
                if sync.repository.location.folder.exists():
                    what, hint = "Its .git", f"Move the folder away. {hint}"
                self.gone[name] = bare_status(name, Cause.GONE.state, _GONE.format(what), hint)
            self._spawn(name, partial(_end, sync))

    def forget(self, name: str) -> None:
        """Do nothing more about a project: it is back, or forgotten."""
        self.gone.pop(name, None)
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    def remove_former(self, worker: ProjectWorker) -> None:
        """Remove the copies under the former names of a project that is complete now."""
        sync = worker.sync
        if sync is not None and sync.history.is_kept and not sync.history.problem:
            for former in self._renamed.pop(worker.name, []):
                self.forget(former)
                self._spawn(former, partial(self._remove_former, former, sync))

    async def _remove_former(self, former: str, sync: ProjectSync) -> None:
        destination = Destination(sync.destination.files, sync.destination.root, former)
        has_work = await WorkStore(destination).newest() is not None
        if has_work and not self._is_work_kept(sync.destination.project):
            raise GitSyncError("It has the only copy of the work in progress.", "Sync retries.")
        await _remove_copy(destination, sync)

    async def finish(self) -> None:
        """Wait for what remains to be done."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks[name] = self._background.spawn(self._repeat(work))

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        for failures in itertools.count():
            try:
                await work()
                break
            except (DbxAgentsError, OSError) as error:
                self._log.debug("What ended here cannot be recorded yet: %s", error)
            await asyncio.sleep(backoff_seconds(failures, *self._retry_seconds))


async def _end(sync: ProjectSync) -> None:
    """Record that a project was deleted here, and free the space of its mirror."""
    marker, location = sync.marker, sync.repository.location
    if marker is not None:
        await mark_gone(sync.destination, marker)
    if not location.is_linked and is_gone(location) and await sync.history.finish():
        await asyncio.to_thread(shutil.rmtree, sync.ownership.mirror.folder, True)


async def _remove_copy(destination: Destination, sync: ProjectSync) -> None:
    folder, _, name = destination.records.rpartition("/")
    listed = {each.name for each in await destination.files.children(folder) or []}
    if not {name, sync.destination.records.rpartition("/")[2]} <= listed:
        return  # it is removed, or the workspace takes both names for one
    marker, mirror = await destination.load(), sync.ownership.mirror
    # Where the workspace ignores case, the former folder is the new one.
    is_former = marker is not None and marker.project == destination.project
    if marker is not None and is_former and marker.repository == mirror.identity:
        await _move_edits(destination, sync.destination)
        await remove(destination, marker, None if await mirror.missing(marker.tree) else mirror)


async def _move_edits(former: Destination, destination: Destination) -> None:
    """Copy what others had edited or put there, and was replaced: it may be the only copy."""
    files, folders = former.files, [f"{former.records}/{KEPT_FOLDER}"]
    for folder in folders:  # it grows
        for child in await files.children(folder) or []:
            path = f"{folder}/{child.name}"
            if child.kind == "DIRECTORY":
                folders.append(path)
            elif (data := await files.read(path)) is not None:
                await destination.record(path.removeprefix(f"{former.records}/"), data)


async def mark_gone(destination: Destination, last: Marker) -> None:
    """Record that a project was deleted here, if the workspace's copy is still ours."""
    marker = await destination.load()
    if marker is not None and _owner(marker) == _owner(last):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        await destination.write(replace(marker, gone_at=marker.gone_at or now))


def _owner(marker: Marker) -> tuple[str, str, str]:
    return marker.project, marker.repository, marker.origin


async def forget(
    destination: Destination, environment: Mapping[str, str], origin: str, *, files: bool
) -> Forgotten:
    """Delete a project's history and records, and on request the files that git sync wrote.

    Raises GitSyncError and WorkspaceError; it can be repeated then.
    """
    try:
        marker = await destination.load()
    except DestinationError:  # it is damaged: the files are not known
        marker = None
    if marker is not None and marker.origin != origin and not marker.gone_at:
        name = shlex.quote(destination.project)
        raise GitSyncError(
            f"{destination.project} is synced by {marker.origin or 'another app'}.",
            "Delete it there. If that app is gone: jupyter dbx-agents restore "
            f"{name}, delete the folder, and run this again.",
        )
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
        if git is not None:
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
    blobs = Blobs(git, Location(git.git_dir, git.git_dir, git.git_dir))
    survey = Survey(destination, blobs, {}, marker.audited_ms)
    pending = marker.pending or Pending("", "")
    ours = {each.path: [each.oid] async for each in list_synced(git, marker.tree)}
    ours = {p: oids for p, oids in ours.items() if p not in marker.skipped}
    ours |= {path: [oid] for path, oid in pending.done.items() if oid}
    # What is at other paths may be somebody else's: its content shows it.
    maybe = {**marker.unfinished, **pending.paths}
    files = {p: [*ours.get(p, ()), *maybe.get(p, ())] for p in [*ours, *maybe]}
    if (last := await destination.load()) is not None:  # half of it may be restored or cloned
        begun = replace(last, commit="", tree="", skipped={}, pending=None, unfinished=files)
        await destination.write(begun)
    folders = {PurePosixPath(".")}
    try:
        for path, oids in files.items():
            there = await survey.at(path)
            if there and await survey.is_ours(path, there, oids, is_owned=path in ours):
                await destination.files.delete(destination.path(path))
                folders.update(PurePosixPath(path).parents)
    finally:
        await blobs.close()
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

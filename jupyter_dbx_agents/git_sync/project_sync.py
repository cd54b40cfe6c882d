"""One project, one pass: bring HEAD's tree into the workspace, whatever happened before.

The order of a pass, and why a kill between any two calls loses nothing:

1. the archive gets the commit's objects: they are safe, and nobody sees them;
2. the marker records what is going to change (*pending*): each of these paths may be ours from now
   on, with the blobs that it may contain;
3. the files change; each call can be repeated;
4. the marker records that the commit is complete.

A new pass starts from the marker: it handles what differs between its tree and HEAD's, and what is
pending.  New files are created exclusively, so that no foreign file is overwritten.  Two limits: a
file of ours that somebody edited there is still ours, and so is one that somebody put in the place
of one that an interrupted pass had just deleted.

Decided in docs/decisions/0008-marker-beside-the-tree.md.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ..errors import ArchiveTooLargeError, GitError, GitSyncError, MarkerChangedError
from .apply import Applier, Outcome, Step
from .audit import find_damage, is_archive_whole
from .local import objects
from .local.objects import Blobs, Change
from .local.projects import CONTROL_CHARACTER, NOT_UTF8
from .local.repository import Head, Repository
from .ownership import claim
from .remote.archive import ArchiveStore
from .remote.marker import Archive, Destination, Marker, Pending

# Reasons that no second attempt can change as long as the commit is the same.
_FIXED = (objects.SYMLINK, objects.SUBMODULE, NOT_UTF8, CONTROL_CHARACTER)


@dataclass(frozen=True)
class Settings:
    """The settings that all projects share."""

    origin: str
    scratch: Path
    keeps_history: bool
    most_history_bytes: int
    most_file_bytes: int
    parallel: int
    # The marker is written once per so many files; after a kill that saves three calls per file.
    checkpoint_files: int = 2000


@dataclass
class Progress:
    """Counts finished steps, and writes a marker with them once per ``checkpoint_files``."""

    started: Marker
    count: int
    write: Callable[[Marker], Awaitable[None]]
    notify: Callable[[int, int], None]
    checkpoint_files: int
    finished: int = 0
    done: dict[str, str] = field(default_factory=dict)

    async def finish(self, path: str, oid: str | None) -> None:
        """Record a path: the blob that is there now, '' for none, None if it was left out."""
        self.finished += 1
        if oid is not None:
            self.done[path] = oid
        self.notify(self.finished, self.count)
        if self.finished % self.checkpoint_files == 0 and self.finished < self.count:
            await self.write(self.marker())

    def marker(self) -> Marker:
        """Return the marker of a pass that ends here."""
        pending = self.started.pending
        if pending is None or not self.done:
            return self.started
        return replace(self.started, pending=pending.with_done(self.done))


class ProjectSync:
    """Syncs one project; between passes it keeps the marker that it wrote last."""

    def __init__(
        self,
        repository: Repository,
        destination: Destination,
        settings: Settings,
        *,
        log: logging.Logger,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
        other_projects: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.repository, self.destination = repository, destination
        self._settings, self._log, self._progress = settings, log, progress
        self._other_projects = other_projects
        self._archive = ArchiveStore(destination, settings.scratch, settings.most_history_bytes)
        self._history_is_too_large = False
        self._retries_left_out = True
        self._audits = False
        self._edits: dict[str, str] = {}
        self._marked = ""
        self.marker: Marker | None = None
        self.archive_problem = ""

    @property
    def wants_another_pass(self) -> bool:
        """Whether the last pass found that somebody deleted something: there may be more."""
        return self._audits

    async def run(self, *, takes_over: bool = False, audits: bool = False) -> Head | None:
        """Sync HEAD and return it, None before the first commit.

        Raises GitSyncError, WorkspaceError or OSError; it can be run again then.
        """
        try:
            return await self._run(takes_over=takes_over, audits=audits)
        except MarkerChangedError:
            # By another app, which ``claim`` reports, or by a call of ours whose answer was lost.
            self.marker = None
            return await self._run(takes_over=takes_over, audits=audits)

    async def _run(self, *, takes_over: bool, audits: bool) -> Head | None:
        head = await self.repository.head()
        if head is None:
            return None
        self._notice_replacement()
        if self.marker is None or takes_over:
            self.marker = await claim(
                self.repository,
                self.destination,
                self._archive,
                origin=self._settings.origin,
                takes_over=takes_over,
                other_projects=self._other_projects,
            )
            self._retries_left_out = True
            head = await self.repository.head() or head  # claiming may have added refs
        audits |= self._audits
        if audits and self.marker.pending is not None:
            # Files that are done already may be gone there by now: finish first, then look.
            await self._sync(self.marker, head, audits=False)
        await self._sync(self.marker, head, audits=audits)
        return head

    def _notice_replacement(self) -> None:
        """Start over if another repository has replaced the one that was synced."""
        repository = self.repository
        if self.marker is not None and self.marker.repository != repository.identity():
            self.marker = None
            self.repository = Repository(repository.location, repository.environment)

    async def _sync(self, marker: Marker, head: Head, audits: bool) -> None:
        blobs = Blobs(self.repository)
        try:
            retried = await self._paths_to_retry(marker, audits)
            was_whole = not audits or await is_archive_whole(self.destination, marker.archive)
            if not was_whole:
                marker = _without_archive(marker)
            if not retried and was_whole and not self._differs(marker, head):
                await self._mark(head.commit)
                return
            if marker.head_commit != head.commit or marker.refs != head.refs:
                marker = await self._add_to_archive(marker, head)
            steps = await self._gather(marker, head, retried)
            outcome = Outcome()
            if any(step.is_put or step.is_deletion for step in steps):
                marker = replace(marker, pending=_pending(steps, marker, head))
                await self.destination.write(marker)
                self.marker = marker
                outcome = await self._apply(marker, steps, head, blobs)
            await self._conclude(marker, head, steps, outcome)
        finally:
            await blobs.close()

    async def _paths_to_retry(self, marker: Marker, audits: bool) -> set[str]:
        """Return the paths that need another attempt though no commit changed them."""
        retried: set[str] = set()
        if audits or self._retries_left_out:
            left_out = {**marker.skipped, **marker.notes}
            retried = {path for path, reason in left_out.items() if reason not in _FIXED}
        if audits and marker.tree:
            missing, edited = await find_damage(
                self.repository, self.destination, marker.tree, marker.skipped
            )
            retried.update(missing)
            for path in edited:
                if path in retried or await self._keep_edit(path):
                    retried.add(path)
        return retried

    async def _keep_edit(self, path: str) -> bool:
        """Save an edited file before it is overwritten; False if it must stay as it is."""
        kept = await self.destination.keep_edit(path)
        note = f"It was edited in the workspace; that version is kept in {kept}."
        self._edits[path] = note if kept else "It was edited in the workspace and left unchanged."
        return bool(kept)

    def _differs(self, marker: Marker, head: Head) -> bool:
        is_same_head = (marker.commit, marker.tree) == (head.commit, head.tree)
        if marker.archive.kind == "history":
            is_same_head &= (marker.head, marker.refs) == (head.name, head.refs)
        return marker.pending is not None or not is_same_head

    async def _add_to_archive(self, marker: Marker, head: Head) -> Marker:
        """Keep the objects; a failure here does not stop the files from being synced."""
        self.archive_problem = ""
        keeps = self._settings.keeps_history and not self._history_is_too_large
        for kind in ("history", "trees") if keeps else ("trees",):
            try:
                return await self._archive.add(marker, self.repository, head, kind)
            except MarkerChangedError:
                raise
            except ArchiveTooLargeError as error:
                self._history_is_too_large = True
                self._archive_failed(error)
            except (OSError, GitSyncError) as error:
                self._archive_failed(error)
                break
        return marker

    def _archive_failed(self, error: Exception) -> None:
        reason = f"{error} {getattr(error, 'hint', '')}".strip()
        self.archive_problem = f"The history is not kept in the workspace: {reason}"
        self._log.warning("%s: %s", self.destination.project, self.archive_problem)

    async def _gather(self, marker: Marker, head: Head, retried: set[str]) -> list[Step]:
        """Return a step for each path that differs, is pending or is retried."""
        repository, pending = self.repository, marker.pending
        begun = {*pending.paths, *pending.done} if pending is not None else set[str]()
        steps = [
            _step(change, marker, retried)
            async for change in objects.diff(repository, marker.tree, head.tree)
        ]
        others = sorted((begun | retried) - {step.path for step in steps})
        before = await objects.look_up(repository, marker.tree, others)
        now = await objects.look_up(repository, head.tree, others)
        for path in others:
            old_oid = before[path].oid if path in before else ""
            change = replace(now.get(path, Change(path, "", "")), old_oid=old_oid)
            steps.append(_step(change, marker, retried))
        return steps

    async def _apply(self, marker: Marker, steps: list[Step], head: Head, blobs: Blobs) -> Outcome:
        count = sum(step.is_put or step.is_deletion for step in steps)
        checkpoint_files = self._settings.checkpoint_files
        write = self.destination.write
        progress = Progress(marker, count, write, self._progress, checkpoint_files)
        applier = Applier(
            self.destination,
            blobs,
            object_format=marker.object_format,
            most_file_bytes=self._settings.most_file_bytes,
            parallel=self._settings.parallel,
            takes_over=marker.takes_over,
            finished=progress.finish,
        )
        try:
            return await applier.run(steps, marker.tree, head.tree)
        finally:
            self.marker = progress.marker()

    async def _conclude(
        self, marker: Marker, head: Head, steps: list[Step], outcome: Outcome
    ) -> None:
        was_synced = self.marker is not None and bool(self.marker.commit)
        touched = {step.path for step in steps}
        left_out = {step.path: step.skip for step in steps if step.skip} | outcome.skipped
        marker = replace(
            marker,
            commit=head.commit,
            tree=head.tree,
            synced_at=datetime.now(UTC).isoformat(timespec="seconds"),
            pending=None,
            takes_over=False,
            skipped={p: r for p, r in marker.skipped.items() if p not in touched} | left_out,
            notes={p: r for p, r in marker.notes.items() if p not in touched}
            | self._edits
            | outcome.notes,
            remotes=await self.repository.remotes(),
        )
        await self.destination.write(marker)
        self.marker = marker
        self._retries_left_out = False
        # Somebody deleted files of ours there: there may be more.
        self._audits = outcome.is_disturbed or (
            was_synced and self.destination.records_were_missing
        )
        self.destination.records_were_missing = False
        self._edits = {}
        if marker.obsolete:
            self.marker = await self._archive.tidy(marker)
        await self._mark(head.commit)

    async def _mark(self, commit: str) -> None:
        if commit == self._marked:
            return
        try:
            await self.repository.mark_synced(commit)
            self._marked = commit
        except GitError as error:  # a full disk or a read-only repository: the files are synced
            self._log.warning("%s: %s", self.destination.project, error)


def _without_archive(marker: Marker) -> Marker:
    """Return the marker without an archive that is damaged: a new one replaces it."""
    obsolete = (*marker.obsolete, marker.archive)
    return replace(marker, archive=Archive(), obsolete=obsolete, refs={}, head_commit="")


def _step(change: Change, marker: Marker, retried: set[str]) -> Step:
    path, oid, pending = change.path, change.oid, marker.pending
    owned = bool(change.old_oid) and path not in marker.skipped
    if pending is None:
        return Step(path, oid, owned, change.skip)
    done = pending.done.get(path)
    if done is not None:
        owned = bool(done)
    is_done = done == oid and path not in retried
    maybe = tuple(pending.paths.get(path, ()))
    return Step(path, oid, owned, change.skip, maybe, is_done)


def _pending(steps: list[Step], marker: Marker, head: Head) -> Pending:
    paths = {
        step.path: sorted({*step.maybe, *([step.oid] if step.oid else [])})
        for step in steps
        if step.is_put or step.is_deletion
    }
    earlier = marker.pending or Pending("", "")
    return Pending(head.commit, head.tree, {**earlier.paths, **paths}, earlier.done)

"""One project, one pass: bring the tree of HEAD into the workspace, whatever happened before.

The order of a pass, and why a kill between any two calls loses nothing:

1. the archive gets the commit's objects: they are safe, nobody sees them;
2. the marker says what is going to change (*pending*): from here on each path in it is known to
   be perhaps ours, with the blobs that it may hold;
3. the files change; each call can be repeated;
4. the marker says that the commit is there.

A new pass starts from the marker: what differs between its tree and HEAD's, and what is pending.

What is never done: overwrite or delete what we did not put there.  New files are created
exclusively.  When that fails, what is there is compared with what an attempt that was cut off may
have put; if it is something else, the path is left out and named.  Two limits: a file of ours that
somebody edited there is still ours, and so is one that somebody put in the place of one that we
had just deleted when we were cut off.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from .apply import Applier, Outcome, Work
from .audit import find_damage, is_archive_whole
from .errors import ArchiveTooLargeError, GitError, GitSyncError, MarkerChangedError
from .local import objects
from .local.objects import Blobs, Change
from .local.projects import CONTROL_CHARACTER, NOT_UTF8
from .local.repository import Head, Repository
from .ownership import claim
from .remote.archive import ArchiveStore
from .remote.marker import Archive, Destination, Marker, Pending

# What no second attempt can change as long as the commit is the same.
_FIXED = (objects.SYMLINK, objects.SUBMODULE, NOT_UTF8, CONTROL_CHARACTER)


@dataclass(frozen=True)
class Settings:
    """What is the same for all projects."""

    origin: str
    scratch: Path
    keeps_history: bool
    most_history_bytes: int
    most_file_bytes: int
    parallel: int
    # A call for each so many files, which spares three for each of them after a kill.
    checkpoint_files: int = 2000


class Reached:
    """Counts what is finished, and writes a marker that knows it after each so many files."""

    def __init__(
        self,
        marker: Marker,
        works: Iterable[Work],
        write: Callable[[Marker], Awaitable[None]],
        progress: Callable[[int, int], None],
        checkpoint_files: int,
    ) -> None:
        self._marker, self._write, self._progress = marker, write, progress
        self._checkpoint_files = checkpoint_files
        self._count = sum(work.is_put or work.is_deletion for work in works)
        self._finished = 0
        self._done: dict[str, str] = {}

    async def finish(self, path: str, oid: str | None) -> None:
        """Note a path: the blob that is there now, '' for none, None for left out."""
        self._finished += 1
        if oid is not None:
            self._done[path] = oid
        self._progress(self._finished, self._count)
        if self._finished % self._checkpoint_files == 0 and self._finished < self._count:
            await self._write(self.marker())

    def marker(self) -> Marker:
        """Return the marker of a pass that ends here."""
        pending = self._marker.pending
        if pending is None or not self._done:
            return self._marker
        return replace(self._marker, pending=pending.having_done(self._done))


class ProjectSync:
    """Syncs one project; between passes it remembers the marker that it wrote last."""

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
        """Whether the last pass met something that somebody had removed: there may be more."""
        return self._audits

    async def run(self, *, takes_over: bool = False, audits: bool = False) -> Head | None:
        """Sync HEAD; return what was synced, None when there is no commit yet.

        Raises GitSyncError, WorkspaceError or OSError; then it can be run again.
        """
        try:
            return await self._run(takes_over=takes_over, audits=audits)
        except MarkerChangedError:
            # Another app's, whom claiming finds; or ours, written by a call whose answer was lost.
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
            # What was done before may have been undone there: finish first, then look.
            await self._sync(self.marker, head, audits=False)
        await self._sync(self.marker, head, audits=audits)
        return head

    def _notice_replacement(self) -> None:
        """Begin anew when another repository was put in the place of the one that was synced."""
        repository = self.repository
        if self.marker is not None and self.marker.repository != repository.identity():
            self.marker = None
            self.repository = Repository(repository.location, repository.environment)

    async def _sync(self, marker: Marker, head: Head, audits: bool) -> None:
        blobs = Blobs(self.repository)
        try:
            extra = await self._to_try_again(marker, audits)
            was_whole = not audits or await is_archive_whole(self.destination, marker.archive)
            if not was_whole:
                marker = _without_archive(marker)
            if not extra and was_whole and not self._differs(marker, head):
                await self._mark(head.commit)
                return
            if marker.head_commit != head.commit or marker.refs != head.refs:
                marker = await self._add_to_archive(marker, head)
            works = await self._gather(marker, head, extra)
            outcome = Outcome()
            if any(work.is_put or work.is_deletion for work in works):
                marker = replace(marker, pending=_pending(works, marker, head))
                await self.destination.write(marker)
                self.marker = marker
                outcome = await self._apply(marker, works, head, blobs)
            await self._conclude(marker, head, works, outcome)
        finally:
            await blobs.close()

    async def _to_try_again(self, marker: Marker, audits: bool) -> set[str]:
        """Paths that need a look though no commit changed them."""
        again: set[str] = set()
        if audits or self._retries_left_out:
            left_out = {**marker.skipped, **marker.notes}
            again = {path for path, reason in left_out.items() if reason not in _FIXED}
        if audits and marker.tree:
            damage = await find_damage(
                self.repository, self.destination, marker.tree, marker.skipped
            )
            again.update(damage.missing)
            for path in damage.edited:
                if path in again or await self._keep_edit(path):
                    again.add(path)
        return again

    async def _keep_edit(self, path: str) -> bool:
        """Save what somebody edited; False if that cannot be, so that it must stay as it is."""
        kept = await self.destination.keep_edit(path)
        said = f"It was edited in the workspace; that version is kept in {kept}."
        self._edits[path] = said if kept else "It was edited in the workspace, and left so."
        return bool(kept)

    def _differs(self, marker: Marker, head: Head) -> bool:
        is_same_head = (marker.commit, marker.tree) == (head.commit, head.tree)
        if marker.archive.kind == "history":
            is_same_head &= (marker.head, marker.refs) == (head.name, head.refs)
        return marker.pending is not None or not is_same_head

    async def _add_to_archive(self, marker: Marker, head: Head) -> Marker:
        """Keep the objects; what fails here must not keep the files from being synced."""
        keeps = self._settings.keeps_history and not self._history_is_too_large
        self.archive_problem = ""
        try:
            return await self._archive.add(
                marker, self.repository, head, "history" if keeps else "trees"
            )
        except ArchiveTooLargeError as error:
            return await self._add_trees(marker, head, error)
        except MarkerChangedError:
            raise
        except (OSError, GitSyncError) as error:
            self._archive_failed(error)
            return marker

    async def _add_trees(self, marker: Marker, head: Head, why: GitSyncError) -> Marker:
        self._history_is_too_large = True
        self._archive_failed(why)
        try:
            return await self._archive.add(marker, self.repository, head, "trees")
        except (OSError, ArchiveTooLargeError, GitError) as error:
            self._archive_failed(error)
            return marker

    def _archive_failed(self, error: Exception) -> None:
        reason = f"{error} {getattr(error, 'hint', '')}".strip()
        self.archive_problem = f"The history is not kept in the workspace: {reason}"
        self._log.warning("%s: %s", self.destination.project, self.archive_problem)

    async def _gather(self, marker: Marker, head: Head, extra: set[str]) -> list[Work]:
        """Return what is to be done for each path that differs, is pending or wants another try."""
        repository, pending = self.repository, marker.pending
        begun = {*pending.paths, *pending.done} if pending is not None else set[str]()
        works = [
            _work(change, marker, extra)
            async for change in objects.diff(repository, marker.tree, head.tree)
        ]
        others = sorted((begun | extra) - {work.path for work in works})
        before = await objects.look_up(repository, marker.tree, others)
        now = await objects.look_up(repository, head.tree, others)
        for path in others:
            old_oid = before[path].oid if path in before else ""
            change = replace(now.get(path, Change(path, "", "")), old_oid=old_oid)
            works.append(_work(change, marker, extra))
        return works

    async def _apply(self, marker: Marker, works: list[Work], head: Head, blobs: Blobs) -> Outcome:
        reached = Reached(
            marker, works, self.destination.write, self._progress, self._settings.checkpoint_files
        )
        applier = Applier(
            self.destination,
            blobs,
            object_format=marker.object_format,
            most_file_bytes=self._settings.most_file_bytes,
            parallel=self._settings.parallel,
            takes_over=marker.takes_over,
            finished=reached.finish,
        )
        try:
            return await applier.run(works, marker.tree, head.tree)
        finally:
            self.marker = reached.marker()

    async def _conclude(
        self, marker: Marker, head: Head, works: list[Work], outcome: Outcome
    ) -> None:
        was_synced = self.marker is not None and bool(self.marker.commit)
        touched = {work.path for work in works}
        left_out = {work.path: work.skip for work in works if work.skip} | outcome.skipped
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
        # Somebody removed things of ours there: there may be more.
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
        except GitError as error:  # a full disk, a read-only repository: only the display suffers
            self._log.warning("%s: %s", self.destination.project, error)


def _without_archive(marker: Marker) -> Marker:
    """A part of it is gone: everything is kept anew, and what is left of it goes then."""
    obsolete = (*marker.obsolete, marker.archive)
    return replace(marker, archive=Archive(), obsolete=obsolete, refs={}, head_commit="")


def _work(change: Change, marker: Marker, extra: set[str]) -> Work:
    path, oid, pending = change.path, change.oid, marker.pending
    owned = bool(change.old_oid) and path not in marker.skipped
    if pending is None:
        return Work(path, oid, owned, change.skip)
    done = pending.done.get(path)
    if done is not None:
        owned = bool(done)
    is_done = done == oid and path not in extra
    maybe = tuple(pending.paths.get(path, ()))
    return Work(path, oid, owned, change.skip, maybe, is_done)


def _pending(works: list[Work], marker: Marker, head: Head) -> Pending:
    paths = {
        work.path: sorted({*work.maybe, *([work.oid] if work.oid else [])})
        for work in works
        if work.is_put or work.is_deletion
    }
    earlier = marker.pending or Pending("", "")
    return Pending(head.commit, head.tree, {**earlier.paths, **paths}, earlier.done)

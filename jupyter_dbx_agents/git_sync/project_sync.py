"""One project, one pass: bring HEAD's tree into the workspace, whatever happened before.

The order of a pass, and why a kill between any two calls loses nothing:

1. the history has the commit: it is safe, and nobody sees it;
2. the marker records what is going to change (*pending*): each of these paths may be ours from now
   on, with the blobs that it may contain;
3. the files change; each call can be repeated;
4. the marker records that the commit is complete.

A new pass starts from the marker: it handles what differs between its tree and HEAD's, and what is
pending.  When HEAD moves, a pass ends at the next file, and the next one goes on with the newest
tree.  New files are created exclusively, so that no foreign file is overwritten; a file of ours
that somebody has edited there is copied before it is overwritten or deleted (``audit``).

Decided in docs/decisions/0008-marker-beside-the-tree.md.
"""

import contextlib
import hashlib
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..errors import DestinationError, GitSyncError, WorkspaceError
from .apply import (
    COLLIDES,
    CONVERTED,
    FOREIGN,
    Applier,
    Outcome,
    Step,
    SupersededError,
    deepest_first,
)
from .audit import Survey
from .history import History
from .local import objects
from .local.git import Git
from .local.objects import Blobs, Change, ancestors
from .local.projects import CONTROL_CHARACTER, NOT_UTF8, folded
from .local.repository import Head
from .ownership import Ownership
from .remote.marker import KEPT_FOLDER, Marker, Pending

# Reasons that no second attempt can change as long as the commit is the same.
_FIXED = {objects.SYMLINK, objects.SUBMODULE, objects.UNSAFE, NOT_UTF8, CONTROL_CHARACTER}
_FIXED |= {COLLIDES, CONVERTED}

# So often a pass waits for the history of a HEAD that has moved meanwhile.
_MOST_MOVES = 3


@dataclass(frozen=True)
class Settings:
    """The settings that all projects share."""

    most_file_bytes: int
    parallel: int
    # The marker is written once per so many files; after a kill that saves three calls per file.
    checkpoint_files: int = 2000
    # A pass that takes less is not cut off when HEAD moves.
    least_pass_seconds: float = 2.0


class ProjectSync:
    """Syncs one project; between passes it keeps the marker that it wrote last."""

    def __init__(
        self,
        ownership: Ownership,
        history: History,
        settings: Settings,
        *,
        log: logging.Logger,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        self.ownership, self.history = ownership, history
        self.repository, self.destination = ownership.repository, ownership.destination
        self._mirror = ownership.mirror
        self._key = hashlib.sha256(self.destination.project.encode()).hexdigest()[:12]
        self._settings, self._log, self._progress = settings, log, progress
        self._retries_left_out = True
        # The last pass found that somebody deleted something: there may be more.
        self.audits_next = False
        self._is_woken = False
        # The newest when HEAD was read.
        self._bundle = ""
        # When this server wrote each file, in milliseconds of the workspace's clock.
        self._written: dict[str, int] = {}

    @property
    def marker(self) -> Marker | None:
        """The marker that was read or written last."""
        return self.ownership.marker

    async def claim_unborn(self) -> None:
        """Claim the folder for a repository without commits: its work in progress is kept there.

        Raises GitSyncError, WorkspaceError or OSError.
        """
        async with self._mirror.locked(f"files-{self._key}"):
            await self._mirror.update()
            marker = await self.ownership.claim(self.history)
            if not marker.commit:
                await self._write(marker)

    def wake(self) -> None:
        """Let a running pass check whether HEAD has moved."""
        self._is_woken = True

    async def run(self, *, takes_over: bool = False, audits: bool = False) -> Head | None:
        """Sync HEAD and return it, None before the first commit.

        Raises GitSyncError, WorkspaceError or OSError; it can be run again then.
        """
        async with self._mirror.locked(f"files-{self._key}") as is_ours:
            if not is_ours:  # another server of this home may have written the marker
                self.ownership.marker = None
            while True:
                try:
                    return await self._run(takes_over=takes_over, audits=audits)
                except SupersededError:
                    takes_over = False  # it is on record

    async def _run(self, *, takes_over: bool, audits: bool) -> Head | None:
        self._is_woken = False
        audits |= self.audits_next
        head = await self.repository.head()
        if head is not None and (self.marker is None or takes_over):
            await self._mirror.update()
            self._retries_left_out = True
            await self.ownership.claim(self.history, takes_over=takes_over)
        for _ in range(_MOST_MOVES):
            before = head
            await self._keep_history(audits)
            # In this order: the files are of a commit in this bundle, or newer than it.
            self._bundle = self.history.newest_bundle
            head = await self.repository.head()
            if head == before:
                break
        if head is None:  # the history is of other branches
            return None
        marker = await self.ownership.claim(self.history)
        if not await self.ownership.has(marker.tree):  # the mirror was made again
            self.ownership.marker = None
            marker = await self.ownership.claim(self.history)
        if audits and marker.pending is not None:
            # Files that are done already may be gone there by now: finish first, then look.
            await self._sync(marker, head, audits=False)
            marker = self.marker or marker
        await self._sync(marker, head, audits=audits)
        return head

    async def _keep_history(self, audits: bool) -> None:
        """Make every ref safe first; a linked worktree depends on it only for restores."""
        try:
            await self.history.run(audits=audits)
        except DestinationError:
            if self.history.project == self.destination.project:
                raise

    async def _write(self, marker: Marker) -> None:
        location = self.repository.location
        marker = replace(
            marker,
            worktree=str(location.folder.resolve()) if location.is_linked else "",
            history=self.history.project,
            legacy=None if self.history.is_kept else marker.legacy,
        )
        await self.destination.write(marker)
        self.ownership.marker = marker

    async def _sync(self, marker: Marker, head: Head, audits: bool) -> None:
        started_ms = self.destination.files.time_ms
        location = self.repository.location
        blobs = Blobs(self._mirror.with_objects_of(location), location)
        try:
            outcome = Outcome()
            if marker.takes_over:
                await self._write(marker)  # a kill must not leave half of it to be refused
                outcome.notes = await self._set_aside(marker, blobs.git)
            steps = await self._steps(marker, head, audits, blobs)
            former = (marker.commit, marker.tree, marker.history)
            is_same = former == (head.commit, head.tree, self.history.project)
            if is_same and marker.pending is None and not steps and not marker.takes_over:
                return
            if not marker.tree and marker.pending is None:  # there is nothing of ours yet
                marker = replace(marker, audited_ms=started_ms)
            if any(step.is_put or step.is_deletion for step in steps):
                marker = replace(marker, pending=_pending(steps, marker, head))
                await self._write(marker)
            if any(step.is_put or not step.oid for step in steps):
                await self._apply(marker, steps, head, blobs, outcome)
            if audits:  # not before: what was edited until now has to be kept first
                marker = replace(marker, audited_ms=started_ms)
            await self._conclude(marker, head, steps, outcome)
        finally:
            await blobs.close()

    async def _set_aside(self, marker: Marker, git: Git) -> dict[str, str]:
        """Move files that are not ours to the records; return notes."""
        ours = {each.path async for each in objects.list_synced(git, marker.tree)}
        begun = marker.pending or Pending("", "")
        ours = (ours - marker.skipped.keys()) | {*begun.paths, *begun.done}
        files, notes, moved = self.destination.files, dict[str, str](), set[str]()
        async for path, there in self.destination.walk(set(self.ownership.other_projects())):
            if path in ours:
                continue
            if there.kind == "FILE" and await self.destination.keep(path):
                await files.delete(self.destination.path(path))
                moved.add(path)
            else:
                notes[path] = FOREIGN
        for folder in deepest_first({above for path in moved for above in ancestors(path)}):
            with contextlib.suppress(WorkspaceError):  # it is not empty
                await files.delete(self.destination.path(folder))
        if moved:
            place = f"{self.destination.records}/{KEPT_FOLDER}"
            notes["."] = f"{len(moved)} files that were here before are kept in {place}."
        return notes

    async def _steps(self, marker: Marker, head: Head, audits: bool, blobs: Blobs) -> list[Step]:
        """Return a step for each path that differs, is pending or needs another attempt."""
        git, pending = blobs.git, marker.pending
        retried: set[str] = set()
        if audits or self._retries_left_out:
            left_out = {**marker.skipped, **marker.notes}
            retried = {path for path, reason in left_out.items() if reason not in _FIXED}
        retried |= await self._arrived(marker, blobs)
        if audits:
            survey = Survey(self.destination, blobs, self._written, marker.audited_ms)
            for each in [each async for each in objects.list_synced(git, marker.tree)]:
                is_ours = each.path not in marker.skipped
                if is_ours and not await survey.is_intact(each.path, each.oid):
                    retried.add(each.path)
        begun = {*pending.paths, *pending.done} if pending is not None else set[str]()
        steps = [
            _step(change, marker, retried)
            async for change in objects.diff(git, marker.tree, head.tree)
        ]
        changed = {folded(step.path) for step in steps}  # there may be room for another name
        collided = {path for path, reason in marker.skipped.items() if reason == COLLIDES}
        retried |= {path for path in collided if folded(path) in changed}
        others = sorted((begun | retried) - {step.path for step in steps})
        before = await objects.look_up(git, marker.tree, others)
        now = await objects.look_up(git, head.tree, others)
        for path in others:
            old_oid = before[path].oid if path in before else ""
            change = replace(now.get(path, Change(path, "", "")), old_oid=old_oid)
            steps.append(_step(change, marker, retried))
        return steps

    async def _arrived(self, marker: Marker, blobs: Blobs) -> set[str]:
        """Return the paths whose object or Git LFS content was missing, and is here by now."""
        left_out = {**marker.skipped, **marker.notes}
        paths = [path for path, reason in left_out.items() if objects.is_missing(reason)]
        entries = await objects.look_up(blobs.git, marker.tree, paths)
        missing = await blobs.git.missing(*(each.oid for each in entries.values()))
        return {
            path
            for path, each in entries.items()
            if each.oid not in missing
            and (left_out[path] != objects.POINTER_NOTE or await blobs.has_large(path, each.oid))
        }

    async def _apply(
        self, marker: Marker, steps: list[Step], head: Head, blobs: Blobs, outcome: Outcome
    ) -> None:
        started = time.monotonic()
        count = sum(step.is_put or step.is_deletion for step in steps)
        finished, done = itertools.count(1), dict[str, str]()

        def reached() -> Marker:
            return replace(marker, pending=marker.pending and marker.pending.with_done(done))

        async def finish(path: str, oid: str | None) -> None:
            """Record a path: the blob that is there now, '' for none, None if it was left out."""
            number = next(finished)
            if oid is not None:
                done[path] = oid
            self._progress(number, count)
            if number % self._settings.checkpoint_files == 0 and number < count:
                await self._write(reached())

        async def is_superseded() -> bool:
            least_seconds = self._settings.least_pass_seconds
            if not self._is_woken or time.monotonic() - started < least_seconds:
                return False
            self._is_woken = False
            now = await self.repository.head()
            return now is not None and now.commit != head.commit

        applier = Applier(
            self.destination,
            blobs,
            head.tree,
            Survey(self.destination, blobs, self._written, marker.audited_ms),
            most_file_bytes=self._settings.most_file_bytes,
            parallel=self._settings.parallel,
            finished=finish,
            is_superseded=is_superseded,
            outcome=outcome,
        )
        folders = [await objects.folders_of(blobs.git, tree) for tree in (marker.tree, head.tree)]
        try:
            await applier.run(steps, *folders)
        finally:
            self.ownership.marker = reached()

    async def _conclude(
        self, marker: Marker, head: Head, steps: list[Step], outcome: Outcome
    ) -> None:
        was_synced = bool(marker.commit)
        touched = {step.path for step in steps}
        left_out = {step.path: step.skip for step in steps if step.skip} | outcome.skipped
        marker = replace(
            marker,
            commit=head.commit,
            tree=head.tree,
            bundle=self._bundle,
            synced_at=datetime.now(UTC).isoformat(timespec="seconds"),
            pending=None,
            takes_over=False,
            roots=marker.roots or await self.ownership.roots(),  # it may have been unborn
            skipped={p: r for p, r in marker.skipped.items() if p not in touched} | left_out,
            notes={p: r for p, r in marker.notes.items() if p not in touched} | outcome.notes,
            unfinished={p: b for p, b in marker.unfinished.items() if p not in touched}
            | outcome.unfinished,
        )
        await self._write(marker)
        self._retries_left_out = False
        # Somebody deleted files of ours there: there may be more.
        self.audits_next = outcome.is_disturbed or (
            was_synced and self.destination.records_were_missing
        )
        self.destination.records_were_missing = False
        with contextlib.suppress(GitSyncError):  # so that the tree of the next pass's start stays
            await self._mirror.set_own_refs({f"synced-{self._key}": head.commit})
        if self.history.project == self.destination.project:
            await self.history.tidy()


def _step(change: Change, marker: Marker, retried: set[str]) -> Step:
    path, pending = change.path, marker.pending or Pending("", "")
    old_oid = "" if path in marker.skipped else change.old_oid
    done = pending.done.get(path)
    is_done = done == change.oid and path not in retried
    maybe = (*pending.paths.get(path, ()), *marker.unfinished.get(path, ()))
    return Step(path, change.oid, old_oid if done is None else done, change.skip, maybe, is_done)


def _pending(steps: list[Step], marker: Marker, head: Head) -> Pending:
    paths = {
        step.path: sorted({*step.maybe, step.oid} - {""})
        for step in steps
        if step.is_put or step.is_deletion
    }
    earlier = marker.pending or Pending("", "")
    return Pending(head.commit, head.tree, {**earlier.paths, **paths}, earlier.done)

"""One project, one pass: bring HEAD's tree into the workspace, whatever happened before.

The order of a pass, and why a kill between any two calls loses nothing:

1. the history has the commit: it is safe, and nobody sees it;
2. the marker records what is going to change (*pending*): each of these paths may be ours from now
   on, with the blobs that it may contain;
3. the files change; each call can be repeated;
4. the marker records that the commit is complete.

A new pass starts from the marker: it handles what differs between its tree and HEAD's, and what is
pending.  When HEAD moves, a pass ends at the next file, and the next one goes on with the newest
tree.  New files are created exclusively, so that no foreign file is overwritten.  Two limits: a
file of ours that somebody edited there is still ours, and so is one that somebody put in the place
of one that an interrupted pass had just deleted.

Decided in docs/decisions/0008-marker-beside-the-tree.md.
"""

import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..errors import DestinationError, GitError
from .apply import Applier, Outcome, Step, SupersededError
from .audit import find_damage
from .history import History
from .local import objects
from .local.git import Git
from .local.objects import Blobs, Change
from .local.projects import CONTROL_CHARACTER, NOT_UTF8
from .local.repository import Head
from .ownership import Ownership
from .remote.marker import Marker, Pending

# Reasons that no second attempt can change as long as the commit is the same.
_FIXED = (objects.SYMLINK, objects.SUBMODULE, NOT_UTF8, CONTROL_CHARACTER)
# Only a commit that changes it replaces it.
_EDITED_AND_LEFT = "It was edited in the workspace, is too large to be kept, and left unchanged."


@dataclass(frozen=True)
class Settings:
    """The settings that all projects share."""

    most_file_bytes: int
    parallel: int
    # The marker is written once per so many files; after a kill that saves three calls per file.
    checkpoint_files: int = 2000
    # A pass that takes less is not cut off when HEAD moves.
    least_pass_seconds: float = 2.0


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
        self._audits = False
        self._is_woken = False
        self._edits: dict[str, str] = {}

    @property
    def marker(self) -> Marker | None:
        """The marker that was read or written last."""
        return self.ownership.marker

    @property
    def wants_another_pass(self) -> bool:
        """Whether the last pass found that somebody deleted something: there may be more."""
        return self._audits

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
        audits |= self._audits
        head = await self.repository.head()
        if head is None:
            await self._keep_history(audits)  # of other branches
            return None
        if self.marker is None or takes_over:
            await self._mirror.update()
            self._retries_left_out = True
            await self.ownership.claim(self.history, takes_over=takes_over)
        await self._keep_history(audits)
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

    async def _objects(self, *trees: str) -> Git:
        """Return the mirror, or the repository while that has what the mirror cannot get."""
        is_whole = not await self._mirror.missing(*trees)
        return self._mirror if is_whole else self.repository

    async def _sync(self, marker: Marker, head: Head, audits: bool) -> None:
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        git = await self._objects(marker.tree, head.tree)
        blobs = Blobs(git, self.repository.location)
        try:
            retried = await self._paths_to_retry(marker, audits, git)
            is_same = (marker.commit, marker.tree) == (head.commit, head.tree)
            if is_same and marker.pending is None and not retried and not self._edits:
                return
            if audits or not marker.tree:
                marker = replace(marker, audited_at=started_at)
            steps = await self._gather(marker, head, retried, git)
            outcome = Outcome()
            if any(step.is_put or step.is_deletion for step in steps):
                marker = replace(marker, pending=_pending(steps, marker, head))
                await self._write(marker)
                outcome = await self._apply(marker, steps, head, blobs)
            await self._conclude(marker, head, steps, outcome)
        finally:
            await blobs.close()

    async def _paths_to_retry(self, marker: Marker, audits: bool, git: Git) -> set[str]:
        """Return the paths that need another attempt though no commit changed them."""
        retried: set[str] = set()
        if audits or self._retries_left_out:
            left_out = {**marker.skipped, **marker.notes}
            fixed = (*_FIXED, _EDITED_AND_LEFT)
            retried = {path for path, reason in left_out.items() if reason not in fixed}
        if audits and marker.tree:
            missing, edited = await find_damage(git, self.destination, marker)
            retried.update(missing)
            for path in edited:
                if await self._keep_edit(path):
                    retried.add(path)
                else:
                    retried.discard(path)
            left = {path for path, reason in marker.notes.items() if reason == _EDITED_AND_LEFT}
            retried |= left.difference(edited)
        return retried

    async def _keep_edit(self, path: str) -> bool:
        """Save an edited file before it is overwritten; False if it must stay as it is."""
        kept = await self.destination.keep_edit(path)
        note = f"It was edited in the workspace; that version is kept in {kept}."
        self._edits[path] = note if kept else _EDITED_AND_LEFT
        return bool(kept)

    async def _gather(self, marker: Marker, head: Head, retried: set[str], git: Git) -> list[Step]:
        """Return a step for each path that differs, is pending or is retried."""
        pending = marker.pending
        begun = {*pending.paths, *pending.done} if pending is not None else set[str]()
        steps = [
            _step(change, marker, retried)
            async for change in objects.diff(git, marker.tree, head.tree)
        ]
        others = sorted((begun | retried) - {step.path for step in steps})
        before = await objects.look_up(git, marker.tree, others)
        now = await objects.look_up(git, head.tree, others)
        for path in others:
            old_oid = before[path].oid if path in before else ""
            change = replace(now.get(path, Change(path, "", "")), old_oid=old_oid)
            steps.append(_step(change, marker, retried))
        return steps

    async def _apply(self, marker: Marker, steps: list[Step], head: Head, blobs: Blobs) -> Outcome:
        count = sum(step.is_put or step.is_deletion for step in steps)
        checkpoint_files = self._settings.checkpoint_files
        progress = Progress(marker, count, self._write, self._progress, checkpoint_files)
        started = time.monotonic()

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
            object_format=marker.object_format,
            most_file_bytes=self._settings.most_file_bytes,
            parallel=self._settings.parallel,
            takes_over=marker.takes_over,
            finished=progress.finish,
            is_superseded=is_superseded,
        )
        try:
            return await applier.run(steps, marker.tree, head.tree)
        finally:
            self.ownership.marker = progress.marker()

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
            synced_at=datetime.now(UTC).isoformat(timespec="seconds"),
            pending=None,
            takes_over=False,
            skipped={p: r for p, r in marker.skipped.items() if p not in touched} | left_out,
            notes={p: r for p, r in marker.notes.items() if p not in touched}
            | self._edits
            | outcome.notes,
        )
        await self._write(marker)
        self._retries_left_out = False
        # Somebody deleted files of ours there: there may be more.
        self._audits = outcome.is_disturbed or (
            was_synced and self.destination.records_were_missing
        )
        self.destination.records_were_missing = False
        self._edits = {}
        with contextlib.suppress(
            GitError
        ):  # it holds on to the tree that the next pass starts from
            await self._mirror.set_own_refs({f"synced-{self._key}": head.commit})
        if self.history.project == self.destination.project:
            await self.history.tidy()


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

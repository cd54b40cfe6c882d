"""Write the changes of one pass, in an order that is safe to interrupt at every point."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar
from unicodedata import normalize

from ..errors import GitError, WorkspaceError, WorkspacePermissionError
from .audit import Survey
from .local.objects import UNNAMEABLE, Blobs, Content, ancestors, is_safe, list_synced
from .local.projects import folded
from .remote.marker import ALREADY_EXISTS, Destination, is_taken
from .remote.workspace_files import RemoteObject, is_full, is_too_large

T = TypeVar("T")
FOREIGN = (
    "A file or folder that git sync did not create has this name in the workspace. "
    "Move it away there, then run sync."
)
_EDITED = (
    "It was edited in the workspace, and cannot be kept elsewhere, such as for its size. "
    "Move it away there, then run sync."
)
_BLOCKED = (
    "A file that git sync did not create is in the place of its folder in the workspace. "
    "Move it away there, then run sync."
)
COLLIDES = "The workspace does not distinguish its name from that of another file. Rename it."
CONVERTED = "The workspace converts files with this name, so it is left out."
# Names by which the workspace recognizes dashboards, queries and alerts, whatever the format says:
# https://docs.databricks.com/aws/en/dashboards/ and the extensions that the CLI knows.
_CONVERTED_NAME = re.compile(r"\.(lvdash\.json|db(query|alert)\.(ipynb|json))$", re.IGNORECASE)
# After so many that may not be written, and none that may, the others are not tried.
_MOST_FORBIDDEN = 10


class SupersededError(Exception):
    """HEAD has moved: the pass ends here, and the next one goes on with the newest tree."""


@dataclass(frozen=True, slots=True)
class Step:
    """One path to bring to the state of HEAD's tree.

    ``oid`` is its blob there ('' for none, or none that is synced: then ``skip`` says why);
    ``old_oid`` is the blob that git sync has written there, '' if what is there is not ours;
    ``maybe`` are blobs that an interrupted pass may have left there; ``is_done``: such a pass has
    certainly finished it.
    """

    path: str
    oid: str
    old_oid: str
    skip: str = ""
    maybe: tuple[str, ...] = ()
    is_done: bool = False

    @property
    def name(self) -> str:
        """The path as one reads it, also of a file whose name cannot be synced."""
        return self.path.removeprefix(UNNAMEABLE)

    @property
    def is_put(self) -> bool:
        """Whether there is something to write."""
        return bool(self.oid) and not self.is_done

    @property
    def is_deletion(self) -> bool:
        """Whether there may be something of ours to delete."""
        return not self.oid and bool(self.blobs) and not self.is_done

    @property
    def blobs(self) -> set[str]:
        """The blobs that may be there."""
        return {self.old_oid, self.oid, *self.maybe} - {""}


def in_the_way(deletions: Iterable[Step], puts: Iterable[Step]) -> set[str]:
    """Return the deleted paths that are in the way of a new one, and so go first.

    In the way of a file is a file above it (folder instead of file), one below it (file instead of
    folder), and one whose name differs in case or Unicode form only (the workspace may take both
    for one).  Everything else is deleted last: until then the workspace may have the only copy of a
    Git LFS content.
    """
    files = {folded(put.path) for put in puts}
    names = files | {above for path in files for above in ancestors(path)}
    return {
        step.path
        for step in deletions
        if (path := folded(step.name)) in names or not files.isdisjoint(ancestors(path))
    }


def deepest_first(folders: Iterable[str]) -> list[str]:
    """Return folders, each before those above it."""
    return sorted(folders, key=lambda each: -each.count("/"))


def innermost(folders: set[str]) -> list[str]:
    """Return the folders that contain no other one: making them makes all."""
    return sorted(folders - {each for folder in folders for each in ancestors(folder)})


@dataclass
class Outcome:
    """The steps that did not simply succeed."""

    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    # Files of ours that could not be replaced or deleted, with the blobs that they may contain.
    unfinished: dict[str, list[str]] = field(default_factory=dict)
    # A folder of ours was missing: somebody deletes files there.
    is_disturbed: bool = False


@dataclass
class Applier:
    """Carries out the steps of one pass to a tree; ``finished`` gets each path."""

    destination: Destination
    blobs: Blobs
    tree: str
    survey: Survey
    most_file_bytes: int
    parallel: int
    finished: Callable[[str, str | None], Awaitable[None]]
    is_superseded: Callable[[], Awaitable[bool]]
    outcome: Outcome
    # A file of ours was in them a moment ago.
    _left_folders: set[str] = field(default_factory=set)
    # The paths of the tree by their folded form, when they are needed.
    _names: dict[str, list[str]] = field(default_factory=dict)
    _is_over: bool = False
    _has_written: bool = False
    _forbidden: list[WorkspacePermissionError] = field(default_factory=list)

    async def run(self, steps: list[Step], old_folders: set[str], folders: set[str]) -> None:
        """Carry out all steps between two trees with these folders; it can be run again."""
        puts = [step for step in steps if step.is_put]
        # Also those that were left out: their folders may be there, and empty.
        gone = [step for step in steps if not step.oid]
        first = in_the_way(gone, puts)
        new_folders = {step.path.rpartition("/")[0] for step in puts if not step.old_oid}
        await self._delete_all([step for step in gone if step.path in first], folders)
        await self._each(innermost(new_folders - old_folders), self._make_folder)
        await self._each(puts, self._put)
        self._require_permission()
        await self._delete_all([step for step in gone if step.path not in first], folders)

    async def _delete_all(self, gone: list[Step], folders: set[str]) -> None:
        """Delete files, and those of their folders that HEAD's tree no longer has."""
        await self._each([step for step in gone if step.is_deletion], self._delete)
        above = {folder for step in gone for folder in ancestors(step.name)}
        for folder in deepest_first({each for each in above if is_safe(each)} - folders):
            await self._remove_folder(folder)

    async def _each(self, items: list[T], action: Callable[[T], Awaitable[object]]) -> None:
        queue = iter(items)

        async def work() -> None:
            for item in queue:
                async with self.destination.files.pace.files:
                    self._is_over = self._is_over or await self.is_superseded()
                    if self._is_over:
                        return
                    await action(item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.parallel, len(items))):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if self._is_over:
            raise SupersededError

    # ---- folders

    async def _make_folder(self, folder: str) -> str:
        """Make a folder; return why it is not possible."""
        path = self.destination.path(folder)
        try:
            await self.destination.files.make_folder(path)
        except WorkspacePermissionError as error:
            return self._forbid(error, path)
        except WorkspaceError as error:
            if error.error_code != ALREADY_EXISTS:
                raise
            return _BLOCKED
        return ""

    async def _remove_folder(self, folder: str) -> None:
        """Delete an empty folder; look first, since the call would delete a foreign file, too."""
        if folder not in self._left_folders:
            there = await self.destination.files.info(self.destination.path(folder))
            if there is None or there.kind != "DIRECTORY":
                return
        try:
            await self.destination.files.delete(self.destination.path(folder))
        except WorkspaceError as error:
            if not _is_about_object(error):
                raise  # otherwise it is not empty, and stays
        else:
            self.survey.deleted(folder)

    # ---- files

    async def _delete(self, step: Step) -> None:
        there = await self.survey.at(step.path)
        reason = await self._why_not_replaced(step, there) if there is not None else ""
        if reason == _EDITED:
            self.outcome.notes[step.path] = reason
        elif there is not None and not reason:
            try:
                await self.destination.files.delete(self.destination.path(step.path))
            except WorkspaceError as error:
                if not _is_about_object(error):
                    raise
                self.outcome.unfinished[step.path] = sorted(step.blobs)
                note = f"The workspace refuses to delete it: {error.message}"
                self.outcome.notes[step.path] = note
                return await self.finished(step.path, None)
            self.survey.deleted(step.path)
            self._left_folders.update(ancestors(step.path))
        return await self.finished(step.path, "")

    async def _put(self, step: Step) -> None:
        try:
            content = await self.blobs.open(step.path, step.oid)
            reason = await self._write(step, content)
        except GitError as error:
            reason = f"{error.message} {error.hint}"
        else:
            if content.note:
                self.outcome.notes[step.path] = content.note
        is_ours = bool(step.old_oid) and reason not in (FOREIGN, _BLOCKED, _EDITED, CONVERTED)
        if reason and is_ours:
            self.outcome.notes[step.path] = f"{reason} The workspace has an older version."
            self.outcome.unfinished[step.path] = sorted(step.blobs)
        elif reason:
            self.outcome.skipped[step.path] = reason
            self.outcome.notes.pop(step.path, None)
        is_complete = not reason and step.path not in self.outcome.notes
        await self.finished(step.path, step.oid if is_complete else None)

    async def _write(self, step: Step, content: Content) -> str:
        """Write one file; return why it was left out, '' if it was not."""
        if content.size_bytes > self.most_file_bytes:
            return (
                f"It has {content.size_bytes / 1e6:.0f} MB; the limit is "
                f"{self.most_file_bytes / 1e6:.0f} MB."
            )
        there = await self.survey.at(step.path) if step.old_oid or step.maybe else None
        if there is not None and (reason := await self._why_not_replaced(step, there)):
            return reason
        try:
            return await self._write_into_folder(step, content, overwrite=there is not None)
        except WorkspaceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        if reason := await self._make_folder(step.path.rpartition("/")[0]):
            return reason
        self.outcome.is_disturbed = True
        return await self._write_into_folder(step, content, overwrite=False)

    async def _why_not_replaced(self, step: Step, there: RemoteObject) -> str:
        """Return why what is there must stay, '' if it is ours, or an edit that is kept now."""
        if there.kind != "FILE":
            return FOREIGN
        is_owned = bool(step.old_oid)
        if await self.survey.is_ours(step.path, there, step.blobs, is_owned=is_owned):
            return ""
        if not is_owned:
            return FOREIGN
        note = await self.destination.keep(step.path)
        if note:
            self.outcome.notes[step.path] = note
        return "" if note else _EDITED

    async def _write_into_folder(self, step: Step, content: Content, *, overwrite: bool) -> str:
        """Write one file like ``_write``; raises a WorkspaceError of 404 without its folder."""
        path = self.destination.path(step.path)
        try:
            self.survey.written[step.path] = await self.destination.files.put(
                path, content, overwrite=overwrite
            )
        except WorkspaceError as error:
            if is_taken(error) and not overwrite:
                return await self._resolve(step, content)
            if error.status == HTTPStatus.NOT_FOUND:
                raise
            return await self._refused(error, path)
        self._has_written = True
        return await self._check_kind(step.path)

    async def _resolve(self, step: Step, content: Content) -> str:
        """Handle what is there already: ours, if an earlier answer was lost, or foreign."""
        there = await self.destination.files.info(self.destination.path(step.path))
        if there is None:
            return FOREIGN
        if normalize("NFC", there.name) != normalize("NFC", step.path.rpartition("/")[2]):
            return COLLIDES
        if await self._is_of_another(step.path, there):
            return COLLIDES
        if there.kind != "FILE" or not await self.survey.is_ours(
            step.path, there, step.blobs, is_owned=False
        ):
            return FOREIGN
        return await self._write_into_folder(step, content, overwrite=True)

    async def _is_of_another(self, path: str, there: RemoteObject) -> bool:
        """Whether it is the file of another path of HEAD that the workspace takes for this one."""
        if not self._names:
            async for each in list_synced(self.blobs.git, self.tree):
                self._names.setdefault(folded(each.path), []).append(each.path)
        others = [other for other in self._names.get(folded(path), []) if other != path]
        place = normalize("NFC", there.path)  # maybe without “/Workspace”
        return any(
            normalize("NFC", self.destination.path(other)).endswith(place) for other in others
        )

    async def _check_kind(self, path: str) -> str:
        """Delete what the workspace has made of a file with a name that it interprets."""
        if not _CONVERTED_NAME.search(path):
            return ""
        there = await self.destination.files.info(self.destination.path(path))
        if there is not None and there.kind == "FILE":
            return ""
        if there is not None:
            await self.destination.files.delete(self.destination.path(path))
        return CONVERTED

    async def _refused(self, error: WorkspaceError, path: str) -> str:
        """Return what is wrong with one file; raises what would be wrong with each."""
        if isinstance(error, WorkspacePermissionError):
            return self._forbid(error, path)
        is_about_file = _is_bad_request(error) or is_too_large(error)
        if not is_about_file or is_full(error):
            raise error
        there = await self.destination.files.info(path)
        if there is not None and there.kind != "FILE":
            return FOREIGN
        return f"The workspace rejects it: {error.message}"

    def _forbid(self, error: WorkspacePermissionError, path: str) -> str:
        """Return why one file may not be written; raises if it seems that none may."""
        message = f"{error.message} ({path})"
        self._forbidden.append(WorkspacePermissionError(message, status=error.status))
        if len(self._forbidden) > _MOST_FORBIDDEN:
            self._require_permission()
        return f"The workspace does not allow it: {error.message}"

    def _require_permission(self) -> None:
        if self._forbidden and not self._has_written:
            raise self._forbidden[0]


def _is_about_object(error: WorkspaceError) -> bool:
    """Whether another object may not meet the same error.

    If nothing at all may be written, writing the marker says so.
    """
    return _is_bad_request(error) or isinstance(error, WorkspacePermissionError)


def _is_bad_request(error: WorkspaceError) -> bool:
    """Whether the request itself was rejected, not its user, and not for the moment."""
    return error.status == HTTPStatus.BAD_REQUEST and not isinstance(
        error, WorkspacePermissionError
    )

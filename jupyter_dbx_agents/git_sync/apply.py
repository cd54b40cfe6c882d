"""Write the changes of one pass, in an order that is safe to interrupt at every point."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from ..errors import GitError, WorkspaceError, WorkspacePermissionError
from .local.objects import Blobs, Content, ancestors, blob_id
from .remote.marker import ALREADY_EXISTS, Destination, is_taken
from .remote.workspace_files import MOST_EXPORT_BYTES

T = TypeVar("T")
TOO_LARGE = "MAX_NOTEBOOK_SIZE_EXCEEDED"
FOREIGN = (
    "A file or folder that git sync did not create has this name in the workspace. "
    "Move it away there, then run sync."
)
_BLOCKED = (
    "A file that git sync did not create is in the place of its folder in the workspace. "
    "Move it away there, then run sync."
)
# Errors that the next file would get, too: “QUOTA_EXCEEDED”, “RESOURCE_LIMIT_EXCEEDED” …
_FULL = ("QUOTA", "RESOURCE_LIMIT", "RESOURCE_EXHAUSTED")
_NOTEBOOK_HEADER = b" Databricks notebook source"
_SNIFFED_BYTES = 64


class SupersededError(Exception):
    """HEAD has moved: the pass ends here, and the next one goes on with the newest tree."""


@dataclass(frozen=True, slots=True)
class Step:
    """One path to bring to the state of HEAD's tree.

    ``oid`` is its blob there ('' for none, or none that is synced: then ``skip`` says why);
    ``owned``: what is at the path in the workspace is ours; ``maybe`` are blobs that an interrupted
    pass may have left there; ``is_done``: such a pass has certainly finished it.
    """

    path: str
    oid: str
    owned: bool
    skip: str = ""
    maybe: tuple[str, ...] = ()
    is_done: bool = False

    @property
    def is_put(self) -> bool:
        """Whether there is something to write."""
        return bool(self.oid) and not self.is_done

    @property
    def is_deletion(self) -> bool:
        """Whether there may be something of ours to delete."""
        return not self.oid and (self.owned or bool(self.maybe)) and not self.is_done

    @property
    def is_gone(self) -> bool:
        """Whether the path is deleted in this pass, or was in an interrupted one."""
        return self.is_deletion or (self.is_done and not self.oid)


@dataclass
class Plan:
    """The order: what is in the way is deleted first, everything else last."""

    first_deletions: list[Step] = field(default_factory=list)
    first_folders: list[str] = field(default_factory=list)
    puts: list[Step] = field(default_factory=list)
    deletions: list[Step] = field(default_factory=list)


def build_plan(steps: Iterable[Step]) -> Plan:
    """Order the steps.

    In the way of a file is a file above it (folder instead of file), one below it (file instead of
    folder), and one whose name differs in case only (if the workspace ignores case).
    """
    plan = Plan()
    gone = []
    for step in steps:
        if step.is_put:
            plan.puts.append(step)
        elif step.is_gone:
            gone.append(step)
    names = {step.path.casefold() for step in gone}
    folders = {above.casefold() for step in gone for above in ancestors(step.path)}
    in_the_way: set[str] = set()
    for put in plan.puts if gone else ():
        folded = put.path.casefold()
        in_the_way.update(name for name in (folded, *ancestors(folded)) if name in names)
        if folded in folders:
            in_the_way.add(folded + "/")
    first: list[Step] = []
    for step in gone:
        folded = step.path.casefold()
        above = [f"{each}/" for each in ancestors(folded)]
        is_first = folded in in_the_way or any(each in in_the_way for each in above)
        (first if is_first else plan.deletions).append(step)
    replaced = {put.path for put in plan.puts}
    plan.first_folders = deepest_first(
        each
        for step in first
        for each in ancestors(step.path)
        if each in replaced or any(above in replaced for above in ancestors(each))
    )
    plan.first_deletions = [step for step in first if step.is_deletion]
    plan.deletions = [step for step in plan.deletions if step.is_deletion]
    return plan


def deepest_first(folders: Iterable[str]) -> list[str]:
    """Return distinct folders, each before those above it."""
    return sorted(set(folders), key=lambda each: (-each.count("/"), each))


def innermost(folders: set[str]) -> list[str]:
    """Return the folders that contain no other one: making them makes all."""
    above = {each for folder in folders for each in ancestors(folder)}
    return sorted(folders - above)


@dataclass
class Outcome:
    """The steps that did not simply succeed."""

    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    # A folder of ours was missing: somebody deletes files there.
    is_disturbed: bool = False


@dataclass
class Applier:
    """Carries out the steps of one pass in a project's folder; ``finished`` gets each path."""

    destination: Destination
    blobs: Blobs
    object_format: str
    most_file_bytes: int
    parallel: int
    takes_over: bool
    finished: Callable[[str, str | None], Awaitable[None]]
    is_superseded: Callable[[], Awaitable[bool]]
    outcome: Outcome = field(default_factory=Outcome)
    _blocked: dict[str, str] = field(default_factory=dict)
    # A file of ours was in them a moment ago.
    _left_folders: set[str] = field(default_factory=set)
    _is_over: bool = False

    async def run(self, steps: list[Step], old_tree: str, tree: str) -> Outcome:
        """Carry out all steps; whatever it raises, it can be run again."""
        plan = build_plan(steps)
        self.outcome.skipped = {step.path: step.skip for step in steps if step.skip}
        await self._each(plan.first_deletions, self._delete)
        for folder in plan.first_folders:
            await self._remove_folder(folder)
        await self._each(await self._new_folders(plan.puts, old_tree), self._make_folder)
        await self._each(plan.puts, self._put)
        await self._each(plan.deletions, self._delete)
        for folder in await self._empty_folders(steps, tree):
            await self._remove_folder(folder)
        return self.outcome

    async def _each(self, items: list[T], action: Callable[[T], Awaitable[None]]) -> None:
        queue = iter(items)

        async def work() -> None:
            for item in queue:
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

    async def _new_folders(self, puts: list[Step], old_tree: str) -> list[str]:
        folders = {step.path.rpartition("/")[0] for step in puts if not step.owned}
        if not old_tree:
            return innermost(folders) or [""] if folders else []
        new = {f for f in folders if f and await self.blobs.size(f"{old_tree}:{f}") is None}
        return innermost(new)

    async def _make_folder(self, folder: str) -> None:
        try:
            await self.destination.files.make_folder(self._path(folder))
        except WorkspaceError as error:
            if error.error_code != ALREADY_EXISTS:
                raise
            self._blocked[folder] = _BLOCKED

    async def _empty_folders(self, steps: list[Step], tree: str) -> list[str]:
        """Return the folders that HEAD's tree no longer has; others may have files in them."""
        candidates = {above for s in steps if s.is_gone for above in ancestors(s.path)}
        kept = {above for s in steps if s.is_put for above in ancestors(s.path)}
        gone = [f for f in candidates - kept if await self.blobs.size(f"{tree}:{f}") is None]
        return deepest_first(gone)

    async def _remove_folder(self, folder: str) -> None:
        """Delete an empty folder; look first, since the call would delete a foreign file, too."""
        if folder not in self._left_folders:
            there = await self.destination.files.info(self._path(folder))
            if there is None or there.kind != "DIRECTORY":
                return
        try:
            await self.destination.files.delete(self._path(folder))
        except WorkspaceError as error:
            if not _is_bad_request(error):
                raise  # otherwise it is not empty, and stays

    # ---- files

    async def _delete(self, step: Step) -> None:
        path = self._path(step.path)
        if step.owned or await self._is_ours(path, step.maybe):
            try:
                if await self.destination.files.delete(path):
                    self._left_folders.update(ancestors(step.path))
            except WorkspaceError as error:
                if not _is_bad_request(error):
                    raise  # otherwise it is a folder now, and not ours
        await self.finished(step.path, "")

    async def _put(self, step: Step) -> None:
        try:
            content = await self.blobs.open(step.path, step.oid)
            reason = await self._write(step, content)
        except GitError as error:
            reason = f"{error.message} {error.hint}"
        else:
            if content.note:
                self.outcome.notes[step.path] = content.note
        if reason and step.owned and reason not in (FOREIGN, _BLOCKED):
            self.outcome.notes[step.path] = f"{reason} The workspace has an older version."
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
        try:
            return await self._write_into_folder(step, content)
        except WorkspaceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        folder = step.path.rpartition("/")[0]
        if not self._why_blocked(folder):
            await self._make_folder(folder)
        if blocked := self._why_blocked(folder):
            return blocked
        self.outcome.is_disturbed = True
        return await self._write_into_folder(step, content)

    async def _write_into_folder(self, step: Step, content: Content) -> str:
        """Write one file like ``_write``; raises a WorkspaceError of 404 without its folder."""
        path, overwrite = self._path(step.path), step.owned or self.takes_over
        try:
            await self.destination.files.put(path, content, overwrite=overwrite)
        except WorkspaceError as error:
            if is_taken(error):
                return await self._resolve(step, path, content)
            if error.status == HTTPStatus.NOT_FOUND:
                raise
            if error.error_code == TOO_LARGE or error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return await self._write_large(path, content, overwrite)
            return await self._refused(error, path)
        return ""

    async def _resolve(self, step: Step, path: str, content: Content) -> str:
        """Handle what is there already: ours, if an earlier answer was lost, or foreign."""
        if await self._is_ours(path, (step.oid,), content):
            return ""
        if not await self._is_ours(path, step.maybe):
            return FOREIGN
        await self.destination.files.put(path, content, overwrite=True)
        return ""

    def _why_blocked(self, folder: str) -> str:
        return next(
            (self._blocked[f] for f in (folder, *ancestors(folder)) if f in self._blocked), ""
        )

    async def _write_large(self, path: str, content: Content, overwrite: bool) -> str:
        """Use the API that takes more than 10 MB in older tenants, but interprets some files."""
        first = await anext(content.chunks(), b"")
        if _is_interpreted(path, first[:_SNIFFED_BYTES]):
            return "It is too large to be imported unchanged. Split it, or remove it from git."
        try:
            await self.destination.files.put_unread(path, content, overwrite=overwrite)
        except WorkspaceError as error:
            if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or error.error_code == TOO_LARGE:
                return f"The workspace responded: {error.message}"
            return await self._refused(error, path)
        return ""

    async def _refused(self, error: WorkspaceError, path: str) -> str:
        """Return what is wrong with one file; raises what would be wrong with each."""
        if not _is_bad_request(error) or any(word in error.error_code for word in _FULL):
            raise error
        there = await self.destination.files.info(path)
        if there is not None and there.kind != "FILE":
            return FOREIGN
        return f"The workspace rejects it: {error.message}"

    async def _is_ours(
        self, path: str, oids: Iterable[str], content: Content | None = None
    ) -> bool:
        """Whether a path holds one of these blobs; beyond the export limit, by size alone."""
        candidates = [oid for oid in oids if oid]
        there = await self.destination.files.info(path) if candidates else None
        if there is None or there.kind != "FILE":
            return False
        sizes = {await self.blobs.size(oid) for oid in candidates}
        if content is not None:
            sizes.add(content.size_bytes)
        is_known = None not in sizes  # else that blob was amended away, and the disk lost
        if is_known and there.size_bytes >= 0 and there.size_bytes not in sizes:
            return False
        if there.size_bytes > MOST_EXPORT_BYTES:
            return True
        return await self._holds(path, candidates, content)

    async def _holds(self, path: str, oids: list[str], content: Content | None) -> bool:
        data = await self.destination.files.read(path)
        if data is None:
            return False
        if content is not None and content.sha256:  # what a Git LFS pointer stands for
            chunks = [chunk async for chunk in content.chunks()]
            return b"".join(chunks) == data
        return await asyncio.to_thread(blob_id, data, self.object_format) in oids

    def _path(self, path: str) -> str:
        return f"{self.destination.folder}/{path}".rstrip("/")


def _is_bad_request(error: WorkspaceError) -> bool:
    """Whether the request itself was rejected, not its user, and not for the moment."""
    return error.status == HTTPStatus.BAD_REQUEST and not isinstance(
        error, WorkspacePermissionError
    )


def _is_interpreted(path: str, first: bytes) -> bool:
    """Whether that API would unpack a file or convert it to a notebook."""
    name = path.lower()
    if name.endswith((".zip", ".ipynb", ".dbc", ".html")):
        return True
    return name.endswith((".py", ".sql", ".scala", ".r")) and _NOTEBOOK_HEADER in first

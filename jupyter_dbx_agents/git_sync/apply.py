"""The changes of one sync, in an order that is right at every point at which it may be cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from ..errors import WorkspaceError, WorkspacePermissionError
from .errors import GitError
from .local.objects import Blobs, Content, ancestors, blob_id
from .remote.marker import ALREADY_EXISTS, Destination, is_taken
from .remote.workspace_files import MOST_EXPORT_BYTES

T = TypeVar("T")
TOO_LARGE = "MAX_NOTEBOOK_SIZE_EXCEEDED"
FOREIGN = (
    "Something that we did not put there has this name in the workspace. "
    "Move it away there, then sync now."
)
_BLOCKED = (
    "A file that we did not put there stands where its folder belongs in the workspace. "
    "Move it away there, then sync now."
)
# What the next file will hear as well: “QUOTA_EXCEEDED”, “RESOURCE_LIMIT_EXCEEDED” …
_FULL = ("QUOTA", "RESOURCE_LIMIT", "RESOURCE_EXHAUSTED")
_NOTEBOOK_HEADER = b" Databricks notebook source"
_SNIFFED_BYTES = 64


@dataclass(frozen=True, slots=True)
class Work:
    """One path to bring to the state of the new tree.

    ``oid`` is its blob there ('' for none, or none that we sync: then ``skip`` says why);
    ``owned``: what is at the path in the workspace is ours; ``maybe`` are blobs that an attempt
    that was cut off may have left there; ``is_done``: such an attempt has done it for certain.
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
    def leaves(self) -> bool:
        """Whether the path goes, or went in an attempt that was cut off."""
        return self.is_deletion or (self.is_done and not self.oid)


@dataclass
class Plan:
    """The order: what is in the way goes first, everything else that goes, goes last."""

    first_deletions: list[Work] = field(default_factory=list)
    first_folders: list[str] = field(default_factory=list)
    puts: list[Work] = field(default_factory=list)
    deletions: list[Work] = field(default_factory=list)


def build_plan(works: Iterable[Work]) -> Plan:
    """Order the works.

    In the way of a file is a file above it (folder instead of file), one below it (file instead of
    folder), and one whose name differs in case only (should the workspace not tell them apart).
    """
    plan = Plan()
    gone = []
    for work in works:
        if work.is_put:
            plan.puts.append(work)
        elif work.leaves:
            gone.append(work)
    names = {work.path.casefold() for work in gone}
    folders = {above.casefold() for work in gone for above in ancestors(work.path)}
    in_the_way: set[str] = set()
    for put in plan.puts if gone else ():
        folded = put.path.casefold()
        in_the_way.update(name for name in (folded, *ancestors(folded)) if name in names)
        if folded in folders:
            in_the_way.add(folded + "/")
    first: list[Work] = []
    for work in gone:
        folded = work.path.casefold()
        above = [f"{each}/" for each in ancestors(folded)]
        is_first = folded in in_the_way or any(each in in_the_way for each in above)
        (first if is_first else plan.deletions).append(work)
    replaced = {put.path for put in plan.puts}
    plan.first_folders = deepest_first(
        each
        for work in first
        for each in ancestors(work.path)
        if each in replaced or any(above in replaced for above in ancestors(each))
    )
    plan.first_deletions = [work for work in first if work.is_deletion]
    plan.deletions = [work for work in plan.deletions if work.is_deletion]
    return plan


def deepest_first(folders: Iterable[str]) -> list[str]:
    """Return distinct folders, each before those above it."""
    return sorted(set(folders), key=lambda each: (-each.count("/"), each))


def leaves(folders: set[str]) -> list[str]:
    """Return the folders that are above no other one: making them makes all."""
    above = {each for folder in folders for each in ancestors(folder)}
    return sorted(folders - above)


@dataclass
class Outcome:
    """What became of the works that did not simply succeed."""

    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    # A folder of ours was missing: somebody removes things there.
    is_disturbed: bool = False


class Applier:
    """Carries out the works of one sync in a project's folder."""

    def __init__(
        self,
        destination: Destination,
        blobs: Blobs,
        *,
        object_format: str,
        most_file_bytes: int,
        parallel: int,
        takes_over: bool,
        finished: Callable[[str, str | None], Awaitable[None]],
    ) -> None:
        self._files, self._folder = destination.files, destination.folder
        self._blobs, self._object_format = blobs, object_format
        self._most_file_bytes, self._parallel = most_file_bytes, parallel
        self._takes_over, self._finished = takes_over, finished
        self._blocked: dict[str, str] = {}
        # A file of ours was in them a moment ago.
        self._left_folders: set[str] = set()
        self.outcome = Outcome()

    async def run(self, works: list[Work], old_tree: str, new_tree: str) -> Outcome:
        """Do everything; raises what kept it from being done, after which it can be done again."""
        plan = build_plan(works)
        self.outcome.skipped = {work.path: work.skip for work in works if work.skip}
        await self._each(plan.first_deletions, self._delete)
        for folder in plan.first_folders:
            await self._remove_folder(folder)
        await self._each(await self._new_folders(plan.puts, old_tree), self._make_folder)
        await self._each(plan.puts, self._put)
        await self._each(plan.deletions, self._delete)
        for folder in await self._empty_folders(works, new_tree):
            await self._remove_folder(folder)
        return self.outcome

    async def _each(self, items: list[T], work: Callable[[T], Awaitable[None]]) -> None:
        queue = iter(items)

        async def worker() -> None:
            for item in queue:
                await work(item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._parallel, len(items))):
                    group.create_task(worker())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    # ---- folders

    async def _new_folders(self, puts: list[Work], old_tree: str) -> list[str]:
        folders = {work.path.rpartition("/")[0] for work in puts if not work.owned}
        if not old_tree:
            return leaves(folders) or [""] if folders else []
        new = {f for f in folders if f and await self._blobs.size(f"{old_tree}:{f}") is None}
        return leaves(new)

    async def _make_folder(self, folder: str) -> None:
        try:
            await self._files.make_folder(self._path(folder))
        except WorkspaceError as error:
            if error.error_code != ALREADY_EXISTS:
                raise
            self._blocked[folder] = _BLOCKED

    async def _empty_folders(self, works: list[Work], new_tree: str) -> list[str]:
        """Folders that the old tree had and the new one has not; others may still be in them."""
        candidates = {above for w in works if w.leaves for above in ancestors(w.path)}
        kept = {above for w in works if w.is_put for above in ancestors(w.path)}
        gone = [f for f in candidates - kept if await self._blobs.size(f"{new_tree}:{f}") is None]
        return deepest_first(gone)

    async def _remove_folder(self, folder: str) -> None:
        """Delete an empty folder; the call would delete a file of somebody's just the same."""
        if folder not in self._left_folders:
            there = await self._files.info(self._path(folder))
            if there is None or there.kind != "DIRECTORY":
                return
        try:
            await self._files.delete(self._path(folder))
        except WorkspaceError as error:
            if not _is_bad_request(error):
                raise  # else it is not empty: somebody else has something in it, and it stays

    # ---- files

    async def _delete(self, work: Work) -> None:
        path = self._path(work.path)
        if work.owned or await self._is_ours(path, work.maybe):
            try:
                if await self._files.delete(path):
                    self._left_folders.update(ancestors(work.path))
            except WorkspaceError as error:
                if not _is_bad_request(error):
                    raise  # else it is a folder now, and not ours
        await self._finished(work.path, "")

    async def _put(self, work: Work) -> None:
        try:
            content = await self._blobs.open(work.path, work.oid)
            reason = self._why_not(work, content) or await self._write(work, content)
        except GitError as error:
            reason = f"{error.message} {error.hint}"
        else:
            if content.note:
                self.outcome.notes[work.path] = content.note
        if reason and work.owned and reason not in (FOREIGN, _BLOCKED):
            self.outcome.notes[work.path] = f"{reason} What is there is an older version."
        elif reason:
            self.outcome.skipped[work.path] = reason
            self.outcome.notes.pop(work.path, None)
        is_as_wanted = not reason and work.path not in self.outcome.notes
        await self._finished(work.path, work.oid if is_as_wanted else None)

    def _why_not(self, work: Work, content: Content) -> str:
        if content.size_bytes > self._most_file_bytes:
            return (
                f"It has {content.size_bytes / 1e6:.0f} MB; the workspace takes files of at most "
                f"{self._most_file_bytes / 1e6:.0f} MB."
            )
        return ""

    async def _write(self, work: Work, content: Content) -> str:
        """Write one file; return why it was left out, '' if it was not."""
        path = self._path(work.path)
        overwrite = work.owned or self._takes_over
        try:
            await self._files.put(path, content, overwrite=overwrite)
        except WorkspaceError as error:
            if is_taken(error):
                return await self._settle(work, path, content)
            if error.status == HTTPStatus.NOT_FOUND:
                return await self._write_in_new_folder(work, path, content)
            if error.error_code == TOO_LARGE or error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return await self._write_large(path, content, overwrite)
            return await self._refused(error, path)
        return ""

    async def _settle(self, work: Work, path: str, content: Content) -> str:
        """There is something already: ours from an attempt whose answer was lost, or foreign."""
        if await self._is_ours(path, (work.oid,), content):
            return ""
        if not await self._is_ours(path, work.maybe):
            return FOREIGN
        await self._files.put(path, content, overwrite=True)
        return ""

    async def _write_in_new_folder(self, work: Work, path: str, content: Content) -> str:
        folder = work.path.rpartition("/")[0]
        if not self._why_blocked(folder):
            await self._make_folder(folder)
        if blocked := self._why_blocked(folder):
            return blocked
        self.outcome.is_disturbed = True
        try:
            await self._files.put(path, content, overwrite=work.owned or self._takes_over)
        except WorkspaceError as error:
            if is_taken(error):
                return await self._settle(work, path, content)
            return await self._refused(error, path)
        return ""

    def _why_blocked(self, folder: str) -> str:
        return next(
            (self._blocked[f] for f in (folder, *ancestors(folder)) if f in self._blocked), ""
        )

    async def _write_large(self, path: str, content: Content, overwrite: bool) -> str:
        """Older tenants import 10 MB at most, but more through an API that reads the content."""
        if _is_read_as_something(path, await _first_bytes(content)):
            return "It is too large to be imported as it is. Split it, or leave it out of git."
        try:
            await self._files.put_unread(path, content, overwrite=overwrite)
        except WorkspaceError as error:
            if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or error.error_code == TOO_LARGE:
                return f"The workspace says: {error.message}"
            return await self._refused(error, path)
        return ""

    async def _refused(self, error: WorkspaceError, path: str) -> str:
        """Tell what is wrong with one file from what is wrong with everything."""
        if not _is_bad_request(error) or any(word in error.error_code for word in _FULL):
            raise error
        there = await self._files.info(path)
        if there is not None and there.kind != "FILE":
            return FOREIGN
        return f"The workspace refuses it: {error.message}"

    async def _is_ours(
        self, path: str, oids: Iterable[str], content: Content | None = None
    ) -> bool:
        """Whether a path holds one of these blobs; for what cannot be exported the size decides."""
        candidates = [oid for oid in oids if oid]
        there = await self._files.info(path) if candidates else None
        if there is None or there.kind != "FILE":
            return False
        sizes = {await self._blobs.size(oid) for oid in candidates}
        if content is not None:
            sizes.add(content.size_bytes)
        if there.size_bytes >= 0 and there.size_bytes not in sizes:
            return False
        if there.size_bytes > MOST_EXPORT_BYTES:
            return True
        return await self._holds(path, candidates, content)

    async def _holds(self, path: str, oids: list[str], content: Content | None) -> bool:
        data = await self._files.read(path)
        if data is None:
            return False
        if content is not None and content.sha256:  # what a Git LFS pointer stands for
            chunks = [chunk async for chunk in content.chunks()]
            return b"".join(chunks) == data
        return await asyncio.to_thread(blob_id, data, self._object_format) in oids

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}" if path else self._folder


def _is_bad_request(error: WorkspaceError) -> bool:
    """Whether the request itself was refused, and neither the user nor the moment."""
    return error.status == HTTPStatus.BAD_REQUEST and not isinstance(
        error, WorkspacePermissionError
    )


async def _first_bytes(content: Content) -> bytes:
    chunks: AsyncIterator[bytes] = content.chunks()
    async for chunk in chunks:
        return chunk[:_SNIFFED_BYTES]
    return b""


def _is_read_as_something(path: str, first: bytes) -> bool:
    """Whether that API would unpack a file or make a notebook of it."""
    name = path.lower()
    if name.endswith((".zip", ".ipynb", ".dbc", ".html")):
        return True
    return name.endswith((".py", ".sql", ".scala", ".r")) and _NOTEBOOK_HEADER in first

"""Who owns a project's folder in the workspace: this repository, or the user has to decide."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from ..errors import DestinationError, MarkerChangedError
from .local.mirror import Mirror
from .local.repository import Repository
from .remote.marker import Destination, Marker, take_over_hint

_MOST_ROOTS = 20


class KeptHistory(Protocol):
    """What a claim needs of the history in the workspace."""

    async def load(self, *, is_new_clone: bool) -> None:
        """Bring what the workspace has into the mirror, and into a new clone what it lacks."""

    async def begun(self) -> Marker | None:
        """Return a marker that fits bundles without one, None if there are none."""


class Ownership:
    """A project's claim to its folder, shared by the loops of its history and of its files."""

    def __init__(
        self,
        repository: Repository,
        mirror: Mirror,
        destination: Destination,
        *,
        origin: str,
        other_projects: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.repository, self.mirror, self.destination = repository, mirror, destination
        self._origin, self.other_projects = origin, other_projects
        self._turn = asyncio.Lock()
        # The marker that was read or written last; None before the claim.
        self.marker: Marker | None = None
        # What the workspace has is another repository's, and is replaced.
        self.starts_over = False

    async def require_unchanged(self) -> None:
        """Raise MarkerChangedError if another app or repository owns the folder by now."""
        there = await self.destination.load()
        mine = (self.mirror.identity, self._origin)
        if there is not None and (there.repository, there.origin) != mine:
            self.marker = None  # the next claim reads it again
            raise MarkerChangedError(
                "Another app changed the project's records.", "Run sync again."
            )

    async def claim(self, history: KeptHistory, *, takes_over: bool = False) -> Marker:
        """Return the marker to continue from; raises DestinationError if the folder is not ours."""
        async with self._turn:
            if self.marker is not None and self.marker.repository != self.mirror.identity:
                self.marker = None  # another repository has replaced the one that was synced
            if self.marker is None or takes_over:
                self.starts_over = False
                self.marker = await self._claim(history, takes_over)
            return self.marker

    async def _claim(self, history: KeptHistory, takes_over: bool) -> Marker:
        fresh = Marker(
            self.destination.project,
            self.mirror.identity,
            self._origin,
            object_format=await self.repository.object_format(),
            takes_over=takes_over,
            roots=await self.roots(),
        )
        try:
            return await self._resume(history, fresh)
        except DestinationError:
            if not takes_over:
                raise
            self.starts_over = True
            await self.destination.write(fresh)  # before the history: another app may run still
            return fresh
        finally:
            self.marker = None

    async def _resume(self, history: KeptHistory, fresh: Marker) -> Marker:
        """Continue from a marker of this repository, or of an earlier clone of it.

        Raises DestinationError if there is no such marker in a folder that is not empty.
        """
        marker = await self.destination.load()
        if marker is None:
            await self._require_empty()
            marker = await history.begun()  # a kill came before the first marker
        if marker is None:
            return fresh
        if not await self._is_related(marker):
            raise self._refusal("another repository")
        if marker.origin != self._origin and not fresh.takes_over:
            former = marker.origin or "another app"
            raise self._refusal(f"the same project in {former}")
        self.marker = marker  # for the history that is loaded now
        is_new_clone = marker.repository != fresh.repository
        if is_new_clone or not await self.has(marker.tree):
            await history.load(is_new_clone=is_new_clone)
        if not await self.has(marker.tree):
            raise self._refusal("a commit that no longer exists anywhere")
        continued = replace(
            marker,
            project=fresh.project,
            repository=fresh.repository,
            origin=fresh.origin,
            takes_over=marker.takes_over or fresh.takes_over,
            gone_at="",
        )
        if continued != marker:
            await self.destination.write(continued)
        has_begun = marker.tree or marker.pending is not None
        if has_begun and await self.destination.files.info(self.destination.folder) is None:
            # Somebody deleted it, with what an interrupted pass had done.
            files: dict[str, Any] = {"pending": None, "skipped": {}, "notes": {}, "unfinished": {}}
            return replace(continued, commit="", tree="", **files)
        return continued

    async def has(self, *oids: str) -> bool:
        """Whether the mirror or the repository has all of these objects."""
        git = self.mirror.with_objects_of(self.repository.location)
        return not await git.missing(*oids)

    async def roots(self) -> tuple[str, ...]:
        """Return the first commits of the repository, as a marker has them."""
        return tuple(sorted(await self.repository.roots())[:_MOST_ROOTS])

    async def _require_empty(self) -> None:
        async for path, _there in self.destination.walk(set(self.other_projects())):
            raise self._refusal(f"files that are not of this project, such as {path}")

    async def _is_related(self, marker: Marker) -> bool:
        """Whether a marker belongs to this repository: by its id, or by common commits."""
        if marker.repository == self.mirror.identity or (
            marker.commit and await self.has(marker.commit)
        ):
            return True
        return bool(marker.roots) and bool(set(marker.roots) & await self.repository.roots())

    def _refusal(self, owner: str) -> DestinationError:
        project = self.destination.project
        return DestinationError(
            f"The workspace folder projects/{project} contains {owner}.",
            f"To keep both, rename the project here. {take_over_hint(project)}",
        )

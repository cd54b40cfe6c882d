"""Who owns a project's folder in the workspace: this repository, or the user has to decide."""

import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace

from ..errors import DestinationError, GitError, GitStoppedError
from .local.repository import KEPT_REFS, Repository
from .remote.archive import ArchiveStore
from .remote.marker import Destination, Marker, take_over_hint

_MOST_ROOTS = 20


async def claim(
    repository: Repository,
    destination: Destination,
    archive: ArchiveStore,
    *,
    origin: str,
    takes_over: bool,
    other_projects: Callable[[], Iterable[str]],
) -> Marker:
    """Return the marker to continue from; raises DestinationError if the folder is not ours."""
    fresh = Marker(
        destination.project,
        repository.identity(),
        origin,
        object_format=await repository.object_format(),
        takes_over=takes_over,
        roots=tuple(sorted(await repository.roots())[:_MOST_ROOTS]),
    )
    try:
        marker = await destination.load()
    except DestinationError:
        if not takes_over:
            raise
        return fresh
    if marker is None:
        if not takes_over:
            await _require_empty(destination, other_projects())
        return fresh
    if not await _is_related(repository, marker):
        if not takes_over:
            raise _refusal(destination.project, "another repository")
        await destination.back_up(marker)
        return fresh
    if marker.origin != origin and not takes_over:
        raise _refusal(destination.project, f"the same project in {marker.origin}")
    return await _resume(repository, destination, archive, marker, fresh)


async def _resume(
    repository: Repository,
    destination: Destination,
    archive: ArchiveStore,
    marker: Marker,
    fresh: Marker,
) -> Marker:
    """Continue from a marker of this repository, or of an earlier clone of it."""
    try:
        if marker.repository != fresh.repository:
            await _keep_unpushed(repository, archive, marker)
        if not await repository.has(marker.tree):
            await archive.fetch(marker, repository)
            if not await repository.has(marker.tree):
                raise _refusal(destination.project, "a commit that no longer exists anywhere")
    except DestinationError:
        if not fresh.takes_over:
            raise
        await destination.back_up(marker)
        return fresh
    is_new_here = (marker.repository, marker.origin) != (fresh.repository, fresh.origin)
    marker = replace(
        marker,
        repository=fresh.repository,
        origin=fresh.origin,
        takes_over=marker.takes_over or fresh.takes_over,
    )
    if is_new_here:
        await destination.write(marker)
    if marker.tree and await destination.files.info(destination.folder) is None:
        return replace(marker, commit="", tree="", skipped={}, notes={})  # somebody deleted it
    return marker


async def _require_empty(destination: Destination, others: Iterable[str]) -> None:
    prefix = f"{destination.project}/"
    own = {other for other in others if other.startswith(prefix)}
    foreign = await destination.foreign_names(own)
    if foreign:
        what = f"files that are not of this project, such as {foreign[0]}"
        raise _refusal(destination.project, what)


def _refusal(project: str, owner: str) -> DestinationError:
    return DestinationError(
        f"The workspace folder projects/{project} contains {owner}.",
        f"To keep both, rename the project here. {take_over_hint(project)}",
    )


async def _is_related(repository: Repository, marker: Marker) -> bool:
    """Whether a marker belongs to this repository: by its id, or by commits that both have."""
    if marker.repository == repository.identity() or (
        marker.commit and await repository.has(marker.commit)
    ):
        return True
    return bool(marker.roots) and bool(set(marker.roots) & await repository.roots())


async def _keep_unpushed(repository: Repository, archive: ArchiveStore, marker: Marker) -> None:
    """Give refs to commits that only the archive has, as after a new clone without a restore."""
    heads = {**marker.refs, **({"HEAD": marker.head_commit} if marker.head_commit else {})}
    missing = await repository.missing(*heads.values())
    if not missing:
        return
    try:
        await archive.fetch(marker, repository)
        for name, oid in heads.items():
            if oid in missing:
                kept = KEPT_REFS + name.removeprefix("refs/")
                await repository.output("update-ref", kept, oid)
    except GitStoppedError:
        raise
    except GitError as error:
        raise DestinationError(
            f"This clone cannot receive the commits that only the workspace has: {error.message}",
            "To see them, move this clone away and run: jupyter dbx-agents restore -- "
            f"{shlex.quote(marker.project)}. {take_over_hint(marker.project)}",
        ) from error

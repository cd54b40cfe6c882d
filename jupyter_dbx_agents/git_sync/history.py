"""The loop that makes commits safe: from the mirror into bundles, without waiting for any file.

The mirror gets every ref; if anything differs from the last bundle, the next one is uploaded before
the refs count as safe.  A bundle has what is new since the one before it.  It covers earlier ones,
too, if these have objects that no ref reaches any more (after amend, rebase, ``filter-repo``, a
force push), or when there are many small ones.  What it covers is deleted as soon as the files in
the workspace are of a commit that it has.
"""

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO

from ..errors import (
    ArchiveTooLargeError,
    DestinationError,
    GitError,
    GitStoppedError,
    GitSyncError,
    MarkerChangedError,
    RefsMovedError,
    WorkspaceError,
)
from .local.git import CHUNK_BYTES
from .local.mirror import Mirror, keep_unpushed
from .local.projects import is_gone
from .ownership import Ownership
from .remote.bundles import (
    PART_BYTES,
    STATE,
    Bundle,
    BundleStore,
    Chain,
    State,
    bundle_header,
    read_state,
)
from .remote.marker import Marker, is_taken, take_over_hint
from .states import explained

# More increments than these are merged, the large ones only with as much that came after them.
MOST_INCREMENTS = 32
_SMALL_BYTES = 256 * 1024
# A first bundle that is larger, and has something that is gone, is replaced at most once in this
# time: else each amended commit would upload all of it.
LARGE_BYTES = 32 * 1024 * 1024
_RENEW_SECONDS = 900.0
# Larger bundles wait for each other, so that the small ones of other repositories wait for none.
_ONE_AT_A_TIME_BYTES = 1024 * 1024
_REWRITTEN = "The history was rewritten at {}; the former commits were deleted in the workspace."
_REWRITTEN_LATER = (
    "The history was rewritten; the former commits are deleted in the workspace within 20 minutes."
)
# So many commits in a row that each comes while a bundle is created are a fault.
_MOST_MOVES = 5
_MOVED = "The refs moved while they were bundled."
_CHANGED = "The history in the workspace has changed."
_PACK_OPTIONS = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m")

# Commands that make bundles fail where objects are missing.
_PACK_PARTIAL = (
    *("pack-objects", "--revs", "--stdout", "--thin", "-q", "--delta-base-offset"),
    "--missing=allow-any",
)


class History:
    """Keeps one repository's history in the workspace; its linked worktrees share it.

    ``problem`` is why it is not safe, or what of it is not, '' if all is; ``wants_retry`` is
    whether another run may change it, or has something left to do.  ``safe_at`` is when
    ``safe_commit`` and all refs were complete there.
    """

    def __init__(
        self,
        mirror: Mirror,
        ownership: Ownership,
        *,
        origin: str,
        most_bytes: int,
        log: logging.Logger,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.mirror = mirror
        self.ownership, self._destination = ownership, ownership.destination
        self._store = BundleStore(self._destination)
        self._origin, self._most_bytes, self._log = origin, most_bytes, log
        self._changed = changed
        self._chain: Chain | None = None
        # The states of the bundles in use, in their order: none if there are none, or damaged ones.
        self._states: dict[str, State] = {}
        self._mirror_made = mirror.made
        self._is_clean = self.is_too_large = self.wants_retry = False
        self._renewed_at = -_RENEW_SECONDS
        self._turn = asyncio.Lock()
        self._repository = ""
        self.problem = self.note = self.safe_at = self.safe_commit = ""

    @property
    def project(self) -> str:
        """The project in whose folder the bundles are."""
        return self._destination.project

    @property
    def kept_bytes(self) -> int:
        """The size of all bundles; 0 if there are none."""
        return sum(each.size_bytes for each in self._bundles)

    @property
    def is_kept(self) -> bool:
        """Whether there is a history in the workspace."""
        return bool(self._bundles)

    @property
    def newest_bundle(self) -> str:
        """The key of the newest bundle, '' if there is none."""
        return self._bundles[-1].key if self._bundles else ""

    async def is_safe(self, commit: str) -> bool:
        """Whether a commit is in the workspace."""
        newest = self._newest
        if newest is None or await self.mirror.missing(commit):
            return False
        return not await self._has_objects([commit], newest.tips)

    @property
    def _bundles(self) -> tuple[Bundle, ...]:
        return self._chain.bundles if self._chain and self._states else ()

    @property
    def _newest(self) -> State | None:
        return next(reversed(self._states.values()), None)

    async def run(self, *, audits: bool = False) -> None:
        """Bring all refs into the workspace; return when they are safe, or ``problem`` is set.

        Raises DestinationError if the folder is not ours, GitError or OSError if the mirror cannot
        be made, and WorkspaceError while the workspace is away.
        """
        try:
            async with self._turn, self.mirror.locked("upload") as is_ours:
                if audits or not is_ours:
                    self._chain, self.is_too_large = None, False
                try:
                    await self._run()
                except MarkerChangedError:
                    self._chain = None
                    await self._run()
        except (OSError, GitError, GitStoppedError) as error:
            if not is_gone(self.mirror.source.location):
                self._failed(error)
            raise
        except DestinationError:
            self.safe_at = self.safe_commit = ""  # somebody else's is there
            raise

    async def finish(self) -> bool:
        """Bring the last that the mirror has into the workspace; return whether all is there.

        The repository is gone.  Raises GitSyncError, WorkspaceError or OSError.
        """
        async with self._turn, self.mirror.locked("upload"):
            await self._load()
            if (newest := self._newest) is None:
                return False
            state = replace(newest, snapshot=await self.mirror.last(newest.snapshot))
            state = replace(state, made_at="", rewritten_at="")
            await self._keep(state)
            return self._has(state)

    async def _run(self) -> None:
        for _ in range(_MOST_MOVES):
            try:
                return await self._run_once()
            except RefsMovedError:
                self._log.debug("%s: refs moved while they were bundled", self.project)
        raise RefsMovedError(_MOVED, "Sync retries.")

    async def _run_once(self) -> None:
        snapshot = await self.mirror.update()
        if self._mirror_made != self.mirror.made:  # again: it has lost the objects
            self._mirror_made, self._chain = self.mirror.made, None
        if self._repository not in ("", self.mirror.identity):  # another one was in its place
            self._chain, self._states, self.safe_at, self.safe_commit = None, {}, "", ""
        self._repository = self.mirror.identity
        if not snapshot.refs and not snapshot.head_commit:
            if snapshot.left_out:
                self._report_left_out(snapshot.left_out)
            return
        await self.ownership.claim(self)
        try:
            await self._keep(State(self.project, self.mirror.identity, self._origin, snapshot))
        except (MarkerChangedError, DestinationError, RefsMovedError):
            raise
        except WorkspaceError as error:
            if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
                raise
            self._failed(error)  # such as a quota: the files may do
        except (OSError, GitSyncError) as error:
            self.is_too_large = isinstance(error, ArchiveTooLargeError)
            self._failed(error)

    async def _keep(self, state: State) -> None:
        await self._load()
        state = await self._with_former(state)
        if not (self._has(state) and self._is_clean) and not self.is_too_large:
            first, is_rewritten, is_clean = await self._position(state)
            if is_rewritten or not self._has(state):
                await self._add(state, first, is_rewritten)
            self._is_clean = is_clean
        if self._has(state):
            self._report()
        await self._tidy()

    async def _with_former(self, state: State) -> State:
        """Return a state with the former values of the refs that cannot be read now."""
        newest, snapshot = self._newest, state.snapshot
        if newest is None or not snapshot.left_out:
            return state
        former = {**newest.snapshot.refs, "HEAD": newest.snapshot.head_commit}
        gone = await self.mirror.missing(*former.values())
        refs = {n: o for n, o in former.items() if n in snapshot.left_out and o not in gone}
        commit = snapshot.head_commit or refs.pop("HEAD", "")
        refs = {n: o for n, o in refs.items() if n != "HEAD"} | snapshot.refs
        return replace(state, snapshot=replace(snapshot, refs=refs, head_commit=commit))

    def _has(self, state: State) -> bool:
        newest = self._newest
        return newest is not None and replace(newest, made_at="", rewritten_at="") == state

    def _report(self) -> None:
        if (newest := self._newest) is None:
            return
        self._report_left_out(newest.snapshot.left_out)
        self.safe_at, self.safe_commit = newest.made_at, newest.snapshot.head_commit
        self._changed()

    def _report_left_out(self, left_out: Mapping[str, str]) -> None:
        self.problem, self.wants_retry = "", bool(left_out) or not self._is_clean
        if left_out:
            name, reason = next(iter(left_out.items()))
            self.problem = f"{len(left_out)} refs are not kept, such as {name}: {reason}"

    def _failed(self, error: Exception) -> None:
        said = explained(error)
        reason = f"{said.message} {said.hint}".strip()
        self.problem = f"The history is not kept in the workspace: {reason}"
        self.wants_retry = not self.is_too_large
        self._log.warning("%s: %s", self.project, self.problem)
        self._changed()

    # ---- what is there

    async def load(self, *, is_new_clone: bool) -> None:
        """Bring what the workspace has into the mirror, and into a new clone what it lacks.

        Raises DestinationError if a new clone cannot receive it.
        """
        marker = self.ownership.marker
        if marker is not None and not await self.ownership.has(marker.tree):
            await self.mirror.make_again()  # it is new, or a crash has damaged its objects
        self._chain = None
        chain = await self._load()
        state = self._newest
        if marker is not None and marker.tree:
            await self._store.fetch_older(chain, self.mirror, marker.tree)
        if state is None and marker is not None and marker.legacy is not None:
            await self._store.fetch_legacy(marker.legacy, self.mirror)
            state = State.of_legacy(marker)
        if not is_new_clone:
            return
        if state is None and chain.bundles:
            raise DestinationError(
                "The history in the workspace is damaged.",
                f"Move this clone away and restore. {take_over_hint(self.project)}",
            )
        if state is None:
            return
        heads = {**state.snapshot.refs, "HEAD": state.snapshot.head_commit}
        try:
            await keep_unpushed(heads, self.mirror, self.mirror.source)
        except GitError as error:
            raise DestinationError(
                "This clone cannot receive the commits that only the workspace has: "
                f"{error.message}",
                f"Move this clone away and restore. {take_over_hint(self.project)}",
            ) from error

    async def begun(self) -> Marker | None:
        """Return a marker that fits bundles without one, None if there are none."""
        await self._load()
        if (state := self._newest) is None:
            return None
        self._chain = None  # it may be replaced
        tips = state.snapshot.head_commit or state.tips[0]
        roots = await self.mirror.text("rev-list", "--max-parents=0", tips)
        object_format = state.snapshot.object_format
        marker = Marker(self.project, state.repository, state.origin, object_format=object_format)
        return replace(marker, roots=tuple(roots.split()))

    async def _load(self) -> Chain:
        """Return the chain that is there; its objects and states are in the mirror then."""
        if self._chain is not None:
            return self._chain
        own = {n: o for n, o in (await self.mirror.own_refs()).items() if n.startswith("history-")}
        chain = await self._store.chain()
        blobs: dict[str, str] = {}
        if not self.ownership.starts_over and not chain.has_gap:
            blobs, is_whole = await self._store.fetch_all(chain, self.mirror, own)
            if not is_whole:
                blobs = {}  # all of it is uploaded again
        self._states = {key: await read_state(self.mirror, oid) for key, oid in blobs.items()}
        await self.mirror.set_own_refs({**dict.fromkeys(own, ""), **blobs})
        self._chain, self._is_clean = chain, False
        return chain

    # ---- the next bundle

    async def _position(self, state: State) -> tuple[int, bool, bool]:
        """Return the first position that the next bundle covers, and two facts.

        Whether that is to leave out what became unreachable; and whether nothing of it is left.
        """
        bundles, newest, is_clean = self._bundles, self._newest, True
        if newest is None:
            return 0, False, True
        if not self._is_clean or await self._has_objects(newest.tips, state.tips):
            before = list[str]()
            for bundle in bundles:
                tips = self._states[bundle.key].tips
                if await self._has_objects(tips, [*state.tips, *before]):
                    is_early = time.monotonic() - self._renewed_at < _RENEW_SECONDS
                    if bundle.first or bundle.size_bytes < LARGE_BYTES or not is_early:
                        return bundle.first, True, True
                    is_clean = False
                    break
                before = tips
        first, size = bundles[-1].last + 1, 0
        if len(bundles) > MOST_INCREMENTS:
            for bundle in reversed(bundles):
                if bundle.size_bytes > max(2 * size, _SMALL_BYTES):
                    break
                size += bundle.size_bytes
                first = bundle.first
        return first, False, is_clean

    async def _has_objects(self, tips: list[str], without: list[str]) -> bool:
        """Whether some refs reach anything that others do not."""
        gone = {"", *await self.mirror.missing(*tips, *without)}
        lines = [*(t for t in tips if t not in gone), *(f"^{t}" for t in without if t not in gone)]
        if gone.issuperset(tips):
            return False
        stdin = "\n".join(lines).encode() + b"\n"
        listing = ("rev-list", "--objects", "--missing=allow-any", "--max-count=1", "--stdin")
        try:
            return bool(await self.mirror.text(*listing, stdin=stdin))
        except GitError:  # commits between them are gone, such as beyond a shallow clone's end
            return True

    async def _add(self, state: State, first: int, is_rewritten: bool) -> None:
        """Upload a bundle from a position on, and make it the newest one."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        newest = self._newest
        rewritten_at = now if is_rewritten else newest.rewritten_at if newest else ""
        state = replace(state, made_at=now, rewritten_at=rewritten_at)
        blob = await self.mirror.text("hash-object", "-w", "--stdin", stdin=state.to_bytes())
        await self.mirror.set_own_refs({"state": blob})
        try:
            self._chain = await self._upload(state, first)
        except ArchiveTooLargeError:
            if first == 0:
                raise
            self._chain = await self._upload(state, 0)
        *kept, added = (each.key for each in self._chain.bundles)
        old = self._states.keys() - {*kept}
        self._states = {**{key: self._states[key] for key in kept}, added: state}
        await self.mirror.set_own_refs({**dict.fromkeys(old, ""), added: blob})

    async def _upload(self, state: State, first: int) -> Chain:
        """Upload a bundle; from position 0 on it begins a new generation."""
        chain = self._chain or Chain({})
        kept = [each for each in self._bundles if each.last < first]
        if kept:
            bundle = Bundle(kept[0].generation, first, max(first, self._bundles[-1].last + 1))
        else:
            bundle = Bundle(chain.newest_generation + 1, 0, 0)
            self._renewed_at = time.monotonic()
        haves = self._states[kept[-1].key].tips if kept else []
        most_bytes = self._most_bytes - sum(each.size_bytes for each in kept)
        if chain.bundles and not self._states:
            await self._fence(chain)
        with tempfile.TemporaryFile(dir=self.mirror.folder) as stream:
            await self._create(stream, state, haves, most_bytes)
            is_usual = bool(kept) and bundle.first == bundle.last and stream.tell() <= PART_BYTES
            if self._bundles and not is_usual:
                await self.ownership.require_unchanged()  # no fence has this name
            is_large = stream.tell() > _ONE_AT_A_TIME_BYTES
            pace = self._destination.files.pace
            try:
                async with pace.large_bundles if is_large else contextlib.nullcontext():
                    return chain.with_bundle(await self._store.upload(stream, bundle))
            except WorkspaceError as error:
                is_gone = error.status == HTTPStatus.NOT_FOUND
                if not is_gone and not is_taken(error):
                    raise
        if not is_gone:
            await self.ownership.require_unchanged()
            # Ours, from an upload that was cut off, whose answer was lost, or of another server.
            there = await self._store.chain()
            await self._store.delete(n for n in there.leftovers if n.startswith(bundle.key))
        raise MarkerChangedError(_CHANGED, "Run sync again.")

    async def _fence(self, chain: Chain) -> None:
        """Let the next upload of the app fail that had the folder until now, and may run still."""
        former = chain.bundles[-1]
        bundle = Bundle(former.generation, former.last + 1, former.last + 1)
        try:
            if not chain.sizes.keys() & {*bundle.names()}:
                await self._store.fence(bundle)
        except WorkspaceError as error:
            if not is_taken(error):
                raise
            raise MarkerChangedError(_CHANGED, "Run sync again.") from error

    async def _create(
        self, stream: IO[bytes], state: State, haves: list[str], most_bytes: int
    ) -> None:
        gone = await self.mirror.missing(*haves)
        head = ["HEAD"] if state.snapshot.head_commit else []
        without = [f"^{oid}" for oid in haves if oid not in gone]
        lines = [*state.snapshot.refs, STATE, *head, *without, ""]
        command: tuple[str, ...] = ("bundle", "create", "--quiet", "-", "--stdin")
        if any(key.endswith(".promisor") for key, _ in state.snapshot.settings):
            refs = {**state.snapshot.refs, "HEAD": state.snapshot.head_commit}
            own = await self.mirror.own_refs()
            stream.write(bundle_header({**refs, STATE: own["state"]}, without))
            command = _PACK_PARTIAL
        async with self.mirror.running(*command, options=_PACK_OPTIONS) as creating:
            with contextlib.suppress(ConnectionError):
                creating.stdin.write("\n".join(lines).encode())
                await creating.stdin.drain()
            creating.stdin.close()
            while chunk := await creating.stdout.read(CHUNK_BYTES):
                stream.write(chunk)
                if stream.tell() > most_bytes:
                    raise ArchiveTooLargeError(
                        f"The history has more than {self._most_bytes // 1024**2} MB.",
                        "Push it to a remote; only the files are synced.",
                    )
            await creating.succeed()
        await self._check_tips(stream, state, haves)

    async def _check_tips(self, stream: IO[bytes], state: State, haves: list[str]) -> None:
        """Check that a bundle has what its state names; the file loop may have moved refs since.

        Raises RefsMovedError.
        """
        stream.seek(0)
        listed = set[str]()
        while line := stream.readline().decode(errors="replace").strip():
            listed.add(line.partition(" ")[0])
        stream.seek(0, os.SEEK_END)
        others = [oid for oid in state.tips if oid not in listed]
        if others and await self._has_objects(others, haves):
            raise RefsMovedError(_MOVED, "Sync retries.")

    # ---- what is superseded

    async def tidy(self) -> None:
        """Delete what is superseded; call this when the files have followed."""
        async with self._turn:
            await self._tidy()

    async def _tidy(self) -> None:
        """Delete what is superseded, unless the files in the workspace are of a commit in it."""
        chain, newest, marker = self._chain, self._newest, self.ownership.marker
        if chain is None or newest is None or marker is None:
            return
        names = [name for name in chain.leftovers if name not in marker.preserved]
        is_here = not await self.mirror.missing(marker.commit)
        if names and is_here and not await self._has_objects([marker.commit], newest.tips):
            names = await self._delete(chain, names, marker.commit)
        if not self._is_clean:
            self.note = _REWRITTEN_LATER
        elif newest.rewritten_at and not names:
            self.note = _REWRITTEN.format(newest.rewritten_at)
        self._changed()

    async def _delete(self, chain: Chain, names: list[str], commit: str) -> list[str]:
        """Delete files if the marker still has this commit; return those that are left."""
        try:
            there = await self._destination.load()  # another server may have changed it
            if there is None or there.commit != commit:
                return names
            await self._store.delete(names)
        except (DestinationError, WorkspaceError) as error:
            self._log.warning("%s: %s", self.project, error)
            return names
        self._chain = chain.without(names)
        with contextlib.suppress(GitSyncError):
            await self.mirror.collect()
        return []

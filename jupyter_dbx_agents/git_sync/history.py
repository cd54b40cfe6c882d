"""The loop that makes commits safe: from the mirror into bundles, without waiting for any file.

The mirror gets every ref; if anything differs from the last bundle, the next one is uploaded before
the refs count as safe.  A bundle has what is new since the one before it.  It covers earlier ones,
too, if these have commits that no ref reaches any more (after amend, rebase, ``filter-repo``, a
force push), or when there are many small ones.
"""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO

from ..errors import (
    ArchiveTooLargeError,
    DestinationError,
    GitError,
    GitStoppedError,
    MarkerChangedError,
    WorkspaceError,
)
from .local.git import CHUNK_BYTES
from .local.mirror import Mirror, keep_unpushed
from .ownership import Ownership
from .remote.bundles import STATE, Bundle, BundleStore, Chain, State, read_state
from .remote.marker import is_taken, take_over_hint
from .states import explained

# More increments than these are merged, the large ones only with as much that came after them.
MOST_INCREMENTS = 32
_SMALL_BYTES = 256 * 1024
# The first bundle of a small history is replaced as soon as it has something that is gone; that
# of a large one at most once in this time.
_LARGE_BYTES = 32 * 1024 * 1024
_RENEW_SECONDS = 3600.0
_PACK_OPTIONS = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m")
_REWRITTEN = "The history was rewritten: the former commits were deleted in the workspace, too."


class History:
    """Keeps one repository's history in the workspace; its linked worktrees share it.

    ``problem`` is why it is not safe, or what of it is not, '' if all is; it may pass by itself if
    ``wants_retry``.  ``safe_at`` is when ``safe_commit`` and all refs were complete there.
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
        self._ownership, self._destination = ownership, ownership.destination
        self._store = BundleStore(self._destination)
        self._origin, self._most_bytes, self._log = origin, most_bytes, log
        self._changed = changed
        self._chain: Chain | None = None
        self._state: State | None = None
        self._renewed_at = -_RENEW_SECONDS
        self.is_too_large = self.wants_retry = False
        self._turn = asyncio.Lock()
        self.problem = self.note = self.safe_at = self.safe_commit = ""

    @property
    def project(self) -> str:
        """The project in whose folder the bundles are."""
        return self._destination.project

    @property
    def kept_bytes(self) -> int:
        """The size of all bundles; 0 if there are none."""
        return sum(each.size_bytes for each in self._chain.bundles) if self._chain else 0

    @property
    def is_kept(self) -> bool:
        """Whether there is a history in the workspace."""
        return bool(self._chain and self._chain.bundles)

    async def run(self, *, audits: bool = False) -> None:
        """Bring all refs into the workspace; return when they are safe, or ``problem`` is set.

        Raises DestinationError if the folder is not ours, and WorkspaceError while it is away.
        """
        async with self._turn, self.mirror.locked("upload"):
            try:
                await self._run(audits)
            except MarkerChangedError:
                self._chain = None
                await self._run(audits)

    async def _run(self, audits: bool) -> None:
        snapshot = await self.mirror.update()
        if not snapshot.refs and not snapshot.head_commit:
            return
        await self._ownership.claim(self)
        if audits:
            self.is_too_large = False
            self._chain = None
        try:
            chain = await self._load()
            identity = self.mirror.identity
            state = State(self.project, identity, self._origin, snapshot)
            if self._state is None or replace(self._state, made_at="") != state:
                if self.is_too_large:
                    return
                await self._add(chain, state)
            self._safe(state)
        except (MarkerChangedError, DestinationError):
            raise
        except ArchiveTooLargeError as error:
            self.is_too_large = True
            self._failed(error)
        except WorkspaceError as error:
            if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
                raise
            self._failed(error)  # such as a quota: the files may do
        except (OSError, GitError) as error:
            self._failed(error)

    def _safe(self, state: State) -> None:
        left_out = state.snapshot.left_out
        self.problem, self.wants_retry = "", bool(left_out)
        if left_out:
            name, reason = next(iter(left_out.items()))
            self.problem = f"{len(left_out)} refs are not kept, such as {name}: {reason}"
        made_at = self._state.made_at if self._state is not None else state.made_at
        self.safe_at, self.safe_commit = made_at, state.snapshot.head_commit
        self._changed()

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
        chain = await self._load()
        marker = self._ownership.marker
        if marker is not None and marker.tree and not self._ownership.starts_over:
            await self._store.fetch_older(chain, self.mirror, marker.tree)
        state = self._state or await self._load_legacy()
        if state is None or not is_new_clone:
            return
        heads = {**state.snapshot.refs, "HEAD": state.snapshot.head_commit}
        try:
            await keep_unpushed(heads, self.mirror, self.mirror.source)
        except GitStoppedError:
            raise
        except GitError as error:
            raise DestinationError(
                f"This clone cannot receive the commits that only the workspace has: "
                f"{error.message}",
                f"Move this clone away and restore. {take_over_hint(self.project)}",
            ) from error

    async def _load(self) -> Chain:
        """Return the bundles that are there; their objects and states are in the mirror then."""
        own = {n: o for n, o in (await self.mirror.own_refs()).items() if n.startswith("history-")}
        if self._chain is not None and {each.key for each in self._chain.bundles} == own.keys():
            return self._chain
        if self._chain is not None:  # another server of this home was faster
            await self._ownership.require_unchanged()
        chain = await self._store.chain()
        self._state = None
        if chain.bundles and not self._ownership.starts_over and not chain.has_strays:
            states, is_whole = await self._store.fetch_all(chain, self.mirror, own)
            if is_whole:
                self._state = await read_state(self.mirror, states[chain.bundles[-1].key])
                await self.mirror.set_own_refs({**dict.fromkeys(own.keys() - states, ""), **states})
        if self._state is None:  # so that all of it is uploaded again
            await self.mirror.set_own_refs(dict.fromkeys(own, ""))
            chain = replace(chain, bundles=(), leftovers=_all_names(chain))
        self._chain = chain
        return chain

    async def _load_legacy(self) -> State | None:
        marker = self._ownership.marker
        if marker is None or marker.legacy is None or self._ownership.starts_over:
            return None
        await self._store.fetch_legacy(marker.legacy, self.mirror)
        return State.of_legacy(marker)

    # ---- the next bundle

    async def _add(self, chain: Chain, state: State) -> None:
        state = replace(state, made_at=datetime.now(UTC).isoformat(timespec="seconds"))
        blob = await self.mirror.text("hash-object", "-w", "--stdin", stdin=state.to_bytes())
        await self.mirror.set_own_refs({"state": blob})
        first, rewritten = await self._first_position(chain, state)
        were_missing = self._destination.records_were_missing
        self._destination.records_were_missing = False
        try:
            chain = await self._upload(chain, state, first)
        except ArchiveTooLargeError:
            if first == 0:
                raise
            chain = await self._upload(chain, state, 0)
        if first and self._destination.records_were_missing:
            self._chain = None  # somebody deleted the bundles before it
            raise MarkerChangedError("The folder of the records was deleted.", "Run sync again.")
        self._destination.records_were_missing |= were_missing
        self._chain, self._state = chain, state
        known = {each.key for each in chain.bundles}
        own = await self.mirror.own_refs()
        old = [name for name in own if name.startswith("history-") and name not in known]
        await self.mirror.set_own_refs({**dict.fromkeys(old, ""), chain.bundles[-1].key: blob})
        if rewritten and chain.leftovers:
            self.note = _REWRITTEN
        self._safe(state)
        await self._tidy()

    async def tidy(self) -> None:
        """Delete what is superseded; call this when the files have followed."""
        if self._chain is not None and self._chain.leftovers:
            async with self._turn:
                await self._tidy()

    async def _tidy(self) -> None:
        """Delete what is superseded, unless the files in the workspace are of a commit in it."""
        chain, state, marker = self._chain, self._state, self._ownership.marker
        if chain is None or state is None:
            return
        if marker is not None and await self._has_commits([marker.commit], _tips(state)):
            return
        preserved = set(marker.preserved) if marker is not None else set[str]()
        names = [name for name in chain.leftovers if name not in preserved]
        if not names:
            return
        try:
            await self._store.delete(names)
        except WorkspaceError as error:
            self._log.warning("%s: %s", self.project, error)
            return
        with contextlib.suppress(GitError):
            await self.mirror.collect()
        left = tuple(name for name in chain.leftovers if name in preserved)
        self._chain = replace(chain, leftovers=left, older=())

    async def _first_position(self, chain: Chain, state: State) -> tuple[int, bool]:
        """Return the first position that the next bundle covers; and if commits went away."""
        bundles = chain.bundles
        if not bundles or self._state is None:
            return 0, False
        position = bundles[-1].last + 1
        unreachable = None
        if await self._has_commits(_tips(self._state), _tips(state)):
            unreachable = await self._first_with_unreachable(bundles, state)
        if unreachable is not None:
            is_base = unreachable.first == 0
            is_early = time.monotonic() - self._renewed_at < _RENEW_SECONDS
            if not is_base or unreachable.size_bytes < _LARGE_BYTES or not is_early:
                return unreachable.first, True
        if len(bundles) > MOST_INCREMENTS:
            size = 0
            for bundle in reversed(bundles):
                if bundle.size_bytes > max(2 * size, _SMALL_BYTES):
                    break
                size += bundle.size_bytes
                position = bundle.first
        return position, False

    async def _first_with_unreachable(
        self, bundles: tuple[Bundle, ...], state: State
    ) -> Bundle | None:
        """Return the first bundle with commits that no ref reaches any more."""
        own = await self.mirror.own_refs()
        now, before = _tips(state), list[str]()
        for bundle in bundles:
            tips = _tips(await read_state(self.mirror, own.get(bundle.key, "")))
            if await self._has_commits(tips, [*now, *before]):
                return bundle
            before = tips
        return None

    async def _has_commits(self, tips: list[str], without: list[str]) -> bool:
        gone = {"", *await self.mirror.missing(*tips, *without)}
        lines = [*(t for t in tips if t not in gone), *(f"^{t}" for t in without if t not in gone)]
        if not set(tips) - gone:
            return False
        stdin = "\n".join(lines).encode() + b"\n"
        return bool(await self.mirror.text("rev-list", "--max-count=1", "--stdin", stdin=stdin))

    async def _upload(self, chain: Chain, state: State, first: int) -> Chain:
        """Upload a bundle from a position on; from 0 on it begins a new generation."""
        if first == 0:
            generation, last = chain.newest_generation + 1, 0
            self._renewed_at = time.monotonic()
            haves = list[str]()
        else:
            kept = [each for each in chain.bundles if each.last < first]
            generation, last = kept[0].generation, max(first, chain.bundles[-1].last + 1)
            own = await self.mirror.own_refs()
            haves = _tips(await read_state(self.mirror, own.get(kept[-1].key, "")))
        bundle = Bundle(generation, first, last)
        with tempfile.TemporaryFile(dir=self.mirror.folder) as stream:
            await self._create(stream, state, haves)
            total = sum(each.size_bytes for each in chain.bundles if each.last < first)
            if first and total + stream.tell() > self._most_bytes:
                raise ArchiveTooLargeError("The history has grown too large.")
            bundle = await self._write(stream, bundle)
        return chain.extended(bundle)

    async def _write(self, stream: IO[bytes], bundle: Bundle) -> Bundle:
        """Write a bundle under a free name; raises MarkerChangedError if it is in use."""
        try:
            return await self._store.upload(stream, bundle)
        except WorkspaceError as error:
            if not is_taken(error):
                raise
        await self._ownership.require_unchanged()
        # Ours, from an upload that was cut off, whose answer was lost, or of another server.
        there = await self._store.chain()
        await self._store.delete(n for n in there.leftovers if n.startswith(bundle.key))
        raise MarkerChangedError("There is another bundle already.", "Run sync again.")

    async def _create(self, stream: IO[bytes], state: State, haves: list[str]) -> None:
        gone = await self.mirror.missing(*haves)
        names = [*state.snapshot.refs, STATE]
        if state.snapshot.head_commit:
            names.append("HEAD")
        lines = [*names, *(f"^{oid}" for oid in haves if oid not in gone), ""]
        command = ("bundle", "create", "--quiet", "-", "--stdin")
        async with self.mirror.running(*command, options=_PACK_OPTIONS) as creating:
            with contextlib.suppress(ConnectionError):
                creating.stdin.write("\n".join(lines).encode())
                await creating.stdin.drain()
            creating.stdin.close()
            while chunk := await creating.stdout.read(CHUNK_BYTES):
                stream.write(chunk)
                if stream.tell() > self._most_bytes:
                    raise ArchiveTooLargeError(
                        f"The history has more than {self._most_bytes // 1024**2} MB.",
                        "Push it to a remote; only the files are synced.",
                    )
            await creating.succeed()


def _tips(state: State) -> list[str]:
    snapshot = state.snapshot
    return sorted({oid for oid in (*snapshot.refs.values(), snapshot.head_commit) if oid})


def _all_names(chain: Chain) -> tuple[str, ...]:
    return tuple({*chain.leftovers, *(n for each in chain.bundles for n in each.names())})

"""Sees what has changed in the home, and uploads the blocks that differ.

The last segment of a set, its *tail*, is replaced by each upload until it is large: it has all that
has changed since the segments before it.  So one pass is one call, however many files an agent
writes, and the number of segments grows with what is written and not with time.
"""

import asyncio
import contextlib
import json
import secrets as random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...agents.conversations import Kept
from ...background import backoff_seconds
from ...errors import ContinuityError, NeverKeptError
from ...secret import Secret
from .choice import write_record
from .contents import Blocks, blocks_of, differing, read
from .segments import Manifest, Piece, TerminalRecord, build, split
from .selection import Selection, select
from .store import Store, origin_key

# Between two uploads; longer after a large one.
LEAST_SECONDS = 10.0
_BYTES_PER_SECOND = 100_000
_TAIL_BYTES = 1024 * 1024
# What differs is in memory while it is sent: of more than this, the rest is sent after it.
_PASS_BYTES = 64 * 1024 * 1024
# More than these, and more than the first upload of all had, are sent again as a new set, and the
# old one is deleted.
MOST_SEGMENTS = 40
_FIRST_RETRY_SECONDS, _MOST_RETRY_SECONDS = 10.0, 300.0
# Sets of former homes that were never brought back here.
MOST_FORMER_SETS = 5


@dataclass
class Known:
    """What was read of a file: its state then, its size and its blocks."""

    state: tuple[int, ...]
    size_bytes: int
    modified_at: float
    blocks: Blocks
    is_executable: bool


class HomeKeeper:
    """Keeps one home; ``record`` is a file in our state folder."""

    def __init__(
        self,
        home: Path,
        *,
        record: Path,
        origin: str,
        kept: Callable[[], Sequence[Kept]],
        secrets: Callable[[], Iterable[Secret]],
        terminals: Callable[[], Sequence[TerminalRecord]],
        dotfiles: Callable[[], tuple[str, ...]],
    ) -> None:
        self._home, self._record, self._origin = home, record, origin
        self._kept, self._secrets, self._terminals = kept, secrets, terminals
        self._dotfiles = dotfiles
        self._set, self._serial, self._first_segments = _new_set(origin), 0, 0
        # What was read last, and the blocks that the segments before the tail have.
        self._known: dict[str, Known] = {}
        self._base: dict[str, Blocks] = {}
        # The blocks that all segments have.
        self._uploaded: dict[str, Blocks] = {}
        # What could not be read, and of these what may be later: its last copy is not deleted.
        self._unread, self._awaited = set[str](), set[str]()
        self._has_more = False  # which is not read yet
        self._sent: object = None
        self._content: object = None
        self._tail_bytes = 0
        self._failures, self._next_at = 0, 0.0
        self._turn = asyncio.Lock()
        self.former = _read_record(record)
        self.kept_at, self.message, self.size_bytes = "", "", 0
        self.left_out: dict[str, str] = {}
        self.is_pending = False
        # The owner has deleted what was kept.
        self.is_off = False

    @property
    def set_id(self) -> str:
        """The set that is written now."""
        return self._set

    def adopt(self, sets: Iterable[str]) -> None:
        """Take over sets that were brought back: they are deleted when ours has it all.

        Raises ContinuityError.
        """
        self.former = tuple(dict.fromkeys([*self.former, *sets]))
        self._note_sets((*self.former, self._set))

    @contextlib.asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """Wait for an upload, and keep no more after the block, in which what is kept goes."""
        async with self._turn:
            try:
                yield
            except BaseException:
                self._begin_again()  # some segments may be gone
                raise
            self.is_off, self.former = True, ()
            self.kept_at, self.size_bytes = "", 0

    async def look(self, store: Store, *, at_once: bool = False) -> bool:
        """Upload what has changed, if it is time; return whether it was.

        Raises a WorkspaceError or OSError: the next look tries again, after a pause.
        """
        async with self._turn:
            if self.is_off:
                return False
            selection = await asyncio.to_thread(select, self._home, self._kept())
            terminals = tuple(await asyncio.to_thread(self._terminals))
            states = {path: wanted.state for path, wanted in selection.files.items()}
            now = states, terminals, self._dotfiles()
            self.is_pending = now != self._sent
            self.left_out = {**selection.left_out}
            if not (selection.files or terminals) and self._sent is None:
                self.is_pending = False  # a home that nobody has used
            is_due = self.is_pending or self._awaited  # a lock goes without a trace
            if not is_due or (time.monotonic() < self._next_at and not at_once):
                return False
            try:
                is_sent = await self._keep(store, selection, terminals)
                while self._has_more and await self._keep(store, selection, terminals):
                    pass
            except BaseException:
                self._failures += 1
                pause = backoff_seconds(
                    self._failures - 1, _FIRST_RETRY_SECONDS, _MOST_RETRY_SECONDS
                )
                self._next_at = time.monotonic() + pause
                raise
            self._sent, self.is_pending, self._failures, self.message = now, False, 0, ""
            self.kept_at = datetime.now(UTC).isoformat(timespec="seconds")
            return is_sent

    async def _keep(
        self, store: Store, selection: Selection, terminals: tuple[TerminalRecord, ...]
    ) -> bool:
        """Send what differs; return whether there was anything."""
        self._next_at = time.monotonic() + LEAST_SECONDS
        is_rest = self._has_more
        most = max(MOST_SEGMENTS, self._first_segments)
        if self._serial - self._first_segments >= most and not self._awaited:
            self._begin_again()
        if self._tail_bytes > _TAIL_BYTES:
            self._freeze()
        pieces = await asyncio.to_thread(self._pieces, selection)
        content = self._content_with(terminals)
        if content == self._content and (self._awaited or not self.former):
            return False  # only times have changed
        self._content = None
        groups = split(pieces)
        # The tail must not be replaced by a half, or by one without what cannot be read again.
        if self._tail_bytes and (len(groups) > 1 or self._is_tail_needed()):
            self._freeze()
            groups = split(await asyncio.to_thread(self._pieces, selection))
        first, sent = self._serial, 0
        for number, group in enumerate(groups):
            is_last = number == len(groups) - 1
            manifest = self._manifest(terminals, is_complete=is_last)
            data = await asyncio.to_thread(build, manifest, group)
            if first == 0 and number == 0:
                self._note_sets((*self.former, self._set))
            is_gone = await store.write(self._set, first + number, data) and first + number > 0
            sent += len(data)
            self._next_at = time.monotonic() + max(LEAST_SECONDS, sent / _BYTES_PER_SECOND)
            if is_gone:  # somebody has deleted the folder, with the segments before this one
                self._begin_again()
                return await self._keep(store, selection, terminals)
        self._serial, self._tail_bytes = first + len(groups) - 1, len(data)
        self._uploaded = {path: self._blocks_there(path) for path in self._known}
        if first == 0 or is_rest:
            self._first_segments = self._serial
        if len(groups) > 1 or self._has_more:
            self._freeze()
        await self._drop_former(store)
        self._content = self._content_with(terminals)
        return True

    def _content_with(self, terminals: tuple[TerminalRecord, ...]) -> object:
        files = {p: (k.size_bytes, k.blocks, k.is_executable) for p, k in self._known.items()}
        return files, terminals, self._dotfiles(), self._set, self.former

    def _manifest(self, terminals: tuple[TerminalRecord, ...], *, is_complete: bool) -> Manifest:
        known = self._known.items()
        there = {path: each for path, each in known if self._blocks_there(path) == each.blocks}
        return Manifest(
            self._set,
            self._origin,
            datetime.now(UTC).isoformat(timespec="seconds"),
            is_complete,
            () if self._awaited else self.former,
            {path: (known.size_bytes, known.modified_at) for path, known in there.items()},
            terminals,
            self._dotfiles(),
            tuple(path for path, known in there.items() if known.is_executable),
        )

    def _blocks_there(self, path: str) -> Blocks:
        """Return which blocks of a file the set has with what is sent now."""
        return self._base.get(path, ()) if path in self._unread else self._known[path].blocks

    def _is_tail_needed(self) -> bool:
        known = {path: self._known[path] for path in self._unread & self._known.keys()}
        return any(each.blocks != self._base.get(path, ()) for path, each in known.items())

    def _freeze(self) -> None:
        """Begin another tail."""
        self._base = self._uploaded
        self._serial, self._tail_bytes = self._serial + 1, 0

    def _begin_again(self) -> None:
        self.former = tuple(dict.fromkeys([*self.former, self._set]))
        self._set, self._serial, self._first_segments = _new_set(self._origin), 0, 0
        self._tail_bytes, self._base = 0, {}

    async def _drop_former(self, store: Store) -> None:
        """Delete the sets that ours replaces, and those of long ago that nobody wanted back.

        The last of them stay while they may have the only copy of a file.
        """
        most = MOST_FORMER_SETS if self._awaited else 0
        if len(self.former) <= most and self.size_bytes:
            return
        start = max(0, len(self.former) - most)
        dropped, kept = self.former[:start], self.former[start:]
        there = await store.sets()
        self.size_bytes = sum(each.size_bytes for each in there if each.id == self._set)
        others = [each for each in there if each.id != self._set]
        gone = [each for each in others if each.id in dropped]
        ours = [each for each in others if each.is_of(self._origin)]
        left = [each for each in ours if each.id not in self.former]
        await store.delete([*gone, *left[:-MOST_FORMER_SETS]])
        self.former = kept
        self._note_sets((*kept, self._set))

    def _note_sets(self, sets: Iterable[str]) -> None:
        write_record(self._record, {"sets": list(dict.fromkeys(sets))})

    def _pieces(self, selection: Selection) -> list[Piece]:
        """Read what has changed; return the blocks that the tail must have; blocking."""
        secrets, pieces, size = tuple(self._secrets()), list[Piece](), 0
        self._unread, self._awaited, self._has_more = set[str](), set[str](), False
        for path in self._known.keys() - selection.files.keys():
            del self._known[path]
        # Those that nothing is kept of come first, or what always changes would hold them up.
        for path in sorted(selection.files, key=lambda path: path in self._known):
            wanted = selection.files[path]
            known, base = self._known.get(path), self._base.get(path, ())
            if known is not None and known.state == wanted.state and known.blocks == base:
                continue
            if size >= _PASS_BYTES:
                self._has_more = True
                self._unread.add(path)
                self._awaited.add(path)
                continue
            try:
                data = read(self._home / path, wanted.kept, secrets)
            except ContinuityError as error:
                self.left_out[path] = error.message
                self._unread.add(path)
                if not isinstance(error, NeverKeptError):
                    self._awaited.add(path)
                continue  # what was kept of it before stays
            at, blocks = wanted.modified_at, blocks_of(data)
            known = Known(wanted.state, len(data), at, blocks, wanted.is_executable)
            self._known[path] = known
            differs = differing(data, blocks, base)
            size += sum(len(block) for _, block in differs)
            pieces += [Piece(path, at, block) for at, block in differs]
        return pieces


def _new_set(origin: str) -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{origin_key(origin)}{random.token_hex(2)}"


def _read_record(path: Path) -> tuple[str, ...]:
    """Return the sets that the last server of this home has written."""
    try:
        return tuple(str(each) for each in json.loads(path.read_bytes())["sets"])
    except (OSError, ValueError, TypeError, KeyError):
        return ()

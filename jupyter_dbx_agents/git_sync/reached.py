"""How far a pass is: told to the status, and to the workspace from time to time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from .apply import Work
from .remote.marker import Marker


class Reached:
    """Counts what is finished, and writes a marker that knows it after each so many files."""

    def __init__(
        self,
        marker: Marker,
        works: Iterable[Work],
        write: Callable[[Marker], Awaitable[None]],
        progress: Callable[[int, int], None],
        checkpoint_files: int,
    ) -> None:
        self._marker, self._write, self._progress = marker, write, progress
        self._checkpoint_files = checkpoint_files
        self._count = sum(work.is_put or work.is_deletion for work in works)
        self._finished = 0
        self._done: dict[str, str] = {}

    async def finish(self, path: str, oid: str | None) -> None:
        """Note a path: the blob that is there now, '' for none, None for left out."""
        self._finished += 1
        if oid is not None:
            self._done[path] = oid
        self._progress(self._finished, self._count)
        if self._finished % self._checkpoint_files == 0 and self._finished < self._count:
            await self._write(self.marker())

    def marker(self) -> Marker:
        """Return the marker of a pass that ends here."""
        pending = self._marker.pending
        if pending is None or not self._done:
            return self._marker
        return self._marker.having(pending=pending.having_done(self._done))

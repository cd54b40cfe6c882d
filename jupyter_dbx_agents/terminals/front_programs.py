"""Notifies when the foreground program of a terminal changes.

The system has no event for this.  It is checked a moment after activity in the terminal, which
costs nothing for an idle one.
"""

import asyncio
from collections.abc import Callable

from .terminal import Terminal

# Soon enough for the name on a tab, and long enough to skip most programs of a shell loop.
CHECK_SECONDS = 1.0
# A program without output may start this long after its command line, on a busy machine.
START_SECONDS = 5.0


class FrontPrograms:
    """The foreground programs of all terminals."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._active_at: dict[Terminal, float] = {}
        self._names: dict[Terminal, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def check_soon(self, terminal: Terminal) -> None:
        """Check this terminal soon, since there was activity."""
        self._active_at[terminal] = asyncio.get_running_loop().time()
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        self._timer = None
        active, self._active_at = self._active_at, {}
        now = asyncio.get_running_loop().time()
        has_changed = False
        for terminal, at in active.items():
            has_changed = self._has_changed(terminal) or has_changed
            if now - at < START_SECONDS:
                self._active_at[terminal] = at
                self._schedule()
        if has_changed:
            self._changed()

    def _has_changed(self, terminal: Terminal) -> bool:
        before, now = self._names.pop(terminal, ""), terminal.foreground_program()
        if now:
            self._names[terminal] = now
        return now != before

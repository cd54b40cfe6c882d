"""Which program is in front in each terminal: told when it changes, so that nobody has to ask.

Nothing tells a terminal's owner that another program has come to the front.  It is looked at a
moment after something has happened in the terminal, which costs an idle one nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .terminal import Terminal

# Soon enough for a name on a tab, and too long for most programs of a loop in a shell to show.
LOOK_SECONDS = 1.0
# A program that says nothing comes to the front this long after its command line, at the most: on a
# machine that builds something, say.
START_SECONDS = 5.0


class FrontPrograms:
    """The watch over all terminals."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._stirred_at: dict[Terminal, float] = {}
        self._names: dict[Terminal, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def stir(self, terminal: Terminal) -> None:
        """Look soon: something has happened in this terminal."""
        self._stirred_at[terminal] = asyncio.get_running_loop().time()
        self._look_soon()

    def _look_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        stirred, self._stirred_at = self._stirred_at, {}
        now = asyncio.get_running_loop().time()
        has_changed = False
        for terminal, at in stirred.items():
            has_changed = self._is_other(terminal) or has_changed
            if now - at < START_SECONDS:
                self._stirred_at[terminal] = at
                self._look_soon()
        if has_changed:
            self._tell()

    def _is_other(self, terminal: Terminal) -> bool:
        before, now = self._names.pop(terminal, ""), terminal.foreground_program()
        if now:
            self._names[terminal] = now
        return now != before

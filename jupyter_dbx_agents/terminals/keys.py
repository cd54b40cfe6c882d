"""Where somebody types: floods of output elsewhere make way for the echo."""

from __future__ import annotations

import time
import weakref

# Longer than the pauses of somebody who writes.
TYPING_SECONDS = 1.0


class Keys:
    """The latest key of all terminals together."""

    def __init__(self) -> None:
        # A terminal that has ended is not to be kept by its last key.
        self._terminal: weakref.ref[object] | None = None
        self._typed_at = float("-inf")

    def typed(self, terminal: object) -> None:
        """Take note of a key."""
        self._terminal, self._typed_at = weakref.ref(terminal), time.monotonic()

    def are_elsewhere(self, terminal: object) -> bool:
        """Whether somebody types, and into another terminal than this one."""
        is_typing = time.monotonic() - self._typed_at < TYPING_SECONDS
        return is_typing and self._terminal is not None and self._terminal() is not terminal

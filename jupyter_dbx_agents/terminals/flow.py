"""How far a client is behind: what was sent to it, and what is known to have arrived.

A client that acknowledges (``["ack", n]``: it has drawn its first n ``stdout`` messages) is
measured by that.  Others are sent a ping now and then, which every client answers in its turn (RFC
6455, section 5.5.2), whatever proxies there are between; before the first answer, and for those
that never give one, counts what their sockets take, which kernels and proxies blur by megabytes.
Messages are counted, not characters: browsers count UTF-16 units, Python code points.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from dataclasses import dataclass

# Longer than the pauses of somebody who is typing.
TYPING_SECONDS = 1.0


@dataclass(frozen=True)
class FlowLimits:
    """When a terminal waits for its clients, and for how long.  Bytes and seconds."""

    high_water_bytes: int = 256 * 1024
    low_water_bytes: int = 64 * 1024
    behind_seconds: float = 3.0
    stalled_seconds: float = 60.0
    input_bytes: int = 8 * 1024 * 1024
    replay_bytes: int = 256 * 1024


class ClientFlow:
    """The account of one client."""

    def __init__(self) -> None:
        self.messages = 0
        self.progressed_at = 0.0
        self._unsent_bytes = 0
        self._unacknowledged_bytes = 0
        self._unacknowledged: deque[tuple[int, int]] = deque()
        self._unasked_bytes = 0
        self._acknowledges = False
        self._tells_what_is_drawn = False

    @property
    def waiting_bytes(self) -> int:
        """What the client has yet to take."""
        return max(self._unsent_bytes, self._unacknowledged_bytes)

    def sent(self, size: int, now: float) -> None:
        """Count a message of ``size`` bytes."""
        if not self.waiting_bytes:
            self.progressed_at = now
        self.messages += 1
        self._unsent_bytes += size
        self._unasked_bytes += size
        if self._acknowledges:
            self._unacknowledged.append((self.messages, size))
            self._unacknowledged_bytes += size

    def written(self, size: int, now: float) -> None:
        """Count bytes that the socket has taken."""
        self._unsent_bytes -= size
        if not self._acknowledges:
            self.progressed_at = now

    def must_ask(self, after_bytes: int) -> bool:
        """Whether to ask with a ping, behind ``after_bytes`` of output, what has arrived."""
        if self._tells_what_is_drawn or self._unasked_bytes < after_bytes:
            return False
        self._unasked_bytes = 0
        return True

    def answered(self, number: int, now: float) -> bool:
        """Take a ping's answer: that many messages have arrived; False for one that cannot be."""
        return self._tells_what_is_drawn or self._took(number, now)

    def acknowledged(self, number: int, now: float) -> bool:
        """Take an acknowledgement: that many are drawn; return False for one that cannot be."""
        is_possible = self._took(number, now)
        self._tells_what_is_drawn = self._tells_what_is_drawn or is_possible
        return is_possible

    def _took(self, number: int, now: float) -> bool:
        if not 0 <= number <= self.messages:
            return False
        self._acknowledges = True
        while self._unacknowledged and self._unacknowledged[0][0] <= number:
            self._unacknowledged_bytes -= self._unacknowledged.popleft()[1]
            self.progressed_at = now
        return True


class TypingMonitor:
    """Which terminal was typed into last: floods of output elsewhere are slowed for its echo."""

    def __init__(self) -> None:
        # Weak, so that a terminal that has ended is not kept alive.
        self._terminal: weakref.ref[object] | None = None
        self._typed_at = float("-inf")

    def typed(self, terminal: object) -> None:
        """Record a key."""
        self._terminal, self._typed_at = weakref.ref(terminal), time.monotonic()

    def is_typing_elsewhere(self, terminal: object) -> bool:
        """Whether somebody types into another terminal than this one."""
        is_typing = time.monotonic() - self._typed_at < TYPING_SECONDS
        return is_typing and self._terminal is not None and self._terminal() is not terminal

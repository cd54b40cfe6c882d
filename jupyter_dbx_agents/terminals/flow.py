"""Flow control: how far a client is behind, and who is typing.

A client that acknowledges (``["ack", n]``: it has drawn its first n ``stdout`` messages) is
measured by that.  Others are sent a ping now and then, which every client answers in order (RFC
6455, section 5.5.2), through any proxy; until the first answer, what their sockets accept is
counted, which is off by megabytes because kernels and proxies buffer.  Messages are counted, not
characters: browsers count UTF-16 units, Python code points.
"""

import time
import weakref
from collections import deque
from dataclasses import dataclass

# Longer than the pauses of somebody who is typing.
TYPING_SECONDS = 1.0


@dataclass(frozen=True)
class FlowLimits:
    """When a terminal waits for its clients, and for how long, in bytes and seconds."""

    high_water_bytes: int = 256 * 1024
    low_water_bytes: int = 64 * 1024
    behind_seconds: float = 3.0
    stalled_seconds: float = 60.0
    input_bytes: int = 8 * 1024 * 1024
    replay_bytes: int = 256 * 1024


class ClientFlow:
    """How much one client has been sent, and how much of that has arrived."""

    def __init__(self) -> None:
        self.messages = 0
        self.progressed_at = 0.0
        self._unsent_bytes = 0
        self._unacknowledged_bytes = 0
        self._unacknowledged: deque[tuple[int, int]] = deque()
        self._bytes_since_ping = 0
        self._acknowledges = False
        self._acknowledges_drawing = False

    @property
    def waiting_bytes(self) -> int:
        """How many bytes have been sent and are not known to have arrived."""
        return max(self._unsent_bytes, self._unacknowledged_bytes)

    def sent(self, size: int, now: float) -> None:
        """Count a message of ``size`` bytes."""
        if not self.waiting_bytes:
            self.progressed_at = now
        self.messages += 1
        self._unsent_bytes += size
        self._bytes_since_ping += size
        if self._acknowledges:
            self._unacknowledged.append((self.messages, size))
            self._unacknowledged_bytes += size

    def written(self, size: int, now: float) -> None:
        """Count bytes that the socket has accepted."""
        self._unsent_bytes -= size
        if not self._acknowledges:
            self.progressed_at = now

    def should_ping(self, after_bytes: int) -> bool:
        """Whether to send a ping to learn what has arrived, ``after_bytes`` since the last."""
        if self._acknowledges_drawing or self._bytes_since_ping < after_bytes:
            return False
        self._bytes_since_ping = 0
        return True

    def answered(self, number: int, now: float) -> bool:
        """Handle a pong: so many messages have arrived.  Returns False if that is impossible."""
        return self._acknowledges_drawing or self._took(number, now)

    def acknowledged(self, number: int, now: float) -> bool:
        """Handle an acknowledgement: so many are drawn.  Returns False if that is impossible."""
        is_possible = self._took(number, now)
        self._acknowledges_drawing = self._acknowledges_drawing or is_possible
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

"""Input that a program has not read yet: a bounded, ordered queue that blocks nothing."""

import contextlib
import fcntl
import os
import termios
from collections import deque

# Written in one turn of the event loop, so that a large paste does not delay other terminals.
TURN_BYTES = 64 * 1024
# Linux's ioctl TIOCGPTPEER opens a pty's other end, whatever is mounted at /dev/pts.
_TIOCGPTPEER = 0x5441
# Small inputs are joined up to this size, which bounds the overhead of queued keys.
JOINED_BYTES = 4096
INTERRUPT = b"\x03"


class InputQueue:
    """Writes to a pty as fast as its program reads."""

    def __init__(self, fd: int, limit_bytes: int) -> None:
        self._fd = fd
        self._limit_bytes = limit_bytes
        self._waiting: deque[memoryview] = deque()
        self.waiting_bytes = 0

    def put(self, data: bytes) -> bool:
        """Queue input, all or nothing, and write what fits; return whether there was room."""
        if self.waiting_bytes + len(data) > self._limit_bytes:
            return False
        self.waiting_bytes += len(data)
        if self._waiting and len(self._waiting[-1]) + len(data) <= JOINED_BYTES:
            data = self._waiting.pop().tobytes() + data
        if data:
            self._waiting.append(memoryview(data))
        self.write()
        return True

    def interrupt(self) -> int:
        """Drop queued input, here and in the kernel, and send ^C; return the bytes dropped here."""
        dropped = self.waiting_bytes
        self.clear()
        with contextlib.suppress(OSError):
            discard_unread_input(self._fd)
        self.put(INTERRUPT)
        return dropped

    def write(self) -> None:
        """Write until the program's buffer is full or the turn is over; raises no OSError."""
        left = TURN_BYTES
        try:
            while self._waiting and left > 0:
                piece = self._waiting[0][:left]
                written = os.write(self._fd, piece)
                self._took(written)
                left -= written
        except BlockingIOError:
            pass
        except OSError:  # the program has closed its end, which the reader handles
            self.clear()

    def clear(self) -> None:
        """Drop all queued input."""
        self._waiting.clear()
        self.waiting_bytes = 0

    def _took(self, written: int) -> None:
        self.waiting_bytes -= written
        if written == len(self._waiting[0]):
            self._waiting.popleft()
        else:
            self._waiting[0] = self._waiting[0][written:]


def discard_unread_input(master: int) -> None:
    """Drop what the program of a pty has not read yet, as its line discipline does on ^C."""
    other_end = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        termios.tcflush(other_end, termios.TCIFLUSH)
    finally:
        os.close(other_end)

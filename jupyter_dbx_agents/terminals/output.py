"""Reads a pty in small slices and joins them into few messages, without delaying an echo.

A frame that a program has begun (DEC private mode 2026, synchronised output) is sent whole, since
xterm.js 5.5 does not know the mode and would draw it piece by piece.  See
https://github.com/contour-terminal/vt-extensions/blob/master/synchronized-output.md
"""

import asyncio
import codecs
import json
import os
import re
from collections.abc import Callable

# Linux returns at most 4,095 bytes per read of a pty; four a turn keep other echoes below 3 ms.
SLICE_BYTES = 4 * 4095
# A message costs as much as encoding 30 KB, so long ones are cheap; xterm.js draws one in 12 ms.
MESSAGE_BYTES = 6 * SLICE_BYTES
# Half a display frame: coalesces a redraw in many writes, with no visible delay.
JOIN_SECONDS = 0.008
# An echo and the redraw after it are sent at once; only a stream of writes is coalesced.
CALM_WINDOW_SECONDS = 0.010
CALM_MESSAGES = 3
FRAME_BEGIN, FRAME_END = b"\x1b[?2026h", b"\x1b[?2026l"
# A program that hangs in a frame must not hide what it wrote; a redraw takes a few milliseconds.
FRAME_SECONDS = 0.1
# More than a screen full of coloured cells.
FRAME_BYTES = 256 * 1024
_ESCAPES = (
    (b"\\", b"\\\\"),
    (b'"', b'\\"'),
    (b"\n", b"\\n"),
    (b"\r", b"\\r"),
    (b"\x1b", b"\\u001b"),
    (b"\b", b"\\b"),
    (b"\t", b"\\t"),
)
_json = json.JSONEncoder(ensure_ascii=False).encode
_SHORT_BYTES = 1024
_MOST_LINES = 64  # in as many bytes, of output that needs few escapes
_RARE_BYTES = bytes(set(range(32)) - set(b"\n\r\x1b\b\t"))
_RARE = re.compile(b"[" + re.escape(_RARE_BYTES) + b"]")


class OutputPump:
    """The reading side of one pty."""

    def __init__(self, fd: int, deliver: Callable[[bytes], None]) -> None:
        self._fd = fd
        self._deliver = deliver
        # Joins a character that is split by a read; invalid bytes become U+FFFD.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.is_flooding = False  # whether the last slice was full
        self._chunks: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._window_started_at = 0.0
        self._window_messages = 0
        self._waits_for_frame = False  # what waits is a frame that has not ended

    def read(self, message_bytes: int) -> bool:
        """Read one slice and pass on what is due; return False at the end of the output.

        ``message_bytes``: how much is passed on at a time while the program floods.
        """
        size, is_open, is_drained = 0, True, False
        try:
            while size < SLICE_BYTES and is_open:
                chunk = os.read(self._fd, SLICE_BYTES)
                is_open = bool(chunk)
                self._chunks.append(chunk)
                size += len(chunk)
        except BlockingIOError:
            is_drained = True
        except OSError:  # Linux' EIO: the last program has closed the other end
            is_open = False
        self._size += size
        self.is_flooding = size >= SLICE_BYTES
        if not is_open:
            self.flush()
        elif not self._is_amid_frame():
            if self._size >= message_bytes or (is_drained and self._is_calm()):
                self._pass_on()
            elif self._timer is None and self._size:
                self._timer = asyncio.get_running_loop().call_later(JOIN_SECONDS, self._pass_on)
        return is_open

    def flush(self) -> None:
        """Deliver what was read."""
        self._stop_timer()
        self._waits_for_frame = False
        if self._chunks:
            data, self._chunks, self._size = b"".join(self._chunks), [], 0
            if data := self._valid(data):
                self._deliver(data)

    def _is_amid_frame(self) -> bool:
        """Whether what was read only continues a frame that is waited for."""
        if not self._waits_for_frame:
            return False
        self._chunks = [b"".join(self._chunks)]
        if self._size <= FRAME_BYTES and FRAME_END not in self._chunks[0]:
            return True
        self._stop_timer()
        self._waits_for_frame = False
        return False

    def _pass_on(self) -> None:
        """Deliver what was read, up to a frame that has begun and not ended."""
        data = b"".join(self._chunks)
        start = data.find(FRAME_BEGIN, max(0, data.rfind(FRAME_END)))
        if start < 0 or len(data) - start > FRAME_BYTES:
            self.flush()
            return
        self._chunks = [data[:start]]
        self.flush()
        self._chunks, self._size = [data[start:]], len(data) - start
        self._waits_for_frame = True
        self._timer = asyncio.get_running_loop().call_later(FRAME_SECONDS, self.flush)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _valid(self, data: bytes) -> bytes:
        """Return output as valid UTF-8; an incomplete character is kept until the rest is read."""
        is_whole = not self._decoder.getstate()[0]
        if is_whole and data.isascii():
            return data
        text = self._decoder.decode(data)
        is_whole = is_whole and not self._decoder.getstate()[0] and "\ufffd" not in text
        return data if is_whole else text.encode()

    def _is_calm(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._window_started_at > CALM_WINDOW_SECONDS:
            self._window_started_at, self._window_messages = now, 0
        self._window_messages += 1
        return self._window_messages <= CALM_MESSAGES


def stdout_message(data: bytes) -> bytes:
    """Return output, which is valid UTF-8, as a ``stdout`` message of the terminal protocol.

    Long output, which needs few escapes, is escaped as bytes: this takes half the time of ``json``,
    and ASCII need not be decoded at all.  For a key's echo, and for lines of a few characters,
    ``json`` is several times faster.
    """
    if len(data) <= _SHORT_BYTES or data.count(b"\n", 0, _SHORT_BYTES) > _MOST_LINES:
        return b'["stdout", %b]' % _json(data.decode()).encode()
    for byte, escape in _ESCAPES:
        if byte in data:
            data = data.replace(byte, escape)
    if len(data.translate(None, _RARE_BYTES)) != len(data):
        data = _RARE.sub(lambda match: b"\\u%04x" % match[0][0], data)
    return b'["stdout", "%b"]' % data

"""What a client that comes later is sent, so that its screen equals the true one.

The newest output is kept as it came, in a ring bounded in bytes; what falls out of the ring goes
into a model of the screen.  A replay is the model's state and then the ring.  Why both: the ring is
exact and cheap, the model is complete (an agent's 300,000 redraws leave its transcript standing).
Text that the ring itself scrolls off the screen and out of any scrollback is never fed to the
model, so floods of text cost next to nothing; floods of redraws are slowed to the model's speed.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import NamedTuple

from .screen.buffer import SCROLLBACK_LINES
from .screen.escapes import (
    end_of_string,
    flows,
    is_unfinished_string,
    pen_of,
    safe_end,
    without_repeats,
)
from .screen.model import ScreenModel

# As much as is modelled in about 2 ms, unless it clears or repeats a lot.
PIECE_BYTES = 4 * 1024
# Text is hardly ever modelled, so larger pieces, which cost less, will do.
TEXT_PIECE_BYTES = 16 * 1024
# No string sequence that matters after the fact is longer; images and pastes are.
MOST_STRING_BYTES = 64 * 1024
# Other sequences are shorter; longer ones, which mean nothing, are cut.
MOST_SEQUENCE_BYTES = 1024
# How much the ring may grow beyond its limit before the program has to wait for the model.
MOST_BACKLOG_BYTES = 128 * 1024
_log = logging.getLogger(__name__)


class _Piece(NamedTuple):
    """Output between two safe boundaries; or, without data, a change of the terminal's size."""

    data: bytes
    lines: int = 0
    flows: bool = False
    size: tuple[int, int] | None = None


class Replay:
    """The output of one terminal, for clients to come."""

    def __init__(self, limit_bytes: int, rows: int, columns: int) -> None:
        self._limit_bytes = limit_bytes
        self._size = self._first_size = (rows, columns)
        self._screen: ScreenModel | None = None
        self._pieces: deque[_Piece] = deque()
        self._bytes = 0
        self._resizes = 0
        self._open = bytearray()
        self._in_string = False

    def append(self, data: bytes) -> None:
        """Keep output: valid UTF-8, whole characters, cut anywhere else."""
        if self._in_string:
            end = end_of_string(data)
            if end < 0:
                return
            self._in_string, data = False, data[end:]
        self._open += data
        if len(self._open) >= PIECE_BYTES:
            self._close_open()

    def resize(self, rows: int, columns: int) -> None:
        """Follow the terminal's size: what was drawn for the old one is reflowed by the model."""
        if self.depends_on_size:
            self._close_open()
            self._pieces.append(_Piece(b"", size=(rows, columns)))
            self._resizes += 1
        else:
            self._first_size = (rows, columns)
        self._size = (rows, columns)

    @property
    def depends_on_size(self) -> bool:
        """Whether there is anything to send that was drawn for one size of the terminal."""
        if self._screen is not None or not flows(bytes(self._open)):
            return True
        return not all(piece.flows for piece in self._pieces)

    @property
    def has_work(self) -> bool:
        """Whether ``work`` is to be called, again and again."""
        return self._bytes > self._limit_bytes or self._resizes > 0

    @property
    def is_ready(self) -> bool:
        """Whether ``render`` can be called; otherwise, after some more work."""
        return self._resizes == 0

    @property
    def is_full(self) -> bool:
        """Whether output should wait until some work is done."""
        return self._bytes > self._limit_bytes + MOST_BACKLOG_BYTES

    def work(self, deadline: float = math.inf) -> None:
        """Move the oldest piece from the ring into the model, or what is done by the deadline.

        ``deadline``: of ``time.perf_counter``; some work is done whenever it is.
        """
        oldest = self._pieces.popleft()
        self._bytes -= len(oldest.data)
        if oldest.size is not None:
            self._resizes -= 1
            self._model().resize(*oldest.size)
            self._first_size = oldest.size
        elif oldest.flows and self._scrolls_everything_off():
            self._feed(pen_of(oldest.data), math.inf)
        elif rest := self._feed(oldest.data, deadline):
            self._pieces.appendleft(_Piece(rest, rest.count(b"\n"), oldest.flows))
            self._bytes += len(rest)

    def render(self) -> bytes:
        """Return the replay for a fresh terminal; it types nothing and rings nothing."""
        ring = b"".join([*(piece.data for piece in self._pieces), self._open])
        before = self._screen.render() if self._screen is not None else ""
        return before.encode(errors="replace") + without_repeats(ring)

    def _close_open(self) -> None:
        """Move the open output up to the last safe boundary into the ring, in pieces."""
        data = bytes(self._open)
        end = safe_end(data)
        if len(data) - end > MOST_SEQUENCE_BYTES and not is_unfinished_string(data[end:]):
            end = len(data)  # the model keeps what a cut sequence needs
        is_text = flows(data[:end])
        size = TEXT_PIECE_BYTES if is_text else PIECE_BYTES
        start = 0
        while start < end:
            stop = start + size
            if stop < end:
                stop = start + (safe_end(data[start:stop]) or end - start)
            piece = data[start : min(stop, end)]
            self._pieces.append(_Piece(piece, piece.count(b"\n"), is_text or flows(piece)))
            start += len(piece)
        self._bytes += end
        self._open = bytearray(data[end:])
        if len(self._open) > MOST_STRING_BYTES:
            self._open.clear()
            self._in_string = True

    def _scrolls_everything_off(self) -> bool:
        """Whether the ring ends with enough text to fill the screen and the scrollback."""
        if self._screen is not None and not self._screen.is_plain():
            return False
        missing = self._size[0] + SCROLLBACK_LINES
        for piece in reversed(self._pieces):
            if missing <= 0 or not piece.flows:
                break
            missing -= piece.lines
        return missing <= 0

    def _model(self) -> ScreenModel:
        if self._screen is None:
            self._screen = ScreenModel(*self._first_size)
        return self._screen

    def _feed(self, data: bytes, deadline: float) -> bytes:
        """Let the model take output; return what is left at the deadline."""
        try:
            rest = self._model().feed(data.decode(errors="replace"), deadline) if data else ""
        except Exception:  # a mistake in the model must not end the terminal
            _log.warning("The screen model failed; reconnecting may show less", exc_info=True)
            self._screen, rest = ScreenModel(*self._first_size), ""
        return rest.encode(errors="replace")

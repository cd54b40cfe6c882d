"""What a client that comes later is sent, so that its screen equals the true one.

The newest output is kept as it came, in a ring bounded in bytes; older output is folded into a
picture, the text and sequences that draw what it has left on the screen (see ``screen``).  A replay
is the picture and then the ring.  Why both: the ring is exact and cheap, the picture is complete
(an agent's 300,000 redraws leave its transcript standing).  Text that the ring itself scrolls off
the screen and out of any scrollback is never drawn, so floods of text cost next to nothing.
Without node the ring is all there is.
"""

import re
from collections import deque
from dataclasses import dataclass, field

from .screen.escapes import flows, lasting, safe_end, text_start, without_repeats
from .screen.renderer import ScreenError, ScreenRenderer, ScreenText, Step

# Folding costs some milliseconds however little is folded: the more at a time, the better.
BATCH_BYTES = 128 * 1024
# Longer than any sequence that is not a string.
LEAST_BATCH_BYTES = 2 * 1024
# How much longer the ring may become before the program has to wait for the renderer.
MOST_BACKLOG_BYTES = 2 * 1024 * 1024
# More colours than that have to be drawn: text that never resets its own has no end of them.
MOST_LASTING_BYTES = 4 * 1024
# What a window that is dragged leaves; each costs as much as a screen full of text.
MOST_RESIZES = 50
# No string sequence that matters after the fact is longer; images and pastes are.
MOST_STRING_BYTES = 64 * 1024
# As many lines as JupyterLab's terminal keeps by default; more could not be seen.
SCROLLBACK_LINES = 1000
# Small writes are joined up to this, so that a ring of keystrokes' echoes is no larger than others.
CHUNK_BYTES = 4 * 1024
_NOT_PLAIN = re.compile(rb"\x1b\[(?:\?1047h|[0-9]+;[0-9]+r)")


@dataclass
class _Part:
    """Output, and the size (rows, columns) that the terminal had meanwhile."""

    size: tuple[int, int]
    chunks: deque[bytes] = field(default_factory=deque)

    def output(self) -> bytes:
        """Return all of it."""
        return b"".join(self.chunks)


class Replay:
    """The output of one terminal, for clients to come."""

    def __init__(self, limit_bytes: int, rows: int, columns: int, renderer: ScreenRenderer) -> None:
        self._limit_bytes = limit_bytes
        self._renderer = renderer
        self._picture = b""
        self._lasting = b""  # colours and modes of text that was never drawn
        self._parts = [_Part((rows, columns))]  # the ring
        self._bytes = 0
        self._is_folding = False
        self._revision = 0
        self._text: tuple[int, ScreenText] | None = None  # of which revision

    def append(self, data: bytes) -> None:
        """Keep output: valid UTF-8, whole characters, cut anywhere else."""
        self._revision += 1
        chunks = self._parts[-1].chunks
        if chunks and len(chunks[-1]) + len(data) <= CHUNK_BYTES and not self._is_folding:
            chunks[-1] += data
        else:
            chunks.append(data)
        self._bytes += len(data)

    def resize(self, rows: int, columns: int) -> None:
        """Follow the terminal's size: what was drawn for the old one is reflowed when folded."""
        self._revision += 1
        if self.depends_on_size:
            self._parts.append(_Part((rows, columns)))
        else:
            self._parts[0].size = (rows, columns)

    @property
    def depends_on_size(self) -> bool:
        """Whether there is anything to send that was drawn for one size of the terminal."""
        is_drawn = bool(self._picture) or self._is_folding or not self.is_ready
        return is_drawn or not flows(self._parts[0].output())

    @property
    def is_ready(self) -> bool:
        """Whether ``render`` can be called; otherwise, after ``fold``."""
        return len(self._parts) == 1

    @property
    def must_fold(self) -> bool:
        """Whether ``fold`` should be called."""
        batch_bytes = max(LEAST_BATCH_BYTES, min(self._limit_bytes, BATCH_BYTES))
        return self._bytes > self._limit_bytes + batch_bytes or len(self._parts) > MOST_RESIZES

    @property
    def is_full(self) -> bool:
        """Whether output should wait until it is folded."""
        return self._bytes > self._limit_bytes + BATCH_BYTES + MOST_BACKLOG_BYTES

    def render(self) -> bytes:
        """Return the replay for a fresh terminal; it types nothing and rings nothing."""
        ring = (part.output() for part in self._parts)
        return without_repeats(b"".join([self._picture, self._lasting, *ring]))

    async def text(self) -> ScreenText:
        """Return the text on the screen, drawn only if something has changed.

        Raises ScreenError.
        """
        revision = self._revision
        if self._text is None or self._text[0] != revision:
            steps: list[Step] = [self._parts[0].size, self._picture + self._lasting]
            for part in self._parts:
                steps += [part.size, part.output()]
            self._text = revision, await self._renderer.text(steps)
        return self._text[1]

    async def fold(self) -> None:
        """Move into the picture what the ring has no room for, and what has another size."""
        *before, last = self._parts
        count = len(last.chunks)
        output = last.output()
        end = _cut(output, len(output) - self._limit_bytes)
        is_short = not before and len(self._lasting) <= MOST_LASTING_BYTES
        if is_short and flows(output[:end]) and self._scrolls_everything_off(output[end:]):
            self._lasting = lasting(self._lasting + output[:end])
        else:
            try:
                self._picture = await self._draw(before, last.size, output[:end])
                self._lasting = b""
            except ScreenError:  # which the renderer has logged; the ring is all there is
                self._picture = self._lasting = b""  # what has been lost may have changed them
                output = b"".join([*(part.output() for part in before), output])
                end = _cut(output, len(output) - self._limit_bytes)
        for _chunk in range(count):
            last.chunks.popleft()
        if end < len(output):
            last.chunks.appendleft(output[end:])
        del self._parts[: len(before)]
        self._bytes = sum(len(chunk) for part in self._parts for chunk in part.chunks)

    async def _draw(self, before: list[_Part], size: tuple[int, int], old: bytes) -> bytes:
        """Return what draws those parts, and old output of the next one, which has this size."""
        steps: list[Step] = [self._parts[0].size, self._picture + self._lasting]
        for part in before:
            steps += [part.size, part.output()]
        self._is_folding = True
        try:
            return await self._renderer.render([*steps, size, old])
        finally:
            self._is_folding = False

    def _scrolls_everything_off(self, output: bytes) -> bool:
        """Whether this output ends with enough text to fill the screen and the scrollback."""
        rows, _columns = self._parts[0].size
        is_enough = output.count(b"\n", text_start(output)) >= rows + SCROLLBACK_LINES
        return is_enough and _NOT_PLAIN.search(self._picture) is None


def _cut(output: bytes, most: int) -> int:
    """Return where to cut, at most so many bytes in: outside a sequence that is not endless."""
    start = max(0, most - MOST_STRING_BYTES)
    end = safe_end(output[start : max(0, most)])
    if end or most < LEAST_BATCH_BYTES:
        return start + end
    while 0x80 <= output[most] < 0xC0:  # noqa: PLR2004  # inside a character of UTF-8
        most -= 1
    return most

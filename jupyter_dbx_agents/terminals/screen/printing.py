"""How characters get onto a terminal's screen: widths, wrapping, and what they overwrite."""

from __future__ import annotations

from .buffer import SECOND_HALF, Buffer
from .cells import Pen, erased, width

_LINE_DRAWING = dict(zip(range(0x5F, 0x7F), "\u00a0◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
# No real letter has as many combining characters; garbage must not grow a cell without end.
_MOST_JOINED = 16


class Printing:
    """The part of a screen's state that printing needs."""

    rows: int
    columns: int
    buffer: Buffer
    pen: Pen
    wraps: bool
    inserts: bool
    charset: str
    _last: str
    _last_is_narrow: bool

    def print(self, text: str, is_narrow: bool) -> None:
        """Print characters at the cursor."""
        if self.charset == "0":
            text = text.translate(_LINE_DRAWING)
        if is_narrow and not self.inserts:
            self._print_narrow(text)
        else:
            for character in text:
                self._print_character(character)
        self._last, self._last_is_narrow = text[-1], is_narrow

    def _print_narrow(self, text: str) -> None:
        """Print characters of one cell each, a line at a time."""
        buffer, pen = self.buffer, self.pen
        while text:
            if buffer.x >= self.columns:
                self._wrap()
            start = buffer.x
            part = text[: self.columns - start]
            end = start + len(part)
            line = buffer.lines[buffer.y]
            if line.has_wide:
                line.mend(start, pen)
                line.mend(end, pen)
            line.characters[start:end] = part
            line.pens[start:end] = [pen] * len(part)
            buffer.x = end
            text = text[len(part) :]
            if text and not self.wraps:
                text = text[-1]

    def _print_character(self, character: str) -> None:
        buffer, cells = self.buffer, width(character)
        if cells == 0:
            self._join(character)
            return
        if buffer.x + cells > self.columns:
            self._wrap()
            if cells > 1 and not self.wraps:
                return
        line, start = buffer.lines[buffer.y], buffer.x
        end = min(start + cells, self.columns)
        if self.inserts:
            line.insert(start, cells, self.pen)
        line.mend(start, self.pen)
        line.mend(end, self.pen)
        line.has_wide = line.has_wide or cells > 1
        line.characters[start:end] = [character, SECOND_HALF][: end - start]
        line.pens[start:end] = [self.pen] * (end - start)
        buffer.x = end

    def _join(self, character: str) -> None:
        """Add a combining character to the one before the cursor."""
        buffer = self.buffer
        column = min(buffer.x, self.columns) - 1
        line = buffer.lines[buffer.y]
        if column > 0 and line.characters[column] == SECOND_HALF:
            column -= 1
        if column >= 0 and len(line.characters[column]) < _MOST_JOINED:
            line.characters[column] += character

    def _wrap(self) -> None:
        """Go on in the next line, or on the last column where lines do not wrap."""
        buffer = self.buffer
        if not self.wraps:
            buffer.x = self.columns - 1
            return
        buffer.lines[buffer.y].erase(buffer.x, self.columns, self.pen)
        buffer.x = 0
        if buffer.y == buffer.bottom:
            buffer.scroll(erased(self.pen), wrapped=True)
        else:
            buffer.y = min(buffer.y + 1, self.rows - 1)
            buffer.lines[buffer.y].wrapped = True

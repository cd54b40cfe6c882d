"""A grid of cells with a cursor, margins and lines that have scrolled off, as xterm.js keeps it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from .cells import PLAIN, Pen, link_sequence

# As many lines as JupyterLab's terminal keeps by default; more could not be seen.
SCROLLBACK_LINES = 1000
BLANK = "\0"  # never written; drawn as a space
SECOND_HALF = ""  # of a character that takes two cells


class Line:
    """Cells: a character (and what joins it) and a pen; ``wrapped`` continues the line before."""

    __slots__ = ("characters", "has_wide", "pens", "wrapped")

    def __init__(self, columns: int, pen: Pen = PLAIN, wrapped: bool = False) -> None:
        self.characters: list[str] = [BLANK] * columns
        self.pens: list[Pen] = [pen] * columns
        self.wrapped = wrapped
        self.has_wide = False

    def erase(self, start: int, end: int, pen: Pen) -> None:
        """Blank cells, and the halves that a cut leaves of wide characters."""
        if self.has_wide:
            self.mend(start, pen)
            self.mend(end, pen)
        end = min(end, len(self.characters))
        if end > start:
            self.characters[start:end] = [BLANK] * (end - start)
            self.pens[start:end] = [pen] * (end - start)

    def mend(self, column: int, pen: Pen) -> None:
        """Blank both halves of a wide character that a change at ``column`` would split."""
        if not self.has_wide:
            return
        if 0 < column < len(self.characters) and self.characters[column] == SECOND_HALF:
            self.characters[column - 1 : column + 1] = [BLANK, BLANK]
            self.pens[column - 1 : column + 1] = [pen, pen]

    def insert(self, column: int, count: int, pen: Pen) -> None:
        """Shift cells right by ``count`` blanks."""
        columns = len(self.characters)
        self.mend(column, pen)
        self.characters[column:column] = [BLANK] * min(count, columns - column)
        self.pens[column:column] = [pen] * min(count, columns - column)
        self.mend(columns, pen)
        del self.characters[columns:], self.pens[columns:]

    def delete(self, column: int, count: int, pen: Pen) -> None:
        """Shift cells left over ``count`` cells."""
        columns = len(self.characters)
        count = min(count, columns - column)
        self.mend(column, pen)
        self.mend(column + count, pen)
        del self.characters[column : column + count], self.pens[column : column + count]
        self.characters += [BLANK] * count
        self.pens += [pen] * count

    def used(self) -> int:
        """Return how many cells there are up to the last one that can be seen."""
        end = len(self.characters)
        while end and self.characters[end - 1] in {BLANK, " "} and self.pens[end - 1] == PLAIN:
            end -= 1
        return end

    def written(self) -> int:
        """Return how many cells there are up to the last one that was written."""
        end = len(self.characters)
        while end and self.characters[end - 1] == BLANK:
            end -= 1
        return end

    def set_columns(self, columns: int) -> None:
        """Cut or fill up."""
        missing = columns - len(self.characters)
        if missing < 0:
            self.mend(columns, PLAIN)
            del self.characters[columns:], self.pens[columns:]
        else:
            self.characters += [BLANK] * missing
            self.pens += [PLAIN] * missing

    def render(self, end: int) -> str:
        """Return the first ``end`` cells as text and SGR sequences."""
        cells = zip(self.pens[:end], self.characters[:end], strict=True)
        parts, link = [], ""
        for pen, run in groupby(cells, key=itemgetter(0)):
            if pen.link != link:  # once for all cells that share it: an address may be long
                link = pen.link
                parts.append(link_sequence(link))
            parts.append(pen.style() + "".join(character for _, character in run))
        text = "".join([*parts, link_sequence("") if link else ""])
        return text.replace(BLANK, " ")


@dataclass
class Saved:
    """What DECSC saves; the row counts from the history's first, as in xterm.js."""

    x: int = 0
    y: int = 0
    pen: Pen = PLAIN
    charset: str = "B"


@dataclass
class Buffer:
    """One screen: ``x`` equals the number of columns while a wrap is pending, as in xterm.js."""

    rows: int
    columns: int
    keeps_history: bool
    x: int = 0
    y: int = 0
    saved: Saved = field(default_factory=Saved)

    def __post_init__(self) -> None:
        self.top, self.bottom = 0, self.rows - 1
        self.lines = [Line(self.columns) for _ in range(self.rows)]
        self.history: deque[Line] = deque(maxlen=SCROLLBACK_LINES if self.keeps_history else 0)

    @property
    def saved_row(self) -> int:
        """The saved cursor's row on the screen."""
        return max(self.saved.y - len(self.history), 0)

    def scroll(self, pen: Pen, wrapped: bool = False) -> None:
        """Scroll the region up by one line."""
        line = self.lines.pop(self.top)
        if self.top == 0:
            self.history.append(line)
        self.lines.insert(self.bottom, Line(self.columns, pen, wrapped))

    def remove(self, row: int, count: int, pen: Pen) -> None:
        """Remove lines at ``row``; blank ones come in at the bottom margin."""
        for _ in range(min(count, self.bottom - row + 1)):
            del self.lines[row]
            self.lines.insert(self.bottom, Line(self.columns, pen))

    def insert(self, row: int, count: int, pen: Pen) -> None:
        """Insert blank lines at ``row``; others leave at the bottom margin."""
        for _ in range(min(count, self.bottom - row + 1)):
            del self.lines[self.bottom]
            self.lines.insert(row, Line(self.columns, pen))

    def blank(self, rows: range, pen: Pen) -> None:
        """Blank whole lines."""
        for row in rows:
            self.lines[row] = Line(self.columns, pen)

    def clear(self, pen: Pen = PLAIN) -> None:
        """Blank everything, history included."""
        self.history.clear()
        self.blank(range(self.rows), pen)

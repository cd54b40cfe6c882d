"""A buffer follows its terminal's size as in xterm.js: lines reflow, all but the cursor's own."""

from __future__ import annotations

from collections.abc import Iterator

from .buffer import SECOND_HALF, Buffer, Line
from .cells import PLAIN


def resize(buffer: Buffer, rows: int, columns: int) -> None:
    """Give a buffer another size."""
    lines = [*buffer.history, *buffer.lines]
    base = len(buffer.history)
    base, buffer.y = _set_rows(lines, base, buffer.y, rows, buffer.columns)
    if buffer.keeps_history and columns != buffer.columns:
        base, buffer.y = _reflow(lines, base, buffer.y, rows, columns)
    for line in lines:
        line.set_columns(columns)
    buffer.rows, buffer.columns = rows, columns
    buffer.top, buffer.bottom = 0, rows - 1
    buffer.history.clear()
    buffer.history.extend(lines[:base])
    buffer.lines = lines[base : base + rows]
    buffer.x, buffer.y = min(buffer.x, columns - 1), min(buffer.y, rows - 1)
    saved = buffer.saved
    saved.x = min(saved.x, columns - 1)


def _set_rows(lines: list[Line], base: int, y: int, rows: int, columns: int) -> tuple[int, int]:
    """Grow or shrink the screen; return where it begins and the cursor's row."""
    while len(lines) - base < rows:
        if base and len(lines) <= base + y + 1:  # nothing below the cursor: show scrollback again
            base, y = base - 1, y + 1
        else:
            lines.append(Line(columns))
    while len(lines) - base > rows:
        if len(lines) > base + y + 1:
            lines.pop()
        else:
            base, y = base + 1, y - 1
    return base, max(y, 0)


def _reflow(lines: list[Line], base: int, y: int, rows: int, columns: int) -> tuple[int, int]:
    """Break lines anew; return where the screen begins and the cursor's row."""
    cursor = base + y
    result: list[Line] = []
    for start, group in _paragraphs(lines):
        # The program that owns the cursor's line will redraw it.
        has_cursor = start <= cursor < start + len(group)
        result += group if has_cursor else _broken(group, columns)
    change = len(result) - len(lines)
    lines[:] = result
    return _moved(lines, base, y, rows, change)


def _moved(lines: list[Line], base: int, y: int, rows: int, change: int) -> tuple[int, int]:
    """Keep the cursor on its line after ``change`` lines have come or gone."""
    for _ in range(-change):
        if base:
            base -= 1
        else:
            y = max(y - 1, 0)
            if len(lines) < rows:
                lines.append(Line(1))
    for _ in range(change):
        if base == 0 and y < rows - 1:
            y += 1
            lines.pop()
        elif base < len(lines) - rows:
            base += 1
    while len(lines) - base < rows:
        lines.append(Line(1))
    return base, y


def _paragraphs(lines: list[Line]) -> Iterator[tuple[int, list[Line]]]:
    """Yield lines that continue one another, with the first one's index."""
    start = 0
    for index in range(1, len(lines) + 1):
        if index == len(lines) or not lines[index].wrapped:
            yield start, lines[start:index]
            start = index


def _broken(group: list[Line], columns: int) -> list[Line]:
    """Return a paragraph's lines at another width."""
    if len(group) == 1 and group[0].written() <= columns:
        return group
    characters, pens = [], []
    for line in group:
        used = line.written() if line is group[-1] else len(line.characters)
        characters += line.characters[:used]
        pens += line.pens[:used]
    result: list[Line] = []
    position = 0
    while position < len(characters) or not result:
        end = position + columns
        if end < len(characters) and characters[end] == SECOND_HALF and columns > 1:
            end -= 1
        line = Line(columns, PLAIN, wrapped=bool(result) or group[0].wrapped)
        count = len(characters[position:end])
        line.characters[:count] = characters[position:end]
        line.pens[:count] = pens[position:end]
        line.has_wide = SECOND_HALF in line.characters
        result.append(line)
        position = end
    return result

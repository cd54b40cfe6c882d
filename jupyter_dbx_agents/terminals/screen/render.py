"""A screen as the text and escape sequences that draw it on a fresh terminal of the same size."""

from __future__ import annotations

from collections.abc import Sequence

from .buffer import BLANK, Buffer, Line
from .cells import link_sequence
from .state import ScreenState

# Lines that have scrolled off are left out beyond that: colours can make each cell 40 characters.
MOST_CHARACTERS = 512 * 1024


def render(state: ScreenState) -> str:
    """Return the screens, then everything that is not drawn."""
    primary = state.primary
    parts = [_title(state), _flowing(primary)]
    if state.buffer is state.alternate:
        # Saved as 1049 has done: the program finds this cursor again when it leaves the screen.
        parts += [*_saved(primary), "\x1b[0m\x1b[?1047h", _placed(state.alternate)]
    return "".join([*parts, *_undrawn(state)])


def _title(state: ScreenState) -> str:
    return f"\x1b]2;{state.title}\x07" if state.title else ""


def _flowing(buffer: Buffer) -> str:
    """Return history and screen; lines that wrapped wrap again, so that they reflow later."""
    lines: Sequence[Line] = [*buffer.history, *buffer.lines]
    last = max((index for index, line in enumerate(lines) if line.used()), default=-1)
    last = max(last, len(buffer.history) + buffer.rows - 1 if buffer.history else last)
    parts: list[str] = []
    size = 0
    for index in range(last, -1, -1):
        line = lines[index]
        is_continued = index < last and lines[index + 1].wrapped
        if size > MOST_CHARACTERS and index < len(buffer.history) and not is_continued:
            break
        # A line that wrapped is drawn up to its end, so that the next one wraps again; and that one
        # by a cell at least, or it would not.
        used = max(line.used(), int(line.wrapped))
        end = "\x1b[0m\r\n" if index < last and not is_continued else ""
        parts.append(line.render(buffer.columns if is_continued else used) + end)
        size += len(parts[-1])
    return "".join([*reversed(parts), "\x1b[0m"])


def _placed(buffer: Buffer) -> str:
    """Return a screen line by line."""
    parts = []
    for row, line in enumerate(buffer.lines):
        if used := line.used():
            parts += [_to(row, 0), line.render(used)]
    return "".join(parts)


def _undrawn(state: ScreenState) -> list[str]:
    buffer = state.buffer
    parts = _saved(buffer)
    for number, is_set in state.modes.items():
        parts.append(f"\x1b[?{number}{'h' if is_set else 'l'}")
    parts.append("\x1b=" if state.keypad else "")
    if (buffer.top, buffer.bottom) != (0, state.rows - 1):
        parts.append(f"\x1b[{buffer.top + 1};{buffer.bottom + 1}r")
    parts += ["\x1b[?6h" if state.origin else "", *_cursor(state), link_sequence("")]
    parts += [state.pen.sequence(), "" if state.wraps else "\x1b[?7l"]
    parts += ["\x1b[4h" if state.inserts else "", state.cursor_shape]
    return [*parts, *_charsets(state)]


def _saved(buffer: Buffer) -> list[str]:
    saved = buffer.saved
    save = "\x1b(0\x1b7\x1b(B" if saved.charset == "0" else "\x1b7"
    return [_to(buffer.saved_row, saved.x), saved.pen.sequence(), save, link_sequence("")]


def _cursor(state: ScreenState) -> list[str]:
    """Place the cursor; a wrap is pending again once the last cell is drawn again."""
    buffer = state.buffer
    row = buffer.y - (buffer.top if state.origin else 0)
    if buffer.x < state.columns:
        return [_to(row, buffer.x)]
    line = buffer.lines[buffer.y]
    column = state.columns - 1
    while column and not line.characters[column]:
        column -= 1
    return [
        _to(row, column),
        line.pens[column].sequence(),
        line.characters[column].replace(BLANK, " "),
    ]


def _charsets(state: ScreenState) -> list[str]:
    """Return the character sets, once everything is drawn."""
    names = zip("()*+", state.charsets, strict=True)
    return [
        *(f"\x1b{slot}{charset}" for slot, charset in names if charset != "B"),
        "\x0e" if state.shift else "",
    ]


def _to(row: int, column: int) -> str:
    return f"\x1b[{row + 1};{column + 1}H"

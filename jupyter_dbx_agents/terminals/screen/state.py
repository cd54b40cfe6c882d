"""The state of a terminal and its control functions, as xterm.js carries them out."""

from __future__ import annotations

from collections.abc import Callable

from .buffer import Buffer, Line, Saved
from .cells import PLAIN, Pen, erased
from .printing import Printing
from .resize import resize

# Modes that a replay restores besides those that the model acts on: keys, mouse, paste, cursor.
_MOUSE_MODES = ("9", "1000", "1002", "1003")
_MOUSE = {*_MOUSE_MODES, "1005", "1006", "1015", "1016"}
_PASSIVE_MODES = {*_MOUSE, "1", "5", "12", "25", "45", "66", "1004", "2004", "2026"}
_ALTERNATE_SCREENS = {"47", "1047", "1049"}


class ScreenState(Printing):
    """A terminal's screens, cursor, pen and modes, and what control functions do to them."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.title = ""
        self.modes: dict[str, bool] = {}
        self.reset()

    def reset(self, *_: int) -> None:
        """RIS."""
        self.primary = Buffer(self.rows, self.columns, keeps_history=True)
        self.alternate = Buffer(self.rows, self.columns, keeps_history=False)
        self.buffer = self.primary
        self.pen = PLAIN
        self.modes = {"25": False} if self.modes.get("25") is False else {}
        self.wraps, self.inserts, self.origin, self.keypad = True, False, False, False
        self.charsets, self.shift, self.charset, self.cursor_shape = ["B"] * 4, 0, "B", ""
        self._last = ""

    def resize(self, rows: int, columns: int) -> None:
        """Follow the terminal's size."""
        self.rows, self.columns = rows, columns
        resize(self.primary, rows, columns)
        resize(self.alternate, rows, columns)

    def is_plain(self) -> bool:
        """Whether new lines of text would scroll everything else off."""
        buffer = self.buffer
        return buffer is self.primary and buffer.top == 0 and buffer.bottom == self.rows - 1

    # ---- control characters and escape sequences

    def control_character(self, character: str) -> None:
        """Do what a C0 control says."""
        buffer = self.buffer
        if character in "\n\x0b\x0c":
            self.line_feed()
        elif character == "\r":
            buffer.x = 0
        elif character == "\b":
            buffer.x = max(min(buffer.x, self.columns - 1) - 1, 0)
        elif character == "\t":
            if buffer.x < self.columns:
                buffer.x = min(buffer.x // 8 * 8 + 8, self.columns - 1)
        elif character in "\x0e\x0f":
            self.shift = 1 if character == "\x0e" else 0
            self.charset = self.charsets[self.shift]

    def line_feed(self) -> None:
        """Go down, scrolling at the bottom margin; the line there continues none."""
        row = self.buffer.y
        self.index()
        if self.buffer.y != row:
            self._line.wrapped = False

    def reverse_line_feed(self, *_: int) -> None:
        """RI: go up, scrolling at the top margin."""
        buffer = self.buffer
        if buffer.y == buffer.top:
            buffer.insert(buffer.top, 1, erased(self.pen))
        else:
            buffer.y = max(buffer.y - 1, 0)
        self._clamp()

    def next_line(self, *_: int) -> None:
        """NEL."""
        self.buffer.x = 0
        self.index()

    def fill(self) -> None:
        """DECALN."""
        self._set_cursor(0, 0)
        for row in range(self.rows):
            line = Line(self.columns, self.pen)
            line.characters = ["E"] * self.columns
            self.buffer.lines[row] = line

    def save(self, *_: int) -> None:
        """DECSC."""
        buffer = self.buffer
        row = buffer.y + len(buffer.history)
        buffer.saved = Saved(buffer.x, row, self.pen, self.charset)

    def restore(self, *_: int) -> None:
        """DECRC."""
        saved = self.buffer.saved
        self.buffer.x, self.buffer.y, self.pen = saved.x, self.buffer.saved_row, saved.pen
        self.charset = saved.charset
        self._clamp()

    def application_keypad(self, *_: int) -> None:
        """DECKPAM."""
        self.keypad = True

    def numeric_keypad(self, *_: int) -> None:
        """DECKPNM."""
        self.keypad = False

    def index(self, *_: int) -> None:
        """IND."""
        buffer = self.buffer
        if buffer.y == buffer.bottom:
            buffer.scroll(erased(self.pen))
        elif buffer.y < self.rows - 1:
            buffer.y += 1
        if buffer.x >= self.columns:
            buffer.x = self.columns - 1

    def move_down(self, count: int = 1, *_: int) -> None:
        """VPR."""
        self._move(0, count or 1)

    def _clamp(self, columns: int | None = None) -> None:
        buffer = self.buffer
        last = self.columns - 1 if columns is None else columns
        first_row, last_row = (buffer.top, buffer.bottom) if self.origin else (0, self.rows - 1)
        buffer.x = max(0, min(buffer.x, last))
        buffer.y = max(first_row, min(buffer.y, last_row))

    # ---- modes

    def set_mode(self, number: str, is_set: bool) -> None:
        """DECSET, DECRST."""
        if number == "6":
            self.origin = is_set
            self._set_cursor(0, 0)
        elif number == "7":
            self.wraps = is_set
        elif number == "1048":
            (self.save if is_set else self.restore)()
        elif number in _ALTERNATE_SCREENS:
            self._switch(number, is_set)
        elif number in _MOUSE_MODES:
            for other in _MOUSE_MODES:
                self.modes.pop(other, None)
            self.modes[number] = is_set
        elif number in _PASSIVE_MODES:
            self.modes[number] = is_set

    def _switch(self, number: str, to_alternate: bool) -> None:
        if to_alternate and number == "1049":
            self.save()
        target = self.alternate if to_alternate else self.primary
        if self.buffer is not target:
            target.x, target.y = self.buffer.x, self.buffer.y
            self.alternate.clear(erased(self.pen) if to_alternate else PLAIN)
            self.buffer = target
        if not to_alternate and number == "1049":
            self.restore()

    def soft_reset(self) -> None:
        """DECSTR."""
        self.modes = {number: self.modes[number] for number in _MOUSE if number in self.modes}
        self.wraps, self.inserts, self.origin, self.keypad = True, False, False, False
        self.pen = PLAIN
        self.buffer.top, self.buffer.bottom = 0, self.rows - 1
        self.buffer.saved = Saved()
        self.charsets, self.shift, self.charset = ["B"] * 4, 0, "B"

    def _set_cursor(self, x: int, y: int) -> None:
        buffer = self.buffer
        if 0 <= x < self.columns and 0 <= y < self.rows and not self.origin:
            buffer.x, buffer.y = x, y
        else:
            buffer.x, buffer.y = x, y + (buffer.top if self.origin else 0)
            self._clamp()

    def _move(self, columns: int, rows: int) -> None:
        buffer = self.buffer
        self._set_cursor(min(buffer.x, self.columns - 1) + columns, buffer.y + rows)

    def up(self, count: int = 1, *_: int) -> None:
        """CUU."""
        room = self.buffer.y - self.buffer.top
        self._move(0, -min(count or 1, room) if room >= 0 else -(count or 1))

    def down(self, count: int = 1, *_: int) -> None:
        """CUD."""
        room = self.buffer.bottom - self.buffer.y
        self._move(0, min(count or 1, room) if room >= 0 else count or 1)

    def up_to_start(self, count: int = 1, *_: int) -> None:
        """CPL."""
        self.up(count)
        self.buffer.x = 0

    def down_to_start(self, count: int = 1, *_: int) -> None:
        """CNL."""
        self.down(count)
        self.buffer.x = 0

    def forward(self, count: int = 1, *_: int) -> None:
        """CUF."""
        self._move(count or 1, 0)

    def backward(self, count: int = 1, *_: int) -> None:
        """CUB."""
        self._move(-(count or 1), 0)

    def to_column(self, column: int = 1, *_: int) -> None:
        """CHA, HPA."""
        self._set_cursor((column or 1) - 1, self.buffer.y)

    def to_row(self, row: int = 1, *_: int) -> None:
        """VPA."""
        self._set_cursor(self.buffer.x, (row or 1) - 1)

    def to_position(self, row: int = 1, column: int = 1) -> None:
        """CUP, HVP."""
        self._set_cursor((column or 1) - 1, (row or 1) - 1)

    def tabs(self, count: int = 1, *_: int) -> None:
        """CHT."""
        for _time in range(min(count or 1, self.columns)):
            self.control_character("\t")

    def tabs_back(self, count: int = 1, *_: int) -> None:
        """CBT."""
        buffer = self.buffer
        if buffer.x < self.columns:
            for _time in range(min(count or 1, self.columns)):
                buffer.x = max((buffer.x - 1) // 8 * 8, 0)

    def erase_display(self, what: int = 0, *_: int) -> None:
        """ED."""
        buffer, pen = self.buffer, erased(self.pen)
        self._clamp(self.columns)
        if what == 0:
            self.erase_line(0)
            buffer.blank(range(buffer.y + 1, self.rows), pen)
        elif what == 1:
            self.erase_line(1)
            buffer.lines[buffer.y].wrapped = False
            buffer.blank(range(buffer.y), pen)
            if buffer.x + 1 >= self.columns and buffer.y + 1 < self.rows:
                buffer.lines[buffer.y + 1].wrapped = False
        elif what == 2:  # noqa: PLR2004  # ED's parameters
            buffer.blank(range(self.rows), pen)
        elif what == 3:  # noqa: PLR2004
            buffer.history.clear()

    def erase_line(self, what: int = 0, *_: int) -> None:
        """EL."""
        self._clamp(self.columns)
        line, x = self.buffer.lines[self.buffer.y], self.buffer.x
        if 0 <= what <= 2:  # noqa: PLR2004  # EL's parameters
            start, end = 0 if what else x, x + 1 if what == 1 else self.columns
            line.erase(start, end, erased(self.pen))
            line.wrapped = line.wrapped and not (start == 0 and what != 1)

    def erase_characters(self, count: int = 1, *_: int) -> None:
        """ECH."""
        self._clamp()
        start = self.buffer.x
        self._line.erase(start, start + (count or 1), erased(self.pen))

    def insert_characters(self, count: int = 1, *_: int) -> None:
        """ICH."""
        self._clamp()
        self._line.insert(self.buffer.x, count or 1, erased(self.pen))

    def delete_characters(self, count: int = 1, *_: int) -> None:
        """DCH."""
        self._clamp()
        self._line.delete(self.buffer.x, count or 1, erased(self.pen))

    @property
    def _line(self) -> Line:
        return self.buffer.lines[self.buffer.y]

    def insert_lines(self, count: int = 1, *_: int) -> None:
        """IL."""
        self._change_lines(self.buffer.insert, count)

    def delete_lines(self, count: int = 1, *_: int) -> None:
        """DL."""
        self._change_lines(self.buffer.remove, count)

    def _change_lines(self, change: Callable[[int, int, Pen], None], count: int) -> None:
        self._clamp()
        buffer = self.buffer
        if buffer.top <= buffer.y <= buffer.bottom:
            change(buffer.y, count or 1, erased(self.pen))
            buffer.x = 0

    def scroll_up(self, count: int = 1, *_: int) -> None:
        """SU."""
        self.buffer.remove(self.buffer.top, count or 1, erased(self.pen))

    def scroll_down(self, count: int = 1, *_: int) -> None:
        """SD."""
        self.buffer.insert(self.buffer.top, count or 1, PLAIN)

    def set_margins(self, top: int = 1, bottom: int = 0) -> None:
        """DECSTBM."""
        top = top or 1
        bottom = bottom if 0 < bottom <= self.rows else self.rows
        if bottom > top:
            self.buffer.top, self.buffer.bottom = top - 1, bottom - 1
            self._set_cursor(0, 0)

    def repeat(self, count: int = 1, *_: int) -> None:
        """REP."""
        if self._last:
            text = self._last * min(count or 1, self.rows * self.columns)
            self.print(text, is_narrow=self._last_is_narrow)
        self._last = ""

    def set_ansi_mode(self, number: int = 0, *_: int) -> None:
        """SM."""
        self.inserts = self.inserts or number == 4  # noqa: PLR2004  # IRM

    def unset_ansi_mode(self, number: int = 0, *_: int) -> None:
        """RM."""
        self.inserts = self.inserts and number != 4  # noqa: PLR2004

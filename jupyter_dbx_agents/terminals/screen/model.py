"""What is on a terminal's screen, as xterm.js would have drawn it; without drawing.

Fed with what the replay's ring has dropped, it turns any amount of redrawing into one screen.
Written here because of what else there is: ``pyte`` takes below 1 MB/s and has no alternate
screen; the libraries around Ghostty's and asciinema's cores take 50 MB/s, but some seconds of
random bytes end the first with a segmentation fault (and the server with it) and the second with
a panic, and both measure emoji otherwise than the browser.  This takes some MB/s, more than any
agent writes.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Mapping

from .cells import changed
from .render import render
from .state import ScreenState

# Characters of one cell that join nothing: Latin, Greek, punctuation, arrows, boxes, braille.
_NARROW = (
    r"\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482"
    r"\u2010-\u2027\u2030-\u205f\u2070-\u20cf\u2100-\u2328\u232b-\u2e7f"
)
_STRAY = r"\x00-\x17\x19\x1c-\x1f\x7f"  # control characters that act amid a sequence
_END = r"\x1b\\|(?=\x1b[^\\])"  # of a string: ST, or the beginning of another sequence
_TOKEN = re.compile(
    rf"([{_NARROW}]+)"  # 1: text
    r"|\x1b\[([0-?]*)([@-~])"  # 2, 3: control sequence
    r"|([\x00-\x1a\x1c-\x1f\x7f-\x9f])"  # 4: control character
    r"|([^\x00-\x1f\x7f-\x9f])"  # 5: any other character
    r"|\x1b\[([0-?]*)([ -/]+)([@-~])"  # 6, 7, 8: control sequence with intermediates
    rf"|\x1b\](?:([028]);)?([^\x07\x18\x1a\x1b\x9c]*)(?:[\x07\x9c]|{_END})"  # 9, 10: OSC
    r"|\x1b([ -/]*)((?<=[ -/])[0-~]|[0-OQ-WYZ\\`-~])"  # 11, 12: escape sequence
    rf"|\x1b((?:\[[ -?]*|[ -/]*))([{_STRAY}]+)"  # 13, 14: sequence with control characters in it
    r"|(\x1b(?:"  # 15: what means nothing, or was broken off: …
    r"\[[ -?]*(?:[^\x00-\x7f]|[\x18\x1a@-~]|(?=\x1b))"  # … control sequence
    r"|[ -/]*(?:[^\x00-\x7f]|[\x18\x1a]|(?=\x1b))"  # … escape sequence
    r"|\][^\x07\x18\x1a\x1b\x9c]*[\x18\x1a]"  # … OSC
    rf"|P[ -?{_STRAY}]*(?:[\x18\x1a]|[^\x00-\x7f]|{_END}"  # … DCS
    rf"|[@-~][^\x18\x1a\x1b\x9c]*(?:[\x18\x1a\x9c]|{_END}))"
    rf"|[X^_][ -~{_STRAY}]*(?:[\x18\x1a]|[^\x00-\x7f]|{_END})"  # … SOS, PM, APC
    r"))"
    r"|(\x1b[\s\S]*)"  # 16: not finished
)
# Groups of _TOKEN that tell its kinds apart.
_TEXT, _CONTROL, _CONTROL_CHARACTER, _CHARACTER = 1, 3, 4, 5
_INTERMEDIATE, _STRING, _ESCAPE, _DISTURBED, _UNFINISHED = 8, 10, 12, 14, 16
_FIRST_PREFIX = "<"  # private parameters begin with one of <=>?, which sort behind all others
_MOST_PARAMETER = 9999
# A look at the clock costs as much as a short token; so many of the dearest take a millisecond.
_TOKENS_BETWEEN_LOOKS = 8
_MOST_LINK_CHARACTERS = 2048
_MOST_TAIL_CHARACTERS = 4096


@functools.lru_cache(maxsize=4096)
def _numbers(parameters: str) -> tuple[int, ...]:
    """Return numeric parameters; 0 for one that is left out."""
    parts = parameters.lstrip("<=>?").split(";")
    return tuple(min(int(p.partition(":")[0] or 0), _MOST_PARAMETER) for p in parts)


Action = Callable[..., None]
_CONTROLS: Mapping[str, Action] = {
    "@": ScreenState.insert_characters,
    "A": ScreenState.up,
    "B": ScreenState.down,
    "C": ScreenState.forward,
    "D": ScreenState.backward,
    "E": ScreenState.down_to_start,
    "F": ScreenState.up_to_start,
    "G": ScreenState.to_column,
    "H": ScreenState.to_position,
    "I": ScreenState.tabs,
    "J": ScreenState.erase_display,
    "K": ScreenState.erase_line,
    "L": ScreenState.insert_lines,
    "M": ScreenState.delete_lines,
    "P": ScreenState.delete_characters,
    "S": ScreenState.scroll_up,
    "T": ScreenState.scroll_down,
    "X": ScreenState.erase_characters,
    "Z": ScreenState.tabs_back,
    "`": ScreenState.to_column,
    "a": ScreenState.forward,
    "b": ScreenState.repeat,
    "d": ScreenState.to_row,
    "e": ScreenState.move_down,
    "f": ScreenState.to_position,
    "h": ScreenState.set_ansi_mode,
    "l": ScreenState.unset_ansi_mode,
    "r": ScreenState.set_margins,
    "s": ScreenState.save,
    "u": ScreenState.restore,
}
_ESCAPES: Mapping[str, Action] = {
    "7": ScreenState.save,
    "8": ScreenState.restore,
    "=": ScreenState.application_keypad,
    ">": ScreenState.numeric_keypad,
    "D": ScreenState.index,
    "E": ScreenState.next_line,
    "M": ScreenState.reverse_line_feed,
    "c": ScreenState.reset,
}


class ScreenModel(ScreenState):
    """A terminal without a window."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self._tail = ""

    def render(self) -> str:
        """Return what brings a fresh terminal of this size into this state."""
        return render(self) + self._tail

    def feed(self, data: str, deadline: float = math.inf) -> str:
        """Take output, cut anywhere; return the rest at the deadline (of ``time.perf_counter``).

        Where the rest begins, nothing is half done: a terminal may be sent ``render`` and the rest.
        """
        data, self._tail = self._tail + data, ""
        rest, disturbed = self._feed(data, deadline)
        while disturbed:
            rest, disturbed = self._feed(rest, deadline)
        return rest

    def _feed(self, data: str, deadline: float) -> tuple[str, bool]:
        """Return what is left, and whether it is due to a control character amid a sequence."""
        look_at = _TOKENS_BETWEEN_LOOKS
        for count, match in enumerate(_TOKEN.finditer(data)):
            kind = match.lastindex
            if count >= look_at and kind != _CHARACTER and match[3] != "b":  # these belong to …
                look_at = count + _TOKENS_BETWEEN_LOOKS  # … the character before
                if time.perf_counter() > deadline:
                    return data[match.start() :], False
            if kind == _TEXT:
                self.print(match[1], is_narrow=True)
            elif kind == _CONTROL:
                self._control_sequence(match[2], match[3])
            elif kind == _DISTURBED:
                for character in match[14]:
                    self.control_character(character)
                self._last = ""
                return f"\x1b{match[13]}{data[match.end() :]}", True
            else:
                self._act(kind, match)
        return "", False

    def _act(self, kind: int | None, match: re.Match[str]) -> None:
        if kind == _CHARACTER:
            self.print(match[5], is_narrow=False)
            return
        if kind == _CONTROL_CHARACTER:
            self.control_character(match[4])
        elif kind == _INTERMEDIATE:
            self._rare_sequence(match[6], match[7], match[8])
        elif kind == _STRING:
            self._command(match[9], match[10])
        elif kind == _ESCAPE:
            self._escape_sequence(match[11], match[12])
        elif kind == _UNFINISHED:
            self._tail = match[16][:_MOST_TAIL_CHARACTERS]
        self._last = ""

    def _command(self, number: str | None, value: str) -> None:
        if number == "8":
            parameters, _, address = value.partition(";")
            is_usable = address and len(value) <= _MOST_LINK_CHARACTERS
            self.pen = self.pen._replace(link=f"{parameters};{address}" if is_usable else "")
        elif number:
            self.title = value

    def _escape_sequence(self, intermediate: str, final: str) -> None:
        if intermediate in {"(", ")", "*", "+"}:
            self.charsets["()*+".index(intermediate)] = final
            self.charset = self.charsets[self.shift]
        elif (intermediate, final) == ("#", "8"):
            self.fill()
        elif not intermediate:
            action = _ESCAPES.get(final)
            if action is not None:
                action(self)

    def _rare_sequence(self, parameters: str, intermediate: str, final: str) -> None:
        if intermediate == " " and final == "q":
            self.cursor_shape = f"\x1b[{parameters} q"
        elif intermediate == "!" and final == "p":
            self.soft_reset()

    def _control_sequence(self, parameters: str, final: str) -> None:
        if final != "b":
            self._last = ""
        if parameters < _FIRST_PREFIX:
            if final == "m":
                self.pen = changed(self.pen, parameters)
            elif (action := _CONTROLS.get(final)) is not None:
                action(self, *_numbers(parameters)[:2])
        elif parameters[0] == "?":
            if final in "hl":
                for number in parameters[1:].split(";"):
                    self.set_mode(number, final == "h")
            elif final in "JK":
                _CONTROLS[final](self, *_numbers(parameters)[:1])

"""Questions about colours in a terminal's output, answered by the server at once.

Programs wait 50 to 100 ms for an answer, and a browser is further away than that: what comes later
is taken for no answer, and is typed into the program.  So the questions never reach a client, and
an answer of a client is never typed.

The sequences are xterm's (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html: OSC 4, 10, 11
and 12; DECRQM) and, for mode 2031, those of
https://github.com/contour-terminal/contour/blob/master/docs/vt-extensions/color-palette-update-notifications.md.
"""

import re
from collections.abc import Callable

from .theme import Colour, CurrentTheme

FOREGROUND, BACKGROUND, CURSOR = 10, 11, 12
_PALETTE, _DYNAMIC = b"4", (b"10", b"11", b"12")
# Resets to the theme's colour, by the code for it.
_RESETS = {b"110": FOREGROUND, b"111": BACKGROUND, b"112": CURSOR}
_SEQUENCE = re.compile(
    rb"\x1b\](?P<code>4|1[0-2]|104|11[0-2])(?P<values>;[^\x07\x1b]*)?(?P<end>\x07|\x1b\\)"
    rb"|\x1b\[\?(?P<modes>[0-9;]*)(?P<action>[hln]|\$p)"
)
# What may become one with the next output: it draws nothing yet.
_BEGUN = re.compile(
    rb"\x1b(?:\](?:[0-9]{1,3}(?:;[0-9?;]{0,64}\x1b?)?)?|\[(?:\?[0-9;]{0,32}\$?)?)?\Z"
)
_SPECIFICATION = re.compile(
    rb"#(?P<hex>[0-9a-fA-F]{6})|rgb:(?P<parts>[0-9a-fA-F]{1,4}(?:/[0-9a-fA-F]{1,4}){2})"
)
# What browsers answer: colours, and the scheme.
_REPORT = re.compile(
    rb"\x1b\](?:4;[0-9]+|1[0-2]);rgb:[0-9a-fA-F/]+(?:\x07|\x1b\\)|\x1b\[\?997;[12]n"
)
_SCHEME_MODE, _SCHEME_QUERY = b"2031", b"996"
_DARK, _LIGHT = 1, 2
# xterm.js' palette, which JupyterLab leaves as it is: 16 colours, a cube, greys.
_FIRST = """2e3436 cc0000 4e9a06 c4a000 3465a4 75507b 06989a d3d7cf
            555753 ef2929 8ae234 fce94f 729fcf ad7fa8 34e2e2 eeeeec"""
_STEPS = (0, 95, 135, 175, 215, 255)
_CUBE, _GREYS, _COUNT = 16, 232, 256


class ColourQueries:
    """What one terminal's program asks about colours, and has changed of them.

    ``answer`` types into the program; ``front`` returns which process group has the terminal.
    """

    def __init__(
        self, theme: CurrentTheme, answer: Callable[[bytes], None], front: Callable[[], int]
    ) -> None:
        self._theme, self._answer, self._front = theme, answer, front
        self._begun = b""
        self._set: dict[int, Colour] = {}  # by the program, by the code
        self._palette: dict[int, Colour] = {}
        self._told: int | None = None  # the process group that wants to know of changes

    def take(self, data: bytes) -> bytes:
        """Answer the questions in output, and return it without them."""
        data, self._begun = self._begun + data, b""
        escape = data.rfind(b"\x1b")
        if escape < 0:
            return data
        # An ST that has half come is preceded by its OSC.
        start = data.rfind(b"\x1b", 0, escape) if escape == len(data) - 1 else escape
        for begin in (start, escape):
            if begin >= 0 and _BEGUN.match(data, begin):
                data, self._begun = data[:begin], data[begin:]
                break
        return _SEQUENCE.sub(self._take, data)

    def theme_changed(self) -> None:
        """Report the scheme to the program, if it has asked for that and is still in front."""
        if self._told is not None and self._told == self._front():
            self._answer(self._scheme())

    def _take(self, match: re.Match[bytes]) -> bytes:
        if match["code"] is None:
            return self._take_mode(match)
        if match["code"] == b"104" or match["code"] in _RESETS:
            self._reset(match["code"], match["values"])
            return match[0]
        values = (match["values"] or b"").split(b";")[1:]
        keys = self._keys(match["code"], values)
        answers = b"".join(
            b"\x1b]%b;%b%b" % (name, _report(self._colour(name)), match["end"])
            for name, value in keys
            if value == b"?"
        )
        if not answers:
            self._remember(keys)
            return match[0]
        self._answer(answers)
        return b""

    def _keys(self, code: bytes, values: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Return what is asked for or set, each with its value: several may be in a sequence."""
        if code == _PALETTE:
            pairs = zip(values[::2], values[1::2], strict=False)
            return [(b"4;%b" % n, v) for n, v in pairs if n.isdigit() and int(n) < _COUNT]
        return list(zip(_DYNAMIC[_DYNAMIC.index(code) :], values, strict=False))

    def _remember(self, keys: list[tuple[bytes, bytes]]) -> None:
        for name, value in keys:
            if (colour := _parse(value)) is not None:
                number, of = self._place(name)
                of[number] = colour

    def _reset(self, code: bytes, values: bytes | None) -> None:
        if code in _RESETS:
            self._set.pop(_RESETS[code], None)
        elif not values:
            self._palette.clear()
        else:
            for number in values.split(b";"):
                self._palette.pop(int(number) if number.isdigit() else -1, None)

    def _place(self, name: bytes) -> tuple[int, dict[int, Colour]]:
        _, is_palette, number = name.partition(b";")
        return (int(number), self._palette) if is_palette else (int(name), self._set)

    def _colour(self, name: bytes) -> Colour:
        number, of = self._place(name)
        if of is self._palette:
            return of.get(number) or _palette(number)
        theme = self._theme.value
        return of.get(number) or (theme.background if number == BACKGROUND else theme.foreground)

    def _take_mode(self, match: re.Match[bytes]) -> bytes:
        action, modes = match["action"], match["modes"].split(b";")
        if action == b"n" and modes == [_SCHEME_QUERY]:
            self._answer(self._scheme())
            return b""
        if _SCHEME_MODE not in modes or action == b"n":
            return match[0]
        if action == b"$p":
            is_set = self._told is not None
            self._answer(b"\x1b[?%b;%d$y" % (_SCHEME_MODE, 1 if is_set else 2))
            return b""
        self._told = self._front() if action == b"h" else None
        return match[0]

    def _scheme(self) -> bytes:
        return b"\x1b[?997;%dn" % (_DARK if self._theme.value.is_dark else _LIGHT)


def without_reports(data: bytes) -> bytes:
    """Return input without a browser's answers about colours: the server has given its own."""
    return _REPORT.sub(b"", data) if b"\x1b" in data else data


def _parse(value: bytes) -> Colour | None:
    match = _SPECIFICATION.fullmatch(value)
    if match is None:
        return None
    if match["hex"]:
        red, green, blue = bytes.fromhex(match["hex"].decode())
        return red, green, blue
    red, green, blue = (
        int(part, 16) * 255 // (16 ** len(part) - 1) for part in match["parts"].split(b"/")
    )
    return red, green, blue


def _report(colour: Colour) -> bytes:
    """Return a colour as terminals report it: 16 bits for each part."""
    return b"rgb:%02x%02x/%02x%02x/%02x%02x" % tuple(part for part in colour for _ in range(2))


def _palette(number: int) -> Colour:
    if number >= _GREYS:
        grey = 8 + 10 * (number - _GREYS)
        return grey, grey, grey
    if number < _CUBE:
        red, green, blue = bytes.fromhex(_FIRST.split()[number])
        return red, green, blue
    place = number - _CUBE
    return _STEPS[place // 36], _STEPS[place // 6 % 6], _STEPS[place % 6]

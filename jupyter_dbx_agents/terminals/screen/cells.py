"""What a cell of a terminal holds: how wide a character is, and how it looks.

Widths are those of JupyterLab's terminal (xterm.js with its default tables): East Asian characters
take two cells, emoji one.  A pen is what SGR sequences (ECMA-48 8.3.117) have set.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

_WIDE = (
    (0x1100, 0x115F),
    (0x2329, 0x232A),
    (0x2E80, 0x303E),
    (0x3040, 0xA4CF),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0xFE10, 0xFE19),
    (0xFE30, 0xFE6F),
    (0xFF00, 0xFF60),
    (0xFFE0, 0xFFE6),
    (0x20000, 0x2FFFD),
    (0x30000, 0x3FFFD),
)
_HANGUL_VOWELS_AND_FINALS = range(0x1160, 0x1200)  # they join the initial before them


@functools.lru_cache(maxsize=4096)
def width(character: str) -> int:
    """Return how many cells a printable character takes: 0 (it joins the one before), 1 or 2."""
    code = ord(character)
    if any(first <= code <= last for first, last in _WIDE):
        is_joining = unicodedata.category(character) in {"Mn", "Me"}
        return 0 if is_joining else 2
    if code in _HANGUL_VOWELS_AND_FINALS:
        return 0
    is_joining = unicodedata.category(character) in {"Mn", "Me", "Cf"} and code != ord("\u00ad")
    return 0 if is_joining else 1


def link_sequence(link: str) -> str:
    """Return OSC 8 for "parameters;address"; ends a link with neither."""
    return f"\x1b]8;{link or ';'}\x1b\\"


class Pen(NamedTuple):
    """The look of characters: for each property the SGR parameter that sets it, or ''."""

    bold: str = ""
    dim: str = ""
    italic: str = ""
    underline: str = ""
    blink: str = ""
    inverse: str = ""
    invisible: str = ""
    struck: str = ""
    overline: str = ""
    foreground: str = ""
    background: str = ""
    underline_colour: str = ""
    link: str = ""

    def sequence(self) -> str:
        """Return the sequence that sets exactly this look, with its link."""
        return self.style() + (link_sequence(self.link) if self.link else "")

    def style(self) -> str:
        """Return the same without the link."""
        return f"\x1b[{';'.join(['0', *filter(None, self[:-1])])}m"


PLAIN = Pen()
_SET = {
    "1": "bold", "2": "dim", "3": "italic", "4": "underline", "5": "blink", "6": "blink",
    "7": "inverse", "8": "invisible", "9": "struck", "21": "underline", "53": "overline",
}  # fmt: skip
_UNSET = {
    "22": ("bold", "dim"), "23": ("italic",), "24": ("underline",), "25": ("blink",),
    "27": ("inverse",), "28": ("invisible",), "29": ("struck",), "39": ("foreground",),
    "49": ("background",), "55": ("overline",), "59": ("underline_colour",),
}  # fmt: skip
_FOREGROUND, _BACKGROUND = re.compile("[39][0-7]"), re.compile("(?:4|10)[0-7]")
_EXTENDED = {"38": "foreground", "48": "background", "58": "underline_colour"}
# How many parameters a colour takes after 38;, by its first: 5;n and 2;r;g;b.
_COLOUR_PARAMETERS = {"5": 2, "2": 4}


@functools.lru_cache(maxsize=1024)
def changed(pen: Pen, parameters: str) -> Pen:
    """Return the pen after an SGR sequence with these parameters."""
    values = parameters.split(";")
    look = pen._asdict()
    position = 0
    while position < len(values):
        value = values[position].lstrip("0") or "0"
        position += 1
        if value == "0":
            look = PLAIN._replace(link=pen.link)._asdict()
        elif value in _EXTENDED:
            count = _COLOUR_PARAMETERS.get(values[position] if position < len(values) else "", 1)
            colour = values[position : position + count]
            position += count
            if len(colour) == count > 1:
                look[_EXTENDED[value]] = ";".join([value, *(part or "0" for part in colour)])
        else:
            _apply(look, value)
    return Pen(**look)


def _apply(look: dict[str, str], value: str) -> None:
    """Apply one parameter that stands alone."""
    kind, _, detail = value.partition(":")
    if detail:
        if kind in _EXTENDED:
            look[_EXTENDED[kind]] = value
        elif kind == "4":
            look["underline"] = "" if detail == "0" else value
    elif kind in _SET:
        look[_SET[kind]] = kind
    elif kind in _UNSET:
        look.update(dict.fromkeys(_UNSET[kind], ""))
    elif _FOREGROUND.fullmatch(kind):
        look["foreground"] = kind
    elif _BACKGROUND.fullmatch(kind):
        look["background"] = kind


@functools.lru_cache(maxsize=1024)
def erased(pen: Pen) -> Pen:
    """Return the look of cells that are erased: nothing but the background."""
    return PLAIN._replace(background=pen.background)

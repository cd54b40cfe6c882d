"""What commands print.  Whatever others wrote is shown as text, and no terminal carries it out.

Messages of the workspace, names of tokens, projects, files and MCP servers, and what programs print
may have escape sequences: a terminal would change its title for them, or fill the clipboard.
"""

import sys
from enum import StrEnum

_CONTROLS = (*range(32), *range(127, 160))
# They show a text in another order than that in which it is read or copied (Unicode TR 36).
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
# What Python makes of a file's name that is not UTF-8; it cannot be printed.
_SURROGATES = range(0xD800, 0xE000)
_SHOWN = dict.fromkeys((*_CONTROLS, *_DIRECTIONS, *_SURROGATES), "\ufffd")
del _SHOWN[ord("\t")], _SHOWN[ord("\n")]


class Look(StrEnum):
    """How the beginning of a line looks, by ECMA-48's codes."""

    STRONG = "1"
    BAD = "31"
    GOOD = "32"


def safe(text: str) -> str:
    """Return a text with what a terminal would carry out, or cannot show, replaced."""
    return text.translate(_SHOWN)


def say(*lines: str) -> None:
    """Print lines at once."""
    write("".join(f"{safe(line)}\n" for line in lines))


def say_first(look: Look, first: str, rest: str) -> None:
    """Print a line whose beginning stands out."""
    write(f"\x1b[{look}m{safe(first)}\x1b[0m {safe(rest)}\n")


def say_error(text: str) -> None:
    """Print a line to the standard error."""
    sys.stderr.write(f"{safe(text)}\n")
    sys.stderr.flush()


def write(text: str) -> None:
    """Print a text of ours as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()

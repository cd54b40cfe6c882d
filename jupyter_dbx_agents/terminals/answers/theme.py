"""The theme of the owner's page: what a terminal's text and background look like."""

import re
import weakref
from dataclasses import dataclass
from typing import Protocol

# Red, green and blue, 0 to 255.
Colour = tuple[int, int, int]
# The weights of the three in how bright a colour looks (ITU-R BT.709), and the middle.
_WEIGHTS, _MIDDLE = (0.2126, 0.7152, 0.0722), 127.5
_HEX = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)


@dataclass(frozen=True)
class Theme:
    """The colours of text and background; JupyterLab's light ones until a page has reported."""

    foreground: Colour = (0, 0, 0)
    background: Colour = (255, 255, 255)

    @property
    def is_dark(self) -> bool:
        """Whether the background is dark."""
        pairs = zip(_WEIGHTS, self.background, strict=True)
        return sum(weight * value for weight, value in pairs) < _MIDDLE

    def variable(self) -> str:
        """Return ``COLORFGBG`` (rxvt's): text and background as numbers of the palette."""
        return "15;0" if self.is_dark else "0;15"


class Follower(Protocol):
    """Who is called after each change of the theme."""

    def theme_changed(self) -> None:
        """Follow the change."""


class CurrentTheme:
    """The theme as the owner's page reported it last, and who follows it.

    One for all terminals: they are one person's, and a program can be shown in one theme only.
    """

    def __init__(self) -> None:
        self.value = Theme()
        # Weak, so that a terminal that has ended is not kept alive.
        self._followers: weakref.WeakSet[Follower] = weakref.WeakSet()

    def follow(self, follower: Follower) -> None:
        """Call a follower after each change."""
        self._followers.add(follower)

    def change(self, theme: Theme) -> None:
        """Take another theme; nothing happens if it is the same."""
        if theme != self.value:
            self.value = theme
            for follower in list(self._followers):
                follower.theme_changed()


def parse_colour(text: str) -> Colour | None:
    """Return the colour that ``#rrggbb`` names; None for anything else."""
    match = _HEX.fullmatch(text)
    if match is None:
        return None
    red, green, blue = (int(part, 16) for part in match.groups())
    return red, green, blue

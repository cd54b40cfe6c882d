"""A ``.env`` file that is edited by lines, so that everything else in it stays byte for byte.

Values are what stands behind the ``=``, quotation marks included: programs differ in how they read
them, and a user's value that comes back must be as it was.
"""

import re
from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

_LINE = re.compile(r"\s*(?P<export>export\s+)?(?P<name>[A-Za-z_][\w.-]*)\s*=[ \t]*(?P<value>.*)")
_QUOTES = "\"'`"


class _Entry(NamedTuple):
    name: str
    value: str
    start: int
    end: int


class DotenvDocument(MutableMapping[str, str]):
    """A file's lines, and the variables that they set.

    Raises ValueError for a variable that is set twice (programs disagree on which one counts) and
    for a quotation that does not end.
    """

    def __init__(self, text: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._lines = text.splitlines(keepends=True)
        names = [entry.name for entry in self._entries()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the variable {twice[0]} appears twice")

    def __getitem__(self, name: str) -> str:
        return self._find(name).value

    def __setitem__(self, name: str, value: str) -> None:
        line = f"{name}={value}{self._newline}"
        if name in self:
            entry = self._find(name)
            self._lines[entry.start : entry.end] = [line]
            return
        if self._lines and not self._lines[-1].endswith("\n"):
            self._lines[-1] += self._newline
        self._lines.append(line)

    def __delitem__(self, name: str) -> None:
        entry = self._find(name)
        del self._lines[entry.start : entry.end]

    def __iter__(self) -> Iterator[str]:
        return iter([entry.name for entry in self._entries()])

    def __len__(self) -> int:
        return len(list(self._entries()))

    def render(self) -> str:
        """Return the text."""
        return "".join(self._lines)

    def _find(self, name: str) -> _Entry:
        for entry in self._entries():
            if entry.name == name:
                return entry
        raise KeyError(name)

    def _entries(self) -> Iterator[_Entry]:
        number = 0
        while number < len(self._lines):
            match = _LINE.match(self._lines[number])
            start, number = number, number + 1
            if match is None:
                continue
            value = match["value"].rstrip()
            quote = value[:1] if value[:1] in _QUOTES else ""
            while quote and quote not in value[1:]:
                if number == len(self._lines):
                    raise ValueError(f"the quotation of {match['name']} does not end")
                value += "\n" + self._lines[number].rstrip("\r\n")
                number += 1
            yield _Entry(match["name"], value, start, number)

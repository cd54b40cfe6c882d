"""An INI document that is edited by lines, so that comments and other sections stay byte for byte.

``configparser`` drops comments when it writes; it is used only to say whether a text is sound.
"""

import configparser
import re
from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
_OPTION = re.compile(r"(?P<name>[^#;\[=:][^=:]*?)\s*[=:]\s*(?P<value>.*)$")


class _Option(NamedTuple):
    """An option and the lines it covers: from its name to its last continuation line."""

    name: str
    value: str
    start: int
    end: int


class IniSection(MutableMapping[str, str]):
    """One section: its header and body lines, each with its own line ending."""

    def __init__(self, lines: list[str], newline: str) -> None:
        self.lines = lines
        self._newline = newline

    def __getitem__(self, key: str) -> str:
        option = self._find(key)
        more = (line.strip() for line in self.lines[option.start + 1 : option.end])
        return "\n".join([option.value, *more]).strip()

    def __setitem__(self, key: str, value: str) -> None:
        options = self._options()
        same = [option for option in options if option.name.lower() == key.lower()]
        indent = _indent(self.lines[options[0].start]) if options else ""
        # A value of several lines (a user's own that comes back) goes on in deeper lines.
        lines = f"{indent}{key} = {value}".replace("\n", f"\n{indent}  ").split("\n")
        lines = [line + self._newline for line in lines]
        if same:
            self.lines[same[0].start : same[0].end] = lines
        else:
            self._append(lines)

    def __delitem__(self, key: str) -> None:
        option = self._find(key)
        del self.lines[option.start : option.end]

    def __iter__(self) -> Iterator[str]:
        return iter([option.name for option in self._options()])

    def __len__(self) -> int:
        return len(self._options())

    def _find(self, key: str) -> _Option:
        for option in self._options():
            if option.name.lower() == key.lower():
                return option
        raise KeyError(key)

    def _options(self) -> list[_Option]:
        """Read the body as ``configparser`` does: what is indented deeper continues a value."""
        options: list[_Option] = []
        for number, line in enumerate(self.lines):
            match = _OPTION.match(line.strip())
            if not line.strip() or line.strip()[0] in "#;":
                continue
            deeper = bool(options) and len(_indent(line)) > len(
                _indent(self.lines[options[-1].start])
            )
            if deeper:
                options[-1] = options[-1]._replace(end=number + 1)
            elif match:
                options.append(_Option(match["name"], match["value"], number, number + 1))
        return options

    def _append(self, lines: list[str]) -> None:
        """Add lines after the last one that is not blank, so that sections stay apart."""
        end = len(self.lines)
        while end > 1 and not self.lines[end - 1].strip():
            end -= 1
        if end and not self.lines[end - 1].endswith("\n"):
            self.lines[end - 1] += self._newline
        self.lines[end:end] = lines


class IniDocument(MutableMapping[str, IniSection]):
    """A whole file: what stands before the first section, then the sections in order."""

    def __init__(self, text: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._preamble: list[str] = []
        self._sections: dict[str, IniSection] = {}
        lines = self._preamble
        for line in text.splitlines(keepends=True):
            header = _SECTION.match(line)
            if header:
                lines = []
                self._sections[header["name"]] = IniSection(lines, self._newline)
            lines.append(line)

    def __getitem__(self, name: str) -> IniSection:
        return self._sections[name]

    def __setitem__(self, name: str, values: MutableMapping[str, str]) -> None:
        self._end_last_line()
        section = IniSection([f"[{name}]{self._newline}"], self._newline)
        section.update(values)
        self._sections[name] = section

    def __delitem__(self, name: str) -> None:
        del self._sections[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)

    def render(self) -> str:
        """Return the text, the user's lines as they were."""
        parts = [self._preamble, *(section.lines for section in self._sections.values())]
        return "".join(line for lines in parts for line in lines)

    def _end_last_line(self) -> None:
        """Make sure that a new section starts on its own line, one blank line below."""
        text = self.render()
        if not text:
            return
        lines = list(self._sections.values())[-1].lines if self._sections else self._preamble
        if not text.endswith("\n"):
            lines[-1] += self._newline
        if lines[-1].strip():
            lines.append(self._newline)


def load_ini(text: str) -> dict[str, dict[str, str]]:
    """Return an INI text's values as ``configparser`` sees them; raises ValueError."""
    parser = _parser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error)) from None
    return {name: dict(parser.items(name)) for name in parser.sections()}


def check_ini(text: str) -> tuple[str, int] | None:
    """Return what is wrong with an INI text and in which line, or None when it is sound.

    A section that appears twice is wrong too: programs disagree on which one counts.
    """
    parser = _parser()
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        return "it does not start with a [section]", error.lineno
    except configparser.ParsingError as error:
        return "this is neither a key nor a section", error.errors[0][0]
    except configparser.DuplicateSectionError as error:
        return f"the section {error.section!r} appears twice", error.lineno or 0
    except configparser.DuplicateOptionError as error:
        return f"the key {error.option!r} appears twice", error.lineno or 0
    return None


def _parser() -> configparser.ConfigParser:
    """Return a parser for which DEFAULT is a section like any other."""
    return configparser.ConfigParser(interpolation=None, default_section="\0none")


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]

"""JSON of which only our keys change: all else stays byte for byte, comments included.

The values are edited as plain ones; ``render_json`` compares them with the former text's and
replaces the bytes of those that differ.  Comments and trailing commas (JSONC) are blanked before
parsing, so that a place in the blanked text is the same place in the user's.  Python's parser finds
the places: a file of 44 MB takes seconds.  (jsonc-edit edits texts, too; it is at 0.2, and binary.)
"""

import json
import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_REST_OF_LINE = re.compile(r"(?:[ \t]*/\*.*?\*/)*(?:[ \t]*//[^\n]*)?", re.DOTALL)
_DECODER = json.JSONDecoder()
_GONE = object()
Edit = tuple[int, int, str]  # from, to, the new text
_Added = tuple[str | None, Any]  # a member's name, None for an array's item, and its value


class JsonError(ValueError):
    """A text that is not one JSON object; ``line`` is where, from 1."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def load_json(text: str) -> dict[str, Any]:
    """Return the values of strict JSON, none for a blank text; raises JsonError.

    A number that JSON lacks is refused, since no other program would read it.
    """
    if not text.strip():
        return {}
    try:
        values = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise JsonError(error.msg, error.lineno) from None
    except RecursionError:
        raise JsonError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise JsonError("it is not a JSON object")
    return values


def load_jsonc(text: str) -> dict[str, Any]:
    """Return the values of JSON with comments and trailing commas; raises JsonError."""
    return load_json(_without_trailing_commas(_without_comments(text)))


def render_json(document: Any, former: str) -> str:
    """Return the former text with a document's values in it.

    Raises ValueError for a changed key that its object has twice.
    """
    text = former if _without_comments(former).strip() else f"{former.strip()}\n{{}}\n".lstrip()
    editor = _Editor(text)
    edits = editor.edits(_skip(editor.plain, 0), load_jsonc(text), document)
    pieces, position = [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [text[position:start], new]
        position = end
    return "".join([*pieces, text[position:]])


@dataclass(frozen=True)
class _Member:
    """Where an object's member or an array's item is; ``comma`` follows it, -1 for none."""

    name: str | None
    start: int
    value: int
    end: int
    comma: int


class _Editor:
    """Finds what to replace in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bare = _without_comments(text)
        self.plain = _without_trailing_commas(self._bare)
        self._is_flat = "\n" not in text.strip() and "".join(text.split()) != "{}"
        unit = re.search(r"\n([ \t]+)\S", self._bare)
        self._unit = unit[1] if unit else "  "
        is_tight = re.search(r'"\s*:\S', self.plain)
        self._separators = (",", ":") if is_tight else (", ", ": ")
        self._has_escapes = "\\u" in text and text.isascii()

    def edits(self, start: int, before: Any, after: Any) -> Iterator[Edit]:
        """Yield the edits that make the value at ``start``, which is ``before``, ``after``."""
        if not any(isinstance(before, kind) and isinstance(after, kind) for kind in (dict, list)):
            _, end = _DECODER.raw_decode(self.plain, start)
            yield start, end, self._dump(after, None if self._is_flat else self._indent(start))
            return
        members, close = self._members(start)
        if isinstance(before, dict):
            names = [str(member.name) for member in members]
            old, new = [before[name] for name in names], [after.get(n, _GONE) for n in names]
            added: list[_Added] = [(name, after[name]) for name in after if name not in before]
            _check_once(names, old, new)
        else:
            old, (new, rest) = before, _array_changes(before, after)
            added = [(None, item) for item in rest]
        for member, former, value in zip(members, old, new, strict=True):
            if value is not _GONE and repr(value) != repr(former):
                yield from self.edits(member.value, former, value)
        gone = {m.start for m, value in zip(members, new, strict=True) if value is _GONE}
        yield from self._membership(start, close, members, gone, added)

    def _membership(
        self, start: int, close: int, members: list[_Member], gone: set[int], added: list[_Added]
    ) -> Iterator[Edit]:
        """Yield the edits that take members out of a container and add others at its end."""
        kept = [member for member in members if member.start not in gone]
        inside = slice(start + 1, close)
        if members and not kept and not added and self._text[inside] == self._bare[inside]:
            yield start + 1, close, ""
            return
        for member in members:
            if member.start in gone:
                yield len(self._text[: member.start].rstrip()), member.end, ""
                if member.comma >= 0:
                    yield member.comma, member.comma + 1, ""
        ends_with_comma = bool(members) and members[-1].comma >= 0
        if kept and (added or ends_with_comma) and kept[-1].comma < 0:
            yield kept[-1].end, kept[-1].end, ","
        if kept and not added and not ends_with_comma and kept[-1].comma >= 0:
            yield kept[-1].comma, kept[-1].comma + 1, ""
        if not added:
            return
        indent = self._member_indent(start, close, members)
        gap = self._separators[0][1:] if indent is None else f"\n{indent}"
        items = (self._name(name, indent) + self._dump(value, indent) for name, value in added)
        text = gap + f",{gap}".join(items) + "," * ends_with_comma
        if kept:
            place = max(kept[-1].end, kept[-1].comma + 1)
            place = _REST_OF_LINE.match(self._text, place).end()  # type: ignore[union-attr]
            yield place, place, text
            return
        place = len(self._text[:close].rstrip())
        if indent is None and place > start + 1:
            yield place, place, text
        elif indent is None:
            yield place, close, text.removeprefix(gap)
        elif "\n" in self._text[place:close]:
            yield place, place, text
        else:
            yield place, close, f"{text}\n{self._indent(start)}"

    def _member_indent(self, start: int, close: int, members: list[_Member]) -> str | None:
        """Return the indentation of a container's members, None if they are on one line."""
        if not members:
            inside = self._text[start + 1 : close]
            is_flat = self._is_flat or bool(inside.strip() and "\n" not in inside)
            return None if is_flat else self._indent(start) + self._unit
        before = members[-2].end if len(members) > 1 else start
        last = members[-1]
        around = self._text[before : last.start] + self._text[last.end : close]
        return self._indent(last.start) if "\n" in around else None

    def _name(self, name: str | None, indent: str | None) -> str:
        if name is None:
            return ""
        return self._dump(name, None) + (self._separators[1] if indent is None else ": ")

    def _members(self, start: int) -> tuple[list[_Member], int]:
        """Return what the container at ``start`` holds, and the place of its end."""
        found, position = [], _skip(self.plain, start + 1)
        while self.plain[position] not in "}]":
            first, name = position, None
            if self.plain[start] == "{":
                name, position = _DECODER.raw_decode(self.plain, position)
                position = _skip(self.plain, _skip(self.plain, position) + 1)
            _, end = _DECODER.raw_decode(self.plain, position)
            comma = _skip(self._bare, end)
            has_comma = self._bare[comma] == ","
            found.append(_Member(name, first, position, end, comma if has_comma else -1))
            position = _skip(self.plain, comma + has_comma)
        return found, position

    def _indent(self, position: int) -> str:
        """Return the indentation of the line that a place is in."""
        line = self._text[self._text.rfind("\n", 0, position) + 1 : position]
        return line[: len(line) - len(line.lstrip())]

    def _dump(self, value: Any, indent: str | None) -> str:
        """Return a value's text on one line, or on several in a container with this indentation."""
        escapes = self._has_escapes or _has_lone_surrogate(value)
        if indent is None:
            return json.dumps(value, ensure_ascii=escapes, separators=self._separators)
        text = json.dumps(value, ensure_ascii=escapes, indent=self._unit)
        return text.replace("\n", f"\n{indent}")


def _check_once(names: list[str], old: list[Any], new: list[Any]) -> None:
    for name, former, value in zip(names, old, new, strict=True):
        if repr(former) != repr(value) and names.count(name) > 1:
            raise ValueError(f"the key {name} appears twice in one object")


def _array_changes(before: list[Any], after: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return what becomes of each item, and the items that are added at the end."""
    rest, new = deque(after), []
    for item in before:
        is_kept = bool(rest) and repr(item) == repr(rest[0])
        new.append(rest.popleft() if is_kept else _GONE)
    return new, list(rest)


def _without_comments(text: str) -> str:
    return _COMMENT.sub(_blank, text) if "/" in text else text


def _without_trailing_commas(text: str) -> str:
    return _TRAILING_COMMA.sub(_blank, text) if re.search(r",\s*[}\]]", text) else text


def _blank(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0])


def _skip(text: str, position: int) -> int:
    return _SPACE.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise JsonError(f"{number} is not a number in JSON")
    return value


def _has_lone_surrogate(value: Any) -> bool:
    """Whether it has half of a surrogate pair, which can be written only as an escape."""
    return re.search(r"[\ud800-\udfff]", json.dumps(value, ensure_ascii=False)) is not None

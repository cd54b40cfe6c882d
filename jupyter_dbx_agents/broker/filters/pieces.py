"""JSON in pieces: a large request is read, and written again, without a long hold of the GIL.

``json.loads`` and ``json.dumps`` hold it from the first byte to the last, in a thread as well: 3 to
11 ms for each MiB, in which no key of any terminal gets through.  So a request is read one member
at a time, and its lists one item at a time (a message, a tool); between two of them the event loop
gets its turn.  What no correction reads is not kept, since to free many objects is one long hold,
too; what no correction has changed is written as it came.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .json_steps import Json

# An agent's requests begin with their model; only the SDK for Python puts the messages before it.
HEAD_BYTES = 16 * 1024
BLOCK_BYTES = 64 * 1024  # searched in 0.1 ms
ENCODING, ERRORS = "utf-8", "surrogatepass"  # as in json.loads of bytes
# A letter or "_" that is written as an escape.  No agent does that; but then a key or a value
# cannot be found by its bytes.
_ESCAPED_LETTER = re.compile(rb"\\u00(?:5[fF]|[67][0-9a-fA-F])")
_ESCAPE_BYTES = len(rb"\u0061")
_BACKSLASH = b"\\"[0]
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
Wanted = Mapping[str, tuple[str, ...]]
WHOLE = ("",)


@dataclass(frozen=True)
class Unread:
    """An item of a list, by its place in the text, that no correction has to read."""

    place: slice


class Pieces:
    """An object's text, read in pieces; ``value`` has the members that are ``wanted``.

    ``wanted`` names them, each with texts of which an item must contain one to be read if it is a
    list; without it every member is read.
    Raises ValueError for a text that is not an object, RecursionError for one nested too deeply.
    """

    def __init__(self, text: str, wanted: Wanted | None) -> None:
        self._text, self._wanted = text, wanted
        self._places: dict[str, slice] = {}
        # By their ids; the items are kept, so that no other object gets the id of one of them.
        self._items: dict[int, tuple[Any, slice]] = {}
        self.value: Json = {}
        reader = _Reader(text)
        for key in reader.members():
            start = reader.at
            value = self._list(reader, key) if reader.is_at_list() else reader.value()
            self._places[key] = slice(start, reader.at)
            if wanted is None or key in wanted:
                self.value[key] = value

    def write(self, value: Json) -> bytes:
        """Return the text with ``value``, which is made from ``self.value``, in its place."""
        kept = [key for key in self._places if key in value or not self._reads(key)]
        new = [key for key in value if key not in self._places]
        members = [json.dumps(key).encode() + b":" + self._member(key, value) for key in kept + new]
        return b"{" + b",".join(members) + b"}"

    def _list(self, reader: "_Reader", key: str) -> list[Any]:
        items: list[Any] = []
        for start in reader.items():
            item, place = reader.value(), slice(start, reader.at)
            if not self._reads(key):
                continue
            if not self._is_wanted(key, place):
                item = Unread(place)
            elif isinstance(item, dict | list):
                self._items[id(item)] = (item, place)
            items.append(item)
        return items

    def _reads(self, key: str) -> bool:
        return self._wanted is None or key in self._wanted

    def _is_wanted(self, key: str, place: slice) -> bool:
        if self._wanted is None:
            return True
        marks = (*self._wanted[key], "\\u00")
        return any(self._text.find(mark, place.start, place.stop) >= 0 for mark in marks)

    def _member(self, key: str, value: Json) -> bytes:
        if key not in value or (key in self._places and value[key] is self.value[key]):
            return self._as_it_came(self._places[key])
        if isinstance(value[key], list):
            return b"[" + b",".join(map(self._item, value[key])) + b"]"
        return json.dumps(value[key]).encode()

    def _item(self, item: Any) -> bytes:
        if isinstance(item, Unread):
            return self._as_it_came(item.place)
        found = self._items.get(id(item))
        return json.dumps(item).encode() if found is None else self._as_it_came(found[1])

    def _as_it_came(self, place: slice) -> bytes:
        return self._text[place].encode(ENCODING, ERRORS)


def model_of(body: bytes) -> str:
    """Return the member ``model`` of a request, or of its beginning; '' if there is none."""
    try:
        return _model_of(_Reader(body.decode(ENCODING, "replace")))
    except (ValueError, RecursionError):  # it ends somewhere, or is not JSON
        return ""


def _model_of(reader: "_Reader") -> str:
    for key in reader.members():
        if key == "model":
            found = reader.value()
            return found if isinstance(found, str) else ""
        if reader.is_at_list():
            for _ in reader.items():
                reader.value()
        else:
            reader.value()
    return ""


def searched(body: bytes, marks: Sequence[bytes]) -> Iterator[bool]:
    """Yield, block by block, whether a string in a request may begin with one of some marks.

    Each mark includes the quotation mark.  True at an escaped letter, too: the string may be
    written with escapes.
    """
    longest = max(_ESCAPE_BYTES, *map(len, marks))
    for start in range(0, len(body), BLOCK_BYTES):
        end = start + BLOCK_BYTES + longest - 1
        yield (
            any(_begins_string(body, mark, start, end) for mark in marks)
            or _ESCAPED_LETTER.search(body, start, end) is not None
        )


def _begins_string(body: bytes, mark: bytes, start: int, end: int) -> bool:
    at = start - 1
    while (at := body.find(mark, at + 1, end)) >= 0:
        if not at or body[at - 1] != _BACKSLASH:  # else it is within a string
            return True
    return False


class _Reader:
    """Reads JSON from ``at`` on.  Raises ValueError and RecursionError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._skip_space()

    def members(self) -> Iterator[str]:
        """Yield the keys of the text's object; each value is to be read before the next."""
        self._expect("{")
        if not self._found("}"):
            while True:
                key = self.value()
                if not isinstance(key, str):
                    raise ValueError("a key is not a string")
                self._expect(":")
                yield key
                if self._found("}"):
                    break
                self._expect(",")
        if self.at != len(self._text):
            raise ValueError("there is something behind the object")

    def items(self) -> Iterator[int]:
        """Yield where each item of a list begins; it is to be read before the next."""
        self._expect("[")
        if self._found("]"):
            return
        while True:
            yield self.at
            if self._found("]"):
                return
            self._expect(",")

    def is_at_list(self) -> bool:
        """Whether a list begins here."""
        return self._text.startswith("[", self.at)

    def value(self) -> Any:
        """Read one value, of any kind, in one piece."""
        found, self.at = _DECODER.raw_decode(self._text, self.at)
        return found

    def _expect(self, character: str) -> None:
        if not self._found(character):
            raise ValueError(f"{character} is missing")

    def _found(self, character: str) -> bool:
        self._skip_space()
        if not self._text.startswith(character, self.at):
            return False
        self.at += 1
        self._skip_space()
        return True

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self.at)
        self.at = self.at if space is None else space.end()

"""Streams of server-sent events, corrected event by event wherever the chunks are cut."""

import json
from typing import Protocol

from .json_steps import Json

# A longer line is passed on as it is: no event is as long, and memory stays bounded.
MOST_LINE_BYTES = 8 * 1024 * 1024


class EventFilter(Protocol):
    """Corrects the events of one answer."""

    @property
    def marks(self) -> tuple[bytes, ...]:
        """Return the byte strings of which a relevant event contains at least one."""

    def correct(self, event: Json) -> Json:
        """Return an event as the agent should see it; the same object if nothing changes."""


class Lines:
    """Cuts a stream into lines, each with its end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that are complete now; a line that is too long is returned in parts."""
        *complete, rest = chunk.split(b"\n")
        lines = [line + b"\n" for line in complete]
        if lines and self._parts:
            lines[0] = b"".join(self._parts) + lines[0]
            self._clear()
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > MOST_LINE_BYTES:
            lines += self.rest()
        return lines

    def rest(self) -> list[bytes]:
        """Return the incomplete last line."""
        rest = b"".join(self._parts)
        self._clear()
        return [rest] if rest else []

    def _clear(self) -> None:
        self._parts, self._size = [], 0


class EventStream:
    """A stream of server-sent events that a filter corrects.

    A line is held until it is complete, which delays nothing: clients act on whole events only.
    """

    def __init__(self, events: EventFilter) -> None:
        self._events = events
        self._lines = Lines()

    def feed(self, chunk: bytes) -> bytes:
        """Return what may be passed on now."""
        return b"".join(map(self._corrected, self._lines.feed(chunk)))

    def finish(self) -> bytes:
        """Return the rest when the stream has ended."""
        return b"".join(self._lines.rest())

    def _corrected(self, line: bytes) -> bytes:
        event = parse_event(line, self._events.marks)
        if event is None:
            return line
        corrected = self._events.correct(event)
        if corrected is event:
            return line
        end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        try:
            return b"data: " + json.dumps(corrected).encode() + end
        except RecursionError:  # parsed, but nested too deeply to be written
            return line


def parse_event(line: bytes, marks: tuple[bytes, ...]) -> Json | None:
    """Return the object in a line of an event stream, if it contains one of some marks."""
    if not line.startswith(b"data:") or not any(mark in line for mark in marks):
        return None
    try:
        event = json.loads(line[len(b"data:") :])
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None

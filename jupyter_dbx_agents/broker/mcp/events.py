"""Server-sent events in whole: what has arrived completely may be passed on.

Source: WHATWG HTML, "server-sent events"; lines end in LF, CR LF or CR.  A large event is passed on
in parts, unread: it is a result, and must not be held.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Progress and log messages are far smaller; of what is larger its end is needed, and whether it is
# an answer.  To read as much takes a millisecond.
MOST_EVENT_BYTES = 128 * 1024
# What waits for an agent that does not read its stream; then the workspace waits.
MOST_WAITING_BYTES = 1024 * 1024
_EVENT_OVERHEAD_BYTES = 100
# How a large event begins that is a notification or a request, and no answer.
_IS_NO_ANSWER = re.compile(
    rb'\s*\{(?:\s*"(?:jsonrpc|id)"\s*:\s*(?:"[^"]*"|[^",{]*)\s*,)*\s*"(?:method|params)"\s*:'
)
_DATA = re.compile(rb"(?:^|[\r\n])data:")
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Piece:
    """Bytes to pass on; ``message`` is what they say, if they are a whole event that says it.

    ``is_open`` after the part of an event whose rest is still to come.
    """

    raw: bytes
    message: dict[str, Any] | None = None
    event_id: str = ""
    retry_milliseconds: int | None = None
    is_open: bool = False
    was_large: bool = False
    is_large_answer: bool = False

    @property
    def method(self) -> str:
        """The method of its message, '' for a response."""
        return str((self.message or {}).get("method", ""))

    def answers(self, number: str | int | None) -> bool:
        """Whether it has the response to a request."""
        if self.was_large:
            return self.is_large_answer and not self.is_open
        message = self.message
        return message is not None and "method" not in message and message.get("id") == number


class EventSplitter:
    """Splits a stream into events."""

    def __init__(self, *, most_bytes: int = MOST_EVENT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._buffer = bytearray()
        self._is_inside_large = self._is_large_answer = False

    @property
    def is_inside_large(self) -> bool:
        """Whether the part of an event was passed on whose end has not come."""
        return self._is_inside_large

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Yield what is complete with this chunk, and the parts of large events."""
        searched = max(0, len(self._buffer) - 3)
        self._buffer += chunk
        while (end := _END.search(self._buffer, searched)) is not None:
            raw = bytes(self._buffer[: end.end()])
            del self._buffer[: end.end()]
            searched = 0
            yield self._end_of_large(raw) if self._is_inside_large else _piece(raw)
            self._is_inside_large = False
        if len(self._buffer) > (len(b"\r\n\r") if self._is_inside_large else self._most_bytes):
            if not self._is_inside_large:
                data = _DATA.search(self._buffer)
                start = data.end() if data else 0
                self._is_large_answer = _IS_NO_ANSWER.match(self._buffer, start) is None
            self._is_inside_large = True
            # What may be the beginning of its end stays.
            raw = bytes(self._buffer[:-3])
            del self._buffer[:-3]
            yield Piece(raw, is_open=True, was_large=True)

    def _end_of_large(self, raw: bytes) -> Piece:
        return Piece(raw, was_large=True, is_large_answer=self._is_large_answer)


class EventQueue:
    """Events that wait for an agent to read them, bounded in bytes."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._bytes = 0
        self._has_room = asyncio.Event()

    async def put(self, event: bytes) -> None:
        """Queue an event once there is room."""
        while not self.offer(event):
            self._has_room.clear()
            await self._has_room.wait()

    def offer(self, event: bytes) -> bool:
        """Queue an event if there is room; the first one always fits."""
        size = len(event) + _EVENT_OVERHEAD_BYTES
        if self._bytes and self._bytes + size > MOST_WAITING_BYTES:
            return False
        self._bytes += size
        self._queue.put_nowait(event)
        return True

    async def get(self) -> bytes:
        """Wait for the next event and return it."""
        event = await self._queue.get()
        self._bytes -= len(event) + _EVENT_OVERHEAD_BYTES
        self._has_room.set()
        return event


def _piece(raw: bytes) -> Piece:
    fields: dict[str, list[str]] = {}
    for line in _LINE.split(raw.decode("utf-8", "replace")):
        name, _, value = line.partition(":")
        if name:
            fields.setdefault(name, []).append(value.removeprefix(" "))
    retry = fields.get("retry", [""])[-1]
    return Piece(
        raw,
        _message("\n".join(fields.get("data", []))),
        fields.get("id", [""])[-1],
        int(retry) if retry.isascii() and retry.isdigit() else None,
    )


def _message(data: str) -> dict[str, Any] | None:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None

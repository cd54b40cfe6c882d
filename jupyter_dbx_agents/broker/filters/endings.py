"""How an answer ends: a stream of events with a reason or as one that was cut, JSON as a whole.

OpenAI's format has the reason in the last chunk; an agent that gets none asks again without end
(databricks/unity-gateway#215, anomalyco/opencode#49414).
"""

from __future__ import annotations

import json

from ...models import Dialect
from .json_steps import Json, as_object, objects

# What the last events of a complete answer contain, one of these; an error is an end, too.
ENDS: dict[Dialect, tuple[bytes, ...]] = {
    Dialect.ANTHROPIC: (b"message_stop", b'"error"'),
    Dialect.RESPONSES: (
        b"response.completed",
        b"response.failed",
        b"response.incomplete",
        b"response.cancelled",
        b'"error"',
        b"[DONE]",
    ),
    Dialect.CHAT: (b"[DONE]", b'"error"'),
    Dialect.GEMINI: (b"finishReason", b"finish_reason", b"blockReason", b'"error"'),
}
_LONGEST = max(len(end) for ends in ENDS.values() for end in ends)


class EndWatch:
    """Whether a stream has said that it is complete, wherever its chunks are cut."""

    def __init__(self, dialect: Dialect) -> None:
        self._ends = ENDS[dialect]
        self._before = b""
        self.has_ended = False
        self.has_begun = False

    def feed(self, chunk: bytes) -> None:
        """Look at the next chunk."""
        if not self.has_ended:
            text = self._before + chunk
            self.has_begun = self.has_begun or b"data:" in text
            self.has_ended = any(end in text for end in self._ends)
            self._before = text[-_LONGEST:]

    @property
    def was_cut(self) -> bool:
        """Whether an event came, but no end."""
        return self.has_begun and not self.has_ended


class JsonWatch:
    """Whether an answer in JSON is whole; one that is too large to be kept counts as cut."""

    MOST_BYTES = 32 * 1024 * 1024

    def __init__(self) -> None:
        self._text = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Keep the next chunk."""
        if len(self._text) <= self.MOST_BYTES:
            self._text += chunk

    @property
    def was_cut(self) -> bool:
        """Whether a part of a text came, and not all of it."""
        if not self._text or len(self._text) > self.MOST_BYTES:
            return bool(self._text)
        try:
            json.loads(self._text)
        except (ValueError, RecursionError):
            return True
        return False


class ChatEndings:
    """Gives an answer of chat completions the reason for which it ends.

    One with calls ends with ``tool_calls``, not with ``stop``: agents would stop.
    """

    marks = (b'"choices"',)

    def __init__(self) -> None:
        self._calling: set[str] = set()
        self._open: dict[str, Json] = {}  # choices without a reason yet, in their last event

    def correct(self, event: Json) -> Json:
        """Remember which choices have calls, and correct their reason."""
        choices = objects(event.get("choices"))
        wrong = []
        for choice in choices:
            index = str(choice.get("index"))
            if objects(as_object(choice.get("delta")).get("tool_calls")):
                self._calling.add(index)
            reason = choice.get("finish_reason")
            if reason:
                self._open[index] = {}
            elif self._open.get(index) != {}:
                self._open[index] = {**event, "choices": [choice]}
            if reason == "stop" and index in self._calling:
                wrong.append(choice)
        if not wrong:
            return event
        right = [{**c, "finish_reason": "tool_calls"} if c in wrong else c for c in choices]
        return {**event, "choices": right}

    def last_events(self) -> list[Json]:
        """Return an event for each choice that would end without a reason."""
        return [self._ended(index, event) for index, event in self._open.items() if event]

    def _ended(self, index: str, event: Json) -> Json:
        reason = "tool_calls" if index in self._calling else "stop"
        (choice,) = event["choices"]
        ended = {**event, "choices": [{**choice, "delta": {}, "finish_reason": reason}]}
        ended.pop("usage", None)
        return ended

"""What is known of one call, and its tokens, read from its answer while that passes by.

Sources of the tokens: ``usage`` in the APIs of Anthropic (whose input tokens exclude those of its
cache) and OpenAI (where they include them), ``usageMetadata`` in Gemini's.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ..models import Dialect
from .filters.events import Lines, parse_event

# How a call may end early; the log shows them.
BROKE_OFF = "gateway broke off"
BROKER_FAILED = "broker failed"
AGENT_STALLED = "agent stopped reading"
# An answer that is not a stream is parsed at its end; a larger one than this is not counted.
MOST_ANSWER_BYTES = 4 * 1024 * 1024
MARKS = (b'"usage"', b'"usageMetadata"')
INPUT_KEYS = {
    Dialect.ANTHROPIC: ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    Dialect.RESPONSES: ("input_tokens",),
    Dialect.CHAT: ("prompt_tokens",),
    Dialect.GEMINI: ("promptTokenCount",),
}
OUTPUT_KEYS = {
    Dialect.ANTHROPIC: ("output_tokens",),
    Dialect.RESPONSES: ("output_tokens",),
    Dialect.CHAT: ("completion_tokens",),
    Dialect.GEMINI: ("candidatesTokenCount", "thoughtsTokenCount"),
}


class TokenCounts:
    """The token counts that an answer has reported so far."""

    def __init__(self) -> None:
        self._dialect = Dialect.CHAT
        self._usage: dict[str, int] = {}
        self._lines: Lines | None = None
        self._body: bytearray | None = None

    def begin(self, dialect: Dialect, headers: Iterable[tuple[str, str]]) -> None:
        """Prepare for an answer with these headers; a compressed one is not read."""
        by_name = {name.lower(): value.lower() for name, value in headers}
        self._dialect = dialect
        if by_name.get("content-encoding", "identity") != "identity":
            return
        if by_name.get("content-type", "").startswith("text/event-stream"):
            self._lines = Lines()
        else:
            self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Read a part of the answer."""
        if self._lines is not None:
            for line in self._lines.feed(chunk):
                self._take(parse_event(line, MARKS))
        elif self._body is not None:
            self._body += chunk
            if len(self._body) > MOST_ANSWER_BYTES:
                self._body = None

    def finish(self) -> None:
        """Parse an answer that is not a stream."""
        try:
            answer = json.loads(self._body or b"")
        except (ValueError, RecursionError):
            return
        for part in answer if isinstance(answer, list) else [answer]:
            self._take(part)

    @property
    def input_tokens(self) -> int:
        """The tokens of the request, 0 if unknown."""
        return self._sum(INPUT_KEYS[self._dialect])

    @property
    def output_tokens(self) -> int:
        """The tokens of the answer, 0 if unknown."""
        return self._sum(OUTPUT_KEYS[self._dialect])

    def _sum(self, keys: tuple[str, ...]) -> int:
        return sum(self._usage.get(key, 0) for key in keys)

    def _take(self, part: Any) -> None:
        """Record the usage in a part of an answer; a later part overrides an earlier one."""
        if not isinstance(part, dict):
            return
        for holder in (part, part.get("message"), part.get("response")):
            if not isinstance(holder, dict):
                continue
            usage = holder.get("usage") or holder.get("usageMetadata")
            if isinstance(usage, dict):
                numbers = {k: v for k, v in usage.items() if type(v) is int and v >= 0}
                self._usage.update(numbers)


@dataclass
class Call:
    """What is known of one call while it lasts; instants are of the monotonic clock, in seconds."""

    method: str
    path: str
    agent: str = "-"
    dialect: str = "-"
    is_model_call: bool = False
    is_check: bool = False
    model: str = ""
    tokens: TokenCounts = field(default_factory=TokenCounts)
    status: int = 0
    ending: str = ""
    refusal: str = ""
    is_mended: bool = False
    bytes_in: int = 0
    bytes_out: int = 0
    started: float = field(default_factory=time.monotonic)
    first_byte: float | None = None

    def saw_first_byte(self) -> None:
        """Note the instant at which the answer begins."""
        if self.first_byte is None:
            self.first_byte = time.monotonic()

    @property
    def has_failed(self) -> bool:
        """Whether the agent got an error or half an answer; not if it disconnected itself."""
        return self.status >= HTTPStatus.BAD_REQUEST or self.ending.startswith(
            (BROKE_OFF, BROKER_FAILED)
        )

    @property
    def failure(self) -> str:
        """Why it has failed: our refusal, what cut it short, or the gateway's status."""
        if self.refusal or self.ending:
            return self.refusal or self.ending
        known = {status.value: status.phrase for status in HTTPStatus}
        return f"HTTP {self.status} {known.get(self.status, '')}".strip()

"""What was learned from refusals in this process, by dialect and model; and what stays refused."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...models import Dialect
from .json_steps import Json

# Bounds: names of models are the agents' text.
MOST_MODELS = 200
MOST_MENDS = 30
MOST_REFUSED = 50
# A request that was refused so often is not sent again for a while.
MOST_REPEATS = 3
QUIET_SECONDS = 60.0


@dataclass(frozen=True)
class Refused:
    """A request that was refused, and the gateway's sentence."""

    sentence: str
    model: str
    body: Json

    def members_with(self, key: str) -> tuple[str, ...]:
        """Return the request's members that are ``key``, or contain it anywhere."""
        return tuple(name for name, value in self.body.items() if name == key or _has(value, key))


class Mend(Protocol):
    """A change of requests; equal if it is the same change."""

    @property
    def members(self) -> tuple[str, ...]:
        """Return the members of a request that it reads."""

    def apply(self, body: Json) -> Json:
        """Return a request as the gateway takes it; the same object if nothing changes."""


class Lessons:
    """The mends of each model, in the order in which they were learned."""

    def __init__(self) -> None:
        self._by_model: dict[tuple[Dialect, str], dict[Mend, None]] = {}

    def of(self, dialect: Dialect, model: str) -> tuple[Mend, ...]:
        """Return what requests to a model need."""
        return tuple(self._by_model.get((dialect, model), ()))

    def add(self, dialect: Dialect, model: str, mend: Mend) -> None:
        """Remember a mend that has worked; the oldest is forgotten where there are too many."""
        known = self._by_model.setdefault((dialect, model), {})
        known[mend] = None
        _shorten(known, MOST_MENDS)
        _shorten(self._by_model, MOST_MODELS)


def _shorten(items: dict[Any, Any], most: int) -> None:
    while len(items) > most:
        del items[next(iter(items))]


@dataclass
class _Repeated:
    digest: bytes
    status: int
    sentence: str
    times: int = 0
    last_at_seconds: float = field(default_factory=time.monotonic)


class Repeats:
    """Requests that were refused, and how often the very same one was.

    An agent that takes a refusal for a failure that passes repeats it for ever
    (anomalyco/opencode: any sentence with a ``500`` in it, such as "cannot exceed 25000").
    """

    def __init__(self) -> None:
        self._refused: dict[tuple[str, str, int], _Repeated] = {}

    def refusal_of(self, agent: str, path: str, body: bytes) -> tuple[int, str] | None:
        """Return status and sentence for a request that was refused too often just now."""
        known = self._refused.get((agent, path, len(body)))
        if known is None or known.times < MOST_REPEATS or self._is_over(known):
            return None
        if known.digest != _digest(body):
            return None
        return known.status, without_codes(known.sentence)

    def refused(self, agent: str, path: str, body: bytes, status: int, sentence: str) -> None:
        """Count a refusal."""
        key, digest = (agent, path, len(body)), _digest(body)
        known = self._refused.pop(key, None)
        if known is None or known.digest != digest or self._is_over(known):
            known = _Repeated(digest, status, sentence)
        known.times, known.last_at_seconds = known.times + 1, time.monotonic()
        self._refused[key] = known
        while len(self._refused) > MOST_REFUSED:
            del self._refused[next(iter(self._refused))]

    @staticmethod
    def _is_over(known: _Repeated) -> bool:
        return time.monotonic() - known.last_at_seconds > QUIET_SECONDS


def without_codes(sentence: str) -> str:
    """Return a sentence in which no number contains what looks like a status: 25,000 for 25000."""
    return re.sub(r"\d{4,}", lambda match: f"{int(match[0]):,}", sentence)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def sentence_of(text: str) -> str:
    """Return the innermost message of an error: the platform wraps those of the vendors."""
    while True:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return text.strip()
        error = found[0] if isinstance(found, list) and found else found
        for key in ("error", "message"):
            error = error.get(key, error) if isinstance(error, dict) else error
        if isinstance(error, dict):
            error = error.get("message")
        if not isinstance(error, str) or error == text:
            return ""
        text = error


def _has(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has(inner, key) for inner in value.values())
    return isinstance(value, list) and any(_has(inner, key) for inner in value)

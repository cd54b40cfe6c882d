"""What a model dialect is: a translation between a wire format and the scripted model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .script import Conversation, Reply

Json = dict[str, Any]


@dataclass(frozen=True)
class Frame:
    """One piece of a streamed answer, and how long the model takes to think of it."""

    data: bytes
    pause_seconds: float = 0.0


@dataclass(frozen=True)
class Dialect:
    """One model API; `refusal` names a body field that the real gateway refuses, if any."""

    api_type: str
    parse: Callable[[Json], Conversation]
    render: Callable[[Reply, str], Json]
    frames: Callable[[Reply, str, Json], Iterator[Frame]]
    refusal: Callable[[Json], str | None]


def event(name: str, data: Mapping[str, Any], pause_seconds: float = 0.0) -> Frame:
    """A server-sent event with a name, as Anthropic and OpenAI responses have it."""
    return Frame(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode(), pause_seconds)


def data_event(data: Mapping[str, Any], pause_seconds: float = 0.0) -> Frame:
    """A server-sent event without a name, as OpenAI chat and Gemini have it."""
    return Frame(f"data: {json.dumps(data)}\n\n".encode(), pause_seconds)


def text_of(content: object, text_types: tuple[str, ...] = ("text",)) -> str:
    """The text of a message: a string, or a list of typed parts of which others are ignored."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [p for p in content if isinstance(p, dict) and p.get("type") in text_types]
    return "\n".join(str(part.get("text", "")) for part in parts)


def objects(value: object) -> list[Json]:
    """The objects of a list, and nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

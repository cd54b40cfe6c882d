"""Reads Claude Code's transcript, a line of JSON for each message (2.1.330)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
# Limit of any text, so that a trace stays readable: a tool may have printed a whole file.
MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Step:
    """A model's message or a tool's run; ``kind`` is ``LLM`` or ``TOOL``."""

    kind: str
    name: str
    inputs: Any
    outputs: Any
    started_at: datetime
    ended_at: datetime
    input_tokens: int = 0
    output_tokens: int = 0
    has_failed: bool = False


@dataclass(frozen=True)
class Turn:
    """A prompt, the steps and the answer; ``uuid`` is that of the prompt."""

    session_id: str
    uuid: str
    prompt: str
    answer: str
    started_at: datetime
    ended_at: datetime
    steps: tuple[Step, ...] = field(default_factory=tuple)


def last_turn(lines: Iterable[str]) -> Turn | None:
    """Return the last turn of a transcript; None if there is none yet."""
    entries = [entry for entry in map(_entry, lines) if entry is not None]
    starts = [index for index, entry in enumerate(entries) if _is_prompt(entry)]
    if not starts:
        return None
    return _turn(entries[starts[-1]], entries[starts[-1] + 1 :])


def _turn(first: Json, rest: list[Json]) -> Turn:
    started_at = ended_at = _at(first)
    steps: list[Step] = []
    answer = ""
    prompt = _text(first)
    asked: Any = prompt
    for entry in rest:
        before, ended_at = ended_at, max(ended_at, _at(entry))
        if entry["type"] == "assistant":
            answer = _text(entry) or answer
            steps.append(_model_step(entry, asked, before))
        else:
            asked = [_shortened(result) for result in _blocks(entry, "tool_result")]
            steps += _tool_steps(entry, rest)
    return Turn(
        session_id=str(first.get("sessionId", "")),
        uuid=str(first.get("uuid", "")),
        prompt=prompt,
        answer=answer,
        started_at=started_at,
        ended_at=ended_at,
        steps=tuple(steps),
    )


def _model_step(entry: Json, asked: Any, before: datetime) -> Step:
    message = entry["message"]
    usage = message.get("usage") if isinstance(message.get("usage"), dict) else {}
    taken = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return Step(
        "LLM",
        str(message.get("model", "model")),
        asked,
        [_shortened(block) for block in _blocks(entry)],
        before,
        _at(entry),
        sum(int(usage.get(key) or 0) for key in taken),
        int(usage.get("output_tokens") or 0),
    )


def _tool_steps(entry: Json, rest: list[Json]) -> Iterator[Step]:
    for result in _blocks(entry, "tool_result"):
        for call_entry in rest:
            for call in _blocks(call_entry, "tool_use"):
                if call.get("id") == result.get("tool_use_id"):
                    yield Step(
                        "TOOL",
                        str(call.get("name", "tool")),
                        _shortened(call.get("input")),
                        _shortened(result.get("content")),
                        _at(call_entry),
                        _at(entry),
                        has_failed=result.get("is_error") is True,
                    )


def _entry(line: str) -> Json | None:
    """Return a line's message; None for a line of another kind, or an incomplete one."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    is_message = isinstance(entry, dict) and entry.get("type") in ("user", "assistant")
    if not is_message or entry.get("isMeta") or entry.get("isSidechain"):
        return None
    return entry if isinstance(entry.get("message"), dict) else None


def _is_prompt(entry: Json) -> bool:
    return entry["type"] == "user" and not _blocks(entry, "tool_result") and bool(_text(entry))


def _blocks(entry: Json, kind: str = "") -> list[Json]:
    content = entry["message"].get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    items = content if isinstance(content, list) else []
    blocks = [block for block in items if isinstance(block, dict)]
    return [block for block in blocks if not kind or block.get("type") == kind]


def _text(entry: Json) -> str:
    texts = [str(block.get("text", "")) for block in _blocks(entry, "text")]
    return "\n".join(texts)[:MOST_CHARACTERS]


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MOST_CHARACTERS]
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value


def _at(entry: Json) -> datetime:
    text = str(entry.get("timestamp", ""))
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)

"""Mends of a conversation: its ids, its calls and their results, its last and its empty words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .json_steps import Json, as_object, objects, same_unless_changed, without
from .learning import Mend, Refused

NO_OUTPUT = "(no output)"
GO_ON = "Go on."


def without_item_ids(body: Json) -> Json:
    """Leave out the ids of items where nothing is stored.

    The gateway's own are longer than it takes [databricks/unity-gateway#99]; and an item of which
    there is only the id is not found [openai/codex#35739].
    """
    return WithoutIds().apply(body) if body.get("store") is False else body


@dataclass(frozen=True)
class WithoutIds:
    """Leave out the ids of a conversation's items, which name nothing that was stored."""

    members: ClassVar[tuple[str, ...]] = ("input", "store")
    _SENTENCE = re.compile(r"'input\[\d+\]\.id'|Item with id '[^']*' not found")

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return it if the sentence names an item's id."""
        return cls() if cls._SENTENCE.search(refused.sentence) else None

    def apply(self, body: Json) -> Json:
        """Leave them out, and items that have nothing else."""
        items = body.get("input")
        if not isinstance(items, list):
            return body
        changed = [
            without(item, "id") if isinstance(item, dict) else item
            for item in items
            if not _is_bare(item)
        ]
        return body if same_unless_changed(items, changed) is items else {**body, "input": changed}


@dataclass(frozen=True)
class AnsweredCalls:
    """Give each call of a tool a result, and drop results without a call."""

    members: ClassVar[tuple[str, ...]] = ("messages", "input")
    _SENTENCE = re.compile(
        r"No tool output found|without `?tool_result|unexpected `?tool_use_id"
        r"|tool_call_ids? did not|must be followed by tool messages"
    )

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return it if the sentence names a call without a result, or the reverse."""
        return cls() if cls._SENTENCE.search(refused.sentence) else None

    def apply(self, body: Json) -> Json:
        """Pair them."""
        for key, pair in (("input", _paired_items), ("messages", _paired_messages)):
            given = body.get(key)
            if isinstance(given, list):
                paired = same_unless_changed(given, pair(given))
                return body if paired is given else {**body, key: paired}
        return body


@dataclass(frozen=True)
class EndWithUser:
    """Let the user have the last word."""

    members: ClassVar[tuple[str, ...]] = ("messages",)

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return it if the assistant may not have it."""
        text = refused.sentence
        return cls() if "prefill" in text or "must end with a user message" in text else None

    def apply(self, body: Json) -> Json:
        """Add a message."""
        messages = objects(body.get("messages"))
        if not messages or messages[-1].get("role") != "assistant":
            return body
        return {**body, "messages": [*messages, {"role": "user", "content": GO_ON}]}


@dataclass(frozen=True)
class FullTexts:
    """Let no text be empty: a space is not."""

    members: ClassVar[tuple[str, ...]] = ("messages",)

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return it if a text must not be empty."""
        return cls() if re.search(r"text.* must be non-empty", refused.sentence) else None

    def apply(self, body: Json) -> Json:
        """Put a space there."""
        given = body.get("messages")
        if not isinstance(given, list):
            return body
        full = same_unless_changed(given, [_full(message) for message in given])
        return body if full is given else {**body, "messages": full}


def _is_bare(item: Any) -> bool:
    kind = as_object(item).get("type")
    return kind == "item_reference" or (kind == "reasoning" and not item.get("encrypted_content"))


_OUTPUT_OF = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
}


def _paired_items(items: list[Any]) -> list[Any]:
    kinds = frozenset(_OUTPUT_OF.values())
    answered = {i.get("call_id") for i in objects(items) if i.get("type") in kinds}
    called = {i.get("call_id") for i in objects(items) if i.get("type") in _OUTPUT_OF}
    paired: list[Any] = []
    for item in items:
        kind, call = as_object(item).get("type"), as_object(item).get("call_id")
        if kind in kinds and call not in called:
            continue
        paired.append(item)
        if kind in _OUTPUT_OF and call not in answered:
            paired.append({"type": _OUTPUT_OF[kind], "call_id": call, "output": NO_OUTPUT})
    return paired


def _paired_messages(messages: list[Any]) -> list[Any]:
    """Pair the calls and results of Anthropic's messages, and those of chat completions."""
    paired: list[Any] = []
    waiting: dict[Any, Json] = {}  # calls of the last message of the assistant: their results
    for message in messages:
        given = as_object(message)
        if given.get("role") == "tool":
            if waiting.pop(given.get("tool_call_id"), None) is not None:
                paired.append(message)
            continue
        parts = objects(given.get("content"))
        results = [part for part in parts if part.get("type") == "tool_result"]
        known = [part for part in results if waiting.pop(part.get("tool_use_id"), None) is not None]
        missing, waiting = list(waiting.values()), _results_of(given)
        blocks = [part for part in missing if "type" in part]
        paired += [part for part in missing if "type" not in part]
        if len(known) == len(results) and not blocks:
            paired.append(message)
            continue
        if blocks and given.get("role") != "user":
            paired.append({"role": "user", "content": blocks})
            blocks = []
        rest = [part for part in _parts(given.get("content")) if part not in results]
        paired.append({**given, "content": [*blocks, *known, *rest] or NO_OUTPUT})
    missing = list(waiting.values())
    blocks = [part for part in missing if "type" in part]
    paired += [part for part in missing if "type" not in part]
    return [*paired, {"role": "user", "content": blocks}] if blocks else paired


def _results_of(message: Mapping[str, Any]) -> dict[Any, Json]:
    """Return a result for each call in a message."""
    chat = objects(message.get("tool_calls"))
    blocks = [p for p in objects(message.get("content")) if p.get("type") == "tool_use"]
    return {
        **{c.get("id"): {"role": "tool", "tool_call_id": c.get("id"), "content": NO_OUTPUT}
           for c in chat},
        **{b.get("id"): {"type": "tool_result", "tool_use_id": b.get("id"), "content": NO_OUTPUT}
           for b in blocks},
    }  # fmt: skip


def _parts(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [{"type": "text", "text": str(content)}]


def _full(message: Any) -> Any:
    given = as_object(message)
    content = given.get("content")
    if isinstance(content, list):
        parts = [
            {**p, "text": " "}
            if as_object(p).get("type") == "text" and not as_object(p).get("text")
            else p
            for p in content
        ]
        full = same_unless_changed(content, parts)
        return message if full is content and content else {**given, "content": full or " "}
    return message if content or not given else {**given, "content": " "}

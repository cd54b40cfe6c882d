"""Mends of what a request asks for: how much, how, and with which fields and tools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from .json_steps import SCHEMA_MAPS, Json, as_object, objects, same_unless_changed, without
from .learning import Mend, Refused


@dataclass(frozen=True)
class LowerCap:
    """Ask for no more output tokens than the cap."""

    cap: int
    members: ClassVar[tuple[str, ...]] = (
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "generationConfig",
        "thinking",
    )
    _ABOUT = re.compile(
        r"max_(completion_|output_)?tokens|maxOutputTokens|(output|completion) tokens",
        re.IGNORECASE,
    )
    # A conversation that is too long is not a cap: the agent has to shorten it.
    _NOT_ABOUT = re.compile(
        r"context (length|window)|prompt is too long|input tokens|budget_tokens"
    )
    _NUMBER = re.compile(r"(?<![\w.-])(\d[\d,]*)(?![\w-])(?: \(?(exclusive))?")
    _LEAST = 256  # a smaller number is not a cap

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return the largest number in the sentence that is below what was asked for."""
        named = rf"(?<![\w.-]){re.escape(refused.model)}(?![\w-])"  # it may have numbers
        sentence = re.sub(named, "", refused.sentence) if refused.model else refused.sentence
        if not cls._ABOUT.search(sentence) or cls._NOT_ABOUT.search(sentence):
            return None
        wanted = most_output_tokens(refused.body)
        numbers = [
            int(number.replace(",", "")) - bool(exclusive)
            for number, exclusive in cls._NUMBER.findall(sentence)
        ]
        below = [number for number in numbers if cls._LEAST <= number < wanted]
        return cls(max(below)) if below else None

    def apply(self, body: Json) -> Json:
        """Lower what is above the cap, a budget for thinking below it included."""
        changed = body
        for key in self.members[:3]:
            if _number(body.get(key)) > self.cap:
                changed = {**changed, key: self.cap}
        config = as_object(body.get("generationConfig"))
        if _number(config.get("maxOutputTokens")) > self.cap:
            changed = {**changed, "generationConfig": {**config, "maxOutputTokens": self.cap}}
        return changed if changed is body else SmallerBudget().apply(changed)


@dataclass(frozen=True)
class SmallerReservation:
    """Ask for less where a minute's output tokens are reserved before a request runs.

    What was not used is given back, so a large request may never fit, however long it waits.
    docs.databricks.com/aws/en/machine-learning/foundation-model-apis/limits
    """

    members: ClassVar[tuple[str, ...]] = LowerCap.members
    _SENTENCE = re.compile(r"output tokens per minute", re.IGNORECASE)
    _TOKENS = 8_192  # what the models with the lowest cap are asked for anyway

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return it if the sentence names such a budget."""
        return cls() if cls._SENTENCE.search(refused.sentence) else None

    def apply(self, body: Json) -> Json:
        """Lower what is asked for."""
        return LowerCap(self._TOKENS).apply(body)


@dataclass(frozen=True)
class SmallerBudget:
    """Think with fewer tokens than the answer may have."""

    members: ClassVar[tuple[str, ...]] = ("max_tokens", "thinking")
    _LEAST = 1024  # Anthropic's minimum

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return it if the sentence compares both."""
        text = refused.sentence
        return cls() if "max_tokens" in text and "budget_tokens" in text else None

    def apply(self, body: Json) -> Json:
        """Lower the budget, or leave thinking out where too little is left."""
        thinking, most = as_object(body.get("thinking")), _number(body.get("max_tokens"))
        if not most or _number(thinking.get("budget_tokens")) < most:
            return body
        if most <= self._LEAST:
            return without(body, "thinking")
        return {**body, "thinking": {**thinking, "budget_tokens": most - 1}}


@dataclass(frozen=True)
class OtherEffort:
    """Use an effort that the model has, the nearest; without ``efforts`` none."""

    efforts: tuple[str, ...]
    members: ClassVar[tuple[str, ...]] = ("reasoning_effort", "reasoning", "output_config")
    _ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
    _LISTED = re.compile(r"(?:supported values are|should be(?: one of)?)\W(.*)", re.I | re.DOTALL)
    _NONE = re.compile(
        r"not support the effort|unknown field \W*reasoning[._]effort", re.IGNORECASE
    )

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return the efforts that the sentence lists."""
        text = refused.sentence
        if cls._NONE.search(text):
            return cls(())
        if "tools with reasoning" in text:  # OpenAI's, of chat completions since GPT-5.4
            return cls(("none",))
        listed = cls._LISTED.search(text)
        words = re.findall(r"[a-z]+", listed[1]) if listed else []
        efforts = tuple(effort for effort in cls._ORDER if effort in words)
        return cls(efforts) if efforts else None

    def apply(self, body: Json) -> Json:
        """Replace the effort wherever the dialects have it."""
        changed = body
        if self.efforts == ("none",) and body.get("tools"):
            changed = {**body, "reasoning_effort": "none"} if "messages" in body else body
            return body if body.get("reasoning_effort") == "none" else changed
        for path in (("reasoning_effort",), ("reasoning", "effort"), ("output_config", "effort")):
            changed = self._replaced(changed, path)
        return changed

    def _replaced(self, body: Json, path: tuple[str, ...]) -> Json:
        key, *rest = path
        if rest:
            inner = as_object(body.get(key))
            changed = self._replaced(inner, tuple(rest))
            return body if changed is inner else {**body, key: changed}
        effort = body.get(key)
        if effort is None or effort in self.efforts:
            return body
        return {**body, key: self._nearest(str(effort))} if self.efforts else without(body, key)

    def _nearest(self, effort: str) -> str:
        at = self._ORDER.index(effort) if effort in self._ORDER else len(self._ORDER)
        return min(self.efforts, key=lambda one: abs(self._ORDER.index(one) - at))


@dataclass(frozen=True)
class OtherThinking:
    """Think in the way that the model knows."""

    kind: str
    members: ClassVar[tuple[str, ...]] = ("thinking", "max_tokens")

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return it if a kind of thinking is not supported."""
        text = refused.sentence
        if "adaptive thinking is not supported" in text:
            return cls("")
        asks = "thinking.type.enabled" in text and "thinking.type.adaptive" in text
        return cls("adaptive") if asks else None

    def apply(self, body: Json) -> Json:
        """Replace the kind, or leave thinking out."""
        kind = as_object(body.get("thinking")).get("type")
        if kind not in ("adaptive", "enabled") or kind == self.kind:
            return body
        return {**body, "thinking": {"type": self.kind}} if self.kind else without(body, "thinking")


@dataclass(frozen=True)
class WithoutField:
    """Leave out a field, wherever it is in some members of a request.

    A tool's property of that name stays, and so does what a tool was called with.
    """

    key: str
    members: tuple[str, ...]
    _SENTENCES = tuple(
        re.compile(pattern)
        for pattern in (
            r"""^\W*(?P<path>[\w.$\[\]-]+): Extra inputs are not permitted""",  # Anthropic
            r"""unknown field "(?P<path>[\w.$-]+)""",  # Go's strict JSON
            r"""Unknown name "(?P<path>[\w.$-]+)""",  # Google
            r"""JSON schema is invalid \((?P<path>[$\w]+)\)""",
            r"""(?i)un(?:known|recognized|supported) (?:parameter|field|argument)\W+"""
            r"""(?P<path>[\w.$\[\]-]+)""",
            r"""'(?P<path>[\w.$]+)' (?:is|does) not support""",
            r"""`(?P<path>[\w.$]+)` is (?:deprecated|not supported)""",
        )
    )
    # Without these there is no request.
    _NEEDED = frozenset(
        {
            "messages",
            "input",
            "contents",
            "model",
            "role",
            "content",
            "parts",
            "type",
            "text",
            "name",
            "parameters",
        }
        | {"input_schema", "function", "properties", "tool_calls", "call_id", "stream", "arguments"}
    )

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return the field that the sentence names, if the request has it."""
        for pattern in cls._SENTENCES:
            if match := pattern.search(refused.sentence):
                key = re.split(r"[.\]\[]", match["path"].strip(".[]"))[-1]
                members = refused.members_with(key)
                return None if key in cls._NEEDED or not members else cls(key, members)
        return None

    def apply(self, body: Json) -> Json:
        """Leave it out."""
        changed = {
            name: _stripped(value, self.key) if name in self.members else value
            for name, value in body.items()
            if name != self.key
        }
        return same_unless_changed(body, changed)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class WithoutTool:
    """Leave out tools of a type."""

    kind: str
    members: ClassVar[tuple[str, ...]] = ("tools", "tool_choice")
    _SENTENCES = (
        re.compile(r"tool type (?P<kind>\w+) is not supported"),
        re.compile(r"Input tag '(?P<kind>\w+)' found using 'type'"),
        re.compile(r"tools: (?P<kind>\w+) is not supported"),
    )

    @classmethod
    def read(cls, refused: Refused) -> Mend | None:
        """Return the type that the sentence names."""
        found = (pattern.search(refused.sentence) for pattern in cls._SENTENCES)
        return next((cls(match["kind"]) for match in found if match), None)

    def apply(self, body: Json) -> Json:
        """Leave them out, and a choice with them."""
        tools = objects(body.get("tools"))
        kept = [t for t in tools if t.get("type") != self.kind and self.kind not in t]
        if len(kept) == len(tools):
            return body
        changed = without(body, "tool_choice")
        return {**changed, "tools": kept} if kept else without(changed, "tools")


def most_output_tokens(body: Json) -> int:
    """Return the number of output tokens that a request allows, 0 without a limit."""
    config = as_object(body.get("generationConfig"))
    values = [*map(body.get, LowerCap.members[:3]), config.get("maxOutputTokens")]
    return max(map(_number, values))


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


# What a tool was called with, or has answered: data, whatever its keys.
_DATA = frozenset({"input", "args", "response", "arguments"})


def _stripped(value: Any, key: str) -> Any:
    """Return JSON without a key; names in a schema's maps are not keys, and data is left alone."""
    if isinstance(value, list):
        return same_unless_changed(value, [_stripped(item, key) for item in value])
    if not isinstance(value, dict):
        return value
    changed: Json = {}
    for name, inner in value.items():
        if name == key:
            continue
        if name in SCHEMA_MAPS and isinstance(inner, dict):
            properties = {each: _stripped(schema, key) for each, schema in inner.items()}
            changed[name] = same_unless_changed(inner, properties)
        else:
            changed[name] = inner if name in _DATA else _stripped(inner, key)
    return same_unless_changed(value, changed)

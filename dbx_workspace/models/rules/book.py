"""All rules, and which of them are on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...platform_errors import PlatformError
from . import chance, fields, limits, messages, reasoning, tools
from .rule import ModelCall, Rule

ALL = "*"
BY_CHANCE = Rule("by-chance", "made up: rules.chance")
# These two decide about routes: who builds those asks ``is_on``.
_ROUTES = (
    Rule("gemini-path", "docs: query with the Google Gemini API (serving endpoints)"),
    Rule("count-tokens", "no page of the platform's documentation has the route"),
)
RULES: tuple[Rule, ...] = (
    *fields.RULES,
    *tools.RULES,
    *messages.RULES,
    *reasoning.RULES,
    *limits.RULES,
    *_ROUTES,
)


class RuleBook:
    """Which rules are on: all but a few, until they are switched.

    With a ``seed`` there are as many again that are made up at random.
    """

    def __init__(self) -> None:
        self._is_on = {rule.name: rule.is_on for rule in RULES}
        self.seed = 0

    def is_on(self, name: str) -> bool:
        """Whether a rule is on."""
        return self._is_on[name]

    def switch(self, changes: Mapping[str, Any]) -> None:
        """Switch rules by name; ``*`` means all, and goes first.  Raises ValueError."""
        unknown = sorted(set(changes) - set(self._is_on) - {ALL})
        if unknown:
            raise ValueError(f"unknown rules {unknown}: use {sorted(self._is_on)}")
        if ALL in changes:
            self._is_on = dict.fromkeys(self._is_on, bool(changes[ALL]))
        self._is_on |= {n: bool(value) for n, value in changes.items() if n != ALL}

    def listing(self) -> dict[str, dict[str, Any]]:
        """Return each rule's source and whether it is on."""
        return {r.name: {"on": self._is_on[r.name], "source": r.source} for r in RULES}

    def first_refusal(self, call: ModelCall) -> tuple[Rule, PlatformError] | None:
        """Return the first rule that refuses a call, and its refusal; None if none does."""
        for rule in RULES:
            if self._is_on[rule.name] and (refusal := rule.check(call)) is not None:
                return rule, refusal
        made_up = chance.refusal(call, self.seed) if self.seed else None
        return None if made_up is None else (BY_CHANCE, made_up)

"""Efforts, thinking and sampling, which each family has its own of."""

from __future__ import annotations

from typing import Any

from ...platform_errors import PlatformError
from ..catalog import ANTHROPIC, CHAT, RESPONSES
from .families import Family
from .rule import ModelCall, Rule


def _claude_efforts(family: Family) -> tuple[str, ...]:
    if family.line == "haiku" or family.version < (4, 5):
        return ()
    if family.version == (4, 5):
        return ("low", "medium", "high") if family.line == "opus" else ()
    if family.version >= (4, 7) and family.line != "sonnet":
        return ("low", "medium", "high", "xhigh", "max")
    return ("low", "medium", "high", "max")


def _is_adaptive_only(family: Family) -> bool:
    return family.line != "haiku" and family.version >= (4, 7)


def _thinking(call: ModelCall) -> PlatformError | None:
    if call.api_type != ANTHROPIC:
        return None
    thinking: Any = call.body.get("thinking") or {}
    kind, family = thinking.get("type"), call.family
    if kind == "adaptive" and (family.version < (4, 6) or family.line == "haiku"):
        return call.refusal("adaptive thinking is not supported on this model")
    if kind == "enabled" and _is_adaptive_only(family):
        return call.refusal(
            '"thinking.type.enabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    if kind == "enabled" and int(thinking.get("budget_tokens", 0)) >= (
        call.most_output_tokens or 10**9
    ):
        return call.refusal("`max_tokens` must be greater than `thinking.budget_tokens`")
    effort = (call.body.get("output_config") or {}).get("effort")
    if effort is not None and effort not in _claude_efforts(family):
        return call.refusal(
            "This model does not support the effort parameter."
            if not _claude_efforts(family)
            else f"output_config.effort: Input should be one of {_claude_efforts(family)}"
        )
    return None


def _gpt_efforts(family: Family) -> tuple[str, ...]:
    if family.version < (5, 1):
        return ("minimal", "low", "medium", "high")
    if family.version < (5, 2):
        return ("none", "low", "medium", "high")
    if family.version < (5, 6):
        return ("none", "low", "medium", "high", "xhigh")
    return ("none", "low", "medium", "high", "xhigh", "max", "ultra")


def _open_efforts(model: str, vendor: str) -> tuple[str, ...]:
    """Return the efforts of the other families: of most none is known."""
    if vendor == "gpt-oss":
        return ("low", "medium", "high")
    if vendor == "gemini":
        return ("none", "minimal", "low", "medium", "high")
    if "glm-5-2" in model:
        return ("high", "max")
    if "glm-5" in model or "kimi-k3" in model:
        return ("low", "high", "max")
    return ()


def _efforts(call: ModelCall) -> PlatformError | None:
    if call.api_type not in (CHAT, RESPONSES) or call.family.vendor in ("claude", ""):
        return None
    field = "reasoning_effort" if call.api_type == CHAT else "reasoning.effort"
    effort = call.body.get("reasoning_effort") or (call.body.get("reasoning") or {}).get("effort")
    vendor = call.family.vendor
    known = _gpt_efforts(call.family) if vendor == "gpt" else _open_efforts(call.model, vendor)
    if effort is None or effort in known:
        return None
    if not known:
        return call.refusal(f'json: unknown field "{field}"')
    values = ", ".join(f"'{value}'" for value in known)
    return call.refusal(
        f"Unsupported value: '{effort}' is not supported with the '{call.model}' model. "
        f"Supported values are: {values}.",
        param=field,
    )


def _sampling(call: ModelCall) -> PlatformError | None:
    temperature = call.body.get("temperature")
    if temperature is None or temperature == 1:
        return None
    if call.family.vendor == "claude" and _is_adaptive_only(call.family):
        return call.refusal("`temperature` is deprecated for this model.")
    if call.family.vendor == "gpt" and call.api_type in (CHAT, RESPONSES):
        return call.refusal(
            f"Unsupported value: 'temperature' does not support {temperature} with this model. "
            "Only the default (1) value is supported.",
            param="temperature",
        )
    return None


_CLAUDE = "platform.claude.com/docs: adaptive thinking, effort"
RULES = (
    Rule("thinking", _CLAUDE, _thinking),
    Rule("efforts", "unity-gateway codex_catalog.py; platform.openai.com reasoning", _efforts),
    Rule("sampling", "platform.claude.com/docs: Claude 4.7; GPT-5 parameters", _sampling),
)

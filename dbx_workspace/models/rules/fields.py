"""Fields of requests that a route or a family of models does not know."""

from __future__ import annotations

import json
from typing import Any

from ...platform_errors import PlatformError
from ..catalog import ANTHROPIC, CHAT
from ..script import objects
from .rule import ModelCall, Rule, keys_in

_EXTRA = "{}: Extra inputs are not permitted"
# The dialects of JSON schema that vendors take are smaller than the one that agents write.
_GEMINI_UNKNOWN = ("$schema", "exclusiveMinimum", "exclusiveMaximum")
_CLAUDE_UNKNOWN = ("$schema", "exclusiveMinimum", "exclusiveMaximum")
_ANTHROPIC_FIELDS = frozenset(
    (
        "model", "messages", "max_tokens", "metadata", "stop_sequences", "stream", "system",
        "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p", "output_config",
        "service_tier", "context_management",
    )
)  # fmt: skip


def _not_json(call: ModelCall) -> PlatformError | None:
    """Refuse what Python's parser takes, but JSON (RFC 8259) does not have."""

    def no_constant(name: str) -> Any:
        raise ValueError(name)

    try:
        text = call.raw.decode()
        json.loads(text or "{}", parse_constant=no_constant)
        json.dumps(call.body, ensure_ascii=False).encode()  # raises for half of a surrogate pair
    except UnicodeEncodeError:
        problem = "no low surrogate in string: line 1 column 1 (char 0)"
    except ValueError as error:
        problem = f"unexpected {error}"
    else:
        return None
    return call.refusal(f"The request body is not valid JSON: {problem}")


def _chat_fields(call: ModelCall) -> PlatformError | None:
    if call.api_type != CHAT:
        return None
    if "store" in call.body:
        return call.refusal(_EXTRA.format("store"), param="store")
    for index, function in enumerate(call.functions):
        if "strict" in function:
            return call.refusal(_EXTRA.format(f"tools.{index}.function.strict"))
    return None


def _stream_options(call: ModelCall) -> PlatformError | None:
    if call.is_chat_of("qwen", "llama", "gemma") and "stream_options" in call.body:
        return call.refusal('json: unknown field "stream_options"')
    return None


def _gemini_chat(call: ModelCall) -> PlatformError | None:
    if not call.is_chat_of("gemini"):
        return None
    unknown = "Invalid JSON payload received. Unknown name \"{}\" at '{}': Cannot find field."
    if "stream_options" in call.body:
        return call.refusal(unknown.format("stream_options", "generation_config"))
    for index, function in enumerate(call.functions):
        place = f"tools[0].function_declarations[{index}].parameters"
        for key, path in keys_in(function.get("parameters")):
            if key in _GEMINI_UNKNOWN:
                return call.refusal(unknown.format(key, f"{place}{path and '.'}{path}"))
    return None


def _claude_schema(call: ModelCall) -> PlatformError | None:
    if not call.is_chat_of("claude"):
        return None
    for index, function in enumerate(call.functions):
        for key, _path in keys_in(function.get("parameters")):
            if key in _CLAUDE_UNKNOWN:
                return call.refusal(
                    f"tools.{index}.custom.input_schema: JSON schema is invalid ({key}). It must "
                    "match JSON Schema draft 2020-12"
                )
    return None


def _anthropic_fields(call: ModelCall) -> PlatformError | None:
    if call.api_type != ANTHROPIC:
        return None
    for key in call.body:
        if key not in _ANTHROPIC_FIELDS:
            return call.refusal(_EXTRA.format(key))
    return None


def _eager_streaming(call: ModelCall) -> PlatformError | None:
    if call.api_type != ANTHROPIC:
        return None
    for index, tool in enumerate(call.tools):
        if "eager_input_streaming" in tool:
            return call.refusal(_EXTRA.format(f"tools.{index}.custom.eager_input_streaming"))
    return None


def _has_betas(call: ModelCall) -> PlatformError | None:
    """Refuse the fields of Anthropic's previews."""
    if call.api_type != ANTHROPIC:
        return None
    if "context_management" in call.body:
        return call.refusal(_EXTRA.format("context_management"))
    for index, tool in enumerate(call.tools):
        if "defer_loading" in tool:
            return call.refusal(_EXTRA.format(f"tools.{index}.custom.defer_loading"))
    for key, path in keys_in({n: call.body.get(n) for n in ("system", "messages", "tools")}):
        if key == "ttl" and path.endswith("cache_control"):
            return call.refusal(_EXTRA.format(f"{path}.ephemeral.ttl"))
    return None


def _serving_betas(call: ModelCall) -> PlatformError | None:
    return None if call.is_gateway else _has_betas(call)


def _gateway_betas(call: ModelCall) -> PlatformError | None:
    return _has_betas(call) if call.is_gateway else None


def _open_responses(call: ModelCall) -> PlatformError | None:
    """Refuse what only GPT takes over Responses."""
    if "input" not in call.body or call.family.vendor == "gpt":
        return None
    if (call.body.get("text") or {}).get("verbosity"):
        return call.refusal('json: unknown field "verbosity"')
    if "prompt_cache_key" in call.body:
        return call.refusal('json: unknown field "prompt_cache_key"')
    for tool in objects(call.body.get("tools")):
        if tool.get("type") == "custom":
            return call.refusal("tools: the tool type custom is not supported")
    return None


RULES = (
    Rule("strict-json", "RFC 8259; anthropics/claude-code#1709", _not_json),
    Rule("chat-fields", "databricks/ucode; databricks-ai-bridge utils/clients.py", _chat_fields),
    Rule("stream-options", "anomalyco/opencode#31156, #4698, hermes-agent#9705", _stream_options),
    Rule("gemini-chat-fields", "databricks/unity-gateway#491", _gemini_chat),
    Rule("claude-chat-schema", "anomalyco/opencode#5028", _claude_schema),
    Rule("anthropic-fields", "platform.claude.com/docs/en/api/messages", _anthropic_fields),
    Rule("eager-streaming", "databricks/ucode agents/opencode.py", _eager_streaming),
    Rule("open-responses", "databricks/unity-gateway#745, #420, codex-router#78", _open_responses),
    # The gateway takes them (unity-gateway#347, #362; omnigent#4533); of serving endpoints there
    # are only the older guides, which switch them off.
    Rule("serving-betas", "guides before unity-gateway#347", _serving_betas),
    Rule("gateway-betas", "guides before unity-gateway#347", _gateway_betas, is_on=False),
)

"""Shapes of a conversation that are refused: empty texts, unpaired calls, ids, images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...platform_errors import PlatformError
from ..catalog import ANTHROPIC, CHAT, GEMINI, RESPONSES
from ..script import Json, objects
from .rule import ModelCall, Rule

MOST_ID_CHARACTERS = 64
# By a part of the name: models that take pictures (databricks' list of supported models).
_SIGHTED = ("claude", "gpt-5", "gpt-6", "gemini", "llama-4", "gemma-3", "kimi-k3", "flash")


def _is_empty(content: Any) -> bool:
    if isinstance(content, list):
        return all(
            p.get("type") == "text" and not str(p.get("text") or "") for p in objects(content)
        )
    return not content


def _empty_content(call: ModelCall) -> PlatformError | None:
    text = "messages: text content blocks must be non-empty"
    if call.is_chat_of("claude"):
        for message in call.messages:
            if message.get("role") == "assistant" and _is_empty(message.get("content")):
                return call.refusal(text)
    if call.is_chat_of("claude") or call.api_type == ANTHROPIC:
        for message in call.messages:
            for part in objects(message.get("content")):
                if part.get("type") == "text" and not part.get("text"):
                    return call.refusal(text)
    return None


def _calls_and_results(call: ModelCall) -> Iterator[tuple[set[str], set[str]]]:
    """Yield the ids of each message's calls, and of the results in it or in the run after it."""
    if call.api_type == ANTHROPIC:
        for message in call.messages:
            parts = objects(message.get("content"))
            calls = {str(p.get("id")) for p in parts if p.get("type") == "tool_use"}
            found = {str(p.get("tool_use_id")) for p in parts if p.get("type") == "tool_result"}
            yield calls, found
        return
    results: set[str] = set()
    for message in call.messages:
        if message.get("role") == "tool":
            results.add(str(message.get("tool_call_id")))
            continue
        if results:
            yield set(), results
            results = set()
        yield {str(c.get("id")) for c in objects(message.get("tool_calls"))}, set()
    if results:
        yield set(), results


def _tool_pairs(call: ModelCall) -> PlatformError | None:
    if not (call.is_chat_of("claude") or call.api_type == ANTHROPIC):
        return None
    open_calls: set[str] = set()
    for number, (calls, results) in enumerate(_calls_and_results(call)):
        if missing := open_calls - results:
            return call.refusal(
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(sorted(missing))}. Each `tool_use` block must "
                "have a corresponding `tool_result` block in the next message."
            )
        if unknown := results - open_calls:
            return call.refusal(
                f"messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` "
                f"blocks: {', '.join(sorted(unknown))}. Each `tool_result` block must have a "
                "corresponding `tool_use` block in the previous message."
            )
        open_calls = calls
    return None


def _prefill(call: ModelCall) -> PlatformError | None:
    is_claude = call.api_type in (ANTHROPIC, CHAT) and call.family.vendor == "claude"
    is_new = call.family.version >= (4, 6) and call.family.line != "haiku"
    if is_claude and is_new and call.messages and call.messages[-1].get("role") == "assistant":
        return call.refusal(
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message."
        )
    return None


def _long_ids(call: ModelCall) -> PlatformError | None:
    if call.api_type != RESPONSES:
        return None
    for index, item in enumerate(call.input_items):
        name = str(item.get("id") or "")
        if len(name) > MOST_ID_CHARACTERS:
            return call.refusal(
                f"Invalid 'input[{index}].id': string too long. Expected a string with maximum "
                f"length {MOST_ID_CHARACTERS}, but got a string with length {len(name)} instead.",
                param=f"input[{index}].id",
            )
    return None


def _unknown_items(call: ModelCall) -> PlatformError | None:
    """Refuse items that only an id describes: nothing was stored that it could name."""
    if call.api_type != RESPONSES or call.body.get("store") is not False:
        return None
    for item in call.input_items:
        is_bare = item.get("type") in ("reasoning", "item_reference")
        if is_bare and item.get("id") and not item.get("encrypted_content"):
            return call.refusal(
                f"Item with id '{item['id']}' not found. Items are not persisted when `store` is "
                "set to false. Try again with `store` set to true, or remove this item from your "
                "input.",
                status=404,
                param="input",
            )
    return None


def _answered_calls(call: ModelCall) -> PlatformError | None:
    if call.api_type != RESPONSES:
        return None
    items = call.input_items
    outputs = {i.get("call_id") for i in items if str(i.get("type", "")).endswith("_call_output")}
    for item in items:
        is_call = item.get("type") in ("function_call", "custom_tool_call")
        if is_call and item.get("call_id") not in outputs:
            text = f"No tool output found for function call {item.get('call_id')}."
            return call.refusal(text, param="input")
    return None


def _images(call: ModelCall) -> PlatformError | None:
    if any(part in call.model for part in _SIGHTED) and call.family.vendor != "gpt-oss":
        return None
    if call.pictures:
        return call.refusal(f"Model {call.model} does not support image input.")
    return None


def _signatures(call: ModelCall) -> PlatformError | None:
    """Refuse a call of Gemini 3 that comes back without its signature, in the current turn.

    That is everything after the last text of the user; earlier turns are not checked.
    """
    if call.family.vendor != "gemini" or call.family.version < (3, 0):
        return None
    calls: list[Json] = []
    if call.api_type == GEMINI:
        for content in objects(call.body.get("contents")):
            parts = objects(content.get("parts"))
            if content.get("role") == "user" and any("text" in part for part in parts):
                calls.clear()
            # Of parallel calls only the first has one.
            calls += [part for part in parts if "functionCall" in part][:1]
    elif call.api_type == CHAT:
        for message in call.messages:
            if message.get("role") == "user":
                calls.clear()
            calls += objects(message.get("tool_calls"))[:1]
    for index, one in enumerate(calls):
        if not (one.get("thoughtSignature") or one.get("thought_signature")):
            return call.refusal(
                "Function call is missing a thought_signature in functionCall parts. This is "
                "required for tools to work correctly, and missing thought_signature may lead to "
                f"degraded model performance. (function call {index + 1})"
            )
    return None


RULES = (
    Rule("empty-content", "databricks-ai-bridge#333, anomalyco/opencode#5028", _empty_content),
    Rule("tool-pairs", "anomalyco/opencode#5028", _tool_pairs),
    Rule("answered-calls", "platform.openai.com/docs/guides/function-calling", _answered_calls),
    Rule("prefill", "platform.claude.com/docs: migration to Claude 4.6", _prefill),
    Rule("long-ids", "databricks/unity-gateway#99; databricks-ai-bridge clients.py", _long_ids),
    Rule("unknown-items", "hermes-agent#10788, #27038; openai/codex#35739", _unknown_items),
    Rule("images", "unity-gateway codex_catalog.py; docs: supported models", _images),
    Rule("signatures", "ai.google.dev/gemini-api/docs/thought-signatures", _signatures),
    # Answers of one reasoning model end without a reason.
    Rule("no-finish", "databricks/unity-gateway#215"),
)

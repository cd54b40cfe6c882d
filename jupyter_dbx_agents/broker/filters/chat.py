"""Chat completions: what the route refuses, and what it refuses for Claude only."""

from typing import Any

from ...models import family_of
from .json_steps import (
    REFUSED_KEYWORDS,
    Json,
    is_claude,
    objects,
    plain_schema,
    same_unless_changed,
    with_functions,
    without,
)
from .turns import NO_OUTPUT

BLANK = " "
# What Gemini takes for the signature of a call that lost its own, in whatever dialect it was made
# [ai.google.dev/gemini-api/docs/thought-signatures].
ANY_SIGNATURE = "skip_thought_signature_validator"


def without_refused_chat_fields(body: Json) -> Json:
    """Leave out ``store`` and functions' ``strict``: the route refuses them [databricks/ucode].

    Also what it refuses for the model's family.
    """
    for name in _refused_in_chat(body):
        body = without(body, name)
    return with_functions(without(body, "store"), lambda function: without(function, "strict"))


def with_plain_schemas(body: Json) -> Json:
    """Leave out keywords of schemas that chat completions refuse for the model's family."""
    if REFUSED_KEYWORDS.isdisjoint(_refused_in_chat(body)):
        return body

    def plain(function: Json) -> Json:
        parameters = plain_schema(function.get("parameters"))
        same = parameters is function.get("parameters")
        return function if same else {**function, "parameters": parameters}

    return with_functions(body, plain)


def with_signatures(body: Json) -> Json:
    """Sign the calls of Gemini, which refuses them without: agents do not send signatures back."""
    if "gemini" not in str(body.get("model", "")):
        return body
    return _with_messages(body, [_signed(message) for message in _messages(body)])


def _signed(message: Json) -> Json:
    # Of parallel calls only the first has one.
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    signed = same_unless_changed(calls, [*map(_signed_call, calls[:1]), *calls[1:]])
    return message if signed is calls else {**message, "tool_calls": signed}


def _signed_call(call: Any) -> Any:
    if not isinstance(call, dict) or not {"thoughtSignature", "thought_signature"}.isdisjoint(call):
        return call
    return {**call, "thoughtSignature": ANY_SIGNATURE}


def _refused_in_chat(body: Json) -> tuple[str, ...]:
    return family_of(str(body.get("model", ""))).refused_in_chat


def with_full_texts(body: Json) -> Json:
    """Leave out empty texts, which are refused for Claude [anomalyco/opencode#5028].

    Where only calls would be left there is a space [databricks-ai-bridge#333].
    """
    if not is_claude(body):
        return body
    return _with_messages(body, [m for message in _messages(body) if (m := _full(message))])


def with_matched_results(body: Json) -> Json:
    """Turn the results of dropped tool calls into messages of the user.

    They remain after a conversation was compacted; for Claude a result is refused if its call is
    not in the message before [anomalyco/opencode#5028].
    """
    if not is_claude(body):
        return body
    called: set[str] = set()
    messages = []
    for message in _messages(body):
        if message.get("role") == "tool" and str(message.get("tool_call_id")) not in called:
            text = f"Result of an earlier tool call:\n{_text(message.get('content'))}"
            messages.append({"role": "user", "content": text})
            continue
        if message.get("role") != "tool":
            called = {str(call.get("id")) for call in objects(message.get("tool_calls"))}
        messages.append(message)
    return _with_messages(body, messages)


def _messages(body: Json) -> list[Json]:
    return objects(body.get("messages"))


def _with_messages(body: Json, messages: list[Json]) -> Json:
    given = body.get("messages")
    if not isinstance(given, list) or same_unless_changed(given, messages) is given:
        return body
    return {**body, "messages": messages}


def _full(message: Json) -> Json | None:
    """Return a message without empty texts, None if nothing is left of it."""
    content, calls = message.get("content"), message.get("tool_calls")
    kept = [p for p in content if not _is_empty_text(p)] if isinstance(content, list) else content
    if isinstance(kept, list) and kept:
        return message if len(kept) == len(message["content"]) else {**message, "content": kept}
    if not isinstance(kept, str | list) and (kept is not None or not calls):
        return message
    if isinstance(kept, str) and (kept.strip() or (calls and kept == BLANK)):
        return message
    if message.get("role") == "tool":
        return {**message, "content": NO_OUTPUT}
    return {**message, "content": BLANK} if calls else None


def _is_empty_text(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and part.get("type") == "text"
        and not str(part.get("text", "")).strip()
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in objects(content))
    return str(content or NO_OUTPUT)

"""Chat completions: what the route refuses, and what it refuses for Claude only."""

from typing import Any

from .json_steps import (
    Json,
    as_object,
    is_claude,
    objects,
    plain_schema,
    same_unless_changed,
    with_functions,
    without,
)

NO_OUTPUT = "(no output)"


def without_refused_chat_fields(body: Json) -> Json:
    """Leave out ``store`` and functions' ``strict``: the route refuses them [databricks/ucode]."""
    return with_functions(without(body, "store"), lambda function: without(function, "strict"))


def with_plain_schemas(body: Json) -> Json:
    """Leave out keywords of schemas that chat completions refuse for Claude."""
    if not is_claude(body):
        return body

    def plain(function: Json) -> Json:
        parameters = plain_schema(function.get("parameters"))
        same = parameters is function.get("parameters")
        return function if same else {**function, "parameters": parameters}

    return with_functions(body, plain)


def with_full_texts(body: Json) -> Json:
    """Leave out empty texts, which are refused for Claude [anomalyco/opencode#5028]."""
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


class FinishReasonCorrector:
    """Turns ``stop`` into ``tool_calls`` at the end of an answer with calls: agents would stop."""

    marks = (b'"tool_calls"', b'"finish_reason"')

    def __init__(self) -> None:
        self._calling: set[str] = set()

    def correct(self, event: Json) -> Json:
        """Remember which choices have calls, and correct their reason."""
        choices = objects(event.get("choices"))
        for choice in choices:
            if objects(as_object(choice.get("delta")).get("tool_calls")):
                self._calling.add(str(choice.get("index")))
        wrong = [
            c
            for c in choices
            if c.get("finish_reason") == "stop" and str(c.get("index")) in self._calling
        ]
        if not wrong:
            return event
        right = [{**c, "finish_reason": "tool_calls"} if c in wrong else c for c in choices]
        return {**event, "choices": right}


def _messages(body: Json) -> list[Json]:
    return objects(body.get("messages"))


def _with_messages(body: Json, messages: list[Json]) -> Json:
    given = body.get("messages")
    if not isinstance(given, list) or same_unless_changed(given, messages) is given:
        return body
    return {**body, "messages": messages}


def _full(message: Json) -> Json | None:
    """Return a message without empty texts, None if nothing is left of it."""
    content = message.get("content")
    if isinstance(content, list):
        kept = [p for p in content if not _is_empty_text(p)]
        if len(kept) == len(content) and kept:
            return message
        content = kept or ""
    elif not isinstance(content, str) or content.strip():
        return message
    if content:
        return {**message, "content": content}
    if message.get("role") == "tool":
        return {**message, "content": NO_OUTPUT}
    return {**message, "content": None} if message.get("tool_calls") else None


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

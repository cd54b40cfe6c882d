"""OpenAI chat completions: `POST …/chat/completions` and `…/{endpoint}/invocations`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from .catalog import CHAT
from .script import (
    Conversation,
    Dialect,
    Frame,
    Json,
    Reply,
    Tool,
    Turn,
    data_event,
    objects,
    text_of,
)


def parse(body: Json) -> Conversation:
    """The conversation of a chat request; system and developer messages are not turns."""
    turns = []
    for message in objects(body.get("messages")):
        role = message.get("role")
        if role in ("user", "assistant", "tool"):
            turns.append(Turn(role, text_of(message.get("content"))))
    functions = [tool.get("function") or {} for tool in objects(body.get("tools"))]
    tools = [Tool(str(f.get("name", "")), f.get("parameters") or {}) for f in functions]
    stop = body.get("stop") or ()
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    return Conversation(tuple(turns), tuple(tools), stops, schema)


def render(reply: Reply, model: str) -> Json:
    """The whole completion."""
    message: Json = {"role": "assistant", "content": reply.text}
    if reply.tool_call is not None:
        message["tool_calls"] = [_call(reply)]
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply)}
    return {
        **_head("chat.completion", model, _completion_id()),
        "choices": [choice],
        "usage": _usage(reply),
    }


def frames(reply: Reply, model: str, body: Json) -> Iterator[Frame]:
    """The chunks of a streamed completion, with usage if the request asks for it."""
    head = _head("chat.completion.chunk", model, _completion_id())
    yield data_event(_chunk(head, {"role": "assistant", "content": ""}))
    for text in reply.chunks:
        yield data_event(_chunk(head, {"content": text}), reply.pause_seconds)
    if reply.tool_call is not None:
        yield data_event(_chunk(head, {"tool_calls": [{"index": 0, **_call(reply)}]}))
    yield data_event(_chunk(head, {}, _finish_reason(reply)))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield data_event({**head, "choices": [], "usage": _usage(reply)})
    yield Frame(b"data: [DONE]\n\n")


def _chunk(head: Json, delta: Json, finish_reason: str | None = None) -> Json:
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def _head(kind: str, model: str, completion_id: str) -> Json:
    return {"id": completion_id, "object": kind, "created": int(time.time()), "model": model}


def _completion_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"


def _call(reply: Reply) -> Json:
    call = reply.tool_call
    function = {"name": call.name, "arguments": call.arguments_json()} if call else {}
    return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if reply.tool_call is not None else "stop"


def _usage(reply: Reply) -> Json:
    given, made = reply.input_tokens, reply.output_tokens()
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def refusal(body: Json) -> str | None:
    """The route is known to refuse `store` and `strict` functions."""
    if "store" in body:
        return "store: Extra inputs are not permitted"
    for tool in objects(body.get("tools")):
        if "strict" in (tool.get("function") or {}):
            return "tools.0.function.strict: Extra inputs are not permitted"
    return None


DIALECT = Dialect(CHAT, parse, render, frames, refusal)

"""OpenAI chat completions: ``POST …/chat/completions`` and ``…/{endpoint}/invocations``."""

from __future__ import annotations

import time
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
    new_id,
    objects,
    text_of,
)


def parse(body: Json) -> Conversation:
    """Return the conversation of a chat request, without system and developer messages."""
    turns = []
    for message in objects(body.get("messages")):
        role = message.get("role")
        if role in ("user", "assistant", "tool"):
            turns.append(Turn(role, text_of(message.get("content"))))
    functions = (tool.get("function") or {} for tool in objects(body.get("tools")))
    tools = [Tool.of(function, "parameters") for function in functions]
    stop = body.get("stop") or ()
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    return Conversation(tuple(turns), tuple(tools), stops, schema)


def render(reply: Reply, model: str) -> Json:
    """Return the whole completion."""
    message: Json = {"role": "assistant", "content": reply.text if reply.chunks else None}
    if reply.tool_call is not None:
        message["tool_calls"] = [_call(reply)]
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply)}
    return {
        **_head("chat.completion", model),
        "choices": [choice],
        "usage": _usage(reply),
    }


def frames(reply: Reply, model: str, body: Json) -> Iterator[Frame]:
    """Yield the chunks of a streamed completion, with usage if requested."""
    head = _head("chat.completion.chunk", model)
    yield data_event(_chunk(head, {"role": "assistant", "content": ""}))
    for text in reply.chunks:
        yield data_event(_chunk(head, {"content": text}), reply.pause_seconds)
    if reply.tool_call is not None:
        yield data_event(_chunk(head, {"tool_calls": [{"index": 0, **_call(reply)}]}))
    if "no-finish" not in reply.quirks:
        yield data_event(_chunk(head, {}, _finish_reason(reply)))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield data_event({**head, "choices": [], "usage": _usage(reply)})
    yield Frame(b"data: [DONE]\n\n")


def _chunk(head: Json, delta: Json, finish_reason: str | None = None) -> Json:
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def _head(kind: str, model: str) -> Json:
    created = int(time.time())
    return {"id": new_id("chatcmpl-"), "object": kind, "created": created, "model": model}


def _call(reply: Reply) -> Json:
    call = reply.tool_call
    function = {"name": call.name, "arguments": call.arguments_json()} if call else {}
    signature = {"thoughtSignature": new_id("")} if "signatures" in reply.quirks else {}
    return {"id": new_id("call_", 24), "type": "function", "function": function, **signature}


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if reply.tool_call is not None else "stop"


def _usage(reply: Reply) -> Json:
    prompt, completion = reply.input_tokens, reply.output_tokens()
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


DIALECT = Dialect(CHAT, parse, render, frames)

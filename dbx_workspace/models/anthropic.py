"""Anthropic messages: ``POST …/v1/messages``, streamed and not."""

from __future__ import annotations

from collections.abc import Iterator

from .catalog import ANTHROPIC
from .script import (
    Conversation,
    Dialect,
    Frame,
    Json,
    Reply,
    Tool,
    Turn,
    event,
    new_id,
    objects,
    text_of,
)


def parse(body: Json) -> Conversation:
    """Return the conversation of a messages request."""
    turns = [turn for message in objects(body.get("messages")) for turn in _turns(message)]
    tools = [Tool.of(tool, "input_schema") for tool in objects(body.get("tools"))]
    output_format = (body.get("output_config") or {}).get("format") or {}
    return Conversation(
        tuple(turns),
        tuple(tools),
        tuple(body.get("stop_sequences") or ()),
        output_format.get("schema"),
    )


def _turns(message: Json) -> Iterator[Turn]:
    content = message.get("content")
    for part in objects(content):
        if part.get("type") == "tool_result":
            yield Turn("tool", text_of(part.get("content")))
    role = message.get("role")
    text = text_of(content)
    if text and role in ("user", "assistant"):
        yield Turn(role, text)


def render(reply: Reply, model: str) -> Json:
    """Return the whole message."""
    content: list[Json] = [{"type": "text", "text": reply.text}] if reply.chunks else []
    if reply.tool_call is not None:
        content.append(_tool_use(reply.tool_call.name, reply.tool_call.arguments))
    return {
        **_message(reply, model),
        "content": content,
        "stop_reason": _stop_reason(reply),
        "stop_sequence": reply.stop_sequence,
        "usage": _usage(reply, reply.output_tokens()),
    }


def frames(reply: Reply, model: str, _body: Json) -> Iterator[Frame]:
    """Yield the events of a streamed message."""
    yield event("message_start", {"type": "message_start", "message": _message(reply, model)})
    yield event("ping", {"type": "ping"})
    if reply.chunks:
        yield from _text_block(reply)
    if reply.tool_call is not None:
        index = 1 if reply.chunks else 0
        yield from _tool_block(index, reply.tool_call.name, reply.tool_call.arguments_json())
    delta = {"stop_reason": _stop_reason(reply), "stop_sequence": reply.stop_sequence}
    usage = {"output_tokens": reply.output_tokens()}
    yield event("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
    yield event("message_stop", {"type": "message_stop"})


def _text_block(reply: Reply) -> Iterator[Frame]:
    yield _block_start(0, {"type": "text", "text": ""})
    for chunk in reply.chunks:
        yield _block_delta(0, {"type": "text_delta", "text": chunk}, reply.pause_seconds)
    yield _block_stop(0)


def _tool_block(index: int, name: str, arguments: str) -> Iterator[Frame]:
    yield _block_start(index, _tool_use(name, {}))
    middle = len(arguments) // 2
    for piece in (arguments[:middle], arguments[middle:]):
        yield _block_delta(index, {"type": "input_json_delta", "partial_json": piece})
    yield _block_stop(index)


def _block_start(index: int, block: Json) -> Frame:
    data = {"type": "content_block_start", "index": index, "content_block": block}
    return event("content_block_start", data)


def _block_delta(index: int, delta: Json, pause_seconds: float = 0.0) -> Frame:
    data = {"type": "content_block_delta", "index": index, "delta": delta}
    return event("content_block_delta", data, pause_seconds)


def _block_stop(index: int) -> Frame:
    return event("content_block_stop", {"type": "content_block_stop", "index": index})


def _message(reply: Reply, model: str) -> Json:
    return {
        "id": new_id("msg_", 24),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(reply, 1),
    }


def _usage(reply: Reply, output_tokens: int) -> Json:
    return {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def _stop_reason(reply: Reply) -> str:
    if reply.stop_sequence is not None:
        return "stop_sequence"
    return "tool_use" if reply.tool_call is not None else "end_turn"


def _tool_use(name: str, arguments: Json) -> Json:
    return {"type": "tool_use", "id": new_id("toolu_", 24), "name": name, "input": arguments}


DIALECT = Dialect(ANTHROPIC, parse, render, frames)

"""OpenAI responses: ``POST …/responses``, streamed and not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .catalog import RESPONSES
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

_TEXT_TYPES = ("input_text", "output_text", "text")
_RESULT_TYPES = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")


def parse(body: Json) -> Conversation:
    """Return the conversation of a responses request, without developer messages."""
    items = body.get("input")
    items = [{"role": "user", "content": items}] if isinstance(items, str) else objects(items)
    turns = [turn for item in items if (turn := _turn(item)) is not None]
    tools = [
        Tool.of(tool, "parameters")
        for tool in objects(body.get("tools"))
        if tool.get("type") == "function"
    ]
    text_format = (body.get("text") or {}).get("format") or {}
    return Conversation(tuple(turns), tuple(tools), json_schema=text_format.get("schema"))


def _turn(item: Json) -> Turn | None:
    if item.get("type") in _RESULT_TYPES:
        output = item.get("output")
        return Turn("tool", output if isinstance(output, str) else text_of(output, _TEXT_TYPES))
    role = item.get("role")
    if item.get("type", "message") == "message" and role in ("user", "assistant"):
        return Turn(role, text_of(item.get("content"), _TEXT_TYPES))
    return None


def render(reply: Reply, model: str) -> Json:
    """Return the whole response."""
    return _Response(reply, model).snapshot("completed")


def frames(reply: Reply, model: str, _body: Json) -> Iterator[Frame]:
    """Yield the events of a streamed response."""
    response = _Response(reply, model)
    yield response.event("response.created", response=response.snapshot("in_progress"))
    yield response.event("response.in_progress", response=response.snapshot("in_progress"))
    if reply.chunks:
        yield from response.message_frames()
    if reply.tool_call is not None:
        yield from response.call_frames()
    yield response.event("response.completed", response=response.snapshot("completed"))


class _Response:
    """One response with its ids, which must be the same in every event."""

    def __init__(self, reply: Reply, model: str) -> None:
        self._reply = reply
        self._model = model
        padding = "f" * 150 if "long-ids" in reply.quirks else ""  # about 190 characters
        self._id = new_id("resp_") + padding
        self._message_id = new_id("msg_") + padding
        self._item_id = new_id("fc_") + padding
        self._call_id = new_id("call_", 24)
        self._created = int(time.time())
        self._sequence = itertools.count()

    def event(self, name: str, **data: Any) -> Frame:
        return event(name, {"type": name, "sequence_number": next(self._sequence), **data})

    def snapshot(self, status: str) -> Json:
        is_complete = status == "completed"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": self._output() if is_complete else [],
            "parallel_tool_calls": False,
            "store": False,
            "usage": self._usage() if is_complete else None,
        }

    def message_frames(self) -> Iterator[Frame]:
        position = {"item_id": self._message_id, "output_index": 0, "content_index": 0}
        empty = {"type": "output_text", "text": "", "annotations": []}
        item = {**self._message(), "status": "in_progress", "content": []}
        yield self.event("response.output_item.added", output_index=0, item=item)
        yield self.event("response.content_part.added", **position, part=empty)
        pause_seconds = self._reply.pause_seconds
        for chunk in self._reply.chunks:
            delta = self.event("response.output_text.delta", **position, delta=chunk)
            yield replace(delta, pause_seconds=pause_seconds)
        text = self._reply.text
        yield self.event("response.output_text.done", **position, text=text)
        yield self.event("response.content_part.done", **position, part={**empty, "text": text})
        yield self.event("response.output_item.done", output_index=0, item=self._message())

    def call_frames(self) -> Iterator[Frame]:
        call = self._call()
        index = 1 if self._reply.chunks else 0
        position = {"item_id": self._item_id, "output_index": index}
        item = {**call, "status": "in_progress", "arguments": ""}
        yield self.event("response.output_item.added", output_index=index, item=item)
        arguments = call["arguments"]
        yield self.event("response.function_call_arguments.delta", **position, delta=arguments)
        yield self.event("response.function_call_arguments.done", **position, arguments=arguments)
        yield self.event("response.output_item.done", output_index=index, item=call)

    def _output(self) -> list[Json]:
        message = [self._message()] if self._reply.chunks else []
        if self._reply.pages is not None:
            search = {"type": "web_search_call", "id": new_id("ws_"), "status": "completed"}
            message = [search, *message]
        return message + ([self._call()] if self._reply.tool_call else [])

    def _message(self) -> Json:
        cited = [
            {"type": "url_citation", "url": page["url"], "title": page["title"]}
            for page in self._reply.pages or ()
        ]
        part = {"type": "output_text", "text": self._reply.text, "annotations": cited}
        return {
            "type": "message",
            "id": self._message_id,
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }

    def _call(self) -> Json:
        call = self._reply.tool_call
        return {
            "type": "function_call",
            "id": self._item_id,
            "status": "completed",
            "call_id": self._call_id,
            "name": call.name if call else "",
            "arguments": call.arguments_json() if call else "{}",
        }

    def _usage(self) -> Json:
        input_tokens, output_tokens = self._reply.input_tokens, self._reply.output_tokens()
        return {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output_tokens,
        }


DIALECT = Dialect(RESPONSES, parse, render, frames)

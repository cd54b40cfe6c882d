"""Gemini: ``POST …/models/{model}:generateContent`` and ``:streamGenerateContent?alt=sse``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .catalog import GEMINI
from .script import (
    Conversation,
    Dialect,
    Frame,
    Json,
    Reply,
    Tool,
    ToolCall,
    Turn,
    data_event,
    new_id,
    objects,
)


def parse(body: Json) -> Conversation:
    """Return the conversation of a generateContent request."""
    turns = [turn for content in objects(body.get("contents")) for turn in _turns(content)]
    tools = [
        Tool.of(function, "parametersJsonSchema", "parameters")
        for tool in objects(body.get("tools"))
        for function in objects(tool.get("functionDeclarations"))
    ]
    config = body.get("generationConfig") or {}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    stops = tuple(config.get("stopSequences") or ())
    return Conversation(tuple(turns), tuple(tools), stops, schema)


def _turns(content: Json) -> Iterator[Turn]:
    parts = objects(content.get("parts"))
    for part in parts:
        if "functionResponse" in part:
            yield Turn("tool", _result_text(part["functionResponse"].get("response")))
    text = "\n".join(str(part["text"]) for part in parts if "text" in part)
    if text:
        yield Turn("assistant" if content.get("role") == "model" else "user", text)


def _result_text(response: object) -> str:
    if isinstance(response, dict):
        keys = ("output", "result", "content", "error")
        output = next((response[key] for key in keys if key in response), None)
        return output if isinstance(output, str) else json.dumps(response)
    return str(response)


def render(reply: Reply, model: str) -> Json:
    """Return the whole response."""
    parts: list[Json] = [{"text": reply.text}] if reply.chunks else []
    if reply.tool_call is not None:
        parts.append(_call_part(reply.tool_call, reply.quirks))
    return _response(reply, model, parts, "STOP")


def frames(reply: Reply, model: str, _body: Json) -> Iterator[Frame]:
    """Yield the partial responses of a stream; the last one has the finish reason."""
    for text in reply.chunks:
        yield data_event(_response(reply, model, [{"text": text}]), reply.pause_seconds)
    call = reply.tool_call
    last = [_call_part(call, reply.quirks)] if call is not None else [{"text": ""}]
    yield data_event(_response(reply, model, last, "STOP"))


def _call_part(call: ToolCall, quirks: frozenset[str]) -> Json:
    part = {"functionCall": {"id": new_id("", 8), "name": call.name, "args": call.arguments}}
    return {**part, "thoughtSignature": new_id("")} if "signatures" in quirks else part


def _response(reply: Reply, model: str, parts: list[Json], finish: str | None = None) -> Json:
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish is not None:
        candidate["finishReason"] = finish
    prompt, candidates = reply.input_tokens, reply.output_tokens()
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": prompt,
            "candidatesTokenCount": candidates,
            "totalTokenCount": prompt + candidates,
        },
        "modelVersion": model,
        "responseId": new_id(""),
    }


DIALECT = Dialect(GEMINI, parse, render, frames)

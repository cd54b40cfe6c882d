"""JSON-RPC messages as MCP has them: one object a request.

Source: modelcontextprotocol.io, specification 2025-11-25, ``basic/transports``.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
SERVER_ERROR = -32000
ENCODED_AT_ONCE = 50
# Newest first.  The later ones have no ``initialize``.
VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")


class MessageError(Exception):
    """A body is not one JSON-RPC message; the text says why."""


@dataclass(frozen=True)
class Message:
    """One message of a client; ``body`` is as it was sent.

    A request has a method and an id, a notification a method alone, a response an id alone.
    """

    method: str
    id: str | int | None
    params: Json
    body: bytes

    @property
    def is_request(self) -> bool:
        """Whether an answer is expected."""
        return bool(self.method) and self.id is not None

    @property
    def tool(self) -> str:
        """The tool that is called, '' if none is."""
        return str(self.params.get("name", "")) if self.method == "tools/call" else ""


def parse_message(body: bytes) -> Message:
    """Return the message in a body.  Raises MessageError."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise MessageError("The body is not JSON.") from None
    if not isinstance(content, dict) or content.get("jsonrpc") != "2.0":
        raise MessageError("Send one JSON-RPC 2.0 message; batches are not supported.")
    method, params = content.get("method", ""), content.get("params") or {}
    number = content.get("id")
    if not isinstance(method, str) or not isinstance(params, dict):
        raise MessageError("The method is not a string, or the params are not an object.")
    if not isinstance(number, str | int | None) or isinstance(number, bool):
        raise MessageError("The id is neither a string nor an integer.")
    if not method and not ("result" in content or "error" in content):
        raise MessageError("The message is not a request, notification or response.")
    return Message(method, number, params, body)


def request(method: str, number: str | int, params: Mapping[str, Any]) -> Json:
    """Return a request of ours."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)}


def notification(method: str, params: Mapping[str, Any] | None = None) -> Json:
    """Return a notification of ours."""
    return {"jsonrpc": "2.0", "method": method, **({"params": dict(params)} if params else {})}


def result(number: str | int | None, content: Mapping[str, Any]) -> bytes:
    """Return an answer."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": dict(content)}).encode()


def listing(number: str | int | None, tools: bytes) -> bytes:
    """Return the answer to ``tools/list`` with a list that is encoded already."""
    head = json.dumps({"jsonrpc": "2.0", "id": number}).encode()
    return b'%s, "result": {"tools": %s}}' % (head[:-1], tools)


async def encoded(items: Sequence[Json]) -> bytes:
    """Return a list as JSON; thousands of tools would take the loop tens of milliseconds."""
    parts: list[bytes] = []
    for number, item in enumerate(items, 1):
        parts.append(json.dumps(item).encode())
        if number % ENCODED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return b"[%s]" % b", ".join(parts)


def error(number: str | int | None, code: int, message: str) -> bytes:
    """Return an error, which agents show to their model or their user."""
    content = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": content}).encode()


def as_event(message: bytes) -> bytes:
    """Return a message as an event of a stream."""
    return b"event: message\ndata: " + message + b"\n\n"


def negotiated(wanted: object) -> str:
    """Return the version to speak with a client that wants one."""
    return wanted if isinstance(wanted, str) and wanted in VERSIONS else VERSIONS[0]

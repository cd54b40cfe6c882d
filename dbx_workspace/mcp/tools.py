"""What an MCP server is made of here: tools with their schemas, and results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class ToolError(Exception):
    """A tool cannot do what it was called for; the text is for the model that called it."""


@dataclass(frozen=True)
class Tool:
    """A tool; ``run`` gets the arguments, in a thread, and returns the structured result.

    ``properties`` are the schemas of its arguments, of which all but ``optional`` are required.
    """

    name: str
    description: str
    properties: Mapping[str, Json]
    run: Callable[[Json], Json]
    reads_only: bool = True
    optional: frozenset[str] = field(default_factory=frozenset)

    def listed(self) -> Json:
        """Return its entry in the list of tools."""
        required = [name for name in self.properties if name not in self.optional]
        schema = {"type": "object", "properties": dict(self.properties), "required": required}
        hints = {"readOnlyHint": self.reads_only, "destructiveHint": not self.reads_only}
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": schema,
            "annotations": hints,
        }

    def call(self, arguments: Json) -> Json:
        """Return the result of a call, a failed one included."""
        missing = [
            name for name in self.listed()["inputSchema"]["required"] if name not in arguments
        ]
        try:
            if missing:
                raise ToolError(f"The argument {missing[0]} is missing.")
            content = self.run(arguments)
        except ToolError as error:
            return {"content": [_text(str(error))], "isError": True}
        return {
            "content": [_text(json.dumps(content))],
            "structuredContent": content,
            "isError": False,
        }


TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}


@dataclass(frozen=True)
class ToolServer:
    """An MCP server; ``scope`` is the API scope that it needs."""

    name: str
    scope: str
    tools: tuple[Tool, ...]

    def tool(self, name: object) -> Tool | None:
        """Return a tool by name."""
        return next((tool for tool in self.tools if tool.name == name), None)


def _text(text: str) -> Json:
    return {"type": "text", "text": text}

"""A rule, the call that it checks, and the platform's forms of a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...platform_errors import PlatformError
from ..catalog import CHAT
from ..script import Json, objects
from .families import Family, family_of

_PICTURE_TYPES = ("image_url", "input_image", "image")
_PICTURE_KEYS = ("inlineData", "inline_data")


@dataclass(frozen=True)
class ModelCall:
    """A request for a model's answer; ``api_type`` is its dialect."""

    api_type: str
    model: str
    body: Json
    is_gateway: bool = True
    raw: bytes = b""

    @cached_property
    def family(self) -> Family:
        """The model's family."""
        return family_of(self.model)

    def is_chat_of(self, *vendors: str) -> bool:
        """Whether a model of one of these vendors is called in chat completions."""
        return self.api_type == CHAT and self.family.vendor in vendors

    @property
    def messages(self) -> list[Json]:
        """The messages of the chat and Anthropic dialects."""
        return objects(self.body.get("messages"))

    @property
    def tools(self) -> list[Json]:
        """The tools, as the dialect declares them."""
        return objects(self.body.get("tools"))

    @property
    def input_items(self) -> list[Json]:
        """The items of the Responses dialect."""
        return objects(self.body.get("input"))

    @property
    def functions(self) -> list[Json]:
        """The functions that a chat request declares."""
        return [t["function"] for t in self.tools if isinstance(t.get("function"), dict)]

    @property
    def most_output_tokens(self) -> int | None:
        """The number of output tokens that the request allows, None without a limit."""
        config = self.body.get("generationConfig")
        places = (
            (self.body, "max_tokens"),
            (self.body, "max_completion_tokens"),
            (self.body, "max_output_tokens"),
            (config if isinstance(config, dict) else {}, "maxOutputTokens"),
        )
        found = (place.get(key) for place, key in places)
        return next((n for n in found if isinstance(n, int)), None)

    @cached_property
    def pictures(self) -> int:
        """The number of pictures in the conversation."""
        said = [self.body.get(key) for key in ("messages", "input", "contents")]
        return sum(
            1
            for part in _objects_in(said)
            if part.get("type") in _PICTURE_TYPES or any(key in part for key in _PICTURE_KEYS)
        )

    @property
    def cache_marks(self) -> int:
        """The number of marks of Anthropic's prompt cache."""
        return sum(1 for key, _path in keys_in(self.body) if key == "cache_control")

    def refusal(self, text: str, status: int = 400, param: str | None = None) -> PlatformError:
        """Return a vendor's refusal as the platform hands it on: its JSON in our ``message``.

        The forms are those in the reports: Claude's as Bedrock's, the serving layer's own with a
        gRPC status (databricks-sdk-go#1183), the gateway's with INVALID_ARGUMENT (mlflow#25359).
        """
        match self.family.vendor:
            case "claude":
                return PlatformError(status, "BAD_REQUEST", json.dumps({"message": text}))
            case "gpt":
                kind = "invalid_request_error"
                openai = {"message": text, "type": kind, "param": param, "code": None}
                return PlatformError(status, "BAD_REQUEST", json.dumps({"error": openai}, indent=2))
            case "gemini":
                google = {"code": status, "message": text, "status": "INVALID_ARGUMENT"}
                return PlatformError(status, "BAD_REQUEST", json.dumps([{"error": google}]))
        if self.is_gateway:
            return PlatformError(status, "INVALID_ARGUMENT", text)
        prefix = "Bad request: rpc error: code = InvalidArgument desc = "
        return PlatformError(status, "BAD_REQUEST", prefix + text)


Check = Callable[[ModelCall], PlatformError | None]


@dataclass(frozen=True)
class Rule:
    """One refusal; ``source`` is where it was reported or documented.

    A rule without ``check`` changes answers or routes instead; who builds those asks the book.
    """

    name: str
    source: str
    check: Check = lambda _call: None
    is_on: bool = True


def _objects_in(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _objects_in(inner)


def keys_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key in nested JSON, with the path of the object that has it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key), path
            yield from keys_in(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from keys_in(inner, f"{path}[{index}]")

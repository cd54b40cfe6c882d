"""Rules made up at random: halved caps, and fields that nobody else refuses.

They are the same for one seed, so that a client may learn them; a client that only knows the real
rules gets a refusal in the vendors' words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from ...platform_errors import PlatformError
from .limits import cap_of, cap_refusal
from .rule import ModelCall

# One field in so many is refused.
_ONE_IN = 5
# What a conversation is made of; and what each dialect requires.
_NEEDED = frozenset(
    (
        "model", "messages", "input", "contents", "system", "systemInstruction", "instructions",
        "role", "content", "parts", "type", "text", "name", "description", "tools", "function",
        "functions", "functionDeclarations", "parameters", "parametersJsonSchema", "input_schema",
        "tool_calls", "id", "call_id", "tool_use_id", "tool_call_id", "arguments", "args",
        "functionCall", "functionResponse", "response", "output", "stream", "max_tokens",
        "generationConfig", "custom", "format", "store", "thoughtSignature", "encrypted_content",
        "summary", "source", "data", "media_type", "image_url", "url", "mimeType", "inlineData",
    )
)  # fmt: skip
# What is not looked into: schemas have their own words, and calls the tools'.
_CLOSED = frozenset(
    (
        "parameters", "parametersJsonSchema", "input_schema", "arguments", "args", "response",
        "output", "format",
    )
)  # fmt: skip


def refusal(call: ModelCall, seed: int) -> PlatformError | None:
    """Return the refusal of a call by the rules of a seed, None if they let it pass."""
    wanted, cap = call.most_output_tokens, cap_of(call.model, call.family)
    if wanted is not None and cap is not None and wanted > cap // 2:
        return cap_refusal(call, wanted, cap // 2)
    for key, path in _fields(call.body):
        if _is_refused(seed, call.family.vendor, key):
            return _unknown(call, key, path)
    return None


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        is_call = value.get("type") == "tool_use"
        for key, inner in value.items():
            place = f"{path}.{key}".strip(".")
            if key not in _NEEDED:
                yield key, place
            if key not in _CLOSED and not (is_call and key == "input"):
                yield from _fields(inner, place)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _fields(inner, f"{path}.{index}")


def _is_refused(seed: int, vendor: str, key: str) -> bool:
    digest = hashlib.sha256(f"{seed} {vendor} {key}".encode()).digest()
    return digest[0] % _ONE_IN == 0


def _unknown(call: ModelCall, key: str, path: str) -> PlatformError:
    match call.family.vendor:
        case "claude":
            return call.refusal(f"{path}: Extra inputs are not permitted")
        case "gpt":
            return call.refusal(f"Unknown parameter: '{path}'.", param=path)
        case "gemini":
            place, _, _ = path.rpartition(".")
            return call.refusal(
                f"Invalid JSON payload received. Unknown name \"{key}\" at '{place}': Cannot find "
                "field."
            )
    return call.refusal(f'json: unknown field "{key}"')

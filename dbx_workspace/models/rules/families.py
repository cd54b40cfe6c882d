"""The family and version in a model's name, as far as rules depend on them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The first that occurs in a name counts; a service of one's own has other words before it.
_VENDORS = (
    "claude",
    "gpt-oss",
    "gpt",
    "gemini",
    "gemma",
    "llama",
    "qwen",
    "kimi",
    "glm",
    "inkling",
)
_VERSION = re.compile(r"[a-z]?(\d{1,2})(?:[-.](\d{1,2}))?(?![\da-z])")


@dataclass(frozen=True)
class Family:
    """A vendor's line of models, '' if unknown; ``version`` is (0, 0) if the name has none."""

    vendor: str
    line: str = ""
    version: tuple[int, int] = (0, 0)


def family_of(name: str) -> Family:
    """Return the family of a model, such as ``claude``, ``opus``, (4, 7)."""
    for vendor in _VENDORS:
        _, found, rest = name.partition(vendor)
        if found:
            match = _VERSION.search(rest)
            version = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
            words = [word for word in re.split(r"[-.]", rest) if word.isalpha()]
            return Family(vendor, words[0] if words else "", version)
    return Family("")

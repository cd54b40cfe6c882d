"""Conversations that are files of JSON lines, as Claude Code, Codex and Gemini CLI write them.

Agents' formats are their own and change: what is not understood is skipped.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .kept import Conversation, as_mapping

_TITLE_CHARACTERS = 80
# Blocks and messages that agents add by themselves.
_ADDED = ("<", "# AGENTS.md", "[Request interrupted")
_CACHED = 2000
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What a line says of its conversation; '' for nothing.

    ``title`` is one that the agent or its user gave; ``said`` is a message's text, ``is_users``
    whether it is a prompt.
    """

    id: str = ""
    folder: str = ""
    title: str = ""
    said: str = ""
    is_users: bool = False


# What a line of an agent's transcript says.
Reader = Callable[[Line], Facts]


def conversations(
    home: Path, pattern: str, reader: Reader, *, folder_of: Callable[[Path], str] = lambda _: ""
) -> Iterator[Conversation]:
    """Yield the conversations in the files of a pattern; those without a prompt are left out."""
    for path in home.glob(pattern):
        try:
            status = path.stat()
            found = _read(path, status.st_mtime_ns, status.st_size, reader)
        except OSError:
            continue
        if found.said or found.title:
            yield Conversation(
                found.id or path.stem,
                found.title or shortened(found.said),
                found.folder or folder_of(path),
                status.st_mtime,
                functools.partial(_texts, path, reader),
            )


@functools.lru_cache(maxsize=_CACHED)
def _read(path: Path, _modified_ns: int, _size: int, reader: Reader) -> Facts:
    """Return what a file says of its conversation: the first prompt, and the last title."""
    known = Facts()
    for line in _lines(path):
        now = reader(line)
        prompt = now.said if now.is_users and not now.said.startswith(_ADDED) else ""
        known = Facts(
            known.id or now.id,
            known.folder or now.folder,
            now.title or known.title,
            known.said or prompt,
        )
    return known


def _texts(path: Path, reader: Reader) -> Iterator[str]:
    for line in _lines(path):
        if said := reader(line).said:
            yield said


def _lines(path: Path) -> Iterator[Line]:
    try:
        with path.open("rb") as file:
            for raw in file:
                try:
                    line = json.loads(raw)
                except ValueError:  # it is being written
                    continue
                if isinstance(line, dict):
                    yield line
    except OSError:
        return


def text_of(content: object) -> str:
    """Return the text of a message's content: a string, or a list of parts with texts."""
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else []
    texts = (as_mapping(part).get("text", "") for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str)).strip()


def shortened(text: str) -> str:
    """Return the first words of a text."""
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[: _TITLE_CHARACTERS - 1]}…"


def newest_first(found: Iterable[Conversation]) -> list[Conversation]:
    """Return conversations in the order in which people look for them."""
    return sorted(found, key=lambda each: -each.at)

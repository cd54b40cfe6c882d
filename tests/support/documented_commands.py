"""The shell commands of README and docs: each is run by the test that its kind belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# Of each kind, the words it begins with, and the test that runs it.
KINDS = {
    "make ": "tests/test_documentation.py",
    "jupyter dbx-agents ": "tests/demo/test_documented_commands.py",
    "python -m ": "tests/deployment/test_documented_commands.py",
    "databricks ": "tests/deployment/test_documented_commands.py",
    "cp ": "tests/deployment/test_documented_commands.py",
    "cd ": "tests/deployment/test_documented_commands.py",
}


@dataclass(frozen=True)
class Section:
    """What one section of a page tells to type, in order."""

    page: str
    title: str
    commands: tuple[str, ...]


def sections() -> Iterator[Section]:
    """Every section with commands."""
    for page in PAGES:
        for part in re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.M):
            blocks = re.findall(r"^```sh\n(.*?)^```", part, flags=re.M | re.S)
            commands = [line for block in blocks for line in block.splitlines() if line]
            if commands:
                yield Section(page.name, part.partition("\n")[0], tuple(commands))


def commands_of(start: str) -> list[str]:
    """Every command that begins with these words, comments taken off."""
    found = [command for section in sections() for command in section.commands]
    return [c.partition("  #")[0].strip() for c in found if c.startswith(start)]

"""``jupyter dbx-agents skills …``: Databricks' CLI and skills, brought up to date."""

from __future__ import annotations

import argparse
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import RemoteError
from ..local_channel.client import call
from ..local_channel.paths import DATABRICKS_PATH

if TYPE_CHECKING:
    from ..agents.databricks.tools import CliStatus, ToolsStatus

POLL_SECONDS = 0.3
SHOWN_CHARACTERS = 80
# Whose a skill is.
SOURCES = {"databricks": "Databricks", "company": "company", "yours": "yours", "app": "this app"}
Lines = Iterator[str]


def add_skills_command(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add ``skills`` with its own commands; each sets ``lines``, which ``run`` prints."""
    text = "list the skills that agents have, or bring them and the Databricks CLI up to date"
    parser = commands.add_parser("skills", help=text, description=text)
    parser.set_defaults(run=run, lines=list_lines, names=[])
    ours = parser.add_subparsers(metavar="COMMAND")
    for name, lines, help_text in (
        ("list", list_lines, "list the Databricks CLI and the skills"),
        ("update", update_lines, "install the CLI if it is missing, and fetch the skills again"),
    ):
        ours.add_parser(name, help=help_text, description=help_text).set_defaults(lines=lines)


def list_lines(_names: list[str]) -> Lines:
    """Show what there is."""
    yield from _lines(call("GET", DATABRICKS_PATH))


def update_lines(_names: list[str]) -> Lines:
    """Bring everything up to date and show it.  Raises RemoteError for what cannot be had."""
    call("POST", DATABRICKS_PATH)
    while (status := call("GET", DATABRICKS_PATH))["is_updating"]:
        time.sleep(POLL_SECONDS)
    yield from _lines(status)
    problems = [each for each in (status["cli"], *status["problems"]) if each["message"]]
    if problems:
        raise RemoteError("\n".join(f"{each['message']} {each['hint']}" for each in problems))


def _lines(status: ToolsStatus) -> Lines:
    yield f"Databricks CLI  {_cli(status['cli'])}"
    for skill in status["skills"]:
        description = textwrap.shorten(skill["description"], SHOWN_CHARACTERS, placeholder=" …")
        yield f"{SOURCES[skill['source']]:12}{skill['name']:34} {description}"
    for problem in status["problems"]:
        yield f"{'':12}{problem['message']} {problem['hint']}"


def _cli(cli: CliStatus) -> str:
    if cli["version"]:
        return f"{cli['version']} ({cli['program']})"
    return f"not installed. {cli['message']} {cli['hint']}".rstrip()

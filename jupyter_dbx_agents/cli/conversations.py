"""``jupyter dbx-agents conversations``: list, search and resume what was said with the agents."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from ..local_channel.client import call
from ..local_channel.paths import CONVERSATIONS_PATH

Lines = Iterator[str]


def add_conversations_command(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add ``conversations`` with its own commands; each sets ``lines``, which ``run`` prints."""
    text = "list the agents' conversations, also those of former starts; search and resume them"
    parser = commands.add_parser("conversations", help=text, description=text)
    parser.set_defaults(run=run, lines=list_lines, names=[])
    ours = parser.add_subparsers(metavar="COMMAND")
    ours.add_parser("list", help="list all, the newest first").set_defaults(lines=list_lines)
    text = "list those in which a text was said"
    search = ours.add_parser("search", help=text, description=text)
    search.add_argument("names", nargs="+", metavar="TEXT", help="the text; case does not matter")
    search.set_defaults(lines=search_lines)
    text = "resume one in a new terminal, by its agent"
    resume = ours.add_parser("resume", help=text, description=text)
    resume.add_argument("names", nargs=1, metavar="ID", help="its id, as listed")
    resume.set_defaults(lines=resume_lines)


def list_lines(_names: list[str]) -> Lines:
    """Show all conversations."""
    yield from _lines(call("GET", CONVERSATIONS_PATH)["conversations"])


def search_lines(names: list[str]) -> Lines:
    """Show the conversations that have a text."""
    body = {"text": " ".join(names)}
    yield from _lines(call("POST", f"{CONVERSATIONS_PATH}/search", body)["conversations"])


def resume_lines(names: list[str]) -> Lines:
    """Resume a conversation.  Raises RemoteError if there is no such one."""
    terminal = call("POST", f"{CONVERSATIONS_PATH}/resume", {"id": names[0]})["terminal"]
    yield f"It is resumed in terminal {terminal}."


def _lines(conversations: list[dict[str, str]]) -> Lines:
    for each in conversations:
        yield f"{each['at'][:16].replace('T', ' ')}  {each['agent']:12}  {each['title']}"
        yield f"{'':18}{'':14}{each['folder']}  {each['id']}"
    if not conversations:
        yield "No conversation."

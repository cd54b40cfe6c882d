"""``jupyter dbx-agents mcp …``: list, add, switch, remove and check MCP servers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..environment import current_environment
from ..errors import RequestError
from ..local_channel.client import call
from ..local_channel.paths import MCP_PATH

if TYPE_CHECKING:
    from ..agents.mcp.servers import McpServerModel

Lines = Iterator[str]


def add_mcp_command(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add ``mcp`` with its own commands; each sets ``lines``, which ``run`` prints."""
    text = "list the MCP servers that all agents are offered; add, switch, remove and check them"
    parser = commands.add_parser("mcp", help=text, description=text)
    parser.set_defaults(run=run, lines=list_lines, names=[])
    ours = parser.add_subparsers(metavar="COMMAND")
    for name, lines, help_text in (
        ("list", list_lines, "list all servers"),
        (
            "add",
            add_lines,
            "add a path or URL of the workspace, another URL, or a command; options come first",
        ),
        ("enable", enable_lines, "turn on for all agents"),
        ("disable", disable_lines, "turn off for all agents"),
        ("remove", remove_lines, "remove servers that you added"),
        ("check", check_lines, "ask servers for their tools now"),
    ):
        command = ours.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(lines=lines)
        if name == "add":
            _add_arguments_of_add(command, run)
        elif name != "list":
            command.add_argument("names", nargs="+", metavar="SERVER")


def _add_arguments_of_add(
    command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]
) -> None:
    """Add what a foreign server may need; a secret need not stand in the process list."""
    command.add_argument("names", nargs="+", metavar="NAME ADDRESS")
    for option, metavar, help_text in (
        ("--header", "NAME=VALUE", "a header for a server with a URL"),
        ("--header-env", "NAME=VARIABLE", "a header whose value is that of a variable, now"),
        ("--env", "NAME[=VALUE]", "a variable for a command; without a value, its value now"),
    ):
        command.add_argument(option, action="append", default=[], metavar=metavar, help=help_text)

    def run_add(options: argparse.Namespace) -> int:
        options.lines = partial(
            add_lines,
            headers=[*options.header, *map(_from_variable, options.header_env)],
            variables=options.env,
        )
        return run(options)

    command.set_defaults(run=run_add)


def list_lines(_names: list[str]) -> Lines:
    """Show all servers."""
    for server in call("GET", MCP_PATH)["servers"]:
        yield from _described(server)


def add_lines(
    words: list[str], headers: Sequence[str] = (), variables: Sequence[str] = ()
) -> Lines:
    """Add a server by its name and address; more words are a command's arguments.

    ``headers`` are ``NAME=VALUE``, and ``variables``, too, or a name alone.
    """
    name, address, *arguments = [*words, ""] if len(words) == 1 else words
    if not address:
        raise RequestError("The address is missing.", f"jupyter dbx-agents mcp add {name} ADDRESS")
    server: dict[str, Any] = {"command": address, "args": arguments}
    if address.startswith("/api/") or address.startswith("/ai-gateway/"):
        server = {"path": address}
    elif "://" in address:
        server = {"url": address}
    if headers:
        server["headers"] = dict(map(_pair, headers))
    if variables:
        server["env"] = dict(
            _pair(word if "=" in word else _from_variable(f"{word}={word}")) for word in variables
        )
    yield from _described(call("POST", MCP_PATH, {"name": name, **server}))
    yield "Agents that run now see it after a restart."


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise RequestError("A header or a variable has no value.", "Give it as NAME=VALUE.")
    return name, value


def _from_variable(word: str) -> str:
    """Return ``NAME=VALUE`` for ``NAME=VARIABLE``.  Raises RequestError."""
    name, variable = _pair(word)
    value = current_environment().get(variable, "")
    if not value:
        raise RequestError(
            f"The variable {variable} is not set.",
            f"Set it without a trace in the history: read -rs {variable} && export {variable}",
        )
    return f"{name}={value}"


def enable_lines(names: list[str]) -> Lines:
    """Switch servers on."""
    for name in names:
        yield from _described(call("PATCH", f"{MCP_PATH}/{name}", {"enabled": True}))


def disable_lines(names: list[str]) -> Lines:
    """Switch servers off."""
    for name in names:
        call("PATCH", f"{MCP_PATH}/{name}", {"enabled": False})
        yield f"Turned off {name}; agents that run now have it until they end."


def remove_lines(names: list[str]) -> Lines:
    """Remove servers."""
    for name in names:
        call("DELETE", f"{MCP_PATH}/{name}")
        yield f"Removed {name}."


def check_lines(names: list[str]) -> Lines:
    """Ask servers for their tools."""
    for name in names:
        yield from _described(call("POST", f"{MCP_PATH}/{name}/check"))


def _described(server: McpServerModel) -> Lines:
    tools = f"{server['tools']} tools" if server["state"] in {"ready", "failed"} else ""
    marks = ", ".join(filter(None, (tools, "read-only" if server["read_only"] else "")))
    yield f"{server['name']:15}{server['state']:9}{marks:21}{server['address']}"
    if server["message"] or server["hint"]:
        yield f"{'':15}{server['message']} {server['hint']}".rstrip()

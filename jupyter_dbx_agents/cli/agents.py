"""``jupyter dbx-agents agents …``: list the agents, switch, install, remove and check them.

An agent is named by its name or by its command.  Each has a model that can be chosen, and so can
what it asks before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import DbxAgentsError, RemoteError
from ..local_channel.client import call
from ..local_channel.paths import AGENTS_PATH, STATUS_PATH

if TYPE_CHECKING:
    from ..agents.roster import AgentStatus
    from ..lifecycle.startup import TaskStatus

POLL_SECONDS = 0.5
Lines = Iterator[str]
_APPROVALS_HINT = "Such as: jupyter dbx-agents agents approvals claude ask"
_SIGNS = {"ok": "ok      ", "warning": "warning ", "problem": "PROBLEM "}


def add_agents_command(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add ``agents`` with its own commands; each sets ``lines``, which ``run`` prints."""
    text = "list the agents; turn them on or off, install, remove and check them"
    parser = commands.add_parser("agents", help=text, description=text)
    parser.set_defaults(run=run, lines=list_lines, names=[])
    ours = parser.add_subparsers(metavar="COMMAND")
    for name, lines, help_text in (
        ("list", list_lines, "list all agents"),
        ("install", install_lines, "turn on and install, or retry (default: all that are on)"),
        ("enable", enable_lines, "turn on"),
        ("disable", disable_lines, "turn off: remove our settings, keep the program"),
        ("remove", remove_lines, "turn off and delete the program"),
        ("doctor", doctor_lines, "check and suggest fixes (default: all that are on)"),
    ):
        command = ours.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(lines=lines)
        if name != "list":
            needs_names = name in {"enable", "disable", "remove"}
            command.add_argument("names", nargs="+" if needs_names else "*", metavar="AGENT")
    text = "show an agent's model, or choose another one"
    model = ours.add_parser("model", help=text, description=text)
    model.add_argument(
        "names", nargs="+", metavar="AGENT [MODEL]", help="“default” for MODEL: as configured"
    )
    model.set_defaults(lines=model_lines)
    text = "show what the agents ask before, or choose it for one or for all"
    kinds = "own, ask, edits or everything; “default”: as configured"
    approvals = ours.add_parser("approvals", help=text, description=text)
    approvals.add_argument("names", nargs="*", metavar="[AGENT] [KIND]", help=kinds)
    approvals.set_defaults(lines=approvals_lines)


def approvals_lines(words: list[str]) -> Lines:
    """Show or choose what one agent asks before, or all.  Raises DbxAgentsError."""
    agents = {name: agent for agent in _agents() for name in (agent["name"], agent["command"])}
    names, kinds = [w for w in words if w in agents], [w for w in words if w not in agents]
    if len(names) > 1 or len(kinds) > 1:
        raise DbxAgentsError("Name one agent or none, and one kind.", _APPROVALS_HINT)
    path = f"{AGENTS_PATH}/{agents[names[0]]['name']}" if names else AGENTS_PATH
    if kinds:
        chosen = None if kinds[0] == "default" else kinds[0]
        answer = call("PATCH", path, {"approvals": chosen})
        yield "This holds for new sessions:"
    else:
        answer = call("GET", path)
    for agent in answer.get("agents", [answer]):
        yield f"{agent['name']:13}{approvals_text(agent)}"


def approvals_text(agent: AgentStatus) -> str:
    """Return what an agent asks before, as a word and a sentence."""
    approvals = agent["approvals"]
    said = " ".join(filter(None, (approvals["note"], approvals["text"])))
    return f"{approvals['holds']:12}{said}"


def model_lines(words: list[str]) -> Lines:
    """Show or choose an agent's model.  Raises DbxAgentsError for too many words."""
    (name,), (model, *_) = _named(words[:1]), (*words[1:], "")
    if len(words) > 2:  # noqa: PLR2004  # an agent and a model
        raise DbxAgentsError("A model's name is one word.", f"Unexpected: {' '.join(words[2:])}")
    path = f"{AGENTS_PATH}/{name}"
    if not model:
        agent = call("GET", path)
        yield f"{agent['title']} uses {agent['model']}."
        return
    agent = call("PATCH", path, {"model": None if model == "default" else model})
    yield f"New sessions of {agent['title']} use {agent['model']}."
    if agent["message"]:
        yield f"{agent['message']} {agent['hint']}"


def list_lines(_names: list[str]) -> Lines:
    """Show all agents."""
    for agent in _agents():
        state = "on" if agent["enabled"] else "off"
        program = "installed" if agent["installed"] else "not installed"
        yield (
            f"{agent['name']:13}{state:5}{agent['command']:10}{agent['version']:9} "
            f"{program:15}{agent['model']}"
        )
        if agent["message"]:
            yield f"{'':13}{agent['message']} {agent['hint']}"


def install_lines(names: list[str]) -> Lines:
    """Install agents and follow their progress.  Raises RemoteError when one fails."""
    wanted = _named(names) or [agent["name"] for agent in _agents() if agent["enabled"]]
    for name in wanted:
        call("POST", f"{AGENTS_PATH}/{name}/install")
    failed = []
    for name in wanted:
        for task in _progress(name):
            yield f"{name:13}{task['message'] or task['state']}"
        if task["state"] == "failed":
            failed.append(f"{task['message']} {task['hint']}")
    if failed:
        raise RemoteError("\n".join(failed))


def enable_lines(names: list[str]) -> Lines:
    """Switch agents on."""
    for name in _named(names):
        call("PATCH", f"{AGENTS_PATH}/{name}", {"enabled": True})
        yield f"Enabled {name}."


def disable_lines(names: list[str]) -> Lines:
    """Switch agents off."""
    for name in _named(names):
        call("PATCH", f"{AGENTS_PATH}/{name}", {"enabled": False})
        yield f"Disabled {name} and removed our settings from its files."


def remove_lines(names: list[str]) -> Lines:
    """Switch agents off and delete their programs."""
    for name in _named(names):
        call("DELETE", f"{AGENTS_PATH}/{name}")
        yield f"Removed {name}, and our settings from its files."


def doctor_lines(names: list[str]) -> Lines:
    """Check agents.  Raises DbxAgentsError when there is a problem."""
    problems = 0
    for name in _named(names) or [agent["name"] for agent in _agents() if agent["enabled"]]:
        for check in call("POST", f"{AGENTS_PATH}/{name}/check")["checks"]:
            problems += check["state"] == "problem"
            yield line_of(f"{name}: {check['name']}", check)
    if problems:
        raise DbxAgentsError(f"{problems} {'problem' if problems == 1 else 'problems'} found.")


def line_of(what: str, check: dict[str, Any]) -> str:
    """Return a check as a line; its hint only where there is something to do."""
    hint = check["hint"] if check["state"] != "ok" else ""
    return f"{_SIGNS[check['state']]}{what:24}{check['message']} {hint}".rstrip()


def _named(words: list[str]) -> list[str]:
    """Return agents' names, of which each may be given by its command; others as they are."""
    names = {agent["command"]: agent["name"] for agent in _agents()} if words else {}
    return [names.get(word, word) for word in words]


def _agents() -> list[AgentStatus]:
    return list(call("GET", AGENTS_PATH)["agents"])


def _progress(agent: str) -> Iterator[TaskStatus]:
    """Yield the states of an agent's installation, each once, to its end."""
    last: TaskStatus | None = None
    while True:
        tasks = call("GET", STATUS_PATH)["startup"]
        task = next(task for task in tasks if task["name"] == f"install-{agent}")
        if task != last:
            yield task
        last = task
        if task["state"] in {"done", "failed"}:
            return
        time.sleep(POLL_SECONDS)

"""Real agents in real terminals: each state within a second of its cause, and none left working."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.effort import IS_LONG
from tests.support.running_app import RunningApp, eventually
from tests.support.terminal_client import TerminalClient

from .test_real_agents import ONCE, READY, command_of, put

API = "/dbx-agents/api/attention"
AGENTS_API = "/dbx-agents/api/agents"
# One that reports in its terminal, and one with hooks; the others differ from these in their files.
# Other tests take the machine meanwhile; alone it is a second.
SOON = 1 if IS_LONG else 10
AGENTS = ["claude-code", "hermes", *(["codex", "gemini-cli", "opencode"] if IS_LONG else [])]
STREAM = "stream: 300 chunks every 100 ms"
DANGEROUS = "run: rm -rf made && touch made"
INTERRUPT = {"hermes": "\x03"}
# It asks for nothing unless it is told to.
START = {"opencode": """OPENCODE_PERMISSION='{"bash":"ask"}' opencode"""}
# What an agent that asks has on its screen when it takes an answer.
ASKS = {
    "claude-code": r"Do\s*you\s*want",
    "codex": r"Would\s*you\s*like|Yes,\s*proceed",
    "gemini-cli": r"Allow\s*once",
    "opencode": r"Allow\s*once",
    "hermes": r"Allow\s*once|once",
}


def session(app: RunningApp, terminal: TerminalClient) -> dict[str, Any]:
    """What is known of the agent in a terminal; empty if nothing is."""
    sessions = app.owner.json("GET", API)["attention"]
    return next((one for one in sessions if one["terminal"] == terminal.name), {})


def until(app: RunningApp, terminal: TerminalClient, *states: str, seconds: float = 60) -> None:
    """Wait for a state, taking all that comes: a screen that nobody takes stops its agent."""
    deadline = time.monotonic() + seconds
    while session(app, terminal).get("state") not in states:
        assert time.monotonic() < deadline, f"{states}: {session(app, terminal)}"
        take(terminal, 0.1)


def take(terminal: TerminalClient, seconds: float) -> None:
    """Take what a screen sends meanwhile."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        terminal.read(0.05)


def ask(app: RunningApp, terminal: TerminalClient, agent: str, question: str) -> None:
    """Type a question until its call has arrived at the workspace.

    A stream's own call, which is still open when one for the title of the turn before is over.
    """
    before = {call["number"] for call in calls(app, agent)}
    seen_open: set[int] = set()

    def has_arrived() -> bool:
        new = [call for call in calls(app, agent) if call["number"] not in before]
        are_open = {call["number"] for call in new if call["outcome"] == "open"}
        is_stream = bool(are_open & seen_open)
        seen_open.update(are_open)
        return is_stream if question == STREAM else bool(new)

    put(terminal, question, has_arrived)


def calls(app: RunningApp, agent: str) -> list[dict[str, Any]]:
    """The calls of an agent's turns: what is asked of the small model is a title."""
    every = app.calls(path=f"/ai-gateway{ONCE[agent][1]}")
    return [call for call in every if "haiku" not in (call["model"] or "")]


@contextlib.contextmanager
def screen(app: RunningApp, agent: str, command: str = "") -> Iterator[TerminalClient]:
    """An agent's screen that takes a question; ``command`` is what starts it, if not its own."""
    app.until_installed()
    app.log_in()
    with app.owner.terminal() as terminal:
        terminal.run("mkdir -p plain && cd plain")
        terminal.type(f"{command or command_of(agent)}\n")
        terminal.expect(READY[agent], 120)
        until(app, terminal, "idle", "done", seconds=10)
        yield terminal


@pytest.mark.timeout(600)
@pytest.mark.parametrize("agent", AGENTS)
def test_each_state_of_an_agent_is_known_soon(app: RunningApp, agent: str):
    with screen(app, agent, START.get(agent, "")) as terminal:
        ask(app, terminal, agent, STREAM)
        until(app, terminal, "working", seconds=SOON)
        interrupt(app, terminal, agent)

        with model_that_refuses(app):
            ask(app, terminal, agent, "fail")
            if agent != "hermes":  # it tries again and again
                until(app, terminal, "failed")
        until(app, terminal, "failed", "done", seconds=120)
        ask(app, terminal, agent, "hello")
        until(app, terminal, "done")

        ask(app, terminal, agent, DANGEROUS)
        until(app, terminal, "permission")
        terminal.expect(ASKS[agent], 30)
        press(app, terminal, "\r", "working", "done")
        until(app, terminal, "done")

        ask(app, terminal, agent, STREAM)
        until(app, terminal, "working", seconds=SOON)
        os.kill(process_of(session(app, terminal)["id"], agent), signal.SIGKILL)
        until(app, terminal, "failed", seconds=SOON)


# Two at the same time, the first one soon over.
SUB_AGENTS = (
    'tool: delegate_task {"tasks": [{"goal": "hello"}, {"goal": "stream: 60 chunks every 100 ms"}]}'
)


@pytest.mark.skipif(not IS_LONG, reason="what differs is the agent's own: make test-long")
@pytest.mark.timeout(600)
def test_hermes_works_in_a_turn_that_was_typed_ahead_and_while_its_sub_agents_do(app: RunningApp):
    with screen(app, "hermes") as terminal:
        ask(app, terminal, "hermes", STREAM)
        for _ in range(3):  # a new question interrupts; the bell of the old turn comes in the new
            until(app, terminal, "working", seconds=SOON)
            ask(app, terminal, "hermes", STREAM)
            take(terminal, 3)
            assert session(app, terminal)["state"] == "working"
        interrupt(app, terminal, "hermes")
        ask(app, terminal, "hermes", SUB_AGENTS)
        until(app, terminal, "working", seconds=SOON)
        terminal.until(lambda: is_open(app, "hermes"), 30)  # the second's
        while is_open(app, "hermes"):
            take(terminal, 0.2)
            assert session(app, terminal)["state"] == "working" or not is_open(app, "hermes")
        until(app, terminal, "done", seconds=30)


def interrupt(app: RunningApp, terminal: TerminalClient, agent: str) -> None:
    """Press Esc, or what it is here, while an agent works: soon it works no more."""
    if agent == "opencode":  # it wants it twice

        def is_given_up() -> bool:
            terminal.type("\x1b")
            take(terminal, 0.5)
            return not is_open(app, agent)

        eventually(is_given_up, 20, "the end of the call")
    else:
        terminal.type(INTERRUPT.get(agent, "\x1b"))
        terminal.until(lambda: not is_open(app, agent), 20)  # the call is given up
    until(app, terminal, "idle", "done", "failed", seconds=2)


def press(app: RunningApp, terminal: TerminalClient, key: str, *states: str) -> None:
    """Press a key until it counts: some take none in their first moment."""

    def is_taken() -> bool:
        terminal.type(key)
        with contextlib.suppress(AssertionError):
            until(app, terminal, *states, seconds=1)
        return session(app, terminal).get("state") in states

    eventually(is_taken, 60, f"{states} after {key!r}")


# A command that no agent takes for one that only reads or for one on files, and edits.
COMMAND = "run: python3 -m this > made.txt"
# Codex' sandbox refuses what writes; a model asks to be let out of it.
ESCALATED = (
    'tool: exec_command {"cmd": "python3 -m this > made.txt", '
    '"sandbox_permissions": "require_escalated", "justification": "to write"}'
)
# What Hermes asks before by itself.
DANGEROUS_COMMAND = "run: rm -rf made.txt && touch made.txt"
EDITS = {
    "claude-code": 'tool: Write {"file_path": "PATH", "content": "x"}',
    "gemini-cli": 'tool: write_file {"file_path": "PATH", "content": "x"}',
    "opencode": 'tool: write {"filePath": "PATH", "content": "x"}',
}
# One stands for all; the others differ in their settings.
ASKING = ["claude-code", *(["codex", "gemini-cli", "opencode", "hermes"] if IS_LONG else [])]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("agent", ASKING)
def test_an_agent_asks_before_what_the_owner_chose(app: RunningApp, agent: str):
    made = app.home / "projects" / "plain" / "made.txt"
    edit = EDITS.get(agent, "").replace("PATH", str(made)) if IS_LONG else ""
    app.log_in()
    possible = app.owner.json("GET", f"{AGENTS_API}/{agent}")["approvals"]["possible"]
    try:
        for approvals in ("ask", "edits") if IS_LONG else ("ask",):
            with chosen(app, agent, approvals, possible) as terminal:
                if terminal and edit:
                    does = asks_first if approvals == "ask" else just_does
                    does(app, terminal, agent, edit, made)
                if terminal:
                    asked = ESCALATED if agent == "codex" else COMMAND
                    asks_first(app, terminal, agent, asked, made)
        with chosen(app, agent, "everything", possible) as terminal:
            assert terminal
            free = DANGEROUS_COMMAND if agent == "hermes" else COMMAND
            just_does(app, terminal, agent, free, made)
    finally:
        app.owner.json("PATCH", AGENTS_API, {"approvals": None})


@contextlib.contextmanager
def chosen(
    app: RunningApp, agent: str, approvals: str, possible: list[str]
) -> Iterator[TerminalClient | None]:
    """A new session after a choice for all agents; None for an agent that says that it cannot."""
    agents = app.owner.json("PATCH", AGENTS_API, {"approvals": approvals})["agents"]
    (model,) = (one["approvals"] for one in agents if one["name"] == agent)
    if approvals not in possible:
        assert "cannot" in model["note"]
        yield None
        return
    assert (model["holds"], model["note"]) == (approvals, "")
    with screen(app, agent) as terminal:
        yield terminal


def asks_first(
    app: RunningApp, terminal: TerminalClient, agent: str, question: str, made: Path
) -> None:
    """An agent asks before it makes a file, and makes it when it may."""
    made.unlink(missing_ok=True)
    ask(app, terminal, agent, question)
    until(app, terminal, "permission", seconds=180)
    terminal.expect(ASKS[agent], 30)
    assert not made.exists()
    time.sleep(1)  # some take no key in their first moment, lest it was for the prompt
    terminal.type("\r")
    until(app, terminal, "done", seconds=180)
    eventually(made.exists, 30, "what was allowed")  # Codex does not wait for a slow command


def just_does(
    app: RunningApp, terminal: TerminalClient, agent: str, question: str, made: Path
) -> None:
    """An agent makes a file, and asks for nothing."""
    made.unlink(missing_ok=True)
    ask(app, terminal, agent, question)
    until(app, terminal, "done", seconds=180)
    eventually(made.exists, 30, "what needs no question")


def is_open(app: RunningApp, agent: str) -> bool:
    return any(call["outcome"] == "open" for call in calls(app, agent))


@contextlib.contextmanager
def model_that_refuses(app: RunningApp) -> Iterator[None]:
    fault = app.control.add_fault("/ai-gateway", "status", status=400, message="No such luck.")
    try:
        yield
    finally:
        app.control.clear_faults(fault)


def process_of(identity: str, agent: str) -> int:
    """The process of an agent in a terminal, the last of those that it consists of."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and identity.encode() in (entry / "environ").read_bytes():
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                if any(re.search(rf"/agents/{agent}/|{command_of(agent)}$", w) for w in words[:4]):
                    found.append(int(entry.name))
    return max(found)

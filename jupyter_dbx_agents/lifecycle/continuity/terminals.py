"""Which terminals are open, in which folder, with which agent's conversation; and opening them."""

import asyncio
import itertools
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...agents import AGENTS, Agent
from ...agents.conversations import Conversation
from ...terminals.manager import DbxTerminalManager
from ...terminals.terminal import Terminal
from .segments import TerminalRecord

# A shell shows its prompt within this time; what is typed before is not lost, but seen twice.
_PROMPT_SECONDS = 5.0
_POLL_SECONDS = 0.05
# Options and words before a conversation's id on the agents' command lines.
_ID_OPTIONS = ("--resume", "-r", "resume", "-s", "--session", "--session-id")


@dataclass(frozen=True)
class _Front:
    """A terminal's foreground process."""

    pid: int
    words: tuple[str, ...]
    folder: str
    started_at: float


class OpenTerminals:
    """The terminals of a server, whose ``manager`` returns None before there is one.

    ``is_coming`` returns whether an agent's program is not here yet.
    """

    def __init__(
        self,
        home: Path,
        manager: Callable[[], DbxTerminalManager | None],
        is_coming: Callable[[str], bool],
    ) -> None:
        self._home, self._manager, self._is_coming = home, manager, is_coming
        # The conversation of each agent's process: once known, it does not change.
        self._ids: dict[int, str] = {}
        self._frozen: tuple[TerminalRecord, ...] | None = None

    def freeze(self) -> None:
        """Remember what is open now: at a stop the terminals end before their list is sent."""
        self._frozen = self.records()

    def records(self) -> tuple[TerminalRecord, ...]:
        """Return what is open; blocking, for milliseconds."""
        if self._frozen is not None:
            return self._frozen
        manager = self._manager()
        if manager is None:
            return ()
        found = list[TerminalRecord]()
        taken = set[str]()
        pids = set[int]()
        for name, terminal in [*manager.terminals.items()]:
            front = _front(terminal) if isinstance(terminal, Terminal) else None
            if front is None or not isinstance(terminal, Terminal):
                continue
            agent = _agent(terminal.foreground_program())
            record = TerminalRecord(name, front.folder, title=terminal.title)
            if agent is not None:
                pids.add(front.pid)
                conversation = self._conversation(agent, front, taken)
                taken.add(conversation)
                record = replace(record, agent=agent.name, conversation=conversation)
            found.append(record)
        self._ids = {pid: each for pid, each in self._ids.items() if pid in pids}
        return tuple(found)

    def _conversation(self, agent: Agent, front: _Front, taken: set[str]) -> str:
        """Return the id of what a process shows: what it says itself, or the newest of its folder.

        Two processes of one agent in one folder have different ones.
        """
        memory = agent.memory
        if memory is None:
            return ""
        if said := memory.running(self._home, front.pid):
            return said
        if front.pid in self._ids:
            return self._ids[front.pid]
        if (named := _named(front.words)) != "":
            return named
        others = {*taken, *self._ids.values()}
        newest = [
            each
            for each in memory.conversations(self._home)
            if each.folder == front.folder and each.at >= front.started_at and each.id not in others
        ]
        if newest:
            self._ids[front.pid] = max(newest, key=lambda each: each.at).id
        return self._ids.get(front.pid, "")

    def _known(self, record: TerminalRecord) -> str:
        """Return a record's conversation if it is here: agents do not start with an unknown one."""
        agent = next((each for each in AGENTS if each.name == record.agent), None)
        if agent is None or agent.memory is None:
            return ""
        here = {each.id for each in agent.memory.conversations(self._home)}
        return record.conversation if record.conversation in here else ""

    async def open(self, record: TerminalRecord) -> str:
        """Open a terminal as it was, and return its name.  Raises HTTPError."""
        manager = self._manager()
        if manager is None:
            return ""
        is_there = await asyncio.to_thread(Path(record.folder).is_dir)
        is_free = record.name and record.name not in manager.terminals
        wanted = {"name": record.name} if is_free else {}
        folder = record.folder if is_there else None
        name, terminal = manager.new_named_terminal(cwd=folder, **wanted)
        manager.rename(name, record.title)
        conversation = await asyncio.to_thread(self._known, record)
        if line := resume_line(record.agent, conversation, is_coming=self._is_coming):
            assert isinstance(terminal, Terminal)  # noqa: S101  # our manager makes no other
            await _until_prompt(terminal)
            terminal.type(f"{line}\r")
        return name


def resume_line(agent: str, conversation: str, *, is_coming: Callable[[str], bool]) -> str:
    """Return the shell's line that resumes a conversation, once its agent is installed."""
    words = resume_words(agent, conversation)
    if not (words and is_coming(agent)):
        return shlex.join(words)
    wait = (
        f'echo "“{words[0]}” starts when it is installed. Press Ctrl+C to cancel."; '
        f"until command -v {words[0]} >/dev/null; do sleep 1; done"
    )
    return f"sh -c {shlex.quote(wait)} && {shlex.join(words)}"


def resume_words(agent: str, conversation: str) -> tuple[str, ...]:
    """Return the command that resumes a conversation, or starts the agent without one."""
    found = next((each for each in AGENTS if each.name == agent), None)
    if found is None:
        return ()
    if not conversation or found.memory is None:
        return (found.command,)
    return (found.command, *found.memory.words(conversation))


def all_conversations(home: Path) -> list[tuple[Agent, Conversation]]:
    """Return the conversations of all agents, the newest first; blocking."""
    found = [
        (agent, each)
        for agent in AGENTS
        if agent.memory is not None
        for each in agent.memory.conversations(home)
    ]
    return sorted(found, key=lambda pair: -pair[1].at)


async def _until_prompt(terminal: Terminal) -> None:
    """Wait until the shell has written something."""
    for _ in range(int(_PROMPT_SECONDS / _POLL_SECONDS)):
        if terminal.has_output:
            return
        await asyncio.sleep(_POLL_SECONDS)


def _agent(program: str) -> Agent | None:
    return next((agent for agent in AGENTS if agent.command == program), None)


def _front(terminal: Terminal) -> _Front | None:
    """Return the foreground process, or the shell's if that has ended just now."""
    if terminal.ptyproc.closed:
        return None
    try:
        pid = os.tcgetpgrp(terminal.ptyproc.fd)
    except OSError:
        return None
    for each in (pid, terminal.ptyproc.pid):
        place = Path("/proc", str(each))
        try:
            words = place.joinpath("cmdline").read_text(errors="replace").split("\0")
            folder = str(place.joinpath("cwd").readlink())
            return _Front(each, tuple(words), folder, place.stat().st_mtime)
        except OSError:
            continue
    return None


def _named(words: Sequence[str]) -> str:
    """Return the id on an agent's command line."""
    for option, value in itertools.pairwise(words):
        if option in _ID_OPTIONS and value and not value.startswith("-"):
            return value
    return ""

"""Which process is an agent, and when it ends.

Where the system has no ``/proc`` no agent is known by its process; what it reports counts, and ends
with its terminal.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from ...environment import variable
from .hook import SOCKET_VARIABLE

# Agents are scripts of these.
_INTERPRETER = re.compile(r"node|bun|python[0-9.]*")
_SUFFIX = re.compile(r"\.(py|[cm]?js)$")
_STATE, _PARENT, _GROUP = 0, 1, 2  # in /proc/<pid>/stat, after the command
_STOPPED = "T"  # by a signal, such as Ctrl-Z's
# A hook is run by the agent, or by a shell of the agent.
_MOST_ANCESTORS = 5
# Where the system has no descriptor of a process.
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class AgentProcess:
    """A process; ``agent`` is '' if it is none of ours.

    ``does_one_turn`` if it works from its start to its end, without a screen.
    """

    pid: int
    agent: str
    program: str
    does_one_turn: bool = False

    def folder(self) -> str:
        """Return its current folder; '' if that is not known."""
        try:
            return str(Path(f"/proc/{self.pid}/cwd").readlink())
        except OSError:
            return ""


class Processes:
    """Tells agents' processes by their command lines.

    ``agents`` are the agents' names by command, or by the module of Python that it runs;
    ``one_turn`` the words by which an agent does one turn and ends.
    """

    def __init__(self, agents: Mapping[str, str], one_turn: Mapping[str, Set[str]]) -> None:
        self._agents, self._one_turn = agents, one_turn

    def identify(self, pid: int) -> AgentProcess:
        """Return what a process is."""
        words = _words(pid)
        name, rest = _program(words)
        agent = self._agents.get(name, "")
        options = rest[: rest.index("--")] if "--" in rest else rest  # what follows is a prompt
        is_one_turn = bool(self._one_turn.get(agent, frozenset()) & set(options))
        return AgentProcess(pid, agent, name, is_one_turn)

    def in_group(self, group: int) -> AgentProcess | None:
        """Return the leader of a process group; of one that is gone, an agent behind it in a pipe.

        None if there is none.
        """
        leader = self.identify(group)
        if leader.program:
            return leader
        others = map(self.identify, _members(group))
        return next((process for process in others if process.agent), None)

    def agent_in_group(self, group: int) -> AgentProcess | None:
        """Return an agent that a script in the foreground runs, else the leader of the group."""
        leader = self.in_group(group)
        if leader is None or leader.agent:
            return leader
        members = map(self.identify, _members(group))
        return next((process for process in members if process.agent), leader)

    @staticmethod
    def is_there(process: AgentProcess) -> bool:
        """Whether a process has not ended; False where the system has no ``/proc``."""
        return bool(_words(process.pid))

    @staticmethod
    def is_stopped(process: AgentProcess) -> bool:
        """Whether a process was stopped, as by Ctrl-Z, and may go on later."""
        words = _stat(process.pid)
        return bool(words) and words[_STATE] == _STOPPED

    def outermost(self) -> list[AgentProcess]:
        """Return the agents that no other agent, and not this process, has started.  Blocking.

        Those of other users, and of another server of this user, are left out.
        """
        found = {pid: self.identify(pid) for pid in _pids()}
        agents = {pid: process for pid, process in found.items() if process.agent}
        for pid in filter(_is_of_others, list(agents)):
            del agents[pid]
        return [process for pid, process in agents.items() if self._is_outermost(pid, agents)]

    def _is_outermost(self, pid: int, agents: Mapping[int, AgentProcess]) -> bool:
        if _parent(pid) == os.getpid():  # it is being installed or checked
            return False
        return not any(above in agents for above in _ancestors(pid))

    def is_of_another_agent(self, process: AgentProcess) -> bool:
        """Whether another agent has started an agent."""
        return any(self.identify(above).agent for above in _ancestors(process.pid))

    def above(self, pid: int, agent: str) -> AgentProcess | None:
        """Return the process of an agent that a process is or that has started it, if any."""
        for _ in range(_MOST_ANCESTORS):
            if self.identify(pid).agent == agent:
                # Some start themselves once more.
                while (parent := _parent(pid)) and self.identify(parent).agent == agent:
                    pid = parent
                return self.identify(pid)
            pid = _parent(pid)
        return None


class ProcessEnds:
    """Calls back when processes end, at once, also those that are no children of this one."""

    def __init__(self) -> None:
        self._stops: dict[int, Callable[[], None]] = {}

    def watch(self, pid: int, ended: Callable[[], None]) -> Callable[[], None]:
        """Call ``ended`` once, soon after the process has ended; return what cancels that."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            handle = loop.call_soon(ended)
            return handle.cancel
        except (OSError, AttributeError):  # an old kernel, another system
            return _poll(loop, pid, ended)

        def stop() -> None:
            if self._stops.pop(descriptor, None) is not None:
                loop.remove_reader(descriptor)
                os.close(descriptor)

        def on_end() -> None:
            stop()
            ended()

        self._stops[descriptor] = stop
        loop.add_reader(descriptor, on_end)
        return stop

    def stop(self) -> None:
        """Watch no process any more."""
        for stop in list(self._stops.values()):
            stop()


def _poll(
    loop: asyncio.AbstractEventLoop, pid: int, ended: Callable[[], None]
) -> Callable[[], None]:
    handle: list[asyncio.TimerHandle] = []

    def check() -> None:
        if _words(pid) or Path(f"/proc/{pid}").exists() or _answers(pid):
            handle[:] = [loop.call_later(POLL_SECONDS, check)]
        else:
            ended()

    handle.append(loop.call_later(POLL_SECONDS, check))
    return lambda: handle[0].cancel()  # noqa: PLW0108 the one that then waits


def _answers(pid: int) -> bool:
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def _program(words: list[str]) -> tuple[str, list[str]]:
    """Return the name of the program or script that a command line runs, and its arguments."""
    rest = list(words)
    name = _name(rest.pop(0)) if rest else ""
    if _INTERPRETER.fullmatch(name):
        while rest and rest[0].startswith("-") and rest[0] not in {"-m", "-c", "-e"}:
            rest.pop(0)
        if rest[:1] == ["-m"] and len(rest) > 1:
            return rest[1], rest[2:]
        if rest and not rest[0].startswith("-"):
            return _name(rest[0]), rest[1:]
    return name, rest


def _name(word: str) -> str:
    return _SUFFIX.sub("", Path(word).name).lstrip("-")


def _words(pid: int) -> list[str]:
    """Return a process's command line, as in proc(5); [] for a zombie and for none."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [word.decode(errors="replace") for word in line.split(b"\0")[:-1]]


def _is_of_others(pid: int) -> bool:
    """Whether a process is another user's, or was started in a terminal of another server."""
    own, begin = variable(SOCKET_VARIABLE), f"{SOCKET_VARIABLE}=".encode()
    try:
        if Path(f"/proc/{pid}").stat().st_uid != os.geteuid():
            return True
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    given = next((entry[len(begin) :] for entry in entries if entry.startswith(begin)), b"")
    return bool(own and given) and given != own.encode()


def group_of(pid: int) -> int:
    """Return a process's group; 0 if there is no such process."""
    return _number(pid, _GROUP)


def _parent(pid: int) -> int:
    return _number(pid, _PARENT)


def _ancestors(pid: int) -> Iterator[int]:
    """Yield a process's parent and so on, below this server, which an agent may have started."""
    while (pid := _parent(pid)) > 1 and pid != os.getpid():
        yield pid


def _number(pid: int, index: int) -> int:
    words = _stat(pid)
    return int(words[index]) if words else 0


def _stat(pid: int) -> list[str]:
    """Return the words of /proc/<pid>/stat, as in proc(5), after the command; [] for no process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    # The command, in parentheses, may contain any character.
    return stat.rpartition(")")[2].split()


def _members(group: int) -> list[int]:
    """Return the processes of a group."""
    return [pid for pid in _pids() if group_of(pid) == group]


def _pids() -> list[int]:
    """Return all processes; none where there is no /proc."""
    try:
        return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]
    except OSError:
        return []

"""End a terminal's programs: the shell, its jobs, and their background processes.

A terminal's programs are the processes of its session and all their descendants, which may be in
sessions of their own, as the commands of an agent's tools are.  A process that has detached itself
(``setsid`` from a shell, ``tmux``, any daemon, whose parent has ended) is meant to outlive the
terminal, and does; the hook of git sync relies on that.
"""

import asyncio
import contextlib
import os
import re
import signal
import time
from pathlib import Path
from typing import NamedTuple

# In the first interval an editor saves its swap file, and a shell its history.
_SIGNALS = ((signal.SIGHUP, 0.6), (signal.SIGTERM, 0.6), (signal.SIGKILL, 1.0))
_POLL_SECONDS = 0.02
# Agents are scripts of these: “codex” says more than “node”.
_INTERPRETER = re.compile(r"node|python[0-9.]*")
_SCRIPT_SUFFIX = re.compile(r"\.(py|[cm]?js)$")


class _Process(NamedTuple):
    pid: int
    parent: int
    session: int
    started_ticks: int  # pid and this identify a process uniquely


class Programs:
    """The programs of the terminal whose session ``leader`` leads."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        # All that were ever found: a parent may end before its child.
        self._found: set[tuple[int, int]] = set()

    async def end(self) -> bool:
        """End them all, in at most 2.2 s; return whether all have ended."""
        for number, grace_seconds in _SIGNALS:
            for pid in await asyncio.to_thread(self.living):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
                    os.kill(pid, signal.SIGCONT)  # a stopped job acts on a signal when continued
            if await self._are_gone(grace_seconds):
                return True
        return False

    def living(self) -> list[int]:
        """Return the pids of those alive; only the leader's where there is no /proc."""
        if not Path("/proc/self/stat").exists():
            return [self._leader] if _is_alive(self._leader) else []
        processes = _processes()
        children: dict[int, list[_Process]] = {}
        for process in processes:
            children.setdefault(process.parent, []).append(process)
        mine = [process for process in processes if self._is_mine(process)]
        pids = {process.pid for process in mine}
        for process in mine:  # grows during the loop
            self._found.add((process.pid, process.started_ticks))
            fresh = [child for child in children.get(process.pid, ()) if child.pid not in pids]
            mine.extend(fresh)
            pids.update(child.pid for child in fresh)
        return list(pids)

    def _is_mine(self, process: _Process) -> bool:
        found = (process.pid, process.started_ticks) in self._found
        return found or process.session == self._leader

    def _some_known_live(self) -> bool:
        known = ((_process(str(pid)), started) for pid, started in self._found)
        return any(now is not None and now.started_ticks == then for now, then in known)

    async def _are_gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        # Scan all of /proc only when the known ones have ended.
        while self._some_known_live() or len(await asyncio.to_thread(self.living)):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True


def _processes() -> list[_Process]:
    """Return all processes except zombies."""
    names = [entry.name for entry in os.scandir("/proc") if entry.name.isdecimal()]
    return [process for name in names if (process := _process(name)) is not None]


def _process(pid: str) -> _Process | None:
    """Return a process from ``/proc/<pid>/stat`` (proc(5)); None for a zombie or an unknown pid."""
    try:
        stat = Path("/proc", pid, "stat").read_text(errors="replace")
    except OSError:
        return None
    # The command, in parentheses, may contain any character: fields start after the last “)”.
    state, parent, _group, session, *fields = stat.rpartition(")")[2].split()
    if state in "ZX":
        return None
    return _Process(int(pid), int(parent), int(session), started_ticks=int(fields[15]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def foreground_program(pty: int) -> str:
    """Return the name of a pty's foreground program, by its master; '' if there is none."""
    try:
        process = Path("/proc", str(os.tcgetpgrp(pty)))
        name = process.joinpath("comm").read_text(errors="replace").strip()
        if _INTERPRETER.fullmatch(name):
            words = process.joinpath("cmdline").read_text(errors="replace").split("\0")
            return _script(words[1:]) or name
    except OSError:
        return ""
    return name


def working_folder(pty: int) -> Path | None:
    """Return where a pty's foreground program works, by its master; None if that is unknown."""
    try:
        return Path("/proc", str(os.tcgetpgrp(pty)), "cwd").readlink()
    except OSError:
        return None


def _script(arguments: list[str]) -> str:
    """Return the name of the script in an interpreter's arguments; '' if there is none."""
    for argument in arguments:
        if argument in {"-c", "-e"}:  # what follows is code
            break
        if argument and not argument.startswith("-"):
            return _SCRIPT_SUFFIX.sub("", Path(argument).name)
    return ""

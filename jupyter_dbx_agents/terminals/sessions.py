"""End a terminal's whole session: the shell, its jobs, and what they left in the background."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

# Politely, then firmly: an editor saves its swap file within the first, a shell its history.
_SIGNALS = ((signal.SIGHUP, 0.6), (signal.SIGTERM, 0.6), (signal.SIGKILL, 1.0))
_POLL_SECONDS = 0.02


async def end_session(leader: int) -> bool:
    """End every process of the session that ``leader`` leads; return whether none is left.

    Takes at most 2.2 s.  Programs that made a session of their own (``setsid``) are not in it.
    """
    for number, grace_seconds in _SIGNALS:
        for pid in await asyncio.to_thread(session_members, leader):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a stopped job acts on a signal only when continued
        if await _is_gone(leader, grace_seconds):
            return True
    return False


def session_members(leader: int) -> list[int]:
    """Return the living processes of a session; only the leader where there is no /proc."""
    if not Path("/proc/self/stat").exists():
        return [leader] if _is_alive(leader) else []
    members = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and _session_of(entry.name) == leader:
            members.append(int(entry.name))
    return members


def _session_of(pid: str) -> int | None:
    """Return the session id in ``/proc/<pid>/stat`` (proc(5)); None for a zombie or none at all."""
    try:
        stat = Path("/proc", pid, "stat").read_text(errors="replace")
    except OSError:
        return None
    # The command's name, in parentheses, may hold anything; the fields start behind the last one.
    state, _parent, _group, session = stat.rpartition(")")[2].split()[:4]
    return None if state in "ZX" else int(session)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _is_gone(leader: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while await asyncio.to_thread(session_members, leader):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def foreground_program(pty: int) -> str:
    """Return the name of the program that has a terminal, given the pty's master; '' if none."""
    try:
        group = os.tcgetpgrp(pty)
        return Path("/proc", str(group), "comm").read_text(errors="replace").strip()
    except OSError:
        return ""

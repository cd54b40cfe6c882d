"""Opening, idling, and closing; and clients that talk nonsense."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from .figures import Figures, running
from .programs import AGENT, python
from .wire import Client, Server, wait

HOSTILE = (
    "not json",
    '["stdin"]',
    '["stdin", 7]',
    '["set_size", -1, 80]',
    '["stdin", "\\udc80"]',
    '{"stdin": 1, "exit\\r": 2}',
)


def opening(server: Server, count: int = 200) -> Figures:
    """Measure opening terminals, from the request to the prompt, each with a client that stays."""
    times, works = [], 0
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            started = time.perf_counter()
            clients.append(stack.enter_context(server.client(server.new())))
            clients[-1].until(b"$ ")
            times.append(1000 * (time.perf_counter() - started))
        for client in clients:
            client.type("echo wor''ks\r")
        for client in clients:
            with contextlib.suppress(TimeoutError):
                works += bool(client.until(b"works", 10))
    return {
        f"open {count} terminals, median ms": statistics.median(times),
        "… of which work": float(works),
    }


def idle(server: Server, count: int = 50, seconds: float = 10) -> Figures:
    """Measure what terminals with clients cost when nothing happens."""
    with running(server) as first:
        first.until(b"$ ")
    before = server.resident_mib()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(running(server)).until(b"$ ")
        wait(server.is_settled)
        grown, used = server.resident_mib() - before, server.cpu_seconds()
        time.sleep(seconds)
        used = server.cpu_seconds() - used
    return {
        f"{count} idle terminals with clients, CPU %": 100 * used / seconds,
        "… MiB each": max(grown, 0.01) / count,
    }


def hostile(server: Server) -> Figures:
    """Count the connections that messages end which no client should send."""
    died = 0
    for message in HOSTILE:
        with running(server) as client:
            client.until(b"$ ")
            client.send_text(message)
            died += not _is_alive(client)
    return {f"connections that {len(HOSTILE)} malformed messages end": float(died)}


def _is_alive(client: Client) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        client.type("\x15echo al''ive\r")
        return bool(client.until(b"alive", 3))
    return False


def survivors(server: Server) -> Figures:
    """Count what still runs after a terminal was closed."""
    with tempfile.TemporaryDirectory() as folder:
        pids = Path(folder, "pids")
        jobs = (
            f"(trap '' HUP TERM INT; sleep 60) & echo $! >> {pids}; "
            f"nohup sleep 61 > /dev/null 2>&1 & echo $! >> {pids}; "
            f"{shlex.join(python(AGENT, str(pids)))} &"
        )
        name = server.new()
        with server.client(name) as client:
            client.type(f"{jobs} echo do''ne\r")
            client.until(b"done")
        wait(lambda: len(pids.read_text().split()) == 3)
        started = [int(line) for line in pids.read_text().split()]
    with contextlib.suppress(httpx.HTTPError):
        server.delete(name)
    with contextlib.suppress(TimeoutError):
        wait(lambda: not any(map(_runs, started)), 4)
    left = [pid for pid in started if _runs(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return {"programs left of 3 after closing": float(len(left))}


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False

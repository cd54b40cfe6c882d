"""How long a key takes: in peace, beside floods, beside what blocks, and ^C under a flood."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from .figures import Figures, keys, raw, running, spread
from .programs import ECHO, MIB, REDRAW, python
from .wire import Client, Server

BROWSER_CHARACTERS_PER_SECOND = 8_000_000  # xterm.js parses 5 to 35 MB/s


def echo(open_: Callable[..., Any]) -> Figures:
    """Measure a key's echo, and the second of two writes 3 ms apart."""
    with open_(*python(ECHO)) as client:
        client.until(b"READY")
        figures = spread("key echo, idle", keys(client, 500, str.encode))
    with open_(*python(REDRAW)) as client:
        client.until(b"READY")
        waits = keys(client, 60, lambda key: f"<{key}>".encode())
        figures["second write after a key, p50 ms"] = statistics.median(waits)
    return figures


def echo_beside_floods(server: Server) -> Figures:
    """Measure a key's echo while another terminal floods: a client that reads, one that stalls."""
    figures: Figures = {}
    for reads in (True, False):
        flooded = server.new("yes")
        with server.client(flooded) as flood, running(server, *python(ECHO)) as client:
            client.until(b"READY")
            with _reading(flood) if reads else contextlib.nullcontext():
                time.sleep(2)
                name = "key echo, another terminal floods" + ("" if reads else " a stalled client")
                figures |= spread(name, keys(client, 300, str.encode))
        server.delete(flooded)
    return figures


def raw_echo_beside_a_flood() -> Figures:
    """Measure the same without a server, while a process reads the flood from its pty."""
    with raw(*python(ECHO)) as client, raw("yes") as flood, _reading(flood):
        client.until(b"READY")
        time.sleep(2)
        return spread("key echo, another terminal floods", keys(client, 300, str.encode))


@contextlib.contextmanager
def _reading(client: Any) -> Iterator[None]:
    """A process that reads as fast as a browser, and throws it away."""
    child = os.fork()
    if child == 0:
        read = _Browser(client).read if isinstance(client, Client) else client.read
        while True:
            read()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def interrupt(server: Server, acknowledges: bool = False, port: int | None = None) -> Figures:
    """Measure ^C to prompt after 3 s of flood into a client as fast as a browser."""
    times = []
    for _ in range(3 if server.name == "ours" else 1):  # stock takes ten seconds
        with running(server, acknowledges=acknowledges, port=port) as client:
            client.type("yes 0123456789abcdefghijklmnopqrstuvwxyz\r")
            browser = _Browser(client)
            browser.read_for(3)
            started = time.perf_counter()
            client.type("\x03")
            browser.until(b"$ ")
            times.append(1000 * (time.perf_counter() - started))
    where = ", through a front door" if port else ""
    how = " (acknowledging client)" if acknowledges else ""
    return {f"^C to prompt under a flood{where}{how}, ms": statistics.median(times)}


def acknowledged_interrupt(server: Server) -> Figures:
    """Measure what only ours knows."""
    return interrupt(server, acknowledges=True) if server.name == "ours" else {}


def interrupt_through_front_door(server: Server) -> Figures:
    """Measure the same behind a proxy, whose buffers hide what the client has taken."""
    with server.front_door() as port:
        figures = interrupt(server, port=port)
        if server.name == "ours":
            figures |= interrupt(server, acknowledges=True, port=port)
    return figures


class _Browser:
    """Reads a client's messages no faster than a browser draws them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._acknowledges, client.acknowledges = client.acknowledges, False

    def read(self) -> bytes:
        """Read one message, and tell that it is drawn."""
        message: bytes = self._client.read(30)
        time.sleep(len(message) / BROWSER_CHARACTERS_PER_SECOND)
        if self._acknowledges:
            self._client.send("ack", self._client.messages)
        return message

    def read_for(self, seconds: float) -> None:
        """Read for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()

    def until(self, mark: bytes) -> None:
        """Read until a mark has come, for a minute at most."""
        end, tail = time.monotonic() + 60, b""
        while mark not in tail and time.monotonic() < end:
            tail = tail[-len(mark) :] + self.read()


def beside_a_blocked_paste(server: Server) -> Figures:
    """Measure a key elsewhere while 1 MiB is pasted into a program that does not read."""
    with running(server, *python(ECHO)) as client, running(server, "sleep", "6") as paste:
        client.until(b"READY")
        idle = keys(client, 100, str.encode)
        paste.type("0123456789abcde\n" * (MIB // 16))
        time.sleep(0.2)
        waits = keys(client, 100, str.encode)
        paste.type("x")  # it lives
    return _worst("key elsewhere, a paste is blocked", waits, idle)


def beside_a_closed_tty(server: Server) -> Figures:
    """Measure a key elsewhere while a program closes its tty and lives on."""
    with running(server, *python(ECHO)) as client:
        client.until(b"READY")
        idle = keys(client, 100, str.encode)
        server.new("bash", "-c", "trap '' HUP; exec sleep 5 </dev/null >/dev/null 2>&1")
        waits = keys(client, 100, str.encode)
    return _worst("key elsewhere, a program closes its tty", waits, idle)


def _worst(name: str, waits: list[float], idle: list[float]) -> Figures:
    return {f"{name}, worst ms": max(waits), "… and the worst idle one before it, ms": max(idle)}


def beside_a_killed_shell(server: Server) -> Figures:
    """Measure the worst key elsewhere around the end of a shell."""
    worst = []
    with running(server, *python(ECHO)) as client:
        client.until(b"READY")
        for _ in range(5):
            with running(server) as shell:
                shell.type("echo pid=$$.\r")
                said = b""
                while not (found := re.search(rb"pid=(\d+)\.", said)):
                    said += shell.read()
                os.kill(int(found[1]), signal.SIGKILL)
                worst.append(max(keys(client, 15, str.encode)))
    return {"key elsewhere, a shell is killed, worst ms": statistics.median(worst)}

"""What is measured: each a function of a server, returning name → number."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .wire import RawPty, Server, wait

Figures = dict[str, float]
MIB = 2**20
TEXT_BYTES = 64 * MIB
LINE = "the quick brown fox jumps over the lazy dog, 漢字 and all; " + "0123456789" * 2
BROWSER_CHARACTERS_PER_SECOND = 8_000_000  # xterm.js parses 5 to 35 MB/s
ECHO = "import os,tty\ntty.setraw(0)\nos.write(1,b'READY')\nwhile 1: os.write(1,os.read(0,99))"
REDRAW = (
    "import os,time,tty\ntty.setraw(0)\nos.write(1,b'READY')\nwhile 1:\n"
    " k=os.read(0,9)\n os.write(1,k)\n time.sleep(0.003)\n os.write(1,b'<'+k+b'>')"
)
TEXT = (
    f"import os,sys\nline='{LINE}\\n'.encode()\nos.read(0,9)\n"
    f"n={TEXT_BYTES}//len(line)\nwhile n:\n k=min(n,50)\n os.write(1,line*k) and None\n n-=k\n"
    "os.write(1,b'THE-END')\nos.read(0,9)"
)
FULL_SCREEN = (
    "import os,sys\nos.write(1,b'\\x1b[?1049h\\x1b[2J')\nsent=0\nn=0\nos.read(0,9)\n"
    "while sent<int(sys.argv[1]):\n n+=1\n"
    " b=b''.join(b'\\x1b[%d;1H\\x1b[3%dmrow %d of frame %d \\x1b[0m%s' % (r,r%8,r,n,b'-'*50)"
    " for r in range(1,25))\n"
    " os.write(1,b)\n sent+=len(b)\nos.write(1,b'THE-END')\nos.read(0,9)"
)

TRANSCRIPT_LINES = 18
INLINE = (
    f"import os,sys\nos.read(0,9)\nfor n in range({TRANSCRIPT_LINES}):\n"
    " os.write(1,b'step %d.\\r\\n' % n)\n"
    "for n in range(int(sys.argv[1])):\n"
    " os.write(1,b'\\r\\x1b[2K\\x1b[35m*\\x1b[39m Thinking %d' % n)\n"
    "os.write(1,b'THE-END')\nos.read(0,9)"
)


def python(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program."""
    return [sys.executable, "-c", program, *arguments]


@contextlib.contextmanager
def running(
    server: Server, *command: str, acknowledges: bool = False, port: int | None = None
) -> Iterator[Any]:
    """A terminal with one client; deleted at the end."""
    name = server.new(*command)
    try:
        with server.client(name, acknowledges, port) as client:
            yield client
    finally:
        server.delete(name)


@contextlib.contextmanager
def raw(*command: str) -> Iterator[Any]:
    """The same without a server."""
    program = RawPty(*command)
    try:
        yield program
    finally:
        program.close()


def keys(client: Any, count: int, answer: Callable[[str], bytes]) -> list[float]:
    """Type keys, one every 10 ms; return the milliseconds to each one's answer."""
    waits = []
    for number in range(count):
        key = chr(ord("a") + number % 26)
        started = time.perf_counter()
        client.type(key)
        client.until(answer(key), 30)
        waits.append(1000 * (time.perf_counter() - started))
        time.sleep(0.01)
    return waits


def spread(name: str, waits: list[float]) -> Figures:
    """Return median and 99th percentile."""
    ordered = sorted(waits)
    return {
        f"{name}, p50 ms": statistics.median(ordered),
        f"{name}, p99 ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
    }


def echo(open_: Callable[..., Any]) -> Figures:
    """Measure a key's echo, and the second of two writes 3 ms apart."""
    with open_(*python(ECHO)) as client:
        client.until(b"READY")
        figures = spread("key echo, idle", keys(client, 300, str.encode))
    with open_(*python(REDRAW)) as client:
        client.until(b"READY")
        waits = keys(client, 60, lambda key: f"<{key}>".encode())
        figures["second write after a key, p50 ms"] = statistics.median(waits)
    return figures


def text(open_: Callable[..., Any], cpu: Callable[[], float] = time.process_time) -> Figures:
    """Measure 64 MiB of text to a client that reads as fast as it can."""
    with open_(*python(TEXT)) as client:
        time.sleep(0.5)
        used, started = cpu(), time.perf_counter()
        client.type("\r")
        size = client.until(b"THE-END", 120)
        seconds, used = time.perf_counter() - started, cpu() - used
        figures = {
            "64 MiB of text, MB/s": TEXT_BYTES / 1e6 / seconds,
            "… CPU s per 100 MiB": used * 100 * MIB / TEXT_BYTES,
        }
        if hasattr(client, "messages"):
            figures["… messages"] = float(client.messages)
            figures["… wire bytes per byte"] = size / TEXT_BYTES
    return figures


def echo_beside_floods(server: Server) -> Figures:
    """Measure a key's echo while another terminal floods: a client that reads, one that stalls."""
    figures: Figures = {}
    for reads in (True, False):
        flooded = server.new("yes")
        with server.client(flooded) as flood, running(server, *python(ECHO)) as client:
            client.until(b"READY")
            reader = _reader(flood.raw.fileno()) if reads else None
            time.sleep(2)
            name = "key echo, another terminal floods" + ("" if reads else " a stalled client")
            figures |= spread(name, keys(client, 150, str.encode))
            if reader:
                os.kill(reader, signal.SIGKILL)
                os.waitpid(reader, 0)
        server.delete(flooded)
    return figures


def _reader(descriptor: int) -> int:
    """Fork a process that reads as fast as a browser, and throws it away."""
    child = os.fork()
    if child:
        return child
    while True:
        started, taken = time.monotonic(), len(os.read(descriptor, 1 << 18))
        time.sleep(max(0.0, taken / BROWSER_CHARACTERS_PER_SECOND - time.monotonic() + started))


def interrupt(server: Server, acknowledges: bool = False, port: int | None = None) -> Figures:
    """Measure ^C to prompt after 3 s of flood into a client as fast as a browser."""
    with running(server, acknowledges=acknowledges, port=port) as client:
        client.type("yes 0123456789abcdefghijklmnopqrstuvwxyz\r")
        slow = _Browser(client)
        slow.read_for(3)
        started = time.perf_counter()
        client.type("\x03")
        slow.until(b"$ ")
        taken_ms = 1000 * (time.perf_counter() - started)
    where = ", through a front door" if port else ""
    how = " (acknowledging client)" if acknowledges else ""
    return {f"^C to prompt under a flood{where}{how}, ms": taken_ms}


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

    def _read(self) -> bytes:
        message: bytes = self._client.read(30)
        time.sleep(len(message) / BROWSER_CHARACTERS_PER_SECOND)
        if self._acknowledges:
            self._client.send("ack", self._client.messages)
        return message

    def read_for(self, seconds: float) -> None:
        """Read for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read()

    def until(self, mark: bytes) -> None:
        """Read until a mark has come, for a minute at most."""
        end, tail = time.monotonic() + 60, b""
        while mark not in tail and time.monotonic() < end:
            tail = tail[-len(mark) :] + self._read()


def blocked_programs(server: Server) -> Figures:
    """Measure a key elsewhere while a paste blocks, a program closes its tty, a shell is killed."""
    figures: Figures = {}
    with running(server, *python(ECHO)) as client:
        client.until(b"READY")
        with running(server, "sleep", "6") as paste:
            paste.type("0123456789abcde\n" * (MIB // 16))
            time.sleep(0.2)
            figures["key elsewhere, a paste is blocked, worst ms"] = max(
                keys(client, 20, str.encode)
            )
        closes = "trap '' HUP; exec sleep 5 </dev/null >/dev/null 2>&1"
        server.new("bash", "-c", closes)
        waits = keys(client, 40, str.encode)
        figures["key elsewhere, a program closes its tty, worst ms"] = max(waits)
        worst = []
        for _ in range(5):
            with running(server) as shell:
                shell.type("echo pid=$$.\r")
                said = b""
                while not (found := re.search(rb"pid=(\d+)\.", said)):
                    said += shell.read()
                os.kill(int(found[1]), signal.SIGKILL)
                worst.append(max(keys(client, 15, str.encode)))
        figures["key elsewhere, a shell is killed, worst ms"] = statistics.median(worst)
    return figures


def stalled(server: Server, seconds: float = 10) -> Figures:
    """Measure the memory that a client costs which reads nothing."""
    before = server.resident_mib()
    with running(server, "yes") as _client:
        time.sleep(seconds)
        grown = server.resident_mib() - before
    return {f"client stalled for {seconds:.0f} s, MiB": max(grown, 0.01)}


def reconnect(server: Server) -> Figures:
    """Measure what a client is sent that comes after 20 MiB of a full-screen program."""
    name = server.new(*python(FULL_SCREEN, str(20 * MIB)))
    with server.client(name) as client:
        client.type("\r")
        client.until(b"THE-END", 120)
        client.quiet()
    sizes, times = [], []
    for _ in range(5):
        started = time.perf_counter()
        with server.client(name) as late:
            sizes.append(late.until(b"THE-END"))
            times.append(1000 * (time.perf_counter() - started))
    server.delete(name)
    return {"reconnect, MiB": max(sizes) / MIB, "reconnect, ms": statistics.median(times)}


def reconnect_to_agent(server: Server, redraws: int = 300_000) -> Figures:
    """Measure what is left of an agent's transcript above a line that it has redrawn all along."""
    name = server.new(*python(INLINE, str(redraws)))
    with server.client(name) as client:
        client.type("\r")
        client.until(b"THE-END", 120)
    with server.client(name) as late:
        started, said = time.perf_counter(), b""
        while b"THE-END" not in said and time.perf_counter() < started + 60:
            said += late.read(5)
        taken_ms = 1000 * (time.perf_counter() - started)
    server.delete(name)
    missing = sum(f"step {line}.".encode() not in said for line in range(TRANSCRIPT_LINES))
    return {
        f"reconnect after {redraws:,} redraws, lines lost of {TRANSCRIPT_LINES}": float(missing),
        "… ms": taken_ms,
        "… MiB": len(said) / MIB,
    }


def many(server: Server, count: int = 50) -> Figures:
    """Measure opening terminals, and what they cost when nothing happens."""
    before, names, clients, times = server.resident_mib(), [], [], []
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            started = time.perf_counter()
            names.append(server.new())
            clients.append(stack.enter_context(server.client(names[-1])))
            clients[-1].until(b"$ ")
            times.append(1000 * (time.perf_counter() - started))
        grown, used = server.resident_mib() - before, server.cpu_seconds()
        time.sleep(5)
        figures = {
            "open a terminal, median ms": statistics.median(times),
            f"{count} idle terminals, CPU %": 100 * (server.cpu_seconds() - used) / 5,
            "… MiB each": max(grown, 0.01) / count,
        }
    for name in names:
        server.delete(name)
    return figures


def survivors(server: Server) -> Figures:
    """Count what still runs after a terminal was closed."""
    name = server.new()
    pids = Path(f"/tmp/terminals-{os.getpid()}-{server.port}")
    jobs = (
        f"(trap '' HUP TERM INT; sleep 60) & echo $! >> {pids}; "
        f"nohup sleep 61 > /dev/null 2>&1 & echo $! >> {pids}"
    )
    with server.client(name) as client:
        client.type(f"{jobs}; echo do''ne\r")
        client.until(b"done")
    server.delete(name)
    started = [int(line) for line in pids.read_text().split()]
    pids.unlink()
    with contextlib.suppress(TimeoutError):
        wait(lambda: not any(map(_runs, started)), 4)
    left = [pid for pid in started if _runs(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return {"programs left after closing": float(len(left))}


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False

"""What the broker adds to a model call: the same calls direct and through it, turn about.

Run: ``python -m benchmarks.broker [--calls N] [--stream-mib N]``; it takes about a minute.

Upstream, broker and client are three processes on one machine, as agents, server and workspace are
on three; connections are kept alive.  A call sends 50 KiB, about a conversation of some turns.  The
stream comes in events of 2 KiB.  "Added" is what the broker costs; a model takes a thousand times
as long.

A key of a terminal goes through the same event loop as the calls.  An echo on that loop stands for
it: alone, and while another process sends one large request after the other, in turn for several
rounds.  Of those requests some need no correction, as most of Claude Code's, and some do, as
OpenCode's.  Their sender and the upstream need the machine, too: the rows "direct" have the same
load without the broker, and the difference is what that costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.lifecycle.process import tune_event_loop
from jupyter_dbx_agents.models import ModelTable
from jupyter_dbx_agents.pat import PatState, Promise
from jupyter_dbx_agents.secret import Secret

REQUEST_BYTES = 50 * 1024
REPLY = b"x" * 2048
EVENT = b"data: " + b"x" * 2040 + b"\n\n"
PATH = "/anthropic/v1/messages"
ROOT = Path(__file__).parents[1]
CALLS = 1000
STREAM_MIB = 64
WARM_UP_CALLS = 30
STREAM_ROUNDS = 3
MIB = 1024 * 1024
LARGE_BYTES = 4 * MIB
KEYS = 200
KEY_ROUNDS = 5
SECONDS_BETWEEN_KEYS = 0.01
AGENT = "claude-code"


class OnePat:
    """A PAT source that never changes."""

    state = PatState.ACTIVE
    message = ""

    def current(self) -> Secret | None:
        """Return the PAT."""
        return Secret("dapi" + "0" * 32)

    def promise(self) -> Promise | None:
        """Promise nothing: no SDK takes part."""
        return None

    async def ready(self) -> None:
        pass

    async def replace_refused(self, refused: Secret) -> Secret | None:
        """Return the same again."""
        return refused


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer by the query: ``?whole``, or ``?events=N``."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0]))
            target = head.split(b" ", 2)[1]
            if target.endswith(b"?whole"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(REPLY) + REPLY)
            else:
                await stream_events(writer, int(target.rpartition(b"=")[2]))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def stream_events(writer: asyncio.StreamWriter, count: int) -> None:
    """Send server-sent events, each in a chunk."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for _ in range(count):
        writer.write(b"%x\r\n%s\r\n" % (len(EVENT), EVENT))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def serve_upstream() -> None:
    """Print the address and answer until the process is ended."""
    server = await asyncio.start_server(upstream, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


async def serve_broker(upstream_url: str) -> None:
    """Print the address and the capability, and answer until the process is ended."""
    settings = {"DATABRICKS_GATEWAY_HOST": upstream_url}
    nothing = Secret("")
    environment = Environment(
        "", upstream_url, "", None, "", nothing, nothing, Path.cwd(), settings
    )
    broker = Broker(pats=OnePat(), models=ModelTable(environment), workspace_host=upstream_url)
    await broker.start()
    keys = await asyncio.start_server(echo, "127.0.0.1", 0)
    tune_event_loop()
    port = keys.sockets[0].getsockname()[1]
    print(broker.url, broker.capability(AGENT).reveal(), port, flush=True)
    await asyncio.Event().wait()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return each byte, as a shell returns a key."""
    while key := await reader.read(1):
        writer.write(key)
    writer.close()


def conversation(*, is_corrected: bool) -> bytes:
    """Return a request of LARGE_BYTES, of many messages."""
    tool = {"name": "t", "eager_input_streaming": True} if is_corrected else {"name": "t"}
    text = {"type": "text", "text": "some words of a long conversation, " * 6}
    message = {"role": "user", "content": [text, {"type": "tool_use", "input": {"command": "ls"}}]}
    count = LARGE_BYTES // len(json.dumps(message))
    return json.dumps({"model": "m", "tools": [tool], "messages": [message] * count}).encode()


async def send_large(url: str, capability: str, kind: str) -> None:
    """Send one large request after the other until the process is ended."""
    body = conversation(is_corrected=kind == "corrected")
    client = Client(url, capability)
    await client.connect()
    print("ready", flush=True)
    while True:
        await client.call(body)


async def key_seconds(port: int) -> list[float]:
    """Return how long each of many keys took to come back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for _ in range(KEYS):
        started = time.perf_counter()
        writer.write(b"k")
        await reader.readexactly(1)
        took.append(time.perf_counter() - started)
        await asyncio.sleep(SECONDS_BETWEEN_KEYS)
    writer.close()
    return took


async def measure_keys(upstream_url: str, url: str, capability: str, port: int) -> None:
    """Measure and print what large requests cost a key."""
    print(f"{'':34}{'idle':>10}{'beside':>10}{'added':>9}  {'unit':6}{'ratio':>9}")
    for kind in ("plain", "corrected"):
        senders = {
            "direct": (await start("--send-large", upstream_url, "none", kind))[0],
            "brokered": (await start("--send-large", url, capability, kind))[0],
        }
        for sender in senders.values():
            sender.send_signal(signal.SIGSTOP)
        rounds = [await key_round(port, senders) for _ in range(KEY_ROUNDS)]
        for sender in senders.values():
            sender.kill()
            await sender.wait()
        for way in senders:
            for label, value in (("median", 50), ("p99", 99)):
                idle, beside = (
                    statistics.median(percentile(each[name], value) * 1000 for each in rounds)
                    for name in ("idle", way)
                )
                row(f"key, 4 MiB {kind}, {way}, {label}", idle, beside, "ms", added=True)


async def key_round(
    port: int, senders: dict[str, asyncio.subprocess.Process]
) -> dict[str, list[float]]:
    """Return the keys' times while nothing is sent, and beside each of the senders."""
    took = {"idle": await key_seconds(port)}
    for name, sender in senders.items():
        sender.send_signal(signal.SIGCONT)
        took[name] = await key_seconds(port)
        sender.send_signal(signal.SIGSTOP)
    return took


class Client:
    """A client of few instructions on one connection, so that its own time hides little."""

    def __init__(self, url: str, capability: str) -> None:
        self._authority = url.removeprefix("http://")
        self._capability = capability

    async def connect(self) -> None:
        """Open the connection."""
        host, _, port = self._authority.partition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port), limit=MIB)

    async def call(self, body: bytes = bytes(REQUEST_BYTES)) -> float:
        """Return the seconds of a call that is answered whole."""
        started = self._send("whole", body)
        await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(len(REPLY))
        return time.perf_counter() - started

    async def first_event(self) -> float:
        """Return the seconds to the first event of a short stream, and read the rest."""
        started = self._send("events=3")
        await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readuntil(EVENT[:6])
        elapsed = time.perf_counter() - started
        await self._reader.readuntil(b"\r\n0\r\n\r\n")
        return elapsed

    async def stream(self, events: int) -> float:
        """Return the seconds of a long stream."""
        started = self._send(f"events={events}")
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            data = await self._reader.read(MIB)
            if not data:
                raise ConnectionError("the stream was cut")
            tail = (tail + data)[-7:]
        return time.perf_counter() - started

    def _send(self, query: str, body: bytes = bytes(REQUEST_BYTES)) -> float:
        head = (
            f"POST {PATH}?{query} HTTP/1.1\r\nHost: {self._authority}\r\n"
            f"Authorization: Bearer {self._capability}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        started = time.perf_counter()
        self._writer.write(head.encode() + body)
        return started


async def alternate(
    direct: Callable[[], Awaitable[float]], brokered: Callable[[], Awaitable[float]], calls: int
) -> tuple[list[float], list[float]]:
    """Measure both in turn, so that a busy moment of the machine strikes both."""
    for _ in range(WARM_UP_CALLS):
        await direct()
        await brokered()
    pairs = [(await direct(), await brokered()) for _ in range(calls)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def row(name: str, direct: float, brokered: float, unit: str, *, added: bool) -> None:
    """Print one line of the table."""
    difference = f"{brokered - direct:+9.2f}" if added else " " * 9
    print(f"{name:34}{direct:10.2f}{brokered:10.2f}{difference}  {unit:6}{brokered / direct:8.2f}x")


def percentile(values: list[float], hundredth: int) -> float:
    """Return a percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[hundredth - 1]


async def measure(direct: Client, brokered: Client, calls: int, stream_mib: int) -> None:
    """Measure and print the table."""
    print(f"{'':34}{'direct':>10}{'broker':>10}{'added':>9}  {'unit':6}{'ratio':>9}")
    for name, kind in (("whole answer", "call"), ("first streamed byte", "first_event")):
        ours, theirs = await alternate(getattr(direct, kind), getattr(brokered, kind), calls)
        for label, value in (("median", 50), ("p99", 99)):
            in_ms = [percentile(seconds, value) * 1000 for seconds in (ours, theirs)]
            row(f"{name}, {label}", in_ms[0], in_ms[1], "ms", added=True)
    events = stream_mib * MIB // len(EVENT)
    times = [
        (await direct.stream(events), await brokered.stream(events)) for _ in range(STREAM_ROUNDS)
    ]
    fastest = [min(pair[side] for pair in times) for side in (0, 1)]
    rates = [stream_mib / seconds for seconds in fastest]
    row(f"stream of {stream_mib} MiB", rates[0], rates[1], "MiB/s", added=False)


async def start(
    *arguments: str, module: str = "benchmarks.broker"
) -> tuple[asyncio.subprocess.Process, list[str]]:
    """Start a file as a server; return it and the words it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().split()


async def compare(calls: int, stream_mib: int) -> None:
    """Start both servers, measure, end them."""
    upstream_process, (upstream_url,) = await start("--serve-upstream")
    broker_process, said = await start("--serve-broker", upstream_url)
    broker_url, capability, port = said
    try:
        direct, brokered = Client(upstream_url, "none"), Client(broker_url, capability)
        await direct.connect()
        await brokered.connect()
        await measure(direct, brokered, calls, stream_mib)
        await measure_keys(upstream_url, broker_url, capability, int(port))
    finally:
        for process in (broker_process, upstream_process):
            process.terminate()
            await process.wait()


def main() -> None:
    """Measure with what ``parse`` takes when nothing is said."""
    asyncio.run(compare(CALLS, STREAM_MIB))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=CALLS, help="calls of each kind and way")
    parser.add_argument("--stream-mib", type=int, default=STREAM_MIB, help="of the long stream")
    parser.add_argument("--serve-upstream", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve-broker", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--send-large", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    if options.serve_upstream:
        asyncio.run(serve_upstream())
    elif options.serve_broker:
        asyncio.run(serve_broker(options.serve_broker))
    elif options.send_large:
        asyncio.run(send_large(*options.send_large))
    else:
        asyncio.run(compare(options.calls, options.stream_mib))

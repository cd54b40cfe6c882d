"""What the broker adds to a call of an MCP tool: the same calls direct and through it, turn about.

Run: ``python -m benchmarks.mcp [--calls N]``; it takes less than a minute.

Server, broker and client are three processes on one machine; connections are kept alive, but for
the calls of a tool that may change something, which the broker sends on a connection of their own.
The direct client does the same.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import time
from pathlib import Path
from typing import Any

from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.lifecycle.process import tune_event_loop
from jupyter_dbx_agents.models import ModelTable
from jupyter_dbx_agents.secret import Secret

from .broker import AGENT, OnePat, alternate, percentile, row, start

PATH, NAME = "/api/2.0/mcp/sql", "dbx-sql"
CALLS = 500
READS, WRITES = "read", "write"
TOOLS = [
    {"name": READS, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": WRITES, "inputSchema": {"type": "object"}},
]
TEXT = "x" * 2048
SESSION = "mcp-session-id: "


def result_of(method: str) -> dict[str, Any]:
    """Return what the server answers."""
    if method == "initialize":
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
    if method == "tools/list":
        return {"tools": TOOLS}
    return {"content": [{"type": "text", "text": TEXT}]}


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as an MCP server does, by events."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(head.split(b"content-length: ")[1].split()[0])
            message = json.loads(await reader.readexactly(size) or b"{}")
            reply = {
                "jsonrpc": "2.0",
                "id": message.get("id"),
                "result": result_of(message["method"]),
            }
            body = f"event: message\ndata: {json.dumps(reply)}\n\n".encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: s\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, IndexError):
        writer.close()


async def serve_upstream() -> None:
    """Print the address and answer until the process is ended."""
    server = await asyncio.start_server(upstream, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


async def serve_broker(upstream_url: str) -> None:
    """Print the address and the capability, and answer until the process is ended."""
    nothing = Secret("")
    environment = Environment("", upstream_url, "", None, "", nothing, nothing, Path.cwd(), {})
    broker = Broker(pats=OnePat(), models=ModelTable(environment), workspace_host=upstream_url)
    await broker.start()
    broker.mcp.offer({NAME: (PATH,)})
    tune_event_loop()
    print(broker.url, broker.capability(AGENT).reveal(), flush=True)
    await asyncio.Event().wait()


class Client:
    """A client of few instructions, so that its own time hides little."""

    def __init__(self, url: str, path: str, capability: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._address, self._path, self._capability = (host, int(port)), path, capability
        self.session = ""
        self._kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.keeps_connection = True

    async def begin(self) -> None:
        """Begin a session."""
        head, _ = await self._send("initialize", {})
        text = head.decode()
        self.session = text[text.lower().index(SESSION) + len(SESSION) :].split()[0]

    async def call(self, tool: str) -> float:
        """Return the seconds of a call."""
        started = time.perf_counter()
        _, body = await self._send("tools/call", {"name": tool, "arguments": {}})
        elapsed = time.perf_counter() - started
        if TEXT.encode() not in body:
            raise RuntimeError(body[:300].decode())
        return elapsed

    async def _send(self, method: str, params: Any) -> tuple[bytes, bytes]:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        body = json.dumps(message).encode()
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
            f"x-api-key: {self._capability}\r\nMcp-Session-Id: {self.session}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = self._kept or await asyncio.open_connection(*self._address)
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        lower = answer.lower()
        if b"content-length: " in lower:
            size = int(lower.split(b"content-length: ")[1].split()[0])
            content = await reader.readexactly(size)
        else:
            content = await reader.readuntil(b"\r\n0\r\n\r\n")
        self._kept = (reader, writer) if self.keeps_connection else None
        if not self.keeps_connection:
            writer.close()
        return answer, content


async def compare(calls: int) -> None:
    """Start both servers, measure, end them."""
    module = "benchmarks.mcp"
    server, (url,) = await start("--serve-upstream", module=module)
    broker, (broker_url, capability) = await start("--serve-broker", url, module=module)
    try:
        direct = Client(url, PATH, "none")
        brokered = Client(broker_url, f"/mcp/{NAME}", capability)
        await direct.begin()
        await brokered.begin()
        print(f"{'':34}{'direct':>10}{'broker':>10}{'added':>9}  {'unit':6}{'ratio':>9}")
        for tool in (READS, WRITES):
            direct.keeps_connection = tool == READS
            ways = (functools.partial(client.call, tool) for client in (direct, brokered))
            pair = await alternate(*ways, calls)
            for label, value in (("median", 50), ("p99", 99)):
                in_ms = [percentile(seconds, value) * 1000 for seconds in pair]
                row(f"MCP call that {tool}s, {label}", in_ms[0], in_ms[1], "ms", added=True)
    finally:
        for process in (broker, server):
            process.terminate()
            await process.wait()


def main() -> None:
    """Measure with what ``parse`` takes when nothing is said."""
    asyncio.run(compare(CALLS))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=CALLS, help="calls of each kind and way")
    parser.add_argument("--serve-upstream", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve-broker", metavar="URL", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    if options.serve_upstream:
        asyncio.run(serve_upstream())
    elif options.serve_broker:
        asyncio.run(serve_broker(options.serve_broker))
    else:
        asyncio.run(compare(options.calls))

"""A gateway that does, byte by byte, what a test tells it to; and a broker in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.models import ModelTable
from jupyter_dbx_agents.pat import PatState, Promise
from jupyter_dbx_agents.secret import Secret

FIRST_PAT = "dapi00000000000000000000000000000001"
NEXT_PAT = "dapi00000000000000000000000000000002"
PASTE = "No Databricks token. Paste a token: run `jupyter dbx-agents login`."
MESSAGES = "/anthropic/v1/messages"
ONE_PATH_PER_DIALECT = [
    MESSAGES,
    "/openai/v1/responses",
    "/mlflow/v1/chat/completions",
    "/gemini/v1beta/models/m:generateContent",
]
EVERY_BYTE = bytes(range(256)) * 3
PATIENCE_SECONDS = 10
DEAD_TOKEN = (403, b'{"error_code":403,"message":"Invalid access token. [ReqId: 1]"}')


@dataclass
class Exchange:
    """One request that reached the gateway, and the means to answer it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, **headers: str) -> None:
        headers = {"transfer_encoding": "chunked", **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def reply(self, status: int, body: bytes, **headers: str) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *lines, "", ""]
        await self.send("\r\n".join(head).encode() + body)

    def drop(self) -> None:
        self.writer.close()


Answer = Callable[[Exchange], Awaitable[None]]


@dataclass
class ScriptedGateway:
    """The server; ``seen`` holds the requests in their order."""

    answer: Answer
    seen: list[Exchange] = field(default_factory=list)
    url: str = ""
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while not writer.is_closing():
                exchange = await self._receive(reader, writer, number)
                self.seen.append(exchange)
                await self.answer(exchange)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the broker has gone away
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _receive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> Exchange:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        pairs = [line.partition(": ")[::2] for line in head[1:] if line]
        headers = [(name, value) for name, value in pairs]
        length = next((int(v) for name, v in headers if name.lower() == "content-length"), 0)
        body = await reader.readexactly(length)
        return Exchange(method, target, headers, body, number, reader, writer)


class Pats:
    """A PAT source: one token, and what comes after its refusal."""

    def __init__(self, *tokens: str, state: PatState = PatState.ACTIVE) -> None:
        self.state = state
        self.message = PASTE
        self.tokens = list(tokens)
        self.refused: list[str] = []

    def current(self) -> Secret | None:
        return Secret(self.tokens[0]) if self.tokens else None

    def promise(self) -> Promise | None:
        return Promise(Secret(self.tokens[0]), 2_000_000_000) if self.tokens else None

    async def ready(self) -> None:
        pass

    async def replace_refused(self, refused: Secret) -> Secret | None:
        self.refused.append(refused.reveal())
        self.tokens.pop(0)
        if not self.tokens:
            self.state = PatState.NEEDED
        return self.current()


@dataclass
class Site:
    """A broker in front of a scripted gateway, and an agent."""

    broker: Broker
    gateway: ScriptedGateway
    pats: Pats
    agent: httpx.AsyncClient

    @property
    def capability(self) -> str:
        return self.broker.capability("claude-code").reveal()

    @property
    def authority(self) -> str:
        return self.broker.url.removeprefix("http://")

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.broker.port)

    async def raw(self, request: str) -> bytes:
        """Send a request as it is written; return the answer up to the end of the connection."""
        reader, writer = await self.open()
        writer.write(request.replace("\n", "\r\n").encode())
        answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()
        return answer


def environment(host: str, gateway: str | None = None) -> Environment:
    settings = {} if gateway is None else {"DATABRICKS_GATEWAY_HOST": gateway}
    nothing = Secret("")
    return Environment("", host, "", None, "", nothing, nothing, Path("/nowhere"), settings)


@contextlib.asynccontextmanager
async def scripted_gateway(
    answer: Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedGateway]:
    gateway = ScriptedGateway(answer)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(gateway.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    gateway.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gateway
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


@contextlib.asynccontextmanager
async def broker_for(
    answer: Answer, pats: Pats | None = None, **options: Any
) -> AsyncIterator[Site]:
    pats = Pats(FIRST_PAT, NEXT_PAT) if pats is None else pats
    async with scripted_gateway(answer) as gateway:
        models = ModelTable(environment(gateway.url, gateway.url))
        broker = Broker(pats=pats, models=models, workspace_host=gateway.url, **options)
        await broker.start()
        headers = {"Authorization": f"Bearer {broker.capability('claude-code').reveal()}"}
        try:
            async with httpx.AsyncClient(
                base_url=broker.url, headers=headers, verify=False, timeout=PATIENCE_SECONDS
            ) as agent:
                yield Site(broker, gateway, pats, agent)
        finally:
            await broker.stop()


async def answer_ok(exchange: Exchange) -> None:
    await exchange.reply(200, b"{}")


def refusing(status: int, body: bytes, *, pats: tuple[str, ...] = (FIRST_PAT,)) -> Answer:
    """Refuse the calls made with some PATs, answer all others."""

    async def answer(exchange: Exchange) -> None:
        if exchange.header("authorization") in [f"Bearer {pat}" for pat in pats]:
            await exchange.reply(status, body)
        else:
            await exchange.reply(200, b"answered")

    return answer


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def message_of(path: str, reply: httpx.Response) -> str:
    """Return the message at the place where the API of the path has it."""
    if path == "/openai/v1/responses" and reply.status_code == 400:
        return reply.text
    body = json.loads(reply.content)
    if path == MESSAGES:
        assert body["type"] == "error"
    elif path.startswith("/gemini"):
        assert body["error"]["code"] == reply.status_code
        assert body["error"]["status"].isupper()
    else:
        assert body["error"]["code"]
    return body["error"]["message"]

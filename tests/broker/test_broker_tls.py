"""The broker speaks TLS with a gateway that it can trust, and through a proxy if there is one.

``loopback.pem`` is a certificate for localhost with its key, made for this test only.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from jupyter_dbx_agents.broker import Broker, gateway_client
from jupyter_dbx_agents.models import ModelTable

from .scripted_gateway import (
    FIRST_PAT,
    MESSAGES,
    PATIENCE_SECONDS,
    Exchange,
    Pats,
    ScriptedGateway,
    environment,
    scripted_gateway,
)

CERTIFICATE = Path(__file__).parents[1] / "support" / "loopback.pem"
STREAM = [b"one", b"two" * 50_000]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusted(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


async def answer(exchange: Exchange) -> None:
    await exchange.head()
    for chunk in STREAM:
        await exchange.chunk(chunk)
    await exchange.send(b"0\r\n\r\n")


@contextlib.asynccontextmanager
async def tls_site() -> AsyncIterator[tuple[ScriptedGateway, httpx.AsyncClient]]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    async with scripted_gateway(answer, tls) as gateway:
        models = ModelTable(environment(gateway.url, gateway.url))
        broker = Broker(pats=Pats(FIRST_PAT), models=models, workspace_host=gateway.url)
        await broker.start()
        headers = {"x-api-key": broker.capability("codex").reveal()}
        try:
            async with httpx.AsyncClient(
                base_url=broker.url, headers=headers, timeout=PATIENCE_SECONDS, verify=False
            ) as agent:
                yield gateway, agent
        finally:
            await broker.stop()


def test_a_trusted_gateway_is_called_over_tls_and_the_connection_reused(trusted):
    async def run() -> None:
        async with tls_site() as (gateway, agent):
            for _ in range(3):
                assert (await agent.post(MESSAGES)).content == b"".join(STREAM)
            assert gateway.connections == 1

    asyncio.run(run())


def test_a_gateway_that_cannot_be_trusted_gets_no_token():
    async def run() -> None:
        async with tls_site() as (gateway, agent):
            reply = await agent.post(MESSAGES)
            assert reply.status_code == 503
            assert "SSLCertVerificationError" in reply.text
            assert gateway.seen == []

    asyncio.run(run())


@pytest.mark.parametrize("status", [200, 407])
def test_a_proxy_of_the_environment_is_used(trusted, monkeypatch, status):
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 %d X\r\n\r\n" % status)
        port = int(head.split()[1].rpartition(b":")[2])
        onward = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, onward[1]), pump(onward[0], writer))

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def run() -> None:
        proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(
            gateway_client, "is_on_this_machine", lambda _: False
        )  # as if elsewhere
        async with tls_site() as (gateway, agent):
            authority = gateway.url.removeprefix("https://")
            reply = await agent.post(MESSAGES)
            assert asked == [f"CONNECT {authority} HTTP/1.1".encode()]
            assert reply.status_code == (200 if status == 200 else 503)
            assert reply.content == b"".join(STREAM) or "proxy answered 407" in reply.text
        proxy.close()

    asyncio.run(run())

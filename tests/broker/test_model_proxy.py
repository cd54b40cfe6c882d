"""Model calls through the broker, over the wire, before a gateway that misbehaves on demand."""

import asyncio
import gzip
import socket

import httpx
import pytest

from jupyter_dbx_agents.broker import gateway_client, model_proxy
from jupyter_dbx_agents.broker.call import TokenCounts

from .scripted_gateway import (
    EVERY_BYTE,
    FIRST_PAT,
    MESSAGES,
    ONE_PATH_PER_DIALECT,
    PATIENCE_SECONDS,
    Exchange,
    answer_ok,
    broker_for,
    message_of,
    until,
)

CALLS = [  # method, local path and query, path at a gateway with a host of its own
    ("POST", "/anthropic/v1/messages?beta=true", "/anthropic/v1/messages?beta=true"),
    ("POST", "/anthropic/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"),
    ("GET", "/anthropic/v1/models", "/anthropic/v1/models"),
    ("POST", "/openai/v1/responses", "/openai/v1/responses"),
    ("GET", "/openai/v1/models?client_version=1", "/openai/v1/models?client_version=1"),
    ("POST", "/mlflow/v1/chat/completions", "/mlflow/v1/chat/completions"),
    (
        "POST",
        "/gemini/v1beta/models/system.ai.m-1:streamGenerateContent?alt=sse",
        "/gemini/v1beta/models/system.ai.m-1:streamGenerateContent?alt=sse",
    ),
    ("POST", "/gemini/v1beta/models/m:generateContent", "/gemini/v1beta/models/m:generateContent"),
    ("POST", "/gemini/v1beta/models/m:countTokens", "/gemini/v1beta/models/m:countTokens"),
]


@pytest.mark.parametrize(("method", "local", "upstream"), CALLS)
@pytest.mark.parametrize("streams", [True, False])
def test_every_dialect_passes_byte_by_byte(method, local, upstream, streams):
    async def answer(exchange: Exchange) -> None:
        if not streams:
            return await exchange.reply(200, EVERY_BYTE, content_type="x/y", request_id="r")
        await exchange.head(content_type="text/event-stream", cache_control="no-cache")
        for start in range(0, len(EVERY_BYTE), 100):
            await exchange.chunk(EVERY_BYTE[start : start + 100])
        await exchange.send(b"0\r\n\r\n")
        return None

    async def run() -> None:
        async with broker_for(answer) as site:
            sent = EVERY_BYTE if method == "POST" else b""
            reply = await site.agent.request(method, local, content=sent)
            assert reply.status_code == 200
            assert reply.content == EVERY_BYTE
            assert reply.headers["content-type"] == ("text/event-stream" if streams else "x/y")
            (seen,) = site.gateway.seen
            assert (seen.method, seen.target, seen.body) == (method, upstream, sent)
            assert seen.header("authorization") == f"Bearer {FIRST_PAT}"

    asyncio.run(run())


def test_a_compressed_answer_stays_as_it_is():
    packed = gzip.compress(EVERY_BYTE)

    async def answer(exchange: Exchange) -> None:
        await exchange.reply(200, packed, content_encoding="gzip")

    async def run() -> None:
        async with broker_for(answer) as site, site.agent.stream("POST", MESSAGES) as reply:
            assert b"".join([chunk async for chunk in reply.aiter_raw()]) == packed
            assert reply.headers["content-encoding"] == "gzip"

    asyncio.run(run())


def test_a_head_and_each_chunk_arrive_before_the_next_is_sent():
    step = asyncio.Event()

    async def next_step() -> None:
        await asyncio.wait_for(step.wait(), PATIENCE_SECONDS)
        step.clear()

    async def answer(exchange: Exchange) -> None:
        await exchange.head()
        await next_step()
        await exchange.chunk(b"one")
        await next_step()
        await exchange.chunk(b"two")
        await exchange.send(b"0\r\n\r\n")

    async def run() -> None:
        async with broker_for(answer) as site, site.agent.stream("POST", MESSAGES) as reply:
            step.set()  # the head is here, and nothing else was sent yet
            chunks = reply.aiter_raw()
            assert await anext(chunks) == b"one"
            step.set()
            assert await anext(chunks) == b"two"

    asyncio.run(run())


@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_disconnects_ends_the_upstream_call(begun):
    async def answer(exchange: Exchange) -> None:
        if begun:
            await exchange.head()
            await exchange.chunk(b"one")
        assert await asyncio.wait_for(exchange.reader.read(), PATIENCE_SECONDS) == b""
        exchange.drop()
        ended.set()

    ended = asyncio.Event()

    async def run() -> None:
        async with broker_for(answer) as site:
            reader, writer = await site.open()
            writer.write(post(site, b"{}"))
            await (reader.readuntil(b"one") if begun else until(lambda: site.gateway.seen))
            writer.transport.abort()
            await asyncio.wait_for(ended.wait(), PATIENCE_SECONDS)

    asyncio.run(run())


def test_a_stalled_client_pauses_the_upstream_and_memory_stays_bounded():
    total, sent = 64 * 1024 * 1024, 0
    chunk = bytes(64 * 1024)
    paused = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.head()
        while sent < total:
            try:
                async with asyncio.timeout(0.5):
                    await exchange.chunk(chunk)
            except TimeoutError:
                paused.set()
                await exchange.writer.drain()
            sent += len(chunk)
        await exchange.send(b"0\r\n\r\n")

    async def run() -> None:
        async with broker_for(answer) as site:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", site.broker.port))
            client.send(post(site, b"{}"))
            await asyncio.wait_for(paused.wait(), PATIENCE_SECONDS)
            assert sent < total / 4  # what the kernel's buffers on both legs hold, and no more
            reader, writer = await asyncio.open_connection(sock=client)
            received = 0
            while data := await asyncio.wait_for(reader.read(1 << 20), PATIENCE_SECONDS):
                received += len(data)
                if data.endswith(b"0\r\n\r\n"):
                    break
            assert received > total
            writer.close()

    asyncio.run(run())


async def stream_to_its_end(exchange: Exchange) -> None:
    await exchange.head(content_type="text/event-stream")
    await exchange.chunk(b"data: one\n\n")
    await exchange.chunk(b'data: {"usage":{},"deep":' + b"[" * 3000 + b"]" * 3000 + b"}\n\n")
    await exchange.chunk(b"data: last\n\n")
    await exchange.send(b"0\r\n\r\n")


def test_an_answer_that_a_fault_of_ours_cuts_short_never_looks_complete(monkeypatch, caplog):
    def fault(self: TokenCounts, chunk: bytes) -> None:
        if b"deep" in chunk:
            raise RuntimeError(f"this text quotes {chunk!r}")

    monkeypatch.setattr(TokenCounts, "feed", fault)
    caplog.set_level(0)

    async def run() -> None:
        async with broker_for(stream_to_its_end) as site:
            reader, writer = await site.open()
            writer.write(post(site, b'{"model":"m"}'))
            answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
            assert answer.startswith(b"HTTP/1.1 200")
            assert not answer.endswith(b"0\r\n\r\n")
            writer.close()
            await until(site.broker.usage.to_json)
            (usage,) = site.broker.usage.to_json()
            assert (usage["calls"], usage["errors"]) == (1, 1)

    asyncio.run(run())
    assert "RuntimeError" in caplog.text
    assert "in fault" in caplog.text  # where it was
    assert "[[[" not in caplog.text


def test_an_event_that_is_nested_too_deeply_passes_as_it_came():
    async def run() -> None:
        async with broker_for(stream_to_its_end) as site:
            reply = await site.agent.post(MESSAGES, json={})
            assert reply.text.endswith("data: last\n\n")
            assert "[" * 3000 in reply.text

    asyncio.run(run())


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_error_that_is_nested_too_deeply_passes_as_it_came(status):
    async def answer(exchange: Exchange) -> None:
        await exchange.reply(status, b"[" * 3000)

    async def run() -> None:
        async with broker_for(answer) as site:
            reply = await site.agent.post(MESSAGES, json={})
            assert reply.status_code == (503 if status == 401 else status)  # 401 is about the token

    asyncio.run(run())


def test_an_agent_that_stops_reading_is_cut_off_in_the_end(monkeypatch):
    monkeypatch.setattr(model_proxy, "WRITE_SECONDS", 0.2)
    ended = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.head()
        try:
            while True:
                await exchange.chunk(bytes(64 * 1024))
        finally:
            ended.set()

    async def run() -> None:
        async with broker_for(answer) as site:
            _, writer = await site.open()
            writer.write(post(site, b"{}"))  # and it reads nothing
            await asyncio.wait_for(ended.wait(), PATIENCE_SECONDS)
            writer.close()

    asyncio.run(run())


def test_a_call_that_only_shows_signs_of_life_ends_in_the_end(monkeypatch):
    monkeypatch.setattr(gateway_client, "TOTAL_SECONDS", 0.5)

    async def answer(exchange: Exchange) -> None:
        await exchange.head()
        while True:
            await exchange.chunk(b": ping\n\n")
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with broker_for(answer) as site:
            with pytest.raises(httpx.RemoteProtocolError):
                await site.agent.post(MESSAGES, json={})

    asyncio.run(run())


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_an_upstream_that_dies_mid_stream_breaks_the_connection_and_is_not_repeated(framing):
    async def answer(exchange: Exchange) -> None:
        if framing == "chunked":
            await exchange.head()
            await exchange.chunk(b"half")
        else:
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        exchange.drop()

    async def run() -> None:
        async with broker_for(answer) as site:
            async with site.agent.stream("POST", MESSAGES) as reply:
                chunks = reply.aiter_raw()
                assert await anext(chunks) == b"half"
                with pytest.raises(httpx.RemoteProtocolError):
                    await anext(chunks)
            assert len(site.gateway.seen) == 1

    asyncio.run(run())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    async def run() -> None:
        async with broker_for(answer_ok) as elsewhere:
            target = f"{elsewhere.gateway.url}/stolen"

            async def answer(exchange: Exchange) -> None:
                await exchange.reply(status, b"", location=target)

            async with broker_for(answer) as site:
                reply = await site.agent.post(MESSAGES)
                assert reply.status_code == 502
                assert "redirect" in message_of(MESSAGES, reply)
                assert "location" not in reply.headers
            assert elsewhere.gateway.seen == []

    asyncio.run(run())


@pytest.mark.parametrize("path", ONE_PATH_PER_DIALECT)
def test_an_unreachable_gateway_is_503_with_retry_after(path):
    async def answer(exchange: Exchange) -> None:
        exchange.drop()

    async def run() -> None:
        async with broker_for(answer) as site:
            reply = await site.agent.post(path)
            assert reply.status_code == 503
            assert int(reply.headers["retry-after"]) > 0
            assert "does not answer" in message_of(path, reply)
            assert len(site.gateway.seen) == 1  # a new connection that fails is not stale

    asyncio.run(run())


@pytest.mark.parametrize("status", [404, 429, 500, 503, 529])
def test_other_errors_pass_with_their_retry_after(status):
    async def answer(exchange: Exchange) -> None:
        await exchange.reply(status, b"as it is", retry_after="7")

    async def run() -> None:
        async with broker_for(answer) as site:
            reply = await site.agent.post(MESSAGES)
            assert (reply.status_code, reply.content) == (status, b"as it is")
            assert reply.headers["retry-after"] == "7"
            assert len(site.gateway.seen) == 1

    asyncio.run(run())


def test_a_connection_that_went_stale_is_replaced_unnoticed():
    async def answer(exchange: Exchange) -> None:
        # The second request on a connection crosses with its closing.
        on_this = [seen for seen in site_seen if seen.connection == exchange.connection]
        await (answer_ok(exchange) if len(on_this) == 1 else drop(exchange))

    async def drop(exchange: Exchange) -> None:
        exchange.drop()

    site_seen: list[Exchange] = []

    async def run() -> None:
        async with broker_for(answer) as site:
            site.gateway.seen = site_seen
            assert (await site.agent.post(MESSAGES, content=b"1")).status_code == 200
            assert (await site.agent.post(MESSAGES, content=b"2")).status_code == 200
            assert [seen.body for seen in site_seen] == [b"1", b"2", b"2"]
            assert [seen.connection for seen in site_seen] == [1, 1, 2]

    asyncio.run(run())


def test_connections_to_the_gateway_are_reused():
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            for _ in range(3):
                await site.agent.post(MESSAGES)
            assert site.gateway.connections == 1

    asyncio.run(run())


@pytest.mark.parametrize("expect", ["", "Expect: 100-continue\r\n"])
def test_an_oversized_body_is_refused_before_it_is_read(expect):
    async def run() -> None:
        async with broker_for(answer_ok, max_body_bytes=1000) as site:
            reader, writer = await site.open()
            head = post(site, b"x" * 1001).partition(b"\r\n\r\n")[0]
            writer.write(head + b"\r\n" + expect.encode() + b"\r\n")
            status = await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
            assert status.split()[1] == b"413"
            rest = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
            assert b"request_too_large" in rest
            assert b"HTTP/1.1 100" not in rest
            writer.close()
            assert site.gateway.seen == []

    asyncio.run(run())


def test_a_body_without_a_length_is_counted_as_it_comes():
    async def endless(size: int):
        for _ in range(size):
            yield b"x"

    async def run() -> None:
        async with broker_for(answer_ok, max_body_bytes=1000) as site:
            reply = await site.agent.post(MESSAGES, content=endless(1001))
            assert reply.status_code == 413
            assert site.gateway.seen == []
            assert (await site.agent.post(MESSAGES, content=endless(1000))).status_code == 200
            assert site.gateway.seen[0].body == b"x" * 1000

    asyncio.run(run())


def test_a_client_reads_a_refusal_though_it_is_still_sending():
    async def run() -> None:
        async with broker_for(answer_ok, max_body_bytes=1000) as site:
            reply = await site.agent.post(MESSAGES, content=b"x" * 20_000_000)
            assert reply.status_code == 413

    asyncio.run(run())


def test_a_stopping_broker_breaks_off_its_calls():
    async def answer(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(b"one")
        await exchange.reader.read()
        exchange.drop()

    async def run() -> None:
        async with broker_for(answer) as site, site.agent.stream("POST", MESSAGES) as reply:
            chunks = reply.aiter_raw()
            await anext(chunks)
            await asyncio.wait_for(site.broker.stop(), PATIENCE_SECONDS)
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(chunks)
            await site.broker.stop()  # twice does no harm

    asyncio.run(run())


def post(site, body: bytes) -> bytes:
    return (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: {site.authority}\r\nx-api-key: {site.capability}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body

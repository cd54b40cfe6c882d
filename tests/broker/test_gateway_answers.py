"""What is not HTTP, or of ambiguous length, is not an answer; others pass however they are cut."""

import asyncio
import json

import httpx
import pytest

from .scripted_gateway import MESSAGES, Exchange, broker_for, message_of

CHUNKED = b"5\r\nhello\r\nA;name=value\r\n, world\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n"
CONTENT = b"hello, world\r\n!"
OK = b"HTTP/1.1 200 OK\r\n"


def answering(data: bytes, *, closes: bool = True):
    async def answer(exchange: Exchange) -> None:
        await exchange.send(data)
        if closes:
            exchange.drop()

    return answer


@pytest.mark.parametrize(
    "head",
    [
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Content-Length: +5\r\n\r\n",
        OK + b"Content-Length: five\r\n\r\n",
        OK + b"Content-Length: \xb2\r\n\r\n",
        OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        OK + b"A: " + b"x" * 70_000 + b"\r\nContent-Length: 5\r\n\r\n",
        OK + b"A: " + b"x" * 100,
        OK + b"A: a\x00b\r\nContent-Length: 5\r\n\r\n",
        OK + b"A: a\x01b\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_an_ambiguous_or_malformed_head_is_not_an_answer(head):
    async def run() -> None:
        async with broker_for(answering(head + b"hello")) as site:
            reply = await site.agent.post(MESSAGES)
            assert reply.status_code == 503
            assert "does not answer" in message_of(MESSAGES, reply)
            assert len(site.gateway.seen) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"-1\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"1" * 17 + b"\r\n",
        CHUNKED[:-1],
        CHUNKED[:8],
    ],
)
def test_a_malformed_or_unfinished_body_never_looks_complete(body):
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"

    async def run() -> None:
        async with broker_for(answering(head + body)) as site:
            try:
                reply = await site.agent.post(MESSAGES)
            except httpx.RemoteProtocolError:
                return
            assert reply.status_code == 503

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "data",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        OK + b"Content-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT,
        OK + b"\r\n" + CONTENT,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + OK
        + b"Connection: close\r\n\r\n"
        + CONTENT,
    ],
)
def test_an_answer_is_the_same_however_it_is_cut(data, size):
    async def answer(exchange: Exchange) -> None:
        for start in range(0, len(data), size):
            await exchange.send(data[start : start + size])
            await asyncio.sleep(0)
        exchange.drop()

    async def run() -> None:
        async with broker_for(answer) as site:
            reply = await site.agent.post(MESSAGES)
            assert (reply.status_code, reply.content) == (200, CONTENT)

    asyncio.run(run())


@pytest.mark.parametrize("line", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 500 X\r\n"])
@pytest.mark.parametrize("missing", [0, 1, 20])
def test_a_message_that_ends_with_its_connection_looks_complete_only_as_a_whole(line, missing):
    async def run() -> None:
        message = json.dumps({"content": [{"type": "text", "text": "{}"}]}).encode()
        sent = message[: len(message) - missing]
        head = line + b"Content-Type: application/json; charset=utf-8\r\n\r\n"
        async with broker_for(answering(head + sent)) as site:
            if missing:
                with pytest.raises(httpx.RemoteProtocolError):
                    await site.agent.post(MESSAGES)
            else:
                assert (await site.agent.post(MESSAGES)).content == message

    asyncio.run(run())


def test_an_answer_without_content_is_passed_as_one():
    async def run() -> None:
        async with broker_for(answering(b"HTTP/1.1 204 No\r\n\r\n", closes=False)) as site:
            reply = await site.agent.post(MESSAGES)
            assert (reply.status_code, reply.content) == (204, b"")

    asyncio.run(run())


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", b"HTTP/1.0 200 OK\r\n"]
)
def test_a_connection_is_kept_only_if_both_ends_do(line):
    async def run() -> None:
        data = line + b"Content-Length: 5\r\n\r\nhello"
        async with broker_for(answering(data, closes=False)) as site:
            for _ in range(2):
                assert (await site.agent.post(MESSAGES)).content == b"hello"
            assert site.gateway.connections == 2

    asyncio.run(run())


def test_a_gateway_that_answers_before_it_has_the_whole_request_is_heard():
    async def run() -> None:
        async with broker_for(answering(b"HTTP/1.1 413 X\r\nContent-Length: 3\r\n\r\nbig")) as site:
            reply = await site.agent.post(MESSAGES, content=bytes(3_000_000))
            assert (reply.status_code, reply.content) == (413, b"big")

    asyncio.run(run())


def test_several_stale_connections_cost_no_call():
    async def answer(exchange: Exchange) -> None:
        first = exchange.connection not in used
        used.add(exchange.connection)
        if not first:
            exchange.drop()
            return
        if len(used) <= 3:
            await asyncio.wait_for(together.wait(), 5)  # so that each call has its own connection
        await exchange.reply(200, b"{}")

    used: set[int] = set()
    together = asyncio.Event()

    async def run() -> None:
        async with broker_for(answer) as site:
            calls = [asyncio.create_task(site.agent.post(MESSAGES)) for _ in range(3)]
            while len(used) < 3:
                await asyncio.sleep(0.01)
            together.set()
            assert {reply.status_code for reply in await asyncio.gather(*calls)} == {200}
            assert (await site.agent.post(MESSAGES)).status_code == 200

    asyncio.run(run())

"""A large request delays no key, is corrected as a small one is, and is not kept for long."""

import asyncio
import itertools
import json
import random
import re
import time
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from jupyter_dbx_agents.broker.access import LOCAL_PREFIXES, Route
from jupyter_dbx_agents.broker.filters.pieces import WHOLE, Pieces, model_of, searched
from jupyter_dbx_agents.broker.filters.request import (
    event_filter,
    filter_request,
    read_request,
)
from jupyter_dbx_agents.models import Dialect

from .scripted_gateway import (
    MESSAGES,
    ONE_PATH_PER_DIALECT,
    PATIENCE_SECONDS,
    Exchange,
    answer_ok,
    broker_for,
    message_of,
    until,
)

AGENTS = ["claude-code", "codex", "opencode", "hermes", "gemini-cli"]
WORDS = [
    "namespace",
    "web_search",
    "tool_search",
    "model",
    "é ü",
    '"',
    "\\",
    "\n",
    "\U0001f600",
    "",
]


def route_to(dialect: Dialect) -> Route:
    return Route(dialect, LOCAL_PREFIXES[dialect], is_model_call=True)


def escaped(chance: random.Random, text: str) -> str:
    """Write JSON without any escapes with some, as an agent might."""

    def letter(match: re.Match[str]) -> str:
        return f"\\u{ord(match[0]):04x}" if chance.random() < 0.1 else match[0]

    return re.sub(r'"[^"]*"', lambda string: re.sub(r"[a-z_]", letter, string[0]), text)


def words(chance: random.Random) -> str:
    return "".join(chance.choices(WORDS, k=chance.randint(0, 4)))


def random_tool(chance: random.Random) -> Any:
    inner = {"type": "function", "name": chance.choice("abc"), "strict": True}
    return chance.choice(
        [
            {"type": "web_search_20250305", "name": "web_search"},
            {"name": words(chance), "eager_input_streaming": True},
            {"name": "plain", "description": words(chance)},
            {"type": "namespace", "name": chance.choice(["n", "n__a"]), "tools": [inner]},
            {"type": "namespace", "name": "empty", "tools": []},
            {"type": "function", "function": inner},
        ]
    )


def random_message(chance: random.Random) -> Any:
    return chance.choice(
        [
            {"role": "user", "content": words(chance)},
            {"role": "tool", "tool_call_id": "c1", "content": words(chance)},
            {"role": "assistant", "content": [{"type": "text", "text": words(chance)}]},
            {"type": "function_call", "namespace": "n", "name": "a", "arguments": words(chance)},
        ]
    )


def random_request(chance: random.Random) -> dict[str, Any]:
    members: list[tuple[str, Any]] = [
        ("model", chance.choice(["claude-x", "gpt-x", words(chance)])),
        ("tools", [random_tool(chance) for _ in range(chance.randint(0, 4))]),
        ("messages", [random_message(chance) for _ in range(chance.randint(0, 4))]),
        ("input", [random_message(chance) for _ in range(chance.randint(0, 4))]),
        ("tool_choice", chance.choice(["auto", None, {"type": "tool", "name": "web_search"}])),
        ("temperature", chance.choice([1, 0.5, 10**30])),
        ("metadata", {words(chance): {"model": words(chance)}}),
        ("store", False),
    ]
    chance.shuffle(members)
    return dict(members[: chance.randint(0, len(members))])


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("dialect", Dialect)
def test_a_request_is_read_and_corrected_in_pieces_as_it_would_be_whole(agent, dialect):
    chance = random.Random(f"{agent} {dialect}")

    async def run() -> None:
        for _ in range(400):
            given = random_request(chance)
            space = chance.choice([None, 2])
            text = json.dumps(given, indent=space, ensure_ascii=chance.random() < 0.5)
            if chance.random() < 0.3:
                text = escaped(chance, text) if "\\" not in text else text
            body = text.encode("utf-8", "surrogatepass")
            whole = filter_request(agent, dialect, given)
            read = await read_request(agent, route_to(dialect), body)
            assert json.loads(read.body) == whole.body
            assert (read.body == body) or whole.body is not given
            assert read.model == given.get("model", "")
            events = event_filter(agent, dialect, whole)
            assert type(read.events) is type(events)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"model":"m","model":"n"}', "m"),
        (b' { "mod\\u0065l" : "m\\u006d" } ', "mm"),
        (b'{"messages":[{"model":"no"}],"metadata":{"model":"no"},"model":"m"}', "m"),
        (b'{"messages":[%s],"model":"m"}' % b",".join([b'"' + b"x" * 30_000 + b'"'] * 9), "m"),
        (b'{"a":"%s","model":"m"}' % ("é" * 20_000).encode(), "m"),
        (b'{"messages":[]}', ""),
        (b'{"model":1}', ""),
        (b'{"model":"cut', ""),
        (b"[" * 100_000, ""),
        (b'{"a":' + b"[" * 100_000, ""),
        (b'["model","m"]', ""),
        (b"\xff\xfe{", ""),
        (b"", ""),
    ],
)
def test_the_model_is_found_wherever_it_is_and_nothing_else_is_taken_for_it(body, model):
    assert model_of(body) == model


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"type":"web_search_1"}', True),
        (b'"web_search', True),
        (b'{"text":"say \\"web_search\\" to"}', False),  # somebody's words
        (b'{"text":"web_search is off"}', True),  # not to be told apart without parsing
        (b'{"text":"the web_search tool"}', False),
        (b'{"type":"w\\u0065b_search"}', True),
        (b'{"text":"\\u001b[1m \\u00e9"}', False),  # escapes of other characters
        (b"x" * (256 * 1024 - 5) + b'"web_search', True),
        (b"x" * (256 * 1024 - 3) + b"\\u0061", True),
    ],
)
def test_a_mark_is_found_where_a_string_begins_with_it(body, found):
    assert any(searched(body, (b'"web_search',))) is found


def test_what_is_not_changed_is_written_as_it_came():
    text = '{ "a" : 1.0e3, "big": 1e999, "list": [ {"x" : "\\u00e9"}, [ 1,2 ] , 5 ], "s": "\\/" }'
    pieces = Pieces(text, {"list": WHOLE})
    first, *others = pieces.value["list"]
    written = pieces.write({**pieces.value, "list": [{**first, "y": 1}, *others]}).decode()
    assert written == (
        '{"a":1.0e3,"big":1e999,"list":[{"x": "\\u00e9", "y": 1},[ 1,2 ],5],"s":"\\/"}'
    )


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a"}', '{"a":}', '{"a":1,}', '{"a":[1,]}', '{"a":[1}', '{"a":1} x', "{1:2}"],
)
def test_what_json_refuses_is_refused_in_pieces(text):
    with pytest.raises(ValueError):
        Pieces(text, {"a": WHOLE})
    assert Pieces("{}", {}).value == {}
    assert Pieces('{"a":[ ]} ', {"a": WHOLE}).value == {"a": []}


@pytest.mark.parametrize("agent", ["claude-code", "opencode", "hermes"])
def test_a_request_that_is_nested_deeply_goes_to_the_gateway_as_it_came(agent):
    """The parser takes more levels than a function in Python can walk through."""
    deep = b'{"properties":' * 900 + b"1" + b"}" * 900
    tools = b'[{"type":"web_search"},{"function":{"parameters":%s}}]' % deep
    body = b'{"model":"claude","tools":%s}' % tools

    async def run() -> None:
        async with broker_for(answer_ok) as site:
            secret = site.broker.capability(agent).reveal()
            for path in (MESSAGES, "/mlflow/v1/chat/completions"):
                reply = await site.agent.post(
                    path, content=body, headers={"Authorization": f"Bearer {secret}"}
                )
                assert reply.status_code == 200

    asyncio.run(run())


def conversation(mib: int) -> bytes:
    """A long conversation with a tool that has to be corrected."""
    text = {"type": "text", "text": "some words of a long conversation, " * 6}
    message = {"role": "user", "content": [text, {"type": "tool_use", "input": {"command": "ls"}}]}
    return json.dumps(
        {
            "model": "claude",
            "tools": [{"name": "a", "eager_input_streaming": True}],
            "messages": [message] * (mib * 2**20 // len(json.dumps(message))),
        }
    ).encode()


def test_the_event_loop_runs_on_while_a_large_request_is_read():
    """Compared with the time of parsing it whole, on this machine and now."""
    body = conversation(16)
    started = time.perf_counter()
    json.loads(body)
    whole_seconds = time.perf_counter() - started

    async def longest_pause() -> float:
        reading = asyncio.ensure_future(
            read_request("claude-code", route_to(Dialect.ANTHROPIC), body)
        )
        longest, before = 0.0, time.perf_counter()
        while not reading.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
        assert b"eager" not in (await reading).body
        return longest

    assert min(asyncio.run(longest_pause()) for _ in range(5)) < whole_seconds / 4


# ---- memory


async def begin_call(site: Any, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await site.open()
    writer.write(head_of(site, len(body)) + body)
    await writer.drain()
    return reader, writer


def head_of(site: Any, length: int) -> bytes:
    return (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: {site.authority}\r\n"
        f"Authorization: Bearer {site.capability}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_a_body_is_let_go_once_its_answer_begins():
    size, calls = 4 * 2**20, 4
    body = json.dumps({"model": "m", "messages": "x" * size}).encode()

    async def run() -> None:
        release = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            exchange.body = b""
            await exchange.head()
            await exchange.chunk(b"begun")
            await release.wait()
            await exchange.send(b"0\r\n\r\n")

        async with broker_for(answer) as site:
            tracemalloc.start()
            agents = [await begin_call(site, body) for _ in range(calls)]
            for reader, _ in agents:
                await asyncio.wait_for(reader.readuntil(b"begun"), PATIENCE_SECONDS)
            assert site.broker.shared.held.bytes == 0
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert held < size
            release.set()
            for reader, writer in agents:
                await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), PATIENCE_SECONDS)
                writer.close()

    asyncio.run(run())


def test_a_body_is_held_once_while_its_answer_is_awaited():
    """A second copy costs the event loop as much time as it does memory."""
    size = 8 * 2**20
    body = json.dumps({"model": "m", "messages": "x" * size}).encode()

    async def run() -> None:
        release = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            exchange.body = b""
            await release.wait()
            await answer_ok(exchange)

        async with broker_for(answer) as site:
            tracemalloc.start()
            reader, writer = await begin_call(site, body)
            await until(lambda: len(site.gateway.seen) == 1)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert size < held < 1.5 * size
            release.set()
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("path", ONE_PATH_PER_DIALECT)
def test_the_requests_of_all_calls_are_bounded_and_the_next_agent_is_told_to_retry(path):
    body = json.dumps({"model": "m", "messages": "x" * 900}).encode()

    async def run() -> None:
        release = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            await release.wait()
            await answer_ok(exchange)

        async with broker_for(answer, max_body_bytes=1000, max_held_bytes=2000) as site:
            agents = [await begin_call(site, body) for _ in range(2)]
            await until(lambda: len(site.gateway.seen) == 2)
            refused = await site.agent.post(path, content=body)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
            assert "max_held_bytes" in message_of(path, refused)
            assert len(site.gateway.seen) == 2
            release.set()
            for reader, _ in agents:
                await reader.readuntil(b"\r\n\r\n")
            assert (await site.agent.post(path, content=body)).status_code == 200
            for _, writer in agents:
                writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("length", ["declared", "chunked"])
def test_a_small_call_fits_however_much_another_agent_holds(length):
    """An agent that declares large requests and stalls, say, or has many of them waiting."""
    most, own = 64_000, 1000
    small = json.dumps({"model": "m", "messages": "x" * 700}).encode()

    async def run() -> None:
        async with broker_for(answer_ok, max_body_bytes=most, max_held_bytes=most) as site:
            held = site.broker.shared.held
            stalling = [(await site.open())[1] for _ in range(2)]
            for writer, size in zip(stalling, (most, own), strict=True):
                writer.write(head_of(site, size))
            await until(lambda: held.bytes == most + own)
            other = {"Authorization": f"Bearer {site.broker.capability('codex').reveal()}"}

            async def status_of(body: bytes, **options: Any) -> int:
                content = body if length == "declared" else pieces_of(body)
                return (await site.agent.post(MESSAGES, content=content, **options)).status_code

            for _ in range(3):
                assert await status_of(small, headers=other) == 200
            assert await status_of(small) == 503
            assert await status_of(small * 2, headers=other) == 503  # the limit is one for all
            for writer in stalling:
                writer.close()
            await until(lambda: held.bytes == 0)

    asyncio.run(run())


async def pieces_of(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100):
        yield body[start : start + 100]


@pytest.mark.parametrize("length", ["declared", "chunked"])
def test_an_agent_that_leaves_while_it_sends_frees_what_was_held_for_it(length):
    async def run() -> None:
        async with broker_for(answer_ok, max_body_bytes=1000) as site:
            for _ in range(3):
                reader, writer = await site.open()
                head = head_of(site, 900)
                if length == "chunked":
                    head = head.replace(b"Content-Length: 900", b"Transfer-Encoding: chunked")
                    head += b"64\r\n" + b"x" * 100 + b"\r\n"
                writer.write(head)
                await until(lambda: site.broker.shared.held.bytes > 0)
                writer.close()
                await until(lambda: site.broker.shared.held.bytes == 0)
                assert await reader.read() == b""

    asyncio.run(run())


def test_nothing_is_held_whatever_the_end_of_a_call():
    async def break_off(exchange: Exchange) -> None:
        await exchange.head()
        exchange.drop()

    async def refuse(exchange: Exchange) -> None:
        await exchange.reply(500, b"no")

    async def run() -> None:
        for answer, path in itertools.product(
            (break_off, refuse, answer_ok), (MESSAGES, "/unknown", "/anthropic/v1/models")
        ):
            async with broker_for(answer, max_body_bytes=1000) as site:
                for content in (b"x" * 10, b"x" * 2000):
                    try:
                        await site.agent.post(path, content=content)
                    except httpx.RemoteProtocolError:
                        assert answer is break_off
                await until(lambda: site.broker.shared.held.bytes == 0)

    asyncio.run(run())

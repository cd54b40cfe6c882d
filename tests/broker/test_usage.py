"""Calls, tokens, errors and time of each agent and model, from what passes by."""

import asyncio
import importlib.util
import json
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY, generate_latest

from dbx_workspace.models import anthropic as models_anthropic
from dbx_workspace.models import chat as models_chat
from dbx_workspace.models import gemini as models_gemini
from dbx_workspace.models import responses as models_responses
from dbx_workspace.models.script import Reply
from jupyter_dbx_agents.broker import ledger as ledger_module
from jupyter_dbx_agents.broker.call import MOST_ANSWER_BYTES, Call, TokenCounts
from jupyter_dbx_agents.broker.ledger import MOST_PAIRS, OTHER, UsageLedger
from jupyter_dbx_agents.models import Dialect
from jupyter_dbx_agents.pat import PatState

from .scripted_gateway import MESSAGES, Exchange, Pats, answer_ok, broker_for, until
from .test_broker_workspace import WorkspaceSite, bodies, workspace_site

SCRIPTED = {
    Dialect.ANTHROPIC: models_anthropic.DIALECT,
    Dialect.RESPONSES: models_responses.DIALECT,
    Dialect.CHAT: models_chat.DIALECT,
    Dialect.GEMINI: models_gemini.DIALECT,
}
REPLY = Reply(("Grüße, ", "one ", "two"), None, 0.0, None, 41)
EVENTS = [("Content-Type", "text/event-stream; charset=utf-8")]
JSON = [("content-type", "application/json")]


def counted(dialect: Dialect, headers: list[tuple[str, str]], *chunks: bytes) -> tuple[int, int]:
    counts = TokenCounts()
    counts.begin(dialect, headers)
    for chunk in chunks:
        counts.feed(chunk)
    counts.finish()
    return counts.input_tokens, counts.output_tokens


def stream(dialect: Dialect) -> bytes:
    options = {"stream_options": {"include_usage": True}}
    return b"".join(frame.data for frame in SCRIPTED[dialect].frames(REPLY, "m", options))


@pytest.mark.parametrize("dialect", Dialect)
def test_a_stream_has_the_same_tokens_wherever_it_is_cut(dialect):
    data = stream(dialect)
    for cut in range(len(data)):
        assert counted(dialect, EVENTS, data[:cut], data[cut:]) == (41, 3)
    assert counted(dialect, EVENTS, *[data[i : i + 1] for i in range(len(data))]) == (41, 3)


@pytest.mark.parametrize("dialect", Dialect)
def test_the_tokens_of_a_whole_answer_are_counted(dialect):
    data = json.dumps(SCRIPTED[dialect].render(REPLY, "m")).encode()
    assert counted(dialect, JSON, data[:9], data[9:]) == (41, 3)


def test_what_the_cache_held_and_what_was_thought_counts_too():
    usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300}
    start = {"type": "message_start", "message": {"usage": {**usage, "output_tokens": 1}}}
    end = {"type": "message_delta", "usage": {"output_tokens": 7}}
    lines = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in (start, end))
    assert counted(Dialect.ANTHROPIC, EVENTS, lines) == (321, 7)
    thought = {"promptTokenCount": 5, "candidatesTokenCount": 6, "thoughtsTokenCount": 7}
    answer = json.dumps([{"usageMetadata": None}, {"usageMetadata": thought}]).encode()
    assert counted(Dialect.GEMINI, JSON, answer) == (5, 13)


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        (EVENTS, b'data: {"usage" broken\n\ndata: {"usage": [1]}\n'),
        (EVENTS, b'data: {"usage": {"prompt_tokens": "9", "completion_tokens": true}}\n'),
        (EVENTS, b'data: {"usage": {"prompt_tokens": -9}}\n'),
        (JSON, b'{"usage": '),
        (JSON, b"[" * 100_000),
        (JSON, b" " * MOST_ANSWER_BYTES + b'{"usage": {"prompt_tokens": 9}}'),
        ([*JSON, ("Content-Encoding", "gzip")], b'{"usage": {"prompt_tokens": 9}}'),
    ],
)
def test_what_cannot_be_read_counts_nothing(headers, data):
    assert counted(Dialect.CHAT, headers, data) == (0, 0)


def figures(site: Any) -> list[dict[str, Any]]:
    times = ("mean_seconds", "mean_first_byte_seconds")
    return [
        {key: value for key, value in usage.items() if key not in times}
        for usage in site.broker.usage.to_json()
    ]


async def ask(site: WorkspaceSite, path: str, body: dict[str, Any]) -> None:
    assert (await site.agent.post(path, json=body)).status_code == 200


def test_every_dialect_is_counted_streamed_and_whole():
    async def run() -> None:
        async with workspace_site() as site:
            for streams in (True, False):
                for path, body in bodies(site.models, streams=streams).items():
                    options = {"stream_options": {"include_usage": True}} if streams else {}
                    await ask(site, path, body | (options if "/chat/" in path else {}))
            usage = figures(site)
            models = site.models
            wanted = [models.anthropic_model, models.gemini_model, models.codex_model]
            assert [u["model"] for u in usage] == wanted
            assert [u["calls"] for u in usage] == [4, 2, 2]  # two dialects, one model
            for one in usage:
                assert one["agent"] == "claude-code"
                assert one["errors"] == 0
                assert one["input_tokens"] == 3 * one["calls"]
                assert one["output_tokens"] == 3 * one["calls"]

    asyncio.run(run())


def test_errors_and_broken_answers_are_counted_and_what_calls_no_model_is_not():
    async def answer(exchange: Exchange) -> None:
        if b"break" in exchange.body:
            await exchange.head()
            await exchange.chunk(b"half")
            return exchange.drop()
        return await exchange.reply(429 if b"busy" in exchange.body else 200, b"{}")

    async def run() -> None:
        async with broker_for(answer) as site:
            await site.agent.post(MESSAGES, json={"model": "m", "x": "busy"})
            with pytest.raises(httpx.RemoteProtocolError):
                await site.agent.post(MESSAGES, json={"model": "m", "x": "break"})
            await site.agent.post(MESSAGES, json={"model": "m"})
            await site.agent.get("/anthropic/v1/models")
            await site.agent.post(MESSAGES + "/count_tokens", json={"model": "m"})
            await site.agent.post("/gemini/v1beta/models/m:countTokens", json={})
            await site.agent.post(MESSAGES, headers={"Authorization": "Bearer wrong"})
            await until(lambda: figures(site)[0]["calls"] == 3)
            (usage,) = figures(site)
            assert (usage["model"], usage["errors"]) == ("m", 2)
            assert usage["last_error"].startswith("gateway broke off"), usage
            await site.agent.post(MESSAGES, json={"model": "m", "x": "busy"})
            await until(lambda: figures(site)[0]["calls"] == 4)
            assert figures(site)[0]["last_error"] == "HTTP 429 Too Many Requests"

    asyncio.run(run())


def test_a_call_that_its_agent_leaves_counts_with_the_tokens_so_far():
    head = b'data: {"message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}\n\n'

    async def answer(exchange: Exchange) -> None:
        await exchange.head(content_type="text/event-stream")
        await exchange.chunk(head)
        await exchange.reader.read()
        exchange.drop()

    async def run() -> None:
        async with broker_for(answer) as site:
            async with site.agent.stream("POST", MESSAGES, json={"model": "m"}) as reply:
                await anext(reply.aiter_raw())
            await until(site.broker.usage.to_json)
            (usage,) = figures(site)
            assert (usage["errors"], usage["input_tokens"], usage["output_tokens"]) == (0, 9, 1)

    asyncio.run(run())


def test_a_call_without_a_pat_is_an_error_of_its_agent():
    async def run() -> None:
        async with broker_for(answer_ok, Pats(state=PatState.NEEDED)) as site:
            await site.agent.post(MESSAGES, json={"model": "m"})
            (usage,) = figures(site)
            assert (usage["agent"], usage["calls"], usage["errors"]) == ("claude-code", 1, 1)
            assert "Databricks" in usage["last_error"]

    asyncio.run(run())


def test_prometheus_has_the_same_figures_and_two_brokers_do_not_clash():
    async def run() -> None:
        async with broker_for(answer_ok) as one, broker_for(answer_ok) as other:
            for site in (one, other):
                await site.agent.post(MESSAGES, json={"model": "shared-model"})

    asyncio.run(run())
    labels = '{agent="claude-code",model="shared-model"}'
    text = generate_latest(REGISTRY).decode()
    assert f"dbx_agents_model_calls_total{labels} 2.0" in text
    assert f"dbx_agents_model_call_seconds_count{labels} 2.0" in text
    assert "dbx_agents_model_input_tokens_total" in text


def test_a_second_copy_of_the_metrics_registers_without_an_error():
    ledger_module.register_metrics()
    spec = importlib.util.find_spec(ledger_module.__name__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    assert copy.CALLS is not ledger_module.CALLS
    copy.UsageLedger().record(Call("POST", "/", agent="a", model="b"), 1.0, 0.5)


def test_a_model_is_a_label_only_if_it_looks_like_one_and_only_so_many_are():
    ledger = UsageLedger()
    for name in ["", "x\ny", "x" * 200, *[f"m{n}" for n in range(2 * MOST_PAIRS)]]:
        ledger.record(Call("POST", "/", agent="a", model=name), 1.0, 0.5)
    usage = ledger.to_json()
    assert len(usage) == MOST_PAIRS
    assert sum(one["calls"] for one in usage) == 2 * MOST_PAIRS + 3
    assert next(u for u in usage if u["model"] == OTHER)["calls"] > MOST_PAIRS


def test_the_mean_times_are_in_the_model():
    ledger = UsageLedger()
    for seconds in (1.0, 3.0):
        ledger.record(Call("POST", "/", agent="a", model="m"), seconds, seconds / 2)
    (usage,) = ledger.to_json()
    assert (usage["mean_seconds"], usage["mean_first_byte_seconds"]) == (2.0, 1.0)

"""What a refusal teaches: a request is mended, repeated once, and never refused for that again."""

import asyncio
import json
import random
import re
from typing import Any

import httpx
import pytest

from dbx_workspace.models.catalog import ANTHROPIC, CHAT, ServedModel
from jupyter_dbx_agents.broker.filters.learning import MOST_REPEATS, Refused, sentence_of
from jupyter_dbx_agents.broker.filters.mends import mend_for
from jupyter_dbx_agents.models.discovery import discover
from jupyter_dbx_agents.secret import Secret
from tests.dbx_workspace.test_model_rules import REFUSED

from .scripted_gateway import MESSAGES, Exchange, Pats, answer_ok, broker_for, message_of
from .test_broker_filters import as_agent
from .test_broker_workspace import SAY, workspace_site

COMPLETIONS = "/mlflow/v1/chat/completions"
LOCAL_PATHS = {
    "/ai-gateway/anthropic": "/anthropic",
    "/ai-gateway/mlflow": "/mlflow",
    "/ai-gateway/codex": "/openai",
    "/ai-gateway/gemini": "/gemini",
}
# What no change of a request that keeps its sense would cure.
NOT_MENDED = {"strict-json", "images", "signatures"}
THROUGH_GATEWAY = [
    (rule, LOCAL_PATHS[path.partition("/v1")[0]] + path[len(path.partition("/v1")[0]) :], body)
    for rule, path, body, _ in REFUSED
    if path.partition("/v1")[0] in LOCAL_PATHS
]


@pytest.mark.parametrize(
    ("rule", "path", "body"),
    THROUGH_GATEWAY,
    ids=[f"{n}-{c[0]}" for n, c in enumerate(THROUGH_GATEWAY)],
)
def test_a_refused_request_is_mended_and_repeated_once(rule, path, body):
    async def run() -> None:
        async with workspace_site() as site:
            await site.control("rule_models", {"*": False, rule: True})
            headers = as_agent(site, "another")  # one whose requests nothing else corrects
            reply = await site.agent.post(path, json=body, headers=headers)
            calls = await site.control("requests", path="/ai-gateway")
            calls = [call for call in calls if call["method"] == "POST"]
            if rule in NOT_MENDED:
                assert (reply.status_code, len(calls)) == (400, 1)
                return
            assert reply.status_code == 200, reply.text
            assert [call["rule"] for call in calls] == [rule, None]
            (usage,) = site.broker.usage.to_json()
            assert (usage["calls"], usage["mended"], usage["errors"]) == (1, 1, 0)
            again = await site.agent.post(path, json=body, headers=headers)
            assert again.status_code == 200
            assert len(await site.control("requests", path="/ai-gateway")) == len(calls) + 1

    asyncio.run(run())


def refused_with(sentence: str, good: Any, status: int = 400) -> Any:
    """Refuse every request that is not good, in the platform's form."""

    async def answer(exchange: Exchange) -> None:
        if good(json.loads(exchange.body)):
            await answer_ok(exchange)
        else:
            error = {"error_code": "BAD_REQUEST", "message": sentence}
            await exchange.reply(status, json.dumps(error).encode())

    return answer


def test_what_was_learned_is_kept_by_model_and_dialect():
    def good(body: dict[str, Any]) -> bool:
        return body["max_tokens"] <= 500

    async def run() -> None:
        async with broker_for(refused_with("max_tokens (9000) cannot exceed 500", good)) as site:
            for model in ("a", "a", "b"):
                body = {"model": model, "max_tokens": 9000}
                assert (await site.agent.post(MESSAGES, json=body)).status_code == 200
            sent = [json.loads(seen.body) for seen in site.gateway.seen]
            assert [(one["model"], one["max_tokens"]) for one in sent] == [
                ("a", 9000),
                ("a", 500),
                ("a", 500),
                ("b", 9000),
                ("b", 500),
            ]

    asyncio.run(run())


@pytest.mark.parametrize("size", [10, 400_000])
def test_only_what_was_refused_changes_in_a_request_of_any_size(size):
    text = "ü" * size
    schema = {"properties": {"novelty": {"type": "string", "novelty": 1}}, "novelty": 2}
    called = [{"type": "tool_use", "id": "c", "name": "t", "input": {"novelty": 3}}]
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": called},
        ],
        "tools": [{"name": "t", "novelty": True, "input_schema": schema}],
        "odd": {"novelty": 4, "kept": 1.50},
    }
    sentence = "tools.0.custom.novelty: Extra inputs are not permitted"

    async def run() -> None:
        async with broker_for(
            refused_with(sentence, lambda b: "novelty" not in b["tools"][0])
        ) as site:
            for _ in range(2):
                assert (await site.agent.post(MESSAGES, json=body)).status_code == 200
            _, mended, again = site.gateway.seen
            assert mended.body == again.body
            assert json.loads(mended.body) == {
                **body,
                "tools": [
                    {
                        "name": "t",
                        "input_schema": {"properties": {"novelty": {"type": "string"}}},
                    }
                ],
                "odd": {"kept": 1.50},
            }

    asyncio.run(run())


def test_a_mend_that_does_not_help_is_not_kept_and_the_agent_gets_the_gateways_words():
    sentence = "novelty: Extra inputs are not permitted"

    async def run() -> None:
        async with broker_for(refused_with(sentence, lambda body: False)) as site:
            body = {"model": "m", "novelty": 1}
            reply = await site.agent.post(MESSAGES, json=body)
            assert (reply.status_code, reply.json()["message"]) == (400, sentence)
            assert len(site.gateway.seen) == 2
            await site.agent.post(MESSAGES, json=body)
            assert json.loads(site.gateway.seen[2].body) == body

    asyncio.run(run())


def test_a_request_for_more_than_a_minutes_budget_asks_for_less_and_the_next_for_all_again():
    async def run() -> None:
        async with workspace_site() as site:
            await site.control("switch", output_tokens_per_minute=20_000)
            body = {"model": site.models.anthropic_model, "max_tokens": 64_000, "messages": SAY}
            assert (await site.agent.post(MESSAGES, json=body)).status_code == 200
            await site.control("switch", output_tokens_per_minute=100_000)
            assert (await site.agent.post(MESSAGES, json=body)).status_code == 200
            calls = await site.control("requests", path="/ai-gateway")
            assert [call["status"] for call in calls] == [429, 200, 200]
            await site.control("switch", output_tokens_per_minute=100)
            for _ in range(MOST_REPEATS + 1):  # what waits for the next minute is no refusal
                reply = await site.agent.post(MESSAGES, json=body)
                assert reply.status_code == 429
                assert "output tokens per minute" in reply.text

    asyncio.run(run())


@pytest.mark.parametrize("path", [MESSAGES, COMPLETIONS])
def test_a_request_that_is_always_refused_is_answered_at_once_without_what_looks_like_a_status(
    path,
):
    sentence = "the reason is 25000"

    async def run() -> None:
        async with broker_for(refused_with(sentence, lambda body: "other" in body)) as site:
            body = {"model": "m", "messages": SAY}
            for _ in range(MOST_REPEATS):
                assert sentence in (await site.agent.post(path, json=body)).text
            reply = await site.agent.post(path, json=body)
            assert reply.status_code == 400
            assert "(the reason is 25,000)" in message_of(path, reply)
            assert len(site.gateway.seen) == MOST_REPEATS
            assert (await site.agent.post(path, json={**body, "other": 1})).status_code == 200

    asyncio.run(run())


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
def test_a_web_page_in_the_place_of_an_answer_is_an_error_in_words(status):
    page = b"<html><head><title>Blocked by policy</title></head><body>" + b"x" * 90_000

    async def answer(exchange: Exchange) -> None:
        await exchange.reply(status, page, content_type="text/html; charset=utf-8")

    async def run() -> None:
        async with broker_for(answer, Pats(*map(str, range(9)))) as site:
            for path in (MESSAGES, COMPLETIONS, "/openai/v1/responses"):
                reply = await site.agent.post(path, json={"model": "m"})
                assert reply.status_code == (502 if status == 200 else status)
                assert "answers with a web page (Blocked by policy)" in message_of(path, reply)

    asyncio.run(run())


# ---- ends


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: %s\n\n" % json.dumps({"id": "x", "choices": [choice]}).encode()


TEXT = chunk({"role": "assistant", "content": "hello"})
CALLING = chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("stream", "reasons"),
    [
        (TEXT + DONE, ["stop"]),
        (TEXT + CALLING + DONE, ["tool_calls"]),
        (TEXT + chunk({}, "length") + DONE, ["length"]),
        (CALLING + chunk({}, "stop") + DONE, ["tool_calls"]),
        (TEXT + b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n' + DONE, ["stop"]),
    ],
)
def test_a_complete_answer_has_one_reason_for_its_end(stream, reasons):
    async def answer(exchange: Exchange) -> None:
        await exchange.reply(200, stream, content_type="text/event-stream")

    async def run() -> None:
        async with broker_for(answer) as site:
            for agent in ("opencode", "hermes"):
                reply = await site.agent.post(
                    COMPLETIONS, json={"model": "inkling"}, headers=as_agent(site, agent)
                )
                events = [json.loads(e) for e in re.findall(r"data: (\{.*)", reply.text)]
                found = [c["finish_reason"] for e in events for c in e["choices"]]
                assert [reason for reason in found if reason] == reasons
                assert reply.text.endswith("data: [DONE]\n\n")

    asyncio.run(run())


CUT = [
    (MESSAGES, b'event: message_start\ndata: {"type": "message_start"}\n\n'),
    ("/openai/v1/responses", b'data: {"type": "response.created"}\n\n'),
    (COMPLETIONS, TEXT),
    (
        "/gemini/v1beta/models/m:streamGenerateContent",
        b'data: {"candidates": [{"content": {"parts": [{"text": "hello"}]}}]}\n\n',
    ),
]


@pytest.mark.parametrize(("path", "stream"), CUT)
def test_a_stream_that_ends_without_its_end_is_an_error(path, stream):
    async def answer(exchange: Exchange) -> None:
        await exchange.head(content_type="text/event-stream")
        await exchange.chunk(stream)
        await exchange.send(b"0\r\n\r\n")

    async def run() -> None:
        async with broker_for(answer) as site:
            with pytest.raises(httpx.RemoteProtocolError):
                await site.agent.post(path, json={"model": "m"})
            (usage,) = site.broker.usage.to_json()
            assert usage["errors"] == 1

    asyncio.run(run())


# ---- names


VENDORS_NAMES = [
    (MESSAGES, "claude-sonnet-4-5-20250929", "databricks-claude-sonnet-4-5"),
    (MESSAGES, "claude-opus-4-6", "databricks-claude-opus-4-6"),
    (MESSAGES, "claude-opus-4-1-20250805", "databricks-claude-opus-4-8"),
    (MESSAGES, "claude-3-7-sonnet-latest", "databricks-claude-sonnet-4-6"),
    (MESSAGES, "us.anthropic.claude-haiku-4-5-20251001-v1:0", "databricks-claude-haiku-4-5"),
    (MESSAGES, "anthropic/claude-sonnet-4-6", "databricks-claude-sonnet-4-6"),
    ("/openai/v1/responses", "gpt-5.5", "databricks-gpt-5-5"),
    ("/gemini/v1beta/models/gemini-9-ultra:generateContent", "", "databricks-gemini-3-1-pro"),
    (MESSAGES, "databricks-claude-opus-9", ""),
    (MESSAGES, "main.ours.claude-opus-9", ""),
    (MESSAGES, "something-else", ""),
]


@pytest.mark.parametrize(("path", "name", "served"), VENDORS_NAMES)
def test_a_vendors_name_becomes_the_nearest_served_of_its_family(path, name, served, caplog):
    async def run() -> None:
        async with workspace_site() as site:
            site.models.use_served(
                await discover(site.api, Secret(site.pats.tokens[0]), through_gateway=True)
            )
            body = {"max_tokens": 9, "messages": SAY, "input": SAY, "model": name}
            if not name:
                body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
            elif path == MESSAGES:
                del body["input"]
            else:
                del body["messages"], body["max_tokens"]
            replies = [await site.agent.post(path, json=body) for _ in range(2)]
            assert {reply.status_code for reply in replies} == {200 if served else 404}
            if served:
                (usage,) = site.broker.usage.to_json()
                assert usage["model"] == served

    asyncio.run(run())
    said = [r for r in caplog.messages if "is called instead" in r]
    assert len(said) == bool(served)


def test_a_model_that_vanishes_between_two_calls_is_reported_in_the_workspaces_words():
    async def run() -> None:
        async with workspace_site() as site:
            body = {"model": site.models.anthropic_model, "max_tokens": 9, "messages": SAY}
            assert (await site.agent.post(MESSAGES, json=body)).status_code == 200
            other = ServedModel("databricks-claude-haiku-4-5", (ANTHROPIC, CHAT))
            site.server.workspace.models.replace([other])
            for _ in range(MOST_REPEATS + 2):
                reply = await site.agent.post(MESSAGES, json=body)
                assert reply.status_code == 404
                assert site.models.anthropic_model in reply.text

    asyncio.run(run())


# ---- tokens


def test_tokens_are_estimated_where_the_gateway_does_not_count_them():
    async def run() -> None:
        async with workspace_site() as site:
            text = "about four characters a token " * 100
            message = {"role": "user", "content": text}
            body = {"model": site.models.anthropic_model, "messages": [message]}
            for _ in range(2):
                reply = await site.agent.post(f"{MESSAGES}/count_tokens", json=body)
                assert reply.status_code == 200
                assert 600 < reply.json()["input_tokens"] < 1000
            calls = await site.control("requests", path="/ai-gateway")
            assert len([c for c in calls if c["path"].endswith("count_tokens")]) == 1
            picture = {"type": "image", "source": {"data": "QUJD" * 200_000}}
            body["messages"] = [{"role": "user", "content": [picture]}]
            reply = await site.agent.post(f"{MESSAGES}/count_tokens", json=body)
            assert 1_600 <= reply.json()["input_tokens"] < 1_700

    asyncio.run(run())


# ---- sentences


@pytest.mark.parametrize(
    ("sentence", "body"),
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", {"max_tokens": 300_000}),
        (
            "This model's maximum context length is 131072 tokens. However, you requested 140000 "
            "tokens (108000 in the messages, 32000 in the completion tokens).",
            {"max_tokens": 110_000},
        ),
        ("max_tokens must be positive", {"max_tokens": 64_000}),
        ("messages: Extra inputs are not permitted", {"messages": []}),
        ("model: Extra inputs are not permitted", {"model": "m"}),
        ("", {"max_tokens": 1}),
        ("Rate limit of 300 exceeded", {"max_tokens": 64_000}),
    ],
)
def test_a_sentence_that_names_nothing_known_teaches_nothing(sentence, body):
    assert mend_for(Refused(sentence, "m", {"messages": [], **body})) is None


def test_any_sentence_and_any_request_do_no_harm():
    chance = random.Random(14)
    sentences = [row[3] for row in REFUSED] + ["'input[0].id'", "No tool output found", "prefill"]
    values = [None, 1, "x", [], {}, [None, 1], [{"type": "reasoning"}], {"effort": 1}, {"type": 3}]
    keys = ("messages", "input", "tools", "thinking", "reasoning", "max_tokens", "generationConfig")
    for _ in range(3000):
        body = {key: chance.choice(values) for key in chance.sample(keys, 4)}
        mend = mend_for(Refused(chance.choice(sentences), "m", body))
        assert mend is None or mend.apply(body) is not body


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"error_code":"X","message":"plain"}', "plain"),
        ('{"message":"{\\"message\\":\\"inner\\"}"}', "inner"),
        ('{"message":"{\\"error\\":{\\"message\\":\\"inner\\"}}"}', "inner"),
        ('{"message":"[{\\"error\\":{\\"message\\":\\"inner\\"}}]"}', "inner"),
        ('{"type":"error","error":{"type":"t","message":"m"}}', "m"),
        ("no json", "no json"),
        ("[]", ""),
        ("{}", ""),
        ("1", ""),
    ],
)
def test_the_innermost_sentence_of_an_error_is_read(text, sentence):
    assert sentence_of(text) == sentence


# ---- rules that nobody knows

SCHEMA = {
    "type": "object",
    "properties": {"command": {"type": "string"}, "metadata": {"type": "object"}},
    "required": ["command"],
    "additionalProperties": False,
}
EPHEMERAL = {"type": "ephemeral", "ttl": "1h"}
# The fields that the agents send.
AS_SENT: dict[str, tuple[str, dict[str, Any]]] = {
    "claude-code": (
        MESSAGES,
        {
            "model": "databricks-claude-opus-4-7",
            "max_tokens": 64_000,
            "system": [{"type": "text", "text": "You are", "cache_control": EPHEMERAL}],
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "hello", "cache_control": EPHEMERAL}],
                }
            ],
            "tools": [
                {
                    "name": "Bash",
                    "description": "d",
                    "input_schema": SCHEMA,
                    "defer_loading": False,
                }
            ],
            "metadata": {"user_id": "u"},
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "high"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "stream": True,
        },
    ),
    "codex": (
        "/openai/v1/responses",
        {
            "model": "databricks-gpt-5-5",
            "instructions": "You are",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hello"}],
                }
            ],
            "tools": [{"type": "function", "name": "shell", "strict": False, "parameters": SCHEMA}],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "k",
            "text": {"verbosity": "low"},
            "client_metadata": {"session": "s"},
        },
    ),
    "hermes": (
        COMPLETIONS,
        {
            "model": "databricks-kimi-k2-7-code",
            "messages": [{"role": "user", "content": "hello"}],
            "tools": [{"type": "function", "function": {"name": "bash", "parameters": SCHEMA}}],
            "tool_choice": "auto",
            "max_tokens": 65_536,
            "temperature": 0.3,
            "top_p": 0.9,
            "frequency_penalty": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ),
    "gemini-cli": (
        "/gemini/v1beta/models/databricks-gemini-2-5-pro:streamGenerateContent?alt=sse",
        {
            "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
            "systemInstruction": {"role": "user", "parts": [{"text": "You are"}]},
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "run_shell_command", "parametersJsonSchema": SCHEMA}
                    ]
                }
            ],
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
            "generationConfig": {
                "temperature": 1,
                "topP": 0.95,
                "topK": 64,
                "maxOutputTokens": 60_000,
                "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 8192},
            },
        },
    ),
}
SEEDS = range(1, 13)


@pytest.mark.parametrize("agent", AS_SENT)
def test_under_rules_that_nobody_knows_agents_get_an_answer_or_the_gateways_sentence(agent):
    async def run() -> None:
        mended = 0
        async with workspace_site() as site:
            path, body = AS_SENT[agent]
            headers = as_agent(site, agent)
            for seed in SEEDS:
                await site.control("switch", rules_seed=seed)
                await site.control("clear_requests")
                replies = [await site.agent.post(path, json=body, headers=headers)]
                while replies[-1].status_code != 200:
                    assert re.search("not permitted|nknown|exceed", replies[-1].text)
                    replies.append(await site.agent.post(path, json=body, headers=headers))
                    assert len(replies) < 15, replies[-1].text
                calls = await site.control("requests", path="/ai-gateway")
                assert len(calls) <= 2 * len(replies)
                mended += len(replies) - 1
                assert "hello" in replies[-1].text
                again = await site.agent.post(path, json=body, headers=headers)
                assert again.status_code == 200
                assert len(await site.control("requests", path="/ai-gateway")) == len(calls) + 1
            assert mended

    asyncio.run(run())


# ---- odd input


@pytest.mark.parametrize("agent", AS_SENT)
def test_three_hundred_tools_of_mcp_servers_are_no_reason_to_refuse(agent):
    path, body = AS_SENT[agent]
    (tool,) = body["tools"]
    text = json.dumps(tool)

    def numbered(n: int) -> Any:
        return json.loads(re.sub(r'"(Bash|shell|bash|run_shell_command)"', rf'"mcp__s__{n}"', text))

    async def run() -> None:
        async with workspace_site() as site:
            many = {**body, "tools": [tool, *map(numbered, range(300))]}
            if agent == "codex":
                inner = [numbered(n) for n in range(300)]
                many["tools"] = [tool, {"type": "namespace", "name": "mcp__s", "tools": inner}]
            if agent == "claude-code":
                many["max_tokens"] = 128_001
            reply = await site.agent.post(path, json=many, headers=as_agent(site, agent))
            assert reply.status_code == 200, reply.text
            assert "hello" in reply.text

    asyncio.run(run())


def test_two_hundred_megabytes_of_pictures_are_refused_in_words_before_they_are_sent():
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            head = (
                f"POST {MESSAGES} HTTP/1.1\nHost: {site.authority}\nx-api-key: {site.capability}\n"
                "Content-Length: 209715200\nConnection: close\n\n"
            )
            answer = await site.raw(head)
            assert answer.startswith(b"HTTP/1.1 413")
            assert b"larger than" in answer
            assert b"Send less" in answer
            assert not site.gateway.seen

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("application/json", b'{"choices": [{"message": {"content": "hi"}}]}'),
        ("text/event-stream", b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n' + DONE),
    ],
)
def test_an_answer_in_the_wrong_dialect_is_passed_on_or_an_error_and_not_repeated(kind, answer):
    async def reply(exchange: Exchange) -> None:
        await exchange.head(content_type=kind)
        await exchange.chunk(answer)
        await exchange.send(b"0\r\n\r\n")

    async def run() -> None:
        async with broker_for(reply) as site:
            if kind == "application/json":
                assert (await site.agent.post(MESSAGES, json={"model": "m"})).content == answer
            else:
                with pytest.raises(httpx.RemoteProtocolError):
                    await site.agent.post(MESSAGES, json={"model": "m"})
            assert len(site.gateway.seen) == 1

    asyncio.run(run())

"""The broker corrects what an agent's dialect needs, and a dead gateway costs no call."""

import asyncio
import json

import pytest

from jupyter_dbx_agents.models import Gateway, GatewayKind, ModelWatch

from .scripted_gateway import (
    MESSAGES,
    PATIENCE_SECONDS,
    Exchange,
    answer_ok,
    broker_for,
    scripted_gateway,
)
from .test_broker_workspace import SAY, bodies, workspace_site

RESPONSES = "/openai/v1/responses"
NAMESPACE = {"type": "namespace", "name": "mcp__w", "tools": [{"type": "function", "name": "look"}]}
CALL = {"type": "function_call", "name": "mcp__w__look", "arguments": "{}"}


def as_agent(site, name: str) -> dict[str, str]:
    secret = site.broker.capability(name).reveal()
    return {"Authorization": f"Bearer {secret}", "x-api-key": secret}


@pytest.mark.parametrize("size", [10, 300_000])
def test_the_gateway_gets_a_corrected_request_with_its_right_length(size):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            tools = [{"name": "t", "eager_input_streaming": True}, {"type": "web_search_2"}]
            body = {"model": "m", "messages": "ü" * size, "tools": tools}
            await site.agent.post(MESSAGES, json=body)
            (seen,) = site.gateway.seen
            assert json.loads(seen.body) == {**body, "tools": [{"name": "t"}]}
            assert seen.header("content-length") == str(len(seen.body))

    asyncio.run(run())


def test_a_request_that_needs_no_correction_is_not_rewritten():
    odd = b'{ "model":"m" , "a": 1.0e3, "a": "\\u00fc", "messages": [] }\n'

    async def run() -> None:
        async with broker_for(answer_ok) as site:
            for agent in ("claude-code", "codex", "opencode", "hermes", "gemini-cli"):
                for path in (MESSAGES, RESPONSES, "/mlflow/v1/chat/completions"):
                    await site.agent.post(path, content=odd, headers=as_agent(site, agent))
            assert {seen.body for seen in site.gateway.seen} == {odd}

    asyncio.run(run())


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b'{"tools": 1}', b"[" * 200_000])
def test_a_body_that_is_not_a_request_passes_to_the_gateway_which_refuses_it(body):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            await site.agent.post(MESSAGES, content=body)
            assert site.gateway.seen[0].body == body

    asyncio.run(run())


def test_an_answer_is_corrected_event_by_event_as_it_comes():
    step = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        line = b"data: %s\n\n" % json.dumps({"item": CALL}).encode()
        await exchange.head(content_type="text/event-stream")
        await exchange.chunk(line[:20])
        await exchange.chunk(line[20:])
        await asyncio.wait_for(step.wait(), PATIENCE_SECONDS)
        await exchange.chunk(b"data: [DONE]")
        await exchange.send(b"0\r\n\r\n")

    async def run() -> None:
        async with broker_for(answer) as site:
            body = {"model": "m", "tools": [NAMESPACE], "input": []}
            async with site.agent.stream(
                "POST", RESPONSES, json=body, headers=as_agent(site, "codex")
            ) as reply:
                lines = reply.aiter_lines()
                item = json.loads((await anext(lines))[6:])["item"]
                assert (item["namespace"], item["name"]) == ("mcp__w", "look")
                assert await anext(lines) == ""
                step.set()
                assert await anext(lines) == "data: [DONE]"

    asyncio.run(run())


def test_an_announced_length_of_a_corrected_stream_is_not_passed_on():
    event = b"data: %s\n\n" % json.dumps({"item": CALL}).encode()

    async def answer(exchange: Exchange) -> None:
        await exchange.reply(200, event + b"data: [DONE]\n\n", content_type="text/event-stream")

    async def run() -> None:
        async with broker_for(answer) as site:
            body = {"model": "m", "tools": [NAMESPACE]}
            reply = await site.agent.post(RESPONSES, json=body, headers=as_agent(site, "codex"))
            assert "mcp__w" in reply.text
            assert reply.text.endswith("\n\n")

    asyncio.run(run())


def test_a_strict_gateway_takes_the_tools_of_codex_mcp_servers():
    async def run() -> None:
        async with workspace_site() as site:
            body = bodies(site.models, streams=True)[RESPONSES] | {"tools": [NAMESPACE]}
            for agent in ("codex", "another"):  # which loses them
                reply = await site.agent.post(RESPONSES, json=body, headers=as_agent(site, agent))
                assert reply.status_code == 200
            mended = {usage["agent"]: usage["mended"] for usage in site.broker.usage.to_json()}
            assert mended == {"codex": 0, "another": 1}

    asyncio.run(run())


# ---- a gateway that dies


def watched(site) -> ModelWatch:
    watch = ModelWatch(site.models, site.api, site.pats.current, first_pause_seconds=0.05)
    site.broker.shared.gateway_failed = watch.gateway_failed
    return watch


@pytest.mark.parametrize("streams", [True, False])
def test_a_gateway_that_is_gone_costs_no_call_in_any_dialect(streams):
    async def run() -> None:
        for index in range(4):
            async with workspace_site() as site:
                watched(site)
                path, body = list(bodies(site.models, streams=streams).items())[index]
                await site.control("switch", gateway_present=False)
                assert (await site.agent.post(path, json=body)).status_code == 200
                assert site.models.gateway.kind == "serving-endpoints"

    asyncio.run(run())


def test_a_gateway_host_that_cannot_be_reached_costs_no_call():
    async def run() -> None:
        async with workspace_site() as site:
            watched(site)
            async with scripted_gateway(answer_ok) as gone:
                host = gone.url
            site.models.use_gateway(Gateway.at(GatewayKind.HOST, host, "It answered once."))
            body = bodies(site.models, streams=False)[MESSAGES]
            assert (await site.agent.post(MESSAGES, json=body)).status_code == 200
            assert site.models.gateway.kind == "serving-endpoints"

    asyncio.run(run())


def test_a_model_that_is_not_served_is_not_a_dead_gateway():
    async def run() -> None:
        async with workspace_site() as site:
            watched(site)
            body = {"model": "no-such", "max_tokens": 9, "messages": SAY}
            reply = await site.agent.post(MESSAGES, json=body)
            assert reply.status_code == 404
            assert "no-such" in reply.text
            assert site.models.gateway.kind == "workspace-gateway"

    asyncio.run(run())


def test_a_call_that_may_have_been_worked_on_is_not_repeated_elsewhere():
    async def drop(exchange: Exchange) -> None:
        exchange.drop()

    async def run() -> None:
        async with workspace_site() as site, scripted_gateway(drop) as dying:
            watched(site)
            site.models.use_gateway(Gateway.at(GatewayKind.HOST, dying.url, "It answered once."))
            body = bodies(site.models, streams=False)[MESSAGES]
            assert (await site.agent.post(MESSAGES, json=body)).status_code == 503
            assert site.models.gateway.kind == "serving-endpoints"
            assert (await site.agent.post(MESSAGES, json=body)).status_code == 200

    asyncio.run(run())

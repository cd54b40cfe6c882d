"""A PAT that is refused, or missing: what an agent sees of it."""

import asyncio
import gzip

import pytest

from jupyter_dbx_agents.pat import PatState

from .scripted_gateway import (
    DEAD_TOKEN,
    EVERY_BYTE,
    FIRST_PAT,
    MESSAGES,
    NEXT_PAT,
    ONE_PATH_PER_DIALECT,
    PASTE,
    Exchange,
    Pats,
    answer_ok,
    broker_for,
    message_of,
    refusing,
)


@pytest.mark.parametrize(
    "refusal",
    [
        (401, b"Credential was not sent or was of an unsupported type for this API."),
        DEAD_TOKEN,
        (403, b'{"error_code":"PERMISSION_DENIED","message":"No access to this endpoint."}'),
        (400, b"Invalid Token"),
        (400, b'{"error_code":"BAD_REQUEST","message":"Invalid Token"}'),
    ],
)
def test_a_refusal_is_replayed_once_with_the_new_pat(refusal):
    async def run() -> None:
        async with broker_for(refusing(*refusal)) as site:
            reply = await site.agent.post(MESSAGES, content=EVERY_BYTE)
            assert (reply.status_code, reply.content) == (200, b"answered")
            first, second = site.gateway.seen
            assert first.header("authorization") == f"Bearer {FIRST_PAT}"
            assert second.header("authorization") == f"Bearer {NEXT_PAT}"
            assert first.body == second.body == EVERY_BYTE
            assert site.pats.refused == [FIRST_PAT]

    asyncio.run(run())


@pytest.mark.parametrize(
    "complaint",
    [
        b'{"error":{"message":"messages: invalid token count"}}',
        b'{"message":"Invalid tokens in logit_bias"}',
        b"x" * 300_000,
        b"",
        b"[]",
        b"\xff\xfe",
    ],
)
def test_an_ordinary_400_passes_with_its_body_intact(complaint):
    async def run() -> None:
        async with broker_for(refusing(400, complaint)) as site:
            reply = await site.agent.post(MESSAGES)
            assert (reply.status_code, reply.content) == (400, complaint)
            assert len(site.gateway.seen) == 1
            assert site.pats.refused == []

    asyncio.run(run())


def test_a_compressed_refusal_is_understood():
    async def answer(exchange: Exchange) -> None:
        if exchange.header("authorization") == f"Bearer {FIRST_PAT}":
            body = gzip.compress(b"Invalid Token")
            return await exchange.reply(400, body, content_encoding="gzip")
        return await answer_ok(exchange)

    async def run() -> None:
        async with broker_for(answer) as site:
            assert (await site.agent.post(MESSAGES)).status_code == 200

    asyncio.run(run())


def test_a_permission_error_passes_word_by_word_after_one_replay():
    body = b'{"error_code":"PERMISSION_DENIED","message":"No access to this endpoint."}'

    async def run() -> None:
        both = (FIRST_PAT, NEXT_PAT)
        async with broker_for(refusing(403, body, pats=both)) as site:
            reply = await site.agent.post(MESSAGES)
            assert (reply.status_code, reply.content) == (403, body)
            assert len(site.gateway.seen) == 2

    asyncio.run(run())


@pytest.mark.parametrize("refusal", [DEAD_TOKEN, (400, b"Invalid Token"), (401, b"")])
def test_a_token_refused_twice_is_a_passing_trouble(refusal):
    async def run() -> None:
        both = (FIRST_PAT, NEXT_PAT)
        async with broker_for(refusing(*refusal, pats=both)) as site:
            reply = await site.agent.post(MESSAGES)
            assert reply.status_code == 503
            assert int(reply.headers["retry-after"]) > 0
            assert len(site.gateway.seen) == 2

    asyncio.run(run())


@pytest.mark.parametrize("path", ONE_PATH_PER_DIALECT)
@pytest.mark.parametrize("state", [PatState.NEEDED, PatState.EXPIRED])
def test_a_needed_pat_is_requested_in_the_agents_own_error(path, state):
    async def run() -> None:
        async with broker_for(answer_ok, Pats(state=state)) as site:
            reply = await site.agent.post(path)
            assert reply.status_code == 400  # measured: shown at once by every agent
            assert message_of(path, reply) == PASTE
            assert "retry-after" not in reply.headers
            assert reply.headers["x-should-retry"] == "false"
            site.pats.tokens.append(FIRST_PAT)
            assert (await site.agent.post(path)).status_code == 200

    asyncio.run(run())


def test_after_a_final_refusal_a_new_pat_is_requested():
    async def run() -> None:
        async with broker_for(refusing(*DEAD_TOKEN), Pats(FIRST_PAT)) as site:
            reply = await site.agent.post(MESSAGES)
            assert (reply.status_code, message_of(MESSAGES, reply)) == (400, PASTE)

    asyncio.run(run())


@pytest.mark.parametrize("path", ONE_PATH_PER_DIALECT)
@pytest.mark.parametrize("state", [PatState.ADOPTING, PatState.RETRYING])
def test_a_passing_lack_of_a_pat_is_503_with_retry_after(path, state):
    async def run() -> None:
        async with broker_for(answer_ok, Pats(state=state)) as site:
            reply = await site.agent.post(path)
            assert reply.status_code == 503
            assert 1 <= int(reply.headers["retry-after"]) <= 2
            assert "x-should-retry" not in reply.headers
            assert "on its way" in message_of(path, reply)

    asyncio.run(run())

"""Who may call an MCP server through the broker, and which paths are reached."""

import logging

import pytest

from jupyter_dbx_agents.broker.mcp.paths import is_listed

from ..scripted_gateway import FIRST_PAT, Exchange, Site
from .test_faults import NAME, PATH, agent_of, done, request


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mcp/sql",
        "/api/2.0/mcp/genie",
        "/api/2.0/mcp/genie/01f1ad73d67f170899b3728094274c9a",
        "/api/2.0/mcp/functions/main/tools",
        "/api/2.0/mcp/functions/main/tools/distance_km",
        "/api/2.0/mcp/ai-search/main/docs/index",
        "/api/2.0/mcp/vector-search/main/docs",
        "/api/2.0/mcp/external/github",
        "/ai-gateway/mcp-services/system.ai.web_search",
    ],
)
def test_the_documented_paths_are_listed(path: str):
    assert is_listed(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api/2.0/token/create",
        "/api/2.0/mcp/sql/",
        "/api/2.0/mcp/sql?x=1",
        "/api/2.0/mcp/genie/..",
        "/api/2.0/mcp/genie/../../token/list",
        "/api/2.0/mcp/genie/%2e%2e",
        "/api/2.0/mcp/functions/main",
        "/api/2.0/mcp/functions/main//x",
        "/api/2.0/mcp/functions/a/b/c/d",
        "/ai-gateway/mcp-services/../anthropic",
        "//elsewhere.example/api/2.0/mcp/sql",
        "https://elsewhere.example/api/2.0/mcp/sql",
        "/api/2.0/mcp/sql\n",
        "/API/2.0/mcp/sql",
    ],
)
def test_no_other_path_is_listed_and_none_can_be_climbed(path: str):
    assert not is_listed(path)


@pytest.mark.parametrize("name", ["other", "..", "%2e%2e", "dbx-sql/x", "dbx-sql%2f..", ""])
async def test_only_servers_that_are_offered_are_served(name: str):
    async with agent_of() as agent:
        seen = len(agent.site.gateway.seen)
        answer = await raw(agent.site, f"/mcp/{name}", key(agent.site))
        assert answer.startswith(b"HTTP/1.1 404")
        assert len(agent.site.gateway.seen) == seen


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("header", ["X-None: 1", "x-api-key: wrong", f"x-api-key: {FIRST_PAT}"])
async def test_a_stranger_is_refused(method: str, header: str):
    async with agent_of() as agent:
        session = f"Mcp-Session-Id: {agent.session}"
        answer = await raw(agent.site, f"/mcp/{NAME}", header, session, method=method)
        assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    "header",
    ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
async def test_a_web_page_is_refused(method: str, header: str):
    async with agent_of() as agent:
        seen = len(agent.site.gateway.seen)
        answer = await raw(agent.site, f"/mcp/{NAME}", key(agent.site), header, method=method)
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"access-control" not in answer.lower()
        assert len(agent.site.gateway.seen) == seen


async def test_dns_rebinding_is_refused():
    async with agent_of() as agent:
        answer = await raw(agent.site, f"/mcp/{NAME}", key(agent.site), host="evil.example")
        assert answer.startswith(b"HTTP/1.1 403")


async def test_one_agents_session_is_not_another_ones():
    async with agent_of() as agent:
        other = {"Authorization": f"Bearer {agent.site.broker.capability('hermes').reveal()}"}
        reply = await agent.post(request("tools/list", {}), **other)
        assert reply.status_code == 404


async def test_no_header_of_an_agent_reaches_the_workspace_and_the_token_never_comes_back():
    async def answer(exchange: Exchange, message: dict) -> None:
        await exchange.reply(
            200,
            b'{"jsonrpc":"2.0","id":7,"result":{}}',
            content_type="application/json",
            set_cookie="a=b",
            x_other="1",
        )

    async with agent_of(answer) as agent:
        stray = {"Cookie": "a=b", "x-api-key": "stray", "X-Forwarded-Email": "a@b.c"}
        call = request("tools/call", {"name": "read", "arguments": {}})
        reply = await agent.post(call, **stray)
        assert reply.status_code == 200
        assert FIRST_PAT not in reply.text + str(reply.headers)
        assert not {"set-cookie", "x-other"} & set(reply.headers)
        sent = agent.site.gateway.seen[-1]
        assert sent.target == PATH
        assert sent.header("authorization") == f"Bearer {FIRST_PAT}"
        for name in stray:
            assert sent.header(name.lower()) is None
        assert agent.site.capability not in str(sent.headers)


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("HEAD", 405), ("GET", 400)])
async def test_other_requests_are_refused_as_the_protocol_says(method: str, status: int):
    async with agent_of() as agent:
        answer = await raw(agent.site, f"/mcp/{NAME}", key(agent.site), method=method)
        assert answer.startswith(f"HTTP/1.1 {status}".encode())


async def test_only_calls_of_tools_are_use_of_the_credential():
    async with agent_of(done) as agent:
        await agent.post(request("tools/list", {}))
        assert not agent.site.broker.was_used_within(60)
        await agent.call("read")
        assert agent.site.broker.was_used_within(60)


CLIENT = {"httpx", "httpcore"}  # the test's own


def key(site: Site) -> str:
    return f"x-api-key: {site.capability}"


async def raw(site: Site, path: str, *headers: str, host: str = "", method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or site.authority}", *headers]
    return await site.raw("\n".join([*lines, "Connection: close", "Content-Length: 0", "", ""]))


async def test_no_secret_header_or_body_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    async with agent_of() as agent:
        body = request("tools/call", {"name": "read", "arguments": {"query": "a-secret-query"}})
        assert (await agent.post(body)).status_code == 200
        await agent.call("read")
        known = [FIRST_PAT, agent.site.capability, "a-secret-query", agent.session]
        ours = [r.getMessage() for r in caplog.records if r.name.split(".")[0] not in CLIENT]
        assert [line for line in ours if "mcp POST" in line]
        assert not [line for line in ours for secret in known if secret in line]

"""The broker's own web search: a model's hosted tool where the workspace has no search service."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

from jupyter_dbx_agents.agents.mcp.servers import BUILT_IN
from jupyter_dbx_agents.broker.mcp.catalog import Server
from jupyter_dbx_agents.secret import Secret

from ..scripted_gateway import until
from ..test_broker_workspace import WorkspaceSite, workspace_site
from .test_conformance import text_of

NAME = "web-search"
RESPONSES = ("/ai-gateway/codex/v1/responses", "/serving-endpoints/responses")


@dataclass
class Search:
    """A broker that offers the server, before a local workspace."""

    site: WorkspaceSite

    @property
    def server(self) -> Server:
        found = self.site.broker.mcp.seen(NAME)
        assert found is not None
        return found

    async def calls(self) -> list[dict[str, Any]]:
        """The model calls that have reached the workspace."""
        made = await self.site.control("requests")
        return [call for call in made if call["path"] in RESPONSES]

    async def discover(self) -> None:
        token = Secret(self.site.pats.tokens[0])
        assert await self.site.models.discover(self.site.api, token)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        key = {"x-api-key": self.site.broker.capability("codex").reveal()}
        async with create_mcp_http_client(headers=key) as http:
            url = f"{self.site.broker.url}/mcp/{NAME}"
            async with Client(streamable_http_client(url, http_client=http)) as client:
                yield client


@contextlib.asynccontextmanager
async def search(*, hosted: bool, service: bool = False, **options: Any) -> AsyncIterator[Search]:
    """Offer it at a workspace whose models search or do not, or that has the service."""
    async with workspace_site(**options) as site:
        await site.control("rule_models", {"hosted-tools": not hosted})
        await site.control("rule_mcp", has_web_search=service)
        found = Search(site)
        site.broker.mcp.offer({NAME: BUILT_IN[NAME].paths})
        await until(lambda: found.server.state != "unknown")
        await found.discover()
        yield found


@pytest.mark.parametrize("gateway", [True, False])
async def test_a_model_that_searches_answers_the_mcp_packages_client(gateway: bool):
    async with search(hosted=True, gateway=gateway) as found:
        await until(lambda: found.server.state == "ready")
        assert found.server.is_read_only
        assert found.server.path.endswith(f"/responses ({found.site.models.codex_model})")
        async with found.client() as client:
            (tool,) = (await client.list_tools()).tools
            assert (tool.name, tool.annotations and tool.annotations.read_only_hint) == (
                "web_search",
                True,
            )
            said = text_of(await client.call_tool("web_search", {"query": "merge into a table"}))
        assert "inserts and deletes rows of a Delta table" in said
        assert "Sources:\n- MERGE INTO https://docs.example/sql/merge" in said
        assert [call["status"] for call in await found.calls()] == [200, 200]  # tried, asked


async def test_where_the_gateway_refuses_hosted_tools_each_model_is_tried_once():
    async with search(hosted=False) as found:
        await found.server.refresh()
        tried = await found.calls()
        assert found.server.state == "missing"
        assert {call["rule"] for call in tried} == {"hosted-tools"}
        assert 1 <= len(tried) == len({call["model"] for call in tried}) <= 3
        await found.server.refresh()
        assert len(await found.calls()) == len(tried)  # remembered
        await found.site.control("rule_models", {"hosted-tools": False})
        await found.site.broker.mcp.check(NAME)
        assert found.server.state == "ready"


async def test_the_workspaces_own_service_goes_first_and_costs_no_model_call():
    async with search(hosted=True, service=True) as found:
        assert found.server.state == "ready"
        assert await found.calls() == []
        async with found.client() as client:
            said = text_of(await client.call_tool("web_search", {"query": "pivot"}))
        assert "https://docs.example/sql/pivot" in said
        assert await found.calls() == []


async def test_a_service_that_comes_later_replaces_the_model():
    async with search(hosted=True) as found:
        await until(lambda: found.server.state == "ready")
        await found.site.control("rule_mcp", has_web_search=True)
        await found.server.refresh()
        assert found.server.path == BUILT_IN[NAME].paths[0]
        assert found.server.stands_in is None


async def test_a_failed_search_ends_in_an_error_that_says_why_and_the_next_one_works():
    async with search(hosted=True) as found:
        await until(lambda: found.server.state == "ready")
        async with found.client() as client:
            await found.site.control(
                "add_fault", RESPONSES[0], "status", status=500, message="out of order", times=1
            )
            with pytest.raises(MCPError, match="refuses the search: out of order"):
                await client.call_tool("web_search", {"query": "pivot"})
            assert found.server.state == "failed"
            said = text_of(await client.call_tool("web_search", {"query": "pivot"}))
            assert "PIVOT" in said
            assert found.server.state == "ready"


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("web_search", {}, "“query”, a string"),
        ("web_search", {"query": "  "}, "“query”, a string"),
        ("web_search", {"query": 7}, "“query”, a string"),
        ("other", {"query": "x"}, "no tool “other”"),
    ],
)
async def test_a_wrong_call_is_refused_and_costs_no_model_call(
    tool: str, arguments: dict[str, Any], message: str
):
    async with search(hosted=True) as found:
        await until(lambda: found.server.state == "ready")
        before = len(await found.calls())
        async with found.client() as client:
            with pytest.raises(MCPError, match=message):
                await client.call_tool(tool, arguments)
        assert len(await found.calls()) == before


async def test_without_a_token_a_search_says_so_and_works_after_the_paste():
    async with search(hosted=True) as found:
        await until(lambda: found.server.state == "ready")
        pats = found.site.pats
        async with found.client() as client:
            tokens, pats.tokens[:] = list(pats.tokens), []
            pats.state = type(pats.state).NEEDED
            with pytest.raises(MCPError, match="Paste a token"):
                await client.call_tool("web_search", {"query": "pivot"})
            pats.tokens[:] = tokens
            pats.state = type(pats.state).ACTIVE
            assert "PIVOT" in text_of(await client.call_tool("web_search", {"query": "pivot"}))

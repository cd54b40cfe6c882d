"""The metadata service, asked by the real SDK and by clients that should not."""

import asyncio
import json

import httpx
import pytest
from databricks.sdk.core import Config

from jupyter_dbx_agents.broker.metadata_service import is_same_host
from jupyter_dbx_agents.pat import PatState

from .scripted_gateway import FIRST_PAT, PASTE, Exchange, Pats, Site, broker_for, scripted_gateway

VERSION = {"X-Databricks-Metadata-Version": "1"}


async def not_found(exchange: Exchange) -> None:
    await exchange.reply(404, b"{}")


async def ask(site: Site, **headers: str) -> httpx.Response:
    asked = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(site.broker.metadata_service_url.reveal(), headers=asked)


async def ask_well(site: Site) -> httpx.Response:
    return await ask(site, x_databricks_metadata_version="1", x_databricks_host=site.gateway.url)


def sdk_headers(site: Site, host: str = "") -> dict[str, str]:
    """Let the real SDK authenticate as a program in a terminal does."""
    config = Config(
        host=host or site.gateway.url,
        auth_type="metadata-service",
        metadata_service_url=site.broker.metadata_service_url.reveal(),
    )
    return config.authenticate()


def test_the_sdk_gets_the_pat_and_its_promised_end():
    async def run() -> None:
        async with broker_for(not_found) as site:
            headers = await asyncio.to_thread(sdk_headers, site)
            assert headers["Authorization"] == f"Bearer {FIRST_PAT}"
            reply = await ask_well(site)
            assert reply.json() == {
                "access_token": FIRST_PAT,
                "token_type": "Bearer",
                "expires_on": 2_000_000_000,
            }
            assert reply.headers["cache-control"] == "no-store"

    asyncio.run(run())


@pytest.mark.parametrize("state", PatState)
def test_without_a_pat_the_sdk_says_so_and_the_cli_what_to_do(state):
    async def run() -> None:
        async with broker_for(not_found, Pats(state=state)) as site:
            # The Python SDK's clearest words: anything but a JSON object ends in a parser's error.
            with pytest.raises(ValueError, match="Metadata Service returned empty token"):
                await asyncio.to_thread(sdk_headers, site)
            reply = await ask_well(site)
            assert reply.status_code == 503  # the CLI shows this body; of a 404 it would not
            message = json.loads(reply.content)["error"]["message"]
            assert (message == PASTE) == (state in (PatState.NEEDED, PatState.EXPIRED))

    asyncio.run(run())


def test_a_program_of_another_workspace_gets_no_token():
    async def run() -> None:
        async with broker_for(not_found) as site, scripted_gateway(not_found) as other:
            with pytest.raises(ValueError, match="Metadata Service returned empty token"):
                await asyncio.to_thread(sdk_headers, site, other.url)
            reply = await ask(
                site, x_databricks_metadata_version="1", x_databricks_host="https://other"
            )
            assert reply.status_code == 400
            assert "another workspace" in reply.text
            assert FIRST_PAT not in reply.text

    asyncio.run(run())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_databricks_metadata_version": "1"},
        {"x_databricks_metadata_version": "2", "x_databricks_host": "{}"},
        {"x_databricks_host": "{}"},
    ],
)
def test_a_client_that_does_not_speak_the_protocol_gets_no_token(headers):
    async def run() -> None:
        async with broker_for(not_found) as site:
            host = site.gateway.url
            reply = await ask(site, **{name: value.format(host) for name, value in headers.items()})
            assert reply.status_code == 400
            assert FIRST_PAT not in reply.text

    asyncio.run(run())


def test_only_the_secret_path_is_answered():
    async def run() -> None:
        async with broker_for(not_found) as site:
            path = site.broker.shared.metadata_path.reveal()
            for wrong in ("/metadata/", "/metadata/x", path + "/", path[:-1], path.upper()):
                reply = await site.agent.get(
                    wrong, headers={**VERSION, "X-Databricks-Host": site.gateway.url}
                )
                assert reply.status_code == 404
                assert FIRST_PAT not in reply.text
            assert (await site.agent.post(path, headers=VERSION)).status_code == 405

    asyncio.run(run())


@pytest.mark.parametrize(
    ("asked_for", "same"),
    [
        ("https://ws.example", True),
        ("https://WS.example/", True),
        ("ws.example", True),
        ("https://ws.example:443", True),
        ("https://ws.example/?o=1", True),
        ("http://ws.example", False),
        ("https://ws.example:444", False),
        ("https://ws.example.evil", False),
        ("https://ws.example:x", False),
        ("", False),
    ],
)
def test_a_workspace_is_known_by_scheme_name_and_port(asked_for, same):
    assert is_same_host(asked_for, "https://ws.example") is same

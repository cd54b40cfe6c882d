"""The broker before the local workspace: every dialect on every layout, and tokens that die."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from dbx_workspace.control_client import ControlClient
from dbx_workspace.server import LocalWorkspace
from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.models import ModelTable
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.constants import OWNER

from .scripted_gateway import Pats, environment

MESSAGES = "/anthropic/v1/messages"
SAY = [{"role": "user", "content": "hello there"}]


def bodies(models: ModelTable, *, streams: bool) -> dict[str, dict[str, Any]]:
    """Return a request of each dialect."""
    action = "streamGenerateContent?alt=sse" if streams else "generateContent"
    stream = {"stream": True} if streams else {}
    return {
        MESSAGES: {"model": models.anthropic_model, "max_tokens": 9, "messages": SAY, **stream},
        "/openai/v1/responses": {"model": models.codex_model, "input": SAY, **stream},
        "/mlflow/v1/chat/completions": {"model": models.hermes_model, "messages": SAY, **stream},
        f"/gemini/v1beta/models/{models.gemini_model}:{action}": {
            "contents": [{"role": "user", "parts": [{"text": "hello there"}]}]
        },
    }


@dataclass
class WorkspaceSite:
    """A broker before a local workspace."""

    broker: Broker
    models: ModelTable
    pats: Pats
    agent: httpx.AsyncClient
    server: LocalWorkspace
    api: WorkspaceApi
    _control: ControlClient

    async def control(self, name: str, *args: Any, **options: Any) -> Any:
        return await asyncio.to_thread(getattr(self._control, name), *args, **options)


@contextlib.asynccontextmanager
async def workspace_site(*, gateway: bool = True) -> AsyncIterator[WorkspaceSite]:
    async with contextlib.AsyncExitStack() as stack:
        server = LocalWorkspace()
        await server.start()
        stack.push_async_callback(server.stop)
        control = stack.enter_context(ControlClient(server.control_url))
        await asyncio.to_thread(control.switch, gateway_present=gateway)
        pats = [await asyncio.to_thread(control.mint, OWNER) for _ in range(2)]
        tokens = [pat.token_value for pat in pats]
        models = ModelTable(environment(server.url))
        api = WorkspaceApi(server.url)
        stack.push_async_callback(api.close)
        await models.choose_gateway(api, Secret(tokens[0]))
        source = Pats(*tokens)
        broker = Broker(pats=source, models=models, workspace_host=server.url)
        await broker.start()
        stack.push_async_callback(broker.stop)
        headers = {"x-api-key": broker.capability("claude-code").reveal()}
        agent = httpx.AsyncClient(base_url=broker.url, headers=headers, verify=False)
        await stack.enter_async_context(agent)
        yield WorkspaceSite(broker, models, source, agent, server, api, control)


@pytest.mark.parametrize("gateway", [True, False])
@pytest.mark.parametrize("streams", [True, False])
def test_every_dialect_is_answered_on_every_layout(gateway, streams):
    async def run() -> None:
        async with workspace_site(gateway=gateway) as site:
            kind = "workspace-gateway" if gateway else "serving-endpoints"
            assert site.models.gateway.kind == kind
            for path, body in bodies(site.models, streams=streams).items():
                reply = await site.agent.post(path, json=body)
                assert reply.status_code == 200, (path, reply.text)
                assert "hello" in reply.text
                assert reply.headers["content-type"].startswith(
                    "text/event-stream" if streams else "application/json"
                )

    asyncio.run(run())


@pytest.mark.parametrize("gateway", [True, False])
def test_a_revoked_pat_costs_no_call(gateway):
    async def run() -> None:
        async with workspace_site(gateway=gateway) as site:
            (first, *_) = await site.control("tokens")
            await site.control("revoke", first["token_id"])
            path, body = next(iter(bodies(site.models, streams=False).items()))
            reply = await site.agent.post(path, json=body)
            assert reply.status_code == 200
            assert len(site.pats.refused) == 1

    asyncio.run(run())


def test_a_stream_that_the_workspace_cuts_is_seen_as_cut():
    async def run() -> None:
        async with workspace_site() as site:
            await site.control("add_fault", "/ai-gateway", "drop_stream", after_frames=2)
            body = bodies(site.models, streams=True)[MESSAGES]
            with pytest.raises(httpx.RemoteProtocolError):
                await site.agent.post(MESSAGES, json=body)

    asyncio.run(run())


def test_a_busy_workspace_speaks_for_itself():
    async def run() -> None:
        async with workspace_site() as site:
            await site.control("add_fault", "/ai-gateway", "429", retry_after="3")
            reply = await site.agent.post(MESSAGES, json={})
            assert (reply.status_code, reply.headers["retry-after"]) == (429, "3")

    asyncio.run(run())

"""Calls lost per 1,000 while the PAT is replaced and the old one revoked under them.

Two ways, in one run against the local workspace: through the broker, and with a token that is read
once and kept, as agents do that read their settings at start.
"""

import asyncio
import time

import httpx

from dbx_workspace.server import LocalWorkspace
from dbx_workspace.state import Workspace
from jupyter_dbx_agents.broker import Broker
from jupyter_dbx_agents.environment import take_environment
from jupyter_dbx_agents.models import ModelTable
from jupyter_dbx_agents.pat import PatRotator
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi

OWNER = "owner@example.com"
SECONDS = 15.0
INTERVAL_SECONDS = 0.5
CLIENTS = 4
BODY = {
    "model": "databricks-claude-opus-4-7",
    "max_tokens": 64,
    "stream": True,
    "messages": [{"role": "user", "content": "stream: 5 chunks every 20 ms"}],
}


def main() -> None:
    """Print the table."""
    asyncio.run(run())


async def run() -> None:
    """Call through the broker and directly, at the same time, through the same rotations."""
    workspace = Workspace()
    workspace.add_user(OWNER)
    local = LocalWorkspace(workspace)
    await local.start()
    api = WorkspaceApi(local.url)
    pats = PatRotator(
        api,
        rotation_interval_seconds=INTERVAL_SECONDS,
        lifetime_seconds=60,
        promise_seconds=0.2,
        in_flight_seconds=0.2,
    )
    models = ModelTable(take_environment({"DATABRICKS_HOST": local.url, "HOME": "/tmp"}))
    broker = Broker(pats=pats, models=models, workspace_host=local.url)
    await broker.start()
    value, _ = workspace.tokens.mint(OWNER)
    await pats.adopt(Secret(value))
    rotating = asyncio.create_task(pats.run())
    kept = (pats.current() or Secret("")).reveal()
    ways = {
        "through the broker": (f"{broker.url}/anthropic", broker.capability("bench").reveal()),
        "token read once, kept": (f"{local.url}/serving-endpoints/anthropic", kept),
    }
    counts = await asyncio.gather(*(call_for(*way) for way in ways.values()))
    print(f"{pats.rotations} rotations in {SECONDS:.0f} s, {CLIENTS} clients each way")
    print(f"{'':26}{'calls':>8}{'lost':>8}{'lost per 1,000':>16}")
    for name, (calls, lost) in zip(ways, counts, strict=True):
        print(f"{name:26}{calls:8}{lost:8}{1000 * lost / calls:16.1f}")
    rotating.cancel()
    await broker.stop()
    await api.close()
    await local.stop()


async def call_for(base_url: str, token: str) -> tuple[int, int]:
    """Stream answers until the time is up; return how many calls, and how many were lost."""
    deadline = time.monotonic() + SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{base_url}/v1/messages"
        results = await asyncio.gather(
            *(one_client(client, url, headers, deadline) for _ in range(CLIENTS))
        )
    return sum(calls for calls, _ in results), sum(lost for _, lost in results)


async def one_client(
    client: httpx.AsyncClient, url: str, headers: dict[str, str], deadline: float
) -> tuple[int, int]:
    """Call one after another."""
    calls = lost = 0
    while time.monotonic() < deadline:
        calls += 1
        try:
            answer = await client.post(url, json=BODY, headers=headers)
            lost += not (answer.is_success and "message_stop" in answer.text)
        except httpx.HTTPError:
            lost += 1
    return calls, lost


if __name__ == "__main__":
    main()

"""A gateway that dies gives way to the serving endpoints, and comes back; the models stay true."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from jupyter_dbx_agents.models import Gateway, ModelTable, ModelWatch
from jupyter_dbx_agents.secret import Secret
from tests.support.local_workspace import environment, fault, local_workspace


@dataclass
class Scene:
    """A table that a watch keeps true before a local workspace."""

    table: ModelTable
    watch: ModelWatch
    workspace: Any
    token: Secret | None

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    async def gateway_is(self, kind: str) -> Gateway:
        await self.until(lambda: self.table.gateway.kind == kind)
        return self.table.gateway

    async def found(self) -> Gateway:
        """Wait until everything was asked for; return the gateway."""
        await self.until(lambda: self.table.served.is_known)
        return await self.gateway_is("workspace-gateway")


@contextlib.asynccontextmanager
async def scene(interval_seconds: float = 3600, **settings: str) -> AsyncIterator[Scene]:
    async with local_workspace() as (server, api, pat):
        table = ModelTable(environment(server.url, **settings))
        watch = ModelWatch(
            table,
            api,
            lambda: made.token,
            interval_seconds=interval_seconds,
            first_pause_seconds=0.02,
            longest_pause_seconds=0.1,
        )
        made = Scene(table, watch, server.workspace, None)
        running = asyncio.create_task(watch.run())
        made.token = pat
        watch.token_changed()
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_the_first_token_makes_the_watch_ask_and_the_next_ones_do_not():
    async with scene() as here:
        await here.found()
        asked = len(here.workspace.requests.since(0, ""))
        for _ in range(3):
            here.watch.token_changed()
            await asyncio.sleep(0.02)
        assert len(here.workspace.requests.since(0, "")) == asked


async def test_a_busy_workspace_is_retried_until_it_answers():
    async with scene() as here:
        here.workspace.faults.add(fault("^/a", 503))
        here.watch.token_changed()
        await here.until(lambda: len(here.workspace.requests.since(0, "")) > 4)
        assert not here.table.served.is_known
        here.workspace.faults.clear(None)
        await here.found()


async def test_what_is_served_is_listed_again_after_the_interval():
    async with scene(interval_seconds=1) as here:
        await here.found()
        models = [m for m in here.workspace.models.all() if m.name != "databricks-gpt-5-5"]
        here.workspace.models.replace(models)
        await here.until(lambda: here.table.codex_model == "databricks-gpt-5")


async def test_a_gateway_that_is_gone_is_replaced_until_it_answers_each_with_its_reason():
    async with scene() as here:
        gateway = await here.found()
        here.workspace.switches.is_gateway_present = False
        assert await here.watch.gateway_failed(gateway)
        assert here.table.gateway.kind == "serving-endpoints"
        assert "does not answer" in here.table.gateway.reason
        here.workspace.switches.is_gateway_present = True
        back = await here.gateway_is("workspace-gateway")
        assert "did not answer for a while" in back.reason


async def test_a_gateway_that_only_fails_is_gone_too():
    async with scene() as here:
        gateway = await here.found()
        here.workspace.faults.add(fault("/ai-gateway", 503))
        assert await here.watch.gateway_failed(gateway)
        await asyncio.sleep(0.1)  # it is asked again meanwhile, more than once
        assert here.table.gateway.kind == "serving-endpoints"
        here.workspace.faults.clear(None)
        await here.gateway_is("workspace-gateway")


async def test_a_single_failure_of_a_gateway_that_works_changes_nothing():
    async with scene() as here:
        gateway = await here.found()
        assert not await here.watch.gateway_failed(gateway)
        assert here.table.gateway == gateway


@pytest.mark.parametrize("status", [429, 500])
async def test_a_gateway_that_is_busy_or_fails_at_the_check_is_not_gone(status):
    async with scene() as here:
        gateway = await here.found()
        changes: list[str] = []
        here.table.on_change.append(lambda: changes.append(here.table.gateway.kind))
        here.workspace.faults.add(fault("/ai-gateway/anthropic/v1/models", status))
        assert not await here.watch.gateway_failed(gateway)
        assert (here.table.gateway, changes) == (gateway, [])


async def test_a_gateway_that_answers_again_but_is_busy_is_used_again():
    async with scene() as here:
        gateway = await here.found()
        here.workspace.switches.is_gateway_present = False
        assert await here.watch.gateway_failed(gateway)
        here.workspace.faults.add(fault("/ai-gateway/anthropic/v1/models", 429))
        here.workspace.switches.is_gateway_present = True
        await here.gateway_is("workspace-gateway")


async def test_a_thousand_failures_in_a_row_do_not_end_the_watch():
    async with scene() as here:
        await here.found()
        here.watch._failures = 1100
        here.workspace.faults.add(fault("^/a", 503))
        here.watch.token_changed()
        before = len(here.workspace.requests.since(0, ""))
        await here.until(lambda: len(here.workspace.requests.since(0, "")) > before + 2)
        here.workspace.faults.clear()
        await here.until(lambda: not here.watch._failures)


async def test_nothing_is_given_up_while_the_whole_workspace_is_silent():
    async with scene() as here:
        gateway = await here.found()
        here.workspace.faults.add(fault("^/", 503))
        assert not await here.watch.gateway_failed(gateway)
        assert here.table.gateway == gateway


async def test_many_failures_at_once_are_looked_at_once():
    async with scene() as here:
        gateway = await here.found()
        before = len(here.workspace.requests.since(0, ""))
        await asyncio.gather(*[here.watch.gateway_failed(gateway) for _ in range(50)])
        assert len(here.workspace.requests.since(0, "")) == before + 1


async def test_a_gateway_that_dies_right_after_a_look_at_it_is_looked_at_again():
    async with scene() as here:
        gateway = await here.found()
        assert not await here.watch.gateway_failed(gateway)
        here.workspace.switches.is_gateway_present = False
        assert await here.watch.gateway_failed(gateway)
        assert here.table.gateway.kind == "serving-endpoints"


async def test_a_configured_gateway_is_never_bypassed():
    async with scene(DATABRICKS_GATEWAY_HOST="https://gateway.example/ai-gateway") as here:
        await here.until(lambda: here.table.served.is_known)
        assert not await here.watch.gateway_failed(here.table.gateway)
        assert here.table.gateway.kind == "workspace-gateway"

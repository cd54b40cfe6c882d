"""The owner is learnt once, asked for as long as it takes, and never guessed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.auth import OwnerResolver, creator_look_up
from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.errors import (
    WorkspaceError,
    WorkspacePermissionError,
    WorkspaceUnavailableError,
)
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi

from .apps_api import AppsApi
from .guarded_server import OWNER

SERVICE_PRINCIPAL = "1c6f7a02-53d3-4d5f-9e39-5d7a3c1f4f11"


class ScriptedClock:
    """Sleeps take no time and are written down; too many of them end the test."""

    def __init__(self, limit: int = 1000) -> None:
        self.slept: list[float] = []
        self._limit = limit

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self._limit:
            raise asyncio.CancelledError


def answers(*script: str | Exception) -> Callable[[], Any]:
    """A look-up that gives these answers in turn, the last one for ever."""
    left = list(script)

    async def look_up() -> str:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look_up


def resolver(look_up: Callable[[], Any], clock: ScriptedClock, **options: Any) -> OwnerResolver:
    made = OwnerResolver(look_up, sleep=clock.sleep, jitter=lambda: 0.0, **options)
    made.log = logging.getLogger("owner-under-test")
    return made


def run(look_up: Callable[[], Any], limit: int = 1000) -> tuple[OwnerResolver, ScriptedClock]:
    clock = ScriptedClock(limit)
    made = resolver(look_up, clock)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(made.run())
    return made, clock


UNAVAILABLE = WorkspaceUnavailableError("The workspace cannot answer now (HTTP 503).")


def test_the_creator_is_the_owner_in_lower_case() -> None:
    made, clock = run(answers("Kim.Owner@Example.com"))
    assert (made.owner, made.message, clock.slept) == (OWNER, "", [])


def test_a_configured_owner_is_known_at_once_and_not_looked_up() -> None:
    made = resolver(
        answers(AssertionError("asked")), ScriptedClock(), override=f" {OWNER.upper()} "
    )
    assert (made.owner, made.message) == (OWNER, "")
    asyncio.run(made.run())


def test_failures_are_retried_quickly_first_and_then_at_most_every_minute() -> None:
    made, clock = run(answers(*[UNAVAILABLE] * 9, OWNER))
    assert made.owner == OWNER
    assert clock.slept == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_it_is_asked_for_ever_and_without_an_answer_nobody_is_the_owner() -> None:
    made, clock = run(answers(UNAVAILABLE), limit=3000)
    assert made.owner is None
    assert "cannot answer now" in made.message
    assert len(clock.slept) == 3000
    assert max(clock.slept) == 60


def test_pauses_are_shortened_at_random_by_at_most_half() -> None:
    made = OwnerResolver(answers(UNAVAILABLE), sleep=ScriptedClock().sleep)
    pauses = {made._backoff_seconds(3) for _ in range(200)}
    assert len(pauses) > 100
    assert min(pauses) >= 4
    assert max(pauses) <= 8


def test_the_workspaces_own_wish_is_kept_within_the_longest_pause() -> None:
    wish = WorkspaceUnavailableError("HTTP 429.", retry_after_seconds=25)
    too_long = WorkspaceUnavailableError("HTTP 429.", retry_after_seconds=86400)
    assert run(answers(wish, too_long, OWNER))[1].slept == [25, 60]


@pytest.mark.parametrize(
    "error",
    [
        WorkspacePermissionError("No access to the app.", status=403),
        WorkspaceError("App does not exist.", status=404),
        KeyError("access_token"),
        OSError("disk"),
    ],
)
def test_no_error_ends_the_search(error: Exception) -> None:
    made, _ = run(answers(error, error, OWNER))
    assert made.owner == OWNER


@pytest.mark.parametrize("creator", [SERVICE_PRINCIPAL, "", "kim.öwner@example.com"])
def test_a_creator_who_cannot_sign_in_is_reported_and_asked_again_slowly(creator: str) -> None:
    made, clock = run(answers(creator), limit=3)
    assert made.owner is None
    assert "APP_OWNER_EMAIL" in made.message
    assert clock.slept == [60, 60, 60]


def test_each_change_is_logged_once_and_so_is_the_recovery(
    caplog: pytest.LogCaptureFixture,
) -> None:
    forbidden = WorkspacePermissionError("No access to the app.")
    with caplog.at_level(logging.INFO, "owner-under-test"):
        run(answers(*[UNAVAILABLE] * 5, *[forbidden] * 5, OWNER))
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "WARNING", "INFO"]
    assert "No access to the app." in caplog.messages[1]


def test_an_unexpected_errors_text_stays_out_of_the_message() -> None:
    made, _ = run(answers(ValueError("dapi0123456789")), limit=1)
    assert "dapi" not in made.message
    assert "ValueError" in made.message


def test_who_waits_for_the_owner_is_told_and_stopping_early_is_fine() -> None:
    async def scenario() -> str:
        made = resolver(answers(UNAVAILABLE, OWNER), ScriptedClock())
        await made.stop()  # never started
        made.start()
        owner = await asyncio.wait_for(made.wait(), 5)
        await made.stop()
        return owner

    assert asyncio.run(scenario()) == OWNER


def test_stopping_ends_a_search_that_is_pausing() -> None:
    async def scenario() -> None:
        pausing = asyncio.Event()

        async def sleep(_: float) -> None:
            pausing.set()
            await asyncio.Event().wait()

        made = OwnerResolver(answers(UNAVAILABLE), sleep=sleep)
        made.start()
        await pausing.wait()
        await asyncio.wait_for(made.stop(), 5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def environment(**values: Any) -> Environment:
    defaults: dict[str, Any] = {
        "app_name": "agents",
        "host": "",
        "workspace_id": "",
        "app_port": None,
        "client_id": "client",
        "client_secret": Secret("secret"),
        "token": Secret(""),
        "home": Path("/nowhere"),
    }
    return Environment(**{**defaults, **values})


def test_the_creator_is_asked_of_the_workspace_as_the_apps_service_principal() -> None:
    async def scenario() -> None:
        api = AppsApi(creator=None)
        async with api.serving() as host:
            workspace = WorkspaceApi(host)

            async def heal(_: float) -> None:
                api.creator = OWNER

            made = OwnerResolver(creator_look_up(workspace, environment()), sleep=heal)
            await made.run()
            await workspace.close()
        assert made.owner == OWNER
        assert api.seen == ["Basic", "agents as service-principal-bearer"] * 2

    asyncio.run(scenario())


def test_without_the_apps_credentials_the_message_says_what_to_set() -> None:
    look_up = creator_look_up(WorkspaceApi("http://127.0.0.1:9"), environment(client_id=""))
    made, _ = run(look_up, limit=1)
    assert "DATABRICKS_CLIENT_ID" in made.message
    assert "APP_OWNER_EMAIL" in made.message

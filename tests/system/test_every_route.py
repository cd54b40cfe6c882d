"""Every route of the production server, others' included, is the owner's and nobody else's."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import sweep
from tests.support.constants import NO_AGENTS
from tests.support.effort import IS_LONG
from tests.support.running_app import Server

OWNER = "keeper.owner@example.com"
# Two on every route; the others, which the gate's own tests try as well, on some of them.
ATTACKS = ("no header", "stranger")
OTHER_ATTACKS = ("owner, then stranger", "joined", "KELVIN SIGN", "Cyrillic o")
SOME_PATHS = 10
VARIABLES = {
    "DATABRICKS_APP_NAME": "app",
    "DATABRICKS_HOST": "http://127.0.0.1:9",
    "APP_OWNER_EMAIL": OWNER,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all attacks."""
    running = Server(tmp_path_factory.mktemp("sweep") / "home", VARIABLES, NO_AGENTS)
    running.until_open(OWNER).http.close()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[sweep.Route]:
    """The routes of the same application, walked from its router."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DATABRICKS_")}
    environment |= {**VARIABLES, "HOME": str(tmp_path_factory.mktemp("walk")), "PYTHONPATH": "."}
    root = [] if os.geteuid() else ["--allow-root"]
    return sweep.routes_in_a_process(
        "jupyter_dbx_agents.app:DbxAgentsApp",
        ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", NO_AGENTS, *root],
        environment,
        Path.cwd(),
    )


def test_the_walk_finds_everybodys_routes(routes: list[sweep.Route]):
    handlers = {route.handler for route in routes}
    assert len(routes) > 50
    for known in ("RestHandler", "LabHandler", "TermSocket", "MainKernelHandler"):
        assert known in handlers


@pytest.mark.timeout(300)
def test_every_route_and_method_and_websocket_refuses_everybody_else(
    server: Server, routes: list[sweep.Route]
):
    paths = {route.path for route in routes} | {"/", "/no/such/page", "/dbx-agents/api/pat"}
    some = paths if IS_LONG else set(sorted(paths)[:: len(paths) // SOME_PATHS])
    attacks = sweep.attacks_on(OWNER)
    answers = [
        answer
        for names, targets in ((ATTACKS, paths), (OTHER_ATTACKS, some))
        for answer in asyncio.run(
            sweep.sweep(server.port, targets, {name: attacks[name] for name in names})
        )
    ]
    wrong = [answer for answer in answers if answer.status != 403]
    assert not wrong, Counter((a.attack, a.method, a.path, a.status) for a in wrong)
    assert len(some) >= SOME_PATHS
    pairs = len(paths) * len(ATTACKS) + len(some) * len(OTHER_ATTACKS)
    assert len(answers) == pairs * (len(sweep.METHODS) + 1)
    assert not [answer for answer in answers if OWNER.encode() in answer.body]


@pytest.mark.parametrize("path", ["/lab", "/api/terminals", "/dbx-agents/api/status", "/api/me"])
def test_the_owner_is_let_in_however_the_address_is_written(server: Server, path: str):
    headers = {"X-Forwarded-Email": OWNER.upper()}
    assert httpx.get(server.url + path, headers=headers).status_code == 200

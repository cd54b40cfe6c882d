"""The identity provider behind the gate holds on its own, should a request ever get around it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from .apps_api import AppsApi, serving_in_a_thread
from .guarded_server import OWNER, GuardedServer, guarded_server

STRANGER = {"X-Forwarded-Email": "stranger@example.com", "Cookie": "_xsrf=t", "X-XSRFToken": "t"}
# Jupyter's own handlers; plain ones of other extensions are what the gate is needed for.
REQUESTS = (
    ("GET", "/lab"),
    ("GET", "/tree/x"),
    ("GET", "/api"),
    ("GET", "/api/status"),
    ("OPTIONS", "/api/contents"),
    ("POST", "/api/terminals"),
    ("POST", "/api/shutdown"),
    ("GET", "/static/favicon.ico"),
    ("GET", "/no/such/page"),
    ("GET", "/login"),
    ("GET", "/metrics"),
    ("GET", "/terminals/websocket/1"),
    ("GET", "/api/events/subscribe"),
)


@pytest.fixture(scope="module")
def ungated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedServer]:
    home = tmp_path_factory.mktemp("home")
    with guarded_server(home, GATED_APP_WITHOUT_GATE="yes") as running:
        yield running


def status_codes(server: GuardedServer, headers: dict[str, str]) -> dict[tuple[str, str], int]:
    with httpx.Client(base_url=server.url, headers=headers, follow_redirects=False) as client:
        return {pair: client.request(*pair).status_code for pair in REQUESTS}


@pytest.mark.parametrize("headers", [{}, STRANGER], ids=["no header", "stranger"])
def test_strangers_get_a_403_and_neither_a_loop_nor_an_error(
    ungated: GuardedServer, headers: dict[str, str]
) -> None:
    assert status_codes(ungated, headers) == dict.fromkeys(REQUESTS, 403)
    page = httpx.get(f"{ungated.url}/lab", headers=headers).text
    assert "403" in page
    assert OWNER not in page
    assert "Traceback" not in ungated.log


def test_the_owner_gets_in(ungated: GuardedServer) -> None:
    answer = httpx.get(f"{ungated.url}/api/me", headers={"X-Forwarded-Email": OWNER})
    assert answer.json()["identity"]["username"] == OWNER


def test_everybody_gets_a_503_while_the_owner_is_not_known(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("home")
    with serving_in_a_thread(AppsApi(creator=None)) as host:
        variables = {"GATED_APP_WITHOUT_GATE": "yes", "APP_OWNER_EMAIL": ""}
        with guarded_server(home, DATABRICKS_HOST=host, **variables) as server:
            owner = {"X-Forwarded-Email": OWNER}
            assert status_codes(server, owner) == dict.fromkeys(REQUESTS, 503)

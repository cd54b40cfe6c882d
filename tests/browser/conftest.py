"""A real Chromium before the running app's front door."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.system.running_app import RunningApp

from .lab_copy import LabCopy
from .lab_page import LabPage
from .relay import Relay

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
# Whoever runs this as root in a container has no sandbox; the pages are our own.
OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", *QUIET)
ROTATION = (
    "--PatRotator.rotation_interval_seconds=15",
    "--PatRotator.lifetime_seconds=60",
    "--PatRotator.promise_seconds=2",
    "--PatRotator.expiry_margin_seconds=5",
    "--PatRotator.in_flight_seconds=1",
    "--PatRotator.idle_policy=keep_alive",  # no test waits for a token to lapse
)
NO_AGENTS = "--DbxAgentsApp.install_agents=False"
EXPOSED = "--LabApp.expose_app_in_browser=True"
expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser on a busy machine takes its time."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser; one for all tests of this folder, since its loop must end with them."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        message = f"none of {', '.join(NAMES)} is installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The demo, with a rotation that a test can wait for, and only the agents that one asks for."""
    folder = tmp_path_factory.mktemp("app")
    running = RunningApp(folder / "home", folder / "log", *ROTATION, NO_AGENTS, EXPOSED)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")
def lab_copy(tmp_path_factory: pytest.TempPathFactory) -> LabCopy:
    """The front end's source, with its packages installed from the lock."""
    return LabCopy(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="package")
def relay(app: RunningApp) -> Iterator[Relay]:
    """The way to the front door."""
    between = Relay(app.lines["open"])
    yield between
    between.stop()


@pytest.fixture
def context(chromium: Browser, relay: Relay) -> Iterator[BrowserContext]:
    """A browser that has never been here; a request to elsewhere fails the test."""
    relay.mend()
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=relay.url)
    elsewhere: list[str] = []

    def look(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != "127.0.0.1":
            elsewhere.append(request.url)

    context.on("request", look)
    yield context
    for page in context.pages:  # a request may be on its way through a test's own route
        page.unroute_all(behavior="ignoreErrors")
    context.close()
    assert elsewhere == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab; an error in one of our scripts fails the test where it happens."""
    page = context.new_page()

    def fail(error: Any) -> None:
        if "/extensions/jupyter-dbx-agents/" in (error.stack or ""):
            raise AssertionError(f"in the page: {error.stack}")

    page.on("pageerror", fail)
    return page


@pytest.fixture
def lab(page: Page, relay: Relay, app: RunningApp) -> LabPage:
    """JupyterLab, not loaded yet, on a server whose sessions and layout are fresh."""
    fresh(app)
    return LabPage(page, relay.url)


@pytest.fixture
def logged_in(lab: LabPage, app: RunningApp) -> LabPage:
    """JupyterLab with a token."""
    app.log_in()
    lab.open()
    return lab


def fresh(app: RunningApp) -> None:
    """End the terminals of earlier tests, forget their layout, and that the hint was seen."""
    for terminal in app.owner.json("GET", "/api/terminals"):
        app.owner.http.delete(f"/api/terminals/{terminal['name']}")
    app.owner.http.delete("/lab/api/workspaces/default")
    path = "/lab/api/settings/jupyter-dbx-agents:plugin"
    app.owner.http.put(path, json={"raw": '{"firstHint": false}'})

"""A real Chromium before the running app's front door."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.constants import NO_AGENTS
from tests.support.lab_copy import LabCopy
from tests.support.lab_page import LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp
from tests.support.tabs import Tabs, forget_sessions

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
# Whoever runs this as root in a container has no sandbox; the pages are our own.
OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", *QUIET)
ROTATION = (
    "--PatRotator.rotation_interval_seconds=10",
    "--PatRotator.lifetime_seconds=60",
    "--PatRotator.promise_seconds=2",
    "--PatRotator.expiry_margin_seconds=5",
    "--PatRotator.in_flight_seconds=1",
    "--PatRotator.idle_policy=keep_alive",  # no test waits for a token to lapse
)
EXPOSED = "--LabApp.expose_app_in_browser=True"
NO_CLI = "--DatabricksCli.enabled=False"  # an update would download it
expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser on a busy machine takes its time."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))


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
    running = RunningApp(folder / "home", folder / "log", *ROTATION, NO_AGENTS, EXPOSED, NO_CLI)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")
def lab_copy(tmp_path_factory: pytest.TempPathFactory) -> LabCopy:
    """The front end's source, with its packages installed from the lock."""
    return LabCopy(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="package")
def axe(lab_copy: LabCopy) -> str:
    """axe-core's script."""
    return (lab_copy.source / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="package")
def relay(app: RunningApp) -> Iterator[Relay]:
    """The way to the front door."""
    between = Relay(app.lines["open"])
    yield between
    between.stop()


@pytest.fixture(scope="package")
def all_tabs(chromium: Browser, app: RunningApp, relay: Relay) -> Iterator[Tabs]:
    """The tabs, those that outlive a test included."""
    tabs = Tabs(chromium, app, relay)
    yield tabs
    tabs.close_shared()


@pytest.fixture
def tabs(all_tabs: Tabs, request: pytest.FixtureRequest) -> Iterator[Tabs]:
    """The tabs of one test; a request to elsewhere and an error in one of our scripts fail it."""
    failed_before = request.session.testsfailed
    yield all_tabs
    all_tabs.close_new()
    faults, all_tabs.faults = all_tabs.faults, []
    if faults or request.session.testsfailed > failed_before:
        all_tabs.close_shared()
    assert faults == []


@pytest.fixture
def lab(tabs: Tabs) -> LabPage:
    """JupyterLab in the tab that tests share: loaded, with a token, nothing open."""
    return tabs.shared()


@pytest.fixture
def asked(lab: LabPage, app: RunningApp) -> LabPage:
    """JupyterLab without a token, with the dialog that asks for one."""
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.ask_for_token()
    return lab


@pytest.fixture
def new_lab(tabs: Tabs, app: RunningApp, relay: Relay) -> LabPage:
    """JupyterLab in a browser that has never been here, not loaded yet."""
    relay.mend()
    forget_sessions(app.owner)
    return LabPage(tabs.new_context().new_page(), relay.url)

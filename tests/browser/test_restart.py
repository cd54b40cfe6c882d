"""A server that is restarted under an open page."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from jupyter_dbx_agents.emulator.front_door import FrontDoor
from tests.system.running_app import Browser, LocalWorkspaceProcess, Server

from .conftest import EXPOSED, NO_AGENTS
from .lab_page import LabPage

OWNER = "owner@example.com"


class Platform:
    """A workspace, the platform's front door, and a server behind it that can be replaced."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.workspace = LocalWorkspaceProcess()
        self.owner = OWNER
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.door = FrontDoor("http://127.0.0.1:9", self.owner)
        self._call(self.door.start())

    def start(self) -> None:
        """Start a server behind the door."""
        self.server = Server(self.home, self.workspace.app_variables(), NO_AGENTS, EXPOSED)
        self.door.app_port = self.server.port
        self.server.until_open(self.owner).http.close()

    def restart(self) -> None:
        """Stop the server, and put another in its place."""
        self.server.stop()
        self.start()

    def log_in(self) -> None:
        """Paste a token over REST."""
        browser = Browser(self.server.url, self.owner)
        token = self.workspace.control.mint(self.owner).token_value
        browser.json("POST", "/dbx-agents/api/pat", {"token": token})
        browser.http.close()

    def stop(self) -> None:
        """Stop everything."""
        self.server.stop()
        self._call(self.door.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        self.workspace.stop()

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """What a restart needs."""
    running = Platform(tmp_path / "home")
    try:
        running.start()
        yield running
    finally:
        running.stop()


def terminal_with_output(lab: LabPage, platform: Platform) -> None:
    """Open a terminal and have it show something."""
    platform.log_in()
    lab.open()
    lab.open_terminal()
    lab.type("echo before the e''nd")
    lab.until_screen("(?m)^before the end$")


def test_after_a_crash_a_new_shell_comes_by_itself_below_what_was_there(
    context: BrowserContext, platform: Platform
):
    lab = LabPage(context.new_page(), platform.door.url)
    terminal_with_output(lab, platform)
    platform.server.process.kill()
    expect(lab.notice).to_contain_text("Reconnecting")
    platform.restart()
    text = lab.until_screen("this is a new shell", 90)
    assert "before the end" in text
    expect(lab.notice).to_have_count(0)
    # The token was in the server's memory: it is asked for again, and the shell goes on with it.
    expect(lab.status).to_have_text("Databricks: token needed")
    platform.log_in()
    lab.until_screen(r"going on\.\n.*[$#]$")


def test_after_an_orderly_restart_the_output_stays_and_a_button_opens_another_terminal(
    context: BrowserContext, platform: Platform
):
    lab = LabPage(context.new_page(), platform.door.url)
    terminal_with_output(lab, platform)
    platform.restart()
    expect(lab.notice).to_contain_text("The server was restarted", timeout=60_000)
    assert "before the end" in lab.screen()["text"]
    platform.log_in()
    lab.notice.get_by_role("button", name="New terminal").click()
    lab.until_screen(r"[$#]$")
    expect(lab.notice).to_have_count(0)


def test_a_shell_that_is_left_closes_its_tab(context: BrowserContext, platform: Platform):
    lab = LabPage(context.new_page(), platform.door.url)
    terminal_with_output(lab, platform)
    lab.type("exit")
    expect(lab.page.locator(".jp-Terminal")).to_have_count(0)

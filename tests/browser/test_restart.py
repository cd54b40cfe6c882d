"""A server that is restarted under an open page."""

import asyncio
import re
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from dbx_workspace.front_door.door import FrontDoor
from tests.support.constants import NO_AGENTS, STATUS
from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp, Server, app_variables, eventually
from tests.support.tabs import Tabs, forget_sessions

from .conftest import EXPOSED

MOUSE = "window.jupyterapp.shell.currentWidget.content._term.modes.mouseTrackingMode"
PROMPT = r"Paste address or token; it stays hidden \(or press Enter to skip\):$"
# What the bar says may be gone before anybody looks.
# A program that ends with the server may end before it, and has no name any more then.
NAME_OF_ONE_THAT_ENDS_FIRST = """() => {
  const {service} = jupyterapp.pluginRegistry._plugins.get('jupyter-dbx-agents:status');
  const {server, titles} = service.status;
  service.put({server: {state: 'stopping'}});
  service.put({titles: {}});
  const {label} = jupyterapp.shell.currentWidget.title;
  service.put({server, titles});
  return label;
}"""
RECORD_BAR = """() => {
  window.saidInBar = [];
  const record = () => {
    const text = document.getElementById('jp-DbxAgents-ended')?.textContent;
    if (text) window.saidInBar.push(text);
  };
  new MutationObserver(record).observe(document.body, {childList: true, subtree: true});
}"""
TERMINALS = "/dbx-agents/api/terminals"
KEPT = r"Kept from an earlier start: projects "


class Platform:
    """The platform's front door, and a server behind it that can be replaced."""

    def __init__(self, home: Path, app: RunningApp) -> None:
        self.home, self._app = home, app
        self._owner = app.lines["owner"]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.door = FrontDoor("http://127.0.0.1:9", self._owner)
        self._call(self.door.start())
        self.start()

    def start(self) -> None:
        """Start a server behind the door, in the workspace of the running app.

        It is another app: what tests before have left of theirs is not offered to it.
        """
        variables = app_variables(self._app.lines["workspace"], self._app.control)
        variables |= {"DATABRICKS_APP_NAME": "restarted", "APP_OWNER_EMAIL": self._owner}
        self.server = Server(self.home, variables, NO_AGENTS, EXPOSED)
        self.door.app_port = self.server.port
        self.browser = self.server.until_open(self._owner)

    def restart(self) -> None:
        """Stop the server, and put another in its place."""
        self.browser.http.close()
        self.server.stop()
        self.start()

    def lose_the_machine(self) -> None:
        """Kill the server, empty its disk, and start another one."""
        self.browser.http.close()
        self.server.process.kill()
        self.server.stop()
        shutil.rmtree(self.home)
        self.start()

    def new_token(self) -> str:
        """Return a token of the owner, as they would paste it."""
        return self._app.control.mint(self._owner).token_value

    def log_in(self) -> None:
        """Paste a token over REST."""
        self.browser.json("POST", "/dbx-agents/api/pat", {"token": self.new_token()})

    def stop(self) -> None:
        """Stop everything."""
        self.browser.http.close()
        self.server.stop()
        self._call(self.door.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, app: RunningApp) -> Iterator[Platform]:
    """What a restart needs; each test gets a server that runs and leaves one that does."""
    running = Platform(tmp_path_factory.mktemp("platform") / "home", app)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def used(tabs: Tabs, platform: Platform) -> LabPage:
    """JupyterLab with a terminal that has shown something."""
    lab = LabPage(tabs.new_context().new_page(), platform.door.url)
    forget_sessions(platform.browser)
    platform.log_in()
    lab.open()
    lab.open_terminal()
    lab.type("echo before the e''nd")
    lab.until_screen("(?m)^before the end$")
    return lab


def test_after_a_crash_a_new_shell_comes_by_itself_below_what_was_there(
    used: LabPage, platform: Platform
):
    used.type("stty size | tr ' ' x")
    size = re.findall(r"(?m)^\d+x\d+$", used.until_screen(r"(?m)^\d+x\d+\n.*[$#]$"))[0]
    used.type(r"printf '\033[?1003h\033[?1004h'")  # as an agent that takes the mouse
    used.until(f"() => {MOUSE} === 'any'")
    platform.server.process.kill()
    expect(used.notice).to_contain_text("Reconnecting")
    platform.restart()
    text = used.until_screen("this is a new shell")
    assert "before the end" in text
    assert "not sent" not in text
    assert used.page.evaluate(MOUSE) == "none"
    expect(used.notice).to_have_count(0)
    # The token was in the server's memory: it is asked for again, and the shell goes on with it.
    expect(used.status).to_have_text("Databricks: token needed")
    used.until_screen(PROMPT)
    platform.log_in()
    used.until_screen(r"Continuing\.\n.*[$#]$")
    used.type("stty size | tr ' ' x")
    used.until_screen(rf"(?m)Continuing\.\n.*\n{size}$")


def test_what_was_typed_for_a_program_that_crashed_reaches_no_new_shell(
    used: LabPage, platform: Platform
):
    platform.server.process.kill()
    expect(used.notice).to_contain_text("it is sent when this terminal is back")
    used.type("touch exe''cuted")
    used.page.keyboard.press("ArrowUp")  # no character
    platform.restart()
    used.until_screen(r"a new shell\. What you typed meanwhile \(17 characters\) was not sent\.")
    used.until_screen(PROMPT)
    platform.log_in()
    text = used.until_screen(r"Continuing\.\n.*[$#]$")
    assert "Checking" not in text  # by the prompt for a token
    used.type("ls -a; echo lis''ted")
    assert "executed" not in used.until_screen("(?m)^listed$")


def test_a_second_tab_learns_too_that_its_terminal_is_a_new_shell(
    used: LabPage, platform: Platform, tabs: Tabs
):
    name = used.page.evaluate("window.jupyterapp.shell.currentWidget.content.session.name")
    other = LabPage(tabs.new_context().new_page(), platform.door.url)
    other.open()
    other.command("terminal:open", name=name)
    other.until_screen("(?m)^before the end$")
    platform.server.process.kill()
    for lab in (used, other):
        expect(lab.notice).to_contain_text("Reconnecting")
    platform.restart()
    for lab in (used, other):
        assert "before the end" in lab.until_screen("this is a new shell")
        expect(lab.notice).to_have_count(0)


def test_an_orderly_stop_is_no_restart_and_one_bar_speaks_for_all_tabs(
    used: LabPage, platform: Platform
):
    bar = used.page.locator("#jp-DbxAgents-ended")
    used.type(r"printf '\033]0;a name of its own\a'")
    expect(used.tab()).to_have_text("a name of its own")
    assert used.page.evaluate(NAME_OF_ONE_THAT_ENDS_FIRST) == "a name of its own"
    used.command("terminal:create-new")
    used.until_screen("[$#]$")
    platform.browser.http.close()
    used.page.evaluate(RECORD_BAR)
    platform.server.stop()
    expect(bar).to_contain_text("The server has stopped. Waiting for it")
    said: list[str] = used.page.evaluate("window.saidInBar")
    assert any("The app is shutting down. Committed work is safe" in each for each in said), said
    assert "shutting down" not in used.screen()["text"]
    expect(used.page.locator(".jp-DbxAgents-ended").first).to_have_text("a name of its own")
    expect(bar.get_by_role("button")).to_have_count(0)
    expect(used.notice).to_have_count(0)
    used.page.locator(".lm-TabBar-tab", has_text="a name of its own").click()
    assert "before the end" in used.screen()["text"]
    platform.start()
    expect(bar).to_contain_text("The server restarted, so 2 sessions ended.")
    expect(bar.get_by_role("button", name="Continue where you were")).to_have_count(0)
    platform.log_in()
    offer_something(used)
    with used.page.expect_request("**/api/continuity/restore?*"):
        bar.get_by_role("button", name="Continue where you were").click()
    bar.get_by_role("button", name="New terminal").click()
    used.until_screen(r"^\S+[$#]$")
    expect(used.page.locator(".lm-TabBar-tab.jp-DbxAgents-ended")).to_have_count(2)
    bar.get_by_role("button", name="Close their tabs").click()
    expect(bar).to_have_count(0)
    expect(used.page.locator(".jp-Terminal")).to_have_count(1)


def offer_something(lab: LabPage) -> None:
    """Show the status of a machine without projects, for which something is kept."""

    def answer(route: Route) -> None:
        status = route.fetch().json()
        status["continuity"]["offered"] = "something"
        route.fulfill(json=status)

    offer = {"projects": ["p"], "terminals": [], "parts": [], "files": 0, "bytes": 0}
    lab.page.route("**/api/continuity?*", lambda route: route.fulfill(json={"offer": offer}))
    lab.page.route("**/api/continuity/restore?*", lambda route: route.fulfill(json={"steps": []}))
    lab.page.route("**/dbx-agents/api/status?*", answer)
    lab.show_panel()


def test_the_page_offers_to_continue_on_an_empty_machine_and_everything_is_back(
    used: LabPage, platform: Platform, tabs: Tabs
):
    used.type("git init -q back && cd back && git commit -q --allow-empty -m first && echo 1 > new")
    used.type("echo a-line-of-history; clear")
    name = used.page.evaluate("window.jupyterapp.shell.currentWidget.content.session.name")
    platform.browser.json("PATCH", f"{TERMINALS}/{name}", {"title": "of its owner"})
    expect(used.tab()).to_have_text("of its owner")
    renamed_at = datetime.now(UTC).isoformat(timespec="seconds")
    # What is kept from now on is of a later second, and there is something to keep.
    eventually(lambda: datetime.now(UTC).isoformat(timespec="seconds") > renamed_at, 5)
    used.type("echo another-line; clear")

    def is_kept() -> bool:
        status = platform.browser.json("GET", STATUS)
        works = {each["name"]: each["work"]["kept_at"] for each in status["projects"]}
        continuity = status["continuity"]
        is_since = (continuity["kept_at"] or "") > renamed_at
        return bool(works.get("back") and is_since and not continuity["pending"])

    eventually(is_kept, 60, "kept")
    used.page.context.close()
    platform.lose_the_machine()
    forget_sessions(platform.browser)
    with platform.browser.terminal() as terminal:
        terminal.expect("Paste address or token")
        terminal.type(f"{platform.new_token()}\n")
        terminal.expect(f"{KEPT}[^;]*back")
        terminal.until_shell()
        assert re.search(KEPT, terminal.run("jupyter dbx-agents status"))
    assert re.search(KEPT, platform.browser.http.get("/dbx-agents/").text)
    lab = LabPage(tabs.new_context().new_page(), platform.door.url)
    lab.open()
    offer = lab.launcher.get_by_role("region", name="Continue where you were")
    expect(offer).to_contain_text("Kept from an earlier start. Projects: back.")
    offer.get_by_role("button", name="Choose what comes back").click()
    dialog = lab.page.get_by_role("dialog", name="Continue where you were")
    boxes = dialog.get_by_role("group", name="Terminals").get_by_role("checkbox")
    expect(boxes.first).to_be_checked()
    for box in boxes.all():
        box.uncheck()
    dialog.get_by_role("button", name="Continue").click()
    section = lab.section("Continue where you were")
    expect(section.get_by_text("Restored with its history.")).to_be_visible(timeout=60_000)
    expect(offer).to_have_count(0)
    expect(section.locator("[data-level=good]").first).to_be_visible()
    eventually((platform.home / "projects/back/new").exists, 60)
    before = len(platform.browser.json("GET", STATUS)["terminals"])
    expect(section.get_by_text("Projects: ")).to_have_count(0)
    expect(section.get_by_text("Terminals: ")).to_be_visible()  # what was not chosen
    section.get_by_role("button", name="Continue where you were").click()
    is_open = lambda: len(platform.browser.json("GET", STATUS)["terminals"]) > before  # noqa: E731
    eventually(is_open, 60, "open again")

    def titles() -> set[str]:
        return {each["title"] for each in platform.browser.json("GET", STATUS)["terminals"]}

    eventually(lambda: "of its owner" in titles(), 60, "the owner's title")
    expect(section.get_by_text("Terminals: ")).to_have_count(0)
    assert platform.browser.json("GET", STATUS)["continuity"]["offered"] == ""
    section.get_by_text("Keep more files…").click()
    field = section.get_by_label("File in the home folder")
    for name, said in ((".env", "may hold secrets"), (".vimrc", "")):
        field.fill(name)
        field.press("Enter")
        if said:
            expect(lab.toast(said)).to_be_visible()
        expect(field).to_have_value(name if said else "")  # to mend what was refused
    expect(section.get_by_role("button", name="Do not keep .vimrc")).to_be_visible()
    assert platform.browser.json("GET", STATUS)["continuity"]["dotfiles"] == [".vimrc"]

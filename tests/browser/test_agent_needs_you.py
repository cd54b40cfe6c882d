"""A real agent needs its owner, near and far: sign, title, panel, one notification, and a click."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.demo.test_real_agents import READY, put
from tests.support.agent_store import AgentStore
from tests.support.effort import IS_LONG
from tests.support.lab_page import LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp, eventually
from tests.support.tabs import Tabs, forget_sessions

from .test_attention import TITLE_COUNT, TOASTS
from .test_looks import THEMES

AGENT = "claude-code"
# Half of a round trip of 200 ms.
FAR_SECONDS = 0.1
PLACES = [
    ("dark", FAR_SECONDS),
    *([("light", FAR_SECONDS), ("dark", 0.0), ("light", 0.0)] if IS_LONG else []),
]
# It asks before it deletes, and then takes long enough for its owner to look elsewhere.
QUESTION = "run: rm -rf made; sleep 4; echo finished"
NAME = "() => jupyterapp.shell.currentWidget.content.session.name"
# What the desktop shows, in a list.
RECORD = """(() => {
  window.onDesktop = [];
  window.Notification = class extends window.Notification {
    constructor(title, options) {
      super(title, options);
      window.onDesktop.push(this);
    }
  };
})()"""
ON_DESKTOP = "() => onDesktop.map(shown => shown.title)"
CLICK_DESKTOP = "() => { onDesktop.at(-1).dispatchEvent(new Event('click')); }"
# As a browser does with a page behind others.
HIDE = """isHidden => {
  const state = isHidden ? 'hidden' : 'visible';
  for (const [name, value] of [['visibilityState', state], ['hidden', isHidden]]) {
    Object.defineProperty(document, name, {configurable: true, get: () => value});
  }
  document.hasFocus = () => !isHidden;
  document.dispatchEvent(new Event('visibilitychange'));
  if (!isHidden) window.dispatchEvent(new Event('focus'));
}"""


@pytest.fixture
def page_with_desktop(
    tabs: Tabs, app: RunningApp, relay: Relay, agent_store: AgentStore
) -> LabPage:
    """JupyterLab that may notify on the desktop, with the agent, and a clock that can be moved."""
    relay.mend()
    app.log_in()
    agent_store.install(app, AGENT)
    forget_sessions(app.owner)
    context = tabs.new_context()
    context.grant_permissions(["notifications", "clipboard-write"], origin=relay.url)
    page = context.new_page()
    page.clock.install()
    page.add_init_script(RECORD)
    lab = LabPage(page, relay.url)
    lab.open()
    assert page.evaluate("Notification.permission") == "granted"
    return lab


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("theme", "seconds"), PLACES)
def test_a_real_agent_that_asks_is_told_once_allowed_and_told_as_done(
    page_with_desktop: LabPage, app: RunningApp, relay: Relay, theme: str, seconds: float
):
    lab = page_with_desktop
    lab.use_theme(THEMES[theme])
    relay.be_far_away(seconds)
    lab.show_panel()
    lab.command(f"dbx-agents:start-{AGENT}")
    lab.until_screen(READY[AGENT], 120)
    terminal = lab.page.evaluate(NAME)

    lab.open_launcher()  # it is the one to be looked at
    ask(app, terminal)
    toast = until_told(lab, "permission", "asks for permission")
    assert lab.page.evaluate(ON_DESKTOP) == []
    toast.get_by_role("button", name="Show").click()
    allow(lab, app, terminal)
    lab.open_launcher()
    until_told(lab, "done", "is done")
    lab.command("dbx-agents:next-need")
    until_nothing_is_told(lab)

    lab.open_launcher()
    lab.page.evaluate(HIDE, True)
    lab.page.clock.fast_forward("30:00")
    ask(app, terminal)
    until_told(lab, "permission", "asks for permission")
    lab.page.clock.fast_forward("30:00")
    until_told(lab, "permission", "asks for permission")
    assert lab.page.evaluate(ON_DESKTOP) == ["projects · Claude Code asks for permission"]
    lab.page.evaluate(CLICK_DESKTOP)
    lab.page.evaluate(HIDE, False)
    allow(lab, app, terminal)
    lab.page.evaluate(HIDE, True)
    until_told(lab, "done", "is done")
    assert lab.page.evaluate(ON_DESKTOP)[1:] == ["projects · Claude Code is done"]
    lab.page.evaluate(HIDE, False)
    until_nothing_is_told(lab)


def ask(app: RunningApp, terminal: str) -> None:
    """Type a question into the agent's terminal from elsewhere."""
    before = calls(app)
    with app.owner.attached(terminal) as client:
        put(client, QUESTION, lambda: calls(app) > before)


def calls(app: RunningApp) -> int:
    return len(app.calls(path="/ai-gateway/anthropic/v1/messages"))


def until_told(lab: LabPage, state: str, words: str) -> Locator:
    """Wait for the sign, the title, the panel and one notification; return that."""
    sign = lab.page.locator(f'.lm-TabBar-tab[data-dbx-agents-state="{state}"]')
    expect(sign).to_have_count(1)
    toast = lab.toast(f"projects · Claude Code {words}")
    expect(toast).to_have_count(1)
    expect(lab.page.locator(TOASTS)).to_have_count(1)
    assert lab.page.evaluate(TITLE_COUNT) == "1"
    expect(lab.section("Sessions").get_by_role("listitem").first).to_contain_text(
        words.removeprefix("is ")
    )
    return toast


def until_nothing_is_told(lab: LabPage) -> None:
    expect(lab.page.locator(TOASTS)).to_have_count(0)
    lab.until("() => !document.title.startsWith('(')")


def allow(lab: LabPage, app: RunningApp, terminal: str) -> None:
    """Press Enter where the agent asks; it takes none in its first moment."""
    lab.until_screen("Do you want to proceed")

    def is_allowed() -> bool:
        lab.page.keyboard.press("Enter")
        lab.page.wait_for_timeout(500)
        sessions = app.owner.json("GET", "/dbx-agents/api/attention")["attention"]
        return all(one["state"] != "permission" for one in sessions if one["terminal"] == terminal)

    eventually(is_allowed, 20, "allowed")

"""What people see, in both themes: pictures for them to look at, and what axe-core says of it.

The pictures go to ``build/screenshots``; some of them are in the README, which ``make
screenshots`` renews.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from jupyter_dbx_agents.agents import AGENTS
from tests.support import speaking_agent
from tests.support.effort import IS_LONG
from tests.support.lab_page import DIALOG, LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp, eventually

FOLDER = Path(__file__).resolve().parents[2] / "build" / "screenshots"
SERIOUS = {"serious", "critical"}
COMMIT = 'git -c user.name=You -c user.email=you@example.com commit -m "first day" | head -1'
LONG_NAME = "a-project-whose-name-is-much-longer-than-the-side-bar-is-wide"
AWAY = "The workspace asks for a pause of 300 s (HTTP 429)."
LOST = "The history is not kept in the workspace: A file cannot be written. Free some space."
NEXT_TRY = "2026-11-30T14:05:00+00:00"
# A row of each kind that no quick start has.
ROWS: list[dict[str, Any]] = [
    {"name": "old", "state": "gone", "message": "Its folder was deleted."},
    {"name": LONG_NAME, "state": "gone", "message": "Its folder was deleted."},
    {
        "name": "theirs",
        "state": "refused",
        "message": "It has another project.",
        "hint": "Move it.",
    },
    {"name": "busy", "state": "retrying", "message": AWAY, "next_try_at": NEXT_TRY},
    {"name": "full", "state": "unsafe", "history": {"message": LOST}, "next_try_at": NEXT_TRY},
    {"name": f"{LONG_NAME}-too", "state": "synced", "history": {"safe_at": NEXT_TRY}},
    {"name": "a link", "state": "unfit", "message": "It is a link to another folder."},
]
UNFOLD = "panel => panel.querySelectorAll('details').forEach(one => { one.open = true; })"
EXECUTE = "command => { void jupyterapp.commands.execute(command); }"
# Of a large window, of a small one, and of a phone.
WIDTHS = (1400, 1024, 390)
# Of “opus-4-7” and an arrow, and of the small print of JupyterLab, in pixels.
NAME_WIDTH, LEAST_FONT = 64, 10.5
SMALLEST = """panel => {
  panel.querySelectorAll('details').forEach(one => { one.open = true; });
  const sizes = [...panel.querySelectorAll('*')]
    .filter(node => node.checkVisibility() && node.innerText)
    .map(node => ({size: parseFloat(getComputedStyle(node).fontSize), text: node.innerText}));
  panel.querySelectorAll('details').forEach(one => { one.open = false; });
  return sizes.sort((a, b) => a.size - b.size)[0];
}"""
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def violations(page: Page, axe: str, within: str | None) -> list[dict[str, Any]]:
    """Return the serious ones, each with what it is about."""
    page.evaluate(axe)
    found = page.evaluate("within => axe.run(within ?? document)", within)["violations"]
    return [
        {"rule": one["id"], "help": one["help"], "nodes": [node["html"] for node in one["nodes"]]}
        for one in found
        if one["impact"] in SERIOUS
    ]


def shoot(page: Page, name: str) -> None:
    """Take a picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    page.wait_for_timeout(300)  # a terminal draws with the next frames
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size > 10_000


def as_if_installed(route: Route) -> None:
    """The status as it is after the agents' installation, for which no picture waits."""
    status = route.fetch().json()
    for agent in status["agents"]:
        agent["installed"] = True
    route.fulfill(json=status)


def read_status_again(lab: LabPage) -> None:
    """Let the page read the status by a new line: an event may have brought agents as they are."""
    lab.page.evaluate("() => { window.dispatchEvent(new Event('offline')); }")
    expect(lab.status).to_have_text("Databricks")


def until_installed(lab: LabPage) -> None:
    """Wait until the launcher shows the agents as this page's route has them."""
    read_status_again(lab)
    for agent in AGENTS:
        expect(lab.card(agent.title)).not_to_contain_text("not installed")


@pytest.mark.parametrize("name", THEMES)
def test_dialog_launcher_and_panel_are_pictured_and_accessible(
    lab: LabPage, app: RunningApp, axe: str, name: str, tmp_path: Path
):
    lab.use_theme(THEMES[name])
    lab.page.route("**/dbx-agents/api/status?*", as_if_installed)
    lab.show_panel()
    expect(lab.section("Agents").get_by_role("button", name="Start Claude Code")).to_be_enabled()
    lab.command("filebrowser:activate")
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.ask_for_token()
    shoot(lab.page, f"dialog-{name}")
    lab.give_token("dapi" + "0" * 32)
    expect(lab.dialog.locator(".jp-DbxAgents-error")).to_contain_text("Create a new one")
    shoot(lab.page, f"dialog-with-error-{name}")
    assert violations(lab.page, axe, DIALOG) == []
    lab.give_token(app.control.mint(app.lines["owner"]).token_value)
    expect(lab.dialog).to_have_count(0)
    lab.open_terminal()
    lab.type("git init -q hello && cd hello && date > today.txt && git add .")
    lab.type(COMMIT)
    lab.until_screen(r"(?m)^\[\w+ .*\] first day$")
    lab.show_panel()
    expect(lab.section("Projects")).to_contain_text("synced")
    read_status_again(lab)
    expect(lab.section("Agents").get_by_role("button", name="Start Claude Code")).to_be_enabled()
    shoot(lab.page, f"panel-{name}")
    picker = lab.section("Agents").get_by_label("Model of Claude Code").bounding_box()
    assert picker and picker["width"] >= NAME_WIDTH  # its model can be read
    small = lab.panel.evaluate(SMALLEST)
    assert small["size"] >= LEAST_FONT, small
    assert violations(lab.page, axe, "#jp-DbxAgents-panel") == []
    assert violations(lab.page, axe, ".jp-DbxAgents-StatusItem") == []

    # The launcher, when there is something to show.
    lab.type("date > tomorrow.txt")
    lab.type(f"python3 {shutil.copy(speaking_agent.__file__, tmp_path / 'claude')}")
    lab.until_screen("(?m)^ready$")  # what is typed before is lost
    lab.type("permission pytest -q")
    lab.until_screen("said permission")
    lab.command("filebrowser:activate")
    lab.page.locator(".lm-TabBar-tab", has_text="Launcher").click()
    until_installed(lab)
    expect(lab.running("Claude Code")).to_contain_text("asks for permission")
    expect(lab.launcher).to_contain_text("1 not committed")
    for width in WIDTHS:
        lab.page.set_viewport_size({"width": width, "height": 800})
        shoot(lab.page, f"launcher-{width}-{name}")
        assert violations(lab.page, axe, ".jp-DbxAgents-Launcher:not(.lm-mod-hidden *)") == []
        assert lab.launcher.evaluate("it => it.scrollWidth - it.clientWidth") == 0


@pytest.mark.parametrize("name", THEMES if IS_LONG else ["light"])
def test_nothing_serious_is_found_on_the_whole_page_however_wide_it_is(
    lab: LabPage, relay: Relay, axe: str, name: str
):
    lab.use_theme(THEMES[name])
    lab.open_terminal()
    terminal = lab.page.evaluate("jupyterapp.shell.currentWidget.content.session.name")
    for width in WIDTHS:
        lab.page.set_viewport_size({"width": width, "height": 844})
        lab.open_launcher()
        lab.show_panel()
        lab.panel.evaluate(UNFOLD)
        assert violations(lab.page, axe, None) == [], width
        lab.command("terminal:open", name=terminal)
        lab.until_screen(r"[$#]$")
        assert violations(lab.page, axe, None) == [], width
        shoot(lab.page, f"whole-{width}-{name}")
    for command in ("dbx-agents:help", "dbx-agents:rename-terminal"):
        lab.page.evaluate(EXECUTE, command)
        expect(lab.page.locator(".jp-Dialog")).to_be_visible()
        assert violations(lab.page, axe, ".jp-Dialog") == [], command
        lab.page.keyboard.press("Escape")
        expect(lab.page.locator(".jp-Dialog")).to_have_count(0)
    relay.cut()
    expect(lab.page.locator(".jp-DbxAgents-banner")).to_contain_text("Reconnecting")
    assert violations(lab.page, axe, None) == []
    lab.open_launcher()
    lab.show_panel()
    expect(lab.launcher.get_by_role("status")).to_contain_text("Offline")
    assert violations(lab.page, axe, None) == []
    relay.mend()
    expect(lab.launcher.get_by_role("status")).to_have_text("")  # the page may be used again


@pytest.mark.parametrize("name", THEMES)
def test_projects_in_every_state_are_pictured_readable_and_accessible(
    lab: LabPage, axe: str, name: str
):
    def answer(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"projects": ROWS})

    lab.use_theme(THEMES[name])
    lab.page.route("**/dbx-agents/api/status?*", answer)
    lab.show_panel()
    section = lab.section("Projects")
    expect(section.get_by_role("listitem")).to_have_count(len(ROWS))
    section.evaluate("section => section.scrollIntoView()")
    shoot(lab.page, f"projects-{name}")
    for row in ROWS:
        shown = section.get_by_text(row["name"], exact=True)
        box = shown.bounding_box()
        assert box and box["height"] < 24 and box["width"] > 60, row  # one line, and some of it
        assert shown.get_attribute("title") == row["name"]
    expect(section.get_by_text("not safe")).to_have_attribute("data-level", "warning")
    expect(section.get_by_text(re.compile(r"^Next try at \d+:05"))).to_have_count(2)
    assert violations(lab.page, axe, "#jp-DbxAgents-panel") == []


OFFER = {
    "projects": ["api", "churn-model", "notes"],
    "terminals": ["api shell", "churn (claude-code)"],
    "parts": [
        {"name": "claude-code", "title": "Claude Code", "files": 14, "bytes": 3_400_000},
        {"name": "codex", "title": "Codex", "files": 3, "bytes": 410_000},
        {"name": "history", "title": "Shell history", "files": 1, "bytes": 5_200},
    ],
    "files": 18,
    "bytes": 912_000,
    "at": "2026-11-30T14:05:00+00:00",
    "message": "",
}


@pytest.mark.parametrize("name", THEMES if IS_LONG else ["light"])
def test_the_offer_to_continue_is_pictured_and_accessible(lab: LabPage, axe: str, name: str):
    asked: list[Any] = []
    said = {"offered": "something"}

    def answer(route: Route) -> None:
        status = route.fetch().json()
        status["continuity"] |= {"steps": [], "unsent": "", **said}
        for agent in status["agents"]:
            agent["installed"] = True
        route.fulfill(json=status | {"projects": []})

    def restore(route: Route) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json={"steps": []})

    lab.use_theme(THEMES[name])
    lab.page.route("**/dbx-agents/api/status?*", answer)
    lab.page.route(
        re.compile("/api/continuity[?]"), lambda route: route.fulfill(json={"offer": OFFER})
    )
    lab.page.route(re.compile("/api/continuity/restore[?]"), restore)
    lab.page.reload()
    offer = lab.launcher.get_by_role("region", name="Continue where you were")
    expect(offer).to_contain_text("Kept from an earlier start. Projects: ")
    for label in ("Continue where you were", "Choose what comes back", "Not now"):
        expect(offer.get_by_role("button", name=label)).to_be_visible()
    until_installed(lab)
    shoot(lab.page, f"offer-{name}")
    assert violations(lab.page, axe, ".jp-DbxAgents-Launcher:not(.lm-mod-hidden *)") == []
    offer.get_by_role("button", name="Choose what comes back").click()
    dialog = lab.page.locator(".jp-Dialog")
    dialog.get_by_label("Codex (410 KB)").uncheck()
    dialog.get_by_label("notes").uncheck()
    shoot(lab.page, f"continue-{name}")
    assert violations(lab.page, axe, ".jp-Dialog") == []
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_have_count(0)
    eventually(lambda: asked, 10, "the choice")
    assert asked[0] == {
        "projects": ["api", "churn-model"],
        "files": ["claude-code", "history"],
        "terminals": OFFER["terminals"],
    }
    assert violations(lab.page, axe, "#jp-DbxAgents-panel") == []

    # It was said once, and is declined; where no launcher is in sight, a notification says it.
    expect(lab.toast("Kept from an earlier start")).to_have_count(0)
    offer.get_by_role("button", name="Not now").click()
    expect(offer).to_have_count(0)
    lab.open_terminal()
    for said["offered"] in ("", "again"):
        with lab.page.expect_response("**/dbx-agents/api/status?*"):
            lab.command("filebrowser:activate")
            lab.show_panel()
    toast = lab.toast("Kept from an earlier start")
    for label in ("Continue where you were", "Choose…"):
        expect(toast.get_by_role("button", name=label)).to_be_visible()
    toast.get_by_role("button", name="Not now").click()
    expect(toast).to_have_count(0)


@pytest.mark.parametrize("scheme", THEMES)
@pytest.mark.parametrize("has_token", [False, True])
def test_the_plain_page_is_pictured_and_accessible(
    chromium: Browser, app: RunningApp, axe: str, scheme: str, has_token: bool
):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    if has_token:
        app.log_in()
    context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(app.lines["open"] + "/dbx-agents/")
    shoot(page, f"page-{scheme}-{'with' if has_token else 'without'}-token")
    assert violations(page, axe, None) == []
    context.close()


def test_everything_in_the_panel_is_reached_by_keyboard(lab: LabPage):
    lab.show_panel()
    expect(lab.panel.get_by_label("Model of ")).to_have_count(len(AGENTS))  # all is drawn
    kinds = ("button:enabled", "input", "select", "a[href]", "summary")
    controls = lab.panel.locator(", ".join(f"{kind}:visible" for kind in kinds))

    def reached() -> int:
        controls.first.focus()
        seen = 1
        for _ in range(controls.count() - 1):
            lab.page.keyboard.press("Tab")
            seen += lab.panel.locator(":focus").count()
        return seen

    # A status that comes meanwhile may have more to show.
    eventually(lambda: reached() == controls.count(), 30, "each control has the focus once")

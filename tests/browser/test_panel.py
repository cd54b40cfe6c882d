"""The panel, the launcher's projects and the status bar: what they show, and what a click does."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.system.running_app import RunningApp, eventually

from .lab_page import LabPage

Change = Callable[[dict[str, Any]], None]


def show_changed(lab: LabPage, change: Change) -> None:
    """Show the panel, which asks for the status then; it is changed on its way."""

    def answer(route: Route) -> None:
        status = route.fetch().json()
        change(status)
        route.fulfill(json=status)

    lab.page.route("**/api/status?*", answer)
    lab.show_panel()


def commit(app: RunningApp, name: str) -> None:
    """Make a project with a commit, and wait until it is in the workspace."""
    folder = app.home / "projects" / name
    folder.mkdir(parents=True)
    (folder / "file").write_text("content\n")
    author = ("-c", "user.email=a@example.com", "-c", "user.name=A")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "first")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    app.owner.json("POST", "/dbx-agents/api/projects/sync", {"name": name})

    def is_synced() -> bool:
        projects = app.status()["projects"]
        return any(p["name"] == name and p["state"] == "synced" for p in projects)

    eventually(is_synced, 60, f"{name} is synced")


def test_a_project_on_the_launcher_opens_its_folder_and_a_terminal_in_it(
    lab: LabPage, app: RunningApp
):
    commit(app, "on the launcher")
    lab.open_launcher()
    card = lab.page.locator('.jp-LauncherCard[data-category="Projects"]:visible')
    card.filter(has_text="on the launcher").click()
    lab.until_screen(r"projects/on the launcher[$#]$")
    expect(lab.page.locator(".jp-DirListing-item", has_text="file")).to_be_visible()


def test_the_status_bar_says_the_token_in_a_narrow_window_and_leads_on_by_keyboard(lab: LabPage):
    lab.page.set_viewport_size({"width": 480, "height": 640})
    expect(lab.status).to_be_visible()
    lab.status.focus()
    lab.page.keyboard.press("Enter")
    expect(lab.panel).to_be_focused()
    rotate = lab.panel.get_by_role("button", name="Rotate now")
    expect(rotate).to_be_enabled()  # and not just rotating, or drawn while the key comes
    lab.page.keyboard.press("Tab")
    expect(rotate).to_be_focused()


def test_what_is_left_out_of_a_sync_is_told_with_its_reason(lab: LabPage):
    remark = {"path": "big.bin", "reason": "it has 600 MB"}
    project = {"name": "p", "state": "refused", "message": "No room.", "hint": "Make some."}
    project |= {"skipped_count": 1, "skipped": [remark], "hooks": "The hooks are not ours."}
    show_changed(lab, lambda status: status.update(projects=[project]))
    section = lab.section("Projects")
    expect(section).to_contain_text("No room. Make some.")
    expect(section).to_contain_text("The hooks are not ours.")
    expect(section.get_by_text("it has 600 MB")).to_be_hidden()
    section.get_by_text("1 file is left out").click()
    expect(section.get_by_text("it has 600 MB")).to_be_visible()


def test_progress_failures_and_memory_that_runs_out_are_shown(lab: LabPage):
    tasks = [
        {"name": "a", "title": "Half done", "state": "running", "progress": 0.5},
        {"name": "install-codex", "title": "Install Codex", "state": "failed", "message": "No."},
    ]
    memory = {"used_bytes": 5_700_000_000, "limit_bytes": 6_000_000_000}
    show_changed(lab, lambda status: status.update(startup=tasks, memory=memory))
    startup = lab.section("Start-up")
    expect(startup.get_by_role("progressbar", name="Half done")).to_have_attribute("value", "0.5")
    expect(startup.get_by_role("button", name="Try again: Install Codex")).to_be_enabled()
    expect(lab.section("Memory")).to_contain_text("5.7 GB of 6.0 GB")
    expect(lab.section("Memory")).to_contain_text("nearly used up")


def test_a_model_is_chosen_and_an_agent_switched_off_and_on(lab: LabPage, app: RunningApp):
    lab.show_panel()
    picker = lab.section("Agents").get_by_label("Model of Hermes")
    other = picker.locator("option").nth(1).inner_text()
    picker.select_option(other)
    eventually(lambda: app.status()["models"]["hermes"]["model"] == other)
    switch = lab.section("Agents").get_by_role("checkbox", name="Hermes")
    lab.open_launcher()
    switch.click()
    expect(switch).not_to_be_checked()
    expect(lab.card("Hermes")).to_have_count(0)
    switch.click()
    expect(lab.card("Hermes")).to_be_visible()


def test_an_agent_that_is_not_there_is_installed_by_a_click(lab: LabPage):
    lab.page.route("**/api/agents/codex/install?*", lambda route: route.fulfill(json={}))
    lab.show_panel()
    with lab.page.expect_request("**/api/agents/codex/install?*") as asked:
        lab.section("Agents").get_by_role("button", name="Install Codex").click()
    assert asked.value.method == "POST"


@pytest.mark.parametrize(
    ("restored", "said"),
    [
        ({"problem": "Its folder is not empty."}, "was not restored: Its folder is not empty."),
        ({"missing": ["a", "b"]}, "is back, without a, b"),
        ({"has_history": False}, "without their git history"),
    ],
)
def test_what_did_not_come_back_of_a_project_is_said(
    lab: LabPage, restored: dict[str, Any], said: str
):
    result = {"name": "lost", "has_history": True, "missing": [], "problem": "", **restored}
    page = lab.page
    page.route("**/api/projects?*", lambda r: r.fulfill(json={"restorable": ["lost"]}))
    page.route("**/api/projects/restore?*", lambda r: r.fulfill(json={"restored": [result]}))
    lab.show_panel()
    lab.section("Projects").get_by_role("button", name="Find projects").click()
    lab.section("Projects").get_by_role("button", name="Restore lost").click()
    expect(page.locator(".Toastify__toast", has_text=said)).to_be_visible()

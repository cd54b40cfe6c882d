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
    """Show the panel of a server whose status is changed on its way, without its events."""

    def answer(route: Route) -> None:
        status = route.fetch().json()
        change(status)
        route.fulfill(json=status)

    lab.page.route("**/api/status?*", answer)
    lab.page.route_web_socket("**/api/events/subscribe*", lambda _socket: None)
    lab.open()
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
    logged_in: LabPage, app: RunningApp
):
    commit(app, "on the launcher")
    logged_in.open_launcher()
    card = logged_in.page.locator('.jp-LauncherCard[data-category="Projects"]:visible')
    card.filter(has_text="on the launcher").click()
    logged_in.until_screen(r"projects/on the launcher[$#]$")
    expect(logged_in.page.locator(".jp-DirListing-item", has_text="file")).to_be_visible()


def test_the_status_bar_says_the_token_in_a_narrow_window_and_leads_on_by_keyboard(
    logged_in: LabPage,
):
    logged_in.page.set_viewport_size({"width": 480, "height": 640})
    expect(logged_in.status).to_be_visible()
    logged_in.status.focus()
    logged_in.page.keyboard.press("Enter")
    expect(logged_in.panel).to_be_focused()
    logged_in.page.keyboard.press("Tab")
    expect(logged_in.panel.get_by_role("button", name="Rotate now")).to_be_focused()


def test_what_is_left_out_of_a_sync_is_told_with_its_reason(lab: LabPage, app: RunningApp):
    app.log_in()
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


def test_progress_failures_and_memory_that_runs_out_are_shown(lab: LabPage, app: RunningApp):
    app.log_in()
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


@pytest.mark.parametrize(
    ("restored", "said"),
    [
        ({"problem": "Its folder is not empty."}, "was not restored: Its folder is not empty."),
        ({"missing": ["a", "b"]}, "is back, without a, b"),
        ({"has_history": False}, "without their git history"),
    ],
)
def test_what_did_not_come_back_of_a_project_is_said(
    logged_in: LabPage, restored: dict[str, Any], said: str
):
    result = {"name": "lost", "has_history": True, "missing": [], "problem": "", **restored}
    page = logged_in.page
    page.route("**/api/projects?*", lambda r: r.fulfill(json={"restorable": ["lost"]}))
    page.route("**/api/projects/restore?*", lambda r: r.fulfill(json={"restored": [result]}))
    logged_in.show_panel()
    logged_in.section("Projects").get_by_role("button", name="Find projects").click()
    logged_in.section("Projects").get_by_role("button", name="Restore lost").click()
    expect(page.locator(".Toastify__toast")).to_contain_text(said)


def test_a_terminal_that_asks_for_a_token_is_not_called_python(lab: LabPage, app: RunningApp):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.open()
    expect(lab.dialog).to_be_visible()
    lab.page.keyboard.press("Escape")
    lab.open_launcher()
    lab.terminal_card().click()
    expect(lab.dialog).to_be_visible()
    lab.page.keyboard.press("Escape")
    lab.until_screen("Enter to go on without")
    lab.page.keyboard.insert_text(" ")
    expect(lab.tab()).to_contain_text("login")

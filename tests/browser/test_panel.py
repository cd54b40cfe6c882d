"""The panel and the status bar: what they show, and what a click does."""

import functools
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.support.agent_store import AgentStore
from tests.support.effort import some
from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp, eventually

from .test_bad_input import hold

Change = Callable[[dict[str, Any]], object]
COUNT = itertools.count()

# What stands between the panel and the server may answer, too.
REFUSALS: list[tuple[str, str, str, dict[str, Any], str]] = [
    (
        "Renew token",
        "pat/rotate",
        "Token",
        {"status": 429, "body": "slow down"},
        "Too many requests",
    ),
    ("Log out", "pat", "Token", {"status": 502, "body": "<html>"}, "is restarting"),
    ("Sync p now", "projects/sync", "Projects", {"status": 403, "body": "no"}, "Reload the page"),
    (
        "Restore from workspace",
        "projects",
        "Projects",
        {"status": 500, "body": ""},
        "responded with status 500",
    ),
    ("Install Codex", "agents/codex/install", "Agents", {"status": 503}, "not responding"),
]
LAYOUT_HAS_PANEL = """async () => {
  const {data} = await (await fetch('/lab/api/workspaces/default')).json();
  return data['layout-restorer:data']?.left?.current === 'jp-DbxAgents-panel';
}"""
MESSAGE = {"message": "Not now.", "hint": "Later."}
TROUBLE = "the server may be newer than this page"


def show_changed(lab: LabPage, change: Change) -> None:
    """Show the panel, which asks for the status then; it is changed on its way and drawn."""
    mark = f"change {next(COUNT)}"  # what is expected of the change may have been there before

    def answer(route: Route) -> None:
        status = route.fetch().json()
        change(status)
        status["version"] = mark
        route.fulfill(json=status)

    lab.page.route("**/dbx-agents/api/status?*", answer)
    show_anew(lab)
    expect(lab.panel).to_contain_text(mark)


def show_anew(lab: LabPage) -> None:
    """Show the panel, also if it is in front, so that the page asks for the status now."""
    lab.command("filebrowser:activate")
    lab.show_panel()


def uninstall(status: dict[str, Any]) -> None:
    """Show every agent as not installed, whatever an earlier test has installed or begun to."""
    status["startup"] = []
    for agent in status["agents"]:
        agent["installed"] = False


def git(app: RunningApp, name: str, *words: str) -> str:
    """Run git in a project; return what it says."""
    author = ("-c", "user.email=a@example.com", "-c", "user.name=A")
    command = ["git", *author, *words]
    folder = app.home / "projects" / name
    return subprocess.check_output(command, cwd=folder, text=True).strip()


def commit(app: RunningApp, name: str) -> None:
    """Make a project with a commit, and wait until it is in the workspace."""
    folder = app.home / "projects" / name
    folder.mkdir(parents=True)
    (folder / "file").write_text("content\n")
    git(app, name, "init", "-q")
    git(app, name, "add", ".")
    git(app, name, "commit", "-qm", "first")
    app.owner.json("POST", "/dbx-agents/api/projects/sync", {"name": name})

    def is_synced() -> bool:
        projects = app.status()["projects"]
        return any(p["name"] == name and p["state"] == "synced" for p in projects)

    eventually(is_synced, 60, f"{name} is synced")


def test_the_status_bar_says_the_token_in_a_narrow_window_and_leads_on_by_keyboard(lab: LabPage):
    lab.page.set_viewport_size({"width": 480, "height": 640})
    expect(lab.status).to_be_visible()
    lab.status.focus()
    lab.page.keyboard.press("Enter")
    expect(lab.panel).to_be_focused()
    rotate = lab.panel.get_by_role("button", name="Renew token")
    expect(rotate).to_be_enabled()  # and not just rotating, or drawn while the key comes
    lab.page.keyboard.press("Tab")
    first = lab.panel.locator("button:enabled, input, select, a[href], summary").first
    expect(first).to_be_focused()


def test_while_no_session_is_open_the_end_of_the_token_is_told_and_no_rotation(lab: LabPage):
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()

    def change(status: dict[str, Any]) -> None:
        # A later revision than those of the rotations meanwhile, which would replace this.
        revision = status["pat"]["revision"] + 1000
        status["pat"].update(next_rotation_at=past, revision=revision)
        status["projects"] = [{"name": "p", "state": "synced", "work": {"files": 3}}]

    show_changed(lab, change)
    left = re.compile(r"Renews when you open a terminal; expires in \d+ min$")
    expect(lab.section("Token").get_by_text(left)).to_be_visible()
    expect(lab.status).to_have_text("Databricks")
    expect(lab.status).to_have_attribute("title", left)
    expect(lab.page.locator(".jp-DbxAgents-CountItem:visible")).to_have_text("▲ 3 not committed")
    lab.open()


def test_what_is_left_out_of_a_sync_is_told_with_its_reason(lab: LabPage):
    remark = {"path": "big.bin", "reason": "it has 600 MB"}
    project: dict[str, Any] = {
        "name": "p",
        "state": "refused",
        "message": "No room.",
        "hint": "Make some.",
    }
    project |= {"skipped_count": 1, "skipped": [remark]}
    show_changed(lab, lambda status: status.update(projects=[project]))
    section = lab.section("Projects")
    expect(section).to_contain_text("No room. Make some.")
    expect(section.get_by_text("it has 600 MB")).to_be_hidden()
    section.get_by_text("1 file not copied").click()
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
    expect(lab.section("Memory")).to_contain_text("almost full")


@pytest.mark.timeout(700)
def test_a_model_is_chosen_and_an_agent_switched_off_and_on(
    lab: LabPage, app: RunningApp, agent_store: AgentStore
):
    # Or switching it on would, beside the tests that follow.
    agent_store.install(app, "claude-code")
    lab.show_panel()
    picker = lab.section("Agents").get_by_label("Model of Claude Code")
    options = picker.locator("option").all()
    configured, other = [option.get_attribute("value") or "" for option in options[:2]]
    about = "window 1M\noutput up to 128k\npictures\nefforts: high low"
    expect(picker).to_have_attribute("title", re.compile(f"^{configured}\n{about}"))
    picker.select_option(other)
    eventually(lambda: app.status()["models"]["claude-code"]["model"] == other)
    expect(lab.page.get_by_text(f"New sessions of Claude Code use {other}.")).to_be_visible()
    picker.select_option("Default")
    eventually(lambda: app.status()["models"]["claude-code"]["model"] == configured)
    expect(picker.locator("option", has_text="Default")).to_have_count(0)
    switch = lab.section("Agents").get_by_role("checkbox", name="Claude Code")
    lab.open_launcher()
    switch.click()
    expect(switch).not_to_be_checked()
    expect(lab.card("Claude Code")).to_have_count(0)
    switch.click()
    expect(lab.card("Claude Code")).to_be_visible()


def test_what_agents_ask_before_is_chosen_for_all_and_for_one(lab: LabPage, app: RunningApp):
    def holds() -> list[str]:
        return [agent["approvals"]["holds"] for agent in app.status()["agents"]]

    lab.show_panel()
    agents = lab.section("Agents")
    everyone, one = agents.get_by_label("Approvals of all agents"), "Approvals of Claude Code"
    held = hold(lab, "**/api/agents?*")
    try:
        everyone.focus()
        everyone.select_option("Edit freely, ask before commands")
        expect(everyone).to_be_disabled()
        expect(everyone).to_have_value("edits")  # and not what it was, until the reply
        held[0].continue_()
        lab.page.unroute("**/api/agents?*")
        expect(everyone).to_be_focused()
        expect(everyone).to_have_value("edits")
        eventually(lambda: holds() == ["edits", "ask", "edits", "edits", "own"])
        expect(lab.page.get_by_text("Applies to new sessions only.")).to_be_visible()
        # What an agent cannot do is not offered for it, and said.
        agents.get_by_text("Approvals of each agent").click()
        expect(agents).to_contain_text("Hermes cannot edit freely, ask before commands.")
        hermes = agents.get_by_label("Approvals of Hermes").locator("option")
        expect(hermes).to_have_text(["Its default", "Asks for nothing"])
        agents.get_by_label(one).select_option("Asks")
        said = "New sessions of Claude Code: Asks before edits and before commands"
        expect(lab.page.get_by_text(said)).to_be_visible()
        agents.get_by_label(one).select_option("As for all agents")
        eventually(lambda: holds()[0] == "edits")
        everyone.select_option("As configured")
        eventually(lambda: set(holds()) == {"own"})
    finally:
        app.owner.json("PATCH", "/dbx-agents/api/agents", {"approvals": None})
        app.owner.json("PATCH", "/dbx-agents/api/agents/claude-code", {"approvals": None})


def test_an_agent_that_is_not_there_is_installed_by_a_click(lab: LabPage):
    lab.page.route("**/api/agents/codex/install?*", lambda route: route.fulfill(json={}))
    show_changed(lab, uninstall)
    with lab.page.expect_request("**/api/agents/codex/install?*") as asked:
        lab.section("Agents").get_by_role("button", name="Install Codex").click()
    assert asked.value.method == "POST"


def test_clicks_rotate_the_token_sync_a_project_and_show_a_terminal(lab: LabPage, app: RunningApp):
    commit(app, "clicked")
    lab.open_terminal_named("clicked")
    lab.open_launcher()
    lab.show_panel()
    before = app.pat()["rotations"]
    with lab.page.expect_response("**/api/pat/rotate?*") as rotated:
        lab.section("Token").get_by_role("button", name="Renew token").click()
    assert rotated.value.json()["rotations"] > before
    expect(lab.section("Token").get_by_role("status")).to_have_text("Renewed")
    (app.home / "projects" / "clicked" / "file").write_text("changed\n")
    git(app, "clicked", "-c", "core.hooksPath=/dev/null", "commit", "-qam", "second")
    with lab.page.expect_response("**/api/projects/sync?*") as synced:
        lab.section("Projects").get_by_role("button", name="Sync clicked now").click()
    assert synced.value.ok
    row = lab.section("Projects").locator("li", has=lab.page.get_by_title("clicked"))
    expect(row.get_by_role("status")).to_have_text("Up to date")
    head = git(app, "clicked", "rev-parse", "HEAD")
    eventually(lambda: head in json.dumps(app.status()["projects"]), 60, "the second is synced")
    lab.section("Sessions").get_by_role("button", name="Show Terminal clicked").click()
    expect(lab.tab()).to_have_text("Terminal clicked")


def choose(lab: LabPage, menu: str, item: str) -> None:
    """Choose an item of a main menu, as with the mouse."""
    lab.page.get_by_role("menubar").get_by_role("menuitem", name=menu, exact=True).click()
    lab.page.locator(".lm-Menu").get_by_role("menuitem", name=item).click()


def test_the_menu_has_each_agent_and_does_what_the_panel_does(lab: LabPage, app: RunningApp):
    commit(app, "of the menu")
    menu = lab.page.get_by_role("menubar").get_by_role("menuitem", name="Agents", exact=True)
    menu.click()
    items = lab.page.locator(".lm-Menu .lm-Menu-itemLabel")
    starts = [f"Start {agent['title']}" for agent in app.status()["agents"] if agent["enabled"]]
    expect(items.filter(has_text=re.compile("^Start "))).to_have_text(starts)
    lab.page.keyboard.press("Escape")
    choose(lab, "Agents", "Sync All Projects")
    expect(lab.toast("Up to date")).to_be_visible()
    before = app.pat()["rotations"]
    choose(lab, "Agents", "Databricks: Renew Token")
    expect(lab.toast("Renewed")).to_be_visible()
    assert app.pat()["rotations"] > before
    lost = [{"name": "one"}, {"name": "two"}]
    back = [{"name": name, "has_history": True} for name in ("one", "two")]
    lab.page.route("**/api/projects?*", lambda r: r.fulfill(json={"restorable": lost}))
    lab.page.route("**/api/projects/restore?*", lambda r: r.fulfill(json={"restored": back}))
    choose(lab, "Agents", "Restore Projects")
    dialog = lab.page.get_by_role("dialog", name="Restore 2 projects? Only in your workspace: one")
    with lab.page.expect_request("**/api/projects/restore?*") as asked:
        dialog.get_by_role("button", name="Restore").click()
    assert asked.value.post_data_json == {}
    expect(lab.toast("Restored “two”.")).to_be_visible()
    choose(lab, "Help", "Databricks Agents")
    help_dialog = lab.page.get_by_role("dialog", name=re.compile(r"^Databricks agents \d"))
    expect(help_dialog).to_contain_text("jupyter dbx-agents doctor")
    help_dialog.get_by_role("button", name="Close").click()
    choose(lab, "Agents", "Databricks Agents Settings")
    expect(lab.page.get_by_text("Notify: an agent has failed").first).to_be_visible()


def test_a_refused_click_says_why_and_leaves_the_panel_as_it_was(lab: LabPage):
    project: dict[str, Any] = {"name": "p", "state": "synced"}

    def change(status: dict[str, Any]) -> None:
        uninstall(status)
        status["projects"] = [project]

    show_changed(lab, change)
    for button, path, section, answer, said in REFUSALS:
        lab.page.route(f"**/dbx-agents/api/{path}?*", functools.partial(Route.fulfill, **answer))
        lab.section(section).get_by_role("button", name=button).click()
        expect(lab.toast(said)).to_be_visible()
    switch = lab.section("Agents").get_by_role("checkbox", name="Hermes")
    lab.page.route("**/api/agents/hermes?*", lambda r: r.fulfill(status=409, json=MESSAGE))
    switch.click()
    expect(lab.toast("Not now. Later.")).to_be_visible()
    expect(switch).to_be_checked()
    everyone = lab.section("Agents").get_by_label("Approvals of all agents")
    refusal = {"message": "Not this.", "hint": ""}
    lab.page.route("**/api/agents?*", lambda r: r.fulfill(status=409, json=refusal))
    everyone.select_option("Ask for nothing")
    expect(lab.toast("Not this.")).to_be_visible()
    expect(everyone).to_be_enabled()
    expect(everyone).to_have_value("own")
    lab.page.unroute_all()
    with lab.page.expect_response("**/api/pat/rotate?*") as rotated:
        lab.section("Token").get_by_role("button", name="Renew token").click()
    assert rotated.value.ok


def test_where_model_calls_go_is_told_with_its_reason_and_their_latency_drawn(
    lab: LabPage, app: RunningApp
):
    # The last two of the ten took 5 seconds each, the others 1.
    calls = iter([(2, 1.0), (4, 1.0), (6, 1.0), (8, 1.0), (10, 1.8)])
    usage = {"agent": "codex", "model": "", "input_tokens": 1234, "output_tokens": 5, "errors": 1}
    usage["last_error"] = "HTTP 429 Too Many Requests"

    def change(status: dict[str, Any]) -> None:
        usage["calls"], usage["mean_seconds"] = next(calls, (10, 1.8))
        status.update(usage=[usage], stand_ins={"gpt-5.5": "databricks-gpt-5-5"})
        agents = {agent["name"]: agent for agent in status["agents"]}
        agents["codex"]["not_followed"] = ["/p/.codex/config.toml"]

    show_changed(lab, change)
    foreign = "Not followed: /p/.codex/config.toml names another provider or key"
    expect(lab.section("Agents")).to_contain_text(foreign)
    section = lab.section("Model calls")
    instead = "gpt-5.5 is not served; databricks-gpt-5-5 is called instead"
    expect(section).to_contain_text(instead)
    expect(section).to_contain_text(app.status()["gateway"]["reason"])
    section.get_by_text(re.compile(r"^\d+ calls$")).click()
    row = section.locator("tbody tr", has_text="Codex")
    expect(row).to_contain_text("unknown model")
    chart = row.get_by_role("img", name="Latency of the last calls")
    expect(chart).to_have_count(0)  # of fewer than five points
    for _ in range(4):
        with lab.page.expect_response("**/dbx-agents/api/status?*"):
            show_anew(lab)
    expect(row).to_contain_text("1 failed")
    expect(row).to_contain_text("Last failure: HTTP 429 Too Many Requests")
    expect(row).to_contain_text("1.2k / 5")
    expect(row).to_contain_text("1.8 s")
    points = "0.0,11.2 12.0,11.2 24.0,11.2 36.0,11.2 48.0,0.0"
    expect(chart.locator("polyline")).to_have_attribute("points", points)


def test_a_part_that_cannot_be_drawn_says_so_beside_the_others_until_it_can(lab: LabPage):
    odd = {"name": "x", "title": {"en": "Odd"}, "state": "running", "progress": None}
    show_changed(lab, lambda status: status.update(startup=[odd], agents="many", usage=[None]))
    trouble = lab.panel.get_by_role("alert").filter(has_text=TROUBLE)
    expect(trouble.get_by_role("button", name="Reload the page")).to_be_visible()
    expect(lab.section("Token")).to_be_visible()
    expect(lab.section("Projects")).to_be_visible()
    lab.page.unroute_all()
    show_anew(lab)
    expect(trouble).to_have_count(0)  # with the next status
    expect(lab.section("Agents")).to_be_visible()


def test_a_panel_that_could_not_be_loaded_says_what_to_do(new_lab: LabPage, app: RunningApp):
    lab = new_lab
    app.log_in()
    lab.open()
    lab.page.route("**/jupyter-dbx-agents/static/*.js*", lambda route: route.abort())
    lab.status.click()
    trouble = lab.panel.get_by_role("alert").filter(has_text="could not be loaded")
    expect(trouble).to_be_visible()
    lab.page.unroute_all()
    lab.until(LAYOUT_HAS_PANEL)
    with lab.page.expect_navigation():
        trouble.get_by_role("button", name="Reload the page").click()
    expect(lab.section("Token")).to_be_visible()


LOST = {"name": "lost", "note": "It was deleted."}


@pytest.mark.parametrize(
    ("restored", "said"),
    [
        ({"problem": "Its folder is not empty."}, "was not restored: Its folder is not empty."),
        ({"missing": ["a", "b"]}, "Restored “lost” without a, b"),
        ({"has_history": False}, "without their git history"),
    ],
)
def test_what_did_not_come_back_of_a_project_is_said(
    lab: LabPage, restored: dict[str, Any], said: str
):
    result = {"name": "lost", "has_history": True, "missing": [], "problem": "", **restored}
    page = lab.page
    page.route("**/api/projects?*", lambda r: r.fulfill(json={"restorable": [LOST]}))
    page.route("**/api/projects/restore?*", lambda r: r.fulfill(json={"restored": [result]}))
    lab.show_panel()
    lab.section("Projects").get_by_role("button", name="Restore from workspace").click()
    lab.section("Projects").get_by_role("button", name="Restore lost").click()
    expect(lab.toast(said)).to_be_visible()


@pytest.mark.parametrize("files", [False, True])
def test_a_deleted_project_is_forgotten_after_a_confirmation(lab: LabPage, files: bool):
    left = "" if files else "/Workspace/Users/o/projects/lost"
    project: dict[str, Any] = {"name": "lost", "state": "gone", "message": "It was deleted."}
    show_changed(lab, lambda status: status.update(projects=[project]))
    page = lab.page
    page.route("**/api/projects/forget?*", lambda r: r.fulfill(json={"name": "lost", "left": left}))
    button = lab.section("Projects").get_by_role("button", name="Forget lost")
    button.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    button.click()
    if files:
        dialog.get_by_text("Also delete its files").click()
    with page.expect_request("**/api/projects/forget?*") as asked:
        dialog.get_by_role("button", name="Forget").click()
    assert asked.value.post_data_json == {"name": "lost", "files": files}
    expect(lab.toast("“lost” was forgotten")).to_be_visible()


@pytest.mark.parametrize("here", some(1, [[], [{"name": "hello", "state": "synced"}]]))
def test_a_project_that_is_only_in_the_workspace_is_said_without_a_click(
    lab: LabPage, here: list[dict[str, Any]]
):
    offer = {"projects": ["notes"], "terminals": [], "files": 0, "message": ""}
    step = {"kind": "home", "name": "files", "state": "waiting", "message": ""}

    def answer(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(json={**route.fetch().json(), "offer": offer})

    lab.page.route("**/api/continuity?*", answer)
    # It looks when nothing is on its way any more.
    show_changed(lab, lambda status: status["continuity"].update(steps=[step]))
    show_changed(lab, lambda status: status.update(projects=here))
    expect(lab.section("Continue where you were")).to_contain_text("Projects: notes.")
    expect(lab.section("Continue where you were").get_by_role("button").first).to_be_visible()
    empty = lab.section("Projects").get_by_text("No projects here yet.")
    expect(empty).to_have_count(0 if here else 1)


def test_safe_and_visible_are_told_apart(lab: LabPage):
    history = {"safe_at": "2026-11-30T10:00:00+00:00", "message": "", "note": "Rewritten."}
    project: dict[str, Any] = {"name": "p", "state": "syncing", "done": 3, "count": 20_000}
    show_changed(lab, lambda status: status.update(projects=[{**project, "history": history}]))
    section = lab.section("Projects")
    expect(section).to_contain_text("Safe at ")
    expect(section).to_contain_text("Files: 3 of 20000")
    expect(section).to_contain_text("Rewritten.")


def test_a_conversation_is_found_by_what_was_said_and_resumed_in_a_terminal(
    lab: LabPage, app: RunningApp
):
    folder = app.home / ".claude/projects/-panel"
    folder.mkdir(parents=True)
    for name, prompt, reply in (("one", "Peel a mango", "With a knife."), ("two", "Hi", "Hello.")):
        lines = [
            {"type": role, "cwd": "/projects/fruit", "message": {"role": role, "content": text}}
            for role, text in (("user", prompt), ("assistant", reply))
        ]
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    try:
        lab.show_panel()
        section = lab.section("Conversations")
        section.get_by_role("button", name="Show conversations").click()
        expect(section.get_by_role("button", name="Resume Hi")).to_be_visible()
        section.get_by_role("searchbox").fill("A KNIFE")
        section.get_by_role("searchbox").press("Enter")
        expect(section.get_by_role("button", name="Resume Hi")).to_have_count(0)
        expect(section.get_by_role("listitem")).to_contain_text("Claude Code · fruit · ")
        section.get_by_role("button", name="Resume Peel a mango").click()
        lab.until_screen("claude --resume one")
        section.get_by_role("searchbox").fill("nobody said this")
        section.get_by_role("button", name="Search").click()
        expect(section).to_contain_text("No conversation.")
    finally:
        shutil.rmtree(folder)

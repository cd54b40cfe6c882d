"""The launcher: what runs, and all that is started from it, in one folder that is in sight."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from jupyter_dbx_agents.agents.claude_code import CLAUDE_CODE
from jupyter_dbx_agents.cli.main import status_lines
from tests.support import speaking_agent
from tests.support.as_installed import as_installed
from tests.support.lab_page import LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp, eventually

from .test_panel import commit, show_changed, uninstall

AGENTS = "/dbx-agents/api/agents"
LAUNCHERS = "[...jupyterapp.shell.widgets('main')].filter(w => w.id.startsWith('launcher-')).length"
# What a control is called, as somebody who listens to the page hears it.
NAME = """it => it.ariaLabel || it.labels?.[0]?.textContent
  || it.querySelector('.jp-LauncherCard-label')?.textContent || it.innerText.trim()"""
FOCUS = f"() => ({NAME})(document.activeElement)"
# Everything in the launcher that takes the keyboard, from the top left to the bottom right.
IN_SIGHT = f"""() => {{
  const controls = '.jp-DbxAgents-Launcher :is(button, select, textarea)';
  const line = box => Math.round((box.top + box.bottom) / 2 / 24);
  return [...document.querySelectorAll(controls)]
    .filter(node => node.checkVisibility())
    .map(node => [node, node.getBoundingClientRect()])
    .sort(([, a], [, b]) => line(a) - line(b) || a.left - b.left)
    .map(([node]) => ({NAME})(node));
}}"""


@pytest.fixture
def claude(app: RunningApp) -> Iterator[Path]:
    """A program in the place of Claude Code's, which writes down its folder and command line."""
    said = app.home / "said.json"
    script = (
        "import json, os, sys\n"
        f"open({str(said)!r}, 'w').write(json.dumps([os.getcwd(), *sys.argv[1:]]))\n"
        "print('the agent runs', flush=True)\nsys.stdin.read()\n"
    )
    with as_installed(app.home, CLAUDE_CODE, script):
        # A change of its settings, for the page to hear that it is installed.
        app.owner.json("PATCH", f"{AGENTS}/claude-code", {"enabled": True})
        yield said
    said.unlink(missing_ok=True)


def until_replaced(lab: LabPage) -> None:
    """Wait until there is no launcher any more."""
    lab.until(f"() => {LAUNCHERS} === 0")


def test_what_runs_is_on_top_and_a_click_goes_there_also_in_a_second_window(
    lab: LabPage, new_lab: LabPage, app: RunningApp, tmp_path: Path
):
    program = shutil.copy(speaking_agent.__file__, tmp_path / "claude")
    lab.open_terminal_named("asking")
    lab.type(f"python3 {program}")
    lab.until_screen("(?m)^ready$")  # what is typed before is lost
    lab.type("permission rm -rf build")
    lab.until_screen("said permission")
    lab.open_launcher()
    before = lab.page.evaluate(LAUNCHERS)
    new_lab.open()  # its user sees at once what runs
    for page in (lab, new_lab):
        card = page.running("Claude Code")
        expect(card).to_contain_text("asks for permission")
        expect(card).to_contain_text(re.compile(r"\d+ (s|min)"))
        expect(card).to_contain_text("rm -rf build")
        first = page.launcher.locator("button").first
        expect(first).to_contain_text("projects · Claude Code")
        card.click()
        page.until_screen("said permission rm -rf build")
    until_replaced(new_lab)  # the tab is new there, and takes the launcher's place
    assert lab.page.evaluate(LAUNCHERS) == before  # the tab was open there
    lab.command("application:close")
    runs_on = lab.toast("projects · Claude Code is still running.")
    runs_on.get_by_role("button", name="End").click()
    eventually(lambda: app.owner.json("GET", "/api/terminals") == [], 20, "the terminal ended")


def test_a_first_prompt_starts_the_agent_in_a_new_project_in_place_of_the_launcher(
    lab: LabPage, app: RunningApp, claude: Path
):
    page = lab.page
    before = page.evaluate(LAUNCHERS)
    lab.open_launcher()
    folder = lab.launcher.get_by_label("Start in")
    expect(folder).to_have_value(str(app.home / "projects"))
    lab.launcher.get_by_role("button", name="+ New project").click()
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_label("Name").fill("from launcher")
    page.keyboard.press("Enter")
    expect(folder).to_have_value(str(app.home / "projects" / "from launcher"))
    expect(folder.locator("option:checked")).to_have_text("~/projects/from launcher")

    # A name that is taken says so, and the choice stays.
    lab.launcher.get_by_role("button", name="+ New project").click()
    dialog.get_by_label("Name").fill("from launcher")
    page.keyboard.press("Enter")
    expect(lab.toast("There is a folder “from launcher” already")).to_be_visible()
    expect(folder.locator("option:checked")).to_have_text("~/projects/from launcher")

    # A long one is not cut off: it is refused, and stays.
    first_prompt = lab.launcher.get_by_label("First prompt")
    page.evaluate("text => navigator.clipboard.writeText(text)", "x" * 4001)
    first_prompt.press("Control+v")
    lab.card("Claude Code").click()
    expect(lab.toast("The text has 4,001 characters; at most 4,000 are taken.")).to_be_visible()
    expect(first_prompt).to_have_value("x" * 4001)

    prompt = '--it\'s "$(touch x)"\nsecond line'
    first_prompt.fill(prompt)
    expect(lab.card("Hermes")).to_contain_text("not installed yet")
    lab.card("Claude Code").click()
    lab.until_screen("the agent runs")
    assert json.loads(claude.read_text()) == [
        str(app.home / "projects" / "from launcher"),
        "--",
        prompt,
    ]
    assert page.evaluate(LAUNCHERS) == before  # its own has gone
    lab.open_launcher()  # whoever works in a project starts the next agent there, too
    expect(folder.locator("option:checked")).to_have_text("~/projects/from launcher")
    folder.select_option(label="~/projects")


def test_the_keyboard_goes_through_it_as_the_eye_does_and_agents_have_one_order_everywhere(
    lab: LabPage, app: RunningApp
):
    commit(app, "in order")
    show_changed(lab, lambda status: [agent.update(installed=True) for agent in status["agents"]])
    lab.open_launcher()
    page = lab.page
    expect(page.get_by_role("button", name="Open in order, with a terminal")).to_be_visible()
    in_sight: list[str] = page.evaluate(IN_SIGHT)
    lab.launcher.locator("button, select, textarea").first.focus()
    reached = [page.evaluate(FOCUS)]
    while len(reached) < len(in_sight):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUS))
    assert reached == in_sight
    agents = [agent["title"] for agent in app.status()["agents"]]
    at = reached.index(agents[0])
    assert reached[at : at + len(agents) + 1] == [*agents, "Terminal"]
    assert reached[at - 3 : at] == ["Start in", "+ New project", "First prompt"]
    assert reached[-6:-3] == ["Notebook", "Console", "Text File"]
    assert reached[-1] == "Show Contextual Help"

    # Hermes alone takes no first prompt, and says so when there is one.
    hermes = lab.card("Hermes")
    expect(hermes).to_be_enabled()
    lab.launcher.get_by_label("First prompt").fill("fix it")
    expect(hermes).to_be_disabled()
    expect(hermes).to_contain_text("doesn't accept a first prompt")
    expect(lab.card("Codex")).to_be_enabled()

    lab.command("apputils:activate-command-palette")
    labels = page.locator(".lm-CommandPalette-itemLabel")
    expect(labels.filter(has_text="Start Hermes").first).to_be_visible()
    started = [text.removeprefix("Start ") for text in labels.all_inner_texts()]
    assert [title for title in dict.fromkeys(started) if title in agents] == agents
    lab.show_panel()
    lines = lab.section("Agents").get_by_role("checkbox").all()
    assert [line.get_attribute("aria-label") for line in lines] == agents


def test_while_offline_nothing_can_be_started_and_a_prompt_can_be_written(
    lab: LabPage, app: RunningApp, relay: Relay
):
    commit(app, "offline")
    lab.open_launcher()
    prompt = lab.launcher.get_by_label("First prompt")
    row = lab.page.get_by_role("button", name="Open offline, with a terminal")
    starts = [lab.card("Codex"), lab.terminal_card(), row]
    starts += [lab.launcher.get_by_role("button", name=n) for n in ("+ New project", "Notebook")]
    for start in starts:
        expect(start).to_be_enabled()
    prompt.focus()
    relay.cut()
    expect(lab.launcher.get_by_role("status")).to_contain_text("Offline. Reconnecting")
    for start in starts:
        expect(start).to_be_disabled()
    lab.page.keyboard.insert_text("meanwhile")  # it has kept the focus
    lab.command("apputils:activate-command-palette")
    lab.page.keyboard.insert_text("Start Codex")
    item = lab.page.locator(".lm-CommandPalette-item").filter(has_text="Start Codex")
    expect(item).to_have_class(re.compile("lm-mod-disabled"))
    relay.mend()
    expect(item).not_to_have_class(re.compile("lm-mod-disabled"))
    lab.page.keyboard.press("Escape")
    for start in starts:
        expect(start).to_be_enabled()
    expect(prompt).to_have_value("meanwhile")


def test_a_project_says_what_is_not_committed_and_opens_with_its_folder_and_a_terminal(
    lab: LabPage, app: RunningApp
):
    commit(app, "on the launcher")
    (app.home / "projects" / "on the launcher" / "more").write_text("not committed")
    lab.open_launcher()
    row = lab.page.locator(".jp-DbxAgents-projects:visible li", has_text="on the launcher")
    expect(row).to_contain_text("1 not committed")
    status: Any = app.status()
    assert "           on the launcher: 1 file not committed" in status_lines(status)
    plain = re.sub("<[^>]*>", "", app.owner.http.get("/dbx-agents/").text)
    assert "on the launcher: 1 not committed" in plain
    expect(row).to_contain_text(re.compile("main|master"))
    row.get_by_role("button", name="Open on the launcher, with a terminal").click()
    lab.until_screen(r"projects/on the launcher[$#]$")
    expect(lab.page.locator(".jp-DirListing-item", has_text="more")).to_be_visible()
    # The file browser's folder is the one to start in now, until another one is chosen.
    lab.open_launcher()
    folder = lab.launcher.get_by_label("Start in")
    expect(folder.locator("option:checked")).to_have_text("~/projects/on the launcher")
    folder.select_option(label="~/projects")
    lab.terminal_card().click()
    lab.until_screen(r"projects[$#]$")


def test_an_agent_that_is_not_ready_says_so_on_its_card_and_in_the_palette(
    lab: LabPage, app: RunningApp
):
    task = {"name": "install-codex", "title": "Install Codex", "state": "running", "hint": ""}
    task |= {"message": "40 of 100 MB"}

    def change(status: dict[str, Any]) -> None:
        uninstall(status)
        status["startup"] = [task | {"progress": 0.4}]

    show_changed(lab, change)
    lab.open_launcher()
    expect(lab.card("Codex")).to_contain_text("not installed yet")
    expect(lab.card("Codex")).to_contain_text("Installing: 40 of 100 MB")
    lab.card("Codex").click()
    expect(lab.toast("Codex is not installed yet. Installing: 40 of 100 MB")).to_be_visible()
    lab.command("apputils:activate-command-palette")
    lab.page.keyboard.insert_text("Start ")
    items = lab.page.locator(".lm-CommandPalette-itemLabel")
    for agent in app.status()["agents"]:
        expect(items.filter(has_text=f"Start {agent['title']}")).to_be_visible()
    lab.page.keyboard.insert_text("Hermes")
    active = lab.page.locator(".lm-CommandPalette-item.lm-mod-active")
    expect(active).to_contain_text("Start Hermes")  # or the palette passes over Enter
    lab.page.keyboard.press("Enter")
    expect(
        lab.toast("Hermes is not installed yet. Install it from the Databricks agents panel")
    ).to_be_visible()
    expect(lab.page.locator(".jp-Terminal")).to_have_count(0)
    show_changed(lab, lambda status: [agent.update(installed=True) for agent in status["agents"]])
    expect(lab.card("Codex")).to_have_text(re.compile(r"Codexgpt-\S+runs commands$"))
    expect(lab.card("Gemini CLI")).to_have_text(re.compile(r"Gemini CLI\S+proasks$"))
    title = re.compile("^Start Codex in ~/projects\ndatabricks-gpt")
    expect(lab.card("Codex")).to_have_attribute("title", title)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 429, "json": {"message": "There are 250 terminals."}}, "There are 250"),
        ({"status": 502, "body": "<html>"}, "The app is restarting"),
        (None, "The server is not responding. Check your connection"),
    ],
)
def test_an_agent_that_cannot_be_started_says_why(
    lab: LabPage, answer: dict[str, Any] | None, said: str
):
    def refuse(route: Route) -> None:
        if answer is None:
            route.abort()
        else:
            route.fulfill(**answer)

    show_changed(lab, lambda status: [agent.update(installed=True) for agent in status["agents"]])
    lab.page.route("**/api/agents/codex/start?*", refuse)
    lab.section("Agents").get_by_role("button", name="Start Codex").click()
    expect(lab.toast("Codex: ").filter(has_text=said)).to_be_visible()

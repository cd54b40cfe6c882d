"""The job in the browser: open, paste, start an agent, commit, see the rotation, log out."""

import re
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.agent_store import AgentStore
from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp
from tests.support.tabs import Tabs

BAD_TOKEN = "dapi" + "0" * 32
STATE = ".jp-DbxAgents-state"
COLOUR = "state => getComputedStyle(state, '::before').backgroundColor"
ROOT = Path(__file__).resolve().parents[2]
GIT = "-c user.email=a@example.com -c user.name=A"


@pytest.mark.timeout(700)
def test_open_paste_launch_commit_rotate_and_log_out(
    new_lab: LabPage, app: RunningApp, agent_store: AgentStore
):
    lab = new_lab
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    app.owner.http.put("/lab/api/settings/jupyter-dbx-agents:plugin", json={"raw": "{}"})
    lab.open()

    # The dialog: a bad token, its error, a good one.
    expect(lab.dialog).to_be_visible()
    expect(lab.status).to_have_text("Databricks: token needed")
    lab.give_token(BAD_TOKEN)
    said = lab.dialog.locator(".jp-DbxAgents-error")
    expect(said).to_contain_text("The workspace rejected this token")
    expect(said).to_contain_text("Create a new one")
    link = lab.dialog.get_by_role("link", name="create a token")
    assert (link.get_attribute("href") or "").endswith("access-tokens")
    lab.page.keyboard.insert_text(app.control.mint(app.lines["owner"]).token_value)
    lab.page.keyboard.press("Enter")
    expect(lab.dialog).to_have_count(0)
    lab.until_connected(app.lines["owner"])
    assert app.pat()["pasted"]["state"] == "revoked"

    # A terminal is usable at once; the first one has a hint, which gives the keyboard back.
    lab.open_terminal()
    expect(lab.hint.locator("p")).to_have_count(3)
    expect(lab.hint).to_contain_text("claude")
    lab.hint.get_by_role("button", name="Got it").click()
    lab.type("echo $((6*7))")
    lab.until_screen(r"(?m)^42$")
    lab.type("git init -q site && cd site && echo 1 > a && git add a")
    lab.type(f"git {GIT} commit -qm first; echo commit''ted")
    lab.until_screen("(?m)^committed$")

    # An agent, from its card.
    agent_store.install(app, "claude-code")
    lab.open_launcher()
    lab.card("Claude Code").click()
    expect(lab.hint).to_have_count(0)
    lab.until_screen("Claude Code v")
    lab.until_screen("for shortcuts")
    lab.type("hello from the browser")
    lab.until_screen("echo: hello from the browser", 120)

    # What was committed is in the workspace, and nothing has come between: no news, no question.
    lab.show_panel()
    state = lab.section("Projects").locator("li", has_text="site").locator(STATE)
    expect(state).to_have_text("synced")
    red, green, blue = map(int, re.findall(r"\d+", state.evaluate(COLOUR))[:3])
    assert green > max(red, blue)
    expect(lab.page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)
    calls = lab.section("Model calls").locator("tbody tr", has_text="Claude Code")
    expect(calls.locator("td").first).to_have_text(re.compile("^[1-9]"))
    expect(lab.section("Memory")).to_contain_text(re.compile(r"\d [KMG]B"))

    # The rotation, pushed: the panel counts, and without it, which asks, the clock starts again.
    count = lab.section("Token").get_by_text(re.compile(r"\d+ renewals? so far"))
    before = count.inner_text()
    expect(count).not_to_have_text(before)
    lab.command("filebrowser:activate")
    expect(lab.panel).to_be_hidden()
    lab.until_rotated(app.rotate)
    lab.show_panel()

    # Log out: needed again, everywhere, without a dialog in the face.
    lab.section("Token").get_by_role("button", name="Log out").click()
    expect(lab.status).to_have_text("Databricks: token needed")
    expect(lab.section("Token")).to_contain_text("Not connected")
    expect(lab.dialog).to_have_count(0)
    assert app.pat()["state"] == "needed"
    lab.section("Token").get_by_role("button", name="Connect").click()
    expect(lab.dialog).to_be_visible()


def test_a_stranger_sees_the_plain_refusal(tabs: Tabs, app: RunningApp):
    page = tabs.new_context().new_page()
    answer = page.goto(app.lines["stranger"] + "/lab")
    assert answer is not None
    assert answer.status == 403
    assert page.locator("script").count() == 0
    assert app.lines["owner"] not in page.content()
    assert httpx.get(app.lines["stranger"] + "/dbx-agents/").status_code == 403


def test_the_dialog_goes_when_the_token_is_given_in_another_tab_or_at_the_prompt(
    asked: LabPage, new_lab: LabPage, app: RunningApp
):
    new_lab.open()
    expect(asked.dialog).to_be_visible()
    new_lab.give_token(app.control.mint(app.lines["owner"]).token_value)
    for page in (asked, new_lab):
        expect(page.dialog).to_have_count(0)
        page.until_connected(app.lines["owner"])


def test_one_prompt_at_a_time_and_the_one_in_use_stays_in_use(asked: LabPage, app: RunningApp):
    lab = asked
    dialog = lab.page.get_by_role("dialog", name="Connect to Databricks", exact=True)
    dialog.get_by_role("button", name="Not now").click()
    lab.open_launcher()
    lab.terminal_card().click()
    lab.until_screen("Paste address or token")
    expect(lab.tab()).to_have_text("Sign in")  # and not “python”
    lab.type(BAD_TOKEN)
    lab.until_screen("The workspace rejected this token")
    expect(lab.status).to_have_text("Databricks: token needed")
    expect(lab.dialog).to_have_count(0)
    lab.type(app.control.mint(app.lines["owner"]).token_value)
    text = lab.until_screen(r"Connected as [^$#]*[$#]$")
    assert "another window" not in text
    expect(lab.dialog).to_have_count(0)

    # Nor does it come when the owner logs out on purpose, wherever they do it.
    lab.type(f"cd {ROOT}; {sys.executable} -m jupyter_dbx_agents logout")
    expect(lab.status).to_have_text("Databricks: token needed")
    lab.until_screen(r"(?i)logged out[^$#]*[$#]$")
    expect(lab.dialog).to_have_count(0)
    # It comes when they ask, and then hands the keyboard back.
    lab.ask_for_token()
    lab.give_token(app.control.mint(app.lines["owner"]).token_value)
    expect(lab.dialog).to_have_count(0)
    lab.type("echo the keyboard is ba''ck")
    lab.until_screen("(?m)^the keyboard is back$")


def test_a_prompt_that_a_page_finds_is_the_only_one(asked: LabPage, app: RunningApp):
    lab = asked
    lab.page.keyboard.press("Escape")
    lab.command("terminal:create-new", name="prompting")
    lab.until_screen("Paste address or token")
    lab.reload()
    lab.until_screen("Paste address or token")
    expect(lab.status).to_have_text("Databricks: token needed")
    expect(lab.dialog).to_have_count(0)

"""The job in the browser: open, paste, start an agent, commit, see the rotation, log out."""

import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.system.running_app import RunningApp

from .installed import install
from .lab_page import LabPage

BAD_TOKEN = "dapi" + "0" * 32
GIT = "-c user.email=a@example.com -c user.name=A"


@pytest.mark.timeout(700)
def test_open_paste_launch_commit_rotate_and_log_out(lab: LabPage, app: RunningApp):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.open()

    # The dialog: a bad token, its error, a good one.
    expect(lab.dialog).to_be_visible(timeout=60_000)
    expect(lab.status).to_have_text("Databricks: token needed")
    lab.give_token(BAD_TOKEN)
    said = lab.dialog.locator(".jp-DbxAgents-said")
    expect(said).to_contain_text("The workspace does not accept this token")
    expect(said).to_contain_text("Create a new one")
    assert lab.dialog.locator("a").get_attribute("href").endswith("access-tokens")
    lab.page.keyboard.insert_text(app.control.mint(app.lines["owner"]).token_value)
    lab.page.keyboard.press("Enter")
    expect(lab.dialog).to_have_count(0)
    expect(lab.status).to_contain_text(app.lines["owner"])
    assert app.pat()["pasted"]["state"] == "revoked"

    # A terminal is usable at once.
    lab.open_terminal()
    lab.type("echo $((6*7))")
    lab.until_screen(r"(?m)^42$")
    lab.type("git init -q site && cd site && echo 1 > a && git add a")
    lab.type(f"git {GIT} commit -qm first; echo commit''ted")
    lab.until_screen("(?m)^committed$")

    # An agent, from its card.
    install(app, "claude-code")
    lab.open_launcher()
    lab.card("Claude Code").click()
    lab.until_screen("Claude Code v")
    lab.until_screen("for shortcuts")
    lab.type("hello from the browser")
    lab.until_screen("echo: hello from the browser", 120)

    # What was committed is in the workspace.
    lab.show_panel()
    expect(lab.section("Projects").locator("li", has_text="site")).to_contain_text(
        "synced", timeout=60_000
    )
    expect(lab.section("Memory")).to_contain_text(re.compile(r"\d [KMG]B"))

    # The rotation, pushed: the clock starts again, and the panel counts.
    count = lab.section("Token").get_by_text(re.compile(r"\d+ rotations? so far"))
    before = count.inner_text()
    expect(count).not_to_have_text(before, timeout=60_000)
    expect(lab.status).to_have_text(re.compile(r" ⟳ 0:1\d$"), timeout=30_000)

    # Log out: needed again, everywhere, without a dialog in the face.
    lab.section("Token").get_by_role("button", name="Log out").click()
    expect(lab.status).to_have_text("Databricks: token needed")
    expect(lab.section("Token")).to_contain_text("needed")
    expect(lab.dialog).to_have_count(0)
    assert app.pat()["state"] == "needed"
    lab.section("Token").get_by_role("button", name="Paste a token").click()
    expect(lab.dialog).to_be_visible()


def test_a_stranger_sees_the_plain_refusal(context: BrowserContext, app: RunningApp):
    page = context.new_page()
    answer = page.goto(app.lines["stranger"] + "/lab")
    assert answer is not None
    assert answer.status == 403
    assert page.locator("script").count() == 0
    assert app.lines["owner"] not in page.content()
    assert httpx.get(app.lines["stranger"] + "/dbx-agents/").status_code == 403


def test_the_dialog_goes_when_the_token_is_given_in_another_tab_or_at_the_prompt(
    lab: LabPage, context: BrowserContext, app: RunningApp
):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.open()
    other = LabPage(context.new_page(), lab.url)
    other.open()
    expect(lab.dialog).to_be_visible()
    other.give_token(app.control.mint(app.lines["owner"]).token_value)
    for page in (lab, other):
        expect(page.dialog).to_have_count(0)
        expect(page.status).to_contain_text(app.lines["owner"])


def test_a_terminal_without_a_token_asks_in_a_dialog_that_hands_the_keyboard_back(
    lab: LabPage, app: RunningApp
):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.open()
    expect(lab.dialog.locator("input")).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(lab.dialog).to_have_count(0)
    lab.terminal_card().click()
    lab.give_token(app.control.mint(app.lines["owner"]).token_value)
    expect(lab.dialog).to_have_count(0)
    lab.until_screen(r"A token was given elsewhere; going on\.\n.*[$#]$")
    lab.type("echo the keyboard is ba''ck")
    lab.until_screen("(?m)^the keyboard is back$")


def test_no_news_and_no_questions_at_the_first_start(logged_in: LabPage):
    logged_in.page.wait_for_timeout(3000)  # as long as the news would take to be asked for
    expect(logged_in.page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)

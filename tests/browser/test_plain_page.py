"""The page ``/dbx-agents/``: without scripts, strict, and enough for the whole credential."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.running_app import RunningApp

BAD_TOKEN = "dapi" + "0" * 32


@pytest.fixture
def plain(chromium: Browser, app: RunningApp) -> Iterator[Page]:
    """A tab of a browser that runs no scripts."""
    context = chromium.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_paste_rotate_and_log_out_by_keyboard_without_scripts(plain: Page, app: RunningApp):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    plain.goto(app.lines["open"] + "/dbx-agents/")
    field = plain.get_by_label("Paste it here")
    field.focus()
    expect(plain.get_by_text("a token that is valid for 60 seconds")).to_be_visible()
    plain.keyboard.insert_text(BAD_TOKEN)
    plain.keyboard.press("Enter")
    expect(plain.get_by_role("alert")).to_contain_text("rejected this token")
    assert BAD_TOKEN not in plain.content()
    plain.get_by_label("Paste it here").focus()
    plain.keyboard.insert_text(app.control.mint(app.lines["owner"]).token_value)
    plain.keyboard.press("Enter")
    expect(plain.locator("[data-state=active]")).to_be_visible()
    expect(plain.get_by_text(app.lines["owner"])).to_be_visible()
    before = app.pat()["rotations"]
    plain.get_by_role("button", name="Renew token").press("Enter")
    expect(plain.locator("[data-state=active]")).to_be_visible()
    assert app.pat()["rotations"] > before
    plain.get_by_role("button", name="Log out").press("Enter")
    expect(plain.locator("[data-state=needed]")).to_be_visible()
    assert app.pat()["state"] == "needed"


def test_the_page_allows_nothing_but_its_style_and_shows_what_there_is(app: RunningApp):
    answer = app.owner.http.get("/dbx-agents/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    for agent in app.status()["agents"]:
        assert agent["title"] in answer.text
    assert "text/css" in app.owner.http.get("/dbx-agents/page.css").headers["Content-Type"]
    assert app.owner.http.get("/dbx-agents").headers["Location"] == "/dbx-agents/"


def test_a_form_of_another_site_changes_nothing(app: RunningApp):
    app.log_in()
    with httpx.Client(base_url=app.lines["open"], trust_env=False) as foreign:
        answer = foreign.post("/dbx-agents/", data={"action": "log-out", "_xsrf": "guess"})
    assert answer.status_code == 403
    assert app.pat()["state"] == "active"


def test_a_form_that_is_none_is_refused_with_a_word(app: RunningApp):
    answer = app.owner.http.post("/dbx-agents/", data={"action": "dance"})
    assert answer.status_code == 400
    assert "no such form" in answer.text

"""The page ``/dbx-agents/``: without scripts, strict, and enough for the whole credential."""

import re
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.running_app import RunningApp, eventually

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


def form(app: RunningApp, action: str) -> dict[str, str]:
    """The hidden fields of a form on the page, as a browser sends them."""
    page = app.owner.http.get("/dbx-agents/").text
    [found] = re.findall(rf'<form[^>]*>(?:(?!</form>).)*value="{action}"(?:(?!</form>).)*', page)
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', found))


def test_all_projects_are_synced_by_a_button_once(app: RunningApp):
    app.log_in()
    folder = app.home / "projects" / "plain"
    subprocess.run(["git", "init", "-q", folder], check=True)
    shown = lambda: '"sync"' in app.owner.http.get("/dbx-agents/").text  # noqa: E731
    app.owner.json("POST", "/dbx-agents/api/projects/sync", {})
    eventually(shown, 20, "a project with its button")
    fields = form(app, "sync")
    author = ["-c", "user.email=a@example.com", "-c", "user.name=A"]
    commit = ["git", "-C", str(folder), *author, "commit", "-q", "--allow-empty", "-m", "first"]
    subprocess.run(commit, check=True)
    head = subprocess.check_output(["git", "-C", str(folder), "rev-parse", "HEAD"], text=True)
    answers = [app.owner.http.post("/dbx-agents/", data=fields) for _ in range(2)]
    assert {(a.status_code, a.headers["Location"]) for a in answers} == {(303, "/dbx-agents/")}

    def is_synced() -> bool:
        [project] = [p for p in app.status()["projects"] if p["name"] == "plain"]
        return bool(project["commit"] == head.strip())

    eventually(is_synced, 60, "it is synced")
    refused = app.owner.http.post("/dbx-agents/", data={**fields, "key": "made-up"})
    assert (refused.status_code, "no valid key" in refused.text) == (400, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_main_button_can_be_read_and_told_from_the_page(chromium: Browser, app, scheme):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    context = chromium.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(app.lines["open"] + "/dbx-agents/")
    colours = page.evaluate(
        """() => [['button.main', 'color'], ['button.main', 'backgroundColor'],
                  ['body', 'backgroundColor']].map(([element, what]) =>
             getComputedStyle(document.querySelector(element))[what].match(/\\d+/g).map(Number))"""
    )
    context.close()
    text, button, paper = colours
    assert contrast(text, button) >= 4.5
    assert contrast(button, paper) >= 3  # WCAG 2.2, 1.4.11
    red, _, blue = button
    assert blue > red


def contrast(one: list[int], other: list[int]) -> float:
    """As WCAG 2.2 defines it."""

    def light(colour: list[int]) -> float:
        parts = [part / 255 for part in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(p * w for p, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


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

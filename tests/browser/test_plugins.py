"""Each plug-in of the front end can be switched off, and the others work on without it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.effort import some
from tests.support.lab_page import START_MILLISECONDS, LabPage
from tests.support.running_app import RunningApp

# Those first on which the others rely, or which the page is used by.
PARTS = [
    "panel",
    "terminals",
    "status-item",
    "token",
    "launcher",
    "menu",
    "attention",
    "phone",
    "files",
]


@pytest.fixture
def switch_off(app: RunningApp) -> Iterator[Callable[[str], object]]:
    """Switch a plug-in off as “jupyter labextension disable” does, for the next page."""
    path: Path = app.home / ".jupyter" / "labconfig" / "page_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield lambda name: path.write_text(
        json.dumps({"disabledExtensions": {f"jupyter-dbx-agents:{name}": True}})
    )
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("off", some(2, PARTS))
def test_each_part_can_be_switched_off_and_the_others_work_on(
    new_lab: LabPage, app: RunningApp, switch_off: Callable[[str], object], off: str
):
    lab = new_lab
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    switch_off(off)
    lab.page.goto(lab.url + "/lab")
    expect(lab.page.locator(".jp-LauncherCard").first).to_be_visible(timeout=START_MILLISECONDS)

    # The dialog; without it, a token that is entered elsewhere is in force as well.
    if off == "token":
        expect(lab.status).to_have_text("Databricks: token needed")
        lab.show_panel()
        connect = lab.section("Token").get_by_role("button").first
        expect(connect).to_be_disabled()
        app.log_in()
    else:
        lab.give_token(app.control.mint(app.lines["owner"]).token_value)
    expect(lab.dialog).to_have_count(0)

    # The status bar, and the panel that a click on it opens.
    if off == "status-item":
        expect(lab.status).to_have_count(0)
        lab.command("dbx-agents:open-panel")
    else:
        lab.until_connected(app.lines["owner"])
        lab.status.click()
    if off == "panel":
        expect(lab.panel).to_have_count(0)
    else:
        expect(lab.section("Token")).to_contain_text(app.lines["owner"])

    # The launcher's cards; the panel starts agents by the same commands.
    if off == "launcher":
        expect(lab.section("Agents")).to_contain_text("Claude Code")
        expect(lab.card("Claude Code")).to_have_count(0)
    else:
        expect(lab.card("Claude Code")).to_be_visible()

    # Terminals, named after what runs in them.
    lab.terminal_card().click()
    lab.until_screen(r"[$#]$")
    lab.type("sleep 500")
    if off == "terminals":
        expect(lab.section("Sessions")).to_contain_text("sleep")
        expect(lab.tab()).to_have_text(re.compile(r"^Terminal \d+$"))
    else:
        expect(lab.tab()).to_have_text(re.compile(r"^sleep \(\d+\)$"))


def test_without_the_status_all_that_shows_it_is_off_and_jupyterlab_as_usual(
    new_lab: LabPage, app: RunningApp, switch_off: Callable[[str], object]
):
    lab = new_lab
    app.log_in()
    switch_off("status")
    lab.page.goto(lab.url + "/lab")
    lab.terminal_card().click(timeout=START_MILLISECONDS)
    lab.until_screen(r"[$#]$")
    expect(lab.status).to_have_count(0)
    expect(lab.panel).to_have_count(0)
    expect(lab.card("Claude Code")).to_have_count(0)

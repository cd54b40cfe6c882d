"""axe-core finds no serious violation on the page, in the dialog and in the panel."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.running_app import RunningApp

from .lab_copy import LabCopy
from .lab_page import DIALOG, LabPage

SERIOUS = {"serious", "critical"}
DARK = "JupyterLab Dark"


@pytest.fixture(scope="module")
def axe(lab_copy: LabCopy) -> str:
    """axe-core's script."""
    return (Path(lab_copy.source) / "node_modules" / "axe-core" / "axe.min.js").read_text()


def violations(page: Page, axe: str, within: str | None) -> list[dict[str, Any]]:
    """Return the serious ones, each with what it is about."""
    page.evaluate(axe)
    found = page.evaluate("within => axe.run(within ?? document)", within)["violations"]
    return [
        {"rule": one["id"], "help": one["help"], "nodes": [node["html"] for node in one["nodes"]]}
        for one in found
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("has_token", [False, True])
def test_the_plain_page(chromium: Browser, app: RunningApp, axe: str, scheme: str, has_token: bool):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    if has_token:
        app.log_in()
    context = chromium.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(app.lines["open"] + "/dbx-agents/")
    assert violations(page, axe, None) == []
    context.close()


@pytest.mark.parametrize("theme", ["JupyterLab Light", DARK])
def test_the_dialog_with_an_error_and_the_panel(
    lab: LabPage, app: RunningApp, axe: str, theme: str
):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.open()
    lab.use_theme(theme)
    lab.give_token("dapi" + "0" * 32)
    expect(lab.dialog.locator(".jp-DbxAgents-said")).to_contain_text("Create a new one")
    assert violations(lab.page, axe, DIALOG) == []
    app.log_in()
    expect(lab.dialog).to_have_count(0)
    lab.open_terminal()
    lab.show_panel()
    assert violations(lab.page, axe, "#jp-DbxAgents-panel") == []
    assert violations(lab.page, axe, ".jp-DbxAgents-StatusItem") == []


def test_everything_in_the_panel_is_reached_by_keyboard(logged_in: LabPage):
    logged_in.show_panel()
    controls = logged_in.panel.locator("button:enabled, input, select, a[href]")
    logged_in.section("Token").get_by_role("button", name="Rotate now").focus()
    seen = 1
    for _ in range(controls.count() - 1):
        logged_in.page.keyboard.press("Tab")
        seen += logged_in.panel.locator(":focus").count()
    assert seen == controls.count()

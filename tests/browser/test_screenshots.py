"""Pictures for people to look at, in ``build/screenshots``; three of them are in the README."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.system.running_app import RunningApp

from .lab_page import LabPage

FOLDER = Path(__file__).resolve().parents[2] / "build" / "screenshots"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


@pytest.mark.parametrize("name", THEMES)
def test_screenshots_of_dialog_launcher_panel_and_page(lab: LabPage, app: RunningApp, name: str):
    FOLDER.mkdir(parents=True, exist_ok=True)
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    lab.open()
    lab.use_theme(THEMES[name])
    expect(lab.dialog.locator("input")).to_be_focused()
    shoot(lab, f"dialog-{name}")
    lab.give_token(app.control.mint(app.lines["owner"]).token_value)
    expect(lab.dialog).to_have_count(0)
    shoot(lab, f"launcher-{name}")
    lab.open_terminal()
    lab.type("git -C . init -q hello; ls")
    lab.show_panel()
    shoot(lab, f"panel-{name}")
    lab.page.emulate_media(color_scheme="dark" if name == "dark" else "light")
    lab.page.goto(f"{lab.url}/dbx-agents/")
    shoot(lab, f"page-{name}")


def shoot(lab: LabPage, name: str) -> None:
    """Take a picture once nothing moves."""
    lab.page.wait_for_timeout(800)
    path = FOLDER / f"{name}.png"
    lab.page.screenshot(path=path)
    assert path.stat().st_size > 10_000

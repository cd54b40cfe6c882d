"""Each setting of the schema does what it says, from the moment that it is changed."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.lab_copy import SOURCE
from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp

COPY = "text => navigator.clipboard.writeText(text)"
COPIED = "() => navigator.clipboard.readText()"
DEFAULTS = {
    name: setting["default"]
    for name, setting in json.loads((SOURCE / "schema" / "plugin.json").read_text())[
        "properties"
    ].items()
}
# These are in test_attention.
NOTIFICATIONS = {
    "tellPermission",
    "tellQuestion",
    "tellFailed",
    "tellDone",
    "desktopNotifications",
}


@pytest.fixture
def lab_with_settings(lab: LabPage) -> Iterator[LabPage]:
    """The shared tab; its settings are those of the other tests again afterwards."""
    yield lab
    for name, value in {**DEFAULTS, "firstHint": False}.items():
        lab.set_setting(name, value)


def no_hint_in_another_terminal(lab: LabPage, _app: RunningApp, _folder: Path) -> None:
    """The first terminal of a page shows it; not the next, whatever setting is changed between."""
    lab.open_terminal()
    expect(lab.hint).to_have_count(0)
    lab.set_setting("firstHint", True)
    lab.open_terminal()
    expect(lab.hint).to_be_visible()
    lab.set_setting("copyFromPrograms", False)
    lab.open_terminal()
    expect(lab.hint).to_have_count(1)


def a_tab_keeps_its_number(lab: LabPage, _app: RunningApp, _folder: Path) -> None:
    """Though it is known what runs in it."""
    lab.open_terminal()
    lab.type("sleep 500")
    lab.show_panel()
    expect(lab.section("Sessions")).to_contain_text("sleep")
    expect(lab.tab()).to_have_text(re.compile(r"^Terminal \d+$"))


def a_program_copies_nothing(lab: LabPage, _app: RunningApp, _folder: Path) -> None:
    """What the user has copied stays in the clipboard."""
    lab.open_terminal()
    lab.page.evaluate(COPY, "by the user")
    lab.page.wait_for_timeout(1100)  # what comes with a connection is never copied
    lab.type(r"printf '\033]52;c;%s\007' $(printf 'by a program' | base64); echo as''ked")
    lab.until_screen("(?m)^asked$")
    assert lab.page.evaluate(COPIED) == "by the user"


def a_pasted_image_is_left_alone(lab: LabPage, app: RunningApp, folder: Path) -> None:
    """It comes before whatever is typed after it."""
    picture = folder / "picture"
    picture.write_bytes(b"no matter what")
    lab.open_terminal()
    asked: list[str] = []
    lab.page.on("request", lambda request: asked.append(request.url))
    lab.paste_file(picture, "picture.png", "image/png")
    lab.type("echo not up''loaded")
    text = lab.until_screen("(?m)^not uploaded$")
    assert "uploads" not in text
    assert not [url for url in asked if "/uploads" in url]


def nobody_is_asked_for_a_token(lab: LabPage, app: RunningApp, _folder: Path) -> None:
    """Not when it comes to be needed, and not by a new terminal; a click still leads to it."""
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    expect(lab.status).to_have_text("Databricks: token needed")
    lab.command("terminal:create-new")
    lab.until_screen("Connect to Databricks")
    expect(lab.dialog).to_have_count(0)
    lab.status.click()
    lab.section("Token").get_by_role("button", name="Connect").click()
    expect(lab.dialog).to_be_visible()
    lab.page.keyboard.press("Escape")


SWITCHED_OFF: dict[str, Callable[[LabPage, RunningApp, Path], None]] = {
    "firstHint": no_hint_in_another_terminal,
    "followProgram": a_tab_keeps_its_number,
    "copyFromPrograms": a_program_copies_nothing,
    "uploadPasted": a_pasted_image_is_left_alone,
    "askForToken": nobody_is_asked_for_a_token,
}


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name not in NOTIFICATIONS])
def test_each_setting_that_is_switched_off_is_followed(
    lab_with_settings: LabPage, app: RunningApp, tmp_path: Path, name: str
):
    lab_with_settings.set_setting(name, False)
    SWITCHED_OFF[name](lab_with_settings, app, tmp_path)

"""Files that are open while an agent writes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp

OPEN_FILE = "docmanager:open"


@pytest.fixture
def notes(lab: LabPage, app: RunningApp) -> Path:
    """A file of twenty lines, open in the editor."""
    path = app.home / "projects" / "notes.md"
    path.write_text("".join(f"line {number}\n" for number in range(1, 21)))
    lab.command(OPEN_FILE, path="projects/notes.md", factory="Editor")
    expect(lab.page.locator(".cm-line", has_text="line 20")).to_be_visible()
    return path


def test_a_file_that_nobody_has_edited_follows_the_disk(lab: LabPage, notes: Path):
    notes.write_text(notes.read_text().replace("line 7\n", "by an agent\n"))
    expect(lab.page.locator(".cm-line", has_text="by an agent")).to_be_visible()
    expect(lab.page.locator(".jp-Dialog")).to_have_count(0)


def test_a_conflict_shows_the_difference_and_enter_destroys_nothing(lab: LabPage, notes: Path):
    lab.page.locator(".cm-line", has_text="line 3").click()
    lab.page.keyboard.press("End")
    lab.page.keyboard.insert_text(" of mine")
    theirs = notes.read_text().replace("line 7\n", "by an agent\n")
    notes.write_text(theirs)
    lab.page.keyboard.press("Control+s")
    dialog = lab.page.locator(".jp-Dialog")
    difference = dialog.locator(".jp-DbxAgents-diff")
    expect(difference.locator("[data-sign='-']")).to_have_text(["- line 3 of mine", "- line 7"])
    expect(difference.locator("[data-sign='+']")).to_have_text(["+ line 3", "+ by an agent"])
    expect(difference).not_to_contain_text("line 15")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    lab.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    assert notes.read_text() == theirs
    expect(lab.page.locator(".cm-line", has_text="of mine")).to_be_visible()
    lab.page.evaluate("() => { void jupyterapp.commands.execute('docmanager:reload'); }")
    lab.page.locator(".jp-Dialog").get_by_role("button", name=re.compile("Reload|Revert")).click()
    expect(lab.page.locator(".cm-line", has_text="by an agent")).to_be_visible()


def test_hidden_files_can_be_shown(lab: LabPage, app: RunningApp):
    (app.home / "projects" / ".env.example").write_text("KEY=\n")
    lab.command("filebrowser:open-path", path="projects")
    hidden = lab.page.locator(".jp-DirListing-item", has_text=".env.example")
    expect(hidden).to_have_count(0)
    lab.page.get_by_role("menuitem", name="View").click()
    lab.page.get_by_text("Show Hidden Files").click()
    expect(hidden).to_be_visible()
    lab.command("filebrowser:toggle-hidden-files")
    expect(hidden).to_have_count(0)

"""An agent needs its owner: a sign, the title, the panel, one notification, and the way there."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support import speaking_agent
from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp
from tests.support.terminal_client import TerminalClient

TITLE_COUNT = "() => document.title.match(/^\\((\\d+)\\) /)?.[1] ?? '0'"
TOASTS = ".Toastify__toast"
COUNT = iter(range(1000))
NAME = "projects · Claude Code"
TOOLTIP = re.compile(rf"^{NAME}\nasks for permission · \d+ s: rm -rf build\n/.*/projects$")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, under the name of Claude Code's."""
    return Path(shutil.copy(speaking_agent.__file__, tmp_path / "claude"))


@contextlib.contextmanager
def agent_in_background(lab: LabPage, app: RunningApp, program: Path) -> Iterator[TerminalClient]:
    """A terminal with the program, behind another one; whatever is typed into it is reported."""
    name = f"asking{next(COUNT)}"
    lab.open_terminal_named(name)
    lab.type(f"python3 {program}")
    lab.until_screen("ready")
    lab.open_terminal_named(f"front{next(COUNT)}")
    with app.owner.attached(name) as terminal:
        yield terminal


def test_an_agent_that_asks_behind_another_tab_is_told_once_and_a_click_goes_there(
    lab: LabPage, app: RunningApp, program: Path
):
    lab.show_panel()
    with agent_in_background(lab, app, program) as terminal:
        terminal.type("permission rm -rf build\n")
        sign = lab.page.locator('.lm-TabBar-tab[data-dbx-agents-state="permission"]')
        expect(sign).to_have_count(1)
        expect(sign).to_have_attribute("title", TOOLTIP)
        toast = lab.toast(f"{NAME} asks for permission: rm -rf build")
        expect(toast).to_have_count(1)
        assert lab.page.evaluate(TITLE_COUNT) == "1"
        expect(lab.page.locator("link.jp-DbxAgents-favicon")).to_have_count(1)
        first = lab.section("Sessions").get_by_role("listitem").first
        expect(first).to_contain_text(NAME)
        expect(first).to_contain_text("asks for permission")
        for _ in range(30):
            terminal.type("permission rm -rf build\n")
        terminal.expect("said permission")
        expect(lab.page.locator(TOASTS)).to_have_count(1)
        toast.get_by_role("button", name="Show").click()
        lab.until_screen("said permission rm -rf build")
        lab.type("working")
        expect(sign).to_have_count(0)
        expect(lab.page.locator(TOASTS)).to_have_count(0)
        lab.until("() => !document.title.startsWith('(')")
        expect(lab.page.locator("link.jp-DbxAgents-favicon")).to_have_count(0)
        lab.type("done")  # in view: seen at once
        lab.until_screen("said done")
        expect(lab.tab()).to_have_attribute("data-dbx-agents-state", "idle")
        expect(lab.page.locator(TOASTS)).to_have_count(0)


def test_what_is_done_is_told_and_a_reload_tells_nothing_again(
    lab: LabPage, app: RunningApp, program: Path
):
    with agent_in_background(lab, app, program) as terminal:
        terminal.type("working\ndone all tests pass\n")
        expect(lab.toast(f"{NAME} is done: all tests pass")).to_have_count(1)
        lab.reload()
        sign = lab.page.locator('.lm-TabBar-tab[data-dbx-agents-state="done"]')
        expect(sign).to_have_count(1)
        assert lab.page.evaluate(TITLE_COUNT) == "1"
        expect(lab.page.locator(TOASTS)).to_have_count(0)
        lab.command("dbx-agents:next-need")
        lab.until_screen("said done all tests pass")
        lab.until("() => !document.title.startsWith('(')")
        expect(lab.page.locator('.lm-TabBar-tab[data-dbx-agents-state="idle"]')).to_have_count(1)


def rename(lab: LabPage, name: str) -> None:
    """Answer the dialog that asks for a terminal's name."""
    field = lab.page.get_by_role("dialog", name="Rename terminal").get_by_role("textbox")
    expect(field).to_be_focused()
    field.fill(name)
    lab.page.keyboard.press("Enter")
    expect(field).to_have_count(0)


def expect_named(lab: LabPage, terminal: str, name: str) -> None:
    """Expect a terminal to have a name on its tab, in the panel and in JupyterLab's list."""
    tab = lab.page.locator(f'.lm-TabBar-tab[data-dbx-agents-terminal="{terminal}"]')
    expect(tab.locator(".lm-TabBar-tabLabel")).to_have_text(name)
    lab.show_panel()
    show = lab.section("Sessions").get_by_role("button", name=f"Show {name}", exact=True)
    expect(show).to_be_visible()
    lab.page.evaluate("window.jupyterapp.shell.activateById('jp-running-sessions')")
    item = lab.page.locator("#jp-running-sessions .jp-RunningSessions-itemLabel:visible")
    expect(item.and_(lab.page.get_by_text(name, exact=True)).last).to_be_visible()
    expect(item.filter(has_text=f"terminals/{terminal}")).to_have_count(0)


def test_a_session_has_one_name_everywhere_and_keeps_the_owners_over_a_reload(
    lab: LabPage, app: RunningApp, program: Path
):
    with agent_in_background(lab, app, program) as terminal:
        one = terminal.name
        expect_named(lab, one, NAME)
        tab = lab.page.locator(f'.lm-TabBar-tab[data-dbx-agents-terminal="{one}"]')
        expect(tab.locator("svg text")).to_have_text("CC")
        with agent_in_background(lab, app, program) as other:
            expect_named(lab, other.name, f"projects ({other.name}) · Claude Code")
        terminal.type("title ✳ of its own\nworking\n")  # which no agent's tab shows
        expect(tab).to_have_attribute("data-dbx-agents-state", "working")
        tab.dblclick()
        rename(lab, "the build")
        expect_named(lab, one, "the build")
        lab.open_terminal_named(f"front{next(COUNT)}")
        lab.reload()
        expect_named(lab, one, "the build")
        tab.click(button="right")
        lab.page.get_by_role("menuitem", name="Rename Terminal…").click()
        rename(lab, "")
        expect_named(lab, one, NAME)


# The setting, what is typed for the agent to report, and another kind that is still told.
KINDS = (
    ("tellPermission", "permission rm -rf build", "permission", "question Which one?"),
    ("tellQuestion", "question Which one?", "question", "permission rm -rf build"),
    ("tellFailed", "working\nerror", "failed", "question Which one?"),
    ("tellDone", "working\ndone", "done", "question Which one?"),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
def test_a_kind_that_is_switched_off_is_shown_and_not_told(
    lab: LabPage, app: RunningApp, program: Path, kind: tuple[str, str, str, str]
):
    setting, reported, state, other = kind
    lab.set_setting(setting, False)
    try:
        with agent_in_background(lab, app, program) as terminal:
            terminal.type(f"{reported}\n")
            sign = lab.page.locator(f'.lm-TabBar-tab[data-dbx-agents-state="{state}"]')
            expect(sign).to_have_count(1)
            terminal.type(f"{other}\n")  # later, so the first would have been told before
            expect(lab.toast(other.split(" ", 1)[1])).to_have_count(1)
            expect(lab.page.locator(TOASTS)).to_have_count(1)
    finally:
        lab.set_setting(setting, True)

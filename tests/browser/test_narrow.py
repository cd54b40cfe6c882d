"""JupyterLab in a window as narrow as a phone: nothing is cut off, and a terminal has all keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import CDPSession, Locator, ViewportSize, expect

from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp, eventually
from tests.support.tabs import SIZE

from .test_looks import THEMES, shoot, violations

PHONE: ViewportSize = {"width": 390, "height": 844}
LEAST_PIXELS = 40
# What each key types, in the order of the bar, as ``cat -vT`` shows it.
TYPED = {
    "Esc": "^[",
    "Tab": "^I",
    "Up": "^[[A",
    "Ctrl+C: interrupt": "^C",
    "Enter": "^M",
    "Shift+Tab": "^[[Z",
    "Left": "^[[D",
    "Down": "^[[B",
    "Right": "^[[C",
}
# Tabs and menus scroll in their bars, and so does the launcher.
WIDER = """() => [...document.querySelectorAll('#main, #main *')]
  .filter(node => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1)
  .filter(node => !node.closest('.lm-TabBar-content, .lm-MenuBar-content, .xterm, .jp-Launcher'))
  .map(node => node.outerHTML.slice(0, 120))"""
WORKSPACE, LAYOUT = "/lab/api/workspaces/default", "layout-restorer:data"
HAS_FOCUS = "() => document.activeElement.matches('.xterm-helper-textarea')"


def side_bar(lab: LabPage) -> Locator:
    return lab.page.locator(".jp-FileBrowser")


def key_bar(lab: LabPage) -> Locator:
    return lab.page.get_by_role("toolbar", name="Keys for the terminal")


@pytest.fixture
def finger(lab: LabPage) -> Iterator[CDPSession]:
    """What touches the screen; the mouse stays for whatever is no phone."""
    devtools = lab.page.context.new_cdp_session(lab.page)
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    yield devtools
    devtools.detach()


def tap(lab: LabPage, finger: CDPSession, name: str) -> None:
    """Tap a key; it is large enough for that."""
    box = key_bar(lab).get_by_role("button", name=name, exact=True).bounding_box()
    assert box and min(box["width"], box["height"]) >= LEAST_PIXELS, (name, box)
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def until_typed(lab: LabPage, shown: str) -> None:
    lab.until_screen(re.escape(shown) + "$")


@pytest.mark.parametrize("name", THEMES)
def test_a_narrow_window_folds_the_side_bar_and_a_terminal_has_the_keys_of_a_keyboard(
    lab: LabPage, finger: CDPSession, axe: str, name: str
):
    lab.use_theme(THEMES[name])
    expect(side_bar(lab)).to_be_visible()
    lab.page.set_viewport_size(PHONE)
    expect(side_bar(lab)).to_be_hidden()
    expect(key_bar(lab)).to_be_hidden()  # there is no terminal
    lab.open_terminal()
    expect(key_bar(lab)).to_be_visible()
    assert lab.page.evaluate(WIDER) == []
    assert violations(lab.page, axe, ".jp-DbxAgents-KeyBar") == []

    lab.type("clear; stty raw -echo; cat -vT")
    lab.until("() => !jupyterapp.shell.currentWidget.content._term.buffer.active.cursorY")
    for key in TYPED:
        tap(lab, finger, key)
    typed = "".join(TYPED.values())
    until_typed(lab, typed)
    control = key_bar(lab).get_by_role("button", name="Ctrl, for the next key")
    tap(lab, finger, "Ctrl, for the next key")
    expect(control).to_have_attribute("aria-pressed", "true")
    lab.page.keyboard.insert_text("b")  # as a phone's keyboard: no key is told
    expect(control).to_have_attribute("aria-pressed", "false")
    lab.page.keyboard.insert_text("b")
    until_typed(lab, typed := f"{typed}^Bb")
    tap(lab, finger, "Ctrl, for the next key")
    tap(lab, finger, "Right")
    lab.page.evaluate("navigator.clipboard.writeText('pasted')")
    tap(lab, finger, "Paste")
    until_typed(lab, f"{typed}^[[1;5Cpasted")
    assert lab.page.evaluate(HAS_FOCUS)
    shoot(lab.page, f"narrow-{name}")

    tap(lab, finger, "Ctrl, for the next key")
    expect(control).to_have_attribute("aria-pressed", "true")
    lab.open_terminal()
    expect(control).to_have_attribute("aria-pressed", "false")  # it was for the other one
    lab.open_launcher()
    expect(key_bar(lab)).to_be_hidden()
    shoot(lab.page, f"narrow-launcher-{name}")
    lab.page.set_viewport_size(SIZE)
    expect(side_bar(lab)).to_be_visible()  # as it was


def test_whoever_unfolds_the_side_bar_in_a_narrow_window_has_it_so(lab: LabPage):
    lab.page.set_viewport_size(PHONE)
    expect(side_bar(lab)).to_be_hidden()
    lab.open_terminal()
    lab.command("filebrowser:activate")
    expect(side_bar(lab)).to_be_visible()
    expect(key_bar(lab)).to_be_visible()
    assert lab.page.evaluate(WIDER) == []
    shoot(lab.page, "narrow-unfolded")
    lab.command("filebrowser:toggle-main")
    expect(side_bar(lab)).to_be_hidden()
    lab.page.set_viewport_size(SIZE)
    expect(key_bar(lab)).to_be_hidden()  # by the same change of the width, after the side bar
    expect(side_bar(lab)).to_be_hidden()  # as it was left


def test_a_desktop_finds_the_side_bars_as_they_were_before_the_page_was_opened_on_a_phone(
    new_lab: LabPage, app: RunningApp
):
    app.log_in()
    new_lab.page.set_viewport_size(PHONE)
    new_lab.open()
    expect(side_bar(new_lab)).to_be_hidden()
    new_lab.command("filebrowser:activate")
    expect(side_bar(new_lab)).to_be_visible()
    new_lab.command("filebrowser:toggle-main")
    expect(side_bar(new_lab)).to_be_hidden()
    new_lab.open_terminal_named("of_the_phone")

    def is_saved() -> bool:
        layout = app.owner.json("GET", WORKSPACE)["data"].get(LAYOUT, {})
        return layout.get("main", {}).get("current") == "terminal:of_the_phone"

    eventually(is_saved, 30, "the layout, with all that the phone has folded")
    context = new_lab.page.context
    new_lab.page.close()
    desktop = LabPage(context.new_page(), new_lab.url)
    desktop.open()
    expect(desktop.tab()).to_have_text("Terminal of_the_phone")
    expect(side_bar(desktop)).to_be_visible()
    box = side_bar(desktop).bounding_box()
    assert box and box["width"] < SIZE["width"] / 3, box  # and not as wide as the phone's was

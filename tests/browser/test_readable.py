"""Text in terminals can be read: in both themes, far from the server, after a change of theme."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.demo.test_attention import ASKS, DANGEROUS
from tests.demo.test_real_agents import READY
from tests.support.agent_store import AgentStore
from tests.support.contrast import Run, runs
from tests.support.effort import IS_LONG
from tests.support.lab_page import LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp, eventually
from tests.support.tabs import Tabs, forget_sessions

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
# Half of a round trip of 200 ms.
FAR_SECONDS = 0.1
LEAST = 4.5
# What rounding takes off.
TOLERANCE = 0.05
# Each line in a colour that is too weak on white, on black, or on both; dim, bold and inverse, too.
TABLE = r"""
for i in 3{0..7} 9{0..7}; do printf '\e[%sm text %s \e[2m dim \e[1m both \e[0m' $i $i; done; echo
for i in 8 15 16 52 124 194 226 231 244 255; do
  printf '\e[38;5;%sm text %s \e[2mdim\e[0m ' $i $i; done; echo
for c in '255;255;255' '0;0;0' '250;250;210' '40;40;40' '128;128;128'; do
  printf '\e[38;2;%sm text \e[2mdim \e[0m\e[48;2;%sm plain \e[7m inverse \e[0m ' $c $c; done; echo
printf '\e[2mdim alone\e[0m plain \e[7minverse\e[0m \e[7;2minverse dim\e[0m\n'
"""
# Asks as Hermes does: what has not come after 100 ms does not count.
ASK = """
import os, select, sys, termios, tty
old = termios.tcgetattr(0)
tty.setcbreak(0)
os.write(1, b"\\x1b]11;?\\x1b\\\\")
ready = select.select([0], [], [], 0.1)[0]
answer = os.read(0, 64) if ready else b"nothing"
termios.tcsetattr(0, termios.TCSAFLUSH, old)
print("background", answer[1:].decode())
"""


@pytest.fixture
def far(tabs: Tabs, app: RunningApp, relay: Relay) -> Iterator[LabPage]:
    """JupyterLab, 200 ms from the server."""
    relay.mend()
    app.log_in()
    forget_sessions(app.owner)
    lab = LabPage(tabs.new_context().new_page(), relay.url)
    lab.open()
    relay.be_far_away(FAR_SECONDS)
    yield lab
    app.owner.http.put(
        "/lab/api/settings/@jupyterlab/apputils-extension:themes", json={"raw": "{}"}
    )


def weak(lab: LabPage) -> list[Run]:
    """What is hard to read in the terminal in front."""
    return [run for run in runs(lab) if run.contrast < LEAST - TOLERANCE]


def until_readable(lab: LabPage, what: str) -> None:
    """Wait until all text has been drawn and can be read."""
    lab.page.wait_for_timeout(300)  # the terminal draws with the next frames
    try:
        eventually(lambda: runs(lab) and not weak(lab), 20, what)
    except AssertionError:
        lab.page.screenshot(path=f"build/screenshots/unreadable-{what}.png")
        raise AssertionError(f"{what}: {weak(lab)}") from None


@pytest.mark.parametrize(("theme", "other"), [(LIGHT, DARK), (DARK, LIGHT)])
def test_every_colour_can_be_read_in_both_themes_and_after_a_change(
    far: LabPage, app: RunningApp, theme: str, other: str
):
    lab = far
    (app.home / "table.sh").write_text(TABLE)
    lab.use_theme(theme)
    lab.open_terminal()
    lab.type("clear; bash ~/table.sh")
    lab.until_screen("inverse dim")
    until_readable(lab, f"the table in {theme}")
    lab.use_theme(other)
    until_readable(lab, f"the table after the change to {other}")


def test_a_program_learns_the_background_at_once_however_far_the_browser_is(
    far: LabPage, app: RunningApp
):
    lab = far
    (app.home / "ask.py").write_text(ASK)
    lab.use_theme(DARK)
    lab.open_terminal()
    for theme, background in ((LIGHT, "ffff/ffff/ffff"), (DARK, "1111/1111/1111")):
        with lab.page.expect_response("**/dbx-agents/api/theme?*"):
            lab.use_theme(theme)
        lab.type(f"{sys.executable} ~/ask.py; echo {theme.split()[1]} is do''ne")
        screen = lab.until_screen(rf"(?m)^{theme.split()[1]} is done$")
        assert f"background ]11;rgb:{background}" in screen
        lab.page.wait_for_timeout(int(FAR_SECONDS * 4000))  # a browser's answer would be here
        assert re.search(r"is done\n.*[$#]$", lab.screen()["text"])  # nothing has been typed


# Gemini CLI is the one that is unreadable if it takes a light terminal for a dark one.
SHOWN = tuple(READY) if IS_LONG else ("gemini-cli",)
# It asks for nothing unless it is told to.
APPROVALS = {"opencode": "ask"}
SLOW = "stream: 5 chunks every 1500 ms"
# A round trip's milliseconds, by the theme.
VIEWS = [(theme, far) for theme in (LIGHT, DARK) for far in (0, 60, 200)]


@pytest.mark.timeout(700)
@pytest.mark.parametrize("view", VIEWS if IS_LONG else [(LIGHT, 200)], ids="{0[0]}-{0[1]}".format)
@pytest.mark.parametrize("agent", SHOWN)
def test_an_agents_screen_can_be_read_at_rest_at_work_asking_and_after_a_change_of_theme(
    far: LabPage, tabs: Tabs, agent_store: AgentStore, agent: str, view: tuple[str, int]
):
    (theme, milliseconds), lab, app = view, far, tabs.app
    tabs.relay.be_far_away(milliseconds / 2000)
    agent_store.install(app, agent)
    app.owner.json("PATCH", f"/dbx-agents/api/agents/{agent}", {"approvals": APPROVALS.get(agent)})
    lab.open()  # once more, so that it knows
    lab.use_theme(LIGHT if theme == DARK else DARK)
    with lab.page.expect_response("**/dbx-agents/api/theme?*"):
        lab.use_theme(theme)
    lab.command(f"dbx-agents:start-{agent}")
    lab.until_screen(READY[agent], 120)
    until_readable(lab, f"{agent} at rest in {theme}")
    assert "rgb:" not in lab.screen()["text"]
    say(lab, "hello there", lambda: "echo: hello there" in lab.screen()["text"])
    until_readable(lab, f"{agent} after an answer in {theme}")
    if IS_LONG:
        say(lab, SLOW, lambda: "working" in states(app))
        until_readable(lab, f"{agent} at work in {theme}")
        assert "working" in states(app)
        lab.until_screen(r"end\s*of\s*stream", 60)
        say(lab, DANGEROUS, lambda: "permission" in states(app))
        lab.until_screen(ASKS[agent], 60)
        until_readable(lab, f"{agent} asking in {theme}")
    lab.use_theme(LIGHT if theme == DARK else DARK)
    until_readable(lab, f"{agent} after a change from {theme}")


def states(app: RunningApp) -> list[str]:
    """What the agents are doing."""
    return [one["state"] for one in app.status()["attention"]]


def say(lab: LabPage, text: str, is_taken: Callable[[], bool]) -> None:
    """Type a text, and Enter until it is taken: one that comes too soon is text to Gemini CLI."""
    lab.page.keyboard.insert_text(text)
    for _attempt in range(4):
        lab.page.wait_for_timeout(500)
        lab.page.keyboard.press("Enter")
        with contextlib.suppress(AssertionError):
            eventually(is_taken, 15, text)
            return
    raise AssertionError(f"{text!r} is not taken:\n{lab.screen()['text']}")

"""A terminal's ways back in the browser: after a reload, a lost connection, a silent network."""

import re
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import expect

from tests.support.effort import IS_LONG
from tests.support.lab_page import LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp

FULL_SCREEN = r"""
printf '\033[?1049h\033[2J\033[3;5Hfirst\033[10;20H\033[7mmiddle\033[m\033[20;1Hlast line\033[12;3H'
read -r _
printf '\033[?1049l'
"""


def test_a_reload_in_the_middle_of_a_full_screen_program_shows_the_same_screen(
    lab: LabPage, app: RunningApp
):
    (app.home / "full.sh").write_text(FULL_SCREEN)
    lab.open_terminal_named("full")
    lab.type("bash ~/full.sh")
    lab.until_screen("last line")
    before = lab.screen()
    assert before["type"] == "alternate"
    lab.reload()
    lab.until_screen("last line")
    assert lab.screen() == before
    lab.page.keyboard.press("Enter")
    lab.until_screen(r"[$#]$")
    assert lab.screen()["type"] == "normal"


def test_a_lost_connection_is_said_and_comes_back_to_the_same_screen(lab: LabPage, relay: Relay):
    lab.open_terminal()
    lab.type("echo before the cu''t")
    before = lab.until_screen(r"before the cut\n.*[$#]$")
    relay.cut()
    expect(lab.notice).to_contain_text("Reconnecting")
    lab.type("echo typed mean''while")
    expect(lab.status).to_have_text("Offline · retrying")
    relay.mend()
    expect(lab.notice).to_have_count(0)
    text = lab.until_screen("(?m)^typed meanwhile$")
    assert text.count("before the cut") == before.count("before the cut")
    expect(lab.status).not_to_have_text("Offline · retrying")


def another_connection(lab: LabPage) -> AbstractContextManager[object]:
    """What makes the terminal connect anew."""
    return lab.page.expect_websocket(lambda socket: "/terminals/websocket/" in socket.url)


def test_a_connection_that_is_closed_politely_comes_back(lab: LabPage, relay: Relay):
    lab.open_terminal()
    with another_connection(lab):
        relay.close_websockets(1001, "/terminals/websocket/")  # nothing else tells of it
    lab.type("echo typed af''ter")
    lab.until_screen("(?m)^typed after$")
    expect(lab.notice).to_have_count(0)


def test_a_connection_that_is_dead_without_a_word_is_found_out_with_the_next_key(
    new_lab: LabPage, app: RunningApp, relay: Relay
):
    lab = new_lab
    app.log_in()
    lab.page.clock.install()
    lab.open()
    lab.open_terminal()
    relay.lose_websockets()
    lab.page.clock.fast_forward(11_000)  # of silence
    lab.page.keyboard.type("echo typed bef''ore and ")
    with another_connection(lab):
        lab.page.clock.fast_forward(6_000)
    lab.type("after")
    lab.until_screen("(?m)^typed before and after$")


ENDED = "This session has ended."


def end_all(app: RunningApp) -> None:
    """End all terminals, as from another browser."""
    for terminal in app.owner.json("GET", "/api/terminals"):
        assert app.owner.http.delete(f"/api/terminals/{terminal['name']}").is_success


def test_terminals_that_ended_while_their_tabs_were_cut_off_say_so_and_are_not_started_again(
    lab: LabPage, app: RunningApp, relay: Relay
):
    lab.open_terminal()
    lab.open_terminal_named("front")
    lab.command("terminal:increase-font")  # which sets all options of all terminals anew
    lab.type("echo before the e''nd")
    lab.until_screen("(?m)^before the end$")
    relay.cut()
    expect(lab.notice).to_contain_text(["Reconnecting", "Reconnecting"])
    lab.type("echo typed mean''while")
    end_all(app)
    relay.mend()
    expect(lab.notice).to_contain_text([ENDED, f"{ENDED} What you typed meanwhile (23 char"])
    assert app.owner.json("GET", "/api/terminals") == []
    assert "\nbefore the end\n" in lab.screen()["text"]
    lab.drop_files(("late.bin", 10))
    refused = lab.notice.filter(has_text="late.bin was not uploaded: this session has ended.")
    refused.get_by_role("button", name="Close").click()
    lab.notice.get_by_role("button", name="New terminal").last.click()
    lab.until_screen(r"^\S+[$#]$")
    expect(lab.notice).to_contain_text([ENDED, ENDED])  # both stay to be read
    lab.command("terminal:open", name="front")  # one that gets the name has a tab of its own
    lab.until_screen(r"^\S+[$#]$")
    lab.type("sleep 500")
    expect(lab.tab()).to_have_text("sleep (front)")
    expect(lab.page.locator(".lm-TabBar-tabLabel", has_text="sleep (front)")).to_have_count(1)


def test_an_end_is_told_of_a_terminal_whose_name_another_one_has_by_now(
    lab: LabPage, app: RunningApp, relay: Relay
):
    lab.open_terminal_named("twice")
    relay.cut()
    expect(lab.notice).to_contain_text("Reconnecting")
    end_all(app)
    app.owner.json("POST", "/api/terminals", {"name": "twice"})
    relay.mend()
    expect(lab.notice).to_contain_text(ENDED)
    assert len(re.findall("[$#]", lab.screen()["text"])) == 1  # nothing of the other one


def test_a_terminal_that_ended_before_its_connection_was_known_to_be_dead_keeps_its_tab(
    lab: LabPage, app: RunningApp, relay: Relay
):
    lab.open_terminal()
    relay.lose_websockets()
    end_all(app)  # which JupyterLab finds out with its next regular look
    expect(lab.notice).to_contain_text(ENDED)


def test_a_terminal_that_is_refused_at_first_says_so_and_comes(lab: LabPage, relay: Relay):
    relay.answer("429 Too Many Requests", path="/terminals/websocket/")
    lab.command("terminal:create-new")
    expect(lab.notice).to_contain_text("Reconnecting")
    relay.mend()
    lab.until_screen(r"[$#]$")
    expect(lab.notice).to_have_count(0)


def test_a_page_that_wakes_up_finds_out_which_connections_are_dead(
    lab: LabPage, app: RunningApp, relay: Relay
):
    lab.open_terminal()
    relay.lose_websockets()
    with another_connection(lab):
        lab.page.evaluate("window.dispatchEvent(new Event('online'))")
    lab.until_rotated(app.rotate)
    lab.type("echo typed af''ter")
    lab.until_screen("(?m)^typed after$")


def test_a_connection_that_is_dead_is_found_out_when_another_one_is_cut(lab: LabPage, relay: Relay):
    lab.open_terminal()
    relay.lose_websockets()
    with another_connection(lab):
        relay.close_websockets(1001, "/api/events/")
    lab.type("echo typed af''ter")
    lab.until_screen("(?m)^typed after$")


OFFLINE = "Offline · retrying"
# From when the network swallows everything; a busy machine takes its time to draw.
SOON_MILLISECONDS = 9_000


def test_a_network_that_swallows_everything_is_said_within_seconds_and_nothing_is_missed(
    lab: LabPage, app: RunningApp, relay: Relay
):
    notes = app.home / "projects" / "followed.md"
    notes.write_text("at first\n")
    lab.command("docmanager:open", path="projects/followed.md", factory="Editor")
    shown = lab.page.locator(".cm-line:visible").first
    expect(shown).to_have_text("at first")
    lab.open_terminal()
    lab.show_panel()
    renew = lab.panel.get_by_role("button", name="Renew token")
    expect(renew).to_be_enabled()
    relay.be_silent()
    expect(lab.status).to_have_text(OFFLINE, timeout=SOON_MILLISECONDS)
    expect(lab.panel.get_by_role("status").filter(has_text=OFFLINE)).to_be_visible()
    expect(renew).to_be_disabled()
    expect(lab.notice).to_contain_text("Reconnecting", timeout=20_000)
    lab.page.locator(".jp-Terminal:visible .xterm-screen").click()
    lab.type("echo typed mean''while")
    notes.write_text("while away\n")
    relay.mend()
    lab.until_screen("(?m)^typed meanwhile$")
    expect(lab.notice).to_have_count(0)
    expect(lab.status).to_have_text("Databricks")
    expect(renew).to_be_enabled()
    lab.command("docmanager:open", path="projects/followed.md")
    expect(shown).to_have_text("while away")
    notes.write_text("and afterwards\n")
    expect(shown).to_have_text("and afterwards")
    relay.be_silent()
    lab.page.evaluate("window.dispatchEvent(new Event('online'))")  # another one is made at once
    expect(lab.status).to_have_text(OFFLINE, timeout=SOON_MILLISECONDS)


CONNECTS = """() => {
  const socket = window.jupyterapp?.serviceManager?.events._socket;
  return socket?.readyState === WebSocket.CONNECTING;
}"""


@pytest.mark.skipif(not IS_LONG, reason="half a minute; the first connection is below")
def test_nobody_waits_for_a_connection_of_jupyterlab_that_never_opens(lab: LabPage, relay: Relay):
    lab.open_terminal()
    relay.be_silent()
    relay.close_websockets(1001, "/api/events/")
    lab.until(CONNECTS)
    lab.page.evaluate("window.dispatchEvent(new Event('online'))")  # ours stands behind it now
    expect(lab.notice).to_contain_text("Reconnecting", timeout=20_000)
    lab.type("echo typed mean''while")
    relay.mend()
    lab.until_screen("(?m)^typed meanwhile$")
    expect(lab.notice).to_have_count(0)


def test_no_terminal_waits_for_the_first_connection_of_a_page_that_never_opens(
    new_lab: LabPage, app: RunningApp, relay: Relay
):
    app.log_in()
    relay.swallow("/api/events/")
    new_lab.page.goto(relay.url)
    new_lab.until(CONNECTS)
    relay.mend()
    new_lab.until_known()
    new_lab.open_terminal()

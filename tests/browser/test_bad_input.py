"""What goes wrong on the way: a message that helps, no lost input, no broken page."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from dbx_workspace.control_client import SamplePat
from tests.support.effort import some
from tests.support.lab_page import LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp, eventually

TOKEN = "dapi" + "1" * 32
NO_ANSWERS = [
    (429, "slow down", r"The server responded with status 429\. Too many requests.*"),
    (403, "<html>no</html>", r"The server responded with status 403\. Reload the page.*"),
    (502, "", r".*restarting.*"),
    (503, json.dumps({"message": "Busy now.", "hint": "Soon."}), r"Busy now\. Soon\."),
    (403, json.dumps({"message": "Not that token.", "hint": ""}), r"Not that token\."),
    (403, json.dumps({"message": "XSRF", "reason": None}), r"XSRF Reload the page.*"),
    (200, "<html>Sign in</html>", r"Your sign-in has expired\. Reload the page to sign in again\."),
]


def hold(lab: LabPage, pattern: str) -> list[Route]:
    """Let requests wait; return those that have come."""
    held: list[Route] = []

    def add(route: Route) -> None:  # playwright takes no method of a list
        held.append(route)

    lab.page.route(pattern, add)
    return held


@pytest.mark.parametrize(("status", "body", "said"), NO_ANSWERS)
def test_an_answer_that_is_none_is_explained_and_the_token_stays_in_the_field(
    asked: LabPage, status: int, body: str, said: str
):
    asked.page.route("**/api/pat?*", lambda route: route.fulfill(status=status, body=body))
    asked.give_token(TOKEN)
    expect(asked.dialog.locator(".jp-DbxAgents-error")).to_have_text(re.compile(f"^{said}$"))
    expect(asked.dialog.locator("input")).to_have_value(TOKEN)
    expect(asked.dialog.locator("input")).to_be_focused()


def test_a_server_that_is_down_is_said_and_found_again(
    asked: LabPage, app: RunningApp, relay: Relay
):
    lab = asked
    relay.cut()
    lab.give_token(TOKEN)
    expect(lab.dialog.locator(".jp-DbxAgents-error")).to_contain_text("not responding")
    expect(lab.status).to_have_text("Offline · retrying")
    # Meanwhile a token is given elsewhere; the event is missed, its effect is not.
    app.log_in()
    relay.mend()
    expect(lab.dialog).to_have_count(0)
    lab.until_connected(app.lines["owner"])


@pytest.mark.parametrize("refusal", some(1, ["429 Too Many Requests", "503 Service Unavailable"]))
def test_a_terminal_and_an_event_stream_that_are_refused_come_back_when_they_are_let_in(
    lab: LabPage, relay: Relay, refusal: str
):
    lab.open_terminal()
    relay.answer(refusal)
    expect(lab.notice).to_contain_text("Reconnecting")
    expect(lab.status).to_have_text("Offline · retrying")
    lab.type("echo typed mean''while")
    for _ in range(2):
        with lab.page.expect_response(re.compile("/api/terminals/")):
            pass  # it is asked for again
    relay.mend()
    lab.until_screen("(?m)^typed meanwhile$")
    expect(lab.notice).to_have_count(0)
    expect(lab.status).not_to_have_text("Offline · retrying")


def test_a_terminal_that_alone_is_refused_says_why_and_comes_back(lab: LabPage, relay: Relay):
    lab.open_terminal()
    terminal = re.compile("/api/terminals/")
    lab.page.route(terminal, lambda route: route.fulfill(status=429, json={"message": "No."}))
    relay.answer("429 Too Many Requests", path="/terminals/websocket/")
    expect(lab.notice).to_contain_text("No. Too many requests")
    lab.page.route(terminal, lambda route: route.fulfill(status=500, body="oh"))
    expect(lab.notice).to_contain_text("The server responded with status 500")
    lab.type("echo typed mean''while")
    lab.page.unroute_all()
    relay.mend()
    lab.until_screen("(?m)^typed meanwhile$")
    expect(lab.notice).to_have_count(0)


@pytest.mark.parametrize(
    "refusal", [["403 Forbidden"], ["302 Found", "Location: http://127.0.0.1:9/login"]]
)
def test_a_sign_in_that_has_ended_is_said_until_there_is_another(
    lab: LabPage, app: RunningApp, relay: Relay, refusal: list[str]
):
    lab.open_terminal()
    relay.answer(*refusal)
    expect(lab.status).to_have_text("Databricks: reload to sign in")
    expect(lab.notice).to_contain_text("Your sign-in has expired")
    lab.type("echo typed mean''while")
    relay.mend()  # as after a sign-in in another tab
    lab.until_screen("(?m)^typed meanwhile$")
    expect(lab.notice).to_have_count(0)
    lab.until_connected(app.lines["owner"])


@pytest.mark.parametrize("where", ["status", "notice"])
def test_a_click_reloads_the_page_to_sign_in_again(
    new_lab: LabPage, app: RunningApp, relay: Relay, where: str
):
    app.log_in()
    new_lab.open()
    new_lab.open_terminal()
    relay.answer("403 Forbidden")
    reload = new_lab.notice.get_by_role("button", name="Reload")
    button = {"status": new_lab.status, "notice": reload}[where]
    expect(button).to_have_text(re.compile("[Rr]eload"))
    with new_lab.page.expect_request(lambda request: request.is_navigation_request()):
        button.click()


def test_a_status_that_events_overtake_is_completed_by_them_and_not_asked_for_again(
    lab: LabPage, app: RunningApp
):
    held = hold(lab, "**/dbx-agents/api/status?*")
    lab.show_panel()  # which asks for the status
    old = held[0].fetch().json()
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    expect(lab.status).to_have_text("Databricks: token needed")
    held[0].fulfill(json={**old, "tracing": {"message": "from the answer"}})
    expect(lab.panel).to_contain_text("from the answer")
    expect(lab.status).to_have_text("Databricks: token needed")
    assert len(held) == 1


def test_a_slow_reply_shows_that_it_is_awaited(asked: LabPage):
    lab = asked
    held = hold(lab, "**/api/pat?*")
    lab.give_token(TOKEN)
    expect(lab.dialog.locator(".jp-DbxAgents-error")).to_have_text("Checking…")
    lab.page.keyboard.press("Enter")  # asks only once
    held[0].fulfill(status=400, json={"message": "No.", "hint": ""})
    expect(lab.dialog.locator(".jp-DbxAgents-error")).to_have_text("No.")
    assert len(held) == 1


def test_an_empty_or_odd_token_is_answered(asked: LabPage):
    lab = asked
    expect(lab.dialog).to_contain_text("a 60-second token")
    lab.page.keyboard.press("Enter")
    expect(lab.dialog.locator(".jp-DbxAgents-error")).to_have_text(
        "Paste an address or a token first."
    )
    lab.give_token("<b>not a token</b>")
    expect(lab.dialog.locator(".jp-DbxAgents-error")).to_contain_text("token")
    expect(lab.dialog.locator(".jp-DbxAgents-error b")).to_have_count(0)


def test_a_refusal_that_comes_after_not_now_is_still_said(asked: LabPage):
    lab = asked
    held = hold(lab, "**/api/pat?*")
    lab.give_token(TOKEN)
    expect(lab.dialog.locator(".jp-DbxAgents-error")).to_have_text("Checking…")
    lab.dialog.get_by_role("button", name="Not now").click()
    expect(lab.dialog).to_have_count(0)
    held[0].fulfill(status=400, json={"message": "Not that one.", "hint": ""})
    expect(lab.page.locator(".Toastify__toast", has_text="Not that one.")).to_be_visible()


def test_who_logs_out_is_not_asked_for_a_token_whatever_is_told_meanwhile(
    lab: LabPage, app: RunningApp
):
    lab.show_panel()
    held = hold(lab, "**/api/pat?*")
    lab.section("Token").get_by_role("button", name="Log out").click()
    lab.until_rotated(app.rotate)
    held[0].continue_()
    expect(lab.status).to_have_text("Databricks: token needed")
    expect(lab.dialog).to_have_count(0)


def test_what_is_told_late_of_the_time_before_a_log_out_brings_no_dialog(
    new_lab: LabPage, app: RunningApp
):
    lab = new_lab
    app.log_in()
    sockets: list[WebSocketRoute] = []
    late: list[str | bytes] = []
    is_late = False

    def carry(socket: WebSocketRoute) -> None:
        def pass_on(event: str | bytes) -> None:
            # Beats come in time, or the page would be offline, and then ask for all anew.
            is_held = is_late and json.loads(event).get("part") != "beat"
            late.append(event) if is_held else socket.send(event)

        sockets.append(socket)
        socket.connect_to_server().on_message(pass_on)

    def told_states() -> list[str]:
        lab.page.wait_for_timeout(20)  # in which playwright carries
        pats = [event["pat"] for event in map(json.loads, late) if event.get("part") == "pat"]
        return [pat["state"] for pat in pats]

    lab.page.route_web_socket("**/api/events/subscribe*", carry)
    lab.open()
    lab.show_panel()
    is_late = True
    app.owner.json("POST", "/dbx-agents/api/pat/rotate")
    lab.section("Token").get_by_role("button", name="Log out").click()
    expect(lab.status).to_have_text("Databricks: token needed")
    eventually(lambda: told_states()[-1:] == ["needed"], 60, "the log-out is told")
    assert "active" in told_states()
    end = {"part": "tracing", "tracing": {"message": "all is told"}}
    for event in [*late, json.dumps({**json.loads(late[0]), **end})]:
        sockets[-1].send(event)
    expect(lab.panel).to_contain_text("all is told")
    expect(lab.status).to_have_text("Databricks: token needed")
    expect(lab.dialog).to_have_count(0)


def newer(status: dict[str, Any]) -> dict[str, Any]:
    """What a server of another version could say."""
    pat = {**status["pat"], "state": "hibernating", "moon": "full"}
    task = {"name": "x", "title": "Something new", "state": "pondering", "progress": None}
    agent = {"name": "nova", "title": "Nova", "command": "nova"}
    return {
        "workspace": status["workspace"],
        "pat": pat,
        "startup": [task],
        "agents": [agent],
        "usage": {"calls": 3},
        "projects": "many",
        "weather": ["sunny"],
    }


def test_a_server_of_another_version_breaks_nothing(new_lab: LabPage, app: RunningApp):
    lab = new_lab
    app.log_in()

    def answer(route: Route) -> None:
        route.fulfill(json=newer(route.fetch().json()))

    lab.page.route("**/dbx-agents/api/status?*", answer)
    lab.page.route_web_socket("**/api/events/subscribe*", lambda _socket: None)
    lab.open()
    expect(lab.status).to_contain_text("hibernating")
    expect(lab.dialog).to_have_count(0)
    lab.show_panel()
    expect(lab.panel).to_contain_text("Something new")
    expect(lab.panel).to_contain_text("pondering")
    expect(lab.card("Nova")).to_be_visible()


@pytest.fixture
def unknown_token(app: RunningApp) -> Iterator[SamplePat]:
    """A token that the workspace cannot tell from the owner's others, of which one is there.

    Its list is slow, so that this is known only a while after the new token is in force.
    """
    app.control.switch(token_id_scheme="random")
    slowness = app.control.add_fault("/api/2.0/token/list", "latency", seconds=1)
    try:
        app.control.mint(app.lines["owner"], comment="<i>another</i>")
        yield app.control.mint(app.lines["owner"], comment="pasted here")
    finally:
        app.control.clear_faults(slowness)
        app.control.switch(token_id_scheme="sha256")


def test_the_owner_picks_the_pasted_token_when_it_is_not_known_for_sure(
    asked: LabPage, app: RunningApp, unknown_token: SamplePat
):
    lab = asked
    lab.give_token(unknown_token.token_value)
    dialog = lab.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("Which token did you paste?")
    expect(dialog).to_contain_text("<i>another</i>")
    revoke = dialog.get_by_role("listitem").filter(has_text="pasted here").get_by_role("button")
    lab.page.route("**/api/pat/revoke-pasted?*", lambda route: route.fulfill(status=503, body=""))
    revoke.click()
    expect(lab.page.locator(".Toastify__toast", has_text="not responding")).to_be_visible()
    lab.page.unroute_all()
    revoke.click()
    expect(dialog).to_have_count(0)
    status = {token["token_id"]: token["status"] for token in app.control.tokens()}
    assert status[unknown_token.token_id] == "revoked"

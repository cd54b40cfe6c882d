"""What goes wrong on the way: a message that helps, no lost input, no broken page."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from jupyter_dbx_agents.emulator.control_client import SamplePat
from tests.system.running_app import RunningApp

from .lab_page import LabPage
from .relay import Relay

TOKEN = "dapi" + "1" * 32
NO_ANSWERS = [
    (429, "slow down", "asked too often"),
    (403, "<html>no</html>", "Reload the page"),
    (502, "", "restarting"),
    (503, json.dumps({"message": "Busy now.", "hint": "Soon."}), "Busy now. Soon."),
]


@pytest.mark.parametrize(("status", "body", "said"), NO_ANSWERS)
def test_an_answer_that_is_none_is_explained_and_the_token_stays_in_the_field(
    asked: LabPage, status: int, body: str, said: str
):
    asked.page.route("**/api/pat?*", lambda route: route.fulfill(status=status, body=body))
    asked.give_token(TOKEN)
    expect(asked.dialog.locator(".jp-DbxAgents-said")).to_contain_text(said)
    expect(asked.dialog.locator("input")).to_have_value(TOKEN)
    expect(asked.dialog.locator("input")).to_be_focused()


def test_a_server_that_is_down_is_said_and_found_again(
    asked: LabPage, app: RunningApp, relay: Relay
):
    lab = asked
    relay.cut()
    lab.give_token(TOKEN)
    expect(lab.dialog.locator(".jp-DbxAgents-said")).to_contain_text("does not answer")
    expect(lab.status).to_contain_text("reconnecting")
    # Meanwhile a token is given elsewhere; the event is missed, its effect is not.
    app.log_in()
    relay.mend()
    expect(lab.dialog).to_have_count(0)
    expect(lab.status).to_contain_text(app.lines["owner"])


def test_a_slow_reply_shows_that_it_is_awaited(asked: LabPage):
    lab = asked
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    lab.page.route("**/api/pat?*", hold)
    lab.give_token(TOKEN)
    expect(lab.dialog.locator(".jp-DbxAgents-said")).to_have_text("Checking …")
    lab.page.keyboard.press("Enter")  # asks only once
    lab.page.wait_for_timeout(300)
    assert len(held) == 1
    held[0].fulfill(status=400, json={"message": "No.", "hint": ""})
    expect(lab.dialog.locator(".jp-DbxAgents-said")).to_have_text("No.")


def test_an_empty_or_odd_token_is_answered(asked: LabPage):
    lab = asked
    lab.page.keyboard.press("Enter")
    expect(lab.dialog.locator(".jp-DbxAgents-said")).to_have_text("Paste a token first.")
    lab.give_token("<b>not a token</b>")
    expect(lab.dialog.locator(".jp-DbxAgents-said")).to_contain_text("token")
    expect(lab.dialog.locator(".jp-DbxAgents-said b")).to_have_count(0)


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

    lab.page.route("**/api/status?*", answer)
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

    It may not list them either, so that this is known only a while after the new token is in force.
    """
    app.control.switch(token_id_scheme="random")
    path, refusal = "/api/2.0/token/list", {"status": 403, "error_code": "PERMISSION_DENIED"}
    app.control.add_fault(path, "status", times=1, **refusal)
    slowness = app.control.add_fault(path, "latency", seconds=1)
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
    expect(dialog).to_contain_text("Which one did you paste?")
    expect(dialog).to_contain_text("<i>another</i>")
    revoke = dialog.get_by_role("listitem").filter(has_text="pasted here").get_by_role("button")
    lab.page.route("**/api/pat/revoke-pasted?*", lambda route: route.fulfill(status=503, body=""))
    revoke.click()
    expect(lab.page.locator(".Toastify__toast", has_text="does not answer")).to_be_visible()
    lab.page.unroute_all()
    revoke.click()
    expect(dialog).to_have_count(0)
    status = {token["token_id"]: token["status"] for token in app.control.tokens()}
    assert status[unknown_token.token_id] == "revoked"

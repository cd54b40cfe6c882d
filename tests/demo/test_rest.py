"""REST: bad input gets a message and a hint, changes nothing, and leaves what worked working."""

import pytest

from tests.support.constants import PAT
from tests.support.running_app import RunningApp


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "has no string"),
        (b"{", 400, "not a JSON object"),
        (b"[1]", 400, "not a JSON object"),
        (b"[" * 60_000, 400, "not a JSON object"),
        (b"\xff\xfe", 400, "not a JSON object"),
        (b'{"token": 7}', 400, "has no string"),
        (b'{"token": ""}', 400, "No token was given"),
        (b'{"token": "eyJhbGciOiJSUzI1NiJ9.e30.x"}', 400, "OAuth"),
        (b'{"token": "dapi00000000000000000000000000000000"}', 400, "rejected this token"),
        (b'{"token": "' + b"x" * 70_000 + b'"}', 413, "at most"),
    ],
)
def test_a_bad_paste_is_explained_and_leaves_the_state(app: RunningApp, body, status, said):
    app.log_in()
    answer = app.owner.http.post(PAT, content=body)
    assert answer.status_code == status
    assert said in answer.json()["message"]
    assert answer.json()["hint"]
    assert app.pat()["state"] == "active"


def test_a_token_of_somebody_else_is_refused_by_name(app: RunningApp):
    app.log_in()
    token = app.control.mint("stranger@example.com").token_value
    answer = app.owner.http.post(PAT, json={"token": token})
    assert answer.status_code == 403
    assert "different user" in answer.json()["message"]
    assert app.pat()["state"] == "active"


def test_an_unscoped_and_an_expired_token_are_refused_by_name(app: RunningApp):
    app.log_in()
    owner = app.lines["owner"]
    unscoped = app.control.mint(owner, scopes=["scim", "serving"]).token_value
    answer = app.owner.http.post(PAT, json={"token": unscoped})
    assert (answer.status_code, "authentication" in answer.json()["hint"]) == (400, True)
    dead = app.control.mint(owner)
    app.control.revoke(dead.token_id)
    answer = app.owner.http.post(PAT, json={"token": dead.token_value})
    assert (answer.status_code, "expired" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_an_unknown_address_and_method_say_so_in_json(app: RunningApp, method: str):
    answer = app.owner.http.request(method, "/dbx-agents/api/nonsense")
    assert answer.status_code == 404
    assert set(answer.json()) == {"message", "hint"}
    answer = app.owner.http.request("POST", "/dbx-agents/api/status")
    assert answer.status_code == 405
    assert "GET" in answer.json()["hint"]


def test_without_the_xsrf_token_nothing_is_changed(app: RunningApp):
    app.log_in()
    headers = {"X-XSRFToken": "", "Cookie": ""}
    answer = app.owner.http.delete(PAT, headers=headers)
    assert answer.status_code == 403
    assert app.pat()["state"] == "active"


def test_the_pasted_token_that_could_not_be_told_apart_is_the_owners_to_pick(app: RunningApp):
    owner = app.lines["owner"]
    app.owner.json("DELETE", PAT)
    app.control.switch(token_id_scheme="random")
    other, pasted = app.control.mint(owner, comment="other"), app.control.mint(owner)
    shown = app.owner.json("POST", PAT, {"token": pasted.token_value})["pasted"]
    app.control.switch(token_id_scheme="sha256")
    assert shown["state"] == "kept"
    assert {other.token_id, pasted.token_id} <= {c["token_id"] for c in shown["candidates"]}
    path = f"{PAT}/revoke-pasted"
    assert app.owner.http.post(path, json={"token_id": "0" * 64}).status_code == 400
    assert (
        app.owner.json("POST", path, {"token_id": pasted.token_id})["pasted"]["state"] == "revoked"
    )
    status = {t["token_id"]: t["status"] for t in app.control.tokens(owner)}
    assert (status[pasted.token_id], status[other.token_id]) == ("revoked", "live")


def test_logging_out_revokes_and_the_next_terminal_asks_again(app: RunningApp):
    app.log_in()
    assert app.owner.json("DELETE", PAT)["state"] == "needed"
    ours = [t for t in app.control.tokens() if t["comment"].startswith("jupyter_dbx_agents")]
    assert ours
    assert {t["status"] for t in ours} <= {"revoked", "expired"}
    assert app.owner.http.post(f"{PAT}/rotate").status_code == 409
    with app.owner.terminal() as terminal:
        terminal.expect("Connect to Databricks")
        app.log_in()
        terminal.expect("Connected from another window")
        terminal.until_shell()
        terminal.run("true")

"""Signing in over REST and in a terminal, at the production server."""

import re

import pytest

from tests.demo.test_rest_description import check
from tests.support.consent import answer, query
from tests.support.constants import OWNER, PAT
from tests.support.running_app import Browser, LocalWorkspaceProcess, Server

SIGN_IN = f"{PAT}/sign-in"
ANSWER = f"{SIGN_IN}/answer"


def begin(owner: Browser) -> str:
    """The address of the workspace's page."""
    return owner.json("POST", SIGN_IN)["address"]


@pytest.fixture(autouse=True)
def logged_out(owner: Browser, workspace: LocalWorkspaceProcess) -> None:
    """Each test begins without a token, at a workspace with its usual rules."""
    owner.json("DELETE", PAT)
    owner.json("DELETE", SIGN_IN)
    workspace.control.switch(tokens_disabled=False)


def test_the_replies_are_as_described_and_hold_no_token(owner: Browser):
    attempt = owner.json("POST", SIGN_IN)
    check(attempt, "SignInAttempt")
    assert attempt["pastes"]
    assert 590 <= attempt["expires_in_seconds"] <= 600
    pat = owner.json("POST", ANSWER, {"answer": answer(attempt["address"])})
    check(pat, "Pat")
    assert (pat["state"], pat["user"], pat["credential"]) == ("active", OWNER, "pat")
    assert "eyJ" not in str(pat)
    assert "doau" not in str(pat)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "has no string"),
        (b'{"answer": 7}', "has no string"),
        (b'{"answer": ""}', "Nothing was pasted"),
        (b'{"answer": "what?"}', "neither the address"),
        (b'{"answer": "dapi00000000000000000000000000000000"}', "a personal access token"),
        (b'{"answer": "http://localhost:8020/?code=12345678&state=1"}', "an earlier sign-in"),
    ],
)
def test_a_bad_answer_is_explained_and_leaves_the_attempt(owner: Browser, body: bytes, said: str):
    address = begin(owner)
    reply = owner.http.post(ANSWER, content=body)
    assert reply.status_code == 400
    assert said in reply.json()["message"]
    assert reply.json()["hint"]
    assert begin(owner) == address


def test_without_the_xsrf_token_or_the_owners_mark_nothing_is_begun_or_answered(owner: Browser):
    address = answer(begin(owner))
    for path in (SIGN_IN, ANSWER):
        for headers in ({"X-XSRFToken": "", "Cookie": ""}, {"X-Forwarded-Email": "eve@x.example"}):
            reply = owner.http.post(path, json={"answer": address}, headers=headers)
            assert reply.status_code == 403
    owner.json("POST", ANSWER, {"answer": address})


def test_a_pat_that_is_forbidden_leads_to_the_sign_in(
    owner: Browser, workspace: LocalWorkspaceProcess
):
    workspace.control.switch(tokens_disabled=True)
    token = workspace.control.mint(OWNER).token_value
    refused = owner.http.post(PAT, json={"token": token}).json()
    assert "disabled in this workspace" in refused["message"]
    assert "Sign in instead" in refused["hint"]
    pat = owner.json("POST", ANSWER, {"answer": answer(begin(owner))})
    assert pat["credential"] == "oauth"


def test_login_in_a_terminal_offers_either_way_and_status_and_doctor_say_the_kind(
    owner: Browser, workspace: LocalWorkspaceProcess
):
    workspace.control.switch(tokens_disabled=True)
    with owner.terminal() as terminal:
        shown = terminal.expect(r"(?s)Sign in: (http\S+).*create a token.*Paste address or token")
        terminal.type(f"{answer(shown[1], 'deny')}\n")
        terminal.expect("access_denied")
        address = answer(shown[1])
        terminal.type(f"{address}\n")
        terminal.expect(f"Connected as {OWNER}")
        terminal.until_shell()
        assert query(address)["code"] not in terminal.output
        assert "the sign-in's own token" in terminal.run("jupyter dbx-agents status")
        assert re.search(r"ok +token +active \(oauth\)", terminal.run_any(DOCTOR)[1])
        terminal.run("jupyter dbx-agents logout")
        terminal.type("jupyter dbx-agents login --sign-in\n")
        shown = terminal.expect(r"(?s)Sign in: (http\S+)(.*)Paste address")
        assert "a token" not in shown[2]
        terminal.type(f"  {answer(shown[1])} \n")
        terminal.expect(f"Connected as {OWNER}")
        terminal.until_shell()
        terminal.run("jupyter dbx-agents logout")
        terminal.type("jupyter dbx-agents login --token\n")
        shown = terminal.expect(r"(?s)Create a token(.*)Paste token")
        terminal.type("\n")
        terminal.expect("Skipped")


DOCTOR = "jupyter dbx-agents doctor"


def test_the_log_at_debug_has_no_code_or_state_of_a_callback(server: Server, owner: Browser):
    path = "/dbx-agents/sign-in/callback"
    for address in (path, f"{path}/", path.upper()):
        owner.http.get(f"{address}?code=stolen-1234&state=guess-1234")
    owner.http.get(f"{path}?code=stolen-1234%ff&state=guess-1234")  # not UTF-8
    log = server.log.read_text()
    assert path in log
    assert "stolen-1234" not in log
    assert "guess-1234" not in log

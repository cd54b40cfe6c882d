"""Signing in, over the wire: the forms of an answer, whose it is, PATs or none, and the end."""

import asyncio
import json
import logging
import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from databricks.sdk.oauth import OAuthClient, OidcEndpoints

from dbx_workspace.faults import Fault, FaultKind
from dbx_workspace.rest.oauth import _hash
from jupyter_dbx_agents.cli.login import is_usable
from jupyter_dbx_agents.errors import DbxAgentsError, PatForeignUserError, SignInError
from jupyter_dbx_agents.pat import PatRotator, SignIn
from jupyter_dbx_agents.pat.clock import SystemClock
from jupyter_dbx_agents.pat.sign_in.authorization import Authorization
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.web.phone.page import Start
from jupyter_dbx_agents.web.plain_page import render_page
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.consent import Decision, answer, query
from tests.support.constants import OWNER

from .conftest import Scene

GUEST = "guest@example.com"
TOKEN_PATH = "/oidc/v1/token"


@dataclass
class Signing:
    """A scene with a sign-in."""

    scene: Scene
    sign_in: SignIn

    @property
    def pats(self) -> PatRotator:
        return self.scene.pats

    @property
    def server(self):
        """The workspace's authorization server."""
        return self.scene.workspace.sign_in

    async def answer(self, decision: Decision = "allow", address: str = "") -> str:
        """The address on which the browser ends."""
        address = address or (await self.sign_in.begin())["address"]
        return await asyncio.to_thread(answer, address, decision)

    async def connect(self) -> None:
        """Sign in as the owner."""
        await self.sign_in.answer(await self.answer())

    def kinds(self) -> list[str]:
        """The kind of each token that the workspace has issued, in order."""
        return [token.kind for token in self.scene.workspace.tokens.all()]

    def forbid_pats(self) -> None:
        self.scene.workspace.tokens.are_disabled = True

    def refreshes(self) -> int:
        """How often tokens were requested since the last sign-in."""
        return len(self.scene.workspace.requests.since(0, TOKEN_PATH)) - 1

    async def refused(self, pasted: str, kind: type[DbxAgentsError] = SignInError) -> str:
        """What is said to a pasted text."""
        before = self.pats.status()
        with pytest.raises(kind) as error:
            await self.sign_in.answer(pasted)
        after = self.pats.status()
        assert (after["state"], after["user"]) == (before["state"], before["user"])
        assert error.value.hint
        return f"{error.value.message} {error.value.hint}"


class Context:
    """Enters a scene and adds the sign-in."""

    def __init__(self, scene: AbstractAsyncContextManager[Scene], **traits: str) -> None:
        self._scene, self._traits = scene, traits

    async def __aenter__(self) -> Signing:
        scene = await self._scene.__aenter__()
        sign_in = SignIn(scene.pats, scene.clock, expected_user=lambda: OWNER, **self._traits)
        return Signing(scene, sign_in)

    async def __aexit__(self, *error) -> None:
        await self._scene.__aexit__(*error)


@pytest.fixture
def signing(scene) -> Context:
    return Context(scene)


# ---- the attempt


async def test_our_requests_are_those_of_the_sdk(signing):
    ours = (await signing.sign_in.begin())["address"]
    url = signing.scene.api.host
    endpoints = OidcEndpoints(f"{url}/oidc/v1/authorize", f"{url}/oidc/v1/token")
    client = OAuthClient(endpoints, "http://localhost:8020", "databricks-cli")
    theirs = client.initiate_consent().authorization_url
    secret = {"state", "code_challenge"}
    assert urlsplit(ours)._replace(query="") == urlsplit(theirs)._replace(query="")
    fields, expected = (parse_qs(urlsplit(each).query) for each in (ours, theirs))
    assert fields.keys() == expected.keys()
    assert all(fields[name] == expected[name] for name in fields.keys() - secret)


async def test_all_windows_share_one_attempt_until_it_is_old_or_answered(signing):
    first, second = await asyncio.gather(signing.sign_in.begin(), signing.sign_in.begin())
    assert first["address"] == second["address"]
    signing.scene.clock.advance(301)
    third = await signing.sign_in.begin()
    assert third["address"] != first["address"]
    await signing.connect()
    assert signing.sign_in.attempt() is None


async def test_an_attempt_ends_after_ten_minutes(signing):
    late = await signing.answer()
    signing.scene.clock.advance(600)
    assert signing.sign_in.attempt() is None
    assert "No sign-in is under way" in await signing.refused(late)


async def test_a_cancelled_attempt_takes_no_answer(signing):
    late = await signing.answer()
    signing.sign_in.cancel()
    assert "No sign-in is under way" in await signing.refused(late)


# ---- the answer


@pytest.mark.parametrize("form", ["{}", "  {}\n", '"{}"', "code alone", "query alone"])
async def test_an_answer_in_any_form_connects(signing, form: str):
    address = await signing.answer()
    texts = {"code alone": query(address)["code"], "query alone": urlsplit(address).query}
    await signing.sign_in.answer(texts.get(form) or form.format(address))
    status = signing.pats.status()
    assert (status["state"], status["user"]) == ("active", OWNER)
    assert (status["credential"], status["is_signed_in"]) == ("pat", True)
    assert status["pasted"]["state"] == "none"


async def test_a_replayed_answer_is_refused(signing):
    address = await signing.answer()
    await signing.sign_in.answer(address)
    assert "it was completed" in await signing.refused(address)
    await signing.sign_in.begin()
    assert "an earlier sign-in" in await signing.refused(address)
    assert signing.pats.current() is not None


async def test_the_answer_to_a_strangers_sign_in_is_refused_with_and_without_its_state(signing):
    """The stranger's own code, sent to the owner, would connect the app to the stranger."""
    other = SignIn(signing.pats, signing.scene.clock)
    theirs = await signing.answer(address=(await other.begin())["address"])
    await signing.sign_in.begin()
    assert "somebody else's" in await signing.refused(theirs)
    said = await signing.refused(query(theirs)["code"])
    assert "code_verifier does not match" in said
    assert signing.pats.current() is None
    await signing.connect()  # the attempt goes on


async def test_another_users_sign_in_is_refused_and_ended_in_the_workspace(signing):
    signing.scene.workspace.add_user(GUEST)
    signing.server.rules.signed_in = GUEST
    signing.server.rules.offers_revocation = True
    address = await signing.answer()
    assert "a different user" in await signing.refused(address, PatForeignUserError)
    assert signing.pats.user == ""
    await signing.scene.until(lambda: signing.server.sessions()[-1]["is_revoked"])
    signing.server.rules.signed_in = OWNER
    await signing.connect()


async def test_a_refusal_is_said_in_the_workspaces_own_words(signing):
    said = await signing.refused(await signing.answer("deny"))
    assert "(access_denied)" in said
    assert "denied access to databricks-cli" in said
    signing.server.rules.allows_client = False
    said = await signing.refused(await signing.answer())
    assert "is disabled by your administrator" in said
    assert "personal access token" in said


@pytest.mark.parametrize("decision", ["allow", "deny"])
@pytest.mark.parametrize("names_issuer", [True, False])
async def test_an_answer_must_name_its_server_where_the_workspace_says_that_all_do(
    signing, names_issuer: bool, decision: Decision
):
    """RFC 9207 §2.4: otherwise another server's answer would only have to leave its name out."""
    signing.server.rules.names_issuer = names_issuer
    address = await signing.answer(decision)
    assert ("iss" in query(address)) is names_issuer
    bare = re.sub("iss=[^&]*&", "", address)
    assert "another server" in await signing.refused(f"{bare}&iss=https://other.example/oidc")
    if names_issuer:
        assert "which server" in await signing.refused(bare)
    if decision == "deny":
        assert "access_denied" in await signing.refused(address)
    else:
        await signing.sign_in.answer(address)


async def test_a_code_alone_needs_a_server_that_says_that_it_checks_pkce(signing):
    metadata = "/oidc/.well-known/oauth-authorization-server"
    found = await signing.scene.api.public_json(metadata)
    del found["code_challenge_methods_supported"]
    with signing.scene.odd_reply(metadata, json.dumps(found).encode()):
        address = await signing.answer()
    assert "whole address" in await signing.refused(query(address)["code"])
    await signing.sign_in.answer(address)


async def test_endpoints_on_another_host_are_not_used(signing):
    metadata = "/oidc/.well-known/oauth-authorization-server"
    good = "https://evil.example/oidc/v1"
    body = f'{{"authorization_endpoint": "{good}/authorize", "token_endpoint": "{good}/token"}}'
    with signing.scene.odd_reply(metadata, body.encode()), pytest.raises(SignInError, match="host"):
        await signing.sign_in.begin()


async def test_a_redirect_of_the_token_endpoint_takes_nothing_to_another_host():
    """As the SDK's own client does: a 307 repeats the request there, refresh token and all."""
    stranger: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stranger.append(await reader.read(100))
        writer.close()

    async def workspace(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host = head.lower().split(b"\r\nhost: ")[1].split(b"\r\n")[0].decode()
        if head.startswith(b"GET"):
            names = ("authorization_endpoint", "token_endpoint", "issuer")
            body = json.dumps({name: f"http://{host}/{name}" for name in names})
            status = f"200 OK\r\nContent-Length: {len(body)}"
        else:
            status, body = f"307 Moved\r\nContent-Length: 0\r\nLocation: {there}", ""
        writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()

    async with (
        await asyncio.start_server(elsewhere, "127.0.0.1", 0) as other,
        await asyncio.start_server(workspace, "127.0.0.1", 0) as server,
    ):
        there, here = (
            f"http://127.0.0.1:{each.sockets[0].getsockname()[1]}" for each in (other, server)
        )
        api = WorkspaceApi(here)
        client = Authorization(api, "databricks-cli", "http://localhost:8020", SystemClock())
        consent = await client.ask()
        with pytest.raises(DbxAgentsError):
            await client.exchange(consent, Secret("a code"))
        with pytest.raises(DbxAgentsError):
            await client.refresh(consent.endpoints, Secret("a refresh token"))
        await api.close()
    assert stranger == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("429", 429),
        ("status", 503),
        ("status", 403),
        *[(kind, 0) for kind in ("drop_before", "drop_after", "hang")],
    ],
)
async def test_a_fault_of_the_token_endpoint_can_be_tried_again(
    signing, kind: FaultKind, status: int, monkeypatch
):
    monkeypatch.setattr("jupyter_dbx_agents.workspace_api.TOTAL_TIMEOUT_SECONDS", 0.5)
    signing.scene.workspace.faults.add(Fault(TOKEN_PATH, kind, status=status, times=1))
    address = await signing.answer()
    assert "not accept" not in await signing.refused(address, DbxAgentsError)
    if kind == "drop_after":  # the code is used up
        assert "already used" in await signing.refused(address)
        address = await signing.answer()
    await signing.sign_in.answer(address)
    assert signing.pats.state == "active"


async def test_the_callback_needs_the_state(signing):
    there = query(await signing.answer())
    with pytest.raises(SignInError, match="which sign-in"):
        await signing.sign_in.answer_callback({"code": there["code"]})
    with pytest.raises(SignInError, match="somebody else"):
        await signing.sign_in.answer_callback(there | {"state": "guess"})
    await signing.sign_in.answer_callback(there)
    assert signing.pats.state == "active"


# ---- the session, where PATs may be made


async def test_pats_are_minted_and_rotate_as_ever_and_none_is_pasted(signing):
    await signing.connect()
    for _ in range(3):
        before = signing.pats.current()
        await signing.scene.pass_time_until(lambda b=before: signing.pats.current() != b, 60)
    assert signing.kinds() == ["oauth", "pat", "pat", "pat", "pat"]
    assert signing.refreshes() == 0
    assert signing.pats.status()["credential"] == "pat"


async def test_a_pat_that_lapsed_while_idle_is_minted_anew_without_the_owner(signing):
    await signing.connect()
    signing.scene.in_use[0] = False
    await signing.scene.pass_time_until(lambda: signing.pats.state == "paused", 120)
    assert signing.pats.current() is None
    assert signing.pats.status()["is_signed_in"]
    signing.scene.clock.advance(2 * 3600)  # the access token is over, too
    signing.scene.in_use[0] = True
    signing.pats.session_opened()
    await signing.scene.until(lambda: signing.pats.current() is not None)
    assert signing.pats.state == "active"
    assert signing.refreshes() == 1


async def test_a_revoked_pat_is_replaced_by_the_session(signing):
    await signing.connect()
    lost = signing.pats.current()
    signing.scene.workspace.tokens.revoke(signing.scene.token(lost).token_id)
    fresh = await signing.pats.replace_refused(lost)
    assert fresh is not None
    assert fresh != lost
    assert signing.pats.state == "active"


async def test_tokens_that_are_refused_one_after_the_other_are_renewed_with_pauses(signing):
    await signing.connect()
    for _ in range(2):
        lost = signing.pats.current()
        signing.scene.workspace.tokens.revoke(signing.scene.token(lost).token_id)
        signing.scene.clock.advance(2)
        fresh = await signing.pats.replace_refused(lost)
    assert fresh is None
    await signing.scene.pass_time_until(lambda: signing.pats.current() is not None, 1)


async def test_a_call_waits_for_a_token_that_lapsed_and_is_renewed(signing):
    await signing.connect()
    signing.scene.in_use[0] = False
    await signing.scene.pass_time_until(lambda: signing.pats.state == "paused", 120)
    await asyncio.gather(*(signing.pats.ready() for _ in range(5)))
    assert signing.pats.promise() is not None
    assert signing.kinds().count("pat") == 2


async def test_pats_that_are_forbidden_meanwhile_give_way_to_the_sessions_token(signing):
    await signing.connect()
    signing.forbid_pats()
    while signing.pats.status()["credential"] != "oauth":
        signing.scene.clock.advance(60)
        assert signing.pats.current() is not None
        await asyncio.sleep(0.05)
    assert signing.pats.state == "active"


async def test_a_renewal_that_takes_longer_than_a_call_waits_is_not_lost(signing, monkeypatch):
    """The refresh token that was sent is used up: a second use of it would end the session."""
    monkeypatch.setattr("jupyter_dbx_agents.pat.rotator.READY_SECONDS", 0.1)
    await signing.connect()
    signing.scene.in_use[0] = False
    await signing.scene.pass_time_until(lambda: signing.pats.state == "paused", 120)
    signing.scene.clock.advance(3600)
    signing.scene.workspace.faults.add(Fault(TOKEN_PATH, "late", seconds=1, times=1))
    await signing.pats.ready()
    assert signing.pats.current() is None
    signing.scene.in_use[0] = True
    await signing.scene.pass_time_until(lambda: signing.pats.current() is not None, 1)
    assert not signing.server.sessions()[-1]["is_revoked"]
    assert signing.refreshes() == 1


async def test_a_token_api_that_is_down_costs_one_refresh_only(signing):
    signing.forbid_pats()
    await signing.connect()
    create = "/api/2.0/token/create"
    signing.scene.workspace.faults.add(Fault(create, "status", status=503, times=3))
    await signing.scene.pass_time_until(lambda: signing.pats.state == "retrying", 200)
    await signing.scene.pass_time_until(lambda: signing.pats.state == "active", 5)
    assert signing.refreshes() == 1


# ---- the session, where PATs are forbidden


async def test_the_access_token_is_the_credential_where_pats_are_forbidden(signing):
    signing.forbid_pats()
    await signing.connect()
    status = signing.pats.status()
    assert (status["state"], status["credential"]) == ("active", "oauth")
    assert "disabled" in status["message"]
    assert signing.kinds() == ["oauth"]
    assert signing.scene.token(signing.pats.current()).kind == "oauth"


async def test_it_is_refreshed_before_its_end_and_no_promise_outlives_it(signing):
    signing.forbid_pats()
    await signing.connect()
    seen: set[str] = set()
    began_at = signing.scene.clock.now()
    while len(seen) < 20:
        promise = signing.pats.promise()
        assert promise is not None
        token = signing.scene.token(promise.access_token)
        seen.add(token.token_id)
        assert promise.expires_on <= token.expires_at.timestamp()
        assert token.status(signing.scene.workspace.clock()) == "live"
        signing.scene.clock.advance(200)
        await signing.scene.until(lambda: signing.pats.current() is not None)
        await asyncio.sleep(0.02)
    assert signing.refreshes() in {19, 20}
    # After two thirds of the hour each, and not at the interval of PATs.
    assert (signing.scene.clock.now() - began_at).total_seconds() > 19 * 2000
    assert signing.pats.rotations >= 19
    assert not signing.server.sessions()[-1]["is_revoked"]


async def test_a_busy_server_is_asked_again_with_pauses_while_the_token_lives(signing):
    signing.forbid_pats()
    await signing.connect()
    token = signing.pats.current()
    signing.scene.workspace.faults.add(Fault(TOKEN_PATH, "status", status=503))
    await signing.scene.pass_time_until(lambda: signing.pats.state == "retrying", 100)
    assert signing.pats.current() == token
    signing.scene.workspace.faults.clear()
    await signing.scene.pass_time_until(lambda: signing.pats.state == "active", 5)
    assert signing.pats.current() != token


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407])
async def test_only_the_servers_own_refusal_ends_a_session_and_no_proxys(signing, status: int):
    """RFC 6749 §5.2: a refusal names its error in ``error``; a proxy or access list does not."""
    signing.forbid_pats()
    await signing.connect()
    token = signing.pats.current()
    signing.scene.workspace.faults.add(Fault(TOKEN_PATH, "status", status=status, times=3))
    await signing.scene.pass_time_until(lambda: signing.pats.state == "retrying", 100)
    assert f"HTTP {status}" in signing.pats.message
    assert signing.pats.is_signed_in
    await signing.scene.pass_time_until(lambda: signing.pats.state == "active", 5)
    assert signing.pats.current() != token
    assert signing.refreshes() == 4
    assert not signing.server.sessions()[-1]["is_revoked"]


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_request"])
async def test_after_a_refused_refresh_the_owner_can_sign_in_again_at_once(signing, error: str):
    signing.server.rules.invalid_refresh_error = error
    signing.server.rules.refresh_token_seconds = 1000
    signing.forbid_pats()
    await signing.connect()
    token = signing.pats.current()
    await signing.scene.pass_time_until(lambda: signing.pats.state == "needed", 200)
    status = signing.pats.status()
    assert "ended your sign-in: Refresh token is invalid" in status["message"]
    assert "Sign in again." in status["hint"]
    assert not status["is_signed_in"]
    assert signing.pats.current() == token  # it is good, and agents go on with it
    assert not is_usable(status)  # by the prompt, which asks
    shown = {"workspace": "https://w", "pat": status, "gateway": {}}
    page = render_page(
        shown, path="/", xsrf_field="", lab_url="/lab", start=Start("", frozenset(), {}, {})
    )
    assert "Sign in to Databricks" in page
    assert "Log out" in page
    requests = signing.refreshes()
    with pytest.raises(SignInError, match="ended your sign-in"):
        await signing.pats.rotate()
    for _ in range(5):
        signing.scene.clock.advance(20)
        await asyncio.sleep(0.02)
    assert (signing.pats.state, signing.pats.current()) == ("needed", token)
    assert signing.refreshes() == requests  # a refused token is not tried again
    signing.server.rules.refresh_token_seconds = 10**6
    await signing.connect()
    assert signing.pats.state == "active"
    assert signing.pats.status()["is_signed_in"]


async def test_the_last_token_of_a_session_that_ended_leaves_its_words(signing):
    signing.server.rules.refresh_token_seconds = 1000
    signing.forbid_pats()
    await signing.connect()
    await signing.scene.pass_time_until(lambda: signing.pats.current() is None, 200)
    status = signing.pats.status()
    assert status["state"] == "needed"
    assert "ended your sign-in: Refresh token is invalid" in status["message"]


async def test_a_session_that_ended_while_nothing_was_open_needs_the_owner(signing):
    await signing.connect()
    signing.scene.in_use[0] = False
    await signing.scene.pass_time_until(lambda: signing.pats.state == "paused", 120)
    signing.server.end_sessions()
    signing.scene.clock.advance(3600)
    signing.scene.in_use[0] = True
    await signing.scene.pass_time_until(lambda: signing.pats.state == "needed", 5)
    assert "ended your sign-in" in signing.pats.message


# ---- its end


@pytest.mark.parametrize("offers_revocation", [True, False])
async def test_a_log_out_forgets_the_session_and_ends_it_where_that_is_possible(
    signing, offers_revocation: bool
):
    signing.server.rules.offers_revocation = offers_revocation
    await signing.connect()
    await signing.pats.log_out()
    status = signing.pats.status()
    assert (status["state"], status["is_signed_in"]) == ("needed", False)
    assert signing.server.sessions()[-1]["is_revoked"] is offers_revocation
    assert signing.scene.living() == []
    signing.scene.clock.advance(3600)
    signing.pats.session_opened()
    await asyncio.sleep(0.1)
    assert signing.pats.current() is None


async def test_no_event_of_a_log_out_says_that_a_token_that_is_gone_is_valid(signing):
    await signing.connect()
    seen: list[tuple[str, bool]] = []
    signing.pats.on_change.append(
        lambda: seen.append((signing.pats.state.value, signing.pats.current() is None))
    )
    await signing.pats.log_out()
    assert ("needed", True) in seen
    assert ("active", True) not in seen


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_new_sign_in_leaves_the_promised_tokens_of_the_last_one_alone_until_their_end(
    signing, is_replaced: bool
):
    """Where a session can be ended, its access tokens end with it: also those replaced before."""
    signing.server.rules.offers_revocation = True
    signing.forbid_pats()
    await signing.connect()
    promise = signing.pats.promise()
    if is_replaced:
        await signing.pats.rotate()
        assert signing.pats.current() != promise.access_token
    await signing.connect()
    await signing.scene.pass_time_until(lambda: signing.server.sessions()[0]["is_revoked"], 5)
    assert signing.scene.clock.now().timestamp() >= promise.expires_on
    assert not signing.server.sessions()[1]["is_revoked"]


async def test_a_stop_ends_the_session_too(signing):
    signing.server.rules.offers_revocation = True
    await signing.connect()
    await signing.pats.stop()
    assert signing.server.sessions()[-1]["is_revoked"]
    assert signing.scene.living() == []


@pytest.mark.parametrize("request_of", ["a refresh", "a code"])
@pytest.mark.parametrize("end", ["log out", "stop"])
async def test_what_a_request_brings_after_the_end_of_the_session_is_revoked(
    signing, request_of: str, end: str
):
    """The refresh token that it was sent with is used up, and to revoke that may end nothing."""
    rules = signing.server.rules
    rules.offers_revocation = True
    signing.server.revoke = only_newest(signing.server)
    signing.forbid_pats()
    late = Fault(TOKEN_PATH, "late", seconds=0.2, times=1)
    if request_of == "a code":
        address = await signing.answer()
        signing.scene.workspace.faults.add(late)
        running = asyncio.ensure_future(signing.sign_in.answer(address))
    else:
        await signing.connect()
        signing.scene.workspace.faults.add(late)
        running = asyncio.ensure_future(signing.pats.rotate())
    await signing.scene.until(lambda: late.used_count == 1)
    await (signing.pats.log_out() if end == "log out" else signing.pats.stop())
    with pytest.raises(DbxAgentsError):
        await running
    await signing.scene.pass_time_until(lambda: signing.server.sessions()[-1]["is_revoked"], 1)
    assert signing.pats.current() is None
    assert not signing.pats.is_signed_in
    assert signing.refreshes() <= 1


async def test_a_request_that_outlasts_the_end_of_its_session_is_revoked_after_it(signing):
    signing.server.rules.offers_revocation = True
    signing.server.revoke = only_newest(signing.server)
    signing.forbid_pats()
    await signing.connect()
    late = signing.scene.workspace.faults.add(Fault(TOKEN_PATH, "late", seconds=2, times=1))
    rotating = asyncio.ensure_future(signing.pats.rotate())
    await signing.scene.until(lambda: late.used_count == 1)
    await signing.pats.log_out()
    with pytest.raises(DbxAgentsError):
        await rotating
    await signing.scene.pass_time_until(lambda: signing.server.sessions()[-1]["is_revoked"], 1)
    assert signing.refreshes() == 1


def only_newest(server):
    """The end of a session as servers may have it: not by a refresh token that was used."""
    revoke = server.revoke

    def revoke_if_newest(refresh_token: str) -> None:
        entry = server._refresh_tokens.get(_hash(refresh_token))
        if entry is not None and not entry.is_used:
            revoke(refresh_token)

    return revoke_if_newest


async def test_a_pasted_token_replaces_a_session_and_the_other_way_round(signing):
    signing.server.rules.offers_revocation = True
    await signing.connect()
    await signing.pats.adopt(signing.scene.sample())
    assert not signing.pats.status()["is_signed_in"]
    await signing.scene.pass_time_until(lambda: signing.server.sessions()[-1]["is_revoked"], 5)
    await signing.connect()
    assert signing.pats.status()["is_signed_in"]


async def test_no_secret_is_in_a_log_at_debug_or_an_error(signing, caplog):
    caplog.set_level(logging.DEBUG)
    signing.server.rules.offers_revocation = True
    secrets: list[str] = []
    request = signing.scene.api._request

    async def spied(method, path, **options):
        form = options.get("data") or {}
        names = ("code", "code_verifier", "refresh_token", "token")
        secrets.extend(form[name] for name in names if name in form)
        response = await request(method, path, **options)
        if path.endswith("/token"):
            body = response.json() if response.is_success else {}
            secrets.extend(body[n] for n in ("access_token", "refresh_token") if n in body)
        return response

    signing.scene.api._request = spied
    signing.forbid_pats()
    address = await signing.answer()
    caplog.clear()  # of what the browser says
    signing.scene.workspace.faults.add(Fault(TOKEN_PATH, "status", status=503, times=1))
    said = [await signing.refused(address, DbxAgentsError)]
    await signing.sign_in.answer(address)
    said.append(await signing.refused(address))
    await signing.scene.pass_time_until(lambda: signing.pats.rotations > 0, 300)
    said += [str(signing.pats.status()), repr(vars(signing.sign_in)), repr(vars(signing.pats))]
    await signing.pats.log_out()
    assert len(set(secrets)) >= 6
    text = caplog.text + "".join(said)
    assert not [secret for secret in set(secrets) if secret in text]

"""The authorization server, by the SDK's own OAuth client and over plain HTTP."""

from __future__ import annotations

import pytest
from databricks.sdk.oauth import Consent, OAuthClient, get_workspace_endpoints

from tests.support.consent import answer, query
from tests.support.constants import OWNER

REDIRECT = "http://localhost:8020"


def consent(site, client_id: str = "databricks-cli", redirect: str = REDIRECT) -> Consent:
    endpoints = get_workspace_endpoints(site.url)
    return OAuthClient(endpoints, redirect, client_id).initiate_consent()


def exchange(site, **fields: str):
    form = {"grant_type": "authorization_code", "client_id": "databricks-cli", **fields}
    return site.http.post("/oidc/v1/token", data={"redirect_uri": REDIRECT, **form})


def refresh(site, token: str, client_id: str = "databricks-cli"):
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
    return site.http.post("/oidc/v1/token", data=form)


def sign_in(site) -> dict:
    asked = consent(site)
    code = query(answer(asked.authorization_url))["code"]
    return exchange(site, code=code, code_verifier=asked.as_dict()["verifier"]).json()


def test_the_sdk_signs_in_calls_as_the_user_and_refreshes(site):
    asked = consent(site)
    there = query(answer(asked.authorization_url))
    assert there["iss"] == f"{site.url}/oidc"
    session = asked.exchange_callback_parameters(there)
    token = session.token()
    assert token.access_token.startswith("eyJ")
    assert token.access_token.count(".") == 2
    assert site.sdk(token.access_token).current_user.me().user_name == OWNER
    fresh = session.refresh()
    assert fresh.refresh_token != token.refresh_token
    assert site.sdk(fresh.access_token).current_user.me().user_name == OWNER


def test_an_access_token_mints_and_lists_pats_and_expires_by_the_workspaces_clock(site):
    access = sign_in(site)["access_token"]
    created = site.sdk(access).tokens.create(comment="by oauth", lifetime_seconds=900)
    assert "by oauth" in [token.comment for token in site.sdk(access).tokens.list()]
    assert created.token_value.startswith("dapi")
    site.control.advance_clock(3600)
    assert site.call("GET", "/api/2.0/preview/scim/v2/Me", access).status_code == 403


def test_whoever_is_signed_in_in_the_browser_is_the_user(site):
    site.control.add_user("guest@example.com")
    site.control.rule_sign_in(signed_in="guest@example.com")
    me = site.sdk(sign_in(site)["access_token"]).current_user.me()
    assert me.user_name == "guest@example.com"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_verifier": "guess"},
        {"code": "guess"},
        {"client_id": "other"},
        {"redirect_uri": "http://x"},
    ],
)
def test_a_code_is_bound_to_its_verifier_client_and_redirect(site, wrong):
    asked = consent(site)
    right = {
        "code": query(answer(asked.authorization_url))["code"],
        "code_verifier": asked.as_dict()["verifier"],
    }
    refused = exchange(site, **(right | wrong))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert exchange(site, **right).status_code == 200


def test_a_code_works_once_and_its_reuse_ends_the_session(site):
    asked = consent(site)
    code = query(answer(asked.authorization_url))["code"]
    form = {"code": code, "code_verifier": asked.as_dict()["verifier"]}
    issued = exchange(site, **form).json()
    assert exchange(site, **form).json()["error"] == "invalid_grant"
    me = site.call("GET", "/api/2.0/preview/scim/v2/Me", issued["access_token"])
    assert me.status_code == 403
    assert refresh(site, issued["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_code_expires(site):
    asked = consent(site)
    code = query(answer(asked.authorization_url))["code"]
    site.control.advance_clock(300)
    late = exchange(site, code=code, code_verifier=asked.as_dict()["verifier"])
    assert late.json()["error"] == "invalid_grant"


def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(site):
    issued = sign_in(site)
    fresh = refresh(site, issued["refresh_token"]).json()
    again = refresh(site, issued["refresh_token"])
    assert again.status_code == 400
    assert again.json() == {
        "error": "invalid_grant",
        "error_description": "Refresh token is invalid",
    }
    assert refresh(site, fresh["refresh_token"]).status_code == 400


def test_refresh_tokens_that_may_be_used_again_are_those_of_older_clients(site):
    site.control.rule_sign_in(single_use_refresh_tokens=False)
    issued = sign_in(site)
    assert refresh(site, issued["refresh_token"]).status_code == 200
    assert refresh(site, issued["refresh_token"]).status_code == 200


def test_refresh_tokens_expire_and_so_does_the_session(site):
    site.control.rule_sign_in(session_seconds=4000, refresh_token_seconds=3000)
    issued = sign_in(site)
    site.control.advance_clock(2000)
    fresh = refresh(site, issued["refresh_token"]).json()
    assert 1900 < fresh["expires_in"] <= 2000
    site.control.advance_clock(2000)
    assert refresh(site, fresh["refresh_token"]).status_code == 400


def test_a_refresh_token_of_another_client_is_refused(site):
    issued = sign_in(site)
    assert refresh(site, issued["refresh_token"], "other").status_code == 400


def test_a_redirect_that_is_not_registered_is_answered_in_the_browser(site):
    stranger = consent(site, redirect="http://127.0.0.1:53890").authorization_url
    page = site.http.get(stranger)
    assert page.status_code == 400
    assert page.json()["error_description"] == (
        "redirect_uri 'http://127.0.0.1:53890' not registered for OAuth application "
        "'databricks-cli'"
    )
    assert site.http.get(consent(site, client_id="nobody").authorization_url).status_code == 400


def test_an_app_of_its_own_has_a_redirect_of_its_own(site):
    site.control.add_oauth_client("our-app", ["https://app.example/callback?x=1"])
    asked = consent(site, "our-app", "https://app.example/callback?x=1")
    assert answer(asked.authorization_url).startswith("https://app.example/callback?x=1&code=")


def test_a_denial_and_a_refused_client_are_sent_back_in_words(site):
    asked = consent(site)
    denied = query(answer(asked.authorization_url, "deny"))
    assert denied["error"] == "access_denied"
    assert denied["state"] == asked.as_dict()["state"]
    site.control.rule_sign_in(allows_client=False)
    refused = query(answer(asked.authorization_url))
    assert refused["error"] == "unauthorized_client"
    assert "administrator" in refused["error_description"]


def test_without_pkce_there_is_no_code(site):
    address = consent(site).authorization_url.replace("S256", "plain")
    assert query(answer(address))["error"] == "invalid_request"


def test_sessions_end_by_revocation_or_an_administrator(site):
    site.control.rule_sign_in(offers_revocation=True)
    metadata = site.http.get("/oidc/.well-known/oauth-authorization-server").json()
    issued = sign_in(site)
    site.http.post(metadata["revocation_endpoint"], data={"token": issued["refresh_token"]})
    assert refresh(site, issued["refresh_token"]).status_code == 400
    other = sign_in(site)
    site.control.end_sign_ins()
    assert refresh(site, other["refresh_token"]).status_code == 400


def test_faults_hit_the_token_endpoint_too(site):
    site.control.add_fault("/oidc/v1/token", "429", retry_after="7", times=1)
    refused = exchange(site, code="x")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")

"""The token API and its errors, through the real SDK and plain HTTP."""

from __future__ import annotations

import hashlib

import pytest
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied

ME = "/api/2.0/preview/scim/v2/Me"
CREATE, LIST, DELETE = (f"/api/2.0/token/{verb}" for verb in ("create", "list", "delete"))


def test_the_sdk_mints_lists_and_revokes_its_own_tokens(site):
    client = site.sdk()
    assert client.current_user.me().user_name == "owner@example.com"
    created = client.tokens.create(comment="mine", lifetime_seconds=900)
    assert created.token_info.expiry_time - created.token_info.creation_time == 900_000
    assert created.token_info.token_id in [t.token_id for t in client.tokens.list()]
    assert site.sdk(created.token_value).current_user.me().active
    client.tokens.delete(created.token_info.token_id)
    assert created.token_info.token_id not in [t.token_id for t in client.tokens.list()]
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        site.sdk(created.token_value).current_user.me()


def test_me_names_the_workspace_in_a_header(site):
    response = site.call("GET", ME)
    assert response.headers["x-databricks-org-id"] == site.workspace.workspace_id
    assert response.json()["userName"] == "owner@example.com"


@pytest.mark.parametrize("cause", ["expired", "revoked", "unknown"])
def test_a_dead_token_is_a_403_with_a_numeric_code(site, cause):
    sample = site.control.mint("owner@example.com", lifetime_seconds=60)
    value = "dapi" + "0" * 32 if cause == "unknown" else sample.token_value
    if cause == "expired":
        assert site.call("GET", ME, value).status_code == 200
        site.control.advance_clock(60)
    if cause == "revoked":
        site.control.revoke(sample.token_id)
    response = site.call("GET", ME, value)
    assert response.status_code == 403
    assert response.json()["error_code"] == 403
    assert response.json()["message"].startswith("Invalid access token. [ReqId: ")
    assert response.headers["X-Databricks-Reason-Phrase"] == "Invalid access token."


def test_a_missing_credential_is_a_401(site):
    response = site.http.get(ME)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="DatabricksRealm"'
    assert response.json()["message"].startswith("Credential was not sent")


def test_token_ids_are_the_hash_of_the_value_or_random(site):
    def create() -> tuple[str, str]:
        created = site.call("POST", CREATE, json={"lifetime_seconds": 60}).json()
        value_sha256 = hashlib.sha256(created["token_value"].encode()).hexdigest()
        return created["token_info"]["token_id"], value_sha256

    token_id, value_sha256 = create()
    assert token_id == value_sha256
    site.control.switch(token_id_scheme="random")
    token_id, value_sha256 = create()
    assert len(token_id) == 64
    assert token_id != value_sha256
    assert site.call("POST", DELETE, json={"token_id": token_id}).is_success


def test_a_token_without_the_authentication_scope_cannot_mint(site):
    scoped = site.control.mint("owner@example.com", scopes=["workspace"]).token_value
    assert site.call("GET", ME, scoped).status_code == 200
    response = site.call("POST", CREATE, scoped, json={})
    assert (response.status_code, response.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "authentication" in response.json()["message"]
    minter = site.control.mint("owner@example.com", scopes=["authentication"]).token_value
    created = site.call("POST", CREATE, minter, json={"scopes": ["all-apis"]})
    assert created.json()["token_info"]["scopes"] == ["all-apis"]


def test_an_exceeded_quota_is_a_400_with_its_own_code(site):
    site.control.switch(token_quota=1)
    with pytest.raises(BadRequest) as caught:
        site.sdk().tokens.create(comment="one too many", lifetime_seconds=60)
    assert caught.value.error_code == "QUOTA_EXCEEDED"


def test_disabled_tokens_are_a_404(site):
    site.control.switch(tokens_disabled=True)
    for method, path in (("GET", LIST), ("POST", CREATE)):
        response = site.call(method, path, json={})
        assert (response.status_code, response.json()["message"]) == (404, "Tokens are disabled.")


def test_users_do_not_list_or_revoke_tokens_of_others(site):
    other = site.control.mint("other@example.com")
    with pytest.raises(NotFound) as caught:
        site.sdk().tokens.delete(other.token_id)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert other.token_id not in [t.token_id for t in site.sdk().tokens.list()]
    assert site.call("GET", ME, other.token_value).json()["userName"] == "other@example.com"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"json": {"lifetime_seconds": 0}}, "INVALID_PARAMETER_VALUE"),
        ({"json": {"lifetime_seconds": "soon"}}, "MALFORMED_REQUEST"),
        ({"json": {"scopes": "all"}}, "MALFORMED_REQUEST"),
        ({"json": ["a", "list"]}, "MALFORMED_REQUEST"),
        ({"content": b"{"}, "MALFORMED_REQUEST"),
    ],
)
def test_invalid_bodies_are_rejected_and_mint_no_token(site, body, code):
    response = site.call("POST", CREATE, **body)
    assert (response.status_code, response.json()["error_code"]) == (400, code)
    assert len(site.control.tokens()) == 1


def test_a_revoked_token_keeps_its_history(site):
    created = site.call("POST", CREATE, json={"lifetime_seconds": 60}).json()
    token_id = created["token_info"]["token_id"]
    site.call("GET", ME, created["token_value"])
    site.call("POST", DELETE, json={"token_id": token_id})
    site.call("GET", ME, created["token_value"])
    history = next(t for t in site.control.tokens() if t["token_id"] == token_id)
    assert history["status"] == "revoked"
    assert history["revoked_at"] > history["last_used_at"] > history["created_at"]
    assert (history["accepted_count"], history["refused_count"]) == (1, 1)
    assert created["token_value"] not in site.control._http.get("/requests").text
    assert created["token_value"] not in site.control._http.get("/tokens").text


def test_unknown_paths_and_methods_are_errors_in_the_platforms_form(site):
    assert site.call("GET", "/api/2.0/nothing").json()["error_code"] == "ENDPOINT_NOT_FOUND"
    assert site.call("GET", "/api/2.0/nothing").status_code == 404
    assert site.call("DELETE", CREATE).status_code == 405


def test_a_revocation_may_take_effect_late(site):
    site.control.switch(revocation_delay_seconds=30)
    sample = site.control.mint("owner@example.com")
    site.call("POST", DELETE, json={"token_id": sample.token_id})
    assert sample.token_id not in site.call("GET", LIST).text
    assert site.call("GET", ME, sample.token_value).status_code == 200
    site.control.advance_clock(30)
    assert site.call("GET", ME, sample.token_value).status_code == 403

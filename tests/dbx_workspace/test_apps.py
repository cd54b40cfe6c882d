"""The Apps API and its service principal's OAuth, through the real SDK."""

from __future__ import annotations

import uuid

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied


def _as_app(site) -> WorkspaceClient:
    return WorkspaceClient(
        host=site.url,
        client_id=site.app.client_id,
        client_secret=site.app.client_secret,
        auth_type="oauth-m2m",
    )


def test_the_apps_service_principal_reads_its_own_creator(site):
    assert _as_app(site).apps.get("dbx-agents").creator == "owner@example.com"
    assert site.sdk().apps.get("dbx-agents").creator == "owner@example.com"


def test_a_creator_may_be_a_uuid(site):
    creator = str(uuid.uuid4())
    site.control.change_app("dbx-agents", creator=creator)
    assert _as_app(site).apps.get("dbx-agents").creator == creator


def test_errors_are_set_through_the_control_api(site):
    client = _as_app(site)
    site.control.change_app("dbx-agents", get_status=403)
    with pytest.raises(PermissionDenied):
        client.apps.get("dbx-agents")
    site.control.change_app("dbx-agents", get_status=404)
    with pytest.raises(NotFound):
        client.apps.get("dbx-agents")
    site.control.change_app("dbx-agents", get_status=500)
    assert site.call("GET", "/api/2.0/apps/dbx-agents").status_code == 500
    site.control.change_app("dbx-agents", get_status=0)
    assert client.apps.get("dbx-agents").name == "dbx-agents"


def test_a_service_principal_is_not_a_user(site):
    assert "@" not in str(_as_app(site).current_user.me().user_name)


def test_an_oauth_token_expires_after_an_hour(site):
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    credentials = (site.app.client_id, site.app.client_secret)
    token = site.http.post("/oidc/v1/token", data=form, auth=credentials).json()
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    path = "/api/2.0/apps/dbx-agents"
    assert site.call("GET", path, token["access_token"]).status_code == 200
    site.control.advance_clock(3600)
    assert site.call("GET", path, token["access_token"]).status_code == 403


@pytest.mark.parametrize(
    ("secret", "grant", "status", "error"),
    [
        ("wrong", "client_credentials", 401, "invalid_client"),
        ("", "client_credentials", 401, "invalid_client"),
        (None, "password", 400, "unsupported_grant_type"),
    ],
)
def test_bad_client_credentials_are_oauth_errors(site, secret, grant, status, error):
    credentials = (site.app.client_id, site.app.client_secret if secret is None else secret)
    response = site.http.post("/oidc/v1/token", data={"grant_type": grant}, auth=credentials)
    assert (response.status_code, response.json()["error"]) == (status, error)

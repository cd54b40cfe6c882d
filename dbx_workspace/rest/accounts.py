"""The operations of the SCIM, token, OAuth and discovery APIs."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs

from .. import platform_errors as errors
from ..apps.records import App
from ..state import Workspace
from ..web import ApiHandler, Json, Route, routes
from .tokens import ALL_SCOPES, DEFAULT_LIFETIME_SECONDS, OAUTH_LIFETIME_SECONDS


def _me(call: ApiHandler) -> Json:
    """Return the SCIM record of the token's user or service principal."""
    call.set_header("x-databricks-org-id", call.workspace.workspace_id)
    user = call.workspace.users.get(call.token.principal)
    return user.scim() if user else _service_principal_scim(call.token.principal)


def _create_token(call: ApiHandler) -> Json:
    """Mint a PAT for the caller; only this response has its value."""
    body = call.json_body()
    value, token = call.workspace.tokens.create(
        call.token,
        lifetime_seconds=_lifetime_seconds(body),
        comment=str(body.get("comment", "")),
        scopes=_scopes(body),
    )
    return {"token_value": value, "token_info": token.public_info()}


def _list_tokens(call: ApiHandler) -> Json:
    """Return the caller's live PATs, oldest first."""
    call.workspace.tokens.require_enabled()
    live = call.workspace.tokens.live_of(call.token.principal)
    return {"token_infos": [token.public_info() for token in live]}


def _delete_token(call: ApiHandler) -> Json:
    """Revoke one of the caller's own PATs."""
    token_id = call.json_body().get("token_id")
    if not isinstance(token_id, str) or not token_id:
        raise errors.invalid_parameter("Missing required field: token_id")
    call.workspace.tokens.delete(call.token.principal, token_id)
    return {}


def _databricks_config(call: ApiHandler) -> Json:
    """Return the host's metadata, which the SDKs read first."""
    return {
        "oidc_endpoint": f"{_origin(call)}/oidc",
        "account_id": "00000000-0000-4000-8000-000000000001",
        "workspace_id": call.workspace.workspace_id,
        "cloud": "AWS",
        "host_type": "workspace",
    }


def _authorization_server(call: ApiHandler) -> Json:
    """Return the authorization server's endpoints (RFC 8414)."""
    issuer = f"{_origin(call)}/oidc"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/v1/authorize",
        "token_endpoint": f"{issuer}/v1/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "scopes_supported": ["all-apis"],
    }


def _oauth_token(call: ApiHandler) -> Json:
    """Return a one-hour bearer token for an app's service principal, or an OAuth error."""
    form = parse_qs(call.request.body.decode("utf-8", "replace"))
    app = _client(call, form)
    if app is None:
        call.set_header("WWW-Authenticate", 'Basic realm="databricks"')
        call.set_status(401)
        return _oauth_error("invalid_client", "Client authentication failed")
    if form.get("grant_type") != ["client_credentials"]:
        call.set_status(400)
        return _oauth_error("unsupported_grant_type", "Only client_credentials is supported")
    scopes = form.get("scope", ["all-apis"])[0].split()
    value, _ = call.workspace.tokens.mint(
        app.client_id, kind="oauth", lifetime_seconds=OAUTH_LIFETIME_SECONDS, scopes=scopes
    )
    return {
        "access_token": value,
        "token_type": "Bearer",
        "expires_in": OAUTH_LIFETIME_SECONDS,
        "scope": " ".join(scopes),
    }


def account_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the SCIM, token, OAuth and discovery APIs."""
    tokens = {
        r"/api/2\.0/token/create": {"POST": _create_token},
        r"/api/2\.0/token/list": {"GET": _list_tokens},
        r"/api/2\.0/token/delete": {"POST": _delete_token},
    }
    public = {
        r"/\.well-known/databricks-config": {"GET": _databricks_config},
        r"/oidc/\.well-known/oauth-authorization-server": {"GET": _authorization_server},
        r"/oidc/v1/token": {"POST": _oauth_token},
    }
    return [
        *routes(workspace, {r"/api/2\.0/preview/scim/v2/Me": {"GET": _me}}),
        *routes(workspace, tokens, scope="authentication"),
        *routes(workspace, public, needs_token=False),
    ]


def _client(call: ApiHandler, form: dict[str, list[str]]) -> App | None:
    client_id, client_secret = _basic_credentials(call.request.headers.get("Authorization", ""))
    client_id = client_id or form.get("client_id", [""])[0]
    client_secret = client_secret or form.get("client_secret", [""])[0]
    return call.workspace.apps.by_credentials(client_id, client_secret)


def _oauth_error(error: str, description: str) -> Json:
    return {"error": error, "error_description": description}


def _origin(call: ApiHandler) -> str:
    return f"{call.request.protocol}://{call.request.host}"


def _basic_credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _service_principal_scim(client_id: str) -> dict[str, object]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"],
        "id": client_id[:8],
        "userName": client_id,
        "displayName": f"app {client_id[:8]}",
        "active": True,
    }


def _lifetime_seconds(body: dict[str, Any]) -> float:
    lifetime = body.get("lifetime_seconds", DEFAULT_LIFETIME_SECONDS)
    if isinstance(lifetime, bool) or not isinstance(lifetime, int):
        raise errors.malformed_request("lifetime_seconds must be an integer.")
    return lifetime


def _scopes(body: dict[str, Any]) -> list[str]:
    scopes = body.get("scopes") or list(ALL_SCOPES)
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise errors.malformed_request("scopes must be a list of strings.")
    return scopes

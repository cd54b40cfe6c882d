"""The operations of the SCIM and token APIs."""

from __future__ import annotations

from typing import Any

from .. import platform_errors as errors
from ..state import Workspace
from ..web import ApiHandler, Json, Route, routes
from .tokens import ALL_SCOPES, DEFAULT_LIFETIME_SECONDS


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


def account_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the SCIM and token APIs."""
    tokens = {
        r"/api/2\.0/token/create": {"POST": _create_token},
        r"/api/2\.0/token/list": {"GET": _list_tokens},
        r"/api/2\.0/token/delete": {"POST": _delete_token},
    }
    return [
        *routes(workspace, {r"/api/2\.0/preview/scim/v2/Me": {"GET": _me}}),
        *routes(workspace, tokens, scope="authentication"),
    ]


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

"""The REST APIs apart from files, models and apps: who am I, tokens, OAuth, discovery."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs

from .. import platform_errors as errors
from ..apps.records import App
from ..web import WorkspaceHandler
from .tokens import ALL_SCOPES, DEFAULT_LIFETIME_SECONDS, OAUTH_LIFETIME_SECONDS


class MeHandler(WorkspaceHandler):
    """`GET /api/2.0/preview/scim/v2/Me`: the token's user or service principal."""

    def get(self) -> None:
        """Answers with the SCIM record and the workspace's id."""
        self.set_header("x-databricks-org-id", self.workspace.workspace_id)
        user = self.workspace.users.get(self.token.principal)
        if user is not None:
            self.write_json(user.scim())
        else:
            self.write_json(_service_principal_scim(self.token.principal))


class TokenHandler(WorkspaceHandler):
    """What the token API's calls share: the scope, and that tokens are for people here."""

    required_scope = "authentication"


class TokenCreateHandler(TokenHandler):
    """`POST /api/2.0/token/create`: a PAT mints a PAT for the same user."""

    def post(self) -> None:
        """Mints and answers with the value, once."""
        body = self.json_body()
        value, token = self.workspace.tokens.create(
            self.token,
            lifetime_seconds=_lifetime_seconds(body),
            comment=str(body.get("comment", "")),
            scopes=_scopes(body),
        )
        self.write_json({"token_value": value, "token_info": token.public_info()})


class TokenListHandler(TokenHandler):
    """`GET /api/2.0/token/list`: the user's valid PATs."""

    def get(self) -> None:
        """Lists them, newest last."""
        self.workspace.tokens.require_enabled()
        live = self.workspace.tokens.live_of(self.token.principal)
        self.write_json({"token_infos": [token.public_info() for token in live]})


class TokenDeleteHandler(TokenHandler):
    """`POST /api/2.0/token/delete`: revokes one of the user's own PATs."""

    def post(self) -> None:
        """Revokes at once."""
        token_id = self.json_body().get("token_id")
        if not isinstance(token_id, str) or not token_id:
            raise errors.invalid_parameter("Missing required field: token_id")
        self.workspace.tokens.delete(self.token.principal, token_id)
        self.write_json({})


class DatabricksConfigHandler(WorkspaceHandler):
    """`GET /.well-known/databricks-config`: where the SDKs start."""

    needs_token = False

    def get(self) -> None:
        """Answers with the host's metadata."""
        self.write_json(
            {
                "oidc_endpoint": f"{_origin(self)}/oidc",
                "account_id": "00000000-0000-4000-8000-000000000001",
                "workspace_id": self.workspace.workspace_id,
                "cloud": "AWS",
                "host_type": "workspace",
            }
        )


class OidcDiscoveryHandler(WorkspaceHandler):
    """`GET /oidc/.well-known/oauth-authorization-server`."""

    needs_token = False

    def get(self) -> None:
        """Answers with the authorization server's endpoints."""
        issuer = f"{_origin(self)}/oidc"
        self.write_json(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/v1/authorize",
                "token_endpoint": f"{issuer}/v1/token",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "scopes_supported": ["all-apis"],
            }
        )


class OidcTokenHandler(WorkspaceHandler):
    """`POST /oidc/v1/token`: client credentials of an app's service principal."""

    needs_token = False

    def post(self) -> None:
        """Answers with a bearer token of one hour, or with an OAuth error."""
        form = parse_qs(self.request.body.decode("utf-8", "replace"))
        app = self._client(form)
        if app is None:
            self.set_header("WWW-Authenticate", 'Basic realm="databricks"')
            return self._refuse(401, "invalid_client", "Client authentication failed")
        if form.get("grant_type") != ["client_credentials"]:
            return self._refuse(
                400, "unsupported_grant_type", "Only client_credentials is supported"
            )
        scopes = form.get("scope", ["all-apis"])[0].split()
        value, _ = self.workspace.tokens.mint(
            app.client_id, kind="oauth", lifetime_seconds=OAUTH_LIFETIME_SECONDS, scopes=scopes
        )
        return self.write_json(
            {
                "access_token": value,
                "token_type": "Bearer",
                "expires_in": OAUTH_LIFETIME_SECONDS,
                "scope": " ".join(scopes),
            }
        )

    def _client(self, form: dict[str, list[str]]) -> App | None:
        client_id, client_secret = _basic_credentials(self.request.headers.get("Authorization", ""))
        client_id = client_id or form.get("client_id", [""])[0]
        client_secret = client_secret or form.get("client_secret", [""])[0]
        return self.workspace.apps.by_client(client_id, client_secret)

    def _refuse(self, status: int, error: str, description: str) -> None:
        self.write_json({"error": error, "error_description": description}, status)


def _origin(handler: WorkspaceHandler) -> str:
    return f"{handler.request.protocol}://{handler.request.host}"


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

"""The operations of the OAuth and discovery APIs, and the page that asks the user for consent."""

from __future__ import annotations

import base64
import binascii
import html
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from ..apps.records import App
from ..state import Workspace
from ..web import ApiHandler, Json, Operations, Route, routes
from .oauth import AuthorizationRequest, OAuthError, with_query
from .tokens import OAUTH_LIFETIME_SECONDS

AUTHORIZE_PATH = "/oidc/v1/authorize"
CONSENT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Databricks (local) – Authorize</title></head>
<body><main><h1>Authorize {client}</h1>
<p>You are signed in as <strong>{user}</strong>.</p>
<p>{client} asks for: {scopes}</p>
<form method="post" action="{path}">{fields}
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></form></main></body></html>
"""
_FIELDS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)


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
    """Return the authorization server's metadata (RFC 8414)."""
    issuer = _issuer(call)
    rules = call.workspace.sign_in.rules
    revocation = {"revocation_endpoint": f"{issuer}/v1/revoke"} if rules.offers_revocation else {}
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/v1/authorize",
        "token_endpoint": f"{issuer}/v1/token",
        "response_types_supported": ["code"],
        "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
        "scopes_supported": ["all-apis", "offline_access"],
        "authorization_response_iss_parameter_supported": rules.names_issuer,
        **revocation,
    }


def _show_consent(call: ApiHandler) -> Json | None:
    """Ask the user who is signed in in the browser, or refuse the client."""
    fields = {name: call.get_query_argument(name, "") for name in _FIELDS}
    request, refused = _authorization_request(call, fields)
    if refused is not None:
        return refused
    refusal = call.workspace.sign_in.refusal(request)
    if refusal is not None:
        _answer(call, request, refusal.body())
        return None
    call.set_header("Content-Type", "text/html; charset=utf-8")
    call.finish(_consent_page(request, fields, _user(call)))
    return None


def _consent(call: ApiHandler) -> Json | None:
    """Send the user's decision to the client's redirect."""
    form = _form(call)
    request, refused = _authorization_request(call, form)
    if refused is not None:
        return refused
    if form.get("decision") == "allow":
        _answer(call, request, {"code": call.workspace.sign_in.allow(request, _user(call))})
    else:
        denied = OAuthError("access_denied", f"{_user(call)} denied access to {request.client_id}")
        _answer(call, request, denied.body())
    return None


def _token(call: ApiHandler) -> Json:
    """Return tokens for an app's credentials, a code or a refresh token, or an OAuth error."""
    form, server = _form(call), call.workspace.sign_in
    grant_type = form.get("grant_type", "")
    try:
        if grant_type == "authorization_code":
            issued = server.exchange(
                form.get("code", ""),
                form.get("client_id", ""),
                form.get("redirect_uri", ""),
                form.get("code_verifier", ""),
            )
        elif grant_type == "refresh_token":
            issued = server.refresh(form.get("refresh_token", ""), form.get("client_id", ""))
        else:
            return _service_principal_token(call, form)
    except OAuthError as error:
        call.set_status(error.status)
        return error.body()
    call.set_header("Cache-Control", "no-store")
    return issued.body()


def _service_principal_token(call: ApiHandler, form: Mapping[str, str]) -> Json:
    """Return a one-hour bearer token for an app's service principal, or an OAuth error."""
    app = _client(call, form)
    if app is None:
        call.set_header("WWW-Authenticate", 'Basic realm="databricks"')
        raise OAuthError("invalid_client", "Client authentication failed", HTTPStatus.UNAUTHORIZED)
    if form.get("grant_type") != "client_credentials":
        raise OAuthError("unsupported_grant_type", "This grant type is not supported")
    scopes = form.get("scope", "all-apis").split()
    value, _ = call.workspace.tokens.mint(
        app.client_id, kind="oauth", lifetime_seconds=OAUTH_LIFETIME_SECONDS, scopes=scopes
    )
    return {
        "access_token": value,
        "token_type": "Bearer",
        "expires_in": OAUTH_LIFETIME_SECONDS,
        "scope": " ".join(scopes),
    }


def _revoke(call: ApiHandler) -> Json:
    """End the session of a refresh token, where the server offers that (RFC 7009)."""
    call.workspace.sign_in.revoke(_form(call).get("token", ""))
    return {}


def oauth_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the OAuth and discovery APIs; none needs a bearer token."""
    public: Operations = {
        r"/\.well-known/databricks-config": {"GET": _databricks_config},
        r"/oidc/\.well-known/oauth-authorization-server": {"GET": _authorization_server},
        AUTHORIZE_PATH: {"GET": _show_consent, "POST": _consent},
        r"/oidc/v1/token": {"POST": _token},
        r"/oidc/v1/revoke": {"POST": _revoke},
    }
    return routes(workspace, public, needs_token=False)


def _authorization_request(
    call: ApiHandler, fields: Mapping[str, str]
) -> tuple[AuthorizationRequest, Json | None]:
    """Return the request, and the JSON to show in the browser if there is no way back."""
    request = AuthorizationRequest(
        fields.get("client_id", ""),
        fields.get("redirect_uri", ""),
        tuple(fields.get("scope", "").split()),
        fields.get("state", ""),
        fields.get("code_challenge", ""),
        fields.get("code_challenge_method", ""),
    )
    try:
        call.workspace.sign_in.check(request)
    except OAuthError as error:
        call.set_status(error.status)
        return request, error.body()
    return request, None


def _answer(call: ApiHandler, request: AuthorizationRequest, query: dict[str, str]) -> None:
    """Redirect the browser to the client, with the answer, the state and the issuer."""
    if call.workspace.sign_in.rules.names_issuer:
        query = {**query, "iss": _issuer(call)}
    call.set_header("Location", with_query(request.redirect_uri, {**query, "state": request.state}))
    call.set_status(HTTPStatus.FOUND)
    call.finish()


def _consent_page(request: AuthorizationRequest, fields: Mapping[str, str], user: str) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    return CONSENT_PAGE.format(
        client=html.escape(request.client_id),
        user=html.escape(user),
        scopes=html.escape(", ".join(request.scopes)),
        path=AUTHORIZE_PATH,
        fields=hidden,
    )


def _user(call: ApiHandler) -> str:
    """Return who is signed in in the browser."""
    return call.workspace.sign_in.rules.signed_in or next(iter(call.workspace.users), "")


def _client(call: ApiHandler, form: Mapping[str, str]) -> App | None:
    client_id, client_secret = _basic_credentials(call.request.headers.get("Authorization", ""))
    client_id = client_id or form.get("client_id", "")
    client_secret = client_secret or form.get("client_secret", "")
    return call.workspace.apps.by_credentials(client_id, client_secret)


def _form(call: ApiHandler) -> dict[str, str]:
    parsed = parse_qs(call.request.body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in parsed.items()}


def _issuer(call: ApiHandler) -> str:
    return f"{_origin(call)}/oidc"


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

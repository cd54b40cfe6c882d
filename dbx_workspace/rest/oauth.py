"""The workspace's authorization server, without HTTP: consent, codes and refresh tokens of users.

What it does and says, and the source of each
- Authorization code with PKCE (S256 only), one use per code: RFC 6749 §4.1, RFC 7636.  The issuer
  in the answer: RFC 9207.
- A client or redirect that is not registered is answered in the browser, in JSON, not by a redirect
  ("redirect_uri '…' not registered for OAuth application '…'"): databricks/cli#3416,
  databricks/dbt-databricks#640.
- ``invalid_grant`` "Refresh token is invalid": databricks/cli#6224 (older: ``invalid_request``).
- Each refresh token works once, and a session has an absolute lifetime:
  docs.databricks.com/aws/en/integrations/single-use-tokens.  Re-use ends the session: RFC 9700
  §4.14.2.
- Access tokens are JWTs (``eyJ…``) of one hour, refresh tokens begin with ``doau``:
  databricks/databricks-sdk-py#931.
- That a policy refuses the client (``unauthorized_client``), and what a denial says, is not
  documented: the codes are RFC 6749's, the words are ours.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

from ..clock import Clock
from .tokens import OAUTH_LIFETIME_SECONDS, Token, TokenStore

CLI_CLIENT_ID = "databricks-cli"
CODE_LIFETIME_SECONDS = 300.0
REFRESH_LIFETIME_SECONDS = 24 * 3600.0
SESSION_LIFETIME_SECONDS = 30 * 24 * 3600.0
OldRefreshError = Literal["invalid_grant", "invalid_request"]


class OAuthError(Exception):
    """An error of the authorization server: RFC 6749 §4.1.2.1 and §5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.status = error, description, status

    def body(self) -> dict[str, str]:
        """Return the JSON body, which is also the query of an answer to the client's redirect."""
        return {"error": self.error, "error_description": self.description}


@dataclass
class SignInRules:
    """What tests change: who is signed in in the browser, and what the server allows.

    ``signed_in`` is '' for the workspace's first user.
    """

    signed_in: str = ""
    allows_client: bool = True
    names_issuer: bool = True
    offers_revocation: bool = False
    single_use_refresh_tokens: bool = True
    access_token_seconds: float = OAUTH_LIFETIME_SECONDS
    refresh_token_seconds: float = REFRESH_LIFETIME_SECONDS
    session_seconds: float = SESSION_LIFETIME_SECONDS
    invalid_refresh_error: OldRefreshError = "invalid_grant"


@dataclass(frozen=True)
class AuthorizationRequest:
    """What a client asked the user for."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    code_challenge: str
    code_challenge_method: str


@dataclass
class Grant:
    """What a user allowed a client: a session that ends by itself, or by re-use of a token."""

    request: AuthorizationRequest
    user: str
    ends_at: datetime
    is_revoked: bool = False
    access_token_ids: list[str] = field(default_factory=list)


@dataclass
class OneTime:
    """A code or a refresh token, known by the hash of its value."""

    grant: Grant
    expires_at: datetime
    is_used: bool = False


@dataclass(frozen=True)
class Issued:
    """The reply of the token endpoint; ``refresh_token`` only with the scope offline_access."""

    access_token: str
    refresh_token: str | None
    expires_in: int
    scope: str

    def body(self) -> dict[str, object]:
        """Return the JSON body (RFC 6749 §5.1)."""
        body: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
        }
        return body | ({"refresh_token": self.refresh_token} if self.refresh_token else {})


class AuthorizationServer:
    """Clients, grants, codes and refresh tokens of one workspace."""

    def __init__(self, clock: Clock, tokens: TokenStore) -> None:
        self._clock, self._tokens = clock, tokens
        self.rules = SignInRules()
        self.clients: dict[str, tuple[str, ...]] = {CLI_CLIENT_ID: ("http://localhost:8020",)}
        self._codes: dict[str, OneTime] = {}
        self._refresh_tokens: dict[str, OneTime] = {}

    def check(self, request: AuthorizationRequest) -> None:
        """Raise OAuthError for a request that is answered in the browser, not by a redirect."""
        redirects = self.clients.get(request.client_id)
        if redirects is None:
            raise OAuthError(
                "invalid_client", f"OAuth application with client_id '{request.client_id}' unknown"
            )
        if request.redirect_uri not in redirects:
            raise OAuthError(
                "invalid_request",
                f"redirect_uri '{request.redirect_uri}' not registered for OAuth application "
                f"'{request.client_id}'",
            )

    def refusal(self, request: AuthorizationRequest) -> OAuthError | None:
        """Return the error that is sent to the client's redirect without asking the user."""
        if not self.rules.allows_client:
            return OAuthError(
                "unauthorized_client",
                f"OAuth application '{request.client_id}' is disabled by your administrator",
            )
        if request.code_challenge_method != "S256" or not request.code_challenge:
            return OAuthError("invalid_request", "code_challenge with method S256 is required")
        return None

    def allow(self, request: AuthorizationRequest, user: str) -> str:
        """Return a code for what the user allowed."""
        now = self._clock()
        grant = Grant(request, user, now + timedelta(seconds=self.rules.session_seconds))
        code = secrets.token_hex(20)
        self._codes[_hash(code)] = OneTime(grant, now + timedelta(seconds=CODE_LIFETIME_SECONDS))
        return code

    def exchange(self, code: str, client_id: str, redirect_uri: str, verifier: str) -> Issued:
        """Return tokens for a code.  Raises OAuthError; re-use of a code ends its session."""
        entry = self._codes.get(_hash(code))
        if entry is None or self._clock() >= entry.expires_at:
            raise OAuthError("invalid_grant", "Authorization code is invalid or expired")
        request = entry.grant.request
        if entry.is_used:
            self._end(entry.grant)
            raise OAuthError("invalid_grant", "Authorization code was already used")
        if (client_id, redirect_uri) != (request.client_id, request.redirect_uri):
            raise OAuthError("invalid_grant", "Authorization code was issued to another client")
        if _challenge(verifier) != request.code_challenge:
            raise OAuthError("invalid_grant", "code_verifier does not match the code_challenge")
        entry.is_used = True
        return self._issue(entry.grant)

    def refresh(self, refresh_token: str, client_id: str) -> Issued:
        """Return new tokens for a refresh token.  Raises OAuthError; re-use ends the session."""
        entry = self._refresh_tokens.get(_hash(refresh_token))
        now = self._clock()
        if entry is not None and entry.is_used and self.rules.single_use_refresh_tokens:
            self._end(entry.grant)
        if (
            entry is None
            or entry.grant.request.client_id != client_id
            or entry.grant.is_revoked
            or now >= min(entry.expires_at, entry.grant.ends_at)
        ):
            raise OAuthError(self.rules.invalid_refresh_error, "Refresh token is invalid")
        entry.is_used = True
        return self._issue(entry.grant)

    def revoke(self, refresh_token: str) -> None:
        """End the session of a refresh token (RFC 7009); an unknown one changes nothing."""
        entry = self._refresh_tokens.get(_hash(refresh_token))
        if entry is not None:
            self._end(entry.grant)

    def sessions(self) -> list[dict[str, object]]:
        """Return what users have allowed, as JSON data for the control API."""
        grants = {id(entry.grant): entry.grant for entry in self._codes.values()}
        return [
            {
                "user": grant.user,
                "client_id": grant.request.client_id,
                "is_revoked": grant.is_revoked,
                "access_tokens": len(grant.access_token_ids),
            }
            for grant in grants.values()
        ]

    def end_sessions(self) -> None:
        """End every session, as an administrator does."""
        for entry in self._codes.values():
            self._end(entry.grant)

    def _issue(self, grant: Grant) -> Issued:
        now, rules = self._clock(), self.rules
        access, token = self._mint(grant)
        grant.access_token_ids.append(token.token_id)
        refresh: str | None = None
        if "offline_access" in grant.request.scopes:
            refresh = f"doau{secrets.token_hex(24)}"
            expires_at = now + timedelta(seconds=rules.refresh_token_seconds)
            self._refresh_tokens[_hash(refresh)] = OneTime(grant, expires_at)
        seconds = (token.expires_at - now).total_seconds()
        return Issued(access, refresh, int(seconds), " ".join(grant.request.scopes))

    def _mint(self, grant: Grant) -> tuple[str, Token]:
        scopes = [scope for scope in grant.request.scopes if scope != "offline_access"]
        left = (grant.ends_at - self._clock()).total_seconds()
        return self._tokens.mint(
            grant.user,
            kind="oauth",
            lifetime_seconds=min(self.rules.access_token_seconds, left),
            scopes=scopes,
        )

    def _end(self, grant: Grant) -> None:
        grant.is_revoked = True
        for token_id in grant.access_token_ids:
            self._tokens.revoke(token_id)


def with_query(address: str, query: dict[str, str]) -> str:
    """Return a redirect's address with the answer in its query."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()

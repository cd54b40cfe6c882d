"""The workspace's authorization server: its metadata, codes, refresh tokens (OAuth of users).

Over httpx, although ``databricks.sdk.oauth`` can do it; measured with 0.162.0, its token requests
follow a redirect (307) with the refresh token to any other host, have no time limit and report no
status, so that a refusal looks like an outage; and its import takes 1.4 s and 93 MiB in the server.
The tests compare our requests with the SDK's.  See docs/decisions/0015-sign-in.md

Sources: RFC 6749, 7636 (PKCE), 8414 (metadata), 7009 (revocation), 9207 (issuer); client, redirect
and scopes are those of the SDK's ``external-browser`` and of the Databricks CLI.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from ...errors import SignInError, WorkspaceError, WorkspaceUnavailableError
from ...secret import Secret
from ...workspace_api import WorkspaceApi
from ..clock import Clock
from .answer import MOST_CHARACTERS

METADATA_PATH = "/oidc/.well-known/oauth-authorization-server"
SCOPES = ("all-apis", "offline_access")
# An access token is renewed before a call if it ends within this time (or a third of its life).
ACCESS_MARGIN_SECONDS = 40.0
# How the token endpoint itself refuses (RFC 6749 §5.2).  Whatever else is answered, with whatever
# status, is an outage, a busy server or a proxy on the way: a proxy's 403 must not end a session.
REFUSALS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
# How long the end of a session waits for a request that is under way; a stop has little more.
SETTLE_SECONDS = 1.0
DEFAULT_ACCESS_SECONDS = 3600  # where the reply does not say (RFC 6749 §5.1)


@dataclass(frozen=True)
class Endpoints:
    """The authorization server's addresses, all of the workspace's own origin.

    ``revocation`` is None where there is none.  ``binds_codes``: it says that it checks PKCE;
    ``names_issuer``: that each of its answers names it (RFC 9207).
    """

    issuer: str
    authorization: str
    token: str
    revocation: str | None
    binds_codes: bool
    names_issuer: bool


@dataclass(frozen=True)
class UserTokens:
    """What the token endpoint issued; ``expires_at`` is of this machine's clock."""

    access: Secret
    refresh: Secret | None
    created_at: datetime
    expires_at: datetime

    def is_good_at(self, now: datetime) -> bool:
        """Whether the access token is valid for long enough to call with it."""
        margin = timedelta(seconds=ACCESS_MARGIN_SECONDS)
        return self.expires_at - now > min(margin, (self.expires_at - self.created_at) / 3)


class Consent:
    """One request for the user's consent: the address to open, and what proves the answer to it."""

    def __init__(self, endpoints: Endpoints, client_id: str, redirect_url: str) -> None:
        self.endpoints = endpoints
        self.state = Secret(secrets.token_urlsafe(24))
        self.verifier = Secret(secrets.token_urlsafe(48))
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_url,
            "scope": " ".join(SCOPES),
            "state": self.state.reveal(),
            "code_challenge": _challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        self.address = f"{endpoints.authorization}?{urlencode(query)}"


class Authorization:
    """Calls to the authorization server of one workspace, as one public client."""

    def __init__(self, api: WorkspaceApi, client_id: str, redirect_url: str, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._client_id, self._redirect_url = client_id, redirect_url

    async def ask(self) -> Consent:
        """Return a new request for consent.  Raises SignInError or a WorkspaceError."""
        return Consent(await self._endpoints(), self._client_id, self._redirect_url)

    async def exchange(self, consent: Consent, code: Secret) -> UserTokens:
        """Return the tokens for a code.  Raises SignInError, or WorkspaceUnavailableError."""
        form = {
            "grant_type": "authorization_code",
            "code": code.reveal(),
            "redirect_uri": self._redirect_url,
            "code_verifier": consent.verifier.reveal(),
        }
        try:
            return await self._tokens(consent.endpoints, form, None)
        except WorkspaceUnavailableError:
            raise
        except WorkspaceError as error:
            raise SignInError(
                f"The workspace did not accept this answer: {error.message.rstrip('.')}.",
                "An answer works once, for a few minutes, and only for the sign-in that it belongs "
                "to. Open the sign-in page again.",
            ) from error

    async def refresh(self, endpoints: Endpoints, refresh: Secret) -> UserTokens:
        """Return new tokens; the refresh token may be a new one.  Raises a WorkspaceError."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh.reveal()}
        return await self._tokens(endpoints, form, refresh)

    async def revoke(self, endpoints: Endpoints, refresh: Secret) -> None:
        """End the user's session there, if the server offers that.  Raises a WorkspaceError."""
        if endpoints.revocation is not None:
            form = {"token": refresh.reveal(), "token_type_hint": "refresh_token"}
            await self._api.post_form(endpoints.revocation, form | {"client_id": self._client_id})

    async def _endpoints(self) -> Endpoints:
        found = await self._api.public_json(METADATA_PATH)
        methods = found.get("code_challenge_methods_supported")
        revocation = found.get("revocation_endpoint")
        return Endpoints(
            issuer=str(found.get("issuer", "")),
            authorization=self._own(found.get("authorization_endpoint")),
            token=self._own(found.get("token_endpoint")),
            revocation=None if revocation is None else self._own(revocation),
            binds_codes=isinstance(methods, list) and "S256" in methods,
            names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
        )

    def _own(self, address: Any) -> str:
        """Return an address of the workspace's own origin.

        Raises SignInError for another: codes and tokens must not pass a third host.
        """
        if isinstance(address, str) and _origin(address) == _origin(self._api.host):
            return address
        raise SignInError(
            "The workspace names a sign-in page on another host, which is not used.",
            "Paste a personal access token instead.",
        )

    async def _tokens(
        self, endpoints: Endpoints, form: dict[str, str], refresh: Secret | None
    ) -> UserTokens:
        asked_at = self._clock.now()
        body = await self._reply(endpoints, form | {"client_id": self._client_id})
        access, fresh = body.get("access_token"), body.get("refresh_token")
        seconds = body.get("expires_in", DEFAULT_ACCESS_SECONDS)
        if not isinstance(access, str) or not access or not isinstance(seconds, (int, float, str)):
            raise WorkspaceUnavailableError(
                "The workspace's sign-in replied without a token.", "Try again in a moment."
            )
        return UserTokens(
            Secret(access),
            Secret(fresh) if isinstance(fresh, str) and fresh else refresh,
            asked_at,
            asked_at + timedelta(seconds=_whole_seconds(seconds)),
        )

    async def _reply(self, endpoints: Endpoints, form: dict[str, str]) -> dict[str, Any]:
        """Return the token endpoint's reply.

        Raises WorkspaceUnavailableError, after which it can be tried again, for all but a refusal.
        """
        try:
            return await self._api.post_form(endpoints.token, form)
        except WorkspaceUnavailableError:
            raise
        except WorkspaceError as error:
            if error.error_code in REFUSALS:
                raise
            raise WorkspaceUnavailableError(
                f"The workspace's sign-in gave no answer of its own (HTTP {error.status}): "
                f"{error.message[:MOST_CHARACTERS].rstrip('.')}.",
                "Try again in a moment. If it stays so, ask whether a proxy or an access list "
                "refuses the call.",
                status=error.status,
            ) from error


class UserSession:
    """What the owner allowed us in the workspace: access tokens, renewed without them.

    It begins with the exchange of a code.  The refresh token is in memory only.  It may work only
    once, and a workspace ends the session at its second use: one request at a time, which goes on
    if whoever waits for it is cancelled.  What such a request brings after the end of the session
    is not used, and revoked.
    """

    def __init__(self, server: Authorization, consent: Consent, code: Secret) -> None:
        self._server, self._endpoints = server, consent.endpoints
        self._access: UserTokens | None = None
        self._refresh: Secret | None = None
        self._is_ended = False
        self._why_ended = "The sign-in has ended: the workspace gave nothing to renew it with."
        self._request = self._begin(server.exchange(consent, code))

    @property
    def renews_itself(self) -> bool:
        """Whether there is a refresh token that the workspace has not refused."""
        return self._refresh is not None and not self._is_ended

    async def access(self, now: datetime, other_than: Secret | None = None) -> UserTokens:
        """Return an access token that is valid for a while, and is not ``other_than``.

        Raises SignInError when there is none any more, and WorkspaceError when the workspace does
        not answer.
        """
        access = self._access
        if access and access.access != other_than and access.is_good_at(now):
            return access
        if self._request.done():
            self._request = self._begin(self._renew())
        return await asyncio.shield(self._request)

    def end(self) -> bool:
        """Forget the tokens; return whether ``revoke`` has something to revoke, or may have soon.

        The refresh token is kept for that alone.
        """
        self._is_ended, self._access = True, None
        if self._endpoints.revocation is None:
            self._refresh = None
            return False
        return self._refresh is not None or not self._request.done()

    async def revoke(self) -> bool:
        """End the session in the workspace.  Raises a WorkspaceError.

        Returns False while a request is under way, which may bring another refresh token.
        """
        await asyncio.wait([self._request], timeout=SETTLE_SECONDS)
        is_last, refresh = self._request.done(), self._refresh
        if refresh is not None:
            await self._server.revoke(self._endpoints, refresh)
        if is_last:
            self._refresh = None
        return is_last

    def _begin(self, request: Coroutine[Any, Any, UserTokens]) -> asyncio.Task[UserTokens]:
        task = asyncio.ensure_future(self._take(request))
        task.add_done_callback(_retrieve)
        return task

    async def _take(self, request: Coroutine[Any, Any, UserTokens]) -> UserTokens:
        """Return the tokens of a request; those that come too late are kept to be revoked."""
        tokens = await request
        if not self._is_ended:
            self._access, self._refresh = tokens, tokens.refresh
            return tokens
        if self._endpoints.revocation is not None:
            self._refresh = tokens.refresh
        raise SignInError("The sign-in was ended meanwhile.", "Sign in again.")

    async def _renew(self) -> UserTokens:
        if self._refresh is None or self._is_ended:
            raise SignInError(self._why_ended, "Sign in again.")
        try:
            return await self._server.refresh(self._endpoints, self._refresh)
        except WorkspaceUnavailableError:
            raise
        except WorkspaceError as error:
            self._refresh = None
            self._why_ended = f"The workspace ended your sign-in: {error.message.rstrip('.')}."
            raise SignInError(self._why_ended, "Sign in again.") from error


def _retrieve(request: asyncio.Task[UserTokens]) -> None:
    """Look at a request's failure, which nobody may wait for any more."""
    if not request.cancelled():
        request.exception()


def _whole_seconds(seconds: float | str) -> int:
    """Return a lifetime, which some servers send as a text; at most a day."""
    try:
        return max(0, min(int(seconds), 24 * 3600))
    except (ValueError, OverflowError):
        return DEFAULT_ACCESS_SECONDS


def _origin(address: str) -> tuple[str, str | None, int | None] | None:
    """Return scheme, host and port; None for what is not an address."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port


def _challenge(verifier: Secret) -> str:
    digest = hashlib.sha256(verifier.reveal().encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")

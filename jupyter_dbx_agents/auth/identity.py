"""Jupyter's identity provider and authorizer for an app with one owner.

Decisions
- ``get_user`` raises and never returns None: without a login page Jupyter would redirect an unknown
  user from ``/login`` to ``/login`` for ever.
- There is no login, no token and no cookie that identifies anybody; hence nothing is ever
  "token-authenticated", and Jupyter's XSRF and Origin checks are never skipped.
"""

from enum import Enum
from http import HTTPStatus
from typing import Any

from jupyter_server.auth import Authorizer, IdentityProvider, User
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError, RequestHandler
from traitlets import Unicode, default

from ..addresses import normalise_email
from ..environment import variable
from .owner import OwnerResolver

EMAIL_HEADER = "X-Forwarded-Email"


class Verdict(Enum):
    """Whose request it is: the owner's, a stranger's, or undecided until the owner is known."""

    OWNER = "owner"
    STRANGER = "stranger"
    UNRESOLVED = "unresolved"


STATUS_OF_REFUSAL = {
    Verdict.STRANGER: HTTPStatus.FORBIDDEN,
    Verdict.UNRESOLVED: HTTPStatus.SERVICE_UNAVAILABLE,
}


def parse_forwarded_email(headers: HTTPHeaders) -> str | None:
    """Return the e-mail address that the platform's proxy vouches for, lower-case, or None.

    Exactly one header: a proxy that appends its own to a forged one yields two (or one joined with
    a comma), and both are refused rather than guessed at.
    """
    values = headers.get_list(EMAIL_HEADER)
    return normalise_email(values[0]) if len(values) == 1 else None


class OwnerIdentityProvider(IdentityProvider):
    """Identifies the owner by the e-mail address in the header of the Databricks Apps proxy."""

    owner = Unicode(
        help=(
            "E-mail address of the only user who may enter (environment: APP_OWNER_EMAIL)."
            " By default the creator of the app; it must be set for an app that was created by a"
            " service principal."
        )
    ).tag(config=True)

    # Until the app sets the resolver, nobody is the owner and everybody gets 503.
    resolver: OwnerResolver | None = None

    @default("owner")
    def _owner_default(self) -> str:
        return variable("APP_OWNER_EMAIL")

    @default("token")
    def _token_default(self) -> str:
        # Not from JUPYTER_TOKEN: a token that opens nothing must not be in the page either.
        return ""

    @default("updatable_fields")
    def _updatable_fields_default(self) -> list[str]:
        # The platform names the owner; with fields to update, PATCH /api/me would answer 500.
        return []

    def verdict(self, headers: HTTPHeaders) -> Verdict:
        """Judge a request by its headers; the only place that decides whether it is the owner's."""
        owner = self.resolver.owner if self.resolver else None
        if owner is None:
            return Verdict.UNRESOLVED
        return Verdict.OWNER if parse_forwarded_email(headers) == owner else Verdict.STRANGER

    def get_user(self, handler: RequestHandler) -> User:
        """Return the owner; raise HTTPError 403 for others, 503 while the owner is not known.

        Redundant on purpose: the gate has refused the others, unless a handler is reached past the
        gate's router.
        """
        verdict = self.verdict(handler.request.headers)
        email = parse_forwarded_email(handler.request.headers)
        if verdict is Verdict.OWNER and email:
            return User(username=email, initials=email[:1].upper())
        # Jupyter's error page reads the current user and would fail (500) if none were set.
        handler.current_user = None
        handler._jupyter_current_user = None  # type: ignore[attr-defined]
        status = STATUS_OF_REFUSAL.get(verdict, HTTPStatus.FORBIDDEN)
        raise HTTPError(status, log_message=status.phrase)

    def is_token_authenticated(self, handler: RequestHandler) -> bool:
        """Return False: true would switch off XSRF and Origin checks (redundant on purpose)."""
        return False

    @property
    def login_available(self) -> bool:
        """False: the platform logs users in, before any request reaches us."""
        return False

    @property
    def logout_available(self) -> bool:
        """False: there is no session of ours to end."""
        return False


class OwnerAuthorizer(Authorizer):
    """Allows everything to the owner, and nothing to anybody else.

    Redundant on purpose: handlers call it after the identity provider has let the owner in.  It
    ignores action and resource, because ``@authorized`` without arguments keeps those of the first
    call for ever (they are ``nonlocal`` in ``jupyter_server.auth.decorator``).
    """

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        """Whether ``user`` is the owner as known now."""
        provider = self.identity_provider
        if not isinstance(provider, OwnerIdentityProvider) or provider.resolver is None:
            return False
        owner = provider.resolver.owner
        return owner is not None and isinstance(user, User) and user.username == owner

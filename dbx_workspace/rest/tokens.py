"""Personal access tokens and OAuth tokens, kept with their history when expired or revoked.

The store keeps the SHA-256 of each value, never the value, so that no response can leak a token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ..clock import Clock, to_milliseconds
from ..platform_errors import PlatformError, invalid_parameter, not_found

ALL_SCOPES = ("all-apis",)
# Scopes that cover another one under a name of their own.
OTHER_NAMES = {"serving.serving-endpoints-query": ("model-serving",)}
DEFAULT_LIFETIME_SECONDS = 2 * 365 * 24 * 3600
OAUTH_LIFETIME_SECONDS = 3600
# The documented number of tokens of a user in one workspace.
DEFAULT_QUOTA = 600

TokenKind = Literal["pat", "oauth"]
IdScheme = Literal["sha256", "random"]
TokenStatus = Literal["live", "expired", "revoked"]


@dataclass
class Token:
    """One token's history, without its value."""

    token_id: str
    value_sha256: str
    kind: TokenKind
    principal: str
    comment: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    created_by_token_id: str | None = None
    revoked_at: datetime | None = None
    refused_from_at: datetime | None = None
    last_used_at: datetime | None = None
    accepted_count: int = 0
    refused_count: int = 0

    def status(self, now: datetime) -> TokenStatus:
        """Return whether the token is live at ``now``, and if not, why."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else "live"

    def is_accepted(self, now: datetime) -> bool:
        """Return whether servers accept the token, as they do until a revocation reaches them."""
        if self.refused_from_at is not None and now >= self.refused_from_at:
            return False
        return now < self.expires_at

    def allows(self, scope: str, method: str = "GET") -> bool:
        """Return whether the token may call APIs of ``scope`` with a method.

        ``serving`` covers ``serving.*``; the modifier ``:read`` leaves GET and HEAD of a scope.
        """
        parent = scope.split(".", maxsplit=1)[0]
        sufficient = {scope, parent, *ALL_SCOPES, *OTHER_NAMES.get(scope, ())}
        reads = method in ("GET", "HEAD")
        for granted in self.scopes:
            base, *modifiers = granted.split(":")
            if base in sufficient and (not modifiers or (reads and "read" in modifiers)):
                return True
        return False

    def public_info(self) -> dict[str, object]:
        """Return the token API's ``PublicTokenInfo``."""
        return {
            "token_id": self.token_id,
            "creation_time": to_milliseconds(self.created_at),
            "expiry_time": to_milliseconds(self.expires_at),
            "comment": self.comment,
            "scopes": list(self.scopes),
        }

    def history(self, now: datetime) -> dict[str, object]:
        """Return the history as JSON data, for the control API."""
        return {
            "token_id": self.token_id,
            "kind": self.kind,
            "principal": self.principal,
            "comment": self.comment,
            "scopes": list(self.scopes),
            "status": self.status(now),
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
            "last_used_at": self.last_used_at.isoformat() if self.last_used_at else None,
            "created_by_token_id": self.created_by_token_id,
            "accepted_count": self.accepted_count,
            "refused_count": self.refused_count,
        }


class TokenStore:
    """All tokens of the workspace, dead ones included."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self.id_scheme: IdScheme = "sha256"
        self.quota = DEFAULT_QUOTA
        # How long a revoked token is still accepted: revocations reach servers with a delay.
        self.revocation_delay_seconds = 0.0
        self.are_disabled = False

    def mint(
        self,
        principal: str,
        *,
        kind: TokenKind = "pat",
        lifetime_seconds: float = DEFAULT_LIFETIME_SECONDS,
        comment: str = "",
        scopes: Iterable[str] = ALL_SCOPES,
        created_by_token_id: str | None = None,
    ) -> tuple[str, Token]:
        """Return the value of a new token, which is not kept, and its record."""
        value = ("dapi" if kind == "pat" else "eyJ") + secrets.token_hex(
            16 if kind == "pat" else 40
        )
        digest = hashlib.sha256(value.encode()).hexdigest()
        now = self._clock()
        token = Token(
            token_id=digest if self.id_scheme == "sha256" else secrets.token_hex(32),
            value_sha256=digest,
            kind=kind,
            principal=principal,
            comment=comment,
            scopes=tuple(scopes),
            created_at=now,
            expires_at=now + timedelta(seconds=lifetime_seconds),
            created_by_token_id=created_by_token_id,
        )
        self._tokens[digest] = token
        return value, token

    def create(
        self, creator: Token, *, lifetime_seconds: float, comment: str, scopes: Iterable[str]
    ) -> tuple[str, Token]:
        """Mint a PAT for the user of ``creator``; raise ``PlatformError`` if it is not allowed."""
        self.require_enabled()
        if lifetime_seconds <= 0:
            raise invalid_parameter("Token lifetime must be a positive number of seconds.")
        if len(self.live_of(creator.principal)) >= self.quota:
            raise PlatformError(
                400,
                "QUOTA_EXCEEDED",
                f"The quota for the number of tokens ({self.quota}) has been exceeded.",
            )
        return self.mint(
            creator.principal,
            lifetime_seconds=lifetime_seconds,
            comment=comment,
            scopes=scopes,
            created_by_token_id=creator.token_id,
        )

    def require_enabled(self) -> None:
        """Raise ``PlatformError`` if the workspace does not allow PATs."""
        if self.are_disabled:
            raise PlatformError(404, "FEATURE_DISABLED", "Tokens are disabled.")

    def live_of(self, principal: str) -> list[Token]:
        """Return the live PATs of one user, oldest first."""
        now = self._clock()
        return [
            t
            for t in self._tokens.values()
            if t.principal == principal and t.kind == "pat" and t.status(now) == "live"
        ]

    def authenticate(self, value: str) -> Token | None:
        """Return the accepted token with this value, or None; count the use on its record."""
        token = self._tokens.get(hashlib.sha256(value.encode()).hexdigest())
        if token is None:
            return None
        now = self._clock()
        if not token.is_accepted(now):
            token.refused_count += 1
            return None
        token.last_used_at = now
        token.accepted_count += 1
        return token

    def id_of(self, value: str) -> str | None:
        """Return the id of the token with this value, live or not, or None."""
        token = self._tokens.get(hashlib.sha256(value.encode()).hexdigest())
        return token.token_id if token else None

    def delete(self, principal: str, token_id: str) -> None:
        """Revoke a user's own live PAT."""
        self.require_enabled()
        for token in self.live_of(principal):
            if token.token_id == token_id:
                self._revoke(token)
                return
        raise not_found(f"Token {token_id} does not exist!")

    def revoke(self, token_id: str) -> Token:
        """Revoke any token, as an administrator does; idempotent."""
        for token in self._tokens.values():
            if token.token_id == token_id:
                self._revoke(token)
                return token
        raise not_found(f"Token {token_id} does not exist!")

    def _revoke(self, token: Token) -> None:
        if token.revoked_at is None:
            token.revoked_at = self._clock()
            delay = timedelta(seconds=self.revocation_delay_seconds)
            token.refused_from_at = token.revoked_at + delay

    def all(self) -> list[Token]:
        """Return every token ever minted, oldest first."""
        return list(self._tokens.values())

"""Holds the current PAT and the promises made for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from ..secret import Secret


class PatState(StrEnum):
    """The state of the credential."""

    NEEDED = "needed"
    ADOPTING = "adopting"
    ACTIVE = "active"
    RETRYING = "retrying"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Pat:
    """A token that we minted; instants are of this machine's clock.

    ``token_id`` is None for an OAuth access token, which the token API does not know.  It is valid
    until ``expires_at`` at least; ``ends_at`` is when it has expired for sure, which is later if
    its creation took long (None: the same).
    """

    value: Secret
    token_id: str | None
    created_at: datetime
    expires_at: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Promise:
    """A token handed to an SDK, and until when (Unix seconds) it may use it from its cache."""

    access_token: Secret
    expires_on: int


class PatSource(Protocol):
    """The PAT as its users see it."""

    @property
    def state(self) -> PatState:
        """The state of the credential."""

    @property
    def message(self) -> str:
        """Why there is no PAT and what to do about it, in a sentence or two."""

    def current(self) -> Secret | None:
        """Return the PAT for a call that starts now."""

    def promise(self) -> Promise | None:
        """Return the PAT and until when it stays valid, for a program that caches it."""

    async def replace_refused(self, refused: Secret) -> Secret | None:
        """Return the PAT to retry with after the workspace refused one; None if there is none.

        That is the current one if it has changed, or the same one if the workspace still accepts
        it (a gateway may not know a new token yet).
        """


@dataclass(frozen=True)
class Retired:
    """A PAT that was replaced, and when its last promise and the calls in flight have ended."""

    pat: Pat
    revoke_at: datetime


@dataclass
class PatStore:
    """The current PAT and the promises made for it."""

    promise_seconds: float
    expiry_margin_seconds: float
    in_flight_seconds: float
    pat: Pat | None = None
    _promised_until: datetime | None = None

    def current(self, now: datetime) -> Pat | None:
        """Return the PAT unless it has expired."""
        return self.pat if self.pat is not None and now < self.pat.expires_at else None

    def promise(self, now: datetime) -> tuple[Pat, datetime] | None:
        """Return the current PAT and until when it may be cached, and remember that.

        That is ``promise_seconds`` ahead, but at most ``expiry_margin_seconds`` before the token
        expires; within that margin it is the expiry itself.
        """
        pat = self.current(now)
        if pat is None:
            return None
        soft_end = pat.expires_at - timedelta(seconds=self.expiry_margin_seconds)
        horizon = min(now + timedelta(seconds=self.promise_seconds), soft_end)
        until = horizon if horizon > now else pat.expires_at
        self._promised_until = max(until, self._promised_until or until)
        return pat, until

    def publish(self, pat: Pat, now: datetime) -> Retired | None:
        """Make a PAT the current one; return the one that it replaces."""
        replaced, promised_until = self.pat, self._promised_until
        self.pat, self._promised_until = pat, None
        if replaced is None:
            return None
        last_use = max(promised_until or now, now)
        return Retired(replaced, last_use + timedelta(seconds=self.in_flight_seconds))

    def take(self) -> Pat | None:
        """Return the PAT, and hold none any more."""
        pat, self.pat, self._promised_until = self.pat, None, None
        return pat

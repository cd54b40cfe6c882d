"""Holds the current PAT, the promises made for it, and the replaced ones."""

from dataclasses import dataclass, field
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
    """A token that we minted; instants are of this machine's clock."""

    value: Secret
    token_id: str
    created_at: datetime
    expires_at: datetime


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


@dataclass
class Retired:
    """A PAT that was replaced and waits for its revocation."""

    pat: Pat
    revoke_at: datetime


@dataclass
class PatStore:
    """The current PAT, the promises made for it, and the retired ones."""

    promise_seconds: float
    expiry_margin_seconds: float
    in_flight_seconds: float
    pat: Pat | None = None
    retired: list[Retired] = field(default_factory=list)
    _promised_until: dict[str, datetime] = field(default_factory=dict)

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
        self._promised_until[pat.token_id] = max(until, self.promised_until(pat))
        return pat, until

    def promised_until(self, pat: Pat) -> datetime:
        """Return the largest expiry promised for a PAT; its creation if there was none."""
        return self._promised_until.get(pat.token_id, pat.created_at)

    def publish(self, pat: Pat, now: datetime) -> None:
        """Make a PAT the current one; retire the previous one until its promises have passed."""
        if self.pat is not None:
            last_use = max(self.promised_until(self.pat), now)
            revoke_at = last_use + timedelta(seconds=self.in_flight_seconds)
            self.retired.append(Retired(self.pat, revoke_at))
        self.pat = pat

    def drop(self, retired: Retired) -> None:
        """Forget a retired PAT that was revoked or has expired."""
        self.retired.remove(retired)
        self._promised_until.pop(retired.pat.token_id, None)

    def clear(self) -> list[Pat]:
        """Forget everything; return what may still be valid, the current PAT last."""
        living = [entry.pat for entry in self.retired]
        if self.pat is not None:
            living.append(self.pat)
        self.pat = None
        self.retired.clear()
        self._promised_until.clear()
        return living

    def token_ids(self) -> set[str]:
        """Return the ids of all PATs held."""
        held = {entry.pat.token_id for entry in self.retired}
        return held | ({self.pat.token_id} if self.pat is not None else set())

    def holds(self, value: Secret) -> bool:
        """Whether a value is one of the PATs held."""
        pats = [entry.pat for entry in self.retired]
        if self.pat is not None:
            pats.append(self.pat)
        return any(pat.value == value for pat in pats)

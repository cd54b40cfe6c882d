"""The credential that is held: the current token and its source, from publication to each end."""

from datetime import datetime, timedelta

from ...background import AnyLogger
from ...errors import SignInError
from ...secret import Secret
from ...workspace_api import WorkspaceApi
from ..clock import Clock
from ..revocation import ReplacedPat, Revocations
from ..source import TokenSource
from ..store import Pat, PatState, PatStore
from .operations import Operations, stopping
from .schedule import Schedule
from .shown import PASTE_HINT, Shown

# A token that is lost so soon after another is not replaced at once.
LOST_AGAIN = timedelta(seconds=60)


class Held:
    """Holds the current token and the source of the next; whatever goes is revoked."""

    def __init__(
        self,
        api: WorkspaceApi,
        clock: Clock,
        store: PatStore,
        *,
        revocations: Revocations,
        schedule: Schedule,
        shown: Shown,
        operations: Operations,
        log: AnyLogger,
    ) -> None:
        self._api, self._clock, self._store = api, clock, store
        self._revocations, self._schedule, self._shown = revocations, schedule, shown
        self._operations, self._log = operations, log
        self._lost_at: datetime | None = None
        self._used_until: datetime | None = None  # what was promised of replaced tokens
        self.source: TokenSource | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether there will be a token when one is needed, without the owner."""
        return self.source is not None and self.source.revives

    def pat(self) -> Pat | None:
        """Return the current token unless it has expired."""
        return self._store.current(self._clock.now())

    def value(self) -> Secret | None:
        """Return its value."""
        pat = self.pat()
        return None if pat is None else pat.value

    def has(self, value: Secret) -> bool:
        """Whether a value is one of the PATs of ours that may be valid."""
        pat = self._store.pat
        return (pat is not None and pat.value == value) or self._revocations.holds(value)

    def publish(self, pat: Pat) -> datetime | None:
        """Make a PAT the current one; revoke it instead if the server is stopping.

        Return when no token that was replaced so far is used any more; None if there is none.

        Nothing is awaited from its creation to here: no cancellation can lose it.
        """
        if self._operations.is_stopping:
            self._revocations.add(ReplacedPat(self._api, pat))
            raise stopping()
        recovered = self._shown.state is PatState.RETRYING
        replaced = self._store.publish(pat, self._clock.now())
        if replaced is not None:
            old = ReplacedPat(self._api, replaced.pat)
            self._revocations.add(old, replaced.revoke_at)
            # The one before may have been promised for longer.
            self._used_until = max(replaced.revoke_at, self._used_until or replaced.revoke_at)
        self._schedule.begin(pat)
        if recovered:
            self._log.info("The PAT rotates again.")
        valid = (
            "The token is valid, and renews itself while a terminal or notebook is open, or an "
            "agent works in the background."
        )
        note = self.source.note if self.source else ""
        self._shown.set(PatState.ACTIVE, f"{valid} {note}".strip())
        return self._used_until

    # ---- its ends

    def end(self, source: TokenSource, due_at: datetime | None = None) -> None:
        """End a source; what is left of it is revoked at ``due_at`` (None: now)."""
        rest = source.end()
        if rest is not None:
            self._revocations.add(rest, due_at)

    def end_session(self, error: SignInError) -> None:
        """Keep the last token until it expires; only the owner can get another."""
        self._schedule.rotate_at = self._schedule.retry_at = None
        self._log.warning("The sign-in has ended: %s", error.message)
        self._shown.set(
            PatState.NEEDED, error.message, f"{error.hint} The last token works until it expires."
        )

    def expire(self, *, is_in_use: bool) -> None:
        """Forget a token that has expired; a sign-in gets another when one is needed."""
        if self._shown.state is PatState.NEEDED:  # the session has ended before
            self.lose(self._shown.message)
            return
        if self.is_signed_in:
            self._suspend(is_in_use=is_in_use)
            return
        why = self._why_expired(is_in_use=is_in_use)
        self._drop()
        self._log.warning("The PAT has expired: %s", why)
        self._shown.set(PatState.EXPIRED, f"The token has expired. {why}", PASTE_HINT)

    def _why_expired(self, *, is_in_use: bool) -> str:
        if not is_in_use:
            return "No terminal, notebook or agent used it."
        if self._shown.state is PatState.RETRYING:
            return self._shown.message
        return "It was not renewed in time: the machine may have been asleep."

    def _suspend(self, *, is_in_use: bool) -> None:
        """Hold no PAT until a session needs one: the source returns another then."""
        self._revoke_if_any(self._store.take())
        self._schedule.rotate_at = None
        if self._shown.state is not PatState.RETRYING or not is_in_use:
            self._log.info("The token has expired; the sign-in gets another when one is needed.")
            self._shown.set(
                PatState.PAUSED, "You are signed in. The next session gets a new token."
            )

    def renew_lost(self, why: str) -> None:
        """Hold no PAT until the source, which is not lost, has returned another."""
        now = self._clock.now()
        self._revoke_if_any(self._store.take())
        self._log.warning("The token is lost and renewed: %s", why)
        self._schedule.rotate_at = None
        is_first = self._lost_at is None or now - self._lost_at > LOST_AGAIN
        self._lost_at, self._schedule.retry_at = now, None
        if not is_first:  # else each new one might be refused at once, without a pause
            self._schedule.pause(None)
        self._shown.set(PatState.RETRYING, f"{why} It is being renewed by your sign-in.")

    def lose(self, why: str) -> None:
        """Forget the current PAT; the owner has to paste a new one."""
        self._drop()
        self._log.warning("No PAT any more: %s", why)
        self._shown.set(PatState.NEEDED, why, PASTE_HINT)

    async def revoke_all(self, others_seconds: float) -> int:
        """Revoke everything of ours, and what was pasted; return how many may still be valid."""
        pat = self._forget()
        current = None if pat is None else ReplacedPat(self._api, pat)
        return await self._revocations.all(current, others_seconds)

    def _drop(self) -> None:
        """Forget the current PAT, and revoke it in case it is valid after all."""
        self._revoke_if_any(self._forget())

    def _revoke_if_any(self, pat: Pat | None) -> None:
        if pat is not None:
            self._revocations.add(ReplacedPat(self._api, pat))

    def _forget(self) -> Pat | None:
        source, self.source = self.source, None
        if source is not None:
            self.end(source)
        self._schedule.clear()
        return self._store.take()

"""The rotation: the next token from the source, and what follows from each failure."""

import asyncio
from collections.abc import Callable

from ...background import AnyLogger
from ...errors import (
    DbxAgentsError,
    PatNeededError,
    SignInError,
    TokenRefusedError,
)
from ...secret import Secret
from ..clock import Clock
from ..mint import Mint
from ..plan import Action, Situation, Step, next_step
from ..source import TokenSource
from ..store import Pat, PatState, PatStore
from .held import Held
from .operations import Operations
from .schedule import Schedule
from .shown import PASTE_HINT, Shown


class Renewal:
    """Replaces the current token, on request and when it is due.

    ``is_in_use`` says whether a session needs it; ``rotations`` counts.
    """

    def __init__(
        self,
        held: Held,
        store: PatStore,
        mint: Mint,
        clock: Clock,
        *,
        is_in_use: Callable[[], bool],
        schedule: Schedule,
        shown: Shown,
        operations: Operations,
        log: AnyLogger,
    ) -> None:
        self._held, self._store, self._mint, self._clock = held, store, mint, clock
        self._is_in_use, self._schedule, self._shown = is_in_use, schedule, shown
        self._operations, self._log = operations, log
        self._wake = asyncio.Event()
        self.rotations = 0

    def wake(self) -> None:
        """Check at once what is due."""
        self._wake.set()

    async def run(self) -> None:
        """Do what is due, until the server stops."""
        while not self._operations.is_stopping:
            step = self._next_step()
            if step.action is Action.NOTHING:
                await self._clock.wait(self._wake, step.wait_seconds)
                continue
            try:
                await self._operations.run(self._do_what_is_due)
            except DbxAgentsError as error:  # ``rotate`` has logged it and set the state
                self._log.debug("%s: %s", step.action, error)
            except Exception:  # the loop must go on, or the PAT would expire unnoticed
                self._log.exception("An unexpected failure of the rotation; retrying")

    async def rotate(self) -> None:
        """Replace the PAT; the pause before the next attempt begins with this one.

        So no failure, wherever it is raised, is without one.
        """
        pat, source = self._held.pat(), self._held.source
        if source is None or not (pat or source.revives):
            raise PatNeededError("There is no token to rotate.", PASTE_HINT)
        self._schedule.begin_attempt(pat)
        try:
            fresh = await self._next_pat(source, pat)
        except Exception as error:
            self._fail(source, pat, error)
            raise
        self._held.publish(fresh)
        self.rotations += 1
        self._shown.changed()

    async def lose_if_dead(self, token: Secret) -> None:
        """Forget the current PAT if the workspace refuses it for good.  Raises WorkspaceError."""
        if await self._mint.is_dead(token) and self._held.value() == token:
            why = "The workspace no longer accepts the token: it was revoked."
            if self._held.is_signed_in:
                self._held.renew_lost(why)
                self.wake()
            else:
                self._held.lose(why)

    def _next_step(self) -> Step:
        situation = Situation(
            self._store.pat,
            self._is_in_use(),
            self._schedule.rotate_at,
            self._schedule.retry_at,
            self._held.is_signed_in,
        )
        return next_step(situation, self._clock.now())

    async def _do_what_is_due(self) -> None:
        # Again: while this waited for its turn, a new PAT may have been adopted.
        action = self._next_step().action
        if action is Action.EXPIRE:
            self._held.expire(is_in_use=self._is_in_use())
        elif action is Action.ROTATE:
            await self.rotate()

    async def _next_pat(self, source: TokenSource, pat: Pat | None) -> Pat:
        try:
            return await source.next(pat)
        except TokenRefusedError:  # by one replica, or the token API alone?
            if pat is not None:
                await self.lose_if_dead(pat.value)
            raise

    def _fail(self, source: TokenSource, pat: Pat | None, error: Exception) -> None:
        """Decide what follows from a failed attempt."""
        if pat is None and not source.revives:
            self._held.lose(_words(error))
        elif self._held.source is source and self._store.pat is pat:  # else lost or forgotten
            if isinstance(error, SignInError) and not source.revives:
                self._held.end_session(error)
            else:
                self._retry_later(pat, error)

    def _retry_later(self, pat: Pat | None, error: Exception) -> None:
        """Begin the pause anew, since the attempt may have taken longer, and say why."""
        self._schedule.pause(pat, getattr(error, "retry_after_seconds", 0.0))
        why, hint = _words(error), getattr(error, "hint", "")
        if self._shown.state is not PatState.RETRYING:
            self._log.warning("The PAT could not be rotated: %s Retrying.", why)
        self._shown.set(PatState.RETRYING, f"Renewing the token failed: {why}", hint)


def _words(error: Exception) -> str:
    if isinstance(error, DbxAgentsError):
        return error.message
    return f"unexpected {type(error).__name__}."

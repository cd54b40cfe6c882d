"""The one owner of the credential: it adopts, rotates and revokes.

Its traits, its owner's commands, and what its users see; the work is in ``rotation``, by idea.
Revocations wait for no operation: they run beside, in ``Revocations``.
Where tokens come from is the business of a ``TokenSource`` (see ``source``).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from traitlets import Enum, Float, Integer
from traitlets.config import LoggingConfigurable

from ..background import Listeners
from ..errors import DbxAgentsError, PatError, PatNeededError, WorkspaceError
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .clock import Clock, SystemClock, wall_iso
from .mint import Mint
from .pasted import PastedOutcome, PastedToken, exchange, token_page
from .revocation import Revocations
from .rotation.adoption import Adoption
from .rotation.held import Held
from .rotation.operations import Operations, command_limit
from .rotation.renewal import Renewal
from .rotation.schedule import Schedule
from .rotation.shown import PASTE_HINT, PatStatus, Shown
from .scopes import missing_scopes
from .source import Beginning, TokenSource
from .store import CredentialKind, PatState, PatStore, Promise

__all__ = ["PatRotator", "PatStatus"]

# The platform kills us 15 s after SIGTERM; the other parts need some of that too.
STOP_SECONDS = 3.0
# What others than the current PAT, which matters most, have of that; and at a log-out.
STOP_OTHERS_SECONDS = 1.5
LOG_OUT_OTHERS_SECONDS = 10.0
# Rotations on request that are not due: not so many that they fill the user's quota of 600 tokens.
MOST_WAITING = 8
# A call waits for this long for its token; a program gives up after 10 s or more.
READY_SECONDS = 8.0


class PatRotator(LoggingConfigurable):
    """Holds the PAT and keeps it fresh; a PatSource for everyone else.

    ``expected_user`` names the only user whose token is adopted (None: anybody's, for local use);
    ``in_use`` says whether anything uses the PAT: a session, or a program in the background.
    """

    rotation_interval_seconds = Float(
        600.0, min=0.1, help="Age in seconds at which the PAT is replaced."
    ).tag(config=True)
    lifetime_seconds = Integer(
        900, min=1, help="Lifetime in seconds of each PAT that is created."
    ).tag(config=True)
    promise_seconds = Float(
        120.0,
        min=0.0,
        help="For how long, in seconds, an SDK program may cache a PAT.",
    ).tag(config=True)
    expiry_margin_seconds = Float(
        30.0,
        min=0.0,
        help="How long before a PAT expires, in seconds, its last promise ends.",
    ).tag(config=True)
    in_flight_seconds = Float(
        60.0,
        min=0.0,
        help="How long after its last promise, in seconds, a replaced PAT is revoked.",
    ).tag(config=True)
    retry_first_seconds = Float(
        2.0, min=0.01, help="Delay in seconds before the first retry of a rotation."
    ).tag(config=True)
    retry_most_seconds = Float(
        30.0, min=0.01, help="Longest delay in seconds between two retries."
    ).tag(config=True)
    idle_policy = Enum(
        ["lapse", "keep_alive"],
        default_value="lapse",
        help="While nothing uses the PAT (no terminal or kernel is open, and for one interval no "
        "agent called a model and no SDK took a token): 'lapse' lets it run out, and the next "
        "session asks for a new one; 'keep_alive' goes on rotating.",
    ).tag(config=True)

    def __init__(
        self,
        api: WorkspaceApi,
        *,
        app_name: str = "",
        expected_user: Callable[[], str | None] = lambda: None,
        in_use: Callable[[], bool] = lambda: True,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._api = api
        self._expected_user, self._in_use = expected_user, in_use
        self._clock: Clock = clock or SystemClock()
        self.on_change = Listeners("the credential", self.log)
        self._shown = Shown(self.on_change)
        self._operations = Operations()
        self._store = PatStore(
            self.promise_seconds, self.expiry_margin_seconds, self.in_flight_seconds
        )
        self._revocations = Revocations(
            self._clock,
            self.current,
            self._shown.changed,
            self.log,
            first_pause_seconds=self.retry_first_seconds,
        )
        self.mint = Mint(
            api,
            app_name,
            self.lifetime_seconds,
            clock=self._clock,
            abandon=self._revocations.add,
        )
        self._compose()
        self._checked_at: datetime | None = None
        self._check_lock = asyncio.Lock()

    def _compose(self) -> None:
        """Make the parts of ``rotation``, which share what is made before."""
        self._schedule = Schedule(
            self._clock,
            self.rotation_interval_seconds,
            self.retry_first_seconds,
            self.retry_most_seconds,
        )
        self._held = Held(
            self._api,
            self._clock,
            self._store,
            revocations=self._revocations,
            schedule=self._schedule,
            shown=self._shown,
            operations=self._operations,
            log=self.log,
        )
        self._adoption = Adoption(
            self._api, self._held, revocations=self._revocations, shown=self._shown, log=self.log
        )
        self._renewal = Renewal(
            self._held,
            self._store,
            self.mint,
            self._clock,
            is_in_use=self._is_in_use,
            schedule=self._schedule,
            shown=self._shown,
            operations=self._operations,
            log=self.log,
        )

    # ---- PatSource

    @property
    def state(self) -> PatState:
        """The state of the credential."""
        return self._shown.state

    @property
    def message(self) -> str:
        """Why the credential is in this state and what to do, in a sentence or two."""
        return " ".join(filter(None, (self._shown.message, self._shown.hint)))

    @property
    def user(self) -> str:
        """The login name of the last credential's user; '' before the first."""
        return self._adoption.user

    @property
    def rotations(self) -> int:
        """How often the token was replaced."""
        return self._renewal.rotations

    @property
    def is_signed_in(self) -> bool:
        """Whether there will be a PAT when one is needed, without the owner."""
        return self._held.is_signed_in

    @property
    def scopes(self) -> frozenset[str] | None:
        """What the PAT may do; None if it is not restricted, or there is none."""
        return None if self._held.source is None else self._held.source.scopes

    def current(self) -> Secret | None:
        """Return the PAT for a call that starts now; None when there is none."""
        return self._held.value()

    def promise(self) -> Promise | None:
        """Return the PAT and until when it stays valid; None when there is none."""
        promised = self._store.promise(self._clock.now())
        if promised is None:
            return None
        pat, until = promised
        # Rounded down, so as not to end later than the promise that the store remembers.
        return Promise(pat.value, int(self._clock.to_unix(until)))

    async def ready(self) -> None:
        """Wait, for ``READY_SECONDS`` at most, for a PAT that lapsed and that a sign-in renews."""

        async def renew() -> None:
            if self.current() is None and self._schedule.may_try:
                await self._renewal.rotate()

        if self.current() is None and self.is_signed_in:
            with contextlib.suppress(DbxAgentsError, TimeoutError):
                async with asyncio.timeout(READY_SECONDS):
                    await self._operations.run(renew)

    async def replace_refused(self, refused: Secret) -> Secret | None:
        """Return the PAT to retry with after a refusal; None when there is none any more."""
        async with self._check_lock:  # not as an operation: a rotation may hang
            current = self.current()
            if current is None or current != refused or self._was_just_checked():
                return current
            try:
                await self._renewal.lose_if_dead(current)
            except WorkspaceError as error:
                self.log.debug("Could not check a refused PAT: %s", error)
            self._checked_at = self._clock.now()
            await self.ready()
            return self.current()

    # ---- the owner's commands

    async def adopt(self, pasted: Secret) -> None:
        """Exchange a pasted PAT for a short-lived one, and revoke it.

        Raises a PatError or WorkspaceError that says what to do, and keeps the state before.
        """

        async def begin() -> Beginning:
            return await exchange(self.mint, self._clock, pasted, self._expected_user())

        async with command_limit():
            await self._operations.run(lambda: self._adoption.take_pasted(pasted, begin))
        self._renewal.wake()
        await self._adoption.revoke_exchanged()
        if self._adoption.pasted is not None:
            self.log.info("The pasted token: %s.", self._adoption.pasted.outcome.state)

    async def take(self, begin: Callable[[], Awaitable[Beginning]], message: str) -> None:
        """Replace the credential by the one that ``begin`` returns, in a minute at most.

        ``message`` is shown meanwhile.  Raises what ``begin`` raises, or WorkspaceUnavailableError,
        and keeps the state before.
        """
        async with command_limit():
            await self._operations.run(lambda: self._adoption.take(begin, message))
        self._renewal.wake()
        await self._adoption.revoke_exchanged()

    def end(self, source: TokenSource) -> None:
        """End a source of tokens that is not used; what is left of it is revoked."""
        self._held.end(source)

    async def rotate(self) -> None:
        """Replace the PAT by one that is younger than this call.

        Calls at the same time share one rotation; while many replaced PATs wait for their
        revocation, the PAT is seconds old and stays.  Raises PatNeededError when there is none, or
        why it failed.
        """
        asked_at = self._clock.now()

        async def rotate() -> None:
            pat = self._store.current(self._clock.now())
            is_new = pat is not None and pat.created_at >= asked_at
            if not is_new and self._awaiting_revocation() < MOST_WAITING:
                await self._renewal.rotate()

        async with command_limit():
            await self._operations.run(rotate)
        self._renewal.wake()

    async def log_out(self) -> None:
        """Revoke and forget every PAT of ours, whatever was promised."""
        async with self._operations.ended_by_log_out():
            # Before the first event without a PAT: what follows takes a while.
            self._shown.is_logged_out = True
            self._shown.set(PatState.NEEDED, "You are logged out.", PASTE_HINT)
            left = await self._held.revoke_all(LOG_OUT_OTHERS_SECONDS)
            self._adoption.pasted = None
            warning = (
                f" {left} of its tokens could not be revoked; check Settings › Developer › "
                "Access tokens."
            )
            self._held.lose(f"You are logged out.{warning if left else ''}")
        self._renewal.wake()

    async def revoke_pasted(self, token_id: str) -> None:
        """Revoke the token that the owner chose among the candidates for the pasted one.

        Raises PatError for an id that is not a candidate, PatNeededError without a PAT.
        """
        current = self.current()
        if current is None:
            raise PatNeededError("There is no token to revoke another with.", PASTE_HINT)
        if self._adoption.pasted is None:
            raise PatError("No token was pasted.", "Paste one first.")
        await self._adoption.pasted.revoke_chosen(current, token_id)
        self._shown.changed()

    def session_opened(self) -> None:
        """Check at once whether a rotation is due, since a session was opened."""
        self._renewal.wake()

    # ---- life

    async def run(self) -> None:
        """Rotate, revoke and expire until ``stop`` or cancellation."""
        await asyncio.gather(self._renewal.run(), self._revocations.run())

    async def settle(self) -> None:
        """Begin nothing more, and wait for what is running; a PAT that it creates is deleted."""
        self._operations.is_stopping = True
        self._renewal.wake()
        await self._operations.settled()

    async def stop(self) -> None:
        """Revoke every PAT of ours within ``STOP_SECONDS``, and adopt no more; never raises."""
        self._operations.is_stopping = True
        self._renewal.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._operations.interrupt()
                await self._held.revoke_all(STOP_OTHERS_SECONDS)

    def status(self) -> PatStatus:
        """Return the credential's REST model: never a token, instants in ISO 8601 or None."""
        pat = self._held.pat()
        scopes, pasted = self.scopes, self._adoption.pasted
        return {
            "revision": self._shown.revision,
            "state": self._shown.state,
            "message": self._shown.message,
            "hint": self._shown.hint,
            "user": self.user,
            "created_at": wall_iso(self._clock, pat.created_at if pat else None),
            "expires_at": wall_iso(self._clock, pat.expires_at if pat else None),
            "scopes": None if scopes is None else sorted(scopes),
            "missing_scopes": missing_scopes(scopes),
            "lifetime_seconds": self.lifetime_seconds,
            "next_rotation_at": wall_iso(self._clock, self._schedule.next_at if pat else None),
            "rotations": self.rotations,
            "awaiting_revocation": self._awaiting_revocation(),
            "token_page": token_page(self._api.host),
            "pasted": (pasted.outcome if pasted else PastedOutcome()).status(),
            "credential": CredentialKind.NONE if pat is None else pat.kind,
            "is_signed_in": self.is_signed_in,
            "is_logged_out": self._shown.is_logged_out,
        }

    def _is_in_use(self) -> bool:
        return self.idle_policy == "keep_alive" or self._in_use()

    def _awaiting_revocation(self) -> int:
        return sum(not isinstance(what, PastedToken) for what in self._revocations.waiting())

    def _was_just_checked(self) -> bool:
        """Whether a refusal was checked a moment ago: many calls are refused at once."""
        recent = timedelta(seconds=1)
        return self._checked_at is not None and self._clock.now() - self._checked_at < recent

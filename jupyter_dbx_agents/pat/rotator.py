"""The one owner of the credential: it adopts, rotates and revokes.

One operation at a time replaces the credential (an adoption, a rotation); it holds the lock, and a
log-out or stop cancels it.  Revocations wait for none of them: they run beside, in ``Revocations``.
Where tokens come from is the business of a ``TokenSource`` (see ``source``).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from typing import Any, TypedDict

from traitlets import Enum, Float, Integer
from traitlets.config import LoggingConfigurable

from ..background import Listeners, backoff_seconds, jittered
from ..errors import (
    DbxAgentsError,
    PatError,
    PatNeededError,
    PatRefusedError,
    SignInError,
    TokenRefusedError,
    WorkspaceError,
    WorkspaceUnavailableError,
)
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .clock import Clock, SystemClock, wall_iso
from .mint import Mint
from .pasted import (
    PastedOutcome,
    PastedState,
    PastedStatus,
    PastedToken,
    exchange,
    token_page,
)
from .plan import (
    Action,
    Situation,
    next_step,
    rotation_due_at,
    within_life_seconds,
)
from .revocation import ReplacedPat, Revocable, Revocations
from .scopes import MissingScope, missing_scopes
from .source import Beginning, TokenSource
from .store import CredentialKind, Pat, PatState, PatStore, Promise

_PASTE_HINT = "Click “Databricks” in the status bar, or run: jupyter dbx-agents login"
# The platform kills us 15 s after SIGTERM; the other parts need some of that too.
STOP_SECONDS = 3.0
# What others than the current PAT, which matters most, have of that; and at a log-out.
STOP_OTHERS_SECONDS = 1.5
LOG_OUT_OTHERS_SECONDS = 10.0
# For an adoption and for its revocation of the pasted token: together less than the 120 s after
# which the platform's proxy, and our own commands, give an answer up.
ADOPTION_SECONDS = 60.0
EXCHANGED_SECONDS = 30.0
# Rotations on request that are not due: not so many that they fill the user's quota of 600 tokens.
MOST_WAITING = 8
# A call waits for this long for its token; a program gives up after 10 s or more.
READY_SECONDS = 8.0
# A token that is lost so soon after another is not replaced at once.
LOST_AGAIN = timedelta(seconds=60)


class PatStatus(TypedDict):
    """The credential's REST model."""

    revision: int
    state: PatState
    message: str
    hint: str
    user: str
    created_at: str | None
    expires_at: str | None
    scopes: list[str] | None
    missing_scopes: list[MissingScope]
    lifetime_seconds: int
    next_rotation_at: str | None
    rotations: int
    awaiting_revocation: int
    token_page: str
    pasted: PastedStatus
    credential: CredentialKind
    is_signed_in: bool
    is_logged_out: bool


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
        self._expected_user = expected_user
        self._in_use = in_use
        self._clock: Clock = clock or SystemClock()
        self._store = PatStore(
            self.promise_seconds, self.expiry_margin_seconds, self.in_flight_seconds
        )
        self._revocations = Revocations(
            self._clock,
            self.current,
            self._changed,
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
        self._source: TokenSource | None = None
        self._exchanged: Revocable | None = None  # what the last adoption was made with
        self._pasted: PastedToken | None = None  # the last one
        self._state = PatState.NEEDED
        self._is_logged_out = False
        self._message = (
            "Agents use your own Databricks account. Sign in, or paste a personal access token."
        )
        self._hint = _PASTE_HINT
        self.user = ""
        self.rotations = 0
        self._rotate_at: datetime | None = None
        self._retry_at: datetime | None = None
        self._attempts = 0
        self._checked_at: datetime | None = None
        self._lost_at: datetime | None = None
        self._used_until: datetime | None = None  # what was promised of replaced tokens
        self._is_stopping = False
        self._lock = asyncio.Lock()
        self._check_lock = asyncio.Lock()
        self._operation: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self.on_change = Listeners("the credential", self.log)
        self._revision = 0  # events and replies may arrive at a browser out of order

    # ---- PatSource

    @property
    def state(self) -> PatState:
        """The state of the credential."""
        return self._state

    @property
    def message(self) -> str:
        """Why the credential is in this state and what to do, in a sentence or two."""
        return " ".join(filter(None, (self._message, self._hint)))

    @property
    def is_signed_in(self) -> bool:
        """Whether there will be a PAT when one is needed, without the owner."""
        return self._source is not None and self._source.revives

    @property
    def scopes(self) -> frozenset[str] | None:
        """What the PAT may do; None if it is not restricted, or there is none."""
        return None if self._source is None else self._source.scopes

    def current(self) -> Secret | None:
        """Return the PAT for a call that starts now; None when there is none."""
        pat = self._store.current(self._clock.now())
        return None if pat is None else pat.value

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
            may_try = self._retry_at is None or self._clock.now() >= self._retry_at
            if self.current() is None and may_try:
                await self._rotate()

        if self.current() is None and self.is_signed_in:
            with contextlib.suppress(DbxAgentsError, TimeoutError):
                async with asyncio.timeout(READY_SECONDS):
                    await self._exclusively(renew)

    async def replace_refused(self, refused: Secret) -> Secret | None:
        """Return the PAT to retry with after a refusal; None when there is none any more."""
        async with self._check_lock:  # not the other one: a rotation may hang
            current = self.current()
            if current is None or current != refused or self._was_just_checked():
                return current
            try:
                await self._lose_if_dead(current)
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

        async def adopt() -> None:
            if self._holds(pasted):
                raise PatRefusedError(
                    "This is one of the short-lived tokens that this app created.",
                    f"Create a token of your own on {token_page(self._api.host)}.",
                )
            if not self._was_just_adopted(pasted):
                await self._take(begin, "The pasted token is being checked.")

        await self._exclusively(adopt)
        await self._revoke_exchanged()
        if self._pasted is not None:
            self.log.info("The pasted token: %s.", self._pasted.outcome.state)

    async def take(self, begin: Callable[[], Awaitable[Beginning]], message: str) -> None:
        """Replace the credential by the one that ``begin`` returns, within ``ADOPTION_SECONDS``.

        ``message`` is shown meanwhile.  Raises what ``begin`` raises, and keeps the state before.
        """
        await self._exclusively(lambda: self._take(begin, message))
        await self._revoke_exchanged()

    def end(self, source: TokenSource, due_at: datetime | None = None) -> None:
        """End a source of tokens that is not used, or not any more.

        What is left is revoked at ``due_at``, with the tokens that were promised (None: now).
        """
        rest = source.end()
        if rest is not None:
            self._revocations.add(rest, due_at)

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
                await self._rotate()

        await self._exclusively(rotate)
        self._wake.set()

    async def log_out(self) -> None:
        """Revoke and forget every PAT of ours, whatever was promised."""
        await self._interrupt()
        async with self._lock:
            # Before the first event without a PAT: what follows takes a while.
            self._is_logged_out = True
            self._set(PatState.NEEDED, "You are logged out.", _PASTE_HINT)
            left = await self._revoke_all(LOG_OUT_OTHERS_SECONDS)
            self._pasted = None
            warning = (
                f" {left} of its tokens could not be revoked; check Settings › Developer › "
                "Access tokens."
            )
            self._lose(f"You are logged out.{warning if left else ''}")
        self._wake.set()

    async def revoke_pasted(self, token_id: str) -> None:
        """Revoke the token that the owner chose among the candidates for the pasted one.

        Raises PatError for an id that is not a candidate, PatNeededError without a PAT.
        """
        current = self.current()
        if current is None:
            raise PatNeededError("There is no token to revoke another with.", _PASTE_HINT)
        if self._pasted is None:
            raise PatError("No token was pasted.", "Paste one first.")
        await self._pasted.revoke_chosen(current, token_id)
        self._changed()

    def session_opened(self) -> None:
        """Check at once whether a rotation is due, since a session was opened."""
        self._wake.set()

    # ---- life

    async def run(self) -> None:
        """Rotate, revoke and expire until ``stop`` or cancellation."""
        await asyncio.gather(self._rotate_in_time(), self._revocations.run())

    async def settle(self) -> None:
        """Begin nothing more, and wait for what is running; a PAT that it creates is deleted."""
        self._is_stopping = True
        self._wake.set()
        async with self._lock:
            pass

    async def stop(self) -> None:
        """Revoke every PAT of ours within ``STOP_SECONDS``, and adopt no more; never raises."""
        self._is_stopping = True
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._interrupt()
                await self._revoke_all(STOP_OTHERS_SECONDS)

    def status(self) -> PatStatus:
        """Return the credential's REST model: never a token, instants in ISO 8601 or None."""
        pat = self._store.current(self._clock.now())
        scopes = self.scopes
        return {
            "revision": self._revision,
            "state": self._state,
            "message": self._message,
            "hint": self._hint,
            "user": self.user,
            "created_at": wall_iso(self._clock, pat.created_at if pat else None),
            "expires_at": wall_iso(self._clock, pat.expires_at if pat else None),
            "scopes": None if scopes is None else sorted(scopes),
            "missing_scopes": missing_scopes(scopes),
            "lifetime_seconds": self.lifetime_seconds,
            "next_rotation_at": wall_iso(
                self._clock, (self._retry_at or self._rotate_at) if pat else None
            ),
            "rotations": self.rotations,
            "awaiting_revocation": self._awaiting_revocation(),
            "token_page": token_page(self._api.host),
            "pasted": (self._pasted.outcome if self._pasted else PastedOutcome()).status(),
            "credential": CredentialKind.NONE if pat is None else pat.kind,
            "is_signed_in": self.is_signed_in,
            "is_logged_out": self._is_logged_out,
        }

    # ---- one operation at a time

    async def _exclusively(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run what may replace the credential; raise PatError if a log-out or stop ends it."""
        async with self._lock:
            if self._is_stopping:
                raise _stopping()
            operation = self._operation = asyncio.ensure_future(work())
            try:
                await operation
            except asyncio.CancelledError:
                this = asyncio.current_task()
                if this is not None and this.cancelling():
                    raise
                raise _stopping() if self._is_stopping else _logged_out() from None
            finally:
                self._operation = None

    async def _interrupt(self) -> None:
        """Cancel the operation that runs; what it may have created is among the revocations."""
        if self._operation is not None:
            self._operation.cancel()
            await asyncio.wait([self._operation], timeout=1.0)

    # ---- adoption

    async def _take(self, begin: Callable[[], Awaitable[Beginning]], message: str) -> None:
        with self._adopting(message):
            try:
                async with asyncio.timeout(ADOPTION_SECONDS):
                    beginning = await begin()
            except TimeoutError:
                raise WorkspaceUnavailableError(
                    f"The workspace took longer than {ADOPTION_SECONDS:.0f} s to check the token.",
                    "Try again in a moment.",
                ) from None
            replaced, self._source = self._source, beginning.source
            self.user, due_at = beginning.user, None
            try:
                due_at = self._publish(beginning.pat)
            finally:
                if replaced is not None:
                    self.end(replaced, due_at)
        self.log.info("A credential of %s was adopted.", self.user)
        self._exchanged = beginning.exchanged
        if isinstance(beginning.exchanged, PastedToken):
            self._pasted = beginning.exchanged
        if beginning.exchanged is not None:
            self._revocations.add(beginning.exchanged)
        self._wake.set()

    async def _revoke_exchanged(self) -> None:
        """Wait for the first try, so that the reply to the owner says what became of it."""
        if self._exchanged is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EXCHANGED_SECONDS):
                    await self._revocations.attempt(self._exchanged)

    @contextlib.contextmanager
    def _adopting(self, message: str) -> Iterator[None]:
        """Set the state ``adopting``; restore the previous one on failure."""
        before = (self._state, self._message, self._hint)
        self._set(PatState.ADOPTING, message)
        try:
            yield
        except BaseException:
            if self._state is PatState.ADOPTING:
                self._set(*before)
            raise

    def _holds(self, value: Secret) -> bool:
        """Whether a value is one of the PATs of ours that may be valid."""
        pat = self._store.pat
        return (pat is not None and pat.value == value) or self._revocations.holds(value)

    def _was_just_adopted(self, pasted: Secret) -> bool:
        """Whether a token was pasted in two places at once: then the work is done."""
        last = self._pasted
        if last is None or self.current() is None:
            return False
        return last.value == pasted and last.outcome.state is not PastedState.KEPT

    # ---- rotation

    async def _rotate_in_time(self) -> None:
        while not self._is_stopping:
            step = next_step(self._situation(), self._clock.now())
            if step.action is Action.NOTHING:
                await self._clock.wait(self._wake, step.wait_seconds)
                continue
            try:
                await self._exclusively(self._do_what_is_due)
            except DbxAgentsError as error:  # ``_rotate`` has logged it and set the state
                self.log.debug("%s: %s", step.action, error)
            except Exception:  # the loop must go on, or the PAT would expire unnoticed
                self.log.exception("An unexpected failure of the rotation; retrying")

    async def _do_what_is_due(self) -> None:
        # Again: while this waited for the lock, a new PAT may have been adopted.
        action = next_step(self._situation(), self._clock.now()).action
        if action is Action.EXPIRE:
            self._expire()
        elif action is Action.ROTATE:
            await self._rotate()

    async def _rotate(self) -> None:
        """Replace the PAT; the pause before the next attempt begins with this one.

        So no failure, wherever it is raised, is without one.
        """
        pat, source = self._store.current(self._clock.now()), self._source
        if source is None or not (pat or source.revives):
            raise PatNeededError("There is no token to rotate.", _PASTE_HINT)
        self._attempts += 1
        self._pause(pat)
        try:
            fresh = await self._next_pat(source, pat)
        except Exception as error:
            if pat is None and not source.revives:
                self._lose(_words(error))
            elif self._source is source and self._store.pat is pat:  # else lost or forgotten
                if isinstance(error, SignInError) and not source.revives:
                    self._end_session(error)
                else:
                    self._retry_later(pat, error)
            raise
        self._publish(fresh)
        self.rotations += 1
        self._changed()

    async def _next_pat(self, source: TokenSource, pat: Pat | None) -> Pat:
        try:
            return await source.next(pat)
        except TokenRefusedError:  # by one replica, or the token API alone?
            if pat is not None:
                await self._lose_if_dead(pat.value)
            raise

    async def _lose_if_dead(self, token: Secret) -> None:
        """Forget the current PAT if the workspace refuses it for good.  Raises WorkspaceError."""
        if await self.mint.is_dead(token) and self.current() == token:
            why = "The workspace no longer accepts the token: it was revoked."
            if self.is_signed_in:
                self._renew_lost(why)
            else:
                self._lose(why)

    def _publish(self, pat: Pat) -> datetime | None:
        """Make a PAT the current one; revoke it instead if the server is stopping.

        Return when no token that was replaced so far is used any more; None if there is none.

        Nothing is awaited from its creation to here: no cancellation can lose it.
        """
        if self._is_stopping:
            self._revocations.add(ReplacedPat(self._api, pat))
            raise _stopping()
        recovered = self._state is PatState.RETRYING
        replaced = self._store.publish(pat, self._clock.now())
        if replaced is not None:
            old = ReplacedPat(self._api, replaced.pat)
            self._revocations.add(old, replaced.revoke_at)
            # The one before may have been promised for longer.
            self._used_until = max(replaced.revoke_at, self._used_until or replaced.revoke_at)
        self._attempts, self._retry_at = 0, None
        self._rotate_at = rotation_due_at(pat, self.rotation_interval_seconds)
        if recovered:
            self.log.info("The PAT rotates again.")
        valid = (
            "The token is valid, and renews itself while a terminal or notebook is open, or an "
            "agent works in the background."
        )
        self._set(PatState.ACTIVE, f"{valid} {self._source.note if self._source else ''}".strip())
        return self._used_until

    def _pause(self, pat: Pat | None, wanted_seconds: float = 0.0) -> None:
        """Set when to try again; with a PAT that ends soon, while it can still be rotated."""
        now = self._clock.now()
        pause = backoff_seconds(
            self._attempts - 1, self.retry_first_seconds, self.retry_most_seconds
        )
        delay = max(jittered(pause, 0.2), wanted_seconds)
        if pat is not None:
            delay = within_life_seconds(delay, pat, now)
        self._retry_at = now + timedelta(seconds=max(delay, self.retry_first_seconds / 2))

    def _retry_later(self, pat: Pat | None, error: Exception) -> None:
        """Begin the pause anew, since the attempt may have taken longer, and say why."""
        self._pause(pat, getattr(error, "retry_after_seconds", 0.0))
        why, hint = _words(error), getattr(error, "hint", "")
        if self._state is not PatState.RETRYING:
            self.log.warning("The PAT could not be rotated: %s Retrying.", why)
        self._set(PatState.RETRYING, f"Renewing the token failed: {why}", hint)

    # ---- its end

    def _end_session(self, error: SignInError) -> None:
        """Keep the last token until it expires; only the owner can get another."""
        self._rotate_at = self._retry_at = None
        self.log.warning("The sign-in has ended: %s", error.message)
        self._set(
            PatState.NEEDED, error.message, f"{error.hint} The last token works until it expires."
        )

    def _expire(self) -> None:
        if self._state is PatState.NEEDED:  # the session has ended before
            self._lose(self._message)
            return
        if not self._is_in_use():
            why = "No terminal, notebook or agent used it."
        elif self._state is PatState.RETRYING:
            why = self._message
        else:
            why = "It was not renewed in time: the machine may have been asleep."
        if self.is_signed_in:
            self._suspend()
            return
        self._drop()
        self.log.warning("The PAT has expired: %s", why)
        self._set(PatState.EXPIRED, f"The token has expired. {why}", _PASTE_HINT)

    def _suspend(self) -> None:
        """Hold no PAT until a session needs one: the source returns another then."""
        self._revoke_if_any(self._store.take())
        self._rotate_at = None
        if self._state is not PatState.RETRYING or not self._is_in_use():
            self.log.info("The token has expired; the sign-in gets another when one is needed.")
            self._set(PatState.PAUSED, "You are signed in. The next session gets a new token.")

    def _renew_lost(self, why: str) -> None:
        """Hold no PAT until the source, which is not lost, has returned another."""
        now = self._clock.now()
        self._revoke_if_any(self._store.take())
        self.log.warning("The token is lost and renewed: %s", why)
        self._rotate_at = None
        is_first = self._lost_at is None or now - self._lost_at > LOST_AGAIN
        self._lost_at, self._retry_at = now, None
        if not is_first:  # else each new one might be refused at once, without a pause
            self._pause(None)
        self._set(PatState.RETRYING, f"{why} It is being renewed by your sign-in.")
        self._wake.set()

    def _lose(self, why: str) -> None:
        """Forget the current PAT; the owner has to paste a new one."""
        self._drop()
        self.log.warning("No PAT any more: %s", why)
        self._set(PatState.NEEDED, why, _PASTE_HINT)

    async def _revoke_all(self, others_seconds: float) -> int:
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
        source, self._source = self._source, None
        if source is not None:
            self.end(source)
        self._rotate_at = self._retry_at = None
        self._attempts = 0
        return self._store.take()

    # ---- its state

    def _situation(self) -> Situation:
        return Situation(
            self._store.pat,
            self._is_in_use(),
            self._rotate_at,
            self._retry_at,
            self.is_signed_in,
        )

    def _is_in_use(self) -> bool:
        return self.idle_policy == "keep_alive" or self._in_use()

    def _awaiting_revocation(self) -> int:
        return sum(not isinstance(what, PastedToken) for what in self._revocations.waiting())

    def _was_just_checked(self) -> bool:
        """Whether a refusal was checked a moment ago: many calls are refused at once."""
        recent = timedelta(seconds=1)
        return self._checked_at is not None and self._clock.now() - self._checked_at < recent

    def _set(self, state: PatState, message: str, hint: str = "") -> None:
        self._state, self._message, self._hint = state, message, hint
        self._is_logged_out = self._is_logged_out and state is PatState.NEEDED
        self._changed()

    def _changed(self) -> None:
        self._revision += 1
        self.on_change.notify()


def _words(error: Exception) -> str:
    if isinstance(error, DbxAgentsError):
        return error.message
    return f"unexpected {type(error).__name__}."


def _stopping() -> PatError:
    return PatError("The server is stopping.", "Paste the token when it runs again.")


def _logged_out() -> PatError:
    return PatError("You logged out while this was under way.", "Paste the token again.")

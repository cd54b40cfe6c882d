"""The one owner of the credential: it adopts, rotates and revokes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
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
    TokenRefusedError,
    WorkspaceError,
)
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .clock import Clock, SystemClock, iso
from .mint import Mint
from .pasted import PastedStatus, exchange, token_page
from .plan import (
    Action,
    Situation,
    next_step,
    rotation_due_at,
    within_life_seconds,
)
from .revocation import Revocations
from .store import Pat, PatState, PatStore, Promise

_PASTE_HINT = "Click “Databricks” in the status bar, or run: jupyter dbx-agents login"
# The platform kills us 15 s after SIGTERM; the other parts need some of that too.
STOP_SECONDS = 3.0


class PatStatus(TypedDict):
    """The credential's REST model."""

    revision: int
    state: PatState
    message: str
    hint: str
    user: str
    created_at: str | None
    expires_at: str | None
    lifetime_seconds: int
    next_rotation_at: str | None
    rotations: int
    awaiting_revocation: int
    token_page: str
    pasted: PastedStatus


class PatRotator(LoggingConfigurable):
    """Holds the PAT and keeps it fresh; a PatSource for everyone else.

    ``expected_user`` names the only user whose token is adopted (None: anybody's, for local use);
    ``in_use`` says whether any session is active.
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
        help="While no terminal or kernel is open: 'lapse' lets the PAT run out, and the next "
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
        self._mint = Mint(api, app_name, self.lifetime_seconds)
        self._revocations = Revocations(
            api, self._store, self._mint, self.retry_first_seconds, self.log
        )
        self._state = PatState.NEEDED
        self._message = (
            "Agents use your own Databricks account. Paste a personal access token to connect."
        )
        self._hint = _PASTE_HINT
        self.user = ""
        self.rotations = 0
        self._rotate_at: datetime | None = None
        self._retry_at: datetime | None = None
        self._tidy_at: datetime | None = None
        self._attempts = 0
        self._checked_at: datetime | None = None
        self._is_stopping = False
        self._lock = asyncio.Lock()
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

    async def replace_refused(self, refused: Secret) -> Secret | None:
        """Return the PAT to retry with after a refusal; None when there is none any more."""
        async with self._lock:
            current = self.current()
            if current is None or current != refused or self._was_just_checked():
                return current
            try:
                if await self._mint.is_dead(current):
                    self._lose("The workspace no longer accepts the token: it was revoked.")
                    return None
            except WorkspaceError as error:
                self.log.debug("Could not check a refused PAT: %s", error)
            self._checked_at = self._clock.now()
            return current

    # ---- the owner's commands

    async def adopt(self, pasted: Secret) -> None:
        """Exchange a pasted PAT for a short-lived one, and revoke it.

        Raises a PatError or WorkspaceError that says what to do, and keeps the state before.
        """
        async with self._lock:
            self._require_running()
            if self._store.holds(pasted):
                raise PatRefusedError(
                    "This is one of the short-lived tokens that this app created.",
                    f"Create a token of your own on {token_page(self._api.host)}.",
                )
            async with self._adopting():
                token = await exchange(
                    self._api, self._mint, pasted, self._expected_user(), self._clock
                )
                self.user = token.user
                await self._publish(token.pat)
                await self._revocations.revoke_pasted(token)
            outcome = self._revocations.outcome.state
            self.log.info("A PAT of %s was adopted; the pasted one: %s.", self.user, outcome)
            self._changed()
        self._wake.set()

    async def rotate(self) -> None:
        """Replace the PAT now.  Raises PatNeededError when there is none, or why it failed."""
        async with self._lock:
            self._require_running()
            await self._rotate()
        self._wake.set()

    async def log_out(self) -> None:
        """Revoke and forget every PAT of ours, whatever was promised."""
        async with self._lock:
            left = await self._revocations.revoke_all(self.current())
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
        async with self._lock:
            current = self.current()
            if current is None:
                raise PatNeededError("There is no token to revoke another with.", _PASTE_HINT)
            await self._revocations.revoke_chosen(current, token_id)
            self._changed()

    def session_opened(self) -> None:
        """Check at once whether a rotation is due, since a session was opened."""
        self._wake.set()

    # ---- life

    async def run(self) -> None:
        """Rotate, revoke and expire until ``settle``, ``stop`` or cancellation."""
        while not self._is_stopping:
            step = next_step(self._situation(), self._clock.now())
            if step.action is Action.NOTHING:
                await self._clock.wait(self._wake, step.wait_seconds)
                continue
            async with self._lock:
                # Again: while this waited for the lock, a new PAT may have been adopted.
                succeeded = await self._perform(
                    next_step(self._situation(), self._clock.now()).action
                )
            if not succeeded:
                await self._clock.wait(self._wake, self.retry_first_seconds)

    async def settle(self) -> None:
        """Begin nothing more, and wait for what is running; a PAT that it creates is deleted."""
        self._is_stopping = True
        self._wake.set()
        async with self._lock:
            pass

    async def stop(self) -> None:
        """Revoke every PAT of ours within ``STOP_SECONDS``, and adopt no more; never raises."""
        self._is_stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS), self._lock:
                await self._revocations.revoke_all(self.current())

    def status(self) -> PatStatus:
        """Return the credential's REST model: never a token, instants in ISO 8601 or None."""
        pat = self._store.current(self._clock.now())
        return {
            "revision": self._revision,
            "state": self._state,
            "message": self._message,
            "hint": self._hint,
            "user": self.user,
            "created_at": iso(pat.created_at if pat else None),
            "expires_at": iso(pat.expires_at if pat else None),
            "lifetime_seconds": self.lifetime_seconds,
            "next_rotation_at": iso((self._retry_at or self._rotate_at) if pat else None),
            "rotations": self.rotations,
            "awaiting_revocation": len(self._store.retired),
            "token_page": token_page(self._api.host),
            "pasted": self._revocations.outcome.status(),
        }

    # ---- adoption

    @contextlib.asynccontextmanager
    async def _adopting(self) -> AsyncIterator[None]:
        """Set the state ``adopting``; restore the previous one on failure."""
        before = (self._state, self._message, self._hint)
        self._set(PatState.ADOPTING, "The pasted token is being checked.")
        try:
            yield
        except BaseException:
            if self._state is PatState.ADOPTING:
                self._set(*before)
            raise

    # ---- rotation

    async def _perform(self, action: Action) -> bool:
        """Do what is due; return False after an unexpected failure."""
        if action is Action.NOTHING:  # another task did what was due
            return True
        try:
            await self._actions()[action]()
        except DbxAgentsError as error:  # _rotate has logged it and set the state
            self.log.debug("%s: %s", action, error)
        except Exception:  # the loop must go on, or the PAT would expire unnoticed
            self.log.exception("An unexpected failure of the rotation; retrying")
            return False
        return True

    def _actions(self) -> dict[Action, Callable[[], Awaitable[None]]]:
        return {
            Action.EXPIRE: self._expire,
            Action.ROTATE: self._rotate,
            Action.REVOKE: self._revoke_due,
            Action.TIDY: self._tidy,
        }

    async def _rotate(self) -> None:
        pat = self._store.current(self._clock.now())
        if pat is None:
            raise PatNeededError("There is no token to rotate.", _PASTE_HINT)
        try:
            fresh = await self._mint.create(pat.value, self._clock.now())
        except TokenRefusedError as error:
            if await self._mint.is_dead(pat.value):
                self._lose("The workspace no longer accepts the token: it was revoked.")
            else:  # one replica, or the token API alone
                self._retry_later(error)
            raise
        except (WorkspaceError, PatError) as error:
            self._retry_later(error)
            raise
        await self._publish(fresh)
        self.rotations += 1
        self._changed()

    async def _publish(self, pat: Pat) -> None:
        """Make a PAT the current one; delete it instead if the server is stopping."""
        if self._is_stopping:
            await self._mint.undo(pat)
        self._require_running()
        recovered = self._state is PatState.RETRYING
        self._store.publish(pat, self._clock.now())
        self._attempts, self._retry_at = 0, None
        self._rotate_at = rotation_due_at(pat, self.rotation_interval_seconds)
        self._tidy_at = self._clock.now()
        if recovered:
            self.log.info("The PAT rotates again.")
        self._set(
            PatState.ACTIVE,
            "The token is valid, and renews itself while a terminal or notebook is open.",
        )

    def _retry_later(self, error: DbxAgentsError) -> None:
        now, pat = self._clock.now(), self._store.pat
        delay = backoff_seconds(self._attempts, self.retry_first_seconds, self.retry_most_seconds)
        delay = max(jittered(delay, 0.2), getattr(error, "retry_after_seconds", 0.0))
        if pat is not None:
            delay = within_life_seconds(delay, pat, now)
        self._attempts += 1
        self._retry_at = now + timedelta(seconds=max(delay, self.retry_first_seconds / 2))
        if self._state is not PatState.RETRYING:
            self.log.warning("The PAT could not be rotated: %s Retrying.", error.message)
        self._set(PatState.RETRYING, f"Renewing the token failed: {error.message}", error.hint)

    async def _revoke_due(self) -> None:
        await self._revocations.revoke_due(self.current(), self._clock.now())

    async def _tidy(self) -> None:
        """Retry revocations that failed; schedule another try for those that fail again."""
        self._tidy_at = None
        current = self.current()
        if current is None:
            return
        try:
            await self._revocations.tidy(current)
        except WorkspaceError as error:
            self.log.debug("A revocation failed again: %s", error)
            self._tidy_at = self._clock.now() + timedelta(seconds=self.retry_most_seconds)
        self._changed()

    async def _expire(self) -> None:
        why = "No session was open." if not self._is_in_use() else self._message
        self._forget()
        self.log.warning("The PAT has expired: %s", why)
        self._set(PatState.EXPIRED, f"The token has expired. {why}", _PASTE_HINT)

    def _lose(self, why: str) -> None:
        """Forget every PAT; the owner has to paste a new one."""
        self._forget()
        self.log.warning("No PAT any more: %s", why)
        self._set(PatState.NEEDED, why, _PASTE_HINT)

    def _forget(self) -> None:
        self._store.clear()
        self._rotate_at = self._retry_at = self._tidy_at = None

    def _situation(self) -> Situation:
        return Situation(
            self._store.pat,
            tuple(self._store.retired),
            self._is_in_use(),
            self._rotate_at,
            self._retry_at,
            self._tidy_at,
        )

    def _is_in_use(self) -> bool:
        return self.idle_policy == "keep_alive" or self._in_use()

    def _require_running(self) -> None:
        if self._is_stopping:
            raise PatError("The server is stopping.", "Paste the token when it runs again.")

    def _was_just_checked(self) -> bool:
        """Whether a refusal was checked a moment ago: many calls are refused at once."""
        recent = timedelta(seconds=1)
        return self._checked_at is not None and self._clock.now() - self._checked_at < recent

    def _set(self, state: PatState, message: str, hint: str = "") -> None:
        self._state, self._message, self._hint = state, message, hint
        self._changed()

    def _changed(self) -> None:
        self._revision += 1
        self.on_change.notify()

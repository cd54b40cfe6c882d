"""Sign in: one attempt at a time, and the session as the source of tokens.

Decisions
- By default with the Databricks CLI's public client, since an app has none of its own.  Its
  redirect is on the *user's* machine, where nothing of ours listens: the browser shows an error
  there, and the owner copies the address.  Whether a workspace lets an app use that client, only
  that workspace can say: its refusal is shown in its own words.
- One attempt at a time, shared by every window and prompt, valid for ten minutes.  It ends with the
  first answer that works, so that none can be replayed; a wrong answer changes nothing.
- The state must be that of the attempt.  Only a code pasted alone has none: PKCE binds it, where
  the workspace says that it checks that.  The callback, which any web page can call, needs it.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict
from urllib.parse import urlsplit

from traitlets import TraitError, Unicode, validate
from traitlets.config import LoggingConfigurable

from ...errors import (
    PatCannotMintError,
    PatForeignUserError,
    SignInError,
    TokenRefusedError,
)
from ...secret import Secret
from ..clock import Clock
from ..mint import Mint
from ..rotation.operations import command_limit
from ..rotator import PatRotator
from ..source import Beginning
from ..store import Pat
from .answer import Answer, answer_of, parse_answer
from .authorization import Authorization, Consent, UserSession, UserTokens

ATTEMPT_SECONDS = 600.0
# A shared attempt that is about to end would end under the hands of whoever begins now.
REUSED_FOR_SECONDS = 300.0
# How long an ended session is tried to be revoked, for which its refresh token is kept.
REVOKED_WITHIN_SECONDS = 300.0
CALLBACK_PATH = "/dbx-agents/sign-in/callback"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_AGAIN = "Open the sign-in page again, or paste a personal access token instead."


class SignedIn:
    """A signed-in user's session as the source of tokens.

    PATs are minted and rotated as ever, the first of them with the session's access token, so that
    none is pasted.  Where the workspace creates none, the access token is the credential itself.
    """

    def __init__(self, session: UserSession, mint: Mint, clock: Clock) -> None:
        self._session, self._mint, self._clock = session, mint, clock
        self.scopes: frozenset[str] | None = None
        self.note = ""

    @property
    def revives(self) -> bool:
        """Whether there can be a token after the last one has expired."""
        return self._session.renews_itself

    async def next(self, current: Pat | None) -> Pat:
        """Return the next token; without ``current``, one from the session.

        Raises SignInError when the session has ended, or what ``Mint.create`` raises.
        """
        if current is not None and current.token_id is not None:
            try:
                return await self._mint.create(current.value, self.scopes)
            except (TokenRefusedError, PatCannotMintError):
                pass  # it was revoked, or PATs are not allowed any more; the session remains
        used = current.value if current is not None and current.token_id is None else None
        tokens = await self._session.access(self._clock.now(), used)
        try:
            return await self._from(tokens)
        except TokenRefusedError:
            return await self._from(await self._session.access(self._clock.now(), tokens.access))

    def end(self) -> "EndedSession | None":
        """Forget the session; return what is left to be revoked in the workspace."""
        if not self._session.end():
            return None
        until = self._clock.now() + timedelta(seconds=REVOKED_WITHIN_SECONDS)
        return EndedSession(self._session, until)

    async def _from(self, tokens: UserTokens) -> Pat:
        try:
            pat = await self._mint.create(tokens.access, self.scopes)
        except PatCannotMintError as error:
            self.note = f"It is the sign-in's own token, since: {error.message}"
            return Pat(tokens.access, None, tokens.created_at, tokens.expires_at)
        self.note = ""
        return pat


class EndedSession:
    """A session that the owner has ended, and the workspace not yet."""

    def __init__(self, session: UserSession, ends_at: datetime) -> None:
        self._session = session
        self.ends_at: datetime | None = ends_at

    async def revoke(self, _current: Secret | None) -> bool:
        """Revoke the refresh token; return False while it may be replaced.

        Raises WorkspaceError.
        """
        return await self._session.revoke()


class SignInAttempt(TypedDict):
    """The REST model of an attempt; ``pastes``: the address where it ends is to be pasted back."""

    address: str
    redirect_url: str
    pastes: bool
    expires_in_seconds: int


class _Attempt:
    def __init__(self, consent: Consent, began_at: datetime) -> None:
        self.consent, self.began_at = consent, began_at

    def age_seconds(self, now: datetime) -> float:
        return (now - self.began_at).total_seconds()


class SignIn(LoggingConfigurable):
    """Signing in by the workspace's own page (OAuth with PKCE), without a pasted token."""

    client_id = Unicode(
        "databricks-cli",
        help="The public OAuth client to sign in with. The default is the Databricks CLI's, which "
        "every workspace knows; an administrator may register one for this app.",
    ).tag(config=True)
    redirect_url = Unicode(
        "http://localhost:8020",
        help="Where the workspace sends the browser afterwards; it must be registered for the "
        "client. On localhost, the address is pasted back. With a client of this app's own, set "
        f"https://APP{CALLBACK_PATH}, and signing in takes one click.",
    ).tag(config=True)

    def __init__(
        self,
        pats: PatRotator,
        clock: Clock,
        *,
        expected_user: Callable[[], str | None] = lambda: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._pats, self._clock, self._expected_user = pats, clock, expected_user
        self._server = Authorization(pats.mint.api, self.client_id, self.redirect_url, clock)
        self._attempt: _Attempt | None = None
        self._lock = asyncio.Lock()

    @validate("redirect_url")
    def _check_redirect(self, proposal: Any) -> str:
        parts = urlsplit(proposal["value"])
        is_loopback = parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
            raise TraitError("SignIn.redirect_url must be https, or http on localhost")
        if not is_loopback and not parts.path.endswith(CALLBACK_PATH):
            raise TraitError(f"SignIn.redirect_url must end with {CALLBACK_PATH}")
        return str(proposal["value"])

    @property
    def pastes(self) -> bool:
        """Whether the browser ends on an address that is to be pasted back."""
        return not urlsplit(self.redirect_url).path.endswith(CALLBACK_PATH)

    async def begin(self) -> SignInAttempt:
        """Return the attempt under way, or a new one.  Raises SignInError or a WorkspaceError."""
        async with command_limit(), self._lock:
            attempt = self._current()
            if attempt is None or attempt.age_seconds(self._clock.now()) > REUSED_FOR_SECONDS:
                attempt = self._attempt = _Attempt(await self._server.ask(), self._clock.now())
            return self._model(attempt)

    def attempt(self) -> SignInAttempt | None:
        """Return the attempt under way; None if there is none."""
        attempt = self._current()
        return None if attempt is None else self._model(attempt)

    def cancel(self) -> None:
        """Forget the attempt: its answer is not accepted any more."""
        self._attempt = None

    async def answer(self, pasted: str) -> None:
        """Sign in with the answer that the owner pasted.

        Raises SignInError, PatForeignUserError or a WorkspaceError; the attempt goes on then.
        """
        await self._finish(parse_answer(pasted, self.redirect_url), needs_state=False)

    async def answer_callback(self, fields: Mapping[str, str]) -> None:
        """Sign in with the answer in the callback's query; raises as ``answer``."""
        await self._finish(answer_of(fields), needs_state=True)

    async def _finish(self, answer: Answer, *, needs_state: bool) -> None:
        async with command_limit(), self._lock:
            attempt = self._current()
            if attempt is None:
                raise SignInError(
                    "No sign-in is under way: it was completed, or began more than ten minutes "
                    "ago.",
                    _AGAIN,
                )
            code = _checked(answer, attempt.consent, needs_state)
            await self._pats.take(
                lambda: self._beginning(attempt.consent, code), "Your sign-in is being checked."
            )
            self._attempt = None

    async def _beginning(self, consent: Consent, code: Secret) -> Beginning:
        """Exchange a code; the session is ended again unless its user is the owner."""
        expected_user = self._expected_user()
        session = UserSession(self._server, consent, code)
        source = SignedIn(session, self._pats.mint, self._clock)
        try:
            tokens = await session.access(self._clock.now())
            user = await self._owner(tokens.access, expected_user)
            return Beginning(user, await source.next(None), source)
        except BaseException:
            self._pats.end(source)
            raise

    async def _owner(self, access: Secret, expected_user: str | None) -> str:
        """Return the login name of the user who signed in, who must be ``expected_user``."""
        try:
            user = await self._pats.mint.api.me(access)
        except TokenRefusedError as error:
            raise SignInError(
                "The workspace does not accept the token of its own sign-in.", _AGAIN
            ) from error
        is_expected = expected_user is None or expected_user.lower() in user.addresses
        if not user.active or not is_expected:
            raise PatForeignUserError(
                "You signed in to the workspace as a different user than the owner of this app.",
                "Sign out there, and sign in as the owner.",
            )
        return user.user_name

    def _current(self) -> _Attempt | None:
        attempt = self._attempt
        if attempt is not None and attempt.age_seconds(self._clock.now()) >= ATTEMPT_SECONDS:
            self._attempt = attempt = None
        return attempt

    def _model(self, attempt: _Attempt) -> SignInAttempt:
        left = ATTEMPT_SECONDS - attempt.age_seconds(self._clock.now())
        return {
            "address": attempt.consent.address,
            "redirect_url": self.redirect_url,
            "pastes": self.pastes,
            "expires_in_seconds": int(left),
        }


def _checked(answer: Answer, consent: Consent, needs_state: bool) -> Secret:
    """Return the code of an answer to this request for consent.  Raises SignInError."""
    if answer.state is None and (needs_state or not consent.endpoints.binds_codes):
        raise SignInError(
            "This answer does not say which sign-in it belongs to.", "Paste the whole address."
        )
    if answer.state is not None and answer.state != consent.state:
        raise SignInError(
            "This is the answer to an earlier sign-in, or to somebody else's.",
            "Open the sign-in page from here, and use the answer of that tab.",
        )
    _check_issuer(answer, consent)
    if answer.code is None:
        raise SignInError(_refusal(answer), _AGAIN)
    return answer.code


def _check_issuer(answer: Answer, consent: Consent) -> None:
    """Refuse another server's answer, whose code could be meant to be sent to this one (RFC 9207).

    Where the workspace names itself in its answers, one that names nobody is not its.  A code alone
    names nobody and is bound by PKCE.  Raises SignInError.
    """
    if answer.issuer is None:
        if consent.endpoints.names_issuer and not answer.is_code_alone:
            raise SignInError(
                "This answer does not say which server it comes from, as your workspace's do.",
                "Paste the whole address, up to its end.",
            )
    elif answer.issuer != consent.endpoints.issuer:
        raise SignInError("This answer comes from another server than your workspace.", _AGAIN)


def _refusal(answer: Answer) -> str:
    words = answer.description or answer.error
    return f"The workspace did not sign you in ({answer.error}): {words.rstrip('.')}."

"""The pasted token: is it one, whose is it, what may it do, and its end.

It is exchanged for a short-lived one with exactly its scopes, and then deleted with itself, so that
no other user's token can be hit.  Which of the user's tokens it is says ``proof``; without proof it
is kept, and the user sees the list.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict

from ..errors import (
    PatError,
    PatForeignUserError,
    PatRefusedError,
    PatShapeError,
    TokenRefusedError,
    WorkspaceError,
    WorkspacePermissionError,
    WorkspaceUnavailableError,
)
from ..secret import Secret
from ..workspace_api import TokenInfo, WorkspaceApi
from .clock import Clock, iso
from .mint import (
    PROPAGATION_PAUSE_SECONDS,
    PROPAGATION_TRIES,
    SPREAD_SECONDS,
    Mint,
    cannot_mint,
)
from .proof import TokenList, entry_of, scopes_of_any, verdict
from .scopes import RENEWAL_SCOPE
from .source import Beginning, SelfRenewing, TokenSource
from .store import Pat

# 32 hex digits, and on Azure the number of a replica.  The workspace judges any other "dapi…".
_PAT = re.compile(r"dapi[0-9A-Za-z_-]{8,200}")
_QUOTES = "\"'`“”‘’"
_OTHER_TOKENS = {
    "eyJ": "an OAuth or user session token",
    "dose": "a service principal's OAuth secret",
    "dkea": "an account-level key",
    "sk-": "an API key of another service",
    "ghp_": "a GitHub token",
}
_CREATE_HINT = "Create one under Settings › Developer › Access tokens. It begins with “dapi”."


class PastedState(StrEnum):
    """What became of the pasted token."""

    NONE = "none"
    REVOKED = "revoked"
    KEPT = "kept"
    RETRYING = "retrying"


class Candidate(TypedDict):
    """A token that may be the pasted one: the REST model."""

    token_id: str
    comment: str
    created_at: str | None
    expires_at: str | None


class PastedStatus(TypedDict):
    """The REST model of what became of the pasted token."""

    state: PastedState
    message: str
    candidates: list[Candidate]


@dataclass(frozen=True)
class PastedOutcome:
    """What became of the pasted token; ``candidates`` are the tokens that it may be."""

    state: PastedState = PastedState.NONE
    message: str = ""
    candidates: Sequence[TokenInfo] = ()

    def status(self) -> PastedStatus:
        """Return the REST model; the ids are the token API's, which are not secret."""
        return {
            "state": self.state,
            "message": self.message,
            "candidates": [
                {
                    "token_id": info.token_id,
                    "comment": info.comment,
                    "created_at": iso(info.created_at),
                    "expires_at": iso(info.expires_at),
                }
                for info in self.candidates
            ],
        }


def parse_pat(text: str) -> Secret:
    """Return the PAT in a pasted text, without white space and the quotes around it.

    Raises PatShapeError, which says what the text looks like without repeating it.
    """
    bare = "".join(text.split()).strip(_QUOTES)
    if not bare:
        raise PatShapeError("No token was given.", _CREATE_HINT)
    for prefix, description in _OTHER_TOKENS.items():
        if bare.startswith(prefix):
            raise PatShapeError(
                f"This looks like {description}, not like a personal access token.", _CREATE_HINT
            )
    if not _PAT.fullmatch(bare):
        raise PatShapeError(
            "This does not look like a Databricks personal access token.", _CREATE_HINT
        )
    return Secret(bare)


async def user_of(api: WorkspaceApi, token: Secret, expected_user: str | None) -> str:
    """Return the login name of the token's user, who must be ``expected_user`` (None: anybody).

    A guest's login name is not their e-mail address; the owner may be known by either.
    Raises PatRefusedError or PatForeignUserError.
    """
    try:
        user = await api.me(token)
    except TokenRefusedError:
        raise PatRefusedError(
            "The workspace rejected this token. It may have expired, been revoked, or belong to "
            "another workspace.",
            f"Create a new one on {api.host}, and paste it.",
        ) from None
    except WorkspacePermissionError as error:
        raise PatRefusedError(
            "This token may not read which user it belongs to.",
            "Create one with all scopes, or with the scopes “authentication” and “scim”.",
        ) from error
    if not user.active or "@" not in user.user_name:
        raise PatForeignUserError(
            "This token belongs to a service principal or to a deactivated user.",
            "Paste a token of your own user.",
        )
    if expected_user is not None and expected_user.lower() not in user.addresses:
        raise PatForeignUserError(
            "This token belongs to a different user than the owner of this app.",
            "Paste a token that you created yourself in this workspace.",
        )
    return user.user_name


def token_page(host: str) -> str:
    """Return the address of the workspace's page for creating tokens."""
    return f"{host}/settings/user/developer/access-tokens"


class PastedToken:
    """A token that was exchanged for ``pat``; its value is held until it is revoked.

    ``listed`` is what it listed before ``pat`` was created; ``source`` gets the later ones.
    """

    ends_at: datetime | None = None  # it may live for years

    def __init__(
        self,
        mint: Mint,
        clock: Clock,
        value: Secret,
        *,
        pat: Pat,
        listed: TokenList,
        source: TokenSource,
    ) -> None:
        self._mint, self._api, self._clock = mint, mint.api, clock
        self._lists, self._pat, self._source = [listed], pat, source
        self._deleted_at: datetime | None = None
        self.value = value
        self.outcome = PastedOutcome(PastedState.RETRYING)

    async def revoke(self, _current: Secret | None) -> bool:
        """Revoke the token if its id is proved, else keep it and note the candidates.

        Returns False, and raises a WorkspaceError, when it must be tried again; the outcome says
        why.
        """
        try:
            return await self._revoke()
        except TokenRefusedError as error:
            if await self._is_refused_for_good():
                self.outcome = _REVOKED
                return True
            self._note(error)
            raise
        except WorkspaceError as error:
            self._note(error)
            raise

    async def revoke_chosen(self, token: Secret, token_id: str) -> None:
        """Revoke the candidate that the owner chose.

        Raises PatError for an id that is not a candidate, or the workspace's own error.
        """
        if not token_id or token_id not in {info.token_id for info in self.outcome.candidates}:
            raise PatError(
                "This is not one of the tokens that the pasted one may be.",
                "Choose one of the listed candidates.",
            )
        await self._api.delete_token(token, token_id)
        self.outcome = PastedOutcome(PastedState.REVOKED, "The token you chose was revoked.")

    async def _revoke(self) -> bool:
        if self._deleted_at is None:
            token_id = await self._proved_id()
            if token_id is None:
                self.outcome = _kept([t for t in self._lists[-1] if not self._mint.is_ours(t)])
                return True
            self._learn_scopes(token_id)
            await self._api.delete_token(self.value, token_id)
            self._deleted_at = self._clock.now()
        if await self._is_refused_soon():
            self.outcome = _REVOKED
            return True
        is_late = self._clock.now() - self._deleted_at > timedelta(seconds=2 * SPREAD_SECONDS)
        self.outcome = _STILL_ALIVE if is_late else _SPREADING
        return is_late

    async def _proved_id(self) -> str | None:
        """Return the pasted token's id; list again while that may help, then None."""
        for attempt in range(PROPAGATION_TRIES):
            judged = verdict(self.value, self._pat, self._lists, self._mint.is_ours)
            if judged.is_final:
                return judged.token_id
            if attempt:
                await self._clock.sleep(PROPAGATION_PAUSE_SECONDS)
            # The last two are what the proof looks at.
            self._lists = [self._lists[-1], await self._api.list_tokens(self.value)]
        return verdict(self.value, self._pat, self._lists, self._mint.is_ours).token_id

    def _learn_scopes(self, token_id: str) -> None:
        """Give the next tokens exactly this one's scopes, now that its entry is known."""
        entry = next(i for tokens in self._lists for i in tokens if i.token_id == token_id)
        self._source.scopes, self._source.note = entry.scopes, ""

    async def _is_refused_soon(self) -> bool:
        """Whether the workspace refuses the token now, or within a few tries."""
        for _ in range(PROPAGATION_TRIES):
            try:
                await self._api.me(self.value)
            except TokenRefusedError:
                return True
            await self._clock.sleep(PROPAGATION_PAUSE_SECONDS)
        return False

    async def _is_refused_for_good(self) -> bool:
        try:
            return await self._mint.is_dead(self.value)
        except WorkspaceError:
            return False

    def _note(self, error: WorkspaceError) -> None:
        self.outcome = PastedOutcome(
            PastedState.RETRYING, f"The pasted token could not be revoked yet: {error.message}"
        )


async def exchange(
    mint: Mint, clock: Clock, pasted: Secret, expected_user: str | None
) -> Beginning:
    """Check whose a pasted token is, and create a short-lived PAT with exactly its scopes.

    Raises PatRefusedError, PatForeignUserError, PatCannotMintError or WorkspaceUnavailableError.
    """
    user = await user_of(mint.api, pasted, expected_user)
    try:
        listed, scopes, are_known = await _scopes_of(mint, clock, pasted)
        pat = await mint.create(pasted, scopes)
    except TokenRefusedError as error:
        raise PatRefusedError(
            "The token was revoked while it was being checked.", "Paste a new one."
        ) from error
    source = SelfRenewing(mint, scopes, "" if are_known else _SCOPES_UNKNOWN)
    exchanged = PastedToken(mint, clock, pasted, pat=pat, listed=listed, source=source)
    return Beginning(user, pat, source, exchanged)


async def _scopes_of(
    mint: Mint, clock: Clock, pasted: Secret
) -> tuple[TokenList, frozenset[str] | None, bool]:
    """Return what the token lists, its scopes (None: no restriction), and whether they are known.

    While it cannot be told from the user's other tokens, they are what all of these have in common:
    never more than its own.
    """
    listed = await _list(mint, clock, pasted)
    for _ in range(PROPAGATION_TRIES - 1):
        entry = entry_of(pasted, listed)
        if entry is not None:
            return listed, entry.scopes, True
        await clock.sleep(PROPAGATION_PAUSE_SECONDS)
        listed = await _list(mint, clock, pasted)
    foreign = [info for info in listed if not mint.is_ours(info)]
    if not foreign:
        raise WorkspaceUnavailableError(
            "The workspace does not list this token yet.", "Try again in a moment."
        )
    common = scopes_of_any(foreign)
    are_known = len({info.scopes for info in foreign}) == 1
    return listed, common if common is None else common | {RENEWAL_SCOPE}, are_known


async def _list(mint: Mint, clock: Clock, pasted: Secret) -> TokenList:
    """List the user's tokens, in several tries; raise what ``Mint.create`` raises."""
    for attempt in range(PROPAGATION_TRIES):
        try:
            return await mint.api.list_tokens(pasted)
        except WorkspaceUnavailableError:
            if attempt + 1 == PROPAGATION_TRIES:
                raise
            await clock.sleep(PROPAGATION_PAUSE_SECONDS)
        except TokenRefusedError:
            raise
        except WorkspaceError as error:
            raise cannot_mint(error) from error
    raise AssertionError("the last try returns or raises")


_REVOKED = PastedOutcome(PastedState.REVOKED, "The pasted token was revoked.")
_SPREADING = PastedOutcome(
    PastedState.RETRYING,
    "The pasted token was deleted; until all servers of the workspace know, some still accept it.",
)
_STILL_ALIVE = PastedOutcome(
    PastedState.KEPT,
    "The pasted token was deleted, but the workspace still accepts it. Check the list under "
    "Settings › Developer › Access tokens.",
)
_SCOPES_UNKNOWN = (
    "The pasted token's scopes could not be determined; the short-lived ones have those that all "
    "your tokens have."
)


def _kept(candidates: TokenList) -> PastedOutcome:
    return PastedOutcome(
        PastedState.KEPT,
        "The pasted token could not be identified among your tokens, so it was not revoked. Choose "
        "it in the dialog or with “jupyter dbx-agents revoke-pasted”, or delete it under Settings "
        "› Developer › Access tokens.",
        candidates,
    )

"""The pasted token: is it one, whose is it, and which of the user's tokens is it?

The token API takes ids, never values, so the pasted token must be identified before it can be
revoked.  A guess ("the newest that is not ours") could revoke another token; there are two proofs:

1. The platform's ids are SHA-256 hashes of some part of the token.  Which is not documented, so it
   is calibrated on the token just minted, of which both value and id are known.
2. Otherwise, a list made with the pasted token contains it; if one entry is not ours, that is it.

Without proof it is kept, and the user sees the list.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
)
from ..secret import Secret
from ..workspace_api import TokenInfo, WorkspaceApi
from .clock import Clock, iso
from .mint import PROPAGATION_PAUSE_SECONDS, PROPAGATION_TRIES, Mint
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


async def owner_of_pasted(api: WorkspaceApi, pasted: Secret, expected_user: str | None) -> str:
    """Return the login name of the token's user, who must be ``expected_user`` (None: anybody).

    Raises PatRefusedError or PatForeignUserError.
    """
    try:
        user = await api.me(pasted)
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
    if expected_user is not None and user.user_name != expected_user.lower():
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

    ``listed`` are the user's tokens before ``pat`` was created; empty if it may not list them.
    """

    def __init__(
        self,
        api: WorkspaceApi,
        mint: Mint,
        value: Secret,
        *,
        user: str,
        pat: Pat,
        listed: list[TokenInfo],
    ) -> None:
        self._api, self._mint = api, mint
        self._value, self._listed = value, listed
        self._token_id: str | None = None
        self.user, self.pat = user, pat
        self.outcome = PastedOutcome(PastedState.RETRYING)

    async def revoke(self, token: Secret, ours: set[str]) -> None:
        """Revoke the token if its id is proved, else keep it and note the candidates.

        Raises a WorkspaceError, noted in the outcome, after which it can be called again.
        """
        try:
            self._token_id = self._token_id or await self._identify(token, ours)
            if self._token_id is not None:
                await self._api.delete_token(token, self._token_id)
                self.outcome = _REVOKED if await self._is_refused_soon() else _STILL_ALIVE
        except WorkspaceError as error:
            self.outcome = PastedOutcome(
                PastedState.RETRYING,
                f"The pasted token could not be revoked yet: {error.message}",
            )
            raise

    async def revoke_chosen(self, token: Secret, token_id: str) -> None:
        """Revoke the candidate that the owner chose.

        Raises PatError for an id that is not a candidate, or the workspace's own error.
        """
        if token_id not in {info.token_id for info in self.outcome.candidates}:
            raise PatError(
                "This is not one of the tokens that the pasted one may be.",
                "Choose one of the listed candidates.",
            )
        await self._api.delete_token(token, token_id)
        self.outcome = PastedOutcome(PastedState.REVOKED, "The token you chose was revoked.")

    async def _identify(self, token: Secret, ours: set[str]) -> str | None:
        """Return the pasted token's id; None, with the candidates noted, if there is no proof."""
        listed = self._listed or await self._api.list_tokens(token)
        foreign = [info for info in listed if not self._mint.is_ours(info)]
        candidates = pasted_candidates(foreign, ours)
        token_id = pasted_token_id(self._value, self.pat, candidates)
        # Only what the pasted token itself listed is sure to contain it.
        if token_id is None and self._listed and len(candidates) == 1:
            token_id = candidates[0].token_id
        if token_id is None:
            self.outcome = _kept(candidates)
        return token_id

    async def _is_refused_soon(self) -> bool:
        """Whether the workspace refuses the token now, or within a few tries."""
        for _ in range(PROPAGATION_TRIES):
            try:
                await self._api.me(self._value)
            except TokenRefusedError:
                return True
            await asyncio.sleep(PROPAGATION_PAUSE_SECONDS)
        return False


async def exchange(
    api: WorkspaceApi, mint: Mint, pasted: Secret, expected_user: str | None, clock: Clock
) -> PastedToken:
    """Check whose a pasted token is, list the user's tokens, and create a short-lived PAT with it.

    Raises PatRefusedError, PatForeignUserError, PatCannotMintError or WorkspaceUnavailableError.
    """
    user = await owner_of_pasted(api, pasted, expected_user)
    listed: list[TokenInfo] = []
    with contextlib.suppress(WorkspaceError):
        listed = await api.list_tokens(pasted)
    try:
        pat = await mint.create(pasted, clock.now())
    except TokenRefusedError as error:
        raise PatRefusedError(
            "The token was revoked while it was being checked.", "Paste a new one."
        ) from error
    return PastedToken(api, mint, pasted, user=user, pat=pat, listed=listed)


def pasted_token_id(pasted: Secret, minted: Pat, listed: list[TokenInfo]) -> str | None:
    """Return the pasted token's id by calibration on ``minted``, if the list confirms it."""
    ids = {info.token_id for info in listed}
    for scheme in _ID_SCHEMES:
        if scheme(minted.value.reveal()) == minted.token_id:
            candidate = scheme(pasted.reveal())
            return candidate if candidate in ids else None
    return None


def pasted_candidates(listed_before: list[TokenInfo], ours: set[str]) -> list[TokenInfo]:
    """Return the tokens that the pasted one may be: all that it listed but this process's own.

    None is excluded by comment or age: an exclusion by mistake could be the pasted token itself,
    and leave another one as the only candidate.
    """
    return [info for info in listed_before if info.token_id not in ours]


_REVOKED = PastedOutcome(PastedState.REVOKED, "The pasted token was revoked.")
_STILL_ALIVE = PastedOutcome(
    PastedState.KEPT,
    "The pasted token was deleted, but the workspace still accepts it. Check the list under "
    "Settings › Developer › Access tokens.",
)


def _kept(candidates: list[TokenInfo]) -> PastedOutcome:
    return PastedOutcome(
        PastedState.KEPT,
        "The pasted token could not be identified among your tokens, so it was not revoked. Choose "
        "it in the dialog or with “jupyter dbx-agents revoke-pasted”, or delete it under Settings "
        "› Developer › Access tokens.",
        candidates,
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _of_value(value: str) -> str:
    return _sha256(value.encode())


def _of_value_without_replica(value: str) -> str:
    return _sha256(value.partition("-")[0].encode())


def _of_digits(value: str) -> str:
    return _sha256(value.partition("-")[0].removeprefix("dapi").encode())


def _of_bytes(value: str) -> str:
    try:
        return _sha256(bytes.fromhex(value.partition("-")[0].removeprefix("dapi")))
    except ValueError:
        return ""


_ID_SCHEMES: tuple[Callable[[str], str], ...] = (
    _of_value,
    _of_value_without_replica,
    _of_digits,
    _of_bytes,
)

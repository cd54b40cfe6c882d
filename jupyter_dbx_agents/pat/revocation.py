"""Revoke the pasted token, exactly that one or none."""

from __future__ import annotations

import asyncio
import contextlib

from ..errors import PatError, TokenRefusedError, WorkspaceError
from ..secret import Secret
from ..workspace_api import MintedToken, TokenInfo, WorkspaceApi
from .mint import PROPAGATION_PAUSE_SECONDS, PROPAGATION_TRIES
from .pasted import PastedOutcome, PastedState, pasted_candidates, pasted_token_id


class PastedRevoker:
    """Holds what became of the pasted token; its value only until it is known to be dead."""

    def __init__(self, api: WorkspaceApi) -> None:
        self._api = api
        self.outcome = PastedOutcome()
        self._pasted: Secret | None = None
        self._token_id = ""

    def forget(self) -> None:
        """Start anew: nothing was pasted."""
        self.outcome = PastedOutcome()
        self._pasted = None
        self._token_id = ""

    async def revoke_pasted(
        self, pasted: Secret, minted: MintedToken, listed: list[TokenInfo], ours: set[str]
    ) -> None:
        """Revoke the pasted token if it is provably one id; never raises a WorkspaceError."""
        self.forget()
        candidates = pasted_candidates(listed, ours)
        token_id = pasted_token_id(pasted, minted, candidates)
        if token_id is None and len(candidates) == 1:
            token_id = candidates[0].token_id
        if token_id is None:
            self.outcome = _kept(candidates)
            return
        self._pasted, self._token_id = pasted, token_id
        with contextlib.suppress(WorkspaceError):  # noted in the outcome; retry() goes on with it
            await self._try(minted.value)

    async def revoke_chosen(self, token: Secret, token_id: str) -> None:
        """Revoke the candidate that the owner says was pasted.

        Raises PatError for an id that is no candidate, or what the workspace said.
        """
        if token_id not in {info.token_id for info in self.outcome.candidates}:
            raise PatError(
                "This is not one of the tokens that the pasted one may be.",
                "Choose one of the listed candidates.",
            )
        await self._api.delete_token(token, token_id)
        self.outcome = PastedOutcome(PastedState.REVOKED, "The token you chose was revoked.")

    async def retry(self, token: Secret) -> None:
        """Try again what failed before, if anything did.  Raises the WorkspaceError of that."""
        if self.outcome.state is PastedState.RETRYING:
            await self._try(token)

    async def _try(self, token: Secret) -> None:
        try:
            await self._api.delete_token(token, self._token_id)
            dead = await self._is_dead()
        except WorkspaceError as error:
            self.outcome = PastedOutcome(
                PastedState.RETRYING,
                f"The pasted token could not be revoked yet: {error.message}",
            )
            raise
        self._pasted = None
        self.outcome = _revoked() if dead else _still_alive()

    async def _is_dead(self) -> bool:
        """Whether the workspace refuses the pasted token now (it may take a moment to)."""
        if self._pasted is None:
            return True
        for _ in range(PROPAGATION_TRIES):
            try:
                await self._api.me(self._pasted)
            except TokenRefusedError:
                return True
            await asyncio.sleep(PROPAGATION_PAUSE_SECONDS)
        return False


def _revoked() -> PastedOutcome:
    return PastedOutcome(PastedState.REVOKED, "The pasted token was revoked.")


def _still_alive() -> PastedOutcome:
    return PastedOutcome(
        PastedState.KEPT,
        "The pasted token was deleted, but the workspace still accepts it. Check the list under "
        "Settings › Developer › Access tokens.",
    )


def _kept(candidates: list[TokenInfo]) -> PastedOutcome:
    return PastedOutcome(
        PastedState.KEPT,
        "The pasted token could not be told from your others, so it was not revoked. Choose it "
        "here, or delete it under Settings › Developer › Access tokens.",
        candidates,
    )

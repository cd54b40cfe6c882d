"""Revoke: replaced PATs when their promises have passed, and the pasted token, exactly that one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from typing import Any

from ..errors import PatError, TokenRefusedError, WorkspaceError
from ..secret import Secret
from ..workspace_api import MintedToken, TokenInfo, WorkspaceApi
from .mint import PROPAGATION_PAUSE_SECONDS, PROPAGATION_TRIES, Mint
from .pasted import PastedOutcome, PastedState, pasted_candidates, pasted_token_id
from .store import Pat, PatStore

# At the end there are seconds for everything, and the current PAT is the one that matters.
TIDY_SECONDS = 1.5


class PastedRevoker:
    """Revokes one pasted token; holds its value only until it is known to be dead.

    ``listed`` are the tokens that the pasted one saw before ``minted`` was made with it; empty if
    it could not list them.
    """

    def __init__(self, api: WorkspaceApi, mint: Mint, pasted: Secret, minted: MintedToken) -> None:
        self._api, self._mint = api, mint
        self._pasted, self._minted = pasted, minted
        self._token_id: str | None = None
        self.listed: list[TokenInfo] = []
        self.outcome = PastedOutcome(PastedState.RETRYING)

    async def revoke(self, token: Secret, ours: set[str]) -> None:
        """Revoke it if it is provably one id, else keep it and name the candidates.

        Raises a WorkspaceError, noted in the outcome, after which it can be called again.
        """
        try:
            self._token_id = self._token_id or await self._identify(token, ours)
            if self._token_id is not None:
                await self._api.delete_token(token, self._token_id)
                self.outcome = _revoked() if await self._is_dead() else _still_alive()
        except WorkspaceError as error:
            self.outcome = PastedOutcome(
                PastedState.RETRYING,
                f"The pasted token could not be revoked yet: {error.message}",
            )
            raise

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

    async def _identify(self, token: Secret, ours: set[str]) -> str | None:
        """Return the pasted token's id; None, with the candidates noted, if there is no proof."""
        listed = self.listed or await self._api.list_tokens(token)
        foreign = [info for info in listed if not self._mint.is_ours(info)]
        candidates = pasted_candidates(foreign, ours)
        token_id = pasted_token_id(self._pasted, self._minted, candidates)
        # Only what the pasted token itself saw is sure to hold it.
        if token_id is None and self.listed and len(candidates) == 1:
            token_id = candidates[0].token_id
        if token_id is None:
            self.outcome = _kept(candidates)
        return token_id

    async def _is_dead(self) -> bool:
        """Whether the workspace refuses the pasted token now (it may take a moment to)."""
        for _ in range(PROPAGATION_TRIES):
            try:
                await self._api.me(self._pasted)
            except TokenRefusedError:
                return True
            await asyncio.sleep(PROPAGATION_PAUSE_SECONDS)
        return False


class Revocations:
    """All that is yet to be revoked; what fails is tried again."""

    def __init__(
        self,
        api: WorkspaceApi,
        store: PatStore,
        mint: Mint,
        retry_seconds: float,
        log: logging.Logger | logging.LoggerAdapter[Any],
    ) -> None:
        self._api, self._store, self._mint = api, store, mint
        self._retry_seconds, self._log = retry_seconds, log
        self._pasted: list[PastedRevoker] = []

    @property
    def outcome(self) -> PastedOutcome:
        """What became of the token that was pasted last."""
        return self._pasted[-1].outcome if self._pasted else PastedOutcome()

    async def revoke_pasted(
        self, pasted: Secret, minted: MintedToken, listed: list[TokenInfo]
    ) -> None:
        """Begin with a token that was just pasted; what fails is for ``tidy``."""
        revoker = PastedRevoker(self._api, self._mint, pasted, minted)
        revoker.listed = listed
        self._pasted = [*self._unfinished(), revoker]
        with contextlib.suppress(WorkspaceError):
            await revoker.revoke(minted.value, self._store.token_ids())

    async def revoke_chosen(self, token: Secret, token_id: str) -> None:
        """Revoke the candidate that the owner says was pasted.  Raises PatError."""
        if not self._pasted:
            raise PatError("No token was pasted.", "Paste one first.")
        await self._pasted[-1].revoke_chosen(token, token_id)

    async def revoke_due(self, current: Secret | None, now: datetime) -> None:
        """Revoke replaced PATs whose promises have passed."""
        for entry in [entry for entry in self._store.retired if now >= entry.revoke_at]:
            if current is None or now >= entry.pat.expires_at:
                self._store.drop(entry)
                continue
            try:
                await self._api.delete_token(current, entry.pat.token_id)
            except WorkspaceError as error:
                self._log.debug("A replaced PAT could not be revoked: %s", error)
                entry.revoke_at = now + timedelta(seconds=self._retry_seconds)
            else:
                self._store.drop(entry)

    async def tidy(self, current: Secret, held: set[str] | None = None) -> None:
        """Finish what was left undone; ``held`` are the ids that are not (those in the store).

        Raises the WorkspaceError that keeps it undone.
        """
        await self._mint.sweep_lost(current, self._store.token_ids() if held is None else held)
        for revoker in self._unfinished():
            await revoker.revoke(current, self._store.token_ids() if held is None else held)

    async def revoke_all(self, current: Secret | None) -> int:
        """Revoke everything of ours, and what was pasted; return how many may still live.

        The store is empty afterwards, whatever happens.
        """
        held, pats = self._store.token_ids(), self._store.clear()
        # Side by side, since a slow workspace leaves time for few calls one after the other; the
        # current one is last: it revokes the others, then itself.
        first = [self._delete(pats[-1], pat) for pat in pats[:-1]]
        if current is not None:
            first.append(self._tidy_at_the_end(current, held))
        left = sum(await asyncio.gather(*first))
        for pat in pats[-1:]:
            left += await self._delete(pat, pat)
        self._pasted = []
        return left

    async def _tidy_at_the_end(self, current: Secret, held: set[str]) -> int:
        """Finish what was left undone, if that leaves time to revoke the current PAT."""
        try:
            async with asyncio.timeout(TIDY_SECONDS):
                await self.tidy(current, held)
        except (WorkspaceError, TimeoutError) as error:
            self._log.warning(
                "A token may be left in the workspace: %s",
                error if str(error) else "no answer in time",
            )
            return 1
        return 0

    async def _delete(self, current: Pat, pat: Pat) -> int:
        """Revoke one PAT of ours; return 1 if it may still live."""
        try:
            await self._api.delete_token(current.value, pat.token_id)
        except TokenRefusedError:
            return 0  # it is dead already
        except WorkspaceError as error:
            self._log.warning("A PAT could not be revoked (it expires by itself): %s", error)
            return 1
        return 0

    def _unfinished(self) -> list[PastedRevoker]:
        return [r for r in self._pasted if r.outcome.state is PastedState.RETRYING]


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
        "The pasted token could not be told from your others, so it was not revoked. Choose it in "
        "the dialog or with “jupyter dbx-agents revoke-pasted”, or delete it under Settings › "
        "Developer › Access tokens.",
        candidates,
    )

"""Revoke replaced PATs when their promises have passed, the pasted token, and all at the end."""

import asyncio
import contextlib
from datetime import datetime, timedelta

from ..background import AnyLogger
from ..errors import PatError, TokenRefusedError, WorkspaceError
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .mint import Mint
from .pasted import PastedOutcome, PastedState, PastedToken
from .store import Pat, PatStore

# A stop has seconds for everything, and the current PAT matters most.
TIDY_SECONDS = 1.5


class Revocations:
    """Everything that is yet to be revoked; what fails is retried."""

    def __init__(
        self,
        api: WorkspaceApi,
        store: PatStore,
        mint: Mint,
        retry_seconds: float,
        log: AnyLogger,
    ) -> None:
        self._api, self._store, self._mint = api, store, mint
        self._retry_seconds, self._log = retry_seconds, log
        self._pasted: list[PastedToken] = []

    @property
    def outcome(self) -> PastedOutcome:
        """What became of the token that was pasted last."""
        return self._pasted[-1].outcome if self._pasted else PastedOutcome()

    async def revoke_pasted(self, pasted: PastedToken) -> None:
        """Revoke a token that was just exchanged; ``tidy`` retries what fails."""
        self._pasted = [*self._unfinished(), pasted]
        with contextlib.suppress(WorkspaceError):
            await pasted.revoke(pasted.pat.value, self._store.token_ids())

    async def revoke_chosen(self, token: Secret, token_id: str) -> None:
        """Revoke the candidate that the owner chose.  Raises PatError."""
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
        """Delete lost tokens and retry the pasted ones; ``held`` are our ids (None: the store's).

        Raises the WorkspaceError of the first that fails.
        """
        await self._mint.sweep_lost(current, self._store.token_ids() if held is None else held)
        for pasted in self._unfinished():
            await pasted.revoke(current, self._store.token_ids() if held is None else held)

    async def revoke_all(self, current: Secret | None) -> int:
        """Revoke everything of ours, and what was pasted; return how many may still be valid.

        The store is empty afterwards, whatever happens.
        """
        held, pats = self._store.token_ids(), self._store.clear()
        # Concurrently, since a slow workspace leaves no time for one call after the other; the
        # current PAT is last: it revokes the others, then itself.
        first = [self._delete(pats[-1], pat) for pat in pats[:-1]]
        if current is not None:
            first.append(self._tidy_at_the_end(current, held))
        left = sum(await asyncio.gather(*first))
        for pat in pats[-1:]:
            left += await self._delete(pat, pat)
        self._pasted = []
        return left

    async def _tidy_at_the_end(self, current: Secret, held: set[str]) -> int:
        """Run ``tidy``, within a time that leaves some to revoke the current PAT."""
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
        """Revoke one PAT of ours; return 1 if it may still be valid."""
        try:
            await self._api.delete_token(current.value, pat.token_id)
        except TokenRefusedError:
            return 0  # it is invalid already
        except WorkspaceError as error:
            self._log.warning("A PAT could not be revoked (it expires by itself): %s", error)
            return 1
        return 0

    def _unfinished(self) -> list[PastedToken]:
        return [p for p in self._pasted if p.outcome.state is PastedState.RETRYING]

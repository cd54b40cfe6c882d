"""A new credential takes the place of the one before: an adopted token, or a sign-in."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from ...background import AnyLogger
from ...errors import PatRefusedError
from ...secret import Secret
from ...workspace_api import WorkspaceApi
from ..pasted import PastedState, PastedToken, token_page
from ..revocation import Revocable, Revocations
from ..source import Beginning
from .held import Held
from .operations import EXCHANGED_SECONDS
from .shown import Shown


class Adoption:
    """Takes a new credential, and revokes what it was made with.

    ``pasted`` is the last pasted token, ``user`` the login name of the last credential's user.
    """

    def __init__(
        self,
        api: WorkspaceApi,
        held: Held,
        *,
        revocations: Revocations,
        shown: Shown,
        log: AnyLogger,
    ) -> None:
        self._api, self._held, self._revocations = api, held, revocations
        self._shown, self._log = shown, log
        self._exchanged: Revocable | None = None  # what the last adoption was made with
        self.pasted: PastedToken | None = None
        self.user = ""

    async def take_pasted(self, pasted: Secret, begin: Callable[[], Awaitable[Beginning]]) -> None:
        """Exchange a pasted token, unless that has just been done.

        Raises PatRefusedError for one of ours, and what ``begin`` raises.
        """
        if self._held.has(pasted):
            raise PatRefusedError(
                "This is one of the short-lived tokens that this app created.",
                f"Create a token of your own on {token_page(self._api.host)}.",
            )
        if not self._was_just_adopted(pasted):
            await self.take(begin, "The pasted token is being checked.")

    async def take(self, begin: Callable[[], Awaitable[Beginning]], message: str) -> None:
        """Replace the credential by what ``begin`` returns; ``message`` is shown meanwhile."""
        with self._shown.adopting(message):
            beginning = await begin()
            held, due_at = self._held, None
            replaced, held.source = held.source, beginning.source
            self.user = beginning.user
            try:
                due_at = held.publish(beginning.pat)
            finally:
                if replaced is not None:
                    held.end(replaced, due_at)
        self._log.info("A credential of %s was adopted.", self.user)
        self._exchanged = beginning.exchanged
        if isinstance(beginning.exchanged, PastedToken):
            self.pasted = beginning.exchanged
        if beginning.exchanged is not None:
            self._revocations.add(beginning.exchanged)

    async def revoke_exchanged(self) -> None:
        """Wait for the first try, so that the reply to the owner says what became of it."""
        if self._exchanged is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EXCHANGED_SECONDS):
                    await self._revocations.attempt(self._exchanged)

    def _was_just_adopted(self, pasted: Secret) -> bool:
        """Whether a token was pasted in two places at once: then the work is done."""
        last = self.pasted
        if last is None or self._held.value() is None:
            return False
        return last.value == pasted and last.outcome.state is not PastedState.KEPT

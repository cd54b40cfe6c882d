"""Create tokens that can be recognised as this process's, and sweep up those that got lost."""

import asyncio
import contextlib
import secrets
import uuid
from datetime import datetime, timedelta

from ..errors import (
    DbxAgentsError,
    PatCannotMintError,
    TokenRefusedError,
    WorkspaceError,
    WorkspacePermissionError,
    WorkspaceUnavailableError,
)
from ..secret import Secret
from ..workspace_api import MintedToken, TokenInfo, WorkspaceApi
from .plan import lifetime_of
from .store import Pat

COMMENT_PREFIX = "jupyter_dbx_agents"
# A new token may be unknown to a replica for a moment (revocation too: the SDKs' notes).
PROPAGATION_TRIES = 5
PROPAGATION_PAUSE_SECONDS = 0.5


class Mint:
    """Makes the tokens of one process, marked as its own in their comment."""

    def __init__(self, api: WorkspaceApi, app_name: str, lifetime_seconds: int) -> None:
        self.api = api
        self.lifetime_seconds = lifetime_seconds
        self._mark = " ".join(filter(None, (COMMENT_PREFIX, app_name, uuid.uuid4().hex)))
        self._may_have_lost_one = False

    async def create(self, token: Secret, now: datetime) -> Pat:
        """Create a PAT with ``token`` and see that it works.

        Raises PatCannotMintError with the cause, TokenRefusedError, or WorkspaceUnavailableError.
        """
        comment = f"{self._mark} {secrets.token_hex(8)}"
        minted: MintedToken | None = None
        try:
            minted = await self.api.create_token(
                token, lifetime_seconds=self.lifetime_seconds, comment=comment
            )
            await self._verify(minted.value)
        except TokenRefusedError:
            raise
        except BaseException as error:
            if isinstance(error, WorkspaceError) and not _is_passing(error):
                raise _cannot_mint(error) from error
            # The answer may have got lost after the effect; a cancelled call's, too.
            await self._undo(token, minted)
            raise
        return self._pat(minted, now)

    async def undo(self, pat: Pat) -> None:
        """Delete a PAT that will not be used after all, with itself."""
        with contextlib.suppress(WorkspaceError):
            await self.api.delete_token(pat.value, pat.token_id)

    async def _undo(self, token: Secret, minted: MintedToken | None) -> None:
        """Delete what was minted in vain; if that is not known or fails, ``sweep_lost`` will."""
        self._may_have_lost_one = True
        if minted is not None:
            with contextlib.suppress(WorkspaceError):
                await self.api.delete_token(token, minted.info.token_id)

    async def sweep_lost(self, token: Secret, known: set[str]) -> None:
        """Delete tokens that bear this process's mark and that it does not know."""
        if not self._may_have_lost_one:
            return
        for info in await self.api.list_tokens(token):
            if self.is_ours(info) and info.token_id not in known:
                await self.api.delete_token(token, info.token_id)
        self._may_have_lost_one = False

    def is_ours(self, info: TokenInfo) -> bool:
        """Whether a token was made by this process."""
        return info.comment.startswith(f"{self._mark} ")

    async def _verify(self, token: Secret) -> None:
        for attempt in range(PROPAGATION_TRIES):
            try:
                await self.api.me(token)
            except TokenRefusedError:
                if attempt == PROPAGATION_TRIES - 1:
                    # Not TokenRefusedError: the token it was made with is not the one in question.
                    raise WorkspaceUnavailableError(
                        "The workspace refuses the token it has just created.", "It is tried again."
                    ) from None
                await asyncio.sleep(PROPAGATION_PAUSE_SECONDS)
            else:
                return

    async def is_dead(self, token: Secret) -> bool:
        """Whether the workspace refuses a token for good, and not just one of its replicas once."""
        for attempt in range(PROPAGATION_TRIES):
            if attempt:
                await asyncio.sleep(PROPAGATION_PAUSE_SECONDS)
            try:
                await self.api.me(token)
            except TokenRefusedError:
                continue
            return False
        return True

    def _pat(self, minted: MintedToken, now: datetime) -> Pat:
        info = minted.info
        lifetime = lifetime_of(info.created_at, info.expires_at, self.lifetime_seconds)
        return Pat(minted.value, info.token_id, now, now + max(lifetime, timedelta(0)))


def _is_passing(error: WorkspaceError) -> bool:
    return isinstance(error, WorkspaceUnavailableError)


def _cannot_mint(error: WorkspaceError) -> DbxAgentsError:
    """Name the cause of a refused token creation, and its cure."""
    if error.error_code == "QUOTA_EXCEEDED":
        return PatCannotMintError(
            "Your user has as many tokens in this workspace as it may have (600).",
            "Delete some under Settings › Developer › Access tokens, then paste again.",
        )
    if "disabled" in error.message.lower():
        return PatCannotMintError(
            "Personal access tokens are disabled in this workspace.",
            "Ask a workspace administrator to enable them for you.",
        )
    if isinstance(error, WorkspacePermissionError):
        return PatCannotMintError(
            f"This token may not create the short-lived tokens that rotation needs: "
            f"{error.message}",
            "Create one with all scopes or with the scope “authentication”, or ask an "
            "administrator for the permission to use tokens.",
        )
    return PatCannotMintError(
        f"The workspace did not create a short-lived token: {error.message}",
        "Check the workspace's limits for tokens (maximum lifetime), then try again.",
    )

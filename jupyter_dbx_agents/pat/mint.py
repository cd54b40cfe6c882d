"""Create tokens that can be recognised as this process's, and delete those that got lost."""

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
# A replica may not know a new token, or its revocation, for a moment (the SDKs' notes).
PROPAGATION_TRIES = 5
PROPAGATION_PAUSE_SECONDS = 0.5


class Mint:
    """Creates the tokens of one process, marked as its own in their comment."""

    def __init__(self, api: WorkspaceApi, app_name: str, lifetime_seconds: int) -> None:
        self.api = api
        self.lifetime_seconds = lifetime_seconds
        self._mark = " ".join(filter(None, (COMMENT_PREFIX, app_name, uuid.uuid4().hex)))
        self._may_have_lost_one = False

    async def create(self, token: Secret, now: datetime) -> Pat:
        """Create a PAT with ``token`` and verify it.

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
            if isinstance(error, WorkspaceError) and not isinstance(
                error, WorkspaceUnavailableError
            ):
                raise _cannot_mint(error) from error
            # The token may exist although the reply got lost or the call was cancelled.
            await self._undo(token, minted)
            raise
        return self._pat(minted, now)

    async def undo(self, pat: Pat) -> None:
        """Delete a PAT that will not be used, with itself."""
        with contextlib.suppress(WorkspaceError):
            await self.api.delete_token(pat.value, pat.token_id)

    async def _undo(self, token: Secret, minted: MintedToken | None) -> None:
        """Delete what was minted in vain; if it is unknown or that fails, ``sweep_lost`` will."""
        self._may_have_lost_one = True
        if minted is not None:
            with contextlib.suppress(WorkspaceError):
                await self.api.delete_token(token, minted.info.token_id)

    async def sweep_lost(self, token: Secret, known: set[str]) -> None:
        """Delete tokens that have this process's mark but are not ``known``."""
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
        if await self.is_dead(token):
            # Not TokenRefusedError: that would be about the token that it was created with.
            raise WorkspaceUnavailableError(
                "The workspace refuses the token it has just created.", "Try again in a moment."
            )

    async def is_dead(self, token: Secret) -> bool:
        """Whether the workspace refuses a token each time, not just one of its replicas once."""
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


def _cannot_mint(error: WorkspaceError) -> DbxAgentsError:
    """Return an error with the cause of a refused token creation, and what to do about it."""
    if error.error_code == "QUOTA_EXCEEDED":
        return PatCannotMintError(
            "You have reached the limit of 600 tokens per user in this workspace.",
            "Delete some under Settings › Developer › Access tokens, then paste the token again.",
        )
    if "disabled" in error.message.lower():
        return PatCannotMintError(
            "Personal access tokens are disabled in this workspace.",
            "Ask a workspace administrator to enable them for you.",
        )
    if isinstance(error, WorkspacePermissionError):
        return PatCannotMintError(
            f"This token's scopes are too narrow to renew it: {error.message.rstrip('.')}.",
            "Create one with all scopes, or at least “authentication”, or ask an administrator for "
            "the permission to use tokens.",
        )
    return PatCannotMintError(
        f"The workspace did not create a short-lived token: {error.message}",
        "Check the workspace's maximum lifetime of tokens, then try again.",
    )

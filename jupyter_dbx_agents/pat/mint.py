"""Create tokens that can be recognised as this process's, and lose none of them."""

import secrets
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

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
from .clock import Clock
from .plan import lifetime_of
from .store import Pat

COMMENT_PREFIX = "jupyter_dbx_agents"
# A replica may not know a new token, or its revocation, for a moment (the SDKs' notes).
PROPAGATION_TRIES = 5
PROPAGATION_PAUSE_SECONDS = 0.5
# How long a new token, or a revocation, may take to reach every server.
SPREAD_SECONDS = 60.0


class Abandoned:
    """A token that was created, or may have been, and will not be used.

    ``minted`` is None if the reply got lost: then the token is looked for by its comment.
    """

    def __init__(
        self,
        api: WorkspaceApi,
        *,
        parent: Secret,
        comment: str,
        minted: MintedToken | None,
        ends_at: datetime,
    ) -> None:
        self._api, self._parent, self._comment, self._minted = api, parent, comment, minted
        self.ends_at: datetime | None = ends_at

    async def revoke(self, current: Secret | None) -> bool:
        """Delete the token; return False while it is not listed: it may still appear.

        Raises WorkspaceError.
        """
        if self._minted is not None:
            await self._delete(self._minted)
            return True
        deleter = current or self._parent
        for info in await self._api.list_tokens(deleter):
            if info.comment == self._comment and info.token_id:
                await self._api.delete_token(deleter, info.token_id)
                return True
        return False

    async def _delete(self, minted: MintedToken) -> None:
        try:  # its parent first: a server may not know the new token yet
            await self._api.delete_token(self._parent, minted.info.token_id)
        except TokenRefusedError:
            await self._api.delete_token(minted.value, minted.info.token_id)


class Mint:
    """Creates the tokens of one process, marked as its own in their comment.

    ``abandon`` is called with each token that may exist although ``create`` failed.
    """

    def __init__(
        self,
        api: WorkspaceApi,
        app_name: str,
        lifetime_seconds: int,
        *,
        clock: Clock,
        abandon: Callable[[Abandoned], None],
    ) -> None:
        self.api = api
        self.lifetime_seconds = lifetime_seconds
        self._clock, self._abandon = clock, abandon
        self._mark = " ".join(filter(None, (COMMENT_PREFIX, app_name, uuid.uuid4().hex)))

    async def create(self, parent: Secret, scopes: frozenset[str] | None) -> Pat:
        """Create a PAT with ``parent`` and verify it; ``scopes`` None does not restrict it.

        Raises PatCannotMintError with the cause, TokenRefusedError about ``parent``, or another
        WorkspaceError, after which it can be tried again.
        """
        comment = f"{self._mark} {secrets.token_hex(8)}"
        began_at = self._clock.now()
        minted: MintedToken | None = None
        try:
            minted = await self.api.create_token(
                parent, lifetime_seconds=self.lifetime_seconds, comment=comment, scopes=scopes
            )
            await self._verify(minted.value)
        except BaseException as error:
            if minted is not None or not _is_refusal(error):
                # It exists, or may: the reply got lost, or the call was cancelled.
                self._give_up(parent, comment, minted)
            elif isinstance(error, WorkspaceError) and not isinstance(
                error, TokenRefusedError | WorkspaceUnavailableError
            ):
                raise cannot_mint(error) from error
            raise
        return self._pat(minted, began_at)

    def is_ours(self, info: TokenInfo) -> bool:
        """Whether a token was made by this process."""
        return info.comment.startswith(f"{self._mark} ")

    async def is_dead(self, token: Secret) -> bool:
        """Whether the workspace refuses a token each time, not just one of its replicas once."""
        for attempt in range(PROPAGATION_TRIES):
            if attempt:
                await self._clock.sleep(PROPAGATION_PAUSE_SECONDS)
            try:
                await self.api.me(token)
            except TokenRefusedError:
                continue
            return False
        return True

    async def _verify(self, token: Secret) -> None:
        if await self.is_dead(token):
            # Not TokenRefusedError: that would be about the token that it was created with.
            raise WorkspaceUnavailableError(
                "The workspace refuses the token it has just created.", "Try again in a moment."
            )

    def _give_up(self, parent: Secret, comment: str, minted: MintedToken | None) -> None:
        # From now on, for a call that got no reply may take effect only now.
        life = timedelta(seconds=self.lifetime_seconds + SPREAD_SECONDS)
        self._abandon(
            Abandoned(
                self.api,
                parent=parent,
                comment=comment,
                minted=minted,
                ends_at=self._clock.now() + life,
            )
        )

    def _pat(self, minted: MintedToken, began_at: datetime) -> Pat:
        info = minted.info
        lifetime = lifetime_of(info.created_at, info.expires_at, self.lifetime_seconds)
        ends_at = self._clock.now() + lifetime
        return Pat(minted.value, info.token_id, began_at, began_at + lifetime, ends_at)


def _is_refusal(error: BaseException) -> bool:
    """Whether an error is an answer that says that nothing was created."""
    return (
        isinstance(error, WorkspaceError)
        and HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    )


def cannot_mint(error: WorkspaceError) -> DbxAgentsError:
    """Return an error with the cause of a refused token creation, and what to do about it."""
    if error.error_code == "QUOTA_EXCEEDED":
        return PatCannotMintError(
            "You have reached the limit of 600 tokens per user in this workspace.",
            "Delete some under Settings › Developer › Access tokens, then paste the token again.",
        )
    if "disabled" in error.message.lower():
        return PatCannotMintError(
            "Personal access tokens are disabled in this workspace.",
            "Sign in instead: that needs none.",
        )
    if isinstance(error, WorkspacePermissionError):
        return PatCannotMintError(
            f"This token's scopes are too narrow to renew it: {error.message.rstrip('.')}.",
            "Sign in instead, or create one with all scopes, or with “authentication” among them; "
            "or ask an administrator for the permission to use tokens.",
        )
    return PatCannotMintError(
        f"The workspace did not create a short-lived token: {error.message}",
        "Check the workspace's maximum lifetime of tokens, then try again.",
    )

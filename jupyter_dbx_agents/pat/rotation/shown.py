"""What is shown of the credential: its state in words, as events and replies have it."""

import contextlib
from collections.abc import Iterator
from typing import TypedDict

from ...background import Listeners
from ..pasted import PastedStatus
from ..scopes import MissingScope
from ..store import CredentialKind, PatState

PASTE_HINT = "Click “Databricks” in the status bar, or run: jupyter dbx-agents login"


class PatStatus(TypedDict):
    """The credential's REST model."""

    revision: int
    state: PatState
    message: str
    hint: str
    user: str
    created_at: str | None
    expires_at: str | None
    scopes: list[str] | None
    missing_scopes: list[MissingScope]
    lifetime_seconds: int
    next_rotation_at: str | None
    rotations: int
    awaiting_revocation: int
    token_page: str
    pasted: PastedStatus
    credential: CredentialKind
    is_signed_in: bool
    is_logged_out: bool


class Shown:
    """The state with its message and hint; each change notifies.

    ``revision`` grows with each: events and replies may arrive at a browser out of order.
    """

    def __init__(self, on_change: Listeners) -> None:
        self._on_change = on_change
        self.state = PatState.NEEDED
        self.message = (
            "Agents use your own Databricks account. Sign in, or paste a personal access token."
        )
        self.hint = PASTE_HINT
        self.is_logged_out = False  # on purpose, and nothing has been tried since
        self.revision = 0

    def set(self, state: PatState, message: str, hint: str = "") -> None:
        """Change the state."""
        self.state, self.message, self.hint = state, message, hint
        self.is_logged_out = self.is_logged_out and state is PatState.NEEDED
        self.changed()

    def changed(self) -> None:
        """Notify of a change of the credential."""
        self.revision += 1
        self._on_change.notify()

    @contextlib.contextmanager
    def adopting(self, message: str) -> Iterator[None]:
        """Set the state ``adopting``; restore the previous one on failure."""
        before = (self.state, self.message, self.hint)
        self.set(PatState.ADOPTING, message)
        try:
            yield
        except BaseException:
            if self.state is PatState.ADOPTING:
                self.set(*before)
            raise

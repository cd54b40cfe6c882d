"""Where the next token comes from: the seam between the rotation and the kinds of credential.

A credential begins with ``PatRotator.take``, whose argument returns a ``Beginning``: whose it is,
the first token to publish, and the source of all later ones.  The rotator knows *when* the next
token is due, and what follows from a failure; its source knows *how* to get it.

- ``SelfRenewing``: each PAT mints the next one (a pasted token, exchanged).
- A signed-in user's session can be a source in two ways: it mints PATs from its OAuth access token
  (``mint.create(access_token, scopes)``), or, where PATs are forbidden, it returns that token
  itself as a ``Pat`` whose ``token_id`` is None.  Such a token ends by itself: it is not revoked.

A source is dropped when its credential ends; what it holds in memory (a refresh token) goes too.
"""

from dataclasses import dataclass
from typing import Protocol

from .mint import Mint
from .revocation import Revocable
from .store import Pat


class TokenSource(Protocol):
    """Gets the token that replaces the current one.

    ``scopes`` are those of all its tokens; None: not restricted, or unknown.  ``note`` is what the
    owner should know about this credential, '' for nothing.
    """

    scopes: frozenset[str] | None
    note: str

    async def next(self, current: Pat) -> Pat:
        """Return the next token, verified.

        Raises TokenRefusedError if the workspace refuses ``current`` (the rotator then checks
        whether that is final), or another DbxAgentsError: it is tried again until ``current``
        expires.
        """


class SelfRenewing:
    """Each PAT mints the next one, with the same scopes."""

    def __init__(self, mint: Mint, scopes: frozenset[str] | None, note: str = "") -> None:
        self._mint = mint
        self.scopes = scopes
        self.note = note

    async def next(self, current: Pat) -> Pat:
        """Mint a PAT with the current one."""
        return await self._mint.create(current.value, self.scopes)


@dataclass(frozen=True)
class Beginning:
    """A new credential: its user's login name, its first token, and what gets the later ones.

    ``exchanged`` is what it was exchanged for and must go (the pasted token), if anything.
    """

    user: str
    pat: Pat
    source: TokenSource
    exchanged: Revocable | None = None

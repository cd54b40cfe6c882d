"""Where the next token comes from: the seam between the rotation and the kinds of credential.

A credential begins with ``PatRotator.take``, whose argument returns a ``Beginning``: whose it is,
the first token to publish, and the source of all later ones.  The rotator knows *when* the next
token is due, and what follows from a failure; its source knows *how* to get it.

- ``SelfRenewing``: each PAT mints the next one (a pasted token, exchanged).
- ``sign_in.SignedIn``: a signed-in user's session mints PATs with its OAuth access token, or, where
  PATs are forbidden, returns that token itself as a ``Pat`` whose ``token_id`` is None.  Such a
  token ends by itself: it is not revoked.

A source is ended with its credential; what it holds in memory (a refresh token) goes too.
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

    @property
    def revives(self) -> bool:
        """Whether it can return a token without a current one: after an expiry, say."""

    async def next(self, current: Pat | None) -> Pat:
        """Return the next token, verified; ``current`` is None only if the source ``revives``.

        Raises TokenRefusedError if the workspace refuses ``current`` (the rotator then checks
        whether that is final), or another DbxAgentsError: it is tried again until ``current``
        expires.
        """

    def end(self) -> Revocable | None:
        """Forget everything; return what is left to be revoked, if anything."""


class SelfRenewing:
    """Each PAT mints the next one, with the same scopes."""

    revives = False

    def __init__(self, mint: Mint, scopes: frozenset[str] | None, note: str = "") -> None:
        self._mint = mint
        self.scopes = scopes
        self.note = note

    async def next(self, current: Pat | None) -> Pat:
        """Mint a PAT with the current one."""
        if current is None:
            raise ValueError("a PAT is renewed with itself")
        return await self._mint.create(current.value, self.scopes)

    def end(self) -> None:
        """Return nothing: what is left is the current PAT, which the rotator has."""


@dataclass(frozen=True)
class Beginning:
    """A new credential: its user's login name, its first token, and what gets the later ones.

    ``exchanged`` is what it was exchanged for and must go (the pasted token), if anything.
    """

    user: str
    pat: Pat
    source: TokenSource
    exchanged: Revocable | None = None

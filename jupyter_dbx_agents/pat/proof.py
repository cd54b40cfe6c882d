"""Which of the user's tokens is the pasted one?  Pure functions; never a guess.

The token API takes ids, never values, so the pasted token must be identified before it can be
revoked.  A guess ("the newest that is not ours") could revoke another token; there are two proofs:

1. The platform's ids are SHA-256 hashes of some part of the token.  Which is not documented, so it
   is calibrated on the token just minted, of which both value and id are known: of all schemes that
   fit that one, some names an id that is listed.  No other token can have that id.
2. If no scheme fits: two lists agree that there is one token beside ours, and one of the two
   contains the minted token.  Lists come from replicas that lag, and the pasted token is often
   seconds old: a list that has the younger token has the older one, too.

An entry that cannot be read counts as a token: it may be the pasted one.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..secret import Secret
from ..workspace_api import TokenInfo
from .store import Pat

TokenList = Sequence[TokenInfo]


@dataclass(frozen=True)
class Verdict:
    """The pasted token's id, None without proof; ``is_final`` if another list cannot change it."""

    token_id: str | None
    is_final: bool


def verdict(
    pasted: Secret, minted: Pat, lists: Sequence[TokenList], is_ours: Callable[[TokenInfo], bool]
) -> Verdict:
    """Judge by the lists made so far, the oldest first, with tokens of one user."""
    computed = computed_ids(pasted, minted)
    if computed:
        listed = {info.token_id for tokens in lists for info in tokens if not is_ours(info)}
        found = sorted(computed & listed)
        return Verdict(found[0] if len(found) == 1 else None, is_final=bool(found))
    if len(lists) < 2:  # noqa: PLR2004 two that agree
        return Verdict(None, is_final=False)
    last_two = lists[-2:]
    older, newer = (
        [info for info in tokens if info.token_id != minted.token_id and not is_ours(info)]
        for tokens in last_two
    )
    has_minted = any(info.token_id == minted.token_id for tokens in last_two for info in tokens)
    if not has_minted or _ids(older) != _ids(newer):
        return Verdict(None, is_final=False)
    only = newer[0].token_id if len(newer) == 1 else ""
    return Verdict(only or None, is_final=True)


def computed_ids(pasted: Secret, minted: Pat) -> frozenset[str]:
    """Return the ids that the pasted token may have, by each scheme that fits the minted one."""
    fitting = [s for s in _ID_SCHEMES if s(minted.value.reveal()) == minted.token_id]
    return frozenset(scheme(pasted.reveal()) for scheme in fitting) - {"", minted.token_id}


def entry_of(pasted: Secret, tokens: TokenList) -> TokenInfo | None:
    """Return the entry that has an id of the pasted token by any scheme; None if there is none."""
    ids = {scheme(pasted.reveal()) for scheme in _ID_SCHEMES}
    return next((info for info in tokens if info.token_id and info.token_id in ids), None)


def scopes_of_any(tokens: TokenList) -> frozenset[str] | None:
    """Return the scopes that whichever of the tokens has; None if all are unrestricted."""
    restricted = [info.scopes for info in tokens if info.scopes is not None]
    return frozenset.intersection(*restricted) if restricted else None


def _ids(tokens: TokenList) -> list[str]:
    return sorted(info.token_id for info in tokens)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _of_value(value: str) -> str:
    return _sha256(value.encode())


def _of_value_without_replica(value: str) -> str:
    return _sha256(value.partition("-")[0].encode())


def _of_digits(value: str) -> str:
    return _sha256(value.partition("-")[0].removeprefix("dapi").encode())


def _of_bytes(value: str) -> str:
    try:
        return _sha256(bytes.fromhex(value.partition("-")[0].removeprefix("dapi")))
    except ValueError:
        return ""


_ID_SCHEMES: tuple[Callable[[str], str], ...] = (
    _of_value,
    _of_value_without_replica,
    _of_digits,
    _of_bytes,
)

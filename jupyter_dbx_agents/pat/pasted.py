"""The pasted token: is it one, and which of the user's tokens is it?

The token API takes ids, never values, so the pasted token has to be recognised before it can be
revoked.  Guessing ("the newest that is not ours") destroys other people's work; two proofs exist:

1. The platform's ids are SHA-256 hashes of something of the token's.  What exactly is not
   documented, so it is calibrated on a token whose value and id we both know: the one just minted.
2. Otherwise, a list taken with the pasted token holds it; if that list has one entry that is not
   ours, that is it.

Neither: it is kept, and the user is shown the list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import PatShapeError
from ..secret import Secret
from ..workspace_api import MintedToken, TokenInfo
from .clock import iso

# 32 hex digits, and on Azure the number of a replica.  Any other "dapi…" is left to the workspace.
_PAT = re.compile(r"dapi[0-9A-Za-z_-]{8,200}")
_QUOTES = "\"'`“”‘’"
_OTHER_TOKENS = {
    "eyJ": "an OAuth or user session token",
    "dose": "a service principal's OAuth secret",
    "dkea": "an account-level key",
    "sk-": "an API key of another service",
    "ghp_": "a GitHub token",
}
_CREATE_HINT = "Create one under Settings › Developer › Access tokens; it starts with “dapi”."


class PastedState(StrEnum):
    """What became of the pasted token."""

    NONE = "none"
    REVOKED = "revoked"
    KEPT = "kept"
    RETRYING = "retrying"


@dataclass
class PastedOutcome:
    """What became of the pasted token; ``candidates`` are the tokens it may be."""

    state: PastedState = PastedState.NONE
    message: str = ""
    candidates: list[TokenInfo] = field(default_factory=list)

    def status(self) -> dict[str, object]:
        """Return the REST model; the ids are those of the token API, not secret."""
        return {
            "state": self.state.value,
            "message": self.message,
            "candidates": [
                {
                    "token_id": info.token_id,
                    "comment": info.comment,
                    "created_at": iso(info.created_at),
                    "expires_at": iso(info.expires_at),
                }
                for info in self.candidates
            ],
        }


def parse_pat(text: str) -> Secret:
    """Return the PAT in a pasted text, without the white space and quotes around it.

    Raises PatShapeError, which says what the text looks like and never repeats it.
    """
    bare = "".join(text.split()).strip(_QUOTES)
    if not bare:
        raise PatShapeError("No token was given.", _CREATE_HINT)
    for prefix, description in _OTHER_TOKENS.items():
        if bare.startswith(prefix):
            raise PatShapeError(
                f"This looks like {description}, not like a personal access token.", _CREATE_HINT
            )
    if not _PAT.fullmatch(bare):
        raise PatShapeError("This is no Databricks personal access token.", _CREATE_HINT)
    return Secret(bare)


def pasted_token_id(pasted: Secret, minted: MintedToken, listed: list[TokenInfo]) -> str | None:
    """Return the pasted token's id by calibration on ``minted``, if the list confirms it."""
    ids = {info.token_id for info in listed}
    for scheme in _ID_SCHEMES:
        if scheme(minted.value.reveal()) == minted.info.token_id:
            candidate = scheme(pasted.reveal())
            return candidate if candidate in ids else None
    return None


def pasted_candidates(listed_before: list[TokenInfo], ours: set[str]) -> list[TokenInfo]:
    """Return the tokens that the pasted one may be: all it saw, less those this process minted.

    Nothing is left out by comment or by age: what would be left out by mistake could be the pasted
    token itself, and the only one remaining an innocent.
    """
    return [info for info in listed_before if info.token_id not in ours]


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

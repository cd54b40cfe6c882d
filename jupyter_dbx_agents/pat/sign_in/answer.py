"""What the browser brings back from the sign-in page, in whatever form the owner pastes it.

Understood: the whole address, with or without ``http://``; its query alone; the code alone; each
with white space, line breaks or quotes around it.  Only a code alone has no state.  It is still
bound to this sign-in: the workspace exchanges a code only with the verifier of the attempt that
asked for it (PKCE; RFC 9700 §4.7.1).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from ...errors import SignInError
from ...secret import Secret
from ..pasted import OTHER_TOKENS

_QUOTES = "\"'`“”‘’<>"
# A code alone: the characters of RFC 6749's codes that appear in practice, and no “=” of a query.
_CODE = re.compile(r"[A-Za-z0-9._~+/-]{8,2048}=*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# How the secrets begin that people have in the clipboard instead: none is sent as a code.
_TOKENS = {**OTHER_TOKENS, "dapi": "a personal access token", "doau": "a refresh token"}
_HINT = (
    "Finish the sign-in in its own tab, then copy the address on which it ends, although it cannot "
    "be opened, and paste all of it."
)
MOST_CHARACTERS = 500  # of the workspace's words that are shown


@dataclass(frozen=True)
class Answer:
    """The authorization server's answer: a code, or an error in its own words.

    ``state`` and ``issuer`` are None where the answer does not name them; a code alone, without the
    address that it was in, names neither.
    """

    code: Secret | None
    state: Secret | None = None
    issuer: str | None = None
    error: str = ""
    description: str = ""
    is_code_alone: bool = False


def parse_answer(text: str, redirect_url: str) -> Answer:
    """Return the answer in a pasted text.

    Raises SignInError, which says what the text is instead and does not repeat it.
    """
    bare = re.sub(r"\s*[\r\n\t]+\s*", "", text.strip().strip(_QUOTES).strip())
    if not bare:
        raise SignInError("Nothing was pasted.", _HINT)
    for prefix, description in _TOKENS.items():
        if bare.startswith(prefix) and "=" not in bare.rstrip("="):
            raise SignInError(
                f"This looks like {description}, not like the address where the sign-in ended.",
                "Paste a personal access token in its own field." if prefix == "dapi" else _HINT,
            )
    query = _query(bare, redirect_url)
    if query is not None:
        return answer_of(_single_fields(query))
    if _CODE.fullmatch(bare):
        return Answer(Secret(bare), is_code_alone=True)
    raise SignInError(
        "This is neither the address where the sign-in ended nor a personal access token.",
        _HINT,
    )


def answer_of(fields: Mapping[str, str]) -> Answer:
    """Return the answer in the fields of a query.  Raises SignInError if there is none."""
    code = "".join(fields.get("code", "").split())
    error = fields.get("error", "")[:MOST_CHARACTERS]
    if not code and not error:
        raise SignInError(
            "This address has no code: it is cut off, or not the one where the sign-in ended.",
            "Copy the whole address, up to its end.",
        )
    state = "".join(fields.get("state", "").split())
    return Answer(
        Secret(code) if code and not error else None,
        Secret(state) if state else None,
        fields.get("iss"),
        error,
        " ".join(fields.get("error_description", "").split())[:MOST_CHARACTERS],
    )


def _query(bare: str, redirect_url: str) -> str | None:
    """Return the query in an address or alone; None if the text is neither."""
    redirect = urlsplit(redirect_url)
    if bare.startswith((f"{redirect.netloc}/", f"{redirect.netloc}?")):
        bare = f"{redirect.scheme}://{bare}"  # browsers hide the scheme, and some do not copy it
    if _SCHEME.match(bare):
        try:
            address = urlsplit(bare)
            is_ours = _place(address) == _place(redirect)
        except ValueError:  # such as a port that is not a number
            raise SignInError("This is not an address.", _HINT) from None
        if not is_ours:
            raise SignInError(
                f"This is an address of {(address.hostname or 'nowhere')[:100]}, not the one where "
                "the sign-in ended.",
                _HINT,
            )
        return address.query or address.fragment
    alone = bare.lstrip("?#&/")
    return alone if re.match(r"(\w+=[^&]*&)*(code|error)=", alone) else None


def _place(address: SplitResult) -> tuple[str, str | None, int | None, str]:
    """Return scheme, host, port and path, by which two addresses are compared."""
    return address.scheme.lower(), address.hostname, address.port, address.path.rstrip("/")


def _single_fields(query: str) -> dict[str, str]:
    """Return a query's fields.  Raises SignInError if one is there twice: which one counts?"""
    parsed = parse_qs(query)
    if any(len(values) > 1 for values in parsed.values()):
        raise SignInError(
            "This address names something twice; two may have been pasted as one.",
            "Copy the address again, alone.",
        )
    return {name: values[0] for name, values in parsed.items()}

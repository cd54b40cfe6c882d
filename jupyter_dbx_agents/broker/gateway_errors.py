"""How a call to the gateway fails: no answer, or one that refuses the PAT.

The status alone does not show the latter: 403 is also what a user gets who lacks a permission, and
the AI Gateway answers 400 to a bad token as well as to a bad request.  So the beginning of the body
is read.
"""

import zlib
from http import HTTPStatus

from ..workspace_api import is_token_refusal, read_error

# A refusal of a token is a line of JSON; what is longer than this is some other error.
PEEK_BYTES = 64 * 1024
SUSPECT = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# Repeated once with a freshly checked token, whatever the body says: a gateway that does not know a
# new token yet may report a missing permission.
WORTH_A_REPLAY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class GatewayGoneError(Exception):
    """The gateway cannot be reached, or its answer broke off or is malformed.

    ``was_idle`` if the call was sent on a connection that had been idle, and nothing came back;
    ``was_sent`` unless it is certain that the gateway never saw the call.
    """

    def __init__(self, reason: str, *, was_idle: bool = False, was_sent: bool = True) -> None:
        super().__init__(reason)
        self.was_idle, self.was_sent = was_idle, was_sent


def says_token_is_dead(status: int, body: str) -> bool:
    """Whether a reply refuses the token itself; ``body`` is its beginning."""
    return status in SUSPECT and is_token_refusal(status, read_error(body).message or body)


def decoded(encoding: str, body: bytes) -> str:
    """Return a body's text, '' if it is compressed in an unknown way."""
    if encoding in ("gzip", "deflate"):
        try:
            body = zlib.decompressobj(GZIP_OR_ZLIB).decompress(body, PEEK_BYTES)
        except zlib.error:
            return ""
    return body.decode("utf-8", "replace")

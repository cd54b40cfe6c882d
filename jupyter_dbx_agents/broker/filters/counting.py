"""An estimate of a request's tokens, where the gateway has no route that counts them."""

import re

from ...models import Dialect

# Base64 of a picture or document: its tokens depend on its size in pixels.
_DATA = re.compile(rb'"(?:data:[^"]{0,99},)?[A-Za-z0-9+/=]{2000,}"')
PICTURE_TOKENS = 1_600  # platform.claude.com/docs: the most that one takes
BYTES_PER_TOKEN = 3.5  # of English and code in JSON: rather too many tokens than too few


def estimated_tokens(body: bytes) -> int:
    """Return about how many tokens a request has."""
    text, pictures = _DATA.subn(b"", body)
    return int(len(text) / BYTES_PER_TOKEN) + pictures * PICTURE_TOKENS


def count_of(dialect: Dialect, body: bytes) -> dict[str, int]:
    """Return the estimate as the dialect's API answers it."""
    key = "totalTokens" if dialect is Dialect.GEMINI else "input_tokens"
    return {key: estimated_tokens(body)}

"""What is never uploaded beside commits: secrets by their file's name or content, and large files.

Names and contents are checked both: a key may be anywhere, and not each secret has a known form.
"""

import re
from collections.abc import Iterable, Iterator

from ...secret import Secret

MOST_FILE_BYTES = 10 * 1024 * 1024
SECRET_NAME = "Its name suggests that it holds secrets."  # noqa: S105
SECRET_CONTENT = "It contains a token or a private key."  # noqa: S105
TOO_LARGE = f"It is larger than {MOST_FILE_BYTES // 1024**2} MB."
# The first are those of folders, too (“.envs/production”).
_NAMES = re.compile(
    r"(?:.*/)?(?:\.env[^/]*(/.*)?|[^/]*\.env|id_[^./]*(\.pub)?"
    r"|[^/]*\.(pem|key|p12|pfx|jks|keystore|ppk|kdbx)"
    r"|\.databrickscfg[^/]*|\.netrc|\.git-credentials|\.pypirc|\.pgpass|credentials(\.json)?)",
    re.IGNORECASE | re.DOTALL,
)
# Tokens of Databricks (of users, OAuth and services), wherever they are: a database has no spaces
# between its columns.  Private keys in PEM (RFC 7468), also inside strings of JSON in others.
TOKENS = re.compile(rb"d(?:api|kea|ose|oai|sapi)[0-9a-f]{32}(?:-\d+)?")
PRIVATE_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"
    rb"(?:(?s:.{64,16384}?)-----END [A-Z0-9 ]*PRIVATE KEY-----|(?:[A-Za-z0-9+/=\s]|\\+[nr]){64,})"
)

_KEY = b"PRIVATE KEY-----"
# Searched within some milliseconds.
_SLICE_BYTES = 256 * 1024


def is_secret_name(path: str) -> bool:
    """Whether a path has a name that files with secrets have."""
    return _NAMES.fullmatch(path) is not None


def has_secret(data: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether a content has a token, a private key, or one of these secrets."""
    return (_KEY in data and PRIVATE_KEY.search(data) is not None) or has_token(data, secrets)


def has_token(data: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether a content has a token, or one of these secrets."""
    values = _values(secrets)
    return any(
        TOKENS.search(part) or any(value in part for value in values) for part in _slices(data)
    )


def without_secrets(data: bytes, secrets: Iterable[Secret]) -> bytes:
    """Return a content with its secrets overwritten; the length stays, for formats with offsets."""
    values = _values(secrets)
    if _KEY in data:
        data = PRIVATE_KEY.sub(_stars, data)
    return b"".join(_without_tokens(part, values) for part in _slices(data))


def _without_tokens(data: bytes, values: Iterable[bytes]) -> bytes:
    data = TOKENS.sub(_stars, data)
    for value in values:
        if value in data:
            data = data.replace(value, b"*" * len(value))
    return data


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _values(secrets: Iterable[Secret]) -> list[bytes]:
    return [value.encode() for each in secrets if (value := each.reveal())]


def _slices(data: bytes) -> Iterator[bytes]:
    """Yield a content in parts that end with a line, which no token is longer than.

    One search of it all would keep every other thread waiting, and so the event loop.
    """
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _SLICE_BYTES) + 1 or len(data)
        yield data[start:end]
        start = end

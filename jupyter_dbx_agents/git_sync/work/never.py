"""What is never uploaded beside commits: secrets by their file's name or content, and large files.

Names and contents are checked both: a key may be anywhere, and not each secret has a known form.
"""

import re
from collections.abc import Iterable

from ...secret import Secret

MOST_FILE_BYTES = 10 * 1024 * 1024
SECRET_NAME = "It may hold secrets, by its name."  # noqa: S105
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


def is_secret_name(path: str) -> bool:
    """Whether a path has a name that files with secrets have."""
    return _NAMES.fullmatch(path) is not None


def has_secret(data: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether a content has a token, a private key, or one of these secrets."""
    return PRIVATE_KEY.search(data) is not None or has_token(data, secrets)


def has_token(data: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether a content has a token, or one of these secrets."""
    if TOKENS.search(data):
        return True
    return any((value := each.reveal()) and value.encode() in data for each in secrets)


def without_secrets(data: bytes, secrets: Iterable[Secret]) -> bytes:
    """Return a content with its secrets overwritten; the length stays, for formats with offsets."""
    for pattern in (TOKENS, PRIVATE_KEY):
        data = pattern.sub(lambda found: b"*" * len(found[0]), data)
    for each in secrets:
        if value := each.reveal().encode():
            data = data.replace(value, b"*" * len(value))
    return data

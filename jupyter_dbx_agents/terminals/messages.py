"""Output as messages of JupyterLab's terminal protocol: JSON, with UTF-8 as it is.

Long output, which needs few escapes, is escaped as bytes: this takes half the time of ``json``, and
ASCII need not be decoded at all.  For a key's echo, and for lines of a few characters, ``json`` is
several times faster.
"""

from __future__ import annotations

import json
import re

_ESCAPES = (
    (b"\\", b"\\\\"),
    (b'"', b'\\"'),
    (b"\n", b"\\n"),
    (b"\r", b"\\r"),
    (b"\x1b", b"\\u001b"),
    (b"\b", b"\\b"),
    (b"\t", b"\\t"),
)
_json = json.JSONEncoder(ensure_ascii=False).encode
_SHORT_BYTES = 1024
_MOST_LINES = 64  # in as many bytes, of output that needs few escapes
_RARE_BYTES = bytes(set(range(32)) - set(b"\n\r\x1b\b\t"))
_RARE = re.compile(b"[" + re.escape(_RARE_BYTES) + b"]")


def stdout_message(data: bytes) -> bytes:
    """Return output, which is valid UTF-8, as a ``stdout`` message."""
    if len(data) <= _SHORT_BYTES or data.count(b"\n", 0, _SHORT_BYTES) > _MOST_LINES:
        return b'["stdout", %b]' % _json(data.decode()).encode()
    for byte, escape in _ESCAPES:
        if byte in data:
            data = data.replace(byte, escape)
    if len(data.translate(None, _RARE_BYTES)) != len(data):
        data = _RARE.sub(lambda match: b"\\u%04x" % match[0][0], data)
    return b'["stdout", "%b"]' % data

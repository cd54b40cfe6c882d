"""What an agent reports through its terminal: OSC 7501, titles and notifications, as reports.

Source: the draft of the program status protocol, revision 0.2 of 2026-10-06: ``key=value`` pairs
between colons, ``title`` and ``msg`` in base64.  All of it is untrusted text.
"""

import base64
import binascii

from .states import Report, State, one_line

_STATES = {
    b"idle": State.IDLE,
    b"working": State.WORKING,
    b"done": State.DONE,
    b"error": State.FAILED,
    b"clear": None,
}
# What asks for a sign-in asks a question: nothing here can allow it.
_KINDS = {b"permission": State.PERMISSION, b"question": State.QUESTION, b"auth": State.QUESTION}
_MOST_ID_CHARACTERS = 128


def status_report(content: bytes) -> Report | None:
    """Return the report in an OSC 7501; None for a query, and for what the draft does not have."""
    pairs = (part.partition(b"=") for part in content.split(b":"))
    values = {key: value for key, equals, value in pairs if equals}
    name = values.get(b"state")
    state: State | None
    if name == b"blocked":
        state = _KINDS.get(values.get(b"kind", b""), State.QUESTION)
    elif name in _STATES:
        state = _STATES[name]
    else:
        return None
    texts = (_decoded(values.get(key, b"")) for key in (b"msg", b"title"))
    text = next(filter(None, texts), "")
    return Report(state, text, one_line(_utf8(values.get(b"id", b"")))[:_MOST_ID_CHARACTERS])


def notification_text(content: bytes, *, has_title: bool) -> str:
    """Return the text of an OSC 9, or with ``has_title`` of an OSC 777; '' if it is none."""
    text = _utf8(content)
    if not has_title:
        # ConEmu's commands are numbers, such as 9;4 for a progress bar.
        return "" if text.split(";")[0].isdecimal() and ";" in text else one_line(text)
    kind, _, rest = text.partition(";")
    return one_line(rest.replace(";", ": ", 1)) if kind == "notify" else ""


def _decoded(value: bytes) -> str:
    try:
        return one_line(_utf8(base64.b64decode(value, validate=True)))
    except binascii.Error:
        return ""


def _utf8(data: bytes) -> str:
    return data.decode(errors="replace")

"""Escape sequences in a terminal's output: where it may be cut, and what must not be replayed.

The bytes are valid UTF-8 (output is decoded before it is kept).  Sequences are those of ECMA-48 and
of xterm's control sequences document; C1 controls as single characters are not used by programs
that write UTF-8.
"""

import re

_CONTROLS = rb"\x00-\x17\x19\x1c-\x1f\x7f"  # they act amid a sequence, and it goes on
# From the last ESC on: a CSI, an escape or a string (OSC, DCS, APC, PM, SOS) without its end.
_UNFINISHED = re.compile(
    rb"\x1b(?:\[[ -?%b]*|[ -/%b]*|[\]P_^X][^\x07\x18\x1a\x1b]*|[P_^X][^\x18\x1a\x1b]*)\Z"
    % (_CONTROLS, _CONTROLS)
)
_UNFINISHED_STRING = re.compile(rb"\x1b[\]P_^X][^\x07\x18\x1a\x1b]*")
_FINISHED = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P_^X][^\x07\x18\x1a\x1b]*[\x07\x18\x1a]|[ -/]*[0-~])"
)
# A character and what is likely to combine with it (U+0300 and on, U+200D, U+FE0F), if cut.
_LAST_CHARACTER = re.compile(
    rb"[ -~\xc2-\xcb\xce-\xf4][\x80-\xbf]*"
    rb"(?:[\xcc\xcd][\x80-\xbf]?|\xe2\x80\x8d|\xef\xb8\x8f|\xe2\x80?\Z|\xef\xb8?\Z)*\Z"
)
_MOST_CHARACTER_BYTES = 64

# What a terminal answers by typing, what rings, notifies or writes the clipboard: done already.
_NOT_AGAIN = re.compile(
    rb"(?P<kept>\x1b\](?:[01278];|4;[0-9]+;(?!\?)|1[0-9];(?!\?))[^\x07\x1b]*(?:\x07|\x1b\\))"
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # other OSC: colour queries, clipboard, notifications
    rb"|\x1b[C]*\[[0-?C]*[cn]"  # DA1, DA2, DA3, DSR
    rb"|\x1b[C]*\[[0-?C]*\$[C]*p"  # DECRQM
    rb"|\x1b[C]*\[[C]*>[0-9;C]*q"  # XTVERSION
    rb"|\x1b[C]*\[[0-9;C]*[tx]"  # window reports, DECREQTPARM
    rb"|\x1b[C]*\[[C]*\?[C]*u"  # the keyboard protocol's flags
    rb"|\x1bP(?:\$q|\+q)[^\x1b]*?(?:\x1b\\|\xc2\x9c)"  # DECRQSS, XTGETTCAP
    rb"|\x1b[C]*Z|\x05|\x07".replace(b"C]", _CONTROLS + b"]")  # DECID, ENQ, BEL
)
# What leaves a text that simply goes on and scrolls: colours, erasing to the end of a line, titles,
# bracketed paste.
_FLOWING = re.compile(
    rb"\x1b(?!\[[0-9;:]*m|\[0?K|\[\?2004[hl]|\][012];[^\x07\x1b]*(?:\x07|\x1b\\))"
)
_PEN = re.compile(rb"\x1b\[[0-9;:]*m")
_PEN_RESETS = (b"\x1b[0m", b"\x1b[m")
_LASTING = re.compile(rb"\x1b(\[\?|\])(?:2004[hl]|[012];[^\x07\x1b]*(?:\x07|\x1b\\))")


def safe_end(data: bytes) -> int:
    """Return the length of a beginning that ends outside any sequence and before a character.

    The last character stays out: what follows may combine with it.
    """
    last = data.rfind(b"\x1b")
    if last >= 0 and _UNFINISHED.match(data, last):
        before = data.rfind(b"\x1b", 0, last) if last == len(data) - 1 else -1
        is_half_an_end = before >= 0 and _UNFINISHED_STRING.fullmatch(data, before, last)
        return before if is_half_an_end else last
    sequence = _FINISHED.match(data, last) if last >= 0 else None
    least = max(sequence.end() if sequence else 0, len(data) - _MOST_CHARACTER_BYTES)
    letter = _LAST_CHARACTER.search(data, least)
    return letter.start() if letter else len(data)


def without_repeats(data: bytes) -> bytes:
    """Return the output without queries, bells, notifications and clipboard writes."""
    if b"\x1b" not in data and b"\x07" not in data and b"\x05" not in data:
        return data
    return _NOT_AGAIN.sub(lambda match: match["kept"] or b"", data)


def flows(data: bytes) -> bool:
    """Whether the output only goes on and scrolls: it never moves the cursor back up."""
    return b"\x1b" not in data or _FLOWING.search(data) is None


def text_start(data: bytes) -> int:
    """Return where the text begins that only goes on and scrolls until the end."""
    return max((match.end() for match in _FLOWING.finditer(data)), default=0)


def lasting(data: bytes) -> bytes:
    """Return the sequences of flowing text whose effect is in force at its end."""
    if b"\x1b" not in data:
        return b""
    start = max(0, *(data.rfind(reset) for reset in _PEN_RESETS))
    last = {match[1]: match[0] for match in _LASTING.finditer(data)}
    # The last of equal ones suffices: each only sets attributes, and so repeats what it did before.
    pens = reversed(dict.fromkeys(reversed(_PEN.findall(data, start))))
    return b"".join([*last.values(), *pens])

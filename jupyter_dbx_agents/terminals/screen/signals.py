"""What programs signal beside their text: operating system commands (OSC) and the bell.

Sources: xterm's control sequences document; OSC 9 and 777 (notifications) as iTerm2 and rxvt define
them; OSC 133 (a shell's prompt) as FinalTerm does; OSC 7501 is the draft of a program status
protocol, revision 0.2 of 2026-10-06, which Claude Code and Codex speak.
"""

import re
from dataclasses import dataclass

TITLES = frozenset({0, 2})
NOTIFICATION, PROMPT, NOTIFICATION_WITH_TITLE, PROGRAM_STATUS = 9, 133, 777, 7501
BELL = -1  # which is no OSC
WANTED = TITLES | {NOTIFICATION, PROMPT, NOTIFICATION_WITH_TITLE, PROGRAM_STATUS}
# The longest report that the draft of OSC 7501 allows, all of it included.
MOST_BYTES = 4096
# By which a program finds out whether this terminal knows the protocol; the answer is the same.
STATUS_QUERY = b"?"

# An escape that is no ST breaks an OSC off, and begins what comes next.
_SIGNAL = re.compile(
    rb"\x1b\]([0-9]{0,5});?([^\x07\x18\x1a\x1b]*)(\x07|\x18|\x1a|\x1b\\|(?=\x1b))|\x07"
)
_ENDS = re.compile(rb"\x07|\x18|\x1a|(?=\x1b)")
_COMPLETE = (b"\x07", b"\x1b\\")


@dataclass(frozen=True)
class Signal:
    """One signal: the number of its OSC, or ``BELL``, and what comes after the number."""

    code: int
    content: bytes = b""


# One or many: nobody hears the difference.
BELLS = Signal(BELL)


class SignalScanner:
    """Finds the signals in the output of one terminal, which may be cut anywhere."""

    def __init__(self) -> None:
        self._unfinished = b""
        self._is_too_long = False

    def feed(self, data: bytes) -> list[Signal]:
        """Return the signals that end in this output."""
        if self._is_too_long:
            data = self._after_too_long(data)
        if not self._unfinished and b"\x1b]" not in data and b"\x07" not in data:
            self._unfinished = b"\x1b" if data.endswith(b"\x1b") else b""
            return []
        data, self._unfinished = self._unfinished + data, b""
        found, end, has_rung = [], 0, False
        for match in _SIGNAL.finditer(data):
            if match[3] == b"" and match.end() == len(data) - 1:
                break  # half of an end
            end = match.end()
            if match[3] is None:
                found += [] if has_rung else [BELLS]
                has_rung = True
            elif match[3] in _COMPLETE and len(match[0]) <= MOST_BYTES and _is_wanted(match[1]):
                found.append(Signal(int(match[1]), match[2]))
        self._keep(data, end)
        return found

    def _keep(self, data: bytes, end: int) -> None:
        """Keep the beginning of a signal; of one that is too long, only that it is."""
        start = data.find(b"\x1b]", end)
        if start >= 0:
            self._is_too_long = len(data) - start > MOST_BYTES
            self._unfinished = b"" if self._is_too_long else data[start:]
        elif data.endswith(b"\x1b"):
            self._unfinished = b"\x1b"

    def _after_too_long(self, data: bytes) -> bytes:
        ended = _ENDS.search(data)
        self._is_too_long = ended is None
        return b"" if ended is None else data[ended.end() :]


def _is_wanted(number: bytes) -> bool:
    return number.isdigit() and int(number) in WANTED

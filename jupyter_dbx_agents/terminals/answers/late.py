"""A browser's answers that nobody waits for any more: they would be typed into the next program.

What only a browser can answer, such as where the cursor is, takes a round trip.  By then the
program that asked may have ended, and a shell would get ``[?1;2c`` as if it had been typed
(JupyterLab's issue 17179).  An answer is passed on only while the process group that asked is in
front.
"""

import re
from collections.abc import Callable

_QUERY = re.compile(
    rb"\x1b(?:\[[>=?]?[0-9;]*[cn]|\[\??[0-9;]*\$p|\[>[0-9;]*q|\[(?:1[1-9]|2[01])t|P[$+]q|Z)"
)
# DA1 to DA3, DSR, CPR below the first row, DECRPM, sizes, DECRPSS, XTGETTCAP, XTVERSION.  The
# report of a cursor in the first row is also a key (F3 with Shift), and passes.
_REPORT = re.compile(
    rb"(?:\x1b\[[?>][0-9;]*c|\x1b\[\??[03]n|\x1b\[(?:[2-9]|[0-9]{2,});[0-9]+R|\x1b\[\?[0-9;]+R"
    rb"|\x1b\[\??[0-9;]+\$y|\x1b\[[4689];[0-9;]+t|\x1bP[^\x1b]*\x1b\\)+"
)


# A terminal also reports the focus and, by SGR, that the pointer moves or the wheel turns (32 on).
_REPORTS_BY_ITSELF = re.compile(
    rb"(?:\x1b\[[IO]|\x1b\[<(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-7]);[0-9]+;[0-9]+[Mm])+"
)


def is_typed(data: bytes) -> bool:
    """Whether somebody has typed or clicked input, which a terminal has not sent by itself."""
    if not data.startswith(b"\x1b"):
        return True
    return _REPORT.fullmatch(data) is None and _REPORTS_BY_ITSELF.fullmatch(data) is None


class LateAnswers:
    """Who has asked the browser last; ``front`` returns which process group has the terminal."""

    def __init__(self, front: Callable[[], int]) -> None:
        self._front = front
        self._asked_by: int | None = None

    def note(self, output: bytes) -> None:
        """Remember who has asked, if there is a question in output."""
        if b"\x1b" in output and _QUERY.search(output):
            self._asked_by = self._front()

    def is_one(self, typed: bytes) -> bool:
        """Whether input is nothing but a browser's answers, and not for who is in front."""
        is_answer = typed.startswith(b"\x1b") and _REPORT.fullmatch(typed) is not None
        return is_answer and self._asked_by != self._front()

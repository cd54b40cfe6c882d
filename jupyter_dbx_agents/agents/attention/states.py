"""The states of one agent's process, from reports of itself and of its sub-agents: a pure core."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MOST_TEXT_CHARACTERS = 200
# Without these, Persian words and emoji of several parts fall apart.
_JOINERS = "\u200c\u200d"
# Of one process: what the draft of OSC 7501 allows.
MOST_RECORDS = 256


class State(StrEnum):
    """What an agent is doing.

    The most urgent comes first.  DONE and FAILED are news until somebody has seen them; then the
    agent is IDLE.
    """

    PERMISSION = "permission"
    QUESTION = "question"
    WORKING = "working"
    FAILED = "failed"
    DONE = "done"
    IDLE = "idle"


# As the end of a sentence.
DOING: Mapping[State, str] = {
    State.PERMISSION: "asks for permission",
    State.QUESTION: "asks a question",
    State.WORKING: "is working",
    State.FAILED: "has failed",
    State.DONE: "is done",
    State.IDLE: "is idle",
}
NEEDS = frozenset({State.PERMISSION, State.QUESTION, State.FAILED, State.DONE})
# These need nobody any more once somebody has seen them.
NEWS = frozenset({State.FAILED, State.DONE})
# Those end with the process: it neither works nor asks any more.
LIVE = frozenset({State.WORKING, State.PERMISSION, State.QUESTION})


@dataclass(frozen=True)
class Report:
    """A state that an agent reports, or that a sub-agent of it does, by its path ``id``.

    Without a state it takes back what was reported.  ``text`` is one line of what, '' for none.
    """

    state: State | None
    text: str = ""
    id: str = ""


@dataclass
class Records:
    """The last report of an agent and of each of its sub-agents.

    By state, the most urgent first, so that a program that reports all the time costs little.
    """

    _by_state: dict[State, dict[str, Report]] = field(
        default_factory=lambda: {state: {} for state in State}
    )

    def put(self, report: Report) -> None:
        """Take a report; of too many the least urgent one is dropped, of equal ones the oldest."""
        if report.state is None:
            self._take_back(report.id)
            return
        for state, reports in self._by_state.items():
            if state is not report.state:
                reports.pop(report.id, None)
        if report.state is State.IDLE and report.id:
            return  # a sub-agent that is idle is never heard of again
        self._by_state[report.state][report.id] = report
        if sum(map(len, self._by_state.values())) > MOST_RECORDS:
            least = next(filter(None, reversed(self._by_state.values())))
            del least[next(iter(least))]

    def end(self) -> None:
        """Drop what ends with the process."""
        for state in LIVE:
            self._by_state[state].clear()

    def main(self) -> Report:
        """Return what they say together: the most urgent one, of equal ones the oldest."""
        urgent = next(filter(None, self._by_state.values()), None)
        return next(iter(urgent.values())) if urgent else Report(State.IDLE)

    def _take_back(self, id: str) -> None:
        below = f"{id}/"
        for reports in self._by_state.values():
            for key in [key for key in reports if not id or key == id or key.startswith(below)]:
                del reports[key]


def one_line(text: str) -> str:
    """Return untrusted text as one line that can be shown: short, and without any control.

    Also without the characters that reverse the direction of text: by these what is shown would
    differ from what is asked.
    """
    words = "".join(" " if _is_control(character) else character for character in text).split()
    line = " ".join(words)
    return line if len(line) <= MOST_TEXT_CHARACTERS else f"{line[: MOST_TEXT_CHARACTERS - 1]}…"


def printable(text: str) -> str:
    """Return the name of a program or a folder, which may have any character, fit to be shown.

    Also without what is no character at all: half of a name's bytes cannot be encoded.
    """
    return "".join("\ufffd" if _is_control(character) else character for character in text)


def _is_control(character: str) -> bool:
    is_control = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return is_control and character not in _JOINERS

"""The states of one agent's process, from reports of itself and of its sub-agents: a pure core."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MOST_TEXT_CHARACTERS = 200
# Of one process: what the draft of OSC 7501 allows.
MOST_RECORDS = 256


class State(StrEnum):
    """What an agent is doing.

    DONE and FAILED are news until somebody has seen them; then the agent is IDLE.
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
# What an agent is doing is what the first of these says that any of its sub-agents does.
_ORDER = list(State)


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
    """The last report of an agent and of each of its sub-agents."""

    _by_id: dict[str, Report] = field(default_factory=dict)

    def put(self, report: Report) -> None:
        """Take a report; of too many the least urgent one is dropped, of equal ones the oldest."""
        if report.state is None:
            self._take_back(report.id)
            return
        if report.state is State.IDLE and report.id:
            self._by_id.pop(report.id, None)  # a sub-agent that is idle is never heard of again
            return
        self._by_id[report.id] = report
        if len(self._by_id) > MOST_RECORDS:
            least = max(
                self._by_id.values(), key=lambda each: _ORDER.index(each.state or State.IDLE)
            )
            del self._by_id[least.id]

    def end(self) -> None:
        """Drop what ends with the process."""
        self._by_id = {id: r for id, r in self._by_id.items() if r.state not in LIVE}

    def main(self) -> Report:
        """Return what they say together: the most urgent one."""
        return most_urgent(self._by_id.values())

    def _take_back(self, id: str) -> None:
        below = f"{id}/"
        is_gone = (lambda key: key == id or key.startswith(below)) if id else (lambda _key: True)
        self._by_id = {key: r for key, r in self._by_id.items() if not is_gone(key)}


def most_urgent(reports: Iterable[Report]) -> Report:
    """Return the report whose state comes first; of equal ones the first; IDLE if there is none."""
    return min(reports, key=_place_in_order, default=Report(State.IDLE))


def _place_in_order(report: Report) -> int:
    return _ORDER.index(report.state or State.IDLE)


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
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

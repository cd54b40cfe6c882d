"""What an agent asks its user before it does it: one word for all agents, strictest first.

Each agent's module translates it into the agent's own settings, and says which it can do.  One that
it cannot do becomes the next stricter one that it can or, where there is none, the agent's own
default, which may ask for less; its status then says so.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import TypedDict

from ...errors import RequestError


class Approvals(StrEnum):
    """``OWN`` is the agent's default, or what the user has set in its own files."""

    OWN = "own"
    ASK = "ask"
    EDITS = "edits"
    EVERYTHING = "everything"

    @property
    def meaning(self) -> str:
        """What it means, for people."""
        return _MEANINGS[self]


_MEANINGS = {
    Approvals.OWN: "each agent's own default",
    Approvals.ASK: "ask before edits and commands",
    Approvals.EDITS: "edit freely, ask before commands",
    Approvals.EVERYTHING: "ask for nothing",
}
_STRICTEST_FIRST = (Approvals.ASK, Approvals.EDITS, Approvals.EVERYTHING)


class ApprovalsStatus(TypedDict):
    """The REST model of one agent's approvals.

    ``holds`` is for new sessions; ``text`` says what it does then, ``asks_first`` whether it asks
    before it runs commands, and ``note`` why that is not, or may not be, what was chosen, '' if it
    is.
    """

    holds: Approvals
    chosen: Approvals | None
    possible: list[Approvals]
    text: str
    asks_first: bool
    note: str


def nearest(wanted: Approvals, possible: Collection[Approvals]) -> Approvals:
    """Return what is wanted, else the next stricter that is possible, else the agent's own."""
    if wanted in possible:
        return wanted
    stricter = _STRICTEST_FIRST[: _STRICTEST_FIRST.index(wanted)]
    return next((one for one in reversed(stricter) if one in possible), Approvals.OWN)


def checked_approvals(value: object) -> Approvals | None:
    """Return a choice, None for "as configured".  Raises RequestError."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in set(Approvals):
        raise RequestError(f"“{value}” is not a kind of approvals.", f"Use {kinds()} or null.")
    return Approvals(value)


def kinds() -> str:
    """Return all kinds with their meanings."""
    return ", ".join(f"{kind} ({kind.meaning})" for kind in Approvals)

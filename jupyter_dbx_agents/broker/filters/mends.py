"""What a gateway's refusal teaches: which change of a request it takes instead.

Each kind of ``Mend`` knows the sentences that ask for it, and changes a request.  The sentences are
those of the vendors, which the platform hands on; sources are in ``dbx_workspace.models.rules``.
Nothing is guessed: a refusal that names nothing known teaches nothing.
"""

from typing import Protocol

from .fields import (
    LowerCap,
    OtherEffort,
    OtherThinking,
    SmallerBudget,
    SmallerReservation,
    WithoutField,
    WithoutTool,
)
from .learning import Mend, Refused
from .turns import AnsweredCalls, EndWithUser, FullTexts, WithoutIds


class _Kind(Protocol):
    def read(self, refused: Refused) -> Mend | None: ...


# The first that changes the refused request counts.
KINDS: tuple[_Kind, ...] = (
    SmallerReservation,
    SmallerBudget,
    LowerCap,
    OtherThinking,
    OtherEffort,
    WithoutIds,
    AnsweredCalls,
    EndWithUser,
    FullTexts,
    WithoutTool,
    WithoutField,
)


def is_lasting(mend: Mend) -> bool:
    """Whether later requests need a mend, too: a budget is free again after a minute."""
    return not isinstance(mend, SmallerReservation)


def mend_for(refused: Refused) -> Mend | None:
    """Return what a refusal teaches, None if that is nothing or would change nothing."""
    for kind in KINDS:
        mend = kind.read(refused)
        if mend is not None and mend.apply(refused.body) is not refused.body:
            return mend
    return None

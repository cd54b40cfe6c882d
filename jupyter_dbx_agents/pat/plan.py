"""What the rotation does next, and when: the policy, without a socket or a clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .store import Pat, Retired


class Action(StrEnum):
    """What is due."""

    NOTHING = "nothing"
    ROTATE = "rotate"
    REVOKE = "revoke"
    EXPIRE = "expire"
    TIDY = "tidy"


@dataclass(frozen=True)
class Situation:
    """All that the policy looks at.

    ``in_use`` says whether a session needs the PAT kept alive; ``tidy_at`` when to try again what
    was left undone (the pasted token's revocation, tokens whose creation was never answered).
    """

    pat: Pat | None
    retired: tuple[Retired, ...] = ()
    in_use: bool = True
    rotate_at: datetime | None = None
    retry_at: datetime | None = None
    tidy_at: datetime | None = None


@dataclass(frozen=True)
class Step:
    """An action to take now, or how long to wait for the next (None: until something happens)."""

    action: Action
    wait_seconds: float | None = None


# How often it is asked again whether a session is open (a kernel's start is told to nobody).
IDLE_LOOK_SECONDS = 5.0
# A PAT whose life is shorter than the interval is replaced after this part of it.
ROTATED_AFTER_PART = 2 / 3


def next_step(situation: Situation, now: datetime) -> Step:
    """Return what is due: the end of a PAT first, then rotation, then revocations."""
    due = _instants_of_actions(situation)
    for at, action in due:
        if now >= at:
            return Step(action)
    if not due:
        return Step(Action.NOTHING)
    wait_seconds = (min(at for at, _ in due) - now).total_seconds()
    if not situation.in_use:
        wait_seconds = min(wait_seconds, IDLE_LOOK_SECONDS)
    return Step(Action.NOTHING, wait_seconds)


def _instants_of_actions(situation: Situation) -> list[tuple[datetime, Action]]:
    """Return what will be due and when, the most important first."""
    if situation.pat is None:
        return []
    due = [(situation.pat.expires_at, Action.EXPIRE)]
    rotate_at = situation.retry_at or situation.rotate_at
    if situation.in_use and rotate_at is not None:
        due.append((rotate_at, Action.ROTATE))
    due += [(entry.revoke_at, Action.REVOKE) for entry in situation.retired]
    if situation.tidy_at is not None:
        due.append((situation.tidy_at, Action.TIDY))
    return due


def rotation_due_at(pat: Pat, interval_seconds: float) -> datetime:
    """Return when a PAT is to be replaced: at the interval, and well before its end."""
    part = (pat.expires_at - pat.created_at) * ROTATED_AFTER_PART
    return pat.created_at + min(timedelta(seconds=interval_seconds), part)


def within_life_seconds(delay_seconds: float, pat: Pat, now: datetime) -> float:
    """Return a retry's delay that leaves time for others before the PAT ends.

    A busy workspace may ask for more (Retry-After), but after the end there is nothing to retry.
    """
    return max(0.0, min(delay_seconds, (pat.expires_at - now).total_seconds() / 3))


def lifetime_of(created_at: datetime, expires_at: datetime | None, asked_seconds: int) -> timedelta:
    """Return how long a minted token lives, by the workspace's own two instants.

    Their difference does not depend on the two machines' clocks agreeing.
    """
    if expires_at is None:
        return timedelta(seconds=asked_seconds)
    return min(expires_at - created_at, timedelta(seconds=asked_seconds))

"""The policy of the rotation: what is due next, and when; without a socket or a clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .store import Pat


class Action(StrEnum):
    """What is due."""

    NOTHING = "nothing"
    ROTATE = "rotate"
    EXPIRE = "expire"


@dataclass(frozen=True)
class Situation:
    """Everything that the policy depends on.

    ``in_use`` says whether a session needs the PAT; ``retry_at`` when to rotate after a failure.
    """

    pat: Pat | None
    in_use: bool = True
    rotate_at: datetime | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Step:
    """An action to take now, or how long to wait for the next (None: until woken)."""

    action: Action
    wait_seconds: float | None = None


# How often to check whether a session is open (the start of a kernel notifies nobody).
IDLE_CHECK_SECONDS = 5.0
# A timer does not count the time that the machine sleeps: what fell due is noticed this soon after
# it wakes.
LONGEST_WAIT_SECONDS = 15.0
# A PAT that lives shorter than the interval is replaced after this part of its life.
ROTATED_AFTER_PART = 2 / 3


def next_step(situation: Situation, now: datetime) -> Step:
    """Return what is due: expiry first, then rotation."""
    due = _instants_of_actions(situation)
    for at, action in due:
        if now >= at:
            return Step(action)
    if not due:
        return Step(Action.NOTHING)
    longest = LONGEST_WAIT_SECONDS if situation.in_use else IDLE_CHECK_SECONDS
    until_next = (min(at for at, _ in due) - now).total_seconds()
    return Step(Action.NOTHING, min(until_next, longest))


def _instants_of_actions(situation: Situation) -> list[tuple[datetime, Action]]:
    """Return what will be due and when, most important first."""
    if situation.pat is None:
        return []
    due = [(situation.pat.expires_at, Action.EXPIRE)]
    rotate_at = situation.retry_at or situation.rotate_at
    if situation.in_use and rotate_at is not None:
        due.append((rotate_at, Action.ROTATE))
    return due


def rotation_due_at(pat: Pat, interval_seconds: float) -> datetime:
    """Return when to replace a PAT: at the interval, and well before it expires."""
    part = (pat.expires_at - pat.created_at) * ROTATED_AFTER_PART
    return pat.created_at + min(timedelta(seconds=interval_seconds), part)


def within_life_seconds(delay_seconds: float, pat: Pat, now: datetime) -> float:
    """Return a retry's delay, shortened to leave time for more retries before the PAT expires.

    A busy workspace may request more (Retry-After), but an expired PAT cannot be rotated.
    """
    return max(0.0, min(delay_seconds, (pat.expires_at - now).total_seconds() / 3))


def lifetime_of(
    created_at: datetime | None, expires_at: datetime | None, asked_seconds: int
) -> timedelta:
    """Return how long a minted token lives, as the difference of the workspace's two instants.

    So this machine's clock and the workspace's need not agree.
    """
    asked = timedelta(seconds=asked_seconds)
    if created_at is None or expires_at is None:
        return asked
    return max(timedelta(0), min(expires_at - created_at, asked))

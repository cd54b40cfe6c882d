"""The policy of rotation, without a socket or a clock."""

from datetime import UTC, datetime, timedelta

import pytest

from jupyter_dbx_agents.pat.plan import (
    Action,
    Situation,
    Step,
    lifetime_of,
    next_step,
    rotation_due_at,
    within_life_seconds,
)
from jupyter_dbx_agents.pat.store import Pat, PatStore
from jupyter_dbx_agents.secret import Secret

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def pat(name: str = "a", born: float = 0, lives: float = 900) -> Pat:
    return Pat(Secret(f"dapi{name}"), name, at(born), at(born + lives))


@pytest.mark.parametrize(
    ("situation", "now", "step"),
    [
        (Situation(None), 0, Step(Action.NOTHING)),
        (Situation(pat(), rotate_at=at(600)), 0, Step(Action.NOTHING, 15)),
        (Situation(pat(), rotate_at=at(600)), 590, Step(Action.NOTHING, 10)),
        (Situation(pat(), rotate_at=at(600)), 600, Step(Action.ROTATE)),
        (Situation(pat(), rotate_at=at(600), in_use=False), 899, Step(Action.NOTHING, 1)),
        (Situation(pat(), rotate_at=at(600), in_use=False), 700, Step(Action.NOTHING, 5)),
        (Situation(pat(), rotate_at=at(600), retry_at=at(630)), 620, Step(Action.NOTHING, 10)),
        (Situation(pat(), rotate_at=at(600), retry_at=at(630)), 630, Step(Action.ROTATE)),
        (Situation(pat(), rotate_at=at(600)), 900, Step(Action.EXPIRE)),
    ],
)
def test_what_is_due_follows_from_the_situation(situation, now, step):
    assert next_step(situation, at(now)) == step


def test_a_retry_leaves_time_for_others_before_the_end_whatever_the_workspace_asks_for():
    assert within_life_seconds(600, pat(), at(600)) == 100
    assert within_life_seconds(5, pat(), at(600)) == 5
    assert within_life_seconds(5, pat(), at(901)) == 0


def test_a_short_lived_pat_is_replaced_well_before_its_end():
    assert rotation_due_at(pat(), 600) == at(600)
    assert rotation_due_at(pat(lives=300), 600) == at(200)


def test_a_lifetime_is_the_workspaces_own_difference_whatever_its_clock_says():
    skewed = at(86_400)
    assert lifetime_of(skewed, skewed + timedelta(seconds=300), 900) == timedelta(seconds=300)
    assert lifetime_of(skewed, None, 900) == timedelta(seconds=900)
    assert lifetime_of(None, skewed, 900) == timedelta(seconds=900)


def store() -> PatStore:
    return PatStore(promise_seconds=120, expiry_margin_seconds=30, in_flight_seconds=60)


def test_old_pat_outlives_every_promise():
    keeper = store()
    keeper.publish(pat("a"), at(0))
    promises = [keeper.promise(at(second)) for second in (0, 300, 599)]
    old = keeper.publish(pat("b", born=600), at(600))
    assert max(promise[1] for promise in promises if promise) == at(599 + 120)
    assert old.revoke_at == at(599 + 120 + 60)


def test_a_pat_that_was_never_promised_waits_only_for_calls_in_flight():
    keeper = store()
    keeper.publish(pat("a"), at(0))
    old = keeper.publish(pat("b", born=600), at(600))
    assert old.revoke_at == at(660)


def test_no_promise_outlives_its_token():
    keeper = store()
    keeper.publish(pat("a"), at(0))
    assert keeper.promise(at(800)) == (keeper.pat, at(870))
    assert keeper.promise(at(880)) == (keeper.pat, at(900))
    assert keeper.promise(at(900)) is None
    assert keeper.current(at(900)) is None

"""How much the tests try: what answers soon, or all that is worth a night (``make test-long``)."""

import os
import random
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

IS_LONG = bool(os.environ.get("TEST_LONG"))
# One test goes through all of them at each push; with the others it is the agents that differ.
ALL_ROTATIONS = 20
ROTATIONS = ALL_ROTATIONS if IS_LONG else 8


def some(count: int, values: Iterable[T]) -> list[T]:
    """Return the first ones, of values that stand for each other; all if it may take long."""
    return list(values) if IS_LONG else list(values)[:count]


def seed_of_this_run() -> int:
    """Return the seed for what is made up at random: that of ``TEST_SEED``, else a new one.

    All workers of a run have the same.
    """
    given = os.environ.get("TEST_SEED")
    return (
        int(given)
        if given
        else random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(1, 10**6)
    )

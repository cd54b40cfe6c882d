"""Which worker runs which test, when there are several: whole files, the longest first.

Some files are one unit: those of the terminals, since some measure times, and those of the demo
that need no agent at work, since they share one app.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = {
    "terminals": (
        "tests/terminals/test_flow.py",
        "tests/terminals/test_input.py",
        "tests/terminals/test_life.py",
        "tests/terminals/test_reconnect.py",
        "tests/terminals/test_screen_model.py",
    ),
    "demo": (
        "tests/demo/test_documented_commands.py",
        "tests/demo/test_login_prompt.py",
        "tests/demo/test_models_and_usage.py",
        "tests/demo/test_notebooks.py",
        "tests/demo/test_rest.py",
        "tests/demo/test_rest_description.py",
        "tests/demo/test_secrets.py",
    ),
}
# Begun in this order, before all others.
LONGEST = (
    "tests/demo/test_real_agents.py",
    "tests/runtime/test_runtime.py",
    "tests/git_sync/test_model.py",
    "terminals",
    "demo",
)


class Schedule(LoadFileScheduling):
    """Gives each worker one unit after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """Return the name of the unit that a test belongs to."""
    file = nodeid.partition("::")[0]
    return next((unit for unit, files in TOGETHER.items() if file.startswith(files)), file)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the tests as their units are to be begun, and keep each unit together."""
    rank = {unit: number for number, unit in enumerate(LONGEST)}
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(unit_of(item.nodeid), []).append(item)
    ordered = sorted(units, key=lambda unit: rank.get(unit, len(rank)))
    items[:] = [item for unit in ordered for item in units[unit]]

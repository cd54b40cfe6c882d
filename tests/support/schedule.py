"""Which worker runs which test, when there are several: whole files, the longest first.

Some files are one unit: those of the terminals that measure times; and those that share what
takes long to start, a browser or the demo.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = {
    "terminals": (
        "tests/terminals/test_flow.py",
        "tests/terminals/test_input.py",
        "tests/terminals/test_life.py",
    ),
    "browser: panel": (
        "tests/browser/test_front_door.py",
        "tests/browser/test_panel.py",
        "tests/browser/test_plugins.py",
        "tests/browser/test_settings.py",
    ),
    "browser: terminals": (
        "tests/browser/test_main_job.py",
        "tests/browser/test_restart.py",
        "tests/browser/test_terminals.py",
        "tests/browser/test_way_back.py",
    ),
    # Needs no browser.
    "browser: assets": ("tests/browser/test_assets.py",),
    "browser: all else": ("tests/browser/",),
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
    "browser: all else",
    "browser: terminals",
    "tests/demo/test_agent_matrix.py",
    "browser: panel",
    "browser: assets",
    "tests/system/test_stopping.py",
    "tests/system/test_lifecycle.py",
    "demo",
    "tests/git_sync/test_model.py",
    "tests/demo/test_real_agents.py",
    "terminals",
    "tests/git_sync/test_work_in_progress.py",
    "tests/git_sync/test_history.py",
    "tests/runtime/test_runtime.py",
    "tests/terminals/test_screens.py",
    "tests/terminals/test_upstream_suites.py",
    "tests/demo/test_attention.py",
    "tests/git_sync/test_safety.py",
    "tests/demo/test_main_job.py",
    "tests/demo/test_credentials.py",
    "tests/system/test_bad_start.py",
    "tests/demo/test_projects.py",
    "tests/git_sync/test_life.py",
    "tests/demo/test_data.py",
    "tests/terminals/test_reconnect.py",
    "tests/system/test_agents_rest.py",
    "tests/pat/test_sign_in.py",
    "tests/git_sync/test_restore.py",
    "tests/git_sync/test_takeovers_and_clones.py",
    "tests/pat/test_random_histories.py",
    "tests/agents/test_installer.py",
    "tests/deployment/test_deploy.py",
    "tests/demo/test_mcp.py",
    "tests/system/test_continue.py",
    "tests/demo/test_foreign_projects.py",
    "tests/system/test_background.py",
    "tests/system/test_dead_proxy.py",
    "tests/system/test_doctor.py",
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

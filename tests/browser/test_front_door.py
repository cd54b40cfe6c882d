"""JupyterLab behind a front door that ends every websocket after a while."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp

LIFE_SECONDS = 2
TICKS = 40


@pytest.fixture
def short_lived(app: RunningApp) -> Iterator[None]:
    """The limit, for one test."""
    yield
    app.control.limit_front_door(websocket_seconds=0)


@pytest.mark.usefixtures("short_lived")
def test_a_long_stream_is_whole_and_the_status_follows_through_many_cuts(
    lab: LabPage, app: RunningApp
):
    lab.open_terminal_named("ticks")
    app.control.limit_front_door(websocket_seconds=LIFE_SECONDS)
    lab.reload()  # with connections under the limit
    lab.type(f"for n in $(seq {TICKS}); do echo tick $n.; sleep 0.2; done; echo fin''ished")
    text = lab.until_screen("(?m)^finished$", 120)
    ticks = [int(number) for number in re.findall(r"(?m)^tick (\d+)\.$", text)]
    assert ticks == list(range(1, TICKS + 1))
    app.control.limit_front_door(websocket_seconds=0)
    expect(lab.notice).to_have_count(0)
    lab.until_rotated(app.rotate)

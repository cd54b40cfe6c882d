"""One running app for all system tests: everything has to work while the PAT rotates fast."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent_store import AgentStore
from tests.support.golden import FILES
from tests.support.running_app import RunningApp

FAST_ROTATION = (
    "--PatRotator.rotation_interval_seconds=2",
    "--PatRotator.lifetime_seconds=60",
    "--PatRotator.promise_seconds=2",
    "--PatRotator.expiry_margin_seconds=5",
    "--PatRotator.in_flight_seconds=1",
)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, agent_store: AgentStore) -> Iterator[RunningApp]:
    """The app with the agents installed, logging at DEBUG, in a home with the user's settings."""
    folder = tmp_path_factory.mktemp("app")
    for name, text in FILES.items():
        path = folder / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    agent_store.put(folder / "home")
    running = RunningApp(folder / "home", folder / "log", "--debug", *FAST_ROTATION)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def home(app: RunningApp) -> Path:
    """The home folder of the running app."""
    return app.home

"""The production server on a local workspace, with no agents installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.constants import NO_AGENTS, OWNER
from tests.support.running_app import (
    Browser,
    LocalWorkspaceProcess,
    Server,
    starting,
    until_configured,
)


@pytest.fixture(scope="module")
def workspace() -> Iterator[LocalWorkspaceProcess]:
    """A workspace for all tests of a file."""
    running = LocalWorkspaceProcess()
    yield running
    running.stop()


@pytest.fixture
def start(workspace: LocalWorkspaceProcess, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers on that workspace, with one home; what still runs at the end is stopped."""
    with starting(workspace, tmp_path / "home", NO_AGENTS) as run:
        yield run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of the server that the tests of a file share."""
    return tmp_path_factory.mktemp("shared") / "home"


@pytest.fixture(scope="module")
def server(workspace: LocalWorkspaceProcess, home: Path) -> Iterator[Server]:
    """The server that the tests of a file share."""
    running = Server(home, workspace.app_variables(), NO_AGENTS)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[Browser]:
    """The owner of that server, when it has written the agents' files."""
    browser = server.until_open(OWNER)
    until_configured(browser)
    yield browser
    browser.http.close()

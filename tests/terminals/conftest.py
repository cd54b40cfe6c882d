"""One server for all tests that do not need one of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .clients import Server

# So little of the latest output that whatever a test draws soon lives in the model alone.
SMALL_RING = "--DbxTerminalManager.replay_kib=16"
IMPATIENT = ("--DbxTerminalManager.behind_seconds=1", "--DbxTerminalManager.stalled_seconds=600")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the settings as they are."""
    running = Server(tmp_path_factory.mktemp("terminals"), *IMPATIENT)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def small_ring_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps 16 KiB of each terminal's output as it came."""
    running = Server(tmp_path_factory.mktemp("small-ring"), SMALL_RING, *IMPATIENT)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test's programs keep their files."""
    return tmp_path

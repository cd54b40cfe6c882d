"""One image and one platform for all tests of this folder."""

import os
from collections.abc import Iterator

import pytest

from .machine import Platform
from .runtime_image import RuntimeImage


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform, with nothing deployed yet."""
    if os.geteuid() == 0:
        pytest.skip("the platform runs apps as a user without privileges, as `make test` does")
    running = Platform(RuntimeImage(tmp_path_factory.mktemp("image")))
    try:
        yield running
    finally:
        running.close()

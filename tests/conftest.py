"""Async tests are plain coroutines: each runs in a loop of its own, with what it asks for.

And xterm.js, the judge of screens, for those that draw any.
"""

import asyncio
import contextlib
import functools
import inspect
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from jupyter_dbx_agents.lifecycle.process import skip_iri_grammar
from jupyter_dbx_agents.terminals.screen.renderer import ScreenRenderer
from tests.support import schedule
from tests.support.agent_store import AgentStore
from tests.support.screens import Screens

read_certificates = httpx.create_ssl_context
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@functools.cache
def shared_context(*arguments: Any) -> ssl.SSLContext:
    """Return the context of all clients with these arguments, and these certificates."""
    return read_certificates(*arguments[: -len(CERTIFICATES)])


def context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    """Return a client's context, as httpx does it."""
    return shared_context(verify, cert, trust_env, *map(os.environ.get, CERTIFICATES))


# As each server does: a second of a processor for each worker.
skip_iri_grammar()

# To read the certificates takes 25 ms of a processor, and a run makes thousands of clients.
httpx.create_ssl_context = context
httpx._transports.default.create_ssl_context = context  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def agent_store(tmp_path_factory: pytest.TempPathFactory) -> AgentStore:
    """The agents' programs, which all workers of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return AgentStore((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "agents")


@pytest.fixture(scope="session")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screens]:
    """xterm.js, installed from the lock file into a folder of its own."""
    judge = Screens(tmp_path_factory.mktemp("xterm"))
    try:
        yield judge
    finally:
        judge.stop()


@pytest.fixture
def renderer() -> contextlib.AbstractAsyncContextManager[ScreenRenderer]:
    """What draws screens; a coroutine test gets the renderer itself."""
    return running_renderer()


@contextlib.asynccontextmanager
async def running_renderer() -> AsyncIterator[ScreenRenderer]:
    """A renderer whose process ends with the block."""
    renderer = ScreenRenderer()
    try:
        yield renderer
    finally:
        await renderer.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    schedule.longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> schedule.Schedule:
    """Give each worker whole units."""
    return schedule.Schedule(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test; async context managers among its fixtures are entered in its loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            arguments: dict[str, Any] = {}
            for name in inspect.signature(pyfuncitem.obj).parameters:
                value: Any = pyfuncitem.funcargs[name]
                enters = hasattr(value, "__aenter__")
                arguments[name] = await stack.enter_async_context(value) if enters else value
            await pyfuncitem.obj(**arguments)

    asyncio.run(run())
    return True

"""Async tests are plain coroutines: each runs in a loop of its own, with what it asks for."""

import asyncio
import contextlib
import inspect

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test; async context managers among its fixtures are entered in its loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            arguments = {}
            for name in inspect.signature(pyfuncitem.obj).parameters:
                value = pyfuncitem.funcargs[name]
                enters = hasattr(value, "__aenter__")
                arguments[name] = await stack.enter_async_context(value) if enters else value
            await pyfuncitem.obj(**arguments)

    asyncio.run(run())
    return True

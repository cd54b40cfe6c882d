"""One operation at a time replaces the credential; a log-out or stop ends it, and those that wait.

Whatever the owner waits for has a limit, with its wait for an operation that runs already.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from ...errors import PatError, WorkspaceUnavailableError

# For an adoption or a rotation on request, and for the revocation of the pasted token: together
# less than the 120 s after which the platform's proxy, and our own commands, give an answer up.
COMMAND_SECONDS = 60.0
EXCHANGED_SECONDS = 30.0
# How long a log-out or stop waits for the end of an operation that it has cancelled.
CANCELLED_SECONDS = 1.0


@contextlib.asynccontextmanager
async def command_limit() -> AsyncIterator[None]:
    """End what the owner waits for after ``COMMAND_SECONDS``.

    Raises WorkspaceUnavailableError then.
    """
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            yield
    except TimeoutError:
        raise WorkspaceUnavailableError(
            f"The workspace took longer than {COMMAND_SECONDS:.0f} s to answer.",
            "Try again in a moment.",
        ) from None


class Operations:
    """Runs what may replace the credential, one after the other."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._lock = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._log_outs = 0

    @property
    def is_running(self) -> bool:
        """Whether one is under way."""
        return self._running is not None

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one; raise PatError if a log-out or stop ends it, also while it waits."""
        log_outs = self._log_outs
        async with self._lock:
            self.check_that_not_stopping()
            if self._log_outs != log_outs:
                raise _logged_out()
            operation = self._running = asyncio.ensure_future(work())
            try:
                await operation
            except asyncio.CancelledError:
                this = asyncio.current_task()
                if this is not None and this.cancelling():
                    raise
                raise stopping() if self.is_stopping else _logged_out() from None
            finally:
                self._running = None

    def check_that_not_stopping(self) -> None:
        """Raise PatError once the server is stopping."""
        if self.is_stopping:
            raise stopping()

    @contextlib.asynccontextmanager
    async def ended_by_log_out(self) -> AsyncIterator[None]:
        """End the operation that runs, and those that wait; none begins within the block."""
        self._log_outs += 1
        await self.interrupt()
        async with self._lock:
            yield

    async def settled(self) -> None:
        """Wait for the end of the operation that runs."""
        async with self._lock:
            pass

    async def interrupt(self) -> None:
        """Cancel the operation that runs; what it may have created is among the revocations."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running], timeout=CANCELLED_SECONDS)


def stopping() -> PatError:
    """Return the error of what a stop of the server ends."""
    return PatError("The server is stopping.", "Paste the token when it runs again.")


def _logged_out() -> PatError:
    return PatError("You logged out while this was under way.", "Paste the token again.")

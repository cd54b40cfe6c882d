"""Draws output with xterm.js and returns what brings a fresh terminal into the same state.

xterm.js is what JupyterLab's own terminals are, here without a window, in one node process for all
terminals.  The process keeps nothing between requests: it starts with the first one, one that has
died or hangs is replaced and the request repeated, and it ends with this process, whose end of the
pipe is its standard input.  It has no environment and a limited heap, since whatever a program
writes is parsed there.

Why a process: it draws 1 MiB of mixed output in about 20 ms, and sending that takes this process
4 ms; an emulator in Python took 200 ms, in the event loop.
"""

import asyncio
import contextlib
import json
import logging
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "xterm" / "renderer.js"
# With the rest of node this is below 100 MB; a terminal of 1,000 x 1,000 cells takes half of it.
NODE_OPTIONS = ("--max-old-space-size=64", "--max-semi-space-size=2")
HEAD_BYTES = 4
# What fits into the pipe is not copied before it is written.
WRITE_BYTES = 128 * 1024
ATTEMPTS = 2
RENDER_SECONDS = 10.0
MOST_ANSWER_BYTES = 16 * 1024 * 1024
_log = logging.getLogger(__name__)

# Output, or the size of the terminal (rows, columns) from then on.
Step = bytes | tuple[int, int]


@dataclass(frozen=True)
class ScreenText:
    """The text of a screen, with what scrolled off last.

    A line that wrapped is one.  ``marks_pastes`` if the program wants to know what is pasted
    (bracketed paste mode).
    """

    lines: tuple[str, ...]
    marks_pastes: bool


class ScreenError(Exception):
    """There is no node, or it cannot draw this output."""


class ScreenRenderer:
    """One node process, started when it is needed; it serves one request after the other."""

    def __init__(self) -> None:
        self.process: Process | None = None  # while it runs
        self._is_free = asyncio.Lock()
        self._logged: set[str] = set()

    async def render(self, steps: Sequence[Step]) -> bytes:
        """Return what draws the result of the steps, a size first.  Raises ScreenError."""
        return await self._ask(_encoded(steps))

    async def text(self, steps: Sequence[Step]) -> ScreenText:
        """Return the text of the result of the steps, a size first.  Raises ScreenError."""
        answer = json.loads(await self._ask(_encoded(steps, "text")))
        return ScreenText(tuple(answer["lines"]), answer["marks_pastes"])

    async def _ask(self, request: Sequence[bytes]) -> bytes:
        async with self._is_free:
            for _attempt in range(ATTEMPTS):
                try:
                    async with asyncio.timeout(RENDER_SECONDS):
                        return await self._answer(await self._running(), request)
                except (OSError, ValueError, EOFError, TimeoutError) as error:
                    _log.debug("The renderer of screens failed: %r", error)
                    await self.close()
                except asyncio.CancelledError:  # whose answer would be taken for the next one's
                    self.stop()
                    raise
        raise self._failure("The screen of a terminal could not be drawn")

    def _failure(self, what: str) -> ScreenError:
        """Return an error; the first of its kind is logged."""
        log = _log.debug if what in self._logged else _log.warning
        log("%s. A client that reconnects may see less than before.", what)
        self._logged.add(what)
        return ScreenError(what)

    def stop(self) -> Process | None:
        """End the process, if there is one, and return it; the next request starts another."""
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return process

    async def close(self) -> None:
        """End the process and wait for it."""
        if process := self.stop():
            await process.wait()

    async def _running(self) -> Process:
        if self.process is None or self.process.returncode is not None:
            node = shutil.which("node")
            if node is None:
                raise self._failure("There is no node on the PATH to draw screens with")
            self.process = await asyncio.create_subprocess_exec(
                node, *NODE_OPTIONS, SCRIPT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={},
                cwd="/", start_new_session=True,
            )  # fmt: skip
        return self.process

    async def _answer(self, process: Process, request: Sequence[bytes]) -> bytes:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101  # pipes
        for part in request:
            for start in range(0, len(part), WRITE_BYTES):
                process.stdin.write(memoryview(part)[start : start + WRITE_BYTES])
                await process.stdin.drain()
        size = int.from_bytes(await process.stdout.readexactly(HEAD_BYTES))
        if size > MOST_ANSWER_BYTES:
            raise ValueError(f"a screen of {size:,} bytes")
        return await process.stdout.readexactly(size)


def _encoded(steps: Sequence[Step], *wanted: str) -> list[bytes]:
    sizes = [len(step) if isinstance(step, bytes) else step for step in steps]
    head = json.dumps([*sizes, *wanted]).encode()
    output = (step for step in steps if isinstance(step, bytes))
    return [len(head).to_bytes(HEAD_BYTES) + head, *output, b"\n"]

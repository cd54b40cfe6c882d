"""Run a program to its end, in a process group that ends with the call."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import InstallError

# npm prints its error's code before a long text.
OUTPUT_LINES = 200


async def run_program(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[int, list[str]]:
    """Run a program; return its exit status and its last lines.

    Cancelling ends the whole group.  Raises InstallError if it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise InstallError(
            f"{command[0]} cannot be started: {error.strerror}.", "Check its permissions."
        ) from None
    try:
        return await _output(process)
    finally:
        await _end_group(process)


@contextlib.contextmanager
def empty_home(
    environment: Mapping[str, str], *, without: Iterable[str] = ()
) -> Iterator[dict[str, str]]:
    """Yield an environment with an empty home: programs read and create files in the user's."""
    with tempfile.TemporaryDirectory() as home:
        yield {n: v for n, v in environment.items() if n not in without} | {"HOME": home}


async def _output(process: asyncio.subprocess.Process) -> tuple[int, list[str]]:
    assert process.stdout is not None  # noqa: S101 it is a pipe
    lines: deque[str] = deque(maxlen=OUTPUT_LINES)
    # By blocks and not by lines: a line may be longer than asyncio's limit.
    rest = ""
    while block := await process.stdout.read(8192):
        *complete, rest = (rest + block.decode(errors="replace"))[-65_536:].split("\n")
        lines.extend(line.rstrip() for line in complete if line.strip())
    if rest.strip():
        lines.append(rest.strip())
    return await process.wait(), list(lines)


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of a group; its id is not reused until the leader has been waited for.

    With SIGKILL, since on SIGTERM npm waits for its downloads.  Nothing is lost: the folder is
    deleted, and the caches of npm and pip hold only complete files.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

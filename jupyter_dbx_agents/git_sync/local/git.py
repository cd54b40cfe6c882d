"""The one way to run git: ``Git`` on one repository from the event loop, ``run_git`` in threads.

``--git-dir`` is always given: with a broken ``.git``, git would search the parent folders, find
another repository, and that one would be synced.
"""

import asyncio
import contextlib
import signal
import subprocess
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

from ...environment import current_environment
from ...errors import GitError, GitStoppedError, GitSyncError

# The first with ``worktree list -z``.
LEAST_GIT = (2, 36)
# No command takes this long; a file system that hangs must not block a worker forever.
TIMEOUT_SECONDS = 1800.0
# The commands that block a thread only read a few files.
_BLOCKING_SECONDS = 20.0
CHUNK_BYTES = 64 * 1024
# strerror(3) of ENOSPC, EDQUOT and EFBIG in the C locale, and git's words for a child's SIGXFSZ.
_FULL = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    f"died of signal {signal.SIGXFSZ.value}",
)
_SETTINGS = (
    "core.hooksPath=/dev/null",  # moving our own ref must not request another pass
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_OPTIONS = (
    "--no-replace-objects",
    "--literal-pathspecs",
    *(word for setting in _SETTINGS for word in ("-c", setting)),
)


def git_environment(home: Path) -> dict[str, str]:
    """Return the environment for git: this process's, without ``GIT_*``."""
    base = {name: v for name, v in current_environment().items() if not name.startswith("GIT_")}
    return base | {
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": "file",  # a partial clone must not fetch what it lacks
    }


def run_git(
    command: str,
    *arguments: str,
    environment: Mapping[str, str],
    git_dir: Path | None = None,
    options: tuple[str, ...] = (),
    stdin: bytes = b"",
    timeout_seconds: float = _BLOCKING_SECONDS,
) -> bytes:
    """Run a command to its end and return its output; blocking.

    Raises GitError, GitStoppedError.
    """
    place = [f"--git-dir={git_dir}"] if git_dir else []
    line = ["git", *place, *options, command, *arguments]
    try:
        ended = subprocess.run(
            line,
            env=dict(environment),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout_seconds,
        )
    except OSError as error:
        raise _not_started(error) from error
    except subprocess.TimeoutExpired as error:
        raise _timed_out(command, timeout_seconds) from error
    if ended.returncode:
        raise _failed(git_dir, command, ended.stderr, ended.returncode)
    return ended.stdout


class GitProcess:
    """A running git with its three pipes."""

    def __init__(self, process: Process, command: str, place: Path) -> None:
        self.process, self._command, self._place = process, command, place
        self.stdin = cast(StreamWriter, process.stdin)
        self.stdout = cast(StreamReader, process.stdout)

    async def end(self) -> None:
        """Kill it if it is still running, close its pipes, and wait for it.

        The pipes come first: a child of git may hold on to them, and ends when it writes.
        """
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        transport = cast(Any, self.process)._transport
        for stream in (0, 1, 2):
            transport.get_pipe_transport(stream).close()
        await self.process.wait()
        transport.close()

    async def succeed(self, stdin: bytes = b"") -> bytes:
        """Write the input and return the output at its end; raises GitError if it failed."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                stdout, stderr = await self.process.communicate(stdin)
        except TimeoutError as error:
            raise _timed_out(self._command, TIMEOUT_SECONDS) from error
        if code := self.process.returncode:
            raise _failed(self._place, self._command, stderr, code)
        return stdout


class Git:
    """Runs git on the repository at ``git_dir``; raises GitError and GitStoppedError."""

    def __init__(self, git_dir: Path, environment: Mapping[str, str]) -> None:
        self.git_dir = git_dir
        self.environment = environment

    async def output(
        self, *arguments: str, stdin: bytes = b"", options: tuple[str, ...] = ()
    ) -> bytes:
        """Run a command to its end and return its output."""
        async with self.running(*arguments, options=options) as git:
            return await git.succeed(stdin)

    async def text(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run a command and return its output without the last newline."""
        printed = await self.output(*arguments, stdin=stdin)
        return printed.decode("utf-8", "surrogateescape").rstrip("\n")

    async def missing(self, *oids: str) -> set[str]:
        """Return those of the objects that are not here."""
        wanted = [oid for oid in oids if oid]
        if not wanted:
            return set()
        stdin = "\n".join(wanted).encode() + b"\n"
        listing = await self.text("cat-file", "--batch-check", stdin=stdin)
        return {line.split()[0] for line in listing.splitlines() if line.endswith(" missing")}

    async def records(self, *arguments: str) -> AsyncIterator[bytes]:
        """Run a command and yield the NUL-terminated records of its output."""
        rest = b""
        async for chunk in self.stream(*arguments):
            *whole, rest = (rest + chunk).split(b"\0")
            for record in whole:
                yield record

    async def stream(self, *arguments: str) -> AsyncIterator[bytes]:
        """Run a command and yield its output in chunks."""
        async with self.running(*arguments) as git:
            while chunk := await git.stdout.read(CHUNK_BYTES):
                yield chunk
            await git.succeed()

    @contextlib.asynccontextmanager
    async def running(
        self, *arguments: str, options: tuple[str, ...] = ()
    ) -> AsyncIterator[GitProcess]:
        """Start a command, which is ended with the block."""
        command = ["git", f"--git-dir={self.git_dir}", *_OPTIONS, *options, *arguments]
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=self.environment
            )
        except OSError as error:
            raise _not_started(error) from error
        git = GitProcess(process, arguments[0], self.git_dir)
        try:
            yield git
        finally:
            await git.end()


def reading(git: Git, path: Path) -> tuple[Git, str]:
    """Return a git and a path that it can fetch from, whatever ``url.X.insteadOf`` says."""
    source = str(path)
    setting = {"GIT_CONFIG_KEY_0": f"url.{source}.insteadOf", "GIT_CONFIG_VALUE_0": source}
    return Git(git.git_dir, {**git.environment, "GIT_CONFIG_COUNT": "1", **setting}), source


def _not_started(error: OSError) -> GitError:
    return GitError(f"git cannot be started: {error.strerror}.", "Install git.")


def _timed_out(command: str, seconds: float) -> GitError:
    return GitError(
        f"git {command} took longer than {seconds:.0f} s.",
        "Check whether the disk or the network file system responds.",
    )


def _failed(git_dir: Path | None, command: str, stderr: bytes, code: int) -> GitSyncError:
    """Return the error for a command that exited with ``code`` and wrote ``stderr``."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    fatal = [line for line in lines if line.startswith("fatal: ")]  # advice may follow it
    reason = (fatal or lines[-1:] or ["it was killed"])[0].rstrip(".")
    where = f" in {git_dir}".removesuffix("/.git") if git_dir else ""
    message = f"git {command} failed{where}: {reason}."
    if -code == signal.SIGXFSZ or any(word in line for line in lines for word in _FULL):
        return GitStoppedError(message, "Free some space.")
    if code < 0:
        return GitStoppedError(message, "Check whether there is enough memory, then try again.")
    return GitError(
        message,
        "Run “git fsck” there; a damaged repository can be cloned or restored again.",
    )

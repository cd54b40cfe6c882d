"""Run npm: its command, its progress, and what its failures mean to a person.

``--ignore-scripts``: no package runs code of its own at install time.  The registry, proxy and CA
are the user's (``~/.npmrc``, environment): nothing here overrides them.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from ..errors import InstallError

# npm puts the error's code before a long text.
OUTPUT_LINES = 200
# Enough to tell what went wrong, too little to fill a screen.
SHOWN_LINES = 8
INSTALL_COMMAND = (
    "ci",
    "--ignore-scripts",
    "--omit=dev",
    "--include=optional",  # the native programs are optional packages
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--no-progress",
    "--loglevel=error",
)
NODE_HINT = "Install Node.js 22 or newer, which includes npm, and start again."
_NETWORK_HINT = (
    "Check the network and npm's registry and proxy settings (npm config list); "
    "what was downloaded is kept, and the next start tries again."
)
# npm's error code -> what it means, and what to do.
_CAUSES = {
    "EINTEGRITY": (
        "a package is not the one that the lock file names",
        "Do not use it. The registry or a mirror in between serves other content: ask its owner.",
    ),
    "ENOSPC": ("the disk is full", "Make room in the home folder and start again."),
    "EACCES": ("a folder may not be written", "Check the permissions of ~/.npm and ~/.local."),
    "EUSAGE": ("the lock file and this npm do not fit", "Use npm 9 or newer."),
    "E401": ("the registry wants a log-in", "Log in with: npm login"),
    "E403": ("the registry refuses a package", "Ask its owner to allow it."),
    "E404": ("the registry does not have a package", "Ask its owner to mirror it."),
    "ETARGET": ("the registry does not have this version", "Ask its owner to mirror it."),
    "ENOTFOUND": ("the registry's name is not known", _NETWORK_HINT),
    "EAI_AGAIN": ("the registry's name cannot be looked up", _NETWORK_HINT),
    "ECONNREFUSED": ("the registry cannot be reached", _NETWORK_HINT),
    "ECONNRESET": ("the connection to the registry broke", _NETWORK_HINT),
    "ETIMEDOUT": ("the registry does not answer", _NETWORK_HINT),
    "ERR_SOCKET_TIMEOUT": ("the registry does not answer", _NETWORK_HINT),
    "SELF_SIGNED_CERT_IN_CHAIN": (
        "the registry's certificate is not known",
        "Set npm's cafile to your company's certificates.",
    ),
}


async def npm_install(folder: Path, environment: Mapping[str, str]) -> None:
    """Install what the lock in ``folder`` says.

    Cancelling ends npm and everything it started.  Raises InstallError.
    """
    npm = shutil.which("npm", path=environment.get("PATH"))
    if npm is None or shutil.which("node", path=environment.get("PATH")) is None:
        raise InstallError("Node.js and npm were not found on the PATH.", NODE_HINT)
    code, lines = await run_program((npm, *INSTALL_COMMAND), folder, environment)
    if code:
        raise explain_npm(code, lines)


async def run_program(
    command: tuple[str, ...], folder: Path, environment: Mapping[str, str]
) -> tuple[int, list[str]]:
    """Run a program in a process group of its own; return its exit status and last lines.

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
        raise InstallError(f"{command[0]} cannot be started: {error.strerror}.") from None
    try:
        return await _output(process)
    finally:
        await _end_group(process)


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
    """End what is left of a group; the leader's id stays taken until it has been waited for.

    At once, with SIGKILL: on SIGTERM npm waits for its downloads.  Nothing is lost by it, since the
    folder is thrown away and npm's cache takes in complete files only.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def explain_npm(code: int, lines: list[str]) -> InstallError:
    """Return the error that npm's output amounts to."""
    text = "\n".join(lines[-SHOWN_LINES:])
    codes = {line.split()[-1] for line in lines if line.startswith("npm error code ")}
    for name, (cause, hint) in _CAUSES.items():
        if name in codes:
            return InstallError(f"npm failed: {cause} ({name}).", f"{hint} npm said: {text}")
    return InstallError(f"npm failed with exit status {code}.", f"npm said: {text}" if text else "")

"""Installs the agents into the user's home, pinned, in the background, atomically.

An agent's folder is ``~/.local/share/jupyter_dbx_agents/agents/<name>/<version>-<lock>``.  It is
built beside that and renamed once its program has run, so what is there is complete and never
changes; then ``~/.local/bin/<command>`` is linked to it.  Each agent has a folder, a lock and a
process of its own: one that fails does not affect the others.

Decided
- The version before is kept: a second server on the same home may be of that one, and each would
  delete the other's.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import platform
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Float, Int
from traitlets.config import LoggingConfigurable

from ...environment import child_environment, current_environment
from ...errors import InstallError
from ..base import Installable
from .links import point_link, remove_link
from .program import empty_home, run_program

Progress = Callable[[float | None, str], None]
PROGRESS_INTERVAL_SECONDS = 0.5
MARKER = "installed.json"
PARTIAL = ".partial-"
# What takes the place of the command of an agent that is off, unless there is another one.
_NOTE = """\
#!/bin/sh
IFS=:
for folder in $PATH; do
    program=$folder/{command}
    if [ -f "$program" ] && [ -x "$program" ] && ! [ "$program" -ef "$0" ]; then
        exec "$program" "$@"
    fi
done
echo "{title} is switched off. Turn it on: jupyter dbx-agents agents enable {name}" >&2
exit 127
"""


@dataclass(frozen=True)
class Installation:
    """An agent that is installed; ``note`` is a remark for its user, '' for none."""

    agent: str
    version: str
    program: Path
    note: str = ""


class AgentInstaller(LoggingConfigurable):
    """Installs the agents' programs; idempotent, also from several servers at once."""

    max_parallel = Int(
        2, min=1, help="How many agents are installed at once; each keeps one core busy."
    ).tag(config=True)
    timeout_seconds = Float(
        900.0, help="Time limit (seconds) of an installation; one that exceeds it is retried later."
    ).tag(config=True)

    def __init__(self, home: Path, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._home = home
        self._root = home / ".local" / "share" / "jupyter_dbx_agents" / "agents"
        # Each status needs it, and reading and hashing a lock takes a while.
        self._known: dict[str, Installation] = {}
        self._slots = asyncio.Semaphore(self.max_parallel)

    def installed(self, agent: Installable) -> Installation | None:
        """Return the installation of the locked version, None if there is none."""
        known = self._known.get(agent.name)
        if known is not None and known.program.exists():
            return known
        prefix, lock = self._prefix(agent), agent.recipe.fingerprint()
        match _marker(prefix):
            case {"lock": str(found), "program": str(place)} if found == lock:
                if (prefix / place).is_file():
                    self._known[agent.name] = _installation(agent, prefix / place)
                    return self._known[agent.name]
        return None

    async def install(
        self, agent: Installable, on_progress: Progress | None = None
    ) -> Installation:
        """Install an agent unless it is installed, and link its command.

        ``on_progress`` gets a fraction from 0 to 1 (None: unknown) and a message.  Cancelling ends
        npm and leaves no partial installation.  Raises InstallError.
        """
        report = on_progress or _ignore
        found = self.installed(agent)
        if found is None:
            report(None, "Waiting for other installations.")
            async with self._slots, self._exclusive(agent):
                found = self.installed(agent) or await self._build(agent, report)
                await asyncio.to_thread(self._delete_unused, agent, self._prefix(agent))
        note = self.link(agent)
        report(1.0, " ".join(filter(None, (f"{agent.title} {found.version}.", note))))
        return Installation(found.agent, found.version, found.program, note)

    async def _build(self, agent: Installable, report: Progress) -> Installation:
        partial = self._partial_folder(agent)
        progress = asyncio.create_task(_watch(partial, agent.recipe.installed_bytes, report))
        try:
            async with asyncio.timeout(self.timeout_seconds):
                programs = await agent.recipe.build(partial, self._environment())
                program = await self._working_program(agent, partial, programs)
            return self._finish(agent, partial, program)
        except TimeoutError:
            raise InstallError(
                f"Installing {agent.title} took longer than {self.timeout_seconds:.0f} s.",
                f"Run: {agent.install_command}. Its downloads were kept.",
                is_temporary=True,
            ) from None
        except OSError as error:
            raise _disk_error(agent, error) from None
        finally:
            progress.cancel()
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)

    def _partial_folder(self, agent: Installable) -> Path:
        """Make a folder to build in."""
        folder = self._folder(agent)
        try:
            for stale in folder.glob(PARTIAL + "*"):
                shutil.rmtree(stale, ignore_errors=True)
            return Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
        except OSError as error:
            raise _disk_error(agent, error) from None

    async def _working_program(
        self, agent: Installable, partial: Path, programs: tuple[str, ...]
    ) -> str:
        """Return which of the agent's programs runs here (its path below the prefix).

        Each is tried, since there are builds for glibc and for musl.
        """
        machine = f"{platform.system()} {platform.machine()}"
        if not programs:
            raise InstallError(
                f"{agent.title} was installed without a program for this machine ({machine}).",
                "Look for settings of npm that leave packages out (npm config list), then run: "
                f"{agent.install_command}",
            )
        output: list[str] = []
        with empty_home(self._environment()) as environment:
            for program in programs:
                command = (str(partial / program), "--version")
                try:
                    code, output = await run_program(command, partial, environment)
                except InstallError as error:  # such as: no loader for its libc
                    code, output = 1, [error.message]
                if code == 0:
                    return program
        raise InstallError(
            f"{agent.title} is installed but does not run on this machine ({machine}).",
            f"Install it again: {agent.install_command}. Its output: {' '.join(output)}",
        )

    def _finish(self, agent: Installable, partial: Path, program: str) -> Installation:
        """Mark the folder as complete and rename it."""
        prefix = self._prefix(agent)
        marker = {"lock": agent.recipe.fingerprint(), "program": program}
        (partial / MARKER).write_text(json.dumps(marker), encoding="utf-8")
        partial.chmod(0o755)
        if prefix.exists():
            # A rename cannot replace a folder; programs running from the old one keep their files.
            prefix.rename(Path(tempfile.mkdtemp(prefix=PARTIAL, dir=prefix.parent)) / "old")
        partial.rename(prefix)
        return _installation(agent, prefix / program)

    def link(self, agent: Installable) -> str:
        """Link ``~/.local/bin/<command>`` to the program, unless the user has a file there.

        Return a remark for the user, '' for none; raises InstallError.
        """
        found = self.installed(agent)
        link = self._link_path(agent)
        if found is None:
            remove_link(link, self._note_path(agent))
            return ""
        try:
            if point_link(link, found.program, self._root):
                return ""
        except OSError as error:
            raise _disk_error(agent, error) from None
        note = (
            f"{link} is your own and was left unchanged; the installed program is {found.program}."
        )
        self.log.warning("%s", note)
        return note

    def unlink(self, agent: Installable) -> None:
        """Remove the command's link; the program stays on the disk."""
        remove_link(self._link_path(agent), self._root)

    def link_note(self, agent: Installable) -> None:
        """Link the command of an agent that is off to what says so.  Raises OSError."""
        note, link = self._note_path(agent), self._link_path(agent)
        text = _NOTE.format(command=agent.command, title=agent.title, name=agent.name)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(text, encoding="utf-8")
        note.chmod(0o755)
        point_link(link, note, self._root)

    async def remove(self, agent: Installable) -> None:
        """Remove the command's link, and the program unless it is running."""
        self.unlink(agent)
        if self._folder(agent).exists():
            async with self._exclusive(agent):
                await asyncio.to_thread(self._delete_unused, agent, None)

    def own_folder(self, agent: Installable) -> Path:
        """Return the folder of this agent's version, for files that are deleted with it."""
        return self._prefix(agent)

    def _link_path(self, agent: Installable) -> Path:
        return self._home / ".local" / "bin" / agent.command

    def _note_path(self, agent: Installable) -> Path:
        return self._folder(agent) / "switched-off"

    def _delete_unused(self, agent: Installable, wanted: Path | None) -> None:
        """Delete leftovers and old versions; beside a wanted one, the newest other one stays.

        What a process runs from stays, too.  The command line of a script that was started by its
        link has only the link, which does not say the version: while one runs, all stay.
        """
        processes = list(_processes())
        folders = {f for f in self._folder(agent).iterdir() if f.is_dir()} - {wanted}
        if wanted is not None:
            complete = (folder for folder in folders if _marker(folder) is not None)
            folders.discard(
                max(complete, key=lambda f: (f / MARKER).stat().st_mtime_ns, default=None)
            )
        used = {f for f in folders for p in processes for s in p if s.startswith(f"{f}/")}
        is_started_by_link = any(
            not program.startswith(f"{self._root}/")
            and agent.command in map(os.path.basename, line)
            for program, *line in processes
        )
        if processes and not is_started_by_link:
            for folder in folders - used:
                shutil.rmtree(folder, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def _exclusive(self, agent: Installable) -> AsyncIterator[None]:
        """Hold the agent's lock against other servers of this user."""
        try:
            folder = self._folder(agent)
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _disk_error(agent, error) from None
        try:
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    while not _try_lock(descriptor):  # noqa: ASYNC110 another process holds it
                        await asyncio.sleep(PROGRESS_INTERVAL_SECONDS)
            except TimeoutError:
                raise InstallError(
                    f"Another server of yours has held {folder} for {self.timeout_seconds:.0f} s.",
                    f"It is probably suspended. End it, then run: {agent.install_command}",
                    is_temporary=True,
                ) from None
            yield
        finally:
            os.close(descriptor)

    def _environment(self) -> dict[str, str]:
        return child_environment(current_environment(), self._home, {})

    def _folder(self, agent: Installable) -> Path:
        return self._root / agent.name

    def _prefix(self, agent: Installable) -> Path:
        recipe = agent.recipe
        return self._folder(agent) / f"{recipe.version()}-{recipe.fingerprint()[:8]}"


async def _watch(folder: Path, expected_bytes: int, report: Progress) -> None:
    """Report how much of an installation is on the disk: npm prints nothing until its end."""
    while True:
        size = await asyncio.to_thread(_size_bytes, folder)
        report(
            min(size / expected_bytes, 0.95),
            f"{size / 1e6:.0f} of about {expected_bytes / 1e6:.0f} MB",
        )
        await asyncio.sleep(PROGRESS_INTERVAL_SECONDS)


def _size_bytes(folder: Path) -> int:
    total = 0
    for parent, _folders, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(parent) / name).st_size
    return total


def _marker(prefix: Path) -> Any:
    """Return what a folder's marker says, whatever that is; None if it is not complete."""
    try:
        return json.loads((prefix / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _installation(agent: Installable, program: Path) -> Installation:
    return Installation(agent.name, agent.recipe.version(), program)


def _processes() -> Iterator[list[str]]:
    """Yield the program and command line of each visible process; nothing except on Linux."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            program = ""
            with contextlib.suppress(OSError):  # another user's
                program = str((process / "exe").readlink())
            yield [program, *line]


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _disk_error(agent: Installable, error: OSError) -> InstallError:
    return InstallError(
        f"{agent.title} cannot be installed: {error.strerror} ({error.filename}).",
        f"Check the free space and the permissions of ~/.local, then run: {agent.install_command}",
    )


def _ignore(_fraction: float | None, _message: str) -> None:
    """Report nothing."""

"""Keeps Databricks' own tools up to date: its CLI, and the skills of agents.

What cannot be had is said in one line, and nothing else fails for it: the start-up task ends well,
and the attempt is repeated in the background.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from typing import Any, TypedDict

from traitlets import Float
from traitlets.config import LoggingConfigurable

from ...background import BackgroundTasks, Listeners, backoff_seconds
from ...errors import DbxAgentsError, InstallError, WorkspaceUnavailableError
from .command import DatabricksCli, FoundCli, Progress
from .skills import Skills, SkillStatus


class ProblemStatus(TypedDict):
    """What cannot be had, and what to do."""

    message: str
    hint: str


class CliStatus(ProblemStatus):
    """The REST model of the Databricks CLI; ``version`` is '' while there is none."""

    version: str
    program: str


class ToolsStatus(TypedDict):
    """The REST model of what the app has of Databricks' own tools.

    ``is_updating`` while they are being brought up to date; ``problems`` are those of the skills.
    """

    is_updating: bool
    cli: CliStatus
    skills: list[SkillStatus]
    problems: list[ProblemStatus]


class DatabricksTools(LoggingConfigurable):
    """The Databricks CLI and the skills of this home."""

    refresh_seconds = Float(
        86_400.0, min=1.0, help="How often (seconds) skills are fetched again."
    ).tag(config=True)
    first_pause_seconds = Float(
        60.0, min=0.01, help="Pause (seconds) before a failed attempt is repeated; then doubled."
    ).tag(config=True)
    longest_pause_seconds = Float(3600.0, min=0.01, help="The longest such pause (seconds).").tag(
        config=True
    )

    def __init__(self, cli: DatabricksCli, skills: Skills, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._cli, self._skills = cli, skills
        self._found: FoundCli | None = None
        self._listed: list[SkillStatus] = []
        self._problems: dict[str, DbxAgentsError] = {}
        self._turn, self._runs = asyncio.Lock(), 0
        self._is_update_waiting = False
        self.on_change = Listeners("Databricks' tools", self.log)
        self._wake = asyncio.Event()

    def status(self) -> ToolsStatus:
        """Return the REST model."""
        found, problems = self._found, dict(self._problems)
        problem = problems.pop("cli", None)
        return {
            "is_updating": self._runs > 0,
            "cli": {
                "version": found.label if found else "",
                "program": str(found.program) if found else "",
                "message": problem.message if problem else "",
                "hint": problem.hint if problem else "",
            },
            "skills": self._listed,
            "problems": [{"message": e.message, "hint": e.hint} for e in problems.values()],
        }

    def run(
        self, report: Progress | None = None, *, installs: bool = True
    ) -> Coroutine[Any, Any, None]:
        """Bring everything up to date once; what cannot be had is in the status."""
        self._runs += 1  # not when it first runs: the status after a request says so
        self.on_change.notify()
        return self._run(report or _ignore, installs=installs)

    def update_soon(self, tasks: BackgroundTasks) -> None:
        """Bring everything up to date once more; requests that come meanwhile share that run."""
        if not self._is_update_waiting:
            self._is_update_waiting = True
            self._runs += 1
            self.on_change.notify()
            tasks.spawn(self._run(_ignore, installs=True, is_update=True))

    def token_changed(self) -> None:
        """Fetch what had to wait for a token."""
        if self._skills.waits_for_token:
            self._wake.set()

    async def keep(self, *, installs: bool = True) -> None:
        """Repeat what failed, with back-off, and refresh the rest, until cancelled."""
        attempt = 0
        while True:
            attempt = attempt + 1 if any(map(_may_pass, self._problems.values())) else 0
            pause = self.refresh_seconds
            if attempt:
                first, longest = self.first_pause_seconds, self.longest_pause_seconds
                pause = backoff_seconds(attempt - 1, first, longest)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            await self.run(installs=installs)

    async def _run(self, report: Progress, *, installs: bool, is_update: bool = False) -> None:
        try:
            async with self._turn:
                if is_update:
                    self._is_update_waiting = False  # who asks from now on gets another run
                if installs:
                    await self._try("cli", self._cli.install(report), report)
                self._found = await self._cli.find()
                if self._found is not None:
                    official = self._skills.fetch_official(self._found, self._cli.environment())
                    await self._try("official", official, report)
                await self._try("company", self._skills.fetch_company(), report)
                await self._try("links", asyncio.to_thread(self._skills.link), report)
                self._listed = await asyncio.to_thread(self._skills.status)
        finally:
            self._runs -= 1
            self.on_change.notify()

    async def _try(self, part: str, work: Awaitable[None], report: Progress) -> None:
        """Await a part of the work; remember, report and log what it raises, once each."""
        before = self._problems.pop(part, None)
        try:
            await work
        except (DbxAgentsError, OSError) as error:
            problem = error if isinstance(error, DbxAgentsError) else _disk_error(error)
            self._problems[part] = problem
            what = "The Databricks CLI is not installed: " if part == "cli" else ""
            if before is None or before.message != problem.message:
                self.log.warning("%s%s %s", what, problem.message, problem.hint)
            report(1.0, f"{what}{problem.message}")


def _may_pass(error: DbxAgentsError) -> bool:
    return getattr(error, "is_temporary", isinstance(error, WorkspaceUnavailableError))


def _disk_error(error: OSError) -> InstallError:
    return InstallError(
        f"Skills cannot be written: {error.strerror} ({error.filename}).",
        "Check the free space and the permissions of ~/.local and ~/.agents.",
    )


def _ignore(_fraction: float | None, _message: str) -> None:
    """Report nothing."""

"""Keeps Databricks' own tools in step: its CLI is installed at the start, or later if need be.

What cannot be had is said in one line, and nothing else fails for it: the start-up task ends well,
and the attempt is repeated in the background.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, TypedDict

from traitlets import Float
from traitlets.config import LoggingConfigurable

from ...background import backoff_seconds
from ...errors import InstallError
from .command import DatabricksCli, FoundCli, Progress


class CliStatus(TypedDict):
    """The REST model of the Databricks CLI; ``version`` is '' while there is none."""

    version: str
    program: str
    message: str
    hint: str


class ToolsStatus(TypedDict):
    """The REST model of what the app has of Databricks' own tools.

    ``is_updating`` while they are being brought up to date.
    """

    is_updating: bool
    cli: CliStatus


class DatabricksTools(LoggingConfigurable):
    """The Databricks CLI of this home."""

    first_pause_seconds = Float(
        60.0, min=0.01, help="Pause (seconds) before a failed attempt is repeated; then doubled."
    ).tag(config=True)
    longest_pause_seconds = Float(3600.0, min=0.01, help="The longest such pause (seconds).").tag(
        config=True
    )

    def __init__(self, cli: DatabricksCli, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._cli = cli
        self._found: FoundCli | None = None
        self._problem: InstallError | None = None
        self._turn, self._runs = asyncio.Lock(), 0

    def status(self) -> ToolsStatus:
        """Return the REST model."""
        found, problem = self._found, self._problem
        return {
            "is_updating": self._runs > 0,
            "cli": {
                "version": found.label if found else "",
                "program": str(found.program) if found else "",
                "message": problem.message if problem else "",
                "hint": problem.hint if problem else "",
            },
        }

    def run(self, report: Progress | None = None) -> Coroutine[Any, Any, None]:
        """Bring everything up to date once; what cannot be had is in the status."""
        self._runs += 1  # not when it first runs: the status after a request says so
        return self._run(report or _ignore)

    async def _run(self, report: Progress) -> None:
        try:
            async with self._turn:
                await self._install_cli(report)
        finally:
            self._runs -= 1

    async def repeat(self) -> None:
        """Repeat what failed, with back-off, until nothing is missing."""
        for attempt in itertools.count():
            pause = backoff_seconds(attempt, self.first_pause_seconds, self.longest_pause_seconds)
            await asyncio.sleep(pause)
            if self._problem is None or not self._problem.is_temporary:
                return
            await self.run()

    async def _install_cli(self, report: Progress) -> None:
        before, self._problem = self._problem, None
        try:
            await self._cli.install(report)
        except InstallError as error:
            self._problem = error
            text = f"The Databricks CLI is not installed: {error.message}"
            if before is None or before.message != error.message:  # once, not at each attempt
                self.log.warning("%s %s", text, error.hint)
            report(1.0, text)
        self._found = await self._cli.find()


def _ignore(_fraction: float | None, _message: str) -> None:
    """Report nothing."""

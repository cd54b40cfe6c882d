"""The Databricks CLI in terminals: the image's own if it is new enough, else a pinned release.

No package registry that we install from has it; the release is an archive whose hash is pinned.
It gets its token from the broker's metadata service, by ``profile``, so there is nothing to renew
in it.

Sources: databricks/cli's releases for names and hashes; its ``--version`` prints
``Databricks CLI v1.9.0``, and the older program of the same name (from Python) ``Version 0.18.0``.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Unicode, default
from traitlets.config import LoggingConfigurable

from ...environment import Environment, child_environment, current_environment
from ...errors import InstallError
from ..install.installer import AgentInstaller
from ..install.links import is_ours
from ..install.program import empty_home, run_program
from ..install.release import ReleaseArchive

NAME, TITLE, COMMAND = "databricks-cli", "Databricks CLI", "databricks"
# The first that Databricks declares stable.
LEAST_VERSION = (1, 0, 0)
RELEASES_VARIABLE = "DATABRICKS_CLI_RELEASES"
INSTALL_COMMAND = "jupyter dbx-agents skills update"
VERSION_SECONDS = 20.0
Progress = Callable[[float | None, str], None]


@dataclass(frozen=True)
class _Tool:
    """What the installer has to know of it."""

    recipe: ReleaseArchive
    name: str = NAME
    title: str = TITLE
    command: str = COMMAND
    install_command: str = INSTALL_COMMAND


@dataclass(frozen=True)
class FoundCli:
    """A program that can be used; ``version`` has three numbers."""

    program: Path
    version: tuple[int, ...]

    @property
    def label(self) -> str:
        """The version as it is written."""
        return ".".join(map(str, self.version))


class DatabricksCli(LoggingConfigurable):
    """Puts ``databricks`` on the PATH of terminals."""

    enabled = Bool(
        True, help="Whether to install the Databricks CLI where the image has none."
    ).tag(config=True)
    version = Unicode("1.9.0", help="The release to install.").tag(config=True)
    sha256 = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        default_value={
            "linux_amd64": "10938da31db7f89e6e90f6be41d340e3387231e5da5125cfc97ecb8cb66f6394",
            "linux_arm64": "a4fcc3b70ed4b26f0e8064e39287d0692218cf3d2f549042d66d04c9ad2d692a",
        },
        help="The SHA-256 of the release's zip archive, by platform. Set it together with version.",
    ).tag(config=True)
    releases_url = Unicode(
        help="Where the releases are: databricks_cli_1.9.0_linux_amd64.zip in the folder v1.9.0 "
        "below it, for example. Default: the variable DATABRICKS_CLI_RELEASES, else GitHub's "
        "releases of databricks/cli."
    ).tag(config=True)

    def __init__(self, environment: Environment, **kwargs: Any) -> None:
        self._settings = environment.settings
        super().__init__(**kwargs)
        self._home = environment.home
        self._installer = AgentInstaller(environment.home, parent=self.parent)
        self._programs = environment.home / ".local" / "share" / "jupyter_dbx_agents" / "agents"

    @default("releases_url")
    def _default_releases_url(self) -> str:
        given = self._settings.get(RELEASES_VARIABLE, "")
        return given or "https://github.com/databricks/cli/releases/download"

    async def find(self) -> FoundCli | None:
        """Return the program that terminals start, if it is new enough."""
        environment = self.environment()
        program = shutil.which(COMMAND, path=environment["PATH"])
        return await _usable(program, environment) if program else None

    async def install(self, report: Progress) -> None:
        """Install the release unless the image has a program.  Raises InstallError."""
        own = await self._image_program()
        if own is not None:
            self._installer.unlink(self._tool())
            report(1.0, f"{TITLE} {own.label}, {own.program}.")
        elif self.enabled:
            await self._installer.install(self._tool(), report)
        else:
            report(1.0, f"{TITLE} is not installed: DatabricksCli.enabled is False.")

    def unlink(self) -> Path:
        """Remove the command from the PATH, unless it is the user's; return where it was."""
        self._installer.unlink(self._tool())
        return self._home / ".local" / "bin" / COMMAND

    def environment(self) -> dict[str, str]:
        """Return the environment in which it runs, as in a terminal."""
        return child_environment(current_environment(), self._home, {})

    async def _image_program(self) -> FoundCli | None:
        """Return the first program on the PATH that is not ours, if it is new enough."""
        environment = self.environment()
        for folder in environment["PATH"].split(os.pathsep):
            program = shutil.which(COMMAND, path=folder)
            if program is not None and not is_ours(Path(program), self._programs):
                return await _usable(program, environment)
        return None

    def _tool(self) -> _Tool:
        base, name = (
            self.releases_url.rstrip("/"),
            f"databricks_cli_{self.version}_{{platform}}.zip",
        )
        return _Tool(
            ReleaseArchive(
                release=self.version,
                url=f"{base}/v{self.version}/{name}",
                sha256=self.sha256,
                program=COMMAND,
                mirror=f"the variable {RELEASES_VARIABLE}",
                installed_bytes=100_000_000,
            )
        )


async def _usable(program: str, environment: Mapping[str, str]) -> FoundCli | None:
    """Return a program with its version; None if it does not run, or is too old."""
    try:
        with empty_home(environment) as clean:
            async with asyncio.timeout(VERSION_SECONDS):
                code, lines = await run_program((program, "--version"), Path("/"), clean)
    except (InstallError, TimeoutError):
        return None
    found = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", " ".join(lines))
    version = tuple(map(int, found.groups())) if found else (0,)
    return FoundCli(Path(program), version) if not code and version >= LEAST_VERSION else None

"""What the server writes into the owner's home folder, when, and how it is taken back.

On a Databricks App that is at the start.  Elsewhere the extension may be merely installed: nothing
outside our own folder is touched before the user signs in, and at the end all is as it was.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..agents import InstallTasks
from ..environment import current_environment, forget_variables, prepare_children
from ..lifecycle.home_traces import HomeTraces
from ..lifecycle.template import detach_template
from ..local_channel.command import PACKAGE_ROOT, write_command
from ..secret import Secret
from .parts import Parts


@dataclass(frozen=True)
class HomeSettings:
    """Traits of the extension that say what is written; their help says what they mean."""

    installs_agents: bool
    writes_token: bool
    detaches_template: bool


class Home:
    """The owner's home folder: our files, the installed agents, the watched projects."""

    def __init__(self, parts: Parts, settings: HomeSettings) -> None:
        self._parts, self._settings = parts, settings
        self._installs = InstallTasks(parts.agents, parts.startup, after=("configure",))
        self._traces: HomeTraces | None = None

    def set_up(self) -> None:
        """Write files, install the agents and watch the projects; once."""
        parts = self._parts
        parts.may_write_home = True
        forget_variables()
        prepare_children(parts.environment.home, parts.agents.environment())
        self._add_tasks()
        parts.background.spawn(parts.agents.run())
        parts.background.spawn(parts.continuity.run())
        parts.background.spawn(parts.startup.run())

    def _add_tasks(self) -> None:
        add = self._parts.startup.add
        add("configure", "Configure the agents", self._configure)
        add("sync", "Watch projects", self._start_git_sync, after=("configure",))
        title = "Get the Databricks CLI and skills"
        add("databricks", title, self._start_tools, after=("configure",))
        if self._settings.installs_agents:
            self._installs.add_enabled()

    async def _configure(self, _progress: Any = None) -> None:
        parts, home = self._parts, self._parts.environment.home
        if not parts.environment.is_databricks_app:
            self._traces = await asyncio.to_thread(HomeTraces, home, parts.projects, parts.files)
        parts.projects.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(write_command, home)
        await self.write_profile()
        await parts.agents.write_files()

    async def write_profile(self) -> None:
        """Write ~/.databrickscfg, for tools that read the token or its source there."""
        await self._parts.profile.follow(self._literal_token)

    def _literal_token(self) -> Secret | None:
        return self._parts.pats.current() if self._settings.writes_token else None

    async def _start_git_sync(self, _progress: Any = None) -> None:
        # Only in the deployed template itself, in whose folder the platform starts us.
        is_in_place = self._settings.detaches_template and Path.cwd() == PACKAGE_ROOT
        is_deployed = is_in_place and self._parts.environment.is_databricks_app
        await asyncio.to_thread(
            detach_template,
            PACKAGE_ROOT,
            is_databricks_app=is_deployed,
            environment=current_environment(),
            log=self._parts.log,
        )
        await self._parts.git_sync.start()

    # ---- installing

    def install(self, agent: str) -> None:
        """Start an agent's installation now; before the set-up it is that which installs it."""
        if self._parts.may_write_home:
            self._parts.background.spawn(self._installs.install(agent))

    async def _start_tools(self, progress: Any) -> None:
        tools, installs = self._parts.databricks, self._settings.installs_agents
        await tools.run(progress, installs=installs)
        self._parts.background.spawn(tools.keep(installs=installs))

    def update_tools(self) -> None:
        """Install the newest CLI and skills now."""
        self._parts.databricks.update_soon(self._parts.background)

    # ---- leaving

    def is_left(self) -> bool:
        """Whether the home folder is left as it was; not if another server uses our files."""
        return self._traces is not None and self._parts.profile.is_ours()

    async def leave(self) -> None:
        """Leave the user's home as it was before they signed in."""
        if self._traces is not None:
            parts = self._parts
            links = await asyncio.to_thread(parts.agents.remove_links)
            links.append(await asyncio.to_thread(parts.databricks_cli.unlink))
            links += await asyncio.to_thread(parts.skills.remove_links)
            await asyncio.to_thread(self._traces.remove, links)

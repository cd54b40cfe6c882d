"""What git sync installs in the user's git: a hook in each repository, a template, an identity."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from ...background import AnyLogger
from ...errors import ConfigFileError, DbxAgentsError
from ..local.projects import Location
from .repository_hooks import FOLDER_BELOW_HOME, Triggers, install_hook
from .user_config import NO_HOOKS_FILE, PROJECTS_FILE, Identity, UserConfig


class Guest:
    """Our hooks and settings, and the notes that the hooks leave."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        *,
        installs_hooks: bool,
        sets_identity: bool,
        log: AnyLogger,
    ) -> None:
        self._environment, self._log = environment, log
        self._installs_hooks, self._sets_identity = installs_hooks, sets_identity
        self._triggers = Triggers(home / FOLDER_BELOW_HOME)
        self._config = UserConfig(home, self._triggers.folder, environment)
        self._configuring = asyncio.Lock()
        self._identity: Identity | None = None
        self._identity_of = ""

    @property
    def state_folder(self) -> Path:
        """Where git sync's own state is."""
        return self._triggers.folder.parent

    @property
    def wants_hooks(self) -> bool:
        """Whether hooks are installed: unless a setting says no, or the user has removed them."""
        return self._installs_hooks and not (self.state_folder / NO_HOOKS_FILE).exists()

    def open(self, projects: Path) -> None:
        """Prepare for what hooks leave; without that the poll sees the commits."""
        if self.wants_hooks:
            with contextlib.suppress(OSError):
                self._triggers.open()
                note = self._triggers.folder / PROJECTS_FILE
                note.write_bytes(os.fsencode(projects))

    def take(self) -> bool:
        """Return whether a hook has left a note since the last call."""
        return self._triggers.take()

    async def install_hook(self, location: Location) -> None:
        """Install the hook of a project, unless its place is taken."""
        if self.wants_hooks:
            folder, environment = self._triggers.folder, self._environment
            await asyncio.to_thread(install_hook, location, folder, environment)

    async def write_settings(self) -> None:
        """Write git's settings, if there are any."""
        if not (self.wants_hooks or self._sets_identity):
            return
        try:
            async with self._configuring:
                await asyncio.to_thread(
                    self._config.install, self._identity, with_template=self.wants_hooks
                )
        except (ConfigFileError, OSError) as error:
            self._log.warning(
                "git's settings were not written: %s %s", error, getattr(error, "hint", "")
            )

    def is_news(self, user: str) -> bool:
        """Whether the identity is not that of this user yet; at most once for each."""
        is_news = self._sets_identity and "@" in user and user != self._identity_of
        if is_news:
            self._identity_of = user
        return is_news

    async def set_identity(self, user: str, display_name: Callable[[], Awaitable[str]]) -> None:
        """Have commits be by this user, unless a setting of theirs says otherwise."""
        name = user.partition("@")[0]
        with contextlib.suppress(DbxAgentsError):
            name = await display_name() or name
        self._identity = Identity(name, user)
        await self.write_settings()

"""Leave the user's home as it was: off Databricks, what we wrote there goes when we go.

On a Databricks App the home is ours, and the machine's disk is thrown away.  Our own folders
(``~/.local/state/jupyter_dbx_agents``, and the agents' programs in ``~/.local/share``) stay.
"""

import contextlib
from pathlib import Path

from ..config_files import ManagedFiles
from ..git_sync.hooks.user_config import uninstall
from ..local_channel.command import COMMAND, remove_command


class HomeTraces:
    """What we write into a home, as opposed to what was there when this was created."""

    def __init__(self, home: Path, projects: Path, files: ManagedFiles) -> None:
        self._home, self._projects, self._files = home, projects, files
        self._folders = {*home.glob("*/"), *home.glob("*/*/")}  # deeper ones are ours alone

    def remove(self, links: list[Path]) -> None:
        """Remove our keys from all files, our hooks and commands, and folders that are empty.

        Blocking.  Raises ConfigFileError or OSError.
        """
        hooks = uninstall(self._home, self._projects)
        written = self._files.paths()
        for path in written:
            self._files.remove(path)
        remove_command(self._home)
        for path in (*hooks, *written, *links, self._home / COMMAND, self._projects / "any"):
            self._remove_empty_folders(path)

    def _remove_empty_folders(self, path: Path) -> None:
        for folder in path.parents:
            if folder == self._home or folder in self._folders or self._home not in folder.parents:
                return
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()

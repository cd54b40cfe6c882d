"""Puts a project's sync together: its mirror, its history, and whose folder in the workspace it is.

Worktrees of one repository share its mirror and its history.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from .history import History
from .local.mirror import MIRRORS_FOLDER, Mirror
from .local.projects import Location, main_location
from .local.repository import Repository
from .ownership import Ownership
from .project_sync import ProjectSync, Settings
from .remote.marker import Destination
from .remote.workspace_files import WorkspaceFiles
from .worker import ProjectWorker


class Assembly:
    """Builds syncs to the folder of the PAT's user; ``root`` is that folder, '' without a PAT."""

    def __init__(
        self,
        files: WorkspaceFiles,
        workers: Mapping[str, ProjectWorker],
        *,
        root: Callable[[], str],
        origin: str,
        state_folder: Path,
        environment: Mapping[str, str],
        settings: Settings,
        most_history_bytes: int,
        changed: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self._files, self._workers, self._root = files, workers, root
        self._origin, self._environment = origin, environment
        self._state_folder, self._temporary = state_folder, Path()
        self._settings, self._most_history_bytes = settings, most_history_bytes
        self._changed, self._log = changed, log
        self.histories: dict[Path, History] = {}
        self.note = ""  # on where mirrors are, for each project's model

    def sync(
        self, name: str, location: Location, progress: Callable[[int, int], None]
    ) -> ProjectSync | None:
        """Return a project's sync; None without a PAT."""
        root = self._root()
        if not root:
            return None
        history = self._history(root, name, location)
        ownership = history.ownership
        if history.project != name:
            ownership = self._ownership(root, name, location, history.mirror)
        return ProjectSync(ownership, history, self._settings, log=self._log, progress=progress)

    def drop(self, name: str) -> None:
        """Forget a project's history; what it has stored stays."""
        self.histories = {d: h for d, h in self.histories.items() if h.project != name}

    def mirror(self, location: Location) -> Mirror:
        """Return the mirror of a project's repository."""
        source = Repository(main_location(location), self._environment)
        return Mirror(self.mirrors_folder(), source, self._environment)

    def mirrors_folder(self) -> Path:
        """Return where mirrors are: in our state folder, or else in a temporary one."""
        if not self.note:
            folder, reason = self._state_folder / MIRRORS_FOLDER, "Permission denied"
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if os.access(folder, os.W_OK):
                    return folder
            except OSError as error:
                reason = str(error.strerror)
            self._temporary = Path(tempfile.mkdtemp(prefix="jupyter_dbx_agents-"))
            self.note = f"{folder} cannot be written ({reason}). {self._temporary} is used instead."
            self._log.warning("%s", self.note)
        return self._temporary

    def _ownership(self, root: str, name: str, location: Location, mirror: Mirror) -> Ownership:
        return Ownership(
            Repository(location, self._environment),
            mirror,
            Destination(self._files, root, name),
            origin=self._origin,
            other_projects=lambda: list(self._workers),
        )

    def _history(self, root: str, name: str, location: Location) -> History:
        """Return a repository's history, which is kept in the folder of its main project."""
        key = location.common_dir.resolve()
        if (known := self.histories.get(key)) is not None:
            return known
        for other, worker in self._workers.items():
            if worker.location.git_dir.resolve() == key:
                name, location = other, worker.location
        mirror = self.mirror(location)
        self.histories[key] = history = History(
            mirror,
            self._ownership(root, name, location, mirror),
            origin=self._origin,
            most_bytes=self._most_history_bytes,
            log=self._log,
            changed=self._changed,
        )
        return history

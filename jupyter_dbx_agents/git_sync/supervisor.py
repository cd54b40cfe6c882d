"""Finds projects, watches their HEADs, and runs a worker for each."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from traitlets import Bool, Float, Integer
from traitlets.config import LoggingConfigurable

from ..background import BackgroundTasks, Listeners
from ..errors import ConfigFileError, DbxAgentsError, GitSyncError
from ..pat import PatSource
from ..workspace_api import WorkspaceApi
from .history import History
from .hooks.repository_hooks import FOLDER_BELOW_HOME, Triggers, install_hook
from .hooks.user_config import NO_HOOKS_FILE, Identity, UserConfig
from .local.git import git_environment
from .local.mirror import MIRRORS_FOLDER, Mirror
from .local.projects import (
    Location,
    find_project,
    find_projects,
    fingerprint,
    is_gone,
    main_location,
    name_problem,
    readable,
    top_repositories,
)
from .local.repository import Repository
from .ownership import Ownership
from .project_sync import ProjectSync, Settings
from .remote.marker import Destination
from .remote.workspace_files import Pace, WorkspaceFiles
from .restore import Restored, Restorer, remove_leftovers
from .worker import ProjectStatus, ProjectWorker, rejected_model

_PROGRESS_SECONDS = 1.0
_FLUSH_POLL_SECONDS = 0.05


class GitSync(LoggingConfigurable):
    """Copies every repository under the projects' folder to the user's workspace folder.

    ``origin`` names this installation (the app), so that two do not write to one folder; ``user``
    returns the PAT's user, '' while there is none.  ``on_change`` holds functions without arguments
    that are called when the status has changed.
    """

    most_history_bytes = Integer(
        1024**3, help="Larger histories are not kept; their files are synced nevertheless."
    ).tag(config=True)
    most_file_bytes = Integer(
        500 * 1024**2, help="Larger files are left out; the workspace's own limit is 500 MB."
    ).tag(config=True)
    requests_per_second = Float(
        10.0,
        help="The rate limit for calls to the workspace. Its own limits (about 30 imports a "
        "second) are shared by all of its users.",
    ).tag(config=True)
    most_parallel_requests = Integer(8, help="Concurrent calls to the workspace.").tag(config=True)
    trigger_seconds = Float(0.2, help="How often the notes of git hooks are read.").tag(config=True)
    look_seconds = Float(
        1.0, help="How often each project's refs are polled, for changes that no hook reports."
    ).tag(config=True)
    search_seconds = Float(
        60.0, help="How often new projects are searched for; also whenever a terminal opens."
    ).tag(config=True)
    first_retry_seconds = Float(
        2.0, help="The pause before a failed sync is retried; it doubles with each failure."
    ).tag(config=True)
    most_retry_seconds = Float(300.0, help="The longest pause before a retry.").tag(config=True)
    request_retry_seconds = Float(
        0.5, help="The pause before a failed call is retried; it doubles with each failure."
    ).tag(config=True)
    installs_hooks = Bool(
        True,
        help="Whether a post-commit hook is installed in repositories and in the template for new "
        "ones, where the name is free. Without it, commits are detected within look_seconds.",
    ).tag(config=True)
    sets_identity = Bool(
        True,
        help="Whether git's user.name and user.email default to the workspace user's, in an "
        "included file that all of your own settings override.",
    ).tag(config=True)

    def __init__(
        self,
        *,
        home: Path,
        projects: Path,
        origin: str,
        api: WorkspaceApi,
        pats: PatSource,
        user: Callable[[], str],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on_change = Listeners("the sync", self.log)
        self._projects, self._origin, self._pats, self._user = projects, origin, pats, user
        self._environment = git_environment(home)
        self._triggers = Triggers(home / FOLDER_BELOW_HOME)
        self._state = self._triggers.folder.parent
        self._mirrors: dict[Path, Mirror] = {}
        self._ownerships: dict[str, Ownership] = {}
        self._histories: dict[Path, History] = {}
        self._config = UserConfig(home, self._triggers.folder, self._environment)
        pace = Pace(self.requests_per_second, self.most_parallel_requests)
        self._files = WorkspaceFiles(api, pats, pace, retry_seconds=self.request_retry_seconds)
        self._workers: dict[str, ProjectWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._rejected: dict[str, str] = {}
        self._background = BackgroundTasks(self.log)
        self._identity_of = ""
        self._identity: Identity | None = None
        self._configuring = asyncio.Lock()
        self._restoring = asyncio.Lock()
        self._notified_at = 0.0
        self._notification: asyncio.TimerHandle | None = None

    # ---- life

    async def start(self) -> None:
        """Install hooks and begin to watch; commits made while the server was down are found."""
        async with self._restoring:  # a user may have started one already: it is not a leftover
            await asyncio.to_thread(remove_leftovers, self._projects)
        await self.install_hooks()
        self._background.spawn(self._watch_triggers())
        self._background.spawn(self._watch_heads())
        self.pat_changed()

    async def stop(self, flush_seconds: float = 0.0) -> None:
        """Stop; syncs of the latest commits get ``flush_seconds`` to finish."""
        if flush_seconds > 0 and not self._files.is_waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(flush_seconds):
                    await self._flush()
        await self._background.stop()
        if self._notification is not None:
            self._notification.cancel()

    async def _flush(self) -> None:
        await self._search()  # including a project that was created just now
        await self._poll_heads()
        while not all(worker.is_idle for worker in self._workers.values()):  # noqa: ASYNC110
            await asyncio.sleep(_FLUSH_POLL_SECONDS)  # at the very end only, and for seconds

    def pat_changed(self) -> None:
        """Continue at once if there is a PAT again; call this when the credential has changed."""
        self._files.pat_changed()
        if self._files.is_waiting:
            for worker in self._workers.values():
                self._background.spawn(worker.answer_all())
        user = self._user()
        if self.sets_identity and "@" in user and user != self._identity_of:
            self._identity_of = user
            self._background.spawn(self._set_identity(user))

    # ---- requests of users

    def status(self) -> list[ProjectStatus]:
        """Return the REST models of all projects."""
        rejected = [rejected_model(name, reason) for name, reason in sorted(self._rejected.items())]
        return [self._workers[name].model() for name in sorted(self._workers)] + rejected

    async def sync_now(
        self, name: str | None = None, *, takes_over: bool = False
    ) -> list[ProjectStatus]:
        """Sync one project or all, and repair what somebody deleted in the workspace.

        ``takes_over``: replace what is in the folder, whoever owns it.  Returns their models after
        one attempt.  Raises GitSyncError for an unknown project, and without a token.
        """
        self._require_token("sync")
        await self._search()
        if name is not None and name not in self._workers:
            raise GitSyncError(f"There is no project {name}.", f"Check {self._projects}.")
        names = list(self._workers) if name is None else [name]
        workers = [self._workers[each] for each in names]
        return await asyncio.gather(*(w.sync_now(takes_over=takes_over) for w in workers))

    async def restorable(self) -> list[str]:
        """Return the projects in the workspace that are not here; GitSyncError without a token."""
        restorer = self._restorer()
        await self._search()
        return [n for n in await restorer.available() if n not in self._workers]

    async def restore(self, name: str | None = None) -> list[Restored]:
        """Restore one project, or all that are not here.

        Raises GitSyncError for one; when restoring all, each result has its own ``problem``.
        """
        restorer = self._restorer()
        async with self._restoring:
            if name is not None:
                restored = [await restorer.restore(name)]
            else:
                restored = [await _attempt_restore(restorer, n) for n in await self.restorable()]
        await self.install_hooks()
        return restored

    async def install_hooks(self) -> None:
        """Search for projects and install their hooks; call this when a terminal opens."""
        if self._wants_hooks or self.sets_identity:
            await self._write_config()
        await self._search()

    @property
    def _wants_hooks(self) -> bool:
        """Whether hooks are installed: unless a setting says no, or the user has removed them."""
        return self.installs_hooks and not (self._state / NO_HOOKS_FILE).exists()

    # ---- finding and watching

    async def _search(self) -> None:
        if self._wants_hooks:
            with contextlib.suppress(OSError):  # then the poll sees the commits
                self._triggers.open()
        found = await asyncio.to_thread(find_projects, self._projects)
        for name, worker in list(self._workers.items()):
            if name not in found and is_gone(worker.location):
                self._drop(name)
        for name, location in found.items():
            await self._track(name, location)

    async def _track(self, name: str, location: Location) -> None:
        """Start a worker for a new project, and install its hook."""
        if problem := name_problem(name):
            self._rejected[readable(os.fsencode(name))[0]] = problem
            return
        worker = self._workers.get(name)
        if worker is None or worker.location != location:
            self._drop(name)
            worker = self._start(name, location)
        if self._wants_hooks:
            folder, environment = self._triggers.folder, self._environment
            await asyncio.to_thread(install_hook, location, folder, environment)

    def _start(self, name: str, location: Location) -> ProjectWorker:
        worker = ProjectWorker(
            name,
            location,
            new_sync=lambda progress: self._new_sync(name, location, progress),
            waiting_for=self._waiting_for,
            changed=self._changed,
            log=self.log,
            retry_seconds=(self.first_retry_seconds, self.most_retry_seconds),
        )
        self._workers[name] = worker
        self._tasks[name] = self._background.spawn(worker.run())
        return worker

    def _drop(self, name: str) -> None:
        """Forget a project whose folder is gone; its copy in the workspace stays."""
        self._workers.pop(name, None)
        self._ownerships.pop(name, None)
        for common_dir, history in list(self._histories.items()):
            if history.project == name:
                del self._histories[common_dir], self._mirrors[common_dir]
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            self._changed()

    async def _watch_triggers(self) -> None:
        while True:
            for folder in self._triggers.take():
                try:
                    await self._check_folder(folder)
                except OSError as error:
                    self.log.debug("%s cannot be checked: %s", folder, error)
            await asyncio.sleep(self.trigger_seconds)

    async def _check_folder(self, folder: Path) -> None:
        """Wake the worker of the repository that contains ``folder``; it may be a new one."""
        found = await asyncio.to_thread(find_project, self._projects, folder)
        if found is None:
            return
        name, location = found
        worker = self._workers.get(name)
        if worker is None or worker.location != location:
            await self._track(name, location)
        if name in self._workers:
            self._workers[name].wake()

    async def _watch_heads(self) -> None:
        searched_at, seen = time.monotonic(), frozenset[str]()
        while True:
            await asyncio.sleep(self.look_seconds)
            try:
                await self._poll_heads()
                now = await asyncio.to_thread(top_repositories, self._projects)
                if now != seen or time.monotonic() - searched_at > self.search_seconds:
                    await self._search()
                    searched_at, seen = time.monotonic(), now
            except Exception as error:  # of one repository: the others are watched all the same
                self.log.warning("Projects cannot be watched: %s", error, exc_info=True)

    async def _poll_heads(self) -> None:
        workers = list(self._workers.values())
        seen = await asyncio.to_thread(lambda: [fingerprint(w.location) for w in workers])
        for worker, now in zip(workers, seen, strict=True):
            if now != worker.fingerprint:
                worker.fingerprint = now
                worker.wake()

    # ---- the parts of a sync

    def _root(self) -> str:
        user = self._user()
        return f"/Workspace/Users/{user}/projects" if user else ""

    def _new_sync(
        self, name: str, location: Location, progress: Callable[[int, int], None]
    ) -> ProjectSync | None:
        root = self._root()
        if not root:
            return None
        settings = Settings(
            most_file_bytes=self.most_file_bytes, parallel=self.most_parallel_requests
        )
        ownership = self._ownership(root, name, location)
        history = self._history(root, name, location)
        return ProjectSync(ownership, history, settings, log=self.log, progress=progress)

    def _ownership(self, root: str, name: str, location: Location) -> Ownership:
        if (known := self._ownerships.get(name)) is not None:
            return known
        self._ownerships[name] = ownership = Ownership(
            Repository(location, self._environment),
            self._mirror(location),
            Destination(self._files, root, name),
            origin=self._origin,
            other_projects=lambda: list(self._workers),
        )
        return ownership

    def _history(self, root: str, name: str, location: Location) -> History:
        """Return a repository's history, which is kept in the folder of its main project."""
        key = location.common_dir.resolve()
        if (known := self._histories.get(key)) is not None:
            return known
        for other, worker in self._workers.items():
            if worker.location.git_dir.resolve() == key:
                name, location = other, worker.location
        self._histories[key] = history = History(
            self._mirror(location),
            self._ownership(root, name, location),
            origin=self._origin,
            most_bytes=self.most_history_bytes,
            log=self.log,
            changed=self._changed,
        )
        return history

    def _mirror(self, location: Location) -> Mirror:
        key = location.common_dir.resolve()
        if key not in self._mirrors:
            source = Repository(main_location(location), self._environment)
            mirrors = self._state / MIRRORS_FOLDER
            self._mirrors[key] = Mirror(mirrors, source, self._environment)
        return self._mirrors[key]

    def _waiting_for(self) -> str:
        if self._files.is_waiting or not self._user():
            return f"Waiting for a token. {self._pats.message}".strip()
        return ""

    def _require_token(self, what: str) -> None:
        if self._files.is_waiting or not self._root():
            raise GitSyncError(f"There is no token to {what} with.", self._pats.message)

    def _restorer(self) -> Restorer:
        self._require_token("restore")
        mirrors = self._state / MIRRORS_FOLDER
        return Restorer(
            self._files, self._root(), self._projects, mirrors, self._environment, self._origin
        )

    # ---- git's settings

    async def _set_identity(self, user: str) -> None:
        name = user.partition("@")[0]
        with contextlib.suppress(DbxAgentsError):
            name = await self._files.display_name() or name
        self._identity = Identity(name, user)
        await self._write_config()

    async def _write_config(self) -> None:
        try:
            async with self._configuring:
                await asyncio.to_thread(
                    self._config.install, self._identity, with_template=self._wants_hooks
                )
        except (ConfigFileError, OSError) as error:
            self.log.warning(
                "git's settings were not written: %s %s", error, getattr(error, "hint", "")
            )

    # ---- notifications

    def _changed(self) -> None:
        """Notify of a change, at most once a second: a first sync makes thousands."""
        if self._notification is not None:
            return
        delay = max(0.0, self._notified_at + _PROGRESS_SECONDS - time.monotonic())
        self._notification = asyncio.get_running_loop().call_later(delay, self._notify)

    def _notify(self) -> None:
        self._notification = None
        self._notified_at = time.monotonic()
        self.on_change.notify()


async def _attempt_restore(restorer: Restorer, name: str) -> Restored:
    try:
        return await restorer.restore(name)
    except DbxAgentsError as error:
        return Restored(name, "", False, problem=f"{error.message} {error.hint}".strip())

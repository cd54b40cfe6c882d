"""Finds projects, watches their refs, runs a worker for each, and ends what is gone."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Bool, Float, Integer
from traitlets.config import LoggingConfigurable

from ..background import BackgroundTasks, Listeners
from ..errors import ConfigFileError, DbxAgentsError, DestinationError, GitSyncError
from ..pat import PatSource
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .ending import Endings, Forgotten, forget
from .history import History
from .hooks.repository_hooks import FOLDER_BELOW_HOME, Triggers, install_hook
from .hooks.user_config import NO_HOOKS_FILE, PROJECTS_FILE, Identity, UserConfig
from .local.creation import create_repository
from .local.git import git_environment
from .local.mirror import MIRRORS_FOLDER, Mirror
from .local.projects import (
    AGENTS_WORKTREES,
    RESTORING,
    Found,
    Location,
    Unfit,
    find_projects,
    fingerprint,
    is_gone,
    main_location,
    top_repositories,
)
from .local.repository import Repository
from .ownership import Ownership
from .project_sync import ProjectSync, Settings
from .remote.marker import Destination
from .remote.workspace_files import Pace, WorkspaceFiles
from .restore import Restored, Restorer, remove_leftovers
from .states import Cause, ProjectStatus, Waker, bare_status
from .work.keeper import WorkKeepers
from .work.store import WorkStore
from .worker import ProjectWorker

_PROGRESS_SECONDS = 1.0
_FLUSH_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Restorable:
    """A project that is only in the workspace; ``note`` is why it does not come back with all.

    ``at`` is when its files were last complete there, '' if that is not known.
    """

    name: str
    note: str
    at: str = ""


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
    most_parallel_requests = Integer(
        8, help="Concurrent calls to the workspace; from three on, two of them are not for files."
    ).tag(config=True)
    trigger_seconds = Float(0.2, help="How often to check whether git hooks report a commit.").tag(
        config=True
    )
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

    keeps_work_in_progress = Bool(
        True,
        help="Whether what is not committed (staged, changed and new files that git does not "
        "ignore) is kept in the workspace beside the history, for a restore.",
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
        secrets: Callable[[], Iterable[Secret]] = tuple,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on_change = Listeners("the sync", self.log)
        self._projects, self._origin, self._pats, self._user = projects, origin, pats, user
        self._environment = git_environment(home)
        self._triggers = Triggers(home / FOLDER_BELOW_HOME)
        self._state = self._triggers.folder.parent
        self._state_note, self._temporary = "", Path()
        self._histories: dict[Path, History] = {}
        self._config = UserConfig(home, self._triggers.folder, self._environment)
        pace = Pace(self.requests_per_second, self.most_parallel_requests)
        self._files = WorkspaceFiles(api, pats, pace, retry_seconds=self.request_retry_seconds)
        self._workers: dict[str, ProjectWorker] = {}
        self._work = WorkKeepers(self._syncs, lambda: self._files.is_waiting, secrets, self.log)
        self._unfit: dict[str, Unfit] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._background = BackgroundTasks(self.log)
        self._retry_seconds = (self.first_retry_seconds, self.most_retry_seconds)
        self._endings = Endings(self._background, self._retry_seconds, self.log)
        self._identity_of = ""
        self._identity: Identity | None = None
        self._configuring, self._restoring = asyncio.Lock(), asyncio.Lock()
        self._searching = asyncio.Lock()
        self._searched_at, self._seen, self._failure = 0.0, frozenset[str](), ""
        self._notified_at = 0.0
        self._notification: asyncio.TimerHandle | None = None

    # ---- life

    async def start(self) -> None:
        """Install hooks and begin to watch; commits made while the server was down are found."""
        async with self._restoring:  # a user may have started one already: it is not a leftover
            await asyncio.to_thread(remove_leftovers, self._projects)
        await self._attempt(self.install_hooks)
        self._background.spawn(self._watch(self._take_triggers, self.trigger_seconds))
        self._background.spawn(self._watch(self._look, self.look_seconds))
        if self.keeps_work_in_progress:
            self._background.spawn(self._work.run(self._changed))
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
        await self._poll()
        await self._endings.finish()
        while not all(worker.is_idle for worker in self._workers.values()):  # noqa: ASYNC110
            await asyncio.sleep(_FLUSH_POLL_SECONDS)  # at the very end only, and for seconds
        if self.keeps_work_in_progress:
            await self._work.flush()

    def pat_changed(self) -> None:
        """Continue at once if there is a PAT again; call this when the credential has changed."""
        self._files.pat_changed()
        for worker in self._workers.values():
            if self._files.is_waiting:
                worker.answer()
            elif worker.cause.is_ended_by(Waker.TOKEN):
                worker.wake()
        user = self._user()
        if self.sets_identity and "@" in user and user != self._identity_of:
            self._identity_of = user
            self._background.spawn(self._set_identity(user))

    @property
    def projects_folder(self) -> Path:
        """Where projects are."""
        return self._projects

    def remote(self) -> tuple[WorkspaceFiles, str] | None:
        """Return the workspace's files and the folder of all projects; None without a token."""
        root = self._root()
        return None if self._files.is_waiting or not root else (self._files, root)

    @property
    def is_catching_up(self) -> bool:
        """Whether a commit is not safe yet."""
        return any(not worker.is_safe for worker in self._workers.values())

    def unsent(self) -> list[str]:
        """Return what is not in the workspace, in words."""
        commits = [
            name
            for name, worker in self._workers.items()
            if not worker.is_safe or worker.model()["history"]["message"]
        ]
        works = self._work.pending() if self.keeps_work_in_progress else []
        return [
            *(f"commits of {name}" for name in sorted(commits)),
            *(f"work in progress of {name}" for name in works),
        ]

    # ---- requests of users

    def status(self) -> list[ProjectStatus]:
        """Return the REST models of all projects, and of what is not one."""
        models = {**self._endings.gone}
        for name, (reason, hint) in self._unfit.items():
            models[name] = bare_status(name, Cause.UNFIT.state, reason, hint)
        models |= {name: worker.model() for name, worker in self._workers.items()}
        for name, model in models.items():
            model["work"] = self._work.model(name)
            model["history"]["note"] = model["history"]["note"] or self._state_note
        return [models[name] for name in sorted(models)]

    def folders(self) -> tuple[Path, ...]:
        """Return the folders of all projects here."""
        return tuple(sorted(worker.location.folder for worker in self._workers.values()))

    async def create(self, name: str) -> Path:
        """Make a new project with an empty repository, and return its folder.

        Raises GitSyncError for a name that is taken or that cannot be a folder's.
        """
        folder = await asyncio.to_thread(create_repository, self._projects, name, self._environment)
        await self._search()
        return folder

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
            if (unfit := self._unfit.get(name)) is not None:
                raise GitSyncError(f"{name} is not synced. {unfit.reason}", unfit.hint)
            raise GitSyncError(f"There is no project {name}.", f"Check {self._projects}.")
        names = list(self._workers) if name is None else [name]
        workers = [self._workers[each] for each in names]
        return await asyncio.gather(*(w.sync_now(takes_over=takes_over) for w in workers))

    async def restorable(self) -> list[Restorable]:
        """Return the projects in the workspace that are not here; GitSyncError without a token."""
        restorer = self._restorer()
        await self._search()
        names = [name for name in await restorer.available() if name not in self._workers]
        return list(await asyncio.gather(*map(self._restorable, names)))

    async def _restorable(self, name: str) -> Restorable:
        if AGENTS_WORKTREES in name:
            note = "It is an agent's worktree; its commits are in its repository."
            return Restorable(name, note)
        with contextlib.suppress(DestinationError):  # a damaged record says so at the restore
            marker = await Destination(self._files, self._root(), name).load()
            if marker is not None and marker.gone_at:
                note = f"It was deleted or renamed in the app at {marker.gone_at}."
                return Restorable(name, note, marker.synced_at)
            if marker is not None:
                return Restorable(name, "", marker.synced_at)
        return Restorable(name, "")

    async def restore(self, name: str | None = None) -> list[Restored]:
        """Restore one project, or all that are neither here nor were deleted.

        Raises GitSyncError for one; when restoring all, each result has its own ``problem``.
        """
        restorer = self._restorer()
        async with self._restoring:
            if name is not None:
                restored = [await restorer.restore(name)]
            else:
                names = [each.name for each in await self.restorable() if not each.note]
                restored = [await _attempt_restore(restorer, each) for each in names]
        await self.install_hooks()
        return restored

    async def forget(self, name: str, *, files: bool = False) -> Forgotten:
        """End a project that is not here any more: delete its history, and ``files`` on request.

        Raises GitSyncError and WorkspaceError; it can be repeated then.
        """
        restorer = self._restorer()
        async with self._restoring:
            await self._search()
            if name in self._workers:
                raise GitSyncError(
                    f"{name} is still here, and would be copied again.",
                    f"Move it out of {self._projects}, or delete it, and run this again.",
                )
            if name not in await restorer.available() or ".." in name.split("/"):
                raise GitSyncError(f"The workspace has no project {name}.", "Check its name.")
            self._endings.forget(name)
            destination = Destination(self._files, self._root(), name)
            forgotten = await forget(destination, self._environment, self._origin, files=files)
        self._changed()
        return forgotten

    async def forget_work(self) -> list[str]:
        """Delete the work in progress of all projects, and keep no more of it until a restart.

        Returns the projects that had any.  Raises GitSyncError without a token, WorkspaceError.
        """
        restorer = self._restorer()
        self._work.is_off = True
        names = await restorer.available()
        stores = [WorkStore(Destination(self._files, self._root(), name)) for name in names]
        return [n for n, store in zip(names, stores, strict=True) if await store.clear()]

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
        async with self._searching:
            if self._wants_hooks:
                with contextlib.suppress(OSError):  # then the poll sees the commits
                    self._triggers.open()
                    note = self._triggers.folder / PROJECTS_FILE
                    note.write_bytes(os.fsencode(self._projects))
            before = self.status()
            found, gone = await self._find()
            if gone:  # one that was moved meanwhile was in neither place
                found, gone = await self._find()
            self._searched_at = time.monotonic()
            self._unfit = found.unfit
            for worker in gone:
                self._drop(worker.name)
            former = {w.location.git_dir: w.name for w in gone if w.location.is_linked}
            for name, location in found.projects.items():
                if location.git_dir in former and name not in self._workers:
                    self._endings.follow(former[location.git_dir], name)  # git worktree move
                await self._track(name, location)
            if self._projects.is_dir():  # otherwise nobody deleted each of them
                self._endings.add(gone)
            if self.status() != before:
                self._changed()

    async def _find(self) -> tuple[Found, list[ProjectWorker]]:
        """Return what is here, and the workers of what is not here any more."""
        found = await asyncio.to_thread(find_projects, self._projects, [*self._workers])
        if self._restoring.locked():
            found.unfit = {n: u for n, u in found.unfit.items() if not n.startswith(RESTORING)}
        workers = [w for w in self._workers.values() if w.name not in found.projects]
        return found, [worker for worker in workers if is_gone(worker.location)]

    async def _track(self, name: str, location: Location) -> None:
        """Start a worker for a new project, and install its hook."""
        worker = self._workers.get(name)
        if worker is None or worker.location != location:
            self._drop(name)
            await self._follow(name, location)
            self._start(name, location)
        if self._wants_hooks:
            folder, environment = self._triggers.folder, self._environment
            await asyncio.to_thread(install_hook, location, folder, environment)

    def _start(self, name: str, location: Location) -> None:
        self._workers[name] = worker = ProjectWorker(
            name,
            location,
            new_sync=lambda progress: self._new_sync(name, location, progress),
            waiting_for=self._waiting_for,
            changed=self._changed,
            passed=self._passed,
            log=self.log,
            retry_seconds=self._retry_seconds,
        )
        self._tasks[name] = self._background.spawn(worker.run())

    def _drop(self, name: str) -> None:
        """End a project's tasks; its copy in the workspace stays."""
        self._workers.pop(name, None)
        self._endings.forget(name)
        self._histories = {d: h for d, h in self._histories.items() if h.project != name}
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    async def _follow(self, name: str, location: Location) -> None:
        """Take over the mirror of a repository that was renamed."""
        if location.is_linked:
            return
        with contextlib.suppress(OSError):
            folder = await asyncio.to_thread(self._mirror(location).follow)
            root = self._projects.resolve()
            if folder is not None and folder.is_relative_to(root):
                former = folder.relative_to(root).as_posix()
                self._endings.follow(former, name)

    def _passed(self, worker: ProjectWorker) -> None:
        """Wake projects around and inside one that is complete now; remove its former copies."""
        for name, other in self._workers.items():
            is_inside = name.startswith(f"{worker.name}/") or worker.name.startswith(f"{name}/")
            if is_inside and other.cause.is_ended_by(Waker.NEIGHBOR):
                other.wake()
        self._endings.remove_former(worker)

    async def _watch(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._attempt(look)

    async def _attempt(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except Exception as error:  # of one repository: the others are watched all the same
            if str(error) != self._failure:  # not each second
                self.log.warning("Projects cannot be watched: %s", error, exc_info=True)
            self._failure = str(error)

    async def _take_triggers(self) -> None:
        if self._triggers.take() and not await self._poll():
            await self._search()  # in a repository that is not known yet

    async def _look(self) -> None:
        """Poll all refs, and search for projects if there are others, or after a while."""
        now = await asyncio.to_thread(top_repositories, self._projects)
        is_due = time.monotonic() - self._searched_at > self.search_seconds
        await self._poll()
        is_gone = any(worker.fingerprint is None for worker in self._workers.values())
        if is_gone or now != self._seen or is_due:
            self._seen = now
            await self._search()

    async def _poll(self) -> bool:
        """Wake the workers of what has changed; return whether anything has."""
        workers = list(self._workers.values())
        looks = await asyncio.to_thread(lambda: [_look_at(worker) for worker in workers])
        changed = [(w, now) for w, now in zip(workers, looks, strict=True) if now != w.fingerprint]
        for worker, now in changed:
            worker.fingerprint = now
            worker.wake()
        return bool(changed)

    # ---- the parts of a sync

    def _syncs(self) -> list[ProjectSync]:
        return [worker.sync for worker in self._workers.values() if worker.sync is not None]

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
        history = self._history(root, name, location)
        ownership = history.ownership
        if history.project != name:
            ownership = self._ownership(root, name, location, history.mirror)
        return ProjectSync(ownership, history, settings, log=self.log, progress=progress)

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
        if (known := self._histories.get(key)) is not None:
            return known
        for other, worker in self._workers.items():
            if worker.location.git_dir.resolve() == key:
                name, location = other, worker.location
        mirror = self._mirror(location)
        self._histories[key] = history = History(
            mirror,
            self._ownership(root, name, location, mirror),
            origin=self._origin,
            most_bytes=self.most_history_bytes,
            log=self.log,
            changed=self._changed,
        )
        return history

    def _mirror(self, location: Location) -> Mirror:
        source = Repository(main_location(location), self._environment)
        return Mirror(self._mirrors_folder(), source, self._environment)

    def _mirrors_folder(self) -> Path:
        """Return where mirrors are: in our state folder, or else in a temporary one."""
        if not self._state_note:
            folder, reason = self._state / MIRRORS_FOLDER, "Permission denied"
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if os.access(folder, os.W_OK):
                    return folder
            except OSError as error:
                reason = str(error.strerror)
            self._temporary = Path(tempfile.mkdtemp(prefix="jupyter_dbx_agents-"))
            self._state_note = (
                f"{folder} cannot be written ({reason}). {self._temporary} is used instead."
            )
            self.log.warning("%s", self._state_note)
        return self._temporary

    def _waiting_for(self) -> str:
        if self._files.is_waiting or not self._user():
            return f"Waiting for a token. {self._pats.message}".strip()
        return ""

    def _require_token(self, what: str) -> None:
        if self._files.is_waiting or not self._root():
            raise GitSyncError(f"There is no token to {what} with.", self._pats.message)

    def _restorer(self) -> Restorer:
        self._require_token("restore")
        return Restorer(
            self._files,
            self._root(),
            self._projects,
            self._mirrors_folder(),
            self._environment,
            self._origin,
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


def _look_at(worker: ProjectWorker) -> int | None:
    """Return a project's fingerprint, None if it is gone."""
    try:
        return None if is_gone(worker.location) else fingerprint(worker.location)
    except Exception:  # whatever is odd about one repository: the others are looked at
        return worker.fingerprint

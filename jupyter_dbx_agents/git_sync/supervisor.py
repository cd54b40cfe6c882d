"""Git sync as the other parts know it: its settings, its life, and what users ask of it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Bool, Float, Integer
from traitlets.config import LoggingConfigurable

from ..background import BackgroundTasks, Listeners
from ..errors import DbxAgentsError, DestinationError, GitSyncError
from ..pat import PatSource
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .assembly import Assembly
from .ending import Endings, Forgotten, forget
from .hooks.guest import Guest
from .local.creation import create_repository
from .local.git import git_environment
from .local.projects import (
    AGENTS_WORKTREES,
    Location,
)
from .project_sync import ProjectSync, Settings
from .remote.marker import Destination
from .remote.workspace_files import Pace, WorkspaceFiles
from .restore import Restored, Restorer, remove_leftovers
from .states import Cause, ProjectStatus, Waker, bare_status
from .watch import Watch
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
        self._background = BackgroundTasks(self.log)
        self._restoring = asyncio.Lock()
        self._is_started = False
        self._notified_at = 0.0
        self._notification: asyncio.TimerHandle | None = None
        self._retry_seconds = (self.first_retry_seconds, self.most_retry_seconds)
        pace = Pace(self.requests_per_second, self.most_parallel_requests)
        self._files = WorkspaceFiles(api, pats, pace, retry_seconds=self.request_retry_seconds)
        self._workers: dict[str, ProjectWorker] = {}
        self._work = WorkKeepers(self._syncs, lambda: self._files.is_waiting, secrets, self.log)
        self._endings = Endings(
            self._background,
            self._retry_seconds,
            self.log,
            is_work_kept=lambda name: not self.keeps_work_in_progress or self._work.is_kept(name),
        )
        self._guest = Guest(
            home,
            self._environment,
            installs_hooks=self.installs_hooks,
            sets_identity=self.sets_identity,
            log=self.log,
        )
        self._assembly = self._build_assembly()
        self._watch = self._build_watch()

    def _build_assembly(self) -> Assembly:
        return Assembly(
            self._files,
            self._workers,
            root=self._root,
            origin=self._origin,
            state_folder=self._guest.state_folder,
            environment=self._environment,
            settings=Settings(
                most_file_bytes=self.most_file_bytes, parallel=self.most_parallel_requests
            ),
            most_history_bytes=self.most_history_bytes,
            changed=self._changed,
            log=self.log,
        )

    def _build_watch(self) -> Watch:
        return Watch(
            self._projects,
            self._workers,
            guest=self._guest,
            assembly=self._assembly,
            endings=self._endings,
            background=self._background,
            new_worker=self._new_worker,
            is_restoring=self._restoring.locked,
            status=self.status,
            changed=self._changed,
            search_seconds=self.search_seconds,
            log=self.log,
        )

    # ---- life

    async def start(self) -> None:
        """Install hooks and begin to watch; commits made while the server was down are found."""
        async with self._restoring:  # a user may have started one already: it is not a leftover
            await asyncio.to_thread(remove_leftovers, self._projects)
        await self._watch.attempt(self.install_hooks)
        self._is_started = True
        self._watch.start(self.trigger_seconds, self.look_seconds)
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
        await self._watch.search()  # including a project that was created just now
        await self._watch.poll()
        # What ends may wait for work in progress.
        await asyncio.gather(self._endings.finish(), self._flush_projects())

    async def _flush_projects(self) -> None:
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
        if self._guest.is_news(user):
            self._background.spawn(self._guest.set_identity(user, self._files.display_name))

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
        for name, (reason, hint) in self._watch.unfit.items():
            models[name] = bare_status(name, Cause.UNFIT.state, reason, hint)
        models |= {name: worker.model() for name, worker in self._workers.items()}
        for name, model in models.items():
            model["work"] = self._work.model(name)
            model["history"]["note"] = model["history"]["note"] or self._assembly.note
        return [models[name] for name in sorted(models)]

    def folders(self) -> tuple[Path, ...]:
        """Return the folders of all projects here."""
        return tuple(sorted(worker.location.folder for worker in self._workers.values()))

    async def create(self, name: str) -> Path:
        """Make a new project with an empty repository, and return its folder.

        Raises GitSyncError for a name that is taken or that cannot be a folder's.
        """
        folder = await asyncio.to_thread(create_repository, self._projects, name, self._environment)
        if self._is_started:  # else hooks and files are not wanted yet; the start finds it
            await self._watch.search()
        return folder

    async def sync_now(
        self, name: str | None = None, *, takes_over: bool = False
    ) -> list[ProjectStatus]:
        """Sync one project or all, and repair what somebody deleted in the workspace.

        ``takes_over``: replace what is in the folder, whoever owns it.  Returns their models after
        one attempt.  Raises GitSyncError for an unknown project, and without a token.
        """
        self._require_token("sync")
        await self._watch.search()
        if name is not None and name not in self._workers:
            if (unfit := self._watch.unfit.get(name)) is not None:
                raise GitSyncError(f"{name} is not synced. {unfit.reason}", unfit.hint)
            raise GitSyncError(f"There is no project {name}.", f"Check {self._projects}.")
        names = list(self._workers) if name is None else [name]
        workers = [self._workers[each] for each in names]
        return await asyncio.gather(*(w.sync_now(takes_over=takes_over) for w in workers))

    async def restorable(self) -> list[Restorable]:
        """Return the projects in the workspace that are not here; GitSyncError without a token."""
        restorer = self._restorer()
        await self._watch.search()
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
            await self._watch.search()
            if name in self._workers:
                raise GitSyncError(
                    f"{name} is still here, and would be copied again.",
                    f"Move it out of {self._projects}, or delete it, and run this again.",
                )
            names = await restorer.available()
            if name not in names or ".." in name.split("/"):
                raise GitSyncError(f"The workspace has no project {name}.", "Check its name.")
            await self._require_alone(name, names)
            self._endings.forget(name)
            destination = Destination(self._files, self._root(), name)
            forgotten = await forget(destination, self._environment, self._origin, files=files)
        self._changed()
        return forgotten

    async def _require_alone(self, name: str, names: Iterable[str]) -> None:
        """Raise GitSyncError if a linked worktree in the workspace has its history there."""
        for other in names:
            if other == name or AGENTS_WORKTREES in other:
                continue
            with contextlib.suppress(DestinationError):  # it is damaged
                marker = await Destination(self._files, self._root(), other).load()
                if marker is not None and marker.history == name and not marker.gone_at:
                    raise GitSyncError(
                        f"The history of {other}, a worktree, is in that of {name}.",
                        f"Restore {other}, or forget it, first.",
                    )

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
        await self._guest.write_settings()
        await self._watch.search()

    def _new_worker(self, name: str, location: Location) -> ProjectWorker:
        return ProjectWorker(
            name,
            location,
            new_sync=lambda progress: self._assembly.sync(name, location, progress),
            waiting_for=self._waiting_for,
            changed=self._changed,
            passed=self._watch.passed,
            log=self.log,
            retry_seconds=self._retry_seconds,
        )

    # ---- the workspace

    def _syncs(self) -> list[ProjectSync]:
        return [worker.sync for worker in self._workers.values() if worker.sync is not None]

    def _root(self) -> str:
        user = self._user()
        return f"/Workspace/Users/{user}/projects" if user else ""

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
            self._assembly.mirrors_folder(),
            self._environment,
            self._origin,
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

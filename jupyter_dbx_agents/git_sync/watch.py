"""Finds the projects, polls their refs, and has a worker for each while it is here."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ..background import AnyLogger, BackgroundTasks
from .assembly import Assembly
from .ending import Endings
from .hooks.guest import Guest
from .local.projects import (
    RESTORING,
    Found,
    Location,
    Unfit,
    find_projects,
    fingerprint,
    is_gone,
    top_repositories,
)
from .states import ProjectStatus, Waker
from .worker import ProjectWorker

NewWorker = Callable[[str, Location], ProjectWorker]


class Watch:
    """The projects that are here; ``workers`` has them by name, and ``unfit`` what is not one.

    ``is_restoring`` returns whether unfinished folders are expected, ``status`` the REST models of
    all that is known, and ``changed`` is called when these are others after a search.
    """

    def __init__(
        self,
        projects: Path,
        workers: dict[str, ProjectWorker],
        *,
        guest: Guest,
        assembly: Assembly,
        endings: Endings,
        background: BackgroundTasks,
        new_worker: NewWorker,
        is_restoring: Callable[[], bool],
        status: Callable[[], list[ProjectStatus]],
        changed: Callable[[], None],
        search_seconds: float,
        log: AnyLogger,
    ) -> None:
        self._projects, self._workers, self._guest = projects, workers, guest
        self._assembly, self._endings, self._background = assembly, endings, background
        self._new_worker, self._is_restoring = new_worker, is_restoring
        self._status, self._changed = status, changed
        self._search_seconds, self._log = search_seconds, log
        self.unfit: dict[str, Unfit] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._searching = asyncio.Lock()
        self._searched_at, self._seen, self._failure = 0.0, frozenset[str](), ""

    def start(self, trigger_seconds: float, look_seconds: float) -> None:
        """Look for what hooks report, and for what they do not, so often."""
        self._background.spawn(self._repeat(self._take_triggers, trigger_seconds))
        self._background.spawn(self._repeat(self._look, look_seconds))

    async def search(self) -> None:
        """Find the projects: start a worker for each new one, and end those of what is gone."""
        async with self._searching:
            self._guest.open(self._projects)
            before = self._status()
            found, gone = await self._find()
            if gone:  # one that was moved meanwhile was in neither place
                found, gone = await self._find()
            self._searched_at = time.monotonic()
            self.unfit = found.unfit
            for worker in gone:
                self._drop(worker.name)
            former = {w.location.git_dir: w.name for w in gone if w.location.is_linked}
            # The history of linked worktrees belongs to their main project, which comes first.
            for name, location in sorted(found.projects.items(), key=lambda e: e[1].is_linked):
                if location.git_dir in former and name not in self._workers:
                    self._endings.follow(former[location.git_dir], name)  # git worktree move
                await self._track(name, location)
            if self._projects.is_dir():  # otherwise nobody deleted each of them
                self._endings.add(gone)
            if self._status() != before:
                self._changed()

    async def poll(self) -> bool:
        """Wake the workers of what has changed; return whether anything has."""
        workers = list(self._workers.values())
        looks = await asyncio.to_thread(lambda: [_look_at(worker) for worker in workers])
        changed = [(w, now) for w, now in zip(workers, looks, strict=True) if now != w.fingerprint]
        for worker, now in changed:
            worker.fingerprint = now
            worker.wake()
        return bool(changed)

    async def attempt(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look, and log why that fails: the next one may not."""
        try:
            await look()
        except Exception as error:  # of one repository: the others are watched all the same
            if str(error) != self._failure:  # not each second
                self._log.warning("Projects cannot be watched: %s", error, exc_info=True)
            self._failure = str(error)

    # ---- finding

    async def _find(self) -> tuple[Found, list[ProjectWorker]]:
        """Return what is here, and the workers of what is not here any more."""
        found = await asyncio.to_thread(find_projects, self._projects, [*self._workers])
        if self._is_restoring():
            found.unfit = {n: u for n, u in found.unfit.items() if not n.startswith(RESTORING)}
        workers = [w for w in self._workers.values() if w.name not in found.projects]
        return found, [worker for worker in workers if is_gone(worker.location)]

    async def _track(self, name: str, location: Location) -> None:
        """Start a worker for a new project, and install its hook."""
        worker = self._workers.get(name)
        if worker is None or worker.location != location:
            self._drop(name)
            await self._follow(name, location)
            self._workers[name] = worker = self._new_worker(name, location)
            self._tasks[name] = self._background.spawn(worker.run())
        await self._guest.install_hook(location)

    def _drop(self, name: str) -> None:
        """End a project's tasks; its copy in the workspace stays."""
        self._workers.pop(name, None)
        self._endings.forget(name)
        self._assembly.drop(name)
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    async def _follow(self, name: str, location: Location) -> None:
        """Take over the mirror of a repository that was renamed."""
        if location.is_linked:
            return
        with contextlib.suppress(OSError):
            folder = await asyncio.to_thread(self._assembly.mirror(location).follow)
            root = self._projects.resolve()
            if folder is not None and folder.is_relative_to(root):
                former = folder.relative_to(root).as_posix()
                self._endings.follow(former, name)

    def passed(self, worker: ProjectWorker) -> None:
        """Wake projects around and inside one that is complete now; remove its former copies."""
        for name, other in self._workers.items():
            is_inside = name.startswith(f"{worker.name}/") or worker.name.startswith(f"{name}/")
            if is_inside and other.cause.is_ended_by(Waker.NEIGHBOR):
                other.wake()
        self._endings.remove_former(worker)

    # ---- watching

    async def _repeat(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self.attempt(look)

    async def _take_triggers(self) -> None:
        if self._guest.take() and not await self.poll():
            await self.search()  # in a repository that is not known yet

    async def _look(self) -> None:
        """Poll all refs, and search for projects if there are others, or after a while."""
        now = await asyncio.to_thread(top_repositories, self._projects)
        is_due = time.monotonic() - self._searched_at > self._search_seconds
        await self.poll()
        is_gone = any(worker.fingerprint is None for worker in self._workers.values())
        if is_gone or now != self._seen or is_due:
            self._seen = now
            await self.search()


def _look_at(worker: ProjectWorker) -> int | None:
    """Return a project's fingerprint, None if it is gone."""
    try:
        return None if is_gone(worker.location) else fingerprint(worker.location)
    except Exception:  # whatever is odd about one repository: the others are looked at
        return worker.fingerprint

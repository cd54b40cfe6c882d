"""When work in progress is taken and uploaded: after two quiet seconds, and while it changes.

All work trees are looked at in turn, one git at a time, with pauses that keep the looks below a
twentieth of one processor.  Nothing is uploaded before the history has the commit that it is based
on: a commit is worth more than what is not committed, and the bundle needs it.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ...background import AnyLogger, backoff_seconds
from ...errors import MarkerChangedError
from ...secret import Secret
from ..local.git import CHUNK_BYTES
from ..local.projects import is_gone
from ..project_sync import ProjectSync
from ..remote.bundles import bundle_header
from ..states import Remark, WorkStatus, explained, no_work
from .store import WorkStore
from .survey import Survey, survey
from .taking import Taken, Taker

# How long nothing has changed before it is taken, and how long it may change before it is.
QUIET_SECONDS = 2.0
BUSY_SECONDS = 30.0
_LOOK_SECONDS = 1.0
# Pauses are so many times as long as the look before them.
_IDLE_RATIO = 20
_FIRST_RETRY_SECONDS, _MOST_RETRY_SECONDS = 5.0, 300.0
_COLLECT_EACH = 50
# All at the same time would end at the same time, perhaps too late; one may be slow.
_AT_A_STOP = 2
_MOST_LISTED = 100
REF = "refs/dbx/work"
# The sparse walk finds by paths what both sides have; ours are below “index” and “work”.
_PACK = ("-c", "pack.useSparse=false", "-c", "pack.threads=1", "-c", "pack.windowMemory=64m")


class WorkKeeper:
    """Keeps the work in progress of one project."""

    def __init__(
        self, sync: ProjectSync, secrets: Callable[[], Iterable[Secret]], log: AnyLogger
    ) -> None:
        self.sync, self._log = sync, log
        history, repository = sync.history, sync.repository
        self._taker = Taker(history.mirror, repository, secrets)
        self._store = WorkStore(sync.destination)
        self._seen, self._kept = b"", b""
        self.changed_at = self._first_change_at = 0.0
        self._tree, self._failures, self._next_try_at, self._count = "", 0, 0.0, 0
        self._is_new = True
        self.kept_at, self.message = "", ""
        self.files, self.branch = 0, ""  # how many are not committed, and on which
        self.left_out: dict[str, str] = {}

    @property
    def is_pending(self) -> bool:
        """Whether something has changed that is not in the workspace."""
        return self._seen != self._kept

    @property
    def is_settled(self) -> bool:
        """Whether all that was there at the first look is kept, or nothing was."""
        return not self._is_new or self.sync.repository.location.is_bare

    def model(self) -> WorkStatus:
        """Return the REST model."""
        listed = [Remark(path=p, reason=r) for p, r in [*self.left_out.items()][:_MOST_LISTED]]
        return {
            "kept_at": self.kept_at,
            "pending": self.is_pending,
            "files": self.files,
            "branch": self.branch,
            "message": self.message,
            "left_out": listed,
        }

    async def look(self, *, at_once: bool = False) -> bool:
        """Look at the work tree, and upload what has changed if it is time; return whether it did.

        Never raises but to be cancelled: what failed is in the model, and tried again.
        """
        location = self.sync.repository.location
        if location.is_bare or is_gone(location):
            return False
        try:
            if self.sync.marker is None and await self.sync.repository.head() is not None:
                return False  # the history comes first
            found = await survey(self.sync.repository)
            self.files, self.branch = len(found.entries), found.branch
            if self.sync.marker is None and found.is_clean:
                return False
            if not self._is_due(found, at_once):
                return False
            return await self._keep(found)
        except Exception as error:  # whatever is odd about one project: the others are kept
            said = explained(error)
            self._failures += 1
            pause = backoff_seconds(self._failures - 1, _FIRST_RETRY_SECONDS, _MOST_RETRY_SECONDS)
            self._next_try_at = time.monotonic() + pause
            self._failed(f"Work in progress is not kept: {said.message} {said.hint}".strip())
            return True

    def _failed(self, message: str) -> None:
        if self.message != message:
            self._log.warning("%s: %s", self.sync.destination.project, message)
        self.message = message

    def _is_due(self, found: Survey, at_once: bool) -> bool:
        now = time.monotonic()
        if found.fingerprint != self._seen:
            if self._seen == self._kept:
                self._first_change_at = now
            self._seen, self.changed_at = found.fingerprint, now
        if not self.is_pending:
            return False
        if at_once:
            return True
        is_quiet = now - self.changed_at >= QUIET_SECONDS
        return now >= self._next_try_at and (
            is_quiet or now - self._first_change_at >= BUSY_SECONDS
        )

    async def _keep(self, found: Survey) -> bool:
        """Take and upload; return False if the history has to come first."""
        history = self.sync.history
        if found.head and not await history.is_safe(found.head):
            return False
        if self.sync.marker is None:
            await self.sync.claim_unborn()
        if found.is_clean:
            if self._tree or self._is_new:
                await self._store.clear()
            self._done(found, "", {})
            return True
        async with history.mirror.locked(f"work-{self._taker.key}"):
            taken = await self._taker.take(found)
            if taken.tree != self._tree:
                await self._upload(taken, found.head)
        self._done(found, taken.tree, taken.left_out)
        return True

    def _done(self, found: Survey, tree: str, left_out: dict[str, str]) -> None:
        self._kept, self._tree, self.left_out = found.fingerprint, tree, left_out
        self._is_new, self._failures, self._next_try_at, self.message = False, 0, 0.0, ""
        self._first_change_at = time.monotonic()
        self.kept_at = datetime.now(UTC).isoformat(timespec="seconds") if tree else ""

    async def _upload(self, taken: Taken, head: str) -> None:
        # Without HEAD's commit alone: other refs may be deleted, also in the workspace.
        without = [f"^{head}"] if head else []
        mirror = self.sync.history.mirror
        name = f"work-{self._taker.key}"
        await mirror.set_own_refs({name: taken.commit})
        with tempfile.TemporaryFile(dir=mirror.folder) as stream:
            stream.write(bundle_header({REF: taken.commit}, without))
            walk = "\n".join([taken.commit, *without, ""]).encode()
            pack = ("pack-objects", "--revs", "--stdout", "--thin", "-q", "--delta-base-offset")
            async with mirror.running(*pack, "--missing=allow-any", options=_PACK) as packing:
                packing.stdin.write(walk)
                packing.stdin.close()
                while chunk := await packing.stdout.read(CHUNK_BYTES):
                    stream.write(chunk)
                await packing.succeed()
            try:
                await self._store.write(stream)
            except MarkerChangedError:
                await self.sync.ownership.require_unchanged()
                await self._store.write(stream)
        self._count += 1
        if self._count % _COLLECT_EACH == 0:
            await mirror.collect()


class WorkKeepers:
    """The keepers of all projects; ``syncs`` returns those that are here; ``looks`` counts."""

    def __init__(
        self,
        syncs: Callable[[], Iterable[ProjectSync]],
        is_waiting: Callable[[], bool],
        secrets: Callable[[], Iterable[Secret]],
        log: AnyLogger,
    ) -> None:
        self._syncs, self._is_waiting, self._secrets, self._log = syncs, is_waiting, secrets, log
        self._keepers: dict[str, WorkKeeper] = {}
        self.looks = 0
        # The owner has deleted what was kept.
        self.is_off = False

    async def run(self, changed: Callable[[], None]) -> None:
        """Look until cancelled; call ``changed`` when a model may have changed."""
        while True:
            started = time.monotonic()
            if not (self._is_waiting() or self.is_off):
                for keeper in self._current():
                    before = keeper.files, keeper.branch
                    if await keeper.look() or (keeper.files, keeper.branch) != before:
                        changed()
            self.looks += 1
            spent = time.monotonic() - started
            await asyncio.sleep(max(_LOOK_SECONDS, _IDLE_RATIO * spent))

    async def flush(self) -> None:
        """Upload what has changed now, what changed last first: the time may not do for all."""
        if self._is_waiting() or self.is_off:
            return
        keepers = sorted(self._current(), key=lambda each: -each.changed_at)
        turns = asyncio.Semaphore(_AT_A_STOP)

        async def look(keeper: WorkKeeper) -> None:
            async with turns:
                await keeper.look(at_once=True)

        await asyncio.gather(*(look(keeper) for keeper in keepers))

    def model(self, name: str) -> WorkStatus:
        """Return a project's REST model."""
        keeper = self._keepers.get(name)
        return keeper.model() if keeper is not None else no_work()

    def is_kept(self, name: str) -> bool:
        """Whether a project's work in progress is, or has been, in its place in the workspace."""
        keeper = self._keepers.get(name)
        return self.is_off or (keeper is not None and keeper.is_settled)

    def pending(self) -> list[str]:
        """Return the names of projects whose work in progress is not in the workspace."""
        return sorted(name for name, keeper in self._keepers.items() if keeper.is_pending)

    def _current(self) -> list[WorkKeeper]:
        syncs = {sync.destination.project: sync for sync in self._syncs()}
        for name in [*self._keepers]:
            if self._keepers[name].sync is not syncs.get(name):
                del self._keepers[name]
        for name, sync in syncs.items():
            if name not in self._keepers:
                self._keepers[name] = WorkKeeper(sync, self._secrets, self._log)
        return [*self._keepers.values()]

"""Random histories, faults and kills: every ref is restored, and HEAD's tree is in the workspace.

Each run has other sequences: their first seed is random.  A failure prints its seed; to repeat it,
set ``GIT_SYNC_SEED`` to it and ``GIT_SYNC_SEQUENCES``, the number of sequences (default 40), to 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo

import pytest

from dbx_workspace.platform_errors import PlatformError
from jupyter_dbx_agents.errors import DbxAgentsError, GitError, GitStoppedError, GitSyncError
from jupyter_dbx_agents.git_sync import history, project_sync
from jupyter_dbx_agents.git_sync.project_sync import ProjectSync
from tests.support.constants import OWNER

from .conftest import Killed, Site, marker_of
from .random_history import RandomHistory

SEQUENCES = int(os.environ.get("GIT_SYNC_SEQUENCES", "40"))
FIRST_SEED = int(os.environ.get("GIT_SYNC_SEED") or random.randrange(10**9))
AT_A_TIME = 20
STEPS = 6
PLACES = ["/api/2.0/workspace", "^.*/import$", "^.*/delete$", "^.*/mkdirs$"]
FAULTS = ["status", "429", "drop_before", "drop_after"]


class JumpingClock(datetime):
    """A clock that somebody sets while the server runs."""

    offset = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.offset


@contextlib.contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """No file grows beyond some bytes, whoever writes it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Sequence:
    """One project's random life."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.random, self.name = site, random.Random(seed), f"p{seed}"
        self.history = RandomHistory(
            site.projects / self.name, self.random, {**site.environment, "HOME": str(site.home)}
        )
        self.foreign: dict[str, bytes] = {}
        self.sync: ProjectSync
        # The refs that were reported safe last, and those of attempts after that.
        self.safe: list[dict[str, str]] = []
        self.is_safe = self.was_safe = False
        # What happens at which call of the attempt that runs, and the refs after each such step.
        self.at_calls: list[tuple[int, Callable[[], None]]] = []
        self.during: list[dict[str, str]] = []
        # Commits that only the workspace had when the project was cloned again.
        self.kept: set[str] = set()
        self.log: list[str] = []

    async def run(self) -> None:
        self.history.initialize()
        self.sync = self.site.project_sync(self.name)
        for _ in range(STEPS):
            for _ in range(self.random.randint(1, 2)):
                self.log.append(self.history.step())
            await self.attempt()
            self.somebody_else()
            if self.random.random() < 0.1:
                await self.lose_the_disk()
            if self.random.random() < 0.1:
                await self.clone_again()
            if self.random.random() < 0.1:
                JumpingClock.offset = timedelta(days=self.random.randint(-900, 900))
        await self.settle()
        self.check()
        self.safe, self.was_safe = [self.history.refs()], True
        await self.lose_the_disk()

    async def attempt(self) -> None:
        """One pass, among faults; it may be killed between any two calls, or at one."""
        transport, faults = self.site.transport, self.site.workspace.faults
        chance = self.random.random()
        if chance < 0.45:
            transport.dies_at = transport.count + self.random.randint(1, 14)
            transport.dies_after_effect = self.random.random() < 0.5
        if self.random.random() < 0.4:
            for _ in range(self.random.randint(1, 3)):
                kind = self.random.choice(FAULTS)
                times = self.random.choice([1, 2, 5])
                match = self.random.choice(PLACES)
                self.site.fault(kind, match, times=times, status=503)
        if self.random.random() < 0.1:
            self.at_call(transport.count + self.random.randint(1, 8), self.token_dies)
        now = self.history.refs()
        self.safe.append(now)
        self.is_safe = False
        is_full = self.random.random() < 0.1
        has_two_servers = self.random.random() < 0.15
        # On a full disk git would fail, too; a second server may look while it is half done.
        if not is_full and not has_two_servers and self.random.random() < 0.4:
            self.at_call(transport.count + self.random.randint(1, 8), self.step_during_the_pass)
        most_bytes = self.random.choice([0, 300, 3000]) if is_full else resource.RLIM_INFINITY
        try:
            with full_disk(most_bytes):
                audits = self.random.random() < 0.1
                await (self.run_two_servers() if has_two_servers else self.sync.run(audits=audits))
            self.log.append("synced")
            if self.sync.history.problem == "":
                self.safe, self.is_safe, self.was_safe = [now, *self.during], True, True
        except Killed:
            self.log.append("killed")
            self.restart()
        except (DbxAgentsError, OSError) as error:
            self.log.append(f"failed: {error}")
            expected = (GitError, GitStoppedError) if is_full else GitStoppedError
            assert not isinstance(error, GitSyncError) or isinstance(error, expected), error
            assert is_full or not isinstance(error, OSError)
        faults.clear()
        self.safe += [state for state in self.during if state not in self.safe]
        self.during.clear()
        self.site.transport.dies_at = -1
        self.at_calls.clear()

    async def run_two_servers(self) -> None:
        """A second server at the same home."""
        self.log.append("two servers")
        other = self.site.project_sync(self.name)
        results = await asyncio.gather(self.sync.run(), other.run(), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def at_call(self, count: int, action: Callable[[], None]) -> None:
        self.at_calls.append((count, action))

        def act(now: int) -> None:
            for at, planned in self.at_calls:
                if at == now:
                    planned()

        self.site.transport.before_request = act

    def token_dies(self) -> None:
        pats = self.site.pats
        # One that died in an earlier pass, of which nothing was sent since, is still in use.
        if self.site.is_live(pats.token):
            pats.next_token = self.site.mint()
            self.site.revoke(pats.token)

    def step_during_the_pass(self) -> None:
        self.log.append(f"{self.history.step()} during the pass")
        self.during.append(self.history.refs())
        self.sync.wake()

    def restart(self) -> None:
        self.site.connect()
        self.sync = self.site.project_sync(self.name)

    def somebody_else(self) -> None:
        """Others write and delete; on names that git may use only while nothing is pending."""
        marker = self.sync.marker
        is_quiet = marker is not None and marker.pending is None
        for _ in range(self.random.choice([0, 0, 1, 2])):
            chance = self.random.random()
            if self.foreign and chance < 0.3:
                path = self.random.choice(list(self.foreign))
                self.delete_with_empty_folders(path)
                del self.foreign[path]
            elif chance < 0.4 and self.ours():
                self.site.delete_foreign(f"{self.name}/{self.random.choice(self.ours())}")
                self.log.append("vandalised")
            elif chance < 0.5 and is_quiet and self.ours():
                edited = b"edited by somebody " * 20  # which is longer than all that we write
                self.site.put_foreign(f"{self.name}/{self.random.choice(self.ours())}", edited)
                self.log.append("edited")
            else:
                path = self.history._path() if is_quiet else f"their {self.random.random()}"
                self.put_foreign(path)

    def delete_with_empty_folders(self, path: str) -> None:
        """An empty folder of theirs would be in the way of a file, rightly."""
        self.site.delete_foreign(f"{self.name}/{path}")
        with contextlib.suppress(PlatformError):
            while "/" in path:
                path = path.rpartition("/")[0]
                self.site.delete_foreign(f"{self.name}/{path}")

    def ours(self) -> list[str]:
        return sorted(self.site.remote(self.name).keys() - self.foreign.keys())

    def put_foreign(self, path: str) -> None:
        there, folders = self.site.remote(self.name), self.site.remote_folders(self.name)
        above = {path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)}
        if not there or path in there or path in folders or above & there.keys():
            return
        if self.is_known_as_ours(path):
            return
        content = b"foreign " + str(self.random.random()).encode()
        self.site.put_foreign(f"{self.name}/{path}", content)
        self.foreign[path] = content
        self.log.append(f"foreign {path!r}")

    def is_known_as_ours(self, path: str) -> bool:
        """What is put in the place of a file of ours counts as an edit of it, and stays ours."""
        marker = self.sync.marker
        if marker is None:
            return False
        commit = self.history.commits.get(marker.commit)
        return commit is None or (path in commit.tree and path not in marker.skipped)

    async def lose_the_disk(self) -> None:
        """A restart on the platform: everything here is gone, and comes back."""
        if not self.was_safe:
            return
        self.log.append("restored")
        detached = self.history.heads_of_worktrees() if len(self.safe) == 1 else set()
        self.remove_all()
        self.site.connect()
        restored = await self.site.restorer().restore(self.name)
        assert restored.has_history
        refs = self.history.refs()
        before = dict(refs)
        if is_newer := self.history.is_newer_than_its_history():
            assert not self.is_safe
            name = self.history.git("symbolic-ref", "HEAD").decode().strip()
            before[name] = self.history.git("rev-parse", "HEAD^").decode().strip()
        for name in before.keys() | self.safe[0].keys():
            assert before.get(name) in {state.get(name) for state in self.safe}, name
        # The commit that a restore makes of newer files is not safe yet.
        self.safe = [before, refs] if is_newer else [refs]
        for oid in detached | self.kept:
            self.history.git("cat-file", "-e", oid)
        self.sync = self.site.project_sync(self.name)
        self.history.reload()
        if is_newer:  # whatever was there is in it
            self.foreign = {p: c for p, c in self.foreign.items() if p not in self.history.files()}
        worktree = {
            str(path.relative_to(self.history.folder)): path.read_bytes()
            for path in self.history.folder.rglob("*")
            if path.is_file() and not path.is_symlink() and ".git" not in path.parts
        }
        assert worktree == self.history.files()

    async def clone_again(self) -> None:
        """Somebody deletes the folder, and clones it as it was pushed: without most refs."""
        if self.history.head is None or not self.is_safe or len(self.safe) > 1:
            return
        self.log.append("cloned again")
        remote = self.site.home / "remote.git"
        shutil.rmtree(remote, ignore_errors=True)
        self.history.git("clone", "-q", "--bare", "--single-branch", ".", str(remote))
        for folder in self.site.projects.iterdir():
            shutil.rmtree(folder)
        self.site.git(self.site.projects, "clone", "-q", "-n", "--no-tags", str(remote), self.name)
        self.history.git("remote", "remove", "origin")
        self.history.reload()
        for oid in {oid for oid in self.safe[0].values() if " " not in oid}:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.history.git("cat-file", "-e", oid)
                continue
            self.kept.add(oid)
        self.log.append(f"kept: {self.kept}")
        self.is_safe = False
        while not self.is_safe:  # a rewritten clone would be another repository
            await self.attempt()

    async def settle(self) -> None:
        """No more faults."""
        if self.history.head is None:
            self.history.edit()
        self.restart()
        await self.sync.run(audits=True)
        self.log.append("settled")

    def remove_all(self) -> None:
        """What a restart of the platform leaves: nothing."""
        shutil.rmtree(self.site.mirrors, ignore_errors=True)
        for folder in self.site.projects.iterdir():
            shutil.rmtree(folder)

    def check(self) -> None:
        remote, wanted = self.site.remote(self.name), self.history.files()
        blocked = {path for path in wanted if self.is_blocked(path)}
        expected = {path: c for path, c in wanted.items() if path not in blocked} | self.foreign
        assert remote == expected
        head, marker = self.history.head, marker_of(self.sync)
        assert head is not None
        symlinks = {path for path, (mode, _) in head.tree.items() if mode == "120000"}
        assert set(marker.skipped) == blocked | symlinks
        assert marker.pending is None
        assert head.oid == marker.commit

    def is_blocked(self, path: str) -> bool:
        """Whether others have something at, above or below a path."""
        return any(
            path == theirs or path.startswith(f"{theirs}/") or theirs.startswith(f"{path}/")
            for theirs in self.foreign
        )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("offset", range(0, SEQUENCES, AT_A_TIME))
async def test_the_workspace_ends_with_heads_tree_plus_what_others_put_there(
    site: Site, offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (history, project_sync):
        monkeypatch.setattr(module, "datetime", JumpingClock)
    seeds = range(FIRST_SEED + offset, FIRST_SEED + min(offset + AT_A_TIME, SEQUENCES))
    print(f"seeds {seeds[0]} to {seeds[-1]}")
    for seed in seeds:
        sequence = Sequence(site, seed)
        try:
            await sequence.run()
        except BaseException:
            print(f"GIT_SYNC_SEED={seed} GIT_SYNC_SEQUENCES=1:", *sequence.log, sep="\n  ")
            raise
        sequence.remove_all()
        with contextlib.suppress(Exception):
            site.workspace.files.delete(OWNER, f"/Users/{OWNER}/projects", recursive=True)

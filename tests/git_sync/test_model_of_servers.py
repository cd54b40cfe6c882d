"""Several repositories under one server that is killed and loses its disk, among faults.

What each ref of each repository was when it was reported safe last, or later, comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from pathlib import Path

import pytest

from jupyter_dbx_agents.git_sync import GitSync
from jupyter_dbx_agents.git_sync.local.mirror import Mirror
from jupyter_dbx_agents.git_sync.local.projects import locate
from jupyter_dbx_agents.git_sync.local.repository import Repository

from .conftest import Site, until
from .random_history import RandomHistory
from .test_model import FAULTS, FIRST_SEED, PLACES, SEQUENCES, full_disk

NAMES = ("one", "two", "three")
LIVES = 3
STEPS = 4
# These change refs step by step, so that a server may see them when one is not there.
IN_STEPS = {"rewrite", "amend", "orphan", "stash", "drop_stash"}


class Project:
    """One repository, and the values that each of its refs may have after a restore."""

    def __init__(self, site: Site, name: str, random_: random.Random) -> None:
        environment = {**site.environment, "HOME": str(site.home)}
        self.name, self.log = name, list[str]()
        self.history = RandomHistory(site.projects / name, random_, environment)
        self.history.initialize()
        self.history.edit()
        self.allowed: dict[str, set[str | None]] = {}
        self.was_safe = self.is_safe = False
        self.note()

    def note(self, *, is_safe: bool = False, in_steps: bool = False) -> None:
        """Add the refs as they are, or let them be the only ones."""
        refs = self.history.refs()
        for name in {*self.allowed, *refs}:
            before = set() if is_safe else self.allowed.get(name, {None})
            between: set[str | None] = {None} if in_steps else set()
            self.allowed[name] = {*before, *between, refs.get(name)}
        self.is_safe = is_safe
        self.was_safe |= is_safe

    def step(self) -> None:
        self.log.append(self.history.step())
        self.note(in_steps=self.log[-1] in IN_STEPS)

    def look(self, sync: GitSync) -> None:
        """Note the refs as safe if that is what the status says of them."""
        if self.is_called_safe(sync):
            self.note(is_safe=True)
            self.log.append("safe")

    def is_called_safe(self, sync: GitSync) -> bool:
        """Whether the status says that all refs, as they are, are safe."""
        known = sync._assembly.histories.get((self.history.folder / ".git").resolve())
        state = known._newest if known is not None and not known.problem else None
        refs = {name: oid for name, oid in self.history.refs().items() if name != "stashes"}
        if state is None or known is None or known.safe_at != state.made_at:
            return False
        kept = {n: o for n, o in state.snapshot.refs.items() if not n.startswith("refs/dbx/")}
        return kept == refs and state.snapshot.head == f"refs/heads/{self.history.branch}"

    def check_restored(self) -> None:
        refs = self.history.refs()
        if self.history.is_newer_than_its_history():
            self.log.append("newer")
            assert not self.is_safe
            branch = self.history.git("symbolic-ref", "HEAD").decode().strip()
            refs[branch] = self.history.git("rev-parse", "HEAD^").decode().strip()
        for name in {*self.allowed, *refs}:
            assert refs.get(name) in self.allowed.get(name, {None}), name
        self.history.reload()
        # These come back again; the commit that the restore made of newer files may.
        self.allowed = {name: {oid} for name, oid in refs.items()}
        self.note()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("offset", range(max(1, SEQUENCES // 20)))
async def test_a_killed_server_has_lost_nothing_of_several_repositories(
    site: Site, offset: int
) -> None:
    seed = FIRST_SEED + offset
    print(f"GIT_SYNC_SEED={seed} GIT_SYNC_SEQUENCES=1")
    random_ = random.Random(seed)
    projects = [Project(site, name, random_) for name in NAMES]
    try:
        for _ in range(LIVES):
            await live(site, projects, random_)
            if random_.random() < 0.7:
                await lose_the_disk(site, projects)
        site.connect()
        sync = site.git_sync()
        await sync.start()
        await until(lambda: all(is_synced(sync, each) for each in projects), "all are synced")
        await until(lambda: all(each.is_called_safe(sync) for each in projects), "all refs")
        await sync.stop()
        for project in projects:
            assert site.remote(project.name) == project.history.files()
            project.note(is_safe=True)
        await lose_the_disk(site, projects)
    except BaseException:
        for project in projects:
            print(project.name, *project.log, sep="\n  ")
        raise


async def live(site: Site, projects: list[Project], random_: random.Random) -> None:
    """One server's life, from its start to its kill."""
    site.connect()
    sync = site.git_sync()
    await sync.start()
    for _ in range(STEPS):
        if random_.random() < 0.3:
            place, kind = random_.choice(PLACES), random_.choice(FAULTS)
            site.fault(kind, place, times=random_.choice([1, 3]), status=503)
        for project in random_.sample(projects, 2):
            project.step()
        limit = random_.choice([0, 500, 5000]) if random_.random() < 0.1 else 1 << 40
        with full_disk(limit):
            await asyncio.sleep(random_.choice([0, 0.1, 0.5]))
        for project in projects:
            project.look(sync)
    site.transport.dies_at = site.transport.count + random_.randint(1, 10)
    site.transport.dies_after_effect = random_.random() < 0.5
    with contextlib.suppress(AssertionError):  # it may have nothing to do
        await until(lambda: site.transport.is_dead, seconds=1)
    site.transport.is_dead = True
    await sync.stop()
    site.workspace.faults.clear()


async def lose_the_disk(site: Site, projects: list[Project]) -> None:
    known = [project for project in projects if project.was_safe]
    for project in known:
        project.log.append("restored")
        shutil.rmtree(mirror_folder(site, project), ignore_errors=True)
        for folder in site.projects.glob(f"{project.name}*"):
            shutil.rmtree(folder)
    site.connect()
    for project in known:
        restored = await site.restorer().restore(project.name)
        assert restored.has_history
        project.check_restored()


def mirror_folder(site: Site, project: Project) -> Path:
    """Where its mirror is; those of projects that stay, stay."""
    location = locate(project.history.folder)
    assert location is not None
    repository = Repository(location, site.environment)
    return Mirror(site.mirrors, repository, site.environment).folder


def is_synced(sync: GitSync, project: Project) -> bool:
    head = project.history.head
    model = next((m for m in sync.status() if m["name"] == project.name), None)
    if head is None or model is None or model["state"] != "synced":
        return False
    return model["commit"] == head.oid == model["history"]["commit"]

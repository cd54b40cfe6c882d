"""The whole: from a commit to the workspace, through outages, without a token, and again."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.errors import GitSyncError, RestoreError
from jupyter_dbx_agents.git_sync import GitSync, uninstall
from tests.support.constants import OWNER
from tests.support.effort import IS_LONG

from .conftest import Site, until


def model(sync: GitSync, name: str) -> dict[str, Any]:
    projects: list[Any] = [*sync.status()]
    return next((each for each in projects if each["name"] == name), {"state": "unknown"})


async def synced(site: Site, sync: GitSync, name: str, state: str = "synced") -> dict[str, Any]:
    head = site.git(name, "rev-parse", "HEAD")

    def is_synced() -> bool:
        now = model(sync, name)
        return bool(now["state"] == state and now["commit"] == head)

    await until(is_synced, f"{name}: {model(sync, name)}")
    return model(sync, name)


@pytest.mark.usefixtures("without_lfs")
async def test_commits_arrive_through_the_hook_alone(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync(look_seconds=1000.0)
    notified = []
    sync.on_change.append(lambda: notified.append(sync.status()))
    await sync.start()
    await synced(site, sync, "p")
    for step in range(3):
        site.commit("p", {"a": f"step {step}"})
        await synced(site, sync, "p")
        assert site.remote("p") == {"a": f"step {step}".encode()}
    site.make("new", a="1")
    await until(lambda: site.remote("new"), "a project made after the start")
    assert await until(lambda: notified)


async def test_what_no_hook_saw_arrives_all_the_same(site: Site) -> None:
    site.make("p", a="1")
    site.commit("p", {"a": "2"})
    sync = site.git_sync(installs_hooks=False, sets_identity=False)
    await sync.start()
    await synced(site, sync, "p")
    site.git("p", "reset", "-q", "--hard", "HEAD^")
    await synced(site, sync, "p")
    site.git("p", "pack-refs", "--all")
    site.commit("p", {"a": "3"})
    await synced(site, sync, "p")
    assert site.remote("p") == {"a": b"3"}
    assert not (site.projects / "p/.git/hooks/post-commit").exists()
    assert not (site.home / ".config/git").exists()


async def test_repositories_inside_others_of_the_same_name_and_worktrees(site: Site) -> None:
    for name in ("one", "two"):
        site.make(name, own=name)
        site.make(f"{name}/lib", lib=f"of {name}")
    site.make("group/deep", a="1")
    site.git("one", "worktree", "add", "-q", "-b", "side", "../tree")
    site.git("one", "worktree", "add", "-q", "-b", "agent", ".claude/worktrees/agent")
    site.commit("tree", {"side": "s"})
    sync = site.git_sync()
    await sync.start()
    names = [
        "one",
        "two",
        "one/lib",
        "two/lib",
        "group/deep",
        "tree",
        "one/.claude/worktrees/agent",
    ]
    for name in names:
        await synced(site, sync, name)
    assert site.remote("one/lib") == {"lib": b"of one"}
    assert site.remote("two/lib") == {"lib": b"of two"}
    assert site.remote("tree") == {"own": b"one", "side": b"s"}
    assert site.remote("one") == {
        "own": b"one",
        "lib/lib": b"of one",
        ".claude/worktrees/agent/own": b"one",
    }
    bundles = {name: site.remote(f".dbx-agents/{name}").keys() for name in ("one", "tree")}
    assert any("history-" in name for name in bundles["one"])
    assert bundles["tree"] == {"sync.json"}, "worktrees share one history"


@pytest.mark.usefixtures("without_lfs")
async def test_a_home_behind_a_link(site: Site, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(site.home)
    site.home, site.projects = link, link / "projects"
    site.make("p", a="1")
    sync = site.git_sync(look_seconds=1000.0)
    await sync.start()
    await synced(site, sync, "p")
    site.commit("p", {"a": "2"})
    await synced(site, sync, "p")
    assert site.remote("p") == {"a": b"2"}


async def test_without_a_token_it_waits_and_then_goes_on(site: Site) -> None:
    token, site.pats.token = site.pats.token, None
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await until(lambda: model(sync, "p")["state"] == "waiting")
    assert "Paste a token" in model(sync, "p")["message"]
    for ask in (sync.restorable, sync.restore, sync.sync_now):
        with pytest.raises(GitSyncError, match="no token"):
            await ask()
    site.pats.token = token
    sync.pat_changed()
    await synced(site, sync, "p")


async def test_stop_flushes_what_was_committed_just_now(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync(look_seconds=1000.0, trigger_seconds=1000.0)
    await sync.start()
    await synced(site, sync, "p")
    site.commit("p", {"a": "last words"})
    await sync.stop(flush_seconds=10)
    assert site.remote("p") == {"a": b"last words"}


async def test_restore_all_after_a_restart(site: Site) -> None:
    for name in ("one", "two", "one/lib"):
        site.make(name, a=name)
    sync = site.git_sync()
    await sync.start()
    for name in ("one", "two", "one/lib"):
        await synced(site, sync, name)
    before = {name: site.git(name, "log", "--format=%H") for name in ("one", "two", "one/lib")}
    await sync.stop()
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    (site.projects / ".restoring-leftover").mkdir()
    fresh = site.git_sync()
    await fresh.start()
    assert not (site.projects / ".restoring-leftover").exists()
    found = [(each.name, each.note) for each in await fresh.restorable()]
    assert found == [(name, "") for name in ("one", "one/lib", "two")]
    restored = await fresh.restore()
    assert [each.name for each in restored] == ["one", "one/lib", "two"]
    assert {n: site.git(n, "log", "--format=%H") for n in before} == before
    site.commit("one", {"a": "goes on"})
    await synced(site, fresh, "one")
    with pytest.raises(RestoreError):
        await fresh.restore("two")
    assert await fresh.restore() == []


async def test_a_restore_that_is_asked_for_before_the_start_is_not_taken_for_a_leftover(
    site: Site,
) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    site.fault("latency", "/api/2.0/workspace/export", seconds=1)
    sync = site.git_sync()
    restoring = asyncio.create_task(sync.restore("p"))
    await until(lambda: [*site.projects.glob(".restoring-*")], "the restore has begun")
    await sync.start()
    assert [each.missing for each in await restoring] == [()]
    assert (site.projects / "p/a").read_text() == "1"


async def test_the_identity_is_the_workspace_users(site: Site) -> None:
    folder = site.make("p")
    sync = site.git_sync()
    await sync.start()

    def says() -> str:
        path = site.home / ".local/share/jupyter_dbx_agents/git/config"
        return path.read_text() if path.exists() else ""

    await until(lambda: "Olive Owner" in says() and OWNER in says())
    await sync.install_hooks()
    assert "Olive Owner" in says(), "a terminal that opens does not undo it"
    uninstall(site.home, site.projects)
    await sync.install_hooks()
    assert "Olive Owner" in says(), "with our hooks it comes back, too"
    assert folder.exists()


async def test_only_projects_are_synced(site: Site) -> None:
    outside = site.home / "outside"
    outside.mkdir()
    site.git(outside, "init", "-q")
    site.make("p/.cache/clone", a="1")
    site.make("p/node_modules/x", a="1")
    sync = site.git_sync()
    await sync.start()
    site.git(outside, "-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "m")
    site.commit("p/.cache/clone", {"a": "2"})
    site.make("q", a="1")
    await synced(site, sync, "q")
    names = {each["name"]: each["state"] for each in sync.status()}
    assert names == {"p/.cache/clone": "unfit", "p/node_modules/x": "unfit", "q": "synced"}


WORKER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.git_sync.conftest import Pats, OWNER
from jupyter_dbx_agents.git_sync import GitSync
from jupyter_dbx_agents.workspace_api import WorkspaceApi

async def main():
    home = Path(sys.argv[3])
    sync = GitSync(home=home, projects=home / "projects", origin="app",
        api=WorkspaceApi(sys.argv[2]), pats=Pats(sys.argv[4]), user=lambda: OWNER,
        requests_per_second=1e5, request_retry_seconds=0.01)
    await sync.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


def has_requests(site: Site, count: int) -> bool:
    return len(site.workspace.requests.since(0, "")) >= count


async def test_kill_minus_nine_of_the_real_process_at_any_call_loses_nothing(site: Site) -> None:
    site.make("p")
    files = {f"d{i % 3}/f{i}": str(i) for i in range(12)}
    site.commit("p", files)
    for kill_at in (1, 3, 5, 9, 14) if IS_LONG else (1, 5, 14):
        site.commit("p", {path: f"{kill_at} {path}" for path in files} | {f"new{kill_at}": "1"})
        site.workspace.requests.clear()
        # Each import takes its time, so that the kill comes in the middle of some.
        site.fault("latency", "/api/2.0/workspace", seconds=0.02)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORKER,
            str(Path(__file__).parents[2]),
            site.server.url,
            str(site.home),
            site.mint(),
            env=site.environment,
        )
        try:
            await until(partial(has_requests, site, kill_at), "", 60)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        site.workspace.faults.clear()
    await site.project_sync("p").run()
    names = site.git("p", "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert site.remote("p") == {n: (site.projects / "p" / n).read_bytes() for n in names}

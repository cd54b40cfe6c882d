"""The life of a project: what stops its sync is said, and everything that stops ends by itself."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import resource
import shutil
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_dbx_agents.errors import GitSyncError
from jupyter_dbx_agents.git_sync import GitSync, watch
from jupyter_dbx_agents.git_sync.local import mirror
from jupyter_dbx_agents.git_sync.local.projects import Location, fingerprint
from jupyter_dbx_agents.git_sync.states import Cause, SyncState, Waker, explained

from .conftest import ROOT, Site, until
from .test_git_sync import model, synced

DOCS = Path(__file__).parents[2] / "docs/projects.md"


def test_the_documentation_has_each_cause_with_its_state_and_what_ends_it():
    rows = [
        f"| {cause.value.text} | {cause.state} | {'; '.join(cause.value.wakers)} |"
        for cause in Cause
    ]
    assert "\n".join(rows) in DOCS.read_text(encoding="utf-8")


def test_no_state_is_without_something_that_ends_it():
    assert {cause.state for cause in Cause} == set(SyncState)
    assert all(cause.value.wakers for cause in Cause)
    assert {waker for cause in Cause for waker in cause.value.wakers} == set(Waker)


FORBIDDEN: dict[str, Any] = {
    "status": 403,
    "error_code": "PERMISSION_DENIED",
    "message": "No such scope.",
}


async def test_a_better_token_ends_a_refusal(site: Site) -> None:
    site.make("p", a="1")
    site.fault("status", **FORBIDDEN)
    sync = site.git_sync()
    await sync.start()
    await until(lambda: model(sync, "p")["state"] == "refused")
    site.workspace.faults.clear()
    site.pats.token = site.mint()
    sync.pat_changed()
    await synced(site, sync, "p")


async def test_a_refusal_is_checked_again_after_a_while(site: Site) -> None:
    site.make("p", a="1")
    site.fault("status", **FORBIDDEN)
    sync = site.git_sync(most_retry_seconds=0.5)
    await sync.start()
    await until(lambda: model(sync, "p")["state"] == "refused")
    assert await until(lambda: model(sync, "p")["next_try_at"], "the time of the check")
    site.workspace.faults.clear()
    await synced(site, sync, "p")


async def test_the_outer_projects_sync_ends_the_refusal_of_an_inner_one(site: Site) -> None:
    site.make("a")
    site.commit("a", {"b/file": "outer", "other": "1"})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "a")
    site.fault("latency", "/api/2.0/workspace/delete", seconds=1.0)
    site.git("a", "rm", "-q", "-r", "--cached", "b")
    shutil.rmtree(site.projects / "a/b")
    site.make("a/b", inner="1")
    await sync.install_hooks()
    site.git("a", "commit", "-q", "-m", "without b")
    await until(lambda: model(sync, "a/b")["state"] == "refused", "the refusal of the inner one")
    await synced(site, sync, "a/b")
    assert site.remote("a/b") == {"inner": b"1"}


async def test_a_freed_disk_ends_the_lack_of_a_history(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": bytes(range(256)) * 40})
    sync = site.git_sync(most_retry_seconds=0.1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        await sync.start()
        await until(lambda: "Free some space" in str(model(sync, "p")), "a full disk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await until(lambda: model(sync, "p")["history"]["safe_at"], "the history")


def log_in_page(request: httpx.Request) -> httpx.Response:
    headers = {"content-type": "text/html; charset=utf-8"}
    return httpx.Response(200, headers=headers, text="<html>Log in</html>", request=request)


async def test_a_proxys_page_is_taken_for_an_outage_and_for_nothing_else(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync(most_retry_seconds=0.2)
    site.transport.instead = log_in_page
    await sync.start()
    await until(lambda: model(sync, "p")["state"] == "retrying", "a retry")
    now = model(sync, "p")
    assert "web page" in now["message"]
    assert "take-over" not in now["hint"]
    assert now["history"]["safe_at"] == ""
    site.transport.instead = None
    await synced(site, sync, "p")
    assert site.remote("p") == {"a": b"1"}


def with_next_try(sync: GitSync, name: str) -> dict[str, Any] | None:
    now = model(sync, name)
    return now if now["next_try_at"] else None


IN_TWO_HOURS = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)


@pytest.mark.parametrize("retry_after", ["7200", IN_TWO_HOURS], ids=["seconds", "time"])
async def test_a_long_retry_after_is_said_and_holds_nobody_for_hours(
    site: Site, retry_after: str
) -> None:
    site.make("p", a="1")
    site.make("q", a="1")
    site.fault("429", retry_after=retry_after)
    sync = site.git_sync(request_retry_seconds=0.01)
    await sync.start()
    for name in ("p", "q"):
        now = await until(partial(with_next_try, sync, name), f"the next try of {name}")
        assert now["state"] == "retrying"
    assert any("pause of" in str(model(sync, name)["message"]) for name in ("p", "q"))
    answers = await asyncio.wait_for(sync.sync_now(), 20)
    assert {each["state"] for each in answers} == {"retrying"}
    [pause] = [w._files._pause_seconds(Cause.AWAY, 7200.0) for w in [sync._workers["p"]]]
    assert pause is not None and pause <= 300 * 1.25


async def test_thousands_of_failures_in_a_row_do_not_overflow(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    loop = sync._workers["p"]._files
    loop._failures = 5000
    assert loop._pause_seconds(Cause.AWAY, 0.0) is not None


async def test_a_removed_state_folder_is_made_again(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    shutil.rmtree(site.home / ".local/state/jupyter_dbx_agents")
    head = site.commit("p", {"a": "2"})
    await synced(site, sync, "p")
    await until(lambda: model(sync, "p")["history"]["commit"] == head, "its history")
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    [restored] = await site.git_sync().restore()
    assert restored.has_history and site.git("p", "rev-parse", "HEAD") == head


@pytest.mark.parametrize("lock", ["update", "upload", "files"])
async def test_a_suspended_second_server_is_named_and_holds_no_command(
    site: Site, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(mirror, "_LOCK_SECONDS", 0.2)
    site.make("p", a="1")
    sync = site.git_sync(most_retry_seconds=0.2)
    await sync.start()
    await synced(site, sync, "p")
    path = next(site.mirrors.glob(f"*/{lock}*.lock"))
    with path.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        site.commit("p", {"a": "2"})
        [now] = await asyncio.wait_for(sync.sync_now("p"), 20)
        assert now["state"] == "retrying" and "Another server" in now["message"]
        assert str(path) in now["hint"]
    await synced(site, sync, "p")


async def test_where_there_can_be_no_state_folder_all_is_kept_and_that_is_said(site: Site) -> None:
    (site.home / ".local").write_text("a file in its place")
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    now = await synced(site, sync, "p")
    assert now["history"]["kept"] and ".local" in now["history"]["note"]


async def test_one_odd_repository_ends_no_watching(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("odd", a="1")
    site.make("p", a="1")

    def fail(location: Location) -> int:
        if location.folder.name == "odd":
            raise RecursionError
        return fingerprint(location)

    monkeypatch.setattr(watch, "fingerprint", fail)
    sync = site.git_sync(installs_hooks=False)
    await sync.start()
    await synced(site, sync, "p")
    site.commit("p", {"a": "2"})
    await synced(site, sync, "p")


# ---- gone, renamed, forgotten


async def after_the_loss_of_the_machine(site: Site, sync: GitSync) -> GitSync:
    await sync.stop(10)
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    site.connect()
    fresh = site.git_sync()
    await fresh.start()
    return fresh


async def test_a_deleted_project_comes_back_by_its_name_and_not_with_all(site: Site) -> None:
    head = site.make("gone", a="1") and site.git("gone", "rev-parse", "HEAD")
    site.make("kept", a="1")
    sync = site.git_sync()
    await sync.start()
    for name in ("gone", "kept"):
        await synced(site, sync, name)
    shutil.rmtree(site.projects / "gone")
    await until(lambda: model(sync, "gone")["state"] == "gone", "a word about it")
    assert "restore gone" in model(sync, "gone")["hint"]
    fresh = await after_the_loss_of_the_machine(site, sync)
    found = {each.name: each.note for each in await fresh.restorable()}
    assert found.keys() == {"gone", "kept"} and "deleted" in found["gone"] and not found["kept"]
    assert [each.name for each in await fresh.restore()] == ["kept"]
    await fresh.restore("gone")
    await synced(site, fresh, "gone")
    assert site.git("gone", "rev-parse", "HEAD") == head
    again = await after_the_loss_of_the_machine(site, fresh)
    assert {each.name for each in await again.restore()} == {"gone", "kept"}


async def test_a_project_deleted_and_cloned_again_is_not_gone(site: Site) -> None:
    site.make("origin", a="1")
    site.git(site.projects, "clone", "-q", "origin", "p")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    shutil.rmtree(site.projects / "p")
    await until(lambda: model(sync, "p")["state"] == "gone")
    site.git(site.projects, "clone", "-q", "origin", "p")
    await synced(site, sync, "p")
    fresh = await after_the_loss_of_the_machine(site, sync)
    assert {each.name for each in await fresh.restore()} == {"origin", "p"}


async def test_all_projects_vanishing_with_their_folder_are_not_taken_for_deleted(
    site: Site,
) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    site.projects.rename(site.home / "elsewhere")
    await until(lambda: "p" not in {each["name"] for each in sync.status()})
    fresh = await after_the_loss_of_the_machine(site, sync)
    assert [each.name for each in await fresh.restore()] == ["p"]


async def test_a_renamed_project_is_followed_and_leaves_nothing_behind(site: Site) -> None:
    site.make("moved")
    site.commit("moved", {"a": "1", "d/b": "0"})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "moved")
    site.put_foreign("moved/d/b", b"an edit")
    site.commit("moved", {"d/b": "2"})
    await synced(site, sync, "moved")
    moved = sync._workers["moved"].sync
    assert moved is not None
    site.put_foreign("moved/d/theirs", b"x")
    (site.projects / "moved").rename(site.projects / "renamed")
    await synced(site, sync, "renamed")
    await until(lambda: site.remote("moved") == {"d/theirs": b"x"}, "the end of the former copy")
    await until(lambda: not site.remote(".dbx-agents/moved"), "the end of its records")
    assert site.remote("renamed") == {"a": b"1", "d/b": b"2"}
    kept = site.remote(".dbx-agents/renamed/edited")
    assert [*kept.values()] == [b"an edit"], "which is not in the history"
    followed = sync._workers["renamed"].sync
    assert (
        followed is not None
        and followed.ownership.mirror.identity == moved.ownership.mirror.identity
    )
    assert {each["name"] for each in sync.status()} == {"renamed"}
    fresh = await after_the_loss_of_the_machine(site, sync)
    assert [(each.name, each.note) for each in await fresh.restorable()] == [("renamed", "")]


async def test_lfs_content_that_comes_later_is_synced_then(site: Site) -> None:
    """A clone has its refs before Git LFS has brought the contents."""
    content = b"large " * 1000
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    folder = site.make("p", large=pointer)
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    assert [each["path"] for each in model(sync, "p")["notes"]] == ["large"]
    store = folder / ".git/lfs/objects" / oid[:2] / oid[2:4]
    store.mkdir(parents=True)
    (store / oid).write_bytes(content)
    await until(lambda: site.remote("p")["large"] == content, "the content")
    await until(lambda: not model(sync, "p")["notes"], "the end of the note")


async def test_files_of_a_partial_clone_that_are_fetched_later_are_synced_then(site: Site) -> None:
    remote = site.make("../remote")
    site.commit(remote, {"a": "1", "d/c": "2"})
    site.git(remote, "config", "uploadpack.allowFilter", "true")
    options = ("--filter=blob:none", "--sparse")
    site.git(site.projects, "clone", "-q", *options, f"file://{remote}", "p")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    assert [each["path"] for each in model(sync, "p")["skipped"]] == ["d/c"]
    site.git("p", "sparse-checkout", "add", "d")
    await until(lambda: site.remote("p") == {"a": b"1", "d/c": b"2"}, "the other file")


async def test_a_moved_worktree_is_followed_and_leaves_nothing_behind(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "worktree", "add", "-q", "-b", "w", "../w")
    site.commit("w", {"b": "1"})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    await synced(site, sync, "w")
    site.git("p", "worktree", "move", "../w", "../v")
    await synced(site, sync, "v")
    await until(lambda: not site.remote("w") and not site.remote(".dbx-agents/w"), "its end")
    assert {each["name"] for each in sync.status()} == {"p", "v"}
    assert site.remote("v") == {"a": b"1", "b": b"1"}


async def test_a_deleted_git_folder_is_not_called_a_deleted_project(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    shutil.rmtree(site.projects / "p/.git")
    await until(lambda: model(sync, "p")["state"] == "gone")
    assert "Its .git was deleted" in model(sync, "p")["message"]
    assert "Move the folder away" in model(sync, "p")["hint"]
    (site.projects / "p").rename(site.home / "away")
    await sync.restore("p")
    await synced(site, sync, "p")


async def test_agents_worktrees_do_not_come_back_with_all(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "worktree", "add", "-q", "-b", "agent", ".claude/worktrees/agent")
    sync = site.git_sync()
    await sync.start()
    for name in ("p", "p/.claude/worktrees/agent"):
        await synced(site, sync, name)
    fresh = await after_the_loss_of_the_machine(site, sync)
    assert [each.name for each in await fresh.restore()] == ["p"]
    assert site.git("p", "branch", "--format=%(refname:short)").split() == ["agent", "main"]
    assert site.git("p", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (TimeoutError(), "No answer in time (TimeoutError).", "Sync retries."),
        (ConnectionResetError(), "No answer in time (ConnectionResetError).", "Sync retries."),
        (OSError(errno.ENOSPC, "No space", "f"), "No space. (f)", "Free some space."),
        (PermissionError(errno.EACCES, "Denied"), "Denied.", "Check its permissions."),
        (KeyError("x"), "KeyError: 'x'", "Sync retries."),
    ],
)
def test_what_is_no_error_of_ours_is_said_in_words(
    error: Exception, message: str, hint: str
) -> None:
    said = explained(error)
    assert said.message.endswith(message) and said.hint == hint


@pytest.mark.parametrize("files", [False, True])
async def test_a_forgotten_project_is_gone_for_good(site: Site, files: bool) -> None:
    site.make("team/p")
    site.commit("team/p", {"a": "1", "d/b": "2"})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "team/p")
    with pytest.raises(GitSyncError, match="still here"):
        await sync.forget("team/p")
    site.put_foreign("team/p/theirs", b"x")
    fresh = await after_the_loss_of_the_machine(site, sync)
    forgotten = await fresh.forget("team/p", files=files)
    assert forgotten.left == f"{ROOT}/team/p"
    assert site.remote("team/p").keys() == ({"theirs"} if files else {"theirs", "a", "d/b"})
    assert await fresh.restorable() == []
    assert not [n for n in site.workspace.files.all() if "/.dbx-agents/team" in n.path]
    with pytest.raises(GitSyncError, match="no project"):
        await fresh.forget("team/p")


async def test_a_project_that_another_app_syncs_is_not_forgotten_by_this_one(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p", origin="their app").run()
    shutil.rmtree(site.projects / "p")
    before = {node.path for node in site.workspace.files.all()}
    sync = site.git_sync()
    with pytest.raises(GitSyncError, match="synced by their app"):
        await sync.forget("p", files=True)
    assert {node.path for node in site.workspace.files.all()} == before
    await sync.restore("p")  # as the hint says, if that app is gone
    shutil.rmtree(site.projects / "p")
    assert (await sync.forget("p", files=True)).left == ""


@pytest.mark.parametrize("name", ["..", "../..", "", ".", "other/../p", "no such"])
async def test_a_name_from_outside_deletes_nothing(site: Site, name: str) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    site.put_foreign(".dbx-agents/..%2F..%2Fp/sync.json", b"{}")
    before = {node.path for node in site.workspace.files.all()}
    with pytest.raises(GitSyncError):
        await site.git_sync().forget(name, files=True)
    with pytest.raises(GitSyncError):
        await site.git_sync().forget("../../p", files=True)
    assert {node.path for node in site.workspace.files.all()} == before


async def test_a_forget_that_is_cut_off_does_not_come_back_with_all_and_can_be_repeated(
    site: Site,
) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    site.fault("status", "/api/2.0/workspace/delete", status=400, message="Not now.")
    sync = site.git_sync()
    with pytest.raises(Exception, match="Not now"):
        await sync.forget("p")
    assert await sync.restore() == []
    site.workspace.faults.clear()
    assert (await sync.forget("p", files=True)).left == ""
    assert await sync.restorable() == []

"""What goes wrong hurts no other project, is said with the next step, and passes."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import zlib
from pathlib import Path

import pytest

from jupyter_dbx_agents.cli import projects as commands
from jupyter_dbx_agents.errors import GitError, GitSyncError, RequestError
from jupyter_dbx_agents.git_sync.local import git as git_module
from jupyter_dbx_agents.git_sync.local.git import Git

from .conftest import Site, until
from .test_git_sync import model, synced


async def test_a_token_that_dies_half_way_is_replaced(site: Site) -> None:
    site.make("p")
    site.commit("p", {f"f{i}": str(i) for i in range(50)})
    dead = site.pats.token

    def die(count: int) -> None:
        if count == 20:
            site.revoke(dead)

    site.transport.before_request = die
    sync = site.git_sync()
    await sync.start()
    asked = asyncio.create_task(sync.sync_now("p"))
    await until(lambda: model(sync, "p")["state"] == "waiting", "the end of the token")
    sync.pat_changed()
    [answer] = await asyncio.wait_for(asked, 60)
    assert answer["state"] == "waiting" and "Paste a token" in answer["message"]
    site.pats.token = site.mint()
    sync.pat_changed()
    await synced(site, sync, "p")
    assert len(site.remote("p")) == 50


async def test_an_outage_is_reported_and_sync_resumes_after_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1")
    site.fault("status", status=503)
    sync = site.git_sync(first_retry_seconds=0.5)
    await sync.start()
    await until(lambda: model(sync, "p")["next_try_at"], "a next try")
    now = model(sync, "p")
    assert now["state"] == "retrying" and "503" in now["message"] and now["hint"]
    monkeypatch.setattr(commands, "call", lambda *_request: {"projects": [now]})
    assert f"next try at {now['next_try_at'][11:16]} UTC" in " ".join(commands.status_lines([]))
    site.workspace.faults.clear()
    await synced(site, sync, "p")
    assert model(sync, "p")["message"] == ""


async def test_a_refusal_is_reported_and_not_retried(site: Site) -> None:
    site.make("p", a="1")
    site.fault("status", status=403, error_code="PERMISSION_DENIED", message="No such right.")
    sync = site.git_sync()
    await sync.start()
    await until(lambda: model(sync, "p")["state"] == "refused")
    assert "No such right." in model(sync, "p")["message"]
    site.workspace.faults.clear()
    [now] = await sync.sync_now("p")
    assert now["state"] == "synced"


QUOTA = {"status": 400, "error_code": "QUOTA_EXCEEDED", "message": "Full."}


async def test_a_quota_is_reported_and_retried(site: Site) -> None:
    site.make("p", a="1")
    site.fault("status", "/api/2.0/workspace/import", **QUOTA)
    sync = site.git_sync(first_retry_seconds=0.05)
    await sync.start()
    await until(lambda: "Full." in model(sync, "p").get("message", ""))
    site.workspace.faults.clear()
    await synced(site, sync, "p")


async def test_a_quota_that_some_files_meet_leaves_none_out(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    site.commit("p", {"a": "2", "b": "2", "c": "3"})

    def meet_quota(count: int) -> None:
        if count == 6:
            site.fault("status", "/api/2.0/workspace/import", times=1, **QUOTA)

    site.transport.before_request = meet_quota
    site.transport.count = 0
    sync = site.git_sync(first_retry_seconds=0.05)
    await sync.start()
    assert (await synced(site, sync, "p"))["skipped"] == []
    assert site.remote("p") == {"a": b"2", "b": b"2", "c": b"3"}


async def test_retry_after_holds_everybody_back(site: Site) -> None:
    site.make("p", a="1")
    site.fault("429", retry_after="1", times=1)
    sync = site.git_sync()
    started = asyncio.get_running_loop().time()
    await sync.start()
    await synced(site, sync, "p")
    assert asyncio.get_running_loop().time() - started >= 1


def object_file(site: Site, name: str, revision: str) -> Path:
    oid = site.git(name, "rev-parse", revision)
    path = site.projects / name / ".git/objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    return path


async def test_a_broken_repository_hurts_no_other(site: Site) -> None:
    for name in ("broken", "partly", "fine", "wrong", "gap"):
        site.make(name)
        site.commit(name, {"a": f"a of {name}", "b": f"b of {name}"})
        site.commit(name, {"c": f"c of {name}"})
    object_file(site, "wrong", "HEAD:a").write_bytes(zlib.compress(b"blob 2\0xx"))
    object_file(site, "gap", "HEAD^").unlink()
    (site.projects / "gap/.git/refs/heads/lost").write_text("1" * 40 + "\n")
    (site.projects / "broken/.git/HEAD").write_text("rubbish")
    object_file(site, "partly", "HEAD:a").unlink()
    (site.projects / "empty").mkdir()
    (site.projects / "empty/.git").mkdir()
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "fine")
    partly = await synced(site, sync, "partly", "unsafe")
    assert site.remote("partly") == {"b": b"b of partly", "c": b"c of partly"}
    wrong = await synced(site, sync, "wrong")
    assert "is damaged" in wrong["skipped"][0]["reason"]
    gap = await synced(site, sync, "gap", "unsafe")
    assert site.remote("gap").keys() == {"a", "b", "c"}
    assert "history is not kept" in gap["history"]["message"]
    assert [each["path"] for each in partly["skipped"]] == ["a"]
    assert "fsck" in partly["skipped"][0]["reason"]
    assert "history is not kept" in partly["history"]["message"]
    await until(lambda: model(sync, "broken")["state"] == "retrying")
    assert "fatal: " in model(sync, "broken")["message"] and model(sync, "broken")["hint"]
    assert site.remote("broken") == {} == site.remote("empty")


async def test_files_without_their_history_are_no_success_until_it_is_safe(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1")
    site.commit("p", {"b": os.urandom(20_000)})
    site.workspace.files.max_file_bytes = 10_000
    sync = site.git_sync(first_retry_seconds=0.5)
    await sync.start()
    await synced(site, sync, "p", "unsafe")
    await until(lambda: model(sync, "p")["next_try_at"], "the next try of the history")
    answer = await sync.sync_now("p")
    monkeypatch.setattr(commands, "call", lambda *_request: {"projects": answer})
    said: list[str] = []
    with pytest.raises(RequestError, match="not safe: p"):
        said += commands.sync_lines(["p"])
    said += commands.status_lines(["p"])
    assert " unsafe " in said[0] and "history is not kept" in " ".join(said)
    site.workspace.files.max_file_bytes = 1_000_000
    now = await synced(site, sync, "p")
    assert now["history"]["safe_at"] and now["next_try_at"] is None


async def test_a_history_that_is_too_large_is_said_and_the_files_are_synced(site: Site) -> None:
    site.make("p", a="1")
    site.commit("p", {"b": os.urandom(20_000)})
    sync = site.git_sync(most_history_bytes=10_000)
    await sync.start()
    await synced(site, sync, "p")
    assert "history is not kept" in model(sync, "p")["history"]["message"]


async def test_a_full_disk_costs_the_history_and_not_the_files(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": os.urandom(100_000)})
    sync = site.project_sync("p")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        await sync.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert site.remote("p").keys() == {"a"}
    assert "history is not kept" in sync.history.problem
    site.commit("p", {"b": "2"})
    await sync.run()
    assert sync.history.problem == ""
    shutil.rmtree(site.projects / "p")
    assert (await site.restorer().restore("p")).has_history


async def test_a_restore_to_a_full_disk_says_so_and_leaves_nothing(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": os.urandom(300_000)})
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(GitSyncError) as raised:
            await site.restorer().restore("p")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.hint == "Free some space."
    assert list(site.projects.iterdir()) == []
    assert (await site.restorer().restore("p")).has_history


async def test_a_folder_removed_by_hand_comes_back_with_the_next_commit_into_it(site: Site) -> None:
    site.make("p")
    site.commit("p", {"d/a": "1", "d/b": "2"})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    site.delete_foreign("p/d", recursive=True)
    site.commit("p", {"d/a": "3"})
    await until(lambda: site.remote("p") == {"d/a": b"3", "d/b": b"2"}, "both files")


async def test_another_repository_put_in_the_place_of_one_is_noticed(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    shutil.rmtree(site.projects / "p")
    site.make("p", "--object-format=sha256", b="2")
    await until(lambda: model(sync, "p")["state"] == "refused", "a refusal")
    assert "another repository" in model(sync, "p")["message"]
    assert site.remote("p") == {"a": b"1"}
    [now] = await sync.sync_now("p", takes_over=True)
    assert now["state"] == "synced"
    assert site.remote("p") == {"b": b"2"}


async def test_a_project_whose_name_cannot_be_is_named(site: Site) -> None:
    bad = os.fsdecode(os.fsencode(site.projects) + b"/b\xe9")
    shutil.copytree(site.make("p", a="1"), bad)
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    assert model(sync, "b\\xe9")["state"] == "unfit"
    assert model(sync, "b\\xe9").keys() == model(sync, "p").keys()
    Path(bad).rename(site.projects / "renamed")
    await sync.install_hooks()
    assert {each["name"] for each in sync.status()} == {"p", "renamed"}


async def test_damaged_git_folders_do_not_keep_git_sync_from_starting(site: Site) -> None:
    for name in ("nul", "binary", "fine"):
        site.make(name, a="1")
    shutil.rmtree(site.projects / "nul/.git")
    (site.projects / "nul/.git").write_bytes(b"\0" * 100)  # as a crash leaves it
    (site.projects / "binary/.git/commondir").write_bytes(b"\xff\0")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "fine")


async def test_a_failing_look_ends_no_watching(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.make("p", a="1")
    sync = site.git_sync(installs_hooks=False)
    await sync.start()
    await synced(site, sync, "p")
    failures = []

    def fail(_projects: Path) -> frozenset[str]:
        failures.append(1)
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr("jupyter_dbx_agents.git_sync.watch.top_repositories", fail)
        await until(lambda: len(failures) > 2, "several failures")
    site.make("new", a="1")
    await until(lambda: site.remote("new"), "a project made after them")


async def test_a_git_that_hangs_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_module, "TIMEOUT_SECONDS", 0.2)
    git = Git(site.make("p", a="1") / ".git", site.environment)
    with pytest.raises(GitError, match="git hang took longer than 0 s") as raised:
        await git.output("hang", options=("-c", "alias.hang=!sleep 5"))
    assert "file system" in raised.value.hint

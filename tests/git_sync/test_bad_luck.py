"""Bad luck and odd repositories lose nothing that was reported safe."""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.errors import DestinationError, WorkspaceUnavailableError
from jupyter_dbx_agents.git_sync import history, project_sync
from jupyter_dbx_agents.git_sync.local.repository import Repository

from .conftest import Site, until
from .test_git_sync import model, synced
from .test_history import is_safe, lose_the_disk, refs
from .test_others import Folded


async def test_a_commit_between_two_looks_of_one_snapshot_breaks_no_bundle(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    heads, committed = Repository._heads, list[str]()

    async def later(self: Repository) -> Any:
        if not committed:
            committed.append(site.commit("p", {"b": "2" * 1000}))
        return await heads(self)

    monkeypatch.setattr(Repository, "_heads", later)
    site.git("p", "tag", "t")
    for number in range(3):
        await sync.run()
        site.commit("p", {"c": f"{number}"})
    await sync.run()
    assert sync.history.problem == ""
    before = refs(site, "p")
    lose_the_disk(site)
    restored = await site.restorer().restore("p")
    assert restored.has_history and refs(site, "p") == before
    site.git("p", "rev-list", "--objects", "--all")


async def test_a_history_without_a_marker_is_not_another_repositorys(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.history.run()  # a kill before the marker follows
    safe = sync.history.safe_commit
    lose_the_disk(site)
    site.make("p", b="another repository")
    with contextlib.suppress(DestinationError):
        await site.project_sync("p").run()
    lose_the_disk(site)
    await site.restorer().restore("p")
    site.git("p", "cat-file", "-e", safe)


@pytest.mark.parametrize("second", ["main", "main/of-it"])
async def test_a_project_that_is_cloned_again_twice_keeps_both_unpushed_commits(
    site: Site, second: str
) -> None:
    site.make("r", a="1")
    site.git(".", "clone", "-q", "--bare", "r", "../remote.git")
    shutil.rmtree(site.projects / "r")
    unpushed = list[str]()
    for branch in ("main", second):
        site.git(".", "clone", "-q", "../remote.git", "p")
        await site.project_sync("p").run()
        if branch != "main":
            site.git("p", "branch", "-m", "other")
            site.git("p", "switch", "-q", "-c", branch)
        unpushed.append(site.commit("p", {f"f{len(unpushed)}": branch}))
        await site.project_sync("p").run()
        shutil.rmtree(site.projects / "p")
    site.git(".", "clone", "-q", "../remote.git", "p")
    await site.project_sync("p").run()
    for oid in unpushed:
        assert site.git("p", "for-each-ref", "--contains", oid), "a ref keeps it"


async def test_what_was_committed_in_an_outage_survives_the_deletion_of_its_folder(
    site: Site,
) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    site.fault("status", "^.*", status=503, times=100_000)
    commit = site.commit("p", {"b": "2"})
    mirror = sync._assembly.histories[(site.projects / "p/.git").resolve()].mirror

    def is_there() -> bool:
        with contextlib.suppress(AssertionError):
            site.git(mirror.git_dir, "cat-file", "-e", commit)
            return True
        return False

    await until(is_there, "the mirror has it")
    shutil.rmtree(site.projects / "p")
    await until(lambda: model(sync, "p")["state"] == "gone", "it is gone")
    site.workspace.faults.clear()
    await until(lambda: not sync._endings._tasks or not mirror.folder.exists(), "it has ended")
    await sync.stop()
    await site.restorer().restore("p")
    site.git("p", "cat-file", "-e", commit)


async def test_a_branch_whose_name_is_not_utf8_does_not_keep_the_others_from_being_safe(
    site: Site,
) -> None:
    site.make("p", a="1")
    site.git("p", "switch", "-q", "-c", os.fsdecode(b"caf\xe9"))
    commit = site.commit("p", {"b": "2"})
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.is_kept
    lose_the_disk(site)
    await site.restorer().restore("p")
    site.git("p", "cat-file", "-e", commit)
    assert "refs/heads/main" in refs(site, "p")


async def test_a_shallow_clone_that_moves_on_and_is_pruned_goes_on(site: Site) -> None:
    remote = site.make("../remote", a="1")
    site.commit(remote, {"a": "2"})
    site.git(".", "clone", "-q", "--depth=1", f"file://{remote.resolve()}", "p")
    sync = site.project_sync("p")
    await sync.run()
    site.commit(remote, {"a": "3"})
    site.git("p", "fetch", "-q", "--depth=1")
    site.git("p", "reset", "-q", "--hard", "origin/main")
    site.git("p", "reflog", "expire", "--expire=now", "--all")
    site.git("p", "gc", "-q", "--prune=now")
    await sync.run()
    assert site.remote("p") == {"a": b"3"}


async def test_a_repository_of_which_nothing_can_be_fetched_is_not_said_to_be_fine(
    site: Site,
) -> None:
    site.make("p", a="1")
    root = site.git("p", "rev-parse", "HEAD")
    site.commit("p", {"b": "2"})
    path = site.projects / f"p/.git/objects/{root[:2]}/{root[2:]}"
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    sync = site.project_sync("p")
    await sync.run()
    assert not sync.history.is_kept
    assert sync.history.problem


async def test_a_rename_in_case_only_deletes_nothing_where_case_is_ignored(site: Site) -> None:
    site.workspace.files._nodes = Folded(site.workspace.files._nodes)
    site.make("API", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "API")
    (site.projects / "API").rename(site.projects / "api")
    await synced(site, sync, "api")
    await sync._endings.finish()
    await sync.stop()
    before = refs(site, "api")
    lose_the_disk(site)
    await site.restorer().restore("api")
    assert refs(site, "api") == before


async def test_a_forget_that_was_cut_off_hides_no_missing_files(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", **{f"f{number}": "1" for number in range(9)})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    shutil.rmtree(site.projects / "p")
    await until(lambda: model(sync, "p")["state"] == "gone", "it is gone")
    delete, count = sync._files.delete, 0

    async def cut_off(path: str) -> bool:
        nonlocal count
        count += 1
        if count > 4:
            raise WorkspaceUnavailableError("away")
        return await delete(path)

    with monkeypatch.context() as patch, pytest.raises(WorkspaceUnavailableError):
        patch.setattr(sync._files, "delete", cut_off)
        await sync.forget("p", files=True)
    await sync.restore("p")
    await synced(site, sync, "p")
    await until(lambda: is_safe(site, sync, "p"), "it is safe")
    assert len(site.remote("p")) == 9


class Clock(datetime):
    """A clock that can be set."""

    offset = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.offset


async def sync_without_history(site: Site) -> None:
    site.commit("p", {"b": None, "large": os.urandom(100_000)})
    sync = site.project_sync("p", most_history_bytes=50_000)
    await sync.run()
    assert sync.history.is_too_large


async def test_files_that_are_newer_than_the_history_bring_no_deleted_file_back(
    site: Site,
) -> None:
    site.make("p", a="1", b="2")
    await site.project_sync("p").run()
    await sync_without_history(site)
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert site.git("p", "ls-files").split() == ["a", "large"]


async def test_a_clock_that_is_set_back_hides_no_newer_files(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (history, project_sync):
        monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(Clock, "offset", timedelta(hours=2))
    site.make("p", a="1", b="2")
    await site.project_sync("p").run()
    Clock.offset = timedelta()
    await sync_without_history(site)
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert (site.projects / "p/large").exists()
    await site.project_sync("p").run()


async def test_branches_are_restored_while_head_has_no_commit(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "symbolic-ref", "HEAD", "refs/heads/new")
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.safe_at
    before = refs(site, "p")
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert refs(site, "p") == before


async def test_a_separate_git_folder_with_a_worktree_comes_back_with_its_files(
    site: Site, tmp_path: Path
) -> None:
    site.make("z", "--separate-git-dir", str(tmp_path / "z.git"), a="1")
    site.git("z", "worktree", "add", "-q", "-b", "b", "../a")
    await site.project_sync("a").run()  # as a server does that finds this one first
    lose_the_disk(site)
    shutil.rmtree(tmp_path / "z.git")
    await site.restorer().restore("a")
    assert (site.projects / "a/a").read_text() == "1"


async def test_no_password_of_any_url_is_kept(site: Site) -> None:
    site.make("p", a="1")
    urls = ["ssh://git:secret@h/x", "HTTPS://u:secret@h/x", "http::https://u:secret@h/x"]
    for number, url in enumerate(urls):
        site.git("p", "config", f"remote.r{number}.url", url)
    await site.project_sync("p").run()
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert "secret" not in site.git("p", "config", "--local", "--list")

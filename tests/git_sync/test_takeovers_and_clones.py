"""What was safe, or is only in the mirror, is not lost to another app, repository or clone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

from jupyter_dbx_agents.errors import (
    DestinationError,
    GitError,
    GitSyncError,
    WorkspaceUnavailableError,
)
from jupyter_dbx_agents.git_sync import history, watch
from jupyter_dbx_agents.git_sync.local import mirror
from jupyter_dbx_agents.git_sync.local.projects import Found, find_projects
from jupyter_dbx_agents.git_sync.local.repository import Head, Snapshot, without_password
from jupyter_dbx_agents.git_sync.remote.bundles import State
from jupyter_dbx_agents.git_sync.remote.marker import Destination, Marker

from .conftest import ROOT, Killed, Site, marker_of, until
from .test_git_sync import model, synced
from .test_history import lose_the_disk
from .test_others import Folded, kept


def has(site: Site, name: str, oid: str) -> bool:
    with contextlib.suppress(AssertionError):
        return site.git(name, "cat-file", "-t", oid) == "commit"
    return False


# ---- two apps at one project


async def take_over_elsewhere(site: Site) -> None:
    """Another app syncs an unrelated repository to the folder of p."""
    here, site.projects = site.projects, site.home / "other"
    site.make("p", theirs="2")
    await site.project_sync("p", origin="other app").run(takes_over=True)
    site.projects = here


@pytest.mark.parametrize("kind", ["commit", "amend", "large", "merged"])
async def test_the_app_that_lost_the_folder_reports_nothing_safe(
    site: Site, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1")
    first = site.project_sync("p")
    await first.run()
    site.commit("p", {"a": "2"})
    await first.run()
    await take_over_elsewhere(site)
    before = site.remote("p"), set(site.bundles("p"))
    if kind == "large":
        monkeypatch.setattr(history, "PART_BYTES", 10)
    if kind == "merged":
        monkeypatch.setattr(history, "MOST_INCREMENTS", 0)
    if kind == "amend":
        site.git("p", "commit", "-q", "--amend", "-m", "amended")
    else:
        site.commit("p", {"a": "3"})
    with pytest.raises(DestinationError, match="another repository"):
        await first.run()
    assert first.history.safe_commit == "" == first.history.safe_at
    assert (site.remote("p"), set(site.bundles("p"))) == before
    assert site.remote("p") == {"theirs": b"2"}


async def test_a_folder_can_change_hands_again_and_again(site: Site) -> None:
    site.make("p", a="1")
    first = site.project_sync("p")
    await first.run()
    for _ in range(2):
        await take_over_elsewhere(site)
        shutil.rmtree(site.home / "other")
        await first.run(takes_over=True)
        assert site.remote("p") == {"a": b"1"}
        site.commit("p", {"b": "2"})
        await first.run()
        site.commit("p", {"b": None})
        await first.run()
        assert first.history.safe_commit == site.git("p", "rev-parse", "HEAD")
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert site.git("p", "log", "--format=%s").splitlines() == ["change"] * 5


@pytest.mark.parametrize("origin", ["app", "other app"])
async def test_bundles_without_a_marker_are_refused_to_others(site: Site, origin: str) -> None:
    site.make("p", a="precious")
    head = site.git("p", "rev-parse", "HEAD")
    await site.project_sync("p").history.run()  # killed then
    if origin == "app":
        shutil.rmtree(site.projects / "p")
        shutil.rmtree(site.mirrors)
        site.make("p", b="another repository")
    with pytest.raises(DestinationError):
        await site.project_sync("p", origin=origin).run()
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert site.git("p", "rev-parse", "HEAD") == head


async def test_bundles_without_a_marker_belong_to_a_clone_of_their_repository(site: Site) -> None:
    site.make("origin", a="1")
    site.git(site.projects, "clone", "-q", "origin", "p")
    unpushed = site.commit("p", {"b": "2"})
    await site.project_sync("p").history.run()  # killed then
    shutil.rmtree(site.projects / "p")
    shutil.rmtree(site.mirrors)
    site.git(site.projects, "clone", "-q", "origin", "p")
    await site.project_sync("p").run()
    assert unpushed in kept(site, "p") and site.remote("p") == {"a": b"1"}


# ---- clones, deletions and lost mirrors


async def test_each_new_clone_keeps_what_was_never_pushed(site: Site) -> None:
    site.make("origin", a="1")
    unpushed = set[str]()
    for number in range(3):
        site.git(site.projects, "clone", "-q", "origin", "p")
        await site.project_sync("p").run()
        assert unpushed <= kept(site, "p")
        if number == 1:
            shutil.rmtree(site.mirrors)
        unpushed.add(site.commit("p", {"x": str(number)}))
        await site.project_sync("p").run()
        shutil.rmtree(site.projects / "p")
    await site.restorer().restore("p")
    assert all(has(site, "p", oid) for oid in unpushed)


async def test_a_commit_in_an_outage_outlives_its_deleted_folder(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    site.fault("status", "^.*", status=503, times=100_000)
    precious = site.commit("p", {"x": "precious"})
    [git_dir] = site.mirrors.glob("*/repository.git")
    there = ("--git-dir", str(git_dir), "rev-parse", "refs/heads/main")
    await until(lambda: site.git(site.home, *there) == precious, "it is in the mirror")
    shutil.rmtree(site.projects / "p")
    await until(lambda: model(sync, "p")["state"] == "gone")
    site.workspace.faults.clear()
    await until(lambda: not git_dir.exists(), "the mirror's space is free")
    await sync.stop()
    await site.restorer().restore("p")
    assert site.git("p", "rev-parse", "HEAD") == precious


async def test_a_shallow_clone_that_moved_on_and_was_packed_goes_on(site: Site) -> None:
    site.make("work", a="1")
    site.git(site.home, "clone", "-q", "--bare", str(site.projects / "work"), "remote")
    url = f"file://{site.home / 'remote'}"
    site.git(site.projects, "clone", "-q", "--depth", "1", url, "p")
    sync = site.project_sync("p")
    await sync.run()
    site.commit("work", {"a": "2", "b": "2"})
    site.git("work", "push", "-q", str(site.home / "remote"), "main")
    site.git("p", "fetch", "-q", "--depth", "1")
    site.git("p", "reset", "-q", "--hard", "origin/main")
    site.git("p", "reflog", "expire", "--expire=now", "--all")
    site.git("p", "gc", "-q", "--prune=now")
    await sync.run()
    assert site.remote("p") == {"a": b"2", "b": b"2"} and not sync.history.problem
    assert sync.history.safe_commit == site.git("p", "rev-parse", "HEAD")


async def test_a_removed_state_folder_does_not_make_it_another_repository(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    site.git("p", "commit", "-q", "--amend", "-m", "amended")
    site.git("p", "reflog", "expire", "--expire=now", "--all")
    site.git("p", "gc", "-q", "--prune=now")
    shutil.rmtree(site.mirrors)
    sync.ownership.marker = None  # as after an outage of the workspace
    await sync.run()
    assert sync.history.safe_commit == site.git("p", "rev-parse", "HEAD")


async def test_refs_that_cannot_be_read_for_now_keep_their_last_value(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "branch", "idea")
    sync = site.project_sync("p")
    await sync.run()
    head = site.git("p", "rev-parse", "HEAD")
    kept_history = sync.history
    broken = Snapshot("refs/heads/main", "", {}, left_out={"refs/heads/main": "", "HEAD": ""})
    state = State("p", kept_history.mirror.identity, "app", broken)
    refs = (await kept_history._with_former(state)).snapshot
    assert (refs.refs, refs.head_commit) == ({"refs/heads/main": head}, head)


async def test_refs_that_cannot_be_fetched_are_named_though_none_is_left(site: Site) -> None:
    folder = site.make("p", a="1")
    blob = site.git("p", "rev-parse", "HEAD:a")
    (folder / f".git/objects/{blob[:2]}/{blob[2:]}").unlink()
    sync = site.project_sync("p")
    with contextlib.suppress(GitError):
        await sync.history.run()
    assert "refs/heads/main" in sync.history.problem or "HEAD" in sync.history.problem
    assert sync.history.wants_retry and not sync.history.safe_at


async def test_no_setting_redirects_the_fetch_into_the_mirror(site: Site) -> None:
    site.make("p", a="1")
    setting = f'[url "https://nowhere.invalid/"]\n\tinsteadOf = {site.home}\n'
    (site.home / ".gitconfig").write_text(setting)
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.safe_commit == site.git("p", "rev-parse", "HEAD")


async def test_a_rename_by_case_only_removes_nothing(site: Site) -> None:
    site.workspace.files._nodes = Folded(site.workspace.files._nodes)
    site.make("API", a="1")
    head = site.git("API", "rev-parse", "HEAD")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "API")
    (site.projects / "API").rename(site.projects / "api")
    await synced(site, sync, "api")
    await sync._endings.finish()
    await until(lambda: model(sync, "API")["state"] == "unknown")
    await sync.stop()
    lose_the_disk(site)
    await site.restorer().restore("api")
    assert site.git("api", "rev-parse", "HEAD") == head
    marker = await Destination(site.files, ROOT, "api").load()
    assert marker is not None and not marker.gone_at


async def test_a_project_that_was_forgotten_by_half_is_written_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", **{f"f{number}": str(number) for number in range(9)})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    shutil.rmtree(site.projects / "p")
    await until(lambda: model(sync, "p")["state"] == "gone")
    delete, paths = sync._files.delete, list[str]()

    async def cut_off(path: str) -> bool:
        paths.append(path)
        if len(paths) > 4:
            raise WorkspaceUnavailableError("It is away.", "")
        return await delete(path)

    with monkeypatch.context() as patched, pytest.raises(WorkspaceUnavailableError):
        patched.setattr(sync._files, "delete", cut_off)
        await sync.forget("p", files=True)
    assert len(site.remote("p")) == 5
    await sync.restore("p")
    await synced(site, sync, "p")
    assert len(site.remote("p")) == 9
    shutil.rmtree(site.projects / "p")
    await until(lambda: model(sync, "p")["state"] == "gone")
    assert not (await sync.forget("p", files=True)).left


async def test_a_stopped_server_with_the_lock_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_LOCK_SECONDS", 0.1)
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    [lock] = site.mirrors.glob("*/update.lock")
    with lock.open("a") as file:
        await until(lambda: is_locked(file.fileno()))
        site.commit("p", {"b": "2"})
        await until(lambda: "Another server" in model(sync, "p")["message"], "the reason")
    await synced(site, sync, "p")


def is_locked(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


async def test_a_removed_git_folder_is_not_called_a_deleted_project(site: Site) -> None:
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    shutil.rmtree(site.projects / "p/.git")
    await until(lambda: model(sync, "p")["state"] == "gone")
    assert model(sync, "p")["message"].startswith("Its .git was deleted")


@pytest.mark.parametrize("stepped_hours", [0, -2])
async def test_files_that_are_newer_than_the_history_are_restored_as_they_are(
    site: Site, stepped_hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return super().now(tz) - timedelta(hours=stepped_hours)

    folder = site.make("p", a="1", b="deleted later")
    site.commit("p", {"d/x": "a folder, later a file", "f": "a file, later a folder"})
    with monkeypatch.context() as patched:
        patched.setattr(history, "datetime", Clock)
        await site.project_sync("p").run()
    (folder / "link").symlink_to("a")
    site.git("p", "rm", "-q", "-r", "d", "f")
    files = {"a": b"1", "big": os.urandom(100_000), "d": b"a file", "f/x": b"in a folder"}
    site.commit("p", {"b": None, **{path: files[path] for path in ("big", "d", "f/x")}})
    await site.project_sync("p", most_history_bytes=50_000).run()
    lose_the_disk(site)
    restored = await site.restorer().restore("p")
    assert restored.has_history and not restored.missing
    found = {path: (folder / path).read_bytes() for path in site.git("p", "ls-files").split()}
    assert found == files
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p") == files
    assert sync.history.safe_commit == restored.commit


@pytest.mark.parametrize("moment", ["head is read", "the bundle is there", "files are written"])
async def test_an_amended_commit_is_not_taken_for_older_than_the_files(
    site: Site, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    site.commit("p", {"a": "2"})
    sync, moments = site.project_sync("p"), ["head is read", "the bundle is there"]
    read_head, write = sync.repository.head, sync.destination.write

    def amend() -> None:
        (site.projects / "p/a").write_text("3")
        site.git("p", "commit", "-q", "-a", "--amend", "-m", "amended")

    async def head_that_moves() -> Head | None:
        found = await read_head()
        if moments and moments.pop(0) == moment:
            amend()
        return found

    async def write_after_a_bundle(marker: Marker) -> None:
        monkeypatch.setattr(sync.destination, "write", write)
        if moment == "files are written":
            amend()
            await sync.history.run()
        await write(marker)

    monkeypatch.setattr(sync.repository, "head", head_that_moves)
    monkeypatch.setattr(sync.destination, "write", write_after_a_bundle)
    await sync.run()
    assert site.git("p", "log", "-1", "--format=%s") == "amended"
    lose_the_disk(site)
    assert (await site.restorer().restore("p")).commit == sync.history.safe_commit


@pytest.mark.parametrize("name", ["HEAD", "packed-refs", "config", "objects"])
async def test_a_mirror_that_a_crash_damaged_is_made_again(site: Site, name: str) -> None:
    site.make("p", a="1")
    site.commit("p", {"b": "2"})
    await site.project_sync("p").run()
    [git_dir] = site.mirrors.glob("*/repository.git")
    if name == "objects":
        for path in (git_dir / name).glob("??/*"):
            path.unlink()
            path.write_bytes(b"")
    else:
        (git_dir / name).write_bytes(bytes(40))
    head = site.commit("p", {"c": "3"})
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.safe_commit == head and site.remote("p").keys() == {"a", "b", "c"}
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert site.git("p", "rev-parse", "HEAD") == head


async def test_the_mirror_of_read_only_object_folders_can_be_written(site: Site) -> None:
    folder = site.make("p", a="1")
    for path in (folder / ".git/objects").iterdir():
        path.chmod(0o555)
    await site.project_sync("p").run()
    [objects] = site.mirrors.glob("*/repository.git/objects")
    assert all(path.stat().st_mode & 0o200 for path in objects.iterdir())


async def test_forget_removes_the_files_of_an_interrupted_first_pass(site: Site) -> None:
    site.make("p", **{f"f{number}": str(number) for number in range(9)})
    site.transport.dies_at = 12
    with pytest.raises(Killed):
        await site.project_sync("p", parallel=1).run()
    assert site.remote("p")
    site.connect()
    shutil.rmtree(site.projects / "p")
    sync = site.git_sync()
    await sync.start()
    await sync.forget("p", files=True)
    assert site.remote("p") == {}, "also those since the last checkpoint"


async def test_branches_come_back_when_head_has_no_commit(site: Site) -> None:
    site.make("p", a="1")
    before = site.git("p", "for-each-ref")
    site.git("p", "symbolic-ref", "HEAD", "refs/heads/unborn")
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.safe_at
    lose_the_disk(site)
    assert (await site.restorer().restore("p")).has_history
    assert site.git("p", "for-each-ref") == before
    assert site.git("p", "symbolic-ref", "HEAD") == "refs/heads/unborn"
    await site.project_sync("p").run()


# ---- names and places


async def test_a_branch_with_a_name_that_is_not_utf8_hinders_no_other(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "checkout", "-q", "-b", os.fsdecode(b"caf\xe9"))
    head = site.commit("p", {"b": "2"})
    site.git("p", "branch", "other")
    sync = site.project_sync("p")
    await sync.run()
    assert "caf" in sync.history.problem
    lose_the_disk(site)
    restored = await site.restorer().restore("p")
    assert restored.has_history and site.git("p", "rev-parse", "HEAD", "other") == f"{head}\n{head}"
    assert (site.projects / "p/b").read_text() == "2"


@pytest.mark.parametrize("option", ["--separate-git-dir", "--bare"])
async def test_worktrees_of_a_git_folder_of_any_name_come_back_with_files(
    site: Site, option: str
) -> None:
    git_dir = site.home / "elsewhere/z.git"
    git_dir.parent.mkdir()
    (site.projects / "z").mkdir()
    if option == "--bare":
        site.make("src", a="1")
        site.git("src", "clone", "-q", "--bare", ".", str(git_dir))
        shutil.rmtree(site.projects / "src")
    else:
        site.git("z", "init", "-q", "-b", "main", option, str(git_dir))
        site.commit("z", {"a": "1"})
    site.git(git_dir, "worktree", "add", "-q", "-b", "wt", str(site.projects / "a-wt"))
    site.commit("a-wt", {"b": "2"})
    await site.project_sync("a-wt").run()
    lose_the_disk(site)
    await site.restorer().restore("a-wt")
    assert {path.name for path in (site.projects / "a-wt").iterdir()} == {".git", "a", "b"}
    assert site.git("a-wt", "status", "--porcelain") == ""


def test_many_packages_of_tools_do_not_hide_an_agents_worktree(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_dbx_agents.git_sync.local.projects._MOST_CACHE_FOLDERS", 20)
    site.make("p", a="1")
    for number in range(50):
        (site.projects / f"js/node_modules/m{number}").mkdir(parents=True)
    site.git("p", "worktree", "add", "-q", "-b", "x", ".claude/worktrees/x")
    assert "p/.claude/worktrees/x" in find_projects(site.projects).projects


def test_a_repository_with_the_name_of_the_records_is_named(site: Site) -> None:
    site.make(".dbx-agents", a="1")
    found = find_projects(site.projects)
    assert not found.projects and "records" in found.unfit[".dbx-agents"].reason


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("ssh://git:secret@h/x", "ssh://git@h/x"),
        ("HTTPS://user:secret@h/x", "HTTPS://h/x"),
        ("https://secret@h/x@y", "https://h/x@y"),
        ("https://u:se@cret@h/x", "https://h/x"),
        ("git+https://u:secret@h/x", "git+https://h/x"),
        ("http::https://u:secret@h/x", "http::https://h/x"),
        ("https://h/x?private_token=secret", "https://h/x"),
        ("oauth2:secret@h:x.git", "oauth2@h:x.git"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("ssh://git@h:22/x", "ssh://git@h:22/x"),
        ("https://h:8080/x", "https://h:8080/x"),
        ("/path/with:colon@x", "/path/with:colon@x"),
    ],
)
def test_no_url_keeps_a_password(url: str, stored: str) -> None:
    assert without_password(url) == stored


async def test_no_remote_helper_that_runs_a_command_is_kept(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "remote", "add", "x", "foo::sh -c evil")
    snapshot = await site.project_sync("p").repository.snapshot()
    assert "evil" not in str(snapshot.settings) and "remote.x.fetch" in str(snapshot.settings)


async def test_a_file_that_may_not_be_written_hinders_no_other(site: Site) -> None:
    site.make("p", a="1", b="1", c="1")
    sync = site.project_sync("p", parallel=1)
    await sync.run()
    site.commit("p", {"a": "2", "b": "2", "c": "2"})
    first_file = site.transport.count + 4  # after the bundle, the marker and the listing

    def forbid(count: int) -> None:
        if count == first_file:
            site.fault("status", times=1, status=403, error_code="PERMISSION_DENIED")

    site.transport.before_request = forbid
    await sync.run()
    assert sorted(site.remote("p").values()) == [b"1", b"2", b"2"]
    [note] = marker_of(sync).notes.values()
    assert note.startswith("The workspace does not allow it")
    await sync.run(audits=True)
    assert set(site.remote("p").values()) == {b"2"}


async def test_a_linked_worktree_has_its_history_where_its_project_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it is found first, and after the project was renamed."""
    site.make("p", a="1")
    site.git("p", "worktree", "add", "-q", "-b", "w", "../w")
    head = site.commit("w", {"b": "1"})
    find = find_projects

    def find_worktrees_first(*arguments: Any) -> Found:
        found = find(*arguments)
        projects = sorted(found.projects.items(), key=lambda each: not each[1].is_linked)
        return Found(dict(projects), found.unfit)

    monkeypatch.setattr(watch, "find_projects", find_worktrees_first)
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    await synced(site, sync, "w")
    assert site.bundles("p") and not site.bundles("w")
    (site.projects / "p").rename(site.projects / "q")
    site.git("q", "worktree", "repair")
    await synced(site, sync, "q")
    await until(lambda: not site.remote(".dbx-agents/p"), "the end of the former records")
    await synced(site, sync, "w")
    await sync.stop(10)
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    site.connect()
    sync = site.git_sync()
    with pytest.raises(GitSyncError, match="The history of w, a worktree, is in that of q"):
        await sync.forget("q")
    [restored] = await sync.restore("w")
    assert restored.has_history and site.git("w", "rev-parse", "HEAD") == head

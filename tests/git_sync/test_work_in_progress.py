"""What is not committed comes back, staged as it was; the user's repository is only read."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_dbx_agents.errors import MarkerChangedError
from jupyter_dbx_agents.git_sync.project_sync import ProjectSync
from jupyter_dbx_agents.git_sync.work import never
from jupyter_dbx_agents.git_sync.work.keeper import WorkKeeper, WorkKeepers
from jupyter_dbx_agents.git_sync.work.store import WorkStore
from jupyter_dbx_agents.git_sync.work.survey import survey
from jupyter_dbx_agents.git_sync.work.taking import Taker
from jupyter_dbx_agents.secret import Secret
from tests.support.effort import IS_LONG

from .conftest import LOG, Killed, Site, until
from .test_git_sync import synced

STATUS = ("status", "--porcelain=v2", "--branch", "--untracked-files=all")
TOKEN = "dapi" + "0123456789abcdef" * 2
CAPABILITY = Secret("loopback-0a1b2c3d4e5f")
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{'A' * 70}\n-----END OPENSSH PRIVATE KEY-----\n"


def keeper_of(sync: ProjectSync) -> WorkKeeper:
    return WorkKeeper(sync, lambda: [CAPABILITY], LOG)


async def keep(site: Site, name: str = "p") -> WorkKeeper:
    """Sync a project and keep its work in progress, as of now."""
    sync = site.project_sync(name)
    await sync.run()
    keeper = keeper_of(sync)
    await keeper.look(at_once=True)
    assert keeper.message == ""
    return keeper


def snapshot(folder: Path) -> dict[str, object]:
    """All that a repository has, in the work tree and in the git folder, to the byte."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = path.readlink()
        elif path.is_file():
            found[str(path)] = path.read_bytes()
    return found


async def comes_back(site: Site, name: str = "p") -> None:
    """Keep, destroy, restore: status, files and differences are what they were."""
    folder = site.projects / name
    status, words = site.git(name, *STATUS), site.git(name, "status")
    staged, changed = site.git(name, "diff", "--cached"), site.git(name, "diff", "--binary")
    before = snapshot(folder)
    keeper = await keep(site, name)
    after = snapshot(folder)
    assert after == before, "the user's repository is only read"
    shutil.rmtree(folder)
    restored = await site.restorer().restore(name)
    assert restored.problem == "" and "did not" not in restored.work, restored
    assert site.git(name, *STATUS) == status
    assert site.git(name, "status") == words, "also of a rebase or merge in progress"
    assert site.git(name, "diff", "--cached") == staged
    assert site.git(name, "diff", "--binary") == changed
    files = {p: c for p, c in before.items() if "/.git/" not in p}
    assert {p: c for p, c in snapshot(folder).items() if "/.git/" not in p} == files
    assert keeper.left_out == {}


def write(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def staged(site: Site, folder: Path) -> None:
    write(folder, a="staged")
    site.git("p", "add", "a")


def staged_and_changed(site: Site, folder: Path) -> None:
    write(folder, a="staged")
    site.git("p", "add", "a")
    write(folder, a="changed again")


def unstaged(_site: Site, folder: Path) -> None:
    write(folder, a="changed", d__b="changed, too")


def untracked(_site: Site, folder: Path) -> None:
    write(folder, new="new", deep__er__new="new", empty="")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a")
    (folder / "nowhere").symlink_to("/nonexistent/place")


def deleted(site: Site, folder: Path) -> None:
    (folder / "a").unlink()
    site.git("p", "rm", "-q", "d/b")


def deleted_only_in_the_index(site: Site, folder: Path) -> None:
    site.git("p", "rm", "-q", "--cached", "a")


def renamed(site: Site, folder: Path) -> None:
    site.git("p", "mv", "a", "renamed")
    write(folder, renamed="1 and more")


def staged_then_deleted(site: Site, folder: Path) -> None:
    write(folder, new="staged")
    site.git("p", "add", "new")
    (folder / "new").unlink()


def intended(site: Site, folder: Path) -> None:
    write(folder, new="later")
    site.git("p", "add", "--intent-to-add", "new")


def modes(site: Site, folder: Path) -> None:
    (folder / "a").chmod(0o755)
    site.git("p", "add", "a")
    (folder / "d/b").chmod(0o755)


def a_folder_for_a_file(site: Site, folder: Path) -> None:
    (folder / "a").unlink()
    write(folder, a__inner="now a folder")
    site.git("p", "rm", "-q", "-r", "d")
    write(folder, d="now a file")
    site.git("p", "add", "d")


def a_link_for_a_file(site: Site, folder: Path) -> None:
    (folder / "a").unlink()
    (folder / "a").symlink_to("d/b")
    (folder / "d/b").unlink()
    (folder / "d/b").symlink_to("../a")
    site.git("p", "add", "d/b")


def odd_names(site: Site, folder: Path) -> None:
    for name in ("with space", 'quo"te', "back\\slash", "übung", "-dash", "*"):
        (folder / name).write_text(name)
        (folder / f"staged {name}").write_text(name)
        site.git("p", "add", "--", f":(literal)staged {name}")


def ignored(_site: Site, folder: Path) -> None:
    write(folder, _dot_gitignore="build/\n*.log\n", new="new")


def line_endings(site: Site, folder: Path) -> None:
    site.git("p", "config", "core.autocrlf", "input")
    write(folder, a="one\r\ntwo\r\n", new="three\r\n")
    site.git("p", "add", "a")
    write(folder, a="one\r\ntwo\r\nmore\r\n")


def a_merge(site: Site, folder: Path) -> None:
    conflict(site, folder)
    with pytest.raises(AssertionError):
        site.git("p", "merge", "-q", "other")


def a_rebase(site: Site, folder: Path) -> None:
    conflict(site, folder)
    with pytest.raises(AssertionError):
        site.git("p", "rebase", "-q", "other")


def a_cherry_pick(site: Site, folder: Path) -> None:
    conflict(site, folder)
    with pytest.raises(AssertionError):
        site.git("p", "cherry-pick", "other")


def a_merge_with_a_commit_without_a_ref(site: Site, folder: Path) -> None:
    conflict(site, folder)
    commit = site.git("p", "rev-parse", "other")
    site.git("p", "branch", "-q", "-D", "other")
    with pytest.raises(AssertionError):
        site.git("p", "merge", "-q", commit)


def conflict(site: Site, folder: Path) -> None:
    site.git("p", "checkout", "-q", "-b", "other")
    site.commit("p", {"a": "theirs", "theirs": "t"})
    site.git("p", "checkout", "-q", "main")
    site.commit("p", {"a": "ours", "ours": "o"})
    write(folder, untracked="u")


CASES: list[Callable[[Site, Path], None]] = [
    *(staged, staged_and_changed, unstaged, untracked, deleted, deleted_only_in_the_index),
    *(renamed, staged_then_deleted, intended, modes, a_folder_for_a_file, a_link_for_a_file),
    *(odd_names, ignored, line_endings, a_merge, a_rebase, a_cherry_pick),
    a_merge_with_a_commit_without_a_ref,
]


@pytest.mark.parametrize("change", CASES, ids=lambda each: each.__name__)
async def test_a_restore_brings_the_same_status(
    site: Site, change: Callable[[Site, Path], None]
) -> None:
    await change_comes_back(site, change)


async def change_comes_back(site: Site, change: Callable[[Site, Path], None]) -> Path:
    """Change a project, lose the machine and restore; return the folder with the same status."""
    folder = site.make("p")
    site.commit("p", {"a": "1", "d/b": "2", "c": "3"})
    change(site, folder)
    await comes_back(site)
    return folder


async def test_work_before_the_first_commit_comes_back_and_goes_on(site: Site) -> None:
    folder = site.make("p")
    site.git("p", "symbolic-ref", "HEAD", "refs/heads/begun")
    await keep(site)
    assert site.remote(".dbx-agents/p") == {}, "nothing to keep: the folder is not claimed"
    write(folder, a="staged", d__b="2", new="new")
    site.git("p", "add", "a", "d/b")
    write(folder, a="changed again")
    await comes_back(site)
    assert site.git("p", "symbolic-ref", "HEAD") == "refs/heads/begun"
    # The restored one is the same project: its first commit is safe, with no word of a stranger.
    site.git("p", "commit", "-q", "-m", "first")
    await comes_back(site)
    assert site.git("p", "log", "--format=%s") == "first"
    sync = site.project_sync("p")
    await sync.run()
    roots = sync.marker.roots if sync.marker else ()
    assert roots == (site.git("p", "rev-parse", "HEAD"),)


async def test_the_app_keeps_a_project_without_commits_and_says_when_it_may_not(
    site: Site,
) -> None:
    folder = site.make("p")
    write(folder, a="1")
    site.put_foreign("q/theirs", b"x")
    write(site.make("q"), a="1")
    sync = site.git_sync()
    await sync.start()
    works = lambda: {each["name"]: each["work"] for each in sync.status()}  # noqa: E731
    await until(lambda: works() and works()["p"]["kept_at"] and works()["q"]["message"])
    assert "contains files that are not of this project, such as theirs" in works()["q"]["message"]
    assert "--take-over" in works()["q"]["message"]
    await sync.stop(4.0)
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    [restored] = await site.git_sync().restore()
    assert (restored.name, restored.commit) == ("p", "")
    assert restored.work == "Work in progress is back: 1 files."
    assert site.git("p", *STATUS) == "# branch.oid (initial)\n# branch.head main\n? a"


async def test_a_submodule_is_a_project_of_its_own(site: Site) -> None:
    site.make("lib", inner="1")
    folder = site.make("p", a="1")
    lib = str(site.projects / "lib")
    site.git("p", "-c", "protocol.file.allow=always", "submodule", "add", "-q", lib, "lib")
    (folder / "lib/inner").write_text("changed in the submodule")
    write(folder, a="2", new="3")
    status = site.git("p", "status", "--porcelain=v2", "--ignore-submodules=dirty")
    await keep(site)
    await keep(site, "p/lib")
    shutil.rmtree(folder)
    assert (await site.restorer().restore("p")).problem == ""
    assert (await site.restorer().restore("p/lib")).problem == ""
    assert (folder / "lib/inner").read_text() == "changed in the submodule"
    assert site.git("p", "status", "--porcelain=v2", "--ignore-submodules=dirty") == status


async def test_a_linked_worktree_has_work_of_its_own(site: Site) -> None:
    folder = site.make("p", a="1")
    site.git("p", "worktree", "add", "-q", "-b", "side", "../side")
    write(folder, a="main")
    write(site.projects / "side", a="side", new="side")
    site.git("side", "add", "a")
    status = site.git("side", *STATUS)
    await keep(site)
    await keep(site, "side")
    shutil.rmtree(site.projects / "side")
    shutil.rmtree(folder)
    assert "2 files" in (await site.restorer().restore("side")).work
    assert site.git("side", *STATUS) == status
    assert (await site.restorer().restore("p")).work == "Work in progress is back: 1 files."
    assert (folder / "a").read_text() == "main"


async def test_secrets_and_large_files_are_named_and_never_sent(site: Site) -> None:
    folder = site.make("p", a="1", _dot_gitignore="ignored\n", keep="1")
    site.commit("p", {".gitignore": "ignored\n"})
    planted: dict[str, str | bytes] = {
        ".env": "A=1 planted-1",
        "deep/.env.local": "planted-1",
        "id_ed25519": "planted-1",
        "server.pem": "planted-1",
        "sub/.databrickscfg": "planted-1",
        "notes.txt": f"token {TOKEN}",
        "old.txt": PEM,
        "capability.json": f'{{"key": "{CAPABILITY.reveal()}"}}',
        "large": os.urandom(never.MOST_FILE_BYTES + 1),
        "ignored": "planted-1",
    }
    for name, content in planted.items():
        write(folder, **{name.replace("/", "__"): content})
    site.git("p", "add", "-f", ".env", "notes.txt", "large")  # they are staged, too
    write(folder, new="fine", keep=f"changed {TOKEN}")
    keeper = await keep(site)
    named = set(planted) - {"ignored"} | {"keep"}
    assert set(keeper.left_out) == named
    assert len(keeper.model()["left_out"]) == len(named)
    scanned = await uploaded(site)
    for word in ("planted-1", TOKEN, CAPABILITY.reveal(), "PRIVATE KEY"):
        assert word.encode() not in scanned, word
    assert b"fine" in scanned
    shutil.rmtree(folder)
    restored = await site.restorer().restore("p")
    assert (folder / "new").read_text() == "fine"
    assert all(name in restored.work for name in named), restored.work


async def uploaded(site: Site) -> bytes:
    """All contents that are in the workspace, unpacked."""
    folder = site.home / "scan"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    found = list[bytes]()
    for node in site.workspace.files.all():
        found.append(node.content)
        if ".bundle" in node.path:
            pack = node.content.partition(b"\n\n")[2]
            command = ["git", f"--git-dir={folder}", "index-pack", "--stdin", "--fix-thin"]
            subprocess.run(command, input=pack, check=True, capture_output=True)
    listing = subprocess.run(
        ["git", f"--git-dir={folder}", "cat-file", "--batch-all-objects", "--batch"],
        check=True,
        capture_output=True,
    )
    return b"\n".join([*found, listing.stdout])


async def test_work_never_goes_before_the_commit_that_it_is_based_on(site: Site) -> None:
    folder = site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    site.commit("p", {"a": "2"})
    write(folder, new="1")
    keeper = keeper_of(sync)
    site.transport.count = 0
    await keeper.look(at_once=True)
    assert site.transport.count == 0 and keeper.model()["pending"]
    await sync.run()
    await keeper.look(at_once=True)
    assert not keeper.is_pending
    assert [n for n in site.remote(".dbx-agents/p") if n.startswith("work-")]


async def test_a_later_commit_keeps_the_rest_of_the_work(site: Site) -> None:
    folder = site.make("p")
    site.commit("p", {"a": "1", "b": "1", "c": "1", "d": "1"})
    write(folder, a="2", b="2", c="early", new="2")
    (folder / "d").unlink()
    keeper = await keep(site)
    write(folder, c="late")
    site.git("p", "add", "a", "c")
    site.git("p", "commit", "-q", "-m", "a and c")
    await keeper.sync.run()  # the machine goes before the next look
    shutil.rmtree(folder)
    restored = await site.restorer().restore("p")
    assert restored.work.startswith("c were committed later")
    assert site.git("p", "status", "--short") == " M b\n D d\n?? new"
    assert site.git("p", "show", "refs/dbx/work:work/c") == "early"


async def test_what_was_kept_goes_when_all_is_committed(site: Site) -> None:
    folder = site.make("p", a="1")
    write(folder, a="2")
    keeper = await keep(site)
    site.commit("p", {"a": "2"})
    await keeper.sync.run()
    await keeper.look(at_once=True)
    assert [n for n in site.remote(".dbx-agents/p") if n.startswith("work-")] == []
    assert keeper.model()["kept_at"] == ""


async def test_each_kill_leaves_the_former_or_the_new_work(site: Site) -> None:
    folder = site.make("p", a="1")
    keeper, kept = await keep(site), "1"
    for dies_at in (1, 2, 3):  # the listing, the upload, the deletion of the former
        for is_after in (False, True):
            new = f"work {dies_at} {is_after}"
            write(folder, a=new)
            site.connect()
            keeper.sync.destination.files = site.files
            site.transport.dies_at, site.transport.dies_after_effect = dies_at, is_after
            with contextlib.suppress(Killed):
                await keeper_of(keeper.sync).look(at_once=True)
            site.connect()
            moved = folder.rename(site.home / f"moved-{dies_at}-{is_after}")
            await site.restorer().restore("p")
            kept = kept if (dies_at, is_after) < (2, True) else new
            assert (folder / "a").read_text() == kept
            shutil.rmtree(folder)
            moved.rename(folder)


async def test_two_servers_do_not_mix_their_work(site: Site) -> None:
    folder = site.make("p", a="1")
    first = await keep(site)
    second = keeper_of(site.project_sync("p"))
    await second.sync.run()
    for number in range(3):
        write(folder, a=f"first {number}")
        await first.look(at_once=True)
        write(folder, a=f"second {number}")
        await second.look(at_once=True)
        assert first.message == second.message == ""
    shutil.rmtree(folder)
    await site.restorer().restore("p")
    assert (folder / "a").read_text() == "second 2"


async def test_a_bundle_that_another_server_has_written_is_never_replaced(site: Site) -> None:
    folder = site.make("p", a="1")
    keeper = await keep(site)
    ours = keeper._store
    assert await ours.newest() is None
    theirs = WorkStore(keeper.sync.destination)
    await theirs.write(io.BytesIO(b"theirs"))
    with pytest.raises(MarkerChangedError, match="Another server"):
        await ours.write(io.BytesIO(b"ours"))
    [node] = [n for n in site.workspace.files.all() if "/work-" in n.path]
    assert node.content == b"theirs"
    write(folder, a="2")
    await keeper.look(at_once=True)  # listed again: with the next number
    assert keeper.message == ""
    [node] = [n for n in site.workspace.files.all() if "/work-" in n.path]
    assert node.path.endswith("/work-000002.bundle")


async def test_work_that_is_damaged_or_newer_does_not_stop_the_restore(site: Site) -> None:
    folder = site.make("p", a="1")
    write(folder, a="2")
    await keep(site)
    [node] = [n for n in site.workspace.files.all() if "/work-" in n.path]
    node.content = node.content[:-30]
    shutil.rmtree(folder)
    restored = await site.restorer().restore("p")
    assert restored.problem == "" and "did not come back" in restored.work
    assert (folder / "a").read_text() == "1"


@pytest.mark.timeout(1800 if IS_LONG else 300)
async def test_git_of_the_user_never_fails_beside_it(site: Site) -> None:
    folder = site.make("p", a="1")
    keeper = await keep(site)
    count = 10_000 if IS_LONG else 300
    write(folder, **{f"file{number}": "x" * (number % 300) for number in range(count)})

    def commits() -> int:
        for number in range(25):
            write(folder, a=f"{number}")
            site.git("p", "add", "-A")
            site.git("p", "commit", "-q", "-m", f"{number}")
            site.git("p", "checkout", "-q", "--detach")
            site.git("p", "checkout", "-q", "main")
        return number

    loop = asyncio.create_task(asyncio.to_thread(commits))
    looks = 0
    while not loop.done():
        await keeper.sync.history.run()
        await keeper.look(at_once=True)
        looks += 1
        await asyncio.sleep(0)
    assert await loop == 24 and looks > 3
    await keeper.sync.run()
    await comes_back(site)


def git_seconds() -> float:
    """The processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def test_taking_the_work_of_ten_thousand_files_costs_git_little(site: Site) -> None:
    folder = site.make("p")
    files = "".join(f"M 100644 inline d{n // 100}/f{n}\ndata 2\n{n % 10}\n" for n in range(10_000))
    head = "commit refs/heads/main\ncommitter n <e> 0 +0000\ndata 1\n1"
    site.git("p", "fast-import", "--quiet", stdin=f"{head}\n{files}".encode())
    site.git("p", "reset", "-q", "--hard")
    sync = site.project_sync("p")
    await sync.history.mirror.update()
    taker, spent = Taker(sync.history.mirror, sync.repository), list[float]()
    for turn in range(5):
        write(folder, d1__f100=f"changed {turn}", new=f"{turn}")
        before = git_seconds()
        taken = await taker.take(await survey(sync.repository))
        spent.append(git_seconds() - before)
        assert taken.left_out == {}
    assert statistics.median(spent) < 0.15, spent


async def test_an_idle_app_makes_no_call_and_a_busy_one_few(site: Site) -> None:
    folder = site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await until(lambda: sync.status() and sync.status()[0]["state"] == "synced")
    write(folder, a="2", new="1")
    await until(lambda: sync.status()[0]["work"]["kept_at"], "kept within seconds", 15)
    site.transport.count = 0
    looks = sync._work.looks
    await until(lambda: sync._work.looks > looks + 3)
    assert site.transport.count == 0
    status = site.git("p", *STATUS)
    await sync.stop(4.0)
    shutil.rmtree(folder)
    [restored] = await site.git_sync().restore()
    assert restored.work == "Work in progress is back: 2 files."
    assert site.git("p", *STATUS) == status


async def test_a_renamed_project_always_has_its_work_under_one_of_its_names(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_dbx_agents.git_sync.work.keeper.QUIET_SECONDS", 0.1)
    folder = site.make("p", a="1")
    sync = site.git_sync(most_retry_seconds=0.2)
    await sync.start()
    await synced(site, sync, "p")
    (folder / "new").write_text("not committed")

    def has_work(name: str) -> bool:
        return any(each.startswith("work-") for each in site.remote(f".dbx-agents/{name}"))

    await until(lambda: has_work("p"), "the work")
    site.transport.before_request = lambda _count: seen.append(has_work("p") or has_work("q"))
    seen = list[bool]()
    folder.rename(site.projects / "q")
    await until(lambda: has_work("q"), "the work under the new name")
    await until(lambda: not site.remote(".dbx-agents/p"), "the end of the former records")
    assert all(seen)


async def test_a_stop_sends_what_has_just_changed(site: Site) -> None:
    folder = site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await until(lambda: sync.status() and sync.status()[0]["state"] == "synced")
    site.commit("p", {"a": "2"})
    write(folder, a="3")
    await sync.stop(10.0)
    shutil.rmtree(folder)
    await site.git_sync().restore()
    assert (folder / "a").read_text() == "3" and site.git("p", "show", "HEAD:a") == "2"


async def test_at_a_stop_what_changed_last_is_sent_first(site: Site) -> None:
    names = ["c", "e", "a", "d", "b", "f"]
    syncs = [site.project_sync(site.make(name, file="1").name) for name in sorted(names)]
    for sync in syncs:
        await sync.run()
    keepers = WorkKeepers(lambda: syncs, lambda: False, lambda: [], LOG)
    for name in names:
        write(site.projects / name, file="2")
        [keeper] = [k for k in keepers._current() if k.sync.destination.project == name]
        await keeper.look()
    assert keepers.pending() == sorted(names)
    await keepers.flush()
    nodes = [n for n in site.workspace.files.all() if "/work-" in n.path]
    sent = [n.path.split("/")[-2] for n in sorted(nodes, key=lambda node: node.modified_at)]
    # Two at a time: what is sent in the same moment may be swapped.
    assert "f" in sent[:3] and "c" in sent[3:], sent


async def test_a_full_disk_is_said_and_ends(site: Site) -> None:
    folder = site.make("p", a="1")
    keeper = await keep(site)
    write(folder, new=os.urandom(200_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        await keeper.look(at_once=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert keeper.message.startswith("Work in progress is not kept: "), keeper.message
    assert "Free some space." in keeper.message
    assert keeper.is_pending and keeper.model()["pending"]
    await comes_back(site)


@pytest.mark.timeout(1800 if IS_LONG else 300)
async def test_many_changed_files_come_back(site: Site) -> None:
    count = 50_000 if IS_LONG else 3_000
    folder = site.make("p", a="1")
    for number in range(count):
        if number % 500 == 0:
            (folder / f"d{number // 500}").mkdir()
        (folder / f"d{number // 500}" / f"f{number}").write_text(f"{number}")
    keeper = await keep(site)
    started = time.monotonic()
    (folder / "d0/f0").write_text("changed")
    await keeper.look(at_once=True)
    again = time.monotonic() - started
    status = site.git("p", *STATUS)
    shutil.rmtree(folder)
    restored = await site.restorer().restore("p")
    assert restored.work == f"Work in progress is back: {count} files."
    assert site.git("p", *STATUS) == status
    print(f"{count} files: {again:.1f} s for one more change")


async def test_the_status_counts_what_is_not_committed_and_names_the_branch(site: Site) -> None:
    folder = site.make("p", a="1")
    keeper = await keep(site)
    assert (keeper.model()["files"], keeper.model()["branch"]) == (0, "main")
    site.git("p", "switch", "-q", "-c", "a/b")
    write(folder, a="2", b="new")
    await keeper.look()
    assert (keeper.model()["files"], keeper.model()["branch"]) == (2, "a/b")
    site.git("p", "switch", "-q", "--detach")
    await keeper.look()
    assert keeper.model()["branch"] == ""

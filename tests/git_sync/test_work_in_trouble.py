"""Work in progress when something goes wrong: what is kept is never lost, and never too much."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.errors import DbxAgentsError
from jupyter_dbx_agents.git_sync.work import never, taking
from jupyter_dbx_agents.git_sync.work.store import WorkStore

from .conftest import Site, until
from .test_work_in_progress import (
    STATUS,
    change_comes_back,
    comes_back,
    conflict,
    keep,
    keeper_of,
    write,
)


def works(site: Site) -> list[Any]:
    return [n for n in site.workspace.files.all() if "/work-" in n.path]


@pytest.mark.parametrize(
    ("path", "is_secret"),
    [
        *((name, True) for name in (".env", ".env.local", ".env-prod", ".env_old", ".env~")),
        *((name, True) for name in (".envs/.production/.django", "a/.env.d/prod", "prod.env")),
        *((name, True) for name in ("id_rsa", "a/id_ed25519.pub", "x.PEM", "putty.ppk")),
        *((name, False) for name in ("environment.py", "env/x.py", "id_utils.py", "a.envoy")),
    ],
)
def test_a_name_that_files_with_secrets_have_is_left_out(path: str, is_secret: bool) -> None:
    assert never.is_secret_name(path) is is_secret


async def test_a_workspace_in_trouble_loses_no_work_at_a_restore(site: Site) -> None:
    folder = site.make("p", a="1")
    write(folder, a="2")
    await keep(site)
    shutil.rmtree(folder)
    real = site.files.read

    async def read(path: str) -> bytes | None:
        if "/work-" in path:
            site.fault("status", match="/api/2.0/workspace/export", status=503, times=4)
        return await real(path)

    site.files.read = read  # type: ignore[method-assign]
    with pytest.raises(DbxAgentsError):
        await site.restorer().restore("p")
    assert not folder.exists(), "all of it comes back, or nothing"
    site.files.read = real  # type: ignore[method-assign]
    site.workspace.faults.clear()
    await site.restorer().restore("p")
    assert (folder / "a").read_text() == "2"


@pytest.mark.parametrize("version", [2, "next"])
async def test_work_of_a_newer_version_outlives_the_older_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, version: object
) -> None:
    folder = site.make("p", a="1")
    write(folder, a="2")
    with monkeypatch.context() as newer:
        newer.setattr(taking, "SCHEMA", version)
        await keep(site)
    shutil.rmtree(folder)
    restored = await site.restorer().restore("p")
    assert restored.problem == "" and "did not come back" in restored.work
    assert "refs/dbx/work" in restored.work
    assert (folder / "a").read_text() == "1"
    await keep(site)  # the older version goes on with it
    shutil.rmtree(folder)
    await site.restorer().restore("p")
    assert site.git("p", "show", "refs/dbx/work:work/a") == "2"


async def test_work_that_was_never_brought_back_is_not_deleted_by_a_new_clone(site: Site) -> None:
    folder = site.make("p", a="1")
    site.git("p", "clone", "-q", "--bare", ".", "../../origin.git")
    write(folder, a="2", new="3")
    keeper = await keep(site)
    await keeper_of(keeper.sync).look(at_once=True)  # the same home knows what it has sent
    assert site.git("p", "for-each-ref", "refs/dbx") == ""
    [former] = works(site)
    shutil.rmtree(folder)
    shutil.rmtree(site.mirrors)
    site.git(site.projects, "clone", "-q", "../origin.git", "p")
    write(folder, a="4")
    keeper = await keep(site)
    assert works(site) == [former], "its ref is not in the history yet"
    await keeper.sync.run()
    await keeper.look(at_once=True)
    [ref] = site.git("p", "for-each-ref", "--format=%(refname)", "refs/dbx").splitlines()
    assert site.git("p", "show", f"{ref}:work/a") == "2"
    assert site.git("p", "show", f"{ref}:work/new") == "3"
    assert ref in keeper.note and len(works(site)) == 1 and works(site) != [former]
    write(folder, a="5")
    await keeper.look(at_once=True)
    assert len(site.git("p", "for-each-ref", "refs/dbx").splitlines()) == 1, "once"


async def test_work_that_came_back_is_ours(site: Site) -> None:
    folder = site.make("p", a="1")
    write(folder, a="2")
    await keep(site)
    shutil.rmtree(folder)
    shutil.rmtree(site.mirrors)
    await site.restorer().restore("p")
    site.git("p", "checkout", "-q", "--", "a")
    await keep(site)
    assert site.git("p", "for-each-ref", "refs/dbx") == "" and works(site) == []


def intended_and_ignored(site: Site, folder: Path) -> None:
    write(folder, _dot_gitignore="*.log\n", x_dot_log="1")
    (folder / "x.log").write_text("1")
    site.git("p", "add", "--intent-to-add", "--force", "x.log")


def a_submodule_removed(site: Site, folder: Path) -> None:
    site.make("lib", inner="1")
    lib = str(site.projects / "lib")
    site.git("p", "-c", "protocol.file.allow=always", "submodule", "add", "-q", lib, "sub")
    site.git("p", "commit", "-q", "-m", "sub")
    site.git("p", "rm", "-q", "sub")
    write(folder, a="2")


def a_merge_with_autostash(site: Site, folder: Path) -> None:
    conflict(site, folder)
    write(folder, c="stashed by the merge")
    with pytest.raises(AssertionError):
        site.git("p", "merge", "-q", "--autostash", "other")


CASES: list[Callable[[Site, Path], None]] = [
    *(intended_and_ignored, a_submodule_removed, a_merge_with_autostash),
]


@pytest.mark.parametrize("change", CASES, ids=lambda each: each.__name__)
async def test_a_restore_brings_the_same_status_in_odd_cases(
    site: Site, change: Callable[[Site, Path], None]
) -> None:
    folder = await change_comes_back(site, change)
    if change is a_merge_with_autostash:
        site.git("p", "merge", "--abort")
        assert (folder / "c").read_text() == "stashed by the merge"


async def test_a_file_that_is_left_out_costs_no_other_part(site: Site) -> None:
    folder = site.make("p")
    site.commit("p", {"a": "1", "d/b": "2"})
    conflict(site, folder)
    with pytest.raises(AssertionError):
        site.git("p", "merge", "-q", "other")
    write(folder, large=os.urandom(never.MOST_FILE_BYTES + 1))
    site.git("p", "add", "--intent-to-add", "large")
    await keep(site)
    shutil.rmtree(folder)
    restored = await site.restorer().restore("p")
    assert "Work in progress is back" in restored.work and "large" in restored.work
    assert (folder / ".git/MERGE_HEAD").exists()


async def test_a_large_file_of_an_operation_is_named(site: Site) -> None:
    folder = site.make("p", a="1")
    (folder / ".git/rebase-apply").mkdir()
    (folder / ".git/rebase-apply/0001").write_bytes(os.urandom(never.MOST_FILE_BYTES + 1))
    (folder / ".git/rebase-apply/0002").write_bytes(b"x" * 2_000_000)
    (folder / ".git/rebase-apply/next").write_text("1")
    keeper = await keep(site)
    assert [*keeper.left_out] == [".git/rebase-apply/0001"]
    shutil.rmtree(folder)
    restored = await site.restorer().restore("p")
    assert ".git/rebase-apply/0001" in restored.work
    assert (folder / ".git/rebase-apply/0002").stat().st_size == 2_000_000


async def test_there_is_a_bound_for_all_of_the_work(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "MOST_BYTES", 250_000)
    monkeypatch.setattr(taking, "_RACY_NS", 0)
    folder = site.make("p", a="1")
    keeper = await keep(site)
    for number in range(4):  # what was read before counts as well
        write(folder, **{f"new{number}": os.urandom(100_000)})
        await keeper.look(at_once=True)
    assert set(keeper.left_out.values()) == {taking.TOO_MUCH} and len(keeper.left_out) == 2
    site.git("p", "add", "-A")  # and what is staged
    await keeper.look(at_once=True)
    assert set(keeper.left_out.values()) == {taking.TOO_MUCH} and len(keeper.left_out) == 2
    assert sum(len(node.content) for node in works(site)) < 300_000


async def test_a_mirror_that_was_made_again_gets_what_is_staged_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = site.make("p", a="1")
    write(folder, a="staged")
    site.git("p", "add", "a")
    keeper = await keep(site)
    mirror = keeper.sync.history.mirror

    def link(*_arguments: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", link)
    await mirror.make_again()
    for turn in range(2):
        write(folder, new=f"{turn}")
        await keeper.look(at_once=True)
    assert keeper.message == ""
    await comes_back(site)


async def test_nothing_is_kept_after_it_was_forgotten_even_what_was_on_its_way(site: Site) -> None:
    folder = site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await until(lambda: sync.status() and sync.status()[0]["state"] == "synced")
    real, arrived, goes_on = sync._files.put, asyncio.Event(), asyncio.Event()

    async def put(path: str, content: Any, *, overwrite: bool) -> int:
        if "/work-" in path:
            arrived.set()
            await goes_on.wait()
        return await real(path, content, overwrite=overwrite)

    sync._files.put = put  # type: ignore[method-assign]
    write(folder, a="2")
    await asyncio.wait_for(arrived.wait(), 30)
    forgetting = asyncio.create_task(sync.forget_work())
    await asyncio.sleep(0.1)
    goes_on.set()
    await forgetting
    await sync.stop(4.0)
    assert works(site) == []


async def test_two_servers_with_one_number_leave_the_whole_bundle(site: Site) -> None:
    folder = site.make("p", a="1")
    write(folder, a="2")
    keeper = await keep(site)
    [node] = works(site)
    # Another server, which was killed in the middle of a larger one with the same number.
    name = node.path.rpartition("/")[2]
    site.put_foreign(f".dbx-agents/p/{name}.0000-0003", b"half")
    newest = await WorkStore(keeper.sync.destination).newest()
    assert newest is not None and newest.names() == [name]
    shutil.rmtree(folder)
    await site.restorer().restore("p")
    assert (folder / "a").read_text() == "2"


async def test_a_full_disk_at_a_restore_loses_no_work(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = site.make("p", a="1")
    write(folder, a="2", b="3")
    status = site.git("p", *STATUS)
    await keep(site)
    shutil.rmtree(folder)
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "b":
            raise OSError(28, "No space left on device")
        return real(path, data)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(DbxAgentsError, match="No space left") as raised:
            await site.restorer().restore("p")
    assert "Free some space" in raised.value.hint and not folder.exists()
    await site.restorer().restore("p")
    assert site.git("p", *STATUS) == status

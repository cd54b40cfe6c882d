"""What a project's folder in the workspace holds after a commit, and at what price."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest

from jupyter_dbx_agents.git_sync.local.objects import SUBMODULE, SYMLINK
from jupyter_dbx_agents.git_sync.local.projects import CONTROL_CHARACTER, NOT_UTF8

from .conftest import Killed, Site, marker_of

NOTEBOOK = b"# Databricks notebook source\n"


def calls(site: Site) -> list[str]:
    """The API calls since the last time."""
    made = [entry.path.rpartition("/")[2] for entry in site.workspace.requests.since(0, "")]
    site.workspace.requests.clear()
    return made


async def test_names_and_bytes_stay_exact(site: Site) -> None:
    files = {
        "nb.py": NOTEBOOK,
        "nb.ipynb": b'{"cells": []}',
        "broken.ipynb": b"{",
        "z.zip": b"PK\x05\x06" + bytes(18),
        "ü %2F#?&+.txt": b"\xff\x00\r\n",
        " leading and trailing ": b"",
        'quote"back\\slash': b"1",
        "deep/er/and/deeper/x": b"2",
        "--boundary": b"--\r\n\r\n--",
    }
    site.make("p")
    site.commit("p", dict(files))
    await site.project_sync("p").run()
    assert site.remote("p") == files


async def test_the_commit_is_synced_and_not_the_working_tree(site: Site) -> None:
    folder = site.make("p", a="committed")
    (folder / "a").write_text("edited")
    (folder / "untracked").write_text("u")
    site.git("p", "add", "untracked")
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"committed"}


async def test_calls_follow_the_change_and_not_the_repository(site: Site) -> None:
    site.make("p")
    site.commit("p", {f"d{i % 20}/f{i}": str(i) for i in range(300)})
    sync = site.project_sync("p", checkpoint_files=2000)
    await sync.run()
    calls(site)
    for changed in (1, 10):
        site.commit("p", {f"d{i % 20}/f{i}": f"{changed}.{i}" for i in range(changed)})
        await sync.run()
        assert len(calls(site)) == changed + 3 + changed, "each is in a folder of its own"
    site.commit("p", {"d1/f1": None})
    await sync.run()
    assert len(calls(site)) == 1 + 3 + 1
    site.commit("p", {f"d2/f{i}": None for i in range(2, 300, 20)})
    await sync.run()
    assert len(calls(site)) == 15 + 1 + 3 + 1, "and one for the folder that is empty now"
    await sync.run()
    assert calls(site) == []


async def test_a_first_sync_that_was_cut_off_does_not_look_at_each_file_again(site: Site) -> None:
    site.make("p")
    site.commit("p", {f"f{i:03}": str(i) for i in range(100)})
    site.transport.dies_at = 90
    with pytest.raises(Killed):
        await site.project_sync("p", checkpoint_files=20).run()
    site.connect()
    site.workspace.requests.clear()
    await site.project_sync("p", checkpoint_files=20).run()
    assert len(site.remote("p")) == 100
    made = calls(site)
    assert made.count("export") <= 1 + 20 and len(made) < 100


async def test_a_mode_alone_costs_no_upload(site: Site) -> None:
    folder = site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    calls(site)
    (folder / "a").chmod(0o755)
    site.commit("p", {})
    await sync.run()
    assert len(calls(site)) == 2  # the bundle and the marker


async def test_renames_case_and_kinds_change_places(site: Site) -> None:
    site.make("p")
    site.commit("p", {"V.txt": "1", "d/f": "2", "e": "3", "Dir/x": "4"})
    sync = site.project_sync("p")
    await sync.run()
    site.git("p", "mv", "V.txt", "v.txt")
    site.git("p", "rm", "-q", "-r", "d", "e", "Dir")
    site.commit("p", {"d": "now a file", "e/f": "now a folder", "dir/x": "4"})
    await sync.run()
    assert site.remote("p").keys() == {"v.txt", "d", "e/f", "dir/x"}
    assert site.remote_folders("p") == {"e", "dir"}


@pytest.mark.parametrize("left_out", ["link", "too large", "submodule", "new\nline"])
@pytest.mark.parametrize("is_at_once", [True, False])
async def test_a_file_takes_the_place_of_a_folder_of_which_all_was_left_out(
    site: Site, left_out: str, is_at_once: bool
) -> None:
    """Whether the folder goes in the same commit or in one before."""
    folder = site.make("p")
    site.commit("p", {"d/deep/x": "1", "stays": "1"})
    sync = site.project_sync("p", most_file_bytes=1000)
    await sync.run()
    oid = site.git("p", "rev-parse", "HEAD")
    name = left_out if "\n" in left_out else "y"
    left = folder / "d/deep" / name
    if left_out == "link":
        left.symlink_to("nowhere")
    elif left_out != "submodule":
        left.write_text("x" * 1001)
    site.commit("p", {"d/deep/x": None})
    if left_out == "submodule":
        site.git("p", "update-index", "--add", "--cacheinfo", f"160000,{oid},d/deep/y")
        site.git("p", "commit", "-q", "-m", "submodule")
    await sync.run()
    assert site.remote("p") == {"stays": b"1"} and len(marker_of(sync).skipped) == 1
    if left_out == "submodule":
        site.git("p", "update-index", "--force-remove", "d/deep/y")
        site.git("p", "commit", "-q", "-m", "no submodule")
    shutil.rmtree(folder / "d")
    if not is_at_once:
        site.commit("p", {})
        await sync.run()
        assert site.remote_folders("p") == set()
    site.commit("p", {"d": "a file"})
    await sync.run()
    assert site.remote("p") == {"stays": b"1", "d": b"a file"}
    assert marker_of(sync).skipped == {}


@pytest.mark.parametrize("is_at_once", [True, False])
async def test_a_submodule_takes_the_place_of_a_folder_and_a_file_that_of_the_submodule(
    site: Site, is_at_once: bool
) -> None:
    folder = site.make("p")
    oid = site.commit("p", {"d/x": "1", "stays": "1"})
    sync = site.project_sync("p")
    await sync.run()
    shutil.rmtree(folder / "d")
    site.commit("p", {})
    site.git("p", "update-index", "--add", "--cacheinfo", f"160000,{oid},d")
    site.git("p", "commit", "-q", "-m", "submodule")
    await sync.run()
    assert site.remote_folders("p") == set() and marker_of(sync).skipped == {"d": SUBMODULE}
    site.git("p", "update-index", "--force-remove", "d")
    if not is_at_once:
        site.git("p", "commit", "-q", "-m", "no submodule")
        await sync.run()
    site.commit("p", {"d": "a file"})
    await sync.run()
    assert site.remote("p") == {"stays": b"1", "d": b"a file"}
    assert marker_of(sync).skipped == {}


async def test_a_folder_takes_the_place_of_a_submodule(site: Site) -> None:
    site.make("p")
    oid = site.commit("p", {"stays": "1"})
    site.git("p", "update-index", "--add", "--cacheinfo", f"160000,{oid},d")
    site.git("p", "commit", "-q", "-m", "submodule")
    sync = site.project_sync("p")
    await sync.run()
    site.git("p", "update-index", "--force-remove", "d")
    site.commit("p", {"d/x": "1"})
    await sync.run()
    assert site.remote("p") == {"stays": b"1", "d/x": b"1"}
    assert not sync.audits_next, "nobody has deleted a folder there"


@pytest.mark.parametrize("dies_after_calls", [1, 3])
async def test_kinds_change_places_after_a_kill(site: Site, dies_after_calls: int) -> None:
    site.make("p")
    site.commit("p", {"d/f": "1", "e": "1"})
    sync = site.project_sync("p")
    await sync.run()
    site.git("p", "rm", "-q", "-r", "d", "e")
    site.commit("p", {"d": "now a file", "e/f": "now a folder"})
    intent = site.transport.count + 2  # after the bundle
    site.transport.dies_at = intent + dies_after_calls
    with pytest.raises(Killed):
        await sync.run()
    site.connect()
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p") == {"d": b"now a file", "e/f": b"now a folder"}
    assert marker_of(sync).skipped == {}


async def test_the_folder_of_what_was_left_out_stays_while_others_have_something_there(
    site: Site,
) -> None:
    folder = site.make("p")
    site.commit("p", {"d/x": "1"})
    sync = site.project_sync("p")
    await sync.run()
    (folder / "d/link").symlink_to("nowhere")
    site.commit("p", {"d/x": None})
    site.put_foreign("p/d/theirs", b"theirs")
    await sync.run()
    shutil.rmtree(folder / "d")
    site.commit("p", {"d": "a file"})
    await sync.run()
    assert site.remote("p") == {"d/theirs": b"theirs"}
    assert marker_of(sync).skipped.keys() == {"d"}


async def test_symlinks_and_submodules_are_left_out_and_named(site: Site) -> None:
    folder = site.make("p", a="1", b="2")
    sync = site.project_sync("p")
    await sync.run()
    (folder / "b").unlink()
    (folder / "b").symlink_to("a")
    oid = site.git("p", "rev-parse", "HEAD")
    site.git("p", "update-index", "--add", "--cacheinfo", f"160000,{oid},sub")
    site.git("p", "add", "b")
    site.git("p", "commit", "-q", "-m", "links")
    await sync.run()
    assert site.remote("p") == {"a": b"1"}
    assert marker_of(sync).skipped == {"b": SYMLINK, "sub": SUBMODULE}
    site.git("p", "rm", "-q", "--cached", "b", "sub")
    site.git("p", "commit", "-q", "-m", "no links")
    await sync.run()
    assert marker_of(sync).skipped == {}


async def test_a_name_that_looks_like_an_impossible_one_is_synced(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a\nb": "real newline", "a\\nb": "backslash n"})
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p") == {"a\\nb": b"backslash n"}
    site.commit("p", {"a\\nb": "changed"})
    await sync.run()
    assert site.remote("p") == {"a\\nb": b"changed"}
    site.commit("p", {"a\\nb": None})
    await sync.run()
    assert site.remote("p") == {} and len(marker_of(sync).skipped) == 1


async def test_impossible_names_are_left_out_and_named(site: Site) -> None:
    folder = site.make("p", fine="1")
    for name in (b"latin-\xe9", b"new\nline"):
        (folder / os.fsdecode(name)).write_text("x")
    site.commit("p", {})
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p") == {"fine": b"1"}
    assert marker_of(sync).skipped == {
        "./latin-\\xe9": NOT_UTF8,
        "./new\\nline": CONTROL_CHARACTER,
    }


async def test_large_files_are_streamed_or_named(site: Site) -> None:
    site.make("p")
    site.commit("p", {"big.bin": os.urandom(11 * 1024 * 1024), "huge": b"x" * 3_000_000, "s": "1"})
    sync = site.project_sync("p", most_file_bytes=12 * 1024 * 1024)
    await sync.run()
    assert len(site.remote("p")["big.bin"]) == 11 * 1024 * 1024
    sync = site.project_sync("p", most_file_bytes=2_000_000)
    site.commit("p", {"huge": b"y" * 3_000_000})
    await sync.run()
    assert "3 MB" in marker_of(sync).notes["huge"] and "older" in marker_of(sync).notes["huge"]
    assert site.remote("p")["huge"] == b"x" * 3_000_000
    site.commit("p", {"huge": "small now"})
    await sync.run()
    assert site.remote("p")["huge"] == b"small now" and marker_of(sync).notes == {}
    site.commit("p", {"huge": b"z" * 3_000_000})
    await sync.run()
    site.commit("p", {"huge": None})
    await sync.run()
    assert site.remote("p").keys() == {"big.bin", "s"}


async def test_a_tenant_with_a_low_limit_names_what_it_refuses(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a.zip": os.urandom(20_000), "b.bin": os.urandom(20_000), "c": "1"})
    site.workspace.files.max_file_bytes = 10_000
    sync = site.project_sync("p")
    await sync.run()
    assert "history is not kept" in sync.history.problem and sync.history.wants_retry
    assert site.remote("p") == {"c": b"1"}
    assert marker_of(sync).skipped.keys() == {"a.zip", "b.bin"}
    site.workspace.files.max_file_bytes = 1_000_000
    await sync.run(audits=True)
    assert site.remote("p").keys() == {"a.zip", "b.bin", "c"}
    assert marker_of(sync).skipped == {}


async def test_lfs_content_is_synced_or_its_absence_named(site: Site) -> None:
    content = b"large " * 1000
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    folder = site.make("p")
    site.commit("p", {"there": pointer, "gone": pointer.replace(oid, "0" * 64)})
    store = folder / ".git/lfs/objects" / oid[:2] / oid[2:4]
    store.mkdir(parents=True)
    (store / oid).write_bytes(content)
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p")["there"] == content
    assert b"git-lfs" in site.remote("p")["gone"]
    assert marker_of(sync).notes.keys() == {"gone"}


async def test_sha256_shallow_bare_and_detached_repositories_are_synced(site: Site) -> None:
    site.make("sha256", "--object-format=sha256", a="1")
    site.make("full", a="1")
    site.commit("full", {"b": "2"})
    url = f"file://{site.projects / 'full'}"
    site.git(site.projects, "clone", "-q", "--depth=1", url, "shallow")
    site.git(site.projects, "clone", "-q", "--bare", url, "bare")
    site.git("full", "checkout", "-q", "--detach", "HEAD^")
    for name, names in (
        ("sha256", {"a"}),
        ("full", {"a"}),
        ("shallow", {"a", "b"}),
        ("bare", {"a", "b"}),
    ):
        await site.project_sync(name).run()
        assert site.remote(name).keys() == names


async def test_an_empty_repository_waits_for_its_first_commit(site: Site) -> None:
    site.make("p")
    sync = site.project_sync("p")
    assert await sync.run() is None
    site.commit("p", {})
    assert await sync.run()
    assert site.remote("p") == {}
    site.commit("p", {"a": "1"})
    await sync.run()
    assert site.remote("p") == {"a": b"1"}


async def test_nothing_of_ours_is_in_the_repository(site: Site) -> None:
    folder = site.make("p", a="1")
    site.git("p", "update-ref", "refs/dbx/synced", "HEAD")  # as version 0.1.0 left it
    (folder / ".git/jupyter_dbx_agents_id").write_text("1" * 32 + "\n")
    before = {path for path in folder.rglob("*") if "objects" not in path.parts}
    sync = site.project_sync("p")
    await sync.run()
    after = {path for path in folder.rglob("*") if "objects" not in path.parts}
    assert after < before and not (folder / ".git/jupyter_dbx_agents_id").exists()
    assert site.git("p", "for-each-ref", "--format=%(refname)") == "refs/heads/main"

"""After a restart, with a fresh home: the same trees and the same history."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

import jupyter_dbx_agents
from jupyter_dbx_agents.errors import RestoreError
from jupyter_dbx_agents.git_sync import Restored
from jupyter_dbx_agents.git_sync.history import MOST_INCREMENTS
from jupyter_dbx_agents.git_sync.restore import remove_leftovers

from .conftest import ROOT, Killed, Site

LOG = ("log", "--all", "--exclude=refs/dbx/*", "--format=%H %P %an %s %D")


async def test_restore_gives_the_same_tree_and_the_same_log(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "1", "d/run.sh": "#!/bin/sh\n"})
    (site.projects / "p/d/run.sh").chmod(0o755)
    (site.projects / "p/link").symlink_to("a")
    sync = site.project_sync("p")
    for step in range(5):
        site.commit("p", {"a": f"step {step}"})
        await sync.run()
    site.git("p", "checkout", "-q", "-b", "work/x")
    site.git("p", "tag", "-m", "first", "v1")
    site.git("p", "remote", "add", "origin", "https://user:secret@example.com/x.git")
    site.commit("p", {"b": "2"})
    await sync.run()
    before = [site.git("p", *LOG), site.git("p", "ls-tree", "-r", "HEAD")]
    shutil.rmtree(site.projects / "p")
    restored = await site.restorer().restore("p")
    assert restored.has_history and restored.missing == ()
    assert [site.git("p", *LOG), site.git("p", "ls-tree", "-r", "HEAD")] == before
    assert site.git("p", "status", "--porcelain") == ""
    assert site.git("p", "branch", "--show-current") == "work/x"
    assert site.git("p", "config", "remote.origin.url") == "https://example.com/x.git"
    assert site.git("p", "fsck", "--strict", "--no-dangling") == ""
    assert os.access(site.projects / "p/d/run.sh", os.X_OK)
    site.transport.count = 0
    await site.project_sync("p").run()
    assert site.transport.count == 3, "nothing is uploaded again"


async def test_restore_refuses_to_overwrite(site: Site) -> None:
    folder = site.make("p", a="1")
    await site.project_sync("p").run()
    (folder / "a").write_text("local work")
    with pytest.raises(RestoreError, match="already exists"):
        await site.restorer().restore("p")
    assert (folder / "a").read_text() == "local work"
    for name in ("../x", "", "a//b", "p/.git", "nothing"):
        with pytest.raises(RestoreError):
            await site.restorer().restore(name)


async def test_special_repositories_come_back_as_they_were(site: Site) -> None:
    site.make("sha256", "--object-format=sha256", a="1")
    site.make("full", a="1")
    site.commit("full", {"b": "2"})
    url = f"file://{site.projects / 'full'}"
    site.git(site.projects, "clone", "-q", "--depth=1", url, "shallow")
    site.git(site.projects, "clone", "-q", "--bare", url, "bare")
    site.git("full", "checkout", "-q", "--detach", "HEAD^")
    names = ["sha256", "full", "shallow", "bare"]
    commands = [("rev-parse", "HEAD"), ("rev-list", "--all", "--exclude=refs/dbx/*", "--count")]
    before = {}
    for name in names:
        await site.project_sync(name).run()
        before[name] = [site.git(name, *command) for command in commands]
        shutil.rmtree(site.projects / name)
    assert set(await site.restorer().available()) == set(names)
    for name in names:
        assert (await site.restorer().restore(name)).has_history, name
        assert [site.git(name, *command) for command in commands] == before[name]
        site.git(name, "fsck")
        await site.project_sync(name).run()


async def test_without_history_the_files_come_back(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "1", "d/run.sh": "2", "big": os.urandom(11 * 1024 * 1024)})
    (site.projects / "p/d/run.sh").chmod(0o755)
    (site.projects / "p/link").symlink_to("a")
    site.commit("p", {})
    sync = site.project_sync("p", most_history_bytes=1000)
    await sync.run()
    site.commit("p", {"a": "changed"})
    await sync.run()
    shutil.rmtree(site.projects / "p")
    restored = await site.restorer().restore("p")
    assert not restored.has_history
    assert set(restored.missing) == {"big"}
    assert (site.projects / "p/a").read_text() == "changed"
    assert site.git("p", "status", "--porcelain") == ""
    await site.project_sync("p").run()
    assert site.remote("p").keys() == {"a", "d/run.sh", "big"}, "what is only there stays"


async def test_history_is_packed_anew_before_it_is_too_many_files(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    for step in range(MOST_INCREMENTS + 6):
        site.commit("p", {"a": f"step {step}"})
        await sync.run()
    assert len(site.bundles("p")) <= MOST_INCREMENTS + 1
    log = site.git("p", *LOG)
    shutil.rmtree(site.projects / "p")
    await site.restorer().restore("p")
    assert site.git("p", *LOG) == log


async def test_a_history_that_is_too_large_is_reported_and_the_files_are_synced(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": os.urandom(200_000)})
    sync = site.project_sync("p", most_history_bytes=100_000)
    await sync.run()
    assert site.remote("p").keys() == {"a"}
    assert "history is not kept" in sync.history.problem
    assert site.bundles("p") == []


async def test_a_single_bundle_is_one_that_git_clones(site: Site, tmp_path: Path) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    [name] = site.bundles("p")
    data = site.remote(".dbx-agents/p")[name]
    (tmp_path / "x.bundle").write_bytes(data)
    site.git(site.projects, "clone", "-q", str(tmp_path / "x.bundle"), "clone")
    assert site.git("clone", "rev-parse", "HEAD") == site.git("p", "rev-parse", "HEAD")
    assert ROOT.endswith("/projects") and name


async def test_restore_by_another_app_makes_it_the_owner(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    await site.restorer("new app").restore("p")
    await site.project_sync("p", origin="new app").run()


async def test_the_marker_names_the_new_app_before_the_folder_is_there_to_be_found(
    site: Site,
) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")

    def origin() -> str:
        return str(json.loads(site.remote(".dbx-agents/p")["sync.json"])["origin"])

    found = list[str]()  # what a search for projects would find, at any request
    site.transport.before_request = lambda _count: (
        found.append(origin()) if (site.projects / "p").exists() else None
    )
    await site.restorer("new app").restore("p")
    site.transport.before_request = lambda _count: None
    assert set(found) <= {"new app"} and origin() == "new app"


async def test_a_damaged_record_is_reported_with_what_to_do(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    site.put_foreign(".dbx-agents/p/sync.json", b"{")
    with pytest.raises(RestoreError, match="damaged") as raised:
        await site.restorer().restore("p")
    assert f"Download {ROOT}/p by hand" in raised.value.hint


async def test_a_history_that_did_not_come_back_stays_in_the_workspace(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    site.commit("p", {})
    await sync.run()
    for name in site.bundles("p"):
        site.put_foreign(f".dbx-agents/p/{name}", b"broken")
    kept = set(site.bundles("p"))
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    restored = await site.restorer().restore("p")
    assert not restored.has_history
    assert restored.commit == site.git("p", "rev-parse", "HEAD")
    for step in range(5):
        site.commit("p", {"a": f"step {step}"})
        await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"step 4"}, "what came back is ours"
    assert kept < set(site.bundles("p"))
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    assert (await site.restorer().restore("p")).has_history


async def test_a_history_whose_past_is_too_large_is_packed_anew(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": os.urandom(100_000)})
    sync = site.project_sync("p", most_history_bytes=350_000)
    for _ in range(6):
        await sync.run()
        (site.projects / "p/a").write_bytes(os.urandom(100_000))
        site.git("p", "commit", "-q", "-a", "--amend", "-m", "anew")
    await sync.run()
    assert sync.history.problem == "" and 0 < sync.history.kept_bytes < 350_000


def test_rest_describes_all_that_a_restore_says() -> None:
    text = (Path(jupyter_dbx_agents.__file__).parent / "web" / "rest-api.yml").read_text("utf-8")
    described = yaml.safe_load(text)["components"]["schemas"]["Restored"]["properties"]
    assert described.keys() == {field.name for field in dataclasses.fields(Restored)}


def lose_the_disk(site: Site) -> None:
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)


REQUIRED = {"required": "true", "smudge": "/does/not/exist", "clean": "cat"}


async def test_a_filter_that_fails_costs_no_other_file(site: Site) -> None:
    for key, value in REQUIRED.items():
        site.git(site.projects, "config", "--global", f"filter.crypt.{key}", value)
    site.make("p")
    files: dict[str, str | bytes | None] = {"a": "1", "m.key": "2", "z/deep": "3", "z.key": "4"}
    site.commit("p", {".gitattributes": "*.key filter=crypt\n", **files})
    await site.project_sync("p").run()
    lose_the_disk(site)
    for key, value in REQUIRED.items():
        site.git(site.projects, "config", "--global", f"filter.crypt.{key}", value)
    restored = await site.restorer().restore("p")
    assert restored.missing == ()
    assert {n: (site.projects / "p" / n).read_text() for n in files} == files
    assert site.git("p", "status", "--porcelain") == ""
    site.commit("p", {"a": "after"})
    await site.project_sync("p").run()
    assert site.remote("p").keys() == {".gitattributes", *files}, "nothing is deleted there"


@pytest.mark.skipif(
    shutil.which("git-lfs") is None and "CI" not in os.environ,
    reason="Git LFS is a program of the system's",
)
async def test_the_content_of_lfs_files_comes_from_the_workspace(site: Site) -> None:
    site.make("p")
    site.git("p", "lfs", "install", "--local")
    contents: dict[str, str | bytes | None] = {"m.bin": b"large " * 3000, "n.bin": b"other " * 9}
    site.commit("p", {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    site.commit("p", {**contents, "src/main.py": "code", "z.txt": "last"})
    await site.project_sync("p").run()
    site.delete_foreign("p/n.bin")
    lose_the_disk(site)
    for key, value in {
        "required": "true",
        "process": "git-lfs filter-process",
        "clean": "git-lfs clean -- %f",
        "smudge": "git-lfs smudge -- %f",
    }.items():
        site.git(site.projects, "config", "--global", f"filter.lfs.{key}", value)
    restored = await site.restorer().restore("p")
    assert restored.missing == ("n.bin",)
    folder = site.projects / "p"
    assert (folder / "m.bin").read_bytes() == contents["m.bin"]
    assert (folder / "n.bin").read_text().startswith("version https://git-lfs")
    assert (folder / "src/main.py").exists() and (folder / "z.txt").exists()
    assert site.git("p", "status", "--porcelain") == ""


async def test_a_killed_restore_leaves_nothing_behind(site: Site) -> None:
    site.make("team/api", a="1")
    await site.project_sync("team/api").run()
    lose_the_disk(site)
    (site.projects / "team").mkdir()
    (site.projects / "team/.restoring-of-0.1.0").mkdir()
    site.transport.dies_at = site.transport.count + 3
    rmtree = shutil.rmtree
    shutil.rmtree = lambda *_paths, **_options: None  # type: ignore[assignment]
    try:
        with pytest.raises(Killed):
            await site.restorer().restore("team/api")
    finally:
        shutil.rmtree = rmtree
    site.connect()
    assert [*site.projects.rglob(".restoring-*")]
    remove_leftovers(site.projects)
    assert not [*site.projects.rglob(".restoring-*")]


async def test_a_restore_to_a_link_is_refused(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    shutil.move(site.projects / "p", site.home / "elsewhere")
    (site.projects / "p").symlink_to(site.home / "elsewhere")
    with pytest.raises(RestoreError, match="already exists"):
        await site.restorer().restore("p")

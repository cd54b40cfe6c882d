"""Every repository under the projects' folder is synced, or named with the reason and a cure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_dbx_agents.errors import GitError, GitSyncError
from jupyter_dbx_agents.git_sync.local import creation, projects
from jupyter_dbx_agents.git_sync.local.projects import find_projects

from .conftest import Site
from .test_git_sync import model, synced


def found(site: Site) -> tuple[set[str], dict[str, str]]:
    """The names of the projects, and why others are none; each with a cure."""
    result = find_projects(site.projects)
    assert all(each.hint for each in result.unfit.values())
    return {*result.projects}, {name: each.reason for name, each in result.unfit.items()}


async def test_a_repository_at_the_top_is_named_and_those_in_it_are_synced(site: Site) -> None:
    site.git(site.projects, "init", "-q")
    site.make("p", a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    top = model(sync, "projects/")
    assert top["state"] == "unfit" and "itself" in top["message"] and top["hint"]
    with pytest.raises(GitSyncError, match="itself a repository"):
        await sync.sync_now("projects/")


async def test_hidden_vendored_and_deep_names_are_synced(site: Site) -> None:
    names = [".github", ".dotfiles", "venv", "node_modules", "a/b/c/d/e/f/g/deep", "p/.wiki"]
    for name in names:
        site.make(name, a="1")
    sync = site.git_sync()
    await sync.start()
    for name in names:
        await synced(site, sync, name)
    assert {each["state"] for each in sync.status()} == {"synced"}


def test_clones_that_tools_keep_are_named_and_agents_worktrees_are_projects(site: Site) -> None:
    site.make("p", a="1")
    for name in ("p/node_modules/x", "p/venv/src/y", "p/.terraform/modules/z", ".cache/c"):
        site.make(name, a="1")
    site.git("p", "worktree", "add", "-q", "-b", "w", ".trees/w")
    names, reasons = found(site)
    assert names == {"p", "p/.trees/w"}
    assert reasons.keys() == {
        "p/node_modules/x",
        "p/venv/src/y",
        "p/.terraform/modules/z",
        ".cache/c",
    }
    assert "inside node_modules" in reasons["p/node_modules/x"]


def test_repositories_in_place_of_the_records_are_named(site: Site) -> None:
    site.make(".dbx-agents", a="1")
    site.make(".dbx-agents/inner", a="1")
    site.make("p/.dbx-agents", a="1")
    names, reasons = found(site)
    assert names == {"p/.dbx-agents"}
    assert reasons.keys() == {".dbx-agents", ".dbx-agents/inner"}
    assert all("records" in reason for reason in reasons.values())


def test_links_are_named_unless_their_target_is_a_project(site: Site) -> None:
    site.make("p", a="1")
    outside = site.home / "outside" / "q"
    outside.mkdir(parents=True)
    site.git(outside, "init", "-q")
    (site.projects / "inside").symlink_to(site.projects / "p")
    (site.projects / "link").symlink_to(outside)
    (site.projects / "many").symlink_to(outside.parent)
    (site.projects / "loop").symlink_to(site.projects / "loop")
    (site.projects / "data").symlink_to("/usr/share")
    names, reasons = found(site)
    assert names == {"p"}
    assert reasons.keys() == {"link", "many"} and str(outside) in reasons["link"]


def test_damaged_git_folders_are_named(site: Site) -> None:
    for name in ("nul", "binary", "away", "fine"):
        site.make(name, a="1")
    for name, content in (("nul", b"\0" * 100), ("away", b"gitdir: /not/there\n")):
        shutil.rmtree(site.projects / name / ".git")
        (site.projects / name / ".git").write_bytes(content)
    (site.projects / "binary/.git/commondir").write_bytes(b"\xff\0")
    names, reasons = found(site)
    assert names == {"fine"}
    assert reasons.keys() == {"nul", "binary", "away"}


NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(("one", "other"), [("API", "api"), (NFD, NFC), ("straße", "STRASSE")])
async def test_names_that_may_be_the_same_in_the_workspace_are_told_apart(
    site: Site, one: str, other: str
) -> None:
    site.make(other, a="1")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, other)
    site.make(one, b="2")
    await sync.install_hooks()
    assert model(sync, one)["state"] == "unfit" and other in model(sync, one)["message"]
    assert model(sync, other)["state"] == "synced"


def test_the_end_of_a_search_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "MOST_FOLDERS", 10)
    for number in range(20):
        (site.projects / f"data/{number}").mkdir(parents=True)
    site.make("p", a="1")
    names, reasons = found(site)
    assert names == {"p"} and "Only 10 folders" in reasons["…"]


@pytest.mark.parametrize("options", [(), ("-c", "worktree.useRelativePaths=true")])
def test_no_number_of_caches_hides_an_agents_worktree(
    site: Site, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr(projects, "_MOST_CACHE_FOLDERS", 10)
    site.make("p", a="1")
    for number in range(20):
        (site.projects / f"node_modules/{number}").mkdir(parents=True)
    for place in (".claude/worktrees/team/x", "../../outside"):
        site.git("p", *options, "worktree", "add", "-q", "--detach", place)
    names, reasons = found(site)
    assert names == {"p", "p/.claude/worktrees/team/x"} and not reasons
    shutil.rmtree(site.projects / "p/.claude")
    assert found(site) == ({"p"}, {})


UNPRIVILEGED = """
import sys
from pathlib import Path
from jupyter_dbx_agents.git_sync.local.projects import find_projects
found = find_projects(Path(sys.argv[1]))
print(sorted(found.projects), sorted(found.unfit))
"""


def test_unreadable_folders_are_named_and_hide_no_other(site: Site) -> None:
    for name in ("closed", "fine", "no git"):
        site.make(name, a="1")
    (site.projects / ".claude").mkdir()
    places = ["closed", "no git/.git", ".claude"]
    for place in places:
        (site.projects / place).chmod(0)
    command = [sys.executable, "-c", UNPRIVILEGED, str(site.projects)]
    if os.geteuid() == 0:
        drop = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", *command]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    for place in places:
        (site.projects / place).chmod(0o755)
    assert ended.stdout == "['fine'] ['.claude', 'closed', 'no git']\n", ended.stderr


def test_what_is_said_can_be_printed(site: Site) -> None:
    odd = Path(os.fsdecode(os.fsencode(site.home) + b"/outside\xe9"))
    odd.mkdir()
    site.git(odd, "init", "-q", "r")
    (site.projects / "link").symlink_to(odd / "r")
    _names, reasons = found(site)
    assert "outside\\xe9" in reasons["link"].encode().decode()


async def test_a_restore_that_was_cut_off_is_named_and_is_no_project(site: Site) -> None:
    sync = site.git_sync()
    await sync.start()
    (site.projects / ".restoring-x").mkdir()
    site.git(site.projects / ".restoring-x", "init", "-q", "p")
    await sync.install_hooks()
    [status] = sync.status()
    assert (status["name"], status["state"]) == (".restoring-x", "unfit")


async def test_a_new_project_is_an_empty_repository_on_main_or_the_branch_of_the_users_choice(
    site: Site,
) -> None:
    sync = site.git_sync()
    await sync.start()
    folder = await sync.create("new one")
    assert folder == site.projects / "new one"
    assert site.git("new one", "symbolic-ref", "HEAD") == "refs/heads/main"
    assert {each["name"] for each in sync.status()} == {"new one"}
    site.git("new one", "config", "--global", "init.defaultBranch", "trunk")
    await sync.create("other")
    assert site.git("other", "symbolic-ref", "HEAD") == "refs/heads/trunk"
    with pytest.raises(GitSyncError, match="a folder “other” already") as refused:
        await sync.create("other")
    assert refused.value.hint


async def test_before_the_start_a_new_project_is_not_watched_and_after_it_it_is(
    site: Site,
) -> None:
    site.make("theirs", a="1")
    sync = site.git_sync()
    await sync.create("early")
    assert sync.status() == []
    await sync.start()
    assert {each["name"] for each in sync.status()} == {"early", "theirs"}


async def test_a_project_that_git_does_not_make_leaves_its_name_free(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_arguments: str, **_options: object) -> None:
        raise GitError("No space left on device.", "Free some.")

    monkeypatch.setattr(creation, "run_git", full_disk)
    with pytest.raises(GitError):
        await site.git_sync().create("new")
    assert not (site.projects / "new").exists()


@pytest.mark.parametrize("name", ["", " ", "../up", "a/b", ".git", "-x", "a\nb", " a", "x" * 256])
async def test_a_name_that_cannot_be_a_folders_makes_no_project(site: Site, name: str) -> None:
    with pytest.raises(GitSyncError, match="cannot be a project's name") as refused:
        await site.git_sync().create(name)
    assert refused.value.hint
    assert not [*site.projects.iterdir()]

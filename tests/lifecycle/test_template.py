"""The deployed template gets a repository of its own: once, only there, never over one's work."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_dbx_agents.lifecycle.template import detach_template
from tests.git_sync.conftest import LOG, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "home")


@pytest.fixture
def source(site: Site) -> Path:
    """The app's source as a Git deployment leaves it."""
    site.make("template")
    files = ("app.yaml", "pyproject.toml", "jupyter_dbx_agents/__init__.py")
    site.commit("template", dict.fromkeys(files, "x"))
    folder = site.home / "source_code"
    site.git(site.projects, "clone", "-q", "template", str(folder))
    (folder / ".databrickscfg").write_text("token = secret")
    return folder


def detach(site: Site, source: Path, *, is_databricks_app: bool = True) -> bool:
    return detach_template(
        source, is_databricks_app=is_databricks_app, environment=site.environment, log=LOG
    )


def test_the_template_starts_afresh_without_remotes_and_once(site: Site, source: Path) -> None:
    assert detach(site, source)
    assert site.git(source, "remote") == ""
    assert site.git(source, "log", "--format=%s") == "Start from the deployed template"
    assert "databrickscfg" not in site.git(source, "ls-files")
    assert site.git(source, "status", "--porcelain") == "?? .databrickscfg"
    assert sorted(path.name for path in source.glob(".git*")) == [".git"]
    assert not detach(site, source)


def test_nothing_happens_off_the_platform_or_elsewhere(site: Site, source: Path) -> None:
    assert not detach(site, source, is_databricks_app=False)
    (source / "app.yaml").unlink()
    assert not detach(site, source)
    assert site.git(source, "remote") == "origin"


@pytest.mark.parametrize("work", ["commit", "branch", "stash", "no remote", "linked"])
def test_a_history_with_own_work_is_never_touched(site: Site, source: Path, work: str) -> None:
    if work == "commit":
        site.git(source, "commit", "-q", "--allow-empty", "-m", "mine")
    if work == "branch":
        site.git(source, "checkout", "-q", "-b", "mine")
        site.git(source, "commit", "-q", "--allow-empty", "-m", "mine")
        site.git(source, "checkout", "-q", "main")
    if work == "stash":
        (source / "app.yaml").write_text("mine")
        site.git(source, "stash", "-q")
    if work == "no remote":
        site.git(source, "remote", "remove", "origin")
    if work == "linked":
        site.git(source, "worktree", "add", "-q", str(site.home / "linked"))
    before = site.git(source, "rev-parse", "--all")
    assert not detach(site, source)
    assert not detach(site, site.home / "linked")
    assert site.git(source, "rev-parse", "--all") == before


def test_a_start_that_was_cut_off_between_the_renames_is_taken_up(site: Site, source: Path) -> None:
    (source / ".git").rename(source / ".git.of-template")
    assert detach(site, source)
    assert site.git(source, "remote") == ""


def test_what_prevents_detaching_is_reported(
    site: Site, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source / ".git/HEAD").write_text("rubbish")
    assert not detach(site, source)
    assert f"left as it is: git remote failed in {source}: " in caplog.text
    assert "git remote remove origin" in caplog.text
    assert (source / ".git/HEAD").read_text() == "rubbish"

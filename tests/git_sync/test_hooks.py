"""Hooks as guests: ours and theirs run, a trigger survives a kill, and all of ours goes again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_dbx_agents.git_sync import uninstall
from jupyter_dbx_agents.git_sync.hooks.repository_hooks import (
    FOLDER_BELOW_HOME,
    HOOKS,
    STAND_IN,
    HookReport,
    Triggers,
    install_hooks,
    own_names,
    uninstall_hooks,
)
from jupyter_dbx_agents.git_sync.hooks.user_config import Identity, UserConfig
from jupyter_dbx_agents.git_sync.local.projects import locate

from .conftest import Site

THEIRS = "#!/bin/sh\necho theirs >>'{log}'\n"


class Hooked:
    """A home with triggers, and what a repository's hooks leave there."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.triggers = Triggers(site.home / FOLDER_BELOW_HOME)
        self.triggers.open()
        self.log = site.home / "theirs.log"

    def install(self, name: str) -> HookReport:
        location = locate(self.site.projects / name)
        assert location is not None
        return install_hooks(location, self.triggers.folder, self.site.environment)

    def uninstall(self, name: str) -> list[Path]:
        location = locate(self.site.projects / name)
        assert location is not None
        return uninstall_hooks(location, self.site.environment)

    def theirs(self, path: Path) -> bytes:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(THEIRS.format(log=self.log))
        path.chmod(0o755)
        return path.read_bytes()

    def config(self) -> UserConfig:
        return UserConfig(self.site.home, self.triggers.folder, self.site.environment)


@pytest.fixture
def hooked(site: Site) -> Hooked:
    return Hooked(site)


def test_commit_merge_rewrite_and_checkout_leave_a_trigger(site: Site, hooked: Hooked) -> None:
    folder = site.make("p", a="1")
    assert hooked.install("p").problem == ""
    site.commit("p", {"a": "2"})
    assert hooked.triggers.take() == [folder.resolve()]
    assert hooked.triggers.take() == []
    for command in (
        ("commit", "-q", "--amend", "-m", "amended"),
        ("checkout", "-q", "-b", "b", "HEAD^"),
        ("merge", "-q", "--ff", "main"),
        ("rebase", "-q", "--force-rebase", "--root"),
    ):
        site.git("p", *command)
        assert folder.resolve() in hooked.triggers.take(), command


@pytest.mark.parametrize("where", [".git/hooks", ".husky/_", "tracked"])
def test_with_a_hook_of_theirs_both_run(site: Site, hooked: Hooked, where: str) -> None:
    folder = site.make("p", a="1")
    if where != ".git/hooks":
        site.git("p", "config", "core.hooksPath", where)
    before = hooked.theirs(folder / where / "post-commit")
    if where == ".husky/_":
        (folder / where / ".gitignore").write_text("*")
    if where == "tracked":
        site.commit("p", {})
        hooked.log.unlink()
    report = hooked.install("p")
    assert report.problem == "" and STAND_IN in report.names
    assert site.git("p", "status", "--porcelain") == ""
    (folder / "a").write_text("2")
    site.git("p", "add", "-A")
    site.git("p", "commit", "-q", "-m", "change")
    assert hooked.log.read_text() == "theirs\n"
    assert set(hooked.triggers.take()) == {folder.resolve()}
    assert (folder / where / "post-commit").read_bytes() == before
    listing = site.git("p", "ls-files")
    assert STAND_IN not in listing and "post-merge" not in listing


def test_a_repository_without_a_free_hook_name_is_reported(site: Site, hooked: Hooked) -> None:
    folder = site.make("p", a="1")
    for name in (*HOOKS, STAND_IN):
        hooked.theirs(folder / ".git/hooks" / name)
    assert "taken" in hooked.install("p").problem
    site.git("p", "config", "core.hooksPath", "/dev/null")
    assert hooked.install("p").problem


@pytest.mark.usefixtures("without_lfs")
def test_a_hook_that_replaced_ours_is_noticed_at_the_next_install(
    site: Site, hooked: Hooked
) -> None:
    folder = site.make("p", a="1")
    hooked.install("p")
    hooked.theirs(folder / ".git/hooks/post-commit")
    assert STAND_IN in hooked.install("p").names
    (folder / ".git/hooks/post-commit").unlink()
    assert STAND_IN not in hooked.install("p").names
    assert not (folder / ".git/hooks" / STAND_IN).exists()


def test_uninstall_restores_every_byte(site: Site, hooked: Hooked) -> None:
    users = site.home / ".config/git/config"
    users.parent.mkdir(parents=True)
    users.write_text("[user]\n\tname = Mine\n")
    plain, husky = site.make("plain", a="1"), site.make("husky", a="1")
    site.git("husky", "config", "core.hooksPath", ".husky/_")
    hooked.theirs(husky / ".husky/_/post-commit")
    before = everything(site.home)
    hooked.config().install(Identity("N", "n@example.com"))
    for name in ("plain", "husky"):
        hooked.install(name)
    assert everything(site.home) != before
    removed = uninstall(site.home, site.projects)
    names = own_names(site.environment)
    assert {plain / ".git/hooks" / name for name in names} < set(removed)
    triggers = str(FOLDER_BELOW_HOME)
    after = {path: data for path, data in everything(site.home).items() if triggers not in path}
    assert after == before
    assert uninstall(site.home, site.projects) == []
    site.commit("plain", {"a": "2"})


def everything(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def test_new_and_cloned_repositories_have_the_hooks_and_gits_own_template(
    site: Site, hooked: Hooked
) -> None:
    hooked.config().install(None)
    site.make("new", a="1")
    site.git(site.projects, "clone", "-q", "new", "cloned")
    names = {path.name for path in hooked.triggers.folder.iterdir()}
    assert names, "the first commit and the clone's checkout are noticed"
    taken = set(hooked.triggers.take())
    assert taken >= {(site.projects / n).resolve() for n in ("new", "cloned")}
    assert (site.projects / "new/.git/info/exclude").exists()
    assert (site.projects / "new/.git/hooks/pre-commit.sample").exists()


def test_the_users_own_settings_win(site: Site, hooked: Hooked) -> None:
    site.make("p")

    def who() -> str:
        return subprocess.run(
            ["git", "config", "user.email"],
            cwd=site.projects / "p",
            env=site.environment,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()

    hooked.config().install(Identity('Olive "O" \\ Owner', "olive@example.com"))
    assert who() == "olive@example.com"
    assert site.git("p", "config", "--global", "--includes", "user.name") == 'Olive "O" \\ Owner'
    assert not (site.home / ".gitconfig").exists()
    site.git("p", "config", "--global", "user.email", "xdg@example.com")
    hooked.config().install(Identity("N", "olive@example.com"))
    assert who() == "xdg@example.com"
    (site.home / ".gitconfig").write_text("[user]\n\temail = home@example.com\n")
    assert who() == "home@example.com"
    assert (site.home / ".gitconfig").read_text() == "[user]\n\temail = home@example.com\n"


def test_the_trigger_survives_the_killing_of_the_process_group(site: Site, hooked: Hooked) -> None:
    """As agents do it: a shell in a group of its own, killed the moment the command has ended."""
    folder = site.make("p", a="1")
    hooked.install("p")
    commit = "git -c user.name=n -c user.email=e commit -qam m"
    for step in range(5):
        (folder / "a").write_text(f"step {step}")
        shell = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                f"{commit}; echo done; sleep 60",
            ],
            cwd=folder,
            env=site.environment,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"done\n"
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        shell.stdout.close()
        assert hooked.triggers.take() == [folder.resolve()]


def test_the_hook_never_fails_and_waits_for_nobody(site: Site, hooked: Hooked) -> None:
    site.make("p", a="1")
    hooked.install("p")
    folder = hooked.triggers.folder
    folder.rmdir()
    site.commit("p", {"a": "2"})
    folder.write_text("a file where the folder should be")
    site.commit("p", {"a": "3"})
    hook = site.projects / "p/.git/hooks" / own_names(site.environment)[0]
    ended = subprocess.run([str(hook), "committed"], capture_output=True, check=True, timeout=10)
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_the_hook_costs_a_commit_less_than_ten_milliseconds(site: Site, hooked: Hooked) -> None:
    """The hook alone, best of many: other programs' load is not its cost."""
    site.make("p", a="1")
    hooked.install("p")
    hook = site.projects / "p/.git/hooks" / own_names(site.environment)[0]
    best = min(_seconds(str(hook), "committed") for _ in range(30))
    nothing = min(_seconds("/bin/true") for _ in range(30))
    assert best - nothing < 0.01


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def test_a_trigger_that_is_being_written_is_not_lost(hooked: Hooked) -> None:
    file = hooked.triggers.folder / "1234"
    file.touch()
    assert hooked.triggers.take() == []
    file.write_text("/somewhere\n")
    assert hooked.triggers.take() == [Path("/somewhere")]
    with contextlib.suppress(FileNotFoundError):
        file.unlink()

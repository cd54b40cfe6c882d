"""Hooks as guests: ours and theirs run, a trigger survives a kill, and all of ours goes again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_dbx_agents.cli.projects import uninstall_lines
from jupyter_dbx_agents.git_sync import allow_hooks, are_hooks_removed, uninstall
from jupyter_dbx_agents.git_sync.hooks.repository_hooks import (
    FOLDER_BELOW_HOME,
    HOOK,
    MARK,
    Triggers,
    install_hook,
    uninstall_hooks,
)
from jupyter_dbx_agents.git_sync.hooks.user_config import Identity, UserConfig
from jupyter_dbx_agents.git_sync.local.projects import locate

from .conftest import Site, until
from .test_git_sync import synced

THEIRS = "#!/bin/sh\necho theirs >>'{log}'\n"


class Hooked:
    """A home with triggers, and what a repository's hooks leave there."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.triggers = Triggers(site.home / FOLDER_BELOW_HOME)
        self.triggers.open()
        self.log = site.home / "theirs.log"

    def install(self, name: str) -> bool:
        location = locate(self.site.projects / name)
        assert location is not None
        return install_hook(location, self.triggers.folder, self.site.environment)

    def uninstall(self, name: str) -> list[Path]:
        location = locate(self.site.projects / name)
        assert location is not None
        return uninstall_hooks(location, self.site.environment)

    def theirs(self, path: Path) -> bytes:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(THEIRS.format(log=self.log))
        path.chmod(0o755)
        return path.read_bytes()

    def config(self, **variables: str) -> UserConfig:
        environment = {**self.site.environment, **variables}
        return UserConfig(self.site.home, self.triggers.folder, environment)


@pytest.fixture
def hooked(site: Site, without_lfs: None) -> Hooked:
    return Hooked(site)


def test_a_commit_leaves_a_trigger(site: Site, hooked: Hooked) -> None:
    site.make("p", a="1")
    assert hooked.install("p")
    assert not hooked.triggers.take()
    site.commit("p", {"a": "2"})
    assert hooked.triggers.take()
    assert not hooked.triggers.take()


@pytest.mark.parametrize("where", ["husky", "tracked", "global"])
def test_hooks_folders_that_are_the_users_stay_as_they_are(
    site: Site, hooked: Hooked, where: str
) -> None:
    folder = site.make("p", a="1")
    places = {
        "husky": folder / ".husky/_",
        "tracked": folder / "hooks",
        "global": site.home / "dotfiles/hooks",
    }
    option = ["--global"] if where == "global" else []
    site.git("p", "config", *option, "core.hooksPath", str(places[where]))
    hooked.theirs(places[where] / "pre-commit")
    before = everything(site.home)
    assert not hooked.install("p")
    assert everything(site.home) == before


@pytest.mark.parametrize("kind", ["script", "not executable", "link", "folder", "dangling"])
def test_a_hook_of_theirs_stays(site: Site, hooked: Hooked, kind: str) -> None:
    folder = site.make("p", a="1")
    path = folder / ".git/hooks/post-commit"
    match kind:
        case "link":
            path.symlink_to("/bin/true")
        case "dangling":
            path.symlink_to("/does/not/exist")
        case "folder":
            path.mkdir()
        case _:
            hooked.theirs(path)
            path.chmod(0o755 if kind == "script" else 0o644)
    before = os.lstat(path)
    assert not hooked.install("p")
    assert os.lstat(path) == before


def test_with_git_lfs_its_names_stay_free(site: Site, hooked: Hooked, tmp_path: Path) -> None:
    folder = site.make("p", a="1")
    hooked.config().install(None)
    lfs = tmp_path / "later" / "git-lfs"
    lfs.parent.mkdir()
    lfs.write_text("#!/bin/sh\n")
    lfs.chmod(0o755)
    site.environment["PATH"] += f":{lfs.parent}"
    hooked.config().install(None)
    assert not hooked.install("p")
    template = site.home / ".local/share/jupyter_dbx_agents/git/template/hooks"
    for hooks in (folder / ".git/hooks", template):
        assert HOOK not in {path.name for path in hooks.iterdir()}


def test_what_an_earlier_version_installed_goes(site: Site, hooked: Hooked) -> None:
    folder = site.make("p", a="1")
    husky = site.make("husky", a="1")
    site.git("husky", "config", "core.hooksPath", ".husky/_")
    (husky / ".husky/_").mkdir(parents=True)
    exclude = husky / ".git/info/exclude"
    before = exclude.read_bytes()
    with exclude.open("a") as file:
        file.write(f"{MARK}\n/.husky/_/post-commit\n# End of jupyter_dbx_agents.\n")
    for place in (folder / ".git/hooks", husky / ".husky/_"):
        for name in ("post-merge", "post-rewrite", "post-checkout", "reference-transaction"):
            (place / name).write_text(f"#!/bin/sh\n{MARK}\n")
    assert hooked.install("p") and not hooked.install("husky")
    ours = [p for p in site.projects.rglob("*") if p.is_file() and MARK.encode() in p.read_bytes()]
    assert ours == [folder / ".git/hooks/post-commit"]
    assert exclude.read_bytes() == before


@pytest.mark.parametrize("damage", ["NUL", "binary commondir", "no permission"])
def test_a_damaged_repository_is_passed_over(site: Site, hooked: Hooked, damage: str) -> None:
    folder = site.make("p", a="1")
    if damage == "NUL":
        (folder / ".git/config").write_bytes(b"\0" * 40)
    elif damage == "no permission":
        (folder / ".git/hooks").chmod(0)
    hooked.install("p")
    if damage == "binary commondir":
        (folder / ".git/commondir").write_bytes(b"\xff\0")
        assert locate(folder) is None


def test_uninstall_restores_every_byte(site: Site, hooked: Hooked) -> None:
    users = site.home / ".config/git/config"
    users.parent.mkdir(parents=True)
    users.write_text("[user]\n\tname = Mine\n")
    plain = site.make("plain", a="1")
    elsewhere = site.home / "elsewhere"
    elsewhere.mkdir()
    before = everything(site.home)
    hooked.config().install(Identity("N", "n@example.com"))
    assert hooked.install("plain")
    assert everything(site.home) != before
    assert plain / ".git/hooks/post-commit" in uninstall(site.home, site.projects)
    state = str(FOLDER_BELOW_HOME.parent)
    after = {path: data for path, data in everything(site.home).items() if state not in path}
    assert after == before
    assert uninstall(site.home, site.projects) == []
    site.commit("plain", {"a": "2"})


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ("", "Removed {} (it had only what we wrote)."),
        ("[user]\n\tname = Mine\n", "Removed our lines from {}; yours stay."),
    ],
)
def test_uninstall_says_what_becomes_of_the_users_own_file(
    site: Site, hooked: Hooked, monkeypatch: pytest.MonkeyPatch, theirs: str, said: str
) -> None:
    monkeypatch.setenv("HOME", str(site.home))
    hooked.config().install(None)
    users = site.home / ".config/git/config"
    users.write_text(users.read_text() + theirs)
    lines = [*uninstall_lines([])]
    assert said.format(users) in lines
    assert users.exists() == bool(theirs)


@pytest.mark.usefixtures("without_lfs")
@pytest.mark.parametrize("has_token", [True, False])
async def test_uninstalled_hooks_come_back_by_command_only(site: Site, has_token: bool) -> None:
    site.make("p", a="1")
    site.projects = site.projects.rename(site.home / "work")  # whatever the folder is called
    token = site.pats.token
    site.pats.token = token if has_token else None
    sync = site.git_sync(search_seconds=0.05)
    await sync.start()
    hook = site.projects / "p/.git/hooks/post-commit"
    await until(hook.exists, "the hook")
    if has_token:
        await synced(site, sync, "p")
    assert hook in uninstall(site.home, site.home / "projects")
    site.pats.token = token
    sync.pat_changed()
    await sync.install_hooks()  # as a new terminal does
    site.commit("p", {"a": "2"})
    await synced(site, sync, "p")
    await asyncio.sleep(0.3)
    assert not hook.exists()
    fresh = site.git_sync()
    await fresh.start()
    assert not hook.exists() and are_hooks_removed(site.home)
    allow_hooks(site.home)
    await fresh.install_hooks()
    assert hook.exists() and not are_hooks_removed(site.home)


def everything(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def test_new_and_cloned_repositories_have_the_hooks_and_gits_own_template(
    site: Site, hooked: Hooked
) -> None:
    hooked.config().install(None)
    site.make("new", a="1")
    site.git(site.projects, "clone", "-q", "new", "cloned")
    assert hooked.triggers.take()
    assert (site.projects / "cloned/.git/hooks/post-commit").exists()
    assert (site.projects / "new/.git/info/exclude").exists()
    assert (site.projects / "new/.git/hooks/pre-commit.sample").exists()


def test_a_new_repository_begins_with_main_unless_somebody_has_set_another_branch(
    site: Site, hooked: Hooked, tmp_path: Path
) -> None:
    def first_branch(name: str, *options: str, **system: str) -> str:
        hooked.config(**system).install(Identity("N", "n@example.com"))
        command = ["git", *options, "init", name]
        environment = {**site.environment, **system}
        made = subprocess.run(
            command, cwd=site.projects, env=environment, capture_output=True, text=True, check=True
        )
        assert made.stderr == ""  # no advice
        return site.git(name, "symbolic-ref", "--short", "HEAD")

    assert first_branch("new") == "main"
    assert first_branch("asked", "-c", "init.defaultBranch=trunk") == "trunk"
    of_all = tmp_path / "gitconfig"
    of_all.write_text("[init]\n\tdefaultBranch = everyones\n")
    system = {"GIT_CONFIG_SYSTEM": str(of_all), "GIT_CONFIG_NOSYSTEM": "0"}
    assert first_branch("of-the-system", **system) == "everyones"
    (site.home / ".gitconfig").write_text("[init]\n\tdefaultBranch = mine\n")
    assert first_branch("my-own") == "mine"


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
        assert hooked.triggers.take()


def test_the_hook_never_fails_and_waits_for_nobody(site: Site, hooked: Hooked) -> None:
    site.make("p", a="1")
    hooked.install("p")
    folder = hooked.triggers.folder
    shutil.rmtree(folder)
    site.commit("p", {"a": "2"})
    folder.write_text("a file where the folder should be")
    site.commit("p", {"a": "3"})
    hook = site.projects / "p/.git/hooks" / HOOK
    ended = subprocess.run([str(hook)], capture_output=True, check=True, timeout=10)
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_the_hook_costs_a_commit_less_than_ten_milliseconds(site: Site, hooked: Hooked) -> None:
    """The hook alone, best of many: other programs' load is not its cost."""
    site.make("p", a="1")
    hooked.install("p")
    hook = site.projects / "p/.git/hooks" / HOOK
    best = min(_seconds(str(hook)) for _ in range(30))
    nothing = min(_seconds("/bin/true") for _ in range(30))
    assert best - nothing < 0.01


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def test_two_servers_see_each_commit(site: Site, hooked: Hooked) -> None:
    site.make("p", a="1")
    hooked.install("p")
    other = Triggers(hooked.triggers.folder)
    for step in range(3):
        site.commit("p", {"a": f"step {step}"})
        assert hooked.triggers.take() and other.take()
        assert not hooked.triggers.take() and not other.take()

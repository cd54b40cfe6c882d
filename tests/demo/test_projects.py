"""Commits in the running app reach the workspace, by hand and by a real agent, and come back."""

import hashlib
import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tests.git_sync.test_guests import (
    PRE_COMMIT_CONFIG,
    of_guests,
    pre_commit,
    run,
    set_up_husky,
)
from tests.support.effort import some
from tests.support.running_app import RunningApp, eventually
from tests.support.terminal_client import TerminalClient

from .test_real_agents import ONCE
from .test_rest_description import check

__all__ = ["pre_commit"]
# Codex's own sandbox lets nobody write to .git.
COMMANDS = {name: command for name, (command, _path) in ONCE.items()} | {
    "codex": "codex exec --skip-git-repo-check --sandbox danger-full-access {}"
}
# It sets core.hooksPath to '' for its commands.
WITHOUT_HOOKS = {"gemini-cli"}
# Gemini CLI hides the user's and the system's git settings from its commands.
IDENTITY = "-c user.name=A -c user.email=a@example.com"


def in_workspace(app: RunningApp, project: str) -> dict[str, str]:
    """Paths and hashes of a project's files in the workspace."""
    root = f"/Users/{app.lines['owner']}/projects/{project}/"
    found = app.control.files(root) + app.control.files("/Workspace" + root)
    return {
        file["path"].partition(f"/{project}/")[2]: file["sha256"]
        for file in found
        if file["object_type"] in ("FILE", "NOTEBOOK")
    }


def until_git_knows_the_user(app: RunningApp, terminal: TerminalClient) -> None:
    command = "git config user.email"
    eventually(lambda: app.lines["owner"] in terminal.run_any(command)[1], 60)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_commit_in_a_terminal_appears_in_the_workspace_and_in_the_status(app: RunningApp):
    app.log_in()
    with app.owner.terminal() as terminal:
        until_git_knows_the_user(app, terminal)
        terminal.run(
            "git init -q by-hand && cd by-hand && printf '# Databricks notebook source' > n.py"
        )
        terminal.run(
            "mkdir -p 'odd name' && echo one > 'odd name/ä.txt' && git add . && git commit -qm one"
        )
        wanted = {"n.py": sha256("# Databricks notebook source"), "odd name/ä.txt": sha256("one\n")}
        eventually(lambda: wanted.items() <= in_workspace(app, "by-hand").items(), 60)
        terminal.run("git mv 'odd name/ä.txt' b.txt && git commit -qm two")
        eventually(lambda: in_workspace(app, "by-hand").keys() == {"n.py", "b.txt"})
        head = terminal.run("git rev-parse HEAD").strip()
        shown = ("synced", head[:10])
        command = "jupyter dbx-agents sync --status by-hand"
        eventually(lambda: all(word in terminal.run(command) for word in shown))
        assert app.lines["owner"] in terminal.run("git log -1 --format=%ae")


def in_status(app: RunningApp, project: str) -> dict:
    return next((p for p in app.status()["projects"] if p["name"] == project), {})


@pytest.mark.timeout(700)
@pytest.mark.parametrize("agent", COMMANDS)
def test_a_real_agents_commit_arrives_though_its_process_group_is_killed_at_once(
    app: RunningApp, agent: str
):
    """``kill 0``: the tool call's whole group, which with some agents is the agent's own.

    The commit is safe within 5 s, by the clock of both.  The agents are not waited for: some take
    minutes to believe it.
    """
    app.until_installed()
    app.log_in()
    with app.owner.terminal() as terminal:
        terminal.run(f"rm -rf of-{agent}; git init -q of-{agent} && cd of-{agent}")
        commit = f"git {IDENTITY} commit -qm made"
        work = f"echo by an agent > made.txt && git add made.txt && {commit} && kill -9 0"
        terminal.type(COMMANDS[agent].format(f"'run: {work}; echo survived > made.txt'") + "\n")
        wanted = {"made.txt": sha256("by an agent\n")}
        terminal.until(lambda: in_workspace(app, f"of-{agent}") == wanted, 120)
        terminal.until(lambda: in_status(app, f"of-{agent}").get("state") == "synced")
    assert_safe_within_5_s(app, f"of-{agent}")
    assert (app.home / f"projects/of-{agent}/made.txt").read_text() == "by an agent\n"


def assert_safe_within_5_s(app: RunningApp, project: str) -> None:
    head = git(app, project, "log", "-1", "--format=%H %ct").split()
    history = in_status(app, project)["history"]
    assert history["commit"] == head[0]
    assert datetime.fromisoformat(history["safe_at"]).timestamp() - int(head[1]) <= 5


def git(app: RunningApp, project: str, *arguments: str) -> str:
    folder = app.home / "projects" / project
    return run(["git", *arguments], folder, {**os.environ, "HOME": str(app.home)})


def set_up_guests(app: RunningApp, project: str, pre_commit: Path) -> Path:
    """Make a repository whose husky runs pre-commit and Git LFS; theirs are in .git/hooks, too."""
    folder = app.home / "projects" / project
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    git(app, project, "init", "-q")
    environment = {**os.environ, "HOME": str(app.home)}
    (folder / ".pre-commit-config.yaml").write_text(PRE_COMMIT_CONFIG)
    run([pre_commit, "install"], folder, environment)
    git(app, project, "lfs", "install", "--local")
    git(app, project, "lfs", "track", "*.bin")
    set_up_husky(folder, environment)
    # Git LFS puts its hooks here where core.hooksPath is empty, as Gemini CLI sets it.
    ignored = ["node_modules", "before", "after", "*-ran", "/post-*", "/pre-push", ""]
    (folder / ".gitignore").write_text("\n".join(ignored))
    for name, command in {
        "pre-commit": f"'{pre_commit}' run",
        "post-commit": "git lfs post-commit",
    }.items():
        (folder / ".husky" / name).write_text(f"{command} && touch {name}-ran\n")
    git(app, project, "add", "-A")
    git(app, project, *IDENTITY.split(), "commit", "-qm", "guests")
    return folder


@pytest.mark.timeout(700)
@pytest.mark.skipif(
    shutil.which("git-lfs") is None and "CI" not in os.environ,
    reason="Git LFS is a program of the system's",
)
@pytest.mark.parametrize("agent", some(1, COMMANDS))
def test_a_real_agents_commit_is_safe_beside_husky_pre_commit_and_lfs_which_stay_as_they_are(
    app: RunningApp, agent: str, pre_commit: Path
):
    """Killed as above; the hooks of others run, and they, the settings and the status stay."""
    app.until_installed()
    app.log_in()
    project = f"guests-{agent}"
    folder = set_up_guests(app, project, pre_commit)
    for ran in folder.glob("*-ran"):
        ran.unlink()
    before, status = of_guests(folder), git(app, project, "status", "--porcelain")
    with app.owner.terminal() as terminal:
        terminal.until(lambda: in_status(app, project).get("state") == "synced", 60)
        terminal.run(f"cd {project}")
        commit = f"git {IDENTITY} commit -qm made"
        work = f"echo by an agent > made.bin && git add made.bin && {commit} && kill -9 0"
        terminal.type(COMMANDS[agent].format(f"'run: {work}; echo survived > made.bin'") + "\n")
        wanted = {"made.bin": sha256("by an agent\n")}
        terminal.until(lambda: wanted.items() <= in_workspace(app, project).items(), 120)
        terminal.until(lambda: in_status(app, project).get("state") == "synced")
    assert_safe_within_5_s(app, project)
    assert "git-lfs" in git(app, project, "cat-file", "blob", "HEAD:made.bin"), "it is a pointer"
    names = {path.name for path in folder.glob("*-ran")}
    assert names == (set() if agent in WITHOUT_HOOKS else {"pre-commit-ran", "post-commit-ran"})
    assert of_guests(folder) == before
    assert git(app, project, "status", "--porcelain") == status == ""


def test_a_project_that_is_gone_comes_back_with_its_history(app: RunningApp):
    app.log_in()
    with app.owner.terminal() as terminal:
        until_git_knows_the_user(app, terminal)
        terminal.run(
            "git init -q lost && cd lost && echo 1 > f && git add f && git commit -qm first"
        )
        terminal.run("echo 2 > f && git commit -qam second")
        log = terminal.run("git log --format='%H %s %ae %at'")
        terminal.run("jupyter dbx-agents sync lost")
        terminal.run("cd ..")
        shutil.rmtree(app.home / "projects" / "lost")
        eventually(lambda: "lost" in terminal.run("jupyter dbx-agents restore --list"))
        assert "with its history" in terminal.run("jupyter dbx-agents restore lost")
        assert terminal.run("cd lost && git log --format='%H %s %ae %at'") == log
        assert terminal.run("cat f; git status --porcelain").strip() == "2"
        code, said = terminal.run_any("cd ..; jupyter dbx-agents restore lost")
        assert code == 1
        assert "lost" in said


def test_a_folder_of_another_repository_is_taken_over_as_the_status_says(app: RunningApp):
    app.log_in()
    again = "rm -rf 'two of us' && git init -q 'two of us' && cd 'two of us' && echo {0} > {0} && "
    again += "git add {0} && git commit -qm {0}; cd .."
    with app.owner.terminal() as terminal:
        until_git_knows_the_user(app, terminal)
        terminal.run(again.format("first"))
        eventually(lambda: in_status(app, "two of us").get("state") == "synced")
        check(in_status(app, "two of us"), "Project")
        terminal.run(again.format("second"))
        eventually(lambda: in_status(app, "two of us").get("state") == "refused")
        assert in_workspace(app, "two of us").keys() == {"first"}
        check(in_status(app, "two of us"), "Project")
        command = in_status(app, "two of us")["hint"].rpartition(": ")[2]
        assert command.startswith("jupyter dbx-agents sync --take-over")
        code, said = terminal.run_any("jupyter dbx-agents sync 'two of us'")
        assert (code, command in said) == (1, True)
        terminal.run(command)
        assert in_workspace(app, "two of us").keys() == {"second"}
        assert terminal.run_any("jupyter dbx-agents sync --take-over")[0] == 1

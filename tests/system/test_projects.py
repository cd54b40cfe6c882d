"""Commits in the running app reach the workspace, by hand and by a real agent, and come back."""

import hashlib
import shutil

import pytest

from .running_app import RunningApp, Terminal, eventually
from .test_main_job import AGENTS


def in_workspace(app: RunningApp, project: str) -> dict[str, str]:
    """Paths and hashes of a project's files in the workspace."""
    root = f"/Users/{app.lines['owner']}/projects/{project}/"
    found = app.control.files(root) + app.control.files("/Workspace" + root)
    return {
        file["path"].partition(f"/{project}/")[2]: file["sha256"]
        for file in found
        if file["object_type"] in ("FILE", "NOTEBOOK")
    }


def until_git_knows_the_user(app: RunningApp, terminal: Terminal) -> None:
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
        eventually(lambda: "b.txt" in in_workspace(app, "by-hand"), 60)
        assert "odd name/ä.txt" not in in_workspace(app, "by-hand")
        shown = terminal.run("jupyter dbx-agents sync --status by-hand")
        assert "synced" in shown
        head = terminal.run("git rev-parse HEAD").strip()
        eventually(lambda: terminal.run("git rev-parse refs/dbx/synced").strip() == head, 30)
        assert app.lines["owner"] in terminal.run("git log -1 --format=%ae")


@pytest.mark.timeout(700)
@pytest.mark.parametrize("agent", AGENTS)
def test_a_real_agents_commit_arrives(app: RunningApp, agent: str):
    app.until_installed()
    app.log_in()
    with app.owner.terminal() as terminal:
        until_git_knows_the_user(app, terminal)
        terminal.run(f"rm -rf of-{agent}; git init -q of-{agent} && cd of-{agent}")
        work = "run: echo by an agent > made.txt && git add made.txt && git commit -qm made"
        terminal.run(AGENTS[agent].format(prompt=f"'{work}'"))
    wanted = {"made.txt": sha256("by an agent\n")}
    eventually(lambda: wanted.items() <= in_workspace(app, f"of-{agent}").items(), 60)


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
        eventually(lambda: "lost" in terminal.run("jupyter dbx-agents restore"), 30)
        terminal.run("jupyter dbx-agents restore lost")
        assert terminal.run("cd lost && git log --format='%H %s %ae %at'") == log
        assert terminal.run("cat f; git status --porcelain").strip() == "2"
        code, said = terminal.run_any("cd ..; jupyter dbx-agents restore lost")
        assert code == 1
        assert "lost" in said

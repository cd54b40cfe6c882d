"""What docs/deployment.md tells to type works as it stands, in a clone, against a workspace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documented_commands import ROOT, Section, sections
from tests.support.effort import some

from .conftest import Deployer, Repository

USER = "you@example.com"
OF_THE_CLONE = ("python ", "databricks ", "cp ", "cd ")
DATABRICKS_CLI = Path(__file__).with_name("databricks_cli.py")
SECTION_SECONDS = 110


def of_the_clone() -> list[Section]:
    return [s for s in sections() if all(c.startswith(OF_THE_CLONE) for c in s.commands)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """This repository, freshly cloned."""
    root = tmp_path_factory.mktemp("documented") / "clone"
    leave_out = shutil.ignore_patterns(
        ".git", ".venv", ".demo", ".home", "node_modules", "__pycache__", ".*_cache"
    )
    shutil.copytree(ROOT, root, ignore=leave_out)
    repository = Repository(root)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message", "first")
    return repository


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the programs that the page takes for granted."""
    programs = {
        "python": f'exec "{sys.executable}" "$@"',
        "databricks": f'exec "{sys.executable}" "{DATABRICKS_CLI}" "$@"',
    }
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("section", some(2, of_the_clone()), ids=lambda section: section.title)
def test_a_section_can_be_typed(deployer: Deployer, clone: Repository, path: str, section: Section):
    token = deployer.control.mint(USER).token_value
    (deployer.home / ".databrickscfg").write_text(
        f"[DEFAULT]\nhost = {deployer.server.url}\ntoken = {token}\n"
    )
    # Everything is installed where the tests run; nothing may be changed or fetched there.
    dry = "pip install --dry-run --no-index --quiet "
    lines = [command.replace("pip install ", dry) for command in section.commands]
    code, said = type_all(lines, clone.root, {"PATH": path, "HOME": str(deployer.home)})
    assert code == 0, said
    if "bundle" not in " ".join(lines):
        [app] = deployer.server.workspace.apps.all()[-1:]
        assert (app.creator, app.app_state) == (USER, "RUNNING")
        assert app.active.source["app.yaml"] == (clone.root / "app.yaml").read_bytes()
        assert "jupyter_dbx_agents/app/extension.py" in app.active.source


def type_all(lines: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Runs the lines in one shell until one fails; returns its exit code and all output."""
    shell = subprocess.Popen(
        ["/bin/sh", "-e", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=SECTION_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)  # or what the shell has started keeps the pipe open
        raise
    return shell.returncode, said


def test_there_are_such_sections():
    titles = {section.title for section in of_the_clone()}
    assert {"With one command", "With the Databricks CLI", "With a bundle"} <= titles

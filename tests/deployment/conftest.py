"""A local workspace, a small repository, and the real command in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
import sys
import threading
import unittest.mock
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dbx_workspace.control_client import ControlClient
from dbx_workspace.server import LocalWorkspace
from jupyter_dbx_agents.cli.main import main
from tests.support.constants import OWNER

ROOT = Path(__file__).resolve().parents[2]
APP_YAML = 'command: ["python", "main.py"]\nenv:\n  - name: HOME\n    value: /app\n'
COMMAND_SECONDS = 110


@dataclass
class Repository:
    """A git repository with what an app needs."""

    root: Path

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", "-C", str(self.root), *identity, *arguments], check=True)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, files: Mapping[str, str | bytes]) -> None:
        self.write(files)
        self.git("add", "--force", "--", *files)
        self.git("commit", "--quiet", "--message", "change")


@dataclass
class Deployer:
    """Runs `deploy` in a repository against a workspace."""

    repository: Repository
    server: LocalWorkspace
    home: Path
    control: ControlClient
    token: str
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return f"/Users/{OWNER}/apps/dbx-agents/source"

    def environment(self) -> dict[str, str]:
        """The variables of the command; an empty value is none."""
        values = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "DATABRICKS_HOST": self.server.url,
            "DATABRICKS_TOKEN": self.token,
            **self.variables,
        }
        return {name: value for name, value in values.items() if value}

    def run(self, *arguments: str, command: str = "deploy") -> subprocess.CompletedProcess[str]:
        """Runs the command in this process: importing the SDK for each test takes long."""
        out, err = io.StringIO(), io.StringIO()
        with (
            unittest.mock.patch.dict(os.environ, self.environment(), clear=True),
            contextlib.chdir(self.repository.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main([command, *arguments])
        code = int(ended.value.code or 0)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def run_process(
        self, *arguments: str, python_path: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command as users do; what is on `python_path` goes before what is installed."""
        return subprocess.run(
            [sys.executable, "-m", "jupyter_dbx_agents", *arguments],
            check=False,
            cwd=self.repository.root,
            env=self.environment() | {"PYTHONPATH": f"{ROOT}{os.pathsep}{python_path}"},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def deployed(self, *arguments: str) -> list[str]:
        """The lines of a deployment that works."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.splitlines()

    def refused(self, *arguments: str) -> str:
        """The one line of a deployment that does not."""
        ended = self.run(*arguments)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        lines = ended.stderr.strip().splitlines()
        assert len(lines) == 1, ended.stderr
        return lines[0]

    def files(self) -> dict[str, str]:
        """What is in the source folder, as path and SHA-256."""
        prefix = self.source + "/"
        listed = self.control.files(prefix)
        return {
            f["path"].removeprefix(prefix): f["sha256"]
            for f in listed
            if f["object_type"] == "FILE"
        }

    def sent(self) -> list[str]:
        """The calls that changed files since the log was cleared."""
        requests = self.control.requests(path="/api/2.0/workspace/")
        return [r["path"].rpartition("/")[2] for r in requests if r["method"] == "POST"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "clone")
    repository.root.mkdir()
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit(
        {
            "app.yaml": APP_YAML,
            "requirements.txt": "",
            "main.py": "print('hello')\n",
            "package/notebook.py": "# Databricks notebook source\n",
            "package/deep/er/file.txt": "deep",
            "with space/ünicode.txt": "ü",
            "empty": "",
        }
    )
    return repository


@pytest.fixture
def deployer(repository: Repository, tmp_path: Path) -> Iterator[Deployer]:
    home = tmp_path / "home"
    home.mkdir()
    with running_workspace() as workspace, ControlClient(workspace.control_url) as control:
        yield Deployer(repository, workspace, home, control, control.mint(OWNER).token_value)


@contextlib.contextmanager
def running_workspace() -> Iterator[LocalWorkspace]:
    """Runs one in a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = LocalWorkspace()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""The deploy command, as a process, against the local workspace's Apps API."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import httpx
import pytest

from jupyter_dbx_agents.deployment.source import SourceFile
from jupyter_dbx_agents.deployment.upload import UNKNOWN_SIZE, Manifest, compare
from tests.support.constants import OWNER
from tests.support.effort import some

from .conftest import APP_YAML, COMMAND_SECONDS, ROOT, Deployer


def digest(content: str | bytes) -> str:
    return hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()


def test_one_command_creates_the_app_and_deploys_what_git_tracks(deployer: Deployer):
    deployer.repository.write({"untracked.txt": "no", "main.py": "print('changed')\n"})
    ended = deployer.run_process("deploy")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    app = deployer.server.workspace.apps.named("dbx-agents")
    assert (app.creator, app.app_state) == (OWNER, "RUNNING")
    assert dict(app.active.source) == {
        "app.yaml": APP_YAML.encode(),
        "requirements.txt": b"",
        "main.py": b"print('changed')\n",
        "package/notebook.py": b"# Databricks notebook source\n",
        "package/deep/er/file.txt": b"deep",
        "with space/ünicode.txt": "ü".encode(),
        "empty": b"",
    }
    assert "Note: Deployed as on disk, not as committed: main.py." in lines
    assert (
        "Note: Not uploaded, because git does not track it: untracked.txt (use git add)." in lines
    )
    assert lines[-2:] == [
        "Running: https://dbx-agents-1234567890123456.aws.databricksapps.com",
        "Next: open it, open a terminal, and paste a token at the prompt.",
    ]


def test_a_second_run_only_sends_what_changed(deployer: Deployer):
    deployer.deployed()
    deployer.control.clear_requests()
    assert "Nothing has changed since the last upload." in deployer.deployed()
    assert deployer.sent() == []
    deployer.repository.commit({"main.py": "print(2)\n", "new/one.txt": "1"})
    deployer.repository.git("rm", "--quiet", "empty")
    assert "Uploaded 2 files, deleted 1." in deployer.deployed()
    # The manifest before and after, and the two files.
    assert sorted(deployer.sent()) == ["delete", *["import"] * 4, "mkdirs", "mkdirs"]
    files = deployer.files()
    assert files["main.py"] == digest("print(2)\n")
    assert "empty" not in files
    assert len(deployer.server.workspace.apps.named("dbx-agents").deployments) == 3


def test_a_workspace_that_does_not_tell_sizes_is_no_reason_to_send_all_again():
    file = SourceFile("a", Path("a"), 1, "digest")
    manifest = Manifest({"a": "digest"})
    assert not compare([file], manifest, {"a": UNKNOWN_SIZE}).send
    sizes: list[dict[str, int | None]] = [{}, {"a": 2}, {"a": None}]
    for there in sizes:
        assert compare([file], manifest, there).send == (file,)


def test_files_and_folders_change_places(deployer: Deployer):
    repository = deployer.repository
    repository.commit({"a": "file", "b/c": "in a folder"})
    deployer.deployed()
    repository.git("rm", "--quiet", "a", "b/c")
    repository.commit({"a/inside": "now a folder", "b": "now a file"})
    deployer.deployed()
    files = deployer.files()
    assert files["a/inside"] == digest("now a folder")
    assert files["b"] == digest("now a file")


def test_what_breaks_off_is_not_deployed_and_the_next_run_goes_on(deployer: Deployer):
    deployer.repository.commit({"large.bin": b"x" * 2_000_000})
    deployer.control.switch(max_file_bytes=1_000_000)
    assert "File size imported is (2000000 bytes)" in deployer.refused()
    app = deployer.server.workspace.apps.named("dbx-agents")
    assert app.deployments == []
    assert len(deployer.files()) == 7
    deployer.control.switch(max_file_bytes=10_000_000)
    assert "Uploaded 1 file, deleted 0." in deployer.deployed()
    assert dict(app.active.source)["large.bin"] == b"x" * 2_000_000


def until_used(deployer: Deployer, number: int) -> None:
    """Wait until a fault has struck."""
    deployer.control.wait_for(
        lambda control: control.faults()[number]["used_count"] > 0, "a call", timeout_seconds=60
    )


@pytest.mark.parametrize("number", some(1, [signal.SIGKILL, signal.SIGINT]))
def test_a_command_that_is_ended_while_it_sends_leaves_nothing_half_done(
    deployer: Deployer, number: signal.Signals
):
    deployer.deployed()
    deployer.repository.commit({"main.py": "new\n", "second.py": "new\n"})
    # While the first call, the manifest's, is under way: those that come after it hang.
    deployer.control.add_fault("/api/2.0/workspace/import", "latency", seconds=1, times=1)
    # What a shell runs in the background, such as these tests, ignores SIGINT.
    heeding = ["env", "--default-signal=INT"]
    process = subprocess.Popen(
        [*heeding, sys.executable, "-m", "jupyter_dbx_agents", "deploy"],
        cwd=deployer.repository.root,
        env=deployer.environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    until_used(deployer, 0)
    deployer.control.add_fault("/api/2.0/workspace/import", "hang")
    until_used(deployer, 1)
    process.send_signal(number)
    # Not waiting for the 120 s that the calls would take: the network may be dead.
    assert process.wait(60) == (130 if number is signal.SIGINT else -number)
    deployer.control.clear_faults()
    assert "Uploaded 2 files, deleted 0." in deployer.deployed()
    assert deployer.files()["second.py"] == digest("new\n")


def test_a_workspace_that_asks_for_patience_gets_it(deployer: Deployer):
    deployer.control.add_fault("/api/2.0/workspace/import", "429", retry_after="1", times=3)
    assert "Uploaded 7 files, deleted 0." in deployer.deployed()


def test_on_a_terminal_a_bar_shows_how_far_it_is(deployer: Deployer):
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with os.fdopen(theirs, "w") as terminal:
        ended = subprocess.run(
            [sys.executable, "-m", "jupyter_dbx_agents", "deploy"],
            check=True,
            cwd=deployer.repository.root,
            env=deployer.environment() | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        os.set_blocking(ours, False)
        shown = os.read(ours, 1_000_000).decode()
    os.close(ours)
    assert re.search(r"sending: +\d+%.* \d/7 ", shown)
    assert "sending" not in ended.stdout


def test_what_the_platform_says_meanwhile_is_passed_on(deployer: Deployer):
    deployer.control.rule_apps(start_seconds=0.5, deploy_seconds=0.5)
    lines = deployer.deployed()
    assert "  App compute is starting." in lines
    assert "  Deployment is in progress." in lines


def test_a_deployment_in_progress_is_waited_for(deployer: Deployer):
    deployer.deployed()
    deployer.control.rule_apps(deploy_seconds=1)
    source = {"source_code_path": f"/Workspace{deployer.source}"}
    headers = {"Authorization": f"Bearer {deployer.token}"}
    url = f"{deployer.server.url}/api/2.0/apps/dbx-agents/deployments"
    httpx.post(url, json=source, headers=headers, trust_env=False).raise_for_status()
    lines = deployer.deployed()
    assert "Waiting for another deployment of this app to end." in lines
    deployments = deployer.server.workspace.apps.named("dbx-agents").deployments
    assert [deployment.state for deployment in deployments] == ["SUCCEEDED"] * 3


def test_a_file_that_was_changed_or_lost_in_the_workspace_is_sent_again(deployer: Deployer):
    deployer.deployed()
    files = deployer.server.workspace.files
    files.delete(OWNER, f"{deployer.source}/main.py", recursive=False)
    files.delete(OWNER, f"{deployer.source}/package", recursive=True)
    assert "Uploaded 3 files, deleted 0." in deployer.deployed()
    assert len(deployer.files()) == 7


def test_files_of_others_stay_and_are_named(deployer: Deployer):
    deployer.deployed()
    workspace = deployer.server.workspace
    workspace.files.put_archive(
        OWNER, f"{deployer.source}/theirs", [("a.txt", b"a")], overwrite=True
    )
    lines = deployer.deployed()
    assert "Note: 1 file of others in that folder will be deployed, too: theirs/a.txt" in lines
    assert "theirs/a.txt" in deployer.files()


def test_a_stopped_app_is_started(deployer: Deployer):
    deployer.deployed()
    app = deployer.server.workspace.apps.named("dbx-agents")
    app.set_compute("STOPPED", "App compute is stopped.")
    lines = deployer.deployed()
    assert "Starting the app's machine. This takes a few minutes." in lines
    assert app.compute_state == "ACTIVE"


@pytest.mark.parametrize(
    ("field", "why"), [("start_error", "no capacity"), ("deploy_error", "pip could not install x")]
)
def test_the_platforms_reason_is_said(deployer: Deployer, field: str, why: str):
    deployer.control.rule_apps(**{field: why})
    said = deployer.refused()
    assert why in said
    assert said.endswith("See Logs on the app's page (Compute › Apps).")

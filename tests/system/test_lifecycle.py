"""Starting and stopping the production server as the platform does."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.constants import NO_AGENTS, OWNER, PAT, STATUS
from tests.support.effort import IS_LONG
from tests.support.running_app import (
    LocalWorkspaceProcess,
    RunningApp,
    Server,
    eventually,
    is_running,
)

ROOT = Path(__file__).resolve().parents[2]
STRANGE_PROVIDER = "jupyter_server.auth.identity.PasswordIdentityProvider"


def live_comments(workspace: LocalWorkspaceProcess) -> list[str]:
    return [t["comment"] for t in workspace.control.tokens(OWNER) if t["status"] == "live"]


SPY = """
import gc, sys, threading, time

def look():
    while not gc.get_freeze_count():
        time.sleep(0.05)
    with open({file!r}, "w") as file:
        file.write(f"{{gc.get_freeze_count()}} {{sys.getswitchinterval()}}\\n")

threading.Thread(target=look, daemon=True).start()
"""


def test_neither_garbage_nor_a_computing_thread_keeps_the_event_loop_waiting(start, tmp_path):
    found, config = tmp_path / "found", tmp_path / "config.py"
    config.write_text(SPY.format(file=str(found)))  # a configuration file is code in the process
    start(f"--config={config}").until_open(OWNER).http.close()
    frozen, turn_seconds = eventually(lambda: found.exists() and found.read_text().split())
    assert int(frozen) > 100_000
    assert float(turn_seconds) <= 0.001


def test_many_terminals_opened_at_once_are_one_search_for_repositories(start, tmp_path):
    calls, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    git = folder / "git"
    note = f'[ "$1" != init ] || {{ echo "$1" >> {calls}; sleep 1; }}'
    git.write_text(f'#!/bin/sh\n{note}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    server = start(PATH=f"{folder}:{os.environ['PATH']}")
    browser = server.until_open(OWNER)
    eventually(calls.exists, what="the first search")
    before = len(calls.read_text().split())
    for _ in range(20):
        browser.json("POST", "/api/terminals")
    project = server.home / "projects" / "late"
    subprocess.run(["git", "init", "-q", project], check=True)
    browser.json("POST", "/api/terminals")

    def projects() -> list[str]:
        return [each["name"] for each in browser.json("GET", STATUS)["projects"]]

    eventually(lambda: "late" in projects(), what="the late project")
    eventually(lambda: time.time() - calls.stat().st_mtime > 3, what="the end of all searches")
    assert len(calls.read_text().split()) - before < 15
    browser.http.close()


def test_sigterm_revokes_the_pats_ends_the_terminals_and_exits_in_time(workspace, start):
    server = start()
    browser = server.until_open(OWNER)
    token = workspace.control.mint(OWNER, comment="pasted").token_value
    browser.json("POST", PAT, {"token": token})
    browser.json("POST", f"{PAT}/rotate")
    with browser.terminal() as terminal:
        shell = int(terminal.run("echo $$").strip())
        stubborn = 'trap "" HUP TERM; while :; do sleep 0.2; done'
        child = int(terminal.run(f"bash -c '{stubborn}' & echo $!").split()[-1])
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(15) == 0
        assert time.monotonic() - began < 10
    browser.http.close()
    assert "pasted" not in live_comments(workspace)
    assert not [c for c in live_comments(workspace) if c.startswith("jupyter_dbx_agents")]
    assert not [pid for pid in (shell, child) if is_running(pid)]
    assert "dapi" not in (server.home / ".databrickscfg").read_text()


def test_closing_a_terminal_ends_everything_in_it(workspace, start):
    browser = start().until_open(OWNER)
    token = workspace.control.mint(OWNER).token_value
    browser.json("POST", PAT, {"token": token})
    with browser.terminal() as terminal:
        child = int(terminal.run("bash -c 'trap \"\" HUP; sleep 999 & wait' & echo $!").split()[-1])
        assert is_running(child)
    eventually(lambda: not is_running(child), 10)
    browser.http.close()


def test_a_token_in_the_environment_is_adopted_like_a_pasted_one(workspace, start):
    sample = workspace.control.mint(OWNER, comment="from the environment")
    server = start(DATABRICKS_TOKEN=f" {sample.token_value}\n")
    browser = server.until_open(OWNER)
    eventually(lambda: browser.json("GET", PAT)["state"] == "active", 30)
    eventually(lambda: "from the environment" not in live_comments(workspace), 10)
    environ = Path(f"/proc/{server.process.pid}/environ")
    if os.access(environ, os.R_OK):
        assert sample.token_value.encode() not in environ.read_bytes()
    browser.http.close()


def test_a_token_in_the_environment_is_retried_until_the_workspace_can_judge_it(workspace, start):
    given = workspace.control.mint(OWNER).token_value
    fault = workspace.control.add_fault("/api/2.0/preview/scim", "status", status=503)
    try:
        server = start(DATABRICKS_TOKEN=given)
        owner = server.until_open(OWNER)
        eventually(lambda: "cannot be checked yet" in server.log.read_text(), 60, "an attempt")
        assert owner.json("GET", PAT)["state"] == "needed"
    finally:
        workspace.control.clear_faults(fault)
    eventually(lambda: owner.json("GET", PAT)["state"] == "active", 60, "the adoption")
    owner.http.close()


def test_an_upload_of_no_length_that_can_be_read_is_a_request_that_is_refused(start):
    server = start()
    server.until_open(OWNER).http.close()
    head = (
        f"POST /dbx-agents/api/uploads?name=a HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"X-Forwarded-Email: {OWNER}\r\nCookie: _xsrf=t\r\nX-XSRFToken: t\r\n"
        "Content-Length: x\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_while_the_owner_is_unknown_nobody_enters_and_then_the_owner_does(workspace, start):
    (app,) = workspace.control.overview()["apps"]
    workspace.control.change_app(app["name"], get_status=500)
    server = start("--OwnerResolver.longest_retry_seconds=1")
    headers = {"X-Forwarded-Email": OWNER}

    def status(path: str = "/lab") -> int:
        try:
            return httpx.get(server.url + path, headers=headers).status_code
        except httpx.HTTPError:
            return 0

    eventually(lambda: status() == 503, 30)
    assert status("/api/terminals") == 503
    assert status("/dbx-agents/healthz") == 200
    workspace.control.change_app(app["name"], get_status=0)
    eventually(lambda: status() == 200, 30)


OPENING = (
    "--ServerApp.authorizer_class=jupyter_server.auth.AllowAllAuthorizer",
    "--ServerApp.tornado_settings={'allow_unauthenticated_access': True}",
    f"--ServerApp.identity_provider_class={STRANGE_PROVIDER}",
    "--ServerApp.allow_unauthenticated_access=True",
    "--ServerApp.disable_check_xsrf=True",
    "--ServerApp.tornado_settings={'disable_check_xsrf': True}",
    "--ServerApp.allow_origin=*",
)


# The others are in ``tests/auth/test_lockdown``, each with a server of less.
@pytest.mark.parametrize("argument", OPENING if IS_LONG else OPENING[:2])
def test_a_configuration_that_opens_the_app_keeps_it_from_starting(start, argument: str):
    server = start(argument)
    said = server.ended()
    assert server.process.returncode != 0
    assert "cannot start" in said or "does not start" in said


@pytest.mark.parametrize(
    ("name", "value"), [("DATABRICKS_HOST", ""), ("DATABRICKS_APP_PORT", "eighty")]
)
def test_a_missing_or_malformed_variable_keeps_it_from_starting(start, name: str, value: str):
    server = start(**{name: value})
    assert name in server.ended()
    assert server.process.returncode != 0


def test_the_extension_disabled_by_a_file_is_in_force_all_the_same(start, tmp_path: Path):
    folder = tmp_path / "home" / ".jupyter"
    folder.mkdir(parents=True)
    disabled = {"ServerApp": {"jpserver_extensions": {"jupyter_dbx_agents": False}}}
    (folder / "jupyter_server_config.json").write_text(json.dumps(disabled))
    server = start()
    browser = server.until_open(OWNER)
    assert browser.http.get("/lab").status_code == 200
    assert httpx.get(f"{server.url}/lab").status_code == 403
    browser.http.close()


@pytest.mark.parametrize("module", ["auth", "broker", "app"] if IS_LONG else ["broker"])
def test_a_part_that_cannot_be_imported_keeps_it_from_starting(start, tmp_path: Path, module: str):
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.modules['jupyter_dbx_agents.{module}'] = None\n"
    )
    server = start(PYTHONPATH=str(tmp_path))
    assert f"jupyter_dbx_agents.{module}" in server.ended()
    assert server.process.returncode != 0


def test_the_command_of_app_yaml_serves_from_the_source_folder(
    workspace: LocalWorkspaceProcess, tmp_path: Path
):
    app_yaml = yaml.safe_load((ROOT / "app.yaml").read_text(encoding="utf-8"))
    options = app_yaml["command"][app_yaml["command"].index("serve") + 1 :]
    server = Server(tmp_path / "home", workspace.app_variables(), NO_AGENTS, *options, cwd=ROOT)
    browser = server.until_open(OWNER)
    with browser.terminal() as terminal:
        terminal.type("\n")
        terminal.expect("To connect later")
        terminal.until_shell()
        assert "needed" in terminal.run("cd / && jupyter dbx-agents status")
    browser.http.close()
    server.stop()


def test_off_the_platform_jupyters_own_token_login_stays(tmp_path: Path):
    server = Server(tmp_path / "home", {}, NO_AGENTS)
    try:
        runtime = server.home / ".local/share/jupyter/runtime"
        path = eventually(lambda: next(runtime.glob("jpserver-*.json"), None), 30)
        info = json.loads(eventually(path.read_text))
        address = f"http://127.0.0.1:{info['port']}/api/terminals"
        assert httpx.get(address).status_code == 403
        assert httpx.get(address, headers={"X-Forwarded-Email": OWNER}).status_code == 403
        headers = {"Authorization": f"token {info['token']}"}
        assert httpx.get(address, headers=headers).status_code == 200
    finally:
        server.stop()
    assert server.process.returncode == 0, server.log.read_text()


def test_the_demo_leaves_the_clone_that_it_runs_from_its_history_and_remotes(tmp_path):
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    ignored = shutil.ignore_patterns("lab", "__pycache__")
    for package in ("jupyter_dbx_agents", "dbx_workspace"):
        shutil.copytree(ROOT / package, origin / package, ignore=ignored)
    for name in ("app.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, origin / name)
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "theirs"]):
        subprocess.run(["git", "-C", origin, *words], check=True)
    subprocess.run(["git", "clone", "-q", origin, clone], check=True)
    demo = RunningApp(tmp_path / "home", tmp_path / "log", NO_AGENTS, cwd=clone)
    try:
        demo.until_installed()
        log = subprocess.check_output(["git", "-C", clone, "log", "--format=%s"], text=True)
        remotes = subprocess.check_output(["git", "-C", clone, "remote"], text=True)
    finally:
        demo.stop()
    assert (log, remotes) == ("theirs\n", "origin\n")

"""The end, as the platform brings it: SIGTERM, and 15 s later the end of everything."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.support.constants import OWNER, PAT, STATUS
from tests.support.effort import some
from tests.support.running_app import (
    Browser,
    LocalWorkspaceProcess,
    Server,
    eventually,
    is_running,
)

# Nothing of the workspace can be reached in time, or only late.
OUTAGES = {"dead": ("hang", 0.0), "slow": ("latency", 1.0)}
STUBBORN = (
    "python3 -c 'import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)];"
)
STUBBORN += ' print("stubb" + "orn", flush=True); time.sleep(600)\''


@pytest.fixture
def workspace() -> Iterator[LocalWorkspaceProcess]:
    """A workspace of its own: each test breaks it."""
    running = LocalWorkspaceProcess()
    yield running
    running.control.clear_faults()
    running.stop()


def log_in(workspace: LocalWorkspaceProcess, browser: Browser) -> None:
    token = workspace.control.mint(OWNER, comment="pasted").token_value
    browser.json("POST", PAT, {"token": token})


def living(workspace: LocalWorkspaceProcess) -> list[str]:
    tokens = workspace.control.tokens(OWNER)
    ours = [t for t in tokens if t["comment"].startswith("jupyter_dbx_agents")]
    return [t["comment"] for t in ours if t["status"] == "live"]


def stop(server: Server) -> float:
    """Send SIGTERM and wait for the end; return how long it took."""
    began = time.monotonic()
    server.process.terminate()
    assert server.process.wait(60) == 0, server.log.read_text()
    return time.monotonic() - began


def continuity(browser: Browser) -> dict[str, str]:
    return browser.json("GET", STATUS)["continuity"]


def repository(path: Path, files: int = 3) -> None:
    """A project with one commit that nobody was told of."""
    path.mkdir(parents=True)
    for number in range(files):
        (path / f"{number}.txt").write_text(f"{number}\n")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "made"]):
        subprocess.run(["git", "-C", path, *words], check=True)


def test_the_clients_are_told_before_the_end(workspace, start):
    server = start()
    browser = server.until_open(OWNER)
    address = f"{server.url.replace('http', 'ws', 1)}/api/events/subscribe"
    headers = {"Cookie": f"_xsrf={browser.xsrf}", "Origin": server.url, **browser.signed_in}
    events: list[dict] = []

    def listen(socket) -> None:
        with contextlib.suppress(Exception):
            while True:
                events.append(json.loads(socket.recv(timeout=60)))

    with connect(address, additional_headers=headers) as socket, browser.terminal() as terminal:
        terminal.expect("Connect to Databricks")
        listener = threading.Thread(target=listen, args=[socket])
        listener.start()
        server.process.terminate()
        listener.join(60)
        terminal.until(lambda: terminal.ended)
        assert "shutting down" not in terminal.output  # but in the page, not on an agent's screen
    assert server.process.wait(60) == 0
    told = [event["server"] for event in events if event.get("part") == "server"]
    assert [server["state"] for server in told] == ["stopping"]
    assert told[0]["message"].startswith("The app is shutting down. Committed work is safe")
    browser.http.close()


@pytest.mark.parametrize("outage", some(1, OUTAGES))
def test_an_outage_and_stubborn_programs_do_not_hold_up_the_end(workspace, start, outage: str):
    server = start()
    browser = server.until_open(OWNER)
    log_in(workspace, browser)
    for _ in range(3):
        browser.json("POST", f"{PAT}/rotate")
    kernel = browser.json("POST", "/api/kernels")
    assert kernel["id"]
    repository(server.home / "projects" / "waiting")
    kind, seconds = OUTAGES[outage]
    with browser.terminal() as terminal:
        terminal.until_shell()
        terminal.type(f"{STUBBORN}\n")
        terminal.expect("stubborn")
        shell = [int(p) for p in children_of(server.process.pid)]
        workspace.control.add_fault("/", kind, seconds=seconds)
        # The claim is a time: at 15 s the platform kills, with everything undone.  The stages end
        # by the clock, within 10 s on any machine; the rest is for Python's own end.
        assert stop(server) < 12
    assert not [pid for pid in shell if is_running(pid)]
    browser.http.close()
    if outage == "slow":
        assert living(workspace) == []


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_token_that_is_just_being_created_does_not_outlive_the_end(workspace, start):
    token = workspace.control.mint(OWNER, comment="of the environment").token_value
    workspace.control.add_fault("/api/2.0/token/create", "late", seconds=2)
    server = start(DATABRICKS_TOKEN=token)
    eventually(lambda: living(workspace))
    stop(server)
    assert living(workspace) == []


def test_an_interrupt_is_an_end_like_the_platforms_and_a_second_signal_cuts_nothing_short(
    workspace, start
):
    server = start()
    browser = server.until_open(OWNER)
    log_in(workspace, browser)
    workspace.control.add_fault("/api/2.0/token/delete", "latency", seconds=1)
    server.process.send_signal(signal.SIGINT)
    eventually(lambda: workspace.control.faults()[0]["used_count"], 60)
    server.process.terminate()
    assert server.process.wait(60) == 0, server.log.read_text()
    assert living(workspace) == []
    browser.http.close()


def test_a_commit_of_the_last_moment_is_flushed(workspace, start):
    server = start()
    browser = server.until_open(OWNER)
    log_in(workspace, browser)
    workspace.control.add_fault("/api/2.0/workspace", "latency", seconds=0.15)
    repository(server.home / "projects" / "last")
    stop(server)
    browser.http.close()
    names = {file["path"] for file in workspace.control.files(f"/Users/{OWNER}/projects/last")}
    assert f"/Users/{OWNER}/projects/last/2.txt" in names


def test_a_sync_that_an_outage_stops_goes_on_after_the_next_start(workspace, start):
    server = start()
    browser = server.until_open(OWNER)
    log_in(workspace, browser)
    (server.home / ".bash_history").write_text("ls\n")
    eventually(lambda: continuity(browser)["kept_at"], 60, "the folder of what is kept is there")
    workspace.control.add_fault("/api/2.0/workspace/mkdirs", "status", status=503)
    repository(server.home / "projects" / "later", files=20)
    stop(server)
    browser.http.close()
    assert not workspace.control.files(f"/Users/{OWNER}/projects/later/7.txt")
    workspace.control.clear_faults()
    again = start()
    browser = again.until_open(OWNER)
    log_in(workspace, browser)
    path = f"/Users/{OWNER}/projects/later/7.txt"
    eventually(lambda: workspace.control.files(path), 60, path)
    eventually(lambda: "commits of later" in continuity(browser)["unsent"], 60, "it is said")
    browser.http.close()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files whose name is short, as a socket in it can have 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_what_a_killed_server_has_left_is_swept_and_what_lives_is_not(workspace, start, temporary):
    def folders() -> set[str]:
        return {path.name for path in temporary.glob("dbx-agents-*")}

    killed = start(TMPDIR=str(temporary))
    killed.until_open(OWNER).http.close()
    (left,) = eventually(folders)
    killed.process.kill()
    killed.process.wait()
    living_one = start(TMPDIR=str(temporary))
    browser = living_one.until_open(OWNER)
    (mine,) = eventually(lambda: folders() - {left})
    eventually(lambda: left not in folders())
    another = start(TMPDIR=str(temporary))
    another.until_open(OWNER).http.close()
    assert mine in folders()
    with browser.terminal() as terminal:
        terminal.expect("Paste address or token")
        terminal.type("\n")
        terminal.until_shell()
        assert "needed" in terminal.run("jupyter dbx-agents status")
    browser.http.close()


def test_a_start_runs_no_node_and_builds_no_grammar(start, tmp_path: Path):
    """Nor does the list of the extensions; both would take the half of a start."""
    trace = tmp_path / "node-ran"
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text(f'#!/bin/sh\necho "$@" >> {trace}\nexit 1\n')
    node.chmod(0o755)
    server = start(PATH=f"{node.parent}:{os.environ['PATH']}", PYTHONPROFILEIMPORTTIME="1")
    browser = server.until_open(OWNER)
    assert browser.json("GET", "/lab/api/extensions")
    browser.http.close()
    assert not trace.exists(), trace.read_text()
    imported = server.log.read_text()
    assert " jsonschema._format\n" in imported
    assert "rfc3987_syntax.syntax_helpers" not in imported

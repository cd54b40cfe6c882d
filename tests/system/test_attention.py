"""What programs in real terminals report: in the REST model, on the plain page, in ``status``."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.agents.attention import hook
from jupyter_dbx_agents.app import REPORTER
from tests.support import speaking_agent
from tests.support.constants import OWNER, PAT
from tests.support.running_app import Browser, LocalWorkspaceProcess, eventually
from tests.support.terminal_client import TerminalClient

API = "/dbx-agents/api/attention"


@pytest.fixture(autouse=True)
def connected(owner: Browser, workspace: LocalWorkspaceProcess) -> None:
    """The owner has a token, so that no terminal asks for one."""
    if owner.json("GET", PAT)["expires_at"] is None:
        owner.json("POST", PAT, {"token": workspace.control.mint(OWNER).token_value})


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that says what an agent says, under the name of Claude Code's."""
    return Path(shutil.copy(speaking_agent.__file__, tmp_path / "claude"))


@contextlib.contextmanager
def speaking(owner: Browser, program: Path) -> Iterator[TerminalClient]:
    """A terminal in which the program runs."""
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        terminal.type(f"{sys.executable} {program}\n")
        terminal.expect("ready")
        yield terminal


def session(owner: Browser, terminal: TerminalClient) -> dict[str, Any]:
    """What is known of the program in a terminal; empty if nothing is."""
    sessions = owner.json("GET", API)["attention"]
    return next((one for one in sessions if one["terminal"] == terminal.name), {})


def until_state(owner: Browser, terminal: TerminalClient, state: str | None) -> dict[str, Any]:
    """Wait at most a second for a state, or with None for no session; return the session."""
    eventually(lambda: session(owner, terminal).get("state") == state, 1.0, f"{state}")
    return session(owner, terminal)


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u05d9\u05e9"
TITLES = (
    (" the\tbuild\u202e ", 200, "the build"),
    ("x" * 80, 200, "x" * 80),
    ("x" * 81, 400, None),
    ("x" * 10_000, 400, None),
    (FAMILY, 200, FAMILY),
    (7, 400, None),
    ("", 200, ""),
)


def test_a_terminal_has_the_title_that_its_owner_gives_it(owner: Browser):
    with owner.terminal() as terminal:
        path = f"/dbx-agents/api/terminals/{terminal.name}"
        for title, code, kept in TITLES:
            answer = owner.http.patch(path, json={"title": title})
            assert answer.status_code == code, answer.text
            if kept is None:
                assert set(answer.json()) == {"message", "hint"}
                assert isinstance(title, int) or f"{len(title):,} char" in answer.json()["message"]
                continue
            models = owner.json("GET", "/dbx-agents/api/status")["terminals"]
            for listed in (models, answer.json()["terminals"]):
                assert [m["title"] for m in listed if m["name"] == terminal.name] == [kept]
    answer = owner.http.patch("/dbx-agents/api/terminals/nowhere", json={"title": "x"})
    assert (answer.status_code, answer.json()["hint"]) == (404, "It has ended.")


def test_which_paths_on_a_screen_are_files_is_said_whatever_else_is_there(
    owner: Browser, home: Path, tmp_path: Path
):
    (home / "mine.py").touch()
    (tmp_path / "here.py").touch()
    found = {"~/mine.py": str(home / "mine.py"), "here.py": str(tmp_path / "here.py")}
    odd = ["~nobody-of-this-name/x.py", "\0", "x" * 5000, "", ".", "gone.py"]
    with owner.terminal(shell_command=["bash", "--norc"], cwd=str(tmp_path)) as terminal:
        terminal.run("true")
        body = {"terminal": terminal.name, "paths": [*odd, *found]}
        assert owner.json("POST", "/dbx-agents/api/files", body) == {"files": found}


def test_each_state_is_known_within_a_second_and_shown_everywhere(owner: Browser, program: Path):
    with speaking(owner, program) as terminal:
        for state in (
            "working",
            "permission rm <x>",
            "working",
            "question Which?",
            "done",
            "error",
        ):
            terminal.type(f"{state}\n")
            found = until_state(owner, terminal, {"error": "failed"}.get(state, state.split()[0]))
            assert found["text"] == state.partition(" ")[2]
            assert (found["agent"], found["program"]) == ("claude-code", "claude")
        terminal.type("permission rm <x>\n")
        until_state(owner, terminal, "permission")
        page = owner.http.get("/dbx-agents/").text
        assert "asks for permission" in page
        assert "rm &lt;x&gt;" in page
        path = f"/dbx-agents/api/terminals/{terminal.name}"
        owner.json("PATCH", path, {"title": "of its owner"})
        with owner.terminal(shell_command=["bash", "--norc"]) as other:
            said = other.run("jupyter dbx-agents status")
            who = f"“of its owner”, Claude Code in {found['folder']}"
            assert f"{who}, terminal {terminal.name}, asks for" in said
        assert owner.json("GET", "/dbx-agents/api/status")["attention"]


def test_a_killed_agent_has_failed_and_with_its_terminal_nothing_is_left(
    owner: Browser, program: Path
):
    with speaking(owner, program) as terminal:
        terminal.type("working\n")
        until_state(owner, terminal, "working")
        pid = subprocess.check_output(["pgrep", "-f", str(program)], text=True).split()[-1]
        os.kill(int(pid), signal.SIGKILL)
        failed = until_state(owner, terminal, "failed")
        body = {"id": failed["id"], "revision": failed["revision"]}
        assert owner.json("POST", f"{API}/seen", body)["attention"] == []
    with speaking(owner, program) as terminal:
        terminal.type("working\n")
        until_state(owner, terminal, "working")
    eventually(lambda: owner.json("GET", API)["attention"] == [], 5, "the end of the terminal")


@pytest.mark.parametrize("prompt", ["$ ", r"\033]133;A\a$ "], ids=["plain", "marked"])
def test_an_agent_that_ctrl_z_stops_is_idle_until_it_goes_on(
    owner: Browser, program: Path, prompt: str
):
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        terminal.type(f"PS1='{prompt}'; {sys.executable} {program}\n")
        terminal.expect("ready")
        terminal.type("working\n")
        until_state(owner, terminal, "working")
        terminal.type("\x1a")
        stopped = until_state_soon(owner, terminal, "idle")
        assert (stopped["agent"], "Type fg" in stopped["text"]) == ("claude-code", True)
        terminal.type("fg\n")
        until_state_soon(owner, terminal, "working")


def test_a_notification_and_a_bell_of_any_program_are_news(owner: Browser):
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        terminal.run("true")
        terminal.run("sleep 1.2; printf '\\033]9;Build done\\033\\\\'")
        assert until_state(owner, terminal, "done")["text"] == "Build done"
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        terminal.run("sleep 1.2; printf '\\a'")
        until_state(owner, terminal, "done")


def test_a_hook_reports_in_the_terminal_it_runs_in_costs_little_and_never_fails(
    owner: Browser, tmp_path: Path
):
    report = f"{' '.join(REPORTER)} hermes permission --says extra.command"
    agent = tmp_path / "hermes"
    agent.write_text(
        "import subprocess, sys, time\n"
        "while line := sys.stdin.readline():\n"
        f"    subprocess.run({report.split()!r}, input=line.encode())\n"
    )
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        terminal.type(f"{sys.executable} {agent}\n")
        terminal.type('{"extra": {"command": "rm -rf x"}}\n')
        assert until_state_soon(owner, terminal, "permission")["text"] == "rm -rf x"
        terminal.type("no JSON\n")
        terminal.expect("no JSON")
    for socket in ("", "/nowhere/x.sock"):
        ended = run_hook(socket)
        assert (ended.returncode, ended.stderr) == (0, b"")
    fastest = min(timed_hook() for _ in range(10))
    assert fastest < 0.06, f"a hook takes {fastest:.3f} s"


# Reports by its hooks, and rings, as each line of its input says.
RINGING_AGENT = f"""
import subprocess, sys
while line := sys.stdin.readline():
    state, _, given = line.strip().partition(" ")
    option = ["--of", "extra.child"] if "child" in given else ["--by-turn"]
    if state != "bell":
        subprocess.run([*{REPORTER!r}, "hermes", state, *option], input=given.encode())
    print("\\a" * (state == "bell") + "did " + state, flush=True)
"""


@pytest.fixture
def ringing(owner: Browser, tmp_path: Path) -> Iterator[TerminalClient]:
    """A terminal with an agent that has hooks and rings at the end of each turn, as Hermes does."""
    agent = tmp_path / "hermes"
    agent.write_text(RINGING_AGENT)
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        terminal.type(f"{sys.executable} {agent}\n")
        yield terminal


def after(owner: Browser, terminal: TerminalClient, *does: str) -> str:
    """What is known of an agent after it has done something more."""
    for each in does:
        terminal.type(f"{each}\n")
        terminal.expect(f"did {each.split()[0]}")
    return str(session(owner, terminal)["state"])


def test_the_bell_of_a_turn_that_is_over_does_not_end_the_next_one(
    owner: Browser, ringing: TerminalClient
):
    for end, next_state in (("done", "working"), ("idle", "permission"), ("failed", "working")):
        assert after(owner, ringing, "working", end, next_state, "bell") == next_state
        # No hook reports the end of a turn that its model has refused for good.
        assert after(owner, ringing, "bell") == "done"
    assert after(owner, ringing, "working", "done", "bell", "working", "bell") == "done"


def turn(name: str, platform: str) -> str:
    return json.dumps({"extra": {"turn_id": f"{name}:1f", "platform": platform}})


OWN, REVIEW = turn("s1:s1", "cli"), turn("s1:6b0e", "cli")
FIRST, SECOND = turn("s2:sa-0", "subagent"), turn("s3:sa-1", "subagent")
STOPPED, OF_NOBODY = '{"extra": {"child": "s3"}}', '{"extra": {"child": null}}'


def test_an_agent_works_while_a_sub_agent_does_and_not_while_it_reviews_in_the_background(
    owner: Browser, ringing: TerminalClient
):
    does = [f"working {OWN}", f"working {FIRST}", f"working {SECOND}", f"done {OWN}", "bell"]
    assert after(owner, ringing, *does, f"idle {FIRST}") == "working"
    assert after(owner, ringing, f"idle {OF_NOBODY}") == "working"
    assert after(owner, ringing, f"idle {STOPPED}") == "done"
    assert after(owner, ringing, f"working {REVIEW}") == "done"
    does = [f"working {OWN}", *(f"{state} {REVIEW}" for state in ("failed", "idle", "done"))]
    assert after(owner, ringing, *does) == "working"


def test_a_task_in_the_background_does_not_end_what_its_agent_works_at(
    owner: Browser, ringing: TerminalClient
):
    task = turn("bg_181500_6b0e:bg_181500_6b0e", "cli")
    does = [f"working {task}", f"working {OWN}", f"done {task}", "bell"]
    assert after(owner, ringing, *does) == "working"
    assert after(owner, ringing, f"done {OWN}") == "done"
    assert after(owner, ringing, "bell", f"working {OWN}", f"permission {task}") == "permission"
    assert after(owner, ringing, f"done {OWN}", "bell", f"working {task}") == "working"
    assert after(owner, ringing, f"failed {task}", "bell") == "failed"


def until_state_soon(owner: Browser, terminal: TerminalClient, state: str) -> dict[str, Any]:
    eventually(lambda: session(owner, terminal).get("state") == state, 5, state)
    return session(owner, terminal)


def run_hook(socket: str) -> subprocess.CompletedProcess[bytes]:
    environment = {hook.SOCKET_VARIABLE: socket}
    command = [*REPORTER, "hermes", "working"]
    return subprocess.run(command, input=b"{}", capture_output=True, env=environment, check=False)


def timed_hook() -> float:
    began = time.perf_counter()
    run_hook("")
    return time.perf_counter() - began


def test_a_report_that_makes_no_sense_is_refused_with_a_hint(owner: Browser):
    for body, said in (
        ({"agent": "nobody", "state": "done"}, "There is no agent"),
        ({"agent": "codex", "state": "dancing"}, "There is no state"),
        ({"state": "done"}, "has no string"),
    ):
        answer = owner.http.post(f"{API}/report", json=body)
        assert answer.is_client_error
        assert said in answer.json()["message"]
        assert answer.json()["hint"]
    assert owner.http.post(f"{API}/seen", json={"id": "x", "revision": 1}).status_code == 404


def test_an_agent_is_named_by_its_command_and_its_model_is_chosen(owner: Browser):
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        command = "jupyter dbx-agents agents"
        assert "Disabled claude-code" in terminal.run(f"{command} disable claude")
        assert "Enabled claude-code" in terminal.run(f"{command} enable claude")
        said = terminal.run(f"{command} model claude databricks-claude-sonnet-4-6")
        assert "New sessions of Claude Code use databricks-claude-sonnet-4-6." in said
        assert "uses databricks-claude-sonnet-4-6" in terminal.run(f"{command} model claude")
        assert "opus" in terminal.run(f"{command} model claude default")
        code, said = terminal.run_any(f"{command} model claude a b")
        assert (code, "one word" in said) == (1, True)

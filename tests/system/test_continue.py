"""Continue where you were: the machine goes in the middle of the work, and all of it comes back."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_store import AgentStore
from tests.support.constants import OWNER, PAT, STATUS
from tests.support.effort import IS_LONG, seed_of_this_run
from tests.support.running_app import (
    Browser,
    LocalWorkspaceProcess,
    Server,
    eventually,
    starting,
    until_configured,
)
from tests.support.terminal_client import TerminalClient

API = "/dbx-agents/api"
GIT = "git -c user.name=n -c user.email=e@example.com"
STATE = "git status --porcelain=v2 --branch --untracked-files=all"
# What the screen of each shows when it takes a question; all of them with TEST_LONG.
READY = {
    "claude": r"for\s*agents|for\s*shortcuts",
    "codex": r"Ask\s*Codex\s*to\s*do",
    "gemini": r"Type\s*your\s*message",
    "hermes": "\u276f",
    "opencode": r"Ask\s*anything",
}
# A conversation that is shown again has no such line in OpenCode.
RESUMED = {**READY, "opencode": r"mango\s*of\s*opencode"}
NAMES = {
    "claude": "claude-code",
    "codex": "codex",
    "gemini": "gemini-cli",
    "hermes": "hermes",
    "opencode": "opencode",
}
# Five agents that start at once have two cores.
START_SECONDS = 300 if IS_LONG else 120
AGENTS = tuple(READY) if IS_LONG else ("claude",)


class Machine:
    """An app whose machine can be lost; the workspace outlives it."""

    def __init__(self, folder: Path, store: AgentStore, agents: Sequence[str] = AGENTS) -> None:
        self.home, self._store, self._agents = folder / "home", store, agents
        self.workspace = LocalWorkspaceProcess()
        self._starting = starting(self.workspace, self.home)
        self._start = self._starting.__enter__()
        self._browsers: list[Browser] = []

    def boot(self) -> Browser:
        """Start the app on an empty disk with the agents' programs, and paste a new token."""
        self.home.mkdir(exist_ok=True)
        self._store.put(self.home, [NAMES[each] for each in self._agents])
        enabled = [f"--AgentRoster.enabled_agents={NAMES[each]}" for each in self._agents]
        self.server: Server = self._start(*enabled)
        owner = self.server.until_open(OWNER)
        self._browsers.append(owner)
        until_configured(owner)
        token = self.workspace.control.mint(OWNER).token_value
        owner.json("POST", PAT, {"token": token})

        def is_installed() -> bool:
            tasks = owner.json("GET", STATUS)["startup"]
            assert not [task for task in tasks if task["state"] == "failed"], tasks
            return all(task["state"] == "done" for task in tasks)

        eventually(is_installed, 300, "the agents")
        return owner

    def lose(self) -> None:
        """End every process of the app by SIGKILL, and empty the disk."""
        pids = descendants(self.server.process.pid)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.server.process.wait()
        eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids), 30)
        shutil.rmtree(self.home)

    def stop(self) -> None:
        for browser in self._browsers:
            browser.http.close()
        self._starting.__exit__(None, None, None)
        self.workspace.stop()


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:  # it grows
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:
                continue
    return found


@pytest.fixture
def machine(tmp_path: Path, agent_store: AgentStore) -> Iterator[Machine]:
    made = Machine(tmp_path, agent_store)
    try:
        yield made
    finally:
        made.stop()


def status(owner: Browser) -> dict[str, Any]:
    return owner.json("GET", STATUS)


def is_kept(owner: Browser, since: str) -> bool:
    now = status(owner)
    works = [project["work"] for project in now["projects"]]
    ours = now["continuity"]
    assert not ours["message"] and not any(work["message"] for work in works), now
    is_whole = all(work["kept_at"] and not work["pending"] for work in works)
    return bool(works) and is_whole and ours["kept_at"] > since


def until_next_second(moment: str) -> None:
    """Wait until what is kept from now on is of a later second than a moment."""
    eventually(lambda: datetime.now(UTC).isoformat(timespec="seconds") > moment, 5)


def ask(terminal: TerminalClient, text: str, answer: str) -> None:
    """Type a question into an agent's screen, and wait for the answer."""
    for part in (text[:-1], text[-1]):  # Gemini CLI takes a “?” for a key while it draws
        terminal.type(part)
        terminal.until_quiet(0.5)
    # What is drawn again, and OpenCode's moving dots, may come between two words.
    pattern = re.sub(r"\s+", r"[\\s│|■⬝]*", answer)
    for _attempt in range(5):  # Gemini CLI takes an Enter that comes too soon for a paste's
        terminal.type("\r")
        with contextlib.suppress(AssertionError):
            terminal.expect(pattern, 30)
            return
    raise AssertionError(f"no answer to {text!r}:\n{terminal.unmatched()}")


def continued(owner: Browser) -> list[dict[str, Any]]:
    """Press the plain page's button, and return the steps when they are over."""
    page = "/dbx-agents/"
    count = len(owner.json("GET", f"{API}/continuity")["offer"]["terminals"])
    eventually(lambda: ">Continue where you were</button>" in owner.http.get(page).text, 60)
    text = owner.http.get(page).text
    [key] = re.findall(r'value="continue"><input type="hidden" name="key" value="([^"]+)"', text)
    for _ in range(2):  # as on a bad line: it is done once
        answer = owner.http.post(page, data={"action": "continue", "key": key})
        assert answer.status_code == 303, answer.text

    def steps() -> list[dict[str, Any]]:
        return status(owner)["continuity"]["steps"]

    def is_over() -> bool:
        terminals = [step for step in steps() if step["kind"] == "terminal"]
        states = {step["state"] for step in steps()}
        return len(terminals) == count and "waiting" not in states

    assert "It is coming back." in owner.http.get(page).text or is_over()
    eventually(is_over, 120, "back")
    shown = owner.http.get(page).text
    assert all(step["name"] in shown for step in steps())
    return steps()


@pytest.mark.timeout(2700 if IS_LONG else 900)
def test_after_a_kill_everything_is_as_it_was_and_the_agent_knows_what_was_said(
    machine: Machine,
):
    owner = machine.boot()
    projects = machine.home / "projects"
    terminals = [owner.json("POST", "/api/terminals", {"name": f"work_{a}"}) for a in AGENTS]
    with owner.terminal(name="shell") as shell:
        shell.run("git init -q p && cd p && seq 9 > a && seq 9 > b && git add .")
        shell.run(f"{GIT} commit -qm 1")
        shell.run("echo staged >> a && git add a && echo changed >> b && echo new > new")
        shell.run("git init -q ../q && cd ../q && seq 9 > a && git add .")
        shell.run(f"{GIT} commit -qm 1 && git checkout -qb other && echo theirs >> a")
        shell.run(f"{GIT} commit -qam theirs && git checkout -q - && echo ours >> a")
        shell.run(f"{GIT} commit -qam ours; {GIT} rebase -q other; true")
        shell.run("echo a-line-of-history")
        for command, model in zip(AGENTS, terminals, strict=True):
            with owner.attached(model["name"]) as terminal:
                terminal.run("cd p")
                terminal.type(f"{command}\r")
                terminal.expect(READY[command], START_SECONDS)
                ask(terminal, f"remember: the mango of {command}", "echo: remember: the mango")
        states = [shell.run(f"git -C {projects / name} {STATE[4:]}") for name in ("p", "q")]
        assert "rebase" in shell.run(f"git -C {projects / 'q'} status")
        refs = [shell.run(f"git -C {projects / name} show-ref") for name in ("p", "q")]
        said_at = datetime.now(UTC).isoformat(timespec="seconds")
        until_next_second(said_at)
        shell.run("echo one more line of history")
        eventually(lambda: is_kept(owner, said_at), 120, "kept")
        # At a random moment of further work: at most a minute of it is lost.
        shell.type("cd ../p; for i in $(seq 1000); do echo $i > /tmp/count; sleep 0.1; done\r")
        time.sleep(random.uniform(0, 3))
        machine.lose()

    owner = machine.boot()
    offer = owner.json("GET", f"{API}/continuity")["offer"]
    assert sorted(offer["projects"]) == ["p", "q"] and offer["at"] and offer["bytes"] > 0
    assert len(offer["terminals"]) == len(AGENTS) + 1
    with owner.terminal() as shell:
        listed = shell.run("jupyter dbx-agents restore --list").splitlines()
        history = "--files history: Shell history, 1 file"
        assert {"p", "q", history, "--terminal shell"} <= {*listed}, listed
        code, text = shell.run_any("jupyter dbx-agents restore --terminal nobody")
        assert code == 1 and "No terminal named “nobody” is kept" in text
    began = time.monotonic()
    steps = continued(owner)
    print(f"everything back after {time.monotonic() - began:.1f} s")
    assert [step for step in steps if step["state"] != "done"] == []
    with owner.terminal() as shell:
        for name, state, its_refs in zip(("p", "q"), states, refs, strict=True):
            assert shell.run(f"git -C {projects / name} {STATE[4:]}") == state
            assert shell.run(f"git -C {projects / name} show-ref") == its_refs
        assert "rebase" in shell.run(f"git -C {projects / 'q'} status")
        assert "a-line-of-history" in shell.run("cat ~/.bash_history")
    names = {model["name"] for model in status(owner)["terminals"]}
    assert names >= {f"work_{command}" for command in AGENTS} | {"shell"}
    for command in AGENTS:
        with owner.attached(f"work_{command}") as terminal:
            terminal.expect(RESUMED[command], START_SECONDS)
            ask(terminal, "recall?", f"recalled: the mango of {command}")
    found = owner.json("POST", f"{API}/conversations/search", {"text": "THE MANGO"})
    assert {each["agent"] for each in found["conversations"]} == {NAMES[each] for each in AGENTS}


ROUNDS = 10
# A commit each second, and a change that is not committed each fifth of one.
WORK = (
    "for n in $(seq 9999); do date +%s >> stamps; sleep 0.2; [ $((n % 5)) -gt 0 ] || "
    f"{{ git add -A; {GIT} commit -qm $n; }}; done"
)


def work_until(owner: Browser, end: float) -> list[str]:
    """Let the work go on; return the commits that are reported safe meanwhile."""
    safe = []
    while time.monotonic() < end:
        [project] = status(owner)["projects"]
        if project["history"]["safe_at"]:
            safe.append(project["history"]["commit"])
        time.sleep(0.2)
    return safe


def until_kept(owner: Browser, since: str) -> None:
    """Wait until what was said before is in the workspace."""

    def is_kept() -> bool:
        ours = status(owner)["continuity"]
        return ours["kept_at"] > since and not ours["pending"]

    eventually(is_kept, 120, "kept")


@pytest.mark.skipif(not IS_LONG, reason="ten restarts of the app: make test-long")
@pytest.mark.timeout(3600)
def test_ten_random_kills_lose_nothing_that_was_reported_safe(
    tmp_path: Path, agent_store: AgentStore
):
    seed = seed_of_this_run()
    print(f"TEST_SEED={seed}")
    moments = random.Random(seed)
    machine = Machine(tmp_path, agent_store, ("claude",))
    said = list[str]()
    safe = list[str]()
    killed_at = 0.0
    try:
        for number in range(ROUNDS + 1):
            owner = machine.boot()
            folder = machine.home / "projects/p"
            if number:
                steps = continued(owner)
                assert [step for step in steps if step["state"] != "done"] == [], number
                with owner.terminal() as shell:
                    shell.run(f"cd {folder}")
                    for commit in dict.fromkeys(safe):
                        code, text = shell.run_any(f"git merge-base --is-ancestor {commit} HEAD")
                        assert code == 0, (number, commit, text)
                    stamp = float(shell.run("tail -n 1 stamps"))
                lost_seconds = killed_at - stamp
                print(f"{number}: {len(safe)} looks, {lost_seconds:.0f} s of work lost")
                assert lost_seconds < 60, number
            else:
                owner.json("POST", "/api/terminals", {"name": "agent"})
                owner.json("POST", "/api/terminals", {"name": "work"})
                with owner.attached("work") as shell:
                    shell.run("git init -q p && cd p")
                with owner.attached("agent") as agent:
                    agent.run("cd p")
                    agent.type("claude\r")
            with owner.attached("agent") as agent:
                agent.expect(RESUMED["claude"], START_SECONDS)
                if said:
                    ask(agent, "recall?", f"recalled: {', '.join(said)}")
                if number == ROUNDS:
                    break
                said.append(f"fruit {number}")
                ask(agent, f"remember: {said[-1]}", f"echo: remember: {said[-1]}")
                at = datetime.now(UTC).isoformat(timespec="seconds")
                with owner.attached("work") as shell:
                    until_next_second(at)
                    shell.run(f"true {number}")  # a line of history, kept after what was said
                    shell.type(f"{WORK}\r")
                    until_kept(owner, at)
                    safe += work_until(owner, time.monotonic() + moments.uniform(0, 20))
                    killed_at = time.time()
                    machine.lose()
    finally:
        machine.stop()

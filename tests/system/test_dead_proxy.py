"""A proxy in the environment that reaches nothing: what is on this machine does not use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent_store import AgentStore
from tests.support.constants import OWNER, PAT, STATUS
from tests.support.effort import some
from tests.support.running_app import (
    Browser,
    LocalWorkspaceProcess,
    Server,
    eventually,
    until_configured,
)

DEAD = "http://127.0.0.1:9"  # the discard port: nothing listens
PROXY = {
    name: DEAD
    for word in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    for name in (word, word.lower())
}
WITHOUT_EXCEPTIONS = {"NO_PROXY": "", "no_proxy": ""}
SDK = (
    "from databricks.sdk import WorkspaceClient; "
    "print('I am', WorkspaceClient().current_user.me().user_name)"
)
ONCE = {
    "sdk": f'{sys.executable} -c "{SDK}"',
    "claude-code": "claude -p 'hello'",
    "codex": "codex exec --skip-git-repo-check hello",
    "gemini-cli": "gemini -p hello",
    "opencode": "opencode run hello",
    "hermes": "hermes chat -Q -q hello",
}
SAID = dict.fromkeys(ONCE, "echo: hello") | {"sdk": f"I am {OWNER}"}


@pytest.fixture
def owner(
    workspace: LocalWorkspaceProcess, agent_store: AgentStore, tmp_path: Path
) -> Iterator[Browser]:
    """The owner of a server with that proxy and all agents, with a token."""
    home = tmp_path / "home"
    home.mkdir()
    agent_store.put(home)
    server = Server(home, workspace.app_variables() | PROXY | WITHOUT_EXCEPTIONS)
    browser = server.until_open(OWNER)
    until_configured(browser)
    browser.json("POST", PAT, {"token": workspace.control.mint(OWNER).token_value})
    yield browser
    browser.http.close()
    server.stop()


@pytest.mark.timeout(600)
def test_all_agents_the_sdk_and_git_sync_work_beside_a_dead_proxy(
    workspace: LocalWorkspaceProcess, owner: Browser, tmp_path: Path
):
    def are_installed() -> bool:
        return all(agent["installed"] for agent in owner.json("GET", STATUS)["agents"])

    eventually(are_installed, 300)
    with owner.terminal() as terminal:
        terminal.until_shell()
        terminal.run("git init -q behind && cd behind && echo one > one.txt")
        terminal.run("git add . && git -c user.name=A -c user.email=a@b.example commit -qm one")
        used = {name: ONCE[name] for name in some(2, ONCE)}
        runs = [f"({line} < /dev/null > ../{name}.out 2>&1)" for name, line in used.items()]
        # Two at a time: OpenCode alone takes 800 MB.
        for first, second in zip(runs[::2], runs[1::2], strict=True):
            terminal.run(f"{first} & {second}; wait")
        for name in used:
            said = (tmp_path / "home" / "projects" / f"{name}.out").read_text()
            assert SAID[name] in said.replace('"', ""), f"{name}: {said}"
        eventually(
            lambda: any(f["path"].endswith("/behind/one.txt") for f in workspace.control.files()),
            60,
        )

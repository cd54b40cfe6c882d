"""The Databricks CLI in a terminal: installed at the start, at work through rotations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents import AGENTS
from tests.support.constants import OWNER, PAT, STATUS
from tests.support.effort import ROTATIONS
from tests.support.release_server import ReleaseServer
from tests.support.running_app import Browser, LocalWorkspaceProcess, Server, eventually, starting

ROTATION = (
    "--PatRotator.promise_seconds=1",
    "--PatRotator.expiry_margin_seconds=5",
    "--PatRotator.in_flight_seconds=0.5",
)
NO_AGENT = [f"--AgentRoster.disabled_agents={agent.name}" for agent in AGENTS]
DOCTOR = "jupyter dbx-agents doctor | grep -a databricks"


@pytest.fixture
def start(workspace: LocalWorkspaceProcess, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that install the CLI only."""
    with starting(workspace, tmp_path / "home", *NO_AGENT) as run:
        yield run


def test_the_cli_is_installed_when_it_can_be_had_and_notices_no_rotation(
    workspace: LocalWorkspaceProcess, start: Callable[..., Server], tmp_path: Path
):
    with ReleaseServer(status=404) as release:
        config = tmp_path / "config.py"
        config.write_text(f"c.DatabricksCli.sha256 = {release.sha256}\n")
        server = start(f"--config={config}", *ROTATION, DATABRICKS_CLI_RELEASES=release.url)
        owner = server.until_open(OWNER)
        owner.json("POST", PAT, {"token": workspace.control.mint(OWNER).token_value})
        [task] = eventually(lambda: [t for t in tasks_of(owner) if t["state"] == "done"])
        assert "is not installed: 127.0.0.1 does not have the file" in task["message"]
        with owner.terminal() as terminal:
            code, said = terminal.run_any("jupyter dbx-agents skills update")
            assert code == 1 and "Ask its owner to mirror it." in said
            assert "warning" in terminal.run_any(DOCTOR)[1]
            release.status = 200
            skill = server.home / "skills-release" / "databricks-core" / "SKILL.md"
            skill.parent.mkdir(parents=True)
            skill.write_text("---\nname: databricks-core\ndescription: All of it.\n---\n")
            said = terminal.run("jupyter dbx-agents skills update")
            assert "Databricks CLI  1.9.0" in said
            assert re.search(r"Databricks +databricks-core +All of it\.", said)
            works_through_rotations(owner, server.home / "stop")
            _code, line = terminal.run_any(DOCTOR)
            assert "ok" in line and f"Databricks CLI v1.9.0; authenticates as {OWNER}" in line
    owner.http.close()
    assert server.log.read_text().count("does not have the file") == 1, "it was said again"


def works_through_rotations(owner: Browser, stop: Path) -> None:
    """Call the workspace in short programs and in one long one, which keeps its tokens."""
    with owner.terminal() as terminal, owner.terminal() as other:
        other.type(f"databricks sync {stop}\n")
        for _ in range(ROTATIONS):
            owner.json("POST", f"{PAT}/rotate")
            said = json.loads(terminal.run("databricks current-user me"))
            assert said["userName"] == OWNER
        stop.touch()
        assert int(other.expect(r"calls=(\d+)|Error: .*")[1] or 0) > ROTATIONS


def tasks_of(owner: Browser) -> list[dict]:
    tasks = owner.json("GET", STATUS)["startup"]
    return [task for task in tasks if task["name"] == "databricks"]

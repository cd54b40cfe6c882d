"""What is wrong at the start is said in one line, and stops no more than it must."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.constants import OWNER, PAT, STATUS
from tests.support.effort import IS_LONG
from tests.support.running_app import Browser, LocalWorkspaceProcess, Server, eventually, starting

ONE_AGENT = "--AgentRoster.enabled_agents=claude-code"
NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.fixture
def start_with_agents(workspace: LocalWorkspaceProcess, tmp_path: Path) -> Iterator:
    """Start servers that install one agent."""
    with starting(workspace, tmp_path / "home", ONE_AGENT) as run:
        yield run


def refusal(server: Server) -> str:
    """Wait for the end; return the one line that says why, and no traceback."""
    said = server.ended()
    assert server.process.returncode == 1, said
    assert "Traceback" not in said
    lines = [
        line for line in said.splitlines() if "could not be started" in line or "cannot" in line
    ]
    assert len(lines) == 1, said
    return lines[0]


def test_a_port_that_is_taken(start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"port {port} is not available" in refusal(start(DATABRICKS_APP_PORT=str(port)))


@NOT_ROOT
def test_a_home_that_is_read_only(start, tmp_path: Path):
    home = tmp_path / "sealed"
    home.mkdir(mode=0o500)
    assert f"The home folder {home} cannot be written to" in refusal(start(HOME=str(home)))


@NOT_ROOT
def test_a_home_that_is_not_there_and_cannot_be_made(start):
    assert "/nowhere/home cannot be written to" in refusal(start(HOME="/nowhere/home"))


def test_a_home_that_is_not_there_is_made_and_a_start_warns_of_nothing(start, tmp_path: Path):
    server = start(HOME=str(tmp_path / "new" / "home"))
    server.until_open(OWNER).http.close()
    assert (tmp_path / "new" / "home" / "projects").is_dir()
    assert "Warning" not in server.log.read_text()


HOSTS = ["not a host", "ftp://adb-1.azuredatabricks.net", "https://"]


@pytest.mark.parametrize("host", HOSTS if IS_LONG else HOSTS[:1])
def test_a_host_that_is_none(start, host: str):
    assert "DATABRICKS_HOST is" in refusal(start(DATABRICKS_HOST=host))


def test_a_gateway_that_is_none(start):
    assert "DATABRICKS_GATEWAY_HOST" in refusal(start(DATABRICKS_GATEWAY_HOST="::::"))


def test_a_library_of_the_platform_that_is_too_old(start, tmp_path: Path):
    old = tmp_path / "old" / "tornado-6.4.1.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: tornado\nVersion: 6.4.1\n")
    said = refusal(start(PYTHONPATH=str(old.parent)))
    assert "tornado 6.4.1 (at least 6.6)" in said
    assert "pip install -r requirements.txt" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("c = get_config()\nc.DbxAgentsApp.install_agents = \n", "SyntaxError: invalid syntax"),
        ("c.DbxAgentsApp.install_agent = Flase\n", "NameError: name 'Flase' is not defined"),
        (None, "ConfigFileNotFound"),
    ],
)
def test_a_configuration_file_that_cannot_be_read(start, tmp_path: Path, text: str, said: str):
    path = tmp_path / "config.py"
    if text:
        path.write_text(text)
    line = refusal(start(f"--config={path}"))
    assert f"The configuration file {path} cannot be used: {said}" in line


TWICE = [
    (["DbxAgentsApp.projects_folder=a", "DbxAgentsApp.projects_folder=b"], "got 2: ['a', 'b']"),
]
WRONG = [
    (["GitSync.look_seconds=1", "GitSync.look_seconds=2"], "got 2: ['1', '2']"),
    (["DbxAgentsApp.install_agents=maybe"], "install_agents"),
]


@pytest.mark.parametrize(("options", "said"), [*TWICE, *(WRONG if IS_LONG else ())])
def test_wrong_options_end_the_start_and_are_not_ignored(start, options: list[str], said: str):
    assert said in refusal(start(*(f"--{option}" for option in options)))


def failed_install(browser: Browser) -> dict:
    """Wait until an installation has failed; return its task."""

    def failed() -> list[dict]:
        tasks = browser.json("GET", STATUS)["startup"]
        return [t for t in tasks if t["name"] == "install-claude-code" and t["state"] == "failed"]

    return eventually(failed, 100, "a failed installation")[0]


def shell_works(browser: Browser) -> bool:
    with browser.terminal() as terminal:
        terminal.expect("Paste address or token")
        terminal.type("\n")
        terminal.until_shell()
        return terminal.run("echo it wo''rks").strip() == "it works"


def test_without_node_the_rest_works_and_the_agents_task_says_what_is_missing(
    start_with_agents, tmp_path: Path
):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "sh", "git", "env", "cat", "sed", "tr", "uname", "dirname"):
        if path := shutil.which(name):
            (programs / name).symlink_to(path)
    browser = start_with_agents(PATH=str(programs)).until_open(OWNER)
    task = failed_install(browser)
    assert "Node.js" in f"{task['message']} {task['hint']}"
    assert shell_works(browser)
    browser.http.close()


def test_without_a_registry_the_rest_works_and_the_installation_is_tried_again(
    start_with_agents, tmp_path: Path
):
    browser = start_with_agents(
        npm_config_registry="http://127.0.0.1:9/",
        npm_config_cache=str(tmp_path / "empty"),
        npm_config_fetch_retries="0",
    ).until_open(OWNER)
    task = failed_install(browser)
    assert "Retrying in " in task["hint"]
    assert "the registry cannot be reached (ECONNREFUSED)" in task["message"]
    assert shell_works(browser)
    browser.http.close()


def expired(workspace: LocalWorkspaceProcess) -> str:
    sample = workspace.control.mint(OWNER)
    workspace.control.revoke(sample.token_id)
    return sample.token_value


def foreign(workspace: LocalWorkspaceProcess) -> str:
    return workspace.control.mint("stranger@example.com").token_value


TOKENS = {
    "malformed": (lambda _workspace: "hunter2", "not look like a Databricks personal access token"),
    "revoked": (expired, "expired"),
    "foreign": (foreign, "owner"),
}


@pytest.mark.parametrize("kind", TOKENS if IS_LONG else ["foreign"])
def test_a_token_in_the_environment_that_is_no_good_is_refused_like_a_pasted_one(
    workspace: LocalWorkspaceProcess, start, kind: str
):
    make, why = TOKENS[kind]
    value = make(workspace)
    server = start(DATABRICKS_TOKEN=f"\t{value} ")
    browser = server.until_open(OWNER)
    eventually(lambda: "DATABRICKS_TOKEN is not used" in server.log.read_text(), 30)
    (line,) = [line for line in server.log.read_text().splitlines() if "is not used" in line]
    assert why in line
    assert value not in server.log.read_text()
    assert browser.json("GET", PAT)["state"] == "needed"
    assert shell_works(browser)
    browser.http.close()


def test_a_token_from_the_environment_is_in_no_childs_environment_and_rotates(
    workspace: LocalWorkspaceProcess, start
):
    value = workspace.control.mint(OWNER).token_value
    browser = start(DATABRICKS_TOKEN=value).until_open(OWNER)
    eventually(lambda: browser.json("GET", PAT)["state"] == "active", 30)
    browser.json("POST", f"{PAT}/rotate")
    assert browser.json("GET", PAT)["rotations"] == 1
    with browser.terminal() as terminal:
        terminal.until_shell()
        seen = terminal.run("cat /proc/self/environ | tr '\\0' '\\n'; cat /proc/$$/environ")
    assert "HOME=" in seen
    assert value not in seen
    assert "DATABRICKS_" not in seen
    browser.http.close()

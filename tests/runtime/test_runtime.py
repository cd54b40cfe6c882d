"""The main job in the platform's conditions, deployed in both of the ways that people do it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from databricks.sdk.service.apps import App, AppDeployment, GitRepository, GitSource

from tests.support.constants import OWNER, PAT, STATUS, STRANGER
from tests.support.effort import some
from tests.support.running_app import Browser, eventually
from tests.support.terminal_client import TerminalClient

from .machine import Platform, git_repository
from .sandbox import MEMORY_BYTES, SOURCE_CODE

# Those that the tests use; the other way installs all.
ONLY_TWO_AGENTS = '"--AgentRoster.enabled_agents=claude-code", "--AgentRoster.enabled_agents=codex"'
SOON = timedelta(seconds=900)
PROMPT = r"Paste address or token; it stays hidden \(or press Enter to skip\): "


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout, as a hoster of Git repositories has it."""
    return git_repository(tmp_path_factory.mktemp("git") / "app.git")


def deploy_from_git(platform: Platform, repository: Path, name: str) -> None:
    """Create app, connect the repository, Deploy: three clicks, and nothing configured."""
    wanted = App(name=name, git_repository=GitRepository(url=str(repository), provider="gitHub"))
    platform.sdk.apps.create_and_wait(wanted, timeout=SOON)
    source = AppDeployment(git_source=GitSource(branch="main"))
    deployed = platform.sdk.apps.deploy_and_wait(name, source, timeout=SOON)
    assert deployed.status is not None
    assert deployed.status.state is not None
    assert deployed.status.state.value == "SUCCEEDED", deployed.status.message


def deploy_by_command(platform: Platform, repository: Path, name: str) -> None:
    """Clone, copy ``app.yaml.template``, edit, and run the one command."""
    clone = repository.with_name("clone")
    subprocess.run(["git", "clone", "--quiet", repository, clone], check=True)
    template = (clone / "app.yaml.template").read_text(encoding="utf-8")
    edited = re.sub(
        r"# (- name: CODEX_MODEL\n  )# (  value: ).*", r"\1\2databricks-gpt-5", template
    )
    assert edited != template
    command = edited.replace('"serve", ', f'"serve", {ONLY_TWO_AGENTS}, ')
    assert command != edited
    (clone / "app.yaml").write_text(command, encoding="utf-8")
    token = platform.control.mint(OWNER, comment="of the command line").token_value
    home = repository.with_name("home")
    home.mkdir()
    variables = {"DATABRICKS_HOST": platform.url, "DATABRICKS_TOKEN": token, "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_dbx_agents", "deploy", "--app", name],
        cwd=clone,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Running: {platform.sdk.apps.get(name).url}" in done.stdout


WAYS = {"by-git": deploy_from_git, "by-command": deploy_by_command}


@pytest.fixture(scope="module", params=some(1, WAYS))
def app(request: pytest.FixtureRequest, platform: Platform, repository: Path) -> Iterator[str]:
    """An app, deployed; everything else here is the same for both ways."""
    name = f"agents-{request.param}"
    WAYS[request.param](platform, repository, name)
    yield name
    platform.sdk.apps.delete(name)
    eventually(lambda: platform.container(name).code is not None, 60)


@pytest.fixture
def owner(platform: Platform, app: str) -> Iterator[Browser]:
    """The owner's browser, at the front door."""
    browser = platform.browser(app)
    yield browser
    browser.http.close()


def log_in(platform: Platform, terminal: TerminalClient) -> None:
    """Paste a token at a terminal's prompt."""
    terminal.expect(PROMPT)
    terminal.type(platform.control.mint(OWNER, comment="pasted").token_value + "\n")
    terminal.expect(f"Connected as {OWNER}")
    terminal.until_shell()


def until_installed(browser: Browser, agent: str) -> None:
    def is_installed() -> bool:
        tasks = browser.json("GET", STATUS)["startup"]
        (task,) = [task for task in tasks if task["name"] == f"install-{agent}"] or [{}]
        assert task.get("state") != "failed", task
        return task.get("state") == "done"

    eventually(is_installed, 600, f"the installation of {agent}")


def living(platform: Platform, app: str) -> list[str]:
    """The app's own tokens that would still be accepted."""
    tokens = platform.control.tokens(OWNER)
    return [t["comment"] for t in tokens if t["status"] == "live" and app in t["comment"]]


@pytest.mark.timeout(900)
def test_the_owner_enters_and_nobody_else(platform: Platform, app: str, owner: Browser):
    assert "jupyter-config-data" in owner.http.get("/lab").text
    stranger = platform.browser(app, STRANGER)
    for path in ("/", "/lab", "/api/terminals", STATUS, "/nonsense"):
        assert stranger.http.get(path).status_code == 403
    stranger.http.close()
    status = owner.json("GET", STATUS)
    assert status["owner"] == OWNER
    wanted = "databricks-gpt-5" if app.endswith("command") else "databricks-gpt-5-5"
    assert status["models"]["codex"]["model"] == wanted


@pytest.mark.timeout(300)
def test_programs_in_a_terminal_see_the_platforms_conditions_and_none_of_its_variables(
    platform: Platform, app: str, owner: Browser
):
    container = platform.container(app)
    home = str(SOURCE_CODE) if platform.image.isolates else str(container.source)
    with owner.terminal() as terminal:
        log_in(platform, terminal)
        seen = terminal.run("pwd; echo $HOME; nproc; ulimit -d").split()
        assert seen == [f"{home}/projects", home, "2", str(MEMORY_BYTES // 1024)]
        assert int(terminal.run("id -u")) != 0
        assert terminal.run("env | grep ^DATABRICKS_ || true").strip() == ""
        # The template's history and remote are gone: a push can go nowhere by accident.
        if app.endswith("git"):
            assert terminal.run("git -C ~ remote; git -C ~ rev-list --count HEAD").strip() == "1"
        # What the platform brought is still there.
        assert terminal.run("python -c 'import flask' && echo fine").strip() == "fine"
    assert owner.json("GET", PAT)["state"] == "active"


AGENTS = {
    "claude-code": "claude -p --allowedTools Bash -- {prompt}",
    "codex": "codex exec --skip-git-repo-check --sandbox danger-full-access {prompt}",
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_answers_through_rotations_and_its_commit_lands_in_the_workspace(
    platform: Platform, owner: Browser, agent: str
):
    until_installed(owner, agent)
    rotations = owner.json("GET", PAT)["rotations"]
    with owner.terminal() as terminal:
        terminal.run(f"git init -q {agent} && cd {agent}")
        stream = AGENTS[agent].format(prompt="'stream: 8 chunks every 250 ms'")
        terminal.type(f"{stream}; echo do''ne\n")
        for _ in range(3):
            owner.json("POST", f"{PAT}/rotate")
        assert "end of stream" in terminal.expect("(?s).*done")[0]
        work = "run: echo by an agent > file.txt && git add file.txt && git commit -qm made"
        terminal.run(AGENTS[agent].format(prompt=f"'{work}'"))
        shown = terminal.run("git log --format=%s; cat file.txt").split("\n")
        assert shown[:2] == ["made", "by an agent"]
    assert owner.json("GET", PAT)["rotations"] >= rotations + 3
    path = f"/Users/{OWNER}/projects/{agent}/file.txt"
    eventually(lambda: platform.control.files(path), 60, path)


@pytest.mark.timeout(600)
def test_model_calls_do_not_pass_the_front_door_and_outlast_its_limits(
    platform: Platform, app: str, owner: Browser
):
    home = platform.container(app).source
    call = AGENTS["claude-code"].format(prompt="'stream: 10 chunks every 500 ms'")
    with owner.terminal() as terminal:
        terminal.run(f"(setsid {call} > ~/long.txt 2>&1; echo $? > ~/long.code) & true")
        terminal.run("until [ -e ~/long.txt ]; do sleep 0.1; done")
        platform.control.limit_front_door(scale=0.01)  # 3 s for a stream, and 0.6 s of silence
        try:
            eventually((home / "long.code").exists, 120)
        finally:
            platform.control.limit_front_door(scale=1)
    eventually(lambda: (home / "long.code").read_text() == "0\n", 10)
    assert "end of stream" in (home / "long.txt").read_text()


@pytest.mark.timeout(900)
def test_a_stop_in_the_middle_loses_nothing_that_was_committed(
    platform: Platform, app: str, owner: Browser
):
    before = platform.container(app)
    with owner.terminal() as terminal:
        terminal.run("git init -q late && cd late && seq 300 > numbers.txt && git add .")
        terminal.run("git commit -qm 'at the last moment'")
        terminal.type("sleep 600\n")
        platform.sdk.apps.stop(app)
    eventually(lambda: before.code is not None, 60)
    assert before.code == 0, before.log  # and not killed, 15 s after SIGTERM
    assert before.left() == []
    assert living(platform, app) == []
    assert "Traceback" not in before.log

    platform.sdk.apps.wait_get_app_stopped(app, timeout=SOON)
    platform.sdk.apps.start_and_wait(app, timeout=SOON)
    assert platform.container(app) is not before
    with owner.terminal() as terminal:
        log_in(platform, terminal)
        assert terminal.run("ls").strip() == ""  # the disk was the container's
        restored = terminal.run("jupyter dbx-agents restore --all").strip().split("\n")
        projects = [line for line in restored if line.startswith("project ")]
        assert len(projects) == 3, restored
        assert all(" with its history" in line for line in projects), restored
        assert not [line for line in restored if "not back" in line], restored
        assert terminal.run("git -C late log --format=%s").strip() == "at the last moment"
        assert terminal.run("tail -n 1 late/numbers.txt; cat codex/file.txt").split("\n")[:2] == [
            "300",
            "by an agent",
        ]

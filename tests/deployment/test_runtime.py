"""The app in the platform's conditions: deployed, used, restarted, with nothing configured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from databricks.sdk.service.apps import App, AppDeployment, GitRepository, GitSource

from tests.system.running_app import Browser, Terminal, eventually

from .machine import OWNER, STRANGER, Platform, git_repository
from .sandbox import MEMORY_BYTES, SOURCE_CODE

NAME = "agents"
SOON = timedelta(seconds=900)
PAT = "/dbx-agents/api/pat"
PROMPT = r"Token \(Enter to go on without\): "


@pytest.fixture(scope="module")
def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Create app, connect a Git repository, Deploy: no more than the three clicks."""
    repository = git_repository(tmp_path_factory.mktemp("git") / "app.git")
    wanted = App(name=NAME, git_repository=GitRepository(url=str(repository), provider="gitHub"))
    platform.sdk.apps.create_and_wait(wanted, timeout=SOON)
    source = AppDeployment(git_source=GitSource(branch="main"))
    deployed = platform.sdk.apps.deploy_and_wait(NAME, source, timeout=SOON)
    assert deployed.status is not None
    assert deployed.status.state is not None
    assert deployed.status.state.value == "SUCCEEDED", deployed.status.message
    return NAME


@pytest.fixture
def owner(platform: Platform, app: str) -> Iterator[Browser]:
    """The owner's browser."""
    browser = platform.browser(app)
    yield browser
    browser.http.close()


def log_in(platform: Platform, terminal: Terminal) -> None:
    """Paste a token at a terminal's prompt."""
    terminal.expect(PROMPT)
    terminal.type(platform.control.mint(OWNER, comment="pasted").token_value + "\n")
    terminal.expect(f"You are {OWNER}")
    terminal.until_shell()


def until_installed(browser: Browser, *agents: str) -> None:
    wanted = {f"install-{agent}" for agent in agents}

    def are_installed() -> bool:
        tasks = browser.json("GET", "/dbx-agents/api/status")["startup"]
        ours = [task for task in tasks if task["name"] in wanted]
        assert not [task for task in ours if task["state"] == "failed"], ours
        return len(ours) == len(wanted) and all(task["state"] == "done" for task in ours)

    eventually(are_installed, 600, "the agents' installation")


@pytest.mark.timeout(900)
def test_a_git_repository_deploys_with_nothing_configured_and_only_the_owner_enters(
    platform: Platform, app: str, owner: Browser
):
    assert "jupyter-config-data" in owner.http.get("/lab").text
    stranger = platform.browser(app, STRANGER)
    for path in ("/", "/lab", "/api/terminals", "/dbx-agents/api/status", "/nonsense"):
        assert stranger.http.get(path).status_code == 403
    stranger.http.close()
    assert owner.json("GET", "/dbx-agents/api/status")["owner"] == OWNER


def test_the_programs_in_it_see_what_the_platform_gives_and_none_of_its_variables(
    platform: Platform, owner: Browser
):
    container = platform.container(NAME)
    home = str(SOURCE_CODE) if platform.image.isolates else str(container.source)
    with owner.terminal() as terminal:
        log_in(platform, terminal)
        assert terminal.run("pwd; id -u; nproc; ulimit -d").split() == [
            f"{home}/projects",
            terminal.run("id -u").strip(),
            "2",
            str(MEMORY_BYTES // 1024),
        ]
        assert terminal.run("id -u").strip() != "0"
        assert terminal.run("env | grep -c ^DATABRICKS_ || true").strip() == "0"
        assert terminal.run("git -C ~ remote; git -C ~ rev-list --count HEAD").strip() == "1"
        versions = terminal.run("pip list --format=freeze 2>/dev/null | grep -E '^(Flask|dash)=='")
        assert versions.split() == ["dash==2.18.1", "Flask==3.0.3"]
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
        shown = terminal.expect("(?s).*done")[0]
        assert "end of stream" in shown
        work = "run: echo by an agent > file.txt && git add file.txt && git commit -qm made"
        terminal.run(AGENTS[agent].format(prompt=f"'{work}'"))
        assert terminal.run("git log --format=%s; cat file.txt").split("\n")[:2] == [
            "made",
            "by an agent",
        ]
    assert owner.json("GET", PAT)["rotations"] >= rotations + 3
    path = f"/Users/{OWNER}/projects/{agent}/file.txt"
    eventually(lambda: platform.control.files(path), 60, path)

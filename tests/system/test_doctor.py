"""``jupyter dbx-agents doctor`` where something is wrong; where nothing is, in test_real_agents."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.constants import OWNER, PAT
from tests.support.running_app import Browser, LocalWorkspaceProcess, eventually
from tests.support.terminal_client import TerminalClient

DOCTOR = "jupyter dbx-agents doctor"


@pytest.fixture
def owner(owner: Browser, workspace: LocalWorkspaceProcess, home: Path) -> Browser:
    """The owner, who has pasted a token, of which the profile makes use."""
    if owner.json("GET", PAT)["state"] != "active":
        owner.json("POST", PAT, {"token": workspace.control.mint(OWNER).token_value})
    profile = home / ".databrickscfg"
    eventually(lambda: profile.exists() and "metadata-service" in profile.read_text())
    return owner


@pytest.fixture
def terminal(owner: Browser) -> Iterator[TerminalClient]:
    with owner.terminal() as terminal:
        yield terminal


def examine(terminal: TerminalClient) -> dict[str, str]:
    """What is said by what it is said of; there is something wrong."""
    code, said = terminal.run_any(DOCTOR)
    assert code == 1, said
    lines = [line for line in said.splitlines() if line[:8].strip() in {"ok", "warning", "PROBLEM"}]
    return {line[8:32].strip(): f"{line[:8].strip()} {line[32:]}" for line in lines}


def test_what_is_wrong_is_named_with_its_cure_and_the_rest_is_well(
    owner: Browser, terminal: TerminalClient, home: Path
):
    path = "/dbx-agents/api/agents/codex"
    owner.json("PATCH", path, {"model": "databricks-gpt-0"})
    cli = home / ".local" / "bin" / "databricks"
    cli.write_text("#!/bin/sh\nexit 3\n")
    cli.chmod(0o755)
    found = examine(terminal)
    for name in ("server", "owner", "token", "gateway", "profile", "sdk"):
        assert found[name].startswith("ok "), (name, found)
    assert found["codex: program"].startswith("PROBLEM The command “codex” was not found.")
    assert "jupyter dbx-agents agents install codex" in found["codex: program"]
    assert found["codex: model"].startswith("PROBLEM databricks-gpt-0 cannot be called: HTTP 404")
    assert "It serves databricks-gpt-5-5" in found["codex"]
    assert found["databricks"].startswith("warning")
    assert "exit status 3" in found["databricks"]
    owner.json("PATCH", path, {"model": None})
    cli.unlink()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nonsense\n", "line 1, cannot be read"),
        ("[DEFAULT]\nhost = https://other\ntoken = mine\n", "does not point to this server"),
    ],
)
def test_a_profile_that_leads_elsewhere_is_named_and_mended_as_it_says(
    terminal: TerminalClient, home: Path, content: str, said: str
):
    profile = home / ".databrickscfg"
    profile.write_text(content)
    found = examine(terminal)
    assert found["profile"].startswith("PROBLEM")
    assert said in found["profile"]
    assert "jupyter dbx-agents rotate" in found["profile"]
    assert found["models"].startswith("ok ")
    profile.unlink()
    terminal.run("jupyter dbx-agents rotate")
    terminal.until(lambda: profile.exists() and "metadata-service" in profile.read_text())


def test_without_a_token_it_says_how_to_give_one(owner: Browser, terminal: TerminalClient):
    owner.json("DELETE", PAT)
    found = examine(terminal)
    assert found["token"].startswith("PROBLEM")
    assert "jupyter dbx-agents login" in found["token"]
    assert found["sdk"].startswith("PROBLEM")


def test_elsewhere_than_in_a_terminal_of_the_app_it_says_so(terminal: TerminalClient):
    code, said = terminal.run_any(f'env -i PATH="$PATH" HOME="$HOME" {DOCTOR}')
    assert code == 1
    assert "This command only works in a terminal inside the app" in said


def test_projects_and_git_are_checked(terminal: TerminalClient, home: Path, tmp_path: Path):
    commit = "git -c user.name=n -c user.email=e@example.com commit -q --allow-empty -m m"
    terminal.run(f"git init -q {home}/projects/fine && cd {home}/projects/fine && {commit}")
    (home / "projects/damaged").mkdir()
    (home / "projects/damaged/.git").write_bytes(b"\0" * 40)
    eventually(lambda: "project damaged" in terminal.run_any(DOCTOR)[1], 60)
    found = examine(terminal)
    assert "unfit: Its .git is damaged" in found["project damaged"]
    assert found["project damaged"].startswith("warning")
    assert found["projects"].startswith("ok ") and found["git"].startswith("ok ")
    assert "damaged: Its .git is damaged" in terminal.run("jupyter dbx-agents status")
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.20.1\n")
    old.chmod(0o755)
    _code, said = terminal.run_any(f"PATH={tmp_path}:$PATH {DOCTOR}")
    assert "Install version 2.36 or newer." in said
    shutil.rmtree(home / "projects/damaged")
    shutil.rmtree(home / "projects/fine")


def test_a_project_is_forgotten_by_command(terminal: TerminalClient, home: Path):
    commit = "git -c user.name=n -c user.email=e@example.com commit -qm m"
    make = f"git init -q {home}/projects/lost && cd {home}/projects/lost && echo 1 >f && git add f"
    terminal.run(f"{make} && {commit} && jupyter dbx-agents sync lost; cd")
    code, said = terminal.run_any("jupyter dbx-agents forget lost")
    assert code == 1 and "still here" in said
    shutil.rmtree(home / "projects/lost")
    eventually(lambda: "lost: It was deleted" in terminal.run("jupyter dbx-agents restore --list"))
    assert "Left in the workspace: /Workspace/" in terminal.run("jupyter dbx-agents forget lost")
    assert "lost" not in terminal.run("jupyter dbx-agents restore --list")
    assert "within a minute" in terminal.run("jupyter dbx-agents hooks install")

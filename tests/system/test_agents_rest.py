"""Per-agent choices over REST, on a server that installs nothing: applied at once, and kept."""

import json
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from websockets.sync.client import ClientConnection, connect

from jupyter_dbx_agents.agents import AGENTS
from tests.support.constants import OWNER, PAT
from tests.support.running_app import Browser, eventually, until_configured

API = "/dbx-agents/api/agents"
SDK_PROGRAM = "'from databricks.sdk import WorkspaceClient as W; print(W().current_user.me())'"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a broken file."""
    home = tmp_path_factory.mktemp("rest") / "home"
    (home / ".hermes").mkdir(parents=True)
    (home / ".hermes" / "config.yaml").write_text("model: [a, list\n")
    return home


def agent(owner: Browser, name: str) -> dict:
    return owner.json("GET", f"{API}/{name}")


def test_all_agents_are_listed_and_one_users_broken_file_is_the_problem_of_one(owner, home):
    agents = {one["name"]: one for one in owner.json("GET", API)["agents"]}
    assert list(agents) == [agent.name for agent in AGENTS]
    assert {name for name, one in agents.items() if one["message"]} == {"hermes"}
    assert "line" in agents["hermes"]["message"]
    assert (home / ".hermes/config.yaml").read_text() == "model: [a, list\n"
    assert "experimental_bearer_token" in (home / ".codex/config.toml").read_text()
    (home / ".hermes/config.yaml").write_text("# corrected\n")
    owner.json("PATCH", f"{API}/hermes", {"enabled": True})
    assert agent(owner, "hermes")["message"] == ""
    assert (
        yaml.safe_load((home / ".hermes/config.yaml").read_text())["model"]["provider"]
        == "dbx-claude"
    )


def test_a_chosen_model_is_in_force_at_once_and_null_is_as_configured(owner, home):
    settings = home / ".claude/settings.json"
    owner.json("PATCH", f"{API}/claude-code", {"model": "databricks-claude-sonnet-4-6"})
    assert json.loads(settings.read_text())["model"] == "databricks-claude-sonnet-4-6[1m]"
    assert agent(owner, "claude-code")["model_is_chosen"]
    owner.json("PATCH", f"{API}/claude-code", {"model": None})
    assert json.loads(settings.read_text())["model"].startswith("databricks-claude-opus")


def test_the_mark_of_a_large_window_may_be_part_of_a_chosen_name(owner):
    name = "databricks-claude-sonnet-4-6"
    owner.json("PATCH", f"{API}/claude-code", {"model": f"{name}[1m]"})
    assert agent(owner, "claude-code")["model"] == name
    owner.json("PATCH", f"{API}/claude-code", {"model": None})


def test_the_owners_choice_goes_over_one_that_was_made_on_the_agents_screen(owner, home):
    settings = home / ".claude/settings.json"
    content = json.loads(settings.read_text())
    settings.write_text(json.dumps({**content, "model": "haiku"}))
    owner.json("PATCH", f"{API}/claude-code", {"enabled": True})
    assert json.loads(settings.read_text())["model"] == "haiku"
    owner.json("PATCH", f"{API}/claude-code", {"model": "databricks-claude-opus-4-6"})
    assert json.loads(settings.read_text())["model"] == "databricks-claude-opus-4-6[1m]"
    owner.json("PATCH", f"{API}/claude-code", {"model": None})


def until_told(page: ClientConnection, part: str) -> dict:
    """Wait for an event on a part of the status; return its model."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        event = json.loads(page.recv(timeout=20))
        if event.get("part") == part:
            return event[part]
    raise AssertionError(f"no event on {part}")


def test_another_page_hears_of_what_is_chosen_for_all_agents_and_for_one(owner: Browser):
    address = f"{owner.url.replace('http', 'ws', 1)}/api/events/subscribe"
    headers = {"Cookie": f"_xsrf={owner.xsrf}", "Origin": owner.url, **owner.signed_in}
    with connect(address, additional_headers=headers, max_size=None, proxy=None) as page:
        owner.json("PATCH", API, {"approvals": "ask"})
        assert until_told(page, "approvals") == {"holds": "ask", "chosen": "ask"}
        owner.json("PATCH", API, {"approvals": None})
        assert until_told(page, "approvals") == {"holds": "own", "chosen": None}
        name = "databricks-claude-sonnet-4-6"
        for chosen in (name, None):
            owner.json("PATCH", f"{API}/claude-code", {"model": chosen})
            while (until_told(page, "models")["claude-code"]["model"] == name) != bool(chosen):
                pass  # one of an earlier change


def test_choices_for_all_agents_at_once_are_all_kept(owner, home):
    names = [one["name"] for one in owner.json("GET", API)["agents"]]

    def choose(name: str, model: str | None) -> int:
        return owner.http.patch(f"{API}/{name}", json={"model": model}).status_code

    kept = home / ".local/state/jupyter_dbx_agents/agents.json"
    with ThreadPoolExecutor(len(names)) as browsers:
        for number in range(10):
            model = f"databricks-any-{number}"
            assert set(browsers.map(choose, names, [model] * len(names))) == {200}
            choices = json.loads(kept.read_text())
            assert {name: choices[name]["model"] for name in names} == dict.fromkeys(names, model)
        assert set(browsers.map(choose, names, [None] * len(names))) == {200}


def test_mcp_servers_are_merged_and_their_secrets_not_shown(owner, home):
    web = {"url": "https://mcp.example.com", "headers": {"X-Key": "secret-value"}}
    owner.json("PATCH", f"{API}/gemini-cli", {"mcp_servers": {"web": web}})
    shown = owner.json(
        "PATCH",
        f"{API}/gemini-cli",
        {
            "mcp_servers": {
                "web": {"url": "https://new?key=secret-value"},
                "run": {"command": "x", "args": ["--key", "secret-value"]},
            }
        },
    )
    assert "secret-value" not in json.dumps(shown)
    assert shown["mcp_servers"] == {
        "web": {"url": "https://new?…", "headers": ["X-Key"]},
        "run": {"command": "x", "args": ["--key", "…"]},
    }
    written = json.loads((home / ".gemini/settings.json").read_text())["mcpServers"]
    assert written["web"] == {
        "httpUrl": "https://new?key=secret-value",
        "headers": {"X-Key": "secret-value"},
    }
    assert written["run"] == {"command": "x", "args": ["--key", "secret-value"]}
    owner.json("PATCH", f"{API}/gemini-cli", {"mcp_servers": {"web": None, "run": None}})
    written = json.loads((home / ".gemini/settings.json").read_text()).get("mcpServers", {})
    assert not {"web", "run"} & set(written)  # what the workspace offers stays


@pytest.mark.parametrize(
    ("name", "patch", "refusal"),
    [
        ("nobody", {}, (404, "no agent")),
        ("codex", {"colour": "red"}, (400, "colour")),
        ("codex", {"enabled": "yes"}, (400, "must be true, false or null")),
        ("codex", {"model": "a b"}, (400, "not a model's name")),
        ("codex", {"model": "../../x"}, (400, "not a model's name")),
        ("codex", {"model": "openai/gpt-5.5"}, (400, "not a model's name")),
        ("codex", {"mcp_servers": []}, (400, "not an object")),
        ("codex", {"mcp_servers": {"a b": {"url": "x"}}}, (400, "not a valid name")),
        ("codex", {"mcp_servers": {"a": {"args": []}}}, (400, "needs a url or a command")),
        ("codex", {"mcp_servers": {"a": {"url": "x", "args": []}}}, (400, "does not go with")),
        ("codex", {"mcp_servers": {"a": {"command": "x", "args": [1]}}}, (400, "list of strings")),
    ],
)
def test_bad_choices_are_explained_and_change_nothing(owner, home, name, patch, refusal):
    before = (home / ".codex/config.toml").read_text()
    answer = owner.http.patch(f"{API}/{name}", json=patch)
    status, said = refusal
    assert (answer.status_code, said in answer.json()["message"]) == (status, True)
    assert answer.json()["hint"]
    assert (home / ".codex/config.toml").read_text() == before


def test_an_agent_that_is_off_has_no_key_of_ours_and_stays_off_after_a_restart(owner, server, home):
    config = home / ".codex/config.toml"
    owner.json("PATCH", f"{API}/codex", {"enabled": False})
    assert not config.exists()
    assert not (home / ".codex/AGENTS.md").exists()
    server.restart()
    browser = server.until_open(OWNER)
    until_configured(browser)
    assert not agent(browser, "codex")["enabled"]
    assert not config.exists()
    browser.json("PATCH", f"{API}/codex", {"enabled": None})
    assert config.exists()
    checks = browser.json("POST", f"{API}/codex/check")["checks"]
    assert {check["name"]: check["state"] for check in checks} == {
        "program": "problem",
        "files": "ok",
        "model": "problem",  # there is no token
    }
    browser.http.close()


def test_an_agent_can_be_off_by_configuration_and_on_by_choice(start, tmp_path):
    browser = start("--AgentRoster.disabled_agents=opencode").until_open(OWNER)
    until_configured(browser)
    assert not agent(browser, "opencode")["enabled"]
    assert not (tmp_path / "home/.config/opencode/opencode.json").exists()
    browser.json("PATCH", f"{API}/opencode", {"enabled": True})
    assert (tmp_path / "home/.config/opencode/opencode.json").exists()
    browser.http.close()


def test_without_the_literal_token_no_pat_is_in_any_file_of_the_home(workspace, start, tmp_path):
    home = tmp_path / "home"
    browser = start("--DbxAgentsApp.write_token_to_databrickscfg=False").until_open(OWNER)
    until_configured(browser)
    browser.json("POST", PAT, {"token": workspace.control.mint(OWNER).token_value})
    with browser.terminal() as terminal:
        for _ in range(2):
            assert OWNER in terminal.run(f"python -c {SDK_PROGRAM}")
            browser.json("POST", f"{PAT}/rotate")
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert home / ".databrickscfg" in files
    pat = re.compile(rb"dapi[0-9a-f]{32}")
    assert [str(path) for path in files if pat.search(path.read_bytes())] == []
    browser.http.close()


def test_codex_trusts_what_git_sync_calls_a_project(owner: Browser, home: Path):
    config = home / ".codex/config.toml"
    folders = [home / "projects" / name for name in ("team/api", ".github", "p/node_modules/x")]
    for folder in folders:
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    lines = [f'[projects."{folder}"]' for folder in folders]
    with owner.terminal():  # which makes git sync search for projects
        eventually(lambda: all(line in config.read_text() for line in lines[:2]), 60)
    assert lines[2] not in config.read_text()
    for name in ("team", ".github", "p"):
        shutil.rmtree(home / "projects" / name)
    eventually(lambda: "team/api" not in config.read_text(), 60)

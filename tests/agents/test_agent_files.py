"""What each agent's files look like, in an empty home and beside the user's own settings."""

import configparser
import json
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents import AGENTS, Agent, AgentContext
from jupyter_dbx_agents.agents.databricks_cli import databrickscfg
from jupyter_dbx_agents.config_files import ManagedFiles
from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.models import ModelTable
from jupyter_dbx_agents.secret import Secret

SETTINGS_BEFORE = """{
  "env": {
    "ANTHROPIC_MODEL": "claude-mine",
    "MY_PROXY": "x"
  },
  "permissions": {
    "deny": [
      "Read(./secrets/**)"
    ]
  },
  "statusLine": {
    "type": "command",
    "command": "date"
  }
}
"""
SETTINGS_AFTER = """{
  "env": {
    "ANTHROPIC_MODEL": "databricks-claude-opus-4-7",
    "MY_PROXY": "x",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:1234/anthropic",
    "ANTHROPIC_AUTH_TOKEN": "capability",
    "ANTHROPIC_DEFAULT_OPUS_MODEL": "databricks-claude-opus-4-7",
    "ANTHROPIC_DEFAULT_FABLE_MODEL": "databricks-claude-opus-4-7",
    "ANTHROPIC_DEFAULT_SONNET_MODEL": "databricks-claude-sonnet-4-6",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "databricks-claude-haiku-4-5",
    "ANTHROPIC_CUSTOM_HEADERS": "x-databricks-use-coding-agent-mode: true",
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
    "DISABLE_AUTOUPDATER": "1"
  },
  "permissions": {
    "deny": [
      "Read(./secrets/**)",
      "WebSearch"
    ],
    "defaultMode": "default"
  },
  "statusLine": {
    "type": "command",
    "command": "date"
  }
}
"""
CODEX_BEFORE = """# mine
model = "gpt-mine"
sandbox_mode = "workspace-write"  # careful

[mcp_servers.docs]
command = "docs"

[projects."/elsewhere"]
trust_level = "untrusted"
"""
CODEX_AFTER = """# mine
model = "databricks-gpt-5-5"
sandbox_mode = "workspace-write"  # careful
model_provider = "dbx"
web_search = "disabled"
check_for_update_on_startup = false

[mcp_servers.docs]
command = "docs"

[mcp_servers.codex_tui]
command = "true"
enabled = false
[projects."/elsewhere"]
trust_level = "untrusted"

[projects."/h/projects"]
trust_level = "trusted"

[projects."/h/projects/a.b"]
trust_level = "trusted"

[analytics]
enabled = false

[features]
plugins = false
daemon_auto_start = false

[agents]
enabled = false

[model_providers.dbx]
name = "Databricks"
base_url = "http://127.0.0.1:1234/openai/v1"
wire_api = "responses"
experimental_bearer_token = "capability"

[model_providers.dbx.http_headers]
x-databricks-use-coding-agent-mode = "true"
"""


@pytest.fixture
def home(tmp_path):
    return tmp_path


def context_of(home: Path, agent: Agent) -> AgentContext:
    environment = Environment("", "https://w", "1", None, "", Secret(""), Secret(""), home)
    models = ModelTable(environment)
    return AgentContext(
        home=home,
        broker_url="http://127.0.0.1:1234",
        capability=Secret("capability"),
        models=models,
        model=agent.default_model(models),
        own_folder=home / "own",
        projects=Path("/h/projects"),
        git_roots=(Path("/h/projects/a.b"),),
    )


def configure(home: Path) -> ManagedFiles:
    files = ManagedFiles(home)
    for agent in AGENTS:
        for file in agent.config_files(context_of(home, agent)):
            files.write(file)
    return files


def test_claude_codes_settings_are_added_to_the_users(home):
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(SETTINGS_BEFORE)
    files = configure(home)
    assert path.read_text() == SETTINGS_AFTER
    files.remove(path)
    assert path.read_text() == SETTINGS_BEFORE


def test_claude_code_starts_without_a_question(home):
    path = home / ".claude.json"
    path.write_text('{"userID": "u", "projects": {"/h/projects": {"history": [1]}}}')
    files = configure(home)
    assert json.loads(path.read_text()) == {
        "userID": "u",
        "projects": {
            "/h/projects": {"history": [1], "hasTrustDialogAccepted": True},
            "/h/projects/a.b": {"hasTrustDialogAccepted": True},
        },
        "hasCompletedOnboarding": True,
        "hasSeenAutoDefaultNudge": True,
    }
    files.remove(path)
    assert json.loads(path.read_text()) == {
        "userID": "u",
        "projects": {"/h/projects": {"history": [1]}},
    }


def test_codex_settings_are_added_to_the_users(home):
    path = home / ".codex" / "config.toml"
    path.parent.mkdir()
    path.write_text(CODEX_BEFORE)
    files = configure(home)
    assert path.read_text() == CODEX_AFTER
    files.remove(path)
    assert path.read_text() == CODEX_BEFORE


def test_what_codex_saves_itself_survives_the_next_start(home):
    configure(home)
    path = home / ".codex" / "config.toml"
    path.write_text(path.read_text() + "\n[tui.seen]\n'gpt-x' = 2\n")
    configure(home)
    settings = tomllib.loads(path.read_text())
    assert settings["tui"] == {"seen": {"gpt-x": 2}}
    assert settings["model_providers"]["dbx"]["experimental_bearer_token"] == "capability"


def test_nothing_of_ours_is_left_after_removal(home):
    files = configure(home)
    files.write(profile(home, "https://w", "http://127.0.0.1:1/metadata/x", Secret("dapi-1")))
    for path in files.paths():
        files.remove(path)
    left = [path for path in home.rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"managed.json", "managed.lock"}


def test_an_agents_secret_is_in_its_own_files_only_and_closed_to_others(home):
    configure(home)
    holders = [p for p in home.rglob("*") if p.is_file() and "capability" in p.read_text()]
    assert {path.name for path in holders} == {"settings.json", "config.toml"}
    assert {path.stat().st_mode & 0o077 for path in holders} == {0}


def test_an_agent_declares_all_that_the_others_need_and_no_secret_in_its_environment():
    assert len({agent.name for agent in AGENTS}) == len({a.command for a in AGENTS}) == len(AGENTS)
    for agent in AGENTS:
        assert agent.title
        assert agent.recipe.version()
        assert all(value == "1" for value in agent.environment.values())


def profile(home, host, url, token=None):
    return databrickscfg(home=home, host=host, metadata_service_url=Secret(url), token=token)


class Platform(BaseHTTPRequestHandler):
    """A workspace's discovery and a metadata service that gives out one token."""

    def do_GET(self) -> None:
        answer = {}
        if self.path == "/metadata/secret":
            answer = {
                "access_token": "from-the-broker",
                "token_type": "Bearer",
                "expires_on": int(time.time()) + 120,
            }
        body = json.dumps(answer).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


@pytest.fixture
def platform():
    server = HTTPServer(("127.0.0.1", 0), Platform)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore")  # the SDK's own
@pytest.mark.parametrize(
    "before",
    [
        "",
        "[DEFAULT]\nhost = https://old\ntoken = dapi-old\n",
        "[DEFAULT]\nhost = https://old\nclient_id = c\nclient_secret = s\n",
        "[DEFAULT]\nhost = https://old\nusername = u\npassword = p\nauth_type = basic\n",
        "[DEFAULT]\nazure_client_id = a\nazure_tenant_id = t\nazure_client_secret = s\n",
    ],
)
@pytest.mark.parametrize("token", [None, Secret("dapi-literal")])
def test_the_sdk_takes_its_token_from_the_broker_whatever_else_the_profile_has(
    home, platform, before, token, monkeypatch
):
    from databricks.sdk.core import Config

    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    path = home / ".databrickscfg"
    path.write_text(before + "\n[other]\nhost = https://other\ntoken = dapi-other\n")
    files = ManagedFiles(home)
    files.write(profile(home, platform, f"{platform}/metadata/secret", token))
    config = Config(config_file=str(path))
    assert config.host == platform
    assert config.authenticate() == {"Authorization": "Bearer from-the-broker"}
    written = configparser.ConfigParser(default_section="none")
    written.read(path)
    assert written["DEFAULT"].get("token") == (token.reveal() if token else None)
    assert dict(written["other"]) == {"host": "https://other", "token": "dapi-other"}
    files.remove(path)
    assert (
        path.read_text().split()
        == (before + "[other]\nhost = https://other\ntoken = dapi-other").split()
    )

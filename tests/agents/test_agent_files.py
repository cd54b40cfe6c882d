"""What each agent's files look like, in an empty home and beside the user's own settings."""

import configparser
import json
import shlex
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_dbx_agents.agents import AGENTS, Agent, AgentContext
from jupyter_dbx_agents.agents.attention.states import State
from jupyter_dbx_agents.agents.choices import Approvals, nearest
from jupyter_dbx_agents.agents.claude_code import CLAUDE_CODE
from jupyter_dbx_agents.agents.codex import CODEX
from jupyter_dbx_agents.agents.databricks.profile import databrickscfg
from jupyter_dbx_agents.agents.gemini_cli import GEMINI_CLI
from jupyter_dbx_agents.agents.hermes import HERMES
from jupyter_dbx_agents.agents.opencode import OPENCODE
from jupyter_dbx_agents.agents.roster import AgentPaths, AgentRoster
from jupyter_dbx_agents.config_files import Initial, ManagedFiles
from jupyter_dbx_agents.models import Dialect, Gateway, GatewayKind, ServedModels
from jupyter_dbx_agents.secret import Secret
from tests.support.agent_context import context_of
from tests.support.golden import FILES

OPENCODE_OVERRIDES = "{home}/.local/state/jupyter_dbx_agents/opencode"
SETTINGS_BEFORE = FILES[".claude/settings.json"]
SETTINGS_AFTER = """{
  "env": {
    "ANTHROPIC_MODEL": "",
    "MY_PROXY": "x",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:1234/anthropic",
    "ANTHROPIC_AUTH_TOKEN": "capability",
    "ANTHROPIC_DEFAULT_OPUS_MODEL": "databricks-claude-opus-4-7[1m]",
    "ANTHROPIC_DEFAULT_FABLE_MODEL": "databricks-claude-opus-4-7[1m]",
    "ANTHROPIC_DEFAULT_SONNET_MODEL": "databricks-claude-sonnet-4-6[1m]",
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
  },
  "model": "databricks-claude-opus-4-7[1m]",
  "theme": "auto",
  "skipWebFetchPreflight": true
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


def configure(home: Path, **more) -> ManagedFiles:
    files = ManagedFiles(home)
    for agent in AGENTS:
        for file in agent.config_files(context_of(home, agent, **more)):
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


@pytest.mark.parametrize("place", [".config/opencode/opencode.json", ".gemini/settings.json"])
def test_settings_with_comments_keep_them_where_the_agent_reads_them(home, place):
    before = '// mine\n{\n  /* dark */ "theme": "x", // "mcp": {}\n  "mcp": null\n}\n'
    path = home / place
    path.parent.mkdir(parents=True)
    path.write_text(before)
    files = configure(home)
    assert path.read_text().startswith(before.partition("null")[0])
    assert '"model"' in path.read_text()
    files.remove(path)
    assert path.read_text() == before


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
    holders = {p for p in home.rglob("*") if p.is_file() and "capability" in p.read_text()}
    declared = [
        file.path
        for agent in AGENTS
        for file in agent.config_files(context_of(home, agent))
        if has_secret(file.keys)
    ]
    assert holders == set(declared)
    assert len(declared) == len(AGENTS) + 1, "one file of each agent, and OpenCode's overrides"
    assert {str(path.relative_to(home)) for path in holders} >= {
        ".claude/settings.json",
        ".codex/config.toml",
        ".config/opencode/opencode.json",
        ".gemini/.env",
        ".hermes/config.yaml",
    }
    assert {path.stat().st_mode & 0o077 for path in holders} == {0}


def has_secret(value: object) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, Secret) or (isinstance(value, list) and any(map(has_secret, value)))


def test_agents_are_told_about_bundles_of_other_workspaces(home):
    for agent in AGENTS:
        files = agent.config_files(context_of(home, agent))
        said = [str(value) for file in files for value in file.keys.values()]
        assert any("names another workspace" in text for text in said), agent.name


def test_an_agent_declares_all_that_the_others_need_and_no_secret_in_its_environment():
    assert len({agent.name for agent in AGENTS}) == len({a.command for a in AGENTS}) == len(AGENTS)
    for agent in AGENTS:
        assert agent.title
        assert agent.recipe.version()
        assert all(v == "1" or v.startswith("{home}/") for v in agent.environment.values())


def test_everything_that_the_user_had_is_there_beside_ours_and_alone_after_removal(home):
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    files = configure(home)
    files.write(profile(home, "https://w", "http://127.0.0.1:1/metadata/x", Secret("dapi-1")))
    for name, text in FILES.items():
        kept = [line for line in text.splitlines() if not changes(line)]
        written = (home / name).read_text()
        if name != ".claude.json":
            assert (written != text) == (name != ".claude/CLAUDE.md"), name
        lines = [line.strip().rstrip(",") for line in written.splitlines()]
        assert [x for x in kept if x.strip().rstrip(",") not in lines] == [], name
    for path in files.paths():
        files.remove(path)
    assert {name: (home / name).read_text() for name in FILES} == FILES
    left = {str(p.relative_to(home)) for p in home.rglob("*") if p.is_file()} - set(FILES)
    assert {Path(name).name for name in left} == {"managed.json", "managed.lock"}


def changes(line: str) -> bool:
    """Whether a line of the user's own files has one of our keys, or is a list made longer."""
    ours = [
        "ANTHROPIC_MODEL",
        "model =",
        "GEMINI_API_KEY",
        '"name": "gemini-mine"',
        '"model":',
    ]
    ours += ["default:", "provider:", "host = https://old", "token =", '"mcpServers": {}']
    return any(key in line for key in ours)


def test_gemini_cli_asks_for_no_model_by_its_vendors_name(home):
    configure(home)
    settings = json.loads((home / ".gemini/settings.json").read_text())
    aliases = settings["modelConfigs"]["customAliases"]
    assert {a["modelConfig"]["model"] for a in aliases.values()} == {"databricks-gemini-2-5-pro"}
    assert {"gemini-3.5-flash-lite", "loop-detection-double-check"} <= set(aliases)
    assert settings["model"]["name"] == "databricks-gemini-2-5-pro"
    assert (home / ".gemini/.env").read_text().splitlines()[0] == (
        "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:1234/gemini"
    )


def test_gemini_cli_uses_the_newest_flash_model_that_is_served_for_side_jobs(home):
    context = context_of(home, GEMINI_CLI)
    served = ["gemini-2-5-pro", "gemini-2-5-flash", "gemini-3-5-flash-lite", "gemini-3-flash"]
    served += ["gemini-9-flash-image"]
    context.models.use_served(
        ServedModels({f"databricks-{name}": frozenset({Dialect.GEMINI}) for name in served})
    )
    (settings, *_) = GEMINI_CLI.config_files(context)
    aliases = settings.keys["modelConfigs"]["customAliases"]
    models = {name: alias["modelConfig"]["model"] for name, alias in aliases.items()}
    assert models["classifier"] == models["gemini-2.5-flash"] == "databricks-gemini-3-5-flash-lite"
    assert models["chat-compression-default"] == "databricks-gemini-2-5-pro"
    assert models["gemini-3-pro-preview"] == "databricks-gemini-2-5-pro"


def test_opencodes_last_model_is_kept_until_the_owner_chooses_another(home):
    path = home / ".local/state/opencode/model.json"
    configure(home)
    (first,) = json.loads(path.read_text())["recent"]
    assert first == {"providerID": "dbx-claude", "modelID": "databricks-claude-opus-4-7"}
    chosen = {"providerID": "dbx-gpt", "modelID": "databricks-gpt-5-mini"}
    path.write_text(json.dumps({"recent": [chosen, first], "favorite": [], "variant": {}}))
    configure(home)
    assert json.loads(path.read_text())["recent"] == [chosen, first]
    configure(home, model_is_new=True)
    assert json.loads(path.read_text()) == {"recent": [first], "favorite": [], "variant": {}}


REPORTER = ("python3", "/a folder/hook.py")


def test_opencode_gets_our_plugin_where_it_waits_for_no_npm(home):
    for reporter in ((), REPORTER):
        files = OPENCODE.config_files(context_of(home, OPENCODE, reporter=reporter))
        given = {file.path: file.keys["plugin"] for file in files if "plugin" in file.keys}
        if not reporter:
            assert given == {}
            continue
        ((path, (plugin,)),) = given.items()
        folder = OPENCODE.environment["OPENCODE_CONFIG_DIR"].format(home=home)
        assert path == Path(folder, "tui.json")
        assert Path(plugin.removeprefix("file://")).is_file()


@pytest.mark.parametrize("agent", [HERMES, GEMINI_CLI], ids=lambda agent: agent.name)
def test_hooks_report_the_states_of_an_agent_by_its_own_name(home, agent):
    for reporter in ((), REPORTER):
        (settings, *_) = agent.config_files(context_of(home, agent, reporter=reporter))
        commands = [word for word in strings(settings.keys.get("hooks", {})) if "hook.py" in word]
        assert bool(commands) == bool(reporter)
        for command in commands:
            program, script, name, state, *_ = shlex.split(command)
            assert (program, script, name) == (*REPORTER, agent.name)
            assert state in set(State)


def strings(value: Any) -> Iterator[str]:
    """All texts in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


@pytest.mark.parametrize("trusts", [False, True])
def test_opencode_lets_a_project_choose_providers_only_if_the_owner_says_so(home, trusts):
    files = OPENCODE.config_files(context_of(home, OPENCODE, trusts_project_settings=trusts))
    path = Path(OPENCODE_OVERRIDES.format(home=home)) / "opencode.json"
    (overrides,) = [file for file in files if file.path == path]
    assert OPENCODE.environment["OPENCODE_CONFIG_DIR"] == OPENCODE_OVERRIDES
    hosts = {p["options"]["baseURL"] for p in overrides.keys.get("provider", {}).values()}
    assert bool(hosts) == (not trusts)
    assert all(host.startswith("http://127.0.0.1:1234/") for host in hosts)


@pytest.mark.parametrize("trusts", [False, True])
def test_opencode_reads_no_list_of_vendors_that_it_may_not_use(home, trusts):
    configure(home, trusts_project_settings=trusts)
    path = Path(OPENCODE.environment["OPENCODE_MODELS_PATH"].format(home=home))
    assert path.exists() == (not trusts)
    if not trusts:  # without one it would read its own
        (vendor,) = json.loads(path.read_text()).values()
        overrides = json.loads(path.with_name("opencode.json").read_text())
        assert vendor["id"] not in overrides["enabled_providers"]


@pytest.mark.parametrize("trusts", [False, True])
def test_gemini_cli_reads_no_projects_variables_unless_the_owner_says_so(home, trusts):
    configure(home, trusts_project_settings=trusts)
    settings = json.loads((home / ".gemini/settings.json").read_text())
    assert settings["advanced"] == {"ignoreLocalEnv": not trusts}


EVERYTHING = {
    "databricks-claude-opus-4-7": {Dialect.ANTHROPIC, Dialect.CHAT},
    "databricks-claude-opus-4-8": {Dialect.ANTHROPIC, Dialect.CHAT},
    "databricks-claude-sonnet-4-6": {Dialect.ANTHROPIC, Dialect.CHAT},
    "databricks-claude-haiku-4-5": {Dialect.ANTHROPIC, Dialect.CHAT},
    "system.ai.claude-haiku-4-5": {Dialect.ANTHROPIC, Dialect.CHAT},
    "databricks-gpt-5-5": {Dialect.RESPONSES, Dialect.CHAT},
    "databricks-gpt-5-mini": {Dialect.RESPONSES, Dialect.CHAT},
    "databricks-gpt-4": {Dialect.CHAT},
    "databricks-gemini-2-5-pro": {Dialect.GEMINI, Dialect.CHAT},
    "databricks-gpt-oss-120b": {Dialect.CHAT},
    "databricks-llama-4-maverick": {Dialect.CHAT},
    "system.ai.claude-opus-9": {Dialect.ANTHROPIC},
}


def context_with_models(home: Path, agent: Agent, **more: Any) -> AgentContext:
    """The context of an agent in a workspace that serves all of these."""
    context = context_of(home, agent, **more)
    context.models.use_served(ServedModels({n: frozenset(d) for n, d in EVERYTHING.items()}))
    return context


def opencode(context: AgentContext) -> dict[str, Any]:
    return dict(OPENCODE.config_files(context)[0].keys)


def test_opencode_speaks_to_each_model_in_its_native_dialect(home):
    settings = opencode(context_with_models(home, OPENCODE))
    providers = settings["provider"]
    addresses = {name: one["options"]["baseURL"] for name, one in providers.items()}
    assert addresses == {
        "dbx-claude": "http://127.0.0.1:1234/anthropic/v1",
        "dbx-gemini": "http://127.0.0.1:1234/gemini/v1beta",
        "dbx-gpt": "http://127.0.0.1:1234/openai/v1",
        "dbx": "http://127.0.0.1:1234/mlflow/v1",
    }
    assert set(settings["enabled_providers"]) == set(providers)
    assert {name: {*one["models"]} for name, one in providers.items()} == {
        "dbx-claude": {name for name in EVERYTHING if "claude" in name}
        - {"system.ai.claude-haiku-4-5"},  # it is there by its other name
        "dbx-gemini": {"databricks-gemini-2-5-pro"},
        "dbx-gpt": {"databricks-gpt-5-5", "databricks-gpt-5-mini"},
        # The last one is served in nothing else.
        "dbx": {"databricks-gpt-oss-120b", "databricks-llama-4-maverick", "databricks-gpt-4"},
    }
    claude = providers["dbx-claude"]["models"].values()
    assert {model["options"]["toolStreaming"] for model in claude} == {False}
    assert settings["model"] == ""
    assert settings["small_model"] == "dbx-claude/databricks-claude-haiku-4-5"
    instructions = OPENCODE.config_files(context_of(home, OPENCODE))[1]
    assert settings["instructions"] == [str(instructions.path)]


@pytest.mark.parametrize(
    ("model", "context_tokens", "output_tokens", "inputs"),
    [
        ("dbx-claude/databricks-claude-opus-4-7", 1_000_000, 32_000, ("text", "image", "pdf")),
        ("dbx-claude/databricks-claude-haiku-4-5", 200_000, 32_000, ("text", "image", "pdf")),
        ("dbx-gpt/databricks-gpt-5-5", 272_000, 32_000, ("text", "image")),
        ("dbx/databricks-gpt-oss-120b", 131_072, 25_000, ("text",)),
        ("dbx/databricks-llama-4-maverick", 128_000, 8_192, ("text", "image")),
    ],
)
def test_opencode_knows_each_models_limits_and_whether_it_sees(
    home, model, context_tokens, output_tokens, inputs
):
    provider, _, name = model.partition("/")
    found = opencode(context_with_models(home, OPENCODE))["provider"][provider]["models"][name]
    assert found["limit"] == {"context": context_tokens, "output": limit(output_tokens)}
    assert found["modalities"] == {"input": inputs, "output": ("text",)}
    assert found["attachment"] == ("image" in inputs)


def test_opencode_takes_a_served_model_for_everything_where_there_is_no_claude(home):
    context = context_of(home, OPENCODE)
    for served, dialects, provider in (
        ("databricks-gpt-5-5", {Dialect.RESPONSES, Dialect.CHAT}, "dbx-gpt"),
        ("databricks-gpt-5-5", {Dialect.CHAT}, "dbx"),
        ("databricks-gemini-2-5-pro", {Dialect.GEMINI}, "dbx-gemini"),
        ("databricks-x-1", {Dialect.CHAT}, "dbx"),
    ):
        context.models.use_served(ServedModels({served: frozenset(dialects)}))
        model = OPENCODE.default_model(context.models)
        files = OPENCODE.config_files(replace(context, model=model))
        by_name = {file.path.name: file.keys for file in files[1:]}
        recent = ({"providerID": provider, "modelID": served},)
        assert by_name["model.json"] == {"recent": Initial(recent)}
        assert by_name["opencode.json"]["small_model"] == f"{provider}/{served}"
        assert served in files[0].keys["provider"][provider]["models"]


def test_hermes_reads_one_file_of_ours(home):
    configure(home)
    settings = yaml.safe_load((home / ".hermes/config.yaml").read_text())
    assert settings["model"] == {
        "default": "databricks-claude-opus-4-7",
        "provider": "dbx-claude",
        "context_length": 1_000_000,
        "max_tokens": 32_000,
    }
    claude = settings["providers"]["dbx-claude"]
    assert claude["api_key"] == "capability"
    assert claude["base_url"] == "http://127.0.0.1:1234/anthropic/v1"
    assert settings["security"] == {"tirith_enabled": False, "allow_lazy_installs": False}
    assert "projects" in settings["agent"]["environment_hint"]
    assert settings["skills"]["external_dirs"] == [f"{home}/.agents/skills"]


def test_hermes_speaks_to_each_model_in_its_native_dialect_within_its_cap(home):
    (file,) = HERMES.config_files(context_with_models(home, HERMES))
    providers = file.keys["providers"]
    assert {
        name: (one["api_mode"], one["max_output_tokens"]) for name, one in providers.items()
    } == {
        "dbx-claude": ("anthropic_messages", limit(32_000)),
        "dbx-gpt": ("codex_responses", limit(32_000)),
        "dbx": ("chat_completions", limit(8_192)),  # the least of its models
    }
    assert "databricks-gemini-2-5-pro" in providers["dbx"]["models"]
    described = providers["dbx"]["models"]["databricks-gpt-oss-120b"]
    assert described == {"context_length": 131_072, "supports_vision": False}
    assert providers["dbx-claude"]["models"]["databricks-claude-opus-4-7"]["supports_vision"]


def test_hermes_asks_for_what_its_main_model_may_give(home):
    context = replace(context_with_models(home, HERMES), model="databricks-gpt-oss-120b")
    (file,) = HERMES.config_files(context)
    assert file.keys["model"]["provider"] == Initial("dbx")
    assert file.keys["model"]["max_tokens"] == limit(25_000)


def limit(tokens: int) -> Initial:
    return Initial(tokens, keeps_lower=True)


# A lower limit in an agent's own file, and where ours would be.
LOWER_LIMITS = {
    ".hermes/config.yaml": ("model:\n  max_tokens: 4000\n", "max_tokens: 4000"),
    ".config/opencode/opencode.json": (
        '{"provider": {"dbx-claude": {"models": {"databricks-claude-opus-4-7": '
        '{"limit": {"output": 4000}}}}}}',
        '"output": 4000',
    ),
    ".claude/settings.json": (
        '{"env": {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "4000"}}',
        '"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "4000"',
    ),
}


@pytest.mark.parametrize("name", LOWER_LIMITS)
def test_a_lower_limit_of_output_tokens_of_the_users_own_stays(home, name):
    text, theirs = LOWER_LIMITS[name]
    path = home / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    for _start in range(2):
        configure(home)
        assert theirs in path.read_text()
    path.write_text(path.read_text().replace("4000", "2000"))
    configure(home)
    assert theirs.replace("4000", "2000") in path.read_text()


def asking(home: Path, approvals: Approvals, **more: Any) -> dict[str, Any]:
    """What each agent's settings say on approvals."""
    configure(home, approvals=approvals, **more)
    claude = json.loads((home / ".claude/settings.json").read_text())
    codex = tomllib.loads((home / ".codex/config.toml").read_text())
    gemini = json.loads((home / ".gemini/settings.json").read_text())
    hermes = yaml.safe_load((home / ".hermes/config.yaml").read_text())
    overrides = json.loads(Path(OPENCODE_OVERRIDES.format(home=home), "opencode.json").read_text())
    policy = home / ".gemini/policies/jupyter_dbx_agents.toml"
    return {
        "claude": (
            claude["permissions"]["defaultMode"],
            claude.get("skipDangerousModePermissionPrompt"),
        ),
        "codex": (codex.get("approval_policy"), codex.get("sandbox_mode")),
        "gemini": (gemini["general"].get("defaultApprovalMode"), policy.exists()),
        "opencode": overrides.get("permission"),
        "hermes": hermes.get("approvals"),
    }


def test_approvals_are_written_in_each_agents_own_words_and_taken_back(home):
    by_itself = {
        "claude": ("default", None),
        "codex": (None, None),
        "gemini": (None, False),
        "opencode": None,
        "hermes": None,
    }
    assert asking(home, Approvals.OWN) == by_itself
    servers = {"docs": {"url": "https://mcp"}}
    assert asking(home, Approvals.ASK, mcp_servers=servers) == {
        **by_itself,
        "codex": ("on-request", "read-only"),
        "gemini": ("default", False),
        "opencode": {"edit": "ask", "bash": "ask", "docs_*": "ask"},
    }
    overrides = json.loads(Path(OPENCODE_OVERRIDES.format(home=home), "opencode.json").read_text())
    assert overrides["default_agent"] == "build"
    rules = {name: agent["permission"] for name, agent in overrides["agent"].items()}
    assert {name: rule["bash"] for name, rule in rules.items()} == dict.fromkeys(
        ("build", "general", "plan", "explore"), "ask"
    )
    edits = asking(home, Approvals.EDITS, mcp_servers=servers)
    assert edits["claude"] == ("acceptEdits", None)
    assert edits["gemini"] == ("auto_edit", False)
    assert edits["opencode"] == {"bash": "ask", "docs_*": "ask"}
    everything = asking(home, Approvals.EVERYTHING)
    assert everything["claude"] == ("bypassPermissions", True)
    assert everything["codex"] == ("never", "danger-full-access")
    assert everything["gemini"] == (None, True)
    assert everything["opencode"]["external_directory"] == "allow"
    assert everything["hermes"] == {"mode": False}
    assert asking(home, Approvals.OWN) == by_itself


def test_the_users_own_approvals_hold_until_others_are_chosen_and_come_back(home):
    settings = {".codex/config.toml": 'approval_policy = "never"\n'}
    settings[".hermes/config.yaml"] = "approvals:\n  mode: manual\n"
    settings[".gemini/settings.json"] = '{"general": {"defaultApprovalMode": "auto_edit"}}'
    for name, text in settings.items():
        (home / name).parent.mkdir()
        (home / name).write_text(text)
    theirs = asking(home, Approvals.OWN)
    assert theirs["codex"] == ("never", None)
    assert theirs["hermes"] == {"mode": "manual"}
    assert theirs["gemini"] == ("auto_edit", False)
    assert asking(home, Approvals.ASK)["codex"] == ("on-request", "read-only")
    assert asking(home, Approvals.OWN) == theirs
    path = home / ".claude/settings.json"
    path.write_text(path.read_text().replace('"defaultMode": "default"', '"defaultMode": "plan"'))
    assert asking(home, Approvals.OWN)["claude"][0] == "plan"


def test_what_an_agent_cannot_do_becomes_the_next_stricter_that_it_can(home):
    context = context_of(home, CODEX)
    possible = CODEX.approvals(context)
    assert nearest(Approvals.EDITS, possible) is Approvals.ASK
    assert nearest(Approvals.ASK, HERMES.approvals(context)) is Approvals.OWN
    context.own_folder.mkdir()
    (context.own_folder / "sandbox-fails").touch()  # then it asks for nothing, whatever it is told
    possible = CODEX.approvals(context)
    assert nearest(Approvals.ASK, possible) is Approvals.OWN
    assert "Asks for nothing" in possible[Approvals.OWN]


def test_agents_ask_where_the_file_of_choices_cannot_be_read(home):
    path = home / ".local/state/jupyter_dbx_agents/agents.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"all": {"approvals": "never"}, "codex": {"enabled": false}}')
    roster = roster_of(home)
    assert roster.common_approvals() == {"holds": Approvals.ASK, "chosen": None}
    assert not roster.model("codex")["enabled"], "what can be read holds"

    path.write_text('{"all": {"approvals": "everything"}, "claude-code": {"approvals": "aks"}}')
    held = {model["name"]: model["approvals"]["holds"] for model in roster_of(home).status()}
    assert (held["claude-code"], held["gemini-cli"]) == (Approvals.ASK, Approvals.EVERYTHING)


async def test_what_an_agent_asks_before_is_not_promised_if_its_file_cannot_be_written(home):
    path = home / ".claude/settings.json"
    path.parent.mkdir()
    path.write_text('{"env": 5, "permissions": {"defaultMode": "bypassPermissions"}}')
    roster = roster_of(home)
    await roster.change("claude-code", {"approvals": "ask"})
    assert "bypassPermissions" in path.read_text()
    note = roster.model("claude-code")["approvals"]["note"]
    assert "may ask for less" in note
    path.write_text("{}")
    await roster.change("claude-code", {"approvals": "ask"})
    assert roster.model("claude-code")["approvals"]["note"] == ""


def roster_of(home: Path) -> AgentRoster:
    secret = Secret("capability")
    paths = AgentPaths(home, home / "projects", lambda: "http://127.0.0.1:1234", lambda _: secret)
    return AgentRoster(paths, context_of(home, CODEX).models, ManagedFiles(home))


def claude_settings(context: AgentContext) -> dict[str, Any]:
    return dict(CLAUDE_CODE.config_files(context)[0].keys)


def test_claude_code_runs_on_a_gateway_as_databricks_own_launcher_starts_it(home):
    context = context_with_models(home, CLAUDE_CODE)
    context.models.use_gateway(Gateway.at(GatewayKind.WORKSPACE, "https://w", "It answers."))
    env = claude_settings(context)["env"]
    assert env["CLAUDE_CODE_USE_GATEWAY"] == env["ENABLE_PROMPT_CACHING_1H"] == "1"
    assert env["ENABLE_TOOL_SEARCH"] == "true"
    assert "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS" not in env
    context.models.use_gateway(context.models.without_gateway("None answers."))
    env = claude_settings(context)["env"]
    assert env["CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS"] == "1"
    assert "ENABLE_PROMPT_CACHING_1H" not in env


def test_claude_code_offers_every_served_claude_with_its_window(home):
    settings = claude_settings(context_with_models(home, CLAUDE_CODE))
    assert settings["model"] == Initial("databricks-claude-opus-4-7[1m]")
    assert settings["env"]["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "databricks-claude-haiku-4-5"
    assert [row["model"] for row in settings["modelPicker"]["options"]] == [
        "databricks-claude-opus-4-8[1m]",
        "system.ai.claude-opus-9[1m]",
    ]


# Where each agent keeps the model that is chosen on its screen: the file, ours and another.
ON_SCREEN = [
    (".claude/settings.json", '"model": "databricks-claude-opus-4-7[1m]"', '"model": "sonnet"'),
    (".codex/config.toml", 'model = "databricks-gpt-5-5"', 'model = "databricks-gpt-5"'),
    (".gemini/settings.json", '"name": "databricks-gemini-2-5-pro"', '"name": "x"'),
    (".hermes/config.yaml", "default: databricks-claude-opus-4-7", "default: databricks-x"),
]


@pytest.mark.parametrize(("name", "ours", "chosen"), ON_SCREEN)
def test_a_model_that_was_chosen_on_an_agents_screen_stays_until_the_owner_chooses_another(
    home, name, ours, chosen
):
    configure(home)
    path = home / name
    path.write_text(path.read_text().replace(ours, chosen))
    configure(home)
    assert chosen in path.read_text()
    assert ours not in path.read_text()
    for is_new in (False, True):  # the workspace serves another; the owner chose it
        files = ManagedFiles(home)
        for agent in AGENTS:
            context = replace(context_of(home, agent), model="newer", model_is_new=is_new)
            for file in agent.config_files(context):
                files.write(file)
        assert (chosen in path.read_text()) == (not is_new)


SERVERS = {
    "web": {"url": "https://mcp", "headers": {"X-Key": "k"}},
    "local": {"command": "mcp", "args": ("-a", "1", "-b", "1"), "env": {"K": "v"}},
}


def test_each_agent_gets_the_users_mcp_servers_in_its_own_words(home):
    configure(home, mcp_servers=SERVERS)
    args = ["-a", "1", "-b", "1"]
    claude = json.loads((home / ".claude.json").read_text())["mcpServers"]
    assert claude == {
        "web": {"type": "http", "url": "https://mcp", "headers": {"X-Key": "k"}},
        "local": {"type": "stdio", "command": "mcp", "args": args, "env": {"K": "v"}},
    }
    codex = tomllib.loads((home / ".codex/config.toml").read_text())["mcp_servers"]
    assert codex["web"] == {"url": "https://mcp", "http_headers": {"X-Key": "k"}}
    assert codex["local"] == {"command": "mcp", "args": args, "env": {"K": "v"}}
    gemini = json.loads((home / ".gemini/settings.json").read_text())["mcpServers"]
    assert gemini["web"] == {"httpUrl": "https://mcp", "headers": {"X-Key": "k"}}
    assert gemini["local"] == {"command": "mcp", "args": args, "env": {"K": "v"}}
    opencode = json.loads((home / ".config/opencode/opencode.json").read_text())["mcp"]
    assert opencode["web"] == {"type": "remote", "url": "https://mcp", "headers": {"X-Key": "k"}}
    assert opencode["local"]["command"] == ["mcp", *args]
    hermes = yaml.safe_load((home / ".hermes/config.yaml").read_text())["mcp_servers"]
    assert hermes["local"] == {"command": "mcp", "args": args, "env": {"K": "v"}}
    configure(home)
    assert "mcpServers" not in json.loads((home / ".claude.json").read_text())
    assert "mcp_servers" not in yaml.safe_load((home / ".hermes/config.yaml").read_text())


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

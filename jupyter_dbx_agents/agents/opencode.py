"""OpenCode: https://opencode.ai/docs/config; the rest was measured with 1.18.33.

Decided
- Each model is spoken to in its native dialect, by one provider for each dialect: through chat
  completions Claude's tool schemas and empty text blocks are refused (anomalyco/opencode#5028), so
  are all tools for Gemini (databricks/unity-gateway#491) and for GPT from 5.4 on
  (anomalyco/opencode#7984).  Chat completions remain for the open models.
- Each model has its own limits and modalities: a model without modalities counts as blind, and one
  limit for all is refused by the models with a lower cap.
- No provider is named ``databricks``: a built-in one of that name would be mixed with it, and
  ``enabled_providers`` shuts that one out together with the vendor's own free models.
- ``toolStreaming`` is off: it adds a field to each tool that the gateway refuses.  ``setCacheKey``
  is off, since the gateway refuses that field, too (databricks/unity-gateway#420).
- A project's ``opencode.json`` goes over the user's and could name other providers, or other hosts
  for ours.  So what must hold is once more in a folder of its own, which OPENCODE_CONFIG_DIR names
  and which goes over the project's; the rest of the project's file counts.
- ``model`` is empty, which is as good as none but goes over a project's: the program then takes the
  model that was used last, where ``/models`` keeps its choice, and which is ours at first.
- What reports its state is a plug-in of its screen, in that folder of our own: that is the one kind
  for whose package it does not wait for npm at its start, for minutes where there is no npm.
- What it asks before is in that folder, too: a project must not be able to allow itself what its
  user wants to be asked for.
- Its built-in list of all vendors' models, none of which it may use, is replaced by one that is
  nearly empty: to read it was a third of what a start costs (5.7 s of a processor, 3.8 s without).
  Whose projects may name other vendors keeps it: the built-in one counts where there is no file.
- Our instructions are a file of their own, named in ``instructions``: an ``AGENTS.md`` of ours in
  its folder would keep it from reading the user's ``~/.claude/CLAUDE.md``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config_files import ConfigFile, Format, Initial
from ..config_files.managed import STATE_FOLDER
from ..models import Dialect, Family, ModelTable, family_of
from .base import Agent, AgentContext, instructions_file
from .choices import Approvals
from .conversations import Conversation, Form, Kept, Memory, databases
from .install.npm import LOCK_FOLDER, NpmPackage

_FOLDER = (".config", "opencode")
_OVERRIDES = (*STATE_FOLDER.parts, "opencode")
_HEADERS = {"x-databricks-use-coding-agent-mode": "true"}
_PLUGIN_PACKAGE = "@opencode-ai/plugin"
# In place of all vendors: one that is not enabled.  What is empty would not be written.
_MODEL = {"id": "none", "name": "none", "limit": {"context": 1, "output": 1}}
_NO_VENDORS = {"none": {"id": "none", "name": "none", "env": ["NONE"], "models": {"none": _MODEL}}}
# By which it reports what it is doing.
PLUGIN = Path(__file__).with_name("attention") / "opencode_plugin.mjs"
# More at once than any answer of an agent has; what is asked for may be reserved beforehand.
_MOST_OUTPUT_TOKENS = 32_000

APPROVALS = {
    Approvals.OWN: (
        "Edits the project's files and runs commands without asking; asks before it uses files "
        "elsewhere."
    ),
    Approvals.ASK: "Asks before edits, before commands and before it uses tools of MCP servers.",
    Approvals.EDITS: (
        "Edits the project's files without asking; asks before commands and before it uses tools "
        "of MCP servers."
    ),
    Approvals.EVERYTHING: "Asks for nothing but what its own settings want to be asked.",
}


@dataclass(frozen=True)
class _Provider:
    """One provider: its package, which is part of the program, and the name of its key."""

    name: str
    title: str
    package: str
    path: str
    key: str = "apiKey"
    options: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)


PROVIDERS: Mapping[Dialect, _Provider] = {
    Dialect.ANTHROPIC: _Provider(
        "dbx-claude",
        "Databricks",
        "@ai-sdk/anthropic",
        "/anthropic/v1",
        key="authToken",
        model_options={"toolStreaming": False},
    ),
    Dialect.GEMINI: _Provider(
        "dbx-gemini", "Databricks, Gemini", "@ai-sdk/google", "/gemini/v1beta"
    ),
    Dialect.RESPONSES: _Provider(
        "dbx-gpt",
        "Databricks, GPT",
        "@ai-sdk/openai",
        "/openai/v1",
        options={"setCacheKey": False},
    ),
    Dialect.CHAT: _Provider(
        "dbx", "Databricks, open models", "@ai-sdk/openai-compatible", "/mlflow/v1"
    ),
}
DIALECTS = tuple(PROVIDERS)


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``opencode.json``, the instructions beside it, its overrides and the last models."""
    instructions = instructions_file(context, *_FOLDER, "jupyter_dbx_agents.md")
    home = context.home
    providers = {
        provider.name: _provider(context, provider, models)
        for dialect, provider in PROVIDERS.items()
        if (models := _models(context, dialect))
    }
    firm = {
        "autoupdate": False,  # the version is the lock file's
        "share": "disabled",  # sharing uploads a conversation to the vendor
        "enabled_providers": [provider.name for provider in PROVIDERS.values()],
        "model": "",
        "small_model": "/".join(_qualified(context, _small_model(context))),
    }
    settings = {
        "$schema": "https://opencode.ai/config.json",
        **firm,
        "provider": providers,
        "instructions": [str(instructions.path)],
        "mcp": {name: _server(given) for name, given in context.mcp_servers.items()},
    }
    overrides: dict[str, Any] = {**firm, "provider": {n: _host(p) for n, p in providers.items()}}
    asks = _permissions(context)
    return (
        ConfigFile(home.joinpath(*_FOLDER, "opencode.json"), Format.JSONC, settings),
        instructions,
        ConfigFile(
            home.joinpath(*_OVERRIDES, "opencode.json"),
            Format.JSON,
            asks if context.trusts_project_settings else overrides | asks,
        ),
        ConfigFile(
            home / ".local" / "state" / "opencode" / "model.json",
            Format.JSON,
            {"recent": context.initial(_recent(context))},
            mode=0o644,
        ),
        ConfigFile(
            home.joinpath(*_OVERRIDES, "tui.json"),
            Format.JSON,
            {"plugin": [PLUGIN.as_uri()]} if context.reporter else {},
        ),
        ConfigFile(
            home.joinpath(*_OVERRIDES, "models.json"),
            Format.JSON,
            {} if context.trusts_project_settings else _NO_VENDORS,
        ),
        *(ConfigFile(path, Format.JSON, keys) for path, keys in _no_packages(home).items()),
    )


def _permissions(context: AgentContext) -> dict[str, Any]:
    """Return what it asks before; of what it is not told, it asks for nothing in a project.

    An agent's rules come after those of all, so that they are set for each of its own agents: else
    a project's file could allow them everything.  Those that only plan and explore deny edits,
    which would else become a question there.
    """
    match context.approvals:
        case Approvals.EVERYTHING:
            files = {"*.env": "allow", "*.env.*": "allow"}
            return {
                "permission": {"external_directory": "allow", "doom_loop": "allow", "read": files}
            }
        case Approvals.ASK | Approvals.EDITS:
            tools = {f"{name}_*": "ask" for name in context.mcp_servers}
            edits = {"edit": "ask"} if context.approvals is Approvals.ASK else {}
            asks: dict[str, Any] = {**edits, "bash": "ask", **tools}
            plans = {"*": "deny", ".opencode/plans/*.md": "allow"}
            own = {"build": asks, "general": asks, "plan": {**asks, "edit": plans}}
            own["explore"] = {**asks, "edit": "deny"}
            return {
                "default_agent": "build",
                "permission": asks,
                "agent": {name: {"permission": rules} for name, rules in own.items()},
            }
    return {}


def _no_packages(home: Path) -> dict[Path, dict[str, Any]]:
    """Return what makes it install nothing into our own folder: our plug-in needs no package."""
    folder, wanted = home.joinpath(*_OVERRIDES), {"dependencies": {_PLUGIN_PACKAGE: "*"}}
    return {
        folder / "package.json": wanted,
        folder / "package-lock.json": {"packages": {"": wanted}},
        folder / "node_modules" / "package.json": {"private": True},
    }


def _recent(context: AgentContext) -> tuple[dict[str, str], ...]:
    """Return the models that were used last, as one value: the first one counts."""
    provider, model = _qualified(context, context.model)
    return ({"providerID": provider, "modelID": model},)


def _host(provider: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a provider sends what, and how."""
    return {"npm": provider["npm"], "options": provider["options"]}


def _qualified(context: AgentContext, model: str) -> tuple[str, str]:
    """Return the provider of a model, and its name there."""
    return PROVIDERS[context.models.dialect_of(model, *DIALECTS)].name, model


def _models(context: AgentContext, dialect: Dialect) -> list[str]:
    names = context.choices(*DIALECTS)
    return [name for name in names if context.models.dialect_of(name, *DIALECTS) is dialect]


def _provider(context: AgentContext, provider: _Provider, models: list[str]) -> dict[str, Any]:
    return {
        "npm": provider.package,
        "name": provider.title,
        "options": {
            "baseURL": f"{context.broker_url}{provider.path}",
            provider.key: context.capability,
            "headers": _HEADERS,
            **provider.options,
        },
        "models": {model: _model(model, provider) for model in models},
    }


def _model(model: str, provider: _Provider) -> dict[str, Any]:
    family = family_of(model)
    described = {
        "name": model,
        "limit": {
            "context": family.context_tokens,
            "output": Initial(min(family.output_tokens, _MOST_OUTPUT_TOKENS), keeps_lower=True),
        },
        "attachment": family.sees_images,
        "modalities": {"input": _inputs(family), "output": ("text",)},
        "reasoning": bool(family.efforts),
        "temperature": False,  # newer models refuse any but their own
    }
    return described | ({"options": provider.model_options} if provider.model_options else {})


def _inputs(family: Family) -> tuple[str, ...]:
    images = ("image",) if family.sees_images else ()
    return ("text", *images, *(("pdf",) if family.reads_documents else ()))


def default_model(models: ModelTable) -> str:
    """Return Claude Code's model, or one that is served where the workspace serves no Claude."""
    if "anthropic_model" in models.chosen or _may_serve_claude(models):
        return models.anthropic_model
    for model, dialect in (
        (models.codex_model, Dialect.RESPONSES),
        (models.codex_model, Dialect.CHAT),
        (models.gemini_model, Dialect.GEMINI),
    ):
        if models.served.serves(model, dialect):
            return model
    return models.hermes_model


def _small_model(context: AgentContext) -> str:
    models = context.models
    if "anthropic_small_model" in models.chosen or _may_serve_claude(models):
        return models.anthropic_small_model
    return context.model


def _may_serve_claude(models: ModelTable) -> bool:
    return not models.served.is_known or bool(models.served.speaking(Dialect.ANTHROPIC))


def _server(given: Mapping[str, Any]) -> dict[str, Any]:
    if "url" in given:
        server = {"type": "remote", "url": given["url"], "headers": given.get("headers", {})}
        # The broker has no OAuth, which it would else look for.
        return server | ({"oauth": False} if "timeout_seconds" in given else {})
    return {
        "type": "local",
        "command": (given["command"], *given.get("args", ())),
        "environment": given.get("env", {}),
    }


_DATABASE = Path(".local/share/opencode/opencode.db")
_QUERIES = databases.Queries(
    "SELECT id, title, directory, time_updated / 1000.0 FROM session WHERE parent_id IS NULL",
    "SELECT json_extract(data, '$.text') FROM part WHERE session_id = ?",
)


def _conversations(home: Path) -> Iterator[Conversation]:
    yield from databases.conversations(home / _DATABASE, _QUERIES)


MEMORY = Memory(
    kept=(
        Kept(
            str(_DATABASE),
            Form.DATABASE,
            is_conversation=True,
            emptied=("account", "account_state", "control_account", "credential"),
            counted="session",
        ),
        Kept(".local/state/opencode/prompt-history.jsonl", Form.LOG, is_history=True),
        Kept(".config/opencode/agent/**/*.md"),
        Kept(".config/opencode/command/**/*.md"),
    ),
    resume=("-s", "{id}"),
    conversations=_conversations,
)

OPENCODE = Agent(
    name="opencode",
    title="OpenCode",
    command="opencode",
    recipe=NpmPackage(
        "opencode-ai",
        lock_folder=LOCK_FOLDER / "opencode",
        # The second is for processors without AVX2, on which the first dies.
        programs=(
            "opencode-{platform}/bin/opencode",
            "opencode-{platform}-baseline/bin/opencode",
        ),
        installed_bytes=354_000_000,
    ),
    dialect=Dialect.ANTHROPIC,
    also_speaks=(Dialect.RESPONSES, Dialect.GEMINI, Dialect.CHAT),
    default_model=default_model,
    config_files=config_files,
    approvals=lambda _context: APPROVALS,
    one_turn=frozenset({"run"}),
    first_prompt=("--prompt={}",),
    # Its list of all vendors' models, from the vendor; ours are in the file.
    environment={
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_MODELS_PATH": f"{{home}}/{'/'.join(_OVERRIDES)}/models.json",
        "OPENCODE_CONFIG_DIR": f"{{home}}/{'/'.join(_OVERRIDES)}",
    },
    project_settings=dict.fromkeys(
        ("opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc"),
        r'"(?:provider|model|small_model|enabled_providers)"',
    ),
    memory=MEMORY,
)

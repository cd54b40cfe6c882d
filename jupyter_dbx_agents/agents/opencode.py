"""OpenCode: https://opencode.ai/docs/config; the rest was measured with 1.18.33.

Decided
- Claude models are spoken to in their own dialect, all others in chat completions, by two
  providers: through chat completions Claude's tool schemas and empty text blocks are refused
  (anomalyco/opencode#5028).
- No provider is named ``databricks``: a built-in one of that name would be mixed with it, and
  ``enabled_providers`` shuts that one out together with the vendor's own free models.
- ``toolStreaming`` is off: it adds a field to each tool that the gateway refuses.
- Our instructions are a file of their own, named in ``instructions``: an ``AGENTS.md`` of ours in
  its folder would keep it from reading the user's ``~/.claude/CLAUDE.md``.
"""

from collections.abc import Mapping
from typing import Any

from ..config_files import ConfigFile, Format
from ..models import Dialect, ModelTable
from .base import Agent, AgentContext, instructions_file
from .install.npm import LOCK_FOLDER, NpmPackage

CLAUDE_PROVIDER = "dbx-claude"
CHAT_PROVIDER = "dbx"
_FOLDER = (".config", "opencode")
_HEADERS = {"x-databricks-use-coding-agent-mode": "true"}
# What every served Claude and GPT has at least; it compacts the conversation before.
_LIMIT = {"context": 200_000, "output": 32_000}


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``opencode.json`` and the instructions beside it."""
    instructions = instructions_file(context, *_FOLDER, "jupyter_dbx_agents.md")
    settings = {
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": False,  # the version is the lock file's
        "share": "disabled",  # sharing uploads a conversation to the vendor
        "enabled_providers": [CLAUDE_PROVIDER, CHAT_PROVIDER],
        "provider": {
            CLAUDE_PROVIDER: _claude_provider(context),
            CHAT_PROVIDER: _chat_provider(context),
        },
        "model": qualified(context.model),
        "small_model": qualified(_small_model(context)),
        "instructions": [str(instructions.path)],
        "mcp": {name: _server(given) for name, given in context.mcp_servers.items()},
    }
    path = context.home.joinpath(*_FOLDER, "opencode.json")
    return (ConfigFile(path, Format.JSONC, settings), instructions)


def qualified(model: str) -> str:
    """Return a model's name with its provider before it."""
    return f"{CLAUDE_PROVIDER if _is_claude(model) else CHAT_PROVIDER}/{model}"


def _claude_provider(context: AgentContext) -> dict[str, Any]:
    return {
        "npm": "@ai-sdk/anthropic",
        "name": "Databricks",
        "options": {
            "baseURL": f"{context.broker_url}/anthropic/v1",
            "authToken": context.capability,
            "headers": _HEADERS,
        },
        "models": {
            model: {"name": model, "limit": _LIMIT, "options": {"toolStreaming": False}}
            for model in _models(context)
            if _is_claude(model)
        },
    }


def _chat_provider(context: AgentContext) -> dict[str, Any]:
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Databricks, chat completions",
        "options": {
            "baseURL": f"{context.broker_url}/mlflow/v1",
            "apiKey": context.capability,
            "headers": _HEADERS,
        },
        "models": {
            model: {"name": model, "limit": _LIMIT}
            for model in _models(context)
            if not _is_claude(model)
        },
    }


def _models(context: AgentContext) -> list[str]:
    """Return the models to choose from on the screen, without repetition."""
    table: ModelTable = context.models
    names = (
        context.model,
        table.anthropic_model,
        table.anthropic_sonnet_model,
        table.anthropic_small_model,
        table.codex_model,
        table.gemini_model,
    )
    return list(dict.fromkeys(names))


def default_model(models: ModelTable) -> str:
    """Return Claude Code's model, or one that is served where the workspace serves no Claude."""
    if "anthropic_model" in models.chosen or _may_serve_claude(models):
        return models.anthropic_model
    if models.served.serves(models.codex_model, Dialect.CHAT):
        return models.codex_model
    return models.hermes_model  # always one that speaks chat completions


def _small_model(context: AgentContext) -> str:
    models = context.models
    if "anthropic_small_model" in models.chosen or _may_serve_claude(models):
        return models.anthropic_small_model
    return context.model


def _may_serve_claude(models: ModelTable) -> bool:
    return not models.served.is_known or bool(models.served.speaking(Dialect.ANTHROPIC))


def _is_claude(model: str) -> bool:
    return "claude" in model


def _server(given: Mapping[str, Any]) -> dict[str, Any]:
    if "url" in given:
        return {"type": "remote", "url": given["url"], "headers": given.get("headers", {})}
    return {
        "type": "local",
        "command": (given["command"], *given.get("args", ())),
        "environment": given.get("env", {}),
    }


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
    also_speaks=(Dialect.CHAT,),
    default_model=default_model,
    config_files=config_files,
    # Its list of all vendors' models, from the vendor; ours are in the file.
    environment={"OPENCODE_DISABLE_MODELS_FETCH": "1"},
)

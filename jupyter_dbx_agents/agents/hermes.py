"""Hermes: https://hermes-agent.nousresearch.com/docs; the rest was measured with 0.19.0.

Decided
- The capability is in ``config.yaml`` and not in ``~/.hermes/.env``: that file goes to the
  environment of its tools.
- A provider of our own with ``discover_models`` off and each model's ``context_length``: a plain
  ``custom`` one on a loopback address is taken for a local model server and probed 30 times before
  the first question.
- Our instructions are in ``agent.environment_hint``, which is made for them; ``SOUL.md`` is the
  user's.
"""

from typing import Any

from ..config_files import ConfigFile, Format
from ..models import Dialect
from .base import SKILLS_FOLDER, Agent, AgentContext, instructions
from .install.python_package import LOCK_FOLDER, PythonPackage

PROVIDER = "dbx"
_CONTEXT_TOKENS = 200_000  # of every served Claude; it compacts the conversation before


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``~/.hermes/config.yaml``."""
    keys = {
        "model": {
            "default": context.model,
            "provider": PROVIDER,
            "context_length": _CONTEXT_TOKENS,
        },
        "providers": {PROVIDER: _provider(context)},
        # A scanner of commands that would be fetched from GitHub.
        "security": {"tirith_enabled": False},
        "agent": {"environment_hint": instructions(context)},
        "skills": {"external_dirs": [str(context.home / SKILLS_FOLDER)]},
        "mcp_servers": {name: dict(given) for name, given in context.mcp_servers.items()},
    }
    return (ConfigFile(context.home / ".hermes" / "config.yaml", Format.YAML, keys),)


def _provider(context: AgentContext) -> dict[str, Any]:
    models = dict.fromkeys((context.model, context.models.anthropic_small_model))
    return {
        "name": "Databricks",
        "base_url": f"{context.broker_url}/mlflow/v1",
        "api_key": context.capability,
        "api_mode": "chat_completions",
        "discover_models": False,
        "models": {model: {"context_length": _CONTEXT_TOKENS} for model in models},
    }


HERMES = Agent(
    name="hermes",
    title="Hermes",
    command="hermes",
    recipe=PythonPackage(
        "hermes-agent",
        lock_file=LOCK_FOLDER / "hermes.txt",
        module="hermes_cli.main",
        command="hermes",
        installed_bytes=210_000_000,
        below_python=(3, 14),
    ),
    dialect=Dialect.CHAT,
    default_model=lambda models: models.hermes_model,
    config_files=config_files,
)

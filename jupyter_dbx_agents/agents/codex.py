"""Codex: https://developers.openai.com/codex/config-reference; the rest was measured with 0.169.0.

Decided
- ``experimental_bearer_token`` is the capability; ``env_key`` would need it in the environment of
  every terminal, and a helper command is not run again on 403.
- No daemon: it copies 400 MB, outlives the terminal and keeps the settings it was started with.
- No multi-agent tools, and none for the threads of the screen (an MCP server of Codex' own; one of
  the same name in the file, even disabled, takes its place): they are of the type ``namespace``,
  which a strict gateway refuses.
"""

from ..config_files import ConfigFile, Format
from ..models import Dialect
from .base import Agent, AgentContext
from .npm import NpmPackage

PROVIDER = "dbx"


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``~/.codex/config.toml``."""
    return (
        ConfigFile(
            context.home / ".codex" / "config.toml",
            Format.TOML,
            {
                "model": context.model,
                "model_provider": PROVIDER,
                "web_search": "disabled",  # a tool hosted by the vendor
                "check_for_update_on_startup": False,  # the version is the lock file's
                "analytics": {"enabled": False},
                "features": {"plugins": False, "daemon_auto_start": False},
                "agents": {"enabled": False},
                "mcp_servers": {"codex_tui": {"command": "true", "enabled": False}},
                "model_providers": {PROVIDER: _provider(context)},
                # Only the root of a repository counts, not the folders above it.
                "projects": {
                    str(folder): {"trust_level": "trusted"}
                    for folder in (context.projects, *context.git_roots)
                },
            },
        ),
    )


def _provider(context: AgentContext) -> dict[str, object]:
    return {
        "name": "Databricks",
        "base_url": f"{context.broker_url}/openai/v1",
        "wire_api": "responses",
        "experimental_bearer_token": context.capability,
        "http_headers": {"x-databricks-use-coding-agent-mode": "true"},
    }


CODEX = Agent(
    name="codex",
    title="Codex",
    command="codex",
    recipe=NpmPackage(
        "@openai/codex",
        # A node script that finds the platform package's program and its companions.
        programs=("@openai/codex/bin/codex.js",),
        installed_bytes=405_000_000,
    ),
    dialect=Dialect.RESPONSES,
    default_model=lambda models: models.codex_model,
    config_files=config_files,
)

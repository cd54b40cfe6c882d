"""Codex: https://developers.openai.com/codex/config-reference; the rest was measured with 0.169.0.

Decided
- ``experimental_bearer_token`` is the capability; ``env_key`` would need it in the environment of
  every terminal, and a helper command is not run again on 403.
- No daemon: it copies 400 MB, outlives the terminal and keeps the settings it was started with.
- No multi-agent tools, and none for the threads of the screen (an MCP server of Codex' own; one of
  the same name in the file, even disabled, takes its place): they are of the type ``namespace``,
  which a strict gateway refuses.
- Trust is given to the projects' folder, and to each repository in it by name, since only a
  repository's root counts.  Elsewhere Codex keeps its own rule: its screen asks, and ``codex exec``
  may read only, until it is told otherwise (``--sandbox``).  To trust the whole home would let any
  folder that was unpacked in it bring settings of its own into force.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config_files import ConfigFile, Format
from ..models import Dialect
from .base import Agent, AgentContext
from .codex_probes import catalog_path, sandbox_settings, try_sandbox, write_catalog
from .install.npm import NpmPackage
from .instructions import instructions_file

PROVIDER = "dbx"


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``config.toml`` and ``AGENTS.md`` in ``~/.codex``."""
    catalog = catalog_path(context)
    return (
        ConfigFile(
            context.home / ".codex" / "config.toml",
            Format.TOML,
            {
                "model": context.model,
                # One that is named must be there.
                "model_catalog_json": str(catalog) if catalog.exists() else None,
                "model_provider": PROVIDER,
                **sandbox_settings(context),
                "web_search": "disabled",  # a tool hosted by the vendor
                "check_for_update_on_startup": False,  # the version is the lock file's
                "analytics": {"enabled": False},
                "features": {"plugins": False, "daemon_auto_start": False},
                "agents": {"enabled": False},
                "mcp_servers": {
                    **{name: _server(given) for name, given in context.mcp_servers.items()},
                    "codex_tui": {"command": "true", "enabled": False},
                },
                "model_providers": {PROVIDER: _provider(context)},
                # Only the root of a repository counts, not the folders above it.
                "projects": {
                    str(folder): {"trust_level": "trusted"}
                    for folder in (context.projects, *context.git_roots)
                },
            },
        ),
        instructions_file(context, ".codex", "AGENTS.md"),
    )


def _server(given: Mapping[str, Any]) -> dict[str, Any]:
    if "url" in given:
        return {"url": given["url"], "http_headers": given.get("headers", {})}
    return dict(given)


def _provider(context: AgentContext) -> dict[str, object]:
    return {
        "name": "Databricks",
        "base_url": f"{context.broker_url}/openai/v1",
        "wire_api": "responses",
        "experimental_bearer_token": context.capability,
        "http_headers": {"x-databricks-use-coding-agent-mode": "true"},
    }


async def prepare(context: AgentContext, program: Path, environment: Mapping[str, str]) -> None:
    """Ask the program what it knows of the model, and whether its sandbox works here."""
    try:
        await write_catalog(context, program, environment)
    finally:
        await try_sandbox(context, program, environment)


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
    prepare=prepare,
    trusts_each_repository=True,
)

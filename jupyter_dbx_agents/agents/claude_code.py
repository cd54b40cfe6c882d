"""Claude Code: https://code.claude.com/docs/en/settings; the rest was measured with 2.1.330.

Decided
- The token is the capability in ``settings.json``, not an ``apiKeyHelper``: the broker rotates
  behind it, so there is nothing to fetch again and no process to start.
- ``permissions.defaultMode`` is ``default`` (ask).  The newer ``auto`` lets a second model judge
  each shell command first, in a call of its own form; where the workspace does not serve that model
  or refuses the form, no command runs at all.  A person can still choose another mode with
  Shift-Tab or ``--permission-mode``.
- WebSearch is denied: it is a tool hosted by the vendor, and the gateway refuses requests with it.
"""

from collections.abc import Mapping
from typing import Any

from ..config_files import ConfigFile, Format
from ..models import Dialect
from .base import SKILLS_FOLDER, Agent, AgentContext, instructions_file
from .install.npm import LOCK_FOLDER, NpmPackage


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``settings.json`` and a rule in ``~/.claude``, and ``~/.claude.json``."""
    trusted = {"hasTrustDialogAccepted": True}
    folders = (context.projects, *context.git_roots)
    return (
        ConfigFile(
            context.home / ".claude" / "settings.json",
            Format.JSON,
            {
                "env": _variables(context),
                "permissions": {"deny": ["WebSearch"], "defaultMode": "default"},
                **_hooks(context.after_turn),
            },
        ),
        ConfigFile(
            context.home / ".claude.json",
            Format.JSON,
            {
                "hasCompletedOnboarding": True,  # else: theme picker, then log-in
                "hasSeenAutoDefaultNudge": True,  # else it offers ``auto``, with Yes preselected
                "projects": {str(folder): trusted for folder in folders},
                "mcpServers": {name: _server(given) for name, given in context.mcp_servers.items()},
            },
        ),
        # A file of its own among the rules: ``CLAUDE.md`` is the user's.
        instructions_file(context, ".claude", "rules", "databricks.md"),
    )


def _hooks(after_turn: str) -> dict[str, Any]:
    """Return the hooks that report a turn; ``async``: Claude Code does not wait for them."""
    if not after_turn:
        return {}
    hook = {"type": "command", "command": after_turn, "async": True, "timeout": 30}
    return {"hooks": {event: [{"hooks": [hook]}] for event in ("Stop", "SessionEnd")}}


def _server(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "http" if "url" in given else "stdio", **given}


def _variables(context: AgentContext) -> dict[str, object]:
    """Return what overrides the process environment; Claude Code reloads it when it changes."""
    models = context.models
    return {
        "ANTHROPIC_BASE_URL": f"{context.broker_url}/anthropic",
        "ANTHROPIC_AUTH_TOKEN": context.capability,
        "ANTHROPIC_MODEL": context.model,
        # Without these four, its aliases and side jobs use the vendor's own model names.
        "ANTHROPIC_DEFAULT_OPUS_MODEL": context.model,
        "ANTHROPIC_DEFAULT_FABLE_MODEL": context.model,
        "ANTHROPIC_DEFAULT_SONNET_MODEL": models.anthropic_sonnet_model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": models.anthropic_small_model,
        "ANTHROPIC_CUSTOM_HEADERS": "x-databricks-use-coding-agent-mode: true",
        # Fields and tools of unreleased APIs, which a gateway refuses.
        "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
        # No name outside the workspace is needed; failed telemetry would pile up in ~/.claude.
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
        "DISABLE_AUTOUPDATER": "1",  # the version is the lock file's
    }


CLAUDE_CODE = Agent(
    name="claude-code",
    title="Claude Code",
    command="claude",
    recipe=NpmPackage(
        "@anthropic-ai/claude-code",
        lock_folder=LOCK_FOLDER / "claude-code",
        # The platform package's own program: the one in ``bin`` is a stub until an install script
        # of the package has run, and none is run here.
        programs=(
            "@anthropic-ai/claude-code-{platform}/claude",
            "@anthropic-ai/claude-code-{platform}-musl/claude",
        ),
        installed_bytes=382_000_000,
    ),
    dialect=Dialect.ANTHROPIC,
    default_model=lambda models: models.anthropic_model,
    config_files=config_files,
    # It asks for trust per repository; this answers for later ones, too.  It counts only in the
    # process environment, not in settings.json.
    environment={"CLAUDE_CODE_SANDBOXED": "1"},
    # It reads no other folder than its own; a folder of the user's own there stays.
    links={".claude/skills": str(SKILLS_FOLDER)},
)

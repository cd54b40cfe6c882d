"""Claude Code: https://code.claude.com/docs/en/settings; the rest was measured with 2.1.332.

Decided
- The token is the capability in ``settings.json``, not an ``apiKeyHelper``: the broker rotates
  behind it, so there is nothing to fetch again and no process to start.
- ``permissions.defaultMode`` is ``default`` (ask).  The newer ``auto`` lets a second model judge
  each shell command first, in a call of its own form; where the workspace does not serve that model
  or refuses the form, no command runs at all.  A person can still choose another mode with
  Shift-Tab or ``--permission-mode``, and the owner one for all sessions.
- WebSearch is denied: it is a tool hosted by the vendor, and the gateway refuses requests with it.
- The main model is the setting ``model`` and not the variable ANTHROPIC_MODEL, which would win over
  every choice that ``/model`` says it has saved.
- On an AI Gateway it runs as Databricks' own launcher starts it (databricks/unity-gateway,
  ``agents/claude.py``): gateway mode, a prompt cache of one hour, tools of MCP servers loaded when
  they are needed, ``[1m]`` for the models that have that window.  With 150 tools of an MCP server
  its first request is 90 kB instead of 182 kB.  It takes a field off by itself when the gateway
  refuses it.  Without a gateway the experimental fields stay off, as the older guides for serving
  endpoints have it.
- A project's settings cannot send prompts elsewhere: it does not take addresses and keys from them.
  A model that they name is the broker's to find.
- ``/model`` shows every served Claude by ``modelPicker``: the discovery that it has itself (of
  ``/v1/models``, CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY) lists names without their windows.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config_files import ConfigFile, Format, Initial
from ..models import Dialect, GatewayKind, family_of
from .base import SKILLS_FOLDER, Agent, AgentContext, instructions_file
from .choices import Approvals
from .conversations import Conversation, Form, Kept, Memory, transcripts
from .conversations.kept import as_mapping
from .install.npm import LOCK_FOLDER, NpmPackage

GATEWAY = {
    "CLAUDE_CODE_USE_GATEWAY": "1",
    "ENABLE_PROMPT_CACHING_1H": "1",
    "ENABLE_TOOL_SEARCH": "true",
}
SERVING = {"CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1"}
_MODES: Mapping[Approvals, object] = {
    Approvals.OWN: Initial("default"),
    Approvals.ASK: "default",
    Approvals.EDITS: "acceptEdits",
    Approvals.EVERYTHING: "bypassPermissions",
}
_ACCEPTED = {Approvals.EVERYTHING: {"skipDangerousModePermissionPrompt": True}}
_ASKS = "Asks before edits and before commands, except those that only read."
APPROVALS = {
    Approvals.OWN: _ASKS,
    Approvals.ASK: _ASKS,
    Approvals.EDITS: (
        "Edits the project's files without asking, also by simple commands such as cp or rm; asks "
        "before other commands."
    ),
    Approvals.EVERYTHING: "Asks for nothing.",
}


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``settings.json`` and a rule in ``~/.claude``, and ``~/.claude.json``."""
    trusted = {"hasTrustDialogAccepted": True}
    folders = (context.projects, *context.git_roots)
    return (
        ConfigFile(
            context.home / ".claude" / "settings.json",
            Format.JSON,
            {
                "model": context.initial(with_window(context.model)),
                # As the terminal reports it, and not dark by default.
                "theme": Initial("auto"),
                "env": _variables(context),
                "modelPicker": {"options": _picker(context)},
                # Else it asks its vendor about each domain that it fetches a page from.
                "skipWebFetchPreflight": True,
                "permissions": {"deny": ["WebSearch"], "defaultMode": _MODES[context.approvals]},
                # Else it asks at each start, with "No, exit" preselected, whether that is wanted.
                **_ACCEPTED.get(context.approvals, {}),
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
    ours = {key: value for key, value in given.items() if key != "timeout_seconds"}
    return {"type": "http" if "url" in given else "stdio", **ours}


def _variables(context: AgentContext) -> dict[str, object]:
    """Return what overrides the process environment; Claude Code reloads it when it changes."""
    models = context.models
    return {
        "ANTHROPIC_BASE_URL": f"{context.broker_url}/anthropic",
        "ANTHROPIC_AUTH_TOKEN": context.capability,
        "ANTHROPIC_MODEL": "",  # any other would win over the setting
        # Without these four, its aliases and side jobs use the vendor's own model names.
        "ANTHROPIC_DEFAULT_OPUS_MODEL": with_window(context.model),
        "ANTHROPIC_DEFAULT_FABLE_MODEL": with_window(context.model),
        "ANTHROPIC_DEFAULT_SONNET_MODEL": with_window(models.anthropic_sonnet_model),
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": models.anthropic_small_model,
        "ANTHROPIC_CUSTOM_HEADERS": "x-databricks-use-coding-agent-mode: true",
        **(SERVING if models.gateway.kind is GatewayKind.SERVING_ENDPOINTS else GATEWAY),
        # No name outside the workspace is needed; failed telemetry would pile up in ~/.claude.
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
        "DISABLE_AUTOUPDATER": "1",  # the version is the lock file's
    }


def with_window(model: str) -> str:
    """Return a model's name with the mark of its large window, if it has one."""
    return f"{model}[1m]" if family_of(model).has_large_window else model


def _picker(context: AgentContext) -> list[dict[str, str]]:
    """Return the served models that none of its own aliases stands for."""
    table = context.models
    shown = {context.model, table.anthropic_sonnet_model, table.anthropic_small_model}
    others = [name for name in context.choices(Dialect.ANTHROPIC) if name not in shown]
    return [{"model": with_window(name), "label": name} for name in others]


def _facts(line: transcripts.Line) -> transcripts.Facts:
    kind, message = line.get("type"), as_mapping(line.get("message"))
    if kind in ("custom-title", "ai-title", "summary"):
        titles = (line.get(name) for name in ("customTitle", "aiTitle", "title", "summary"))
        return transcripts.Facts(title=next((t for t in titles if isinstance(t, str)), ""))
    if kind not in ("user", "assistant") or line.get("isMeta"):
        return transcripts.Facts()
    said, folder = transcripts.text_of(message.get("content")), str(line.get("cwd", ""))
    return transcripts.Facts(folder=folder, said=said, is_users=kind == "user")


def _conversations(home: Path) -> Iterator[Conversation]:
    yield from transcripts.conversations(home, ".claude/projects/*/*.jsonl", _facts)


def _running(home: Path, pid: int) -> str:
    """Return the conversation of a process, which notes it in a file of its own while it runs."""
    try:
        note = json.loads((home / ".claude" / "sessions" / f"{pid}.json").read_bytes())
    except (OSError, ValueError):
        return ""
    return str(as_mapping(note).get("sessionId", ""))


MEMORY = Memory(
    kept=(
        Kept(".claude/projects/*/*.jsonl", Form.LOG, is_conversation=True),
        Kept(".claude/projects/*/*/**/*.jsonl", Form.LOG, is_conversation=True),
        Kept(".claude/projects/*/memory/**/*"),
        Kept(".claude/history.jsonl", Form.LOG, is_history=True),
        Kept(".claude/CLAUDE.md"),
        Kept(".claude/agents/**/*.md"),
        Kept(".claude/commands/**/*.md"),
        Kept(".claude/plans/*.md"),
    ),
    resume=("--resume", "{id}"),
    conversations=_conversations,
    running=_running,
)

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
    approvals=lambda _context: APPROVALS,
    asks_first=True,
    one_turn=frozenset({"-p", "--print"}),
    first_prompt=("--", "{}"),
    # It asks for trust per repository; this answers for later ones, too.  It counts only in the
    # process environment, not in settings.json.
    environment={"CLAUDE_CODE_SANDBOXED": "1"},
    # It reads no other folder than its own; a folder of the user's own there stays.
    links={".claude/skills": str(SKILLS_FOLDER)},
    project_settings=dict.fromkeys(
        (".claude/settings.json", ".claude/settings.local.json"),
        r'"(?:ANTHROPIC_(?!MODEL|DEFAULT)\w+|CLAUDE_CODE_USE_\w+|apiKeyHelper)"',
    ),
    memory=MEMORY,
)

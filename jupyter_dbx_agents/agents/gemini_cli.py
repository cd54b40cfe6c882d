"""Gemini CLI: https://geminicli.com/docs/reference/configuration; measured with 0.61.0.

Decided
- The broker's address and the capability are in ``~/.gemini/.env``: it has no settings for them,
  and variables of the terminals would show the capability to every program in them.
- Folder trust is off, since without trust that file is not read.  Its shell tool still asks.
- A project's ``.env`` is ignored: the program reads only the nearest such file, so that any in a
  project would hide ours, and one with a key of Google's would send prompts there.  What the
  program's setting for that leaves open, ``project_guard.mjs`` closes.
- The helper models that it calls by their vendor's names become served ones: those of the flash
  class the newest flash model that is known to be served, the others the main model.
- It takes no mode that asks for nothing from its settings, only from its command line; a policy of
  the user's, which is a file of its own, has the same effect.
- Skills are read from the shared folder and ``~/.gemini/skills``; we put nothing into the second,
  since it warns of each skill that it finds twice.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config_files import ConfigFile, Format, Initial
from ..models import Dialect
from .attention.states import State
from .base import Agent, AgentContext, instructions_file
from .choices import Approvals
from .conversations import Conversation, Form, Kept, Memory, transcripts
from .install.npm import LOCK_FOLDER, NpmPackage

# Each model's name that the program uses by itself, by what its settings are based on and whether a
# small model does its work.
HELPER_MODELS: Mapping[tuple[str, bool], str] = {
    ("chat-base-2.5", True): """
        gemini-3-flash-preview gemini-2.5-flash gemini-2.5-flash-lite gemini-3.1-flash-lite
        gemini-3.1-flash-lite-preview gemini-3.5-flash-lite gemini-3.5-flash gemini-3.8-flash""",
    ("chat-base-2.5", False): """
        gemini-2.5-pro gemini-3-pro-preview gemini-3.1-pro-preview
        gemini-3.1-pro-preview-customtools""",
    ("base", True): """
        gemini-2.5-flash-base gemini-3-flash-base gemini-3.5-flash-base classifier
        prompt-completion fast-ack-helper edit-corrector summarizer-default summarizer-shell
        chat-compression-3-flash chat-compression-3.1-flash-lite chat-compression-2.5-flash
        chat-compression-2.5-flash-lite agent-history-provider-summarizer""",
    ("base", False): """
        loop-detection-double-check chat-compression-3-pro chat-compression-2.5-pro
        chat-compression-default""",
}
# How soon it follows a change of JupyterLab's theme.
POLLING_SECONDS = 10
APPROVALS = {
    Approvals.OWN: "Asks before edits and before commands.",
    Approvals.ASK: "Asks before edits and before commands.",
    Approvals.EDITS: (
        "Edits the project's files and fetches pages without asking; asks before commands."
    ),
    Approvals.EVERYTHING: "Asks for nothing.",
}
_MODES = {Approvals.ASK: "default", Approvals.EDITS: "auto_edit"}
# As its own mode that asks for nothing has it; what its model asks its user stays a question.
_ALLOW_EVERYTHING: tuple[dict[str, Any], ...] = (
    {
        "toolName": ["ask_user", "enter_plan_mode", "exit_plan_mode"],
        "decision": "ask_user",
        "priority": 999,
    },
    {
        "toolName": "*",
        "decision": "allow",
        "priority": 998,
        "modes": ["default", "autoEdit"],
        "allowRedirection": True,
    },
)
_NAMES_HOSTS = r"(?m)^\s*(?:export\s+)?(?:GEMINI|GOOGLE_(?:API|GEMINI|GENAI|VERTEX))_\w+\s*="


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``settings.json``, a policy, ``.env`` and ``GEMINI.md`` in ``~/.gemini``."""
    folder = context.home / ".gemini"
    return (
        ConfigFile(folder / "settings.json", Format.JSONC, _settings(context)),
        ConfigFile(folder / "policies" / "jupyter_dbx_agents.toml", Format.TOML, _policy(context)),
        ConfigFile(
            folder / ".env",
            Format.DOTENV,
            {
                "GEMINI_MODEL": None,  # it would win over a choice made with /model
                "GOOGLE_GEMINI_BASE_URL": f"{context.broker_url}/gemini",
                "GEMINI_API_KEY_AUTH_MECHANISM": "bearer",
                "GEMINI_API_KEY": context.capability,
                "GEMINI_CLI_CUSTOM_HEADERS": "x-databricks-use-coding-agent-mode: true",
            },
        ),
        instructions_file(context, ".gemini", "GEMINI.md"),
    )


def _policy(context: AgentContext) -> dict[str, Any]:
    is_everything = context.approvals is Approvals.EVERYTHING
    return {"rule": _ALLOW_EVERYTHING} if is_everything else {}


def _settings(context: AgentContext) -> dict[str, Any]:
    small = small_model(context)
    aliases = {
        name: {"extends": base, "modelConfig": {"model": small if is_small else context.model}}
        for (base, is_small), names in HELPER_MODELS.items()
        for name in names.split()
    }
    return {
        # The version is the lock file's.
        "general": {
            "enableAutoUpdate": False,
            "enableAutoUpdateNotification": False,
            **({"defaultApprovalMode": mode} if (mode := _MODES.get(context.approvals)) else {}),
        },
        # It asks the terminal for its background, and changes between its light and its dark theme.
        "ui": {"terminalBackgroundPollingInterval": Initial(POLLING_SECONDS)},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "security": {
            "auth": {"selectedType": "gemini-api-key"},
            "folderTrust": {"enabled": False},
        },
        "advanced": {"ignoreLocalEnv": not context.trusts_project_settings},
        "model": {"name": context.initial(context.model)},
        "context": {"fileName": ["GEMINI.md", "AGENTS.md"]},
        "modelConfigs": {"customAliases": aliases},
        "mcpServers": {name: _server(given) for name, given in context.mcp_servers.items()},
        **_hooks(context),
    }


def _hooks(context: AgentContext) -> dict[str, Any]:
    """Return the hooks that report what it is doing; their time limits are in milliseconds."""
    if not context.reporter:
        return {}

    def hook(state: State, *options: str) -> list[dict[str, Any]]:
        command = context.report("gemini-cli", state, *options)
        return [{"hooks": [{"type": "command", "command": command, "timeout": 5000}]}]

    asks = ("--if", '"ask_user"', State.QUESTION, "--says", "details.command")
    # That is all that it says of a model's error; an interrupt before the first word is the same.
    failed = ("--if", '"prompt_response":"[no response text]"', State.FAILED)
    return {
        "hooks": {
            "BeforeAgent": hook(State.WORKING),
            "Notification": hook(State.PERMISSION, *asks),
            "AfterAgent": hook(State.DONE, *failed),
        }
    }


def small_model(context: AgentContext) -> str:
    """Return the newest flash model that is known to be served, else the main model."""
    served = context.models.served_names(Dialect.GEMINI)
    flash = [name for name in served if "flash" in name and "image" not in name]
    return max(flash, key=_version, default=context.model)


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))


def _server(given: Mapping[str, Any]) -> dict[str, Any]:
    if "url" in given:  # a call may take ten minutes by default
        return {"httpUrl": given["url"], "headers": given.get("headers", {})}
    return dict(given)


def _facts(line: transcripts.Line) -> transcripts.Facts:
    said, kind = transcripts.text_of(line.get("content")), line.get("type")
    is_said = kind in ("user", "gemini")
    return transcripts.Facts(
        id=str(line.get("sessionId", "")),
        said=said if is_said else "",
        is_users=kind == "user",
    )


def _folder(transcript: Path) -> str:
    try:
        return (transcript.parents[1] / ".project_root").read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _conversations(home: Path) -> Iterator[Conversation]:
    pattern = ".gemini/tmp/*/chats/*.jsonl"
    yield from transcripts.conversations(home, pattern, _facts, folder_of=_folder)


MEMORY = Memory(
    kept=(
        Kept(".gemini/tmp/*/chats/*.jsonl", Form.LOG, is_conversation=True),
        Kept(".gemini/tmp/*/logs.json"),
        # Without these it gives the project's folder another short name, and finds nothing.
        Kept(".gemini/tmp/*/.project_root"),
        Kept(".gemini/history/*/.project_root"),
        Kept(".gemini/projects.json"),
        Kept(".gemini/memory.md"),
        Kept(".gemini/commands/**/*.toml"),
    ),
    resume=("--resume", "{id}"),
    conversations=_conversations,
)

GEMINI_CLI = Agent(
    name="gemini-cli",
    title="Gemini CLI",
    command="gemini",
    recipe=NpmPackage(
        "@google/gemini-cli",
        lock_folder=LOCK_FOLDER / "gemini-cli",
        programs=("@google/gemini-cli/bundle/gemini.js",),
        installed_bytes=100_000_000,
        least_node=20,
        preload="project_guard.mjs",
    ),
    dialect=Dialect.GEMINI,
    default_model=lambda models: models.gemini_model,
    config_files=config_files,
    approvals=lambda _context: APPROVALS,
    asks_first=True,
    # No hook says that it goes on when it may.
    titles={"✦": State.WORKING, "✋": State.PERMISSION, "◇": State.IDLE},
    one_turn=frozenset({"-p", "--prompt"}),
    first_prompt=("--prompt-interactive={}",),
    project_settings={
        ".env": _NAMES_HOSTS,
        ".gemini/.env": _NAMES_HOSTS,
        ".gemini/settings.json": r'"(?:selectedType|enforcedType|telemetry|ignoreLocalEnv)"',
    },
    memory=MEMORY,
)

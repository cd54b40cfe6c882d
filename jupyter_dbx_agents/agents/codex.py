"""Codex: https://developers.openai.com/codex/config-reference; the rest was measured with 0.171.0.

Decided
- ``experimental_bearer_token`` is the capability; ``env_key`` would need it in the environment of
  every terminal, and a helper command is not run again on 403.
- No daemon: it copies 400 MB, outlives the terminal and keeps the settings it was started with.
- No multi-agent tools, and none for the threads of the screen (an MCP server of Codex' own; one of
  the same name in the file, even disabled, takes its place): they are of the type ``namespace``,
  which a strict gateway refuses.
- Trust is given to the projects' folder, and to each repository in it by name, since only a
  repository's root counts.  Elsewhere Codex keeps its own rule: its screen asks, and ``codex exec``
  can only read, unless ``--sandbox`` says otherwise.  To trust the whole home would let any folder
  that was unpacked in it bring settings of its own into force.
- The served models are described in a catalog that takes the place of its own: ``codex_catalog``.
- Its sandbox uses user namespaces (bubblewrap, which it brings along).  In a container that forbids
  them every command of Codex would fail, so its sandbox is switched off there: the container is the
  boundary then, as it is for the other agents.
- To be asked is to have the sandbox read only: what writes must then be asked for.  The policy
  ``untrusted``, which asked before each command, is no more (openai/codex#39630), and without a
  sandbox it asks for nothing.  No policy edits freely and asks before commands.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config_files import ConfigFile, Format, atomic
from ..errors import InstallError
from ..models import Dialect
from .base import Agent, AgentContext, instructions_file
from .choices import Approvals
from .codex_catalog import build_catalog
from .conversations import Conversation, Form, Kept, Memory, transcripts
from .conversations.kept import as_mapping
from .install.npm import LOCK_FOLDER, NpmPackage
from .install.program import empty_home, run_program

PROVIDER = "dbx"


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``config.toml`` and ``AGENTS.md`` in ``~/.codex``."""
    catalog = _catalog_path(context)
    return (
        ConfigFile(
            context.home / ".codex" / "config.toml",
            Format.TOML,
            {
                "model": context.initial(context.model),
                # One that is named must be there.
                "model_catalog_json": str(catalog) if catalog.exists() else None,
                "model_provider": PROVIDER,
                **_approval_settings(context),
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
    if "url" not in given:
        return dict(given)
    server = {"url": given["url"], "http_headers": given.get("headers", {})}
    if "timeout_seconds" in given:
        server["tool_timeout_sec"] = given["timeout_seconds"]  # else 60 s
    return server


def _provider(context: AgentContext) -> dict[str, object]:
    return {
        "name": "Databricks",
        "base_url": f"{context.broker_url}/openai/v1",
        "wire_api": "responses",
        "experimental_bearer_token": context.capability,
        "http_headers": {"x-databricks-use-coding-agent-mode": "true"},
    }


def _approval_settings(context: AgentContext) -> dict[str, str]:
    """Return nothing for its own default where the sandbox works: that is the user's choice."""
    if context.approvals is Approvals.EVERYTHING:
        return {"approval_policy": "never", "sandbox_mode": "danger-full-access"}
    if context.approvals is Approvals.ASK:
        return {"approval_policy": "on-request", "sandbox_mode": "read-only"}
    return {} if _has_sandbox(context) else {"sandbox_mode": "danger-full-access"}


def _approvals(context: AgentContext) -> dict[Approvals, str]:
    if not _has_sandbox(context):
        own = "Asks for nothing: its sandbox, without which it cannot ask, does not work here."
        return {Approvals.OWN: own, Approvals.EVERYTHING: "Asks for nothing."}
    return {
        Approvals.OWN: (
            "Edits the project's files and runs commands without asking, in a sandbox without a "
            "network; asks before a command leaves it."
        ),
        Approvals.ASK: (
            "Asks before edits and before commands that write or need the network; others run in a "
            "sandbox that can only read."
        ),
        Approvals.EVERYTHING: "Asks for nothing, and runs commands without a sandbox.",
    }


def _has_sandbox(context: AgentContext) -> bool:
    return not _sandbox_report(context).exists()


async def prepare(context: AgentContext, program: Path, environment: Mapping[str, str]) -> None:
    """Write the model's catalog, and find out whether the program's sandbox works here.

    Raises InstallError and ConfigFileError.
    """
    try:
        await _write_catalog(context, program, environment)
    finally:
        await _try_sandbox(context, program, environment)


async def _write_catalog(
    context: AgentContext, program: Path, environment: Mapping[str, str]
) -> None:
    built_in = await _built_in_catalog(context, program, environment)
    try:
        catalog = build_catalog(json.loads(built_in), context.choices(Dialect.RESPONSES))
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        _built_in_path(context).unlink(missing_ok=True)
        raise InstallError(
            f"Codex's descriptions of models cannot be read ({error!r}).",
            "Codex works, but warns at its start. Install it again: jupyter dbx-agents agents "
            "install codex.",
        ) from None
    path = _catalog_path(context)
    atomic.replace(atomic.read(path), json.dumps(catalog).encode(), 0o600)


async def _built_in_catalog(
    context: AgentContext, program: Path, environment: Mapping[str, str]
) -> bytes:
    """Return the program's own catalog, which it takes a second to print and never changes."""
    kept = _built_in_path(context)
    if kept.exists():
        return kept.read_bytes()
    with empty_home(environment, without=("CODEX_HOME",)) as clean:
        output = Path(clean["HOME"]) / "models.json"
        command = ("sh", "-c", 'exec "$0" debug models > "$1"', str(program), str(output))
        await run_program(command, output.parent, clean)
        content = output.read_bytes() if output.exists() else b""
    atomic.replace(atomic.read(kept), content, 0o600)
    return content


async def _try_sandbox(
    context: AgentContext, program: Path, environment: Mapping[str, str]
) -> None:
    """Run a command in the sandbox and remember whether that failed; then raise InstallError."""
    report = _sandbox_report(context)
    with empty_home(environment, without=("CODEX_HOME",)) as clean:
        command = (str(program), "sandbox", "--", "true")
        code, lines = await run_program(command, Path(clean["HOME"]), clean)
    if code == 0:
        report.unlink(missing_ok=True)
        return
    atomic.replace(atomic.read(report), "\n".join(lines).encode(), 0o600)
    raise InstallError(
        f"Codex's sandbox does not work in this container: {' '.join(lines[-1:])}",
        "It was turned off: Codex's commands run with your permissions, like those of the other "
        "agents.",
    )


def _catalog_path(context: AgentContext) -> Path:
    """Return where the catalog of the served models is, or will be once Codex is installed."""
    return context.own_folder / "models.json"


def _built_in_path(context: AgentContext) -> Path:
    return context.own_folder / f"built-in-models-{CODEX.recipe.version()}.json"


def _sandbox_report(context: AgentContext) -> Path:
    """Return the file that is there while the sandbox does not work."""
    return context.own_folder / "sandbox-fails"


def _facts(line: transcripts.Line) -> transcripts.Facts:
    payload = as_mapping(line.get("payload"))
    if line.get("type") == "session_meta":
        return transcripts.Facts(str(payload.get("id", "")), str(payload.get("cwd", "")))
    role = payload.get("role")
    if line.get("type") != "response_item" or role not in ("user", "assistant"):
        return transcripts.Facts()
    said = transcripts.text_of(payload.get("content"))
    return transcripts.Facts(said=said, is_users=role == "user")


def _conversations(home: Path) -> Iterator[Conversation]:
    yield from transcripts.conversations(home, ".codex/sessions/*/*/*/*.jsonl", _facts)


# It makes its databases again from the sessions.
MEMORY = Memory(
    kept=(
        Kept(".codex/sessions/**/*.jsonl", Form.LOG, is_conversation=True),
        Kept(".codex/session_index.jsonl", Form.LOG, is_history=True),
        Kept(".codex/history.jsonl", Form.LOG, is_history=True),
        Kept(".codex/memories/**/*"),
        Kept(".codex/prompts/**/*.md"),
    ),
    resume=("resume", "{id}"),
    conversations=_conversations,
)

CODEX = Agent(
    name="codex",
    title="Codex",
    command="codex",
    recipe=NpmPackage(
        "@openai/codex",
        lock_folder=LOCK_FOLDER / "codex",
        # A node script that finds the platform package's program and its companions.
        programs=("@openai/codex/bin/codex.js",),
        installed_bytes=405_000_000,
    ),
    dialect=Dialect.RESPONSES,
    default_model=lambda models: models.codex_model,
    config_files=config_files,
    approvals=_approvals,
    one_turn=frozenset({"exec", "e", "review"}),
    first_prompt=("--", "{}"),
    prepare=prepare,
    trusts_each_repository=True,
    # It does not take them from a project.
    project_settings={".codex/config.toml": r"(?m)^\s*\[?\s*model_provider"},
    memory=MEMORY,
)

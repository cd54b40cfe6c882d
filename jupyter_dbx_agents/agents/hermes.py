"""Hermes: https://hermes-agent.nousresearch.com/docs; the rest was measured with 0.19.0.

Decided
- The capability is in ``config.yaml`` and not in ``~/.hermes/.env``: that file goes to the
  environment of its tools.
- Providers of our own with ``discover_models`` off and each model's ``context_length``: a plain
  ``custom`` one on a loopback address is taken for a local model server and probed 30 times before
  the first question.
- One provider for each dialect, so that each model is spoken to in its native one: for Claude that
  is where its prompt cache works (hermes-agent#108834), for GPT where tools do.  Gemini has none
  here: its vendor's dialect is not among those of a provider of one's own.
- Claude's base URL ends in ``/v1``: what it asks beside its turns (a title, a summary) it sends to
  ``/v1`` where a base URL ends in ``/anthropic``.  Claude's SDK gets it without the ``/v1``.
- It asks for 65,536 output tokens unless told otherwise, which most models refuse, and takes the
  refusal for a conversation that is too long (hermes-agent#51773).  ``max_tokens`` is for the main
  model, a provider's ``max_output_tokens`` for jobs in the background.
- It asks only before commands on its own list of dangerous ones, and never before edits.  To have
  it ask before each would need a plug-in in its home that fails open when it does not load.
- Our instructions are in ``agent.environment_hint``, which is made for them; ``SOUL.md`` is the
  user's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config_files import ConfigFile, Format, Initial
from ..models import Dialect, family_of
from .attention.states import State
from .base import SKILLS_FOLDER, Agent, AgentContext, instructions
from .choices import Approvals
from .conversations import Conversation, Form, Kept, Memory, databases
from .install.python_package import LOCK_FOLDER, PythonPackage

_MOST_OUTPUT_TOKENS = 32_000
APPROVALS = {
    Approvals.OWN: (
        "Edits and runs commands without asking, except those on its list of dangerous commands: a "
        "model judges them, and asks you when in doubt."
    ),
    Approvals.EVERYTHING: "Asks for nothing; a few commands, such as rm -rf /, it never runs.",
}
# As it reads a bare ``off`` of YAML 1.1.
_APPROVALS_SETTINGS = {Approvals.EVERYTHING: {"approvals": {"mode": False}}}


@dataclass(frozen=True)
class _Provider:
    name: str
    title: str
    path: str
    api_mode: str


PROVIDERS: Mapping[Dialect, _Provider] = {
    Dialect.CHAT: _Provider("dbx", "Databricks", "/mlflow/v1", "chat_completions"),
    Dialect.ANTHROPIC: _Provider(
        "dbx-claude", "Databricks Claude", "/anthropic/v1", "anthropic_messages"
    ),
    Dialect.RESPONSES: _Provider("dbx-gpt", "Databricks GPT", "/openai/v1", "codex_responses"),
}
DIALECTS = tuple(PROVIDERS)


def config_files(context: AgentContext) -> tuple[ConfigFile, ...]:
    """Return ``~/.hermes/config.yaml``."""
    family = family_of(context.model)
    keys = {
        "model": {
            "default": context.initial(context.model),
            "provider": context.initial(PROVIDERS[_dialect(context, context.model)].name),
            "context_length": context.initial(family.context_tokens),
            "max_tokens": _limit(family.output_tokens),
        },
        "providers": {
            provider.name: _provider(context, provider, models)
            for dialect, provider in PROVIDERS.items()
            if (models := _models(context, dialect))
        },
        # A scanner of commands that would be fetched from GitHub; and what it would install from an
        # index by itself, such as edge-tts at its first start: neither is in our lock.
        "security": {"tirith_enabled": False, "allow_lazy_installs": Initial(False)},
        "agent": {"environment_hint": instructions(context)},
        "skills": {"external_dirs": [str(context.home / SKILLS_FOLDER)]},
        "mcp_servers": {name: _server(given) for name, given in context.mcp_servers.items()},
        **_APPROVALS_SETTINGS.get(context.approvals, {}),
        **_hooks(context),
    }
    return (ConfigFile(context.home / ".hermes" / "config.yaml", Format.YAML, keys),)


def _limit(*caps: int) -> Initial:
    return Initial(min(_MOST_OUTPUT_TOKENS, *caps), keeps_lower=True)


def _server(given: Mapping[str, Any]) -> dict[str, Any]:
    server = {key: value for key, value in given.items() if key != "timeout_seconds"}
    if "timeout_seconds" in given:
        server["timeout"] = given["timeout_seconds"]  # else 120 s
    return server


def _hooks(context: AgentContext) -> dict[str, Any]:
    """Return the hooks that report what it is doing.

    ``pre_llm_call`` is the only one at the start of each turn.  Sub-agents, which work on when the
    turn of the user is over, run the same hooks; so does the review in the background that follows
    every tenth turn or so, for which nobody waits.  ``subagent_stop`` is for those whose turn has
    no other end.
    """
    if not context.reporter:
        return {}

    def hook(state: State, *options: str, **more: str) -> list[dict[str, Any]]:
        return [{"command": context.report("hermes", state, *options), "timeout": 5, **more}]

    # A model is asked before its user is.
    asks = ("--if", '"surface": "smart"', State.WORKING, "--says", "extra.command")
    ended = ("--if", '"interrupted": true', State.IDLE, "--if", '"completed": false', State.FAILED)
    refused = ("--if", '"retryable": false', State.FAILED)
    is_sub_agent, of_turn = ("--if", '"platform": "subagent"'), "--by-turn"
    return {
        # No hook runs at the end of a turn that its model has refused for good.
        "display": {"bell_on_complete": True},
        "hooks_auto_accept": True,  # it would ask about each hook
        "hooks": {
            "pre_llm_call": hook(State.WORKING, of_turn),
            "pre_approval_request": hook(State.PERMISSION, of_turn, *asks),
            "post_approval_response": hook(State.WORKING, of_turn),
            "pre_tool_call": hook(
                State.QUESTION, "--says", "tool_input.question", matcher="clarify"
            ),
            "post_tool_call": hook(State.WORKING, matcher="clarify"),
            "api_request_error": hook(
                State.WORKING, of_turn, *refused, *is_sub_agent, State.WORKING
            ),
            "on_session_end": hook(State.DONE, of_turn, *ended, *is_sub_agent, State.IDLE),
            "subagent_stop": hook(State.IDLE, "--of", "extra.child_session_id"),
        },
    }


def _dialect(context: AgentContext, model: str) -> Dialect:
    return context.models.dialect_of(model, *DIALECTS)


def _models(context: AgentContext, dialect: Dialect) -> list[str]:
    return [name for name in context.choices(*DIALECTS) if _dialect(context, name) is dialect]


def _provider(context: AgentContext, provider: _Provider, models: list[str]) -> dict[str, Any]:
    caps = [family_of(model).output_tokens for model in models]
    return {
        "name": provider.title,
        "base_url": f"{context.broker_url}{provider.path}",
        "api_key": context.capability,
        "api_mode": provider.api_mode,
        "discover_models": False,
        "max_output_tokens": _limit(*caps),
        "models": {model: _described(model) for model in models},
    }


def _described(model: str) -> dict[str, Any]:
    family = family_of(model)
    return {"context_length": family.context_tokens, "supports_vision": family.sees_images}


_DATABASE = Path(".hermes") / "state.db"
_QUERIES = databases.Queries(
    """
    SELECT s.id, coalesce(s.title, (SELECT m.content FROM messages m WHERE m.session_id = s.id
               AND m.role = 'user' ORDER BY m.id LIMIT 1)), s.cwd,
           coalesce((SELECT max(m.timestamp) FROM messages m WHERE m.session_id = s.id),
               s.started_at)
    FROM sessions s WHERE s.message_count > 0 AND s.parent_session_id IS NULL
    """,
    "SELECT content FROM messages WHERE session_id = ? AND role IN ('user', 'assistant')",
)


def _conversations(home: Path) -> Iterator[Conversation]:
    yield from databases.conversations(home / _DATABASE, _QUERIES)


MEMORY = Memory(
    kept=(
        Kept(str(_DATABASE), Form.DATABASE, is_conversation=True, counted="sessions"),
        Kept(".hermes/memories/**/*"),
        Kept(".hermes/SOUL.md"),
        Kept(".hermes/skills/**/*"),
        Kept(".hermes/.hermes_history", Form.LOG, is_history=True),
    ),
    resume=("--resume", "{id}"),
    conversations=_conversations,
)

HERMES = Agent(
    name="hermes",
    title="Hermes",
    command="hermes",
    recipe=PythonPackage(
        "hermes-agent",
        lock_file=LOCK_FOLDER / "hermes.txt",
        module="hermes_cli.main",
        command="hermes",
        installed_bytes=215_000_000,
        below_python=(3, 14),
    ),
    dialect=Dialect.CHAT,
    also_speaks=(Dialect.ANTHROPIC, Dialect.RESPONSES),
    default_model=lambda models: models.hermes_model,
    config_files=config_files,
    approvals=lambda _context: APPROVALS,
    memory=MEMORY,
    module="hermes_cli.main",
    titles={"\a": State.DONE},
    one_turn=frozenset({"-q", "--query", "-z", "--oneshot"}),
    # Esc does nothing there.
    denies="\x03",
)

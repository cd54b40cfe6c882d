"""Find out whether an agent works: its program, its files, and one real call of its model.

The call is like the agent's own: through the broker, in its dialect, with its secret.
"""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from ..errors import DbxAgentsError
from ..models import CHECK_HEADER, Dialect
from ..workspace_api import read_error
from .base import Agent, AgentContext
from .install.installer import AgentInstaller
from .install.program import empty_home, run_program

PROBE_SECONDS = 60.0
# A few tokens, so that it costs next to nothing; some models refuse less.
PROBE_TOKENS = 16
PROBE_TEXT = "Say: yes"
Json = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """The result of one check; ``state`` is ``ok``, ``warning`` or ``problem``."""

    name: str
    state: Literal["ok", "warning", "problem"]
    message: str
    hint: str = ""


async def check_program(
    agent: Agent, installer: AgentInstaller, environment: Mapping[str, str]
) -> Check:
    """Check what the agent's command starts, and which version that is."""
    found = shutil.which(agent.command, path=environment.get("PATH"))
    install = f"Install it: jupyter dbx-agents agents install {agent.name}"
    if found is None:
        return Check("program", "problem", f"The command “{agent.command}” was not found.", install)
    try:
        with empty_home(environment) as clean:
            code, lines = await run_program((found, "--version"), Path("/"), clean)
    except DbxAgentsError as error:
        return Check("program", "problem", error.message, install)
    version, said = agent.recipe.version(), " ".join(lines[:1])
    if code:
        return Check("program", "problem", f"{found} does not run: {said}", install)
    if not await asyncio.to_thread(_is_ours, found, agent, installer):
        return Check(
            "program",
            "warning",
            f"{found} ({said}) was not installed by this app, which installs {version}.",
            "Our settings were tested with that version; to use it, remove or rename your own.",
        )
    return Check("program", "ok", f"{found}, version {version}.")


def _is_ours(program: str, agent: Agent, installer: AgentInstaller) -> bool:
    found = installer.installed(agent)
    return found is not None and Path(program).resolve() == found.program.resolve()


def check_files(agent: Agent, problem: DbxAgentsError | None, context: AgentContext) -> Check:
    """Check that the agent's files could be written."""
    if problem is not None:
        return Check("files", "problem", problem.message, problem.hint)
    paths = ", ".join(str(file.path) for file in agent.config_files(context))
    return Check("files", "ok", f"Our settings are in {paths}.")


async def check_model(context: AgentContext, dialect: Dialect) -> Check:
    """Send the agent's model a short prompt, through the broker."""
    path, body = build_probe(dialect, context.model)
    headers = {"Authorization": f"Bearer {context.capability.reveal()}", CHECK_HEADER: "1"}
    tls = await asyncio.to_thread(httpx.create_ssl_context)
    try:
        async with (
            asyncio.timeout(PROBE_SECONDS),
            httpx.AsyncClient(trust_env=False, timeout=PROBE_SECONDS, verify=tls) as client,
        ):
            answer = await client.post(context.broker_url + path, json=body, headers=headers)
    except (httpx.HTTPError, TimeoutError) as error:
        message = f"The broker does not answer ({type(error).__name__})."
        return Check("model", "problem", message, "Restart the app; its log says why.")
    if answer.is_success:
        seconds = answer.elapsed.total_seconds()
        return Check("model", "ok", f"{context.model} answers in {seconds:.1f} s.")
    reason = read_error(answer.content).message or answer.text
    return Check(
        "model",
        "problem",
        f"{context.model} cannot be called: HTTP {answer.status_code}, {reason[:300]}",
        "Check the token and the models: jupyter dbx-agents status",
    )


def build_probe(dialect: Dialect, model: str) -> tuple[str, Json]:
    """Return the local path and the body of the smallest request in a dialect."""
    messages = [{"role": "user", "content": PROBE_TEXT}]
    if dialect is Dialect.ANTHROPIC:
        return "/anthropic/v1/messages", {
            "model": model,
            "max_tokens": PROBE_TOKENS,
            "messages": messages,
        }
    if dialect is Dialect.RESPONSES:
        return "/openai/v1/responses", {
            "model": model,
            "input": PROBE_TEXT,
            "max_output_tokens": PROBE_TOKENS,
            "store": False,
        }
    if dialect is Dialect.GEMINI:
        contents = [{"role": "user", "parts": [{"text": PROBE_TEXT}]}]
        return f"/gemini/v1beta/models/{model}:generateContent", {
            "contents": contents,
            "generationConfig": {"maxOutputTokens": PROBE_TOKENS},
        }
    return "/mlflow/v1/chat/completions", {
        "model": model,
        "max_tokens": PROBE_TOKENS,
        "messages": messages,
    }

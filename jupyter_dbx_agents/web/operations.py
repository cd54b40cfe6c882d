"""Every REST operation, as a function of the services and the body, in one table.

``rest-api.yml`` beside this file describes it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypedDict

from ..agents import AgentRoster
from ..agents.attention import Attention
from ..agents.attention.states import one_line
from ..agents.databricks.tools import DatabricksTools, ToolsStatus
from ..agents.mcp.servers import McpServerModel, McpServers
from ..agents.roster import AgentStatus, CommonApprovals
from ..agents.tracing import SessionTracer
from ..background import BackgroundTasks
from ..errors import RequestError
from ..git_sync import GitSync
from ..lifecycle.continuity import Choice, Continuity
from ..lifecycle.sessions import OpenSessions
from ..local_channel.paths import (
    AGENTS_PATH,
    ATTENTION_PATH,
    CONTINUITY_PATH,
    CONVERSATIONS_PATH,
    DATABRICKS_PATH,
    FILES_PATH,
    MCP_PATH,
    PAT_PATH,
    PROJECTS_PATH,
    SIGN_IN_PATH,
    STATUS_PATH,
    TERMINALS_PATH,
    THEME_PATH,
    TRACES_PATH,
)
from ..pat import PatRotator, SignIn, parse_pat
from ..pat.rotator import PatStatus
from ..pat.sign_in import SignInAttempt
from ..terminals.answers.theme import Theme, parse_colour
from .starting import start_agent

MOST_BODY_BYTES = 64 * 1024
# Those of one line of a terminal; it has no more room.
MOST_PATHS = 20
MOST_TITLE_CHARACTERS = 80
Body = Mapping[str, Any]
Reply = Mapping[str, Any]


class ErrorReply(TypedDict):
    """What failed, and what to do next."""

    message: str
    hint: str


class AgentsReply(TypedDict):
    """All agents, and what all of them ask before."""

    agents: list[AgentStatus]
    approvals: CommonApprovals


@dataclass(frozen=True)
class Services:
    """What the operations use.

    ``status`` returns the model of the whole server; ``install`` starts an agent's installation,
    ``update_tools`` that of Databricks' tools; ``use_theme`` is called with the theme of the
    owner's page; ``find_files`` returns which paths are files where a terminal's program works;
    ``background`` has what goes on when its request has been answered.
    What types into terminals is not an operation: an agent in a terminal, which can call each of
    these, could answer what it asks itself.
    """

    pats: PatRotator
    sign_in: SignIn
    agents: AgentRoster
    mcp: McpServers
    git_sync: GitSync
    continuity: Continuity
    tracer: SessionTracer
    attention: Attention
    sessions: OpenSessions
    status: Callable[[], Reply]
    install: Callable[[str], None]
    use_theme: Callable[[Theme], None]
    find_files: Callable[[str, list[str]], Awaitable[dict[str, str]]]
    databricks: DatabricksTools
    update_tools: Callable[[], None]
    background: BackgroundTasks


# Called with the services, the body, and what the path names.
Operation = Callable[..., Awaitable[Reply]]


async def get_status(services: Services, _body: Body) -> Reply:
    """Return the status of the whole server."""
    return services.status()


async def get_pat(services: Services, _body: Body) -> PatStatus:
    """Return the credential's model."""
    return services.pats.status()


async def post_pat(services: Services, body: Body) -> PatStatus:
    """Adopt the pasted token."""
    await services.pats.adopt(parse_pat(_text(body, "token")))
    return services.pats.status()


async def delete_pat(services: Services, _body: Body) -> PatStatus:
    """Log out: revoke our tokens and forget them."""
    await services.pats.log_out()
    return services.pats.status()


async def post_rotate(services: Services, _body: Body) -> PatStatus:
    """Rotate now."""
    await services.pats.rotate()
    return services.pats.status()


async def post_revoke_pasted(services: Services, body: Body) -> PatStatus:
    """Revoke the token that the owner picked as the pasted one."""
    await services.pats.revoke_pasted(_text(body, "token_id"))
    return services.pats.status()


async def post_sign_in(services: Services, _body: Body) -> SignInAttempt:
    """Begin to sign in, or return the attempt under way."""
    return await services.sign_in.begin()


async def delete_sign_in(services: Services, _body: Body) -> PatStatus:
    """Forget the attempt: its answer is not accepted any more."""
    services.sign_in.cancel()
    return services.pats.status()


async def post_sign_in_answer(services: Services, body: Body) -> PatStatus:
    """Sign in with the address on which the browser ended."""
    await services.sign_in.answer(_text(body, "answer"))
    return services.pats.status()


async def get_agents(services: Services, _body: Body) -> AgentsReply:
    """Return the models of all agents."""
    return {
        "agents": services.agents.status(),
        "approvals": services.agents.common_approvals(),
    }


async def patch_agents(services: Services, body: Body) -> AgentsReply:
    """Change what is chosen for all agents."""
    await services.agents.change_all(dict(body))
    return await get_agents(services, {})


async def get_agent(services: Services, _body: Body, name: str) -> AgentStatus:
    """Return an agent's model."""
    return services.agents.model(name)


async def patch_agent(services: Services, body: Body, name: str) -> AgentStatus:
    """Change an agent's choices; install it if it was switched on and is not installed."""
    model = await services.agents.change(name, dict(body))
    if body.get("enabled") and not model["installed"]:
        services.install(name)
    return model


async def delete_agent(services: Services, _body: Body, name: str) -> AgentStatus:
    """Switch an agent off and delete its program."""
    return await services.agents.remove(name)


async def post_install(services: Services, _body: Body, name: str) -> AgentStatus:
    """Switch an agent on and start its installation; its progress is in the status."""
    model = await services.agents.change(name, {"enabled": True})
    services.install(name)
    return model


async def post_start(services: Services, body: Body, name: str) -> Reply:
    """Start an agent in a new terminal; return the terminal's name."""
    folder = Path(_text(body, "folder")) if body.get("folder") else None
    prompt = _text(body, "prompt") if "prompt" in body else ""
    terminal = await start_agent(services.agents, services.sessions, name, folder, prompt)
    return {"terminal": terminal.term_name}


async def post_check(services: Services, _body: Body, name: str) -> Reply:
    """Check an agent's program and files, and call its model."""
    return {"checks": [asdict(check) for check in await services.agents.check(name)]}


async def get_mcp(services: Services, _body: Body) -> Reply:
    """Return the models of the MCP servers that all agents are offered."""
    return {"servers": services.mcp.status()}


async def post_mcp(services: Services, body: Body) -> McpServerModel:
    """Add a server: a path of the workspace, or a foreign one's URL or command."""
    server = {key: value for key, value in body.items() if key != "name"}
    return await services.mcp.add(_text(body, "name"), server)


async def patch_mcp(services: Services, body: Body, name: str) -> McpServerModel:
    """Switch a server on or off for all agents."""
    is_on = body.get("enabled")
    if not isinstance(is_on, bool) or set(body) != {"enabled"}:
        raise RequestError(
            "Only “enabled” can be changed.", 'Send {"enabled": false} or {"enabled": true}.'
        )
    return await services.mcp.switch(name, is_on=is_on)


async def delete_mcp(services: Services, _body: Body, name: str) -> Reply:
    """Remove a server that the owner added; return the models of those that are left."""
    await services.mcp.remove(name)
    return {"servers": services.mcp.status()}


async def post_mcp_check(services: Services, _body: Body, name: str) -> McpServerModel:
    """Ask a server for its tools now."""
    return await services.mcp.check(name)


async def get_databricks(services: Services, _body: Body) -> ToolsStatus:
    """Return the model of Databricks' own tools."""
    return services.databricks.status()


async def post_databricks(services: Services, _body: Body) -> ToolsStatus:
    """Start to bring Databricks' own tools up to date."""
    services.update_tools()
    return services.databricks.status()


async def post_project(services: Services, body: Body) -> Reply:
    """Make a new project: a folder with an empty repository."""
    return {"folder": str(await services.git_sync.create(_text(body, "name")))}


async def get_projects(services: Services, _body: Body) -> Reply:
    """Return the models of all projects, and the names of those that can be restored."""
    projects, restorable = services.git_sync.status(), await services.git_sync.restorable()
    return {"projects": projects, "restorable": [asdict(each) for each in restorable]}


async def post_sync(services: Services, body: Body) -> Reply:
    """Sync a project, or all, now."""
    name = _text(body, "name") if "name" in body else None
    takes_over = body.get("takes_over") is True
    return {"projects": await services.git_sync.sync_now(name, takes_over=takes_over)}


async def post_restore(services: Services, body: Body) -> Reply:
    """Restore a project, or all that are not here, from the workspace."""
    name = _text(body, "name") if "name" in body else None
    return {"restored": [asdict(each) for each in await services.git_sync.restore(name)]}


async def post_forget(services: Services, body: Body) -> Reply:
    """End a project that is not here any more, and delete its copy."""
    files = body.get("files") is True
    return asdict(await services.git_sync.forget(_text(body, "name"), files=files))


async def get_continuity(services: Services, _body: Body) -> Reply:
    """Return what is kept for the next start, and what of former starts could come back."""
    offer = await services.continuity.offer()
    return {"status": services.continuity.status(), "offer": offer}


async def patch_continuity(services: Services, body: Body) -> Reply:
    """Replace the list of more files to keep."""
    if unknown := sorted(set(body) - {"dotfiles"}):
        raise RequestError(f"“{unknown[0]}” is not a setting of this.", "Set dotfiles.")
    services.continuity.name_dotfiles(body.get("dotfiles"))
    return dict(services.continuity.status())


async def delete_continuity(services: Services, _body: Body) -> Reply:
    """Delete what is kept beside the projects' commits."""
    return dict(await services.continuity.forget())


async def post_come_back(services: Services, body: Body) -> Reply:
    """Bring back what is chosen, or everything: projects, conversations, history, terminals."""
    return {"steps": await services.continuity.restore(Choice.from_body(body))}


async def get_conversations(services: Services, _body: Body) -> Reply:
    """Return the agents' conversations, newest first."""
    return {"conversations": await services.continuity.conversations()}


async def post_search(services: Services, body: Body) -> Reply:
    """Return the conversations in which a text was said."""
    return {"conversations": await services.continuity.conversations(_text(body, "text"))}


async def post_resume(services: Services, body: Body) -> Reply:
    """Resume a conversation in a new terminal."""
    return {"terminal": await services.continuity.resume(_text(body, "id"))}


async def post_trace(services: Services, body: Body) -> Reply:
    """Queue a turn of Claude Code to be written to MLflow."""
    services.tracer.take(body)
    return {}


async def post_theme(services: Services, body: Body) -> Reply:
    """Use the colours of the owner's page, which programs in terminals may ask for."""
    colours = [parse_colour(_text(body, key)) for key in ("foreground", "background")]
    foreground, background = colours
    if foreground is None or background is None:
        raise RequestError("A colour is not of the form #rrggbb.", "Send one such as #ffffff.")
    services.use_theme(Theme(foreground, background))
    return {}


async def post_files(services: Services, body: Body) -> Reply:
    """Return which paths that a terminal shows are files, with their absolute paths."""
    paths = body.get("paths")
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise RequestError("“paths” is not a list of strings.", 'Send {"paths": ["a.py"]}.')
    return {"files": await services.find_files(_text(body, "terminal"), paths[:MOST_PATHS])}


async def patch_terminal(services: Services, body: Body, name: str) -> Reply:
    """Give a terminal a title of the owner's; an empty one restores its automatic name."""
    given = _text(body, "title")
    title = one_line(given)
    if len(title) > MOST_TITLE_CHARACTERS:
        raise RequestError(
            f"The title has {len(given):,} characters.",
            f"Choose one of at most {MOST_TITLE_CHARACTERS}; a tab shows even fewer.",
        )
    services.sessions.rename(name, title)
    return {"terminals": services.sessions.terminals()}


async def get_attention(services: Services, _body: Body) -> Reply:
    """Return what each agent is doing."""
    return {"attention": services.attention.status()}


async def post_report(services: Services, body: Body) -> Reply:
    """Take what an agent's hook reports."""
    agent = services.agents.agent(_text(body, "agent"))
    services.attention.hooked(agent.name, body)
    return {}


async def post_seen(services: Services, body: Body) -> Reply:
    """Take note that the owner looks at a session."""
    revision = body.get("revision")
    services.attention.see(_text(body, "id"), revision if isinstance(revision, int) else 0)
    return {"attention": services.attention.status()}


_AGENT = f"{AGENTS_PATH}/{{name}}"
# A part of a path in braces is an argument of the operations.
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    STATUS_PATH: {"GET": get_status},
    PAT_PATH: {"GET": get_pat, "POST": post_pat, "DELETE": delete_pat},
    f"{PAT_PATH}/rotate": {"POST": post_rotate},
    f"{PAT_PATH}/revoke-pasted": {"POST": post_revoke_pasted},
    SIGN_IN_PATH: {"POST": post_sign_in, "DELETE": delete_sign_in},
    f"{SIGN_IN_PATH}/answer": {"POST": post_sign_in_answer},
    AGENTS_PATH: {"GET": get_agents, "PATCH": patch_agents},
    _AGENT: {"GET": get_agent, "PATCH": patch_agent, "DELETE": delete_agent},
    f"{_AGENT}/install": {"POST": post_install},
    f"{_AGENT}/start": {"POST": post_start},
    f"{_AGENT}/check": {"POST": post_check},
    MCP_PATH: {"GET": get_mcp, "POST": post_mcp},
    f"{MCP_PATH}/{{name}}": {"PATCH": patch_mcp, "DELETE": delete_mcp},
    f"{MCP_PATH}/{{name}}/check": {"POST": post_mcp_check},
    DATABRICKS_PATH: {"GET": get_databricks, "POST": post_databricks},
    TRACES_PATH: {"POST": post_trace},
    FILES_PATH: {"POST": post_files},
    f"{TERMINALS_PATH}/{{name}}": {"PATCH": patch_terminal},
    THEME_PATH: {"POST": post_theme},
    ATTENTION_PATH: {"GET": get_attention},
    f"{ATTENTION_PATH}/report": {"POST": post_report},
    f"{ATTENTION_PATH}/seen": {"POST": post_seen},
    CONTINUITY_PATH: {
        "GET": get_continuity,
        "PATCH": patch_continuity,
        "DELETE": delete_continuity,
    },
    f"{CONTINUITY_PATH}/restore": {"POST": post_come_back},
    CONVERSATIONS_PATH: {"GET": get_conversations},
    f"{CONVERSATIONS_PATH}/search": {"POST": post_search},
    f"{CONVERSATIONS_PATH}/resume": {"POST": post_resume},
    PROJECTS_PATH: {"GET": get_projects, "POST": post_project},
    f"{PROJECTS_PATH}/sync": {"POST": post_sync},
    f"{PROJECTS_PATH}/restore": {"POST": post_restore},
    f"{PROJECTS_PATH}/forget": {"POST": post_forget},
}


def parse_body(data: bytes) -> Body:
    """Return a request's JSON object ({} for an empty body).  Raises RequestError."""
    if len(data) > MOST_BODY_BYTES:
        raise RequestError(
            f"The request has {len(data)} bytes; at most {MOST_BODY_BYTES} are allowed.",
            "What is meant for here is much shorter. Check what you pasted, or put it into a file.",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    if not data.strip():
        return {}
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise RequestError(
            "The request body is not a JSON object.", 'Send an object such as {"token": "…"}.'
        )
    return body


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise RequestError(f"The request body has no string “{key}”.", f'Send {{"{key}": "…"}}.')
    return value

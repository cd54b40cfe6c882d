"""Write what the documentation takes from the code: ``make docs``.

The configuration reference comes from the traits and ``app.yaml.template``, the list of messages
from the places where errors are raised, the families of models from their table, what was tried
with real agents from ``tested-models.json``, which ``make matrix`` records.  Text above the marker
of a page is written by hand.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jupyter_dbx_agents.agents import AGENTS, Agent
from jupyter_dbx_agents.app import DbxAgentsApp
from jupyter_dbx_agents.auth import OwnerResolver
from jupyter_dbx_agents.deployment import app_names, team_bundle
from jupyter_dbx_agents.models import FAMILIES, UNKNOWN, Dialect, Family, GatewayKind, family_of
from jupyter_dbx_agents.terminals.manager import DbxTerminalManager

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PACKAGE = ROOT / "jupyter_dbx_agents"
MARKER = "<!-- The rest of this page is generated from the code: make docs -->\n"
CLASSES = (DbxAgentsApp, *DbxAgentsApp.classes, OwnerResolver, DbxTerminalManager)

# Errors that users do not see as such, or that are Python's own.
_NOT_SHOWN = {
    *("ValueError", "TypeError", "RuntimeError", "KeyError", "OSError", "HTTPError"),
    *("AssertionError", "TraitError", "RemoteError", "GatewayGoneError", "WrongTypeError"),
    *("JsonError", "YamlError", "MarkerChangedError", "ArchiveTooLargeError", "StopAsyncIteration"),
    *("MessageError", "CutError", "SilenceError", "SessionLostError"),
}
# The position of a Refusal's sentence among its arguments.
_REFUSAL_TEXT = 2
# What to do about messages that do not say it themselves.
ADVICE = {
    "A Databricks token is on its way.": "Try again in a moment.",
    "Request a token with GET.": "Use a Databricks SDK, which does so.",
    "What … found is larger than … MiB.": "Search for something narrower.",
    "HTTP/1.1 is required.": "Update the program that sends the call.",
    "Its tools take … KiB, and those of all servers may take … KiB.": "Switch one off.",
    "Not synced, or not safe: ….": "jupyter dbx-agents sync says why for each project.",
    "Problems found: … with the server; with the agents: …": "Each line above says what to do.",
    "Problems found: ….": "Each line above says what to do.",
    "The answer is larger than … MiB.": "Add a narrower server, and switch this one off.",
    "The workspace refuses it: …": "The reason is the workspace's own.",
    "The workspace …: …": "Try again; the reason is the workspace's own.",
    "The workspace's MCP server begins no session.": "Check it: jupyter dbx-agents mcp check NAME",
    "The workspace's MCP server loses its sessions.": "Try again in a moment.",
    "… answers without a search.": "Check again: jupyter dbx-agents mcp check web-search",
    "… broke off its answer (…).": "Try again; if it persists, check the network.",
    "… does not answer in the Responses dialect.": "Check: jupyter dbx-agents mcp check web-search",
    "… broke off (…).": "Try again; if it persists, check the workspace and the network.",
    "… does not answer as an MCP server.": "Check its address: jupyter dbx-agents mcp",
    "The broker cannot answer this request.": "Try again; the app's log says more.",
    "The broker does not serve ….": "Use the paths that the agents are configured with.",
    "The trace storage does not answer (…).": "This trace is lost; the session continues.",
    "The trace storage refuses the spans (HTTP …).": "This trace is lost; the session continues.",
    "The workspace refuses the token.": "Paste a new one: jupyter dbx-agents login",
    "There is no token to … with.": "Paste one: jupyter dbx-agents login",
    "Not restored: ….": "Each line above says why.",
    "The history in the workspace lacks ….": "Nothing here was changed; run sync again.",
    "The sync record of … is damaged (…).": (
        "Sync the project anew with: jupyter dbx-agents sync --take-over NAME"
    ),
    "… is not synced. …": "The message says why, and the status what to do.",
    "… … found.": "Each line above says what to do.",
}
_LAYOUTS = {
    GatewayKind.WORKSPACE: "gateway",
    GatewayKind.SERVING_ENDPOINTS: "endpoints",
}
_TRIED = """\
Each agent was asked a question, asked for two tool calls in one turn, asked again in the same
session, and shown a picture where the model sees; while the token was replaced every two seconds,
on a local workspace that refuses whatever Databricks is reported to refuse. A cell says through
what the models were called: no call was refused, and none was repeated."""
# Which part of the package speaks in which section; the first that fits.
_SECTIONS = (
    ("Deploying", ("deployment/",)),
    ("The server does not start, or nobody gets in", ("app/", "auth/", "environment.py")),
    ("The token", ("pat/", "cli/login.py")),
    ("What agents show", ("broker/",)),
    ("The workspace", ("workspace_api.py", "models/")),
    ("Agents", ("agents/", "cli/agents.py")),
    ("Configuration files of yours", ("config_files/",)),
    ("Git sync and restore", ("git_sync/", "cli/projects.py")),
    ("Commands, pages and uploads", ("",)),
)


@dataclass(frozen=True)
class Message:
    """A message of the code, with what to do; what varies is shown as ``…``."""

    section: str
    text: str
    hint: str


def messages() -> list[Message]:
    """Return the messages of every error that a user may see, in the order of the sections."""
    found = {message for path in _sources() for message in _messages_of(path)}
    order = [section for section, _ in _SECTIONS]
    return sorted(found, key=lambda m: (order.index(m.section), m.text.strip("…“ "), m.hint))


def _sources() -> Iterator[Path]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if not {"lab", "node_modules"} & set(path.relative_to(PACKAGE).parts):
            yield path


def _messages_of(path: Path) -> Iterator[Message]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = _imported_constants(tree, path) | _constants(tree)
    name = path.relative_to(PACKAGE).as_posix()
    section = next(title for title, starts in _SECTIONS if name.startswith(starts))
    for node in ast.walk(tree):
        texts = _texts_of(node, constants) if isinstance(node, ast.Call) else None
        if texts is not None and re.search(r"[a-z]{3}", texts[0]):
            text, hint = texts
            yield Message(section, text, ADVICE.get(text, "") if hint in ("", "…") else hint)


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the values that a module gives to names."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _imported_constants(tree: ast.Module, path: Path) -> dict[str, ast.expr]:
    """Return those that it imports from modules of the package, such as a hint of several."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            place = path.parents[node.level - 1].joinpath(*node.module.split("."))
            source = place.with_suffix(".py")
            names = {alias.name for alias in node.names if alias.name.isupper()}
            if names and source.is_file():
                theirs = _constants(ast.parse(source.read_text(encoding="utf-8")))
                found |= {name: theirs[name] for name in names & theirs.keys()}
    return found


def _texts_of(call: ast.Call, constants: dict[str, ast.expr]) -> tuple[str, str] | None:
    """Return message and hint of an error that a call makes, or of the broker's refusal."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name == "Refusal" and len(call.args) > _REFUSAL_TEXT:
        text, stop, hint = _text(call.args[_REFUSAL_TEXT], constants).partition(". ")
        return text + stop.strip(), hint
    if not name.endswith("Error") or name in _NOT_SHOWN or not call.args:
        return None
    hint = _text(call.args[1], constants) if len(call.args) > 1 else ""
    return _text(call.args[0], constants), hint


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> str:
    """Return a text expression as a reader sees it; ``…`` for what is known at run time only."""
    if isinstance(node, ast.Constant):
        return " ".join(str(node.value).split())
    if isinstance(node, ast.JoinedStr):
        parts = (
            str(v.value) if isinstance(v, ast.Constant) else _filled(v, constants)
            for v in node.values
        )
        return " ".join("".join(parts).split())
    if isinstance(node, ast.Name) and node.id in constants:
        return _text(constants[node.id], constants)
    if isinstance(node, ast.IfExp):
        return _text(node.body, constants)
    return "…"


def _filled(node: ast.expr, constants: dict[str, ast.expr]) -> str:
    value = node.value if isinstance(node, ast.FormattedValue) else node
    known = constants.get(value.id) if isinstance(value, ast.Name) else None
    return str(known.value) if isinstance(known, ast.Constant) else "…"


def troubleshooting() -> str:
    """Return the generated part of ``troubleshooting.md``."""
    lines: list[str] = []
    section = ""
    for message in messages():
        if message.section != section:
            section = message.section
            lines += ["", f"### {section}", "", "| message | what to do |", "|---|---|"]
        lines.append(f"| {_cell(message.text)} | {_cell(message.hint)} |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Variable:
    """One variable of ``app.yaml.template`` with its comment."""

    name: str
    value: str
    sentence: str


def variables() -> list[Variable]:
    """Return the variables of the template, in its order."""
    found = []
    text = (ROOT / "app.yaml.template").read_text(encoding="utf-8")
    for block in text.partition("env:\n")[2].strip("\n").split("\n\n"):
        lines = [re.sub(r"^\s*(# )?", "", line) for line in block.splitlines()]
        start = next(i for i, line in enumerate(lines) if line.startswith("- name:"))
        [entry] = yaml.safe_load("\n".join(_indented(lines[start:])))
        value = str(entry.get("value", f"(resource {entry.get('valueFrom')})"))
        found.append(Variable(entry["name"], value, " ".join(lines[:start])))
    return found


def _indented(lines: list[str]) -> list[str]:
    return [line if line.startswith("- ") else f"  {line.strip()}" for line in lines]


def configuration() -> str:
    """Return the generated part of ``configuration.md``."""
    lines = ["", "## Variables", "", "| variable | what it does | value |", "|---|---|---|"]
    lines += [f"| `{v.name}` | {_cell(v.sentence)} | `{v.value}` |" for v in variables()]
    lines += ["", "## Traits"]
    for cls in CLASSES:
        lines += _class_lines(cls)
    return "\n".join(lines) + "\n"


def _class_lines(cls: Any) -> list[str]:
    own = {n: t for n, t in cls.class_traits(config=True).items() if _is_ours(cls, n)}
    if not own:
        return []
    summary = (cls.__doc__ or "").strip().splitlines()[0]
    head = ["", f"### `{cls.__name__}`", "", summary, "", "| trait | what it does | default |"]
    rows = [
        f"| `{name}` | {_cell(trait.help)} | {_default(trait)} |"
        for name, trait in sorted(own.items())
    ]
    return [*head, "|---|---|---|", *rows]


def _is_ours(cls: Any, name: str) -> bool:
    """Whether a class of this package defines the trait; Jupyter documents its own."""
    owner = next(c for c in cls.__mro__ if name in vars(c))
    return str(owner.__module__).startswith("jupyter_dbx_agents")


def _default(trait: Any) -> str:
    value = trait.default()
    return "" if value in ("", None) else f"`{value!r}`"


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text.replace("<", "&lt;").replace("~/", "\\~/").replace("*", "\\*")


def _dialect_of(agent: Agent, family: Family) -> str:
    """Return the native dialect if the agent speaks it, else chat completions if it does."""
    spoken = (agent.dialect, *agent.also_speaks)
    return next((d for d in (family.dialect, Dialect.CHAT) if d in spoken), "")


def models() -> str:
    """Return the generated part of ``models.md``: the families, and who speaks to them how."""
    head = "| family | dialect | window | output cap | pictures | efforts | refused in chat |"
    lines = ["", head, "|---|---|---|---|---|---|---|"]
    for family in (*FAMILIES, UNKNOWN):
        words = ", ".join(f"`{word}`" for word in family.refused_in_chat)
        numbers = f"{family.context_tokens:,} | {family.output_tokens:,}"
        sight = "yes" if family.sees_images else ""
        efforts = ", ".join(family.efforts)
        lines.append(
            f"| {family.title} | {family.dialect} | {numbers} | {sight} | {efforts} | {words} |"
        )
    return "\n".join([*lines, *_dialects(), *_tested()]) + "\n"


def _dialects() -> Iterator[str]:
    yield from ("", "In which dialect an agent calls the models of a family:", "")
    yield from _head("family", *(agent.title for agent in AGENTS))
    for family in (*FAMILIES, UNKNOWN):
        cells = " | ".join(_dialect_of(agent, family) for agent in AGENTS)
        yield f"| {family.title} | {cells} |"


def _head(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


def _tested() -> Iterator[str]:
    """Yield what passed when the whole matrix ran last: agents' versions, by layout and model."""
    cells = json.loads((DOCS / "tested-models.json").read_text(encoding="utf-8"))
    yield from ("", "## What was tried with the real agents", "", *_TRIED.splitlines(), "")
    tried = [one for by_model in cells.values() for one in by_model.values()]
    yield from _head("family", "model", *(_with_versions(agent, tried) for agent in AGENTS))
    models = sorted({model for by_model in cells.values() for model in by_model}, key=_rank)
    for model in models:
        by_layout = {layout: cells[layout].get(model, {}) for layout in cells}
        shown = " | ".join(_where(agent, by_layout) for agent in AGENTS)
        yield f"| {family_of(model).title} | `{model}` | {shown} |"


def _with_versions(agent: Agent, tried: list[dict[str, str]]) -> str:
    versions = sorted({one[agent.name] for one in tried if agent.name in one})
    return " ".join([agent.title, ", ".join(versions)])


def _where(agent: Agent, by_layout: dict[str, dict[str, str]]) -> str:
    return ", ".join(
        name for kind, name in _LAYOUTS.items() if agent.name in by_layout.get(kind, {})
    )


def _rank(model: str) -> int:
    return [*FAMILIES, UNKNOWN].index(family_of(model))


def team_example() -> str:
    """Return the example of a team's bundle."""
    members = (DOCS / "examples" / "team" / "members.txt").read_text(encoding="utf-8")
    app_yaml = yaml.safe_load((ROOT / "app.yaml").read_text(encoding="utf-8"))
    return team_bundle(app_names(members.splitlines()), "../../..", app_yaml)


def pages() -> dict[Path, str]:
    """Return every page that is generated, wholly or below its marker, as it has to be."""
    generated = {
        "configuration.md": configuration(),
        "models.md": models(),
        "troubleshooting.md": troubleshooting(),
    }
    made = {DOCS / name: _by_hand(DOCS / name) + text for name, text in generated.items()}
    return made | {DOCS / "examples" / "team" / "databricks.yml": team_example()}


def _by_hand(path: Path) -> str:
    head, marker, _ = path.read_text(encoding="utf-8").partition(MARKER)
    return head + (marker or MARKER)


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")

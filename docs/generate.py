"""Write what the documentation takes from the code: ``make docs``.

The configuration reference comes from the traits and ``app.yaml.template``, the list of messages
from the places where errors are raised, the families of models from their table.  Text above the
marker of a page is written by hand.
"""

from __future__ import annotations

import ast
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
from jupyter_dbx_agents.models import FAMILIES, UNKNOWN, Dialect, Family
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
    "HTTP/1.1 is required.": "Update the program that sends the call.",
    "Not synced, or not safe: ….": "jupyter dbx-agents sync says why for each project.",
    "Problems found: … with the server; with the agents: …": "Each line above says what to do.",
    "Problems found: ….": "Each line above says what to do.",
    "The answer is larger than … MiB.": "Add a narrower server, and switch this one off.",
    "The workspace refuses it: …": "The reason is the workspace's own.",
    "The workspace …: …": "Try again; the reason is the workspace's own.",
    "The workspace's MCP server begins no session.": "Check it: jupyter dbx-agents mcp check NAME",
    "The workspace's MCP server loses its sessions.": "Try again in a moment.",
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
# Which part of the package speaks in which section; the first that fits.
_SECTIONS = (
    ("Deploying", ("deployment/",)),
    ("The server does not start, or nobody gets in", ("app.py", "auth/", "environment.py")),
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
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    name = path.relative_to(PACKAGE).as_posix()
    section = next(title for title, starts in _SECTIONS if name.startswith(starts))
    for node in ast.walk(tree):
        texts = _texts_of(node, constants) if isinstance(node, ast.Call) else None
        if texts is not None and re.search(r"[a-z]{3}", texts[0]):
            text, hint = texts
            yield Message(section, text, ADVICE.get(text, "") if hint in ("", "…") else hint)


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
    lines += ["", "In which dialect an agent calls the models of a family:", ""]
    lines += ["| family | " + " | ".join(agent.title for agent in AGENTS) + " |"]
    lines += ["|---" * (len(AGENTS) + 1) + "|"]
    for family in FAMILIES:
        cells = " | ".join(_dialect_of(agent, family) for agent in AGENTS)
        lines.append(f"| {family.title} | {cells} |")
    return "\n".join(lines) + "\n"


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

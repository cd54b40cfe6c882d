"""The page ``/dbx-agents/``: the connection and the status, without JupyterLab.

It is a function of the status: every text is escaped, every part may be missing.  It has forms and
no script, so that nothing is built and its content security policy allows its style sheet only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

STYLE_FILE = Path(__file__).with_name("page.css")
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
Model = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """The error of the last request."""

    message: str
    hint: str


def render_page(
    status: Model, *, path: str, xsrf_field: str, lab_url: str, problem: Problem | None = None
) -> str:
    """Return the page.

    ``path`` is the page's own, ``xsrf_field`` the hidden field that each form needs (as HTML).
    """
    form = _FormMaker(path, xsrf_field)
    pat: Model = status.get("pat") or {}
    sections = (
        _problem(problem),
        _credential(pat, str(status.get("workspace") or ""), form),
        _list("Start-up", [_task(task) for task in _open_tasks(status)]),
        _list("Agents", [_agent(agent) for agent in status.get("agents") or ()]),
        _list("Projects", [_project(project) for project in status.get("projects") or ()]),
        _models(status),
    )
    body = "\n".join(section for section in sections if section)
    return _FRAME.format(path=escape(path), lab=escape(lab_url), body=body)


@dataclass(frozen=True)
class _FormMaker:
    path: str
    xsrf_field: str

    def __call__(self, action: str, content: str) -> str:
        return (
            f'<form method="post" action="{escape(self.path)}" autocomplete="off">'
            f"{self.xsrf_field}"
            f'<input type="hidden" name="action" value="{escape(action)}">{content}</form>'
        )

    def button(self, action: str, label: str, field: str = "") -> str:
        return self(action, f"{field}<button>{escape(label)}</button>")


def _problem(problem: Problem | None) -> str:
    if problem is None:
        return ""
    return f'<p class="bad" role="alert">{escape(f"{problem.message} {problem.hint}".strip())}</p>'


def _credential(pat: Model, workspace: str, form: _FormMaker) -> str:
    if not workspace:
        return _section("Token", "<p>No workspace is configured. Set DATABRICKS_HOST.</p>")
    is_usable = bool(pat.get("expires_at"))
    # While a token is needed, the form is the hint.
    text = f"{pat.get('message', '')} {pat.get('hint', '') if is_usable else ''}".strip()
    parts = [f"<p>{_state(pat.get('state'))} {escape(text)}</p>"]
    if is_usable:
        parts += [_facts(pat), form.button("rotate", "Renew token")]
        parts += [form.button("log-out", "Log out")]
    else:
        page, lifetime = escape(str(pat["token_page"])), _duration(pat["lifetime_seconds"])
        parts.append(form("adopt", _ENTRY.format(page=page, lifetime=lifetime)))
    parts += _pasted(pat.get("pasted") or {}, form)
    return _section("Token", "\n".join(parts))


def _facts(pat: Model) -> str:
    facts = {
        "User": pat.get("user"),
        "Next renewal": _instant(pat.get("next_rotation_at")),
        "Valid until": _instant(pat.get("expires_at")),
        "Renewals": pat.get("rotations"),
    }
    rows = "".join(
        f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items() if value
    )
    return f"<dl>{rows}</dl>"


def _pasted(pasted: Model, form: _FormMaker) -> Iterator[str]:
    if pasted.get("message"):
        yield f"<p>{escape(str(pasted['message']))}</p>"
    if pasted.get("state") != "kept":
        return
    for candidate in pasted.get("candidates") or ():
        label = f"Revoke “{candidate.get('comment')}” of {_instant(candidate.get('created_at'))}"
        value = escape(str(candidate.get("token_id")))
        field = f'<input type="hidden" name="token_id" value="{value}">'
        yield form.button("revoke-pasted", label, field)


def _open_tasks(status: Model) -> list[Model]:
    return [task for task in status.get("startup") or () if task.get("state") != "done"]


def _task(task: Model) -> str:
    progress = task.get("progress")
    title = escape(str(task.get("title")))
    bar = ""
    if task.get("state") == "running" and isinstance(progress, (int, float)):
        bar = f' <progress max="1" value="{progress:.3f}" aria-label="{title}"></progress>'
    return f"{title}: {_state(task.get('state'))}{bar}{_message(task)}"


def _agent(agent: Model) -> str:
    state = "off" if agent.get("enabled") is False else "ready"
    if state == "ready" and agent.get("installed") is False:
        state = "not installed"
    model = escape(str(agent.get("model") or ""))
    command = escape(str(agent.get("command") or ""))
    title = escape(str(agent.get("title")))
    return f"{title} (<code>{command}</code>, {model}): {_state(state)}{_message(agent)}"


def _project(project: Model) -> str:
    return f"{escape(str(project.get('name')))}: {_state(project.get('state'))}{_message(project)}"


def _models(status: Model) -> str:
    gateway, sessions = status.get("gateway") or {}, status.get("sessions") or {}
    kind = str(gateway.get("kind"))
    lines = [f"{escape(_GATEWAYS.get(kind, kind))}: {escape(str(gateway.get('reason')))}"]
    lines += [f"Open {escape(str(what))}: {escape(str(n))}" for what, n in sessions.items()]
    lines += _memory(status.get("memory") or {})
    return _list("Model calls and sessions", lines)


def _memory(memory: Model) -> Iterator[str]:
    used, limit = memory.get("used_bytes"), memory.get("limit_bytes")
    if isinstance(used, int):
        of = f" of {limit / 1e9:.1f}" if isinstance(limit, int) else ""
        yield f"Memory in use: {used / 1e9:.1f}{of} GB"


def _message(model: Model) -> str:
    text = f"{model.get('message') or ''} {model.get('hint') or ''}".strip()
    return f"<br><small>{escape(text)}</small>" if text else ""


def _state(state: object) -> str:
    word = escape(str(state or "unknown"))
    return f'<strong class="state" data-state="{word}">{word}</strong>'


def _instant(instant: object) -> str:
    """Return a short form of an instant, in UTC: without a script, the reader's zone is unknown."""
    return f"{str(instant)[:19].replace('T', ' ')} UTC" if instant else ""


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} minutes" if minutes > 1 and not rest else f"{seconds} seconds"


def _list(title: str, items: list[str]) -> str:
    lines = "".join(f"<li>{item}</li>" for item in items)
    return _section(title, f"<ul>{lines}</ul>") if items else ""


def _section(title: str, content: str) -> str:
    name = f"part-{title.lower().replace(' ', '-')}"
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'


_GATEWAYS = {
    "gateway-host": "Via the AI Gateway",
    "workspace-gateway": "Via the workspace's AI Gateway",
    "serving-endpoints": "Via serving endpoints, without an AI Gateway",
}

_ENTRY = """
<ol>
<li><a href="{page}" target="_blank" rel="noopener noreferrer">Create a token in your workspace</a>
(a lifetime of 1 day is enough)</li>
<li><label for="token">Paste it here</label>
<input id="token" name="token" type="password" required autofocus autocomplete="off"
 spellcheck="false"></li>
</ol>
<p><small>It is swapped at once for a token that is valid for {lifetime} and renews itself, and then
revoked.</small></p>
<button>Connect</button>
"""

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Databricks agents</title>
<link rel="stylesheet" href="{path}page.css">
</head>
<body>
<main>
<h1>Databricks agents</h1>
<nav aria-label="Pages"><a href="{path}">Refresh</a> <a href="{lab}">Open JupyterLab</a></nav>
{body}
</main>
</body>
</html>
"""

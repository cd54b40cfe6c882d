"""The page ``/dbx-agents/``: the connection, the sessions and the status, without JupyterLab.

It is a function of the status; every text is escaped.  It has forms and
no script, so that nothing is built and its content security policy allows its style sheet only.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from ..agents.attention.states import DOING
from .phone.page import Start, age, session_rows

STYLE_FILE = Path(__file__).with_name("page.css")
TEMPLATE_FILE = Path(__file__).with_name("page.html")
_GATEWAYS = {
    "gateway-host": "Via the AI Gateway",
    "workspace-gateway": "Via the workspace's AI Gateway",
    "serving-endpoints": "Via serving endpoints, without an AI Gateway",
}


@dataclass(frozen=True)
class Problem:
    """The error of the last request."""

    message: str
    hint: str


def render_page(
    status: Mapping[str, Any],
    *,
    path: str,
    xsrf_field: str,
    lab_url: str,
    start: Start,
    attempt: Mapping[str, Any] | None = None,
    problem: Problem | None = None,
) -> str:
    """Return the page.

    ``path`` is the page's own, ``xsrf_field`` the hidden field that each form needs (as HTML),
    ``start`` is for the form that starts an agent, and ``attempt`` the sign-in under way.
    """
    return _template().render(
        status=status,
        path=path,
        xsrf_field=xsrf_field,
        lab_url=lab_url,
        attempt=attempt,
        problem=problem,
        gateways=_GATEWAYS,
        sessions=session_rows(status, start.identities),
        start=start,
        doing=DOING,
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(instant=_instant, duration=_duration, age=age)
    return environment.from_string(TEMPLATE_FILE.read_text(encoding="utf-8"))


def _instant(instant: object) -> str:
    """Return a short form of an instant, in UTC: without a script, the reader's zone is unknown."""
    return f"{str(instant)[:19].replace('T', ' ')} UTC" if instant else ""


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} minutes" if minutes > 1 and not rest else f"{seconds} seconds"

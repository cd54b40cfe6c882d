"""The page of one session, and the rows of the list; functions of the status, all text escaped."""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import jinja2

from ...agents.attention.states import DOING, NEWS, State
from .names import SessionNames

TEMPLATE_FILE = Path(__file__).with_name("session.html")
SCRIPT_FILE = Path(__file__).with_name("session.js")
# The rules and blanks that agents draw are as wide as a window; a phone has room for so many.
MOST_RULE = 12
MOST_SCREEN_CHARACTERS = 12_000
_RULE = re.compile(r"([\u2500-\u259f=_-])\1{" + str(MOST_RULE) + r",}")
_BLANKS = re.compile(r"(?<=\S) {8,}(?=\S)")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Start:
    """What the form that starts an agent needs, and the open terminals' identities by name.

    ``prompted`` are the agents that take a first prompt; ``given`` is what its fields had when it
    was sent and refused.
    """

    key: str
    prompted: frozenset[str]
    given: Mapping[str, str]
    identities: Mapping[str, str]


class Row(TypedDict):
    """A session in the list; ``id`` is '' for an agent without a terminal."""

    id: str
    title: str
    place: str
    state: str
    since: str
    text: str


class ScreenModel(TypedDict):
    """What the page's script is sent: the state and the screen's text, or why there is none."""

    title: str
    state: str
    doing: str
    age: str
    what: str
    revision: int
    is_news: bool
    asks: bool
    screen: str
    problem: str


def session_rows(status: Mapping[str, Any], identities: Mapping[str, str]) -> list[Row]:
    """Return all sessions: those whose state is known in their order, then other terminals."""
    names = SessionNames(status)
    known = [_known_row(session, names) for session in status.get("attention", ())]
    ids = {row["id"] for row in known}
    return known + [
        _other_row(terminal, identities.get(terminal["name"], ""), names)
        for terminal in status.get("terminals", ())
        if identities.get(terminal["name"]) not in ids
    ]


def _known_row(session: Mapping[str, Any], names: SessionNames) -> Row:
    terminal = session["terminal"]
    return {
        "id": session["id"] if terminal else "",
        "title": names.of_session(session),
        "place": _place(terminal, session["folder"]) if terminal else "in the background",
        "state": session["state"],
        "since": session["since"],
        "text": session["text"],
    }


def _other_row(terminal: Mapping[str, Any], id: str, names: SessionNames) -> Row:
    return {
        "id": id,
        "title": names.of_terminal(terminal["name"]),
        "place": _place(terminal["name"], terminal["folder"]),
        "state": "",
        "since": "",
        "text": "",
    }


def _place(terminal: str, folder: str) -> str:
    """Return where a session is: its name may have neither terminal nor folder."""
    project = PurePosixPath(folder).name
    return f"terminal {terminal} in {project}" if project else f"terminal {terminal}"


def screen_model(
    session: Mapping[str, Any] | None,
    title: str,
    lines: Sequence[str],
    problem: str = "",
    *,
    is_answered: bool = False,
) -> ScreenModel:
    """Return what is shown of a session, of whose program nothing may be known.

    ``is_answered`` if somebody has typed since it asked.
    """
    state = State(session["state"]) if session else None
    return {
        "title": title,
        "state": state or "",
        "doing": DOING[state] if state else "",
        "age": age(session["since"]) if session else "",
        "what": session["text"] if session else "",
        "revision": session["revision"] if session else 0,
        "is_news": state in NEWS,
        "asks": state == State.PERMISSION and not is_answered,
        "screen": for_phone(lines),
        "problem": problem,
    }


def for_phone(lines: Iterable[str]) -> str:
    """Return a screen's text with rules and gaps no wider than a phone, its end if it is long."""
    short = (_BLANKS.sub("    ", _RULE.sub(_shorter, line.rstrip())) for line in lines)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(short)).strip("\n")
    return text[-MOST_SCREEN_CHARACTERS:]


def _shorter(rule: re.Match[str]) -> str:
    return rule[1] * MOST_RULE


def age(since: str) -> str:
    """Return how long ago an instant was, in its largest unit."""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()))
    if seconds < _MINUTE:
        return "less than 1 min"  # which is the same in the next answer, so that none is sent
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    return f"{seconds // _HOUR} h" if seconds < _DAY else f"{seconds // _DAY} d"


def render_session(
    model: ScreenModel,
    *,
    home: str,
    path: str,
    xsrf_field: str,
    key: str,
    keys: Mapping[str, tuple[str, str]],
    fate: str = "",
    problem: str = "",
) -> str:
    """Return the page.

    ``home`` is the path of the list, ``path`` that of the page itself, ``key`` what makes its next
    action once only, ``fate`` what the last one did and ``problem`` why it did not.
    """
    return _template().render(
        model=model,
        home=home,
        path=path,
        xsrf_field=xsrf_field,
        key=key,
        keys=keys,
        fate=fate,
        problem=problem,
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE_FILE.read_text(encoding="utf-8"))

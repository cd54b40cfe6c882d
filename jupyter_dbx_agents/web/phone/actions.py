"""What the owner does to a session from the page: keys, text, answers, and starting an agent."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from ...agents.attention.session import SessionState
from ...agents.attention.states import State
from ...errors import RequestError
from ...terminals.screen.renderer import ScreenError
from ...terminals.terminal import Terminal
from ..operations import Services
from ..starting import clean_text, start_agent

# Agents take what arrives at once for a paste, and an Enter in it for a part of the text.
ENTER_SECONDS = 0.2
ENTER, ESCAPE = "\r", "\x1b"
KEYS: Mapping[str, tuple[str, str]] = {
    "enter": ("Enter", ENTER),
    "escape": ("Esc", ESCAPE),
    "interrupt": ("^C", "\x03"),
    "up": ("↑", "\x1b[A"),
    "down": ("↓", "\x1b[B"),
    "left": ("←", "\x1b[D"),
    "right": ("→", "\x1b[C"),
    "tab": ("Tab", "\t"),
    "back-tab": ("⇧Tab", "\x1b[Z"),
    "backspace": ("⌫", "\x7f"),
    **{str(number): (str(number), str(number)) for number in range(1, 6)},
}
_NEVER_ALLOW = frozenset({"escape", "interrupt"})
_ASKING = frozenset({State.PERMISSION, State.QUESTION})
PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
_REPORT_LOOKS = re.compile(r"\x1b\[[0-9;]*m|[\r\n]")


async def act(services: Services, id: str, action: str, fields: Mapping[str, str]) -> str:
    """Do what a form of a session's page asks for; return what was done, as a sentence.

    Raises RequestError.
    """
    terminal, revision = services.sessions.terminal(id), fields.get("revision", "")
    if action in KEYS:
        name, keys = KEYS[action]
        if action not in _NEVER_ALLOW:
            _check_seen(services, id, revision, "Nothing")
        _type(terminal, keys)
        return f"Pressed {name}."
    if action in {"send", "type"}:
        _check_seen(services, id, revision, "Nothing")
        text = await _type_text(terminal, fields.get("text", ""))
        if action == "type":
            return f"Typed {text}."
        await asyncio.sleep(ENTER_SECONDS)
        _check_seen(services, id, revision, "Enter was not pressed; the text")
        _type(terminal, ENTER)
        return f"Sent {text} and Enter."
    if action in {"allow", "deny"}:
        return _answer(services, terminal, action, revision, fields.get("what", ""))
    if action == "seen":
        services.attention.see(id, int(revision) if revision.isdecimal() else 0)
        return "Marked as seen."
    raise RequestError("This page has no such form.", "Reload the page.")


async def start(services: Services, agent: str, folder: str, prompt: str) -> str:
    """Start an agent in a new terminal, '' being the folder of all projects; return its identity.

    Raises RequestError.
    """
    place = await _folder(services, folder)
    terminal = await start_agent(services.agents, services.sessions, agent, place, prompt)
    return terminal.identity


async def _folder(services: Services, name: str) -> Path | None:
    """Return a project's folder; None for that of all projects, in which terminals start."""
    if not name:
        return None
    folders = {project["name"]: Path(project["folder"]) for project in services.git_sync.status()}
    place = folders.get(name)
    if place is None or not await asyncio.to_thread(place.is_dir):
        raise RequestError(f"There is no project “{name}”.", "Reload the page.", status=404)
    return place


def given_text(arguments: Mapping[str, list[bytes]], name: str) -> str:
    """Return a form's field as it was sent; tornado would make blanks of control characters.

    Raises RequestError if it is not text.
    """
    try:
        return arguments.get(name, [b""])[-1].decode()
    except UnicodeDecodeError:
        raise RequestError("The text is not UTF-8.", "Type it again.") from None


async def _type_text(terminal: Terminal, text: str) -> str:
    """Type text, as a paste if it has several lines; return how long it is."""
    text = clean_text(text)
    if not text:
        raise RequestError("There is no text.", "Type some, or use the button Enter.")
    if "\n" in text and await _marks_pastes(terminal):
        _type(terminal, f"{PASTE_BEGINS}{text}{PASTE_ENDS}")
    else:
        _type(terminal, text.replace("\n", ENTER))
    return f"{len(text):,} characters"


async def _marks_pastes(terminal: Terminal) -> bool:
    try:
        return (await terminal.screen_text()).marks_pastes
    except ScreenError:
        return False


def _check_seen(services: Services, id: str, revision: str, what: str) -> None:
    """Raise RequestError if a program asks for what the page has not shown: a key might allow it.

    ``what`` was typed by now.
    """
    session = session_of(services, id)
    if session and session["state"] in _ASKING and str(session["revision"]) != revision:
        raise RequestError(
            f"It asks for something else by now. {what} was typed.", "Refresh the page.", status=409
        )


def _answer(services: Services, terminal: Terminal, action: str, revision: str, what: str) -> str:
    """Allow or deny what the owner has seen; never what is asked by now instead of it.

    An agent may change the words of one request while it asks, so those are compared, too.  Once
    somebody has typed there it may be answered, and the agent not yet have said so: a second tap,
    or another phone, would answer the next request.  Or the menu is at another line by now.
    """
    session = session_of(services, terminal.identity)
    if session is None or session["state"] != State.PERMISSION:
        raise RequestError(
            "Nothing asks for permission any more. Nothing was typed.",
            "Refresh the page.",
            status=409,
        )
    if (str(session["revision"]), session["text"]) != (revision, what):
        raise RequestError(
            "It asks for something else by now. Nothing was typed.", "Refresh the page.", status=409
        )
    if services.attention.is_answered(terminal.identity):
        raise RequestError(
            "Somebody has already typed an answer there. Nothing was typed.",
            "Look at the screen. If it still asks, answer with the keys.",
            status=409,
        )
    _type(terminal, ENTER if action == "allow" else _denies(services, session["agent"]))
    services.attention.see(session["id"], session["revision"])
    return "Allowed." if action == "allow" else "Denied."


def _denies(services: Services, agent: str) -> str:
    return services.agents.agent(agent).denies if agent else ESCAPE


def session_of(services: Services, id: str) -> SessionState | None:
    """Return what is known of the program in a terminal; None if nothing is."""
    return next((each for each in services.attention.status() if each["id"] == id), None)


def _type(terminal: Terminal, keys: str) -> None:
    """Type, all or nothing.  Raises RequestError if the program has ended or does not read."""
    if terminal.ptyproc.closed:
        raise RequestError("This terminal has ended.", "Go back to the list.", status=404)
    if report := terminal.type(keys):
        raise RequestError(_REPORT_LOOKS.sub("", report).strip(), "Try ^C.", status=409)

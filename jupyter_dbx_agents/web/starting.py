"""Starting an agent in a new terminal, for the launcher and for the page on a phone."""

import asyncio
import unicodedata
from pathlib import Path

from ..agents import AgentRoster
from ..errors import RequestError
from ..lifecycle.sessions import OpenSessions
from ..terminals.terminal import Terminal

MOST_TEXT_CHARACTERS = 4000


async def start_agent(
    agents: AgentRoster, sessions: OpenSessions, name: str, folder: Path | None, prompt: str
) -> Terminal:
    """Start an agent, without a folder in that of all projects, and with a first prompt unless ''.

    Raises RequestError.
    """
    agent, status = agents.agent(name), agents.model(name)
    if not status["enabled"] or not status["installed"]:
        raise RequestError(
            f"{agent.title} is not installed, or is off.",
            f"Install it: {agent.install_command}",
            status=409,
        )
    text = clean_text(prompt).strip()
    if text and not agent.first_prompt:
        raise RequestError(
            f"{agent.title} cannot be started with a prompt.",
            "Start it without one, and type it there.",
        )
    if folder is not None and not await asyncio.to_thread(_is_folder, folder):
        raise RequestError(f"There is no folder {folder}.", "Choose another one.", status=404)
    words = [word.replace("{}", text) for word in agent.first_prompt] if text else []
    return sessions.start([agent.command, *words], folder)


def clean_text(text: str) -> str:
    """Return text with line feeds only at its lines' ends, and blanks for tabs.

    An agent's screen and a shell would take a tab for a key.
    Raises RequestError for one that is too long, or that has keys in it.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    if len(text) > MOST_TEXT_CHARACTERS:
        raise RequestError(
            f"The text has {len(text):,} characters; at most {MOST_TEXT_CHARACTERS:,} are taken.",
            "Put it into a file, and send the file's name.",
            status=413,
        )
    if any(unicodedata.category(each) in {"Cc", "Cs"} for each in text.replace("\n", "")):
        raise RequestError(
            "The text has control characters.", "Type it, or use the buttons for keys."
        )
    return text


def _is_folder(path: Path) -> bool:
    try:
        return path.is_absolute() and path.is_dir()
    except (OSError, ValueError):  # no permission; a null byte
        return False

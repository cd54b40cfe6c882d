"""The names of sessions, the same as in JupyterLab (``status/names.ts`` of the front end).

Both are tested with the same cases.  They are made here again and not sent by the page, which may
not be open; titles that programs other than agents set are known to that page only.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_SHELLS = frozenset({"bash", "sh", "zsh", "fish", "dash"})
# The foreground program of a terminal whose prompt asks for a token.
_LOGIN = "login"
_Models = Mapping[str, Mapping[str, Any]]


class SessionNames:
    """The names of all sessions in a status, of which it needs agents, attention and terminals."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        agents = status.get("agents", ())
        self._titles = {each["name"]: each["title"] for each in agents}
        self._commands = {each["command"]: each["name"] for each in agents}
        known = [each for each in status.get("attention", ()) if each["terminal"]]
        self._known: _Models = {each["terminal"]: each for each in reversed(known)}
        self._terminals: _Models = {each["name"]: each for each in status.get("terminals", ())}
        self._names = self._all()

    def of_terminal(self, name: str) -> str:
        """Return the name of a terminal: the owner's title, else of its agent or program."""
        return self._names.get(name, f"Terminal {name}")

    def of_session(self, session: Mapping[str, Any]) -> str:
        """Return the name of a session: its terminal's, or that of an agent in the background."""
        if session["terminal"]:
            return self.of_terminal(session["terminal"])
        agent = session.get("agent", "")
        who = self._titles.get(agent, agent) or session.get("program", "")
        return _with_project(who, session.get("folder", ""))

    def _all(self) -> dict[str, str]:
        """Return the names by terminal; of equal ones all but the first say what differs."""
        names, folders = dict[str, str](), dict[str, str]()
        for terminal, model in self._terminals.items():
            folder, name = self._folder(terminal), model.get("title", "")
            if not name:
                name, parts = self._automatic(terminal), 1
                if folders.get(name, folder) != folder:
                    parts = 2
                    name = self._automatic(terminal, parts)
                if name in folders:
                    name = self._automatic(terminal, parts, f" ({terminal})")
            folders[name], names[terminal] = folder, name
        return names

    def _automatic(self, terminal: str, parts: int = 1, mark: str = "") -> str:
        """Return the name of a terminal that does not know of the others."""
        if agent := self._agent(terminal):
            title = self._titles.get(agent, agent)
            return _with_project(title, self._folder(terminal), parts, mark)
        return self._plain(terminal) + mark

    def _agent(self, terminal: str) -> str:
        """Return the agent in a terminal, which may not have reported yet; '' for none."""
        reported: str = self._known.get(terminal, {}).get("agent", "")
        return reported or self._commands.get(self._program(terminal), "")

    def _plain(self, terminal: str) -> str:
        program = self._program(terminal)
        if program == _LOGIN:
            return "Sign in"
        is_named = program and program not in _SHELLS
        return f"{program} ({terminal})" if is_named else f"Terminal {terminal}"

    def _program(self, terminal: str) -> str:
        return str(self._terminals[terminal].get("foreground", ""))

    def _folder(self, terminal: str) -> str:
        reported: str = self._known.get(terminal, {}).get("folder", "")
        return reported or str(self._terminals[terminal].get("folder", ""))


def _with_project(who: str, folder: str, parts: int = 1, mark: str = "") -> str:
    """Return project and agent, with so many of the folder's last parts."""
    project = "/".join(PurePosixPath(folder.lstrip("/")).parts[-parts:])
    return f"{project}{mark} · {who}" if project else who + mark

"""The terminal manager in force: where terminals start, with what environment, and how they end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jupyter_server.serverapp import ServerApp
from jupyter_server_terminals.terminalmanager import TerminalManager
from terminado.management import PtyWithClients
from tornado import web

from .sessions import end_session

HOST_SETTING = "dbx_agents_terminal_host"
# Names travel in the websocket's URL, whose pattern is ``\w+``; others could never be attached to.
_NAME = re.compile(r"\w{1,64}")


@dataclass(frozen=True)
class TerminalHost:
    """What the terminals ask of the application around them.

    ``environment`` turns the server's environment into a child's; ``login_command`` is what to run
    before the shell (empty when a PAT is at hand); ``opened`` is told of each new terminal.
    """

    environment: Callable[[Mapping[str, str]], dict[str, str]]
    login_command: Callable[[], Sequence[str]]
    opened: Callable[[], None]
    folder: Path


class DbxTerminalManager(TerminalManager):
    """Terminals that start in the projects' folder, ask for a PAT when needed, and end whole."""

    @property
    def host(self) -> TerminalHost:
        """The application's side; it is set before the server listens."""
        server = cast(ServerApp, self.parent)
        return cast(TerminalHost, server.web_app.settings[HOST_SETTING])

    def make_term_env(self, *args: Any, **kwargs: Any) -> dict[str, str]:
        """Return terminado's environment, cleaned of credentials."""
        return self.host.environment(super().make_term_env(*args, **kwargs))

    def new_terminal(self, **kwargs: Any) -> PtyWithClients:
        """Start a terminal in the projects' folder, behind the PAT prompt when one is needed.

        Raises HTTPError 400 for a command or name that cannot be.
        """
        command = _command(kwargs.get("shell_command") or self.shell_command)
        kwargs["shell_command"] = [*self.host.login_command(), *command]
        if not kwargs.get("cwd"):
            self.host.folder.mkdir(parents=True, exist_ok=True)
            kwargs["cwd"] = str(self.host.folder)
        terminal = super().new_terminal(**kwargs)
        self.host.opened()
        return terminal

    def new_named_terminal(self, **kwargs: Any) -> tuple[str, PtyWithClients]:
        """Start a terminal under a name of its own.  Raises HTTPError 400 or 409."""
        name = kwargs.get("name")
        if name is not None and (not isinstance(name, str) or not _NAME.fullmatch(name)):
            raise web.HTTPError(400, "A terminal's name is 1 to 64 letters, digits or “_”.")
        if name in self.terminals:
            raise web.HTTPError(409, f"There is a terminal named {name} already.")
        started: tuple[str, PtyWithClients] = super().new_named_terminal(**kwargs)
        return started

    async def terminate(self, name: str, force: bool = False) -> None:
        """End a terminal with every process of its session."""
        self._check_terminal(name)
        await end_session(self.terminals[name].ptyproc.pid)
        if name in self.terminals:  # its end of file may have been seen meanwhile
            await super().terminate(name, force=force)

    async def terminate_all(self) -> None:
        """End all terminals, at the same time."""
        await asyncio.gather(
            *(self.terminate(name, force=True) for name in list(self.terminals)),
            return_exceptions=True,
        )


def _command(command: Any) -> list[str]:
    """Return a command's words.  Raises HTTPError 400 if they are none."""
    words = [command] if isinstance(command, str) else command
    is_list_of_words = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not is_list_of_words or not words or not words[0] or any("\0" in word for word in words):
        raise web.HTTPError(400, "shell_command must be a non-empty list of strings.")
    return list(words)

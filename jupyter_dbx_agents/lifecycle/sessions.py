"""The server's open terminals and kernels: how many there are, and how they end."""

import asyncio
import shlex
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TypedDict, cast

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from tornado.web import HTTPError

from ..errors import RequestError
from ..terminals.answers.theme import Theme
from ..terminals.manager import DbxTerminalManager
from ..terminals.memory import MemoryUse, memory_use
from ..terminals.terminal import Terminal


class SessionCounts(TypedDict):
    """How many sessions are open."""

    terminals: int
    kernels: int


class TerminalStatus(TypedDict):
    """A terminal's REST model: Jupyter's, with who uses it for what."""

    name: str
    last_activity: str
    foreground: str
    folder: str
    title: str
    clients: int


class SessionsStatus(TypedDict):
    """The server status' parts about sessions, terminals and memory."""

    sessions: SessionCounts
    terminals: list[TerminalStatus]
    memory: MemoryUse


class OpenSessions:
    """The terminals and kernels, which count as use of the app whether or not a page shows them."""

    def __init__(self, server: ServerApp) -> None:
        self._server = server

    def exist(self) -> bool:
        """Whether any terminal or kernel is open."""
        return any(self._counts().values())

    def status(self) -> SessionsStatus:
        """Return the parts of the REST model about sessions, terminals and memory."""
        return {
            "sessions": self._counts(),
            "terminals": self.terminals(),
            "memory": memory_use(),
        }

    def terminals(self) -> list[TerminalStatus]:
        """Return the REST models of the open terminals."""
        manager = self.manager()
        if manager is None:
            return []
        models = [manager.get_terminal_model(name) for name in manager.terminals]
        return cast(list[TerminalStatus], models)

    def rename(self, terminal: str, title: str) -> None:
        """Give a terminal a title of the owner's, '' for none.

        Raises RequestError for an unknown terminal.
        """
        self._managing(terminal).rename(terminal, title)

    def use_theme(self, theme: Theme) -> None:
        """Report these colours to programs in terminals."""
        terminals = self.manager()
        if terminals is not None:
            terminals.theme.change(theme)

    async def find_files(self, terminal: str, paths: Iterable[str]) -> dict[str, str]:
        """Return those paths that are files where a terminal's program works, with absolute ones.

        Raises RequestError for an unknown terminal.
        """
        manager = self._managing(terminal)
        return await asyncio.to_thread(manager.find_files, terminal, list(paths))

    def _managing(self, terminal: str) -> DbxTerminalManager:
        """Return the manager of an open terminal.  Raises RequestError for an unknown one."""
        manager = self.manager()
        if manager is None or terminal not in manager.terminals:
            raise RequestError(f"There is no terminal {terminal}.", "It has ended.", status=404)
        return manager

    def by_identity(self) -> Mapping[str, Terminal]:
        """Return the open terminals by what, unlike a name, no later terminal has."""
        manager = self.manager()
        terminals = manager.terminals.values() if manager else ()
        return {each.identity: each for each in terminals if isinstance(each, Terminal)}

    def terminal(self, identity: str) -> Terminal:
        """Return an open terminal.  Raises RequestError for one that has ended."""
        found = self.by_identity().get(identity)
        if found is None:
            raise RequestError(
                "This terminal has ended.", "Go back to the list of sessions.", status=404
            )
        return found

    def start(self, words: Sequence[str], folder: Path | None) -> Terminal:
        """Start a command in a new terminal, whose shell stays when the command ends.

        Without a folder it starts where terminals do.  Raises RequestError if there is no room for
        another terminal, or if it cannot be started there.
        """
        manager = self.manager()
        if manager is None:
            raise RequestError("Terminals are switched off.", "See the server's log.", status=503)
        try:
            _name, terminal = manager.new_named_terminal(
                shell_command=shell_that_starts(words), cwd=str(folder) if folder else None
            )
        except HTTPError as error:
            is_full = error.status_code == HTTPStatus.TOO_MANY_REQUESTS
            hint = "Try again then." if is_full else "Choose another folder."
            message = str(error.log_message)
            raise RequestError(message, hint, status=error.status_code) from error
        return cast(Terminal, terminal)

    async def end_terminals(self) -> None:
        """End every terminal and the programs in it."""
        terminals = self.manager()
        if terminals is not None:
            await terminals.terminate_all()

    async def end_kernels(self) -> None:
        """End every kernel."""
        await ensure_async(self._server.kernel_manager.shutdown_all())

    def _counts(self) -> SessionCounts:
        terminals = self.manager()
        return {
            "terminals": len(terminals.terminals) if terminals else 0,
            "kernels": len(self._server.kernel_manager.list_kernel_ids()),
        }

    def manager(self) -> DbxTerminalManager | None:
        """Return the terminals' manager, which Jupyter creates after we have built our parts."""
        manager = self._server.web_app.settings.get("terminal_manager")
        return manager if isinstance(manager, DbxTerminalManager) else None


def shell_that_starts(words: Sequence[str]) -> list[str]:
    """Return the command line of an interactive shell that begins with a command.

    The command runs at the first prompt, so that it is a job like any other, and the shell remains
    when it ends.  It is not typed, since a prompt for a token may come first.
    """
    lines = (
        "[ -f ~/.bashrc ] && . ~/.bashrc",
        "_begun=$PROMPT_COMMAND",
        # Quoted twice and not once more: Linux takes no argument of more than 128 KB.
        f"_command={shlex.quote(shlex.join(words))}",
        'PROMPT_COMMAND=\'PROMPT_COMMAND=$_begun; history -s "$_command"; '
        'eval "unset _begun _command; $_command"\'',
    )
    script = """exec bash --rcfile <(printf '%s\\n' "$@") -i"""
    return ["bash", "-c", script, "bash", *lines]

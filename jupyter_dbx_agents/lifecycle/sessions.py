"""The server's open terminals and kernels: how many there are, and how they end."""

from dataclasses import asdict
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from ..terminals.manager import DbxTerminalManager
from ..terminals.memory import memory_use


class OpenSessions:
    """What counts as use of the app, connected to or not."""

    def __init__(self, server: ServerApp) -> None:
        self._server = server

    def are_there(self) -> bool:
        """Whether a session is active: any terminal or kernel counts."""
        return any(self._counts().values())

    def status(self) -> dict[str, Any]:
        """Return the server status' parts about sessions, terminals and memory."""
        return {
            "sessions": self._counts(),
            "terminals": self.terminals(),
            "memory": asdict(memory_use()),
        }

    def terminals(self) -> list[dict[str, Any]]:
        """Return the models of the open terminals."""
        manager = self._terminals()
        return [manager.get_terminal_model(name) for name in manager.terminals] if manager else []

    def announce(self, message: str) -> None:
        """Show a line in every terminal."""
        terminals = self._terminals()
        if terminals is not None:
            terminals.announce(message)

    async def end_terminals(self) -> None:
        """End every terminal and what runs in it."""
        terminals = self._terminals()
        if terminals is not None:
            await terminals.terminate_all()

    async def end_kernels(self) -> None:
        """End every kernel."""
        await ensure_async(self._server.kernel_manager.shutdown_all())

    def _counts(self) -> dict[str, int]:
        terminals = self._terminals()
        return {
            "terminals": len(terminals.terminals) if terminals else 0,
            "kernels": len(self._server.kernel_manager.list_kernel_ids()),
        }

    def _terminals(self) -> DbxTerminalManager | None:
        """Return the manager; Jupyter makes it after we have built our parts."""
        manager = self._server.web_app.settings.get("terminal_manager")
        return manager if isinstance(manager, DbxTerminalManager) else None

"""A Jupyter server with nothing but our terminals: what the tests of this folder talk to.

Run: ``python -m tests.terminals.terminal_server --port N [--DbxTerminalManager.…]``.
"""

from __future__ import annotations

import sys

from jupyter_server.serverapp import ServerApp
from jupyter_server_terminals import handlers
from jupyter_server_terminals.app import TerminalsExtensionApp
from traitlets.config import Config

from jupyter_dbx_agents.terminals.manager import DbxTerminalManager
from jupyter_dbx_agents.terminals.terminal_socket import DbxTermSocket


def main(arguments: list[str]) -> None:
    """Serve until the end of the process."""
    handlers.TermSocket = DbxTermSocket  # type: ignore[misc]
    config = Config()
    config.ServerApp.jpserver_extensions = {"jupyter_server_terminals": True}
    config.ServerApp.terminado_settings = {"shell_command": ["bash", "--norc", "--noprofile"]}
    config.IdentityProvider.token = "terminals"
    config.ServerApp.open_browser = False
    config.TerminalsExtensionApp.terminal_manager_class = DbxTerminalManager
    TerminalsExtensionApp.classes = [DbxTerminalManager]
    ServerApp.launch_instance(arguments, config=config)


if __name__ == "__main__":
    main(sys.argv[1:])

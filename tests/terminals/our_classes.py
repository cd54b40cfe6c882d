"""A pytest plugin: puts our classes where the upstream suites look for upstream's."""

# mypy: disable-error-code="attr-defined, misc"

import jupyter_server_terminals.handlers
import pytest
import terminado
from jupyter_server_terminals.app import TerminalsExtensionApp
from terminado import NamedTermManager, SingleTermManager, UniqueTermManager

from jupyter_dbx_agents.terminals.manager import DbxTerminalManager, ResilientManager
from jupyter_dbx_agents.terminals.metrics import terminal_metrics
from jupyter_dbx_agents.terminals.terminal_socket import DbxTermSocket, ResilientSocket


class Named(ResilientManager, NamedTermManager):
    """terminado's, with our terminals."""


class Single(ResilientManager, SingleTermManager):
    """terminado's, with our terminals."""


class Unique(ResilientManager, UniqueTermManager):
    """terminado's, with our terminals."""


terminado.NamedTermManager = Named
terminado.SingleTermManager = Single
terminado.UniqueTermManager = Unique
terminado.TermSocket = ResilientSocket
jupyter_server_terminals.handlers.TermSocket = DbxTermSocket
TerminalsExtensionApp.terminal_manager_class.default_value = DbxTerminalManager


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say whether it was our classes that were tested: no others count what is typed."""
    (metric,) = terminal_metrics().input_bytes.collect()
    terminalreporter.write_line(f"{metric.samples[0].value:.0f} bytes typed into our terminals")

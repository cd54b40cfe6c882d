"""What makes any of terminado's managers one of ``Terminal``s."""

from __future__ import annotations

from typing import Any

from terminado.management import PtyWithClients, TermManagerBase

from .flow import FlowLimits
from .keys import Keys
from .screen.renderer import ScreenRenderer
from .terminal import Terminal


class ResilientManager(TermManagerBase):
    """A mixin: put it before one of terminado's managers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keys = Keys()
        self._renderer = ScreenRenderer()

    def flow_limits(self) -> FlowLimits:
        """Return the limits for a terminal that starts now."""
        return FlowLimits()

    def new_terminal(self, **kwargs: Any) -> Terminal:
        """Start a terminal, as terminado does."""
        options = {**self.term_settings, "shell_command": self.shell_command, **kwargs}
        environment = self.make_term_env(**options)
        return Terminal(
            options["shell_command"],
            environment,
            options.get("cwd"),
            self.flow_limits(),
            keys=self._keys,
            renderer=self._renderer,
        )

    def start_reading(self, ptywclients: PtyWithClients) -> None:
        """Connect a terminal to the event loop."""
        assert isinstance(ptywclients, Terminal)  # noqa: S101  # new_terminal() makes no other
        self.ptys_by_fd[ptywclients.ptyproc.fd] = ptywclients
        ptywclients.start(self.on_eof, self.pre_pty_read_hook)

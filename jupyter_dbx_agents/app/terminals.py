"""What terminals get from the other parts, and report to them."""

from collections.abc import Mapping, Sequence

from ..background import Coalesced
from ..environment import child_environment
from ..local_channel.command import isolated_call
from ..terminals.manager import TerminalHost
from .parts import Parts


def terminal_host(parts: Parts) -> TerminalHost:
    """Return what Jupyter's terminals are given."""
    links = _Links(parts)
    return TerminalHost(
        environment=links.environment,
        login_command=links.login_command,
        opened=links.opened,
        programs_changed=links.programs_changed,
        folder=parts.projects,
        signalled=parts.signals.signalled,
        ended=parts.signals.ended,
    )


class _Links:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._search_projects = Coalesced(parts.git_sync.install_hooks)

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        parts = self._parts
        if not parts.may_write_home:
            return dict(base)
        extra = {**parts.agents.environment(), **parts.continuity.terminal_environment(base)}
        return child_environment(base, parts.environment.home, extra)

    def login_command(self) -> Sequence[str]:
        """Return the command that asks the owner to connect before the shell; none if they have."""
        pats = self._parts.pats
        is_connected = pats.current() is not None or pats.is_signed_in
        if is_connected or not self._parts.environment.host:
            return ()
        return (*isolated_call("cli.login"), "--")

    def opened(self) -> None:
        self._parts.pats.session_opened()
        if self._parts.may_write_home:
            self._parts.background.spawn(self._search_projects())

    def programs_changed(self) -> None:
        self._parts.attention.follow()
        self._parts.emit("terminals", self._parts.sessions.terminals())

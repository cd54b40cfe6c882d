"""The terminal manager: where terminals start, with what environment, and how many."""

import asyncio
import re
import termios
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jupyter_server._tz import utcnow
from jupyter_server.serverapp import ServerApp
from jupyter_server_terminals.terminalmanager import RUNNING_TOTAL, TerminalManager
from terminado.management import PtyWithClients, TermManagerBase
from tornado import web
from traitlets import Float, Integer

from .answers.theme import CurrentTheme
from .flow import FlowLimits, TypingMonitor
from .front_programs import FrontPrograms
from .memory import free_memory_bytes
from .metrics import LagMeter
from .screen.renderer import ScreenRenderer
from .screen.signals import Signal
from .terminal import Terminal

HOST_SETTING = "dbx_agents_terminal_host"
# By which a program, such as an agent's hook, names the terminal that it runs in.
TERMINAL_VARIABLE = "JUPYTER_DBX_AGENTS_TERMINAL"
MIB = 1024 * 1024
# Names travel in the websocket's URL, whose pattern is ``\w+``; others could never be attached to.
_NAME = re.compile(r"\w{1,64}")
_DEFAULTS = FlowLimits()


@dataclass(frozen=True)
class TerminalHost:
    """What the terminals need of the application.

    ``environment`` turns the server's environment into a child's; ``login_command`` is what to run
    before the shell (empty when a PAT is at hand); ``opened`` is called for each new terminal,
    ``programs_changed`` when a foreground program has changed, ``signalled`` when a program has
    signalled something, and ``ended`` when a terminal has ended.
    """

    environment: Callable[[Mapping[str, str]], dict[str, str]]
    login_command: Callable[[], Sequence[str]]
    opened: Callable[[], None]
    programs_changed: Callable[[], None]
    folder: Path | None
    signalled: Callable[[Terminal, list[Signal]], None] = lambda *_: None
    ended: Callable[[Terminal], None] = lambda _: None


# Without the application, terminals start as terminado starts them.
NO_HOST = TerminalHost(
    environment=dict,
    login_command=tuple,
    opened=lambda: None,
    programs_changed=lambda: None,
    folder=None,
)


class ResilientManager(TermManagerBase):
    """A mixin: put it before one of terminado's managers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._typing = TypingMonitor()
        self._renderer = ScreenRenderer()
        self.theme = CurrentTheme()

    def flow_limits(self) -> FlowLimits:
        """Return the limits for a terminal that starts now."""
        return FlowLimits()

    def new_terminal(self, **kwargs: Any) -> Terminal:
        """Start a terminal, as terminado does."""
        options = {**self.term_settings, "shell_command": self.shell_command, **kwargs}
        identity = uuid.uuid4().hex
        environment = {**self.make_term_env(**options), TERMINAL_VARIABLE: identity}
        return Terminal(
            options["shell_command"],
            environment,
            options.get("cwd"),
            self.flow_limits(),
            typing=self._typing,
            renderer=self._renderer,
            theme=self.theme,
            identity=identity,
        )

    def start_reading(self, ptywclients: PtyWithClients) -> None:
        """Connect a terminal to the event loop."""
        assert isinstance(ptywclients, Terminal)  # noqa: S101  # new_terminal() makes no other
        self.ptys_by_fd[ptywclients.ptyproc.fd] = ptywclients
        ptywclients.start(self.on_eof, self.pre_pty_read_hook)


class DbxTerminalManager(ResilientManager, TerminalManager):
    """Terminals that start in the projects' folder, ask for a PAT when needed, and end whole."""

    most_terminals = Integer(
        250, help="How many terminals there may be at the same time; 0 for no limit."
    ).tag(config=True)
    least_free_memory_mib = Integer(
        256,
        help="Below this much free memory, in MiB, no terminal starts (counted as the container's "
        "limit less its working set, without page cache); 0 for no limit.",
    ).tag(config=True)
    replay_kib = Integer(
        _DEFAULTS.replay_bytes // 1024,
        min=16,
        help="How much of each terminal's latest output is kept as it came, in KiB, for clients "
        "that connect later. What is older is kept as a screen with 1,000 lines of scrollback.",
    ).tag(config=True)
    high_water_kib = Integer(
        _DEFAULTS.high_water_bytes // 1024,
        min=1,
        help="Output is paused while a client has more than this unread, in KiB.",
    ).tag(config=True)
    low_water_kib = Integer(
        _DEFAULTS.low_water_bytes // 1024,
        min=0,
        help="Paused output resumes when no client has more than this unread, in KiB.",
    ).tag(config=True)
    behind_seconds = Float(
        _DEFAULTS.behind_seconds,
        help="A client that reads nothing for this long no longer pauses its program; "
        "it is sent the current screen once it has caught up.",
    ).tag(config=True)
    stalled_seconds = Float(
        _DEFAULTS.stalled_seconds,
        help="A client that has not caught up for this long is disconnected.",
    ).tag(config=True)
    input_kib = Integer(
        _DEFAULTS.input_bytes // 1024,
        min=64,
        help="How much input is queued for a program that does not read it, in KiB. More is "
        "refused with a message.",
    ).tag(config=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lag = LagMeter()
        self._front_programs = FrontPrograms(self._report_programs)

    @property
    def host(self) -> TerminalHost:
        """The application's callbacks, which are set before the server listens."""
        server = cast(ServerApp | None, self.parent)
        settings = server.web_app.settings if server is not None else {}
        return cast(TerminalHost, settings.get(HOST_SETTING, NO_HOST))

    # ---- starting

    def flow_limits(self) -> FlowLimits:
        """Return the traits in bytes and seconds."""
        return FlowLimits(
            high_water_bytes=self.high_water_kib * 1024,
            low_water_bytes=min(self.low_water_kib, self.high_water_kib) * 1024,
            behind_seconds=self.behind_seconds,
            stalled_seconds=self.stalled_seconds,
            input_bytes=self.input_kib * 1024,
            replay_bytes=self.replay_kib * 1024,
        )

    def make_term_env(self, *args: Any, **kwargs: Any) -> dict[str, str]:
        """Return terminado's environment, cleaned of credentials, with the colours of xterm.js."""
        environment = self.host.environment(super().make_term_env(*args, **kwargs))
        colours = {"COLORTERM": "truecolor", "COLORFGBG": self.theme.value.variable()}
        return {**environment, **colours}

    def new_terminal(self, **kwargs: Any) -> Terminal:
        """Start a terminal in the projects' folder, behind the PAT prompt when one is needed.

        Raises HTTPError 400 for a command or folder with which none starts, 429 if there are too
        many.
        """
        self._check_room()
        host = self.host
        command = _command(kwargs.get("shell_command") or self.shell_command)
        prompt = host.login_command()
        kwargs["shell_command"] = [*prompt, *command]
        if not kwargs.get("cwd") and host.folder is not None:
            host.folder.mkdir(parents=True, exist_ok=True)
            kwargs["cwd"] = str(host.folder)
        try:
            terminal = super().new_terminal(**kwargs)
        except OSError as error:
            raise web.HTTPError(400, f"The terminal cannot be started: {error}.") from error
        if prompt:
            _switch_echo_off(terminal.ptyproc.fd)  # before anybody can paste a token into it
        terminal.last_activity = utcnow()
        terminal.on_signals = host.signalled
        host.opened()
        return terminal

    def new_named_terminal(self, **kwargs: Any) -> tuple[str, PtyWithClients]:
        """Start a terminal under a name of its own.  Raises HTTPError 400, 409 or 429."""
        name = kwargs.get("name")
        if name is not None and (not isinstance(name, str) or not _NAME.fullmatch(name)):
            raise web.HTTPError(400, "A terminal name consists of 1 to 64 letters, digits or “_”.")
        if name in self.terminals:
            raise web.HTTPError(409, f"A terminal named {name} already exists.")
        if name is None:
            kwargs.pop("name", None)
        started: tuple[str, PtyWithClients] = super().new_named_terminal(**kwargs)
        return started

    def start_reading(self, ptywclients: PtyWithClients) -> None:
        """Connect a terminal to the event loop."""
        super().start_reading(ptywclients)
        self._lag.start()

    def _check_room(self) -> None:
        count = len(self.terminals)
        if self.most_terminals and count >= self.most_terminals:
            raise web.HTTPError(
                429,
                f"There are {count} terminals, and no more than {self.most_terminals} are allowed. "
                "Close one, or raise DbxTerminalManager.most_terminals.",
            )
        free = free_memory_bytes()
        if free is not None and free < self.least_free_memory_mib * MIB:
            raise web.HTTPError(
                429,
                f"Only {free // MIB} MiB of memory are free, and a terminal needs "
                f"{self.least_free_memory_mib} MiB to be safe. End a program, or close a terminal.",
            )

    # ---- reporting

    def get_terminal_model(self, name: str) -> dict[str, Any]:
        """Return Jupyter's REST model with the foreground program and the number of clients."""
        model: dict[str, Any] = super().get_terminal_model(name)
        terminal = cast(Terminal, self.terminals[name])
        return {
            **model,
            "foreground": terminal.foreground_program(),
            "folder": str(terminal.working_folder() or ""),
            "title": terminal.title,
            "clients": len(terminal.clients),
        }

    def find_files(self, name: str, paths: Iterable[str]) -> dict[str, str]:
        """Return those paths that are files, seen from where a terminal's program works.

        The values are absolute.  Blocking; raises HTTPError 404 for an unknown terminal.
        """
        self._check_terminal(name)
        folder = cast(Terminal, self.terminals[name]).working_folder()
        found = {path: (folder or Path("/")) / _expanded(path) for path in paths}
        return {path: str(file) for path, file in found.items() if _is_file(file)}

    def pre_pty_read_hook(self, ptywclients: PtyWithClients) -> None:
        """Record activity in a terminal."""
        super().pre_pty_read_hook(ptywclients)
        self._front_programs.check_soon(cast(Terminal, ptywclients))

    def _report_programs(self) -> None:
        self.host.programs_changed()  # looked up late: the application is created later

    def rename(self, name: str, title: str) -> None:
        """Give a terminal a title of the owner's, '' for none.  Raises HTTPError 404."""
        self._check_terminal(name)
        cast(Terminal, self.terminals[name]).title = title
        self._report_programs()

    # ---- ending

    def on_eof(self, ptywclients: PtyWithClients) -> None:
        """Remove a terminal that has ended."""
        super().on_eof(ptywclients)
        self.host.ended(cast(Terminal, ptywclients))
        self._front_programs.check_soon(cast(Terminal, ptywclients))
        RUNNING_TOTAL.set(len(self.terminals))
        if not self.terminals:
            self._lag.stop()
            self._renderer.stop()

    async def terminate(self, name: str, force: bool = False) -> None:
        """End a terminal with every process of its session."""
        self._check_terminal(name)
        await self.terminals[name].terminate(force=force)

    async def terminate_all(self) -> None:
        """End all terminals, at the same time."""
        await asyncio.gather(
            *(self.terminate(name, force=True) for name in list(self.terminals)),
            return_exceptions=True,
        )

    async def _cull_inactive_terminal(self, name: str) -> None:
        """Cull only an idle terminal: no client is connected and the shell is in the foreground."""
        terminal = cast(Terminal | None, self.terminals.get(name))
        if terminal is not None and terminal.is_at_rest():
            await super()._cull_inactive_terminal(name)


def _switch_echo_off(descriptor: int) -> None:
    """Switch the echo off; the prompt switches it on again when it ends."""
    modes = termios.tcgetattr(descriptor)
    modes[3] &= ~termios.ECHO  # 3: the local modes, see termios(3)
    termios.tcsetattr(descriptor, termios.TCSANOW, modes)


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no such user
        return Path(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no permission; a null byte
        return False


def _command(command: Any) -> list[str]:
    """Return a command's words.  Raises HTTPError 400 if it is invalid."""
    words = [command] if isinstance(command, str) else command
    is_list_of_words = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not is_list_of_words or not words or not words[0] or any("\0" in word for word in words):
        raise web.HTTPError(400, "shell_command must be a non-empty list of strings.")
    return list(words)

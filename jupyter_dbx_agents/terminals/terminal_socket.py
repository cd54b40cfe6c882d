"""A client of a terminal: its websocket, speaking JupyterLab's terminal protocol.

Messages are JSON arrays.  From a client: ``["stdin", text]``, ``["set_size", rows, columns, …]``,
and, from those that can, ``["ack", n]``: the first n ``stdout`` messages are drawn (``["ack", 0]``
announces that acknowledgements will come).  To a client: ``["setup", {}]``,
``["identity", id, start]``, ``["stdout", text]``, ``["disconnect", 1]``; and, to one that does not
acknowledge, pings with the number of ``stdout`` messages before them, which any client answers.

By the identity a client that reconnects recognizes, before anything is drawn, whether this is the
same terminal or another one of that name.  By the server's start time, as in Jupyter's
``/api/status``, a client whose terminal is gone recognizes whether the server was restarted.
``["identity"]`` requests both, also as a sign of life.
"""

import asyncio
import contextlib
import functools
import json
import socket
from collections import deque
from typing import Any

from jupyter_server._tz import isoformat
from jupyter_server_terminals.handlers import TermSocket as JupyterTermSocket
from terminado.websocket import TermSocket
from tornado import web
from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from .flow import ClientFlow
from .manager import ResilientManager
from .metrics import terminal_metrics
from .output import stdout_message
from .terminal import Terminal

# How long to wait for a client's size before it is sent a replay drawn for another size.
SIZE_SECONDS = 0.2
# Larger than any screen; the memory for a drawn screen grows with its size.
MOST_CELLS = 1000
# Unsent bytes that the kernel buffers: the fewer, the sooner ^C takes effect.
UNSENT_IN_KERNEL_BYTES = 128 * 1024
# By default tornado closes the connection at 10 MiB, without a message.  Shorter messages than this
# are accepted or refused with one; browsers hardly manage longer pastes.
MOST_MESSAGE_BYTES = 64 * 1024 * 1024
# A byte of input as JSON: \u001b.
MOST_BYTES_AS_JSON = 6
# Refused pastes that are reported to a client once it has caught up.
MOST_REPORTS = 10
# Unsent answers to one client; clients that read ask every few seconds at most.
MOST_ANSWERS = 10


class ResilientSocket(TermSocket):
    """terminado's websocket, with flow control."""

    term_manager: ResilientManager
    terminal: Terminal | None

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Initialize with the arguments of the route."""
        super().initialize(*args, **kwargs)
        self.flow = ClientFlow()
        self.follows = False
        self.is_behind = False
        self._has_complained = False
        self._timer: asyncio.TimerHandle | None = None
        self._reports: deque[bytes] = deque(maxlen=MOST_REPORTS)
        self._answers = 0  # not yet written

    @property
    def max_message_size(self) -> int:
        """The longest message in bytes: that of the largest paste that is accepted, fully escaped.

        tornado reads this before the terminal is known.
        """
        largest = self.term_manager.flow_limits().input_bytes
        return max(MOST_MESSAGE_BYTES, MOST_BYTES_AS_JSON * largest + 1024)

    def open(self, url_component: Any = None) -> None:
        """Join the terminal; send the replay once the client's size is known or irrelevant."""
        super().open(url_component)
        self.welcome()
        # Disable Nagle: with delayed ACKs the second small write would wait 40 ms.
        self.set_nodelay(True)
        self._limit_kernel_buffer()
        assert self.terminal is not None  # noqa: S101  # terminado's open() has set it
        if self.terminal.replay_depends_on_size:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SIZE_SECONDS, self._begin)
        else:
            self._begin()

    def welcome(self) -> None:
        """Send what comes between the setup and the replay: nothing in terminado's protocol."""

    def on_message(  # type: ignore[override]  # tornado awaits it only if it must
        self, message: str | bytes
    ) -> None:
        """Handle a client's message; invalid ones are ignored, and the first is logged."""
        try:
            content = json.loads(message)
            action = self._actions[content[0]]  # KeyError for an object
        except (ValueError, TypeError, LookupError, RecursionError):
            return self._complain("an invalid message")
        if self.terminal is not None and not action(self, content[1:]):
            self._complain("a message with invalid values")
        return None

    def on_close(self) -> None:
        """Leave the terminal."""
        self._stop_timer()
        terminal = self.terminal
        super().on_close()
        if terminal is not None:
            terminal.regulate()

    def on_pty_died(self) -> None:
        """Notify the client that its terminal has ended."""
        self._stop_timer()
        try:
            super().on_pty_died()
        except WebSocketClosedError:
            self.terminal = None

    # ---- output

    def send_output(self, message: bytes) -> None:
        """Send an encoded ``stdout`` message, unless the client is behind or still joining."""
        if not self.follows:
            return
        # The connection may be found reset after a write that succeeded: the ping then fails.
        with contextlib.suppress(WebSocketClosedError):
            # Jupyter's own write_message drops the future, which flow control needs.
            future = WebSocketHandler.write_message(self, message)
            future.add_done_callback(functools.partial(self._written, len(message)))
            self.flow.sent(len(message), asyncio.get_running_loop().time())
            self._ping_for_progress()
        self._send_reports()

    def _send_reports(self) -> None:
        """Send pending reports; to a client that is behind or joining, after its screen."""
        while self.follows and self._reports:
            self.send_output(self._reports.popleft())

    def fall_behind(self) -> None:
        """Send nothing until the client has caught up; disconnect it if it never does."""
        self.follows, self.is_behind = False, True
        assert self.terminal is not None  # noqa: S101  # only a terminal's client falls behind
        seconds = self.terminal.limits.stalled_seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._give_up)

    def catch_up(self) -> None:
        """End being behind; the caller sends the screen."""
        self._stop_timer()
        self.is_behind = False

    def _written(self, size: int, future: asyncio.Future[None]) -> None:
        if future.cancelled() or future.exception() is not None:
            return  # the connection is gone; on_close follows
        self.flow.written(size, asyncio.get_running_loop().time())
        if self.terminal is not None:
            self.terminal.regulate()

    def _ping_for_progress(self) -> None:
        # Half the low-water mark: unconfirmed output must not keep the program paused.
        if self.terminal is not None and self.flow.should_ping(
            self.terminal.limits.low_water_bytes // 2
        ):
            self.ping(b"%d" % self.flow.messages)

    def on_pong(self, data: bytes) -> None:
        """Handle a pong: the answer to a progress ping or to a keep-alive ping."""
        super().on_pong(data)
        if data.isdigit() and self.terminal is not None:
            self.flow.answered(int(data), asyncio.get_running_loop().time())
            self.terminal.regulate()

    def _begin(self) -> None:
        self._stop_timer()
        if self.terminal is not None and not self.follows and not self.is_behind:
            self.terminal.replay_for(self)

    def _give_up(self) -> None:
        terminal_metrics().dropped_clients.inc()
        self.log_complaint("has not read its output for too long and is disconnected")
        self.close(1013, "Too slow")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _limit_kernel_buffer(self) -> None:
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Linux and macOS only
        stream = self.ws_connection.stream if self.ws_connection else None
        if option is not None and stream is not None and stream.socket.family != socket.AF_UNIX:
            stream.socket.setsockopt(socket.IPPROTO_TCP, option, UNSENT_IN_KERNEL_BYTES)

    # ---- input

    def _stdin(self, values: list[Any]) -> bool:
        if not values or not isinstance(values[0], str) or self.terminal is None:
            return False
        if report := self.terminal.type(values[0]):
            self._reports.append(stdout_message(report.encode()))
            self._send_reports()
        return True

    def _set_size(self, values: list[Any]) -> bool:
        size = values[:2]
        if len(size) < 2 or not all(_is_count(value) and value > 0 for value in size):  # noqa: PLR2004
            return False
        rows, columns = (min(value, MOST_CELLS) for value in size)
        self.size = (rows, columns)
        if self.terminal is not None:
            if self._timer is not None and not self.is_behind:
                self.terminal.resize_now()
                self._begin()
            else:
                self.terminal.resize_to_smallest()
        return True

    def _ack(self, values: list[Any]) -> bool:
        if not values or not _is_count(values[0]) or self.terminal is None:
            return False
        is_possible = self.flow.acknowledged(values[0], asyncio.get_running_loop().time())
        self.terminal.regulate()
        return is_possible

    def _identity(self, _values: list[Any]) -> bool:
        # An answer that is still queued answers this request as well.
        if self.terminal is not None and self._answers < MOST_ANSWERS:
            started = self.settings.get("started")
            start = isoformat(started) if started else ""
            message = json.dumps(["identity", self.terminal.identity, start])
            with contextlib.suppress(WebSocketClosedError):
                future = WebSocketHandler.write_message(self, message)
                self._answers += 1
                future.add_done_callback(self._answered)
        return True

    def _answered(self, future: asyncio.Future[None]) -> None:
        self._answers -= 1
        if not future.cancelled():
            future.exception()  # the connection is gone; on_close follows

    _actions = {"stdin": _stdin, "set_size": _set_size, "ack": _ack, "identity": _identity}

    def _complain(self, what: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            self.log_complaint(f"sent {what}; it and further ones are ignored")

    def log_complaint(self, what: str) -> None:
        """Log one line about this client."""
        self._logger.warning("A client of terminal %s %s.", self.term_name, what)


class DbxTermSocket(ResilientSocket, JupyterTermSocket):  # type: ignore[misc]
    """The websocket behind Jupyter's authentication."""

    ping_callback: PeriodicCallback | None  # type: ignore[assignment]  # None only at first

    def welcome(self) -> None:
        """Send the terminal's identity; JupyterLab ignores unknown messages."""
        self._identity([])

    def on_close(self) -> None:
        """Leave the terminal, and cancel Jupyter's ping timer, which would keep this object."""
        super().on_close()
        if self.ping_callback is not None:
            self.ping_callback.stop()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class TerminalSocketHandler(DbxTermSocket):
    """The websocket, with the manager that Jupyter's own extension builds later."""

    def initialize(self, name: str) -> None:  # type: ignore[override]  # a route's arguments
        """Initialize with Jupyter's terminal manager.  Raises HTTPError 404 if there is none."""
        manager = self.settings.get("terminal_manager")
        if manager is None:
            raise web.HTTPError(404)
        super().initialize(name, manager)


def terminal_routes() -> list[tuple[str, type[Any]]]:
    """Return our route; it wins, since extensions load in the order of their names."""
    return [(r"/terminals/websocket/(\w+)", TerminalSocketHandler)]

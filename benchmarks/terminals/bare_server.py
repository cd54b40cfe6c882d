"""The limit of a Python process: a tornado websocket and a pty, with nothing else in between.

Run: ``python -m benchmarks.terminals.bare_server --ServerApp.port=N``; other options are ignored.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import sys
from typing import Any

from tornado import ioloop, web, websocket

SHELL = ["bash", "--norc", "--noprofile"]


class Status(web.RequestHandler):
    """Tells that it is open."""

    def get(self) -> None:
        """Say nothing, successfully."""
        self.write({})


class Terminals(web.RequestHandler):
    """Starts and ends programs; a terminal's name is its process."""

    def post(self) -> None:
        """Start a program."""
        command = json.loads(self.request.body).get("shell_command", SHELL)
        pid, descriptor = pty.fork()
        if pid == 0:
            os.execvp(command[0], command)
        self.settings["descriptors"][str(pid)] = descriptor
        self.write({"name": str(pid)})

    def delete(self, name: str) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(name), signal.SIGKILL)
        os.waitpid(int(name), 0)


class Socket(websocket.WebSocketHandler):
    """One client of one terminal."""

    def open(self, name: str) -> None:  # type: ignore[override]
        """Begin to read."""
        self._descriptor = self.settings["descriptors"][name]
        self.set_nodelay(True)
        ioloop.IOLoop.current().add_handler(self._descriptor, self._read, ioloop.IOLoop.READ)

    def on_message(self, message: str | bytes) -> None:
        """Write what is typed."""
        kind, *content = json.loads(message)
        if kind == "stdin":
            os.write(self._descriptor, content[0].encode())

    def _read(self, descriptor: int, _events: int) -> None:
        try:
            output = os.read(descriptor, 65536)
            self.write_message(json.dumps(["stdout", output.decode(errors="replace")]))
        except (OSError, websocket.WebSocketClosedError):
            ioloop.IOLoop.current().remove_handler(descriptor)


def main(arguments: list[str]) -> None:
    """Serve until the end of the process."""
    options = dict(argument.partition("=")[::2] for argument in arguments)
    routes: list[tuple[str, Any]] = [
        ("/api/status", Status),
        ("/api/terminals", Terminals),
        ("/api/terminals/(.*)", Terminals),
        ("/terminals/websocket/(.*)", Socket),
    ]
    port = int(options["--ServerApp.port"])
    web.Application(routes, descriptors={}).listen(port, "127.0.0.1")
    ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main(sys.argv[1:])

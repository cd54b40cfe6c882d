"""The commands' end.  Standard library only: it runs each time a terminal opens."""

import http.client
import json
import socket
from http import HTTPStatus
from typing import Any

from ..environment import variable
from ..errors import LocalChannelError, RemoteError
from . import SOCKET_VARIABLE

# Adopting a PAT takes about ten calls to the workspace, each of which may be slow.
TIMEOUT_SECONDS = 120.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Any:
    """Call the server's REST API over its local socket and return the reply, a REST model.

    Raises LocalChannelError when no server answers and RemoteError for an error of the server's.
    """
    socket_path = variable(SOCKET_VARIABLE)
    if not socket_path:
        raise LocalChannelError(
            "This command only works in a terminal inside the app.",
            "Open a terminal in the app and run it there.",
        )
    connection = _UnixConnection(socket_path, timeout_seconds)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        reply = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LocalChannelError(
            f"The server did not respond ({type(error).__name__}).",
            "It may be restarting: reload the page and open a new terminal.",
        ) from error
    finally:
        connection.close()
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise RemoteError(str(reply.get("message", "")), str(reply.get("hint", "")))
    return dict(reply)

"""The server's end: a tornado application on a unix socket."""

import contextlib
import os
import shutil
import socket
import struct
import sys
import tempfile
from pathlib import Path

from tornado import httputil, web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

# A PAT is the largest text that is sent here.
MOST_BODY_BYTES = 64 * 1024
# unix(7) allows 107, the socket's own name included.
MOST_FOLDER_BYTES = 90
PREFIX = "dbx-agents-"
SOCKET_NAME = "server.sock"
PROBE_SECONDS = 0.5


class LocalChannel:
    """Serves an application to processes of this user on this machine only."""

    def __init__(self, application: web.Application) -> None:
        self._server = HTTPServer(application, max_body_size=MOST_BODY_BYTES)
        self._folder: Path | None = None

    def start(self) -> Path:
        """Listen and return the socket's path.

        The folder is new, of mode 0700, and where paths are short: below a home folder the path may
        exceed what unix(7) allows.
        """
        _sweep()
        self._folder = _short_private_folder()
        path = self._folder / SOCKET_NAME
        self._server.add_socket(bind_unix_socket(str(path), mode=0o600))
        return path

    async def stop(self) -> None:
        """Close the socket and remove it."""
        self._server.stop()
        await self._server.close_all_connections()
        if self._folder is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._folder)


def _short_private_folder() -> Path:
    """Return a new folder of mode 0700; ``TMPDIR`` may be too long for a socket."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    if len(os.fsencode(folder)) <= MOST_FOLDER_BYTES:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))


def _sweep() -> None:
    """Remove the folders of servers that were killed: those whose socket nobody listens on.

    Only this user's, and only folders with a socket: without one, a server may just be starting.
    """
    for place in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108 nothing is made there
        for socket_file in Path(place).glob(f"{PREFIX}*/{SOCKET_NAME}"):
            with contextlib.suppress(OSError):
                is_ours = socket_file.parent.stat().st_uid == os.geteuid()
                if is_ours and _is_abandoned(socket_file):
                    socket_file.unlink()
                    socket_file.parent.rmdir()


def _is_abandoned(socket_file: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(socket_file))
        except ConnectionRefusedError:
            return True
        except OSError:  # a full backlog, or another user's: in use
            return False
    return False


def is_same_user(request: httputil.HTTPServerRequest) -> bool:
    """Return whether the peer runs as this user, according to the kernel.

    Redundant on purpose with the folder's mode.
    """
    if sys.platform != "linux" or request.connection is None:
        return True
    stream = getattr(request.connection, "stream", None)
    if stream is None or stream.socket is None or stream.socket.family != socket.AF_UNIX:
        return False
    credentials = stream.socket.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _pid, uid, _gid = struct.unpack("3i", credentials)
    return bool(uid == os.geteuid())

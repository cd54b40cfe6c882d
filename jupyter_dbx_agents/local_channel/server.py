"""The server's end: a tornado application on a unix socket."""

from __future__ import annotations

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

# A PAT is the largest thing that travels here.
MOST_BODY_BYTES = 64 * 1024
# Of the 107 that unix(7) allows, less the socket's own name.
MOST_FOLDER_BYTES = 90


class LocalChannel:
    """Serves an application to processes of this user on this machine, and to nobody else."""

    def __init__(self, application: web.Application) -> None:
        self._server = HTTPServer(application, max_body_size=MOST_BODY_BYTES)
        self._folder: Path | None = None

    def start(self) -> Path:
        """Listen and return the socket's path.

        The folder is a fresh one of mode 0700, where paths are short: a home may exceed what
        unix(7) allows for a socket.
        """
        self._folder = _short_private_folder()
        path = self._folder / "server.sock"
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
    folder = Path(tempfile.mkdtemp(prefix="dbx-agents-"))
    if len(os.fsencode(folder)) <= MOST_FOLDER_BYTES:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="dbx-agents-", dir="/tmp"))


def is_same_user(request: httputil.HTTPServerRequest) -> bool:
    """Whether the peer runs as this user, by the kernel's word.

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
